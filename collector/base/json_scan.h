/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <cjson/cJSON.h>
#include <crashcart/json.h>

/*
 * Is this one JSON text within the limits?  Its tree, with what json_node.h
 * says of numbers, or NULL with err.  One pass, no recursion.  ret_used, unless
 * it is NULL: other bytes may follow, and where they begin.
 */
cJSON *cart_json_read(const void *data, size_t len,
		      const struct cart_json_limits *limits, size_t *ret_used,
		      struct cart_err *err);

#endif
