/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_COLLECTOR_AWS_PARSE_H
#define CRASHCART_COLLECTOR_AWS_PARSE_H

#include <crashcart/aws_protocol.h>
#include <crashcart/xml.h>

#include "model.h"

/*
 * The bodies of replies.  A body that has another shape than the model says
 * is shown as it is, as far as that goes: nothing that AWS sent is dropped
 * because it surprised us, but for members that the model does not know.
 */

/* The members of a structure from an element; root may be NULL for an empty
 * body.  NULL when memory ran out. */
struct cart_json *cart_parse_xml(const struct cart_svc *svc,
				 const struct cart_ref *ref,
				 const struct cart_xml *x);
/* Takes v, gives what it is for the shape (perhaps v itself).  rest: numbers
 * and booleans are converted as rest-json does.  NULL when memory ran out. */
struct cart_json *cart_parse_json(const struct cart_ref *ref,
				  struct cart_json *v, bool rest);
/* A header's value. */
struct cart_json *cart_parse_header(const struct cart_svc *svc,
				    const struct cart_ref *ref, const char *s);
/* Reads a body as JSON, with the limits of all replies.  An empty body is
 * {}. */
struct cart_json *cart_parse_body(const void *body, size_t len,
				  struct cart_err *err);
/* The name behind the prefix. */
const char *cart_parse_local(const char *name);

#endif
