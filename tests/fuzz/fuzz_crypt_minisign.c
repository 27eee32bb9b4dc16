/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minisign's files, SPKI and checkpoints.  The first byte chooses: 's' a
 * signature, 'p' a public key, 'e' one as DER or PEM, 'k' a secret key, 'c' a
 * checkpoint.  A public key that is accepted prints as the key that was read.
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/minisign.h>
#include <crashcart/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* Any key: signatures of the fuzzer do not hold anyway. */
static const struct cart_public_key key = {
	{ 1, 2, 3, 4, 5, 6, 7, 8 },
	{ 0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
	  0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
	  0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a }
};

static void public_key(const uint8_t *data, size_t size, bool spki)
{
	struct cart_public_key k, again;
	struct cart_err err;
	struct cart_buf b;

	if ((spki ? cart_minisign_parse_spki(data, size, &k, &err) :
		    cart_minisign_parse_public(data, size, &k, &err)) < 0)
		return;
	cart_buf_init(&b, 200);
	cart_minisign_print_public(&k, "x", &b);
	check(cart_minisign_parse_public(b.data, b.len, &again, &err) == 0);
	check(memcmp(&k, &again, sizeof(k)) == 0);
	cart_buf_clear(&b);
}

static void signature(const uint8_t *data, size_t size)
{
	static const unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_minisign_sig sig;
	struct cart_err err;

	if (cart_minisign_parse_sig(data, size, &sig, &err) < 0)
		return;
	check(cart_text_is_printable(sig.trusted, strlen(sig.trusted)));
	check(cart_minisign_verify(&sig, &key, prehash, &err) < 0);
}

static void secret_key(const uint8_t *data, size_t size)
{
	struct cart_err err;

	/* no password: scrypt would only slow the fuzzer down */
	if (cart_signer_needs_password(data, size, &err) >= 0)
		cart_signer_free(cart_signer_minisign(data, size, NULL, &err));
}

static void checkpoint(const uint8_t *data, size_t size)
{
	unsigned char root[CART_SHA256_SIZE];
	struct cart_err err;
	uint64_t n;

	check(cart_checkpoint_verify(data, size, "crashcart/x", &key, &n, root,
				     &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	switch (data[0]) {
	case 's':
		signature(data + 1, size - 1);
		break;
	case 'p':
	case 'e':
		public_key(data + 1, size - 1, data[0] == 'e');
		break;
	case 'k':
		secret_key(data + 1, size - 1);
		break;
	default:
		checkpoint(data + 1, size - 1);
	}
	return 0;
}
