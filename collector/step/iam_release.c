/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iam.release: the way back from iam.contain: what its records (one a line) say
 * was open is made active again, and its policy goes.  What cannot be restored, or is not
 * as iam.contain left it, is a gap.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/buf.h"
#include "iam_credentials.h"
#include "step_support.h"

struct release {
	struct credentials s;
	struct cart_json *record;
	struct credential_change at[CREDENTIALS_MAX];
	bool done[CREDENTIALS_MAX];
	size_t n;
};

static struct cart_json *parse(const char *text, size_t len,
			       struct cart_err *err)
{
	struct cart_json *j = cart_json_parse(text, len, NULL, err);
	int64_t version = 0;

	if (j == NULL) {
		cart_err_prefix(err, "record");
		err->class = CART_ERR_USAGE;
		return NULL;
	}
	if (cart_json_i64(cart_json_get(j, "crashcart_containment"),
			  &version) == 0 && version == 1 &&
	    cart_json_type(cart_json_get(j, "open")) == CART_JSON_ARRAY &&
	    (cart_json_get_string(j, "user") != NULL) !=
	    (cart_json_get_string(j, "role") != NULL))
		return j;
	cart_json_free(j);
	cart_err_set(err, CART_ERR_USAGE, 0, "record is no containment.json of "
		     "an iam.contain step");
	return NULL;
}

static void gap(struct release *r, const char *what, const char *reason,
		const char *detail)
{
	cart_step_gap(r->s.c, what, reason, detail);
}

static void open_again(struct release *r, enum credential_kind kind,
		       const char *id)
{
	struct credential *k = cart_credentials_find(&r->s, kind, id);
	struct credential_change change = {
		.kind = kind, .id = id, .value = "Active"
	};
	char what[200];

	snprintf(what, sizeof(what), "%s %s", cart_credential_word(kind), id);
	if (r->s.unknown[kind])
		return;			/* said */
	if (k == NULL)
		gap(r, what, "absent", "it was there before the containment "
		    "and is not any more: it cannot be made active");
	else if (!k->active && r->n < CREDENTIALS_MAX)
		r->at[r->n++] = change;
}

static void policy_back(struct release *r)
{
	const char *before = cart_json_get_string(r->record, "policy_before");
	struct credential *k = cart_credentials_find(&r->s,
						     CREDENTIAL_SESSIONS, "");
	struct credential_change change = {
		.kind = CREDENTIAL_SESSIONS, .id = ""
	};
	bool again = cart_json_bool(cart_json_get(r->record, "again"));

	/* a policy of ours locks out: it was of an earlier containment */
	if (before != NULL && strstr(before, CREDENTIAL_POLICY_SID) != NULL)
		again = true;
	else
		change.value = before;
	if (again)
		gap(r, "what was open before an earlier containment", "absent",
		    "this record does not say it: release with the "
		    "containment.json of that one as well");
	if (k == NULL || r->s.unknown[CREDENTIAL_SESSIONS])
		return;
	if (k->policy != NULL && strstr(k->policy, CREDENTIAL_POLICY_SID) == NULL)
		gap(r, "policy " CREDENTIAL_POLICY, "changed", "it is not as "
		    "the containment wrote it: it was left as it is");
	else if (k->there && r->n < CREDENTIALS_MAX)
		r->at[r->n++] = change;
}

static int make_plan(struct release *r, struct cart_err *err)
{
	const struct cart_json *o;
	struct credential *login;
	int kind;

	o = cart_json_first(cart_json_get(r->record, "open"));
	for (; o != NULL; o = cart_json_next(o)) {
		const char *id = cart_json_get_string(o, "id");

		kind = cart_credential_kind(cart_json_get_string(o, "kind"));
		if (kind < 0 || (id == NULL && kind < CREDENTIAL_LOGIN))
			return cart_err_set(err, CART_ERR_USAGE, 0, "record: "
					    "what \"open\" names is unknown");
		if (kind < CREDENTIAL_LOGIN) {
			open_again(r, (enum credential_kind)kind, id);
			continue;
		}
		login = cart_credentials_find(&r->s, CREDENTIAL_LOGIN, "");
		if (kind == CREDENTIAL_LOGIN && login != NULL && !login->there)
			gap(r, "the console password", "unsupported",
			    "a password that was removed cannot be restored: "
			    "give the user a new one (iam:CreateLoginProfile)");
	}
	policy_back(r);
	return 0;
}

