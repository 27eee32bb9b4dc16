/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>

#include "bundle_write_fixture.h"

static void plain_exhibits_and_lines(void **state)
{
	struct cart_seal_result r;
	char id[CART_EXHIBIT_ID_SIZE];
	struct seen s;
	struct fix f;

	fix_memory(&f, "B1");
	fix_open(&f);
	assert_int_equal(cart_bundle_put(f.b, fix_info("Describe Instances.json"),
					 "hello", 5, id, &f.err), 0);
	assert_string_equal(id, "e000001");
	assert_int_equal(fix_note(f.b, "b\n\"\xc3\xa4", &f.err), 0);
	assert_int_equal(cart_bundle_put(f.b, fix_info(""), "", 0, NULL,
					 &f.err), 0);
	assert_int_equal(cart_bundle_sync(f.b, &f.err), 0);
	fix_seal(&f, &r);
	assert_false(r.gaps);
	assert_int_equal(r.bytes, f.mem->len);
	assert_true(f.mem->seal.len > 0 && f.mem->sig.len > 0);
	seen_init(&s, "data/e000001-describe-instances.json");
	seen_stream(&s, f.mem->data, f.mem->len);
	assert_string_equal((char *)s.data.data, "hello");
	assert_string_equal((char *)s.paths.data,
			    "bagit.txt\nVERIFY.txt\nmanifest.json\nplan.json\n"
			    "keys/session-1.pub\nlog/000001.jsonl\n"
			    "data/e000001-describe-instances.json\n"
			    "data/e000002-x\nlog/000002.jsonl\n"
			    "log/000003.jsonl\ncheckpoint\nbag-info.txt\n"
			    "manifest-sha256.txt\ntagmanifest-sha256.txt\n"
			    "seal/tagmanifest-sha256.txt.minisig\n");
	assert_string_equal(s.bag.root, r.root);
	assert_int_equal(s.bag.log.merkle.size, r.log_size);
	assert_true(seen_line(&s, "\"text\":\"b\\n\\\"\xc3\xa4\"}"));
	seen_clear(&s);
	/* after the end nothing is taken any more */
	assert_int_equal(fix_note(f.b, "late", &f.err), -1);
	assert_int_equal(cart_bundle_sync(f.b, &f.err), -1);
	assert_int_equal(cart_bundle_seal(f.b, false, NULL, &r, &f.err), -1);
	fix_clear(&f);
}

/* A part of len bytes, each of which is v. */
static void send(struct cart_exhibit *e, size_t len, int v)
{
	struct cart_err err;
	unsigned char *p = cart_exhibit_reserve(e, &err);

	assert_non_null(p);
	memset(p, v, len);
	assert_int_equal(cart_exhibit_submit(e, len, &err), 0);
}

