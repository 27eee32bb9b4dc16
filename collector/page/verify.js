/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the checks, and the verdict (FORMAT.md section 7). */
import { hex } from './bytes.js';
import { checkSegment, isAge } from './age.js';
import { Bag, signatureOf } from './bag.js';
import { digest } from './digest.js';
import { Index, Reader } from './exhibits.js';
import { checkCounterNames, segmentsOf } from './files.js';
import { keyIdText, prehash } from './minisign.js';
import { checkStamp, REPLY_MAX } from './stamp.js';
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
		this.claimed = false;	/* the seal's signer, not checked */
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
		const { seal, signature, counters, stamps } = this.sorted;

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
		for (const [id, file] of stamps)
			await this.takeStamp(id, file);
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

	/* F24 */
	async takeStamp(id, file) {
		const of = this.sorted.counters.find(([other]) => other === id);

		need(of, 24, 'a time stamp of a counter-signature that is not ' +
			'there');
		need(file.size <= REPLY_MAX, 24, `${file.name} is too long`);
		await checkStamp(await readSlice(file, 0, file.size),
			await readSlice(of[1], 0, of[1].size));
	}

	/* F2, F22: cheap to see before anything is read. */
	checkLengths() {
		const { segments } = this.seal;

		/* what is behind a partial seal is a remnant (F26) */
		if (this.partial)
			this.files.length = Math.min(this.files.length,
				segments.length);
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
		if (this.partial)
			throw new CannotTell('the seal says partial, but the ' +
				'stream is whole');
		this.bag.finish();
	}

	/* The first bytes say whether the stream is encrypted (F25). */
	async takeFirst(named) {
		const some = await this.stream.nextChunk();

		this.encrypted = some ? isAge(this.stream.chunk) : named;
		need(this.encrypted === named, 25, named ?
			'a .tar.age that is not an age file' :
			'a .tar that is an age file');
	}

	/* Of an encrypted bundle the seal covers the encrypted bytes. */
	async takeEncrypted() {
		do {
			if (this.stream.place?.from === 0)
				checkSegment(this.stream.chunk,
					this.stream.place.segment + 1);
		} while (await this.stream.nextChunk());
		if (!this.seal)
			throw new CannotTell('there is no seal, and what is ' +
				'inside is encrypted');
		this.checkOutside();
		/* the key that would tell lies inside */
		this.sealHolds = Boolean(this.trusted);
		this.claimed = !this.trusted || this.countersigned;
		throw new CannotTell(this.trusted ? 'the stored bytes are as ' +
			'sealed; they are encrypted, and what is inside was ' +
			'not checked' : 'no key that you named made the seal, ' +
			'so that its signature was not checked, and what is ' +
			'inside is encrypted');
	}

	/* The comments, as far as the seal says what they must be. */
	checkOutside() {
		const { outer, seal } = this;

		this.bag.purpose = ['session', 'examiner'].find((purpose) =>
			outer?.untrusted === 'crashcart seal' &&
			outer.trusted === this.comment('crashcart seal', purpose));
		need(!outer || this.bag.purpose, 23,
			'the comments of the outer seal');
		this.bag.log.caseId = seal.caseId;
		this.checkCounters();
	}

	comment(what, purpose) {
		const { name, caseId, root } = this.seal;

		return `${what} bundle=${name} case=${caseId} ` +
			(purpose ? `purpose=${purpose} ` : '') + `root=${root}`;
	}

	checkCounters() {
		for (const one of this.counters)
			need(one.untrusted === 'crashcart counter-signature' &&
				one.trusted ===
				this.comment('crashcart counter-signature'), 23,
				'the comments of a counter-signature');
	}

	/* F26: what was closed before the run died.  The log's root stands for
	 * that of a tag manifest that never was. */
	checkPartial() {
		const { bag, seal } = this;

		need(bag.log.tree.size > 0, 26,
			'no log part is in what was sealed');
		bag.settle(seal.logRoot, seal.state);
		this.checkSeal();
		this.sealHolds = true;
		throw new CannotTell('what is there is as sealed, but it was ' +
			'sealed as partial: how much was to follow is not known');
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
		this.checkCounters();
	}

	async run() {
		const { files, encrypted } = segmentsOf(this.sorted);

		this.files = files;
		if (this.sorted.seal)
			checkCounterNames(this.sorted);
		await this.takeSeal();
		this.partial = this.seal?.state === 'partial';
		if (this.seal)
			this.checkLengths();
		this.stream = new Stream(files, this.seal, this.progress);
		await this.takeFirst(encrypted);
		if (this.encrypted)
			return this.takeEncrypted();
		try {
			await this.takeStream();
		} catch (e) {
			if (!(e instanceof Short) || (this.seal && !this.partial))
				throw e;
			if (this.partial)
				return this.checkPartial();
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
	if (!result.rule && (check.partial ? check.sealHolds :
	    check.bag.inner && check.bag.root))
		result.reader = new Reader(check.index, check.files);
	return result;
}
