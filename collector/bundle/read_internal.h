/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUNDLE_READ_INTERNAL_H
#define BUNDLE_READ_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/buf.h>
#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/merkle.h>
#include <crashcart/minisign.h>
#include <crashcart/pool.h>
#include <crashcart/reader.h>
#include <crashcart/timestamp.h>

#include "bundle_internal.h"

/*
 * Reading a bundle.  The path of a byte:
 *
 *	verify_input.c	which files there are
 *	verify_source.c	likewise, of a bundle that is elsewhere
 *	crew.c		the threads
 *	verify_load.c	chunks, read and hashed ahead by the crew (F22)
 *	walker.c	chunks -> members (F1, F3-F7)
 *	verify_bag.c	members -> bag: order, digests, seals (F7-F13, F23)
 *	logcheck.c	log parts -> lines (F14-F20), by the table in logtypes.c
 *	verify.c	the order of all that, and the verdict
 *	verify_attest*.c	what others signed, by a second read
 *	verify_folder.c	members from an extracted bag instead
 *	extract.c ...	what is written out on the way
 *
 * A rule of FORMAT.md is checked in one place.
 */

#define BAG_MEMBERS_MAX 400000u			/* F9 */

/* A rule does not hold: -1, class INPUT, code number, text "F4: ...". */
int cart_rule(struct cart_err *err, int number, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* As cart_rule, because of why, whose text follows after ": "; but what is
 * not the bundle's fault (no memory) stays what it is. */
int cart_rule_because(struct cart_err *err, int number,
		      const struct cart_err *why, const char *what);
/* The number of the rule that err is about, 0 if it is about none. */
int cart_rule_number(const struct cart_err *err);

/* F1: a name of 1..64 characters that does not begin with a dot. */
bool cart_bundle_name_ok(const char *s, size_t len);
/* F7: components of [A-Za-z0-9._-], none of them "." or "..". */
bool cart_member_path_ok(const char *s, size_t len);
/* F13.  ret_exhibit gets the number. */
bool cart_payload_path_ok(const char *path, uint32_t *ret_exhibit);

/* --- crew: the pool, and one lock for what its jobs share --- */

struct cart_crew {
	struct cart_pool *pool;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/* threads 0: one a core. */
int cart_crew_start(struct cart_crew *c, unsigned threads, struct cart_err *err);
/* Ends the threads; jobs that wait are run before.  A crew of zero bytes is
 * stopped. */
void cart_crew_stop(struct cart_crew *c);
/* With the lock held: sleeps until *flag. */
void cart_crew_wait(struct cart_crew *c, const bool *flag);

/* --- chunks --- */

struct cart_loader;

struct cart_chunk {
	struct cart_job job;
	struct cart_loader *loader;
	unsigned char *data;
	size_t cap, len, want;
	size_t number;			/* from 0, over all segments */
	size_t segment;
	uint64_t offset;		/* in the segment */
	unsigned refs;			/* under the crew's lock */
	bool done;
	int rc;
	struct cart_err err;
};

struct cart_input;

struct cart_loader_options {
	struct cart_crew *crew;
	const struct cart_input *input;
	const struct cart_seal *seal;	/* NULL: chunks are not checked */
};

/* Everything is borrowed until free. */
struct cart_loader *cart_loader_new(const struct cart_loader_options *o,
				    struct cart_err *err);
void cart_loader_free(struct cart_loader *l);
/* The next chunk whose digest is right, with a reference for the caller:
 * 1; 0 at the end; -1. */
int cart_loader_next(struct cart_loader *l, struct cart_chunk **ret,
		     struct cart_err *err);
void cart_chunk_ref(struct cart_chunk *c);
void cart_chunk_unref(struct cart_chunk *c);
/* Bytes of the stream, 0 if unknown. */
uint64_t cart_loader_total(const struct cart_loader *l);

/* --- the SHA-256 of a member, by the crew --- */

struct cart_member_hash;

struct cart_member_hash *cart_member_hash_new(struct cart_crew *crew,
					      struct cart_err *err);
/* Waits for what is under way. */
void cart_member_hash_free(struct cart_member_hash *h);
/* data belongs to chunk (which is kept until it was hashed), or, with chunk
 * NULL, is hashed before this returns. */
void cart_member_hash_add(struct cart_member_hash *h, struct cart_chunk *chunk,
			  const unsigned char *data, size_t len);
void cart_member_hash_end(struct cart_member_hash *h,
			  unsigned char ret_sha256[CART_SHA256_SIZE]);

/* --- the order (verify_order.c) --- */

struct cart_order_seen {
	unsigned sessions;
	bool there;			/* the first session names one */
	bool differs;			/* a later one does not name the same */
	char *file, *minisig;
	char tool[CART_SHA256_HEX_SIZE];
	int64_t began_ns;
};

/* Each session line.  -1: no memory. */
int cart_order_note(struct cart_order_seen *s, const struct cart_json *line,
		    struct cart_err *err);
void cart_order_seen_clear(struct cart_order_seen *s);
void cart_order_judge(const struct cart_verify_options *o,
		      const struct cart_order_seen *s, const char *case_id,
		      const char *manifest_sha256,
		      struct cart_verdict_order *v);

/* --- the log --- */

enum log_value {
	V_TEXT, V_INT, V_SIGNED, V_BOOL, V_TRUE, V_OBJECT, V_TEXTS, V_EXHIBITS,
	V_SHA256, V_SALT, V_BOOT, V_UUID, V_EXHIBIT, V_STEP, V_KEY, V_SIGNATURE,
	V_BASE64, V_DECIMAL, V_DEVICE, V_MODE, V_TIME, V_TIME_NS,
	V_ENUM,				/* one of the words in .words */
	V_KEYS				/* object with the keys in .keys */
};

enum log_flag {
	LOG_OPTIONAL = 1,
	LOG_OR_NEXT = 2			/* or the next key instead */
};

struct log_key {
	const char *name;
	enum log_value value;
	unsigned flags;
	const char *words;
	const struct log_key *keys;
};

struct log_type {
	const char *name;
	const struct log_key *keys;	/* ends with a NULL name */
};

/* The first eight keys of every line. */
extern const struct log_key cart_log_prefix[];
/* NULL: no such type.  The type of a line of `instance` depends on its
 * event, hence the line. */
const struct log_type *cart_log_type(const struct cart_json *line);
/* F15 and F20: keys, their order, and the forms of values. */
int cart_log_line_ok(const struct cart_json *line, struct cart_err *err);
/* F14: parses one line.  NULL + err. */
struct cart_json *cart_log_line_parse(const void *data, size_t len,
				      struct cart_err *err);

/* A payload member of the group that is being read. */
struct cart_group_member {
	char path[101];
	bool described;
	uint64_t size;
	uint64_t offset;		/* of the data in the stream; folder: 0 */
	unsigned char sha256[CART_SHA256_SIZE];
	char sha256_hex[CART_SHA256_HEX_SIZE];
	struct cart_member_hash *hash;
};

struct cart_group {
	struct cart_group_member *m;
	size_t n, cap;
	size_t first;			/* all before are described */
	size_t last;			/* whom a line described last */
};

struct cart_log_open {			/* an exhibit in parts */
	uint32_t number;
	bool is_set;
	uint64_t parts, total;
};

struct cart_logcheck {
	const char *name;		/* of the bundle; borrowed */
	const char *manifest_hex;	/* of manifest.json; borrowed */
	char case_id[65], uuid[CART_UUID_SIZE], origin[64];
	struct cart_public_key key;	/* of the session */
	unsigned sessions;
	bool new_session;		/* a key came, its line did not yet */
	uint64_t continued[8];
	struct cart_merkle merkle;
	uint64_t exhibits, calls, gaps, changes;
	unsigned char *announced;	/* one bit an exhibit number */
	size_t announced_len;
	struct cart_log_open *open;	/* sorted by number */
	size_t n_open, cap_open;
	bool ended;
	char outcome[16];		/* of the end line */
	uint64_t end_bytes;
	int64_t end_ns;			/* its time */
	struct cart_order_seen order;
	const struct cart_kept_head *heads;	/* borrowed */
	size_t n_heads, heads_found;
	struct cart_group *group;	/* during a part */
	size_t line_at, line_len;	/* of the line, in its part */
	int (*line)(void *arg, const struct cart_json *line,
		    struct cart_err *err);
	void *arg;
};

void cart_logcheck_init(struct cart_logcheck *c);
void cart_logcheck_clear(struct cart_logcheck *c);
/* A keys/session-K.pub was read: the next line begins session K. */
void cart_logcheck_session(struct cart_logcheck *c,
			   const struct cart_public_key *key);
/* One log part and the payload members of its group. */
int cart_logcheck_part(struct cart_logcheck *c, const void *data, size_t len,
		       struct cart_group *group, struct cart_err *err);
/* Is each head that the reader kept of this log (F27)?  After the last part,
 * also of a log that has no end. */
int cart_logcheck_kept(const struct cart_logcheck *c, struct cart_err *err);
/* After the last part (F16, F19). */
int cart_logcheck_end(const struct cart_logcheck *c, struct cart_err *err);

/* --- time stamps (F24) --- */

struct cart_stamp {
	bool granted;			/* as timestamps.txt says */
	char url[CART_STAMP_URL_MAX + 1];
	char error[257];		/* likewise */
	struct cart_buf reply;		/* empty: none */
};

/* Reads timestamps.txt. */
int cart_stamps_parse(const void *data, size_t len,
		      struct cart_stamp ret[CART_STAMPS_MAX], size_t *ret_n,
		      struct cart_err *err);
/* Checks those of the bag; roots as in cart_tsr_check.  -1 with a rule broken,
 * or memory. */
struct cart_bag;
struct cart_counter_sig;
int cart_stamps_check(const struct cart_bag *b, const char *roots,
		      size_t roots_len,
		      struct cart_verdict_stamp ret[CART_STAMPS_MAX],
		      struct cart_err *err);

/* Likewise that of a counter-signature. */
int cart_stamp_check_counter(const struct cart_counter_sig *c,
			     const char *roots, size_t roots_len,
			     struct cart_verdict_stamp *ret,
			     struct cart_err *err);

/* What others said of the heads that the reader kept.  -1 (USAGE): it is not of
 * that head, or does not hold. */
int cart_heads_judge(const struct cart_verify_options *o,
		     struct cart_verdict *v, struct cart_err *err);

/* --- trust (verify_trust.c) --- */

/* A signature that holds under a key of the reader's. */
struct cart_held {
	struct cart_public_key key;
	bool counter;
	const struct cart_verdict_stamp *stamp;	/* anchored, of a counter */
};

/* Which of them counts: fills signed_ok and what goes with it, if the reader
 * gave a trust file.  After the time stamps.  stated: when the log ends, or
 * INT64_MIN if that is not known. */
void cart_trust_judge(const struct cart_verify_options *o,
		      const struct cart_held *held, size_t n, int64_t stated,
		      struct cart_verdict *v);
/* Does the key of this one, which signed, count by itself? */
bool cart_trust_counts(const struct cart_verify_options *o,
		       const struct cart_held *held, int64_t stated,
		       const struct cart_verdict *v);

/* --- the bag --- */

struct cart_member_rule;

struct cart_bag {
	char name[65];
	struct cart_crew *crew;
	int (*member)(void *arg, const struct cart_walk_member *m,
		      const void *data, size_t len, bool end,
		      struct cart_err *err);
	void *arg;
	struct cart_logcheck log;
	struct cart_group group;
	unsigned place;			/* enum place in verify_bag.c */
	unsigned log_parts;
	bool has_examiner;
	struct cart_public_key examiner;
	bool has_mtime;			/* a stream; not an extracted bag */
	uint64_t mtime;			/* of the members */
	uint64_t members, payload, payload_bytes;
	char manifest_hex[CART_SHA256_HEX_SIZE];
	struct cart_sha256 payload_list, tag_list;	/* as they must be */
	char root[CART_SHA256_HEX_SIZE];
	char state[16];			/* Crashcart-State */
	char purpose[16];		/* "session" or "examiner" */
	unsigned char tag_prehash[CART_BLAKE2B_SIZE];
	struct cart_minisign_sig inner;
	struct cart_buf inner_text;	/* its bytes: what is stamped */
	struct cart_stamp stamp[CART_STAMPS_MAX];
	size_t n_stamps;
	/* names so far, 16 bytes of a digest each */
	unsigned char (*seen)[16];
	size_t seen_cap;
	/* the member that is being read */
	struct cart_walk_member now;
	char now_path[101];
	const struct cart_member_rule *now_rule;
	struct cart_buf now_data;	/* of members that are parsed */
	struct cart_sha256 now_sha;
	struct cart_blake2b now_prehash;
};

/* The caller fills name (before the first member), member, arg, log.line. */
void cart_bag_init(struct cart_bag *b, struct cart_crew *crew);
void cart_bag_clear(struct cart_bag *b);
/* Waits for members that are being hashed: chunks may go after that. */
void cart_bag_settle(struct cart_bag *b);
int cart_bag_begin(struct cart_bag *b, const struct cart_walk_member *m,
		   struct cart_err *err);
int cart_bag_data(struct cart_bag *b, struct cart_chunk *chunk,
		  const unsigned char *data, size_t len, struct cart_err *err);
int cart_bag_end(struct cart_bag *b, struct cart_err *err);
/* After the last member: all there, and the inner seal holds under the key
 * that it must name. */
int cart_bag_finish(struct cart_bag *b, struct cart_err *err);
/* That key. */
const struct cart_public_key *cart_bag_key(const struct cart_bag *b);
/* What the trusted comment of a seal must be: `WHAT bundle=... case=...
 * purpose=... root=...`; purpose is left out if it is NULL. */
void cart_bag_comment(const struct cart_bag *b, const char *what,
		      const char *purpose, char out[512]);

/* --- files --- */

#define COUNTERS_MAX 1000u

struct cart_counter_sig {
	char id[17];			/* of its name */
	bool there, stamped;		/* which of the two was found */
	struct cart_buf data;
	struct cart_buf tsr;		/* time stamp of data */
};

enum cart_input_kind {
	INPUT_FILES,			/* .tar, .tar.002 ..., also of a source */
	INPUT_PIPE,
	INPUT_FOLDER			/* an extracted bag */
};

struct cart_input {
	enum cart_input_kind kind;
	int dirfd;			/* of the files; the bag itself */
	char *base;			/* file name without ".tar" */
	bool encrypted;			/* as the names say: ".tar.age" */
	struct cart_source *source;	/* instead of dirfd; borrowed */
	size_t *files;			/* its numbers of the segments */
	uint64_t *lengths;		/* of the segments */
	size_t n_segments;
	size_t beside, beside_alike;	/* struct cart_verdict */
	int pipe_fd;
	bool has_seal, has_signature;
	struct cart_buf seal, signature;
	struct cart_counter_sig *counters;
	size_t n_counters;
};

/* -1: files that cannot be read, or (cart_rule_number) a rule is broken. */
int cart_input_open(const char *bundle, const char *seal_path,
		    struct cart_input *ret, struct cart_err *err);
void cart_input_close(struct cart_input *in);
/* Likewise, of o->source. */
int cart_input_open_source(const struct cart_verify_options *o,
			   struct cart_input *ret, struct cart_err *err);
/* SEAL.minisig (a), SEAL.KEYID.minisig or that with .tsr: where its bytes, at
 * most so many, go.  name: of the file; n: length of "SEAL".  NULL: it is none
 * of these, or, with *ret_max 0, err. */
struct cart_buf *cart_input_signature(struct cart_input *in, const char *name,
				      size_t n, size_t *ret_max,
				      struct cart_err *err);
/* "0042" and, if it is encrypted, "0042.age". */
bool cart_input_is_further(const char *s, bool encrypted);
/* The seal that lies elsewhere, with what signs it. */
int cart_input_named_seal(struct cart_input *in, const char *path,
			  struct cart_err *err);
/* Segment i, from 0, to be read; files are opened only then, since there may
 * be more of them than descriptors. */
struct cart_input_segment {
	int fd;				/* -1: none, of a source */
	size_t number;
};
int cart_input_segment(const struct cart_input *in, size_t i,
		       struct cart_input_segment *ret, struct cart_err *err);
/* As cart_fd_pread. */
ssize_t cart_input_pread(const struct cart_input *in,
			 const struct cart_input_segment *s, void *data,
			 size_t len, uint64_t offset, struct cart_err *err);
void cart_input_segment_close(struct cart_input_segment *s);

#define SIGNATURE_MAX ((size_t)4096)

/* Opens a member of an extracted bag, following no link on the way.  A
 * descriptor, or -1. */
int cart_folder_open(int dirfd, const char *path, uint64_t *ret_size,
		     struct cart_err *err);
/* Feeds the files of an extracted bag in stream order. */
int cart_folder_walk(int dirfd, struct cart_bag *bag, struct cart_err *err);
/* External-Identifier of bag-info.txt: the name of the bundle. */
int cart_folder_name(int dirfd, char out[65], struct cart_err *err);

#endif
