/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room base for test_json.py.
 *
 *   base_driver json INDENT [inexact] < TEXTS
 *	A text is a line "LENGTH\n" and that many bytes.  For each prints
 *	"ok LENGTH\n" and the text again, or "no MESSAGE\n".
 *   base_driver xml < FILE		the tree, as one JSON object
 *   base_driver bench json|xml FILE	MB/s of the best of five
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <crashcart/fdio.h>
#include <crashcart/json.h>
#include <crashcart/text.h>
#include <crashcart/xml.h>

#define BYTES_MAX ((size_t)1 << 30)

static void one_text(const unsigned char *data, size_t len, unsigned indent,
		     const struct cart_json_limits *limits)
{
	struct cart_err err = { 0 };
	struct cart_json *j;
	struct cart_buf b;

	cart_buf_init(&b, BYTES_MAX);
	j = cart_json_parse(data, len, limits, &err);
	if (j)
		cart_json_print(j, indent, &b);
	if (j && cart_buf_check(&b, "print", &err) == 0) {
		printf("ok %zu\n", b.len);
		fwrite(b.data, 1, b.len, stdout);
	} else {
		printf("no %s\n", err.text);
	}
	cart_json_free(j);
	cart_buf_clear(&b);
}

static int texts(const struct cart_buf *in, unsigned indent, bool inexact)
{
	struct cart_json_limits limits = { .depth = 100, .inexact = inexact };
	const unsigned char *p = in->data, *end = p + in->len, *lf;
	uint64_t len;

	while (p < end) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf || cart_text_u64((const char *)p, (size_t)(lf - p),
					 (uint64_t)(end - lf - 1), &len) < 0)
			return 2;
		one_text(lf + 1, (size_t)len, indent, &limits);
		p = lf + 1 + len;
	}
	return 0;
}

static void print_xml(const struct cart_xml *x, struct cart_buf *b)
{
	const struct cart_xml_attr *a;
	const struct cart_xml *c;

	cart_buf_addc(b, '[');
	cart_json_quote(x->name, strlen(x->name), b);
	cart_buf_adds(b, ",[");
	for (a = x->attrs; a; a = a->next) {
		cart_buf_addc(b, '[');
		cart_json_quote(a->name, strlen(a->name), b);
		cart_buf_addc(b, ',');
		cart_json_quote(a->value, strlen(a->value), b);
		cart_buf_adds(b, a->next ? "]," : "]");
	}
	cart_buf_adds(b, "],");
	cart_json_quote(x->text, x->text_len, b);
	cart_buf_adds(b, ",[");
	for (c = x->child; c; c = c->next) {
		print_xml(c, b);
		if (c->next)
			cart_buf_addc(b, ',');
	}
	cart_buf_adds(b, "]]");
}

static int xml(const struct cart_buf *in)
{
	struct cart_err err = { 0 };
	struct cart_xml_doc *doc = cart_xml_parse(in->data, in->len, &err);
	struct cart_buf b;

	if (!doc) {
		printf("no %s\n", err.text);
		return 1;
	}
	cart_buf_init(&b, BYTES_MAX);
	print_xml(cart_xml_root(doc), &b);
	cart_buf_addc(&b, '\n');
	if (cart_buf_check(&b, "print", &err) == 0)
		fwrite(b.data, 1, b.len, stdout);
	else
		printf("no %s\n", err.text);
	cart_buf_clear(&b);
	cart_xml_free(doc);
	return 0;
}

/* Processor time: the machine may be busy. */
static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void rate(const char *what, size_t bytes, int64_t ns)
{
	printf("%s %.0f MB/s\n", what, (double)bytes * 1e3 / (double)ns);
}

static int bench(const char *what, const struct cart_buf *in)
{
	int64_t best = INT64_MAX, best_print = INT64_MAX, t, u, v;
	struct cart_err err = { 0 };
	struct cart_buf b;
	int i;

	cart_buf_init(&b, BYTES_MAX);
	for (i = 0; i < 5; i++) {
		t = cpu_ns();
		if (strcmp(what, "xml") == 0) {
			cart_xml_free(cart_xml_parse(in->data, in->len, &err));
			u = cpu_ns();
		} else {
			struct cart_json *j = cart_json_parse(in->data, in->len,
							      NULL, &err);

			u = cpu_ns();
			cart_buf_reset(&b);
			cart_json_print(j, 4, &b);
			v = cpu_ns() - u;
			best_print = v < best_print ? v : best_print;
			cart_json_free(j);
		}
		best = u - t < best ? u - t : best;
	}
	rate("parse", in->len, best);
	if (b.len > 0)
		rate("print", b.len, best_print);
	cart_buf_clear(&b);
	return 0;
}

int main(int argc, char **argv)
{
	struct cart_err err = { 0 };
	struct cart_buf in;
	int rc = 2;

	cart_buf_init(&in, BYTES_MAX);
	if (cart_file_read(AT_FDCWD, argc == 4 && strcmp(argv[1], "bench") == 0
				     ? argv[3] : "-", &in, &err) < 0) {
		fprintf(stderr, "base_driver: %s\n", err.text);
		return 2;
	}
	if (argc >= 3 && strcmp(argv[1], "json") == 0)
		rc = texts(&in, strcmp(argv[2], "4") == 0 ? 4 : 0, argc > 3);
	else if (argc == 2 && strcmp(argv[1], "xml") == 0)
		rc = xml(&in);
	else if (argc == 4 && strcmp(argv[1], "bench") == 0)
		rc = bench(argv[2], &in);
	cart_buf_clear(&in);
	return rc;
}
