/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_XML_H
#define CRASHCART_XML_H

#include <stddef.h>

#include <crashcart/err.h>

/*
 * XML of AWS replies, read with expat into a tree.  DTDs and entities other
 * than the five built-in ones are refused; namespaces prefixes are kept as
 * written ("xsi:type").  Limits: depth 64, 4,000,000 nodes.
 */
struct cart_xml_attr {
	const char *name;
	const char *value;
	const struct cart_xml_attr *next;
};

struct cart_xml {
	const char *name;		/* with its prefix */
	/* Character data joined, "" if none; white space between child
	 * elements does not count. */
	const char *text;
	size_t text_len;
	const struct cart_xml_attr *attrs;
	const struct cart_xml *child;	/* first child element */
	const struct cart_xml *next;	/* next sibling element */
};

struct cart_xml_doc;

/* NULL with err on malformed input.  The tree lives until
 * cart_xml_free(doc). */
struct cart_xml_doc *cart_xml_parse(const void *data, size_t len,
				    struct cart_err *err);
const struct cart_xml *cart_xml_root(const struct cart_xml_doc *doc);
void cart_xml_free(struct cart_xml_doc *doc);
/* First child with this exact name, or NULL. */
const struct cart_xml *cart_xml_find(const struct cart_xml *x,
				     const char *name);
/* Appends text with & < > " ' and control characters escaped. */
struct cart_buf;
void cart_xml_escape(const char *s, size_t len, struct cart_buf *b);

#endif
