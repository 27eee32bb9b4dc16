/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/attest_cloudtrail.h>
#include <crashcart/clock.h>
#include <crashcart/compress.h>
#include <crashcart/digest.h>
#include <crashcart/rsa.h>
#include <crashcart/text.h>

#define DIGEST_MAX ((size_t)64 << 20)	/* inflated */
#define KEYS_MAX 10000
#define HOUR_NS ((int64_t)3600 * 1000000000)
#define SIG_MAX 1024			/* bytes: an RSA key of 8192 bits */
#define UNKNOWN_NS INT64_MIN

/* What a digest says of the one before it. */
struct link {
	bool known;			/* a valid digest said so */
	bool first;			/* ... that there is none */
	char *bucket, *key, *hash, *signature;
};

struct cart_trail_chain {
	struct cart_trail_options o;
	struct link want;
	bool any;			/* a valid digest was seen */
	int64_t proven_ns;		/* begin of the newest unbroken time */
	char reason[512];
};

/* A digest being looked at. */
struct look {
	struct cart_buf text;
	struct cart_json *json;
	const char *end;
	int64_t start_ns, end_ns;
	char sha256[CART_SHA256_HEX_SIZE];
	const char *fingerprint;
};

const char *cart_trail_verdict_name(enum cart_trail_verdict v)
{
	return v == CART_TRAIL_VALID ? "valid" :
		v == CART_TRAIL_INVALID ? "invalid" : "cannot tell";
}

/* ---- names ----------------------------------------------------------------- */

static int copy(char *to, size_t size, const char *from, size_t len)
{
	if (len == 0 || len >= size)
		return -1;
	memcpy(to, from, len);
	to[len] = '\0';
	return 0;
}

static const char *last(const char *s, size_t len, char c)
{
	return memrchr(s, c, len);
}

/* "20261124T030405Z" */
static int compact_time(const char *s, size_t len, int64_t *ret)
{
	char text[24];

	if (len != 16 || s[8] != 'T' || s[15] != 'Z')
		return -1;
	snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s, s + 4,
		 s + 6, s + 9, s + 11, s + 13);
	return cart_clock_parse(text, strlen(text), ret);
}

/* ACCOUNT_CloudTrail-Digest_REGION_TRAIL_HOME_TIME[_backfill].json.gz, where
 * TRAIL may hold '_'. */
int cart_trail_digest_name(const char *key, struct cart_trail_name *ret)
{
	static const char kind[] = "_CloudTrail-Digest_", tail[] = ".json.gz",
		filled[] = "_backfill";
	const char *s = strrchr(key, '/'), *p;
	size_t len, n;

	memset(ret, 0, sizeof(*ret));
	s = s ? s + 1 : key;
	len = strlen(s);
	if (len < sizeof(tail) ||
	    strcmp(s + len - (sizeof(tail) - 1), tail) != 0)
		return -1;
	len -= sizeof(tail) - 1;
	n = sizeof(filled) - 1;
	if (len > n && memcmp(s + len - n, filled, n) == 0) {
		ret->backfill = true;
		len -= n;
	}
	n = sizeof(kind) - 1;
	if (len < 12 + n || memcmp(s + 12, kind, n) != 0 ||
	    strspn(s, "0123456789") != 12 || copy(ret->account, 13, s, 12) < 0)
		return -1;
	s += 12 + n;
	len -= 12 + n;
	p = memchr(s, '_', len);
	if (!p || copy(ret->region, sizeof(ret->region), s,
		       (size_t)(p - s)) < 0)
		return -1;
	len -= (size_t)(p + 1 - s);
	s = p + 1;
	p = last(s, len, '_');
	if (!p || compact_time(p + 1, len - (size_t)(p + 1 - s),
			       &ret->end_ns) < 0)
		return -1;
	len = (size_t)(p - s);
	p = last(s, len, '_');
	if (!p || copy(ret->home_region, sizeof(ret->home_region), p + 1,
		       len - (size_t)(p + 1 - s)) < 0)
		return -1;
	return copy(ret->trail, sizeof(ret->trail), s, (size_t)(p - s));
}

/* ---- keys ------------------------------------------------------------------- */

