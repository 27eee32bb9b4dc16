/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by the browser where it offers it to this page, else by the same
 * published code that hashes small things and streams. */
import { sha256 } from '@noble/hashes/sha2.js';

const SMALL = 4096;	/* below, asking the browser costs more than hashing */

/* Browsers keep crypto.subtle from pages that are not a secure context. */
export const native = Boolean(globalThis.isSecureContext &&
	globalThis.crypto && globalThis.crypto.subtle);

export async function digest(bytes) {
	if (!native || bytes.length <= SMALL)
		return sha256(bytes);
	return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

export function digestNow(bytes) {
	return sha256(bytes);
}

/* { update(bytes), digest() } */
export function digestStream() {
	return sha256.create();
}
