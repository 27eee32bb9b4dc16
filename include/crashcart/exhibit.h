/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_EXHIBIT_H
#define CRASHCART_EXHIBIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <crashcart/json.h>

/*
 * What a step says of an exhibit, and how it names one: words shared by those
 * who make exhibits (steps) and those who store them (bundle.h).
 */

struct cart_exhibit;	/* one in parts, being written */
struct cart_fileset;	/* a file set, being written */

#define CART_PART_SIZE ((size_t)8 << 20)	/* input bytes of a part */
#define CART_EXHIBIT_ID_SIZE 24			/* "e000001" and NUL */
/* Plain exhibits above this go out in parts. */
#define CART_PLAIN_MAX ((size_t)1 << 20)

struct cart_exhibit_info {
	const char *step;		/* step id */
	const char *instance;		/* instance id */
	const char *name;		/* logical name, any UTF-8 */
	const char *slug;		/* F13; what does not fit is replaced by '-' */
	const char *media;		/* "application/json" */
	const struct cart_json *origin;	/* object, borrowed; NULL: {} */
	const char *const *derived_from;/* exhibit ids, NULL-terminated; or NULL */
	bool repeatable;
	const char *state;		/* NULL: "whole" */
	const char *note;		/* or NULL */
};

struct cart_file {
	const char *path;		/* absolute, raw bytes */
	size_t path_len;
	const struct stat *st;		/* as read before the content */
	int64_t btime_ns;		/* birth time; INT64_MIN: unknown */
	const void *target;		/* symlink target bytes, or NULL */
	size_t target_len;
	const char *state;		/* FORMAT.md "file"; NULL: "ok" */
	const char *note;		/* or NULL */
	const char *in;			/* own exhibit id, for large files */
	const char *sha256_hex;		/* with in, or hashed but not kept */
	const char *origin;		/* a JSON object as text, or NULL */
	size_t origin_len;
};

#endif
