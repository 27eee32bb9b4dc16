/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUNDLE_VERIFY_ATTEST_H
#define BUNDLE_VERIFY_ATTEST_H

#include "read_internal.h"

/*
 * What others signed, repeated once the bundle itself holds.
 *
 *	verify_attest.c		notes where exhibits of interest lie while the
 *				log is read; reads them again at the end
 *	verify_attest_trail.c	CloudTrail's digests and logs
 *	verify_attest_identity.c	instance identity documents
 *
 * A kind is one file and one row in the table of verify_attest.c.  Nothing of
 * an exhibit is kept but where it lies: all else is in its line of the log,
 * which is read again too.
 */

enum cart_attest_stored {
	CART_ATTEST_PLAIN,		/* one member */
	CART_ATTEST_ZSTD,		/* one part, compressed */
	CART_ATTEST_PART,		/* one part, as it is */
	CART_ATTEST_FILE,		/* a file in a part of a file set */
	CART_ATTEST_JOIN,		/* several parts: member_at is the first
					 * of member_len in the list of them */
	CART_ATTEST_SPLIT		/* more parts than that */
};

struct cart_attest_item {
	uint64_t line_at;		/* in the stream; folder: in its part */
	uint64_t member_at;
	uint32_t line_len, log_part, member_len;
	unsigned char line_hash[16];	/* of its SHA-256 */
	unsigned char stored;		/* enum cart_attest_stored */
	/* The kind's own: */
	unsigned char tag;
	bool used;
	uint32_t group;
	int64_t order;
	unsigned char name[16];
};

#define CART_ATTEST_ACCOUNTS 16u

struct cart_attest;

struct cart_attest_kind {
	const char *name;
	bool bundle_keys;		/* as in struct cart_attestation */
	/* Is this line of an exhibit, or of a file that has an origin, one that
	 * the check needs?  instance: hash of its instance.  1: the kind's own
	 * fields of *it are filled in; 0; -1: no memory. */
	int (*wants)(void *state, const struct cart_json *line,
		     const unsigned char instance[16],
		     struct cart_attest_item *it);
	/* items: in the order of the log.  -1: no memory, or the files cannot
	 * be read any more. */
	int (*check)(struct cart_attest *a, void *state,
		     struct cart_attest_item *items, size_t n,
		     struct cart_err *err);
	size_t state_size;		/* given as zeros */
	void (*clear)(void *state);	/* may be NULL */
};

extern const struct cart_attest_kind cart_attest_trail;
extern const struct cart_attest_kind cart_attest_identity;

struct cart_attest {
	const struct cart_verify_options *o;
	const struct cart_input *in;
	const struct cart_bag *bag;
	struct cart_verdict *v;
	struct cart_attest_list *lists;	/* one a kind */
	const struct cart_attest_kind *now;
	bool is_open;
	struct cart_input_segment segment;	/* read last, if open */
	struct cart_buf line, stored;
	struct cart_attest_recent *recent;	/* parts of late */
	unsigned n_recent;
	struct cart_attest_recent *joined;	/* of exhibits of several */
	size_t n_joined, cap_joined;
	/* The part of a file set that was inflated last. */
	struct cart_buf part;
	uint32_t part_exhibit, part_number;
	uint64_t n_parts, n_inflated;
	/* Accounts that the run's calls were made in; more are not kept. */
	char accounts[CART_ATTEST_ACCOUNTS][16];
	unsigned n_accounts;
	bool more_accounts;
};

/* NULL fields are filled: a is cleared whatever happens. */
int cart_attest_init(struct cart_attest *a, struct cart_err *err);
void cart_attest_clear(struct cart_attest *a);
/* Each line of the log, while its part is the bag's member. */
int cart_attest_line(struct cart_attest *a, const struct cart_json *line,
		     struct cart_err *err);
/* After the bundle was found to hold. */
int cart_attest_run(struct cart_attest *a, struct cart_err *err);

/* --- for kinds --- */

/* The line of an item again, NULL with err. */
struct cart_json *cart_attest_get_line(struct cart_attest *a,
				       const struct cart_attest_item *it,
				       struct cart_err *err);
/* The exhibit's or file's bytes again, the hash compared with the line.  1: in
 * out; 0: not to be had, *ret_why says why; -1. */
int cart_attest_get_data(struct cart_attest *a,
			 const struct cart_attest_item *it,
			 const struct cart_json *line, struct cart_buf *out,
			 const char **ret_why, struct cart_err *err);
/* The same for an exhibit of several parts, a part after the other; piece is
 * called before anything is known of the whole. */
int cart_attest_get_parts(struct cart_attest *a,
			  const struct cart_attest_item *it,
			  const struct cart_json *line,
			  void (*piece)(void *arg, const void *data, size_t len),
			  void *arg, const char **ret_why, struct cart_err *err);
/* Counts a thing that somebody signed. */
void cart_attest_count(struct cart_attest *a, enum cart_attest_verdict v);
/* Hands one on; kind is filled in, exhibit NULL is "". */
void cart_attest_say(struct cart_attest *a, const struct cart_attestation *say);

#endif
