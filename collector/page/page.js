/* SPDX-License-Identifier: Apache-2.0 */
/* verify.html: what happens when. */
import { Browser } from './browse.js';
import { sizeText } from './bytes.js';
import { Chooser } from './chooser.js';
import { native } from './digest.js';
import { byId, fill } from './dom.js';
import { Unreadable } from './stream.js';
import { showTrouble, showVerdict } from './verdict.js';
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

async function check() {
	const { sorted, keys } = chooser;

	begin(true);
	fill(byId('status'), 'Checking ...');
	try {
		const result = await verify(sorted, keys, progress());
		fill(byId('status'), 'Checked.');
		showVerdict(result, keys);
		if (result.reader)
			new Browser(result.reader, result.check.bag.name,
				result.verdict === 'valid');
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
