/* SPDX-License-Identifier: Apache-2.0 */
/* What a line of the log may say: the tables of FORMAT.md section 5 (F15,
 * F20).  A word a key: `?` optional, a|b one of them (a|b? at most one), {}
 * an object with exactly those keys.  tests/interop/verify_bundle.py holds
 * the same tables, written by itself; a test compares them. */
import { unbase64 } from './bytes.js';
import { need } from './rule.js';

export const PREFIX = ['n', 'salt', 't', 'mono_ns', 'boot', 'session', 'type',
	'step'];

export const TYPES = {
	'session': 'uuid bundle case operator? authority? organization? ' +
		'tool{name,version,commit,sha256} manifest{name,sha256} ' +
		'session_key host{hostname,kernel,machine,boot_id} pid uid ' +
		'interrupted_after? options?',
	'clock': 'source from offset_ms uncertainty_ms applied',
	'endpoint': 'service region url origin address?',
	'instance': 'id event attempt',
	'instance end': 'id event attempt outcome reason? partial_input? ' +
		'duration_ms keep?',
	'call': 'id instance service operation account? region url status ' +
		'request_id? request_id2? attempts started duration_ms bytes ' +
		'page? error{code,message}? exhibit?',
	'exhibit': 'exhibit instance name media size sha256? path? parts? ' +
		'files? origin derived_from? repeatable state note?',
	'part': 'exhibit part path? size sha256 offset length encoding ' +
		'instance? name? media?',
	'file': 'exhibit path|path_b64 kind size sha256? mode uid gid mtime ' +
		'ctime atime btime? ino dev nlink part? offset? in? ' +
		'target|target_b64? state origin? note?',
	'gap': 'instance? what reason detail exhibit? call? offset? length? ' +
		'count? path|path_b64?',
	'change': 'uuid event class instance call input? made? detail?',
	'note': 'text',
	'end': 'outcome exhibits calls gaps changes bytes reason? ' +
		'usage{cpu_ms,peak_rss_bytes}',
	'head': 'size root sig',
	'witness': 'size by head_b64 reply_b64|error',
};

/* "TYPE KEY": the values that the table lists. */
export const WORDS = {
	'clock source': 'http-date sntp kernel',
	'endpoint origin': 'default environment config option',
	'instance event': 'start end',
	'instance outcome': 'ok partial denied throttled timeout failed ' +
		'skipped cancelled',
	'exhibit state': 'whole truncated masked gaps',
	'part encoding': 'zstd tar.zst none zero',
	'file kind': 'file dir link fifo socket char block',
	'file state': 'ok grew shrank changed unreadable listed',
	'gap reason': 'denied throttled timeout failed truncated limit absent ' +
		'changed interrupted no-value ambiguous unsupported masked',
	'change event': 'intent result adopted unknown',
	'change class': 'evidence containment irreversible',
	'end outcome': 'complete gaps',
};

export const INTEGERS = 'n session pid uid gid interrupted_after ' +
	'uncertainty_ms attempt duration_ms status attempts bytes page size ' +
	'parts files part offset length nlink count exhibits calls gaps ' +
	'changes cpu_ms peak_rss_bytes';

const EXHIBIT = /^e[0-9]{6,7}$/;
const HASH = /^[0-9a-f]{64}$/;
const DECIMAL = (text) => /^(?:0|[1-9][0-9]{0,19})$/.test(text) &&
	BigInt(text) < 2n ** 64n;
const isMap = (value) => value instanceof Map;
const isText = (value) => typeof value === 'string';
const isInteger = (value) => Number.isInteger(value) &&
	Math.abs(value) <= 2 ** 53;
const isTexts = (value) => Array.isArray(value) && value.every(isText);
const form = (expression) => (value) =>
	isText(value) && expression.test(value);

/* Days of the month are counted as they are, leap years and all. */
function isTime(least) {
	return (value) => {
		const found = isText(value) && (/^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z$/)
			.exec(value);
		if (!found || (found[7] ?? '').length < least)
			return false;
		const [year, month, day, hour, minute, second] =
			found.slice(1, 7).map(Number);
		const days = new Date(Date.UTC(2000 + year % 400, month, 0))
			.getUTCDate();
		return year > 0 && month >= 1 && month <= 12 && day >= 1 &&
			day <= days && hour < 24 && minute < 60 && second < 60;
	};
}

