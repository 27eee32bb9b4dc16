/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>

#include "read_internal.h"

/*
 * The keys of the lines of a log, in order: the tables of FORMAT.md section 5
 * (F15, F20), and a checker that walks a line beside its table.
 */

#define KEY(n, v)	{ n, V_##v, 0, NULL, NULL }
#define OPT(n, v)	{ n, V_##v, LOG_OPTIONAL, NULL, NULL }
#define OR(n, v)	{ n, V_##v, LOG_OR_NEXT, NULL, NULL }
#define OPT_OR(n, v)	{ n, V_##v, LOG_OPTIONAL | LOG_OR_NEXT, NULL, NULL }
#define WORDS(n, w)	{ n, V_ENUM, 0, w, NULL }
#define KEYS(n, f, k)	{ n, V_KEYS, f, NULL, k }
#define END		{ NULL, V_TEXT, 0, NULL, NULL }

const struct log_key cart_log_prefix[] = {
	KEY("n", INT), KEY("salt", SALT), KEY("t", TIME_NS),
	KEY("mono_ns", DECIMAL), KEY("boot", BOOT), KEY("session", INT),
	KEY("type", TEXT), KEY("step", STEP), END
};

static const struct log_key k_tool[] = {
	KEY("name", TEXT), KEY("version", TEXT), KEY("commit", TEXT),
	KEY("sha256", SHA256), END
};

static const struct log_key k_manifest[] = {
	KEY("name", TEXT), KEY("sha256", SHA256), END
};

static const struct log_key k_host[] = {
	KEY("hostname", TEXT), KEY("kernel", TEXT), KEY("machine", TEXT),
	KEY("boot_id", TEXT), END
};

static const struct log_key k_session[] = {
	KEY("uuid", UUID), KEY("bundle", TEXT), KEY("case", TEXT),
	OPT("operator", TEXT), OPT("authority", TEXT),
	OPT("organization", TEXT), KEYS("tool", 0, k_tool),
	KEYS("manifest", 0, k_manifest), KEY("session_key", KEY),
	KEYS("host", 0, k_host), KEY("pid", INT), KEY("uid", INT),
	OPT("interrupted_after", INT), OPT("options", OBJECT), END
};

static const struct log_key k_clock[] = {
	WORDS("source", "http-date sntp kernel"), KEY("from", TEXT),
	KEY("offset_ms", SIGNED), KEY("uncertainty_ms", INT),
	KEY("applied", BOOL), END
};

static const struct log_key k_endpoint[] = {
	KEY("service", TEXT), KEY("region", TEXT), KEY("url", TEXT),
	WORDS("origin", "default environment config option"),
	OPT("address", TEXT), END
};

static const struct log_key k_instance_start[] = {
	KEY("id", TEXT), WORDS("event", "start"), KEY("attempt", INT), END
};

static const struct log_key k_instance_end[] = {
	KEY("id", TEXT), WORDS("event", "end"), KEY("attempt", INT),
	WORDS("outcome", "ok partial denied throttled timeout failed skipped "
	      "cancelled"),
	OPT("reason", TEXT), OPT("partial_input", TRUE),
	KEY("duration_ms", INT), OPT("keep", OBJECT), END
};

static const struct log_key k_error[] = {
	KEY("code", TEXT), KEY("message", TEXT), END
};

static const struct log_key k_call[] = {
	KEY("id", TEXT), KEY("instance", TEXT), KEY("service", TEXT),
	KEY("operation", TEXT), OPT("account", TEXT), KEY("region", TEXT),
	KEY("url", TEXT), KEY("status", INT), OPT("request_id", TEXT),
	OPT("request_id2", TEXT), KEY("attempts", INT), KEY("started", TIME),
	KEY("duration_ms", INT), KEY("bytes", INT), OPT("page", INT),
	KEYS("error", LOG_OPTIONAL, k_error), OPT("exhibit", EXHIBIT), END
};

