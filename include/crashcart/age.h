/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_AGE_H
#define CRASHCART_AGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/err.h>

/*
 * age v1 with X25519 recipients (c2sp.org/age): files that age and rage open,
 * and any file that was encrypted to an X25519 recipient.  Memory is bounded
 * whatever the size of the file.  All that is read is hostile.
 */

#define CART_AGE_KEY_SIZE 32
#define CART_AGE_RECIPIENT_SIZE 63	/* "age1" and 58 more, NUL */
#define CART_AGE_RECIPIENTS_MAX 64u
#define CART_AGE_BLOCK ((size_t)65536)	/* of plaintext */
#define CART_AGE_TAG 16u		/* that each block grows by */
#define CART_AGE_HEADER_MAX ((size_t)262144)
#define CART_AGE_IDENTITY_FILE_MAX ((size_t)65536)

/* What a file begins with. */
#define CART_AGE_MAGIC "age-encryption.org/v1\n"
#define CART_AGE_MAGIC_SIZE (sizeof(CART_AGE_MAGIC) - 1)

struct cart_age_recipients {
	unsigned char key[CART_AGE_RECIPIENTS_MAX][CART_AGE_KEY_SIZE];
	size_t n;
};

/* Adds one recipient, "age1..."; one that is there already is not added
 * again.  0 or -1. */
int cart_age_recipients_add(struct cart_age_recipients *r, const char *s,
			    size_t len, struct cart_err *err);
/* Adds those of a file: one a line, empty lines and comments (#). */
int cart_age_recipients_file(struct cart_age_recipients *r, const void *data,
			     size_t len, struct cart_err *err);
void cart_age_recipient_print(const unsigned char key[CART_AGE_KEY_SIZE],
			      char out[CART_AGE_RECIPIENT_SIZE]);

/* Secret keys, in locked memory. */
struct cart_age_identities;

/* From a file as age-keygen makes it: one AGE-SECRET-KEY-1... a line.  NULL
 * with err.  The caller wipes data. */
struct cart_age_identities *cart_age_identities_new(const void *data,
						    size_t len,
						    struct cart_err *err);
void cart_age_identities_free(struct cart_age_identities *ids);
/* A new identity: the text of its file (which the caller wipes) and its
 * recipient. */
int cart_age_keygen(struct cart_buf *ret_file,
		    char ret_recipient[CART_AGE_RECIPIENT_SIZE],
		    struct cart_err *err);

/* --- encrypting --- */

/* Takes stored bytes, in order; 0 or -1. */
typedef int (*cart_age_out_fn)(void *arg, const void *data, size_t len,
			       struct cart_err *err);

struct cart_age_writer;
struct cart_pool;

/* Writes any number of files one after the other, each with a key of its own,
 * to all of r (copied).  out gets what is to be stored.  NULL with err. */
struct cart_age_writer *cart_age_writer_new(const struct cart_age_recipients *r,
					    cart_age_out_fn out, void *arg,
					    struct cart_err *err);
/* Blocks of large writes are sealed by threads of this pool as well, when they
 * have time; the pool must outlive the writer.  Order and bytes are the same. */
void cart_age_writer_pool(struct cart_age_writer *w, struct cart_pool *pool);
int cart_age_begin(struct cart_age_writer *w, struct cart_err *err);
int cart_age_write(struct cart_age_writer *w, const void *data, size_t len,
		   struct cart_err *err);
int cart_age_end(struct cart_age_writer *w, struct cart_err *err);
void cart_age_writer_free(struct cart_age_writer *w);	/* accepts NULL */
/* The most plaintext whose file is at most stored bytes long. */
uint64_t cart_age_plain_max(const struct cart_age_writer *w, uint64_t stored);

/* --- decrypting --- */

/* err->code when no identity opens the file; nothing else is wrong then. */
#define CART_AGE_NO_MATCH 1

struct cart_age_reader;

/* ids is borrowed.  NULL with err. */
struct cart_age_reader *cart_age_reader_new(const struct cart_age_identities *ids,
					    struct cart_err *err);
/* Blocks of large pieces are opened by threads of this pool as well, when they
 * have time; the pool must outlive the reader.  Order and bytes are the same. */
void cart_age_reader_pool(struct cart_age_reader *r, struct cart_pool *pool);
/* The next file begins. */
void cart_age_reader_reset(struct cart_age_reader *r);
/* Takes bytes (advancing *data and *len; they may be overwritten with their
 * plaintext, also of blocks that come later: go on with the same bytes).  1:
 * *ret and *ret_len are plaintext that was authenticated, good until the next
 * call, or, where they point into the caller's bytes, as long as those; 0: all
 * was taken; -1. */
int cart_age_reader_step(struct cart_age_reader *r, unsigned char **data,
			 size_t *len, const unsigned char **ret,
			 size_t *ret_len, struct cart_err *err);
/* The file ends here.  1: the last plaintext; 0: there is none more; -1: it is
 * not whole (*ret_len then counts plaintext of a block that is, or 0). */
int cart_age_reader_end(struct cart_age_reader *r, const unsigned char **ret,
			size_t *ret_len, struct cart_err *err);
void cart_age_reader_free(struct cart_age_reader *r);	/* accepts NULL */

/* --- armor: age -a --- */

/* Zero bytes are one that has not begun.  Private fields. */
struct cart_age_armor {
	enum { CART_AGE_ARMOR_BEFORE, CART_AGE_ARMOR_INSIDE,
	       CART_AGE_ARMOR_BEHIND } state;
	bool last;			/* a line that only the end may follow */
	size_t white, len;
	char line[80];
};

/* Do these first bytes of a file look as if it were armored? */
bool cart_age_is_armor(const void *data, size_t len);
/* Takes bytes; appends what they stand for, fewer.  0 or -1. */
int cart_age_armor_step(struct cart_age_armor *a, const void *data, size_t len,
			struct cart_buf *out, struct cart_err *err);
/* The file ends here. */
int cart_age_armor_end(struct cart_age_armor *a, struct cart_buf *out,
		       struct cart_err *err);

/* Length of the header that the bytes begin with, LF included, 0 if it is not
 * whole, -1 if they do not begin with one (or it is too long).  Does not need
 * a key: everything but the MAC is checked. */
int cart_age_header_check(const void *data, size_t len, size_t *ret_len,
			  struct cart_err *err);

#endif
