/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known answers; many random requests are compared with botocore's signer by
 * tests/interop/test_aws_sigv4.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/aws.h>
#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/text.h>

#define EMPTY \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct cart_credentials keys = {
	.access_key_id = "AKIDEXAMPLE",
	.secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

static void check(const struct cart_sign_request *r,
		  const struct cart_credentials *c, const char *canonical,
		  const char *headers)
{
	struct cart_buf h, k;
	struct cart_err err;

	cart_buf_init(&h, 65536);
	cart_buf_init(&k, 65536);
	assert_int_equal(cart_sigv4(r, c, &h, &k, &err), 0);
	if (canonical)
		assert_string_equal((char *)k.data, canonical);
	assert_string_equal((char *)h.data, headers);
	cart_buf_clear(&h);
	cart_buf_clear(&k);
}

static int64_t at(const char *t)
{
	int64_t ns;

	assert_int_equal(cart_clock_parse(t, strlen(t), &ns), 0);
	return ns;
}

/* The example that AWS's general reference worked through for years. */
static void iam_list_users(void **state)
{
	const struct cart_http_header h = {
		"Content-Type", "application/x-www-form-urlencoded; charset=utf-8",
	};
	struct cart_sign_request r = {
		.method = "GET", .host = "iam.amazonaws.com", .path = "/",
		.query = "Action=ListUsers&Version=2010-05-08", .headers = &h,
		.n_headers = 1, .payload_sha256_hex = EMPTY,
		.region = "us-east-1", .service = "iam",
		.utc_ns = at("2015-08-30T12:36:00Z"),
	};

	check(&r, &keys,
	      "GET\n/\nAction=ListUsers&Version=2010-05-08\n"
	      "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
	      "host:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n"
	      "content-type;host;x-amz-date\n" EMPTY,
	      "x-amz-date: 20150830T123600Z\n"
	      "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/"
	      "us-east-1/iam/aws4_request, SignedHeaders=content-type;host;"
	      "x-amz-date, Signature="
	      "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7\n");
}

/* From the examples in S3's API reference. */
static void s3_get_range(void **state)
{
	static const struct cart_credentials c = {
		.access_key_id = "AKIAIOSFODNN7EXAMPLE",
		.secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	};
	const struct cart_http_header h = { "Range", "bytes=0-9" };
	struct cart_sign_request r = {
		.method = "GET", .host = "examplebucket.s3.amazonaws.com",
		.path = "/test.txt", .query = "", .headers = &h, .n_headers = 1,
		.payload_sha256_hex = EMPTY, .region = "us-east-1",
		.service = "s3", .s3 = true,
		.utc_ns = at("2013-05-24T00:00:00Z"),
	};

	check(&r, &c, NULL,
	      "x-amz-date: 20130524T000000Z\n"
	      "x-amz-content-sha256: " EMPTY "\n"
	      "authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"
	      "20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;"
	      "x-amz-content-sha256;x-amz-date, Signature="
	      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\n");
}

static void canonical_forms(void **state)
{
	static const struct {
		const char *path, *query, *want;
		bool s3;
	} t[] = {
		{ "", "", "/\n\n", false },
		{ "/a//b/./c/../d/", "", "/a/b/d/\n\n", false },
		{ "/..", "", "/\n\n", false },
		{ "/./", "", "/\n\n", false },
		{ "/a/..", "", "/\n\n", false },
		{ "/%2F/%20~", "", "/%252F/%2520~\n\n", false },
		{ "/a//b/./c/../%2B", "", "/a//b/./c/../%2B\n\n", true },
		{ "/", "b=2&a=1", "/\na=1&b=2\n", false },
		{ "/", "a-b=1&a=1", "/\na=1&a-b=1\n", false },
		{ "/", "a=2&a=1&a", "/\na=&a=1&a=2\n", false },
		{ "/", "acl", "/\nacl=\n", true },
		{ "/", "t=%2B%3D&s=a=b", "/\ns=a=b&t=%2B%3D\n", true },
		{ "/", "&", "/\n=&=\n", true },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct cart_sign_request r = {
			.method = "GET", .host = "h", .path = t[i].path,
			.query = t[i].query, .payload_sha256_hex = EMPTY,
			.region = "r", .service = "s", .s3 = t[i].s3,
		};
		struct cart_buf h, k;

		cart_buf_init(&h, 65536);
		cart_buf_init(&k, 65536);
		assert_int_equal(cart_sigv4(&r, &keys, &h, &k, NULL), 0);
		assert_memory_equal(k.data, "GET\n", 4);
		((char *)k.data)[4 + strlen(t[i].want)] = '\0';
		assert_string_equal((char *)k.data + 4, t[i].want);
		cart_buf_clear(&h);
		cart_buf_clear(&k);
	}
}

static void headers_fold(void **state)
{
	static const struct cart_http_header h[] = {
		{ "X-B", "  two   words\t" }, { "x-a", "" }, { "X-b", "again" },
		{ "User-Agent", "not signed" }, { "Expect", "neither" },
	};
	struct cart_credentials c = keys;
	struct cart_sign_request r = {
		.method = "PUT", .host = "h", .path = "/", .query = "",
		.headers = h, .n_headers = 5,
		.payload_sha256_hex = "UNSIGNED-PAYLOAD", .region = "r",
		.service = "s",
	};
	struct cart_buf out, k;

	memcpy(c.session_token, "TOKEN", 6);
	cart_buf_init(&out, 65536);
	cart_buf_init(&k, 65536);
	assert_int_equal(cart_sigv4(&r, &c, &out, &k, NULL), 0);
	assert_string_equal((char *)k.data,
		"PUT\n/\n\nhost:h\nx-a:\n"
		"x-amz-content-sha256:UNSIGNED-PAYLOAD\n"
		"x-amz-date:19700101T000000Z\nx-amz-security-token:TOKEN\n"
		"x-b:two words,again\n\nhost;x-a;x-amz-content-sha256;"
		"x-amz-date;x-amz-security-token;x-b\nUNSIGNED-PAYLOAD");
	assert_non_null(strstr((char *)out.data,
			       "x-amz-security-token: TOKEN\n"));
	cart_buf_clear(&out);
	cart_buf_clear(&k);
}

static void limits(void **state)
{
	struct cart_sign_request r = {
		.method = "GET", .host = "h", .path = "/",
		.payload_sha256_hex = EMPTY, .region = "r", .service = "s",
	};
	struct cart_buf out;
	struct cart_err err;
	char many[5001];

	memset(many, '&', 5000);
	many[5000] = '\0';
	r.query = many;
	cart_buf_init(&out, 65536);
	assert_int_equal(cart_sigv4(&r, &keys, &out, NULL, &err), -1);
	assert_int_equal(err.class, CART_ERR_LIMIT);
	r.query = "";
	cart_buf_clear(&out);
	cart_buf_init(&out, 10);
	assert_int_equal(cart_sigv4(&r, &keys, &out, NULL, &err), -1);
	cart_buf_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iam_list_users), cmocka_unit_test(s3_get_range),
		cmocka_unit_test(canonical_forms), cmocka_unit_test(headers_fold),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
