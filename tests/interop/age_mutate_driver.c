/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of a small encrypted bundle counts:
 *
 *	age_mutate_driver DIR NAME PUBLIC-KEY IDENTITY
 *
 * Changes each byte of seal and signature and every 16th of the ciphertext
 * (which one digest of the seal covers) in turn, and verifies with key and
 * identity; then, with the seal moved away, every fifth byte of the ciphertext
 * (EVERY=1: each), so that only age can refuse it.  Exit status 0 or 1.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/fdio.h>
#include <crashcart/minisign.h>
#include <crashcart/reader.h>

#define FAILURES_MAX 10

static struct cart_public_key key;
static struct cart_age_identities *ids;
static char bundle[4096];
static unsigned failures, tried;

/* -1: it cannot be read at all. */
static int verdict(void)
{
	struct cart_verify_options o = { .bundle = bundle, .keys = &key,
		.n_keys = 1, .identities = ids, .threads = 1 };
	struct cart_verdict v;

	return cart_verify(&o, &v, NULL) < 0 ? -1 : (int)v.kind;
}

static void want(const char *what, long at, int got, bool may_be_unknown)
{
	tried++;
	if (got == CART_VERDICT_INVALID || got == -1 ||
	    (may_be_unknown && got == CART_VERDICT_UNKNOWN))
		return;
	if (failures++ < FAILURES_MAX)
		printf("%s: byte %ld changed: verdict %d\n", what, at, got);
}

static int flip_all(const char *dir, const char *name, const char *suffix,
		    long step, bool may_be_unknown)
{
	char path[4096];
	unsigned char c;
	long at;
	int fd;

	snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -1;
	for (at = 0; pread(fd, &c, 1, at) == 1 && failures < FAILURES_MAX;
	     at += step) {
		c ^= 1;
		if (pwrite(fd, &c, 1, at) != 1)
			break;
		want(suffix, at, verdict(), may_be_unknown);
		c ^= 1;
		if (pwrite(fd, &c, 1, at) != 1)
			break;
	}
	close(fd);
	return 0;
}

static int load_keys(const char *public, const char *identity)
{
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, 65536);
	if (cart_file_read(AT_FDCWD, identity, &b, NULL) == 0)
		ids = cart_age_identities_new(b.data, b.len, NULL);
	if (ids && cart_minisign_parse_public(public, strlen(public), &key,
					      NULL) == 0)
		rc = 0;
	cart_buf_clear(&b);
	return rc;
}

int main(int argc, char **argv)
{
	const char *every = getenv("EVERY");
	long step = every ? strtol(every, NULL, 10) : 5;
	char seal[4096], away[4096];

	if (argc != 5 || load_keys(argv[3], argv[4]) < 0)
		return 2;
	snprintf(bundle, sizeof(bundle), "%s/%s.tar.age", argv[1], argv[2]);
	snprintf(seal, sizeof(seal), "%s/%s.seal", argv[1], argv[2]);
	snprintf(away, sizeof(away), "%s/%s.away", argv[1], argv[2]);
	if (verdict() != CART_VERDICT_VALID) {
		printf("not valid as it is\n");
		return 1;
	}
	/* an id or a comment of the signature may only become unknown */
	if (flip_all(argv[1], argv[2], ".tar.age", 16, false) < 0 ||
	    flip_all(argv[1], argv[2], ".seal", 1, false) < 0 ||
	    flip_all(argv[1], argv[2], ".seal.minisig", 1, true) < 0 ||
	    rename(seal, away) < 0)
		return 2;
	want("as it is, without the seal", 0,
	     verdict() == CART_VERDICT_UNKNOWN ? -1 : 0, false);
	flip_all(argv[1], argv[2], ".tar.age", step, false);
	if (rename(away, seal) < 0)
		return 2;
	printf("%u changes, %u not refused\n", tried, failures);
	cart_age_identities_free(ids);
	return failures ? 1 : 0;
}
