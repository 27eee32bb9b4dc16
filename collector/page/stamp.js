/* SPDX-License-Identifier: Apache-2.0 */
/* Time stamps of the inner seal: F24.  A token shows that somebody signed that
 * the seal existed at a time.  Who that is, only roots can say that a reader
 * trusts; this page knows none, and says so. */
import { same, textOf } from './bytes.js';
import { INTEGER, OCTETS, readDer, SEQUENCE, SET, TIME } from './der.js';
import { native } from './digest.js';
import { CannotTell, need } from './rule.js';

export const LIST_MAX = 16384;
export const REPLY_MAX = 65536;

const SIGNED_DATA = '1.2.840.113549.1.7.2';
const TST_INFO = '1.2.840.113549.1.9.16.1.4';
const CONTENT_TYPE = '1.2.840.113549.1.9.3';
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4';
const SIGNING_CERTIFICATE = '1.2.840.113549.1.9.16.2.12';
const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';
const HASHES = {
	'1.3.14.3.2.26': 'SHA-1',
	'2.16.840.1.101.3.4.2.1': 'SHA-256',
	'2.16.840.1.101.3.4.2.2': 'SHA-384',
	'2.16.840.1.101.3.4.2.3': 'SHA-512',
};
const RSA = 'RSASSA-PKCS1-v1_5';
/* signatureAlgorithm: name and hash; null: that of digestAlgorithm */
const ALGORITHMS = {
	'1.2.840.113549.1.1.1': [RSA, null],
	'1.2.840.113549.1.1.5': [RSA, 'SHA-1'],
	'1.2.840.113549.1.1.11': [RSA, 'SHA-256'],
	'1.2.840.113549.1.1.12': [RSA, 'SHA-384'],
	'1.2.840.113549.1.1.13': [RSA, 'SHA-512'],
	'1.2.840.10045.4.3.2': ['ECDSA', 'SHA-256'],
	'1.2.840.10045.4.3.3': ['ECDSA', 'SHA-384'],
	'1.2.840.10045.4.3.4': ['ECDSA', 'SHA-512'],
};
const CURVES = {
	'1.2.840.10045.3.1.7': ['P-256', 32],
	'1.3.132.0.34': ['P-384', 48],
	'1.3.132.0.35': ['P-521', 66],
};
const NAMES = { '2.5.4.3': 'CN', '2.5.4.6': 'C', '2.5.4.10': 'O',
	'2.5.4.11': 'OU' };

/* seal/timestamps.txt: [{ url, granted, error }] */
export function parseList(data) {
	const lines = (textOf(data) ?? '').split('\n');

	need(data.length > 0, 24, 'timestamps.txt is empty');
	need(lines.pop() === '' && lines.length <= 2, 24,
		'a line of timestamps.txt');
	return lines.map((line, i) => {
		const found = /^([12]) ([!-~]{1,1024}) (?:granted|failed ([ -~]{1,256}))$/
			.exec(line);
		need(found && Number(found[1]) === i + 1, 24,
			'a line of timestamps.txt');
		return { url: found[2], granted: found[3] === undefined,
			error: found[3] };
	});
}

/* What this page does not know is no fault of the bundle. */
function known(value) {
	if (value === undefined)
		throw new CannotTell('there is a time stamp of a kind that ' +
			'this page cannot check');
	return value;
}

function hashOf(algorithm) {
	return known(HASHES[algorithm.in(SEQUENCE)[0].oid]);
}

async function hash(name, bytes) {
	return new Uint8Array(await crypto.subtle.digest(name, bytes));
}

function fail(reason) {
	throw new Error(reason);
}

/* YYYYMMDDHHMMSS[.f]Z, or of a certificate also YYMMDDHHMMSSZ */
function timeOf(value) {
	const text = String.fromCharCode(...value.bytes);
	const short = value.tag === 0x17;
	const found = (short ?
		/^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)()Z$/ :
		/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/)
		.exec(text);

	if (!found || (!short && value.tag !== TIME))
		fail('its time cannot be read');
	const [year, month, day, hour, minute, second] =
		found.slice(1, 7).map(Number);
	return Date.UTC(short ? year + (year < 50 ? 2000 : 1900) : year,
		month - 1, day, hour, minute, second);
}

