/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_HOST_WALK_H
#define CRASHCART_HOST_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <crashcart/err.h>

/*
 * Walking a live and perhaps hostile file system: relative to open folders,
 * never following a link, never into pseudo file systems, bounded.
 */

struct cart_walk_options {
	/* Patterns of whole paths as cart_text_glob reads them, absolute.  The
	 * part before the first wildcard is where a walk begins. */
	const char *const *patterns;
	size_t n_patterns;
	/* What matches one of these is left out, with all below it. */
	const char *const *exclude;
	size_t n_exclude;
	/* Enter other real file systems that are mounted below a start. */
	bool cross;
};

struct cart_walk_entry {
	int dirfd;		/* of the folder that holds it */
	const char *name;	/* in it */
	const char *path;	/* whole, raw bytes, NUL-ended */
	size_t path_len;
	struct stat st;		/* not followed */
};

enum cart_walk_problem {
	CART_WALK_DENIED,	/* code is errno */
	CART_WALK_FAILED,	/* code is errno */
	CART_WALK_PSEUDO,	/* a pseudo file system, never entered */
	CART_WALK_MOUNT,	/* another file system, not entered */
	CART_WALK_DEPTH,	/* more than 256 levels, or the path too long */
	CART_WALK_ABSENT	/* a start that is not there */
};

struct cart_walk_calls {
	/* Each entry that matches, folders before what they hold; in the order
	 * of names (of 4096 at a time).  -1 ends the walk. */
	int (*entry)(void *arg, const struct cart_walk_entry *e,
		     struct cart_err *err);
	void (*problem)(void *arg, enum cart_walk_problem what, int code,
			const char *path, size_t path_len);
	void *arg;
};

/* 0; -1 when entry() ended it (err is entry's) or memory ran out. */
int cart_walk(const struct cart_walk_options *o,
	      const struct cart_walk_calls *calls, struct cart_err *err);

/* Opens a regular file for reading: no link followed, no blocking, access
 * time untouched where the kernel lets us.  ret_st is of the open file.
 * The descriptor, or -1 with err (SYSTEM; INPUT when it is no longer the
 * regular file that e describes). */
int cart_walk_open(const struct cart_walk_entry *e, struct stat *ret_st,
		   struct cart_err *err);
/* Birth time of an open file in ns, INT64_MIN where the kernel or the file
 * system has none. */
int64_t cart_walk_birth_ns(int fd);

#endif
