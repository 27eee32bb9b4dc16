/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_FDIO_H
#define CRASHCART_FDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>

/* Whole reads and writes that go on after EINTR and short counts. */

/* Writes all; 0 or -1. */
int cart_fd_write(int fd, const void *data, size_t len, struct cart_err *err);
/* Reads until len bytes, end of file or an error.  Bytes read, or -1. */
ssize_t cart_fd_read(int fd, void *data, size_t len, struct cart_err *err);
ssize_t cart_fd_pread(int fd, void *data, size_t len, uint64_t offset,
		      struct cart_err *err);
/* Appends a whole file to b, whose max bounds it.  path is relative to
 * dirfd (AT_FDCWD); "-" is standard input when dirfd is AT_FDCWD.  0 or -1. */
int cart_file_read(int dirfd, const char *path, struct cart_buf *b,
		   struct cart_err *err);
/* Whether there is something by this name, a symbolic link too, on any kernel. */
bool cart_file_exists(int dirfd, const char *path);
/* Writes a new file (O_EXCL, mode), fsyncs it and its folder.  0 or -1; a
 * file that could not be written whole is removed. */
int cart_file_write_new(int dirfd, const char *path, const void *data,
			size_t len, unsigned mode, struct cart_err *err);
/* As above over a temporary name and rename: replaces. */
int cart_file_replace(int dirfd, const char *path, const void *data,
		      size_t len, unsigned mode, struct cart_err *err);

#endif
