/* SPDX-License-Identifier: Apache-2.0 */
/* The only ways in which this page writes to itself: elements by name, and
 * texts as texts.  Nothing is ever parsed as markup. */
import { shown } from './bytes.js';

export function byId(id) {
	return document.getElementById(id);
}

/* el('td', { class: 'n' }, 'text', another element) */
export function el(name, attributes, ...children) {
	const element = document.createElement(name);

	for (const [key, value] of Object.entries(attributes ?? {}))
		if (key.startsWith('on'))
			element.addEventListener(key.slice(2), value);
		else if (value !== null && value !== false)
			element.setAttribute(key, value === true ? '' : value);
	for (const child of children.flat())
		if (child !== null && child !== undefined)
			element.append(child instanceof Node ? child :
				shown(child));
	return element;
}

export function fill(element, ...children) {
	element.replaceChildren(...children.flat().filter((one) => one !== null)
		.map((one) => (one instanceof Node ? one : shown(one))));
}

export function button(text, run, attributes) {
	return el('button', { type: 'button', ...attributes, onclick: run },
		text);
}

/* A table of facts: [[name, value or element]], empty values left out. */
export function facts(rows) {
	return el('table', { class: 'facts' }, el('tbody', null, rows
		.filter(([, value]) => value !== undefined && value !== null &&
			value !== '')
		.map(([name, value]) => el('tr', null,
			el('th', { scope: 'row' }, name),
			el('td', null, value)))));
}

/* heads: [text]; rows: [[cell]] */
export function grid(heads, rows) {
	return el('div', { class: 'wide', tabindex: '0' }, el('table', null,
		el('thead', null, el('tr', null, heads.map((text) =>
			el('th', { scope: 'col' }, text)))),
		el('tbody', null, rows.map((cells) => el('tr', null,
			cells.map((cell) => el('td', null, cell)))))));
}

export function save(blob, name) {
	const url = URL.createObjectURL(blob);
	const link = el('a', { href: url, download: name });

	link.click();
	setTimeout(() => URL.revokeObjectURL(url), 60000);
}
