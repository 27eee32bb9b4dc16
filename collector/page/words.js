/* SPDX-License-Identifier: Apache-2.0 */
/* What a verdict means, for somebody who never read FORMAT.md. */

export const HEADLINES = {
	'valid': 'Valid',
	'invalid': 'Invalid: do not rely on this bundle',
	'cannot-tell': 'Cannot tell',
};

const FORM = 'The bundle is not built as the format demands. No collector ' +
	'makes such a bundle: it was altered, or made by something else.';
const LISTS = 'The lists inside the bundle do not agree with what is in it: ' +
	'something was added, removed or replaced after it was collected.';
const LOG = 'The log of the collection is not right. Each of its lines is ' +
	'bound to all lines before it, so one that is changed, removed or ' +
	'added shows here.';
const RULES = {
	F2: 'Files of the bundle are missing or carry wrong names. Did you add ' +
		'all of them: .tar, .tar.002, .tar.003 and so on?',
	F3: 'The file ends too early or goes on after its end. A copy that ' +
		'was cut off looks like that, and so does a file to which ' +
		'something was added.',
	F21: 'The seal does not belong to this bundle, or was altered.',
	F22: 'The files are not the ones that were sealed: they were changed, ' +
		'damaged while they were copied, or belong to another bundle. ' +
		'Ask for a new copy and compare again.',
	F23: 'A signature does not hold: the seal was altered after it was ' +
		'signed, or signed by somebody else than it claims.',
};
for (const rule of ['F11', 'F12', 'F13', 'F19'])
	RULES[rule] = LISTS;
for (const rule of ['F14', 'F15', 'F16', 'F17', 'F18', 'F20'])
	RULES[rule] = LOG;

export function meaning(result, namedKeys) {
	if (result.verdict === 'invalid')
		return RULES[result.rule] ?? FORM;
	if (result.verdict === 'valid')
		return 'Not one byte of the bundle has changed since it was ' +
			'sealed, and a key that you trust vouches for it.';
	if (!result.check.sorted.seal)
		return 'The seal (the file whose name ends in .seal) is not ' +
			'among the files. Without it nobody can say that the ' +
			'bundle is complete.';
	if (result.check.encrypted && result.check.sealHolds)
		return 'The bundle is encrypted. Its encrypted bytes are the ' +
			'ones that were sealed. Who signed stands below; what ' +
			'is inside can only be checked by somebody who has ' +
			'the key that opens it.';
	if (result.check.claimed && !result.check.sealHolds)
		return 'The bundle is encrypted, and you named no key that ' +
			'made the seal: nothing that matters was checked.';
	if (result.check.partial && result.check.sealHolds)
		return 'The collection was sealed as partial. What is there is ' +
			'as it was sealed; how much was to follow is not known.';
	if (!result.check.sealHolds)
		return 'This page does not know everything that the bundle ' +
			'holds. The program crashcart may know more.';
	if (namedKeys === 0)
		return 'Everything in the bundle agrees with itself and with ' +
			'its seal. Who made the seal is open: name the key ' +
			'that you trust above, and check again.';
	return 'Everything in the bundle agrees with itself and with its ' +
		'seal, but this page cannot say that somebody whom you ' +
		'trust made it so.';
}

export const SESSION_LIMIT = 'The seal was made by a session key, which the ' +
	'collector made for this one collection on the machine that it ran ' +
	'on. It shows that the bytes are unchanged since sealing. Whoever ' +
	'controlled that machine while the collection ran could have chosen ' +
	'them.';
export const INSIDE = 'All that is inside: which files it holds, the log, the ' +
	'exhibits, the gaps, the times, the inner seal. A page cannot open it; ' +
	'whoever has its age key checks it with crashcart verify --identity.';
export const EXAMINER_LIMIT = 'The seal was made by an examiner\'s key. It ' +
	'shows that the bytes are unchanged since its holder sealed them, not ' +
	'that the machine told the truth.';
