/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iam.contain: closes every way to be a user, or the older sessions of a role.
 * The state before is an exhibit and a record, both durable before the first
 * change; each change is looked at until it has taken effect.  A key that is
 * deactivated does not end the sessions that it opened, hence the policy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/buf.h"
#include "crashcart/clock.h"
#include "iam_credentials.h"
#include "step_support.h"

struct plan_of {
	struct credential_change at[CREDENTIALS_MAX];
	bool done[CREDENTIALS_MAX];	/* asked for, now or before */
	bool earlier[CREDENTIALS_MAX];	/* in effect since then */
	size_t n;
	bool continued;			/* by an interrupted session's record */
	bool again;			/* an earlier containment stands */
	char *policy, *policy_before;
};

static char *deny_policy(int64_t before_ns)
{
	char time[CART_CLOCK_TEXT_SIZE];
	struct cart_buf b;

	cart_clock_text(before_ns, 0, time);
	cart_buf_init(&b, 2048);
	cart_buf_addf(&b, "{\"Version\":\"2012-10-17\",\"Statement\":[{"
		      "\"Sid\":\"" CREDENTIAL_POLICY_SID "\",\"Effect\":"
		      "\"Deny\",\"Action\":\"*\",\"Resource\":\"*\","
		      "\"Condition\":{\"DateLessThan\":{"
		      "\"aws:TokenIssueTime\":\"%s\"}}}]}", time);
	return cart_buf_steal(&b, NULL);
}

static void add(struct plan_of *p, struct credentials *s,
		const struct credential_change *change, bool open)
{
	bool earlier = cart_credential_intended(s, change);

	if (!open && !earlier)
		return;
	p->at[p->n] = *change;
	p->earlier[p->n] = earlier && !open;
	p->continued = p->continued || earlier;
	p->n++;
}

/* What is open: to be closed.  What an interrupted session closed is adopted. */
static void make_plan(struct plan_of *p, struct credentials *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct credential *k = &s->at[i];
		struct credential_change change = {
			.kind = k->kind, .id = k->id, .value = "Inactive"
		};

		if (k->kind == CREDENTIAL_SESSIONS)
			continue;
		if (k->kind == CREDENTIAL_LOGIN) {
			change.value = NULL;
			add(p, s, &change, k->there);
		} else {
			add(p, s, &change, k->active);
		}
	}
}

/* ---- the record ---------------------------------------------------------- */

static void add_state(struct cart_json *list, enum credential_kind kind,
		      const char *id)
{
	struct cart_json *o = cart_json_append(list, cart_json_new_object());

	cart_json_add(o, "kind", cart_json_new_string(
		      cart_credential_word(kind)));
	if (id[0] != '\0')
		cart_json_add(o, "id", cart_json_new_string(id));
}

/* One line: what was open, and the policy that stood where ours comes. */
static struct cart_json *make_record(const struct plan_of *p,
				     const struct credentials *s)
{
	struct cart_json *o = cart_json_new_object(), *list;
	size_t i;

	cart_json_add(o, "crashcart_containment", cart_json_new_int(1));
	cart_json_add(o, "account", cart_json_new_string(s->c->account));
	cart_json_add(o, s->user != NULL ? "user" : "role",
		      cart_json_new_string(s->user != NULL ? s->user : s->role));
	list = cart_json_add(o, "open", cart_json_new_array());
	for (i = 0; i < p->n; i++) {
		if (p->at[i].kind != CREDENTIAL_SESSIONS)
			add_state(list, p->at[i].kind, p->at[i].id);
	}
	if (p->policy != NULL)
		cart_json_add(o, "policy", cart_json_new_string(p->policy));
	if (p->policy_before != NULL)
		cart_json_add(o, "policy_before",
			      cart_json_new_string(p->policy_before));
	if (p->again)
		cart_json_add(o, "again", cart_json_new_bool(true));
	return o;
}

