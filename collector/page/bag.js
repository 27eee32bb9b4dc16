/* SPDX-License-Identifier: Apache-2.0 */
/* Members in stream order become a bag: which may follow which, what is in
 * the tag files, and that the two lists at the end say what was there (F5,
 * F7 to F13, F23, F24). */
import { bytesOf, hex, printable, textOf } from './bytes.js';
import { digest, digestStream } from './digest.js';
import { Log, LOG_PART_MAX } from './log.js';
import { keyOfMember, prehash, Signature } from './minisign.js';
import { need } from './rule.js';
import { checkStamp, LIST_MAX, parseList, REPLY_MAX } from './stamp.js';
import { MEMBER_MAX } from './walker.js';

const BAGIT = 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n';
const INNER = 'seal/tagmanifest-sha256.txt.minisig';
const PAYLOAD = /^data\/e([0-9]{6,9})(?:-[a-z0-9][a-z0-9._-]{0,63}|\/(?!00000000)[0-9]{8}\.(?:zst|tar\.zst|bin))$/;
const HASHING_MAX = 4 * MEMBER_MAX;	/* of members, at once */

/* F8.  after: what a member may follow; then: what it is followed as; max and
 * rule: its longest, and what too long a one breaks. */
const GROUP_MAY_BEGIN = ['session', 'examiner', 'group'];
const TAGS = {
	'bagit.txt': { after: ['start'], then: 'bagit', max: 256, rule: 10 },
	'VERIFY.txt': { after: ['bagit'], then: 'verify' },
	'manifest.json': { after: ['verify'], then: 'manifest' },
	'plan.json': { after: ['manifest'], then: 'plan' },
	'keys/session-1.pub': { after: ['plan'], then: 'session', max: 4096,
		rule: 8 },
	'keys/examiner.pub': { after: ['session'], then: 'examiner', max: 4096,
		rule: 8 },
	'checkpoint': { after: ['group'], then: 'checkpoint', max: 4096,
		rule: 18 },
	'bag-info.txt': { after: ['checkpoint'], then: 'info', max: 65536,
		rule: 12 },
	'manifest-sha256.txt': { after: ['info'], then: 'list' },
	'tagmanifest-sha256.txt': { after: ['list'], then: 'tags',
		unlisted: true },
	[INNER]: { after: ['tags'], then: 'seal', max: 4096, rule: 23,
		unlisted: true },
	'seal/timestamps.txt': { after: ['seal'], then: 'stamps',
		max: LIST_MAX, rule: 24, unlisted: true },
	'seal/tagmanifest-sha256.txt.tsr': { after: ['stamps'], then: 'stamp 1',
		max: REPLY_MAX, rule: 24, unlisted: true },
	'seal/tagmanifest-sha256.txt.2.tsr': { after: ['stamps', 'stamp 1'],
		then: 'stamp 2', max: REPLY_MAX, rule: 24, unlisted: true },
};
const LATER_KEY = { after: ['group'], then: 'inside', max: 4096, rule: 8 };
const LOG_PART = { after: [...GROUP_MAY_BEGIN, 'inside'], then: 'group',
	max: LOG_PART_MAX, rule: 14 };
const DATA = { after: [...GROUP_MAY_BEGIN, 'inside'], then: 'inside' };

export class Bag {
	/* index: { member(member, sha256 promise), logPart(member, sha256),
	 * line(line) } is told what passes by */
	constructor(index) {
		this.index = index;
		this.log = new Log((line) => index.line(line));
		this.name = null;
		this.place = 'start';
		this.seen = new Set();
		this.members = this.payload = this.payloadBytes = 0;
		this.group = [];	/* [{ path, size, hash: promise }] */
		this.hashing = [];	/* promises, and how many bytes */
		this.hashingBytes = 0;
		this.logParts = 0;
		this.lists = { payload: digestStream(), tags: digestStream() };
		this.examiner = null;
		this.stamps = [];	/* { url, granted, error, reply } */
	}

	ruleOf(path) {
		if (path.startsWith('data/'))
			return DATA;
		if (Object.hasOwn(TAGS, path))
			return TAGS[path];
		if (path === `log/${String(this.logParts + 1).padStart(6, '0')}` +
		    '.jsonl' && this.logParts < 999999)
			return LOG_PART;
		if (path === `keys/session-${this.log.keys.length + 1}.pub`)
			return LATER_KEY;
		return null;
	}