function nameText(name) {
	const texts = name.in(SEQUENCE).flatMap((set) => set.in(SET))
		.map((pair) => pair.in(SEQUENCE))
		.map(([type, value]) => `${NAMES[type.oid] ?? type.oid}=` +
			(value.tag === 0x1e ?
			new TextDecoder('utf-16be').decode(value.bytes) :
			textOf(value.bytes) ?? '?'));

	return texts.reverse().join(', ');
}

class Certificate {
	constructor(value) {
		const parts = value.in(SEQUENCE)[0].in(SEQUENCE);

		if (parts[0].tag === 0xa0)
			parts.shift();
		[this.serial, , this.issuer, this.validity, this.subject,
			this.key] = parts;
		this.whole = value.whole;
		this.extensions = parts.find(({ tag }) => tag === 0xa3);
	}

	/* Critical, and for time stamping alone. */
	get isForStamps() {
		const found = this.extensions?.parts[0].in(SEQUENCE)
			.map((one) => one.in(SEQUENCE))
			.find(([id]) => id.oid === EXTENDED_KEY_USAGE);
		if (!found || found.length !== 3 || found[1].bytes[0] !== 0xff)
			return false;
		const uses = readDer(found[2].as(OCTETS).bytes).in(SEQUENCE);
		return uses.length === 1 && uses[0].oid === TIME_STAMPING;
	}

	validAt(time) {
		const [from, to] = this.validity.in(SEQUENCE).map(timeOf);

		return from <= time && time <= to;
	}

	async verify([name, digest], signature, message) {
		const curve = this.key.in(SEQUENCE)[0].in(SEQUENCE)[1];
		let size = 0, algorithm = { name, hash: digest };

		if (name === 'ECDSA') {
			const [namedCurve, bytes] = known(CURVES[curve.oid]);
			size = bytes;
			algorithm = { ...algorithm, namedCurve };
		}
		const key = await crypto.subtle.importKey('spki', this.key.whole,
			algorithm, false, ['verify']);
		return crypto.subtle.verify(algorithm, key, size ?
			plainPair(signature, size) : signature, message);
	}
}

/* The two numbers of an ECDSA signature, as WebCrypto wants them. */
function plainPair(signature, size) {
	const pair = new Uint8Array(2 * size);

	for (const [i, value] of readDer(signature).in(SEQUENCE).entries()) {
		const { bytes } = value.as(INTEGER);
		const digits = bytes.subarray(bytes.findIndex((b) => b !== 0));
		if (i > 1 || digits.length > size)
			fail('its signature is malformed');
		pair.set(digits, (i + 1) * size - digits.length);
	}
	return pair;
}

/* What a token consists of. */
function parseToken(reply) {
	const [status, token] = readDer(reply).in(SEQUENCE);
	const code = status.in(SEQUENCE)[0].number;

	if (code > 1)
		fail(`the authority refused (status ${code})`);
	if (!token)
		fail('granted, but without a token');
	const [type, content] = token.in(SEQUENCE);
	if (type.oid !== SIGNED_DATA)
		fail('granted, but without a token');
	const parts = content.in(0xa0)[0].in(SEQUENCE);
	const [contentType, wrapped] = parts[2].in(SEQUENCE);
	if (contentType.oid !== TST_INFO)
		fail('granted, but without a token');
	const signers = parts[parts.length - 1].in(SET);
	if (signers.length !== 1)
		fail('not by exactly one signer');
	const certificates = parts.find(({ tag }) => tag === 0xa0)?.parts ?? [];
	return { info: wrapped.in(0xa0)[0].as(OCTETS).bytes,
		certificates: certificates.filter(({ tag }) => tag === SEQUENCE)
			.map((one) => new Certificate(one)),
		signer: parseSigner(signers[0]) };
}

