/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that bind the lines of the log to each other, to the session keys
 * and to the payload: F14 to F19. */
import { base64, bytesOf, hex, join, same, textOf, unbase64 } from './bytes.js';
import { digestNow } from './digest.js';
import { parseJson } from './json.js';
import { signatureHolds } from './minisign.js';
import { Broken, need } from './rule.js';
import { isName } from './seal.js';
import { checkLine } from './types.js';
import { MEMBER_MAX } from './walker.js';

export const LOG_PART_MAX = 1048576;
const LINE_MAX = 262144;
const EMPTY_SHA256 =
	'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const EXTENSIONS = { 'zstd': 'zst', 'tar.zst': 'tar.zst', 'none': 'bin' };

/* RFC 6962 section 2.1: the frontier of a tree that grows. */
class Merkle {
	constructor() {
		this.size = 0;
		this.stack = [];
	}

	add(leaf) {
		let node = digestNow(join([0], leaf));

		for (let n = this.size; n % 2 === 1; n = Math.floor(n / 2))
			node = digestNow(join([1], this.stack.pop(), node));
		this.stack.push(node);
		this.size++;
	}

	root() {
		if (this.size === 0)
			return digestNow(new Uint8Array(0));
		return this.stack.reduceRight((right, left) =>
			digestNow(join([1], left, right)));
	}
}

/* The number of an id `eNNNNNN`, 0 if it is not how that number is written. */
function numberOf(id) {
	const number = Number(id.slice(1));

	return id === 'e' + String(number).padStart(6, '0') ? number : 0;
}

export class Log {
	/* listener(line, number of the log part), after a line was checked */
	constructor(listener) {
		this.listener = listener;
		this.tree = new Merkle();
		this.keys = [];		/* of the sessions */
		this.newSession = false;
		this.continued = [];	/* first lines of later sessions */
		this.counts = { exhibit: 0, call: 0, gap: 0, change: 0 };
		this.open = new Map();	/* exhibits with parts but no line */
		this.done = new Set();	/* exhibits with a line */
		this.end = null;
		this.uuid = this.caseId = null;
	}

	get origin() {
		return 'crashcart/' + this.uuid;
	}

	beginSession(key) {
		this.keys.push(key);
		this.newSession = true;
	}

	note(root) {
		return `${this.origin}\n${this.tree.size}\n${base64(root)}\n`;
	}

	/* One log part.  group: Map path -> { size, sha256 } of the payload
	 * before it; name, manifest: what sessions must say. */
	part(data, group, facts) {
		need(data.length > 0 && data.length <= LOG_PART_MAX &&
			data[data.length - 1] === 10, 14,
			'a log part is 1 to 1048576 bytes and ends with LF');
		this.group = group;
		this.facts = facts;
		for (let at = 0; at < data.length;) {
			const lf = data.indexOf(10, at);
			this.oneLine(data.subarray(at, lf), at === 0,
				lf + 1 === data.length);
			at = lf + 1;
		}
		for (const path of group.keys())
			need(false, 19,
				`no line of its log part describes ${path}`);
	}

	oneLine(raw, first, last) {
		try {
			const line = this.parse(raw);
			this.check(line, first, last);
			this.tree.add(raw);
			this.listener(line);
		} catch (e) {
			if (!(e instanceof Broken))
				throw e;
			throw new Broken(e.rule.slice(1),
				`log line ${this.tree.size + 1}: ${e.message}`);
		}
	}

	parse(raw) {
		need(raw.length <= LINE_MAX, 14, 'longer than 262144 bytes');
		const text = textOf(raw);
		let line;
		need(text !== null, 14, 'not a line of JSON: not UTF-8');
		try {
			line = parseJson(text);
		} catch (e) {
			need(false, 14, `not a line of JSON: ${e.message}`);
		}
		need(line instanceof Map, 14, 'not an object');
		return line;
	}

	check(line, first, last) {
		const type = checkLine(line);
		const isSession = type === 'session';

		need(line.get('n') === this.tree.size + 1, 15,
			`n is not ${this.tree.size + 1}`);
		need((type === 'head') === last, 14,
			'a log part ends with its one head');
		need(!this.end || type === 'head', 16, 'a line after the end');
		need(isSession === this.newSession && (!isSession || first), 16,
			'a session line must follow each session key, and ' +
			'stand nowhere else');
		if (isSession)
			this.checkSession(line);
		need(line.get('session') === this.keys.length, 16,
			`session is not ${this.keys.length}`);
		if (type in this.counts)
			this.counts[type]++;
		switch (type) {
		case 'head': return this.checkHead(line);
		case 'end': return this.checkEnd(line);
		case 'exhibit': return this.checkExhibit(line);
		case 'part': return this.checkPart(line);
		}
	}

	checkSession(line) {
		this.newSession = false;
		need(line.get('session_key') ===
			this.keys[this.keys.length - 1].bare, 16,
			'session_key is not that of keys/session-' +
			`${this.keys.length}.pub`);
		if (this.keys.length === 1) {
			this.caseId = line.get('case');
			this.uuid = line.get('uuid');
			need(isName(this.caseId), 1, 'case');
		} else {
			this.continued.push(this.tree.size + 1);
		}
		need(line.get('uuid') === this.uuid &&
			line.get('case') === this.caseId &&
			line.get('bundle') === this.facts.name, 16,
			'uuid, bundle or case of the session');
		need(line.get('manifest').get('sha256') === this.facts.manifest,
			16, 'the session\'s manifest is not manifest.json');
	}

