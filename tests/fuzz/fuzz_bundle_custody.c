/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A custody chain.  The input's parts, between lines "----", are the entries:
 * PREV in one is replaced by the hash of the one before.  'o' as the first byte
 * of all: they are the objects with entry and signature as S3 keeps them; else a
 * signature that could be its own is laid beside each.  Nobody trusts the key,
 * so that nothing is ever valid.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <crashcart/custody.h>
#include <crashcart/digest.h>
#include <crashcart/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES 4u
#define NONE "0000000000000000000000000000000000000000000000000000000000000000"

static char folder[] = "/dev/shm/crashcart-fuzz.XXXXXX";
static int dirfd = -1;

static void sweep(void)
{
	char name[48];
	unsigned i;

	for (i = 1; i <= ENTRIES; i++) {
		snprintf(name, sizeof(name), "%06u.json", i);
		unlinkat(dirfd, name, 0);
		snprintf(name, sizeof(name), "%06u.json.minisig", i);
		unlinkat(dirfd, name, 0);
	}
}

static void leave(void)
{
	sweep();
	rmdir(folder);
}

static void put(unsigned n, const char *end, const struct cart_buf *b)
{
	char name[48];
	int fd;

	snprintf(name, sizeof(name), "%06u.json%s", n, end);
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, b->data, b->len) != (ssize_t)b->len)
		abort();
	close(fd);
}

static void sign(unsigned n, const char *hex, struct cart_buf *out)
{
	static const unsigned char none[74] = { 'E', 'D' };

	cart_buf_adds(out, "untrusted comment: crashcart custody\n");
	cart_text_base64(none, sizeof(none), out);
	cart_buf_addf(out, "\ntrusted comment: crashcart custody root=" NONE
		      " entry=%u sha256=%s\n", n, hex);
	cart_text_base64(none + 2, 64, out);
	cart_buf_addc(out, '\n');
}

/* The entry in s, with PREV replaced. */
static void entry(const uint8_t *s, size_t len, const char *prev,
		  struct cart_buf *out)
{
	const uint8_t *at = memmem(s, len, "PREV", 4);

	if (at) {
		cart_buf_add(out, s, (size_t)(at - s));
		cart_buf_adds(out, prev);
		len -= (size_t)(at - s) + 4;
		s = at + 4;
	}
	cart_buf_add(out, s, len);
}

static void put_entries(const uint8_t *s, size_t len, bool object)
{
	char hex[CART_SHA256_HEX_SIZE] = NONE;
	struct cart_buf b, sig;
	const uint8_t *split;
	size_t n;
	unsigned i;

	for (i = 1; i <= ENTRIES && len > 0; i++) {
		split = memmem(s, len, "----\n", 5);
		n = split ? (size_t)(split - s) : len;
		cart_buf_init(&b, len + 128);
		cart_buf_init(&sig, 4096);
		entry(s, n, hex, &b);
		put(i, "", &b);
		cart_sha256_hex(b.data, b.len, hex);
		sign(i, hex, &sig);
		if (!object)
			put(i, ".minisig", &sig);
		cart_buf_clear(&b);
		cart_buf_clear(&sig);
		n += split ? 5 : 0;
		s += n;
		len -= n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_custody_verdict v;
	struct cart_err err = { 0 };

	if (dirfd < 0) {
		if (!mkdtemp(folder))
			abort();
		dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		atexit(leave);
	}
	if (size < 1)
		return 0;
	sweep();
	put_entries(data + 1, size - 1, data[0] == 'o');
	if (cart_custody_check(folder, NONE, NONE, NULL, 0, NULL, NULL, NULL,
			       &v, &err) == 0 && v.kind == CART_VERDICT_VALID)
		abort();
	return 0;
}
