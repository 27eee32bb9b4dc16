/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_READER_H
#define CRASHCART_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <crashcart/bundle.h>
#include <crashcart/age.h>
#include <crashcart/digest.h>
#include <crashcart/err.h>
#include <crashcart/json.h>
#include <crashcart/signer.h>
#include <crashcart/trust.h>

/*
 * Reading a bundle as collector/bundle/FORMAT.md defines it.  Everything that
 * is read is hostile; messages name the rule that does not hold ("F4: ...").
 */

/* --- the block walker: bytes in, members out; no I/O (F1, F3-F7) --- */

struct cart_walker;

enum cart_walk_event {
	CART_WALK_NEED,		/* feed more bytes */
	CART_WALK_MEMBER,	/* a header was read: see cart_walk_member */
	CART_WALK_DATA,		/* some data of the member */
	CART_WALK_MEMBER_END,
	CART_WALK_END,		/* both zero blocks were read */
	CART_WALK_BAD		/* err says which rule and at which offset */
};

struct cart_walk_member {
	const char *path;	/* below NAME/; lives until the next member */
	uint64_t size;
	uint64_t offset;	/* of the header in the stream */
};

/* name: NULL takes it from the first member.  NULL when memory runs out. */
struct cart_walker *cart_walker_new(const char *name);
void cart_walker_free(struct cart_walker *w);
/* Consumes from data/len (advancing both) until an event.  For DATA,
 * ret_data/ret_len point into data. */
enum cart_walk_event cart_walker_step(struct cart_walker *w,
				      const unsigned char **data, size_t *len,
				      const unsigned char **ret_data,
				      size_t *ret_len, struct cart_err *err);
const struct cart_walk_member *cart_walker_member(const struct cart_walker *w);
const char *cart_walker_name(const struct cart_walker *w);
uint64_t cart_walker_mtime(const struct cart_walker *w);
/* Were both zero blocks read?  If not, the stream must go on. */
bool cart_walker_ended(const struct cart_walker *w);
uint64_t cart_walker_offset(const struct cart_walker *w);	/* bytes consumed */

/* --- the outer seal (F21, F22) --- */

struct cart_seal_segment {
	uint64_t length;
	size_t first_chunk;		/* index into chunks */
	size_t n_chunks;
};

struct cart_seal {
	char name[65], case_id[65], state[16];
	char root[CART_SHA256_HEX_SIZE], log_root[CART_SHA256_HEX_SIZE];
	uint64_t log_size;
	struct cart_seal_segment *segments;
	size_t n_segments;
	unsigned char (*chunks)[CART_SHA256_SIZE];
	size_t n_chunks;
};

#define CART_SEAL_MAX ((size_t)64 << 20)	/* bytes of a seal, F21 */

/* The number of the first line.  0 or -1. */
int cart_seal_version(const void *data, size_t len, uint64_t *ret);
/* 0, and ret is to be cleared, or -1. */
int cart_seal_parse(const void *data, size_t len, struct cart_seal *ret,
		    struct cart_err *err);
void cart_seal_clear(struct cart_seal *s);

/* --- a bundle on disk or on a pipe --- */

enum cart_verdict_kind {
	CART_VERDICT_VALID = 0,
	CART_VERDICT_INVALID = 4,
	CART_VERDICT_UNKNOWN = 5
};

/*
 * What exhibits say under other people's signatures, checked again offline
 * once the bundle's own checks hold (FORMAT.md section 7).  It does not change
 * the verdict on the bundle: its bytes are as collected all the same.
 */
enum cart_attest_verdict {
	CART_ATTEST_VALID,
	CART_ATTEST_INVALID,		/* a mismatch */
	CART_ATTEST_UNKNOWN		/* cannot tell: something is not there */
};

struct cart_attestation {
	const char *kind;		/* "cloudtrail-digests", ... */
	const char *object;		/* "chain", "digest", "log", "gap", ... */
	enum cart_attest_verdict verdict;
	const char *exhibit;		/* id, or "" */
	const char *text;		/* one sentence */
	int64_t seconds;		/* of a gap; -1: not one */
	/* Judged by public keys that are themselves an exhibit: it is
	 * consistent, but that the keys are AWS's only AWS can say. */
	bool bundle_keys;
	/* The summary of what was checked, not one finding in it: of such a
	 * one there are few, and they are what a person reads. */
	bool summary;
};

/* A checkpoint of the log that was carried away while it grew (--witness). */
struct cart_kept_head {
	const char *text;
	size_t len;
	uint64_t size;			/* lines: its second line */
	/* What others said of it then, or NULL: an RFC 3161 reply over text, a
	 * minisign signature file of it. */
	const void *tsr, *minisig;
	size_t tsr_len, minisig_len;
};
/* Its size.  INPUT if the text cannot be a checkpoint. */
int cart_kept_head_parse(const char *text, size_t len,
			 struct cart_kept_head *ret, struct cart_err *err);

