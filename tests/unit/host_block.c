/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what cannot be read whole, and the refusal to image our output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <crashcart/host_block.h>

struct ranges {
	uint64_t offset, bytes;
	unsigned n;
	int code;
};

static int on_failed(void *arg, uint64_t offset, uint64_t length, int e)
{
	struct ranges *r = arg;

	if (r->n++ == 0)
		r->offset = offset;
	else
		assert_int_equal(offset, r->offset + r->bytes);	/* in order */
	r->bytes += length;
	r->code = e;
	return 0;
}

static int temporary(char name[256])
{
	int fd;

	snprintf(name, 256, "%s/host_block.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	fd = mkstemp(name);
	assert_true(fd >= 0);
	return fd;
}

static void short_file(void **state)
{
	static unsigned char buf[1 << 20];
	struct ranges r = { 0 };
	bool device;
	uint64_t size;
	char name[256];
	size_t i;
	int fd = temporary(name);

	(void)state;
	memset(buf, 'x', 100000);
	assert_int_equal(write(fd, buf, 100000), 100000);
	assert_int_equal(cart_block_size(fd, &size, &device, NULL), 0);
	assert_int_equal(size, 100000);
	assert_false(device);
	assert_int_equal(cart_block_holds_output(fd, NULL), 1);
	memset(buf, 0xee, sizeof(buf));
	assert_int_equal(cart_block_read(fd, buf, sizeof(buf), 0, on_failed,
					 &r), 0);
	/* in units of 4096 bytes, the last that is whole stays */
	assert_int_equal(r.offset, 98304);
	assert_int_equal(r.bytes, sizeof(buf) - 98304);
	for (i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], i < 98304 ? 'x' : 0);
	close(fd);
	fd = open(name, O_RDONLY);
	assert_int_equal(cart_block_holds_output(fd, NULL), 0);
	close(fd);
	unlink(name);
	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(cart_block_size(fd, &size, &device, NULL), -1);
	close(fd);
}

/* A loop device whose file was cut under it answers EIO. */
static void broken_device(void **state)
{
	static unsigned char buf[1 << 20];
	struct ranges r = { 0 };
	char name[256], dev[64];
	uint64_t size;
	bool device;
	int fd, backing, number = -1, ctl;

	(void)state;
	if (geteuid() != 0)
		skip();
	fd = temporary(name);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
	backing = fd;
	ctl = open("/dev/loop-control", O_RDWR);
	if (ctl >= 0) {
		number = ioctl(ctl, LOOP_CTL_GET_FREE);
		close(ctl);
	}
	snprintf(dev, sizeof(dev), "/dev/loop%d", number);
	fd = number >= 0 ? open(dev, O_RDONLY) : -1;
	if (fd < 0 || ioctl(fd, LOOP_SET_FD, backing) < 0) {
		close(backing);
		unlink(name);
		skip();
	}
	close(backing);
	assert_int_equal(truncate(name, 512 << 10), 0);
	assert_int_equal(cart_block_size(fd, &size, &device, NULL), 0);
	assert_true(device);
	assert_int_equal(size, sizeof(buf));
	assert_int_equal(cart_block_read(fd, buf, sizeof(buf), 0, on_failed,
					 &r), 0);
	assert_int_equal(r.offset, 512 << 10);
	assert_int_equal(r.bytes, 512 << 10);
	assert_int_equal(r.code, EIO);
	assert_int_equal(cart_block_holds_output(fd, NULL), 0);
	assert_int_equal(ioctl(fd, LOOP_CLR_FD, 0), 0);
	close(fd);
	unlink(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_file), cmocka_unit_test(broken_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
