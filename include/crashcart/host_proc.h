/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_HOST_PROC_H
#define CRASHCART_HOST_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>
#include <crashcart/json.h>

/*
 * /proc, read by ourselves.  What it says comes from a kernel that may be
 * hostile and from processes that choose their own names: bytes that are not
 * UTF-8 go into `KEY_b64` instead of `KEY`.
 */

/* Adds KEY, or KEY_b64 if the bytes are not UTF-8 without NUL. */
void cart_host_add_bytes(struct cart_json *object, const char *key,
			 const void *data, size_t len);

/* Reads a file below dirfd whole, never following a final link, never
 * blocking, at most max bytes (the buffer's).  1: cut at the maximum; 0; -1. */
int cart_host_read(int dirfd, const char *path, struct cart_buf *b,
		   struct cart_err *err);
/* Target of a link below dirfd, appended raw.  0 or -1. */
int cart_host_readlink(int dirfd, const char *path, struct cart_buf *b,
		       struct cart_err *err);

/* The fields of /proc/PID/stat that we use (proc(5)). */
struct cart_proc_stat {
	int32_t pid, ppid, pgrp, session, tty;
	char state;
	uint32_t flags;
	uint64_t utime_ticks, stime_ticks, start_ticks;
	int64_t threads;
	char comm[64];
	size_t comm_len;
};
/* comm may hold spaces and parentheses: it ends at the last ')'.  0 or -1. */
int cart_proc_parse_stat(const void *data, size_t len,
			 struct cart_proc_stat *ret);

/* Value of "Key:\tvalue\n" in /proc/PID/status; length in *ret_len, NULL if
 * absent.  Points into data. */
const char *cart_proc_status(const void *data, size_t len, const char *key,
			     size_t *ret_len);

struct cart_proc_pids {
	uint32_t *pid;		/* ascending */
	size_t n;
};
/* Process ids that the folder /proc lists. */
int cart_proc_list(int procfd, struct cart_proc_pids *ret, struct cart_err *err);
/* Ids up to limit that /proc/ID answers for though the folder did not list
 * them, and that are thread group leaders: hidden, or born meanwhile. */
int cart_proc_hidden(int procfd, const struct cart_proc_pids *listed,
		     uint32_t limit, struct cart_proc_pids *ret,
		     struct cart_err *err);
void cart_proc_pids_clear(struct cart_proc_pids *p);

struct cart_proc_facts {
	int64_t boot_utc_ns;	/* when the kernel started */
	long ticks;		/* a second */
	unsigned fds_max;	/* open files listed for each process */
};

/* Everything but the executable's hash about one process, as an object.
 * *ret_denied counts reads that permission refused.  1: it is gone; 0; -1. */
int cart_proc_process(int procfd, uint32_t pid,
		      const struct cart_proc_facts *facts,
		      struct cart_json **ret, unsigned *ret_denied,
		      struct cart_err *err);

#endif
