/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying with several chunks and threads, and extracting. */
#include "bundle_write_fixture.h"

#include <ftw.h>

#define NAME "B1"
#define PARTS 4
#define CHUNK ((size_t)8 << 20)

static char out_dir[80];

static void fill(unsigned char *p, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1103515245u + 12345u;
		p[i] = (unsigned char)(seed >> 16);
	}
}

/* An image of 4 parts, the second all zeros, that does not shrink. */
static void add_image(struct fix *f)
{
	struct cart_exhibit_info info = *fix_info("image");
	struct cart_exhibit *e;
	unsigned char *p;
	int i;

	info.name = "/dev/../sd a";
	e = cart_exhibit_open(f->b, &info, true, &f->err);
	assert_non_null(e);
	for (i = 0; i < PARTS; i++) {
		p = cart_exhibit_reserve(e, &f->err);
		assert_non_null(p);
		if (i == 1)
			memset(p, 0, CART_PART_SIZE);
		else
			fill(p, CART_PART_SIZE, (unsigned)i);
		assert_int_equal(cart_exhibit_submit(e, CART_PART_SIZE,
						     &f->err), 0);
	}
	assert_int_equal(cart_exhibit_close(e, NULL, NULL, NULL, &f->err), 0);
}

static const char *const odd[] = {
	"/a/b", "/a/c", "/[root]/e", "/new\nline", "/\xff\xfe", "/-rf",
	"/%2E%2E/f", "/...", NULL
};

static void add_files(struct fix *f)
{
	struct stat st = { .st_mode = S_IFREG | 0600,
			   .st_mtim = { 1600000000, 7 } };
	struct cart_file file = { .st = &st, .btime_ns = INT64_MIN };
	struct cart_exhibit_info info = *fix_info("set");
	struct cart_fileset *set;
	size_t i;

	info.name = "files";
	set = cart_fileset_open(f->b, &info, &f->err);
	assert_non_null(set);
	for (i = 0; odd[i]; i++) {
		file.path = odd[i];
		file.path_len = strlen(odd[i]);
		assert_int_equal(cart_fileset_add(set, &file, odd[i],
						  file.path_len, &f->err), 0);
	}
	st.st_mode = S_IFLNK | 0777;
	file.path = "/link";
	file.path_len = 5;
	file.state = "listed";
	file.target = "/etc/passwd";
	file.target_len = 11;
	assert_int_equal(cart_fileset_list(set, &file, &f->err), 0);
	assert_int_equal(cart_fileset_close(set, NULL, NULL, &f->err), 0);
}

static void make(struct fix *f)
{
	fix_folder(f);
	fix_file(f, NAME);
	fix_open(f);
	assert_int_equal(cart_bundle_put(f->b, fix_info("plain.json"), "{}", 2,
					 NULL, &f->err), 0);
	add_image(f);
	add_files(f);
	fix_seal(f, NULL);
	snprintf(out_dir, sizeof(out_dir), "%s.out", f->dir);
}

static struct cart_verify_options options(struct fix *f)
{
	return (struct cart_verify_options){ .bundle = f->dir,
		.keys = &f->session->public_key, .n_keys = 1 };
}

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *at)
{
	return remove(path);
}

