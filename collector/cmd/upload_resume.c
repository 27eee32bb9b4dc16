/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crashcart/aws_read.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/reader.h"
#include "upload.h"

/* After a run that died: by its state file, S3 is asked what became of the
 * segment that it was closing.  A plain bundle is read back and goes on; of
 * any other what is closed is sealed. */

#define CHUNK_BYTES ((uint64_t)8 << 20)

struct left {
	struct cmd_collection *c;
	int dirfd;
	struct cmd_upload_target t;
	struct cart_state s;
	struct cart_seal seal;
	bool encrypted;
	size_t unknown;			/* segments that may not be looked at */
	struct cart_s3_reader reader;
};

static void segment_file(const struct left *l, size_t i, char out[96])
{
	const char *end = l->encrypted ? ".age" : "";

	if (i == 0)
		snprintf(out, 96, "%.64s.tar%s", l->seal.name, end);
	else
		snprintf(out, 96, "%.64s.tar.%03zu%s", l->seal.name, i + 1,
			 end);
}

/* --- the state, and the segment that was being closed --- */

static int read_state(struct left *l, bool closing, struct cart_err *err)
{
	const char *space;

	if (cart_state_read(l->dirfd, l->c->name, closing, &l->s, err) < 0 ||
	    cart_seal_parse(l->s.seal.data, l->s.seal.len, &l->seal, err) < 0)
		return -1;
	space = strchr((char *)l->s.upload.data, ' ');
	l->encrypted = space - (char *)l->s.upload.data > 4 &&
		       memcmp(space - 4, ".age", 4) == 0;
	return 0;
}

static void forget_state(struct left *l)
{
	cart_seal_clear(&l->seal);
	cart_state_clear(&l->s);
	memset(&l->s, 0, sizeof(l->s));
}

static int compare(const struct left *l, size_t i, struct cart_err *err)
{
	const struct cart_seal_segment *g = &l->seal.segments[i];
	char file[96];

	segment_file(l, i, file);
	return cart_s3_compare(&l->t.o, file, g->length,
			       (const unsigned char (*)[CART_SHA256_SIZE])
			       l->seal.chunks + g->first_chunk, g->n_chunks,
			       err);
}

/* Is the last segment of the state closed, or can it be?  1, 0, -1. */
static int adopt(const struct left *l, struct cart_err *err)
{
	size_t last = l->seal.n_segments - 1;
	const struct cart_seal_segment *g = &l->seal.segments[last];
	char file[96];
	int there, done;

	segment_file(l, last, file);
	there = cart_s3_exists(&l->t.o, file, err);
	if (there < 0 && err->class != CART_ERR_DENIED)
		return -1;
	if (there > 0)
		return compare(l, last, err) < 0 ? -1 : 1;
	done = cart_s3_finish(&l->t.o, (char *)l->s.upload.data,
			      (const unsigned char (*)[CART_SHA256_SIZE])
			      l->seal.chunks + g->first_chunk, g->n_chunks,
			      err);
	if (done < 0 && (err->class != CART_ERR_DENIED || there < 0))
		return err->code == 412 && there < 0 ? 1 : -1;
	/* an upload that is gone was completed, as far as can be told */
	return done > 0 || (done == 0 && there < 0);
}

static int settle(struct left *l, struct cart_err *err)
{
	char closing[80], closed[80];
	int rc;

	snprintf(closing, sizeof(closing), "%s.state-closing", l->c->name);
	snprintf(closed, sizeof(closed), "%s.state", l->c->name);
	rc = adopt(l, err);
	if (rc < 0)
		return -1;
	if (rc > 0 && renameat(l->dirfd, closing, l->dirfd, closed) == 0)
		return 0;
	if (rc > 0)
		return cart_err_set(err, CART_ERR_SYSTEM, 0, "%s cannot be "
				    "renamed", closing);
	if (!cart_file_exists(l->dirfd, closed))
		return cart_err_set(err, CART_ERR_INPUT, 0, "%s: the run died "
				    "before it had closed a segment: collect "
				    "anew", l->c->name);
	unlinkat(l->dirfd, closing, 0);
	forget_state(l);
	return read_state(l, false, err);
}

