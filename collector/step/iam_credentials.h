/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_IAM_CREDENTIALS_H
#define STEP_IAM_CREDENTIALS_H

#include "crashcart/step.h"

/*
 * The ways to be a user or a role, as iam.contain closes them and iam.release
 * opens them again: their state, one change at a time, and the wait until all
 * have taken effect.
 */
enum credential_kind {
	CREDENTIAL_KEY, CREDENTIAL_SSH, CREDENTIAL_SERVICE,
	CREDENTIAL_CERTIFICATE, CREDENTIAL_LOGIN, CREDENTIAL_SESSIONS
};

#define CREDENTIALS_MAX 64
#define CREDENTIAL_POLICY "crashcart-deny-older-sessions"
#define CREDENTIAL_POLICY_SID "CrashcartDenyOlderSessions"

struct credential {
	enum credential_kind kind;
	char id[160];			/* of the key; "" for the last two */
	bool there;			/* login, sessions: exists */
	bool active;			/* others */
	char *policy;			/* sessions: the policy's text, or NULL */
};

struct credentials {
	struct cart_step_ctx *c;
	const char *user, *role;	/* one of them, the other NULL */
	struct credential at[CREDENTIALS_MAX];
	size_t n;
	bool unknown[6];		/* kinds that could not be read */
};

/* The word of a kind in records: "key", "ssh" ... */
const char *cart_credential_word(enum credential_kind kind);
/* -1 if it is no such word. */
int cart_credential_kind(const char *word);

/* Reads all of it anew; exhibit: the replies are kept.  What is refused is a
 * gap (once: where unknown[] is not yet set).  0 or -1. */
int cart_credentials_read(struct credentials *s, bool exhibit,
			  struct cart_err *err);
struct credential *cart_credentials_find(struct credentials *s,
					 enum credential_kind kind,
					 const char *id);
void cart_credentials_clear(struct credentials *s);

/* One change: status of a key ("Active", "Inactive"), the login profile gone
 * (value NULL), the policy written (value) or gone (value NULL). */
struct credential_change {
	enum credential_kind kind;
	const char *id, *value;
};
/* Did an interrupted session already ask for it? */
bool cart_credential_intended(struct credentials *s,
			      const struct credential_change *change);
/* Intent, call, result.  0 when AWS said yes, or it is not known whether it
 * did (the wait tells); a refusal is a gap, and 1; -1: stop. */
int cart_credential_change(struct credentials *s,
			   const struct credential_change *change,
			   struct cart_err *err);
/* Records that an interrupted session's change is in effect. */
int cart_credential_adopt(struct credentials *s,
			  const struct credential_change *change,
			  struct cart_err *err);

/* Looks until every change is in effect, twice in a row (IAM is eventually
 * consistent), then keeps the state as exhibits.  What is not in effect in
 * time is a gap.  done[i] false: that change was refused, and is not waited
 * for. */
int cart_credentials_wait(struct credentials *s,
			  const struct credential_change *changes,
			  const bool *done, size_t n, uint64_t timeout_ms,
			  struct cart_err *err);

#endif