	/* A header was read.  member: { path, size, offset } */
	begin(member) {
		const { path, size } = member, rule = this.ruleOf(path);

		need(this.members < 400000, 9, 'more than 400000 members');
		need(rule && rule.after.includes(this.place), 8,
			`${path} is out of place`);
		need(!this.seen.has(path.toLowerCase()), 7,
			`${path} stands twice`);
		this.seen.add(path.toLowerCase());
		need(!rule.max || size <= rule.max, rule.rule,
			`${path} is too long`);
		this.members++;
		this.place = rule.then;
		this.rule = rule;
		if (rule === DATA)
			this.beginPayload(path, size);
	}

	beginPayload(path, size) {
		const found = PAYLOAD.exec(path);
		const number = found ? Number(found[1]) : 0;

		need(number > 0 && found[1] === String(number).padStart(6, '0'),
			13, `${path} is not a path of payload`);
		need(number <= 9999999, 9, `${path}: too high a number`);
		need(++this.payload <= 150000, 9,
			'more than 150000 payload members');
		need(this.group.length < 8192, 9,
			'more than 8192 members in a group');
		this.payloadBytes += size;
	}

	/* Its bytes were read. */
	async end(member, data) {
		if (this.rule === DATA)
			return this.endPayload(member, data);
		const sha256 = hex(await digest(data));
		await this.endTag(member, data, sha256);
		if (!this.rule.unlisted)
			this.list('tags', member.path, sha256);
	}

	/* Digests of payload are awaited where they are first needed. */
	async endPayload(member, data) {
		const hash = digest(data).then(hex);

		hash.catch(() => {});	/* told where it is awaited */
		this.group.push({ path: member.path, size: member.size, hash });
		this.index.member(member, hash);
		this.hashing.push([hash, data.length]);
		this.hashingBytes += data.length;
		while (this.hashingBytes > HASHING_MAX) {
			const [first, size] = this.hashing.shift();
			await first;
			this.hashingBytes -= size;
		}
	}

	list(which, path, sha256) {
		this.lists[which].update(bytesOf(`${sha256}  ${path}\n`));
	}

	async endTag(member, data, sha256) {
		const { path } = member;

		switch (this.place) {
		case 'bagit':
			need(textOf(data) === BAGIT, 10, 'bagit.txt');
			break;
		case 'manifest':
			this.manifest = sha256;
			break;
		case 'session':
		case 'inside':
			this.log.beginSession(this.keyOf(path, data));
			break;
		case 'examiner':
			this.examiner = this.keyOf(path, data);
			break;
		case 'group':
			await this.endLog(member, data, sha256);
			break;
		case 'checkpoint':
			this.log.finish();
			this.log.checkpoint(data);
			break;
		case 'info':
			this.endInfo(data);
			break;
		case 'list':
			need(sha256 === hex(this.lists.payload.digest()), 11,
				'manifest-sha256.txt does not list the ' +
				'payload as it is');
			break;
		case 'tags':
			need(sha256 === hex(this.lists.tags.digest()), 11,
				'tagmanifest-sha256.txt does not list the ' +
				'tag files as they are');
			this.root = sha256;
			this.rootPrehash = prehash(data);
			break;
		case 'seal':
			this.inner = signatureOf(data, path);
			this.innerBytes = data;
			break;
		case 'stamps':
			this.stamps = parseList(data);
			break;
		case 'stamp 1':
		case 'stamp 2':
			this.endStamp(Number(this.place.slice(-1)), path, data);
			break;
		}
	}

	endStamp(number, path, data) {
		const stamp = this.stamps[number - 1];

		need(stamp?.granted, 24,
			`timestamps.txt does not say that ${path} was granted`);
		stamp.reply = data;
	}

	keyOf(path, data) {
		try {
			return keyOfMember(data);
		} catch (e) {
			return need(false, 8, `${path}: ${e.message}`);
		}
	}

