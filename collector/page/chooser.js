/* SPDX-License-Identifier: Apache-2.0 */
/* The files and the keys that a person gives to this page. */
import { sizeText } from './bytes.js';
import { button, byId, el, fill } from './dom.js';
import { isEntryName } from './custody.js';
import { sortFiles } from './files.js';
import { keyIdText, keysOfText } from './minisign.js';
import { PROOF_FILES } from './proof.js';

const ROLES = {
	segments: 'the bundle', encrypted: 'the bundle, encrypted',
	seal: 'the seal', signature: 'the signature of the seal',
	counters: 'a further signature of the seal', keys: 'a public key',
	others: 'not needed',
};
const KEY_FILE_MAX = 4096;

export class Chooser {
	/* changed() is called when the choice is another than before */
	constructor(changed) {
		this.changed = changed;
		this.files = new Map();	/* name -> File */
		this.custody = new Map();	/* of its folder, likewise */
		this.fileKeys = new Map();	/* name -> { keys } or { error } */
		this.extracted = false;
		byId('files').addEventListener('change', (e) => this.add(
			e.target.files));
		byId('folder').addEventListener('change', (e) => this.add(
			e.target.files));
		byId('keys').addEventListener('input', () => this.refresh());
		byId('kept').addEventListener('input', () => this.changed());
		byId('clear').addEventListener('click', () => this.clear());
		document.addEventListener('dragover', (e) => this.over(e, true));
		document.addEventListener('dragleave', (e) => this.over(e, false));
		document.addEventListener('drop', (e) => this.drop(e));
	}

	over(event, inside) {
		event.preventDefault();
		byId('drop').classList.toggle('over', inside);
	}

	async drop(event) {
		this.over(event, false);
		const folders = [...event.dataTransfer.items]
			.map((item) => item.webkitGetAsEntry?.())
			.filter((entry) => entry?.isDirectory);
		const files = [...event.dataTransfer.files];
		const names = new Set(folders.map((entry) => entry.name));
		await this.add(files.filter((file) => !names.has(file.name)));
		for (const folder of folders)
			await this.addFolder(folder, 0);
	}

	/* What lies in a folder that was dropped, and in a custody folder in
	 * it. */
	async addFolder(folder, depth) {
		const entries = await entriesOf(folder), files = [];

		for (const entry of entries)
			if (entry.isFile)
				files.push(await new Promise((ok, bad) =>
					entry.file(ok, bad)));
			else if (depth === 0 && entry.name.endsWith('.custody'))
				await this.addFolder(entry, depth + 1);
		await this.add(files, folder.name);
	}

	/* folder: that they lie in, where it is known */
	async add(files, folder) {
		for (const file of files) {
			/* of a folder that was chosen: all that is in it */
			const path = (file.webkitRelativePath ?? '').split('/');
			const inside = folder ?? path.at(-2) ?? '';
			if (path.length > 3)
				continue;
			if (inside.endsWith('.custody') ||
			    (inside === '' && isEntryName(file.name)))
				this.custody.set(file.name, file);
			else if (path.length < 3)
				await this.addOne(file);
		}
		byId('files').value = byId('folder').value = '';
		this.refresh();
	}

	async addOne(file) {
		this.files.set(file.name, file);
		this.extracted ||= file.name === 'bagit.txt';
		if (file.name.endsWith('.pub'))
			this.fileKeys.set(file.name, await keysOfFile(file));
	}

	clear() {
		this.files.clear();
		this.custody.clear();
		this.fileKeys.clear();
		this.extracted = false;
		byId('keys').value = byId('kept').value = '';
		this.refresh();
		byId('files').focus();
	}

	remove(file) {
		this.files.delete(file.name);
		this.fileKeys.delete(file.name);
		this.extracted = this.files.has('bagit.txt');
		this.refresh();
	}

	get sorted() {
		return sortFiles(this.files.values());
	}

	get pasted() {
		try {
			return { keys: keysOfText(byId('keys').value) };
		} catch (e) {
			return { keys: [], error: e.message };
		}
	}

	/* The keys that the person trusts. */
	get keys() {
		return [this.pasted, ...this.fileKeys.values()]
			.flatMap(({ keys }) => keys);
	}

	/* The head of the custody record that the person kept, or ''. */
	get kept() {
		return byId('kept').value.trim().toLowerCase();
	}

	/* One exhibit with its proof, not a bundle? */
	get isProof() {
		return this.files.has('line.tlog-proof');
	}

	get proofTrouble() {
		const missing = PROOF_FILES.filter((name) =>
			!this.files.has(name));

		return missing.length === 0 ? null :
			`Of the proof, these are missing: ${missing.join(', ')}.`;
	}

