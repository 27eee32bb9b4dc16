/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/text.h>

#include "read_internal.h"

/*
 * Members in stream order become a bag: which may follow which, what is in
 * the tag files, and that the two lists at the end say what was there.  The
 * lists are not kept: what they must be is hashed while members go by.
 */

enum place {
	AT_START,
	AFTER_BAGIT,
	AFTER_VERIFY,
	AFTER_MANIFEST,
	AFTER_PLAN,
	AFTER_SESSION,
	AFTER_EXAMINER,
	IN_GROUP,			/* a key or payload was read */
	AFTER_GROUP,
	AFTER_CHECKPOINT,
	AFTER_INFO,
	AFTER_LIST,
	AFTER_TAGS,
	AFTER_SEAL,
	AFTER_STAMPS,			/* the list of them */
	AFTER_STAMP_1,
	AFTER_STAMP_2
};

#define BIT(place) (1u << (place))
#define GROUP_MAY_BEGIN (BIT(AFTER_SESSION) | BIT(AFTER_EXAMINER) | \
			 BIT(AFTER_GROUP))

struct cart_member_rule {
	const char *path;
	unsigned from;			/* BIT(place) of all it may follow */
	enum place to;
	int rule;			/* that too long a member breaks */
	size_t keep;			/* longest that is kept and parsed */
	int (*end)(struct cart_bag *b, const char *hex, struct cart_err *err);
	enum { LIST_NONE, LIST_TAGS, LIST_PAYLOAD } list;
};

static const char BAGIT[] = "BagIt-Version: 1.0\n"
			    "Tag-File-Character-Encoding: UTF-8\n";

static int end_bagit(struct cart_bag *b, const char *hex, struct cart_err *err);
static int end_manifest(struct cart_bag *b, const char *hex,
			struct cart_err *err);
static int end_session(struct cart_bag *b, const char *hex,
		       struct cart_err *err);
static int end_examiner(struct cart_bag *b, const char *hex,
			struct cart_err *err);
static int end_log(struct cart_bag *b, const char *hex, struct cart_err *err);
static int end_checkpoint(struct cart_bag *b, const char *hex,
			  struct cart_err *err);
static int end_info(struct cart_bag *b, const char *hex, struct cart_err *err);
static int end_list(struct cart_bag *b, const char *hex, struct cart_err *err);
static int end_tags(struct cart_bag *b, const char *hex, struct cart_err *err);
static int end_seal(struct cart_bag *b, const char *hex, struct cart_err *err);
static int end_stamps(struct cart_bag *b, const char *hex,
		      struct cart_err *err);
static int end_stamp_1(struct cart_bag *b, const char *hex,
		       struct cart_err *err);
static int end_stamp_2(struct cart_bag *b, const char *hex,
		       struct cart_err *err);

/* F8.  Members whose path holds a number are below. */
static const struct cart_member_rule rules[] = {
	{ "bagit.txt", BIT(AT_START), AFTER_BAGIT, 10, 256, end_bagit,
	  LIST_TAGS },
	{ "VERIFY.txt", BIT(AFTER_BAGIT), AFTER_VERIFY, 6, 0, NULL, LIST_TAGS },
	{ "manifest.json", BIT(AFTER_VERIFY), AFTER_MANIFEST, 6, 0,
	  end_manifest, LIST_TAGS },
	{ "plan.json", BIT(AFTER_MANIFEST), AFTER_PLAN, 6, 0, NULL, LIST_TAGS },
	{ "keys/session-1.pub", BIT(AFTER_PLAN), AFTER_SESSION, 8, 4096,
	  end_session, LIST_TAGS },
	{ "keys/examiner.pub", BIT(AFTER_SESSION), AFTER_EXAMINER, 8, 4096,
	  end_examiner, LIST_TAGS },
	{ "checkpoint", BIT(AFTER_GROUP), AFTER_CHECKPOINT, 18, 4096,
	  end_checkpoint, LIST_TAGS },
	{ "bag-info.txt", BIT(AFTER_CHECKPOINT), AFTER_INFO, 12, 65536,
	  end_info, LIST_TAGS },
	{ "manifest-sha256.txt", BIT(AFTER_INFO), AFTER_LIST, 11, 0, end_list,
	  LIST_TAGS },
	{ "tagmanifest-sha256.txt", BIT(AFTER_LIST), AFTER_TAGS, 11, 0,
	  end_tags, LIST_NONE },
	{ "seal/tagmanifest-sha256.txt.minisig", BIT(AFTER_TAGS), AFTER_SEAL,
	  23, 4096, end_seal, LIST_NONE },
	{ "seal/timestamps.txt", BIT(AFTER_SEAL), AFTER_STAMPS, 24, 16384,
	  end_stamps, LIST_NONE },
	{ "seal/tagmanifest-sha256.txt.tsr", BIT(AFTER_STAMPS), AFTER_STAMP_1,
	  24, CART_TSR_MAX, end_stamp_1, LIST_NONE },
	{ "seal/tagmanifest-sha256.txt.2.tsr",
	  BIT(AFTER_STAMPS) | BIT(AFTER_STAMP_1), AFTER_STAMP_2, 24,
	  CART_TSR_MAX, end_stamp_2, LIST_NONE },
};

