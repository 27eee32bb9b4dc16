/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the files that a person chose make up the bundle (section 1: F1,
 * F2, and the names of F23). */
import { need } from './rule.js';

const ENDINGS = [
	['segment', /^(.+)\.tar(?:\.([0-9]+))?$/],
	['encrypted', /^(.+)\.tar(?:\.([0-9]+))?\.age$/],
	['signature', /^(.+)\.seal\.minisig$/],
	['counter', /^(.+)\.seal\.(.*)\.minisig$/],
	['stamp', /^(.+)\.seal\.(.*)\.minisig\.tsr$/],
	['seal', /^(.+)\.seal$/],
	['key', /^(.+)\.pub$/],
];

/* { kind, base, number (text) } of a file's name; kind null: not ours. */
export function kindOf(name) {
	for (const [kind, form] of ENDINGS) {
		const found = form.exec(name);
		if (found)
			return { kind, base: found[1], number: found[2] };
	}
	return { kind: null };
}

/* Sorts what was chosen: { bases: [NAME], keys: [File], others: [File],
 * and of the first NAME: segments: [[text, File]], encrypted, seal,
 * signature, counters and their stamps: [[KEYID, File]] }.  A name that was chosen twice
 * counts as chosen last. */
export function sortFiles(files) {
	const byName = new Map([...files].map((file) => [file.name, file]));
	const sorted = { segments: [], encrypted: [], counters: [], keys: [],
		stamps: [], others: [], seal: null, signature: null };
	const all = [...byName.values()].map((file) =>
		({ file, ...kindOf(file.name) }));
	const bundles = all.filter(({ kind, number }) => kind === 'seal' ||
		((kind === 'segment' || kind === 'encrypted') && !number));

	sorted.bases = [...new Set(bundles.map(({ base }) => base))].sort();
	for (const { file, kind, base, number } of all) {
		if (kind === 'key')
			sorted.keys.push(file);
		else if (kind === null || base !== sorted.bases[0])
			sorted.others.push(file);
		else if (kind === 'segment' || kind === 'encrypted')
			sorted[kind === 'segment' ? 'segments' : kind]
				.push([number ?? '', file]);
		else if (kind === 'counter' || kind === 'stamp')
			sorted[kind + 's'].push([number, file]);
		else
			sorted[kind] = file;
	}
	sorted.base = sorted.bases[0] ?? null;
	sorted.counters.sort(([a], [b]) => (a < b ? -1 : 1));
	return sorted;
}

/* The segments in order, F2. */
export function segmentsOf(sorted) {
	const encrypted = sorted.encrypted.some(([number]) => number === '') ||
		sorted.segments.length === 0;
	const from = new Map(encrypted ? sorted.encrypted : sorted.segments);
	const end = encrypted ? '.age' : '';
	const files = [];

	need(from.size <= 10000, 22, 'more than 10000 segments');
	for (let i = 1; i <= Math.max(from.size, 1); i++) {
		const number = i === 1 ? '' : String(i).padStart(3, '0');
		const name = `${sorted.base}.tar${number && '.' + number}${end}`;
		need(from.has(number), 2, `${name} is missing`);
		files.push(from.get(number));
	}
	return { files, encrypted };
}

/* F23: a counter-signature is named for the key that made it. */
export function checkCounterNames(sorted) {
	for (const [id, file] of sorted.counters)
		need(/^[0-9A-F]{16}$/.test(id), 23,
			`${file.name}: not a name of a counter-signature`);
	for (const [id, file] of sorted.stamps)
		need(/^[0-9A-F]{16}$/.test(id), 24, `${file.name}: not a ` +
			'name of a counter-signature\'s time stamp');
}
