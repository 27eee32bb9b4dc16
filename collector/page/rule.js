/* SPDX-License-Identifier: Apache-2.0 */
/* How a check ends that does not succeed (FORMAT.md section 7). */

/* A rule does not hold: the bundle is invalid. */
export class Broken extends Error {
	constructor(number, reason, letter = 'F') {
		super(reason);
		this.rule = letter + number;
	}
}

/* All right so far, but there is something that this page does not know. */
export class CannotTell extends Error {
}

export function need(condition, number, reason) {
	if (!condition)
		throw new Broken(number, reason);
}
