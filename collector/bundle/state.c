/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/fdio.h>
#include <crashcart/text.h>

#include "read_internal.h"

/*
 * The state file of an encrypted run (FORMAT.md section 11): the host cannot
 * read its own bundle, so all that it can do for a run that died is to put
 * the seal into place that the run signed when it last closed a segment.
 */

#define READ_BYTES ((size_t)1 << 20)
#define STATE_MAX ((size_t)96 << 20)
#define FILE_NAME_SIZE 96
#define UPLOAD_MAX 2048

struct state {
	const char *location, *upload, *key, *changes, *signature, *seal;
	size_t location_len, upload_len, key_len, changes_len, signature_len,
		seal_len;
};

static int bad(struct cart_err *err, const char *what)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "the state file: %s", what);
}

/* The line at *p without LF. */
static int take_line(const char **p, const char *end, const char **ret,
		     size_t *ret_len)
{
	const char *lf = memchr(*p, '\n', (size_t)(end - *p));

	if (!lf)
		return -1;
	*ret = *p;
	*ret_len = (size_t)(lf - *p);
	*p = lf + 1;
	return 0;
}

/* As the log has it: lower-case hex, 8-4-4-4-12. */
static bool is_uuid(const char *s, size_t len)
{
	size_t i;

	if (len != 36)
		return false;
	for (i = 0; i < len; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
		} else if (!(s[i] >= '0' && s[i] <= '9') &&
			   !(s[i] >= 'a' && s[i] <= 'f')) {
			return false;
		}
	return true;
}

/* One of a few words, which takes all of len. */
static bool is_word(const char *s, size_t len, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == len && memcmp(s, *words, len) == 0)
			return true;
	return false;
}

/* "UUID CLASS EVENT" */
static bool is_change(const char *s, size_t len)
{
	static const char *const classes[] = { "evidence", "containment",
					       "irreversible", NULL };
	static const char *const events[] = { "intent", "result", "adopted",
					      "unknown", NULL };
	const char *class = s + 37, *space;

	if (len < 38 || !is_uuid(s, 36) || s[36] != ' ')
		return false;
	space = memchr(class, ' ', len - 37);
	return space && is_word(class, (size_t)(space - class), classes) &&
	       is_word(space + 1, (size_t)(s + len - space - 1), events);
}

/* "location URL/" and "upload FILE ID" of a bundle in S3. */
static int parse_place(const char **p, const char *end, struct state *ret,
		       struct cart_err *err)
{
	static const char place[] = "location ", upload[] = "upload ";
	const char *line, *space;
	size_t len;

	if (take_line(p, end, &line, &len) < 0)
		return bad(err, "its location");
	ret->location = line + sizeof(place) - 1;
	ret->location_len = len - (sizeof(place) - 1);
	if (!cart_text_is_printable(ret->location, ret->location_len) ||
	    ret->location_len < 6 ||
	    memcmp(ret->location, "s3://", 5) != 0 ||
	    ret->location[ret->location_len - 1] != '/')
		return bad(err, "its location");
	if (take_line(p, end, &line, &len) < 0 || len < sizeof(upload) ||
	    memcmp(line, upload, sizeof(upload) - 1) != 0)
		return bad(err, "its upload");
	ret->upload = line + sizeof(upload) - 1;
	ret->upload_len = len - (sizeof(upload) - 1);
	space = memchr(ret->upload, ' ', ret->upload_len);
	if (!space || ret->upload_len > UPLOAD_MAX ||
	    !cart_text_is_printable(ret->upload, ret->upload_len) ||
	    !cart_text_is_name(ret->upload, (size_t)(space - ret->upload)))
		return bad(err, "its upload");
	return 0;
}