static void exhibits_in_parts(void **state)
{
	char hex[CART_SHA256_HEX_SIZE], want[CART_SHA256_HEX_SIZE];
	unsigned char *whole = calloc(1, 3 * CART_PART_SIZE);
	struct cart_exhibit *e;
	struct cart_buf piece;
	struct fix f;
	struct seen s;

	assert_non_null(whole);
	memset(whole, 'a', CART_PART_SIZE);
	memset(whole + 2 * CART_PART_SIZE, 'b', 100);
	cart_sha256_hex(whole, 2 * CART_PART_SIZE + 100, want);
	fix_memory(&f, "B1");
	fix_open(&f);
	e = cart_exhibit_open(f.b, fix_info("image"), true, &f.err);
	assert_non_null(e);
	assert_string_equal(cart_exhibit_id(e), "e000001");
	send(e, CART_PART_SIZE, 'a');
	send(e, CART_PART_SIZE, 0);		/* a line, no member */
	send(e, 100, 'b');
	assert_non_null(cart_exhibit_reserve(e, &f.err));
	assert_null(cart_exhibit_reserve(e, &f.err));	/* one at a time */
	assert_int_equal(cart_exhibit_submit(e, 0, &f.err), 0);
	assert_int_equal(cart_exhibit_close(e, NULL, "a note", hex, &f.err), 0);
	assert_string_equal(hex, want);
	e = cart_exhibit_open(f.b, fix_info("raw"), false, &f.err);
	assert_non_null(e);
	send(e, 10, 'c');
	assert_int_equal(cart_exhibit_close(e, "gaps", NULL, NULL, &f.err), 0);
	/* too long for a plain one; and an empty one in parts */
	assert_int_equal(cart_bundle_put(f.b, fix_info("long"), whole,
					 CART_PLAIN_MAX + 1, NULL, &f.err), 0);
	e = cart_exhibit_open(f.b, fix_info("none"), true, &f.err);
	assert_non_null(e);
	assert_int_equal(cart_exhibit_close(e, NULL, NULL, NULL, &f.err), 0);
	fix_seal(&f, NULL);
	seen_init(&s, "data/e000001/00000001.zst");
	seen_stream(&s, f.mem->data, f.mem->len);
	cart_buf_init(&piece, CART_PART_SIZE);
	assert_int_equal(cart_zstd_decompress(s.data.data, s.data.len, NULL, 0,
					      &piece, &f.err), 0);
	assert_int_equal(piece.len, CART_PART_SIZE);
	assert_memory_equal(piece.data, whole, CART_PART_SIZE);
	assert_true(seen_line(&s, "\"part\":2,\"size\":0,"));
	assert_true(seen_line(&s, "data/e000001/00000003.zst"));
	assert_true(seen_line(&s, "data/e000002/00000001.bin"));
	assert_true(seen_line(&s, "data/e000003/00000001.zst"));
	assert_null(strstr((char *)s.paths.data, "data/e000001/00000002"));
	cart_buf_clear(&piece);
	seen_clear(&s);
	free(whole);
	fix_clear(&f);
}

static void segments_and_chunks(void **state)
{
	struct cart_seal_result r;
	struct cart_exhibit *e;
	struct cart_seal seal;
	unsigned char *p;
	struct seen s;
	struct fix f;
	unsigned i;

	fix_memory(&f, "B1");
	f.o.segment_bytes = 17 * MIB;		/* two chunks */
	fix_open(&f);
	e = cart_exhibit_open(f.b, fix_info("raw"), false, &f.err);
	assert_non_null(e);
	for (i = 0; i < 9; i++) {
		p = cart_exhibit_reserve(e, &f.err);
		assert_non_null(p);
		cart_random(p, 4 * MIB);
		assert_int_equal(cart_exhibit_submit(e, 4 * MIB, &f.err), 0);
	}
	assert_int_equal(cart_exhibit_close(e, NULL, NULL, NULL, &f.err), 0);
	fix_seal(&f, &r);
	assert_int_equal(f.mem->n_segments, 2);
	assert_int_equal(r.segments, 3);
	assert_int_equal(f.mem->longest_chunk, CHUNK_BYTES);
	memset(&seal, 0, sizeof(seal));
	assert_int_equal(cart_seal_parse(f.mem->seal.data, f.mem->seal.len,
					 &seal, &f.err), 0);
	assert_int_equal(seal.n_segments, 3);
	assert_int_equal(seal.segments[0].length, 2 * CHUNK_BYTES);
	assert_int_equal(seal.n_chunks, f.mem->n_chunks);
	cart_seal_clear(&seal);
	seen_init(&s, NULL);
	seen_stream(&s, f.mem->data, f.mem->len);
	seen_clear(&s);
	fix_clear(&f);
}

/* Where only closed segments are durable, a sync closes one. */
static void sync_closes_segments(void **state)
{
	struct cart_seal_result r;
	struct seen s;
	struct fix f;

	fix_memory(&f, "B1");
	f.mem->sink.durable_by_segment = 1;
	fix_open(&f);
	assert_int_equal(fix_note(f.b, "one", &f.err), 0);
	assert_int_equal(cart_bundle_sync(f.b, &f.err), 0);
	assert_int_equal(f.mem->n_segments, 1);
	assert_int_equal(cart_bundle_sync(f.b, &f.err), 0);	/* is empty */
	assert_int_equal(f.mem->n_segments, 1);
	fix_seal(&f, &r);
	assert_int_equal(r.segments, 2);
	seen_init(&s, NULL);
	seen_stream(&s, f.mem->data, f.mem->len);
	seen_clear(&s);
	fix_clear(&f);
}

