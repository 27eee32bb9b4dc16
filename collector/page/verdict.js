/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict, in words and for the record. */
import { sizeText } from './bytes.js';
import { native } from './digest.js';
import { byId, el, facts, fill, grid } from './dom.js';
import { keyIdText } from './minisign.js';
import {
	EXAMINER_LIMIT, HEADLINES, INSIDE, meaning, SESSION_LIMIT
} from './words.js';

const GAPS_SHOWN = 500;

/* What the program prints with --json, as far as this page knows it. */
function record(result, keys) {
	const { check } = result, { bag } = check;
	const signer = check.outer ? keyIdText(check.outer.keyId) : '';
	const good = result.verdict !== 'invalid';

	return {
		verdict: result.verdict, rule: result.rule,
		reason: result.reason, encrypted: check.encrypted ?? false,
		bundle: bag.name ?? '',
		case: bag.log.caseId ?? check.seal?.caseId ?? '',
		state: bag.state ?? check.seal?.state ?? '',
		root: bag.root ?? check.seal?.root ?? '',
		bytes_intact: good && check.claimed && !check.sealHolds ? null :
			good && check.sealHolds, signer,
		signer_kind: good ? bag.purpose ?? '' : '',
		signer_trusted: good && Boolean(check.trusted) &&
			!check.countersigned,
		countersigner: good && check.countersigned ?
			keyIdText(check.trusted.id) : null,
		keys_named: keys.map((key) => key.bare),
		members: bag.members, log_lines: bag.log.tree.size,
		exhibits: bag.log.counts.exhibit, gaps: bag.log.counts.gap,
		bytes: bag.payloadBytes,
		timestamps: bag.stamps.map(({ url, granted, error, time, by }) =>
			({ url, granted, error, by, time: time && isoTime(time) })),
		bytes_parsed: check.stream?.parsed ?? 0,
		checked: new Date().toISOString(),
		custody: result.custody && { verdict: result.custody.verdict,
			rule: result.custody.rule, reason: result.custody.reason,
			entries: result.custody.entries.length,
			head: result.custody.head },
		page: byId('version').textContent,
		sha256_by: native ? 'browser' : 'page', browser: navigator.userAgent,
	};
}

function trustText(check, keys) {
	const signer = check.outer && keyIdText(check.outer.keyId);

	if (check.countersigned)
		return `Key ${signer ?? '(none)'} made the seal; you did not ` +
			`name it. Key ${keyIdText(check.trusted.id)}, which ` +
			'you named, counter-signed it.';
	if (check.trusted)
		return `Yes: key ${keyIdText(check.trusted.id)}, which you named.`;
	if (!signer)
		return 'No: there is no signature of the seal.';
	return keys.length === 0 ? 'Open: you named no key.' :
		'No: none of the keys that you named made this signature.';
}

/* The things that must be kept apart. */
function parts(result, keys) {
	const { check } = result, { bag } = check;
	const signer = check.outer && keyIdText(check.outer.keyId);
	const kind = { session: ', made for this one collection',
		examiner: ', an examiner\'s' }[bag.purpose] ?? '';
	const limit = bag.purpose === 'session' ? SESSION_LIMIT : EXAMINER_LIMIT;

	return [
		['Are the bytes unchanged since sealing?', !check.sealHolds ?
			'Not established.' : check.encrypted ?
			'Yes, every one of the encrypted bytes.' :
			'Yes, every one of them.'],
		['Who sealed it?', signer ? (check.claimed ? 'It claims to be ' +
			`by key ${signer}: not checked.` :
			`Key ${signer}${kind}.`) : 'Nobody that can be named.'],
		['Do you trust that key?', trustText(check, keys)],
		['Is it complete?', completeness(check)],
		['When was it sealed?', sealedWhen(bag)],
		['What rests on the collector\'s word?', 'That the exhibits are ' +
			'what the machine and AWS answered. Signatures by AWS ' +
			'in the evidence, and the order that a collection ' +
			'followed, are not checked by this page; crashcart ' +
			'verify checks those that it knows.'],
		['What does the seal not show?', bag.purpose ? limit : null],
		['What was not checked?', check.encrypted ? INSIDE :
			'What the exhibits mean. That is the work of an ' +
			'examiner.'],
	];
}

