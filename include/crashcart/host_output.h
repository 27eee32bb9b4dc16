/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_HOST_OUTPUT_H
#define CRASHCART_HOST_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <crashcart/err.h>

/*
 * Our own open files that are being written: evidence must not be read into
 * itself, nor lie on what is being imaged.
 */
#define CART_OUTPUTS_MAX 64

struct cart_outputs {
	struct {
		dev_t dev;
		ino_t ino;
	} file[CART_OUTPUTS_MAX];
	size_t n;
};

/* Regular files that this process has open for writing.  0 or -1. */
int cart_outputs_find(struct cart_outputs *ret, struct cart_err *err);
bool cart_outputs_has(const struct cart_outputs *o, dev_t dev, ino_t ino);

#endif
