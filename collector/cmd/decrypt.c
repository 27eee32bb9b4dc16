/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "crashcart/age.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/pool.h"
#include "key_load.h"
#include "verdict_print.h"

#define READ_BYTES ((size_t)1 << 20)

struct decryption {
	struct cart_age_identities *ids;
	struct cart_age_reader *reader;
	struct cart_pool *pool;
	unsigned char *block;
	struct cart_age_armor armor;
	struct cart_buf bare;		/* what is in the armor */
	bool armored;
	int in, out;
	uint64_t written;
};

static int put(struct decryption *d, const unsigned char *data, size_t len,
	       struct cart_err *err)
{
	d->written += len;
	return cart_fd_write(d->out, data, len, err);
}

static int step(struct decryption *d, unsigned char *p, size_t left,
		struct cart_err *err)
{
	const unsigned char *plain;
	size_t len;
	int rc;

	while ((rc = cart_age_reader_step(d->reader, &p, &left, &plain, &len,
					  err)) > 0)
		if (put(d, plain, len, err) < 0)
			return -1;
	return rc;
}

static int decrypt_all(struct decryption *d, struct cart_err *err)
{
	const unsigned char *plain;
	bool first = true;
	size_t len;
	ssize_t n;
	int rc;

	do {
		n = cart_fd_read(d->in, d->block, READ_BYTES, err);
		if (n < 0)
			return -1;
		if (first)
			d->armored = cart_age_is_armor(d->block, (size_t)n);
		first = false;
		cart_buf_reset(&d->bare);
		if (d->armored &&
		    (cart_age_armor_step(&d->armor, d->block, (size_t)n,
					 &d->bare, err) < 0 ||
		     ((size_t)n < READ_BYTES &&
		      cart_age_armor_end(&d->armor, &d->bare, err) < 0)))
			return -1;
		if ((d->armored ? step(d, d->bare.data, d->bare.len, err) :
		     step(d, d->block, (size_t)n, err)) < 0)
			return -1;
	} while ((size_t)n == READ_BYTES);
	rc = cart_age_reader_end(d->reader, &plain, &len, err);
	/* a file that is cut may still have a whole block */
	if (len > 0 && put(d, plain, len, rc < 0 ? NULL : err) < 0)
		return -1;
	return rc < 0 ? -1 : 0;
}

static int open_both(struct decryption *d, const char *file, const char *out,
		     struct cart_err *err)
{
	d->in = strcmp(file, "-") == 0 ? dup(STDIN_FILENO) :
		open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (d->in < 0)
		return cart_err_errno(err, errno, "%s", file);
	d->block = malloc(READ_BYTES);
	if (d->block == NULL)
		return cart_err_nomem(err);
	if (out == NULL) {
		if (isatty(STDOUT_FILENO))
			return cart_err_set(err, CART_ERR_USAGE, 0, "this would "
					    "write to the terminal: give --out "
					    "FILE, or pipe it somewhere");
		d->out = dup(STDOUT_FILENO);
	} else {
		d->out = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
			      O_NOFOLLOW, 0600);
	}
	if (d->out < 0)
		return cart_err_errno(err, errno, "%s",
				      out != NULL ? out : "standard output");
	return 0;
}

static int finish(struct decryption *d, const char *out, bool partial, int rc,
		  struct cart_err *err)
{
	int saved = d->out;

	d->out = -1;
	if (saved >= 0 && close(saved) < 0 && rc == 0)
		rc = cart_err_errno(err, errno, "%s", out ? out : "output");
	if (rc == 0)
		cart_msg(CART_MSG_NOTE, "%s: %" PRIu64 " bytes of plaintext, "
			 "authenticated to the end", out != NULL ? out :
			 "standard output", d->written);
	if (rc == 0 || saved < 0)
		return rc;
	if (partial) {
		cart_msg(CART_MSG_WARN, "what was written, %" PRIu64 " bytes, "
			 "is whole up to there", d->written);
	} else if (out != NULL) {
		unlink(out);
	}
	return rc;
}

static int decrypt(const struct cart_args *a)
{
	const char *out = cart_args_value(a, "out");
	const char *identity = cart_args_value(a, "identity");
	struct decryption d = { .in = -1, .out = -1 };
	struct cart_err err = { 0 };
	int status = CART_EXIT_OK, rc = -1;

	cart_buf_init(&d.bare, READ_BYTES);
	if (identity == NULL)
		return cart_command_usage(a, "-i IDENTITY is missing: the file "
					  "with the AGE-SECRET-KEY-1...");
	d.ids = cart_identity_load(identity, &err);
	if (d.ids != NULL)
		d.reader = cart_age_reader_new(d.ids, &err);
	cart_verdict_sandbox(out, NULL);
	/* a sandbox is for threads that begin in it */
	if (d.reader != NULL)
		d.pool = cart_pool_new(0, 64, &err);
	if (d.pool != NULL)
		cart_age_reader_pool(d.reader, d.pool);
	if (d.pool != NULL && open_both(&d, a->positional[0], out, &err) == 0)
		rc = decrypt_all(&d, &err);
	if (finish(&d, out, cart_args_flag(a, "partial"), rc, &err) < 0)
		status = cart_command_fail(a, &err);
	if (d.in >= 0)
		close(d.in);
	free(d.block);
	cart_buf_clear(&d.bare);
	cart_age_reader_free(d.reader);
	cart_pool_free(d.pool);
	cart_age_identities_free(d.ids);
	return status;
}

static const struct cart_option options[] = {
	{ "identity", 'i', "FILE", false,
	  "The age identity (secret key) that opens it." },
	{ "out", 'o', "FILE", false,
	  "Write to this new file, not to standard output." },
	{ "partial", 0, NULL, false,
	  "Keep what is whole of a file that is cut or damaged." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_decrypt = {
	.name = "decrypt",
	.summary = "Decrypt a file that was encrypted with age to an X25519 key.",
	.usage = "-i IDENTITY FILE [--out FILE]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"FILE is any age v1 file for an X25519 recipient (age1...), armored (age -a) or\n"
"not, - standard input.\n"
"Each block of 64 KiB is written only after it was authenticated; a file that\n"
"is not whole gives exit status 1, and --out leaves nothing behind then.\n"
"\n"
"A bundle in segments is decrypted segment by segment, then joined:\n"
"  for f in IR-7-b01.tar.age IR-7-b01.tar.[0-9]*.age; do\n"
"      crashcart decrypt -i lab.age $f; done |\n"
"      tar -xf -\n",
	.run = decrypt,
};