function isBase64(size) {
	return (value) => {
		const raw = isText(value) ? unbase64(value) : null;
		return raw !== null && (size < 0 || raw.length === size);
	};
}

/* What the value of a key must be; all others are texts. */
const FORMS = {
	sha256: form(HASH), root: form(HASH), salt: form(/^[0-9a-f]{32}$/),
	boot: form(/^[0-9a-f]{8}$/), mode: form(/^[0-7]{1,7}$/),
	dev: form(/^(?:0|[1-9][0-9]{0,9}):(?:0|[1-9][0-9]{0,9})$/),
	uuid: form(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/),
	exhibit: form(EXHIBIT), in: form(EXHIBIT),
	step: form(/^(?:[a-z][a-z0-9_]{0,31})?$/),
	session_key: isBase64(42), sig: isBase64(64),
	path_b64: isBase64(-1), target_b64: isBase64(-1),
	head_b64: isBase64(-1), reply_b64: isBase64(-1),
	mono_ns: (value) => isText(value) && DECIMAL(value),
	ino: (value) => isText(value) && DECIMAL(value),
	t: isTime(9), started: isTime(0), mtime: isTime(0), ctime: isTime(0),
	atime: isTime(0), btime: isTime(0),
	offset_ms: isInteger,
	applied: (value) => typeof value === 'boolean',
	repeatable: (value) => typeof value === 'boolean',
	partial_input: (value) => value === true,
	options: isMap, input: isMap, keep: isMap,
	made: isTexts,
	derived_from: (value) => isTexts(value) &&
		value.every((one) => EXHIBIT.test(one)),
};
for (const key of INTEGERS.split(' '))
	FORMS[key] = (value) => isInteger(value) && value >= 0;

function valueOk(kind, key, value) {
	const words = WORDS[kind + ' ' + key];

	if (words !== undefined)
		return isText(value) && words.split(' ').includes(value);
	if ((kind === 'exhibit' || kind === 'file') && key === 'origin')
		return isMap(value);
	return Object.hasOwn(FORMS, key) ? FORMS[key](value) : isText(value);
}

/* The words of a type, parsed once: [{ names, inner, optional }] */
const parsed = new Map(Object.entries(TYPES).map(([kind, words]) =>
	[kind, words.split(' ').map((word) => {
		const [, names, inner, optional] =
			/^([a-z0-9_|]+)(?:\{(.*)\})?(\??)$/.exec(word);
		return { names: names.split('|'), inner: inner?.split(','),
			optional: optional !== '' };
	})]));

function checkInner(kind, key, value, names) {
	need(isMap(value), 20, `the value of \`${key}\``);
	const keys = [...value.keys()];
	for (const [i, name] of names.entries())
		need(keys[i] === name && valueOk(kind, name, value.get(name)),
			20, `\`${name}\` of \`${key}\``);
	need(keys.length === names.length, 20, `unknown key in \`${key}\``);
}

/* Checks keys and values of a line; returns its type. */
export function checkLine(line) {
	const keys = [...line.keys()];

	for (const [i, key] of PREFIX.entries()) {
		need(keys[i] === key, 15,
			`\`${key}\` is missing or out of place`);
		need(valueOk('', key, line.get(key)), 15,
			`the value of \`${key}\``);
	}
	const type = line.get('type');
	const kind = type === 'instance' && line.get('event') === 'end' ?
		'instance end' : type;
	need(parsed.has(kind) && !type.includes(' '), 20,
		'an unknown type of line');
	let at = PREFIX.length;
	for (const { names, inner, optional } of parsed.get(kind)) {
		const key = keys[at];
		if (key === undefined || !names.includes(key)) {
			need(optional, 20, `\`${names[names.length - 1]}\` is ` +
				'missing or out of place');
			continue;
		}
		at++;
		if (inner)
			checkInner(type, key, line.get(key), inner);
		else
			need(valueOk(type, key, line.get(key)), 20,
				`the value of \`${key}\``);
	}
	need(at === keys.length, 20,
		`a ${type} line with the unknown key \`${keys[at]}\``);
	return type;
}
