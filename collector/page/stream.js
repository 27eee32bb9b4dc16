/* SPDX-License-Identifier: Apache-2.0 */
/* The joined segments, read chunk by chunk (step 2 of section 7): no byte is
 * given out before the digest of its chunk was found right.  Some chunks are
 * read and hashed ahead; no more than those are ever in memory. */
import { hex, join } from './bytes.js';
import { digest } from './digest.js';
import { need } from './rule.js';
import { CHUNK } from './seal.js';

const AHEAD = 3;

/* A file could not be read: says nothing about the bundle. */
export class Unreadable extends Error {
}

export async function readSlice(file, from, size) {
	try {
		return new Uint8Array(await file.slice(from, from + size)
			.arrayBuffer());
	} catch (e) {
		throw new Unreadable(`${file.name} cannot be read: it was ` +
			'changed, moved or unplugged since you chose it ' +
			`(${e.name})`);
	}
}

export class Stream {
	/* files: the segments, in order; seal: null if there is none;
	 * progress(done, total) */
	constructor(files, seal, progress) {
		this.files = files;
		this.seal = seal;
		this.progress = progress;
		this.total = files.reduce((n, file) => n + file.size, 0);
		this.plan = this.places();
		this.ahead = [];
		this.chunk = new Uint8Array(0);
		this.at = 0;
		this.done = 0;		/* bytes of chunks that were right */
		this.parsed = 0;
	}

	* places() {
		for (const [segment, file] of this.files.entries()) {
			const size = this.seal ?
				this.seal.segments[segment].length : file.size;
			for (let from = 0; from < size; from += CHUNK)
				yield { segment, from,
					size: Math.min(CHUNK, size - from) };
		}
	}

	async load({ segment, from, size }) {
		const data = await readSlice(this.files[segment], from, size);

		need(data.length === size, 22,
			`segment ${segment + 1} is shorter than it must be`);
		if (!this.seal)
			return data;
		const want = this.seal.segments[segment].chunks[from / CHUNK];
		need(hex(await digest(data)) === want, 22,
			`the chunk of segment ${segment + 1} at offset ${from} ` +
			'is not as sealed');
		return data;
	}

	async nextChunk() {
		while (this.ahead.length < AHEAD) {
			const place = this.plan.next();
			if (place.done)
				break;
			const data = this.load(place.value);
			data.catch(() => {});	/* told when its turn comes */
			this.ahead.push({ place: place.value, data });
		}
		if (this.ahead.length === 0)
			return false;
		const { place, data } = this.ahead.shift();
		this.chunk = await data;
		this.place = place;
		this.at = 0;
		this.done += this.chunk.length;
		this.progress(this.done, this.total);
		return true;
	}

	/* Up to size bytes, fewer only at the end. */
	async take(size) {
		const parts = [];
		let left = size;

		while (left > 0) {
			if (this.at === this.chunk.length &&
			    !await this.nextChunk())
				break;
			const part = this.chunk.subarray(this.at, this.at + left);
			this.at += part.length;
			this.parsed += part.length;
			left -= part.length;
			parts.push(part);
		}
		return parts.length === 1 ? parts[0] : join(...parts);
	}

	/* Reads of a stream that was refused may still be under way. */
	async settle() {
		await Promise.allSettled(this.ahead.map(({ data }) => data));
		this.ahead = [];
	}
}

/* Bytes of the stream once more, after it was checked. */
export async function readAgain(files, lengths, offset, size) {
	const parts = [];
	let start = 0;

	for (const [i, file] of files.entries()) {
		const from = Math.max(offset, start);
		const to = Math.min(offset + size, start + lengths[i]);
		if (from < to)
			parts.push(await readSlice(file, from - start, to - from));
		start += lengths[i];
	}
	return join(...parts);
}
