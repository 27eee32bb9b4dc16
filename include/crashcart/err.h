/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_ERR_H
#define CRASHCART_ERR_H

/*
 * One error value for the whole program.  The lowest function that knows
 * describes what happened; callers prefix where.  Only cmd/ prints it and
 * only the bundle writer records it.
 */
enum cart_err_class {
	CART_ERR_NONE = 0,
	CART_ERR_USAGE,		/* the command line is wrong */
	CART_ERR_INPUT,		/* bytes that we read are not what they must be */
	CART_ERR_LIMIT,		/* a bound of ours was reached */
	CART_ERR_SYSTEM,	/* a system call failed; code is errno */
	CART_ERR_NET,		/* no answer; code is a CURLcode */
	CART_ERR_HTTP,		/* an answer that says no; code is the status */
	CART_ERR_DENIED,	/* AWS refused: permission or credentials */
	CART_ERR_THROTTLED,	/* AWS kept throttling until we gave up */
	CART_ERR_TIMEOUT,	/* a deadline passed */
	CART_ERR_CANCELLED,	/* a signal or on_error: stop */
	CART_ERR_CRYPTO,	/* a signature, digest or key does not hold */
	CART_ERR_MEMORY,
	CART_ERR_INTERNAL	/* our bug */
};

#define CART_ERR_TEXT_SIZE 512

struct cart_err {
	enum cart_err_class class;
	int code;			/* native: errno, CURLcode, HTTP status */
	char text[CART_ERR_TEXT_SIZE];	/* one line, escaped, always ended */
};

/* Sets *err (may be NULL) and returns -1, so that a caller can write
 * `return cart_err_set(...)`.  Bytes of the text that are not printable
 * ASCII or valid UTF-8 are escaped as \xHH; too long a text is cut. */
int cart_err_set(struct cart_err *err, enum cart_err_class class, int code,
		 const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* As cart_err_set with class SYSTEM, code errno_value and ": <what errno
 * means>" appended.  Thread-safe. */
int cart_err_errno(struct cart_err *err, int errno_value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "<fmt>: " before the text that err already has; returns -1. */
int cart_err_prefix(struct cart_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Sets class MEMORY; returns -1. */
int cart_err_nomem(struct cart_err *err);

void cart_err_clear(struct cart_err *err);

/* The word that logs and --json use for a class: "usage", "input", ... */
const char *cart_err_class_name(enum cart_err_class class);

#endif
