/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <sys/sysmacros.h>

#include "bundle_write_fixture.h"

static struct stat file_stat(mode_t mode)
{
	struct stat st = { .st_mode = mode, .st_uid = 1000, .st_gid = 100,
			   .st_ino = UINT64_MAX, .st_nlink = 1,
			   .st_dev = makedev(8, 1) };

	st.st_mtim.tv_sec = 1700000000;
	st.st_mtim.tv_nsec = 123456789;
	return st;
}

static struct cart_file file_of(const char *path, const struct stat *st)
{
	return (struct cart_file){ .path = path, .path_len = strlen(path),
				   .st = st, .btime_ns = INT64_MIN };
}

static struct cart_fileset *open_set(struct fix *f)
{
	struct cart_fileset *set;

	fix_memory(f, "B1");
	fix_open(f);
	set = cart_fileset_open(f->b, fix_info("files"), &f->err);
	assert_non_null(set);
	return set;
}

/* Seals, checks, and gives part 1, inflated. */
static void end_set(struct fix *f, struct cart_fileset *set, struct seen *s,
		    struct cart_buf *part)
{
	assert_int_equal(cart_fileset_close(set, NULL, NULL, &f->err), 0);
	fix_seal(f, NULL);
	seen_init(s, "data/e000001/00000001.tar.zst");
	seen_stream(s, f->mem->data, f->mem->len);
	cart_buf_init(part, CART_PART_SIZE);
	if (s->data.len)
		assert_int_equal(cart_zstd_decompress(s->data.data, s->data.len,
						      NULL, 0, part, &f->err),
				 0);
}

static void clear_set(struct fix *f, struct seen *s, struct cart_buf *part)
{
	cart_buf_clear(part);
	seen_clear(s);
	fix_clear(f);
}

/* The line of a file: what follows its path. */
static const char *line_of(const struct seen *s, const char *path)
{
	char want[256];
	const char *p;

	snprintf(want, sizeof(want), "\"path\":\"%s\",", path);
	p = strstr((char *)s->lines.data, want);
	assert_non_null(p);
	return p;
}

static uint64_t number_in(const char *line, const char *key)
{
	char want[64];
	const char *p, *lf = strchr(line, '\n');

	snprintf(want, sizeof(want), "\"%s\":", key);
	p = strstr(line, want);
	assert_true(p && lf && p < lf);
	return strtoull(p + strlen(want), NULL, 10);
}

static void files_and_their_lines(void **state)
{
	static const char *const paths[] = { "/plain", "/a/deep/file",
		"/Gr\xc3\xb6\xc3\x9f", "/Gro\xcc\x88sse" };
	struct stat st = file_stat(S_IFREG | 04755);
	struct cart_fileset *set;
	struct cart_buf part;
	char content[64];
	struct seen s;
	struct fix f;
	size_t i;

	set = open_set(&f);
	assert_string_equal(cart_fileset_id(set), "e000001");
	for (i = 0; i < 4; i++) {
		struct cart_file file = file_of(paths[i], &st);

		snprintf(content, sizeof(content), "content of %zu", i);
		assert_int_equal(cart_fileset_add(set, &file, content,
						  strlen(content), &f.err), 0);
	}
	end_set(&f, set, &s, &part);
	for (i = 0; i < 4; i++) {
		const char *line = line_of(&s, paths[i]);
		uint64_t at = number_in(line, "offset");

		assert_int_equal(number_in(line, "part"), 1);
		snprintf(content, sizeof(content), "content of %zu", i);
		assert_int_equal(number_in(line, "size"), strlen(content));
		assert_true(at + strlen(content) <= part.len);
		assert_memory_equal(part.data + at, content, strlen(content));
	}
	assert_true(seen_line(&s, "\"mode\":\"4755\",\"uid\":1000,\"gid\":100,"
				  "\"mtime\":\"2023-11-14T22:13:20.123456789Z\""));
	assert_true(seen_line(&s, "\"ino\":\"18446744073709551615\","
				  "\"dev\":\"8:1\",\"nlink\":1"));
	assert_true(seen_line(&s, "\"parts\":1,\"files\":4,"));
	/* names that are UTF-8 are not said to be unknown bytes */
	assert_null(memmem(part.data, part.len, "hdrcharset", 10));
	assert_non_null(memmem(part.data, part.len, "[root]/a/deep/file", 18));
	assert_int_equal(part.len % 512, 0);
	clear_set(&f, &s, &part);
}

