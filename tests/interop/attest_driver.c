/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest_driver < CASES: checks chains of CloudTrail digests.  A line is one
 * JSON object: {"region","backfill","start","end","now","keys":[answers],
 * "digests":[{"bucket","key","object" (base64),"signature","algorithm",
 * "backfill_time"}, newest first],"logs":{"bucket/key": base64}}; a member that
 * is absent or null is not there.  For each line, a line of findings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/attest_cloudtrail.h>
#include <crashcart/clock.h>
#include <crashcart/text.h>

static struct cart_json *out;

static void add_time(struct cart_json *o, const char *name, int64_t ns)
{
	char text[CART_CLOCK_TEXT_SIZE];

	if (ns == INT64_MIN)
		return;
	cart_clock_text(ns, 0, text);
	cart_json_add(o, name, cart_json_new_string(text));
}

static void found(void *arg, const struct cart_trail_finding *f)
{
	static const char *const kinds[] = { "digest", "missing", "gap",
					     "pending" };
	struct cart_json *o = cart_json_append(out, cart_json_new_object());

	cart_json_add(o, "kind", cart_json_new_string(kinds[f->kind]));
	if (f->key) {
		cart_json_add(o, "verdict", cart_json_new_string(
			      cart_trail_verdict_name(f->verdict)));
		cart_json_add(o, "key", cart_json_new_string(f->key));
	}
	add_time(o, "start", f->start_ns);
	add_time(o, "end", f->end_ns);
	cart_json_add(o, "reason", cart_json_new_string(f->reason));
}

static int64_t when(const struct cart_json *j, const char *key)
{
	const char *s = cart_json_get_string(j, key);
	int64_t t;

	if (!s || cart_clock_parse(s, strlen(s), &t) < 0) {
		fprintf(stderr, "%s: no time\n", key);
		exit(2);
	}
	return t;
}

static void *bytes(const struct cart_json *text, size_t *ret_len)
{
	const char *s = cart_json_string(text);
	struct cart_buf b;

	if (!s)
		return NULL;
	cart_buf_init(&b, (size_t)64 << 20);
	if (cart_text_unbase64(s, strlen(s), &b) < 0)
		exit(2);
	return cart_buf_steal(&b, ret_len);
}

static void check_logs(const struct cart_json *j, struct cart_json *logs)
{
	const struct cart_json *e;
	char name[2048], reason[160];
	enum cart_trail_verdict v;
	struct cart_json *o;
	size_t len = 0;
	void *data;

	for (e = cart_json_first(logs); e; e = cart_json_next(e)) {
		snprintf(name, sizeof(name), "%s/%s",
			 cart_json_get_string(e, "s3Bucket"),
			 cart_json_get_string(e, "s3Object"));
		data = bytes(cart_json_get(cart_json_get(j, "logs"), name), &len);
		v = cart_trail_log_check(e, data, len, (size_t)64 << 20, reason);
		free(data);
		o = cart_json_append(out, cart_json_new_object());
		cart_json_add(o, "kind", cart_json_new_string("log"));
		cart_json_add(o, "verdict", cart_json_new_string(
			      cart_trail_verdict_name(v)));
		cart_json_add(o, "key", cart_json_new_string(
			      cart_json_get_string(e, "s3Object")));
		cart_json_add(o, "reason", cart_json_new_string(reason));
	}
	cart_json_free(logs);
}

static void run(const struct cart_json *j, struct cart_trail_keys *keys)
{
	struct cart_trail_options o = { .keys = keys, .found = found };
	struct cart_trail_chain *c;
	const struct cart_json *e;
	struct cart_json *logs;
	enum cart_trail_verdict v;
	struct cart_err err;

	o.region = cart_json_get_string(j, "region");
	o.backfill = cart_json_bool(cart_json_get(j, "backfill"));
	o.start_ns = when(j, "start");
	o.end_ns = when(j, "end");
	o.now_ns = when(j, "now");
	c = cart_trail_chain_new(&o, &err);
	for (e = cart_json_first(cart_json_get(j, "digests")); e;
	     e = cart_json_next(e)) {
		struct cart_trail_object d = { 0 };
		void *data = bytes(cart_json_get(e, "object"), &d.len);

		d.data = data;
		d.bucket = cart_json_get_string(e, "bucket");
		d.key = cart_json_get_string(e, "key");
		d.signature = cart_json_get_string(e, "signature");
		d.algorithm = cart_json_get_string(e, "algorithm");
		d.backfill_time = cart_json_get_string(e, "backfill_time");
		logs = NULL;
		if (cart_trail_chain_next(c, &d, &v, &logs, &err) < 0)
			exit(1);
		free(data);
		if (v == CART_TRAIL_VALID)
			check_logs(j, logs);
		else
			cart_json_free(logs);
	}
	cart_trail_chain_end(c);
	cart_trail_chain_free(c);
}

int main(void)
{
	const struct cart_json *e;
	struct cart_trail_keys *keys;
	struct cart_json *j;
	struct cart_err err;
	struct cart_buf text;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	cart_buf_init(&text, (size_t)64 << 20);
	while ((n = getline(&line, &cap, stdin)) > 0) {
		j = cart_json_parse(line, (size_t)n, NULL, &err);
		if (!j) {
			fprintf(stderr, "%s\n", err.text);
			return 2;
		}
		out = cart_json_new_array();
		keys = cart_trail_keys_new(&err);
		for (e = cart_json_first(cart_json_get(j, "keys")); e;
		     e = cart_json_next(e)) {
			if (cart_trail_keys_add(keys, cart_json_get_string(j,
						"region"), e, &err) < 0)
				return 2;
		}
		run(j, keys);
		cart_buf_reset(&text);
		cart_json_print(out, 0, &text);
		printf("%s\n", (char *)text.data);
		cart_trail_keys_free(keys);
		cart_json_free(out);
		cart_json_free(j);
	}
	cart_buf_clear(&text);
	free(line);
	return 0;
}
