/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a bundle that was checked, and how to get one exhibit out.  Every
 * byte is read again and compared with its digest again: the files on the
 * disk are not what they were a minute ago merely because they were then. */
import { decompress } from 'fzstd';
import { hex, textOf } from './bytes.js';
import { digest, digestStream } from './digest.js';
import { parseJson } from './json.js';
import { readAgain, Unreadable } from './stream.js';

/* Grows while the bundle is checked. */
export class Index {
	constructor() {
		this.members = new Map();	/* path -> { offset, size, hash } */
		this.logParts = [];	/* { offset, size, sha256 } */
		this.exhibits = new Map();	/* id -> facts */
		this.parts = new Map();	/* id -> [{ path, length, encoding }] */
		this.gaps = [];
		this.changes = [];
		this.session = null;	/* the first session line */
		this.clocks = [];
	}

	member({ path, size, offset }, hash) {
		this.members.set(path, { offset, size, hash });
	}

	logPart({ size, offset }, sha256) {
		this.logParts.push({ offset, size, sha256 });
	}

	line(line) {
		const at = this.logParts.length - 1;
		const get = (key) => line.get(key);

		switch (get('type')) {
		case 'session':
			this.session ??= line;
			break;
		case 'exhibit':
			this.exhibits.set(get('exhibit'), line);
			break;
		case 'part':
			if (!this.parts.has(get('exhibit')))
				this.parts.set(get('exhibit'), []);
			this.parts.get(get('exhibit')).push({ path: get('path'),
				length: get('length'), encoding: get('encoding'),
				logPart: at });
			break;
		case 'gap':
			this.gaps.push(line);
			break;
		case 'change':
			this.changes.push(line);
			break;
		case 'clock':
			this.clocks.push(line);
			break;
		}
	}
}

/* Reads of a bundle that was checked. */
export class Reader {
	constructor(index, files) {
		this.index = index;
		this.files = files;
		this.lengths = files.map((file) => file.size);
	}

	async bytes({ offset, size }, want) {
		const data = await readAgain(this.files, this.lengths, offset,
			size);

		if (hex(await digest(data)) !== want)
			throw new Unreadable('the bundle was changed since it ' +
				'was checked');
		return data;
	}

	async member(path) {
		const member = this.index.members.get(path);

		return this.bytes(member, await member.hash);
	}

	/* The uncompressed bytes of a part. */
	async part({ path, length, encoding }) {
		if (encoding === 'zero')
			return new Uint8Array(length);
		const data = await this.member(path);
		const whole = encoding === 'none' ? data : inflate(data, length);
		if (whole.length !== length)
			throw new Error(`${path} does not hold the ${length} ` +
				'bytes that its line promises');
		return whole;
	}

	/* Pieces of the logical bytes, one after the other. */
	async * pieces(id) {
		const line = this.index.exhibits.get(id);

		if (line.has('path'))
			yield await this.member(line.get('path'));
		else
			for (const part of this.index.parts.get(id) ?? [])
				yield await this.part(part);
	}

	/* A Blob of the logical bytes, which the browser may keep on disk.  Its
	 * digest is compared with that of the line: { blob, checked }. */
	async whole(id, progress) {
		const line = this.index.exhibits.get(id);
		const hash = digestStream(), blobs = [];
		let size = 0;

		for await (const piece of this.pieces(id)) {
			hash.update(piece);
			blobs.push(new Blob([piece]));
			size += piece.length;
			progress(size, line.get('size'));
		}
		const sha256 = hex(hash.digest());
		if (line.has('sha256') && line.get('sha256') !== sha256)
			throw new Error('its bytes do not have the SHA-256 that ' +
				'its line states');
		return { blob: new Blob(blobs), sha256 };
	}

	/* The `file` lines of a file set that fit, at most max of them. */
	async fileLines(id, fits, max) {
		const found = [];
		let more = false;

		for (const part of this.index.logParts) {
			const text = textOf(await this.bytes(part, part.sha256));
			for (const raw of text.split('\n')) {
				if (!raw.includes('"type":"file"') &&
				    !/"type"\s*:\s*"file"/.test(raw))
					continue;
				const line = parseJson(raw);
				if (line.get('exhibit') !== id || !fits(line))
					continue;
				if (found.length === max)
					more = true;
				else
					found.push(line);
			}
			if (more)
				break;
		}
		return { found, more };
	}

	/* A Blob of the content of a file of a set. */
	async file(line, progress) {
		if (line.has('in'))
			return this.whole(line.get('in'), progress);
		const part = (this.index.parts.get(line.get('exhibit')) ??
			[])[line.get('part') - 1];
		if (!part || !line.has('offset'))
			throw new Error('its content is not in the bundle');
		const data = (await this.part(part)).subarray(line.get('offset'),
			line.get('offset') + line.get('size'));
		const sha256 = hex(await digest(data));
		if (data.length !== line.get('size') ||
		    sha256 !== line.get('sha256'))
			throw new Error('its bytes do not have the SHA-256 that ' +
				'its line states');
		return { blob: new Blob([data]), sha256 };
	}
}

/* One zstd frame of a length that is known; whatever it claims, it gets no
 * more room than that. */
function inflate(data, length) {
	try {
		return decompress(data, new Uint8Array(length));
	} catch (e) {
		throw new Error(`a part cannot be decompressed (${e.message})`);
	}
}
