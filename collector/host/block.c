/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/host_block.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "crashcart/host_output.h"
#include "crashcart/host_proc.h"
#include "crashcart/text.h"

#define SMALLEST 4096		/* bytes: a bad range is not told finer */
#define DEPTH_MAX 8		/* of devices upon devices */

int cart_block_size(int fd, uint64_t *ret_bytes, bool *ret_is_device,
		    struct cart_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cart_err_errno(err, errno, "stat");
	*ret_is_device = S_ISBLK(st.st_mode);
	if (S_ISREG(st.st_mode)) {
		*ret_bytes = (uint64_t)st.st_size;
		return 0;
	}
	if (!S_ISBLK(st.st_mode))
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "neither a block device nor a file");
	if (ioctl(fd, BLKGETSIZE64, ret_bytes) < 0)
		return cart_err_errno(err, errno, "its size");
	return 0;
}

/* ---- sysfs --------------------------------------------------------------- */

static void sys_path(dev_t dev, const char *file, char out[160])
{
	snprintf(out, 160, "/sys/dev/block/%u:%u/%.100s", major(dev),
		 minor(dev), file);
}

static void add_file(struct cart_json *j, dev_t dev, const char *file,
		     const char *key)
{
	struct cart_buf b;
	char path[160];

	cart_buf_init(&b, 4096);
	sys_path(dev, file, path);
	if (cart_host_read(AT_FDCWD, path, &b, NULL) == 0) {
		while (b.len > 0 && (b.data[b.len - 1] == '\n' ||
				     b.data[b.len - 1] == ' '))
			b.len--;
		if (b.len > 0)
			cart_host_add_bytes(j, key, b.data, b.len);
	}
	cart_buf_clear(&b);
}

struct cart_json *cart_block_facts(int fd)
{
	static const struct {
		const char *file, *key;
	} facts[] = {
		{ "uevent", "uevent" },
		{ "size", "sectors_512" },
		{ "ro", "read_only" },
		{ "removable", "removable" },
		{ "start", "partition_start_512" },
		{ "partition", "partition" },
		{ "queue/logical_block_size", "logical_block_bytes" },
		{ "queue/physical_block_size", "physical_block_bytes" },
		{ "queue/rotational", "rotational" },
		{ "device/model", "model" },
		{ "device/serial", "serial" },
		{ "device/vendor", "vendor" },
		{ "device/wwid", "wwid" },
		{ "serial", "serial" },
		{ "loop/backing_file", "loop_backing_file" },
		{ "dm/name", "dm_name" },
		{ "dm/uuid", "dm_uuid" },
	};
	struct cart_json *j = cart_json_new_object();
	struct stat st;
	size_t i;

	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return j;
	for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		if (cart_json_get(j, facts[i].key) == NULL)
			add_file(j, st.st_rdev, facts[i].file, facts[i].key);
	}
	return j;
}

/* "8:1\n" */
static int parse_dev(const struct cart_buf *b, dev_t *ret)
{
	const char *s = (const char *)b->data, *colon;
	size_t len = b->len;
	uint64_t ma, mi;

	while (len > 0 && s[len - 1] == '\n')
		len--;
	colon = len > 0 ? memchr(s, ':', len) : NULL;
	if (colon == NULL ||
	    cart_text_u64(s, (size_t)(colon - s), UINT32_MAX, &ma) < 0 ||
	    cart_text_u64(colon + 1, len - (size_t)(colon - s) - 1, UINT32_MAX,
			  &mi) < 0)
		return -1;
	*ret = makedev((unsigned)ma, (unsigned)mi);
	return 0;
}

static int read_dev(const char *path, dev_t *ret)
{
	struct cart_buf b;
	int rc;

	cart_buf_init(&b, 64);
	rc = cart_host_read(AT_FDCWD, path, &b, NULL);
	if (rc == 0)
		rc = parse_dev(&b, ret);
	cart_buf_clear(&b);
	return rc;
}

static dev_t real_device(dev_t dev);

/* What is being imaged: a device, or a file (which may back a loop device). */
struct target {
	bool is_device;
	dev_t dev;
	ino_t ino;
};

/* The file behind a loop device, on what it lies in its turn. */
static bool loop_lies_on(dev_t dev, const struct target *target, unsigned depth);

