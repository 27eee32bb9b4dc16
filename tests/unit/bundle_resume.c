/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/resource.h>

#include "bundle_write_fixture.h"

#define NAME "R1"

struct lines {
	uint64_t n;
	uint64_t sessions;
	bool ends;
};

static int count_line(void *arg, const struct cart_json *line,
		      struct cart_err *err)
{
	struct lines *l = arg;
	const char *type = cart_json_get_string(line, "type");
	int64_t n = 0;

	assert_int_equal(cart_json_i64(cart_json_get(line, "n"), &n), 0);
	assert_int_equal(n, ++l->n);
	if (strcmp(type, "session") == 0)
		l->sessions++;
	if (strcmp(type, "end") == 0)
		l->ends = true;
	return 0;
}

/* Goes on with what the folder holds.  NULL if it cannot. */
static struct cart_resume_point *go_on(struct fix *f, struct lines *l)
{
	struct cart_resume_point *r;
	size_t len = 0;

	memset(l, 0, sizeof(*l));
	r = cart_resume_read(f->dirfd, NAME, count_line, l, &f->err);
	if (!r)
		return NULL;
	assert_int_equal(l->n, cart_resume_lines(r));
	assert_false(l->ends);
	assert_non_null(cart_resume_member(r, "manifest.json", &len));
	assert_int_equal(len, sizeof(fix_manifest) - 1);
	assert_null(cart_resume_member(r, "none", &len));
	f->sink = cart_sink_file(f->dirfd, f->dir, NAME,
				 cart_resume_segments(r), cart_resume_offset(r),
				 &f->err);
	if (!f->sink)
		print_error("%s\n", f->err.text);
	assert_non_null(f->sink);
	fix_options(f, NAME);
	f->o.segment_bytes = CHUNK_BYTES;
	cart_json_add(f->line, "interrupted_after",
		      cart_json_new_int((int64_t)cart_resume_lines(r)));
	f->b = cart_bundle_resume(&f->o, r, &f->err);
	if (!f->b)
		print_error("%s\n", f->err.text);
	assert_non_null(f->b);
	return r;
}

/* Goes on, adds something, seals, and verifies. */
static void finish(struct fix *f, struct cart_verdict *v)
{
	struct cart_resume_point *r;
	struct lines l;

	r = go_on(f, &l);
	if (!r)
		print_error("%s\n", f->err.text);
	assert_non_null(r);
	cart_resume_free(r);
	assert_int_equal(cart_bundle_put(f->b, fix_info("more"), "more", 4,
					 NULL, &f->err), 0);
	fix_seal(f, NULL);
	fix_verify(f, NAME, f->session->public_key, v);
	assert_int_equal(v->sessions, l.sessions + 1);
	assert_int_equal(v->continued_line[l.sessions - 1], l.n + 1);
	fix_end(f);
}

/* A bundle with everything in it, given up before its end. */
static void make(struct fix *f, bool seal)
{
	struct stat st = { .st_mode = S_IFREG | 0600 };
	struct cart_file file = { .path = "/x", .path_len = 2, .st = &st,
				  .btime_ns = INT64_MIN };
	struct cart_fileset *set;
	struct cart_exhibit *e;
	unsigned char *p;
	int i;

	fix_file(f, NAME);
	f->o.segment_bytes = CHUNK_BYTES;
	fix_open(f);
	assert_int_equal(cart_bundle_put(f->b, fix_info("a"), "a", 1, NULL,
					 &f->err), 0);
	assert_int_equal(fix_note(f->b, "note", &f->err), 0);
	assert_int_equal(cart_bundle_sync(f->b, &f->err), 0);
	e = cart_exhibit_open(f->b, fix_info("image"), false, &f->err);
	set = cart_fileset_open(f->b, fix_info("files"), &f->err);
	assert_true(e && set);
	for (i = 0; i < 3; i++) {
		p = cart_exhibit_reserve(e, &f->err);
		assert_non_null(p);
		memset(p, i, 5000);
		assert_int_equal(cart_exhibit_submit(e, 5000, &f->err), 0);
		assert_int_equal(cart_fileset_add(set, &file, "x", 1, &f->err),
				 0);
		assert_int_equal(cart_fileset_list(set, &file, &f->err), 0);
		assert_int_equal(cart_bundle_sync(f->b, &f->err), 0);
	}
	if (seal)
		fix_seal(f, NULL);
	cart_exhibit_close(e, NULL, NULL, NULL, &f->err);
	cart_fileset_close(set, NULL, NULL, &f->err);
	if (!seal)
		assert_int_equal(cart_bundle_sync(f->b, &f->err), 0);
	fix_end(f);
}

