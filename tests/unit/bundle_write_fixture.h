/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle in a new folder, or in memory, for tests of the writing side. */
#ifndef BUNDLE_WRITE_FIXTURE_H
#define BUNDLE_WRITE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <crashcart/bundle.h>
#include <crashcart/clock.h>
#include <crashcart/fdio.h>
#include <crashcart/minisign.h>
#include <crashcart/reader.h>

#include "bundle/read_internal.h"

#define MIB ((size_t)1 << 20)
#define FIX_UUID "6f1a7c1e-5a2b-4c3d-8e9f-0a1b2c3d4e5f"

static const char fix_manifest[] = "{ \"crashcart\": 1 }\n";
static const char fix_plan[] = "{}\n";

/* --- a sink in memory that can be told to fail --- */

struct mem_sink {
	struct cart_sink sink;
	unsigned char *data;
	size_t len, cap;
	size_t chunk_at;		/* bytes since the last chunk() */
	size_t longest_chunk;
	unsigned calls, fail_at;	/* 0: never */
	unsigned n_chunks, n_segments, n_syncs;
	struct cart_buf seal, sig;
};

static inline int mem_count(struct mem_sink *m, struct cart_err *err)
{
	m->calls++;
	if (m->fail_at && m->calls >= m->fail_at)
		return cart_err_errno(err, ENOSPC, "the sink");
	return 0;
}

static inline int mem_write(struct cart_sink *s, const void *data, size_t len,
			    struct cart_err *err)
{
	struct mem_sink *m = (struct mem_sink *)s;

	if (mem_count(m, err) < 0)
		return -1;
	if (m->cap - m->len < len) {
		m->cap = 2 * (m->len + len);
		m->data = realloc(m->data, m->cap);
		assert_non_null(m->data);
	}
	memcpy(m->data + m->len, data, len);
	m->len += len;
	m->chunk_at += len;
	if (m->chunk_at > m->longest_chunk)
		m->longest_chunk = m->chunk_at;
	return 0;
}

static inline int mem_chunk(struct cart_sink *s, const unsigned char sha256[32],
			    struct cart_err *err)
{
	struct mem_sink *m = (struct mem_sink *)s;
	unsigned char want[32];

	cart_sha256(m->data + m->len - m->chunk_at, m->chunk_at, want);
	assert_memory_equal(want, sha256, 32);
	m->chunk_at = 0;
	m->n_chunks++;
	return mem_count(m, err);
}

static inline int mem_sync(struct cart_sink *s, struct cart_err *err)
{
	((struct mem_sink *)s)->n_syncs++;
	return mem_count((struct mem_sink *)s, err);
}

static inline int mem_segment(struct cart_sink *s, unsigned number,
			      struct cart_err *err)
{
	struct mem_sink *m = (struct mem_sink *)s;

	assert_int_equal(m->chunk_at, 0);
	assert_int_equal(number, m->n_segments + 2);
	m->n_segments++;
	return mem_count(m, err);
}

static inline int mem_companion(struct cart_sink *s, const char *suffix,
				const void *data, size_t len,
				struct cart_err *err)
{
	struct mem_sink *m = (struct mem_sink *)s;
	struct cart_buf *b = strcmp(suffix, ".seal") ? &m->sig : &m->seal;

	if (mem_count(m, err) < 0)
		return -1;
	cart_buf_add(b, data, len);
	return 0;
}

static inline void mem_free(struct cart_sink *s)
{
	struct mem_sink *m = (struct mem_sink *)s;

	free(m->data);
	cart_buf_clear(&m->seal);
	cart_buf_clear(&m->sig);
	free(m);
}

static inline struct mem_sink *mem_new(void)
{
	struct mem_sink *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->sink = (struct cart_sink){ .kind = "memory", .location = "memory",
		.write = mem_write, .chunk = mem_chunk, .sync = mem_sync,
		.segment = mem_segment, .companion = mem_companion,
		.free = mem_free };
	cart_buf_init(&m->seal, MIB);
	cart_buf_init(&m->sig, MIB);
	return m;
}

/* --- the bundle --- */

struct fix {
	char dir[64];
	int dirfd;
	struct cart_budget *budget;
	struct cart_signer *session;
	struct cart_json *line;
	struct cart_sink *sink;
	struct mem_sink *mem;		/* the sink, if it is in memory */
	struct cart_bundle *b;
	struct cart_bundle_options o;
	struct cart_err err;
};

static inline void fix_add(struct cart_json *j, const char *key, const char *v)
{
	cart_json_add(j, key, cart_json_new_string(v));
}

static inline struct cart_json *fix_session_line(const char *name,
						 struct cart_signer *session)
{
	struct cart_json *j = cart_json_new_object(), *o;
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_buf key;