/* "KEY LENGTH" and so many bytes. */
static int take_block(const char **p, const char *end, const char *key,
		      const char **ret, size_t *ret_len, struct cart_err *err)
{
	size_t n = strlen(key), len;
	const char *line;
	uint64_t bytes;

	if (take_line(p, end, &line, &len) < 0 || len < n + 1 ||
	    memcmp(line, key, n) != 0 || line[n] != ' ' ||
	    cart_text_u64(line + n + 1, len - n - 1, STATE_MAX, &bytes) < 0 ||
	    bytes > (uint64_t)(end - *p))
		return bad(err, key);
	*ret = *p;
	*ret_len = (size_t)bytes;
	*p += bytes;
	return 0;
}

static int parse(const char *data, size_t size, struct state *ret,
		 struct cart_err *err)
{
	static const char first[] = "crashcart-state 1", change[] = "change ";
	static const char place[] = "location ", key[] = "key ";
	const char *p = data, *end = p + size, *line;
	size_t len;

	if (size > sizeof(place) - 1 &&
	    memcmp(p, place, sizeof(place) - 1) == 0 &&
	    parse_place(&p, end, ret, err) < 0)
		return -1;
	if (take_line(&p, end, &line, &len) < 0 || len != sizeof(first) - 1 ||
	    memcmp(line, first, len) != 0)
		return bad(err, "not of version 1");
	if (take_line(&p, end, &line, &len) < 0 || len != 41 ||
	    memcmp(line, "uuid ", 5) != 0 || !is_uuid(line + 5, 36))
		return bad(err, "no uuid");
	if (take_line(&p, end, &line, &len) < 0 || len <= sizeof(key) - 1 ||
	    memcmp(line, key, sizeof(key) - 1) != 0)
		return bad(err, "no key");
	ret->key = line + sizeof(key) - 1;
	ret->key_len = len - (sizeof(key) - 1);
	ret->changes = p;
	while (p < end && (size_t)(end - p) > sizeof(change) - 1 &&
	       memcmp(p, change, sizeof(change) - 1) == 0)
		if (take_line(&p, end, &line, &len) < 0 ||
		    !is_change(line + sizeof(change) - 1,
			       len - (sizeof(change) - 1)))
			return bad(err, "a change");
	ret->changes_len = (size_t)(p - ret->changes);
	if (take_block(&p, end, "signature", &ret->signature,
		       &ret->signature_len, err) < 0 ||
	    take_block(&p, end, "seal", &ret->seal, &ret->seal_len, err) < 0)
		return -1;
	return p == end ? 0 : bad(err, "something follows");
}

/* --- the segments that it names --- */

static int open_segment(int dirfd, const char *name, size_t number,
			uint64_t *ret_length, struct cart_err *err)
{
	char file[FILE_NAME_SIZE];
	struct stat st;
	int fd;

	cart_segment_name(name, number, true, file, sizeof(file));
	fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
		    O_NONBLOCK);
	if (fd < 0)
		return cart_err_errno(err, errno, "%s", file);
	if (fstat(fd, &st) != 0)
		cart_err_errno(err, errno, "%s", file);
	else if (!S_ISREG(st.st_mode))
		cart_err_set(err, CART_ERR_INPUT, 0, "%s: not a file", file);
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		cart_err_errno(err, EWOULDBLOCK, "%s: another process is "
			       "writing this bundle", file);
	else {
		*ret_length = (uint64_t)st.st_size;
		return fd;
	}
	close(fd);
	return -1;
}

static int check_chunk(int fd, uint64_t at, uint64_t left,
		       const unsigned char want[CART_SHA256_SIZE],
		       unsigned char *block, struct cart_err *err)
{
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_sha256 sha;
	size_t n;
	ssize_t got;
	int rc = 0;

	cart_sha256_init(&sha);
	for (; rc == 0 && left > 0; left -= n, at += n) {
		n = left < READ_BYTES ? (size_t)left : READ_BYTES;
		got = cart_fd_pread(fd, block, n, at, err);
		if (got < 0)
			rc = -1;
		else if ((size_t)got != n)
			rc = bad(err, "a segment became shorter");
		else
			cart_sha256_update(&sha, block, n);
	}
	cart_sha256_final(&sha, sha256);
	if (rc == 0 && memcmp(sha256, want, sizeof(sha256)) != 0)
		rc = bad(err, "a segment is not as it says");
	return rc;
}