/* The file as it was, to be put back for the next try. */
struct copy {
	struct cart_buf data;
};

static void keep(struct fix *f, struct copy *c)
{
	cart_buf_init(&c->data, 64 * MIB);
	assert_int_equal(cart_file_read(f->dirfd, NAME ".tar", &c->data,
					&f->err), 0);
}

static void put_back(struct fix *f, const struct copy *c, size_t len)
{
	fix_empty_folder(f);
	assert_int_equal(cart_file_write_new(f->dirfd, NAME ".tar",
					     c->data.data, len, 0600, &f->err),
			 0);
}

static void after_a_sync(void **state)
{
	struct cart_verdict v;
	struct fix f;

	fix_folder(&f);
	make(&f, false);
	finish(&f, &v);
	assert_int_equal(v.exhibits, 4);
	assert_int_equal(v.gaps, 0);		/* nothing was lost */
	/* a sealed bundle is not touched again */
	assert_null(cart_resume_read(f.dirfd, NAME, NULL, NULL, &f.err));
	assert_int_equal(f.err.class, CART_ERR_USAGE);
	fix_clear(&f);
}

/* What was cut is still named as it was begun. */
static void check_cut(struct fix *f)
{
	static const char want[] =
		"\"exhibit\":\"e000002\",\"instance\":\"step@-/-#1\","
		"\"name\":\"exhibit\",\"media\":\"application/octet-stream\","
		"\"size\":15000,\"parts\":3,";
	struct cart_buf b;

	cart_buf_init(&b, 64 * MIB);
	assert_int_equal(cart_file_read(f->dirfd, NAME ".tar", &b, &f->err), 0);
	assert_non_null(memmem(b.data, b.len, want, strlen(want)));
	cart_buf_clear(&b);
}

/* Wherever the file ends, and with bytes of the next write behind. */
static void at_any_length(void **state)
{
	struct cart_verdict v;
	struct lines l = { 0 };
	struct copy c;
	size_t len, first = 0, tries = 0;
	struct cart_resume_point *r;
	struct fix f;

	fix_folder(&f);
	make(&f, true);
	keep(&f, &c);
	for (len = 0; len < c.data.len; len += tries % 7 ? 131 : 512 - len % 512) {
		tries++;
		put_back(&f, &c, len);
		if (first == 0) {
			r = cart_resume_read(f.dirfd, NAME, count_line, &l,
					     &f.err);
			if (!r)
				continue;	/* no log part yet */
			cart_resume_free(r);
			first = len;
		}
		finish(&f, &v);
	}
	assert_true(first > 0 && first < 16384);
	put_back(&f, &c, c.data.len);	/* all but the seal */
	finish(&f, &v);
	check_cut(&f);
	assert_int_equal(v.gaps, 2);	/* the open image and file set */
	cart_buf_clear(&c.data);
	fix_clear(&f);
}

/* What the disk kept may be garbage: it counts for nothing. */
static void with_garbage_behind(void **state)
{
	static const size_t lengths[] = { 1, 511, 512, 513, 1024, 4096, 100000 };
	struct cart_verdict v;
	struct copy c;
	struct fix f;
	size_t i;
	int kind, fd;
	void *junk = calloc(1, 100000);

	assert_non_null(junk);
	fix_folder(&f);
	make(&f, false);
	keep(&f, &c);
	for (kind = 0; kind < 2; kind++) {
		for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			put_back(&f, &c, c.data.len);
			fd = openat(f.dirfd, NAME ".tar", O_WRONLY | O_APPEND);
			assert_true(fd >= 0);
			assert_int_equal(cart_fd_write(fd, junk, lengths[i],
						       &f.err), 0);
			close(fd);
			finish(&f, &v);
			assert_int_equal(v.gaps, 1);
		}
		cart_random(junk, 100000);
	}
	free(junk);
	cart_buf_clear(&c.data);
	fix_clear(&f);
}

/* Every byte behind the first log part is changed in turn: what counts ends
 * before it, and the result is always a valid bundle. */
