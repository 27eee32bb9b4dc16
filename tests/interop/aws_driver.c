/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room aws without a network, for test_aws_protocol.py: one JSON object a
 * line on stdin, one on stdout.
 *
 *   {"call": C, "input": {}, "path_style": false, "token": T,
 *    "region": R}
 *                               -> {"method","url","headers","body_base64"}
 *   {"call": C, "reply": {"status", "headers", "body_base64"}}
 *                               -> {"view"} or {"error": {"code", ...}}
 *   {"call": C, "input": {}, "view": {}}           -> {"next"}, null at the end
 *   {"call": C, "region": R, "flags": F}    -> {"host","region","name"}
 *   {"call": C, "class": true}              -> {"class"}
 *   {"bench": C, "body_base64", "times": N} -> {"seconds"}
 * Each may be {"failed": text} instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_protocol.h>
#include <crashcart/clock.h>
#include <crashcart/text.h>

#define LINE_MAX_BYTES	((size_t)64 << 20)

static void failed(const char *text, struct cart_buf *out)
{
	cart_buf_reset(out);
	cart_buf_adds(out, "{\"failed\":");
	cart_json_quote(text, strlen(text), out);
	cart_buf_adds(out, "}\n");
}

static void put(const char *before, const char *text, struct cart_buf *out)
{
	cart_buf_adds(out, before);
	cart_json_quote(text, strlen(text), out);
}

static int encode(const struct cart_op *op, const struct cart_json *line,
		  struct cart_buf *out, struct cart_err *err)
{
	struct cart_encode_opts opts = { 0 };
	struct cart_request r;

	opts.path_style = cart_json_bool(cart_json_get(line, "path_style"));
	opts.token = cart_json_get_string(line, "token");
	opts.region = cart_json_get_string(line, "region");
	if (cart_encode(op, cart_json_get(line, "input"), &opts, &r, err))
		return -1;
	cart_request_show(&r, "https", "host.example", out);
	cart_request_clear(&r);
	return 0;
}

static void show_error(const struct cart_op *op, const struct cart_reply *r,
		       struct cart_buf *out)
{
	struct cart_aws_error e;

	cart_decode_error(op, r, &e);
	put("{\"error\":{\"code\":", e.code, out);
	put(",\"message\":", e.message, out);
	put(",\"request_id\":", e.request_id, out);
	cart_buf_addf(out, ",\"flags\":\"%s%s%s%s%s\",\"detail\":",
		      e.throttled ? "throttled " : "",
		      e.denied ? "denied " : "", e.expired ? "expired " : "",
		      e.skewed ? "skewed " : "",
		      e.transient ? "transient " : "");
	if (e.detail)
		cart_json_print(e.detail, 0, out);
	else
		cart_buf_adds(out, "null");
	cart_buf_adds(out, "}}\n");
	cart_aws_error_clear(&e);
}

static int decode(const struct cart_op *op, const struct cart_json *reply,
		  struct cart_buf *out, struct cart_err *err)
{
	const struct cart_json *headers = cart_json_get(reply, "headers"), *h;
	const char *body = cart_json_get_string(reply, "body_base64");
	struct cart_reply r = { 0 };
	struct cart_json *view;
	struct cart_buf raw;
	int rc = -1;

	cart_buf_init(&raw, LINE_MAX_BYTES);
	if (body && cart_text_unbase64(body, strlen(body), &raw)) {
		cart_err_set(err, CART_ERR_INPUT, 0, "body_base64");
		goto out;
	}
	r.status = (unsigned)cart_json_number(cart_json_get(reply, "status"));
	for (h = cart_json_first(headers); h; h = cart_json_next(h))
		cart_pairs_add(&r.headers, cart_json_key(h),
			       cart_json_string(h) ? cart_json_string(h) : "");
	r.body = raw.data ? (void *)raw.data : "";
	r.len = raw.len;
	if (cart_reply_is_error(op, &r)) {
		show_error(op, &r, out);
		rc = 0;
		goto out;
	}
	view = cart_decode(op, &r, err);
	if (!view)
		goto out;
	cart_buf_adds(out, "{\"view\":");
	cart_json_print(view, 0, out);
	cart_buf_adds(out, "}\n");
	cart_json_free(view);
	rc = 0;
out:
	cart_pairs_clear(&r.headers);
	cart_buf_clear(&raw);
	return rc;
}