static void hostile_names(void **state)
{
	struct stat st = file_stat(S_IFREG | 0600);
	char *path = malloc(40000);
	struct cart_fileset *set;
	struct cart_file file;
	struct cart_buf part;
	struct seen s;
	struct fix f;

	assert_non_null(path);
	set = open_set(&f);
	file = file_of("/bad\xff\xfename", &st);
	assert_int_equal(cart_fileset_add(set, &file, "1", 1, &f.err), 0);
	file = file_of("/new\nline\x01\x1b[2J", &st);
	assert_int_equal(cart_fileset_add(set, &file, "2", 1, &f.err), 0);
	/* all of it escaped six-fold still fits into a line */
	memset(path, '\x01', 40000);
	path[0] = '/';
	file.path = path;
	file.path_len = 32768;
	assert_int_equal(cart_fileset_add(set, &file, "3", 1, &f.err), 0);
	memset(path + 1, '\xff', 39999);
	assert_int_equal(cart_fileset_list(set, &file, &f.err), 0);
	file.path_len = 32769;
	assert_int_equal(cart_fileset_add(set, &file, "4", 1, &f.err), -1);
	assert_int_equal(f.err.class, CART_ERR_LIMIT);
	file = file_of("/a/../../x", &st);
	assert_int_equal(cart_fileset_add(set, &file, "4", 1, &f.err), -1);
	file = file_of("relative", &st);
	assert_int_equal(cart_fileset_list(set, &file, &f.err), -1);
	file = file_of("/..fine..", &st);
	assert_int_equal(cart_fileset_add(set, &file, "5", 1, &f.err), 0);
	end_set(&f, set, &s, &part);
	assert_true(seen_line(&s, "\"path_b64\":\"L2JhZP/+bmFtZQ==\""));
	assert_true(seen_line(&s, "\"path\":\"/new\\nline\\u0001\\u001b[2J\""));
	assert_non_null(memmem(part.data, part.len, "[root]/bad\xff\xfename",
			       16));
	assert_true(seen_line(&s, "\"files\":4,"));
	free(path);
	clear_set(&f, &s, &part);
}

static void what_is_only_listed(void **state)
{
	struct stat st = file_stat(S_IFLNK | 0777);
	struct cart_fileset *set;
	struct cart_file file;
	struct cart_buf part;
	struct seen s;
	struct fix f;

	set = open_set(&f);
	file = file_of("/link", &st);
	file.target = "to\xff";
	file.target_len = 3;
	file.state = "listed";
	assert_int_equal(cart_fileset_list(set, &file, &f.err), 0);
	st = file_stat(S_IFREG | 0644);
	/* values that a number of the log cannot hold go to the note */
	st.st_size = INT64_MAX;
	st.st_mtim.tv_sec = INT64_MAX;
	st.st_ctim.tv_sec = INT64_MIN;
	file = file_of("/huge", &st);
	file.state = "unreadable";
	file.note = "permission denied";
	assert_int_equal(cart_fileset_list(set, &file, &f.err), 0);
	st = file_stat(S_IFREG | 0644);
	file = file_of("/own", &st);
	file.in = "e000002";
	file.btime_ns = 0;
	assert_int_equal(cart_fileset_list(set, &file, &f.err), 0);
	end_set(&f, set, &s, &part);
	assert_int_equal(part.len, 0);		/* no part at all */
	assert_true(seen_line(&s, "\"kind\":\"link\""));
	assert_true(seen_line(&s, "\"target_b64\":\"dG//\""));
	assert_true(seen_line(&s, "size is 9223372036854775807; mtime is "
				  "9223372036854775807 s after 1970"));
	assert_true(seen_line(&s, "\"btime\":\"1970-01-01T00:00:00."));
	assert_true(seen_line(&s, "\"in\":\"e000002\""));
	assert_true(seen_line(&s, "\"parts\":0,\"files\":0,"));
	clear_set(&f, &s, &part);
}

/* Parts end where the next file does not fit; the largest file fits. */
static void parts_have_bounds(void **state)
{
	struct stat st = file_stat(S_IFREG | 0644);
	unsigned char *data = malloc(CART_PART_SIZE / 2);
	struct cart_fileset *set;
	struct cart_file file;
	struct cart_buf part;
	char path[64];
	struct seen s;
	struct fix f;
	int i;

	assert_non_null(data);
	cart_random(data, CART_PART_SIZE / 2);
	set = open_set(&f);
	for (i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "/large/%d", i);
		file = file_of(path, &st);
		assert_int_equal(cart_fileset_add(set, &file, data,
						  CART_PART_SIZE / 2 - (size_t)i,
						  &f.err), 0);
	}
	assert_int_equal(cart_fileset_add(set, &file, data,
					  CART_PART_SIZE / 2 + 1, &f.err), -1);
	end_set(&f, set, &s, &part);
	assert_true(seen_line(&s, "\"parts\":5,\"files\":5,"));
	free(data);
	clear_set(&f, &s, &part);
}

/* Many lines a part: they spread over log parts behind the part's own. */
static void many_small_files(void **state)
{
	struct stat st = file_stat(S_IFREG | 0644);
	struct cart_fileset *set;
	struct cart_file file;
	struct cart_buf part;
	char path[64];
	struct seen s;
	struct fix f;
	int i;

	set = open_set(&f);
	for (i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/small/%d", i);
		file = file_of(path, &st);
		assert_int_equal(cart_fileset_add(set, &file, path,
						  (size_t)i % 20, &f.err), 0);
	}
	end_set(&f, set, &s, &part);
	assert_true(seen_line(&s, "\"files\":20000,"));
	clear_set(&f, &s, &part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_their_lines),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(what_is_only_listed),
		cmocka_unit_test(parts_have_bounds),
		cmocka_unit_test(many_small_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