static void names_of_exhibits(void **state)
{
	static const struct {
		const char *slug, *path;
	} rows[] = {
		{ "a.json", "data/e000001-a.json" },
		{ ".hidden", "data/e000002-xhidden" },
		{ "../../etc/passwd", "data/e000003-x.-..-etc-passwd" },
		{ "\xc3\xa4", "data/e000004-x-" },
		{ "ABC", "data/e000005-abc" },
		/* 100 bytes in all with a name of 64 */
		{ "a-very-long-name-for-an-exhibit.json",
		  "data/e000006-a-very-long-name-.json" },
		{ "a-very-long-name-for-an-exhibit-without-end",
		  "data/e000007-a-very-long-name-for-a" },
	};
	char name[65], line[160];
	struct seen s;
	struct fix f;
	size_t i;

	memset(name, 'N', 64);
	name[64] = '\0';
	fix_memory(&f, name);
	fix_open(&f);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(cart_bundle_put(f.b, fix_info(rows[i].slug),
						 "x", 1, NULL, &f.err), 0);
	fix_seal(&f, NULL);
	seen_init(&s, NULL);
	seen_stream(&s, f.mem->data, f.mem->len);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(line, sizeof(line), "\n%s\n", rows[i].path);
		if (!strstr((char *)s.paths.data, line))
			print_error("%s: not there\n", rows[i].path);
		assert_non_null(strstr((char *)s.paths.data, line));
	}
	seen_clear(&s);
	fix_clear(&f);
}

static void refuses_bad_options(void **state)
{
	static const char *const names[] = { "", ".x", "a/b", "a b", "\xc3\xa4",
		"12345678901234567890123456789012345678901234567890123456789012345" };
	struct fix f;
	size_t i;

	fix_memory(&f, "B1");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		f.o.name = names[i];
		assert_null(cart_bundle_open(&f.o, &f.err));
		assert_int_equal(f.err.class, CART_ERR_USAGE);
	}
	f.o.name = "B1";
	f.o.organization = "a\nCrashcart-State: complete";
	assert_null(cart_bundle_open(&f.o, &f.err));
	assert_int_equal(f.err.class, CART_ERR_USAGE);
	assert_int_equal(f.mem->len, 0);
	fix_clear(&f);
}

/* What a verifier would refuse is refused here, and harms nothing. */
static void refuses_bad_lines(void **state)
{
	struct cart_json *j, *o;
	char *big = malloc(300000);
	struct seen s;
	struct fix f;
	int i;

	assert_non_null(big);
	memset(big, 'x', 299999);
	big[299999] = '\0';
	fix_memory(&f, "B1");
	fix_open(&f);
	assert_int_equal(fix_note(f.b, big, &f.err), -1);
	assert_int_equal(f.err.class, CART_ERR_LIMIT);
	j = cart_json_new_object();
	assert_int_equal(cart_bundle_log(f.b, "end", "", j, &f.err), -1);
	assert_int_equal(cart_bundle_log(f.b, "file", "", j, &f.err), -1);
	assert_int_equal(cart_bundle_log(f.b, "other", "", j, &f.err), -1);
	assert_int_equal(cart_bundle_log(f.b, "note", "", j, &f.err), -1);
	fix_add(j, "text", "x");
	assert_int_equal(cart_bundle_log(f.b, "note", "No Step", j, &f.err),
			 -1);
	fix_add(j, "more", "x");
	assert_int_equal(cart_bundle_log(f.b, "note", "", j, &f.err), -1);
	cart_json_free(j);
	/* too deep an origin */
	j = o = cart_json_new_object();
	for (i = 0; i < 40; i++)
		o = cart_json_add(o, "a", cart_json_new_object());
	{
		struct cart_exhibit_info info = *fix_info("deep");

		info.origin = j;
		assert_int_equal(cart_bundle_put(f.b, &info, "x", 1, NULL,
						 &f.err), -1);
	}
	cart_json_free(j);
	assert_int_equal(fix_note(f.b, "fine", &f.err), 0);
	fix_seal(&f, NULL);
	seen_init(&s, NULL);
	seen_stream(&s, f.mem->data, f.mem->len);
	seen_clear(&s);
	free(big);
	fix_clear(&f);
}