function isoTime(time) {
	return time.toISOString().replace(/\.\d+/, '');
}

function sealedWhen(bag) {
	const said = bag.stamps.map(({ url, granted, error, time, by }) =>
		(granted && time ? 'Somebody who signs as ' + by + ' states ' +
		`that the seal existed at ${isoTime(time)}: the statement ` +
		'is about this seal, and its signature holds. Whether that ' +
		'is the authority you would trust is not checked here; ' +
		'crashcart verify does it (--tsa-ca).' :
		`The authority ${url} was asked, without success ` +
		`(${error ?? 'not checked'}).`));

	return [...said, 'The times inside are those of the clock of the ' +
		'collecting machine, beside the clocks that it was compared ' +
		'with.'].join(' ');
}

function completeness({ bag, encrypted, sealHolds, seal }) {
	const { gap } = bag.log.counts;

	if (encrypted && sealHolds)
		return `The seal says: ${seal.state}. The log, which would ` +
			'show it, is encrypted.';
	if (!bag.state)
		return 'Not established.';
	if (bag.state === 'partial')
		return 'No: it was sealed as partial. How much was to follow ' +
			'is not known.';
	if (bag.state === 'complete')
		return 'The collector recorded nothing that it could not collect.';
	return `No: the collector recorded ${gap} ` +
		`${gap === 1 ? 'gap' : 'gaps'}, listed below with reasons.`;
}

/* A text or a text in an object of a line, undefined where there is none. */
function at(line, ...keys) {
	return keys.reduce((value, key) => value?.get?.(key), line);
}

function bundleFacts(result) {
	const { check } = result, { bag } = check, { seal } = check;
	const line = check.index.session;

	return facts([
		['Bundle', bag.name], ['Case', bag.log.caseId ?? seal?.caseId],
		['Collected by', at(line, 'operator')],
		['Authority', at(line, 'authority')],
		['Organization', at(line, 'organization')],
		['Order', at(line, 'options', 'order') && 'the collection says ' +
			'that it followed one (not checked here)'],
		['Begun', bag.begun?.toISOString()],
		['On the machine', at(line, 'host', 'hostname')],
		['Tool', line && `${at(line, 'tool', 'name')} ` +
			`${at(line, 'tool', 'version')}, SHA-256 ` +
			at(line, 'tool', 'sha256')],
		['Manifest', line && `${at(line, 'manifest', 'name')}, SHA-256 ` +
			at(line, 'manifest', 'sha256')],
		...check.encrypted ? [] : [
			['Exhibits', bag.log.counts.exhibit],
			['Lines of the log', bag.log.tree.size],
			['Size as stored', sizeText(bag.payloadBytes)]],
		['Interrupted', bag.log.continued.length ? 'yes: continued ' +
			'with a further session key from log line ' +
			bag.log.continued.join(', ') : null],
		['Root (SHA-256)', bag.root ?? seal?.root],
	]);
}

function gapTable(gaps) {
	const rows = gaps.slice(0, GAPS_SHOWN).map((gap) => [gap.get('what'),
		gap.get('reason'), gap.get('detail')]);

	return [el('h3', null, 'What was not collected'),
		grid(['What', 'Reason', 'Detail'], rows),
		gaps.length > GAPS_SHOWN ? el('p', null, `And ` +
			`${gaps.length - GAPS_SHOWN} more: crashcart report ` +
			'lists them all.') : null];
}

/* The box on top, with the words of each verdict. */
function box(result, words) {
	return el('div', { class: 'box ' + result.verdict },
		el('h2', { id: 'headline', tabindex: '-1' },
			HEADLINES[result.verdict] + '.'),
		el('p', null, words),
		el('p', { class: 'because' }, because(result)));
}

function because({ reason, rule }) {
	return `Because: ${reason}` +
		(rule ? ` (rule ${rule} of the format)` : '') + '.';
}

