/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/custody.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crashcart/clock.h"
#include "crashcart/fdio.h"
#include "crashcart/minisign.h"
#include "crashcart/text.h"

#define ENTRIES_MAX 100000
#define ENTRY_MAX ((size_t)65536)
#define WRAPPED_MAX ((size_t)262144)	/* with its signature, as JSON */
#define NO_ENTRY \
	"0000000000000000000000000000000000000000000000000000000000000000"

static void entry_name(uint64_t n, const char *suffix, char out[48])
{
	snprintf(out, 48, "%06" PRIu64 ".json%s", n, suffix);
}

static void trusted_comment(const char *root, uint64_t n, const char *sha256,
			    char out[512])
{
	snprintf(out, 512, "crashcart custody root=%s entry=%" PRIu64
		 " sha256=%s", root, n, sha256);
}

static void prehash_of(const struct cart_buf *b,
		       unsigned char out[CART_BLAKE2B_SIZE])
{
	struct cart_blake2b h;

	cart_blake2b_init(&h);
	cart_blake2b_update(&h, b->data, b->len);
	cart_blake2b_final(&h, out);
}

/* ---- checking ------------------------------------------------------------ */

struct chain {
	int dirfd;
	const char *root, *seal;
	const struct cart_public_key *keys;
	size_t n_keys;
	const char *head;
	bool head_seen;
	void (*show)(void *arg, const struct cart_json *entry,
		     const char *key_id, bool trusted, const char *sha256);
	void *arg;
	struct cart_custody_verdict *v;
};

