/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imds.tree: everything that the instance metadata service tells this host,
 * by IMDSv2, with role credentials masked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/buf.h"
#include "crashcart/digest.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "step_support.h"

#define LEAVES_MAX 2000
#define DEPTH_MAX 16
#define PATH_SIZE 1024
/* A value longer than this stays out of the summary (not out of evidence). */
#define SUMMARY_VALUE_MAX 65536

struct crawl {
	struct cart_step_ctx *c;
	struct cart_json *tree;		/* nested view, for keep */
	unsigned leaves;
	unsigned missing;
};

static void slug_of(const char *path, char out[64])
{
	const char *p = strncmp(path, "/latest/", 8) == 0 ? path + 8 : path;

	snprintf(out, 64, "imds-%.58s", p);
}

/* Puts value at its path into the nested object, splitting at '/'. */
static void add_to_tree(struct cart_json *tree, const char *path,
			const void *data, size_t len)
{
	const char *p = path + strlen("/latest/"), *slash;
	struct cart_json *node = tree, *child;
	char key[PATH_SIZE];

	while ((slash = strchr(p, '/')) != NULL && slash[1] != '\0') {
		snprintf(key, sizeof(key), "%.*s", (int)(slash - p), p);
		child = cart_json_get(node, key);
		if (child == NULL || cart_json_type(child) != CART_JSON_OBJECT)
			child = cart_json_set(node, key, cart_json_new_object());
		if (child == NULL)
			return;
		node = child;
		p = slash + 1;
	}
	if (len <= SUMMARY_VALUE_MAX && cart_text_is_utf8(data, len))
		cart_json_set(node, p, cart_json_new_string_n(data, len));
	else
		cart_json_set(node, p, cart_json_new_null());
}

static bool is_credentials(const char *path)
{
	return strstr(path, "/security-credentials/") != NULL;
}

/* Role credentials: the secret and the token, as in replies of services. */
static int mask_credentials(struct crawl *w, const char *path,
			    const struct cart_buf *body, struct cart_buf *out,
			    struct cart_err *err)
{
	unsigned char key[CART_MASK_KEY_SIZE];
	struct cart_json *j = cart_json_parse(body->data, body->len, NULL, err);
	int rc = -1;

	if (j == NULL)
		return -1;
	w->c->ops->mask_key(w->c, path, key);
	if (cart_step_mask("imds:security-credentials", j, key) < 0) {
		cart_err_nomem(err);
	} else {
		cart_json_print(j, 4, out);
		cart_buf_addc(out, '\n');
		rc = cart_buf_check(out, "masked credentials", err);
	}
	cart_wipe(key, sizeof(key));
	cart_json_free(j);
	return rc;
}

static int put_leaf(struct crawl *w, const char *path,
		    const struct cart_http_reply *r, struct cart_err *err)
{
	struct cart_exhibit_info info = { 0 };
	struct cart_json *origin = cart_json_new_object();
	struct cart_buf masked;
	const void *data = r->body.data != NULL ? (void *)r->body.data : "";
	size_t len = r->body.len;
	char slug[64], name[PATH_SIZE + 16];
	int rc = -1;

	cart_buf_init(&masked, 1 << 20);
	slug_of(path, slug);
	snprintf(name, sizeof(name), "imds:%s", path);
	cart_json_add(origin, "imds", cart_json_new_string(path));
	cart_json_add(origin, "address", cart_json_new_string(r->address));
	info.name = name;
	info.slug = slug;
	info.media = "text/plain";
	info.origin = origin;
	info.repeatable = true;
	if (is_credentials(path)) {
		if (mask_credentials(w, path, &r->body, &masked, err) < 0) {
			cart_step_gap(w->c, name, "masked", "the reply holds "
				      "role credentials in a form that is not "
				      "known; it was not kept");
			rc = 0;
			goto out;
		}
		data = masked.data;
		len = masked.len;
		info.state = "masked";
		info.media = "application/json";
		info.note = "secret and session token masked; HMAC-SHA-256 with "
			"the key HMAC-SHA-256(mask key, path), the mask key "
			"shown when this part of the run ended";
	}
	rc = w->c->ops->put(w->c, &info, data, len, NULL, err);
	if (rc == 0)
		add_to_tree(w->tree, path, data, len);
out:
	cart_buf_clear(&masked);
	cart_json_free(origin);
	return rc;
}

static int crawl(struct crawl *w, const char *path, unsigned depth,
		 struct cart_err *err);