static const struct cart_member_rule rule_key = {
	NULL, BIT(AFTER_GROUP), IN_GROUP, 8, 4096, end_session, LIST_TAGS
};

static const struct cart_member_rule rule_log = {
	NULL, GROUP_MAY_BEGIN | BIT(IN_GROUP), AFTER_GROUP, 14, LOG_PART_MAX,
	end_log, LIST_TAGS
};

static const struct cart_member_rule rule_payload = {
	NULL, GROUP_MAY_BEGIN | BIT(IN_GROUP), IN_GROUP, 6, 0, NULL,
	LIST_PAYLOAD
};

/* --- paths --- */

/* Digits at s, as many as there are; returns how many, 0 if more than 9. */
static size_t digits(const char *s, uint32_t *ret)
{
	size_t n = 0;
	uint32_t v = 0;

	while (s[n] >= '0' && s[n] <= '9') {
		if (n == 9)
			return 0;
		v = v * 10 + (uint32_t)(s[n++] - '0');
	}
	*ret = v;
	return n;
}

static bool slug_ok(const char *s)
{
	static const char more[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(s);

	/* strchr() finds the end of an empty one, too */
	return len <= 64 && strspn(s, more) == len && !strchr("._-", s[0]);
}

bool cart_payload_path_ok(const char *path, uint32_t *ret_exhibit)
{
	uint32_t part;
	size_t n;

	if (strncmp(path, "data/e", 6) != 0)
		return false;
	path += 6;
	n = digits(path, ret_exhibit);
	if (*ret_exhibit == 0 || n < 6 || (n > 6 && path[0] == '0'))
		return false;
	path += n;
	if (path[0] == '-')
		return slug_ok(path + 1);
	if (path[0] != '/' || digits(path + 1, &part) != 8 || part == 0)
		return false;
	path += 9;
	return strcmp(path, ".zst") == 0 || strcmp(path, ".tar.zst") == 0 ||
	       strcmp(path, ".bin") == 0;
}

static const struct cart_member_rule *find_rule(const struct cart_bag *b,
						const char *path)
{
	char want[64];
	size_t i;

	if (strncmp(path, "data/", 5) == 0)
		return &rule_payload;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].path, path) == 0)
			return &rules[i];
	snprintf(want, sizeof(want), "log/%06u.jsonl", b->log_parts + 1);
	if (strcmp(want, path) == 0 && b->log_parts < 999999)
		return &rule_log;
	snprintf(want, sizeof(want), "keys/session-%u.pub",
		 b->log.sessions + 1);
	return strcmp(want, path) == 0 ? &rule_key : NULL;
}

/* --- names so far, so that none stands twice (F7) --- */

static size_t slot_of(const unsigned char name[16], size_t cap)
{
	uint64_t v;

	memcpy(&v, name, sizeof(v));
	return (size_t)v & (cap - 1);
}

static void insert(unsigned char (*table)[16], size_t cap,
		   const unsigned char name[16])
{
	static const unsigned char none[16];
	size_t i = slot_of(name, cap);

	while (memcmp(table[i], none, 16) != 0)
		i = (i + 1) & (cap - 1);
	memcpy(table[i], name, 16);
}