static const struct log_key k_exhibit[] = {
	KEY("exhibit", EXHIBIT), KEY("instance", TEXT), KEY("name", TEXT),
	KEY("media", TEXT), KEY("size", INT), OPT("sha256", SHA256),
	OPT("path", TEXT), OPT("parts", INT), OPT("files", INT),
	KEY("origin", OBJECT), OPT("derived_from", EXHIBITS),
	KEY("repeatable", BOOL), WORDS("state", "whole truncated masked gaps"),
	OPT("note", TEXT), END
};

static const struct log_key k_part[] = {
	KEY("exhibit", EXHIBIT), KEY("part", INT), OPT("path", TEXT),
	KEY("size", INT), KEY("sha256", SHA256), KEY("offset", INT),
	KEY("length", INT), WORDS("encoding", "zstd tar.zst none zero"),
	OPT("instance", TEXT), OPT("name", TEXT), OPT("media", TEXT), END
};

static const struct log_key k_file[] = {
	KEY("exhibit", EXHIBIT), OR("path", TEXT), KEY("path_b64", BASE64),
	WORDS("kind", "file dir link fifo socket char block"),
	KEY("size", INT), OPT("sha256", SHA256), KEY("mode", MODE),
	KEY("uid", INT), KEY("gid", INT), KEY("mtime", TIME),
	KEY("ctime", TIME), KEY("atime", TIME), OPT("btime", TIME),
	KEY("ino", DECIMAL), KEY("dev", DEVICE), KEY("nlink", INT),
	OPT("part", INT), OPT("offset", INT), OPT("in", EXHIBIT),
	OPT_OR("target", TEXT), OPT("target_b64", BASE64),
	WORDS("state", "ok grew shrank changed unreadable listed"),
	OPT("origin", OBJECT), OPT("note", TEXT), END
};

static const struct log_key k_gap[] = {
	OPT("instance", TEXT), KEY("what", TEXT),
	WORDS("reason", "denied throttled timeout failed truncated limit "
	      "absent changed interrupted no-value ambiguous unsupported "
	      "masked"),
	KEY("detail", TEXT), OPT("exhibit", EXHIBIT), OPT("call", TEXT),
	OPT("offset", INT), OPT("length", INT), OPT("count", INT),
	OPT_OR("path", TEXT), OPT("path_b64", BASE64), END
};

static const struct log_key k_change[] = {
	KEY("uuid", UUID), WORDS("event", "intent result adopted unknown"),
	WORDS("class", "evidence containment irreversible"),
	KEY("instance", TEXT), KEY("call", TEXT), OPT("input", OBJECT),
	OPT("made", TEXTS), OPT("detail", TEXT), END
};

static const struct log_key k_note[] = { KEY("text", TEXT), END };

static const struct log_key k_usage[] = {
	KEY("cpu_ms", INT), KEY("peak_rss_bytes", INT), END
};

static const struct log_key k_end[] = {
	WORDS("outcome", "complete gaps"), KEY("exhibits", INT),
	KEY("calls", INT), KEY("gaps", INT), KEY("changes", INT),
	KEY("bytes", INT), OPT("reason", TEXT), KEYS("usage", 0, k_usage), END
};

static const struct log_key k_head[] = {
	KEY("size", INT), KEY("root", SHA256), KEY("sig", SIGNATURE), END
};

static const struct log_key k_witness[] = {
	KEY("size", INT), KEY("by", TEXT), KEY("head_b64", BASE64),
	OR("reply_b64", BASE64), KEY("error", TEXT), END
};

static const struct log_type types[] = {
	{ "session", k_session },
	{ "clock", k_clock },
	{ "endpoint", k_endpoint },
	{ "instance", k_instance_start },
	{ "call", k_call },
	{ "exhibit", k_exhibit },
	{ "part", k_part },
	{ "file", k_file },
	{ "gap", k_gap },
	{ "change", k_change },
	{ "note", k_note },
	{ "end", k_end },
	{ "head", k_head },
	{ "witness", k_witness },
	{ NULL, NULL }
};

static const struct log_type instance_end = { "instance", k_instance_end };

static bool is_text(const char *s, const char *want)
{
	return s && strcmp(s, want) == 0;
}