/* Does dev lie on target: is it target, a partition of it, or made of it? */
static bool lies_on(dev_t dev, const struct target *target, unsigned depth)
{
	char path[160], below[512];
	struct dirent *e;
	dev_t other;
	bool found = false;
	DIR *d;

	if (target->is_device && dev == target->dev)
		return true;
	if (depth >= DEPTH_MAX)
		return false;
	if (loop_lies_on(dev, target, depth))
		return true;
	sys_path(dev, "partition", path);
	if (access(path, F_OK) == 0) {
		sys_path(dev, "../dev", path);
		if (read_dev(path, &other) == 0 && other != dev &&
		    lies_on(other, target, depth + 1))
			return true;
	}
	sys_path(dev, "slaves", path);
	d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%.255s/dev", path, e->d_name);
		found = read_dev(below, &other) == 0 &&
			lies_on(other, target, depth + 1);
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static bool loop_lies_on(dev_t dev, const struct target *target, unsigned depth)
{
	char path[160];
	struct cart_buf b;
	struct stat st;
	bool found = false;

	cart_buf_init(&b, 8192);
	sys_path(dev, "loop/backing_file", path);
	if (cart_host_read(AT_FDCWD, path, &b, NULL) == 0 && b.len > 1 &&
	    b.data[0] == '/') {
		b.data[b.len - 1] = '\0';	/* its line feed */
		if (stat((char *)b.data, &st) == 0) {
			if (S_ISBLK(st.st_mode))
				found = lies_on(st.st_rdev, target, depth + 1);
			else if (!target->is_device &&
				 st.st_dev == target->dev &&
				 st.st_ino == target->ino)
				found = true;
			else
				found = lies_on(real_device(st.st_dev), target,
						depth + 1);
		}
	}
	cart_buf_clear(&b);
	return found;
}

/* File systems such as btrfs and overlay show a device number of their own;
 * the mount table names what they lie on. */
static dev_t real_device(dev_t dev)
{
	struct cart_buf b;
	char number[32], source[512];
	const char *p, *end, *lf, *sep, *sp;
	struct stat st;
	size_t n;

	if (major(dev) != 0)
		return dev;
	snprintf(number, sizeof(number), " %u:%u ", major(dev), minor(dev));
	cart_buf_init(&b, (size_t)4 << 20);
	cart_host_read(AT_FDCWD, "/proc/self/mountinfo", &b, NULL);
	p = (const char *)b.data;
	end = p + b.len;
	for (; p != NULL && p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end;
		n = (size_t)(lf - p);
		if (memmem(p, n < 64 ? n : 64, number, strlen(number)) == NULL)
			continue;
		sep = memmem(p, n, " - ", 3);
		sp = sep != NULL ? memchr(sep + 3, ' ',
					  (size_t)(lf - sep) - 3) : NULL;
		if (sp == NULL)
			continue;
		n = strcspn(sp + 1, " \n");
		if (n == 0 || n >= sizeof(source) || sp[1] != '/')
			continue;
		memcpy(source, sp + 1, n);
		source[n] = '\0';
		if (stat(source, &st) == 0 && S_ISBLK(st.st_mode)) {
			dev = st.st_rdev;
			break;
		}
	}
	cart_buf_clear(&b);
	return dev;
}

int cart_block_holds_output(int fd, struct cart_err *err)
{
	struct cart_outputs outputs;
	struct target target;
	struct stat image;
	size_t i;

	if (fstat(fd, &image) < 0)
		return cart_err_errno(err, errno, "stat");
	if (cart_outputs_find(&outputs, err) < 0)
		return -1;
	target.is_device = S_ISBLK(image.st_mode);
	target.dev = target.is_device ? image.st_rdev : image.st_dev;
	target.ino = image.st_ino;
	if (!target.is_device &&
	    cart_outputs_has(&outputs, image.st_dev, image.st_ino))
		return 1;
	for (i = 0; i < outputs.n; i++) {
		if (lies_on(real_device(outputs.file[i].dev), &target, 0))
			return 1;
	}
	return 0;
}

/* ---- reading ------------------------------------------------------------- */

struct reading {
	int fd;
	int (*failed)(void *arg, uint64_t offset, uint64_t length, int e);
	void *arg;
};

/* Whole, or errno (ENODATA for an early end). */
static int read_whole(int fd, unsigned char *buf, size_t len, uint64_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, buf + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return ENODATA;
		done += (size_t)n;
	}
	return 0;
}

static int read_halving(const struct reading *r, unsigned char *buf, size_t len,
			uint64_t offset)
{
	int e = read_whole(r->fd, buf, len, offset);
	size_t half;

	if (e == 0)
		return 0;
	/* a device that is gone stays gone: do not ask it again and again */
	if (len <= SMALLEST || e == ENXIO || e == ENODEV || e == ENOMEDIUM) {
		memset(buf, 0, len);
		return r->failed(r->arg, offset, len, e) != 0 ? -1 : 0;
	}
	half = (len / 2 + SMALLEST - 1) / SMALLEST * SMALLEST;
	if (read_halving(r, buf, half, offset) < 0)
		return -1;
	return read_halving(r, buf + half, len - half, offset + half);
}

int cart_block_read(int fd, void *buf, size_t len, uint64_t offset,
		    int (*failed)(void *arg, uint64_t offset, uint64_t length,
				  int errno_value), void *arg)
{
	struct reading r = { .fd = fd, .failed = failed, .arg = arg };

	return read_halving(&r, buf, len, offset);
}