static bool is_seen(const struct cart_bag *b, const unsigned char name[16])
{
	static const unsigned char none[16];
	size_t i;

	if (b->seen_cap == 0)
		return false;
	for (i = slot_of(name, b->seen_cap); memcmp(b->seen[i], none, 16) != 0;
	     i = (i + 1) & (b->seen_cap - 1))
		if (memcmp(b->seen[i], name, 16) == 0)
			return true;
	return false;
}

/* Room for one more; at most three quarters are full. */
static int grow_seen(struct cart_bag *b, struct cart_err *err)
{
	static const unsigned char none[16];
	size_t cap = b->seen_cap ? b->seen_cap * 2 : 64, i;
	unsigned char (*table)[16];

	if (b->members < b->seen_cap / 4 * 3)
		return 0;
	table = calloc(cap, sizeof(*table));
	if (!table)
		return cart_err_nomem(err);
	for (i = 0; i < b->seen_cap; i++)
		if (memcmp(b->seen[i], none, 16) != 0)
			insert(table, cap, b->seen[i]);
	free(b->seen);
	b->seen = table;
	b->seen_cap = cap;
	return 0;
}

static int note_name(struct cart_bag *b, const char *path, struct cart_err *err)
{
	unsigned char sha256[CART_SHA256_SIZE];
	char lower[101];
	size_t i;

	for (i = 0; i < sizeof(lower) && path[i]; i++)
		lower[i] = path[i] >= 'A' && path[i] <= 'Z' ?
				   (char)(path[i] | 0x20) : path[i];
	cart_sha256(lower, i, sha256);
	if (is_seen(b, sha256))
		return cart_rule(err, 7, "%s stands twice", path);
	if (grow_seen(b, err) < 0)
		return -1;
	insert(b->seen, b->seen_cap, sha256);
	return 0;
}

/* --- a member --- */

void cart_bag_init(struct cart_bag *b, struct cart_crew *crew)
{
	size_t i;

	memset(b, 0, sizeof(*b));
	b->crew = crew;
	cart_logcheck_init(&b->log);
	b->log.name = b->name;
	b->log.manifest_hex = b->manifest_hex;
	cart_sha256_init(&b->payload_list);
	cart_sha256_init(&b->tag_list);
	cart_sha256_init(&b->now_sha);
	cart_buf_init(&b->now_data, LOG_PART_MAX);
	cart_buf_init(&b->inner_text, 4096);
	for (i = 0; i < CART_STAMPS_MAX; i++)
		cart_buf_init(&b->stamp[i].reply, CART_TSR_MAX);
}

static void clear_group(struct cart_group *g)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		cart_member_hash_free(g->m[i].hash);
	g->n = g->first = 0;
}

void cart_bag_settle(struct cart_bag *b)
{
	clear_group(&b->group);
}

void cart_bag_clear(struct cart_bag *b)
{
	size_t i;

	clear_group(&b->group);
	free(b->group.m);
	free(b->seen);
	cart_logcheck_clear(&b->log);
	cart_buf_clear(&b->now_data);
	cart_buf_clear(&b->inner_text);
	for (i = 0; i < CART_STAMPS_MAX; i++)
		cart_buf_clear(&b->stamp[i].reply);
	cart_sha256_clear(&b->payload_list);
	cart_sha256_clear(&b->tag_list);
	cart_sha256_clear(&b->now_sha);
}

static int begin_payload(struct cart_bag *b, struct cart_err *err)
{
	struct cart_group *g = &b->group;
	struct cart_group_member *m;
	uint32_t exhibit;
	size_t cap;

	if (!cart_payload_path_ok(b->now.path, &exhibit))
		return cart_rule(err, 13, "%s is not a path of payload",
				 b->now.path);
	if (exhibit > EXHIBIT_MAX)
		return cart_rule(err, 9, "%s: too high a number", b->now.path);
	if (++b->payload > PAYLOAD_MAX)
		return cart_rule(err, 9, "more than 150000 payload members");
	if (g->n == GROUP_MAX)
		return cart_rule(err, 9, "more than 8192 members in a group");
	if (g->n == g->cap) {
		cap = g->cap ? g->cap * 2 : 16;
		m = realloc(g->m, cap * sizeof(*m));
		if (!m)
			return cart_err_nomem(err);
		g->m = m;
		g->cap = cap;
	}
	m = &g->m[g->n];
	memset(m, 0, sizeof(*m));
	m->hash = cart_member_hash_new(b->crew, err);
	if (!m->hash)
		return -1;
	snprintf(m->path, sizeof(m->path), "%s", b->now.path);
	m->size = b->now.size;
	m->offset = b->has_mtime ? b->now.offset + 512 : 0;
	g->n++;
	b->payload_bytes += b->now.size;
	return 0;
}

