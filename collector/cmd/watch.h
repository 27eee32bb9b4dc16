/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_WATCH_H
#define CMD_WATCH_H

#include <stddef.h>

#include "command.h"
#include "crashcart/bundle.h"
#include "crashcart/engine.h"

/*
 * Beside a collection: how it stands (--status FILE, SIGUSR1), how long, how
 * much and how fast it may (--max-time, --max-bytes, --bytes-per-second).  A
 * limit that is reached stops the run as the first signal does.
 */
struct cart_watch;

#define CMD_WATCH_OPTIONS \
	{ "status", 0, "FILE", false, \
	  "Say there how it stands, as JSON, replaced every second." }, \
	{ "max-bytes", 0, "SIZE", false, \
	  "Stop, and seal with a gap, before this run writes more." }, \
	{ "max-time", 0, "DURATION", false, \
	  "Stop, and seal with a gap, after so long." }, \
	{ "bytes-per-second", 0, "SIZE", false, \
	  "Write no faster, until the run is stopped." }, \
	{ "priority", 0, "low|normal", false, \
	  "Of CPU and disk; on a live host it is low by default." }

/* Blocks SIGUSR1 for all threads that come, and begins; call it before there
 * are others.  NULL with err: USAGE, nothing was touched. */
struct cart_watch *cart_watch_new(const struct cart_args *a,
				  struct cart_err *err);
/* What it tells of from now on.  Each borrowed until it is set anew; NULL: not
 * there (any more). */
void cart_watch_set(struct cart_watch *w, const char *name,
		    struct cart_bundle *bundle, struct cart_sink *sink);
/* "collecting", "sealing"; a constant. */
void cart_watch_phase(struct cart_watch *w, const char *phase);
/* For cart_run_options.observe and cart_bundle_options.pace. */
void cart_watch_steps(void *watch, const struct cart_run_step *steps, size_t n);
void cart_watch_pace(void *watch, size_t len);
/* Writes the last status, with the exit status.  Accepts NULL. */
void cart_watch_free(struct cart_watch *w, int exit);

/* --priority: gives way to what else runs here, for this thread and those that
 * it starts.  *ret_word: "low" or "normal".  0, or -1 (USAGE). */
int cart_cmd_priority(const struct cart_args *a, bool host_steps,
		      const char **ret_word, struct cart_err *err);

#endif
