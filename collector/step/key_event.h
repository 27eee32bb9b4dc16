/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_KEY_EVENT_H
#define STEP_KEY_EVENT_H

#include "crashcart/json.h"

/*
 * One CloudTrail event as the steps about an access key read it, and what it
 * made or changed.  Pure: bytes in, facts out.  All texts are hostile.
 */
struct key_event {
	struct cart_json *doc;		/* owned; all texts are in it */
	/* "" where the event has none */
	const char *id, *time, *source, *name, *region, *address, *agent;
	const char *error;		/* "": it did what it says */
	const char *key, *type, *arn, *account, *user;
	const char *role, *role_arn;	/* of a session: its issuer */
	const char *recipient;		/* account that it happened in */
	int64_t time_ns;		/* INT64_MIN: not a time */
};

/* 0, or -1 with err (INPUT, LIMIT, MEMORY).  Clear in both cases. */
int cart_key_event_parse(struct key_event *e, const char *text, size_t len,
		    struct cart_err *err);
void cart_key_event_clear(struct key_event *e);

/* What is asked about a thing that an event made. */
enum key_follow {
	KEY_FOLLOW_NONE,
	KEY_FOLLOW_SESSION,		/* a session's key: the same hand */
	KEY_FOLLOW_KEY,			/* a new long-lived key */
	KEY_FOLLOW_USER,		/* a new user */
	KEY_FOLLOW_CONSOLE,		/* a user whose password was set */
	KEY_FOLLOW_ROLE,		/* a role made, or its trust changed */
	KEY_FOLLOW_INSTANCE,		/* sessions named after it */
	KEY_FOLLOW_FUNCTION
};

#define KEY_TEXT_SIZE 256

struct key_effect {
	const char *what;		/* "created IAM user" */
	char id[KEY_TEXT_SIZE];		/* of the thing; cut, "..." at the end */
	char detail[KEY_TEXT_SIZE];	/* "" or more about it */
	enum key_follow follow;
	/* For a session: name of the role, in which account; or "". */
	char role[KEY_TEXT_SIZE], account[32];
};

/* Calls fn for each thing that a successful event made or changed; none for
 * one that failed.  Stops when fn returns not 0, and returns that. */
int cart_key_event_effects(const struct key_event *e,
		      int (*fn)(void *arg, const struct key_effect *effect),
		      void *arg);

#endif