static int tell(struct cart_bag *b, const void *data, size_t len, bool end,
		struct cart_err *err)
{
	if (!b->member)
		return 0;
	return b->member(b->arg, &b->now, data, len, end, err);
}

int cart_bag_begin(struct cart_bag *b, const struct cart_walk_member *m,
		   struct cart_err *err)
{
	const struct cart_member_rule *r;

	snprintf(b->now_path, sizeof(b->now_path), "%s", m->path);
	b->now = *m;
	b->now.path = b->now_path;
	if (b->members == BAG_MEMBERS_MAX)
		return cart_rule(err, 9, "more than 400000 members");
	r = b->now_rule = find_rule(b, m->path);
	if (!r || !(r->from >> b->place & 1))
		return cart_rule(err, 8, "%s is out of place", m->path);
	if (note_name(b, m->path, err) < 0)
		return -1;
	if (m->size > MEMBER_MAX || (r->keep > 0 && m->size > r->keep))
		return cart_rule(err, r->rule, "%s is too long", m->path);
	b->members++;
	b->place = r->to;
	cart_buf_reset(&b->now_data);
	cart_sha256_init(&b->now_sha);
	if (r->end == end_tags)
		cart_blake2b_init(&b->now_prehash);
	if (r->list == LIST_PAYLOAD && begin_payload(b, err) < 0)
		return -1;
	return tell(b, NULL, 0, false, err);
}

int cart_bag_data(struct cart_bag *b, struct cart_chunk *chunk,
		  const unsigned char *data, size_t len, struct cart_err *err)
{
	const struct cart_member_rule *r = b->now_rule;

	if (r->list == LIST_PAYLOAD)
		cart_member_hash_add(b->group.m[b->group.n - 1].hash, chunk,
				     data, len);
	else
		cart_sha256_update(&b->now_sha, data, len);
	if (r->keep > 0)
		cart_buf_add(&b->now_data, data, len);
	if (r->end == end_tags)
		cart_blake2b_update(&b->now_prehash, data, len);
	return tell(b, data, len, false, err);
}

/* A line of a list: digest, two spaces, path. */
static void list_add(struct cart_sha256 *list, const char *hex,
		     const char *path)
{
	cart_sha256_update(list, hex, 64);
	cart_sha256_update(list, "  ", 2);
	cart_sha256_update(list, path, strlen(path));
	cart_sha256_update(list, "\n", 1);
}

int cart_bag_end(struct cart_bag *b, struct cart_err *err)
{
	const struct cart_member_rule *r = b->now_rule;
	unsigned char sha256[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];

	if (r->list != LIST_PAYLOAD) {
		cart_sha256_final(&b->now_sha, sha256);
		cart_text_hex(sha256, sizeof(sha256), hex);
		if (cart_buf_check(&b->now_data, b->now.path, err) < 0)
			return -1;
		if (r->end && r->end(b, hex, err) < 0)
			return -1;
		if (r->list == LIST_TAGS)
			list_add(&b->tag_list, hex, b->now.path);
	}
	return tell(b, NULL, 0, true, err);
}

/* --- what is in the tag files --- */

static int end_bagit(struct cart_bag *b, const char *hex, struct cart_err *err)
{
	if (b->now_data.len != sizeof(BAGIT) - 1 ||
	    memcmp(b->now_data.data, BAGIT, sizeof(BAGIT) - 1) != 0)
		return cart_rule(err, 10, "bagit.txt");
	return 0;
}

static int end_manifest(struct cart_bag *b, const char *hex,
			struct cart_err *err)
{
	memcpy(b->manifest_hex, hex, sizeof(b->manifest_hex));
	return 0;
}

static int take_key(struct cart_bag *b, struct cart_public_key *ret,
		    struct cart_err *err)
{
	const char *p = (const char *)b->now_data.data;
	size_t len = b->now_data.len;
	struct cart_err why = { 0 };