static int check_segment(int dirfd, const struct cart_seal *seal, size_t i,
			 unsigned char *block, struct cart_err *err)
{
	const struct cart_seal_segment *s = &seal->segments[i];
	uint64_t length = 0, at = 0, n;
	int fd = open_segment(dirfd, seal->name, i + 1, &length, err), rc = 0;
	size_t k;

	if (fd < 0)
		return -1;
	if (length != s->length)
		rc = bad(err, "a segment has another length than it says");
	for (k = 0; rc == 0 && k < s->n_chunks; k++, at += n) {
		n = s->length - at < CHUNK_BYTES ? s->length - at : CHUNK_BYTES;
		rc = check_chunk(fd, at, n, seal->chunks[s->first_chunk + k],
				 block, err);
	}
	close(fd);
	return rc < 0 ? cart_err_prefix(err, "segment %zu", i + 1) : 0;
}

static int check_segments(int dirfd, const struct cart_seal *seal,
			  struct cart_partial *ret, struct cart_err *err)
{
	unsigned char *block = malloc(READ_BYTES);
	int rc = 0;
	size_t i;

	if (!block)
		return cart_err_nomem(err);
	for (i = 0; rc == 0 && i < seal->n_segments; i++) {
		rc = check_segment(dirfd, seal, i, block, err);
		ret->bytes += seal->segments[i].length;
	}
	free(block);
	return rc;
}

/* What the run was writing when it died stays, under names of its own: the
 * segment that was open, and, if the run died between closing it and saying
 * so, the one that it had just begun.  1, 0: there is no such segment, -1. */
static int keep_one(int dirfd, const struct cart_seal *seal, size_t k,
		    struct cart_err *err)
{
	char from[FILE_NAME_SIZE], to[FILE_NAME_SIZE];
	size_t number = seal->n_segments + k;
	uint64_t length;
	struct stat st;
	int fd;

