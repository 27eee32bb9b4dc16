/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_SUPPORT_H
#define STEP_SUPPORT_H

#include "crashcart/step.h"

/* Small things that several steps need; no state. */

/* Splits "iam:GetUser"; 0 or -1 (USAGE).  text may be NULL. */
int cart_step_split_call(const char *text, char ret_service[64],
			 char ret_operation[128], struct cart_err *err);
/* A gap with no more than what, reason and detail. */
void cart_step_gap(struct cart_step_ctx *c, const char *what,
		   const char *reason, const char *detail);
/* A gap because a call failed: reason from err, the call named. */
void cart_step_gap_call(struct cart_step_ctx *c,
			const struct cart_step_reply *reply, const char *what,
			const struct cart_err *err);
/* FORMAT.md's gap reason for an error: "denied", "timeout" ... */
const char *cart_step_reason(const struct cart_err *err);

/* The fact that a failed call tells, when its answer only says that there is
 * nothing to see (absence.c's reviewed table, and the codes in more: a string,
 * a list of strings or NULL); NULL if the failure is one. */
const char *cart_step_absence(const struct cart_aws_call *call,
			      const struct cart_step_reply *reply,
			      const struct cart_err *err,
			      const struct cart_json *more);
/* Writes the note that says so, naming the call. */
void cart_step_note_absence(struct cart_step_ctx *c,
			    const struct cart_aws_call *call,
			    const struct cart_step_reply *reply,
			    const char *fact);

/* Parameters of the step, with a fallback when they are not given.  0, or -1
 * (USAGE) naming the parameter.
 * time: ISO 8601, or "-7d", that long before now; UTC in ns. */
int cart_step_time(struct cart_step_ctx *c, const char *key,
		   int64_t fallback_ns, int64_t *ret_ns, struct cart_err *err);
/* size: "64M" or a number of bytes. */
int cart_step_size(struct cart_step_ctx *c, const char *key,
		   uint64_t fallback, uint64_t *ret_bytes,
		   struct cart_err *err);
/* duration: "15s" or a number of seconds; in ms. */
int cart_step_duration(struct cart_step_ctx *c, const char *key,
		       uint64_t fallback_ms, uint64_t *ret_ms,
		       struct cart_err *err);

#endif