/* One line of a listing.  "0=name" below public-keys/ means folder "0/". */
static int crawl_entry(struct crawl *w, const char *dir, const char *entry,
		       size_t len, unsigned depth, struct cart_err *err)
{
	char path[PATH_SIZE];
	const char *eq = memchr(entry, '=', len);
	int n;

	if (len == 0)
		return 0;
	if (eq != NULL)
		n = snprintf(path, sizeof(path), "%s%.*s/", dir,
			     (int)(eq - entry), entry);
	else
		n = snprintf(path, sizeof(path), "%s%.*s", dir, (int)len, entry);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		cart_step_gap(w->c, dir, "limit",
			      "a metadata path is longer than 1023 bytes");
		return 0;
	}
	return crawl(w, path, depth + 1, err);
}

static int crawl_listing(struct crawl *w, const char *dir,
			 const struct cart_buf *body, unsigned depth,
			 struct cart_err *err)
{
	const char *p = (const char *)body->data, *end = p + body->len, *lf;

	while (p != NULL && p < end) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end;
		if (crawl_entry(w, dir, p, (size_t)(lf - p), depth, err) < 0)
			return -1;
		p = lf + 1;
	}
	return 0;
}

static int crawl(struct crawl *w, const char *path, unsigned depth,
		 struct cart_err *err)
{
	struct cart_http_reply r;
	size_t len = strlen(path);
	int rc;

	if (w->c->ops->cancelled(w->c))
		return cart_err_set(err, CART_ERR_CANCELLED, 0, "stopped");
	if (++w->leaves > LEAVES_MAX || depth > DEPTH_MAX) {
		if (w->leaves == LEAVES_MAX + 1 || depth > DEPTH_MAX)
			cart_step_gap(w->c, path, "limit", "more than 2000 "
				      "metadata paths, or deeper than 16");
		return 0;
	}
	rc = w->c->ops->imds(w->c, path, &r, err);
	if (rc < 0) {
		cart_step_gap(w->c, path, cart_step_reason(err), err->text);
		w->missing++;
		rc = w->missing > 5 || depth == 0 ? -1 : 0;
	} else if (r.status == 404) {
		/* listed and gone, or (user-data, a role) never there */
		if (depth > 0)
			cart_step_gap(w->c, path, "absent",
				      "listed, but answered 404");
	} else if (r.status != 200) {
		char detail[64];

		snprintf(detail, sizeof(detail), "answered HTTP %d", r.status);
		cart_step_gap(w->c, path, "failed", detail);
	} else if (path[len - 1] == '/') {
		rc = crawl_listing(w, path, &r.body, depth, err);
	} else {
		rc = put_leaf(w, path, &r, err);
	}
	cart_http_reply_clear(&r);
	return rc;
}

/* Is there a service at all?  0 yes, 1 no (a gap says so), -1 error. */
static int probe(struct cart_step_ctx *c, struct cart_err *err)
{
	struct cart_http_reply r;
	int rc = c->ops->imds(c, "/latest/meta-data/", &r, err), status = r.status;

	cart_http_reply_clear(&r);
	if (rc == 0 && status == 200)
		return 0;
	if (rc < 0 && err->class == CART_ERR_CANCELLED)
		return -1;
	cart_step_gap(c, "instance metadata", "absent", rc < 0 ?
		      "no metadata service answers: this host is not on EC2, "
		      "or the service is off or more than one hop away" :
		      "the metadata service refuses: it may be switched off "
		      "(HttpEndpoint disabled)");
	return 1;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	static const char *const roots[] = {
		"/latest/meta-data/", "/latest/dynamic/", "/latest/user-data",
		NULL
	};
	struct crawl w = { .c = c };
	struct cart_exhibit_info info = { 0 };
	struct cart_buf text;
	int rc = probe(c, err);
	size_t i;

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	cart_buf_init(&text, (size_t)32 << 20);
	w.tree = cart_json_new_object();
	for (i = 0; roots[i] != NULL && rc == 0; i++)
		rc = crawl(&w, roots[i], 0, err);
	if (rc < 0)
		goto out;
	cart_json_print(w.tree, 4, &text);
	cart_buf_addc(&text, '\n');
	info.name = "imds tree, as one document";
	info.slug = "imds-tree.json";
	info.media = "application/json";
	info.repeatable = true;
	info.note = "derived: the exhibits imds-* hold the bytes as received";
	rc = cart_buf_check(&text, "imds tree", err);
	if (rc == 0)
		rc = c->ops->put(c, &info, text.data, text.len, NULL, err);
	if (rc == 0)
		rc = c->ops->keep(c, w.tree, err);
out:
	cart_buf_clear(&text);
	cart_json_free(w.tree);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "GET http://169.254.169.254/latest/", false,
	     "IMDSv2: meta-data, dynamic, user-data");
}

static const struct cart_param params[] = {
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_imds_tree = {
	.name = "imds.tree",
	.summary = "Read the whole instance metadata service by IMDSv2.",
	.where = CART_STEP_AWS,
	.params = params,
	.plan = plan,
	.run = run,
};
