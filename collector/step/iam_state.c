/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iam.state: who may do what in the account, now: authorization details, the
 * credential report, keys and when they were last used, password policy,
 * summary, MFA devices, identity providers.  What is denied is a gap; the
 * rest goes on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/buf.h"
#include "crashcart/clock.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "step_support.h"

/* Calls under way at once: IAM is one endpoint for all its callers. */
#define PARALLEL 4
#define USERS_MAX 50000

/* A call under way: what was asked, of whom. */
struct ask {
	bool used;
	size_t call;			/* index into user_calls; N: last used */
	char subject[144];		/* user name or access key id */
};

struct iam {
	struct cart_step_ctx *c;
	struct ask asks[PARALLEL];
	struct cart_json *users;	/* names, array */
	unsigned parts, missing;	/* for the outcome */
	struct cart_err first;		/* the first failure */
};

static int call_once(struct iam *s, const char *operation,
		     const struct cart_json *input, unsigned page,
		     bool may_change, struct cart_step_reply *reply,
		     struct cart_err *err)
{
	struct cart_step_call call = { 0 };

	call.call.service = "iam";
	call.call.operation = operation;
	call.call.input = input;
	call.call.may_change = may_change;
	call.page = page;
	return s->c->ops->call(s->c, &call, reply, err);
}

/* A part of the state that could not be had.  Only cancellation ends all. */
static int missing(struct iam *s, const struct cart_step_reply *reply,
		   const char *what, const struct cart_err *err)
{
	if (err->class == CART_ERR_CANCELLED)
		return -1;
	cart_step_gap_call(s->c, reply, what, err);
	if (s->missing++ == 0)
		s->first = *err;
	return 0;
}

/* All pages of an operation; each page is given to page(). */
static int all_pages(struct iam *s, const char *operation,
		     const struct cart_json *first, const char *what,
		     int (*page)(struct iam *s, const struct cart_json *view,
				 struct cart_err *err),
		     struct cart_err *err)
{
	struct cart_json *input = first != NULL ? cart_json_copy(first) :
		cart_json_new_object(), *next;
	struct cart_aws_call call = { .service = "iam", .operation = operation };
	struct cart_step_reply reply;
	unsigned n = 0;
	int more = 1, rc;

	s->parts++;
	while (more > 0) {
		next = NULL;
		rc = call_once(s, operation, input, ++n, false, &reply, err);
		if (rc < 0) {
			more = missing(s, &reply, what, err);
		} else {
			call.input = input;
			more = page != NULL ? page(s, reply.aws.view, err) : 0;
			if (more == 0)
				more = cart_aws_next_page(&call, reply.aws.view,
							  &next, err);
		}
		cart_step_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return more;
}

/* ---- users and their keys ------------------------------------------------ */

static int remember_users(struct iam *s, const struct cart_json *view,
			  const char *list)
{
	const struct cart_json *u;

	u = cart_json_first(cart_json_get(view, list));
	for (; u != NULL; u = cart_json_next(u)) {
		const char *name = cart_json_get_string(u, "UserName");

		if (name != NULL && cart_json_size(s->users) < USERS_MAX)
			cart_json_append(s->users, cart_json_new_string(name));
	}
	return 0;
}

static int details_page(struct iam *s, const struct cart_json *view,
			struct cart_err *err)
{
	remember_users(s, view, "UserDetailList");
	return s->c->ops->keep(s->c, view, err);
}

static int users_page(struct iam *s, const struct cart_json *view,
		      struct cart_err *err)
{
	(void)err;
	return remember_users(s, view, "Users");
}

/* What is asked of each user, a few calls at a time. */
static const struct {
	const char *operation, *what;
} user_calls[] = {
	{ "ListAccessKeys", "access keys of a user" },
	{ "ListMFADevices", "MFA devices of a user" },
	{ "ListSSHPublicKeys", "SSH keys of a user" },
	{ "ListServiceSpecificCredentials", "service credentials of a user" },
	{ "ListSigningCertificates", "signing certificates of a user" },
};
#define N_USER_CALLS (sizeof(user_calls) / sizeof(user_calls[0]))

static struct ask *free_ask(struct iam *s)
{
	size_t i;

