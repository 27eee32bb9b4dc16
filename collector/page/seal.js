/* SPDX-License-Identifier: Apache-2.0 */
/* The outer seal: F21 and F22. */
import { base64, textOf, unhex } from './bytes.js';
import { digestNow } from './digest.js';
import { CannotTell, need } from './rule.js';

export const CHUNK = 8388608;
const SEAL_MAX = 67108864;
const NUMBER = '(0|[1-9][0-9]{0,18})';
const HEX64 = /^[0-9a-f]{64}$/;

export function isName(text) {
	return /^[A-Za-z0-9._-]{1,64}$/.test(text);
}

export function isBundleName(text) {
	return isName(text) && !text.startsWith('.');
}

/* Lines of the seal, each of which ends with LF. */
class Lines {
	constructor(text) {
		this.text = text;
		this.at = 0;
		this.number = 0;
	}

	get more() {
		return this.at < this.text.length;
	}

	next() {
		const lf = this.text.indexOf('\n', this.at);
		const line = this.text.slice(this.at, lf);

		this.number++;
		this.need(this.more, 'is missing');
		this.need(lf >= 0, 'does not end with LF');
		this.at = lf + 1;
		return line;
	}

	need(condition, reason) {
		need(condition, 21, `line ${this.number} of the seal: ${reason}`);
	}

	value(key) {
		const line = this.next();

		this.need(line.startsWith(key + ' ') &&
			line.length > key.length + 1,
			'must begin with `' + key + '`');
		return line.slice(key.length + 1);
	}
}

/* { name, caseId, state, root, logSize, logRoot, segments: [{ length,
 * chunks: [hex] }] } */
export function parseSeal(bytes) {
	const text = textOf(bytes);
	const version = /^crashcart-seal ([1-9][0-9]{0,8})\n/.exec(text ?? '');

	if (version && version[1] !== '1')
		throw new CannotTell('the seal is of a later version of the ' +
			'format than this page knows');
	need(bytes.length <= SEAL_MAX, 21, 'the seal is longer than 64 MiB');
	need(text !== null, 21, 'the seal is not plain text');
	const lines = new Lines(text);
	lines.need(lines.next() === 'crashcart-seal 1',
		'not `crashcart-seal 1`');
	const seal = parseHead(lines);
	do {
		seal.segments.push(parseSegment(lines, seal.segments.length + 1));
	} while (lines.more);
	return seal;
}

function parseHead(lines) {
	const seal = { segments: [] };

	seal.name = lines.value('bundle');
	need(isBundleName(seal.name), 1, 'the name of the bundle in the seal');
	seal.caseId = lines.value('case');
	need(isName(seal.caseId), 1, 'the name of the case in the seal');
	seal.state = lines.value('state');
	lines.need(['complete', 'gaps', 'partial'].includes(seal.state),
		'not a state');
	seal.root = lines.value('root');
	lines.need(HEX64.test(seal.root), 'not 64 hex digits');
	const log = new RegExp(`^${NUMBER} ([0-9a-f]{64})$`)
		.exec(lines.value('log'));
	lines.need(log, 'not a number and 64 hex digits');
	seal.logSize = Number(log[1]);
	seal.logRoot = log[2];
	lines.need(lines.value('chunk') === String(CHUNK),
		'not `chunk 8388608`');
	return seal;
}

function parseSegment(lines, number) {
	const found = new RegExp(`^${NUMBER} ${NUMBER} ([^ -]*)-${NUMBER}$`)
		.exec(lines.value('segment'));

	lines.need(found, 'not a number, a length and a composite checksum');
	const length = Number(found[2]), count = Number(found[4]);
	need(Number(found[1]) === number && number <= 10000, 22,
		`segment ${found[1]} of the seal is out of order`);
	need(length > 0 && count <= 10000 && count === Math.ceil(length / CHUNK),
		22, `segment ${number} of the seal: length and number of chunks`);
	const chunks = [];
	const all = new Uint8Array(count * 32);
	for (let i = 0; i < count; i++) {
		const line = lines.next();
		lines.need(HEX64.test(line), 'not 64 hex digits');
		all.set(unhex(line), i * 32);
		chunks.push(line);
	}
	need(base64(digestNow(all)) === found[3], 22,
		`segment ${number} of the seal: composite checksum`);
	return { length, chunks };
}
