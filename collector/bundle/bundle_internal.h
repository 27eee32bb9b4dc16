/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_BUNDLE_INTERNAL_H
#define CRASHCART_BUNDLE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/age.h>
#include <crashcart/buf.h>
#include <crashcart/bundle.h>
#include <crashcart/compress.h>
#include <crashcart/digest.h>
#include <crashcart/merkle.h>
#include <crashcart/minisign.h>
#include <crashcart/pool.h>

/*
 * The writing side.  Callers' threads make tickets and put them into one
 * queue, in the order of the calls; pool threads compress and hash the parts
 * among them; the writer thread takes the first ticket as soon as it is
 * ready, and is the only one that touches the stream, the log and the index.
 *
 *	exhibit.c, fileset.c, writer.c	make tickets
 *	part.c				compresses and hashes parts
 *	writer.c			the queue and the thread
 *	log.c				lines, heads, log parts
 *	stream.c			members, chunks, segments, the sink
 *	index.c				what stands in the bag's manifests
 *	seal_write.c			the end
 *	resume.c			all of that again from a cut file
 */

#define TAR_BLOCK 512u
#define CHUNK_BYTES ((uint64_t)8 << 20)		/* F22 */
#define CHUNKS_MAX 10000u			/* in a segment */
#define SEGMENTS_MAX 10000u
#define MEMBER_MAX ((uint64_t)16 << 20)		/* F6 */
#define PAYLOAD_MAX 150000u			/* F9 */
#define GROUP_MAX 8192u				/* F9 */
#define OPEN_MAX 4096u				/* F9 */
#define EXHIBIT_MAX 9999999u			/* F9 */
#define LOG_PART_MAX ((size_t)1 << 20)		/* F14 */
#define LINE_MAX_BYTES ((size_t)262144)		/* F14 */
/* Bytes kept free for the head line in a log part, and for the keys that
 * stand before "type" in a line. */
#define HEAD_ROOM ((size_t)1024)
#define PREFIX_ROOM ((size_t)512)
/* Line text from "type" on. */
#define TAIL_MAX (LINE_MAX_BYTES - PREFIX_ROOM)
/* Below these bounds the two manifests stay below 16 MiB (F6). */
#define MANIFEST_MAX (MEMBER_MAX - 65536)
#define LOG_PARTS_MAX 190000u

/* --- tar.c --- */

/* Writes the header that F4 demands; path is that below NAME/.  0, or -1 if
 * name and path are too long together. */
int cart_tar_header(const char *name, const char *path, uint64_t size,
		    uint64_t mtime, unsigned char out[TAR_BLOCK]);
/* Zeros that follow size bytes of data. */
size_t cart_tar_padding(uint64_t size);

/* --- index.c: digests and paths of all members, 40 bytes each --- */

/* An array that grows by blocks, so that growing copies nothing. */
struct cart_blocks {
	unsigned char **block;
	size_t n_blocks;
	size_t elem;			/* size of one element */
	size_t n;
};

void cart_blocks_init(struct cart_blocks *a, size_t elem);
void cart_blocks_clear(struct cart_blocks *a);
void *cart_blocks_add(struct cart_blocks *a);	/* NULL: no memory */
void *cart_blocks_at(const struct cart_blocks *a, size_t i);
void cart_blocks_cut(struct cart_blocks *a, size_t n);

enum member_form {
	/* below data/ */
	MEMBER_PLAIN,			/* a: exhibit, b: slug */
	MEMBER_ZST,			/* a: exhibit, b: part */
	MEMBER_TAR,
	MEMBER_BIN,
	/* tag files */
	MEMBER_FIXED,			/* b: index into the fixed names */
	MEMBER_KEY,			/* b: session */
	MEMBER_LOG			/* b: number */
};

enum fixed_member {
	FIXED_BAGIT,
	FIXED_VERIFY,
	FIXED_MANIFEST,
	FIXED_PLAN,
	FIXED_EXAMINER,
	FIXED_CHECKPOINT,
	FIXED_BAG_INFO,
	FIXED_PAYLOAD,			/* manifest-sha256.txt */
	FIXED_TAGS,			/* tagmanifest-sha256.txt */
	FIXED_SEAL,
	FIXED_COUNT
};

