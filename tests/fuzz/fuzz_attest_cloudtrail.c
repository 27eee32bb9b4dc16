/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudTrail digests.  The first byte chooses: 'n' the name of an object, 'k' an
 * answer of ListPublicKeys, 'g' a digest object as stored, anything else the
 * text of one, which is packed first.  Nothing unsigned may come out valid.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/attest_cloudtrail.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void found(void *arg, const struct cart_trail_finding *f)
{
	check(f->reason != NULL);
	if (f->kind == CART_TRAIL_DIGEST || f->kind == CART_TRAIL_MISSING)
		check(f->verdict != CART_TRAIL_VALID && f->key != NULL);
	else
		check(f->start_ns <= f->end_ns);
}

static void name(const uint8_t *data, size_t size)
{
	char *key = strndup((const char *)data, size);
	struct cart_trail_name n;

	if (key && cart_trail_digest_name(key, &n) == 0)
		check(strlen(n.account) == 12 && n.region[0] && n.trail[0] &&
		      n.home_region[0]);
	free(key);
}

static void keys(const uint8_t *data, size_t size)
{
	struct cart_err err;
	struct cart_json *j = cart_json_parse(data, size, NULL, &err);
	struct cart_trail_keys *k = cart_trail_keys_new(&err);

	if (j && k)
		cart_trail_keys_add(k, "us-east-1", j, &err);
	cart_trail_keys_free(k);
	cart_json_free(j);
}

static void digest(const uint8_t *data, size_t size)
{
	struct cart_trail_options o = {
		.region = "us-east-1", .end_ns = 1000, .now_ns = 2000,
		.found = found,
	};
	struct cart_trail_object d = {
		.bucket = "b", .key = "k", .data = data, .len = size,
		.signature = "00", .algorithm = "SHA256withRSA",
	};
	struct cart_err err = { 0 };
	struct cart_trail_keys *k = cart_trail_keys_new(&err);
	struct cart_trail_chain *c;
	struct cart_json *logs = NULL;
	const struct cart_json *e;
	char reason[160];
	int i;

	o.keys = k;
	c = k ? cart_trail_chain_new(&o, &err) : NULL;
	for (i = 0; c && i < 2; i++) {
		if (cart_trail_chain_next(c, &d, NULL, &logs, &err) < 0)
			break;
		e = cart_json_first(logs);
		for (; e; e = cart_json_next(e))
			cart_trail_log_check(e, data, size, 1 << 16, reason);
		cart_json_free(logs);
		logs = NULL;
	}
	if (c)
		cart_trail_chain_end(c);
	cart_trail_chain_free(c);
	cart_trail_keys_free(k);
}

/* RFC 1952 and 1951: one stored block. */
static void packed(const uint8_t *data, size_t size)
{
	static const uint8_t head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1 };
	uint8_t *gz = malloc(size + sizeof(head) + 12), *p = gz;
	uint32_t crc = 0xffffffff;
	size_t i;
	int bit;

	if (!gz || size > 65535) {
		free(gz);
		return;
	}
	memcpy(p, head, sizeof(head));
	p += sizeof(head);
	*p++ = (uint8_t)size;
	*p++ = (uint8_t)(size >> 8);
	*p++ = (uint8_t)~size;
	*p++ = (uint8_t)(~size >> 8);
	memcpy(p, data, size);
	p += size;
	for (i = 0; i < size; i++) {
		crc ^= data[i];
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
	}
	crc = ~crc;
	for (i = 0; i < 4; i++)
		*p++ = (uint8_t)(crc >> (8 * i));
	for (i = 0; i < 4; i++)
		*p++ = (uint8_t)(size >> (8 * i));
	digest(gz, (size_t)(p - gz));
	free(gz);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'n')
		name(data + 1, size - 1);
	else if (data[0] == 'k')
		keys(data + 1, size - 1);
	else if (data[0] == 'g')
		digest(data + 1, size - 1);
	else
		packed(data, size);
	return 0;
}