static int put_record(const struct plan_of *p, struct credentials *s,
		      struct cart_err *err)
{
	struct cart_exhibit_info info = {
		.name = "containment.json", .slug = "containment.json",
		.media = "application/json",
		.note = "derived: the state before containment, from the "
			"replies before it; give it to the manifest release-key"
	};
	struct cart_json *record = make_record(p, s);
	struct cart_buf b;
	int rc;

	cart_buf_init(&b, 65536);
	cart_json_print(record, 0, &b);
	cart_buf_addc(&b, '\n');
	rc = cart_buf_check(&b, "containment record", err);
	if (rc == 0)
		rc = s->c->ops->put(s->c, &info, b.data, b.len, NULL, err);
	cart_buf_clear(&b);
	cart_json_free(record);
	return rc;
}

/* ---- the step ------------------------------------------------------------ */

/* The policy against older sessions comes last, when the keys are off.  One
 * that an interrupted session wrote stands. */
static int plan_policy(struct plan_of *p, struct credentials *s,
		       struct cart_err *err)
{
	struct credential *k = cart_credentials_find(s, CREDENTIAL_SESSIONS, "");
	struct credential_change *change = &p->at[p->n];

	if (s->unknown[CREDENTIAL_SESSIONS] || k == NULL)
		return 0;
	/* Sessions that begin before the keys are off must end too: a minute
	 * covers the time until the policy itself is in effect. */
	p->policy = deny_policy(s->c->ops->now_ns(s->c) +
				(int64_t)60 * 1000000000);
	if (p->policy == NULL)
		return cart_err_nomem(err);
	*change = (struct credential_change){
		.kind = CREDENTIAL_SESSIONS, .id = "", .value = p->policy
	};
	if (cart_credential_intended(s, change)) {
		p->continued = true;
		p->earlier[p->n] = k->policy != NULL &&
			strstr(k->policy, CREDENTIAL_POLICY_SID) != NULL;
	}
	if (p->earlier[p->n]) {
		free(p->policy);
		p->policy = k->policy;
		change->value = p->policy;
	} else if (k->policy != NULL &&
		   strstr(k->policy, CREDENTIAL_POLICY_SID) != NULL) {
		/* Ours, of an earlier containment: it is not what was before,
		 * and a way back to it would be no way back. */
		p->again = true;
		free(k->policy);
		s->c->ops->tell(s->c, "an earlier containment stands: what was "
				"open before that one is in its "
				"containment.json, and not in this one's");
	} else {
		p->policy_before = k->policy;
	}
	k->policy = NULL;
	p->n++;
	return 0;
}

/* Who holds the wheel must not saw at it: the credentials that collect may not
 * be those that are closed. */
static int check_caller(const struct credentials *s, struct cart_err *err)
{
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	const char *arn, *kind = s->user != NULL ? ":user/" : ":assumed-role/";
	const char *name = s->user != NULL ? s->user : s->role, *at;
	int rc;

	call.call.service = "sts";
	call.call.operation = "GetCallerIdentity";
	rc = s->c->ops->call(s->c, &call, &reply, err);
	arn = cart_json_get_string(reply.aws.view, "Arn");
	at = rc == 0 && arn != NULL ? strstr(arn, kind) : NULL;
	if (at != NULL && s->user != NULL)
		at = strrchr(at, '/') + 1;	/* behind the path */
	else if (at != NULL)
		at += strlen(kind);
	if (at != NULL && strncmp(at, name, strlen(name)) == 0 &&
	    (at[strlen(name)] == '\0' || at[strlen(name)] == '/'))
		rc = cart_err_set(err, CART_ERR_USAGE, 0, "these credentials "
				  "are of %s itself: contained, they could "
				  "collect no more; use others", name);
	cart_step_reply_clear(&reply);
	return rc;
}

static int change_all(struct plan_of *p, struct credentials *s,
		      struct cart_err *err)
{
	size_t i;
	int rc;

	for (i = 0; i < p->n; i++) {
		if (p->earlier[i])
			rc = cart_credential_adopt(s, &p->at[i], err);
		else
			rc = cart_credential_change(s, &p->at[i], err);
		if (rc < 0)
			return -1;
		p->done[i] = rc == 0;
	}
	return 0;
}

