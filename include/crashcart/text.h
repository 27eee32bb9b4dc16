/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_TEXT_H
#define CRASHCART_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>

/* Strict readers and writers of small texts.  All take pointer and length
 * and accept the whole string or nothing. */

/* Decimal, no sign, no leading zero but "0" itself, at most max.  0 or -1. */
int cart_text_u64(const char *s, size_t len, uint64_t max, uint64_t *ret);
/* As above with an optional leading '-'. */
int cart_text_i64(const char *s, size_t len, int64_t *ret);
/* A size: decimal with an optional suffix K, M, G, T (powers of 1024;
 * "KiB" etc. are the same).  0 or -1. */
int cart_text_size(const char *s, size_t len, uint64_t *ret_bytes);
/* A duration: decimal with suffix ms, s, m, h or d; none means s. */
int cart_text_duration(const char *s, size_t len, uint64_t *ret_ms);

/* Lower-case hex.  out has room for 2*len+1 and is ended with NUL. */
void cart_text_hex(const void *data, size_t len, char *out);
/* Exactly 2*out_len lower-case digits (upper case refused).  0 or -1. */
int cart_text_unhex(const char *s, size_t len, void *out, size_t out_len);

/* RFC 4648 section 4, padded.  Appends to b. */
void cart_text_base64(const void *data, size_t len, struct cart_buf *b);
/* Canonical only: padding required, unused bits zero, no white space.
 * Appends to b; 0 or -1. */
int cart_text_unbase64(const char *s, size_t len, struct cart_buf *b);

/* True if the bytes are well-formed UTF-8 (RFC 3629) without NUL. */
bool cart_text_is_utf8(const void *data, size_t len);
/* True if a terminal may see all of it: UTF-8 without control characters
 * (TAB is allowed), bidi overrides and the like. */
bool cart_text_is_printable(const void *data, size_t len);
/* True for 1..64 bytes of [A-Za-z0-9._-]: CASE and bundle NAME. */
bool cart_text_is_name(const char *s, size_t len);
/* Appends the bytes for a terminal: printable UTF-8 stays, control
 * characters (also C1, bidi overrides) and bad bytes become \xHH. */
void cart_text_escape(const void *data, size_t len, struct cart_buf *b);

/* RFC 3986 percent-encoding as AWS signs it: unreserved characters stay,
 * everything else is %HH in upper case; '/' stays if keep_slash. */
void cart_text_uri(const void *data, size_t len, bool keep_slash,
		   struct cart_buf *b);

/* Shell-style match of a whole path: * and ? do not cross '/', ** does (and
 * "**" "/" at the start of a component also stands for no folder at all),
 * [a-z] and [!a-z] classes, \ quotes; bytes, not characters.  Work is at most
 * the product of both lengths; a path over 65,535 bytes never matches. */
bool cart_text_glob(const char *pattern, const char *path, size_t path_len);

/* Edit distance for "did you mean"; at most max+1 is returned. */
unsigned cart_text_distance(const char *a, const char *b, unsigned max);

/* "1.5 GiB" for people; out has room for 16. */
void cart_text_bytes(uint64_t bytes, char out[16]);

#endif
