/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include <crashcart/net.h>

#define REPLY_MAX 65536u
#define TIMEOUT_MS 20000u
#define CONNECT_MS 5000u

static int read_answer(const struct cart_http_reply *r, struct cart_buf *ret,
		       struct cart_err *err)
{
	static const char want[] = "application/timestamp-reply";
	char type[64];

	if (r->status != 200)
		return cart_err_set(err, CART_ERR_HTTP, r->status,
				    "HTTP status %d", r->status);
	if (!cart_http_header_get(r, "content-type", type, sizeof(type)) ||
	    strncasecmp(type, want, strlen(want)) != 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "the answer is not a time stamp reply");
	cart_buf_add(ret, r->body.data, r->body.len);
	return cart_buf_check(ret, "time stamp reply", err);
}

int cart_tsa_ask(struct cart_net *n, const char *url, const void *query,
		 size_t len, struct cart_buf *ret_reply, struct cart_err *err)
{
	static const struct cart_http_header headers[] = {
		{ "Content-Type", "application/timestamp-query" },
		{ "Accept", "application/timestamp-reply" },
		/* the usual one may name the case, which is nobody's business */
		{ "User-Agent", "crashcart" },
	};
	const struct cart_http_request q = {
		.method = "POST", .url = url, .headers = headers,
		.n_headers = 3, .body = query, .body_len = len,
		.connect_timeout_ms = CONNECT_MS, .timeout_ms = TIMEOUT_MS,
		.stall_timeout_ms = TIMEOUT_MS, .reply_max_bytes = REPLY_MAX,
		.plain_ok = true, .despite_cancel = true,
	};
	struct cart_http_reply r;
	bool again = true;
	int rc;

	for (;;) {
		rc = cart_net_perform(n, &q, &r, err);
		if (rc == 0)
			rc = read_answer(&r, ret_reply, err);
		cart_http_reply_clear(&r);
		if (rc == 0 || !again || (err->class != CART_ERR_NET &&
					  err->class != CART_ERR_TIMEOUT &&
					  !(err->class == CART_ERR_HTTP &&
					    err->code >= 500)))
			return rc;
		again = false;
	}
}