static void remove_out(void)
{
	nftw(out_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void flip(struct fix *f, uint64_t offset)
{
	int fd = openat(f->dirfd, NAME ".tar", O_RDWR | O_CLOEXEC);
	unsigned char c;

	assert_int_equal(pread(fd, &c, 1, (off_t)offset), 1);
	c ^= 4;
	assert_int_equal(pwrite(fd, &c, 1, (off_t)offset), 1);
	close(fd);
}

/* --- verify --- */

static void progress(void *arg, uint64_t done, uint64_t total)
{
	uint64_t *last = arg;

	assert_true(done >= *last && done <= total);
	*last = done;
}

static void test_threads(void **state)
{
	struct fix f;
	struct cart_verify_options o;
	struct cart_verdict v;
	uint64_t done = 0;
	unsigned n;

	make(&f);
	o = options(&f);
	o.progress = progress;
	o.progress_arg = &done;
	for (n = 1; n <= 5; n++) {
		o.threads = n;
		done = 0;
		assert_int_equal(cart_verify(&o, &v, &f.err), 0);
		assert_int_equal(v.kind, CART_VERDICT_VALID);
		assert_true(v.bytes_intact && v.signed_ok && v.inner_ok);
		assert_int_equal(v.exhibits, 3);
		assert_true(done > 3 * CHUNK && done == v.bytes_parsed);
	}
	fix_clear(&f);
}

static void verify_pipe(struct fix *f, struct cart_verdict *v)
{
	struct cart_verify_options o = options(f);
	char seal[96];
	int fd = openat(f->dirfd, NAME ".tar", O_RDONLY | O_CLOEXEC);
	int old = dup(STDIN_FILENO);

	snprintf(seal, sizeof(seal), "%s/" NAME ".seal", f->dir);
	o.bundle = "-";
	o.seal_path = seal;
	assert_true(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	assert_int_equal(cart_verify(&o, v, &f->err), 0);
	dup2(old, STDIN_FILENO);
	close(old);
	close(fd);
}

static void test_bad_chunk(void **state)
{
	struct fix f;
	struct cart_verify_options o;
	struct cart_verdict v;
	uint64_t chunk;

	make(&f);
	o = options(&f);
	verify_pipe(&f, &v);
	assert_int_equal(v.kind, CART_VERDICT_VALID);
	for (chunk = 0; chunk < 3; chunk++) {
		flip(&f, chunk * CHUNK + 4711);
		verify_pipe(&f, &v);
		assert_int_equal(v.kind, CART_VERDICT_INVALID);
		assert_string_equal(v.rule, "F22");
		assert_int_equal(v.bytes_parsed, chunk * CHUNK);
		assert_int_equal(cart_verify(&o, &v, &f.err), 0);
		assert_int_equal(v.kind, CART_VERDICT_INVALID);
		assert_int_equal(v.bytes_parsed, chunk * CHUNK);
		flip(&f, chunk * CHUNK + 4711);
	}
	fix_clear(&f);
}

static void test_no_bundle(void **state)
{
	struct cart_verify_options o = { .bundle = "/nowhere/x.tar" };
	struct cart_verdict v;
	struct cart_err err;

	assert_int_equal(cart_verify(&o, &v, &err), -1);
	assert_int_equal(err.class, CART_ERR_SYSTEM);
	o.bundle = "-";
	assert_int_equal(cart_verify(&o, &v, &err), -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	o.bundle = "/dev";
	assert_int_equal(cart_verify(&o, &v, &err), -1);
}

/* --- extract --- */

static int extract(struct fix *f, const char *const *exhibits, bool as_stored,
		   struct cart_verdict *v)
{
	struct cart_extract_options o = { .verify = options(f),
		.out = out_dir, .exhibits = exhibits,
		.as_stored = as_stored };

	return cart_extract(&o, v, &f->err);
}

static void check_file(const char *name, const void *want, size_t len)
{
	char path[256];
	struct cart_buf b;
	struct cart_err err;

	snprintf(path, sizeof(path), "%s/%s", out_dir, name);
	cart_buf_init(&b, 64 * MIB);
	assert_int_equal(cart_file_read(AT_FDCWD, path, &b, &err), 0);
	assert_int_equal(b.len, len);
	assert_memory_equal(b.data ? (const char *)b.data : "", want, len);
	cart_buf_clear(&b);
}

static void check_image(void)
{
	unsigned char *want = calloc(PARTS, CART_PART_SIZE);
	char path[256];
	struct stat st;
	unsigned i;

	assert_non_null(want);
	for (i = 0; i < PARTS; i++)
		if (i != 1)
			fill(want + i * CART_PART_SIZE, CART_PART_SIZE, i);
	check_file("e000002-sd-a", want, PARTS * CART_PART_SIZE);
	free(want);
	snprintf(path, sizeof(path), "%s/e000002-sd-a", out_dir);
	assert_int_equal(stat(path, &st), 0);
	/* zeros take no room */
	assert_true((uint64_t)st.st_blocks * 512 <= 3 * CART_PART_SIZE + 4096);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_extract(void **state)
{
	struct fix f;
	struct cart_verdict v;
	char path[256];
	struct stat st;
	unsigned i;

	make(&f);
	assert_int_equal(extract(&f, NULL, false, &v), 0);
	assert_int_equal(v.kind, CART_VERDICT_VALID);
	check_file("e000001-plain.json", "{}", 2);
	check_image();
	for (i = 0; odd[i]; i++) {
		snprintf(path, sizeof(path), "e000003-files%s", odd[i]);
		check_file(path, odd[i], strlen(odd[i]));
	}
	snprintf(path, sizeof(path), "%s/e000003-files/a/b", out_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1600000000);
	assert_int_equal(st.st_mtim.tv_nsec, 7);
	snprintf(path, sizeof(path), "%s/e000003-files/link", out_dir);
	assert_int_equal(lstat(path, &st), -1);
	/* never into a folder that is there */
	assert_int_equal(extract(&f, NULL, false, &v), -1);
	remove_out();
	fix_clear(&f);
}

static void test_extract_some(void **state)
{
	const char *const some[] = { "e000002", NULL };
	struct fix f;
	struct cart_verdict v;
	char path[256];

	make(&f);
	assert_int_equal(extract(&f, some, false, &v), 0);
	check_image();
	snprintf(path, sizeof(path), "%s/e000001-plain.json", out_dir);
	assert_int_equal(access(path, F_OK), -1);
	remove_out();
	fix_clear(&f);
}

static void test_as_stored(void **state)
{
	struct fix f;
	struct cart_verify_options o;
	struct cart_verdict v;

	make(&f);
	assert_int_equal(extract(&f, NULL, true, &v), 0);
	o = options(&f);
	o.bundle = out_dir;
	assert_int_equal(cart_verify(&o, &v, &f.err), 0);
	assert_int_equal(v.kind, CART_VERDICT_VALID);
	assert_true(v.extracted);
	remove_out();
	fix_clear(&f);
}

/* What comes before a bad chunk is written; the verdict says so. */
static void test_extract_bad(void **state)
{
	struct fix f;
	struct cart_verdict v;

	make(&f);
	flip(&f, 2 * CHUNK + 99);
	assert_int_equal(extract(&f, NULL, false, &v), 0);
	assert_int_equal(v.kind, CART_VERDICT_INVALID);
	check_file("e000001-plain.json", "{}", 2);
	remove_out();
	fix_clear(&f);
}

/* F9: a bundle of so many members would take minutes. */
static void test_limits(void **state)
{
	static const char *const before[] = { "bagit.txt", "VERIFY.txt",
		"manifest.json", "plan.json", "keys/session-1.pub" };
	struct cart_walk_member m = { .path = "data/e000001-a" };
	struct cart_err err = { 0 };
	struct cart_crew crew;
	struct cart_bag b;
	size_t i;

	assert_int_equal(cart_crew_start(&crew, 1, &err), 0);
	cart_bag_init(&b, &crew);
	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		assert_int_equal(cart_bag_begin(&b, &(struct cart_walk_member){
			.path = before[i] }, &err), 0);
	b.payload = PAYLOAD_MAX - 1;
	assert_int_equal(cart_bag_begin(&b, &m, &err), 0);
	m.path = "data/e000002-a";
	assert_int_equal(cart_bag_begin(&b, &m, &err), -1);
	assert_int_equal(cart_rule_number(&err), 9);
	b.payload = 1;
	b.members = BAG_MEMBERS_MAX;
	m.path = "data/e000003-a";
	assert_int_equal(cart_bag_begin(&b, &m, &err), -1);
	assert_int_equal(cart_rule_number(&err), 9);
	assert_non_null(strstr(err.text, "400000"));
	b.members = 7;
	assert_int_equal(cart_bag_begin(&b, &m, &err), 0);
	cart_bag_settle(&b);
	cart_bag_clear(&b);
	cart_crew_stop(&crew);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_bad_chunk),
		cmocka_unit_test(test_no_bundle),
		cmocka_unit_test(test_extract),
		cmocka_unit_test(test_extract_some),
		cmocka_unit_test(test_as_stored),
		cmocka_unit_test(test_extract_bad),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
