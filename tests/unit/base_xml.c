/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/buf.h>
#include <crashcart/xml.h>

static struct cart_xml_doc *parse(const char *text)
{
	struct cart_err err = { 0 };
	struct cart_xml_doc *doc = cart_xml_parse(text, strlen(text), &err);

	if (!doc)
		fail_msg("%s: %s", text, err.text);
	return doc;
}

static void refuse(const char *text, size_t len, enum cart_err_class class,
		   const char *what)
{
	struct cart_err err = { 0 };
	struct cart_xml_doc *doc = cart_xml_parse(text, len, &err);

	if (doc)
		fail_msg("accepted: %s", text);
	assert_int_equal(err.class, class);
	if (!strstr(err.text, what))
		fail_msg("%s: %s", text, err.text);
}

static void reads_a_reply(void **state)
{
	struct cart_xml_doc *doc = parse(
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<Reply xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n"
		"  <requestId>59dbff89</requestId>\n"
		"  <empty/>\n"
		"  <set>\n"
		"    <item><name>a &amp; b &#x20ac;</name></item>\n"
		"    <item><name> spaces  stay </name></item>\n"
		"  </set>\n"
		"  <Grantee xsi:type=\"CanonicalUser\" xmlns:xsi=\"u\" z='&lt;'/>\n"
		"</Reply>\n");
	const struct cart_xml *root = cart_xml_root(doc), *x;

	assert_string_equal(root->name, "Reply");
	assert_string_equal(root->text, "");
	assert_string_equal(root->attrs->name, "xmlns");
	assert_string_equal(cart_xml_find(root, "requestId")->text, "59dbff89");
	assert_int_equal(cart_xml_find(root, "requestId")->text_len, 8);
	assert_string_equal(cart_xml_find(root, "empty")->text, "");
	assert_null(cart_xml_find(root, "requestid"));
	assert_null(cart_xml_find(NULL, "x"));
	x = cart_xml_find(root, "set")->child;
	assert_string_equal(x->child->text, "a & b \xe2\x82\xac");
	x = x->next;
	assert_string_equal(x->child->text, " spaces  stay ");
	assert_null(x->next);
	x = cart_xml_find(root, "Grantee");
	assert_string_equal(x->attrs->name, "xsi:type");
	assert_string_equal(x->attrs->value, "CanonicalUser");
	assert_string_equal(x->attrs->next->name, "xmlns:xsi");
	assert_string_equal(x->attrs->next->next->value, "<");
	cart_xml_free(doc);
}

static void joins_text(void **state)
{
	struct cart_xml_doc *doc = parse("<a>one<b>in</b>two<!-- c -->"
					 "<![CDATA[<&>]]><c> </c></a>");
	const struct cart_xml *root = cart_xml_root(doc);

	assert_string_equal(root->text, "onetwo<&>");
	assert_string_equal(root->child->text, "in");
	assert_string_equal(root->child->next->text, " ");
	cart_xml_free(doc);
}

static void refuses(void **state)
{
	static const char *const t[][2] = {
		{ "", "no element" },
		{ "   ", "no element" },
		{ "x", "line 1, column 1" },
		{ "<a>", "no element" },
		{ "<a></b>", "mismatched" },
		{ "<a/><b/>", "junk" },
		{ "<a>&nbsp;</a>", "undefined entity" },
		{ "<a b='1' b='2'/>", "duplicate attribute" },
		{ "<!DOCTYPE a><a/>", "document type" },
		{ "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
		  "document type" },
		{ "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
		  "document type" },
		{ "<a>\xff</a>", "not well-formed" },
		{ "<a>\x01</a>", "not well-formed" },
		{ "<a>&#0;</a>", "line 1" },
		{ "\xff\xfe<\0a\0/\0>\0", "line 1" },
	};
	struct cart_buf b;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		refuse(t[i][0], strlen(t[i][0]), CART_ERR_INPUT, t[i][1]);
	refuse("<a>\n\0</a>", 9, CART_ERR_INPUT, "line 2");
	cart_buf_init(&b, 100000);
	for (i = 0; i < 64; i++)
		cart_buf_adds(&b, "<d>");
	for (i = 0; i < 64; i++)
		cart_buf_adds(&b, "</d>");
	cart_xml_free(parse((char *)b.data));
	cart_buf_reset(&b);
	for (i = 0; i < 10000; i++)
		cart_buf_adds(&b, "<d>");
	refuse((char *)b.data, b.len, CART_ERR_LIMIT, "nested too deeply");
	cart_buf_clear(&b);
}

static void holds_many_and_large(void **state)
{
	const struct cart_xml *x;
	struct cart_xml_doc *doc;
	struct cart_buf b;
	char want[32];
	unsigned i;

	cart_buf_init(&b, 50000000);
	cart_buf_adds(&b, "<l>");
	for (i = 0; i < 50000; i++)
		cart_buf_addf(&b, "<e%u>%u</e%u>", i % 300, i, i % 300);
	cart_buf_adds(&b, "<big>");
	for (i = 0; i < 300000; i++)
		cart_buf_adds(&b, "0123456789");
	cart_buf_adds(&b, "</big></l>");
	doc = parse((char *)b.data);
	x = cart_xml_root(doc)->child;
	for (i = 0; i < 50000; i++, x = x->next) {
		snprintf(want, sizeof(want), "e%u", i % 300);
		assert_string_equal(x->name, want);
		snprintf(want, sizeof(want), "%u", i);
		assert_string_equal(x->text, want);
	}
	assert_int_equal(x->text_len, 3000000);
	cart_xml_free(doc);
	cart_buf_clear(&b);
	cart_xml_free(NULL);
}

static void escapes(void **state)
{
	struct cart_xml_doc *doc;
	struct cart_buf b;

	cart_buf_init(&b, 1000);
	cart_buf_adds(&b, "<a>");
	cart_xml_escape("<\"'&>\t\r\n\xc3\xa9", 10, &b);
	cart_buf_adds(&b, "</a>");
	assert_string_equal((char *)b.data,
			    "<a>&lt;&quot;&#39;&amp;&gt;&#x9;&#xD;&#xA;\xc3\xa9"
			    "</a>");
	doc = parse((char *)b.data);
	assert_string_equal(cart_xml_root(doc)->text, "<\"'&>\t\r\n\xc3\xa9");
	cart_xml_free(doc);
	cart_buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_reply),
		cmocka_unit_test(joins_text),
		cmocka_unit_test(refuses),
		cmocka_unit_test(holds_many_and_large),
		cmocka_unit_test(escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