static void gaps_make_the_state(void **state)
{
	struct cart_seal_result r;
	struct fix f;

	fix_memory(&f, "B1");
	fix_open(&f);
	assert_int_equal(fix_gap(f.b, &f.err), 0);
	fix_seal(&f, &r);
	assert_true(r.gaps);
	assert_non_null(strstr((char *)f.mem->seal.data, "\nstate gaps\n"));
	fix_clear(&f);
	fix_memory(&f, "B2");
	fix_open(&f);
	assert_int_equal(cart_bundle_seal(f.b, true, "stopped by a signal", &r,
					  &f.err), 0);
	assert_true(r.gaps);
	fix_clear(&f);
}

/* Exhibits that nobody closed are closed by the end. */
static void the_end_closes_exhibits(void **state)
{
	struct cart_exhibit *e;
	struct cart_seal_result r;
	struct seen s;
	struct fix f;

	fix_memory(&f, "B1");
	fix_open(&f);
	e = cart_exhibit_open(f.b, fix_info("image"), true, &f.err);
	assert_non_null(e);
	send(e, 10, 'x');
	assert_non_null(cart_exhibit_reserve(e, &f.err));
	fix_seal(&f, &r);
	assert_true(r.gaps);
	assert_int_equal(cart_exhibit_close(e, NULL, NULL, NULL, &f.err), -1);
	seen_init(&s, NULL);
	seen_stream(&s, f.mem->data, f.mem->len);
	assert_true(seen_line(&s, "\"state\":\"truncated\""));
	seen_clear(&s);
	fix_clear(&f);
}

static void lines_wait_two_seconds(void **state)
{
	size_t before;
	struct fix f;
	int i;

	fix_memory(&f, "B1");
	fix_open(&f);
	before = f.mem->calls;
	assert_int_equal(fix_note(f.b, "wait", &f.err), 0);
	for (i = 0; i < 60; i++) {
		struct cart_bundle_counts c;

		cart_clock_sleep_ms(100);
		cart_bundle_counts(f.b, &c);
		if (c.lines == 4)		/* with the head */
			break;
	}
	assert_in_range(i, 10, 50);
	fix_seal(&f, NULL);
	assert_true(f.mem->calls > before);
	fix_clear(&f);
}

/* More members and lines than one group and one log part can hold. */
static void groups_have_bounds(void **state)
{
	struct cart_exhibit_info info = *fix_info("small");
	struct cart_bundle_counts c;
	char note[1001];
	struct seen s;
	struct fix f;
	int i;

	memset(note, 'n', 1000);
	note[1000] = '\0';
	info.note = note;
	fix_memory(&f, "B1");
	fix_open(&f);
	for (i = 0; i < 9000; i++)
		assert_int_equal(cart_bundle_put(f.b, i % 9 ? fix_info("s") :
						 &info, &i, sizeof(i), NULL,
						 &f.err), 0);
	for (i = 0; i < 3000; i++)
		assert_int_equal(fix_note(f.b, note, &f.err), 0);
	fix_seal(&f, NULL);
	cart_bundle_counts(f.b, &c);
	assert_int_equal(c.exhibits, 9000);
	seen_init(&s, NULL);
	seen_stream(&s, f.mem->data, f.mem->len);
	assert_int_equal(s.bag.payload, 9000);
	seen_clear(&s);
	fix_clear(&f);
}