const struct log_type *cart_log_type(const struct cart_json *line)
{
	const char *type = cart_json_get_string(line, "type");
	const struct log_type *t;

	if (is_text(type, "instance") &&
	    is_text(cart_json_get_string(line, "event"), "end"))
		return &instance_end;
	for (t = types; type && t->name; t++)
		if (strcmp(t->name, type) == 0)
			return t;
	return NULL;
}

/* --- forms of texts --- */

static bool is_hex(const char *s, size_t digits)
{
	return strlen(s) == digits &&
	       strspn(s, "0123456789abcdef") == digits;
}

static bool is_digits(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return len > 0;
}

static bool is_decimal(const char *s, size_t len, uint64_t max)
{
	uint64_t v;

	return cart_text_u64(s, len, max, &v) == 0;
}

static bool is_uuid(const char *s)
{
	size_t i;

	if (strlen(s) != CART_UUID_SIZE - 1)
		return false;
	for (i = 0; i < CART_UUID_SIZE - 1; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
		} else if (!strchr("0123456789abcdef", s[i])) {
			return false;
		}
	}
	return true;
}

static bool is_exhibit(const char *s)
{
	size_t len = strlen(s);

	return s[0] == 'e' && (len == 7 || len == 8) &&
	       is_digits(s + 1, len - 1);
}

static bool is_step(const char *s)
{
	size_t len = strlen(s);

	return len == 0 ||
	       (len <= 32 && s[0] >= 'a' && s[0] <= 'z' &&
		strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == len);
}

static bool is_device(const char *s)
{
	const char *colon = strchr(s, ':');

	return colon && is_decimal(s, (size_t)(colon - s), 9999999999) &&
	       is_decimal(colon + 1, strlen(colon + 1), 9999999999);
}

static bool is_mode(const char *s)
{
	size_t len = strlen(s);

	return len >= 1 && len <= 7 && strspn(s, "01234567") == len;
}

/* YYYY-MM-DDTHH:MM:SS[.fraction]Z; least digits of fraction. */
static bool is_time(const char *s, size_t least)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	size_t len = strlen(s), n = sizeof(form) - 1, i, digits = 0;
	int64_t ns;

	if (len <= n || s[len - 1] != 'Z')
		return false;
	for (i = 0; i < n; i++)
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' :
				     s[i] != form[i])
			return false;
	if (s[n] == '.') {
		digits = len - n - 2;
		if (!is_digits(s + n + 1, digits))
			return false;
	} else if (len != n + 1) {
		return false;
	}
	return digits >= least && digits <= 9 && memcmp(s, "0000", 4) != 0 &&
	       memcmp(s + 17, "60", 2) < 0 && cart_clock_parse(s, len, &ns) == 0;
}

/* Canonical (RFC 4648 section 4, unused bits zero) without decoding it: a
 * verdict must not depend on memory.  size: of the bytes, SIZE_MAX for any. */
static bool is_base64(const char *s, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
				     "opqrstuvwxyz0123456789+/";
	size_t len = strlen(s), n = strspn(s, digits), pad = len - n;

	if (len % 4 != 0 || pad > 2 || strspn(s + n, "=") != pad)
		return false;
	/* the last digit before one '=' has 2 unused bits, before two 4 */
	if (pad == 1 && (strchr(digits, s[n - 1]) - digits) % 4 != 0)
		return false;
	if (pad == 2 && (strchr(digits, s[n - 1]) - digits) % 16 != 0)
		return false;
	return size == SIZE_MAX || size == len / 4 * 3 - pad;
}

