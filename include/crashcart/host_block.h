/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_HOST_BLOCK_H
#define CRASHCART_HOST_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <crashcart/err.h>
#include <crashcart/json.h>

/* Size of an open block device or regular file.  0; -1 INPUT when it is
 * neither. */
int cart_block_size(int fd, uint64_t *ret_bytes, bool *ret_is_device,
		    struct cart_err *err);
/* What sysfs says of the device behind fd: model, serial, sector sizes,
 * read-only flag, partition start.  New object; empty for a file. */
struct cart_json *cart_block_facts(int fd);

/* Does one of our own files that is open for writing lie on the device (or
 * is it the file) behind fd?  Looks through partitions, device mapper, md and
 * loop devices.  1 yes, 0 no, -1 when that cannot be told (err). */
int cart_block_holds_output(int fd, struct cart_err *err);

/*
 * Reads len bytes at offset; what cannot be read is halved down to 4096
 * bytes, filled with zeros and told to failed(), in order, adjoining ranges
 * not joined.  Reads below EOF that come up short count as failed.  0; -1
 * when failed() returns non-zero (cancelled).
 */
int cart_block_read(int fd, void *buf, size_t len, uint64_t offset,
		    int (*failed)(void *arg, uint64_t offset, uint64_t length,
				  int errno_value), void *arg);

#endif