static int next(const struct cart_op *op, const struct cart_json *line,
		struct cart_buf *out, struct cart_err *err)
{
	struct cart_json *n;
	int rc;

	rc = cart_page_next(op, cart_json_get(line, "input"),
			    cart_json_get(line, "view"), &n, err);
	if (rc < 0)
		return -1;
	cart_buf_adds(out, "{\"next\":");
	if (rc)
		cart_json_print(n, 0, out);
	else
		cart_buf_adds(out, "null");
	cart_buf_adds(out, "}\n");
	cart_json_free(n);
	return 0;
}

static int endpoint(const struct cart_op *op, const struct cart_json *line,
		    struct cart_buf *out, struct cart_err *err)
{
	unsigned flags = (unsigned)cart_json_number(cart_json_get(line,
								  "flags"));
	struct cart_endpoint e;

	if (cart_op_endpoint(op, cart_json_get_string(line, "region"), flags,
			     &e, err))
		return -1;
	put("{\"host\":", e.host, out);
	put(",\"region\":", e.signing_region, out);
	put(",\"name\":", e.signing_name, out);
	cart_buf_adds(out, "}\n");
	return 0;
}

static int bench(const struct cart_op *op, const struct cart_json *line,
		 struct cart_buf *out, struct cart_err *err)
{
	int times = (int)cart_json_number(cart_json_get(line, "times")), i;
	const char *body = cart_json_get_string(line, "body_base64");
	struct cart_reply r = { .status = 200 };
	struct cart_json *view;
	struct cart_buf raw;
	int64_t start;

	cart_buf_init(&raw, LINE_MAX_BYTES);
	cart_text_unbase64(body ? body : "", body ? strlen(body) : 0, &raw);
	r.body = raw.data;
	r.len = raw.len;
	start = cart_clock_mono_ns();
	for (i = 0; i < times; i++) {
		view = cart_decode(op, &r, err);
		if (!view)
			break;
		cart_json_free(view);
	}
	cart_buf_clear(&raw);
	if (i < times)
		return -1;
	cart_buf_addf(out, "{\"seconds\":%.6f}\n",
		      (double)(cart_clock_mono_ns() - start) / 1e9);
	return 0;
}

static int answer(struct cart_model *m, const struct cart_json *line,
		  struct cart_buf *out, struct cart_err *err)
{
	const char *call = cart_json_get_string(line, "call");
	const struct cart_op *op;

	if (!call)
		call = cart_json_get_string(line, "bench");
	if (!call)
		return cart_err_set(err, CART_ERR_INPUT, 0, "no call");
	op = cart_model_op(m, call, err);
	if (!op)
		return -1;
	if (cart_json_get(line, "bench"))
		return bench(op, line, out, err);
	if (cart_json_get(line, "reply"))
		return decode(op, cart_json_get(line, "reply"), out, err);
	if (cart_json_get(line, "view"))
		return next(op, line, out, err);
	if (cart_json_get(line, "region") && !cart_json_get(line, "input"))
		return endpoint(op, line, out, err);
	if (cart_json_get(line, "class")) {
		put("{\"class\":", cart_op_class_name(cart_model_class(op)),
		    out);
		cart_buf_adds(out, "}\n");
		return 0;
	}
	return encode(op, line, out, err);
}

int main(void)
{
	struct cart_json_limits limits = { .depth = 100, .inexact = true };
	struct cart_err err = { 0 };
	struct cart_model *m = cart_model_builtin(&err);
	struct cart_json *line;
	struct cart_buf out;
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc;

	if (!m) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	cart_buf_init(&out, LINE_MAX_BYTES);
	while ((n = getline(&text, &cap, stdin)) > 0) {
		cart_buf_reset(&out);
		line = cart_json_parse(text, (size_t)n, &limits, &err);
		rc = line ? answer(m, line, &out, &err) : -1;
		if (rc)
			failed(err.text, &out);
		cart_json_free(line);
		if (cart_buf_ok(&out) && out.len)
			fwrite(out.data, 1, out.len, stdout);
		else
			puts("{\"failed\":\"out of memory\"}");
		fflush(stdout);
	}
	free(text);
	cart_buf_clear(&out);
	cart_model_close(m);
	return 0;
}
