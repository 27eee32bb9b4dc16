/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_driver filter: lines of stdin, "F <filter>" sets the filter, "D
 * <document>" runs it.  For a filter one line, "accepted" or why not; for a
 * document one line, "ok" or "error", a tab, and the outputs separated by
 * spaces.
 */
#include <stdio.h>
#include <string.h>

#include "crashcart/filter.h"

static char line[1 << 20];

static int collect(void *arg, const struct cart_json *value)
{
	struct cart_buf *out = arg;

	if (out->len)
		cart_buf_addc(out, ' ');
	cart_json_print(value, 0, out);
	return 0;
}

static int run(const struct cart_filter *f, const char *text, size_t len)
{
	struct cart_json_limits limits = { .inexact = true };
	struct cart_err err;
	struct cart_buf out;
	struct cart_json *doc;
	int rc;

	cart_err_clear(&err);
	doc = cart_json_parse(text, len, &limits, &err);
	if (!doc || !f) {
		fprintf(stderr, "%s\n", doc ? "no filter" : err.text);
		cart_json_free(doc);
		return -1;
	}
	cart_buf_init(&out, (size_t)16 << 20);
	rc = cart_filter_run(f, doc, collect, &out, &err);
	printf("%s\t%s\n", rc < 0 ? "error" : "ok",
	       out.data ? (char *)out.data : "");
	cart_buf_clear(&out);
	cart_json_free(doc);
	return 0;
}

int main(int argc, char **argv)
{
	struct cart_filter *f = NULL;
	struct cart_err err;
	size_t n;
	int rc = 0;

	if (argc != 2 || strcmp(argv[1], "filter")) {
		fprintf(stderr, "usage: engine_driver filter\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (rc == 0 && fgets(line, sizeof(line), stdin)) {
		n = strcspn(line, "\n");
		if (n < 2)
			continue;
		if (line[0] == 'F') {
			cart_filter_free(f);
			cart_err_clear(&err);
			f = cart_filter_parse(line + 2, n - 2, &err);
			printf("%s\n", f ? "accepted" : err.text);
		} else {
			rc = run(f, line + 2, n - 2);
		}
	}
	cart_filter_free(f);
	return rc < 0;
}