struct worker {
	struct cart_bundle *b;
	int number;
	pthread_t thread;
	bool ok;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct cart_err err;
	struct cart_exhibit *e;
	char text[64];
	int i, k;

	for (i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "%d %d", w->number, i);
		if (fix_note(w->b, text, &err) < 0 ||
		    cart_bundle_put(w->b, fix_info("some"), text, 64, NULL,
				    &err) < 0)
			return NULL;
		if (i % 10)
			continue;
		e = cart_exhibit_open(w->b, fix_info("image"), i & 1, &err);
		for (k = 0; e && k < 3; k++)
			send(e, 300000, k);
		if (!e || cart_exhibit_close(e, NULL, NULL, NULL, &err) < 0 ||
		    cart_bundle_sync(w->b, &err) < 0)
			return NULL;
	}
	w->ok = true;
	return NULL;
}

static void many_threads_write(void **state)
{
	struct worker w[8];
	struct seen s;
	struct fix f;
	int i;

	fix_memory(&f, "B1");
	fix_open(&f);
	for (i = 0; i < 8; i++) {
		w[i].b = f.b;
		w[i].number = i;
		w[i].ok = false;
		assert_int_equal(pthread_create(&w[i].thread, NULL, work,
						&w[i]), 0);
	}
	for (i = 0; i < 8; i++) {
		pthread_join(w[i].thread, NULL);
		assert_true(w[i].ok);
	}
	fix_seal(&f, NULL);
	seen_init(&s, NULL);
	seen_stream(&s, f.mem->data, f.mem->len);
	assert_int_equal(s.bag.log.exhibits, 8 * 44);
	seen_clear(&s);
	fix_clear(&f);
}

/* Everything that can be called, until something fails. */
static int use_all(struct fix *f)
{
	struct cart_bundle *b = cart_bundle_open(&f->o, &f->err);
	struct stat st = { .st_mode = S_IFREG | 0600 };
	struct cart_file file = { .path = "/x", .path_len = 2, .st = &st,
				  .btime_ns = INT64_MIN };
	struct cart_fileset *set;
	struct cart_exhibit *e;
	unsigned char *p;
	int rc = 0, i;

	if (!b)
		return -1;
	f->b = b;
	rc |= cart_bundle_put(b, fix_info("a"), "a", 1, NULL, &f->err);
	rc |= cart_bundle_sync(b, &f->err);
	set = cart_fileset_open(b, fix_info("files"), &f->err);
	if (set) {
		rc |= cart_fileset_add(set, &file, "x", 1, &f->err);
		rc |= cart_fileset_list(set, &file, &f->err);
	}
	e = cart_exhibit_open(b, fix_info("image"), false, &f->err);
	for (i = 0; e && i < 3; i++) {
		p = cart_exhibit_reserve(e, &f->err);
		if (!p)
			break;
		cart_random(p, 5 * MIB);
		rc |= cart_exhibit_submit(e, 5 * MIB, &f->err);
	}
	if (!e || i < 3)
		rc = -1;
	if (e)
		rc |= cart_exhibit_close(e, NULL, NULL, NULL, &f->err);
	if (!set)
		return -1;
	rc |= cart_fileset_close(set, NULL, NULL, &f->err);
	rc |= fix_note(b, "note", &f->err);
	return rc | cart_bundle_seal(b, false, NULL, NULL, &f->err);
}

/* The N-th call of the sink fails, for every N. */
static void any_failure_of_the_sink(void **state)
{
	unsigned calls, n;
	struct fix f;

	fix_memory(&f, "B1");
	f.o.segment_bytes = CHUNK_BYTES;
	assert_int_equal(use_all(&f), 0);
	calls = f.mem->calls;
	fix_clear(&f);
	assert_in_range(calls, 15, 200);
	for (n = 1; n <= calls; n++) {
		fix_memory(&f, "B1");
		f.o.segment_bytes = CHUNK_BYTES;
		f.mem->fail_at = n;
		assert_int_equal(use_all(&f), -1);
		assert_int_equal(f.err.class, CART_ERR_SYSTEM);
		assert_int_equal(f.err.code, ENOSPC);
		assert_int_equal(f.mem->seal.len, 0);
		if (f.b) {
			assert_int_equal(fix_note(f.b, "x", &f.err), -1);
			assert_int_equal(f.err.code, ENOSPC);
		}
		fix_clear(&f);
	}
}