struct key {
	char region[32];
	bool everywhere;		/* of a region that is not known */
	char fingerprint[33];
	size_t len;
	unsigned char *der;
};

struct cart_trail_keys {
	struct key *key;
	size_t n, cap;
};

struct cart_trail_keys *cart_trail_keys_new(struct cart_err *err)
{
	struct cart_trail_keys *k = calloc(1, sizeof(*k));

	if (!k)
		cart_err_nomem(err);
	return k;
}

void cart_trail_keys_free(struct cart_trail_keys *k)
{
	size_t i;

	if (!k)
		return;
	for (i = 0; i < k->n; i++)
		free(k->key[i].der);
	free(k->key);
	free(k);
}

static const struct key *find_key(const struct cart_trail_keys *k,
				  const char *region, const char *fingerprint)
{
	size_t i;

	for (i = 0; i < k->n; i++) {
		if (!strcmp(k->key[i].fingerprint, fingerprint) &&
		    (k->key[i].everywhere || !strcmp(k->key[i].region, region)))
			return &k->key[i];
	}
	return NULL;
}

/* 1: not a key, or not the one that it says; 0; -1 no memory. */
static int add_key(struct cart_trail_keys *k, const char *region,
		   const struct cart_json *e)
{
	const char *value = cart_json_get_string(e, "Value");
	const char *fingerprint = cart_json_get_string(e, "Fingerprint");
	bool everywhere = region == NULL;
	unsigned char md5[16];
	struct cart_buf der;
	struct key *bigger, *new;
	char hex[33];
	size_t cap;
	int rc;

	if (everywhere)
		region = "";
	cart_buf_init(&der, 4096);
	if (!value || !fingerprint || strlen(region) >= sizeof(new->region) ||
	    cart_text_unbase64(value, strlen(value), &der) < 0) {
		cart_buf_clear(&der);
		return 1;
	}
	rc = cart_md5(der.data, der.len, md5);
	if (rc < 0)
		goto out;
	cart_text_hex(md5, sizeof(md5), hex);
	rc = strcmp(hex, fingerprint) != 0;
	if (rc || find_key(k, region, hex))
		goto out;
	rc = -1;
	if (k->n == k->cap) {
		cap = k->cap ? 2 * k->cap : 16;
		bigger = realloc(k->key, cap * sizeof(*bigger));
		if (!bigger)
			goto out;
		k->key = bigger;
		k->cap = cap;
	}
	new = &k->key[k->n];
	snprintf(new->region, sizeof(new->region), "%s", region);
	new->everywhere = everywhere;
	memcpy(new->fingerprint, hex, sizeof(hex));
	new->der = (void *)cart_buf_steal(&der, &new->len);
	if (!new->der)
		goto out;
	k->n++;
	rc = 0;
out:
	cart_buf_clear(&der);
	return rc;
}

int cart_trail_keys_add(struct cart_trail_keys *k, const char *region,
			const struct cart_json *answer, struct cart_err *err)
{
	const struct cart_json *list = cart_json_get(answer, "PublicKeyList");
	const struct cart_json *e;
	int refused = 0, rc;

	if (!list || cart_json_type(list) != CART_JSON_ARRAY)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "not an answer of ListPublicKeys");
	for (e = cart_json_first(list); e; e = cart_json_next(e)) {
		if (k->n >= KEYS_MAX)
			return cart_err_set(err, CART_ERR_LIMIT, 0, "more than "
					    "%d public keys", KEYS_MAX);
		rc = add_key(k, region, e);
		if (rc < 0)
			return cart_err_nomem(err);
		refused += rc;
	}
	return refused;
}

/* ---- one digest ------------------------------------------------------------- */

static void link_clear(struct link *l)
{
	free(l->bucket);
	free(l->key);
	free(l->hash);
	free(l->signature);
	memset(l, 0, sizeof(*l));
}

static enum cart_trail_verdict
say(struct cart_trail_chain *c, enum cart_trail_verdict v, const char *text)
{
	snprintf(c->reason, sizeof(c->reason), "%s", text);
	return v;
}

#define INVALID(text) say(c, CART_TRAIL_INVALID, text)
#define UNKNOWN(text) say(c, CART_TRAIL_UNKNOWN, text)