static void with_a_changed_byte(void **state)
{
	struct cart_verdict v;
	struct copy c;
	size_t i;
	struct fix f;

	fix_folder(&f);
	make(&f, false);
	keep(&f, &c);
	for (i = 15000; i < c.data.len; i += 211) {
		c.data.data[i] ^= 1;
		put_back(&f, &c, c.data.len);
		finish(&f, &v);
		c.data.data[i] ^= 1;
	}
	cart_buf_clear(&c.data);
	fix_clear(&f);
}

static int flip(int fd, off_t at)
{
	unsigned char c;

	if (pread(fd, &c, 1, at) != 1)
		return -1;
	c ^= 1;
	return pwrite(fd, &c, 1, at) == 1 ? 0 : -1;
}

/* Much behind the bad byte is damage, not a crash: nothing is cut. */
static void damage_in_the_middle(void **state)
{
	struct fix f;
	int fd;

	fix_folder(&f);
	make(&f, false);
	fd = openat(f.dirfd, NAME ".tar", O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 300 << 20), 0);
	close(fd);
	assert_null(cart_resume_read(f.dirfd, NAME, NULL, NULL, &f.err));
	assert_int_equal(f.err.class, CART_ERR_INPUT);
	assert_non_null(strstr(f.err.text, "damaged at byte"));
	fix_clear(&f);
}

/* Nor for damage in a segment that was closed, however little is behind. */
static void damage_in_a_closed_segment(void **state)
{
	struct cart_exhibit *e;
	struct cart_verdict v;
	unsigned char *p;
	struct fix f;
	int fd, i;

	fix_folder(&f);
	fix_file(&f, NAME);
	f.o.segment_bytes = CHUNK_BYTES;
	fix_open(&f);
	for (i = 0; i < 2; i++) {
		e = cart_exhibit_open(f.b, fix_info("image"), false, &f.err);
		assert_non_null(e);
		p = cart_exhibit_reserve(e, &f.err);
		assert_non_null(p);
		cart_random(p, 6 * MIB);
		assert_int_equal(cart_exhibit_submit(e, 6 * MIB, &f.err), 0);
		assert_int_equal(cart_exhibit_close(e, NULL, NULL, NULL,
						    &f.err), 0);
		assert_int_equal(cart_bundle_sync(f.b, &f.err), 0);
	}
	fix_end(&f);
	fd = openat(f.dirfd, NAME ".tar", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flip(fd, MIB), 0);
	assert_null(cart_resume_read(f.dirfd, NAME, NULL, NULL, &f.err));
	assert_int_equal(f.err.class, CART_ERR_INPUT);
	assert_non_null(strstr(f.err.text, NAME ".tar: damaged"));
	assert_int_equal(faccessat(f.dirfd, NAME ".tar.002", F_OK, 0), 0);
	/* put right, it goes on */
	assert_int_equal(flip(fd, MIB), 0);
	close(fd);
	finish(&f, &v);
	fix_clear(&f);
}

static int add_until_failure(struct fix *f)
{
	struct cart_exhibit *e;
	unsigned char *p;
	int i;

	for (i = 0; i < 100; i++) {
		if (cart_bundle_put(f->b, fix_info("a"), "a", 1, NULL,
				    &f->err) < 0)
			return -1;
		e = cart_exhibit_open(f->b, fix_info("image"), false, &f->err);
		if (!e)
			return -1;
		p = cart_exhibit_reserve(e, &f->err);
		if (p) {
			cart_random(p, 100000);
			cart_exhibit_submit(e, 100000, &f->err);
		}
		if (cart_exhibit_close(e, NULL, NULL, NULL, &f->err) < 0 ||
		    (i % 3 == 0 && cart_bundle_sync(f->b, &f->err) < 0))
			return -1;
	}
	return cart_bundle_seal(f->b, false, NULL, NULL, &f->err);
}