/* ids in the plan point into what is read anew while waiting */
static void own_ids(struct plan_of *p, char ids[][160])
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		snprintf(ids[i], 160, "%s", p->at[i].id);
		p->at[i].id = ids[i];
	}
}

static int contain(struct plan_of *p, struct credentials *s,
		   struct cart_err *err)
{
	char ids[CREDENTIALS_MAX][160];
	uint64_t timeout;

	if (cart_step_duration(s->c, "timeout", 300000, &timeout, err) < 0 ||
	    check_caller(s, err) < 0 || cart_credentials_read(s, true, err) < 0)
		return -1;
	make_plan(p, s);
	own_ids(p, ids);
	if (plan_policy(p, s, err) < 0)
		return -1;
	if (p->continued)
		s->c->ops->note(s->c, "an interrupted session began this: its "
				"containment.json says what was open before");
	else if (put_record(p, s, err) < 0)
		return -1;
	if (change_all(p, s, err) < 0)
		return -1;
	return cart_credentials_wait(s, p->at, p->done, p->n, timeout, err);
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct credentials *s = calloc(1, sizeof(*s));
	struct plan_of *p = calloc(1, sizeof(*p));
	int rc = -1;

	if (s == NULL || p == NULL) {
		cart_err_nomem(err);
	} else {
		s->c = c;
		s->user = cart_json_get_string(c->with, "user");
		s->role = cart_json_get_string(c->with, "role");
		rc = contain(p, s, err);
	}
	if (s != NULL)
		cart_credentials_clear(s);
	if (p != NULL) {
		free(p->policy);
		free(p->policy_before);
	}
	free(p);
	free(s);
	return rc;
}

static int check(const struct cart_json *with, struct cart_err *err)
{
	bool user = cart_json_get(with, "user") != NULL;

	if (user == (cart_json_get(with, "role") != NULL))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "give \"user\" or \"role\"");
	return 0;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	if (cart_json_get(with, "role") != NULL) {
		emit(arg, "sts:GetCallerIdentity", false,
		     "not to contain ourselves");
		emit(arg, "iam:GetRolePolicy", false, "the state before, after");
		emit(arg, "iam:PutRolePolicy", true,
		     "denies sessions older than this");
		return;
	}
	emit(arg, "sts:GetCallerIdentity", false, "not to contain ourselves");
	emit(arg, "iam:ListAccessKeys", false, "the state before, after");
	emit(arg, "iam:ListSSHPublicKeys", false, "");
	emit(arg, "iam:ListServiceSpecificCredentials", false, "");
	emit(arg, "iam:ListSigningCertificates", false, "");
	emit(arg, "iam:GetLoginProfile", false, "");
	emit(arg, "iam:GetUserPolicy", false, "");
	emit(arg, "iam:UpdateAccessKey", true, "inactive, each that is active");
	emit(arg, "iam:UpdateSSHPublicKey", true, "inactive");
	emit(arg, "iam:UpdateServiceSpecificCredential", true, "inactive");
	emit(arg, "iam:UpdateSigningCertificate", true, "inactive");
	emit(arg, "iam:DeleteLoginProfile", true, "the password is lost");
	emit(arg, "iam:PutUserPolicy", true, "denies sessions older than this");
}

static const struct cart_param params[] = {
	{ "user", CART_PARAM_STRING, false, NULL,
	  "The user whose credentials are all made inactive." },
	{ "role", CART_PARAM_STRING, false, NULL,
	  "The role whose sessions of before are denied everything." },
	{ "timeout", CART_PARAM_DURATION, false, "5m",
	  "How long to look for the effect; then what has none is a gap." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_iam_contain = {
	.name = "iam.contain",
	.summary = "Close every way to be a user, or a role's older sessions.",
	.where = CART_STEP_AWS,
	.changes = "containment",
	.params = params,
	.check = check,
	.plan = plan,
	.run = run,
};
