/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "read_internal.h"

/*
 * The rules that bind the lines of a log to each other, to the session keys
 * and to the payload: F14-F19.  What one line must look like is in
 * logtypes.c.
 */

static const char EMPTY_SHA256[] =
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

void cart_logcheck_init(struct cart_logcheck *c)
{
	memset(c, 0, sizeof(*c));
	cart_merkle_init(&c->merkle);
}

void cart_logcheck_clear(struct cart_logcheck *c)
{
	cart_order_seen_clear(&c->order);
	free(c->announced);
	free(c->open);
	c->announced = NULL;
	c->open = NULL;
	c->n_open = 0;
}

void cart_logcheck_session(struct cart_logcheck *c,
			   const struct cart_public_key *key)
{
	c->key = *key;
	c->sessions++;
	c->new_session = true;
}

/* Values whose form cart_log_line_ok has checked. */
static uint64_t number(const struct cart_json *line, const char *key)
{
	int64_t v = 0;

	cart_json_i64(cart_json_get(line, key), &v);
	return (uint64_t)v;
}

static const char *text(const struct cart_json *line, const char *key)
{
	const char *s = cart_json_get_string(line, key);

	return s ? s : "";
}

static bool same(const struct cart_json *line, const char *key, const char *want)
{
	return strcmp(text(line, key), want) == 0;
}

/* --- session, head, end --- */

static int check_session_key(const struct cart_logcheck *c,
			     const struct cart_json *line, struct cart_err *err)
{
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, 64);
	cart_minisign_print_public_bare(&c->key, &b);
	if (cart_buf_check(&b, "session_key", err) < 0)
		goto out;
	if (!same(line, "session_key", (char *)b.data))
		cart_rule(err, 16, "session_key is not that of "
			  "keys/session-%u.pub", c->sessions);
	else
		rc = 0;
out:
	cart_buf_clear(&b);
	return rc;
}

static int begin_session(struct cart_logcheck *c, const struct cart_json *line,
			 struct cart_err *err)
{
	const char *case_id = text(line, "case");

	c->new_session = false;
	if (check_session_key(c, line, err) < 0)
		return -1;
	if (c->sessions == 1) {
		if (!cart_text_is_name(case_id, strlen(case_id)))
			return cart_rule(err, 1, "case");
		snprintf(c->case_id, sizeof(c->case_id), "%s", case_id);
		snprintf(c->uuid, sizeof(c->uuid), "%s", text(line, "uuid"));
		snprintf(c->origin, sizeof(c->origin), "crashcart/%s", c->uuid);
	} else if (c->sessions - 2 < sizeof(c->continued) /
					      sizeof(c->continued[0])) {
		c->continued[c->sessions - 2] = c->merkle.size + 1;
	}
	if (!same(line, "uuid", c->uuid) || !same(line, "case", c->case_id) ||
	    !same(line, "bundle", c->name))
		return cart_rule(err, 16, "uuid, bundle or case of the session");
	if (!same(cart_json_get(line, "manifest"), "sha256", c->manifest_hex))
		return cart_rule(err, 16, "the session's manifest is not "
				 "manifest.json");
	return cart_order_note(&c->order, line, err);
}

static int check_head(struct cart_logcheck *c, const struct cart_json *line,
		      struct cart_err *err)
{
	unsigned char root[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];
	const char *sig = text(line, "sig");
	struct cart_buf note, raw;
	int rc = -1;