/*
 * The folder of a bundle that is elsewhere (in S3).  Hostile, like all that is
 * read.  Files are known by the number that list gave them, from 0.
 */
#define CART_COMPOSITE_SIZE 64

struct cart_source {
	const char *where;		/* for messages: "s3://bucket/prefix/" */
	const char *name;		/* of the bundle, if one was named: "IR-7",
					 * or a file of it; "" else */
	/* Each file; -1 of file ends it.  First of all, and once. */
	int (*list)(struct cart_source *s,
		    int (*file)(void *arg, const char *name, uint64_t size,
				struct cart_err *err),
		    void *arg, struct cart_err *err);
	/* Segments, in the order in which they will be read through: may be
	 * fetched ahead. */
	void (*plan)(struct cart_source *s, const size_t *files, size_t n);
	/* From any thread.  Bytes read, fewer only at the end; or -1. */
	ssize_t (*read)(struct cart_source *s, size_t file, uint64_t offset,
			void *data, size_t len, struct cart_err *err);
	/* What whoever stores the file says that it holds: length and SHA-256
	 * of each of its parts, of which there are n at most; *ret_n 0: it does
	 * not say.  ret_composite: the checksum over these digests, as the seal
	 * has it ("BASE64-COUNT"), "" if it does not say.  0 or -1. */
	int (*parts)(struct cart_source *s, size_t file, uint64_t *ret_lengths,
		     unsigned char (*ret_sha256)[CART_SHA256_SIZE], size_t n,
		     size_t *ret_n, char ret_composite[CART_COMPOSITE_SIZE],
		     struct cart_err *err);
};

struct cart_verify_options {
	const char *bundle;		/* .tar, .tar.age, .seal, folder, extracted bag, or "-" */
	struct cart_source *source;	/* instead of bundle; borrowed; or NULL */
	/* Segments are not read: the seal is compared with source->parts. */
	bool stored_only;
	const char *seal_path;		/* --seal, or NULL */
	const struct cart_public_key *keys;	/* that the reader trusts */
	size_t n_keys;
	const struct cart_kept_head *heads;	/* that the reader kept (--head) */
	size_t n_heads;
	const struct cart_trust *trust;	/* whose keys count when, beside keys, which
					 * always do; or NULL */
	/* Or NULL: answers of cloudtrail:ListPublicKeys, an array, that the
	 * reader has from AWS; then these keys alone count, and what they
	 * signed AWS signed. */
	const struct cart_json *aws_keys;
	const char *tsa_roots;		/* PEM: authorities that the reader ... */
	size_t tsa_roots_len;		/* ... trusts to know the time; or NULL */
	/* for an encrypted bundle; NULL: only what is stored is checked (and
	 * whoever wants lines or members gets an error) */
	const struct cart_age_identities *identities;
	unsigned threads;		/* 0: one a core */
	/* called as bytes are read; total 0: unknown; may be NULL */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *progress_arg;
	void *arg;			/* of line and member */
	/* each log line, parsed, after its part was checked; may be NULL */
	int (*line)(void *arg, const struct cart_json *line, struct cart_err *err);
	/* members as they are read, their chunks checked, before the verdict
	 * is known: once with data NULL, then with each piece of data, then
	 * with end.  Comes before the lines of its group.  May be NULL. */
	int (*member)(void *arg, const struct cart_walk_member *m,
		      const void *data, size_t len, bool end, struct cart_err *err);
	/* What others signed, after all else, unless the bundle is invalid;
	 * strings live for the call.  NULL: it is not looked at.  Reads the
	 * exhibits that it needs a second time, hashes checked again; from a
	 * pipe that is not possible, and said so. */
	void (*attestation)(void *arg, const struct cart_attestation *a);
	void *attestation_arg;
};

struct cart_verdict_stamp {
	char url[CART_STAMP_URL_MAX + 1];	/* that was asked */
	char error[257];		/* not granted: why; else "" */
	bool anchored;			/* by an authority that the reader named */
	int64_t gen_ns;			/* genTime */
	char by[256];			/* subject of its certificate */
	char why_not[160];		/* not anchored: why */
	bool before_end;		/* anchored before the log says it ended */
};

/* Who else saw a head that the reader kept, and when. */
struct cart_verdict_head {
	uint64_t size;			/* lines */
	struct cart_verdict_stamp stamp;	/* by[0] 0: none */
	char signer_id[17];		/* "": no signature */
	bool signer_named;		/* by a key of the reader's; holds */
};
#define CART_HEADS_MAX 16u		/* that are told of */