	cart_buf_init(&key, 256);
	cart_minisign_print_public_bare(&session->public_key, &key);
	fix_add(j, "uuid", FIX_UUID);
	fix_add(j, "bundle", name);
	fix_add(j, "case", "CASE-1");
	o = cart_json_add(j, "tool", cart_json_new_object());
	fix_add(o, "name", "crashcart");
	fix_add(o, "version", "0.1.0");
	fix_add(o, "commit", "unknown");
	cart_sha256_hex("", 0, hex);
	fix_add(o, "sha256", hex);
	o = cart_json_add(j, "manifest", cart_json_new_object());
	fix_add(o, "name", "test");
	cart_sha256_hex(fix_manifest, sizeof(fix_manifest) - 1, hex);
	fix_add(o, "sha256", hex);
	fix_add(j, "session_key", (const char *)key.data);
	o = cart_json_add(j, "host", cart_json_new_object());
	fix_add(o, "hostname", "host");
	fix_add(o, "kernel", "6.1");
	fix_add(o, "machine", "x86_64");
	fix_add(o, "boot_id", "");
	cart_json_add(j, "pid", cart_json_new_int(1));
	cart_json_add(j, "uid", cart_json_new_int(0));
	cart_buf_clear(&key);
	return j;
}

/* Fills options; the sink is set by the caller. */
static inline void fix_options(struct fix *f, const char *name)
{
	f->session = cart_signer_session(&f->err);
	assert_non_null(f->session);
	f->line = fix_session_line(name, f->session);
	f->o = (struct cart_bundle_options){ .name = name,
		.case_id = "CASE-1", .uuid = FIX_UUID,
		.organization = "Example Org",
		.agent = "crashcart 0.1.0 (unknown)",
		.start_utc_ns = 1700000000123456789, .sink = f->sink,
		.session = f->session, .budget = f->budget, .threads = 2,
		.session_line = f->line, .manifest = fix_manifest,
		.manifest_len = sizeof(fix_manifest) - 1, .plan = fix_plan,
		.plan_len = sizeof(fix_plan) - 1 };
}

static inline void fix_prepare(struct fix *f)
{
	memset(f, 0, sizeof(*f));
	f->dirfd = -1;
	f->budget = cart_budget_new(34 * MIB);
	assert_non_null(f->budget);
}

static inline void fix_open(struct fix *f)
{
	f->b = cart_bundle_open(&f->o, &f->err);
	if (!f->b)
		print_error("%s\n", f->err.text);
	assert_non_null(f->b);
}

static inline void fix_memory(struct fix *f, const char *name)
{
	fix_prepare(f);
	f->mem = mem_new();
	f->sink = &f->mem->sink;
	fix_options(f, name);
}

static inline void fix_folder(struct fix *f)
{
	fix_prepare(f);
	/* in memory where that can be: many tests sync often */
	snprintf(f->dir, sizeof(f->dir), "/dev/shm/crashcart-test-XXXXXX");
	if (!mkdtemp(f->dir)) {
		snprintf(f->dir, sizeof(f->dir), "/tmp/crashcart-test-XXXXXX");
		assert_non_null(mkdtemp(f->dir));
	}
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dirfd >= 0);
}

/* A new bundle in the folder. */
static inline void fix_file(struct fix *f, const char *name)
{
	f->sink = cart_sink_file(f->dirfd, f->dir, name, 0, 0, &f->err);
	if (!f->sink)
		print_error("%s\n", f->err.text);
	assert_non_null(f->sink);
	fix_options(f, name);
}

/* Ends the bundle, sealed or not; the folder stays. */
static inline void fix_end(struct fix *f)
{
	cart_bundle_free(f->b);
	cart_sink_free(f->sink);
	cart_json_free(f->line);
	cart_signer_free(f->session);
	f->b = NULL;
	f->sink = NULL;
	f->mem = NULL;
	f->line = NULL;
	f->session = NULL;
}

static inline void fix_empty_folder(struct fix *f)
{
	DIR *d = opendir(f->dir);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(f->dirfd, e->d_name, 0);
	closedir(d);
}

static inline void fix_clear(struct fix *f)
{
	fix_end(f);
	/* everything was given back: the whole can be taken at once */
	assert_int_equal(cart_budget_take(f->budget, 34 * MIB), 0);
	cart_budget_free(f->budget);
	if (f->dirfd >= 0) {
		fix_empty_folder(f);
		close(f->dirfd);
		rmdir(f->dir);
	}
}

static inline const struct cart_exhibit_info *fix_info(const char *slug)
{
	static _Thread_local struct cart_exhibit_info info;

	info = (struct cart_exhibit_info){ .step = "step",
		.instance = "step@-/-#1", .name = "exhibit", .slug = slug,
		.media = "application/octet-stream", .repeatable = true };
	return &info;
}

