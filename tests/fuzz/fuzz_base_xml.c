/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XML reader.  What is accepted is written out again (names, attributes,
 * text before children) and must read back as the same tree.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/buf.h>
#include <crashcart/xml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void write_tree(const struct cart_xml *x, struct cart_buf *b)
{
	const struct cart_xml_attr *a;
	const struct cart_xml *c;

	cart_buf_addf(b, "<%s", x->name);
	for (a = x->attrs; a; a = a->next) {
		cart_buf_addf(b, " %s=\"", a->name);
		cart_xml_escape(a->value, strlen(a->value), b);
		cart_buf_addc(b, '"');
	}
	cart_buf_addc(b, '>');
	check(strlen(x->text) == x->text_len);
	cart_xml_escape(x->text, x->text_len, b);
	for (c = x->child; c; c = c->next)
		write_tree(c, b);
	cart_buf_addf(b, "</%s>", x->name);
}

static void same(const struct cart_xml *x, const struct cart_xml *y)
{
	const struct cart_xml_attr *a, *d;
	const struct cart_xml *c, *e;

	check(strcmp(x->name, y->name) == 0);
	check(x->text_len == y->text_len);
	check(memcmp(x->text, y->text, x->text_len) == 0);
	for (a = x->attrs, d = y->attrs; a && d; a = a->next, d = d->next)
		check(strcmp(a->name, d->name) == 0 &&
		      strcmp(a->value, d->value) == 0);
	check(!a && !d);
	for (c = x->child, e = y->child; c && e; c = c->next, e = e->next)
		same(c, e);
	check(!c && !e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_xml_doc *doc, *again;
	struct cart_err err;
	struct cart_buf b;

	doc = cart_xml_parse(data, size, &err);
	if (!doc)
		return 0;
	cart_buf_init(&b, (size_t)1 << 26);
	write_tree(cart_xml_root(doc), &b);
	check(cart_buf_ok(&b));
	again = cart_xml_parse(b.data, b.len, &err);
	check(again != NULL);
	same(cart_xml_root(doc), cart_xml_root(again));
	cart_xml_free(again);
	cart_xml_free(doc);
	cart_buf_clear(&b);
	return 0;
}
