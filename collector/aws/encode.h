/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_COLLECTOR_AWS_ENCODE_H
#define CRASHCART_COLLECTOR_AWS_ENCODE_H

#include <crashcart/aws_protocol.h>

#include "model.h"

/* The largest body of a request that we build. */
#define CART_ENCODE_BODY_MAX	((size_t)16 << 20)

/* The bodies of the protocols.  input was checked against the model and is
 * never NULL; what does not fit sets b->failed. */
void cart_encode_query(const struct cart_op *op, const struct cart_json *input,
		       struct cart_buf *b);
/* A whole value, and the members of a structure that go into the body. */
void cart_encode_json_value(const struct cart_ref *ref,
			    const struct cart_json *v, struct cart_buf *b);
void cart_encode_json_members(const struct cart_shape *s,
			      const struct cart_json *input, bool body_only,
			      struct cart_buf *b);
/* An element with its content; body_only as above, for its members. */
void cart_encode_xml(const struct cart_ref *ref, const char *name,
		     const struct cart_json *v, bool body_only,
		     struct cart_buf *b);
/* Path, query, headers and body of rest-json and rest-xml. */
int cart_encode_rest(const struct cart_op *op, const struct cart_json *input,
		     const struct cart_encode_opts *opts,
		     struct cart_request *r, struct cart_buf *body,
		     struct cart_err *err);
/* Appends a blob's bytes, from its base64. */
void cart_encode_blob(const struct cart_json *v, struct cart_buf *b);

#endif
