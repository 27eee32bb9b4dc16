/* SPDX-License-Identifier: Apache-2.0 */
/* An encrypted bundle from outside: does a segment begin as an age file must
 * (F25, c2sp.org/age)?  This page opens none. */
import { need } from './rule.js';

const MAGIC = 'age-encryption.org/v1\n';
const HEADER_MAX = 262144;
const LEAST = 32;	/* a nonce, and the tag of one block */

export function isAge(bytes) {
	return String.fromCharCode(...bytes.subarray(0, MAGIC.length)) === MAGIC;
}

/* Canonical base64 without padding? */
function isPlain(text) {
	const unused = { 0: 1, 2: 16, 3: 4 }[text.length % 4];
	const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz' +
		'0123456789+/';

	return /^[A-Za-z0-9+/]*$/.test(text) && unused !== undefined &&
		(text === '' || last.indexOf(text.at(-1)) % unused === 0);
}

/* Lines of a header, each of which ends with LF. */
class Lines {
	constructor(text) {
		this.text = text;
		this.at = MAGIC.length;
	}

	next() {
		const lf = this.text.indexOf('\n', this.at);
		const line = this.text.slice(this.at, lf);

		need(lf >= 0, 25, 'age header: it does not end');
		this.at = lf + 1;
		return line;
	}

	/* A stanza, whose first line is given: its type. */
	stanza(first) {
		const args = first.slice(3).split(' ');
		let body = '', line;

		need(/^-> [!-~]+( [!-~]+)*$/.test(first), 25,
			'age header: the arguments of a stanza');
		do {
			line = this.next();
			need(line.length <= 64 && isPlain(line), 25, 'age ' +
				'header: the body of a stanza is not canonical ' +
				'base64');
			body += line;
		} while (line.length === 64);
		need(args[0] !== 'X25519' || (args.length === 2 &&
			[args[1], body].every((one) => one.length === 43 &&
			isPlain(one))), 25,
			'age header: an X25519 stanza is not of its form');
		return args[0];
	}
}

/* The length of the header: its version, a stanza for each recipient, and
 * its MAC. */
function headerLength(text) {
	const lines = new Lines(text), types = [];

	for (;;) {
		const first = lines.next();
		if (first.startsWith('---')) {
			need(types.length > 0, 25, 'age header: no recipient');
			need(types.length === 1 || !types.includes('scrypt'), 25,
				'age header: a password beside another ' +
				'recipient');
			need(/^--- [^ ]{43}$/.test(first) &&
				isPlain(first.slice(4)), 25,
				'age header: its MAC is not of its form');
			return lines.at;
		}
		types.push(lines.stanza(first));
	}
}

/* chunk: the first of that segment */
export function checkSegment(chunk, number) {
	need(isAge(chunk), 25, `segment ${number} is not an age file`);
	let text = '';
	for (const byte of chunk.subarray(0, HEADER_MAX))
		text += String.fromCharCode(byte);
	need(chunk.length - headerLength(text) >= LEAST, 25,
		`segment ${number} is cut short`);
}