/* Space ran out, and the sink lives on what it kept for the end. */
static void no_new_exhibits_when_low(void **state)
{
	struct stat st = { .st_mode = S_IFREG | 0600 };
	struct cart_file file = { .path = "/x", .path_len = 2, .st = &st,
				  .btime_ns = INT64_MIN };
	struct cart_exhibit *e, *more;
	struct cart_fileset *set;
	struct cart_seal_result r;
	struct seen s;
	struct fix f;

	fix_memory(&f, "B1");
	fix_open(&f);
	assert_true(f.mem->sink.keep_bytes > 34 * MIB);
	e = cart_exhibit_open(f.b, fix_info("image"), true, &f.err);
	more = cart_exhibit_open(f.b, fix_info("more"), true, &f.err);
	set = cart_fileset_open(f.b, fix_info("files"), &f.err);
	assert_true(e && more && set);
	send(e, 1000, 'x');
	assert_non_null(cart_exhibit_reserve(e, &f.err));
	assert_int_equal(cart_fileset_add(set, &file, "x", 1, &f.err), 0);
	f.mem->sink.low = 1;
	assert_int_equal(cart_bundle_sync(f.b, &f.err), 0);
	/* nothing new */
	assert_int_equal(cart_bundle_put(f.b, fix_info("a"), "a", 1, NULL,
					 &f.err), -1);
	assert_int_equal(f.err.class, CART_ERR_SYSTEM);
	assert_int_equal(f.err.code, ENOSPC);
	assert_null(cart_exhibit_open(f.b, fix_info("a"), true, &f.err));
	assert_null(cart_fileset_open(f.b, fix_info("a"), &f.err));
	assert_null(cart_exhibit_reserve(more, &f.err));
	assert_int_equal(f.err.code, ENOSPC);
	/* what was begun ends, and lines are taken */
	assert_int_equal(cart_exhibit_submit(e, 1000, &f.err), 0);
	assert_int_equal(cart_exhibit_close(e, NULL, NULL, NULL, &f.err), 0);
	assert_int_equal(cart_exhibit_close(more, "truncated", NULL, NULL,
					    &f.err), 0);
	assert_int_equal(cart_fileset_add(set, &file, "y", 1, &f.err), 0);
	assert_int_equal(cart_fileset_close(set, NULL, NULL, &f.err), 0);
	assert_int_equal(fix_gap(f.b, &f.err), 0);
	fix_seal(&f, &r);
	seen_init(&s, NULL);
	seen_stream(&s, f.mem->data, f.mem->len);
	assert_int_equal(s.bag.log.exhibits, 3);
	seen_clear(&s);
	fix_clear(&f);
}

/* Given up in the middle of work: nothing hangs, nothing leaks. */
static void given_up(void **state)
{
	struct cart_exhibit *e;
	struct fix f;
	int i;

	for (i = 0; i < 20; i++) {
		fix_memory(&f, "B1");
		fix_open(&f);
		e = cart_exhibit_open(f.b, fix_info("image"), true, &f.err);
		assert_non_null(e);
		send(e, CART_PART_SIZE, i);
		send(e, CART_PART_SIZE, 0);
		if (i & 1)
			assert_non_null(cart_exhibit_reserve(e, &f.err));
		cart_exhibit_close(e, NULL, NULL, NULL, &f.err);
		fix_clear(&f);
	}
}