static int open_left(struct left *l, struct cart_err *err)
{
	struct cmd_collection *c = l->c;
	char closing[80];
	bool is_closing;

	snprintf(closing, sizeof(closing), "%s.state-closing", c->name);
	is_closing = cart_file_exists(l->dirfd, closing);
	if (read_state(l, is_closing, err) < 0 ||
	    cart_cmd_collection_allow(c, err) < 0 ||
	    cart_cmd_upload_target(c->args, (char *)l->s.location.data,
				   c->allow, &l->t, err) < 0 ||
	    cart_cmd_upload_session(c, &l->t, false, err) < 0)
		return -1;
	l->t.o.encrypted = l->encrypted;
	l->reader = (struct cart_s3_reader){ .aws = l->t.o.aws,
		.bucket = l->t.bucket, .prefix = l->t.prefix,
		.owner = l->t.o.owner, .owner_assumed = l->t.o.owner_assumed };
	return is_closing ? settle(l, err) : 0;
}

/* --- sealing what is closed --- */

static int put_seal(struct left *l, struct cart_err *err)
{
	const char *name = l->c->name;
	char file[96];
	size_t i;

	for (i = 0; i < l->seal.n_segments; i++) {
		if (compare(l, i, err) == 0)
			continue;
		if (err->class != CART_ERR_DENIED)
			return -1;
		l->unknown++;
	}
	snprintf(file, sizeof(file), "%s.seal.minisig", name);
	if (cart_s3_put(&l->t.o, file, l->s.signature.data,
			l->s.signature.len, err) < 0)
		return -1;
	snprintf(file, sizeof(file), "%s.seal", name);
	if (cart_s3_put(&l->t.o, file, l->s.seal.data, l->s.seal.len, err) < 0)
		return -1;
	snprintf(file, sizeof(file), "%s.state", name);
	unlinkat(l->dirfd, file, 0);
	return 0;
}

/* What was uploaded of the segment that was open is no part of the seal. */
static uint64_t keep_remnant(const struct left *l, char file[96])
{
	struct cart_err err = { 0 };
	uint64_t bytes = 0;
	size_t others;

	segment_file(l, l->seal.n_segments, file);
	if (cart_s3_remnant(&l->t.o, file, &bytes, &others, &err) > 0)
		return bytes;
	if (err.class != CART_ERR_NONE)
		cart_msg(CART_MSG_WARN, "what was uploaded last is left as an "
			 "open upload of %s: %s", file, err.text);
	return 0;
}

static int print_json(const struct left *l, const char *state, int status,
		      const char *remnant)
{
	struct cart_json *j = cart_json_new_object();
	char file[96], url[1200];

	segment_file(l, 0, file);
	snprintf(url, sizeof(url), "%.1100s%s", (char *)l->s.location.data,
		 file);
	cart_json_add(j, "bundle", cart_json_new_string(l->c->name));
	cart_json_add(j, "location", cart_json_new_string(url));
	cart_json_add(j, "root", cart_json_new_string(l->seal.root));
	cart_json_add(j, "exit", cart_json_new_int(status));
	cart_json_add(j, "state", cart_json_new_string(state));
	cart_json_add(j, "signer",
		      cart_json_new_string(l->s.partial.signer));
	cart_json_add(j, "remnant", cart_json_new_bool(remnant[0] != '\0'));
	cart_command_print_json(stdout, j);
	return status;
}

static int seal(struct left *l)
{
	const struct cart_partial *s = &l->s.partial;
	const char *state = l->s.whole[0] ? l->s.whole : "partial";
	int status = strcmp(state, "complete") == 0 ? CART_EXIT_OK :
						      CART_EXIT_GAPS;
	struct cart_err err = { 0 };
	char remnant[96] = "";
	uint64_t bytes = 0;

	if (put_seal(l, &err) < 0)
		return cart_command_fail(l->c->args, &err);
	if (!l->s.whole[0])
		bytes = keep_remnant(l, remnant);
	if (bytes == 0)
		remnant[0] = '\0';
	if (l->unknown > 0)
		cart_msg(CART_MSG_WARN, "these credentials may not look at %zu "
			 "of the %zu segments (s3:GetObject): they were not "
			 "compared with the seal", l->unknown, s->segments);
	if (cart_args_flag(l->c->args, "json"))
		return print_json(l, state, status, remnant);
	printf("Sealed    %s: %s, %zu closed segments, log lines to %"
	       PRIu64 "\nBundle    %s%s\nRoot      %s%s\nKey       "
	       "id %s: signed the seal, by the state file\n%s", l->c->name,
	       state, s->segments, s->log_size, (char *)l->s.location.data,
	       l->c->name, l->seal.root, l->s.whole[0] ? "" : " (of the log)",
	       s->signer, s->changes.len ? (char *)s->changes.data : "");
	if (remnant[0])
		printf("Remnant   %s: %" PRIu64 " bytes that it uploaded last, "
		       "not sealed\n", remnant, bytes);
	if (!l->s.whole[0])
		printf("Next      collect again for what is missing\n");
	return status;
}

