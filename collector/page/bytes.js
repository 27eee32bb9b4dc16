/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and texts.  No function here knows what a bundle is. */

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/* The text of UTF-8 bytes; null if they are not UTF-8.  A byte order mark
 * stays what it is: a character. */
export function textOf(bytes) {
	try {
		return strict.decode(bytes);
	} catch (e) {
		return null;
	}
}

export function bytesOf(text) {
	return encoder.encode(text);
}

const HEX = Array.from({ length: 256 },
	(_, i) => i.toString(16).padStart(2, '0'));

export function hex(bytes) {
	let text = '';

	for (const byte of bytes)
		text += HEX[byte];
	return text;
}

/* Of lower-case digits that were checked. */
export function unhex(text) {
	const bytes = new Uint8Array(text.length / 2);

	for (let i = 0; i < bytes.length; i++)
		bytes[i] = parseInt(text.substr(2 * i, 2), 16);
	return bytes;
}

export function base64(bytes) {
	return btoa(String.fromCharCode(...bytes));
}

/* Canonical base64 (RFC 4648 section 4) or null: padded, unused bits zero. */
export function unbase64(text) {
	if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0)
		return null;
	const raw = atob(text);
	const last = text.replace(/=+$/, '').slice(-1);
	const value = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz' +
		'0123456789+/';
	const unused = text.endsWith('==') ? 16 : text.endsWith('=') ? 4 : 1;

	if (last && value.indexOf(last) % unused !== 0)
		return null;
	return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

export function same(a, b) {
	return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function join(...arrays) {
	const all = new Uint8Array(arrays.reduce((n, a) => n + a.length, 0));
	let at = 0;

	for (const one of arrays) {
		all.set(one, at);
		at += one.length;
	}
	return all;
}

export function allZero(bytes) {
	return bytes.every((byte) => byte === 0);
}

/* Neither U+0000 to U+001F nor U+007F to U+009F. */
export function printable(text) {
	return !/[\u0000-\u001f\u007f-\u009f]/.test(text);
}

/* A text of the bundle as a person should see it: characters that move or
 * hide others are written out. */
export function shown(text) {
	return String(text).replace(
		/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
		(c) => '<U+' + c.charCodeAt(0).toString(16).toUpperCase()
			.padStart(4, '0') + '>');
}

export function sizeText(n) {
	const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
	let i = 0;

	while (n >= 1024 && i < units.length - 1) {
		n /= 1024;
		i++;
	}
	return (i === 0 ? n : n.toFixed(1)) + ' ' + units[i];
}
