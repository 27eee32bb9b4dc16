/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_REPORT_DATA_H
#define CMD_REPORT_DATA_H

#include "crashcart/buf.h"
#include "crashcart/custody.h"
#include "crashcart/reader.h"

/*
 * What a report says, gathered from a bundle's log and its CloudTrail
 * exhibits: bounded, whatever the bundle holds.
 */
#define REPORT_STEPS 512
#define REPORT_GAPS 1000	/* shown; all are counted */
#define REPORT_CHANGES 200
#define REPORT_FACTS 100	/* clocks and endpoints */
#define REPORT_EVENTS ((size_t)2 << 20)
#define REPORT_NAMES 4096	/* regions; principals */
#define REPORT_SLOTS 8192
#define REPORT_FOUND 50		/* summaries of what others signed */
#define REPORT_CUSTODY 200	/* entries shown */

struct cart_report_step {
	char id[48];
	uint64_t exhibits, bytes, gaps;
	char outcome[16];		/* the worst of its instances */
};

/* Of CloudTrail. */
struct cart_report_event {
	int64_t t_s;			/* seconds since 1970 */
	uint64_t id, request;		/* hashes of eventID and requestID; 0: none */
	uint16_t region, principal;	/* in the tables of names */
	bool own;			/* the answer to one of our own calls */
};

struct cart_report_name {
	char text[96];
	uint32_t events;		/* not our own */
};

struct cart_report_names {
	struct cart_report_name name[REPORT_NAMES];
	size_t n;
	uint16_t slot[REPORT_SLOTS];	/* 1 + index; 0: free */
	bool full;			/* the last stands for all others */
};

struct cart_report_found {
	enum cart_attest_verdict verdict;
	bool bundle_keys;		/* struct cart_attestation */
	char text[400];
};

struct cart_report_custody {
	struct cart_json *entry;
	char key_id[17], sha256[CART_SHA256_HEX_SIZE];
	bool trusted;
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
	char scope[200];		/* what the options leave out, or "" */
	struct cart_report_names regions, principals;
	struct cart_report_event *event;
	size_t n_events, cap_events;
	uint64_t bad_events;		/* lines that are no event */
	uint64_t more_events;		/* beyond REPORT_EVENTS */
	uint64_t repeated, own_events;
	int64_t *call_t;		/* seconds, of our own calls */
	uint64_t *request;		/* hashes of their request ids */
	size_t n_call_t, cap_call_t, n_requests;
	struct cart_report_found found[REPORT_FOUND];
	size_t n_found;
	/* Beside the bundle: its seal and its custody record. */
	char seal_sha256[CART_SHA256_HEX_SIZE];	/* "" if not known */
	struct cart_report_custody custody[REPORT_CUSTODY];
	size_t n_custody;
	bool has_custody;		/* there is a folder of entries */
	struct cart_custody_verdict chain;	/* of it */
};

/* Verifies and reads.  NULL + err; *ret_v is the verdict. */
struct cart_report *cart_report_read(const struct cart_verify_options *o,
				     struct cart_verdict *ret_v,
				     struct cart_err *err);
void cart_report_free(struct cart_report *r);	/* accepts NULL */

/* --- report_events.c --- */
/* Adds the event of a line; one that is none is counted.  0 or -1 + err. */
int cart_report_add_event(struct cart_report *r, const char *line, size_t len,
			  struct cart_err *err);
/* When all is read: drops what came twice, finds our own, counts. */
void cart_report_settle(struct cart_report *r);
uint64_t cart_report_hash(const char *s);

/* --- report_text.c --- */
/* Text of the bundle, escaped for a terminal's and for HTML's sake. */
void cart_report_text(struct cart_buf *b, const char *s);

/* --- report_page.c and what it calls --- */
/* The page.  certification: with the draft for US evidence rule 902. */
void cart_report_page(const struct cart_report *r, const struct cart_verdict *v,
		      size_t n_keys, bool certification, struct cart_buf *out);
/* report_timeline.c, report_902.c: sections of it. */
void cart_report_timeline(const struct cart_report *r, struct cart_buf *b);
void cart_report_902(const struct cart_report *r, const struct cart_verdict *v,
		     struct cart_buf *b);

#endif