static bool is_word(const char *s, const char *words)
{
	size_t len = strlen(s), n;

	while (*words) {
		n = strcspn(words, " ");
		if (n == len && memcmp(words, s, n) == 0)
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}

static bool text_ok(const struct log_key *k, const char *s)
{
	switch (k->value) {
	case V_TEXT:
		return true;
	case V_SHA256:
		return is_hex(s, 64);
	case V_SALT:
		return is_hex(s, 32);
	case V_BOOT:
		return is_hex(s, 8);
	case V_UUID:
		return is_uuid(s);
	case V_EXHIBIT:
		return is_exhibit(s);
	case V_STEP:
		return is_step(s);
	case V_KEY:
		return is_base64(s, 42);
	case V_SIGNATURE:
		return is_base64(s, CART_ED25519_SIGNATURE_SIZE);
	case V_BASE64:
		return is_base64(s, SIZE_MAX);
	case V_DECIMAL:
		return is_decimal(s, strlen(s), UINT64_MAX);
	case V_DEVICE:
		return is_device(s);
	case V_MODE:
		return is_mode(s);
	case V_TIME:
		return is_time(s, 0);
	case V_TIME_NS:
		return is_time(s, 9);
	case V_ENUM:
		return is_word(s, k->words);
	default:
		return false;
	}
}

static bool texts_ok(const struct cart_json *v, bool exhibits)
{
	const struct cart_json *i;
	const char *s;

	if (cart_json_type(v) != CART_JSON_ARRAY)
		return false;
	for (i = cart_json_first(v); i; i = cart_json_next(i)) {
		s = cart_json_string(i);
		if (!s || (exhibits && !is_exhibit(s)))
			return false;
	}
	return true;
}

static bool value_ok(const struct log_key *k, const struct cart_json *v)
{
	const char *s = cart_json_string(v);
	int64_t i;

	switch (k->value) {
	case V_INT:
		return cart_json_i64(v, &i) == 0 && i >= 0;
	case V_SIGNED:
		return cart_json_i64(v, &i) == 0;
	case V_BOOL:
		return cart_json_type(v) == CART_JSON_BOOL;
	case V_TRUE:
		return cart_json_bool(v);
	case V_OBJECT:
	case V_KEYS:
		return cart_json_type(v) == CART_JSON_OBJECT;
	case V_TEXTS:
		return texts_ok(v, false);
	case V_EXHIBITS:
		return texts_ok(v, true);
	default:
		return s && text_ok(k, s);
	}
}

/* Walks members and table side by side; *ret is the member after the last
 * key of the table. */
static int keys_ok(const struct log_key *k, const struct cart_json *v, int rule,
		   const struct cart_json **ret, struct cart_err *err)
{
	const struct cart_json *after;
	const char *name;

	for (; k->name; k++) {
		name = cart_json_key(v);
		if (!name || strcmp(name, k->name) != 0) {
			if (!(k->flags & (LOG_OPTIONAL | LOG_OR_NEXT)))
				return cart_rule(err, rule, "`%s` is missing "
						 "or out of place", k->name);
			continue;
		}
		if (!value_ok(k, v))
			return cart_rule(err, rule, "the value of `%s`",
					 k->name);
		if (k->value == V_KEYS) {
			if (keys_ok(k->keys, cart_json_first(v), rule, &after,
				    err) < 0)
				return -1;
			if (after)
				return cart_rule(err, rule, "unknown key in "
						 "`%s`", k->name);
		}
		v = cart_json_next(v);
		if (k->flags & LOG_OR_NEXT)
			k++;
	}
	*ret = v;
	return 0;
}

int cart_log_line_ok(const struct cart_json *line, struct cart_err *err)
{
	const struct log_type *type;
	const struct cart_json *v;

	if (keys_ok(cart_log_prefix, cart_json_first(line), 15, &v, err) < 0)
		return -1;
	type = cart_log_type(line);
	if (!type)
		return cart_rule(err, 20, "an unknown type of line");
	if (keys_ok(type->keys, v, 20, &v, err) < 0)
		return -1;
	if (v)
		return cart_rule(err, 20, "a %s line with the unknown key `%s`",
				 type->name, cart_json_key(v));
	return 0;
}

struct cart_json *cart_log_line_parse(const void *data, size_t len,
				      struct cart_err *err)
{
	struct cart_err why = { 0 };
	struct cart_json *line;

	if (len > LINE_MAX_BYTES) {
		cart_rule(err, 14, "longer than 262144 bytes");
		return NULL;
	}
	line = cart_json_parse(data, len, NULL, &why);
	if (!line) {
		cart_rule_because(err, 14, &why, "not a line of JSON");
		return NULL;
	}
	if (cart_json_type(line) == CART_JSON_OBJECT)
		return line;
	cart_json_free(line);
	cart_rule(err, 14, "not an object");
	return NULL;
}
