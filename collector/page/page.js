/* SPDX-License-Identifier: Apache-2.0 */
/* verify.html: what happens when. */
import { Browser } from './browse.js';
import { sizeText } from './bytes.js';
import { Chooser } from './chooser.js';
import { checkCustody } from './custody.js';
import { native } from './digest.js';
import { byId, fill } from './dom.js';
import { checkProof } from './proof.js';
import { Unreadable } from './stream.js';
import { showCustody, showProof, showTrouble, showVerdict } from './verdict.js';
import { Stopped, verify } from './verify.js';

const REFRESH_MS = 100;

let running = false, stopping = false;

const chooser = new Chooser(() => {
	byId('check').disabled = running || chooser.trouble !== null;
	/* what is shown is of another choice */
	for (const id of ['verdict', 'exhibits']) {
		byId(id).hidden = true;
		fill(byId(id));
	}
	delete byId('verdict').dataset.verdict;
});

/* (done, total) of a check that began now. */
function progress() {
	const begun = performance.now();
	let last = 0;

	return (done, total) => {
		const now = performance.now();
		if (stopping)
			throw new Stopped('you stopped the check');
		if (now - last < REFRESH_MS && done < total)
			return;
		last = now;
		const left = (total - done) * (now - begun) / done / 1000;
		byId('bar').value = done / total;
		fill(byId('status'), `Checking: ${sizeText(done)} of ` +
			`${sizeText(total)}, ` + (left < 90 ?
			`${Math.ceil(left)} seconds left` :
			`${Math.ceil(left / 60)} minutes left`));
	};
}

function begin(is) {
	running = is;
	stopping = false;
	byId('check').disabled = is;
	byId('stop').hidden = byId('bar').hidden = !is;
	byId('bar').value = 0;
	byId('inputs').disabled = is;
}

async function checkBundle(keys) {
	const result = await verify(chooser.sorted, keys, progress());
	const { bag, sealSha256 } = result.check;

	/* hand-overs of a bundle that does not hold say nothing */
	if (chooser.custody.size > 0 && result.verdict !== 'invalid' &&
	    bag.root && sealSha256)
		result.custody = await checkCustody(chooser.custody,
			{ root: bag.root, sealSha256 }, keys, chooser.kept);
	showVerdict(result, keys);
	if (result.custody)
		showCustody(result.custody);
	if (result.reader)
		new Browser(result.reader, bag.name, result.verdict === 'valid');
}

async function check() {
	const { keys } = chooser;

	begin(true);
	fill(byId('status'), 'Checking ...');
	try {
		if (chooser.isProof)
			showProof(await checkProof(chooser.files, keys,
				progress()), keys);
		else
			await checkBundle(keys);
		fill(byId('status'), 'Checked.');
	} catch (e) {
		fill(byId('status'), '');
		showTrouble(e instanceof Unreadable || e instanceof Stopped ?
			`${e.message}. This says nothing about the bundle.` :
			`This page failed (${e.message}). This says nothing ` +
			'about the bundle; use crashcart verify, and tell ' +
			'those who made this page.');
	} finally {
		begin(false);
	}
}

byId('check').addEventListener('click', check);
byId('stop').addEventListener('click', () => {
	stopping = true;
});
byId('print').addEventListener('click', () => window.print());
byId('slow').hidden = native;
byId('noscript').hidden = true;
byId('app').hidden = false;
chooser.refresh();
