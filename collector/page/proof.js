/* SPDX-License-Identifier: Apache-2.0 */
/* One exhibit without the rest: P1 to P4 (FORMAT.md section 9). */
import { bytesOf, hex, join, same, textOf, unbase64 } from './bytes.js';
import { digest, digestNow, digestStream } from './digest.js';
import { parseJson } from './json.js';
import { keyIdText, prehash, Signature } from './minisign.js';
import { Broken, CannotTell } from './rule.js';
import { CHUNK } from './seal.js';
import { readSlice } from './stream.js';

const FILES = {
	'line.json': 262144, 'line.tlog-proof': 65536,
	'tagmanifest-sha256.txt': 16777216,
	'tagmanifest-sha256.txt.minisig': 65536, 'content': Infinity,
};

export const PROOF_FILES = Object.keys(FILES);

function need(condition, number, reason) {
	if (!condition)
		throw new Broken(number, reason, 'P');
}

class Proof {
	constructor(files, keys, progress) {
		this.files = files;
		this.keys = keys;
		this.progress = progress;
	}

	async load() {
		for (const [name, max] of Object.entries(FILES)) {
			const file = this.files.get(name);
			if (!file)
				throw new CannotTell(`${name} is missing`);
			need(file.size <= max, 1, `${name} is too long`);
			if (name !== 'content')
				this[name] = await readSlice(file, 0, file.size);
		}
	}

	/* P1: who signed the tag manifest? */
	async checkSignature() {
		const data = this['tagmanifest-sha256.txt'];
		let signature = null;

		try {
			signature = new Signature(
				this['tagmanifest-sha256.txt.minisig']);
		} catch (e) {
			/* said below */
		}
		const found = signature?.untrusted === 'crashcart inner seal' &&
			/^crashcart inner-seal bundle=([^ ]+) case=([^ ]+) purpose=([^ ]+) root=([^ ]+)$/
			.exec(signature.trusted);
		need(found, 1, 'the signature file is not an inner seal\'s');
		[, this.name, this.caseId, this.purpose, this.root] = found;
		need(this.root === hex(await digest(data)), 1,
			'the signature is of another tag manifest');
		this.signer = keyIdText(signature.keyId);
		const named = this.keys.filter((key) => signature.isBy(key));
		const hash = prehash(data);
		need(named.every((key) => signature.holds(key, hash)), 1,
			'the signature does not hold under the key that it ' +
			'names');
		this.trusted = named.length > 0;
	}

	parse() {
		const text = textOf(this['line.tlog-proof']) ?? '';
		const found = /^c2sp\.org\/tlog-proof@v1\nindex (0|[1-9][0-9]{0,15})\n((?:[^\n]{44}\n){0,64})\n([^\n]*\n(0|[1-9][0-9]{0,15})\n([^\n]{44})\n[^]*)$/
			.exec(text);

		need(found, 3, 'line.tlog-proof is no C2SP tlog-proof of a ' +
			'checkpoint');
		this.index = Number(found[1]);
		this.path = found[2].split('\n').slice(0, -1).map(unbase64);
		this.checkpoint = bytesOf(found[3]);
		this.size = Number(found[4]);
		this.logRoot = unbase64(found[5]);
		need([...this.path, this.logRoot].every((one) =>
			one?.length === 32), 3, 'line.tlog-proof has a bad hash');
	}

	/* P2 */
	async checkCheckpoint() {
		const line = `${hex(await digest(this.checkpoint))}  checkpoint`;

		need((textOf(this['tagmanifest-sha256.txt']) ?? '').split('\n')
			.includes(line), 2, 'the checkpoint is not the one that ' +
			'the bundle\'s tag manifest lists');
	}

	/* P3, RFC 6962 section 2.1.1 */
	checkInclusion() {
		let index = this.index, last = this.size - 1, rest = [];
		let node = digestNow(join([0], this['line.json']));
		let right = index <= last;

		const up = () => {
			index = Math.floor(index / 2);
			last = Math.floor(last / 2);
		};
		for (const one of this.path) {
			right &&= last > 0;
			rest = index % 2 === 1 || index === last ? [one, node] :
				[node, one];
			if (rest[0] === one)
				while (index % 2 === 0 && index > 0)
					up();
			node = digestNow(join([1], ...rest));
			up();
		}
		need(right && last === 0 && same(node, this.logRoot), 3,
			'the line is not in the log that the checkpoint stands ' +
			'for');
	}

	/* P4 */
	async checkContent() {
		const file = this.files.get('content'), hash = digestStream();

		for (let at = 0; at < file.size; at += CHUNK) {
			hash.update(await readSlice(file, at, CHUNK));
			this.progress(Math.min(at + CHUNK, file.size), file.size);
		}
		this.sha256 = hex(hash.digest());
		try {
			this.line = parseJson(textOf(this['line.json']));
		} catch (e) {
			this.line = null;
		}
		need(typeof this.line?.get?.('sha256') === 'string' &&
			typeof this.line.get('exhibit') === 'string', 4,
			'line.json is no exhibit or file with a SHA-256');
		need(this.line.get('sha256') === this.sha256, 4,
			'the content is not what the log line says');
	}

	async run() {
		await this.load();
		await this.checkSignature();
		this.parse();
		await this.checkCheckpoint();
		this.checkInclusion();
		await this.checkContent();
		if (!this.trusted)
			throw new CannotTell('content, log line and checkpoint ' +
				'hold together, but ' + (this.keys.length === 0 ?
				'you named no key' : 'none of the keys that ' +
				'you named signed it'));
		return 'content, log line, checkpoint and signature hold ' +
			'together, and you named the key';
	}
}

/* { verdict, rule, reason, proof } */
export async function checkProof(files, keys, progress) {
	const proof = new Proof(files, keys, progress);

	try {
		return { verdict: 'valid', rule: null, proof,
			reason: await proof.run() };
	} catch (e) {
		if (!(e instanceof Broken) && !(e instanceof CannotTell))
			throw e;
		return { verdict: e instanceof Broken ? 'invalid' : 'cannot-tell',
			rule: e.rule ?? null, reason: e.message, proof };
	}
}