	cart_buf_init(&note, 512);
	cart_buf_init(&raw, CART_ED25519_SIGNATURE_SIZE);
	cart_merkle_root(&c->merkle, root);
	cart_text_hex(root, sizeof(root), hex);
	if (number(line, "size") != c->merkle.size) {
		cart_rule(err, 17, "size is not the number of lines before");
		goto out;
	}
	if (!same(line, "root", hex)) {
		cart_rule(err, 17, "root is not that of the lines before");
		goto out;
	}
	cart_checkpoint_text(c->origin, c->merkle.size, root, &note);
	cart_text_unbase64(sig, strlen(sig), &raw);
	if (cart_buf_check(&note, "head", err) < 0 ||
	    cart_buf_check(&raw, "head", err) < 0)
		goto out;
	if (raw.len != CART_ED25519_SIGNATURE_SIZE ||
	    cart_ed25519_verify(c->key.key, note.data, note.len, raw.data) < 0) {
		cart_rule(err, 17, "the signature does not hold under the "
			  "key of session %u", c->sessions);
		goto out;
	}
	rc = 0;
out:
	cart_buf_clear(&note);
	cart_buf_clear(&raw);
	return rc;
}

static int check_end(struct cart_logcheck *c, const struct cart_json *line,
		     struct cart_err *err)
{
	const char *t = text(line, "t");

	if (number(line, "exhibits") != c->exhibits ||
	    number(line, "calls") != c->calls ||
	    number(line, "gaps") != c->gaps ||
	    number(line, "changes") != c->changes)
		return cart_rule(err, 16, "the numbers of exhibits, calls, "
				 "gaps or changes are not those of the log");
	if (same(line, "outcome", "complete") && c->gaps > 0)
		return cart_rule(err, 16, "complete, but there are gaps");
	snprintf(c->outcome, sizeof(c->outcome), "%s", text(line, "outcome"));
	c->end_bytes = number(line, "bytes");
	if (cart_clock_parse(t, strlen(t), &c->end_ns) < 0)
		c->end_ns = INT64_MIN;
	c->ended = true;
	return 0;
}

/* --- heads that the reader kept (F27) --- */

int cart_kept_head_parse(const char *text, size_t len,
			 struct cart_kept_head *ret, struct cart_err *err)
{
	const char *first = memchr(text, '\n', len), *second = NULL;

	if (first)
		second = memchr(first + 1, '\n',
				len - (size_t)(first + 1 - text));
	if (!second || cart_text_u64(first + 1, (size_t)(second - first - 1),
				     UINT64_MAX, &ret->size) < 0 ||
	    ret->size == 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "not a checkpoint of a log");
	ret->text = text;
	ret->len = len;
	return 0;
}

static int check_kept(struct cart_logcheck *c, struct cart_err *err)
{
	unsigned char root[CART_SHA256_SIZE], want[CART_SHA256_SIZE];
	struct cart_err why = { 0 };
	uint64_t size;
	size_t i;

	for (i = 0; i < c->n_heads; i++) {
		if (c->heads[i].size != c->merkle.size)
			continue;
		if (cart_checkpoint_verify(c->heads[i].text, c->heads[i].len,
					   c->origin, &c->key, &size, root,
					   &why) < 0)
			return cart_rule_because(err, 27, &why, "a head that "
						 "you kept");
		cart_merkle_root(&c->merkle, want);
		if (memcmp(root, want, sizeof(root)) != 0)
			return cart_rule(err, 27, "the log was rewritten: its "
					 "first %llu lines are not those whose "
					 "head you kept",
					 (unsigned long long)size);
		c->heads_found++;
	}
	return 0;
}

/* --- exhibits --- */

/* Number of an id "eNNNNNN", 0 if it is not how that number is written. */
static uint32_t exhibit_number(const char *id)
{
	char want[CART_EXHIBIT_ID_SIZE];
	uint32_t v = 0;
	const char *p;

	for (p = id + 1; *p; p++)
		v = v * 10 + (uint32_t)(*p - '0');
	snprintf(want, sizeof(want), "e%06" PRIu32, v);
	return strcmp(want, id) == 0 ? v : 0;
}

static bool is_announced(const struct cart_logcheck *c, uint32_t n)
{
	return n / 8 < c->announced_len &&
	       (c->announced[n / 8] >> (n % 8) & 1);
}

