/* SPDX-License-Identifier: Apache-2.0 */
#include "boot_data.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/text.h"

#define VALUE_MAX 2048

/* Options of collect that user-data may set; none names a local file that is
 * written, and none switches a check off.  The first four are keys of their
 * own. */
static const char *const options[] = {
	"param", "case", "out", "allow",
	"region", "retain", "upload-kms-key", "bucket-owner", "legal-hold",
	"expect-account", "key", "operator", "authority", "organization",
	"segment", "encrypt-to", "timestamp", "time-server", "witness",
	"witness-owner", "witness-every", "endpoint-url", "max-bytes",
	"max-time", "bytes-per-second", "only-region",
};
#define N_OWN 4

static int refuse(struct cart_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(struct cart_err *err, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return cart_err_set(err, CART_ERR_USAGE, 0, "user-data: %s (crashcart "
			    "boot --help)", text);
}

/* Values become one word each, "--name=value": none can be taken for another
 * option. */
static int add(struct cmd_boot *b, const char *name, const char *value,
	       struct cart_err *err)
{
	size_t size = strlen(name) + strlen(value) + 4;

	if (strlen(value) > VALUE_MAX ||
	    !cart_text_is_printable(value, strlen(value)))
		return refuse(err, "%s: a line of at most %d bytes is wanted",
			      name, VALUE_MAX);
	if (b->n_args == CART_ARGS_MAX / 2)
		return refuse(err, "more than %d settings", CART_ARGS_MAX / 2);
	b->arg[b->n_args] = malloc(size);
	if (b->arg[b->n_args] == NULL)
		return cart_err_nomem(err);
	snprintf(b->arg[b->n_args++], size, *value != '\0' ? "--%s=%s" :
		 "--%s", name, value);
	return 0;
}

static int add_param(struct cmd_boot *b, const struct cart_json *j,
		     struct cart_err *err)
{
	const char *name = cart_json_key(j), *s = cart_json_string(j);
	struct cart_buf text;
	int rc = -1;

	cart_buf_init(&text, CMD_BOOT_MAX);
	cart_buf_addf(&text, "%s=", name);
	if (strchr(name, '=') != NULL || name[0] == '\0') {
		refuse(err, "params: no parameter has such a name");
	} else {
		if (s != NULL)
			cart_buf_adds(&text, s);
		else
			cart_json_print(j, 0, &text);
		rc = cart_buf_check(&text, "params", err) < 0 ? -1 :
			add(b, "param", (char *)text.data, err);
	}
	cart_buf_clear(&text);
	return rc;
}

static bool is_option(const char *name)
{
	size_t i;

	for (i = N_OWN; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i], name) == 0)
			return true;
	return false;
}

/* A string, a list of strings, or true for one that is a flag. */
static int add_option(struct cmd_boot *b, const char *name,
		      const struct cart_json *j, struct cart_err *err)
{
	bool flag = strcmp(name, "legal-hold") == 0;
	const struct cart_json *e;
	const char *s = cart_json_string(j);
	int rc = 0;

	if (flag)
		return cart_json_type(j) != CART_JSON_BOOL ?
			refuse(err, "%s: true or false", name) :
			cart_json_bool(j) ? add(b, name, "", err) : 0;
	if (strcmp(name, "region") == 0)
		b->region = s;
	if (cart_json_type(j) == CART_JSON_ARRAY) {
		for (e = cart_json_first(j); rc == 0 && e != NULL;
		     e = cart_json_next(e)) {
			s = cart_json_string(e);
			rc = s == NULL || *s == '\0' ?
				refuse(err, "%s: a list of texts", name) :
				add(b, name, s, err);
		}
		return rc;
	}
	if (s == NULL || *s == '\0')
		return refuse(err, "%s: a text is wanted", name);
	if (strcmp(name, "key") == 0 && strncmp(s, "kms:", 4) != 0)
		return refuse(err, "key: kms:ARN, no other key is there");
	return add(b, name, s, err);
}

static int take_options(struct cmd_boot *b, const struct cart_json *j,
			struct cart_err *err)
{
	const struct cart_json *e;

	for (e = cart_json_first(j); e != NULL; e = cart_json_next(e)) {
		if (!is_option(cart_json_key(e)))
			return refuse(err, "options: \"%.40s\" cannot be set "
				      "here", cart_json_key(e));
		if (add_option(b, cart_json_key(e), e, err) < 0)
			return -1;
	}
	return 0;
}