	/* the bare form is for people only */
	if (len == 0 || p[len - 1] != '\n')
		return cart_rule(err, 8, "%s is not two lines", b->now.path);
	if (cart_minisign_parse_public(p, len, ret, &why) < 0)
		return cart_rule_because(err, 8, &why, b->now.path);
	return 0;
}

static int end_session(struct cart_bag *b, const char *hex,
		       struct cart_err *err)
{
	struct cart_public_key key;

	if (take_key(b, &key, err) < 0)
		return -1;
	cart_logcheck_session(&b->log, &key);
	return 0;
}

static int end_examiner(struct cart_bag *b, const char *hex,
			struct cart_err *err)
{
	b->has_examiner = true;
	return take_key(b, &b->examiner, err);
}

/* All payload of the group was read: its digests, in order. */
static void settle_group(struct cart_bag *b)
{
	struct cart_group_member *m;
	size_t i;

	for (i = 0; i < b->group.n; i++) {
		m = &b->group.m[i];
		cart_member_hash_end(m->hash, m->sha256);
		cart_text_hex(m->sha256, sizeof(m->sha256), m->sha256_hex);
		list_add(&b->payload_list, m->sha256_hex, m->path);
	}
}

static int end_log(struct cart_bag *b, const char *hex, struct cart_err *err)
{
	b->log_parts++;
	settle_group(b);
	if (cart_logcheck_part(&b->log, b->now_data.data, b->now_data.len,
			       &b->group, err) < 0)
		return -1;
	clear_group(&b->group);
	return 0;
}

static int end_checkpoint(struct cart_bag *b, const char *hex,
			  struct cart_err *err)
{
	unsigned char root[CART_SHA256_SIZE], want[CART_SHA256_SIZE];
	struct cart_err why = { 0 };
	uint64_t size;

	if (cart_logcheck_end(&b->log, err) < 0)
		return -1;
	if (cart_checkpoint_verify(b->now_data.data, b->now_data.len,
				   b->log.origin, &b->log.key, &size, root,
				   &why) < 0)
		return cart_rule_because(err, 18, &why, "checkpoint");
	cart_merkle_root(&b->log.merkle, want);
	if (size != b->log.merkle.size || memcmp(root, want, sizeof(root)) != 0)
		return cart_rule(err, 18, "the checkpoint is not of this log");
	return 0;
}

static int end_list(struct cart_bag *b, const char *hex, struct cart_err *err)
{
	unsigned char sha256[CART_SHA256_SIZE];
	char want[CART_SHA256_HEX_SIZE];

	cart_sha256_final(&b->payload_list, sha256);
	cart_text_hex(sha256, sizeof(sha256), want);
	if (strcmp(want, hex) != 0)
		return cart_rule(err, 11, "manifest-sha256.txt does not list "
				 "the payload as it is");
	return 0;
}

static int end_tags(struct cart_bag *b, const char *hex, struct cart_err *err)
{
	unsigned char sha256[CART_SHA256_SIZE];
	char want[CART_SHA256_HEX_SIZE];

	cart_sha256_final(&b->tag_list, sha256);
	cart_text_hex(sha256, sizeof(sha256), want);
	if (strcmp(want, hex) != 0)
		return cart_rule(err, 11, "tagmanifest-sha256.txt does not "
				 "list the tag files as they are");
	memcpy(b->root, hex, sizeof(b->root));
	cart_blake2b_final(&b->now_prehash, b->tag_prehash);
	return 0;
}

static int end_seal(struct cart_bag *b, const char *hex, struct cart_err *err)
{
	struct cart_err why = { 0 };

	if (cart_minisign_parse_sig(b->now_data.data, b->now_data.len,
				    &b->inner, &why) < 0)
		return cart_rule_because(err, 23, &why, b->now.path);
	cart_buf_add(&b->inner_text, b->now_data.data, b->now_data.len);
	return cart_buf_check(&b->inner_text, "inner seal", err);
}

static int end_stamps(struct cart_bag *b, const char *hex, struct cart_err *err)
{
	return cart_stamps_parse(b->now_data.data, b->now_data.len, b->stamp,
				 &b->n_stamps, err);
}