static bool is_null(const struct cart_json *j, const char *key)
{
	const struct cart_json *m = cart_json_get(j, key);

	return m && cart_json_type(m) == CART_JSON_NULL;
}

static enum cart_trail_verdict
read_digest(struct cart_trail_chain *c, const struct cart_trail_object *o,
	    struct look *l)
{
	const char *bucket, *key, *start;
	struct cart_err err = { 0 };

	if (!o->data)
		return UNKNOWN(o->missing ? o->missing : "the object is missing");
	if (cart_gunzip(o->data, o->len, &l->text, &err) < 0) {
		if (err.class == CART_ERR_INPUT)
			return INVALID(err.text);
		return UNKNOWN(err.text);
	}
	cart_sha256_hex(l->text.data, l->text.len, l->sha256);
	l->json = cart_json_parse(l->text.data, l->text.len, NULL, &err);
	if (!l->json) {
		if (err.class == CART_ERR_INPUT)
			return INVALID(err.text);
		return UNKNOWN(err.text);
	}
	bucket = cart_json_get_string(l->json, "digestS3Bucket");
	key = cart_json_get_string(l->json, "digestS3Object");
	start = cart_json_get_string(l->json, "digestStartTime");
	l->end = cart_json_get_string(l->json, "digestEndTime");
	l->fingerprint = cart_json_get_string(l->json,
					      "digestPublicKeyFingerprint");
	if (!bucket || !key || !start || !l->end || !l->fingerprint ||
	    (!is_null(l->json, "previousDigestSignature") &&
	     !cart_json_get_string(l->json, "previousDigestSignature")))
		return INVALID("a field that every digest has is missing");
	if (cart_clock_parse(start, strlen(start), &l->start_ns) < 0 ||
	    cart_clock_parse(l->end, strlen(l->end), &l->end_ns) < 0 ||
	    l->start_ns > l->end_ns) {
		l->start_ns = l->end_ns = UNKNOWN_NS;
		return INVALID("digestStartTime or digestEndTime is not a time, "
			       "or in the wrong order");
	}
	if (strcmp(bucket, o->bucket) != 0 || strcmp(key, o->key) != 0)
		return INVALID("the digest was moved: it names another bucket "
			       "or key than where it lies");
	if (c->o.backfill && !o->backfill_time)
		return INVALID("a backfill digest without "
			       "backfill-generation-timestamp");
	return CART_TRAIL_VALID;
}

/* The string to sign: end time, place, hash, previous signature. */
static enum cart_trail_verdict
check_signature(struct cart_trail_chain *c, const struct cart_trail_object *o,
		const struct look *l)
{
	const char *prev = cart_json_get_string(l->json,
						"previousDigestSignature");
	const char *alg = cart_json_get_string(l->json,
					       "digestSignatureAlgorithm");
	unsigned char sig[SIG_MAX];
	const struct key *k;
	struct cart_err err = { 0 };
	struct cart_buf b;
	size_t n;
	int rc;

	if (!o->signature)
		return INVALID("the object has no metadata \"signature\"");
	if (alg && strcmp(alg, "SHA256withRSA") != 0)
		return UNKNOWN("an unknown digestSignatureAlgorithm");
	if (o->algorithm && strcmp(o->algorithm, "SHA256withRSA") != 0)
		return INVALID("metadata \"signature-algorithm\" is not "
			       "SHA256withRSA");
	n = strlen(o->signature) / 2;
	if (n == 0 || n > SIG_MAX ||
	    cart_text_unhex(o->signature, strlen(o->signature), sig, n) < 0)
		return INVALID("metadata \"signature\" is not hex");
	k = find_key(c->o.keys, c->o.region, l->fingerprint);
	if (!k)
		return UNKNOWN("no public key with this fingerprint was "
			       "answered for the region");
	cart_buf_init(&b, 1 << 20);
	cart_buf_addf(&b, "%s\n%s/%s\n%s\n%s", l->end, o->bucket, o->key,
		      l->sha256, prev ? prev : "null");
	if (!cart_buf_ok(&b)) {
		cart_buf_clear(&b);
		return UNKNOWN("out of memory, or a field too long");
	}
	rc = cart_rsa_verify_sha256(k->der, k->len, b.data, b.len, sig, n, &err);
	cart_buf_clear(&b);
	if (rc == 0)
		return CART_TRAIL_VALID;
	if (err.class == CART_ERR_CRYPTO)
		return INVALID("the signature does not hold");
	return UNKNOWN(err.text);
}

