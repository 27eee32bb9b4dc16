/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_COLLECTOR_AWS_VALUES_H
#define CRASHCART_COLLECTOR_AWS_VALUES_H

#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/json.h>

#include "model.h"

/* Scalars between JSON and the wire. */

#define CART_VALUE_TIME_SIZE 64

/* A time as input writes it: ISO 8601, an HTTP date, or a number of seconds
 * since the epoch.  0 or -1. */
int cart_value_time(const struct cart_json *v, int64_t *ret_ns);
/* As above, from text. */
int cart_value_time_text(const char *s, size_t len, int64_t *ret_ns);
/* As a request writes it; microseconds where the format has them. */
void cart_value_put_time(int64_t ns, enum cart_time_format format,
			 char out[CART_VALUE_TIME_SIZE]);
/* As the AWS CLI prints it: "2015-01-01T00:00:00+00:00", with six digits of
 * fraction if there is one. */
void cart_value_show_time(int64_t ns, char out[CART_VALUE_TIME_SIZE]);

/* Appends a scalar as text: strings as they are, true and false, numbers. */
void cart_value_put_scalar(const struct cart_json *v, struct cart_buf *b);
/* True for a number without fraction or exponent, of any size. */
bool cart_value_is_integer(const struct cart_json *v);
/* Appends what percent-encoding stands for; plus: '+' means space.  Bytes
 * that are no escape stay. */
void cart_value_unescape(const char *s, size_t len, bool plus,
			 struct cart_buf *b);
/* A number from text, whole or not at all; NULL if it is none. */
struct cart_json *cart_value_number(const char *s, size_t len, bool integer);

#endif