static int bad(struct chain *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int bad(struct chain *c, const char *fmt, ...)
{
	va_list ap;

	c->v->kind = CART_VERDICT_INVALID;
	va_start(ap, fmt);
	vsnprintf(c->v->reason, sizeof(c->v->reason), fmt, ap);
	va_end(ap);
	return -1;
}

static bool is(const struct cart_json *j, const char *key, const char *want)
{
	const char *s = cart_json_get_string(j, key);

	return s != NULL && strcmp(s, want) == 0;
}

/* The signature beside an entry. 1: by a named key, 0: not, -1: bad. */
static int check_signature(struct chain *c, uint64_t n,
			   const struct cart_buf *entry,
			   struct cart_buf *minisig, const char *sha256,
			   char key_id[17])
{
	unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_minisign_sig sig;
	char name[48], want[512];
	int rc = 0;
	size_t i;

	entry_name(n, ".minisig", name);
	trusted_comment(c->root, n, sha256, want);
	if ((minisig->len == 0 &&
	     cart_file_read(c->dirfd, name, minisig, NULL) < 0) ||
	    cart_minisign_parse_sig(minisig->data, minisig->len, &sig,
				    NULL) < 0 ||
	    strcmp(sig.untrusted, "crashcart custody") != 0 ||
	    strcmp(sig.trusted, want) != 0)
		return bad(c, "entry %" PRIu64 " has no signature of its own", n);
	cart_minisign_id_text(sig.key_id, key_id);
	prehash_of(entry, prehash);
	for (i = 0; i < c->n_keys; i++) {
		if (memcmp(c->keys[i].id, sig.key_id, sizeof(sig.key_id)) != 0)
			continue;
		if (cart_minisign_verify(&sig, &c->keys[i], prehash, NULL) < 0)
			return bad(c, "the signature of entry %" PRIu64 " does "
				   "not hold under key %s: a forged hand-over",
				   n, key_id);
		rc = 1;
		c->v->trusted++;
	}
	return rc;
}

/*
 * A transfer is two entries: released, then received by whom it was for.
 * Takes the next entry into v.  0, or -1 with why it cannot follow.
 */
static int follow_transfer(struct cart_custody_verdict *v, const char *event,
			   const char *by, const char *other,
			   char ret_reason[400])
{
	if (other == NULL)
		other = "nobody";
	if (strcmp(event, "released") == 0) {
		if (v->open_release) {
			snprintf(ret_reason, 400, "it releases what %.100s had "
				 "released to %.100s and nobody received",
				 v->released_by, v->released_to);
			return -1;
		}
		v->open_release = true;
		snprintf(v->released_to, sizeof(v->released_to), "%s", other);
		snprintf(v->released_by, sizeof(v->released_by), "%s", by);
	} else if (strcmp(event, "received") == 0) {
		if (!v->open_release) {
			snprintf(ret_reason, 400, "%.100s received from %.100s "
				 "what nobody had released", by, other);
			return -1;
		}
		if (strcmp(v->released_to, by) != 0 ||
		    strcmp(v->released_by, other) != 0) {
			snprintf(ret_reason, 400, "%.80s received from %.80s, "
				 "but %.80s had released to %.80s", by, other,
				 v->released_by, v->released_to);
			return -1;
		}
		v->open_release = false;
	}
	return 0;
}

static int check_transfer(struct chain *c, uint64_t n,
			  const struct cart_json *j)
{
	char reason[400];

	if (follow_transfer(c->v, cart_json_get_string(j, "event"),
			    cart_json_get_string(j, "by"),
			    cart_json_get_string(j, "other"), reason) < 0)
		return bad(c, "entry %" PRIu64 ": %s", n, reason);
	return 0;
}

static int check_entry(struct chain *c, uint64_t n, const struct cart_buf *b,
		       struct cart_buf *minisig, const struct cart_json *j)
{
	char sha256[CART_SHA256_HEX_SIZE], key_id[17] = "";
	int64_t number;
	int trusted;

	if (cart_json_i64(cart_json_get(j, "n"), &number) < 0 ||
	    number != (int64_t)n)
		return bad(c, "entry %" PRIu64 " has another number inside: "
			   "entries were reordered", n);
	if (!is(j, "prev", c->v->head))
		return bad(c, "entry %" PRIu64 " does not follow the entry "
			   "before it: the chain was cut or rewritten there", n);
	if (!is(j, "root", c->root) || !is(j, "seal_sha256", c->seal))
		return bad(c, "entry %" PRIu64 " speaks of another bundle", n);
	if (cart_json_get_string(j, "by") == NULL ||
	    cart_json_get_string(j, "event") == NULL)
		return bad(c, "entry %" PRIu64 " does not say who did what", n);
	cart_sha256_hex(b->data, b->len, sha256);
	trusted = check_signature(c, n, b, minisig, sha256, key_id);
	if (trusted < 0 || check_transfer(c, n, j) < 0)
		return -1;
	memcpy(c->v->head, sha256, sizeof(sha256));
	if (c->head != NULL && strcmp(c->head, sha256) == 0)
		c->head_seen = true;
	c->v->entries = n;
	if (c->show != NULL)
		c->show(c->arg, j, key_id, trusted == 1, sha256);
	return 0;
}

/* One object in S3 holds both: {"entry":TEXT,"minisig":TEXT}. */
static struct cart_json *unwrap(struct cart_json *j, struct cart_buf *entry,
				struct cart_buf *minisig)
{
	const char *e = cart_json_get_string(j, "entry");
	const char *s = cart_json_get_string(j, "minisig");

	if (e == NULL || s == NULL)
		return j;
	cart_buf_reset(entry);
	cart_buf_adds(entry, e);
	cart_buf_adds(minisig, s);
	cart_json_free(j);
	return cart_buf_ok(entry) && cart_buf_ok(minisig) ?
		cart_json_parse(entry->data, entry->len, NULL, NULL) : NULL;
}

/* 1: one more entry was good; 0: there is none; -1: bad or err. */
static int next_entry(struct chain *c, uint64_t n, struct cart_err *err)
{
	struct cart_json *j;
	struct cart_buf b, minisig;
	char name[48];
	int rc;

	entry_name(n, "", name);
	if (!cart_file_exists(c->dirfd, name))
		return 0;
	cart_buf_init(&b, WRAPPED_MAX);
	cart_buf_init(&minisig, 8192);
	rc = cart_file_read(c->dirfd, name, &b, err);
	if (rc == 0) {
		j = unwrap(cart_json_parse(b.data, b.len, NULL, NULL), &b,
			   &minisig);
		if (j == NULL)
			rc = bad(c, "entry %" PRIu64 " is no JSON", n);
		else
			rc = check_entry(c, n, &b, &minisig, j);
		cart_json_free(j);
	}
	cart_buf_clear(&b);
	cart_buf_clear(&minisig);
	return rc < 0 ? -1 : 1;
}

/* Every file of the folder must be one of the n entries or its signature:
 * what lies behind a hole shows that an entry was taken out. */
static int check_folder(struct chain *c, uint64_t n, struct cart_err *err)
{
	int fd = openat(c->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char want[48], want_sig[48];
	struct dirent *e;
	uint64_t number;
	int rc = 0;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return cart_err_errno(err, errno, "the custody folder");
	}
	while (rc == 0 && (e = readdir(d)) != NULL) {
		size_t digits = strspn(e->d_name, "0123456789");
		size_t zeros = strspn(e->d_name, "0");

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (zeros == digits || cart_text_u64(e->d_name + zeros,
				digits - zeros, ENTRIES_MAX, &number) < 0)
			number = 0;
		entry_name(number, "", want);
		entry_name(number, ".minisig", want_sig);
		if (number >= 1 && number <= n &&
		    (strcmp(e->d_name, want) == 0 ||
		     strcmp(e->d_name, want_sig) == 0))
			continue;
		if (number > n && (strcmp(e->d_name, want) == 0 ||
				   strcmp(e->d_name, want_sig) == 0))
			rc = bad(c, "entry %" PRIu64 " is missing, but %.40s is "
				 "there: an entry was taken out", n + 1,
				 e->d_name);
		else
			rc = bad(c, "%.40s in the custody folder is no entry",
				 e->d_name);
	}
	closedir(d);
	return rc;
}

static int walk(struct chain *c, struct cart_err *err)
{
	uint64_t n;
	int rc;

	snprintf(c->v->head, sizeof(c->v->head), "%s", NO_ENTRY);
	for (n = 1; n <= ENTRIES_MAX; n++) {
		rc = next_entry(c, n, err);
		if (rc < 0)
			return c->v->kind == CART_VERDICT_INVALID ? 0 : -1;
		if (rc == 0)
			break;
	}
	if (check_folder(c, c->v->entries, err) < 0)
		return c->v->kind == CART_VERDICT_INVALID ? 0 : -1;
	if (c->head != NULL && !c->head_seen) {
		bad(c, "the head %.16s... that you kept is not in this chain: "
		    "it was cut or rewritten after entry %" PRIu64, c->head,
		    c->v->entries);
		return 0;
	}
	if (c->v->entries == 0) {
		c->v->kind = CART_VERDICT_UNKNOWN;
		snprintf(c->v->reason, sizeof(c->v->reason),
			 "there is no custody entry");
		return 0;
	}
	c->v->kind = c->v->trusted == c->v->entries ? CART_VERDICT_VALID :
		CART_VERDICT_UNKNOWN;
	snprintf(c->v->reason, sizeof(c->v->reason), c->v->kind ==
		 CART_VERDICT_VALID ? "the chain is whole up to its last "
		 "entry and each is signed by a key that you named; only a head "
		 "that somebody kept (--head) shows a cut end" : "the chain is whole, but you "
		 "named no key for %" PRIu64 " of its %" PRIu64 " entries",
		 c->v->entries - c->v->trusted, c->v->entries);
	return 0;
}

int cart_custody_check(const char *folder, const char *root,
		       const char *seal_sha256,
		       const struct cart_public_key *keys, size_t n_keys,
		       const char *head,
		       void (*show)(void *arg, const struct cart_json *entry,
				    const char *key_id, bool trusted,
				    const char *sha256), void *arg,
		       struct cart_custody_verdict *ret, struct cart_err *err)
{
	struct chain c = {
		.root = root, .seal = seal_sha256, .keys = keys,
		.n_keys = n_keys, .head = head, .show = show, .arg = arg,
		.v = ret,
	};
	int rc;

	memset(ret, 0, sizeof(*ret));
	c.dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (c.dirfd < 0 && errno == ENOENT) {
		c.dirfd = -1;
		ret->kind = CART_VERDICT_UNKNOWN;
		snprintf(ret->reason, sizeof(ret->reason),
			 "there is no custody entry");
		snprintf(ret->head, sizeof(ret->head), "%s", NO_ENTRY);
		if (head != NULL)
			bad(&c, "the head that you kept is not in this chain: "
			    "there is no entry at all");
		return 0;
	}
	if (c.dirfd < 0)
		return cart_err_errno(err, errno, "%s", folder);
	rc = walk(&c, err);
	close(c.dirfd);
	return rc;
}

/* ---- adding -------------------------------------------------------------- */

static void add(struct cart_json *j, const char *key, const char *value)
{
	if (value != NULL)
		cart_json_add(j, key, cart_json_new_string(value));
}

static int print_entry(const struct cart_verdict *v, const char *seal_sha256,
		       const struct cart_custody_entry *e, uint64_t n,
		       const char *prev, int64_t utc_ns, struct cart_buf *out,
		       struct cart_err *err)
{
	struct cart_json *j = cart_json_new_object();
	char t[CART_CLOCK_TEXT_SIZE];

	cart_clock_text(utc_ns, 0, t);
	cart_json_add(j, "crashcart_custody", cart_json_new_int(1));
	cart_json_add(j, "n", cart_json_new_int((int64_t)n));
	add(j, "t", t);
	add(j, "prev", prev);
	add(j, "bundle", v->name);
	add(j, "case", v->case_id);
	add(j, "root", v->root);
	add(j, "seal_sha256", seal_sha256);
	add(j, "event", e->event);
	add(j, "by", e->by);
	add(j, "other", e->other);
	add(j, "purpose", e->purpose);
	add(j, "method", e->method);
	add(j, "storage", e->storage);
	add(j, "text", e->text);
	add(j, "verification", e->verdict);
	cart_json_print(j, 4, out);
	cart_buf_addc(out, '\n');
	cart_json_free(j);
	return cart_buf_check(out, "the custody entry", err);
}

static int wrap(struct cart_buf *entry, const struct cart_buf *minisig,
		struct cart_err *err)
{
	struct cart_json *j = cart_json_new_object();

	add(j, "entry", (const char *)entry->data);
	add(j, "minisig", (const char *)minisig->data);
	cart_buf_clear(entry);
	cart_buf_init(entry, WRAPPED_MAX);
	cart_json_print(j, 0, entry);
	cart_buf_addc(entry, '\n');
	cart_json_free(j);
	return cart_buf_check(entry, "the custody entry", err);
}

int cart_custody_add(const char *folder, const struct cart_verdict *v,
		     const char *seal_sha256, const struct cart_custody_entry *e,
		     struct cart_signer *signer, int64_t utc_ns,
		     char ret_head[CART_SHA256_HEX_SIZE], struct cart_err *err)
{
	struct cart_custody_verdict chain;
	unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_buf entry, sig;
	char name[48], comment[512], reason[400];
	int fd = -1, rc = -1;
	uint64_t n;

	cart_buf_init(&entry, ENTRY_MAX);
	cart_buf_init(&sig, 8192);
	if (cart_custody_check(folder, v->root, seal_sha256, NULL, 0, NULL,
			       NULL, NULL, &chain, err) < 0)
		goto out;
	if (chain.kind == CART_VERDICT_INVALID) {
		cart_err_set(err, CART_ERR_CRYPTO, 0, "%s: %s; nothing was added",
			     folder, chain.reason);
		goto out;
	}
	if (follow_transfer(&chain, e->event, e->by, e->other, reason) < 0) {
		cart_err_set(err, CART_ERR_USAGE, 0, "%s; nothing was added",
			     reason);
		goto out;
	}
	n = chain.entries + 1;
	if (print_entry(v, seal_sha256, e, n, chain.head, utc_ns, &entry,
			err) < 0)
		goto out;
	if (mkdir(folder, 0755) < 0 && errno != EEXIST) {
		cart_err_errno(err, errno, "%s", folder);
		goto out;
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		cart_err_errno(err, errno, "%s", folder);
		goto out;
	}
	cart_sha256_hex(entry.data, entry.len, ret_head);
	trusted_comment(v->root, n, ret_head, comment);
	prehash_of(&entry, prehash);
	if (cart_minisign_sign(signer, prehash, "crashcart custody", comment,
			       &sig, err) < 0)
		goto out;
	/* the signature first: an entry is there when it is signed */
	entry_name(n, ".minisig", name);
	if (e->one_file ? wrap(&entry, &sig, err) < 0 :
	    cart_file_write_new(fd, name, sig.data, sig.len, 0644, err) < 0)
		goto out;
	entry_name(n, "", name);
	rc = cart_file_write_new(fd, name, entry.data, entry.len, 0644, err);
out:
	if (fd >= 0)
		close(fd);
	cart_buf_clear(&entry);
	cart_buf_clear(&sig);
	return rc;
}
