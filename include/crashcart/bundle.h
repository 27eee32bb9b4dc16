/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_BUNDLE_H
#define CRASHCART_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <crashcart/age.h>
#include <crashcart/budget.h>
#include <crashcart/digest.h>
#include <crashcart/err.h>
#include <crashcart/exhibit.h>
#include <crashcart/json.h>
#include <crashcart/signer.h>
#include <crashcart/sink.h>

/*
 * Writing a bundle (collector/bundle/FORMAT.md).  All functions but open,
 * resume, seal and free may be called from any thread.  Members and lines
 * reach the stream in the order of the calls; one writer thread orders and
 * writes, pool threads hash and compress.  After a sink failure every call
 * fails with the same error.
 *
 * When a disk is full, but the sink kept space for the end, only new exhibits,
 * buffers and files are refused (SYSTEM, ENOSPC): what was begun can be closed,
 * lines are taken, and the bundle can be sealed.
 */
struct cart_bundle;

#define CART_STAMPS_MAX 2
#define CART_STAMP_URL_MAX 1024

/* Authorities that stamp the inner seal (RFC 3161), and who carries the question
 * there: ask appends the answer to ret_reply; called from the writer's thread. */
struct cart_timestamper {
	const char *url[CART_STAMPS_MAX];	/* printable ASCII, no space */
	size_t n;			/* at least 1 */
	int (*ask)(void *arg, const char *url, const void *query, size_t len,
		   struct cart_buf *ret_reply, struct cart_err *err);
	void *arg;
};

struct cart_bundle_options {
	const char *name;		/* F1 */
	const char *case_id;
	const char *uuid;		/* of the bundle, 36 characters */
	const char *organization;	/* may be NULL */
	const char *agent;		/* "crashcart 0.1.0 (abcdef0)" */
	int64_t start_utc_ns;
	struct cart_sink *sink;		/* borrowed until free */
	struct cart_signer *session;	/* heads and checkpoint; borrowed */
	struct cart_signer *examiner;	/* seals; NULL: the session key does */
	const struct cart_timestamper *stamps;	/* NULL: none; borrowed */
	struct cart_budget *budget;	/* borrowed */
	uint64_t segment_bytes;		/* 0: a single segment */
	/* NULL: plain.  The sink must be one for encrypted bundles. */
	const struct cart_age_recipients *encrypt_to;
	/* Told before so many bytes are stored, on the writer's thread; may
	 * sleep.  May be NULL. */
	void (*pace)(void *arg, size_t len);
	void *pace_arg;
	unsigned threads;		/* of the pool; 0: one a core */
	int level;			/* zstd, 0: 1 */
	/* Keys of the session line after "step", in order of FORMAT.md; the
	 * writer adds nothing.  Borrowed during open/resume. */
	const struct cart_json *session_line;
	const void *manifest;		/* manifest.json as run */
	size_t manifest_len;
	const void *plan;		/* plan.json */
	size_t plan_len;
};

/* Writes bagit.txt ... keys and the session line, durable.  NULL + err. */
struct cart_bundle *cart_bundle_open(const struct cart_bundle_options *o,
				     struct cart_err *err);

/* --- plain and big exhibits --- */

/* One exhibit whose bytes are all there (copied).  Above CART_PLAIN_MAX it
 * goes out in zstd parts.  Waits for budget.  ret_id may be NULL. */
int cart_bundle_put(struct cart_bundle *b, const struct cart_exhibit_info *info,
		    const void *data, size_t len,
		    char ret_id[CART_EXHIBIT_ID_SIZE], struct cart_err *err);

/* Begins an exhibit in parts.  compress: zst parts, else bin. */
struct cart_exhibit *cart_exhibit_open(struct cart_bundle *b,
				       const struct cart_exhibit_info *info,
				       bool compress, struct cart_err *err);
/* "e000007"; lives as long as the exhibit. */
const char *cart_exhibit_id(const struct cart_exhibit *e);
/* A buffer of CART_PART_SIZE bytes, after budget for it and its compressed
 * form was taken.  At most one at a time.  NULL + err. */
unsigned char *cart_exhibit_reserve(struct cart_exhibit *e, struct cart_err *err);
/* Sends the first len bytes (1..CART_PART_SIZE) of the reserved buffer as the
 * next part; all-zero pieces become a line without member.  len 0 gives the
 * buffer back.  The buffer is no longer the caller's. */