struct cart_member_id {
	uint32_t a;			/* form in the upper 4 bits */
	uint32_t b;
};

struct cart_index {
	struct cart_blocks payload, tags;
	uint64_t payload_bytes;		/* as stored */
	uint64_t manifest_bytes;	/* length of manifest-sha256.txt */
	uint64_t tag_bytes;		/* length of tagmanifest-sha256.txt */
	char **slug;			/* each text once */
	uint32_t *slug_table;
	size_t n_slugs, slug_cap;	/* cap: of the table, a power of 2 */
};

#define CART_MEMBER_PATH_SIZE 128

void cart_index_init(struct cart_index *x);
void cart_index_clear(struct cart_index *x);
struct cart_member_id cart_member_id(enum member_form form, uint32_t a,
				     uint32_t b);
enum member_form cart_member_form(struct cart_member_id id);
/* Number of this slug (the caller holds the bundle's lock, or is alone);
 * UINT32_MAX: no memory. */
uint32_t cart_index_slug(struct cart_index *x, const char *slug);
void cart_index_path(const struct cart_index *x, struct cart_member_id id,
		     char out[CART_MEMBER_PATH_SIZE]);
/* 0, or -1: a path that no writer of ours makes. */
int cart_index_parse(struct cart_index *x, const char *path,
		     struct cart_member_id *ret);
/* Adds a member to the manifest it belongs to. */
int cart_index_add(struct cart_index *x, struct cart_member_id id,
		   const unsigned char sha256[CART_SHA256_SIZE], uint64_t size,
		   struct cart_err *err);
/* Forgets the last members, down to these numbers. */
void cart_index_cut(struct cart_index *x, size_t payload, size_t tags,
		    uint64_t payload_bytes);
/* Gives manifest-sha256.txt (or the tag manifest) in pieces to fn. */
int cart_index_print(const struct cart_index *x, bool tags,
		     int (*fn)(void *arg, const void *data, size_t len,
			       struct cart_err *err),
		     void *arg, struct cart_err *err);

/* --- stream.c --- */

struct cart_segment {
	uint64_t length;
	size_t first_chunk;
	size_t n_chunks;
};

#define STAGE_BYTES ((size_t)64 << 10)

struct cart_stream {
	struct cart_sink *sink;
	char name[65];
	uint64_t mtime;
	uint64_t segment_chunks;	/* most chunks in a segment */
	uint64_t soft_bytes;		/* it is closed at a log part near this
					 * length; 0: only by segment_chunks */
	uint64_t total;			/* bytes of the stream */
	struct cart_segment *segment;
	size_t n_segments, segment_cap;
	int64_t segment_since_ns;	/* first byte of this segment, mono */
	void (*pace)(void *arg, size_t len);	/* or NULL */
	void *pace_arg;
	struct cart_blocks chunks;
	struct cart_sha256 chunk_sha;
	bool pairs;			/* that of a member comes with it */
	uint64_t chunk_fill;
	unsigned char *stage;		/* small writes wait here */
	size_t staged;
	/* encryption of each segment; NULL: none */
	struct cart_age_writer *age;
	bool age_open;			/* the segment has begun */
	uint64_t age_left;		/* plaintext that it still takes */
	/* after a segment was closed; may be NULL */
	int (*closed)(void *arg, struct cart_err *err);
	void *closed_arg;
	/* the member that is being written in pieces */
	struct cart_sha256 member_sha;
	uint64_t member_left;
	uint64_t member_size;
};

int cart_stream_init(struct cart_stream *s, struct cart_sink *sink,
		     const char *name, uint64_t mtime, uint64_t segment_bytes,
		     struct cart_err *err);
/* Before the first byte. */
int cart_stream_encrypt(struct cart_stream *s,
			const struct cart_age_recipients *to,
			struct cart_err *err);
void cart_stream_clear(struct cart_stream *s);
/* A whole member whose digest is known. */
int cart_stream_member(struct cart_stream *s, const char *path,
		       const void *data, size_t len, struct cart_err *err);
