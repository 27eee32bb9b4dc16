/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of JSON (F14): JSON.parse keeps the last of duplicate keys,
 * loses the order of some, and rounds numbers without a word. */

const DEPTH = 32;
const INT_MAX = '9007199254740992';	/* 2^53 */
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const ESCAPES = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n',
	r: '\r', t: '\t' };

class Reader {
	constructor(text) {
		this.text = text;
		this.at = 0;
	}

	fail(what) {
		throw new Error(`column ${this.at + 1}: ${what}`);
	}

	match(form) {
		form.lastIndex = this.at;
		const found = form.exec(this.text);

		if (found)
			this.at += found[0].length;
		return found;
	}

	eat(text) {
		this.match(SPACE);
		if (!this.text.startsWith(text, this.at))
			return false;
		this.at += text.length;
		return true;
	}

	value(depth) {
		this.match(SPACE);
		switch (this.text[this.at]) {
		case '{': return this.object(depth + 1);
		case '[': return this.array(depth + 1);
		case '"': return this.string();
		}
		for (const [word, value] of [['true', true], ['false', false],
				['null', null]])
			if (this.eat(word))
				return value;
		return this.number();
	}

	/* A Map, which keeps the order of all keys. */
	object(depth) {
		const map = new Map();

		if (depth > DEPTH)
			this.fail('too deep');
		this.at++;
		if (this.eat('}'))
			return map;
		do {
			this.match(SPACE);
			const key = this.string();
			if (map.has(key))
				this.fail('a key stands twice');
			if (!this.eat(':'))
				this.fail('no colon');
			map.set(key, this.value(depth));
		} while (this.eat(','));
		if (!this.eat('}'))
			this.fail('the object does not end');
		return map;
	}

	array(depth) {
		const list = [];

		if (depth > DEPTH)
			this.fail('too deep');
		this.at++;
		if (this.eat(']'))
			return list;
		do {
			list.push(this.value(depth));
		} while (this.eat(','));
		if (!this.eat(']'))
			this.fail('the list does not end');
		return list;
	}

	string() {
		let text = '';

		if (this.text[this.at] !== '"')
			this.fail('no text where one must be');
		this.at++;
		for (;;) {
			text += this.match(PLAIN)[0];
			if (this.text[this.at] !== '\\')
				break;
			text += this.escape();
		}
		if (this.text[this.at] !== '"')
			this.fail('the text does not end');
		this.at++;
		if (text.includes('\0'))
			this.fail('U+0000 in a text');
		if (LONE.test(text))
			this.fail('half of a surrogate pair');
		return text;
	}

	escape() {
		const c = this.text[this.at + 1];
		const four = this.text.substr(this.at + 2, 4);

		if (c === 'u' && /^[0-9A-Fa-f]{4}$/.test(four)) {
			this.at += 6;
			return String.fromCharCode(parseInt(four, 16));
		}
		if (c === undefined || !Object.hasOwn(ESCAPES, c))
			this.fail('an unknown escape');
		this.at += 2;
		return ESCAPES[c];
	}

	number() {
		const found = this.match(NUMBER);

		if (!found)
			this.fail('not a value');
		const digits = found[0].replace('-', '');
		const value = Number(found[0]);
		if (found[0].length > 63 || !Number.isFinite(value))
			this.fail('a number that is too long or not finite');
		if (!found[1] && !found[2] && (digits.length > INT_MAX.length ||
		    (digits.length === INT_MAX.length && digits > INT_MAX)))
			this.fail('an integer beyond 2^53');
		return value;
	}
}

/* Objects come as Map.  Throws an Error that says what is wrong. */
export function parseJson(text) {
	const reader = new Reader(text);
	const value = reader.value(0);

	reader.match(SPACE);
	if (reader.at !== text.length)
		reader.fail('something follows the value');
	return value;
}
