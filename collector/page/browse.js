/* SPDX-License-Identifier: Apache-2.0 */
/* The exhibits of a bundle that was checked: a list, one at a time, saved. */
import { shown, sizeText, textOf } from './bytes.js';
import { button, byId, el, facts, fill, grid, save } from './dom.js';

const ROWS = 100;
const PREVIEW = 65536;

/* A name for a saved file that no system stumbles over. */
function safeName(text) {
	const name = text.replace(/[^A-Za-z0-9._-]+/g, '_').replace(/^\.+/, '')
		.slice(-100);

	return name || 'exhibit';
}

/* The whole characters at the start of bytes that may be cut anywhere. */
function startText(bytes) {
	for (let cut = 0; cut < 4 && cut <= bytes.length; cut++) {
		const text = textOf(bytes.subarray(0, bytes.length - cut));
		if (text !== null)
			return text;
	}
	return null;
}

function pathOf(line) {
	return line.has('path') ? line.get('path') :
		`(bytes, in base64) ${line.get('path_b64')}`;
}

export class Browser {
	/* reader: of the bundle; name: of the bundle; trusted: a verdict valid */
	constructor(reader, name, trusted) {
		this.reader = reader;
		this.name = name;
		this.lines = [...reader.index.exhibits.values()];
		this.count = ROWS;
		const filter = el('input', { type: 'search', id: 'filter',
			oninput: () => this.list() });
		this.table = el('div');
		this.one = el('section', { id: 'exhibit', tabindex: '-1',
			'aria-label': 'One exhibit', hidden: true });
		this.filter = filter;
		fill(byId('exhibits'), el('h2', null, 'Exhibits'),
			trusted ? null : el('p', { class: 'warn' }, 'Nobody whom ' +
				'you trust vouches for these yet: see the ' +
				'verdict.'),
			el('p', { class: 'noprint' },
				el('label', { for: 'filter' },
				'Find by number, name or kind '), filter),
			this.table, this.one);
		byId('exhibits').hidden = false;
		this.list();
	}

	list() {
		const word = this.filter.value.toLowerCase();
		const found = this.lines.filter((line) =>
			['exhibit', 'name', 'media', 'state', 'instance']
			.some((key) => line.get(key).toLowerCase()
			.includes(word)));

		fill(this.table, grid(['Exhibit', 'Name', 'Size', 'State'],
			found.slice(0, this.count).map((line) => [
				button(line.get('exhibit'),
					() => this.show(line)),
				line.get('name'), line.has('files') ?
				`${line.get('files')} files` :
				sizeText(line.get('size')), line.get('state')])),
			el('p', null, `${Math.min(found.length, this.count)} ` +
				`of ${found.length} exhibits.`),
			found.length > this.count ? button('Show more', () => {
				this.count += ROWS;
				this.list();
			}) : null);
	}

	show(line) {
		const origin = line.get('origin');

		this.status = el('p', { role: 'status' });
		this.more = el('div');
		fill(this.one, el('h3', null, `Exhibit ${line.get('exhibit')}: ` +
			line.get('name')),
			facts([['Kind', line.get('media')],
				['Size', `${line.get('size')} bytes`],
				['SHA-256', line.get('sha256') ?? (line.has('files') ?
					'each file has its own' :
					'none: an interruption cut it')],
				['State', line.get('state')],
				['Collected by step', line.get('step') +
					` (${line.get('instance')})`],
				['Written to the log', line.get('t')],
				...[...origin].map(([key, value]) =>
					['Origin: ' + key, value instanceof Map ||
					Array.isArray(value) ? '(see the log)' :
					String(value)]),
				['Can be collected again', line.get('repeatable') ?
					'yes' : 'no'],
				['Note', line.get('note')]]),
			el('p', { class: 'noprint' }, line.has('files') ?
				button('List its files', () =>
					this.files(line)) :
				[button('Show', () => this.run(() =>
					this.preview(line))), ' ',
				button('Save', () => this.run(() =>
					this.save(line)))]),
			this.status, this.more);
		this.one.hidden = false;
		this.one.focus();
	}

	async run(what) {
		try {
			fill(this.status, 'Reading ...');
			fill(this.status, await what() ?? '');
		} catch (e) {
			fill(this.status, el('span', { class: 'bad' },
				`Not possible: ${e.message}.`));
		}
	}

	progress() {
		return (done, total) => fill(this.status,
			`${sizeText(done)} of ${sizeText(total)} ...`);
	}

	async preview(line) {
		const pieces = this.reader.pieces(line.get('exhibit'));
		const first = (await pieces.next()).value ?? new Uint8Array(0);
		const text = startText(first.subarray(0, PREVIEW));

		fill(this.more, text === null || text.includes('\0') ?
			el('p', null, 'This is not text. Save it, and open it ' +
				'with a program for it.') :
			el('pre', { class: 'content', tabindex: '0' }, text));
		return line.get('size') > PREVIEW && text !== null ?
			'The beginning; save it to see all.' : '';
	}

	async save(line) {
		const { blob, sha256 } = await this.reader.whole(
			line.get('exhibit'), this.progress());
		const name = safeName(`${this.name}-${line.get('exhibit')}-` +
			line.get('name'));

		save(blob, name);
		return `Saved as ${name}, SHA-256 ${sha256}` +
			(line.has('sha256') ? ', as the log says.' : '.');
	}

	/* Of a file set: its files, found by a word. */
	files(line) {
		const word = el('input', { type: 'search', id: 'file-filter' });
		const table = el('div');
		const search = () => this.run(async () => {
			const { found, more } = await this.reader.fileLines(
				line.get('exhibit'), (one) => pathOf(one)
				.toLowerCase().includes(word.value.toLowerCase()),
				ROWS);
			fill(table, grid(['Path', 'Size', 'Modified', 'State', ''],
				found.map((one) => [pathOf(one),
					one.get('kind') === 'file' ?
					sizeText(one.get('size')) : one.get('kind'),
					one.get('mtime'), one.get('state'),
					one.has('part') || one.has('in') ?
					button('Save', () => this.run(() =>
						this.saveFile(one))) : ''])));
			return more ? `The first ${ROWS}; search to see others.` :
				`${found.length} found.`;
		});

		fill(this.more, el('p', null, el('label', { for: 'file-filter' },
			'Part of a path '), word, ' ', button('Search', search)),
			table);
		search();
	}

	async saveFile(one) {
		const { blob, sha256 } = await this.reader.file(one,
			this.progress());
		const name = safeName(one.has('path') ?
			one.get('path').split('/').pop() : 'file');

		save(blob, name);
		return `Saved as ${name}, SHA-256 ${sha256}, as the log says. ` +
			`It was ${shown(pathOf(one))}`;
	}
}
