/* SPDX-License-Identifier: Apache-2.0 */
/* The record of hand-overs beside a bundle: C1 to C5 (FORMAT.md section 10). */
import { hex, textOf } from './bytes.js';
import { digest } from './digest.js';
import { parseJson } from './json.js';
import { keyIdText, prehash, Signature } from './minisign.js';
import { Broken } from './rule.js';
import { readSlice } from './stream.js';

const ENTRY_MAX = 65536;
const ENTRIES_MAX = 100000;
const NAME = /^([0-9]{6,})\.json(\.minisig)?$/;

function need(condition, number, reason) {
	if (!condition)
		throw new Broken(number, reason, 'C');
}

function nameOf(n, suffix = '') {
	return `${String(n).padStart(6, '0')}.json${suffix}`;
}

/* Files of a custody folder that were chosen one by one are known by name. */
export function isEntryName(name) {
	return NAME.test(name);
}

class Chain {
	/* files: Map name -> File; facts: { root, sealSha256 } of the bundle */
	constructor(files, facts, keys) {
		this.files = files;
		this.facts = facts;
		this.keys = keys;
		this.entries = [];	/* { entry, keyId, trusted, sha256 } */
		this.open = null;	/* { by, to } of a release */
	}

	get head() {
		return this.entries.at(-1)?.sha256 ?? '0'.repeat(64);
	}

	async walk() {
		for (let n = 1; n <= ENTRIES_MAX; n++) {
			const file = this.files.get(nameOf(n));
			if (!file)
				break;
			await this.entry(n, file);
		}
		this.checkNames();
	}

	async entry(n, file) {
		need(file.size <= ENTRY_MAX, 1, `entry ${n} is too long`);
		const bytes = await readSlice(file, 0, file.size);
		const entry = this.parse(n, bytes);
		const sha256 = hex(await digest(bytes));

		need(entry.get('n') === n, 1, `entry ${n} has another number ` +
			'inside: entries were reordered');
		need(entry.get('prev') === this.head, 2, `entry ${n} does not ` +
			'follow the entry before it: the chain was cut or ' +
			'rewritten there');
		need(entry.get('root') === this.facts.root &&
			entry.get('seal_sha256') === this.facts.sealSha256, 3,
			`entry ${n} speaks of another bundle`);
		need(typeof entry.get('by') === 'string' &&
			typeof entry.get('event') === 'string', 1,
			`entry ${n} does not say who did what`);
		const by = await this.signature(n, bytes, sha256);
		this.transfer(n, entry);
		this.entries.push({ entry, sha256, ...by });
	}

	parse(n, bytes) {
		try {
			const entry = parseJson(textOf(bytes));
			return entry instanceof Map ? entry : new Map();
		} catch (e) {
			return need(false, 1, `entry ${n} is no JSON`);
		}
	}

	async signature(n, bytes, sha256) {
		const file = this.files.get(nameOf(n, '.minisig'));
		let signature = null;

		try {
			signature = new Signature(await readSlice(file, 0,
				file.size));
		} catch (e) {
			/* none, or none that can be read */
		}
		need(signature?.untrusted === 'crashcart custody' &&
			signature.trusted === 'crashcart custody ' +
			`root=${this.facts.root} entry=${n} sha256=${sha256}`, 4,
			`entry ${n} has no signature of its own`);
		const keyId = keyIdText(signature.keyId);
		const named = this.keys.filter((key) => signature.isBy(key));
		const hash = prehash(bytes);
		need(named.every((key) => signature.holds(key, hash)), 4,
			`the signature of entry ${n} does not hold under key ` +
			`${keyId}: a forged hand-over`);
		return { keyId, trusted: named.length > 0 };
	}

	/* A transfer is two entries: released, then received by whom it was
	 * for. */
	transfer(n, entry) {
		const by = entry.get('by');
		const other = typeof entry.get('other') === 'string' ?
			entry.get('other') : 'nobody';
		const why = (reason) => need(false, 5, `entry ${n}: ${reason}`);

		if (entry.get('event') === 'released') {
			if (this.open)
				why(`it releases what ${this.open.by} had ` +
					`released to ${this.open.to} and ` +
					'nobody received');
			this.open = { by, to: other };
		} else if (entry.get('event') === 'received') {
			if (!this.open)
				why(`${by} received from ${other} what nobody ` +
					'had released');
			if (this.open.to !== by || this.open.by !== other)
				why(`${by} received from ${other}, but ` +
					`${this.open.by} had released to ` +
					this.open.to);
			this.open = null;
		}
	}

	/* What lies behind a hole shows that an entry was taken out. */
	checkNames() {
		const count = this.entries.length;

		for (const name of [...this.files.keys()].sort()) {
			const found = NAME.exec(name);
			const n = found ? Number(found[1]) : 0;
			const right = n >= 1 && n <= ENTRIES_MAX &&
				name === nameOf(n, found[2]);
			need(right, 1, `${name} in the custody folder is no ` +
				'entry');
			need(n <= count, 1, `entry ${count + 1} is missing, but ` +
				`${name} is there: an entry was taken out`);
		}
	}
}

/* { verdict, rule, reason, entries, open, head }.  kept: a head that the reader
 * kept, or ''. */
export async function checkCustody(files, facts, keys, kept) {
	const chain = new Chain(files, facts, keys);
	const result = { rule: null };

	try {
		await chain.walk();
		need(!kept || chain.entries.some(({ sha256 }) =>
			sha256 === kept), 2, `the head ${kept.slice(0, 16)}... ` +
			'that you kept is not in this chain: it was cut or ' +
			`rewritten after entry ${chain.entries.length}`);
	} catch (e) {
		if (!(e instanceof Broken))
			throw e;
		Object.assign(result, { verdict: 'invalid', rule: e.rule,
			reason: e.message });
	}
	const { entries } = chain;
	const open = entries.filter(({ trusted }) => !trusted).length;
	if (!result.verdict)
		Object.assign(result, entries.length === 0 ?
			{ verdict: 'cannot-tell',
				reason: 'there is no custody entry' } :
			open === 0 ?
			{ verdict: 'valid', reason: 'the chain is whole up to ' +
				'its last entry and each is signed by a key ' +
				'that you named; only a head that somebody kept ' +
				'shows a cut end' } :
			{ verdict: 'cannot-tell', reason: 'the chain is whole, ' +
				`but you named no key for ${open} of its ` +
				`${entries.length} entries` });
	return { ...result, entries, open: chain.open, head: chain.head };
}
