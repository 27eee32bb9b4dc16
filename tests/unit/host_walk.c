/* SPDX-License-Identifier: Apache-2.0 */
/* The walker over a folder that holds what a hostile host may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <crashcart/host_walk.h>

static char top[512];

struct seen {
	char paths[64][1200];
	size_t n, entries;
	unsigned problems[8];
};

static int on_entry(void *arg, const struct cart_walk_entry *e,
		    struct cart_err *err)
{
	struct seen *s = arg;

	(void)err;
	assert_int_equal(strlen(e->path), e->path_len);
	s->entries++;
	if (s->n < 64)
		snprintf(s->paths[s->n++], sizeof(s->paths[0]), "%.1199s",
			 e->path + (strncmp(e->path, top, strlen(top)) == 0 ?
				    strlen(top) : 0));
	return 0;
}

static void on_problem(void *arg, enum cart_walk_problem what, int code,
		       const char *path, size_t len)
{
	(void)code;
	(void)path;
	(void)len;
	((struct seen *)arg)->problems[what]++;
}

static struct seen *walk(const char *const *patterns, size_t n,
			 const char *exclude, bool cross)
{
	static struct seen seen;
	const struct cart_walk_calls calls = { on_entry, on_problem, &seen };
	char text[8][600], ex[600];
	const char *list[8], *exlist[1] = { ex };
	struct cart_walk_options o = { .patterns = list, .n_patterns = n,
				       .cross = cross };
	struct cart_err err = { 0 };
	size_t i;

	memset(&seen, 0, sizeof(seen));
	for (i = 0; i < n; i++) {
		snprintf(text[i], sizeof(text[i]), "%s%s", top, patterns[i]);
		list[i] = text[i];
	}
	if (exclude != NULL) {
		snprintf(ex, sizeof(ex), "%s%s", top, exclude);
		o.exclude = exlist;
		o.n_exclude = 1;
	}
	assert_int_equal(cart_walk(&o, &calls, &err), 0);
	return &seen;
}

static bool has(const struct seen *s, const char *path)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->paths[i], path) == 0)
			return true;
	return false;
}

static void make(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void links_and_excludes(void **state)
{
	static const char *const all[] = { "/t/**" };
	struct seen *s;

	(void)state;
	assert_int_equal(mkdir("t", 0700), 0);
	assert_int_equal(mkdir("t/d", 0700), 0);
	assert_int_equal(mkdir("t/x", 0700), 0);
	make("t/d/a\nb");
	make("t/d/\xff\xfe");
	make("t/x/inside");
	assert_int_equal(symlink("/etc", "t/link"), 0);
	assert_int_equal(symlink("link", "t/self"), 0);
	assert_int_equal(mkfifo("t/fifo", 0600), 0);
	s = walk(all, 1, "/t/x", false);
	assert_true(has(s, "/t/d/a\nb"));
	assert_true(has(s, "/t/d/\xff\xfe"));
	assert_true(has(s, "/t/link"));
	assert_true(has(s, "/t/fifo"));
	assert_false(has(s, "/t/x"));
	assert_int_equal(s->n, 6);		/* d, its two, link, self, fifo */
	/* a start below what is excluded */
	{
		static const char *const inner[] = { "/t/x/**" };

		assert_int_equal(walk(inner, 1, "/t/x", false)->n, 0);
		assert_int_equal(walk(inner, 1, NULL, false)->n, 1);
	}
}

static void starts(void **state)
{
	static const char *const covered[] = { "/t/**", "/t/d/**", "/t/d/*" };
	static const char *const absent[] = { "/none/**" };
	static const char *const one[] = { "/t/x/inside" };
	static const char *const behind[] = { "/t/*", "/lx/**" };
	struct seen *s;

	(void)state;
	assert_int_equal(walk(covered, 3, NULL, false)->n, 8);
	assert_int_equal(walk(absent, 1, NULL, false)->problems[CART_WALK_ABSENT],
			 1);
	assert_true(has(walk(one, 1, NULL, false), "/t/x/inside"));
	/* root's own link may be a start; a user's may not */
	assert_int_equal(symlink("t/x", "lx"), 0);
	if (geteuid() == 0) {
		assert_true(has(walk(behind, 2, NULL, false), "/lx/inside"));
		assert_int_equal(lchown("lx", 12345, 12345), 0);
	}
	s = walk(behind, 2, NULL, false);
	assert_false(has(s, "/lx/inside"));
	assert_int_equal(s->problems[CART_WALK_FAILED], 1);
}