static int take_params(struct cmd_boot *b, const struct cart_json *j,
		       struct cart_err *err)
{
	const struct cart_json *e;

	for (e = cart_json_first(j); e != NULL; e = cart_json_next(e))
		if (add_param(b, e, err) < 0)
			return -1;
	return 0;
}

/* They go into a file of their own, or are a word: nothing in them may end
 * their line, or be taken for an option. */
static bool is_plain(const char *s, const char *more)
{
	size_t i;

	for (i = 0; s[i] != '\0'; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') &&
		    !(s[i] >= '0' && s[i] <= '9') && !strchr(more, s[i]))
			return false;
	return i > 0 && i < 256 && s[0] != '-';
}

static int take(struct cmd_boot *b, const struct cart_json *j,
		struct cart_err *err)
{
	const char *key = cart_json_key(j), *s = cart_json_string(j);
	bool object = cart_json_type(j) == CART_JSON_OBJECT;
	static const struct {
		const char *name;
		size_t at;
	} texts[] = {
		{ "manifest", offsetof(struct cmd_boot, manifest) },
		{ "minisign", offsetof(struct cmd_boot, minisign) },
		{ "role", offsetof(struct cmd_boot, role) },
		{ "ca", offsetof(struct cmd_boot, ca) },
	};
	size_t i;

	if (strcmp(key, "crashcart-user-data") == 0)
		return 0;
	if (strcmp(key, "params") == 0 && object)
		return take_params(b, j, err);
	if (strcmp(key, "options") == 0 && object)
		return take_options(b, j, err);
	for (i = 1; i < N_OWN; i++)
		if (strcmp(key, options[i]) == 0)
			return add_option(b, key, j, err);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(key, texts[i].name) == 0 && s != NULL) {
			*(const char **)((char *)b + texts[i].at) = s;
			return 0;
		}
	return refuse(err, "\"%.40s\" is not known, or not of that type", key);
}

static int check(struct cmd_boot *b, struct cart_err *err)
{
	const char *out = cart_json_get_string(b->root, "out");

	if (b->manifest == NULL)
		return refuse(err, "it names no manifest");
	if (b->manifest[strspn(b->manifest, " \t\r\n")] == '{') {
		b->text = b->manifest;
		b->manifest = NULL;
		if (b->minisign == NULL)
			return refuse(err, "a manifest in full wants its "
				      "signature: \"minisign\"");
	} else if (b->minisign != NULL || !is_plain(b->manifest, "-_")) {
		return refuse(err, "manifest: the name of a built-in one, or "
			      "a text and its \"minisign\"");
	}
	/* the instance ends when this does: nothing else outlives it */
	if (out == NULL || strncmp(out, "s3://", 5) != 0)
		return refuse(err, "\"out\" is s3://BUCKET/PREFIX");
	if (b->role != NULL && !is_plain(b->role, ":/+=,.@_-"))
		return refuse(err, "role: the ARN of a role is wanted");
	if (b->region != NULL && !is_plain(b->region, "-"))
		return refuse(err, "region: like eu-west-1");
	return 0;
}

int cart_boot_parse(const void *data, size_t len, struct cmd_boot *ret,
		   struct cart_err *err)
{
	const struct cart_json_limits limits = { .depth = 8, .nodes = 2000 };
	const struct cart_json *e;
	int64_t version;

	memset(ret, 0, sizeof(*ret));
	if (len > CMD_BOOT_MAX)
		return refuse(err, "more than %zu bytes", CMD_BOOT_MAX);
	ret->root = cart_json_parse(data, len, &limits, err);
	if (ret->root == NULL) {
		cart_err_prefix(err, "user-data");
		err->class = CART_ERR_USAGE;
		return -1;
	}
	e = cart_json_get(ret->root, "crashcart-user-data");
	if (e == NULL || cart_json_i64(e, &version) < 0 || version != 1)
		return refuse(err, "it does not say \"crashcart-user-data\": 1");
	for (e = cart_json_first(ret->root); e != NULL; e = cart_json_next(e))
		if (take(ret, e, err) < 0)
			return -1;
	return check(ret, err);
}

void cart_boot_clear(struct cmd_boot *b)
{
	size_t i;

	for (i = 0; i < b->n_args; i++)
		free(b->arg[i]);
	cart_json_free(b->root);
	memset(b, 0, sizeof(*b));
}
