/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <crashcart/fdio.h>

static char folder[] = "/tmp/base_fdio.XXXXXX";
static int dirfd_;

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	dirfd_ = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int drop_folder(void **state)
{
	close(dirfd_);
	return rmdir(folder);
}

static void writes_and_reads(void **state)
{
	struct cart_err err = { 0 };
	struct cart_buf b;
	struct stat st;
	char big[200001];

	memset(big, 'x', sizeof(big));
	big[200000] = 'y';
	assert_int_equal(cart_file_write_new(dirfd_, "a", big, sizeof(big),
					     0600, &err), 0);
	assert_int_equal(fstatat(dirfd_, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	cart_buf_init(&b, sizeof(big));
	assert_int_equal(cart_file_read(dirfd_, "a", &b, &err), 0);
	assert_int_equal(b.len, sizeof(big));
	assert_memory_equal(b.data, big, sizeof(big));
	cart_buf_clear(&b);
	cart_buf_init(&b, sizeof(big) - 1);
	assert_int_equal(cart_file_read(dirfd_, "a", &b, &err), -1);
	assert_int_equal(err.class, CART_ERR_LIMIT);
	assert_string_equal(err.text, "a: more than 200000 bytes");
	cart_buf_clear(&b);
	/* never over what is there */
	assert_int_equal(cart_file_write_new(dirfd_, "a", "z", 1, 0600, &err),
			 -1);
	assert_int_equal(err.class, CART_ERR_SYSTEM);
	assert_int_equal(err.code, EEXIST);
	assert_int_equal(unlinkat(dirfd_, "a", 0), 0);
}

static void replaces(void **state)
{
	struct cart_err err = { 0 };
	struct cart_buf b;

	cart_buf_init(&b, 100);
	assert_int_equal(cart_file_replace(dirfd_, "r", "one", 3, 0644, &err), 0);
	assert_int_equal(cart_file_replace(dirfd_, "r", "two", 3, 0644, &err), 0);
	assert_int_equal(cart_file_read(dirfd_, "r", &b, &err), 0);
	assert_string_equal((char *)b.data, "two");
	cart_buf_clear(&b);
	assert_int_equal(unlinkat(dirfd_, "r", 0), 0);
	assert_int_equal(cart_file_replace(dirfd_, "no/r", "x", 1, 0644, &err),
			 -1);
	/* nothing is left behind (drop_folder would fail) */
	assert_int_equal(mkdirat(dirfd_, "d", 0700), 0);
	assert_int_equal(cart_file_replace(dirfd_, "d", "x", 1, 0644, &err), -1);
	assert_int_equal(unlinkat(dirfd_, "d", AT_REMOVEDIR), 0);
}

static void says_which_file(void **state)
{
	struct cart_err err = { 0 };
	struct cart_buf b;

	cart_buf_init(&b, 100);
	assert_int_equal(cart_file_read(dirfd_, "none", &b, &err), -1);
	assert_string_equal(err.text, "none: No such file or directory");
	assert_int_equal(cart_file_read(AT_FDCWD, "/", &b, &err), -1);
	assert_string_equal(err.text, "/: read: Is a directory");
	cart_buf_clear(&b);
}

static void works_through_pipes(void **state)
{
	struct cart_err err = { 0 };
	char out[8];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(cart_fd_write(fds[1], "abcde", 5, &err), 0);
	assert_int_equal(cart_fd_read(fds[0], out, 3, &err), 3);
	close(fds[1]);
	assert_int_equal(cart_fd_read(fds[0], out, 8, &err), 2);
	assert_memory_equal(out, "de", 2);
	assert_int_equal(cart_fd_read(fds[0], out, 8, &err), 0);
	assert_int_equal(cart_fd_pread(fds[0], out, 8, 0, &err), -1);
	assert_int_equal(err.code, ESPIPE);
	close(fds[0]);
	assert_int_equal(cart_fd_write(-1, "x", 1, &err), -1);
	assert_int_equal(err.code, EBADF);
	assert_int_equal(cart_fd_pread(0, out, 8, UINT64_MAX, &err), -1);
	assert_int_equal(err.class, CART_ERR_INPUT);
}

static void full_disk_leaves_no_file(void **state)
{
	struct cart_err err = { 0 };
	int fd = open("/dev/full", O_WRONLY);

	if (fd < 0)
		skip();
	assert_int_equal(cart_fd_write(fd, "x", 1, &err), -1);
	assert_int_equal(err.code, ENOSPC);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_reads),
		cmocka_unit_test(replaces),
		cmocka_unit_test(says_which_file),
		cmocka_unit_test(works_through_pipes),
		cmocka_unit_test(full_disk_leaves_no_file),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
