/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bundle_internal.h"

/*
 * The one header that a bundle knows (FORMAT.md F4): a function of name, size
 * and time, so that the inner seal determines every byte of the stream.
 */

struct field {
	size_t at, len;
};

static const struct field f_mode = { 100, 8 }, f_uid = { 108, 8 },
	f_gid = { 116, 8 }, f_size = { 124, 12 }, f_mtime = { 136, 12 },
	f_major = { 329, 8 }, f_minor = { 337, 8 };

#define AT_SUM 148
#define AT_TYPE 156
#define AT_MAGIC 257

/* Octal digits that fill the field up to its ending NUL. */
static void octal(unsigned char *h, struct field f, uint64_t v)
{
	size_t i = f.len - 1;

	while (i-- > 0) {
		h[f.at + i] = (unsigned char)('0' + (v & 7));
		v >>= 3;
	}
}

int cart_tar_header(const char *name, const char *path, uint64_t size,
		    uint64_t mtime, unsigned char out[TAR_BLOCK])
{
	size_t name_len = strlen(name), path_len = strlen(path), i;
	unsigned sum = 0;

	if (name_len + 1 + path_len > 100 || size > MEMBER_MAX ||
	    mtime >= (uint64_t)1 << 33)
		return -1;
	memset(out, 0, TAR_BLOCK);
	memcpy(out, name, name_len);
	out[name_len] = '/';
	memcpy(out + name_len + 1, path, path_len);
	octal(out, f_mode, 0644);
	octal(out, f_uid, 0);
	octal(out, f_gid, 0);
	octal(out, f_size, size);
	octal(out, f_mtime, mtime);
	out[AT_TYPE] = '0';
	memcpy(out + AT_MAGIC, "ustar\0" "00", 8);
	octal(out, f_major, 0);
	octal(out, f_minor, 0);
	/* the sum counts its own field as spaces */
	memset(out + AT_SUM, ' ', 8);
	for (i = 0; i < TAR_BLOCK; i++)
		sum += out[i];
	octal(out, (struct field){ AT_SUM, 7 }, sum);
	out[AT_SUM + 6] = '\0';
	return 0;
}

size_t cart_tar_padding(uint64_t size)
{
	return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}