/* A member in pieces that are hashed here. */
int cart_stream_begin(struct cart_stream *s, const char *path, uint64_t size,
		      struct cart_err *err);
int cart_stream_data(struct cart_stream *s, const void *data, size_t len,
		     struct cart_err *err);
int cart_stream_end(struct cart_stream *s,
		    unsigned char ret_sha256[CART_SHA256_SIZE],
		    struct cart_err *err);
/* Hands what waits to the sink. */
int cart_stream_flush(struct cart_stream *s, struct cart_err *err);
/* Closes the current segment, if it holds anything, and begins the next. */
int cart_stream_cut(struct cart_stream *s, struct cart_err *err);
/* Zero blocks and the last chunk. */
int cart_stream_finish(struct cart_stream *s, struct cart_err *err);
/* Only for resume.c: the state after what is there already. */
int cart_stream_add_segment(struct cart_stream *s, struct cart_err *err);

/* NAME.tar, NAME.tar.002 ..., with ".age" behind if encrypted. */
void cart_segment_name(const char *name, size_t number, bool encrypted,
		       char *out, size_t size);

/* --- tickets --- */

enum ticket_kind {
	TICKET_LINE,
	TICKET_MEMBER,			/* with its line, and more lines */
	TICKET_SYNC,
	TICKET_END
};

/* One line from "type" on: `"type":"note","step":"","text":"..."}`. */
struct cart_tail {
	int64_t t_ns, mono_ns;
	char *text;
	size_t len;
};

struct cart_piece {
	uint32_t exhibit, part;
	uint64_t offset, length;
	enum member_form form;
	bool zero;
	const char *about;		/* ,"instance":... of part 1, or "" */
};

struct cart_ticket {
	struct cart_ticket *next;
	struct cart_bundle *b;
	struct cart_job job;
	enum ticket_kind kind;
	bool ready;
	struct cart_tail line;
	/* member */
	struct cart_member_id id;
	unsigned char sha256[CART_SHA256_SIZE];
	unsigned char *data;
	size_t len;
	size_t mapped;			/* data is a mapping of this length */
	size_t charge;			/* taken from the budget */
	size_t queued;			/* counted in the queue's bound */
	uint64_t *counter;		/* of the bundle, or NULL */
	struct cart_piece piece;
	const char *step;		/* in the ticket's own memory */
	char *about;			/* what piece.about points to */
	bool unhashed;			/* the writer hashes it on its way */
	struct cart_buf files;		/* records: struct cart_file_record */
	/* sync and end: who waits */
	struct cart_wait *wait;
};

struct cart_wait {
	bool done;
	int rc;
	struct cart_err err;
	/* of the end */
	bool force_gaps;
	const char *reason;
	struct cart_seal_result *result;
};

/* Before the text of each further line of a ticket. */
struct cart_file_record {
	int64_t t_ns, mono_ns;
	uint64_t len;
};

struct cart_open_exhibit;

/* --- the bundle --- */

struct cart_log {
	struct cart_buf pending;	/* lines of the log part to come */
	uint64_t lines;			/* all so far */
	uint64_t part_lines;		/* in pending */
	struct cart_merkle merkle;
	struct cart_merkle written;	/* up to the last log part */
	uint32_t parts;			/* written */
	uint64_t group_members;		/* payload since the last log part */
	uint64_t group_bytes;
	int64_t pending_since_ns;	/* mono; 0: nothing waits */
	bool low_noted;			/* flushed when space ran out */
	unsigned char salts[4096];
	size_t salts_left;
};

struct cart_bundle {
	/* fixed after open */
	char name[65], case_id[65], uuid[CART_UUID_SIZE];
	char origin[64];
	char boot[9];
	char *organization, *agent;
	int64_t start_utc_ns;
	struct cart_signer *session, *examiner;
	const struct cart_timestamper *stamps;	/* or NULL */
	struct cart_budget *budget;
	unsigned session_number;
	int level;

	/* the writer thread's own */
	struct cart_stream stream;
	struct cart_log log;