function parseSigner(value) {
	const [, id, digest, attributes, algorithm, signature] =
		value.in(SEQUENCE);

	if (attributes.tag !== 0xa0)
		fail('its signature does not hold (no signed attributes)');
	/* what was signed has the tag of a SET */
	const message = Uint8Array.from(attributes.whole);
	message[0] = SET;
	return { id, digest, message, algorithm,
		signature: signature.as(OCTETS).bytes,
		attributes: new Map(attributes.parts.map((one) => {
			const [type, values] = one.in(SEQUENCE);
			return [type.oid, values.in(SET)[0]];
		})) };
}

/* The certificate that the signer names by issuer and serial number. */
function signerOf({ certificates, signer }) {
	if (signer.id.tag !== SEQUENCE)
		known(undefined);
	const [issuer, serial] = signer.id.parts;

	return certificates.find((one) =>
		same(one.issuer.whole, issuer.whole) &&
		same(one.serial.whole, serial.whole)) ??
		fail('it does not carry its signer\'s certificate');
}

/* The attribute that binds the signature to that very certificate. */
async function isSigningCertificate(attributes, certificate) {
	let bound = false;

	for (const [type, standard] of [[SIGNING_CERTIFICATE, 'SHA-1'],
			[SIGNING_CERTIFICATE_V2, 'SHA-256']]) {
		const value = attributes.get(type);
		if (!value)
			continue;
		const first = value.in(SEQUENCE)[0].in(SEQUENCE)[0].in(SEQUENCE);
		const name = first[0].tag === SEQUENCE ? hashOf(first.shift()) :
			standard;
		if (!same(await hash(name, certificate.whole),
			first[0].as(OCTETS).bytes))
			return false;
		bound = true;
	}
	return bound;
}

async function checkSignature(token, certificate, time) {
	const { signer } = token, { attributes } = signer;
	const digest = hashOf(signer.digest);
	const because = (reason) =>
		fail(`its signature does not hold (${reason})`);

	if (attributes.get(CONTENT_TYPE)?.oid !== TST_INFO ||
	    !attributes.has(MESSAGE_DIGEST) ||
	    !same(attributes.get(MESSAGE_DIGEST).as(OCTETS).bytes,
		await hash(digest, token.info)))
		because('digest failure');
	if (!certificate.isForStamps)
		because('its certificate is not for time stamping alone');
	if (!certificate.validAt(time))
		because('its certificate was not valid then');
	if (!await isSigningCertificate(attributes, certificate))
		because('it does not name its certificate');
	const [name, own] = known(ALGORITHMS[
		signer.algorithm.in(SEQUENCE)[0].oid]);
	if (!await certificate.verify([name, own ?? digest], signer.signature,
		signer.message))
		because('signature failure');
}

async function check(reply, sealed) {
	const token = parseToken(reply);
	const [version, , imprint, , when] = readDer(token.info).in(SEQUENCE);
	const [algorithm, digest] = imprint.in(SEQUENCE);
	const name = hashOf(algorithm);
	const time = timeOf(when.as(TIME));

	if (version.number !== 1)
		fail('not of version 1');
	if (name === 'SHA-1')
		fail('a digest that is not accepted');
	if (!same(digest.as(OCTETS).bytes, await hash(name, sealed)))
		fail('it is about something else');
	const certificate = signerOf(token);
	await checkSignature(token, certificate, time);
	return { time: new Date(time), by: nameText(certificate.subject) };
}

/* { time, by } of a TimeStampResp over the bytes of a signature file. */
export async function checkStamp(reply, sealed) {
	if (!native)
		throw new CannotTell('there is a time stamp, which this page ' +
			'cannot check in this browser');
	try {
		return await check(reply, sealed);
	} catch (e) {
		if (e instanceof CannotTell)
			throw e;
		return need(false, 24, `a time stamp: ${e.message}`);
	}
}