function show(result, data, ...parts) {
	byId('verdict').dataset.verdict = result.verdict;
	byId('verdict').dataset.rule = result.rule ?? '';
	fill(byId('verdict'), ...parts,
		el('details', null, el('summary', null, 'For the record'),
			el('pre', { id: 'record' },
				JSON.stringify(data, null, 1))));
	byId('verdict').hidden = false;
	byId('headline').focus();
}

export function showVerdict(result, keys) {
	const { check, verdict } = result;
	const good = verdict !== 'invalid';

	show(result, record(result, keys),
		box(result, meaning(result, keys.length)),
		good ? el('h3', null, 'What that rests on') : null,
		good ? facts(parts(result, keys)) : null,
		good && check.bag.root ? el('h3', null, 'The bundle') : null,
		good ? bundleFacts(result) : null,
		el('div', { id: 'custody-verdict' }),
		...good && check.index.gaps.length > 0 ?
			gapTable(check.index.gaps) : []);
}

const CUSTODY = {
	'valid': 'The record of hand-overs is whole up to its last entry.',
	'invalid': 'The record of hand-overs does not hold: do not rely on it.',
	'cannot-tell': 'The record of hand-overs holds together, but nobody ' +
		'whom you named stands for all of it.',
};

function entryRow({ entry, keyId, trusted, sha256 }) {
	const said = ['by', 'other', 'purpose', 'method', 'storage', 'text',
		'verification'].filter((key) =>
		typeof entry.get(key) === 'string')
		.map((key) => `${key === 'other' ? 'other side' : key}: ` +
			entry.get(key));

	return [String(entry.get('t')), entry.get('event'), [...said,
		`signed by key ${keyId}` + (trusted ? ', which you named' : ''),
		`entry SHA-256 ${sha256}`].flatMap((text) =>
		[text, el('br')])];
}

export function showCustody(custody) {
	byId('verdict').dataset.custody = custody.verdict;
	fill(byId('custody-verdict'), el('h3', null, 'Hand-overs'),
		el('p', { class: custody.verdict === 'invalid' ? 'bad' : null },
			`${CUSTODY[custody.verdict]} ${because(custody)}`),
		custody.open ? el('p', null, `On its way: ${custody.open.by} ` +
			`released it to ${custody.open.to}, and nobody ` +
			'received it yet.') : null,
		custody.verdict === 'invalid' ? null :
			grid(['When', 'What', 'Who and how'],
			custody.entries.map(entryRow)));
}

const PROOF = {
	'valid': 'This exhibit is one that the bundle holds, unchanged, and a ' +
		'key that you trust vouches for the bundle.',
	'invalid': 'The files do not prove that this exhibit is in the bundle: ' +
		'one of them was altered, or belongs to another proof.',
	'cannot-tell': 'Nobody whom you trust vouches for it yet.',
};

export function showProof(result, keys) {
	const { proof, verdict } = result, { line } = proof;
	const good = verdict !== 'invalid' && line;

	show(result, { verdict, rule: result.rule, reason: result.reason,
		bundle: proof.name, case: proof.caseId, signer: proof.signer,
		exhibit: line?.get('exhibit'), sha256: proof.sha256,
		line: proof.index + 1, lines: proof.size,
		keys_named: keys.map((key) => key.bare) },
	box(result, PROOF[verdict]),
	good ? facts([['Bundle', proof.name], ['Case', proof.caseId],
		['Exhibit', line.get('exhibit')],
		['What', line.get('name') ?? line.get('path') ??
			line.get('path_b64')],
		['SHA-256', proof.sha256],
		['Place in the log', `line ${proof.index + 1} of ${proof.size}`],
		['Sealed by', `key ${proof.signer}`],
		['What it shows', 'That these bytes were sealed as this ' +
			'exhibit. Nothing about the other exhibits.']]) : null);
}

/* No verdict: the files could not be read, or somebody stopped it. */
export function showTrouble(message) {
	byId('verdict').dataset.verdict = 'none';
	byId('verdict').dataset.rule = '';
	fill(byId('verdict'), el('div', { class: 'box none' },
		el('h2', { id: 'headline', tabindex: '-1' }, 'No verdict.'),
		el('p', null, message)));
	byId('verdict').hidden = false;
	byId('headline').focus();
}