static inline int fix_note(struct cart_bundle *b, const char *text,
			   struct cart_err *err)
{
	struct cart_json *j = cart_json_new_object();
	int rc;

	fix_add(j, "text", text);
	rc = cart_bundle_log(b, "note", "", j, err);
	cart_json_free(j);
	return rc;
}

static inline int fix_gap(struct cart_bundle *b, struct cart_err *err)
{
	struct cart_json *j = cart_json_new_object();
	int rc;

	fix_add(j, "what", "something");
	fix_add(j, "reason", "denied");
	fix_add(j, "detail", "no");
	rc = cart_bundle_log(b, "gap", "step", j, err);
	cart_json_free(j);
	return rc;
}

static inline void fix_seal(struct fix *f, struct cart_seal_result *ret)
{
	if (cart_bundle_seal(f->b, false, NULL, ret, &f->err) < 0) {
		print_error("%s\n", f->err.text);
		fail();
	}
}

/* --- checks --- */

/* What the bag in memory holds, checked by the reader's rules. */
struct seen {
	struct cart_bag bag;
	struct cart_crew crew;
	struct cart_buf paths;		/* one a line */
	struct cart_buf lines;		/* the log */
	/* data of the payload member whose path is want */
	const char *want;
	struct cart_buf data;
};

static inline int seen_member(void *arg, const struct cart_walk_member *m,
			      const void *data, size_t len, bool end,
			      struct cart_err *err)
{
	struct seen *s = arg;

	if (end)
		cart_buf_addf(&s->paths, "%s\n", m->path);
	if (strncmp(m->path, "log/", 4) == 0)
		cart_buf_add(&s->lines, data, len);
	if (s->want && strcmp(m->path, s->want) == 0)
		cart_buf_add(&s->data, data, len);
	return 0;
}

static inline void seen_init(struct seen *s, const char *want)
{
	struct cart_err err;

	memset(s, 0, sizeof(*s));
	s->want = want;
	cart_buf_init(&s->paths, 64 * MIB);
	cart_buf_init(&s->lines, 256 * MIB);
	cart_buf_init(&s->data, 16 * MIB);
	assert_int_equal(cart_crew_start(&s->crew, 1, &err), 0);
	cart_bag_init(&s->bag, &s->crew);
	s->bag.member = seen_member;
	s->bag.arg = s;
}

static inline void seen_clear(struct seen *s)
{
	cart_bag_clear(&s->bag);
	cart_crew_stop(&s->crew);
	cart_buf_clear(&s->paths);
	cart_buf_clear(&s->lines);
	cart_buf_clear(&s->data);
}

static inline void seen_stream(struct seen *s, const unsigned char *data,
			       size_t len)
{
	struct cart_walker *w = cart_walker_new(NULL);
	const unsigned char *p;
	struct cart_err err = { 0 };
	enum cart_walk_event e;
	int rc = 0;
	size_t n;

	assert_non_null(w);
	while ((e = cart_walker_step(w, &data, &len, &p, &n, &err)) !=
	       CART_WALK_END) {
		if (e == CART_WALK_MEMBER) {
			snprintf(s->bag.name, sizeof(s->bag.name), "%s",
				 cart_walker_name(w));
			rc = cart_bag_begin(&s->bag, cart_walker_member(w),
					    &err);
		} else if (e == CART_WALK_DATA) {
			rc = cart_bag_data(&s->bag, NULL, p, n, &err);
		} else if (e == CART_WALK_MEMBER_END) {
			rc = cart_bag_end(&s->bag, &err);
		} else {
			rc = -1;
		}
		if (rc < 0) {
			print_error("%s\n", err.text);
			fail();
		}
	}
	assert_int_equal(len, 0);
	s->bag.has_mtime = true;
	s->bag.mtime = cart_walker_mtime(w);
	if (cart_bag_finish(&s->bag, &err) < 0) {
		print_error("%s\n", err.text);
		fail();
	}
	cart_walker_free(w);
}

static inline bool seen_line(const struct seen *s, const char *part)
{
	return s->lines.data && strstr((char *)s->lines.data, part);
}

/* The bundle in the folder is valid under its session key. */
static inline void fix_verify(struct fix *f, const char *name,
			      struct cart_public_key key,
			      struct cart_verdict *ret)
{
	struct cart_verify_options o = { .keys = &key, .n_keys = 1 };
	char path[192];

	snprintf(path, sizeof(path), "%s/%s.tar", f->dir, name);
	o.bundle = path;
	if (cart_verify(&o, ret, &f->err) < 0) {
		print_error("%s\n", f->err.text);
		fail();
	}
	if (ret->kind != CART_VERDICT_VALID)
		print_error("%s\n", ret->reason);
	assert_int_equal(ret->kind, CART_VERDICT_VALID);
}

#endif