	cart_segment_name(seal->name, number, true, from, sizeof(from));
	if (k == 1)
		snprintf(to, sizeof(to), "%s.remnant.age", seal->name);
	else
		snprintf(to, sizeof(to), "%s.remnant.%03zu.age", seal->name, k);
	if (fstatat(dirfd, from, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 :
			cart_err_errno(err, errno, "%s", from);
	fd = open_segment(dirfd, seal->name, number, &length, err);
	if (fd < 0)
		return -1;
	close(fd);
	if (fstatat(dirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return cart_err_errno(err, EEXIST, "%s", to);
	if (renameat(dirfd, from, dirfd, to) != 0)
		return cart_err_errno(err, errno, "%s", to);
	return 1;
}

static int keep_remnant(int dirfd, const struct cart_seal *seal,
			struct cart_partial *ret, struct cart_err *err)
{
	size_t k = 1;
	int rc;

	while ((rc = keep_one(dirfd, seal, k, err)) > 0)
		k++;
	ret->has_remnant = k > 1;
	return rc;
}

static int put_seal(int dirfd, const char *name, const struct state *s,
		    struct cart_err *err)
{
	char file[FILE_NAME_SIZE];

	snprintf(file, sizeof(file), "%s.seal.minisig", name);
	if (cart_file_replace(dirfd, file, s->signature, s->signature_len, 0600,
			      err) < 0)
		return -1;
	snprintf(file, sizeof(file), "%s.seal", name);
	if (cart_file_write_new(dirfd, file, s->seal, s->seal_len, 0600,
				err) < 0)
		return -1;
	snprintf(file, sizeof(file), "%s.state", name);
	unlinkat(dirfd, file, 0);
	snprintf(file, sizeof(file), ".%s.spare", name);
	unlinkat(dirfd, file, 0);
	return 0;
}

/* Whoever may write the file names the key in it; but a seal that was mixed up
 * or cut is found here and not in the lab. */
static int check_signature(const struct state *s, const struct cart_seal *seal,
			   struct cart_partial *ret, struct cart_err *err)
{
	static const char *const purposes[] = { "session", "examiner" };
	unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_minisign_sig sig;
	struct cart_public_key key;
	struct cart_blake2b blake;
	char want[512];
	size_t i;

	if (cart_minisign_parse_public(s->key, s->key_len, &key, err) < 0 ||
	    cart_minisign_parse_sig(s->signature, s->signature_len, &sig,
				    err) < 0)
		return cart_err_prefix(err, "the state file");
	cart_blake2b_init(&blake);
	cart_blake2b_update(&blake, s->seal, s->seal_len);
	cart_blake2b_final(&blake, prehash);
	if (cart_minisign_verify(&sig, &key, prehash, err) < 0)
		return cart_err_prefix(err, "the state file: its seal");
	cart_minisign_id_text(sig.key_id, ret->signer);
	for (i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
		snprintf(want, sizeof(want),
			 "crashcart seal bundle=%s case=%s purpose=%s root=%s",
			 seal->name, seal->case_id, purposes[i], seal->root);
		if (strcmp(sig.trusted, want) == 0)
			return 0;
	}
	return bad(err, "the signature is of another seal");
}

/* Parts of a state and what its seal says of itself. */
static int take_state(const char *name, const char *data, size_t len,
		      struct state *s, struct cart_seal *seal,
		      struct cart_partial *ret, struct cart_err *err)
{
	memset(s, 0, sizeof(*s));
	if (parse(data, len, s, err) < 0)
		return -1;
	if (cart_seal_parse(s->seal, s->seal_len, seal, err) < 0)
		return cart_err_prefix(err, "the state file");
	if (check_signature(s, seal, ret, err) < 0)
		return -1;
	memcpy(ret->root, seal->log_root, sizeof(ret->root));
	ret->log_size = seal->log_size;
	ret->segments = seal->n_segments;
	cart_buf_add(&ret->changes, s->changes, s->changes_len);
	/* in S3 the last state has the seal of the whole */
	if (strcmp(seal->name, name) == 0 &&
	    (s->location || strcmp(seal->state, "partial") == 0))
		return cart_buf_check(&ret->changes, "changes", err);
	return bad(err, "it is about another bundle");
}

static int promote(int dirfd, const char *name, const struct cart_buf *text,
		   struct cart_partial *ret, struct cart_err *err)
{
	struct cart_seal seal = { .n_segments = 0 };
	struct state s = { .location = NULL };
	int rc = -1;

	if (take_state(name, text->data ? (const char *)text->data : "",
		       text->len, &s, &seal, ret, err) == 0 &&
	    check_segments(dirfd, &seal, ret, err) == 0 &&
	    keep_remnant(dirfd, &seal, ret, err) == 0)
		rc = put_seal(dirfd, name, &s, err);
	cart_seal_clear(&seal);
	return rc;
}

/* Only what the caller alone could have written: the file says where to go
 * with the caller's credentials. */
static int read_own(int dirfd, const char *file, struct cart_buf *b,
		    struct cart_err *err)
{
	int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
			O_NOCTTY | O_NONBLOCK), rc = -1;
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return cart_err_errno(err, errno, "%s", file);
	if (fstat(fd, &st) != 0) {
		cart_err_errno(err, errno, "%s", file);
	} else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		   (st.st_mode & (S_IWGRP | S_IWOTH))) {
		cart_err_set(err, CART_ERR_INPUT, 0, "%s: not a file of yours "
			     "that nobody else may write: it is not believed",
			     file);
	} else if ((uintmax_t)st.st_size > STATE_MAX) {
		cart_err_set(err, CART_ERR_LIMIT, 0, "%s: more than %zu bytes",
			     file, STATE_MAX);
	} else if (!cart_buf_reserve(b, (size_t)st.st_size)) {
		cart_buf_check(b, "state file", err);
	} else {
		got = cart_fd_read(fd, b->data + b->len, (size_t)st.st_size,
				   err);
		if (got >= 0)
			b->len += (size_t)got;
		rc = got < 0 ? -1 : 0;
	}
	close(fd);
	return rc;
}

/* --- a bundle in S3 --- */

int cart_state_parse(const char *name, const void *data, size_t len,
		     struct cart_state *ret, struct cart_err *err)
{
	struct cart_seal seal = { .n_segments = 0 };
	struct state s = { .location = NULL };
	int rc;

	memset(ret, 0, sizeof(*ret));
	cart_buf_init(&ret->location, 4096);
	cart_buf_init(&ret->upload, 4096);
	cart_buf_init(&ret->signature, STATE_MAX);
	cart_buf_init(&ret->seal, STATE_MAX);
	cart_buf_init(&ret->partial.changes, STATE_MAX);
	rc = take_state(name, data, len, &s, &seal, &ret->partial, err);
	if (rc == 0 && !s.location)
		rc = bad(err, "it names no location");
	if (rc == 0) {
		cart_buf_add(&ret->location, s.location, s.location_len);
		cart_buf_add(&ret->upload, s.upload, s.upload_len);
		if (strcmp(seal.state, "partial") != 0)
			memcpy(ret->whole, seal.state, sizeof(ret->whole));
		cart_buf_add(&ret->signature, s.signature, s.signature_len);
		cart_buf_add(&ret->seal, s.seal, s.seal_len);
		rc = cart_buf_check(&ret->location, "location", err) < 0 ||
		     cart_buf_check(&ret->upload, "upload", err) < 0 ||
		     cart_buf_check(&ret->signature, "signature", err) < 0 ||
		     cart_buf_check(&ret->seal, "seal", err) < 0 ? -1 : 0;
	}
	cart_seal_clear(&seal);
	if (rc < 0)
		cart_state_clear(ret);
	return rc;
}

int cart_state_read(int dirfd, const char *name, bool closing,
		    struct cart_state *ret, struct cart_err *err)
{
	char file[FILE_NAME_SIZE];
	struct cart_buf text;
	int rc = -1;

	cart_buf_init(&text, STATE_MAX);
	snprintf(file, sizeof(file), "%.64s.state%s", name,
		 closing ? "-closing" : "");
	if (read_own(dirfd, file, &text, err) == 0)
		rc = cart_state_parse(name, text.data ? text.data :
				      (const void *)"", text.len, ret, err);
	cart_buf_clear(&text);
	return rc;
}

void cart_state_clear(struct cart_state *s)
{
	cart_buf_clear(&s->location);
	cart_buf_clear(&s->upload);
	cart_buf_clear(&s->signature);
	cart_buf_clear(&s->seal);
	cart_partial_clear(&s->partial);
}

int cart_partial_seal(int dirfd, const char *name, struct cart_partial *ret,
		      struct cart_err *err)
{
	char file[FILE_NAME_SIZE];
	struct cart_buf text;
	struct stat st;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	cart_buf_init(&ret->changes, STATE_MAX);
	if (!cart_bundle_name_ok(name, strlen(name)))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "not a bundle's name");
	snprintf(file, sizeof(file), "%s.state", name);
	if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) != 0 &&
	    errno == ENOENT)
		return cart_err_set(err, CART_ERR_INPUT, 0, "%s.tar.age: the "
				    "run died before it closed a segment, and "
				    "this host cannot read what it wrote: "
				    "nothing can be sealed; collect anew, and "
				    "keep the file for the lab (`crashcart "
				    "decrypt --partial`)", name);
	cart_buf_init(&text, STATE_MAX);
	if (read_own(dirfd, file, &text, err) == 0)
		rc = promote(dirfd, name, &text, ret, err);
	cart_buf_clear(&text);
	if (rc < 0)
		cart_partial_clear(ret);
	return rc;
}

void cart_partial_clear(struct cart_partial *p)
{
	cart_buf_clear(&p->changes);
}