	/* below: under lock */
	pthread_mutex_t lock;
	pthread_cond_t head_ready;	/* the writer waits */
	pthread_cond_t room;		/* callers wait for the queue */
	pthread_cond_t waiters;		/* sync and seal */
	struct cart_ticket *head, **tail;
	size_t queued;			/* bytes of small tickets */
	bool gathering;			/* the writer lets more come */
	bool hurry;			/* ... and should not */
	struct cart_index index;	/* slugs by all, the rest by the writer */
	bool failed;			/* err is set for good */
	bool full;			/* no new exhibits, parts, files */
	bool ended;			/* seal was called */
	bool stopping;
	struct cart_err err;
	uint32_t exhibits_begun;
	uint64_t payload_asked;		/* members and manifest bytes that ... */
	uint64_t manifest_asked;	/* ... tickets so far will need */
	struct cart_bundle_counts counts;
	char head_note[512];		/* of the last head, as a checkpoint */
	size_t head_len;
	uint64_t head_size;		/* lines; 0: none yet */
	struct cart_buf changes;	/* lines of the state file */
	struct cart_open_exhibit *open;
	size_t n_open;

	pthread_t writer;
	bool writer_runs;
	struct cart_pool *pool;
	struct cart_worker *workers;	/* idle ones, under lock */
	void *spares;			/* buffers of parts, under lock */
	size_t mapped;			/* bytes of all such, under lock */
};

/* --- writer.c --- */

/* A ticket with room for a copy of step; NULL: no memory. */
struct cart_ticket *cart_ticket_new(enum ticket_kind kind, const char *step);
void cart_ticket_free(struct cart_bundle *b, struct cart_ticket *t);
/* Fails with the sticky error, or after the end.  Takes t in any case. job:
 * the pool makes it ready. */
int cart_queue_put(struct cart_bundle *b, struct cart_ticket *t, bool job,
		   struct cart_err *err);
/* The sticky failure, if any: -1 and err. */
int cart_bundle_failed(struct cart_bundle *b, struct cart_err *err);
void cart_bundle_fail(struct cart_bundle *b, const struct cart_err *err);
/* As cart_bundle_failed, and if the disk is full. */
int cart_bundle_closed(struct cart_bundle *b, struct cart_err *err);
/* Room for one more payload member?  Counts it.  -1 LIMIT if not. */
int cart_bundle_admit(struct cart_bundle *b, size_t path_len,
		      struct cart_err *err);
/* Queues a line from its tail; takes text.  counter may be NULL. */
int cart_bundle_tail(struct cart_bundle *b, char *text, size_t len,
		     uint64_t *counter, struct cart_err *err);
/* Makes everything but the early members; threads start with _run. */
struct cart_bundle *cart_bundle_make(const struct cart_bundle_options *o,
				     struct cart_err *err);
int cart_bundle_run(struct cart_bundle *b, unsigned threads,
		    struct cart_err *err);
/* keys/session-K.pub, the session line, one log part, sync. */
int cart_bundle_session(struct cart_bundle *b,
			const struct cart_bundle_options *o,
			struct cart_err *err);
/* A tag member whose bytes are all there. */
int cart_bundle_tag(struct cart_bundle *b, struct cart_member_id id,
		    const void *data, size_t len, struct cart_err *err);

/* --- log.c --- */

void cart_tail_begin(struct cart_buf *b, const char *type, const char *step);
/* ,"key":"text" with the bytes as they are if UTF-8 without NUL, else
 * ,"key_b64":"..." */
void cart_tail_bytes(struct cart_buf *b, const char *key, const void *data,
		     size_t len);
void cart_tail_text(struct cart_buf *b, const char *key, const char *text);
void cart_tail_u64(struct cart_buf *b, const char *key, uint64_t v);
void cart_tail_part(struct cart_buf *b, const char *step,
		    const struct cart_piece *piece, const char *path,
		    uint64_t size, const unsigned char sha256[CART_SHA256_SIZE]);
/* Prints one line into the log part to come; flushes before if it is full. */
int cart_log_line(struct cart_bundle *b, int64_t t_ns, int64_t mono_ns,
		  const char *tail, size_t len, struct cart_err *err);