int cart_exhibit_submit(struct cart_exhibit *e, size_t len, struct cart_err *err);
/* Ends it: writes the exhibit line (logical size and SHA-256) with state and
 * note (NULL: those of info).  Frees e, also on failure. ret_sha256_hex may be NULL. */
int cart_exhibit_close(struct cart_exhibit *e, const char *state,
		       const char *note, char ret_sha256_hex[CART_SHA256_HEX_SIZE],
		       struct cart_err *err);

/* --- file sets --- */

struct cart_fileset *cart_fileset_open(struct cart_bundle *b,
				       const struct cart_exhibit_info *info,
				       struct cart_err *err);
const char *cart_fileset_id(const struct cart_fileset *f);
/* A regular file with all its bytes (copied; at most CART_PART_SIZE / 2):
 * becomes a member and a file line with its SHA-256.  Beyond 1,000,000
 * members: -1 with class LIMIT, and nothing was added. */
int cart_fileset_add(struct cart_fileset *f, const struct cart_file *file,
		     const void *data, size_t len, struct cart_err *err);
/* Only a line: folders, links, devices, unreadable or large files. */
int cart_fileset_list(struct cart_fileset *f, const struct cart_file *file,
		      struct cart_err *err);
/* Sends the last part and the exhibit line; frees f, also on failure. */
int cart_fileset_close(struct cart_fileset *f, const char *state,
		       const char *note, struct cart_err *err);

/* --- the log --- */

/* Appends a line: type, step id ("" for the collector), and fields, an
 * object with the type's keys in order of FORMAT.md (borrowed).  Types
 * exhibit, part, file, head and end are the writer's own. */
int cart_bundle_log(struct cart_bundle *b, const char *type, const char *step,
		    const struct cart_json *fields, struct cart_err *err);
/* All lines and members so far are durable when this returns 0. */
int cart_bundle_sync(struct cart_bundle *b, struct cart_err *err);

/* Is it encrypted?  Then it may hold secrets unmasked. */
bool cart_bundle_encrypted(const struct cart_bundle *b);

/* The head of the log part that was closed last, as a C2SP checkpoint: appended to
 * ret_note; ret_size: lines that it covers.  0, or -1: there is none yet. */
int cart_bundle_head(struct cart_bundle *b, struct cart_buf *ret_note,
		     uint64_t *ret_size);

struct cart_bundle_counts {
	uint64_t exhibits, calls, gaps, changes, lines, members, bytes;
	uint64_t segment, segment_bytes;	/* the open one, from 1 */
};
void cart_bundle_counts(struct cart_bundle *b, struct cart_bundle_counts *ret);

/* --- the end --- */

struct cart_stamp_result {
	bool granted;
	char time[32];			/* genTime */
	char by[256];			/* whom the stamp names: not checked */
	char error[256];		/* not granted: why */
};

struct cart_seal_result {
	char root[CART_SHA256_HEX_SIZE];
	char log_root[CART_SHA256_HEX_SIZE];
	uint64_t log_size;
	uint64_t bytes;			/* of the stream */
	unsigned segments;
	bool gaps;
	struct cart_stamp_result stamp[CART_STAMPS_MAX];
};

/* Waits for everything, writes end, head, checkpoint, bag, inner and outer
 * seal.  State is "gaps" if any gap line was written or force_gaps. reason:
 * why it ended early, or NULL.  No call but free may follow. */
int cart_bundle_seal(struct cart_bundle *b, bool force_gaps, const char *reason,
		     struct cart_seal_result *ret, struct cart_err *err);
void cart_bundle_free(struct cart_bundle *b);	/* accepts NULL */

/* --- going on after an interruption --- */

struct cart_resume_point;

/* Reads the unsealed segments DIR/NAME.tar ..., checks every member, log line
 * and head up to the last whole log part, and gives each line to fn in order
 * (parsed; borrowed).  fn returns 0, or -1 with err to stop.  NULL + err. */
typedef int (*cart_line_fn)(void *arg, const struct cart_json *line,
			    struct cart_err *err);
struct cart_resume_point *cart_resume_read(int dirfd, const char *name,
					   cart_line_fn fn, void *arg,
					   struct cart_err *err);
