/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519 and minisign's files: keys and signatures (F8, F23). */
import { hashes, Point, verify } from '@noble/ed25519';
import { blake2b } from '@noble/hashes/blake2.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { base64, bytesOf, hex, join, printable, same, textOf, unbase64 }
	from './bytes.js';

hashes.sha512 = sha512;

/* A canonical point that is not of small order? */
function usable(encoded) {
	try {
		return !Point.fromBytes(encoded, false).isSmallOrder();
	} catch (e) {
		return false;
	}
}

/* RFC 8032, strict: canonical encodings, no point of small order. */
export function signatureHolds(point, message, signature) {
	return usable(signature.subarray(0, 32)) &&
		verify(signature, message, point, { zip215: false });
}

/* What minisign signs: the BLAKE2b-512 of the file. */
export function prehash(bytes) {
	return blake2b(bytes);
}

export class Key {
	constructor(raw) {
		this.id = raw.subarray(2, 10);
		this.point = raw.subarray(10);
		this.bare = base64(raw);
	}
}

/* Of its 56 characters; throws an Error that says what is wrong. */
export function keyOf(text) {
	const raw = unbase64(text);

	if (!raw || raw.length !== 42)
		throw new Error('not a public key: expected a minisign .pub ' +
			'file or its 56-character key');
	if (raw[0] !== 0x45 || raw[1] !== 0x64)
		throw new Error('unknown public key algorithm');
	if (!usable(raw.subarray(10)) ||
	    !Point.fromBytes(raw.subarray(10), false).isTorsionFree())
		throw new Error('a weak or malformed public key');
	return new Key(raw);
}

/* A member keys/NAME.pub: exactly two lines. */
export function keyOfMember(bytes) {
	const lines = (textOf(bytes) ?? '').split('\n');

	if (lines.length !== 3 || lines[2] !== '' ||
	    !lines[0].startsWith('untrusted comment: ') || !printable(lines[0]))
		throw new Error('not two lines, a comment and a key');
	return keyOf(lines[1]);
}

/* Keys as people give them: files, or lines pasted from a letter. */
export function keysOfText(text) {
	return text.split(/\r?\n/).map((line) => line.trim())
		.filter((line) => line && !line.startsWith('untrusted comment:'))
		.map(keyOf);
}

export function keyIdText(id) {
	return hex(Uint8Array.from(id).reverse()).toUpperCase();
}

export class Signature {
	/* Of the bytes of a .minisig; throws an Error. */
	constructor(bytes) {
		const lines = (textOf(bytes) ?? '').split('\n');

		if (lines.length !== 5 || lines[4] !== '')
			throw new Error('the signature file is not four lines');
		this.untrusted = comment(lines[0], 'untrusted comment: ');
		this.trusted = comment(lines[2], 'trusted comment: ');
		const raw = unbase64(lines[1]);
		this.total = unbase64(lines[3]);
		if (!raw || raw.length !== 74 || !this.total ||
		    this.total.length !== 64)
			throw new Error('a line is not canonical base64 of ' +
				'the right length');
		if (raw[0] !== 0x45 || raw[1] !== 0x44)
			throw new Error('the signature is not of the ' +
				'prehashed form');
		this.keyId = raw.subarray(2, 10);
		this.signature = raw.subarray(10);
	}

	/* Over that prehash, and over its own trusted comment? */
	holds(key, hash) {
		return signatureHolds(key.point, hash, this.signature) &&
			signatureHolds(key.point, join(this.signature,
				bytesOf(this.trusted)), this.total);
	}

	isBy(key) {
		return same(this.keyId, key.id);
	}
}

function comment(line, start) {
	const text = line.slice(start.length);

	if (!line.startsWith(start))
		throw new Error('a line must begin with "' + start + '"');
	if (bytesOf(text).length > 1000 || !printable(text))
		throw new Error('a comment that is too long or not printable');
	return text;
}
