/* SPDX-License-Identifier: Apache-2.0 */
/* The files and the keys that a person gives to this page. */
import { sizeText } from './bytes.js';
import { button, byId, el, fill } from './dom.js';
import { sortFiles } from './files.js';
import { keyIdText, keysOfText } from './minisign.js';

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
		this.fileKeys = new Map();	/* name -> { keys } or { error } */
		this.extracted = false;
		byId('files').addEventListener('change', (e) => this.add(
			e.target.files));
		byId('folder').addEventListener('change', (e) => this.add(
			e.target.files));
		byId('keys').addEventListener('input', () => this.refresh());
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
		const entries = [...event.dataTransfer.items]
			.map((item) => item.webkitGetAsEntry?.())
			.filter((entry) => entry?.isDirectory);
		const files = [...event.dataTransfer.files];
		const names = new Set(entries.map((entry) => entry.name));
		for (const entry of entries)
			files.push(...await filesIn(entry));
		await this.add(files.filter((file) => !names.has(file.name)));
	}

	async add(files) {
		for (const file of files) {
			/* of a folder: what lies directly in it */
			const path = file.webkitRelativePath ?? '';
			if (path.split('/').length > 2)
				continue;
			this.files.set(file.name, file);
			this.extracted ||= file.name === 'bagit.txt';
			if (file.name.endsWith('.pub'))
				this.fileKeys.set(file.name,
					await keysOfFile(file));
		}
		byId('files').value = byId('folder').value = '';
		this.refresh();
	}

	clear() {
		this.files.clear();
		this.fileKeys.clear();
		this.extracted = false;
		byId('keys').value = '';
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

	/* Why a check cannot begin, or null. */
	get trouble() {
		const sorted = this.sorted;

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
		fill(byId('chosen'), this.files.size ? this.list() : null);
		fill(byId('key-list'), this.keyLines());
		byId('clear').hidden = this.files.size === 0;
		fill(byId('hint'), this.hint());
		this.changed();
	}

	hint() {
		const sorted = this.sorted;

		if (this.trouble || !sorted.base)
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
						`${text}, ${sizeText(file.size)}`)),
					el('td', { class: 'number' },
						button('Remove',
						() => this.remove(file),
						{ 'aria-label': 'Remove ' +
							file.name }))));
		}
		return el('table', null, el('tbody', null, rows));
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

/* The files that lie directly in a folder that was dropped. */
async function filesIn(folder) {
	const reader = folder.createReader(), found = [];

	for (;;) {
		const some = await new Promise((ok, bad) =>
			reader.readEntries(ok, bad));
		if (some.length === 0)
			break;
		for (const entry of some)
			if (entry.isFile)
				found.push(await new Promise((ok, bad) =>
					entry.file(ok, bad)));
	}
	return found;
}
