/* SPDX-License-Identifier: Apache-2.0 */
/* The members of the stream: F1, F3 to F7.  A header is a function of name,
 * size and time; one that is not byte for byte that is refused. */
import { allZero, bytesOf, same } from './bytes.js';
import { Broken, need } from './rule.js';
import { isBundleName } from './seal.js';

export const MEMBER_MAX = 16777216;
const BLOCK = 512;

/* The stream ends early. */
export class Short extends Broken {
	constructor() {
		super(3, 'the stream ends before its end');
	}
}

function headerOf(name, size, mtime) {
	const block = new Uint8Array(BLOCK);
	const put = (at, text) => block.set(bytesOf(text), at);

	put(0, name);
	put(100, '0000644\0' + '0000000\0' + '0000000\0');
	put(124, size.toString(8).padStart(11, '0') + '\0');
	put(136, mtime.toString(8).padStart(11, '0') + '\0');
	put(148, ' '.repeat(8) + '0');
	put(257, 'ustar\0' + '00');
	put(329, '0000000\0' + '0000000\0');
	const sum = block.reduce((a, b) => a + b, 0);
	put(148, sum.toString(8).padStart(6, '0') + '\0 ');
	return block;
}

function latin(bytes) {
	return String.fromCharCode(...bytes);
}

function octal(field) {
	const text = latin(field);

	return /^[0-7]{11}\0$/.test(text) ? parseInt(text, 8) : -1;
}

function isPath(text) {
	return text.split('/').every((one) => /^[A-Za-z0-9._-]+$/.test(one) &&
		one !== '.' && one !== '..');
}

export class Walker {
	/* name: of the bundle, null to take it from the first member */
	constructor(stream, name) {
		this.stream = stream;
		this.name = name;
		this.mtime = null;
	}

	async all(size) {
		const data = await this.stream.take(size);

		if (data.length < size)
			throw new Short();
		return data;
	}

	/* The next member: { path, size, offset (of its data) }, null at the
	 * end.  data() must be called before the next. */
	async next() {
		const at = this.stream.parsed;
		const block = await this.all(BLOCK);

		if (allZero(block))
			return this.end(at);
		const where = `header at offset ${at}`;
		const size = octal(block.subarray(124, 136));
		const mtime = octal(block.subarray(136, 148));
		need(size >= 0 && mtime >= 0, 4,
			`${where}: size or time are not octal`);
		const full = latin(block.subarray(0, 100)).split('\0')[0];
		const path = this.pathOf(full, where);
		need(size <= MEMBER_MAX, 6, `${path} is longer than 16 MiB`);
		need(same(block, headerOf(full, size, mtime)), 4,
			`${where} (${path}) is not as it must be`);
		need(this.mtime === null || this.mtime === mtime, 5,
			`${path} has another time than the members before`);
		this.mtime = mtime;
		this.member = { path, size, offset: at + BLOCK };
		return this.member;
	}

	pathOf(full, where) {
		const slash = full.indexOf('/');
		const top = full.slice(0, slash), path = full.slice(slash + 1);

		need(slash >= 0, 4, `${where}: no folder in the name`);
		need(isBundleName(top), 1, `${where}: not a name of a bundle`);
		if (this.name === null)
			this.name = top;
		need(top === this.name, 4,
			`${where}: the folder is not ${this.name}`);
		need(isPath(path), 7, `${where}: not a path of a member`);
		return path;
	}

	async end(at) {
		need(allZero(await this.all(BLOCK)), 3,
			`one block of zeros alone at offset ${at}`);
		const more = await this.stream.take(1);
		need(more.length === 0, 3,
			`bytes after the end, at offset ${at + 2 * BLOCK}`);
		return null;
	}

	/* The bytes of the member that next() announced. */
	async data() {
		return this.all(this.member.size);
	}

	async padding() {
		const pad = await this.all((BLOCK - this.member.size % BLOCK) %
			BLOCK);

		need(allZero(pad), 6,
			`${this.member.path} is not followed by zeros`);
	}
}
