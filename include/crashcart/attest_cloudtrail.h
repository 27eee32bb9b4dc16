/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_ATTEST_CLOUDTRAIL_H
#define CRASHCART_ATTEST_CLOUDTRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/digest.h>
#include <crashcart/err.h>
#include <crashcart/json.h>

/*
 * CloudTrail's log file integrity ("Custom implementations of CloudTrail log
 * file integrity validation", AWS CloudTrail User Guide), from preserved bytes
 * alone: digest objects with their user metadata, ListPublicKeys answers, log
 * objects.  No I/O.  Beyond what `aws cloudtrail validate-logs` checks: each
 * digest is the one that its successor names (hash and signature), no time is
 * missing between two, nothing follows the gzip data, no JSON key stands
 * twice, a key's fingerprint is that of its bytes.
 */

enum cart_trail_verdict {
	CART_TRAIL_VALID,
	CART_TRAIL_INVALID,		/* a mismatch */
	CART_TRAIL_UNKNOWN		/* cannot tell: something is not there */
};
/* "valid", "invalid", "cannot tell". */
const char *cart_trail_verdict_name(enum cart_trail_verdict v);

/* What the name of a digest object says. */
struct cart_trail_name {
	char account[13];
	char region[32];
	char trail[132];
	char home_region[32];
	int64_t end_ns;			/* UTC */
	bool backfill;
};
/* key: whole object key.  0, or -1: not the name of a digest object. */
int cart_trail_digest_name(const char *key, struct cart_trail_name *ret);

/* --- public keys --- */

struct cart_trail_keys;

/* NULL with err when memory runs out. */
struct cart_trail_keys *cart_trail_keys_new(struct cart_err *err);
void cart_trail_keys_free(struct cart_trail_keys *k);	/* accepts NULL */
/* Adds the keys of one page of ListPublicKeys of a region (NULL: one that is
 * not known, and they count in all), as the AWS CLI prints it.  Keys whose
 * Fingerprint is not the MD5 of their bytes are left out.  Number of these; -1
 * with err (INPUT, LIMIT, MEMORY). */
int cart_trail_keys_add(struct cart_trail_keys *k, const char *region,
			const struct cart_json *answer, struct cart_err *err);

/* --- a chain of digests --- */

struct cart_trail_object {
	const char *bucket, *key;	/* where it was fetched from */
	const void *data;		/* gzip as stored; NULL: not to be had */
	size_t len;
	const char *missing;		/* why not, in words, or NULL */
	/* User metadata; NULL if the object has none of that name. */
	const char *signature;		/* "signature" */
	const char *algorithm;		/* "signature-algorithm" */
	const char *backfill_time;	/* "backfill-generation-timestamp" */
};

enum cart_trail_kind {
	CART_TRAIL_DIGEST,		/* one object that was given */
	CART_TRAIL_MISSING,		/* one that its successor names */
	CART_TRAIL_GAP,			/* time without proof */
	CART_TRAIL_PENDING		/* the last hour: not yet provable */
};

struct cart_trail_finding {
	enum cart_trail_kind kind;
	enum cart_trail_verdict verdict;	/* DIGEST, MISSING */
	const char *bucket, *key;		/* DIGEST, MISSING */
	/* What the digest covers, or the gap's ends; INT64_MIN: unknown. */
	int64_t start_ns, end_ns;
	const char *reason;			/* "" if valid and no remark */
	const char *sha256;			/* of the inflated bytes, or "" */
	const char *fingerprint;		/* the key's, or "" */
};

struct cart_trail_options {
	const struct cart_trail_keys *keys;	/* borrowed */
	const char *region;			/* of the digests; borrowed */
	bool backfill;
	/* The time that is to be proven, and now. */
	int64_t start_ns, end_ns, now_ns;
	/* Pointers in f are good for the call only. */
	void (*found)(void *arg, const struct cart_trail_finding *f);
	void *arg;
};

struct cart_trail_chain;

/* One chain: an account, a region, a trail, regular or backfill.  Memory is
 * that of one digest.  NULL with err. */
struct cart_trail_chain *cart_trail_chain_new(const struct cart_trail_options *o,
					      struct cart_err *err);
void cart_trail_chain_free(struct cart_trail_chain *c);	/* accepts NULL */
/* Objects come from the newest to the oldest.  ret_logs (may be NULL): the
 * logFiles of the digest (owned by the caller), NULL if it cannot be read;
 * ret_verdict (may be NULL) is the digest's.  0; -1 when memory runs out. */
int cart_trail_chain_next(struct cart_trail_chain *c,
			  const struct cart_trail_object *o,
			  enum cart_trail_verdict *ret_verdict,
			  struct cart_json **ret_logs, struct cart_err *err);
/* After the oldest one: what is missing before it. */
void cart_trail_chain_end(struct cart_trail_chain *c);

/* --- a log object --- */

/* One, inflated and hashed. */
struct cart_trail_log {
	enum cart_trail_verdict state;	/* VALID: there is a hash */
	unsigned char sha256[CART_SHA256_SIZE];	/* of the inflated bytes */
	const char *why;		/* none; static text, or "" */
};
/* object: gzip as stored, NULL if not to be had.  Refuses to inflate to more
 * than max_bytes. */
void cart_trail_log_read(const void *object, size_t len, size_t max_bytes,
			 struct cart_trail_log *ret);
/* The same in pieces.  NULL with err on no memory; *ret must live until _end,
 * which fills it in and frees the reader. */
struct cart_trail_log_reader;
struct cart_trail_log_reader *cart_trail_log_new(size_t max_bytes,
						 struct cart_trail_log *ret,
						 struct cart_err *err);
void cart_trail_log_more(struct cart_trail_log_reader *r, const void *data,
			 size_t len);
void cart_trail_log_end(struct cart_trail_log_reader *r);
/* Is it the one that entry, an element of logFiles, names?  ret_reason is ""
 * if valid. */
enum cart_trail_verdict cart_trail_log_judge(const struct cart_json *entry,
					     const struct cart_trail_log *log,
					     char ret_reason[160]);

/* Both.  entry: element of logFiles.  object: gzip as stored, NULL if not to be had.
 * Refuses to inflate to more than max_bytes (cannot tell).  ret_reason is ""
 * if valid. */
enum cart_trail_verdict cart_trail_log_check(const struct cart_json *entry,
					     const void *object, size_t len,
					     size_t max_bytes,
					     char ret_reason[160]);

#endif
