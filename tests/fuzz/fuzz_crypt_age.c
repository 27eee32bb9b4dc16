/* SPDX-License-Identifier: Apache-2.0 */
/*
 * age.  The first byte chooses: 'r' a file of recipients, 'i' one of
 * identities, 'h' a header without a key, 'd' a file that is decrypted in
 * pieces of the second byte's size, 'a' what is armored.  What is encrypted to the recipients of
 * 'r' has a header that is found whole.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/age.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* The identity of the seeds; it protects nothing. */
static const char identity[] = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2"
			       "VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0\n";

static int gather(void *arg, const void *data, size_t len, struct cart_err *err)
{
	struct cart_buf *b = arg;

	cart_buf_add(b, data, len);
	return cart_buf_check(b, "out", err);
}

static void recipients(const uint8_t *data, size_t size)
{
	struct cart_age_recipients to = { .n = 0 };
	struct cart_age_writer *w;
	struct cart_err err;
	struct cart_buf b;
	size_t n;

	if (cart_age_recipients_file(&to, data, size, &err) < 0 || to.n == 0)
		return;
	cart_buf_init(&b, CART_AGE_HEADER_MAX);
	w = cart_age_writer_new(&to, gather, &b, &err);
	if (w && cart_age_begin(w, &err) == 0) {
		check(cart_age_header_check(b.data, b.len, &n, &err) == 0);
		check(n == b.len - 16);
		check(cart_age_end(w, &err) == 0);
		check(cart_age_plain_max(w, b.len) == 0);
		check(cart_age_plain_max(w, b.len + 1) == 1);
	}
	cart_age_writer_free(w);
	cart_buf_clear(&b);
}

static void header(const uint8_t *data, size_t size)
{
	struct cart_err err;
	size_t n, again;

	if (cart_age_header_check(data, size, &n, &err) < 0 || n == 0)
		return;
	check(n <= size && data[n - 1] == '\n');
	check(cart_age_header_check(data, n, &again, &err) == 0 && again == n);
	check(cart_age_header_check(data, n - 1, &again, &err) < 0 ||
	      again == 0);
}

static void file(const uint8_t *data, size_t size)
{
	struct cart_age_identities *ids;
	struct cart_age_reader *r;
	unsigned char copy[256], *p;
	const unsigned char *plain;
	struct cart_err err;
	size_t n, len, piece = size ? data[0] + 1u : 1;
	int rc = 0;

	if (size == 0)
		return;
	data++;
	size--;
	ids = cart_age_identities_new(identity, sizeof(identity) - 1, &err);
	r = ids ? cart_age_reader_new(ids, &err) : NULL;
	while (r && rc >= 0 && size > 0) {
		n = piece < size ? piece : size;
		memcpy(copy, data, n);
		data += n;
		size -= n;
		p = copy;
		while ((rc = cart_age_reader_step(r, &p, &n, &plain, &len,
						  &err)) > 0)
			check(len == CART_AGE_BLOCK);
		check(rc < 0 || n == 0);
	}
	if (r && rc == 0 &&
	    cart_age_reader_end(r, &plain, &len, &err) > 0)
		check(len > 0 && len <= CART_AGE_BLOCK);
	cart_age_reader_free(r);
	cart_age_identities_free(ids);
}

static void armor(const uint8_t *data, size_t size)
{
	struct cart_age_armor a = { 0 }, b = { 0 };
	struct cart_buf whole, halves;
	struct cart_err err;
	bool holds;

	cart_buf_init(&whole, size);
	cart_buf_init(&halves, size);
	holds = cart_age_armor_step(&a, data, size, &whole, &err) == 0 &&
		cart_age_armor_end(&a, &whole, &err) == 0;
	check(!holds || cart_age_is_armor(data, size));
	check(holds == (cart_age_armor_step(&b, data, size / 2, &halves,
					    &err) == 0 &&
			cart_age_armor_step(&b, data + size / 2, size - size / 2,
					    &halves, &err) == 0 &&
			cart_age_armor_end(&b, &halves, &err) == 0));
	check(!holds || (whole.len == halves.len &&
			 (whole.len == 0 ||
			  memcmp(whole.data, halves.data, whole.len) == 0)));
	cart_buf_clear(&whole);
	cart_buf_clear(&halves);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_err err;

	if (size < 1)
		return 0;
	switch (data[0]) {
	case 'r':
		recipients(data + 1, size - 1);
		break;
	case 'i':
		cart_age_identities_free(cart_age_identities_new(data + 1,
							size - 1, &err));
		break;
	case 'a':
		armor(data + 1, size - 1);
		break;
	case 'h':
		header(data + 1, size - 1);
		break;
	default:
		file(data + 1, size - 1);
	}
	return 0;
}