/* Where a bundle lies that is no file: closed segments, to be read as above. */
struct cart_resume_source {
	size_t n_segments;
	const uint64_t *lengths;
	/* so many bytes, all of them there */
	int (*read)(void *arg, size_t segment, uint64_t offset, void *data,
		    size_t len, struct cart_err *err);
	void *arg;
	/* Of an encrypted bundle, to salvage it; NULL: plain. */
	const struct cart_age_identities *identities;
};
/* As cart_resume_read.  What goes on begins a new segment, so LIMIT if they
 * do not end with a log part. */
struct cart_resume_point *
cart_resume_read_source(const struct cart_resume_source *s, const char *name,
			cart_line_fn fn, void *arg, struct cart_err *err);
/* Bytes of the early tag members, e.g. "manifest.json", "plan.json"; NULL if
 * absent.  Owned by r. */
const void *cart_resume_member(const struct cart_resume_point *r,
			       const char *path, size_t *ret_len);
/* What cart_bundle_options must repeat; start in whole seconds.  Owned by r. */
const char *cart_resume_case(const struct cart_resume_point *r);
const char *cart_resume_uuid(const struct cart_resume_point *r);
int64_t cart_resume_start_ns(const struct cart_resume_point *r);
/* The key that must seal it, NULL: its last session's. */
const struct cart_public_key *
cart_resume_examiner(const struct cart_resume_point *r);
unsigned cart_resume_segments(const struct cart_resume_point *r);
/* Where the last segment is to be cut. */
uint64_t cart_resume_offset(const struct cart_resume_point *r);
uint64_t cart_resume_lines(const struct cart_resume_point *r);
/* As cart_bundle_open, going on from r: writes keys/session-K.pub and the
 * session line.  Exhibits whose parts were cut get an exhibit line with
 * state "truncated" and a gap line.  o->sink was made for r's segments and
 * offset; name, case, uuid and start must be those of the bundle. */
struct cart_bundle *cart_bundle_resume(const struct cart_bundle_options *o,
				       struct cart_resume_point *r,
				       struct cart_err *err);
void cart_resume_free(struct cart_resume_point *r);

struct cart_salvage {
	char case_id[65], root[CART_SHA256_HEX_SIZE];	/* root: of the log */
	char uuid[37];			/* by the log; "" without a first line */
	uint64_t lines, bytes;
	size_t segments;		/* the first so many; 0: none */
	char why[CART_ERR_TEXT_SIZE];	/* what stands behind them, or "" */
	struct cart_buf seal;		/* F26; empty without segments */
};

/* The partial seal that the closed segments of a run that died can have: up to
 * the first that does not hold, or that begins the bundle's end.  0, and
 * ret->seal is to be cleared, or -1: they could not be read. */
int cart_salvage_read(const struct cart_resume_source *s, const char *name,
		      struct cart_salvage *ret, struct cart_err *err);

/* --- an encrypted bundle whose run died --- */

struct cart_partial {
	char root[CART_SHA256_HEX_SIZE];	/* of the log */
	uint64_t log_size, bytes;
	size_t segments;
	char signer[17];		/* id of the key that signed */
	bool has_remnant;		/* NAME.remnant.age was left */
	struct cart_buf changes;	/* "UUID CLASS EVENT" lines */
};

/* Seals the closed segments of DIR/NAME.tar.age ... as partial, with the seal
 * that the run itself signed for them (NAME.state); checks them all before.
 * The segment that was open becomes NAME.remnant.age.  0, and ret is to be
 * cleared, or -1. */
int cart_partial_seal(int dirfd, const char *name, struct cart_partial *ret,
		      struct cart_err *err);
void cart_partial_clear(struct cart_partial *p);

/* What the state file of a run in S3 says; the objects are not looked at. */
struct cart_state {
	struct cart_buf location;	/* "s3://BUCKET/PREFIX/", text */
	struct cart_buf upload;		/* "FILE ID" of the last segment */
	char whole[16];			/* "complete", "gaps"; "": partial */
	struct cart_buf signature, seal;
	struct cart_partial partial;	/* but bytes are as the seal says */
};

/* From its bytes.  0, and ret is to be cleared, or -1. */
int cart_state_parse(const char *name, const void *data, size_t len,
		     struct cart_state *ret, struct cart_err *err);
/* DIR/NAME.state, or the one of a segment that was being closed,
 * NAME.state-closing.  0, and ret is to be cleared, or -1. */
int cart_state_read(int dirfd, const char *name, bool closing,
		    struct cart_state *ret, struct cart_err *err);
void cart_state_clear(struct cart_state *s);

#endif