/* It is what the next newer digest, itself valid, says that it is. */
static enum cart_trail_verdict
check_link(struct cart_trail_chain *c, const struct cart_trail_object *o,
	   const struct look *l)
{
	const struct link *w = &c->want;

	if (!w->known || w->first || strcmp(w->bucket, o->bucket) != 0 ||
	    strcmp(w->key, o->key) != 0)
		return CART_TRAIL_VALID;
	if (w->hash && strcmp(w->hash, l->sha256) != 0)
		return INVALID("its hash is not the previousDigestHashValue of "
			       "its successor");
	if (strcmp(w->signature, o->signature) != 0)
		return INVALID("its signature is not the "
			       "previousDigestSignature of its successor");
	return CART_TRAIL_VALID;
}

/* ---- the chain ---------------------------------------------------------------- */

static void tell(struct cart_trail_chain *c, enum cart_trail_kind kind,
		 int64_t start_ns, int64_t end_ns, const char *reason)
{
	struct cart_trail_finding f = {
		.kind = kind, .start_ns = start_ns, .end_ns = end_ns,
		.reason = reason, .sha256 = "", .fingerprint = "",
		.verdict = CART_TRAIL_UNKNOWN,
	};

	c->o.found(c->o.arg, &f);
}

static void tell_missing(struct cart_trail_chain *c)
{
	struct cart_trail_finding f = {
		.kind = CART_TRAIL_MISSING, .verdict = CART_TRAIL_UNKNOWN,
		.bucket = c->want.bucket, .key = c->want.key,
		.start_ns = UNKNOWN_NS, .end_ns = c->proven_ns,
		.reason = "its successor names it, but it is not there",
		.sha256 = c->want.hash ? c->want.hash : "", .fingerprint = "",
	};

	c->o.found(c->o.arg, &f);
	link_clear(&c->want);
}

struct cart_trail_chain *cart_trail_chain_new(const struct cart_trail_options *o,
					      struct cart_err *err)
{
	struct cart_trail_chain *c = calloc(1, sizeof(*c));

	if (!c) {
		cart_err_nomem(err);
		return NULL;
	}
	c->o = *o;
	return c;
}

void cart_trail_chain_free(struct cart_trail_chain *c)
{
	if (c)
		link_clear(&c->want);
	free(c);
}

/* The time between the end of the newest digest and the end of the window:
 * the last hour cannot be proven yet. */
static void newest(struct cart_trail_chain *c, int64_t end_ns)
{
	int64_t due = c->o.now_ns - HOUR_NS;
	int64_t until = c->o.end_ns < c->o.now_ns ? c->o.end_ns : c->o.now_ns;

	if (end_ns >= until)
		return;
	if (end_ns < due && end_ns < c->o.end_ns) {
		int64_t to = due < c->o.end_ns ? due : c->o.end_ns;

		/* a digest comes within the hour after the one it covers */
		if (to - end_ns > HOUR_NS) {
			tell(c, CART_TRAIL_GAP, end_ns, to,
			     "no valid digest after this time");
			end_ns = to;
		}
	}
	if (end_ns < until)
		tell(c, CART_TRAIL_PENDING, end_ns, until,
		     "not yet provable: the digest of the last hour is "
		     "delivered later");
}

static void gaps(struct cart_trail_chain *c, const struct look *l)
{
	if (!c->any) {
		if (!c->o.backfill)
			newest(c, l->end_ns);
	} else if (l->end_ns < c->proven_ns) {
		tell(c, CART_TRAIL_GAP, l->end_ns, c->proven_ns,
		     c->want.first ? "the chain begins anew after this time: "
		     "logging was stopped, or digests are gone" :
		     "no valid digest covers this time");
	} else if (c->want.first) {
		tell(c, CART_TRAIL_GAP, l->end_ns, l->end_ns,
		     "the chain begins anew here, without missing time");
	}
}

