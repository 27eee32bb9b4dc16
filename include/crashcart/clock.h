/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_CLOCK_H
#define CRASHCART_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds since the epoch of CLOCK_REALTIME, uncorrected. */
int64_t cart_clock_utc_ns(void);
/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t cart_clock_mono_ns(void);
/* Nanoseconds of CLOCK_BOOTTIME (CLOCK_MONOTONIC where it is missing). */
int64_t cart_clock_boot_ns(void);
/* Sleeps at least ms milliseconds. */
void cart_clock_sleep_ms(unsigned ms);

#define CART_CLOCK_TEXT_SIZE 40
/* "2026-11-24T03:04:05.123456789Z" (digits: 0, 3, 6 or 9 of fraction).
 * Years 1-9999; outside them the nearest bound.  No locale, no time zone. */
void cart_clock_text(int64_t utc_ns, unsigned digits,
		     char out[CART_CLOCK_TEXT_SIZE]);
/* "20261124T030405Z": SigV4, file names. */
void cart_clock_compact(int64_t utc_ns, char out[CART_CLOCK_TEXT_SIZE]);
/* Reads ISO 8601 / RFC 3339: date, optional time, fraction, Z or offset; a
 * date alone is midnight UTC.  0 or -1. */
int cart_clock_parse(const char *s, size_t len, int64_t *ret_utc_ns);
/* Reads an HTTP date (RFC 9110 section 5.6.7, IMF-fixdate and the two
 * obsolete forms).  0 or -1. */
int cart_clock_parse_http(const char *s, size_t len, int64_t *ret_utc_ns);

#endif