static int end_stamp(struct cart_bag *b, size_t i, struct cart_err *err)
{
	struct cart_stamp *s = &b->stamp[i];

	/* nor does it where it has no such line */
	if (!s->granted)
		return cart_rule(err, 24, "timestamps.txt does not say that "
				 "%s was granted", b->now.path);
	cart_buf_add(&s->reply, b->now_data.data, b->now_data.len);
	return cart_buf_check(&s->reply, "time stamp", err);
}

static int end_stamp_1(struct cart_bag *b, const char *hex,
		       struct cart_err *err)
{
	return end_stamp(b, 0, err);
}

static int end_stamp_2(struct cart_bag *b, const char *hex,
		       struct cart_err *err)
{
	return end_stamp(b, 1, err);
}

/* --- bag-info.txt (F12) --- */

struct info {
	const char *p, *end;
};

static bool plain_text(const char *s, size_t len)
{
	size_t i;

	if (!cart_text_is_utf8(s, len))
		return false;
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f ||
		    (c == 0xc2 && i + 1 < len &&
		     (unsigned char)s[i + 1] < 0xa0))
			return false;
	}
	return len > 0;
}

/* The next line is `label: value`; NULL if it is not. */
static const char *info_value(struct info *in, const char *label, size_t *ret)
{
	size_t n = strlen(label), left = (size_t)(in->end - in->p);
	const char *lf = memchr(in->p, '\n', left), *value;

	if (!lf || (size_t)(lf - in->p) < n + 3 ||
	    memcmp(in->p, label, n) != 0 || memcmp(in->p + n, ": ", 2) != 0)
		return NULL;
	value = in->p + n + 2;
	*ret = (size_t)(lf - value);
	if (!plain_text(value, *ret))
		return NULL;
	in->p = lf + 1;
	return value;
}

static int info_is(struct info *in, const char *label, const char *want,
		   struct cart_err *err)
{
	size_t len;
	const char *v = info_value(in, label, &len);

	if (!v || len != strlen(want) || memcmp(v, want, len) != 0)
		return cart_rule(err, 12, "%s of bag-info.txt is not %s", label,
				 want);
	return 0;
}

/* `crashcart VERSION (COMMIT)` */
static bool agent_ok(const char *v, size_t len)
{
	static const char start[] = "crashcart ";
	size_t n = sizeof(start) - 1, version, commit;

	if (len < n + 5 || memcmp(v, start, n) != 0 || v[len - 1] != ')')
		return false;
	v += n;
	len -= n;
	for (version = 0; version < len && !strchr(" ()", v[version]);)
		version++;
	if (version == 0 || len - version < 4 ||
	    memcmp(v + version, " (", 2) != 0)
		return false;
	for (commit = version + 2; commit < len && !strchr(" ()", v[commit]);)
		commit++;
	return commit == len - 1;
}

/* The day of Crashcart-Start, which stands further down. */
static int info_start(struct info in, uint64_t *ret_start, char date[11],
		      struct cart_err *err)
{
	static const char label[] = "\nCrashcart-Start: ";
	const char *p = memmem(in.p, (size_t)(in.end - in.p), label,
			       sizeof(label) - 1);
	char text[CART_CLOCK_TEXT_SIZE];
	size_t len;

	if (p) {
		in.p = p + 1;
		p = info_value(&in, "Crashcart-Start", &len);
	}
	if (!p || cart_text_u64(p, len, ((uint64_t)1 << 33) - 1, ret_start) < 0)
		return cart_rule(err, 12, "Crashcart-Start of bag-info.txt");
	cart_clock_text((int64_t)*ret_start * 1000000000, 0, text);
	memcpy(date, text, 10);
	date[10] = '\0';
	return 0;
}

static int info_upper(struct cart_bag *b, struct info *in, const char *date,
		      struct cart_err *err)
{
	char oxum[64];
	const char *v;
	size_t len;

	if (in->end - in->p > 19 && memcmp(in->p, "Source-Organization", 19) == 0 &&
	    !info_value(in, "Source-Organization", &len))
		return cart_rule(err, 12, "Source-Organization of bag-info.txt");
	snprintf(oxum, sizeof(oxum), "%" PRIu64 ".%" PRIu64, b->payload_bytes,
		 b->payload);
	if (info_is(in, "Bagging-Date", date, err) < 0 ||
	    info_is(in, "External-Identifier", b->name, err) < 0 ||
	    info_is(in, "Bag-Group-Identifier", b->log.case_id, err) < 0 ||
	    info_is(in, "Payload-Oxum", oxum, err) < 0)
		return -1;
	v = info_value(in, "Bag-Software-Agent", &len);
	if (!v || !agent_ok(v, len))
		return cart_rule(err, 12, "Bag-Software-Agent of bag-info.txt");
	return 0;
}

