/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_TRAIL_MEMORY_H
#define STEP_TRAIL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "crashcart/digest.h"
#include "crashcart/step.h"

/*
 * What steps about CloudTrail of one run tell each other in memory: hashes of
 * logs that cloudtrail.logs inflated, so that cloudtrail.digests need not
 * fetch them again; and events that cloudtrail.key found in the event history,
 * so that cloudtrail.logs can say what is in one and not in the other.  It is
 * gone with the process: whoever asks must do without.
 */

struct trail_memory;

/* The run's; NULL if there is none. */
struct trail_memory *cart_trail_memory(struct cart_step_ctx *c);

/* hashes of inflated logs, by place.  What does not fit is forgotten. */
void cart_trail_memory_put_log(struct trail_memory *m, const char *bucket,
			       const char *key,
			       const unsigned char sha256[CART_SHA256_SIZE]);
bool cart_trail_memory_get_log(struct trail_memory *m, const char *bucket,
			       const char *key,
			       unsigned char ret_sha256[CART_SHA256_SIZE]);

enum trail_named {			/* a log, by valid digests */
	TRAIL_UNNAMED = 1,
	TRAIL_NOT_YET = 2,		/* it came after the last digest */
	TRAIL_NAMED = 4
};
void cart_trail_memory_name_log(struct trail_memory *m, const char *bucket,
				const char *key);
/* Logs of an account and region that no digest names and whose names say that
 * they were delivered at to_ns or later: not yet. */
void cart_trail_memory_not_yet(struct trail_memory *m, const char *account,
			       const char *region, int64_t to_ns);

enum trail_where {
	TRAIL_IN_HISTORY = 1,
	TRAIL_BY_KEY = 2,		/* by a key that is followed */
	TRAIL_IN_LOGS = 4,
	TRAIL_IN_NAMED = 8,		/* ... of these logs */
	TRAIL_IN_NOT_YET = 16,
	TRAIL_IN_UNNAMED = 32
};
/* Adds to what is known of an event; text (may be NULL): a line about it, kept
 * if none is.  What was known before; -1: full. */
int cart_trail_memory_event(struct trail_memory *m, const char *id,
			    unsigned add, int64_t time_ns, const char *text);
/* An event by a key that is followed, as it stands in one log. */
struct trail_seen {
	const char *id, *time, *call, *exhibit;
	char kind;			/* 'd'ata, 'e'lsewhere, 'o'ther */
};
/* -1: no room, or the log was not put. */
int cart_trail_memory_see(struct trail_memory *m, const char *bucket,
			  const char *key, const struct trail_seen *e);
/* All of them in logs of these enum trail_named, to each(), which may ask the
 * memory; nobody else may use it meanwhile.  How many logs that were. */
uint64_t cart_trail_memory_seen(struct trail_memory *m, unsigned named,
				void (*each)(void *arg,
					     const struct trail_seen *e),
				void *arg);
/* Was the event history asked in this run? */
bool cart_trail_memory_has_events(struct trail_memory *m);
/* Events that are where and not in but, from start to end: their number; the
 * lines of the first most of them, by time, to line(). */
uint64_t cart_trail_memory_only(struct trail_memory *m, unsigned where,
				unsigned but, int64_t start_ns, int64_t end_ns,
				size_t most,
				void (*line)(void *arg, const char *text),
				void *arg);

#endif
