/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the checks, and the verdict (FORMAT.md section 7). */
import { hex } from './bytes.js';
import { Bag, signatureOf } from './bag.js';
import { digest } from './digest.js';
import { Index, Reader } from './exhibits.js';
import { checkCounterNames, segmentsOf } from './files.js';
import { keyIdText, prehash } from './minisign.js';
import { Broken, CannotTell, need } from './rule.js';
import { parseSeal } from './seal.js';
import { readSlice, Stream } from './stream.js';
import { Short, Walker } from './walker.js';

const SIGNATURE_MAX = 4096;
const SEAL_MAX = 67108864;

/* Somebody pressed `Stop`. */
export class Stopped extends Error {
}

class Check {
	/* sorted: of sortFiles(); keys: those that the reader trusts;
	 * progress(done, total) */
	constructor(sorted, keys, progress) {
		this.sorted = sorted;
		this.keys = keys;
		this.progress = progress;
		this.index = new Index();
		this.bag = new Bag(this.index);
		this.trusted = null;	/* the key that signed, of those named */
		this.countersigned = false;
		this.outer = null;
		this.counters = [];
		this.sealHolds = false;
	}

	/* Does one of the named keys say that it made this? */
	trust(signature, hash, what) {
		const named = this.keys.filter((key) => signature.isBy(key));
		const key = named.find((one) => signature.holds(one, hash));

		need(key || named.length === 0, 23,
			`${what}: the signature does not hold`);
		return key ?? null;
	}

	/* Step 1: signatures over the bytes of the seal, then what it says. */
	async takeSeal() {
		const { seal, signature, counters } = this.sorted;

		if (!seal)
			return;
		need(seal.size <= SEAL_MAX, 21, 'the seal is longer than 64 MiB');
		const bytes = await readSlice(seal, 0, seal.size);
		this.sealHash = prehash(bytes);
		this.sealSha256 = hex(await digest(bytes));
		if (signature) {
			this.outer = await this.read(signature,
				'the outer signature');
			this.trusted = this.trust(this.outer, this.sealHash,
				'the outer signature');
		}
		for (const [id, file] of counters)
			await this.takeCounter(id, file);
		this.seal = parseSeal(bytes);
		this.bag.name = this.seal.name;
	}

	async read(file, what) {
		need(file.size <= SIGNATURE_MAX, 23, `${what} is too long`);
		return signatureOf(await readSlice(file, 0, file.size), what);
	}

	async takeCounter(id, file) {
		const one = await this.read(file, 'a counter-signature');

		need(keyIdText(one.keyId) === id, 23, 'a counter-signature is ' +
			`by key ${keyIdText(one.keyId)}, its name says ${id}`);
		const key = this.trust(one, this.sealHash, 'a counter-signature');
		if (key && !this.trusted) {
			this.trusted = key;
			this.countersigned = true;
		}
		this.counters.push(one);
	}

	/* F2, F22: cheap to see before anything is read. */
	checkLengths() {
		const { segments } = this.seal;

		need(this.files.length === segments.length, 2,
			`${this.files.length} segments instead of ` +
			segments.length);
		for (const [i, file] of this.files.entries())
			need(file.size === segments[i].length, 22,
				`segment ${i + 1} is ` +
				(file.size < segments[i].length ? 'shorter' :
				'longer') + ' than sealed');
	}

	/* Steps 2 and 3. */
	async takeStream() {
		const walker = new Walker(this.stream, this.seal?.name ?? null);
		let member;

		while ((member = await walker.next()) !== null) {
			this.bag.name = walker.name;
			this.bag.mtime = walker.mtime;
			this.bag.begin(member);
			await this.bag.end(member, await walker.data());
			await walker.padding();
		}
		this.bag.finish();
	}

	/* Of an encrypted bundle the seal covers the encrypted bytes. */
	async takeEncrypted() {
		while (await this.stream.nextChunk())
			;
		this.sealHolds = true;
		throw new CannotTell('the bundle is encrypted: the sealed bytes ' +
			'are as the seal says, but what is inside can only be ' +
			'checked after decryption');
	}

	/* Step 4. */
	checkSeal() {
		const { seal, bag, outer } = this;

		need(seal.caseId === bag.log.caseId, 21,
			'the seal names another case');
		need(seal.root === bag.root, 21, 'the seal names another root');
		need(seal.logSize === bag.log.tree.size &&
			seal.logRoot === hex(bag.log.tree.root()), 21,
			'the seal names another log');
		need(seal.state === bag.state, 21, 'the seal names another state');
		if (outer) {
			need(outer.untrusted === 'crashcart seal' &&
				outer.trusted ===
				bag.comment('crashcart seal', bag.purpose), 23,
				'the comments of the outer seal');
			need(outer.isBy(bag.key), 23,
				'outer and inner seal are not by the same key');
			need(outer.holds(bag.key, this.sealHash), 23,
				'the outer seal: the signature does not hold');
		}
		for (const one of this.counters)
			need(one.untrusted === 'crashcart counter-signature' &&
				one.trusted ===
				bag.comment('crashcart counter-signature'), 23,
				'the comments of a counter-signature');
	}

	async run() {
		const { files, isAge } = segmentsOf(this.sorted);

		this.files = files;
		if (this.sorted.seal)
			checkCounterNames(this.sorted);
		await this.takeSeal();
		if (this.seal)
			this.checkLengths();
		this.stream = new Stream(files, this.seal, this.progress);
		if (isAge)
			return this.takeEncrypted();
		try {
			await this.takeStream();
		} catch (e) {
			if (!(e instanceof Short) || this.seal)
				throw e;
			throw new CannotTell('there is no seal, and the stream ' +
				'is not complete: the collection never ended');
		}
		if (!this.seal)
			throw new CannotTell('there is no seal: what is inside ' +
				'agrees with itself, but nothing says that it ' +
				'is complete');
		this.checkSeal();
		this.sealHolds = true;
		this.trust(this.bag.inner, this.bag.rootPrehash,
			'the inner seal');
		await this.bag.checkStamps();
	}

	decide() {
		if (!this.trusted)
			throw new CannotTell(this.keys.length === 0 ?
				'everything holds, but you named no key to trust' :
				'everything holds, but no key that you named ' +
				'made the seal');
		if (this.countersigned)
			return 'everything holds, and a key that you named ' +
				'counter-signed the seal; another key, which ' +
				'you did not name, made it';
		return 'everything holds, and a key that you named made the seal';
	}
}

/* { verdict: 'valid', 'invalid' or 'cannot-tell', rule, reason, check,
 * reader }.  Throws Unreadable or Stopped where there is no verdict. */
export async function verify(sorted, keys, progress) {
	const check = new Check(sorted, keys, progress);
	const result = { rule: null, check };

	try {
		await check.run();
		result.reason = check.decide();
		result.verdict = 'valid';
	} catch (e) {
		if (e instanceof Broken)
			result.rule = e.rule;
		else if (!(e instanceof CannotTell))
			throw e;
		result.verdict = result.rule ? 'invalid' : 'cannot-tell';
		result.reason = e.message;
	} finally {
		await check.stream?.settle();
	}
	if (!result.rule && check.bag.inner && check.bag.root)
		result.reader = new Reader(check.index, check.files);
	return result;
}