	for (i = 0; i < PARALLEL; i++) {
		if (!s->asks[i].used)
			return &s->asks[i];
	}
	return NULL;
}

static int submit(struct iam *s, size_t call, const char *subject,
		  struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_step_call sc = { 0 };
	struct ask *ask = free_ask(s);
	int rc = -1;

	if (ask == NULL || input == NULL) {
		cart_err_nomem(err);
		goto out;
	}
	ask->used = true;
	ask->call = call;
	snprintf(ask->subject, sizeof(ask->subject), "%s", subject);
	sc.call.service = "iam";
	sc.call.operation = call < N_USER_CALLS ? user_calls[call].operation :
		"GetAccessKeyLastUsed";
	sc.call.input = input;
	cart_json_add(input, call < N_USER_CALLS ? "UserName" : "AccessKeyId",
		      cart_json_new_string(subject));
	rc = s->c->ops->submit(s->c, &sc, ask, err);
out:
	cart_json_free(input);
	if (rc < 0 && ask != NULL)
		ask->used = false;
	return rc;
}

/* One answer; keys found are added to keys.  1, 0 none under way, -1. */
static int take_answer(struct iam *s, struct cart_json *keys,
		       struct cart_err *err)
{
	struct cart_step_reply reply;
	const struct cart_json *k;
	const char *id, *operation;
	char what[256];
	void *tag = NULL;
	struct ask *ask;
	int rc, got;

	got = s->c->ops->next(s->c, &reply, &tag, &rc, err);
	if (got <= 0)
		return got;
	ask = tag;
	operation = ask->call < N_USER_CALLS ? user_calls[ask->call].what :
		"last use of an access key";
	if (rc < 0) {
		snprintf(what, sizeof(what), "%s: %.140s", operation,
			 ask->subject);
		got = missing(s, &reply, what, err) < 0 ? -1 : 1;
	} else if (ask->call == 0) {
		k = cart_json_get(reply.aws.view, "AccessKeyMetadata");
		for (k = cart_json_first(k); k != NULL; k = cart_json_next(k)) {
			id = cart_json_get_string(k, "AccessKeyId");
			if (id != NULL)
				cart_json_append(keys, cart_json_new_string(id));
		}
	}
	cart_step_reply_clear(&reply);
	ask->used = false;
	return got;
}

static int drain(struct iam *s, struct cart_json *keys, unsigned *under_way,
		 unsigned down_to, struct cart_err *err)
{
	while (*under_way > down_to) {
		int got = take_answer(s, keys, err);

		if (got < 0)
			return -1;
		if (got == 0)
			*under_way = 0;
		else
			(*under_way)--;
	}
	return 0;
}

static int per_user(struct iam *s, struct cart_json *keys, struct cart_err *err)
{
	const struct cart_json *u;
	unsigned under_way = 0;
	uint64_t done = 0;
	size_t i;

	s->parts++;
	for (u = cart_json_first(s->users); u != NULL; u = cart_json_next(u)) {
		for (i = 0; i < N_USER_CALLS; i++) {
			if (submit(s, i, cart_json_string(u), err) < 0)
				return -1;
			under_way++;
			if (drain(s, keys, &under_way, PARALLEL - 1, err) < 0)
				return -1;
		}
		s->c->ops->progress(s->c, "IAM users", ++done,
				    cart_json_size(s->users), "users");
	}
	return drain(s, keys, &under_way, 0, err);
}

static int last_used(struct iam *s, struct cart_json *keys, struct cart_err *err)
{
	const struct cart_json *k;
	unsigned under_way = 0;

	for (k = cart_json_first(keys); k != NULL; k = cart_json_next(k)) {
		if (submit(s, N_USER_CALLS, cart_json_string(k), err) < 0)
			return -1;
		under_way++;
		if (drain(s, keys, &under_way, PARALLEL - 1, err) < 0)
			return -1;
	}
	return drain(s, keys, &under_way, 0, err);
}

/* ---- the credential report ----------------------------------------------- */

static int note_age(struct iam *s, const struct cart_json *view)
{
	const char *when = cart_json_get_string(view, "GeneratedTime");
	char text[160];
	int64_t t;

	if (when == NULL || cart_clock_parse(when, strlen(when), &t) < 0)
		return 0;
	snprintf(text, sizeof(text), "the credential report was generated at "
		 "%.40s, %" PRId64 " minutes before it was read; AWS makes a new "
		 "one at most every four hours", when,
		 (s->c->ops->now_ns(s->c) - t) / 60000000000);
	s->c->ops->note(s->c, text);
	return 0;
}

/* Content is base64 of CSV: kept as the file that people open. */
static int put_csv(struct iam *s, const struct cart_step_reply *reply,
		   struct cart_err *err)
{
	const char *content = cart_json_get_string(reply->aws.view, "Content");
	const char *from[2] = { reply->raw_exhibit, NULL };
	struct cart_exhibit_info info = { 0 };
	struct cart_buf csv;
	int rc = 0;