	async endLog(member, data, sha256) {
		const group = new Map();

		this.logParts++;
		for (const { path, size, hash } of this.group) {
			const one = await hash;
			group.set(path, { size, sha256: one });
			this.list('payload', path, one);
		}
		this.hashing = [];
		this.hashingBytes = 0;
		this.group = [];
		this.index.logPart(member, sha256);
		this.log.part(data, group,
			{ name: this.name, manifest: this.manifest });
	}

	/* F12, and F5 and F16, which it settles. */
	endInfo(data) {
		const text = textOf(data);

		need(text !== null && text.endsWith('\n'), 12,
			'bag-info.txt is not lines of UTF-8');
		const lines = text.slice(0, -1).split('\n');
		const take = (label) => {
			const line = lines.shift() ?? '';
			const value = line.slice(label.length + 2);
			need(line.startsWith(label + ': ') && value !== '' &&
				printable(value), 12,
				`${label} of bag-info.txt`);
			return value;
		};
		const takeThat = (label, want) => need(take(label) === want, 12,
			`${label} of bag-info.txt is not ${want}`);
		const start = /\nCrashcart-Start: (0|[1-9][0-9]{0,9})\n/
			.exec(text);
		need(start && Number(start[1]) < 2 ** 33, 12,
			'Crashcart-Start of bag-info.txt');
		const begun = new Date(Number(start[1]) * 1000);
		if (lines[0].startsWith('Source-Organization'))
			this.organization = take('Source-Organization');
		takeThat('Bagging-Date', begun.toISOString().slice(0, 10));
		takeThat('External-Identifier', this.name);
		takeThat('Bag-Group-Identifier', this.log.caseId);
		takeThat('Payload-Oxum', `${this.payloadBytes}.${this.payload}`);
		need(/^crashcart [^ ()]+ \([^ ()]+\)$/.test(
			take('Bag-Software-Agent')), 12,
			'Bag-Software-Agent of bag-info.txt');
		takeThat('Crashcart-Format', '1');
		takeThat('Crashcart-Uuid', this.log.uuid);
		takeThat('Crashcart-Start', start[1]);
		this.state = take('Crashcart-State');
		need(['complete', 'gaps'].includes(this.state), 12,
			'Crashcart-State of bag-info.txt');
		takeThat('Crashcart-Log', String(this.log.tree.size));
		need(lines.length === 0, 12, 'more lines in bag-info.txt');
		need(this.mtime === Number(start[1]), 5,
			'the time of the members is not Crashcart-Start');
		need(this.log.end.outcome === this.state &&
			this.log.end.bytes === this.payloadBytes, 16,
			'outcome or bytes of the end line are not those of ' +
			'bag-info.txt');
		this.begun = begun;
	}

	/* Whose seals are to be; root and state where no members say them. */
	settle(root = this.root, state = this.state) {
		this.root = root;
		this.state = state;
		this.key = this.examiner ?? this.log.keys[this.log.keys.length - 1];
		this.purpose = this.examiner ? 'examiner' : 'session';
	}

	/* The inner seal, which must hold under the key that it must name. */
	finish() {
		need(this.inner, 8, 'members are missing at the end');
		this.settle();
		need(this.inner.untrusted === 'crashcart inner seal' &&
			this.inner.trusted ===
			this.comment('crashcart inner-seal', this.purpose), 23,
			'the comments of the inner seal');
		need(this.inner.isBy(this.key), 23,
			'the inner seal is by another key than the one in keys/');
		need(this.inner.holds(this.key, this.rootPrehash), 23,
			'the inner seal does not hold');
		for (const [i, { granted, reply }] of this.stamps.entries())
			need(!granted || reply, 24, `time stamp ${i + 1} was ` +
				'granted, but is not there');
	}

	/* F24, which needs the whole of the bundle to hold. */
	async checkStamps() {
		for (const stamp of this.stamps)
			if (stamp.granted)
				Object.assign(stamp, await checkStamp(
					stamp.reply, this.innerBytes));
	}

	comment(what, purpose) {
		return `${what} bundle=${this.name} case=${this.log.caseId} ` +
			(purpose ? `purpose=${purpose} ` : '') +
			`root=${this.root}`;
	}
}

export function signatureOf(data, what) {
	try {
		return new Signature(data);
	} catch (e) {
		return need(false, 23, `${what}: ${e.message}`);
	}
}