static int release(struct release *r, struct cart_err *err)
{
	const char *account = cart_json_get_string(r->record, "account");
	uint64_t timeout;
	size_t i;
	int rc;

	if (account == NULL || strcmp(account, r->s.c->account) != 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "record is of "
				    "account %s, and these credentials are not",
				    account != NULL ? account : "(none)");
	r->s.user = cart_json_get_string(r->record, "user");
	r->s.role = cart_json_get_string(r->record, "role");
	if (cart_step_duration(r->s.c, "timeout", 300000, &timeout, err) < 0 ||
	    cart_credentials_read(&r->s, true, err) < 0 ||
	    make_plan(r, err) < 0)
		return -1;
	for (i = 0; i < r->n; i++) {
		rc = cart_credential_change(&r->s, &r->at[i], err);
		if (rc < 0)
			return -1;
		r->done[i] = rc == 0;
	}
	return cart_credentials_wait(&r->s, r->at, r->done, r->n, timeout, err);
}

/* Calls fn for each line that is not empty; at least one. */
static int each_record(const char *text,
		       int (*fn)(void *arg, struct cart_json *record,
				 struct cart_err *err),
		       void *arg, struct cart_err *err)
{
	struct cart_json *j;
	size_t n, lines = 0;
	int rc = 0;

	for (; *text != '\0' && rc == 0; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (n == 0)
			continue;
		lines++;
		j = parse(text, n, err);
		rc = j != NULL ? fn(arg, j, err) : -1;
		cart_json_free(j);
	}
	if (rc == 0 && lines == 0)
		rc = cart_err_set(err, CART_ERR_USAGE, 0, "record is empty");
	return rc;
}

static int release_one(void *arg, struct cart_json *record,
		       struct cart_err *err)
{
	struct release *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return cart_err_nomem(err);
	r->s.c = arg;
	r->record = record;
	rc = release(r, err);
	cart_credentials_clear(&r->s);
	free(r);
	return rc;
}

static int check_one(void *arg, struct cart_json *record, struct cart_err *err)
{
	(void)arg;
	(void)record;
	(void)err;
	return 0;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	const char *text = cart_json_get_string(c->with, "record");

	/* all of it is read before anything is done */
	if (each_record(text, check_one, NULL, err) < 0)
		return -1;
	return each_record(text, release_one, c, err);
}

static int check(const struct cart_json *with, struct cart_err *err)
{
	const char *text = cart_json_get_string(with, "record");

	if (text == NULL || strstr(text, "${") != NULL)
		return 0;
	return each_record(text, check_one, NULL, err);
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "iam:ListAccessKeys", false, "the state before, after");
	emit(arg, "iam:ListSSHPublicKeys", false, "");
	emit(arg, "iam:ListServiceSpecificCredentials", false, "");
	emit(arg, "iam:ListSigningCertificates", false, "");
	emit(arg, "iam:GetLoginProfile", false, "");
	emit(arg, "iam:GetUserPolicy", false, "");
	emit(arg, "iam:GetRolePolicy", false, "");
	emit(arg, "iam:UpdateAccessKey", true, "active, as the record says");
	emit(arg, "iam:UpdateSSHPublicKey", true, "active");
	emit(arg, "iam:UpdateServiceSpecificCredential", true, "active");
	emit(arg, "iam:UpdateSigningCertificate", true, "active");
	emit(arg, "iam:DeleteUserPolicy", true, "the containment's");
	emit(arg, "iam:DeleteRolePolicy", true, "the containment's");
	emit(arg, "iam:PutUserPolicy", true, "where there was another before");
	emit(arg, "iam:PutRolePolicy", true, "where there was another before");
}

static const struct cart_param params[] = {
	{ "record", CART_PARAM_STRING, true, NULL,
	  "Texts of containment.json of iam.contain, one a line." },
	{ "timeout", CART_PARAM_DURATION, false, "5m",
	  "How long to look for the effect; then what has none is a gap." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_iam_release = {
	.name = "iam.release",
	.summary = "Undo an iam.contain, by the record that it made.",
	.where = CART_STEP_AWS,
	.changes = "containment",
	.params = params,
	.check = check,
	.plan = plan,
	.run = run,
};