	cart_buf_init(&csv, (size_t)64 << 20);
	info.name = "IAM credential report";
	info.slug = "credential-report.csv";
	info.media = "text/csv";
	info.derived_from = from[0][0] != '\0' ? from : NULL;
	if (content != NULL &&
	    cart_text_unbase64(content, strlen(content), &csv) == 0)
		rc = s->c->ops->put(s->c, &info, csv.data, csv.len, NULL, err);
	else
		cart_step_gap(s->c, "credential report as CSV", "failed",
			      "the reply holds no base64 content");
	cart_buf_clear(&csv);
	return rc;
}

/* 1: there; 0: not yet or not at all (code tells); -1: cancelled. */
static int get_report(struct iam *s, char code[96], struct cart_err *err)
{
	struct cart_step_reply reply;
	int rc = call_once(s, "GetCredentialReport", NULL, 0, false, &reply, err);

	snprintf(code, 96, "%s", reply.aws.error_code);
	if (rc == 0) {
		note_age(s, reply.aws.view);
		rc = put_csv(s, &reply, err) < 0 ? -1 : 1;
	} else if (strcmp(code, "ReportNotPresent") == 0 ||
		   strcmp(code, "ReportExpired") == 0 ||
		   strcmp(code, "ReportInProgress") == 0 ||
		   strcmp(code, "CredentialReportNotPresentException") == 0 ||
		   strcmp(code, "CredentialReportExpiredException") == 0 ||
		   strcmp(code, "CredentialReportNotReadyException") == 0) {
		rc = 0;
	} else {
		code[0] = '\0';
		rc = missing(s, &reply, "credential report", err);
		if (rc == 0)
			rc = 1;		/* said; nothing more to try */
	}
	cart_step_reply_clear(&reply);
	return rc;
}

static bool wants_new_report(const struct iam *s)
{
	const char *mode = cart_json_get_string(s->c->with, "credential_report");

	return s->c->may_change &&
		(mode == NULL || strcmp(mode, "generate") == 0);
}

static int generate(struct iam *s, struct cart_err *err)
{
	char uuid[CART_UUID_SIZE];
	struct cart_step_reply reply;
	struct cart_json *empty = cart_json_new_object();
	bool earlier = false;
	int64_t when;
	int rc;

	/* asking twice makes one report: AWS answers with the one under way */
	rc = s->c->ops->intent(s->c, "iam:GenerateCredentialReport", empty, 1,
			       uuid, &earlier, &when, err);
	if (rc == 0) {
		rc = call_once(s, "GenerateCredentialReport", NULL, 0, true,
			       &reply, err);
		s->c->ops->change(s->c, uuid, "result",
				  "iam:GenerateCredentialReport", NULL,
				  rc < 0 ? err->text : "accepted", NULL);
		if (rc < 0)
			rc = missing(s, &reply, "a fresh credential report", err);
		cart_step_reply_clear(&reply);
	}
	cart_json_free(empty);
	return rc;
}

/* Reads the report, waiting while one is being made. */
static int credential_report(struct iam *s, struct cart_err *err)
{
	char code[96] = "";
	unsigned i;
	int rc;

	s->parts++;
	for (i = 0; i < 60; i++) {
		rc = get_report(s, code, err);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		if (!wants_new_report(s) && strstr(code, "InProgress") == NULL &&
		    strstr(code, "NotReady") == NULL)
			break;
		if (s->c->ops->sleep(s->c, 2000, err) < 0)
			return -1;
	}
	cart_step_gap(s->c, "credential report", "absent", wants_new_report(s) ?
		      "it was not ready two minutes after it was asked for" :
		      "there is none, or it has expired; making one changes the "
		      "account's record: the step needs \"changes\": "
		      "\"evidence\" and the run --allow evidence");
	return 0;
}

/* ---- the rest ------------------------------------------------------------ */

static int simple(struct iam *s, const char *operation, const char *what,
		  const char *absent_code, struct cart_err *err)
{
	struct cart_step_reply reply;
	int rc;

	s->parts++;
	rc = call_once(s, operation, NULL, 0, false, &reply, err);
	if (rc < 0 && absent_code != NULL &&
	    strcmp(reply.aws.error_code, absent_code) == 0) {
		char text[96];

		snprintf(text, sizeof(text), "%s: there is none", what);
		s->c->ops->note(s->c, text);
		rc = 0;
	} else if (rc < 0) {
		rc = missing(s, &reply, what, err);
	}
	cart_step_reply_clear(&reply);
	return rc;
}

static int run_all(struct iam *s, struct cart_json *keys, struct cart_err *err)
{
	unsigned before;

	/* a new report takes AWS some seconds: asked for first, read last */
	if (wants_new_report(s) && generate(s, err) < 0)
		return -1;
	before = s->missing;
	if (all_pages(s, "GetAccountAuthorizationDetails", NULL,
		      "account authorization details", details_page, err) < 0)
		return -1;
	/*
	 * Where the details are denied, the users may still be listed.  Many
	 * an account just has none.
	 */
	if (s->missing > before && cart_json_size(s->users) == 0 &&
	    all_pages(s, "ListUsers", NULL, "users", users_page, err) < 0)
		return -1;
	if (per_user(s, keys, err) < 0 || last_used(s, keys, err) < 0 ||
	    credential_report(s, err) < 0)
		return -1;
	if (simple(s, "GetAccountPasswordPolicy", "password policy",
		   "NoSuchEntity", err) < 0 ||
	    simple(s, "GetAccountSummary", "account summary", NULL, err) < 0 ||
	    all_pages(s, "ListVirtualMFADevices", NULL, "virtual MFA devices",
		      NULL, err) < 0 ||
	    simple(s, "ListSAMLProviders", "SAML providers", NULL, err) < 0 ||
	    simple(s, "ListOpenIDConnectProviders", "OpenID Connect providers",
		   NULL, err) < 0 ||
	    all_pages(s, "ListAccountAliases", NULL, "account aliases", NULL,
		      err) < 0 ||
	    all_pages(s, "ListServerCertificates", NULL, "server certificates",
		      NULL, err) < 0)
		return -1;
	return 0;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct iam s = { .c = c };
	struct cart_json *keys = cart_json_new_array();
	int rc = -1;

	s.users = cart_json_new_array();
	if (keys == NULL || s.users == NULL)
		cart_err_nomem(err);
	else
		rc = run_all(&s, keys, err);
	if (rc == 0)
		rc = c->ops->keep_value(c, "access_keys", keys, err);
	if (rc == 0 && cart_json_size(s.users) == 0 && s.missing > 1) {
		*err = s.first;		/* nothing of substance came */
		rc = -1;
	}
	cart_json_free(s.users);
	cart_json_free(keys);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	size_t i;

	(void)with;
	emit(arg, "iam:GetAccountAuthorizationDetails", false, "every page");
	emit(arg, "iam:ListUsers", false, "fallback, if the details are denied");
	emit(arg, "iam:GenerateCredentialReport", true,
	     "only if the step says changes and --allow evidence is given");
	emit(arg, "iam:GetCredentialReport", false, "");
	for (i = 0; i < N_USER_CALLS; i++) {
		char call[64];

		snprintf(call, sizeof(call), "iam:%s", user_calls[i].operation);
		emit(arg, call, false, "for each user");
	}
	emit(arg, "iam:GetAccessKeyLastUsed", false, "for each access key");
	emit(arg, "iam:GetAccountPasswordPolicy", false, "");
	emit(arg, "iam:GetAccountSummary", false, "");
	emit(arg, "iam:ListVirtualMFADevices", false, "");
	emit(arg, "iam:ListSAMLProviders", false, "");
	emit(arg, "iam:ListOpenIDConnectProviders", false, "");
	emit(arg, "iam:ListAccountAliases", false, "");
	emit(arg, "iam:ListServerCertificates", false, "");
}

static int check(const struct cart_json *with, struct cart_err *err)
{
	const char *mode = cart_json_get_string(with, "credential_report");

	if (mode != NULL && strncmp(mode, "${", 2) != 0 &&
	    strcmp(mode, "generate") != 0 && strcmp(mode, "existing") != 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "credential_report "
				    "is \"generate\" or \"existing\", not \"%s\"",
				    mode);
	return 0;
}

static const struct cart_param params[] = {
	{ "credential_report", CART_PARAM_STRING, false, "generate",
	  "generate: have a new one made, where changes are allowed; "
	  "existing: only read the one that is there." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps[] = { "access_keys", NULL };

const struct cart_step_type cart_step_iam_state = {
	.name = "iam.state",
	.summary = "Read the account's IAM state: identities, keys, policies.",
	.where = CART_STEP_AWS,
	.may_change = "evidence",
	.params = params,
	.keeps = keeps,
	.check = check,
	.plan = plan,
	.run = run,
};