	/* Why a check cannot begin, or null. */
	get trouble() {
		const sorted = this.sorted;

		if (this.isProof)
			return this.proofTrouble;
		if (this.files.size === 0)
			return 'Add the files of the bundle first.';
		if (this.extracted)
			return 'This is a bundle that was unpacked. This page ' +
				'checks the sealed files: add .tar and .seal. ' +
				'(crashcart verify FOLDER checks an unpacked ' +
				'one.)';
		if (sorted.bases.length > 1)
			return 'These files belong to more than one bundle: ' +
				`${sorted.bases.join(', ')}. Remove the ` +
				'others.';
		if (sorted.segments.length + sorted.encrypted.length === 0)
			return 'The bundle itself is missing: add the file ' +
				'whose name ends in .tar, and .tar.002 and so ' +
				'on if there are more.';
		if (sorted.segments.length > 0 && sorted.encrypted.length > 0)
			return 'Some files are encrypted and some are not. ' +
				'Remove one kind.';
		if (this.pasted.error || [...this.fileKeys.values()]
			.some(({ error }) => error))
			return 'One of the keys cannot be read.';
		return null;
	}

	refresh() {
		fill(byId('chosen'), this.files.size + this.custody.size ?
			this.list() : null);
		fill(byId('key-list'), this.keyLines());
		byId('clear').hidden = this.files.size + this.custody.size === 0;
		fill(byId('hint'), this.hint());
		byId('custody').hidden = this.custody.size === 0;
		this.changed();
	}

	hint() {
		const sorted = this.sorted;

		if (this.trouble || !sorted.base || this.isProof)
			return this.files.size ? this.trouble : '';
		if (!sorted.seal)
			return `Still missing: ${sorted.base}.seal. Without ` +
				'the seal the verdict can only be "cannot tell".';
		if (!sorted.signature && sorted.counters.length === 0)
			return `Still missing: ${sorted.base}.seal.minisig. ` +
				'Without the signature the verdict can only be ' +
				'"cannot tell".';
		return '';
	}

	list() {
		const sorted = this.sorted;
		const rows = [];

		for (const [role, text] of Object.entries(ROLES)) {
			const files = [sorted[role]].flat(2).filter((one) =>
				one instanceof File).sort((a, b) =>
				(a.name < b.name ? -1 : 1));
			for (const file of files)
				rows.push(el('tr', null,
					el('td', null, file.name, el('br'),
						el('span', { class: 'soft' },
						`${this.role(file, text)}, ${sizeText(file.size)}`)),
					el('td', { class: 'number' },
						button('Remove',
						() => this.remove(file),
						{ 'aria-label': 'Remove ' +
							file.name }))));
		}
		if (this.custody.size > 0)
			rows.push(el('tr', null, el('td', null,
				`${this.custody.size} files`, el('br'),
				el('span', { class: 'soft' },
				'the record of hand-overs')),
				el('td', { class: 'number' }, button('Remove',
				() => {
					this.custody.clear();
					this.refresh();
				}, { 'aria-label': 'Remove the record of ' +
					'hand-overs' }))));
		return el('table', null, el('tbody', null, rows));
	}

	role(file, text) {
		return this.isProof && PROOF_FILES.includes(file.name) ?
			'part of the proof' : text;
	}

	keyLines() {
		const lines = [];

		const tell = ({ keys, error }, where) => {
			for (const key of keys)
				lines.push(el('li', null, 'You trust key ',
					el('code', null, keyIdText(key.id)),
					` (${where}).`));
			if (error)
				lines.push(el('li', { class: 'bad' },
					`${where}: ${error}.`));
		};
		tell(this.pasted, 'as pasted');
		for (const [name, found] of this.fileKeys) {
			tell(found, `from the file ${name}`);
			lines.push(el('li', { class: 'warn' }, `Did ${name} ` +
				'reach you apart from the bundle? If it came ' +
				'with the bundle, remove it above: it proves ' +
				'nothing.'));
		}
		return lines;
	}
}

async function keysOfFile(file) {
	try {
		if (file.size > KEY_FILE_MAX)
			throw new Error('too long for a public key');
		const keys = keysOfText(await file.text());
		if (keys.length === 0)
			throw new Error('there is no key in it');
		return { keys };
	} catch (e) {
		return { keys: [], error: e.message };
	}
}

/* What lies directly in a folder that was dropped. */
async function entriesOf(folder) {
	const reader = folder.createReader(), found = [];

	for (;;) {
		const some = await new Promise((ok, bad) =>
			reader.readEntries(ok, bad));
		if (some.length === 0)
			return found;
		found.push(...some);
	}
}
