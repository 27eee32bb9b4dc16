/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of DER (X.690), as much as time stamps need.  Definite
 * lengths in their shortest form, tags below 31, nothing left over. */

/* Tags. */
export const INTEGER = 0x02;
export const OCTETS = 0x04;
export const TIME = 0x18;
export const SEQUENCE = 0x30;
export const SET = 0x31;
const OID = 0x06;

export class Value {
	constructor(tag, whole, header) {
		this.tag = tag;
		this.whole = whole;	/* with its header */
		this.bytes = whole.subarray(header);
	}

	/* The values in it, one after the other. */
	get parts() {
		const parts = [];

		for (let at = 0; at < this.bytes.length;) {
			const part = read(this.bytes.subarray(at));
			parts.push(part);
			at += part.whole.length;
		}
		return parts;
	}

	/* Parts of a constructed value of that tag. */
	in(tag) {
		return this.as(tag).parts;
	}

	as(tag) {
		if (this.tag !== tag)
			throw new Error(`a value of tag ${this.tag}, not ${tag}`);
		return this;
	}

	get oid() {
		const numbers = [];
		let n = 0n;

		for (const byte of this.as(OID).bytes) {
			n = n << 7n | BigInt(byte & 127);
			if (byte < 128) {
				numbers.push(n);
				n = 0n;
			}
		}
		const first = numbers[0] < 40n ? 0n : numbers[0] < 80n ? 1n : 2n;
		return [first, numbers[0] - 40n * first, ...numbers.slice(1)]
			.join('.');
	}

	/* A number that is not negative and below 2^31. */
	get number() {
		const { bytes } = this.as(INTEGER);

		if (bytes.length < 1 || bytes.length > 4 || bytes[0] > 127)
			throw new Error('a number that is too large');
		return bytes.reduce((n, byte) => n * 256 + byte, 0);
	}
}

/* The value that bytes begin with. */
function read(bytes) {
	let size = bytes[1], header = 2;

	if (bytes.length < 2 || (bytes[0] & 31) === 31 || size === 128 ||
	    size > 131)
		throw new Error('not DER');
	if (size > 128) {
		header += size - 128;
		size = bytes.subarray(2, header)
			.reduce((n, byte) => n * 256 + byte, 0);
		if (size < 128 || size < 256 ** (header - 3))
			throw new Error('not DER: a length in a longer form');
	}
	if (header + size > bytes.length)
		throw new Error('not DER: cut short');
	return new Value(bytes[0], bytes.subarray(0, header + size), header);
}

/* The one value that bytes are. */
export function readDer(bytes) {
	const value = read(bytes);

	if (value.whole.length !== bytes.length)
		throw new Error('bytes after the value');
	return value;
}