static int info_lower(struct cart_bag *b, struct info *in, uint64_t start,
		      struct cart_err *err)
{
	char number[24];
	const char *v;
	size_t len;

	snprintf(number, sizeof(number), "%" PRIu64, start);
	if (info_is(in, "Crashcart-Format", "1", err) < 0 ||
	    info_is(in, "Crashcart-Uuid", b->log.uuid, err) < 0 ||
	    info_is(in, "Crashcart-Start", number, err) < 0)
		return -1;
	v = info_value(in, "Crashcart-State", &len);
	if (!v || !((len == 4 && memcmp(v, "gaps", 4) == 0) ||
		    (len == 8 && memcmp(v, "complete", 8) == 0)))
		return cart_rule(err, 12, "Crashcart-State of bag-info.txt");
	memcpy(b->state, v, len);
	snprintf(number, sizeof(number), "%" PRIu64, b->log.merkle.size);
	if (info_is(in, "Crashcart-Log", number, err) < 0)
		return -1;
	if (in->p != in->end)
		return cart_rule(err, 12, "more lines in bag-info.txt");
	return 0;
}

static int end_info(struct cart_bag *b, const char *hex, struct cart_err *err)
{
	struct info in = { (char *)b->now_data.data,
			   (char *)b->now_data.data + b->now_data.len };
	uint64_t start;
	char date[11];

	if (b->now_data.len == 0)
		return cart_rule(err, 12, "bag-info.txt is empty");
	if (info_start(in, &start, date, err) < 0 ||
	    info_upper(b, &in, date, err) < 0 ||
	    info_lower(b, &in, start, err) < 0)
		return -1;
	if (b->has_mtime && b->mtime != start)
		return cart_rule(err, 5, "the time of the members is not "
				 "Crashcart-Start");
	if (strcmp(b->log.outcome, b->state) != 0 ||
	    b->log.end_bytes != b->payload_bytes)
		return cart_rule(err, 16, "outcome or bytes of the end line "
				 "are not those of bag-info.txt");
	return 0;
}

/* --- the inner seal --- */

const struct cart_public_key *cart_bag_key(const struct cart_bag *b)
{
	return b->has_examiner ? &b->examiner : &b->log.key;
}

void cart_bag_comment(const struct cart_bag *b, const char *what,
		      const char *purpose, char out[512])
{
	snprintf(out, 512, "%s bundle=%s case=%s%s%s root=%s", what, b->name,
		 b->log.case_id, purpose ? " purpose=" : "",
		 purpose ? purpose : "", b->root);
}

int cart_bag_finish(struct cart_bag *b, struct cart_err *err)
{
	const struct cart_public_key *key = cart_bag_key(b);
	struct cart_err why = { 0 };
	char comment[512];
	size_t i;

	if (b->place < AFTER_SEAL)
		return cart_rule(err, 8, "members are missing at the end");
	snprintf(b->purpose, sizeof(b->purpose), "%s",
		 b->has_examiner ? "examiner" : "session");
	cart_bag_comment(b, "crashcart inner-seal", b->purpose, comment);
	if (strcmp(b->inner.untrusted, "crashcart inner seal") != 0 ||
	    strcmp(b->inner.trusted, comment) != 0)
		return cart_rule(err, 23, "the comments of the inner seal");
	if (memcmp(b->inner.key_id, key->id, sizeof(key->id)) != 0)
		return cart_rule(err, 23, "the inner seal is by another key "
				 "than the one in keys/");
	if (cart_minisign_verify(&b->inner, key, b->tag_prehash, &why) < 0)
		return cart_rule_because(err, 23, &why, "the inner seal");
	for (i = 0; i < b->n_stamps; i++)
		if (b->stamp[i].granted && b->stamp[i].reply.len == 0)
			return cart_rule(err, 24, "time stamp %zu was granted, "
					 "and is missing", i + 1);
	return 0;
}
