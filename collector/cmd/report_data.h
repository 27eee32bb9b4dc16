/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_REPORT_DATA_H
#define CMD_REPORT_DATA_H

#include "crashcart/buf.h"
#include "crashcart/reader.h"

/*
 * What a report says, gathered from a bundle's log and its CloudTrail
 * exhibits: bounded, whatever the bundle holds.
 */
#define REPORT_STEPS 512
#define REPORT_GAPS 1000	/* shown; all are counted */
#define REPORT_CHANGES 200
#define REPORT_FACTS 100	/* clocks and endpoints */
#define REPORT_REGIONS 64
#define REPORT_EVENTS ((size_t)4 << 20)

struct cart_report_step {
	char id[48];
	uint64_t exhibits, bytes, gaps;
	char outcome[16];		/* the worst of its instances */
};

struct cart_report_event {
	int64_t t_s;			/* seconds since 1970 */
	uint8_t region;
};

struct cart_report {
	struct cart_json *session;	/* the first session line */
	unsigned sessions;
	struct cart_report_step step[REPORT_STEPS];
	size_t n_steps;
	struct cart_json *gap[REPORT_GAPS], *change[REPORT_CHANGES];
	struct cart_json *fact[REPORT_FACTS];
	size_t n_gaps, n_changes, n_facts;
	uint64_t gaps, calls, errors, files, exhibits;
	char began[40], ended[40];
	char region[REPORT_REGIONS][32];
	size_t n_regions;
	struct cart_report_event *event;
	size_t n_events, cap_events;
	uint64_t bad_events;		/* lines that are no event */
	int64_t *call_t;		/* seconds, of our own calls */
	size_t n_call_t, cap_call_t;
};

/* Verifies and reads.  NULL + err; *ret_v is the verdict. */
struct cart_report *cart_report_read(const struct cart_verify_options *o,
				     struct cart_verdict *ret_v,
				     struct cart_err *err);
void cart_report_free(struct cart_report *r);	/* accepts NULL */

/* The page. */
void cart_report_page(const struct cart_report *r, const struct cart_verdict *v,
		      size_t n_keys, struct cart_buf *out);

#endif