	checkHead(line) {
		const root = this.tree.root();

		need(line.get('size') === this.tree.size, 17,
			'size is not the number of lines before');
		need(line.get('root') === hex(root), 17,
			'root is not that of the lines before');
		need(signatureHolds(this.keys[this.keys.length - 1].point,
			bytesOf(this.note(root)), unbase64(line.get('sig'))), 17,
			'the signature does not hold under the key of session ' +
			this.keys.length);
	}

	checkEnd(line) {
		const counts = this.counts;

		need(line.get('exhibits') === counts.exhibit &&
			line.get('calls') === counts.call &&
			line.get('gaps') === counts.gap &&
			line.get('changes') === counts.change, 16,
			'the numbers of exhibits, calls, gaps or changes are ' +
			'not those of the log');
		need(line.get('outcome') !== 'complete' || counts.gap === 0, 16,
			'complete, but there are gaps');
		this.end = { outcome: line.get('outcome'),
			bytes: line.get('bytes') };
	}

	/* The line says what the member of its path is. */
	describe(line) {
		const member = this.group.get(line.get('path'));

		need(member, 19, 'the member it describes is not in the group');
		need(line.get('size') === member.size &&
			line.get('sha256') === member.sha256, 19,
			`size or sha256 are not those of ${line.get('path')}`);
		this.group.delete(line.get('path'));
	}

	checkExhibit(line) {
		const number = numberOf(line.get('exhibit'));

		need(number > 0, 13, 'the number of the exhibit');
		need(!this.done.has(number), 19,
			'the exhibit is announced twice');
		const open = this.open.get(number);
		if (line.has('path'))
			this.checkPlain(line, open);
		else
			this.checkWhole(line, open);
		this.open.delete(number);
		this.done.add(number);
	}

	checkPlain(line, open) {
		need(!open && !line.has('parts') && !line.has('files'), 19,
			'a plain exhibit with parts');
		need(line.has('sha256'), 19, 'a plain exhibit without sha256');
		need(line.get('path').startsWith(`data/${line.get('exhibit')}-`),
			19, 'the path is that of another exhibit');
		this.describe(line);
	}

	checkWhole(line, open) {
		const isSet = line.has('files');
		const { parts, total } = open ?? { parts: 0, total: 0 };

		need(line.get('parts') === parts, 19,
			`the number of parts is not ${parts}`);
		need(!open || open.isSet === isSet, 19,
			'tar.zst is for file sets, and only for them');
		need(!isSet || !line.has('sha256'), 19,
			'a file set has no sha256');
		need(isSet || line.get('size') === total, 19,
			'size is not the sum of the parts');
	}

	checkPart(line) {
		const number = numberOf(line.get('exhibit'));
		const isSet = line.get('encoding') === 'tar.zst';
		const length = line.get('length');

		need(number > 0, 13, 'the number of the exhibit');
		need(!this.done.has(number), 19,
			'a part after the exhibit\'s line');
		if (!this.open.has(number)) {
			need(this.open.size < 4096, 9,
				'more than 4096 exhibits are open');
			this.open.set(number, { parts: 0, total: 0, isSet });
		}
		const open = this.open.get(number);
		need(line.get('part') === open.parts + 1 &&
			line.get('offset') === open.total, 19,
			'part or offset do not follow on');
		need(length > 0 && length <= MEMBER_MAX, 19,
			'the length of a part');
		need(open.isSet === isSet, 19,
			'parts of a file set and others');
		open.parts++;
		open.total += length;
		this.checkPartMember(line);
	}

	checkPartMember(line) {
		if (line.get('encoding') === 'zero') {
			need(!line.has('path') && line.get('size') === 0 &&
				line.get('sha256') === EMPTY_SHA256, 19,
				'a part of zeros has no member, size 0 and ' +
				'the sha256 of nothing');
			return;
		}
		const want = `data/${line.get('exhibit')}/` +
			String(line.get('part')).padStart(8, '0') + '.' +
			EXTENSIONS[line.get('encoding')];
		need(line.get('path') === want, 19,
			`the path of the part is not ${want}`);
		this.describe(line);
	}

	finish() {
		need(this.end, 16, 'the log has no end line');
		for (const number of this.open.keys())
			need(false, 19,
				`exhibit ${number} has parts but no line`);
	}

	/* F18 */
	checkpoint(data) {
		const root = this.tree.root();
		const body = this.note(root);
		const start = `${body}\n\u2014 ${this.origin} `;
		const text = textOf(data) ?? '';
		const key = this.keys[this.keys.length - 1];

		need(text.startsWith(start) && text.endsWith('\n'), 18,
			'the checkpoint is not of this log');
		const raw = unbase64(text.slice(start.length, -1));
		need(raw && raw.length === 68, 18,
			'the signature line of the checkpoint');
		const id = digestNow(join(bytesOf(this.origin), [10, 1],
			key.point)).subarray(0, 4);
		need(same(raw.subarray(0, 4), id) &&
			signatureHolds(key.point, bytesOf(body), raw.subarray(4)),
			18, 'the signature of the checkpoint does not hold');
	}
}