/* --- going on --- */

/* Chunk by chunk, as the seal says. */
static int read_chunk(void *arg, size_t segment, uint64_t offset, void *data,
		      size_t len, struct cart_err *err)
{
	const struct left *l = arg;
	const struct cart_seal_segment *g = &l->seal.segments[segment];
	unsigned char sha256[CART_SHA256_SIZE];
	char file[96];
	ssize_t n;

	segment_file(l, segment, file);
	n = cart_s3_read(&l->reader, file, NULL, offset, data, len, err);
	if (n < 0)
		return -1;
	cart_sha256(data, (size_t)n, sha256);
	if ((size_t)n == len &&
	    memcmp(sha256, l->seal.chunks[g->first_chunk + offset / CHUNK_BYTES],
		   sizeof(sha256)) == 0)
		return 0;
	return cart_err_set(err, CART_ERR_CRYPTO, 0, "%s: not as the state "
			    "file says, at byte %" PRIu64, file, offset);
}

/* 1: it can go on; 0: it cannot, as why says; -1. */
static int read_back(struct left *l, cart_line_fn line, void *arg,
		     struct cart_err *err)
{
	struct cart_resume_source from = { .n_segments = l->seal.n_segments,
					   .read = read_chunk, .arg = l };
	struct cmd_collection *c = l->c;
	uint64_t *lengths = malloc(from.n_segments * sizeof(*lengths));
	size_t i;

	if (lengths == NULL)
		return cart_err_nomem(err);
	for (i = 0; i < from.n_segments; i++)
		lengths[i] = l->seal.segments[i].length;
	from.lengths = lengths;
	c->history = cart_run_history_new();
	if (c->history != NULL)
		c->resume = cart_resume_read_source(&from, c->name, line, arg,
						    err);
	else
		cart_err_nomem(err);
	free(lengths);
	if (c->resume != NULL)
		return 1;
	return err->class == CART_ERR_DENIED || err->class == CART_ERR_LIMIT ?
		0 : -1;
}

static int go_on(struct left *l, const char *dir,
		 int (*loaded)(void *arg, struct cart_err *err), void *arg,
		 struct cart_err *err)
{
	struct cmd_collection *c = l->c;
	char file[96];

	c->interrupted_after = cart_resume_lines(c->resume);
	if (loaded(arg, err) < 0)
		return -1;
	if (c->segment_bytes == 0)
		c->segment_bytes = (uint64_t)1 << 30;
	snprintf(c->state_dir, sizeof(c->state_dir), "%s", dir);
	segment_file(l, 0, file);
	cart_cmd_upload_keep_lock(c, &l->t, &l->reader, file);
	l->t.o.name = c->name;
	l->t.o.closed_segments = (unsigned)l->seal.n_segments;
	l->t.o.state_dirfd = l->dirfd;
	l->t.o.state_failed = cart_cmd_upload_state_failed;
	l->t.o.state_arg = c;
	c->sink = cart_s3_sink(&l->t.o, err);
	return c->sink != NULL ? 0 : -1;
}

int cart_cmd_upload_resume(struct cmd_collection *c, const char *dir, int dirfd,
			   cart_line_fn line,
			   int (*loaded)(void *arg, struct cart_err *err),
			   void *arg)
{
	struct left l = { .c = c, .dirfd = dirfd };
	const char *base = strrchr(dir, '/');
	struct cart_err err = { 0 };
	int rc, status = -1;

	base = base != NULL ? base + 1 : dir;
	/* collect made it: it goes when nothing is in it any more */
	c->own_state_dir = strncmp(base, "crashcart-state-", 16) == 0;
	snprintf(c->state_dir, sizeof(c->state_dir), "%s", dir);
	rc = open_left(&l, &err);
	if (rc == 0 && !l.encrypted && !l.s.whole[0]) {
		rc = read_back(&l, line, arg, &err);
		if (rc == 0)
			cart_msg(CART_MSG_WARN, "it cannot go on (%s): sealing "
				 "what is closed", err.text);
	}
	if (rc > 0)
		rc = go_on(&l, dir, loaded, arg, &err);
	else if (rc == 0)
		status = seal(&l);
	if (rc < 0)
		status = cart_command_fail(c->args, &err);
	forget_state(&l);
	return status;
}