/* The order that the collection followed (order.h); it changes no verdict. */
struct cart_verdict_order {
	bool there;
	enum cart_attest_verdict verdict;	/* VALID: by a key of the reader's */
	char text[400];			/* why not valid */
	char signer_id[17];
	char name[CART_TRUST_NAME_SIZE];	/* by the trust file */
	char by[201];			/* by its own words */
	int64_t from_ns, until_ns;
};

struct cart_verdict {
	enum cart_verdict_kind kind;
	char rule[8];			/* "F4": the first that is broken, or "" */
	char reason[512];		/* one sentence */
	char name[65], case_id[65], state[16];
	char root[CART_SHA256_HEX_SIZE];
	bool bytes_intact;		/* all chunks and members as sealed */
	bool signer_claimed;		/* encrypted, and no key to check the
					 * seal's signature with was there */
	bool countersigned;		/* only a counter-signature is by a named key */
	bool signed_ok;			/* a named key made the outer seal */
	bool inner_ok;			/* the inner seal holds for a named key */
	bool encrypted;			/* with age ... */
	bool opened;			/* ... and read with an identity */
	bool extracted;			/* an extracted bag: inner seal only */
	bool stored_only;		/* not read: whoever stores it says that it
					 * holds bytes with the seal's digests */
	/* Of a bundle in a store: objects there that are no part of it, and
	 * those whose names begin like its own all the same. */
	size_t beside, beside_alike;
	char signer_id[17];		/* key id of the outer signature */
	char counter_id[17];		/* of the first counter-signature */
	char signer_kind[16];		/* "session" or "examiner" */
	struct cart_public_key trusted;	/* which named key */
	/* With a trust file: whose key the (first) signature is, and why it
	 * counts or not; "" if it is nobody's of it. */
	char trust_name[CART_TRUST_NAME_SIZE];
	char trust_text[400];
	struct cart_verdict_stamp stamp[CART_STAMPS_MAX];
	size_t n_stamps;		/* asked for */
	/* That of a counter-signature by a key of the reader's; by[0] 0: none. */
	struct cart_verdict_stamp counter_stamp;
	char counter_stamp_id[17];
	struct cart_verdict_order order;
	unsigned sessions;		/* > 1: continued by a further key ... */
	uint64_t continued_line[8];	/* ... from these lines */
	uint64_t heads_given;		/* that the reader kept ... */
	uint64_t heads_kept;		/* ... and that are of this log; fewer:
					 * its log could not be read */
	struct cart_verdict_head head[CART_HEADS_MAX];
	size_t n_heads;
	uint64_t members, lines, exhibits, gaps, bytes;
	uint64_t bytes_parsed;		/* of the stream, before a refusal */
	/* If attestations were asked for: signed things (a digest, a log that
	 * one names, a document) by enum cart_attest_verdict; exhibits whose
	 * origin states a version or checksum that AWS can be asked for.
	 * consistent: likewise, but by public keys of the bundle alone. */
	uint64_t attested[3], consistent[3], recheckable;
};

/* 0 with a verdict (also INVALID), -1 with err only if the files could not
 * be read at all, or memory ran out.  Never extracts.  Takes 20 to 32 MiB,
 * depending on threads, and 80 bytes a member; attestations 90 more for each
 * exhibit that they need. */
int cart_verify(const struct cart_verify_options *o, struct cart_verdict *ret,
		struct cart_err *err);

/* --- list and extract --- */

struct cart_extract_options {
	struct cart_verify_options verify;	/* member/line are ours */
	const char *out;		/* a new folder */
	const char *const *exhibits;	/* ids, NULL-terminated; NULL: all */
	bool as_stored;			/* the members as they are, else logical */
};
/*
 * Writes logical exhibits below out, which must not exist yet: a plain one as
 * "e000001-SLUG", one in parts joined and inflated as "e000002-NAME", a file
 * set as the tree "e000003-NAME/" (regular files and folders; links and
 * devices are only in the log; a file that is an exhibit of its own gets a
 * second name in the tree).  Each is hashed again and compared with the log.
 * Every file is made with openat, O_NOFOLLOW, mode 0600; ".." in a name
 * becomes "%2E%2E".  as_stored: the members as they are, an extracted bag.
 *
 * 0 with a verdict, which says whether to trust what was written; -1 with err
 * if it cannot be written, or CRYPTO if an exhibit, though sealed so, is not
 * what the log says (also for parts that cannot be inflated: INPUT).
 */
int cart_extract(const struct cart_extract_options *o, struct cart_verdict *ret,
		 struct cart_err *err);

#endif