/* The disk is full at many places, also while it seals; then there is room. */
static void after_a_full_disk(void **state)
{
	struct rlimit all, few;
	struct cart_verdict v;
	rlim_t limit;
	struct fix f;
	int rc, full = 0;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	fix_folder(&f);
	for (limit = 20000; limit < 11000000; limit += 377771) {
		fix_empty_folder(&f);
		fix_file(&f, NAME);
		fix_open(&f);
		few = (struct rlimit){ limit, all.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
		rc = add_until_failure(&f);
		if (rc < 0) {
			full++;
			assert_int_equal(f.err.code, EFBIG);
			assert_int_equal(cart_bundle_seal(f.b, false, NULL,
							  NULL, &f.err), -1);
		}
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
		fix_end(&f);
		if (rc < 0)
			finish(&f, &v);
	}
	assert_true(full > 10);
	fix_clear(&f);
}

static int no_write(struct cart_sink *s, const void *data, size_t len,
		    struct cart_err *err)
{
	return cart_err_errno(err, EIO, "the end");
}

/* More than one interruption, and segments in between. */
static void again_and_again(void **state)
{
	struct cart_resume_point *r;
	struct cart_verdict v;
	struct cart_exhibit *e;
	unsigned char *p;
	struct lines l;
	struct fix f;
	int i, k;

	fix_folder(&f);
	make(&f, false);
	for (i = 0; i < 4; i++) {
		r = go_on(&f, &l);
		assert_non_null(r);
		cart_resume_free(r);
		e = cart_exhibit_open(f.b, fix_info("image"), false, &f.err);
		assert_non_null(e);
		for (k = 0; k < 2; k++) {
			p = cart_exhibit_reserve(e, &f.err);
			assert_non_null(p);
			cart_random(p, 5 * MIB);
			assert_int_equal(cart_exhibit_submit(e, 5 * MIB,
							     &f.err), 0);
			if (i & 1)
				assert_int_equal(cart_bundle_sync(f.b, &f.err),
						 0);
		}
		/* from here on nothing reaches the file any more */
		f.sink->write = no_write;
		cart_exhibit_close(e, NULL, NULL, NULL, &f.err);
		fix_end(&f);
	}
	finish(&f, &v);
	assert_int_equal(v.sessions, 6);
	fix_clear(&f);
}

static void keys_must_agree(void **state)
{
	struct cart_resume_point *r;
	struct cart_signer *examiner, *other;
	struct cart_verdict v;
	struct lines l;
	struct fix f;

	fix_folder(&f);
	fix_file(&f, NAME);
	examiner = cart_signer_session(&f.err);
	other = cart_signer_session(&f.err);
	assert_true(examiner && other);
	f.o.examiner = examiner;
	fix_open(&f);
	fix_end(&f);
	memset(&l, 0, sizeof(l));
	r = cart_resume_read(f.dirfd, NAME, count_line, &l, &f.err);
	assert_non_null(r);
	f.sink = cart_sink_file(f.dirfd, f.dir, NAME, cart_resume_segments(r),
				cart_resume_offset(r), &f.err);
	assert_non_null(f.sink);
	fix_options(&f, NAME);
	assert_null(cart_bundle_resume(&f.o, r, &f.err));
	assert_int_equal(f.err.class, CART_ERR_USAGE);
	f.o.examiner = other;
	assert_null(cart_bundle_resume(&f.o, r, &f.err));
	f.o.examiner = examiner;
	f.b = cart_bundle_resume(&f.o, r, &f.err);
	assert_non_null(f.b);
	cart_resume_free(r);
	fix_seal(&f, NULL);
	fix_verify(&f, NAME, examiner->public_key, &v);
	assert_string_equal(v.signer_kind, "examiner");
	cart_signer_free(examiner);
	cart_signer_free(other);
	fix_clear(&f);
}

static void nothing_to_go_on_with(void **state)
{
	struct fix f;

	fix_folder(&f);
	assert_null(cart_resume_read(f.dirfd, NAME, NULL, NULL, &f.err));
	assert_int_equal(f.err.code, ENOENT);
	assert_null(cart_resume_read(f.dirfd, "../x", NULL, NULL, &f.err));
	assert_int_equal(symlinkat("/etc/passwd", f.dirfd, NAME ".tar"), 0);
	assert_null(cart_resume_read(f.dirfd, NAME, NULL, NULL, &f.err));
	fix_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_sync),
		cmocka_unit_test(at_any_length),
		cmocka_unit_test(with_garbage_behind),
		cmocka_unit_test(with_a_changed_byte),
		cmocka_unit_test(damage_in_the_middle),
		cmocka_unit_test(damage_in_a_closed_segment),
		cmocka_unit_test(after_a_full_disk),
		cmocka_unit_test(again_and_again),
		cmocka_unit_test(keys_must_agree),
		cmocka_unit_test(nothing_to_go_on_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
