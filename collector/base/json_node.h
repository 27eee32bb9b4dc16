/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_NODE_H
#define BASE_JSON_NODE_H

/*
 * What our nodes keep in fields that cJSON leaves alone: this bit in type
 * says that a number was written with a fraction or an exponent; valuestring
 * of a number holds the digits of an integer that no double holds exactly.
 */
#define JSON_FLOAT (1 << 16)
/* Integers up to 2^53 are exact in a double. */
#define JSON_EXACT_MAX (INT64_C(1) << 53)

/* Lets cJSON take its memory from json_alloc.c.  Before its first use. */
void cart_json_alloc_install(void);

#endif