static int set_link(struct cart_trail_chain *c, const struct look *l)
{
	const struct cart_json *j = l->json;
	const char *sig = cart_json_get_string(j, "previousDigestSignature");
	const char *hash = cart_json_get_string(j, "previousDigestHashValue");
	const char *bucket = cart_json_get_string(j, "previousDigestS3Bucket");
	const char *key = cart_json_get_string(j, "previousDigestS3Object");
	struct link *w = &c->want;

	link_clear(w);
	w->known = true;
	w->first = !sig || !bucket || !key;
	if (w->first)
		return 0;
	w->bucket = strdup(bucket);
	w->key = strdup(key);
	w->signature = strdup(sig);
	w->hash = hash ? strdup(hash) : NULL;
	return w->bucket && w->key && w->signature && (w->hash || !hash) ? 0 : -1;
}

static struct cart_json *take_logs(struct cart_json *digest)
{
	struct cart_json *logs = cart_json_get(digest, "logFiles");

	return logs ? cart_json_detach(digest, logs) : NULL;
}

int cart_trail_chain_next(struct cart_trail_chain *c,
			  const struct cart_trail_object *o,
			  enum cart_trail_verdict *ret_verdict,
			  struct cart_json **ret_logs, struct cart_err *err)
{
	struct look l = { .start_ns = UNKNOWN_NS, .end_ns = UNKNOWN_NS };
	struct cart_trail_finding f = { .kind = CART_TRAIL_DIGEST };
	enum cart_trail_verdict v;
	int rc = -1;

	c->reason[0] = '\0';
	cart_buf_init(&l.text, DIGEST_MAX);
	if (c->want.known && !c->want.first &&
	    (strcmp(c->want.bucket, o->bucket) != 0 ||
	     strcmp(c->want.key, o->key) != 0))
		tell_missing(c);
	v = read_digest(c, o, &l);
	if (v == CART_TRAIL_VALID)
		v = check_signature(c, o, &l);
	if (v == CART_TRAIL_VALID)
		v = check_link(c, o, &l);
	if (v == CART_TRAIL_VALID)
		gaps(c, &l);
	f.verdict = v;
	f.bucket = o->bucket;
	f.key = o->key;
	f.start_ns = l.start_ns;
	f.end_ns = l.end_ns;
	f.reason = c->reason;
	f.sha256 = l.sha256;
	f.fingerprint = l.fingerprint ? l.fingerprint : "";
	c->o.found(c->o.arg, &f);
	if (v == CART_TRAIL_VALID) {
		if (set_link(c, &l) < 0) {
			cart_err_nomem(err);
			goto out;
		}
		c->proven_ns = l.start_ns;
		c->any = true;
	} else {
		/* nothing that it says of its predecessor can be trusted */
		link_clear(&c->want);
	}
	if (ret_verdict)
		*ret_verdict = v;
	if (ret_logs)
		*ret_logs = take_logs(l.json);
	rc = 0;
out:
	cart_json_free(l.json);
	cart_buf_clear(&l.text);
	return rc;
}

void cart_trail_chain_end(struct cart_trail_chain *c)
{
	if (c->o.backfill && !c->any)
		return;
	if (!c->any) {
		tell(c, CART_TRAIL_GAP, c->o.start_ns, c->o.end_ns,
		     "no valid digest at all");
		return;
	}
	if (c->proven_ns <= c->o.start_ns || c->o.backfill)
		return;
	if (c->want.known && c->want.first) {
		tell(c, CART_TRAIL_GAP, c->o.start_ns, c->proven_ns,
		     "before the first digest of the chain: digests were not "
		     "made yet, or older ones are gone");
		return;
	}
	if (c->want.known)
		tell_missing(c);
	tell(c, CART_TRAIL_GAP, c->o.start_ns, c->proven_ns,
	     "no valid digest before this time");
}

/* ---- logs ---------------------------------------------------------------------- */

struct cart_trail_log_reader {
	struct cart_inflate *z;
	struct cart_sha256 sha256;
	size_t left;
	struct cart_trail_log *log;
};