/* True if a line with a tail of this length still fits. */
bool cart_log_fits(const struct cart_bundle *b, size_t tail_len);
/* Writes the log part, if there is anything in it. */
int cart_log_flush(struct cart_bundle *b, struct cart_err *err);

/* --- part.c --- */

/* Size of the buffer of a part: input and compressed form share it. */
size_t cart_part_bytes(void);
/* A buffer with anything in it, and its end; NULL: no memory. */
void *cart_part_map(struct cart_bundle *b, size_t bytes);
void cart_part_unmap(struct cart_bundle *b, void *p, size_t bytes);
/* Prints the line of a part anew, of the same length. */
int cart_part_line(struct cart_ticket *t, struct cart_err *err);
/* The pool's work on a ticket. */
void cart_part_run(struct cart_job *job);
/* When nobody has a buffer any more. */
void cart_parts_free(struct cart_bundle *b);

/* --- exhibit.c --- */

/* Text of an exhibit line; sha256_hex, path may be NULL; parts, files < 0:
 * left out. */
struct cart_exhibit_line {
	const char *id;
	uint64_t size;
	const char *sha256_hex;
	const char *path;
	int64_t parts, files;
	const char *state, *note;
};
struct cart_info_copy;
/* What an exhibit needs from its info until its line is written. */
struct cart_info_copy *cart_info_copy(const struct cart_exhibit_info *info,
				      struct cart_err *err);
void cart_info_free(struct cart_info_copy *i);
const char *cart_info_step(const struct cart_info_copy *i);
/* ,"instance":...,"name":...,"media":... */
const char *cart_info_about(const struct cart_info_copy *i);
void cart_info_print(const struct cart_info_copy *i,
		     const struct cart_exhibit_line *line, struct cart_buf *out);

/* An exhibit in parts, also the ground of a file set. */
struct cart_open_exhibit {
	struct cart_open_exhibit *prev, *next;	/* under the bundle's lock */
	struct cart_bundle *b;
	struct cart_info_copy *info;
	uint32_t number;
	char id[CART_EXHIBIT_ID_SIZE];
	uint32_t parts;
	uint64_t offset;
	int64_t files;			/* < 0: not a file set */
	uint64_t file_bytes;
	bool orphan;			/* the end of the bundle closed it */
};

struct cart_open_exhibit *cart_open_new(struct cart_bundle *b,
					const struct cart_exhibit_info *info,
					struct cart_err *err);
/* Queues the line and frees o. sha256_hex may be NULL. */
int cart_open_close(struct cart_open_exhibit *o, const char *state,
		    const char *note, const char *sha256_hex,
		    struct cart_err *err);
/* Lines for all exhibits that nobody closed (the bundle is ending). */
int cart_open_close_all(struct cart_bundle *b, struct cart_err *err);
/* Sends data (a cart_part_map of which len bytes are used, charged with
 * charge) as the next part.  files may be NULL; it is emptied. */
int cart_open_part(struct cart_open_exhibit *o, enum member_form form,
		   void *data, size_t len, size_t charge,
		   struct cart_buf *files, struct cart_err *err);

/* --- verify_txt.c --- */

void cart_verify_txt(const char *name, bool examiner, bool stamps,
		     bool encrypted, struct cart_buf *out);

/* --- seal_stamp.c --- */

/* Asks the authorities of b->stamps about the inner seal's signature and writes
 * F24's members.  That none answers is no error. */
int cart_seal_stamps(struct cart_bundle *b, const void *sig, size_t len,
		     struct cart_stamp_result ret[CART_STAMPS_MAX],
		     struct cart_err *err);

/* --- seal_write.c --- */

/* The lines of segment i, from 0, in a seal (F22). */
void cart_seal_segment(size_t i, const struct cart_segment *segment,
		       const struct cart_blocks *chunks, struct cart_buf *out);
int cart_seal_run(struct cart_bundle *b, struct cart_wait *end,
		  struct cart_err *err);
/* The state file (section 11 of FORMAT.md) for the segments that are closed;
 * arg is the bundle.  Runs in the writer. */
int cart_seal_state(void *arg, struct cart_err *err);

#endif