static void to_files(void **state)
{
	struct cart_verdict v;
	struct cart_exhibit *e;
	struct fix f;

	fix_folder(&f);
	fix_file(&f, "B1");
	f.o.segment_bytes = CHUNK_BYTES;
	fix_open(&f);
	/* nobody begins or goes on with it at the same time */
	assert_null(cart_sink_file(f.dirfd, f.dir, "B1", 0, 0, &f.err));
	assert_int_equal(f.err.code, EEXIST);
	assert_null(cart_sink_file(f.dirfd, f.dir, "B1", 1, 0, &f.err));
	assert_int_equal(f.err.code, EWOULDBLOCK);
	/* space for the end is kept until the end */
	assert_int_equal(faccessat(f.dirfd, ".B1.spare", R_OK, 0), 0);
	e = cart_exhibit_open(f.b, fix_info("raw"), false, &f.err);
	assert_non_null(e);
	send(e, CART_PART_SIZE, 'x');
	assert_int_equal(cart_exhibit_close(e, NULL, NULL, NULL, &f.err), 0);
	fix_seal(&f, NULL);
	assert_int_equal(faccessat(f.dirfd, ".B1.spare", R_OK, 0), -1);
	fix_verify(&f, "B1", f.session->public_key, &v);
	assert_int_equal(v.exhibits, 1);
	assert_int_equal(faccessat(f.dirfd, "B1.tar.002", R_OK, 0), 0);
	fix_end(&f);
	assert_null(cart_sink_file(f.dirfd, f.dir, "B1", 1, 0, &f.err));
	assert_int_equal(f.err.code, EEXIST);
	fix_clear(&f);
}

static void to_a_pipe(void **state)
{
	char path[128], line[8] = "";
	int fd[2], file;
	struct fix f;

	fix_folder(&f);
	snprintf(path, sizeof(path), "%s/out.seal", f.dir);
	file = openat(f.dirfd, "out.tar", O_RDWR | O_CREAT, 0600);
	assert_true(file >= 0);
	f.sink = cart_sink_pipe(file, path, &f.err);
	assert_non_null(f.sink);
	fix_options(&f, "P1");
	f.o.segment_bytes = CHUNK_BYTES;
	fix_open(&f);
	assert_int_equal(cart_bundle_put(f.b, fix_info("a"), "a", 1, NULL,
					 &f.err), 0);
	fix_seal(&f, NULL);
	assert_int_equal(faccessat(f.dirfd, "out.seal", R_OK, 0), 0);
	assert_int_equal(faccessat(f.dirfd, "out.seal.minisig", R_OK, 0), 0);
	assert_int_equal(pread(file, line, 3, 0), 3);
	assert_string_equal(line, "P1/");
	close(file);
	fix_end(&f);
	/* the seal is not overwritten */
	assert_null(cart_sink_pipe(1, path, &f.err));
	/* nobody reads any more: an error, not a signal */
	assert_int_equal(pipe(fd), 0);
	close(fd[0]);
	snprintf(path, sizeof(path), "%s/other.seal", f.dir);
	f.sink = cart_sink_pipe(fd[1], path, &f.err);
	assert_non_null(f.sink);
	fix_options(&f, "P1");
	signal(SIGPIPE, SIG_IGN);
	assert_null(cart_bundle_open(&f.o, &f.err));
	assert_int_equal(f.err.code, EPIPE);
	close(fd[1]);
	fix_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_exhibits_and_lines),
		cmocka_unit_test(exhibits_in_parts),
		cmocka_unit_test(segments_and_chunks),
		cmocka_unit_test(sync_closes_segments),
		cmocka_unit_test(names_of_exhibits),
		cmocka_unit_test(refuses_bad_options),
		cmocka_unit_test(refuses_bad_lines),
		cmocka_unit_test(gaps_make_the_state),
		cmocka_unit_test(the_end_closes_exhibits),
		cmocka_unit_test(lines_wait_two_seconds),
		cmocka_unit_test(groups_have_bounds),
		cmocka_unit_test(many_threads_write),
		cmocka_unit_test(any_failure_of_the_sink),
		cmocka_unit_test(no_new_exhibits_when_low),
		cmocka_unit_test(given_up),
		cmocka_unit_test(to_files),
		cmocka_unit_test(to_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
