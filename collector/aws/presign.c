/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CopySnapshot carries a second request inside: a URL, signed for the region
 * of the source, by which EC2 fetches the snapshot there on the caller's
 * behalf.  Without it copies of encrypted snapshots are refused.
 */
#include <string.h>

#include <crashcart/aws_protocol.h>
#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/text.h>

#include "session.h"

#define URL_MAX_BYTES		((size_t)16 << 10)
#define VALID_S			"3600"

static void add_pair(struct cart_buf *b, const char *name, const char *value)
{
	if (b->len)
		cart_buf_addc(b, '&');
	cart_buf_adds(b, name);
	cart_buf_addc(b, '=');
	cart_text_uri(value, strlen(value), false, b);
}

/* Names in the order of their bytes, which is the canonical one. */
static void add_query(const struct cart_json *input, const char *to_region,
		      const char *version, const char *scope, const char *date,
		      const struct cart_credentials *c, struct cart_buf *b)
{
	char who[400];

	snprintf(who, sizeof(who), "%s/%s", c->access_key_id, scope);
	add_pair(b, "Action", "CopySnapshot");
	add_pair(b, "DestinationRegion", to_region);
	add_pair(b, "SourceRegion", cart_json_get_string(input,
							 "SourceRegion"));
	add_pair(b, "SourceSnapshotId", cart_json_get_string(input,
						"SourceSnapshotId"));
	add_pair(b, "Version", version);
	add_pair(b, "X-Amz-Algorithm", "AWS4-HMAC-SHA256");
	add_pair(b, "X-Amz-Credential", who);
	add_pair(b, "X-Amz-Date", date);
	add_pair(b, "X-Amz-Expires", VALID_S);
	if (*c->session_token)
		add_pair(b, "X-Amz-Security-Token", c->session_token);
	add_pair(b, "X-Amz-SignedHeaders", "host");
}

static int sign_query(const struct cart_sign_request *r,
		      const struct cart_credentials *c, const char *scope,
		      const char *date, struct cart_buf *query,
		      struct cart_err *err)
{
	unsigned char key[CART_SIGV4_KEY_SIZE], mac[CART_SHA256_SIZE];
	char hash[CART_SHA256_HEX_SIZE];
	struct cart_buf text;
	int rc;

	cart_buf_init(&text, URL_MAX_BYTES);
	cart_buf_addf(&text, "GET\n%s\n", r->path);
	cart_buf_add(&text, query->data, query->len);
	cart_buf_addf(&text, "\nhost:%s\n\nhost\n%s", r->host,
		      r->payload_sha256_hex);
	rc = cart_buf_check(&text, "presigned request", err);
	if (!rc) {
		cart_sha256_hex(text.data, text.len, hash);
		cart_wipe(text.data, text.len);
		cart_buf_reset(&text);
		cart_buf_addf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", date,
			      scope, hash);
		cart_sigv4_key(r, c, key);
		cart_hmac_sha256(key, sizeof(key), text.data, text.len, mac);
		cart_wipe(key, sizeof(key));
		cart_text_hex(mac, sizeof(mac), hash);
		add_pair(query, "X-Amz-Signature", hash);
		rc = cart_buf_check(query, "presigned URL", err);
	}
	cart_buf_clear(&text);
	return rc;
}

static int make_url(struct cart_aws *a, const struct cart_op *op,
		    const struct cart_presign *p, struct cart_buf *ret,
		    struct cart_err *err)
{
	char base[600], host[300], scope[200], empty[CART_SHA256_HEX_SIZE];
	char date[CART_CLOCK_TEXT_SIZE];
	struct cart_target t;
	struct cart_buf query;
	struct cart_sign_request r = {
		.host = host, .path = "/", .payload_sha256_hex = empty,
		.utc_ns = cart_aws_now_ns(a),
	};
	int rc = -1;

	cart_sha256_hex("", 0, empty);
	cart_buf_init(&query, URL_MAX_BYTES);
	if (cart_endpoint_find(a, op, cart_json_get_string(p->input,
				"SourceRegion"), &t, err) < 0 ||
	    cart_endpoint_url(&t, NULL, base, sizeof(base), host, sizeof(host),
			      err) < 0)
		goto out;
	r.region = t.signing_region;
	r.service = t.signing_name;
	cart_clock_compact(r.utc_ns, date);
	snprintf(scope, sizeof(scope), "%.8s/%s/%s/aws4_request", date,
		 r.region, r.service);
	add_query(p->input, p->to_region,
		  cart_svc_info(cart_op_svc(op))->api_version, scope, date,
		  p->c, &query);
	if (cart_buf_check(&query, "presigned URL", err) < 0 ||
	    sign_query(&r, p->c, scope, date, &query, err) < 0)
		goto out;
	cart_buf_addf(ret, "%s/?", base);
	cart_buf_add(ret, query.data, query.len);
	rc = cart_buf_check(ret, "presigned URL", err);
out:
	if (query.data)
		cart_wipe(query.data, query.len);
	cart_buf_clear(&query);
	return rc;
}

bool cart_presign_wanted(const struct cart_op *op,
			 const struct cart_json *input)
{
	return !strcmp(cart_svc_info(cart_op_svc(op))->name, "ec2") &&
	       !strcmp(cart_op_info(op)->name, "CopySnapshot") &&
	       cart_json_get_string(input, "SourceRegion") &&
	       cart_json_get_string(input, "SourceSnapshotId") &&
	       !cart_json_get(input, "PresignedUrl");
}

struct cart_json *cart_presign_copy(struct cart_aws *a,
				    const struct cart_op *op,
				    const struct cart_presign *p,
				    struct cart_err *err)
{
	struct cart_json *input = NULL;
	struct cart_buf url;

	cart_buf_init(&url, URL_MAX_BYTES);
	if (make_url(a, op, p, &url, err) < 0)
		goto out;
	input = cart_json_copy(p->input);
	if (!cart_json_add(input, "DestinationRegion",
			   cart_json_new_string(p->to_region)) ||
	    !cart_json_add(input, "PresignedUrl",
			   cart_json_new_string((const char *)url.data))) {
		cart_json_free(input);
		input = NULL;
		cart_err_nomem(err);
	}
out:
	if (url.data)
		cart_wipe(url.data, url.len);
	cart_buf_clear(&url);
	return input;
}