static int hash_more(void *arg, const void *data, size_t len)
{
	struct cart_trail_log_reader *r = arg;

	if (len > r->left)
		return -1;
	r->left -= len;
	cart_sha256_update(&r->sha256, data, len);
	return 0;
}

struct cart_trail_log_reader *cart_trail_log_new(size_t max_bytes,
						 struct cart_trail_log *ret,
						 struct cart_err *err)
{
	struct cart_trail_log_reader *r = calloc(1, sizeof(*r));

	memset(ret, 0, sizeof(*ret));
	ret->why = "";
	ret->state = CART_TRAIL_VALID;
	if (!r) {
		cart_err_nomem(err);
		return NULL;
	}
	cart_sha256_init(&r->sha256);
	r->left = max_bytes;
	r->log = ret;
	r->z = cart_inflate_new(err);
	if (r->z)
		return r;
	free(r);
	return NULL;
}

static void log_fails(struct cart_trail_log *log, const struct cart_err *err)
{
	log->state = CART_TRAIL_UNKNOWN;
	log->why = "it inflates to more than is looked at";
	if (err->class == CART_ERR_INPUT) {
		log->state = CART_TRAIL_INVALID;
		log->why = "it is not one gzip member and nothing more";
	}
}

void cart_trail_log_more(struct cart_trail_log_reader *r, const void *data,
			 size_t len)
{
	struct cart_err err = { 0 };

	if (r->log->state == CART_TRAIL_VALID &&
	    cart_inflate_push(r->z, data, len, hash_more, r, &err) != 0)
		log_fails(r->log, &err);
}

void cart_trail_log_end(struct cart_trail_log_reader *r)
{
	struct cart_err err = { 0 };

	if (r->log->state == CART_TRAIL_VALID &&
	    cart_inflate_end(r->z, &err) < 0)
		log_fails(r->log, &err);
	cart_sha256_final(&r->sha256, r->log->sha256);
	cart_inflate_free(r->z);
	free(r);
}

void cart_trail_log_read(const void *object, size_t len, size_t max_bytes,
			 struct cart_trail_log *ret)
{
	struct cart_err err = { 0 };
	struct cart_buf text;

	memset(ret, 0, sizeof(*ret));
	ret->why = "";
	cart_buf_init(&text, max_bytes);
	if (!object) {
		ret->state = CART_TRAIL_UNKNOWN;
		ret->why = "the object is missing";
	} else if (cart_gunzip(object, len, &text, &err) == 0) {
		ret->state = CART_TRAIL_VALID;
		cart_sha256(text.data ? (void *)text.data : "", text.len,
			    ret->sha256);
	} else if (err.class == CART_ERR_INPUT) {
		ret->state = CART_TRAIL_INVALID;
		ret->why = "it is not one gzip member and nothing more";
	} else {
		ret->state = CART_TRAIL_UNKNOWN;
		ret->why = "it inflates to more than is looked at";
	}
	cart_buf_clear(&text);
}

enum cart_trail_verdict cart_trail_log_judge(const struct cart_json *entry,
					     const struct cart_trail_log *log,
					     char ret_reason[160])
{
	const char *want = cart_json_get_string(entry, "hashValue");
	const char *alg = cart_json_get_string(entry, "hashAlgorithm");
	enum cart_trail_verdict v = log->state;
	char got[CART_SHA256_HEX_SIZE];
	const char *why = log->why;

	cart_text_hex(log->sha256, sizeof(log->sha256), got);
	if (!want || (alg && strcmp(alg, "SHA-256") != 0)) {
		v = CART_TRAIL_UNKNOWN;
		why = "the digest gives no SHA-256 of it";
	} else if (v == CART_TRAIL_VALID && strcmp(got, want) != 0) {
		v = CART_TRAIL_INVALID;
		why = "its hash is not the one in the digest";
	}
	snprintf(ret_reason, 160, "%.159s", why);
	return v;
}

enum cart_trail_verdict cart_trail_log_check(const struct cart_json *entry,
					     const void *object, size_t len,
					     size_t max_bytes,
					     char ret_reason[160])
{
	struct cart_trail_log log;

	cart_trail_log_read(object, len, max_bytes, &log);
	return cart_trail_log_judge(entry, &log, ret_reason);
}
