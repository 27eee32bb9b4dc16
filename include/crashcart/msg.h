/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_MSG_H
#define CRASHCART_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include <crashcart/err.h>

/*
 * What people read on stderr.  Everything is escaped before it reaches the
 * terminal.  With --json the same goes out as one JSON object a line.
 * Thread-safe; a line is written whole.
 */
enum cart_msg_level { CART_MSG_ERROR, CART_MSG_WARN, CART_MSG_NOTE, CART_MSG_DEBUG };

struct cart_msg_options {
	bool json;			/* objects instead of words */
	bool quiet;			/* errors and warnings only */
	bool debug;
};

void cart_msg_setup(const struct cart_msg_options *o);
void cart_msg(enum cart_msg_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What somebody asked for, quiet or not: words, or with --json an object that
 * the caller made. */
void cart_msg_answer(const char *text);
/* "crashcart: <text of err>" */
void cart_msg_err(const struct cart_err *err);

/* A progress line: on a terminal one line redrawn at most 5 times a second,
 * otherwise a line every 10 seconds.  total 0: unknown. */
void cart_msg_progress(const char *what, uint64_t done, uint64_t total,
		       const char *unit);
/* Ends the progress line on a terminal. */
void cart_msg_progress_end(void);
bool cart_msg_is_json(void);

#endif