static void many_and_deep(void **state)
{
	static const char *const many[] = { "/many/*" };
	static const char *const deep[] = { "/deep/**" };
	struct seen *s;
	char name[32];
	int i;

	(void)state;
	assert_int_equal(mkdir("many", 0700), 0);
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		make(name);
	}
	assert_int_equal(walk(many, 1, NULL, false)->entries, 5000);
	assert_int_equal(mkdir("deep", 0700), 0);
	assert_int_equal(chdir("deep"), 0);
	for (i = 0; i < 300; i++) {
		assert_int_equal(mkdir("d", 0700), 0);
		assert_int_equal(chdir("d"), 0);
	}
	assert_int_equal(chdir(top), 0);
	s = walk(deep, 1, NULL, false);
	assert_int_equal(s->problems[CART_WALK_DEPTH], 1);
	assert_int_equal(s->entries, 256);
}

static void mounts(void **state)
{
	static const char *const all[] = { "/m/**" };
	static const char *const named[] = { "/m/tmpfs/**" };
	struct seen *s;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir("m", 0700), 0);
	assert_int_equal(mkdir("m/tmpfs", 0700), 0);
	assert_int_equal(mkdir("m/proc", 0700), 0);
	if (mount("none", "m/tmpfs", "tmpfs", 0, "size=64k") < 0)
		skip();
	make("m/tmpfs/f");
	if (mount("/proc", "m/proc", NULL, MS_BIND, NULL) < 0) {
		umount("m/tmpfs");
		skip();
	}
	s = walk(all, 1, NULL, false);
	assert_int_equal(s->entries, 2);
	assert_int_equal(s->problems[CART_WALK_MOUNT], 1);
	assert_int_equal(s->problems[CART_WALK_PSEUDO], 1);
	s = walk(all, 1, NULL, true);
	assert_true(has(s, "/m/tmpfs/f"));
	assert_int_equal(s->entries, 3);
	assert_int_equal(s->problems[CART_WALK_PSEUDO], 1);
	assert_true(has(walk(named, 1, NULL, false), "/m/tmpfs/f"));
	assert_int_equal(umount("m/proc"), 0);
	assert_int_equal(umount("m/tmpfs"), 0);
}

static void replaced(void **state)
{
	struct cart_walk_entry e = { .dirfd = AT_FDCWD, .name = "r" };
	struct cart_err err = { 0 };
	struct stat st;
	int64_t birth;
	int fd;

	(void)state;
	make("r");
	assert_int_equal(lstat("r", &e.st), 0);
	fd = cart_walk_open(&e, &st, &err);
	assert_true(fd >= 0);
	birth = cart_walk_birth_ns(fd);
	assert_true(birth == INT64_MIN ||
		    (birth / 1000000000 <= time(NULL) + 1 &&
		     birth / 1000000000 > time(NULL) - 600));
	close(fd);
	make("other");
	assert_int_equal(rename("other", "r"), 0);
	assert_int_equal(cart_walk_open(&e, &st, &err), -1);
	assert_int_equal(err.class, CART_ERR_INPUT);
	assert_int_equal(unlink("r"), 0);
	assert_int_equal(mkfifo("r", 0600), 0);	/* must not block */
	assert_int_equal(cart_walk_open(&e, &st, &err), -1);
	assert_int_equal(unlink("r"), 0);
	assert_int_equal(symlink("/etc/passwd", "r"), 0);
	assert_int_equal(cart_walk_open(&e, &st, &err), -1);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *at)
{
	(void)st;
	(void)type;
	return at->level == 0 ? 0 : remove(path + at->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_and_excludes), cmocka_unit_test(starts),
		cmocka_unit_test(many_and_deep), cmocka_unit_test(mounts),
		cmocka_unit_test(replaced),
	};
	const char *tmp = getenv("TMPDIR");
	int rc;

	snprintf(top, sizeof(top), "%.400s/host_walk.XXXXXX",
		 tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(top) == NULL || chdir(top) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (chdir("/") == 0)
		nftw(top, remove_one, 16,
		     FTW_DEPTH | FTW_PHYS | FTW_CHDIR);
	rmdir(top);
	return rc;
}