static int announce(struct cart_logcheck *c, uint32_t n, struct cart_err *err)
{
	size_t need = n / 8 + 1, len = c->announced_len * 2;
	unsigned char *p;

	if (need > c->announced_len) {
		if (len < need)
			len = need < 512 ? 512 : need;
		p = realloc(c->announced, len);
		if (!p)
			return cart_err_nomem(err);
		memset(p + c->announced_len, 0, len - c->announced_len);
		c->announced = p;
		c->announced_len = len;
	}
	c->announced[n / 8] |= (unsigned char)(1 << (n % 8));
	return 0;
}

/* Where the exhibit stands among the open ones, or would. */
static size_t open_at(const struct cart_logcheck *c, uint32_t n)
{
	size_t low = 0, high = c->n_open, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (c->open[mid].number < n)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct cart_log_open *find_open(struct cart_logcheck *c, uint32_t n)
{
	size_t i = open_at(c, n);

	return i < c->n_open && c->open[i].number == n ? &c->open[i] : NULL;
}

static struct cart_log_open *add_open(struct cart_logcheck *c, uint32_t n,
				      struct cart_err *err)
{
	size_t i = open_at(c, n), cap;
	void *p;

	if (c->n_open == OPEN_MAX) {
		cart_rule(err, 9, "more than 4096 exhibits are open");
		return NULL;
	}
	if (c->n_open == c->cap_open) {
		cap = c->cap_open ? c->cap_open * 2 : 16;
		p = realloc(c->open, cap * sizeof(*c->open));
		if (!p) {
			cart_err_nomem(err);
			return NULL;
		}
		c->open = p;
		c->cap_open = cap;
	}
	memmove(&c->open[i + 1], &c->open[i],
		(c->n_open - i) * sizeof(*c->open));
	c->open[i] = (struct cart_log_open){ .number = n };
	c->n_open++;
	return &c->open[i];
}

static void drop_open(struct cart_logcheck *c, struct cart_log_open *o)
{
	size_t i = (size_t)(o - c->open);

	c->n_open--;
	memmove(o, o + 1, (c->n_open - i) * sizeof(*o));
}

/* The line says what the member of this path is. */
static int describe(struct cart_logcheck *c, const struct cart_json *line,
		    struct cart_err *err)
{
	struct cart_group *g = c->group;
	const char *path = text(line, "path");
	size_t i;

	while (g->first < g->n && g->m[g->first].described)
		g->first++;
	for (i = g->first; i < g->n; i++)
		if (!g->m[i].described && strcmp(g->m[i].path, path) == 0)
			break;
	if (i == g->n)
		return cart_rule(err, 19, "the member it describes is not in "
				 "the group");
	if (number(line, "size") != g->m[i].size ||
	    !same(line, "sha256", g->m[i].sha256_hex))
		return cart_rule(err, 19, "size or sha256 are not those of %s",
				 g->m[i].path);
	g->m[i].described = true;
	g->last = i;
	return 0;
}

static int check_plain(struct cart_logcheck *c, const struct cart_json *line,
		       const struct cart_log_open *open, struct cart_err *err)
{
	const char *path = text(line, "path"), *id = text(line, "exhibit");
	size_t n = strlen(id);

	if (open || cart_json_get(line, "parts") ||
	    cart_json_get(line, "files"))
		return cart_rule(err, 19, "a plain exhibit with parts");
	if (!cart_json_get(line, "sha256"))
		return cart_rule(err, 19, "a plain exhibit without sha256");
	if (strncmp(path, "data/", 5) != 0 || strncmp(path + 5, id, n) != 0 ||
	    path[5 + n] != '-')
		return cart_rule(err, 19, "the path is that of another exhibit");
	return describe(c, line, err);
}

static int check_parts(const struct cart_json *line,
		       const struct cart_log_open *open, struct cart_err *err)
{
	bool is_set = cart_json_get(line, "files") != NULL;
	uint64_t parts = open ? open->parts : 0;
	uint64_t total = open ? open->total : 0;

	if (!cart_json_get(line, "parts") || number(line, "parts") != parts)
		return cart_rule(err, 19, "the number of parts is not %" PRIu64,
				 parts);
	if (open && open->is_set != is_set)
		return cart_rule(err, 19, "tar.zst is for file sets, and only "
				 "for them");
	if (is_set && cart_json_get(line, "sha256"))
		return cart_rule(err, 19, "a file set has no sha256");
	if (!is_set && number(line, "size") != total)
		return cart_rule(err, 19, "size is not the sum of the parts");
	return 0;
}

static int check_exhibit(struct cart_logcheck *c, const struct cart_json *line,
			 struct cart_err *err)
{
	uint32_t n = exhibit_number(text(line, "exhibit"));
	struct cart_log_open *open;

	if (n == 0)
		return cart_rule(err, 13, "the number of the exhibit");
	if (is_announced(c, n))
		return cart_rule(err, 19, "the exhibit is announced twice");
	open = find_open(c, n);
	if (cart_json_get(line, "path") ? check_plain(c, line, open, err) < 0 :
					  check_parts(line, open, err) < 0)
		return -1;
	if (open)
		drop_open(c, open);
	return announce(c, n, err);
}

/* Encoding, path, and the member that they name. */
static int check_part_member(struct cart_logcheck *c,
			     const struct cart_json *line,
			     struct cart_err *err)
{
	const char *ext = same(line, "encoding", "zstd") ? "zst" :
			  same(line, "encoding", "tar.zst") ? "tar.zst" : "bin";
	char want[64];

	if (same(line, "encoding", "zero")) {
		if (cart_json_get(line, "path") || number(line, "size") != 0 ||
		    !same(line, "sha256", EMPTY_SHA256))
			return cart_rule(err, 19, "a part of zeros has no "
					 "member, size 0 and the sha256 of "
					 "nothing");
		return 0;
	}
	snprintf(want, sizeof(want), "data/%.8s/%08" PRIu64 ".%s",
		 text(line, "exhibit"), number(line, "part"), ext);
	if (!same(line, "path", want))
		return cart_rule(err, 19, "the path of the part is not %s",
				 want);
	return describe(c, line, err);
}

static int check_part(struct cart_logcheck *c, const struct cart_json *line,
		      struct cart_err *err)
{
	uint32_t n = exhibit_number(text(line, "exhibit"));
	bool is_set = same(line, "encoding", "tar.zst");
	uint64_t length = number(line, "length");
	struct cart_log_open *open;

	if (n == 0)
		return cart_rule(err, 13, "the number of the exhibit");
	if (is_announced(c, n))
		return cart_rule(err, 19, "a part after the exhibit's line");
	open = find_open(c, n);
	if (!open) {
		open = add_open(c, n, err);
		if (!open)
			return -1;
		open->is_set = is_set;
	}
	if (number(line, "part") != open->parts + 1 ||
	    number(line, "offset") != open->total)
		return cart_rule(err, 19, "part or offset do not follow on");
	if (length == 0 || length > MEMBER_MAX)
		return cart_rule(err, 19, "the length of a part");
	if (open->is_set != is_set)
		return cart_rule(err, 19, "parts of a file set and others");
	open->parts++;
	open->total += length;
	return check_part_member(c, line, err);
}

/* --- lines --- */

static int check_type(struct cart_logcheck *c, const struct cart_json *line,
		      struct cart_err *err)
{
	const char *type = text(line, "type");

	if (strcmp(type, "head") == 0)
		return check_head(c, line, err);
	if (strcmp(type, "end") == 0)
		return check_end(c, line, err);
	if (strcmp(type, "part") == 0)
		return check_part(c, line, err);
	if (strcmp(type, "exhibit") == 0) {
		c->exhibits++;
		return check_exhibit(c, line, err);
	}
	if (strcmp(type, "call") == 0)
		c->calls++;
	else if (strcmp(type, "gap") == 0)
		c->gaps++;
	else if (strcmp(type, "change") == 0)
		c->changes++;
	return 0;
}

/* last: of its log part. */
static int check_line(struct cart_logcheck *c, const struct cart_json *line,
		      bool last, struct cart_err *err)
{
	bool head, session;

	if (cart_log_line_ok(line, err) < 0)
		return -1;
	head = same(line, "type", "head");
	session = same(line, "type", "session");
	if (number(line, "n") != c->merkle.size + 1)
		return cart_rule(err, 15, "n is not %" PRIu64,
				 c->merkle.size + 1);
	if (head != last)
		return cart_rule(err, 14, "a log part ends with its one head");
	if (c->ended && !head)
		return cart_rule(err, 16, "a line after the end");
	if (session != c->new_session)
		return cart_rule(err, 16, "a session line must follow each "
				 "session key, and stand nowhere else");
	if (session && begin_session(c, line, err) < 0)
		return -1;
	if (number(line, "session") != c->sessions)
		return cart_rule(err, 16, "session is not %u", c->sessions);
	return check_type(c, line, err);
}

/* "F17: ..." -> "F17: log line 9: ..." */
static int at_line(const struct cart_logcheck *c, struct cart_err *err)
{
	struct cart_err why = *err;
	const char *colon = strstr(why.text, ": ");

	if (!cart_rule_number(&why) || !colon)
		return -1;
	return cart_rule(err, cart_rule_number(&why), "log line %" PRIu64 ": %s",
			 c->merkle.size + 1, colon + 2);
}

static int one_line(struct cart_logcheck *c, const char *p, size_t len,
		    bool last, struct cart_err *err)
{
	struct cart_json *line = cart_log_line_parse(p, len, err);
	int rc = -1;

	if (!line || check_line(c, line, last, err) < 0) {
		at_line(c, err);
		goto out;
	}
	cart_merkle_add(&c->merkle, p, len);
	if (c->n_heads > 0 && check_kept(c, err) < 0)
		goto out;
	if (c->line && c->line(c->arg, line, err) < 0)
		goto out;
	rc = 0;
out:
	cart_json_free(line);
	return rc;
}

int cart_logcheck_part(struct cart_logcheck *c, const void *data, size_t len,
		       struct cart_group *group, struct cart_err *err)
{
	const char *p = data, *end = p + len, *lf;
	size_t i;

	if (len == 0 || len > LOG_PART_MAX || end[-1] != '\n')
		return cart_rule(err, 14, "a log part is 1 to 1048576 bytes "
				 "and ends with LF");
	c->group = group;
	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		c->line_at = (size_t)(p - (const char *)data);
		c->line_len = (size_t)(lf - p);
		if (one_line(c, p, (size_t)(lf - p), lf + 1 == end, err) < 0)
			return -1;
	}
	for (i = group->first; i < group->n; i++)
		if (!group->m[i].described)
			return cart_rule(err, 19, "no line of its log part "
					 "describes %s", group->m[i].path);
	return 0;
}

int cart_logcheck_kept(const struct cart_logcheck *c, struct cart_err *err)
{
	if (c->heads_found < c->n_heads)
		return cart_rule(err, 27, "the log was cut: it is shorter than "
				 "one whose head you kept");
	return 0;
}

int cart_logcheck_end(const struct cart_logcheck *c, struct cart_err *err)
{
	if (cart_logcheck_kept(c, err) < 0)
		return -1;
	if (!c->ended)
		return cart_rule(err, 16, "the log has no end line");
	if (c->n_open > 0)
		return cart_rule(err, 19, "exhibit %" PRIu32 " has parts but "
				 "no line", c->open[0].number);
	return 0;
}
