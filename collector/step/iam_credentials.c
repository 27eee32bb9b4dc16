/* SPDX-License-Identifier: Apache-2.0 */
#include "iam_credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/digest.h"
#include "step_support.h"

#define PAUSE_MS 1000

static const struct kind {
	const char *word, *one, *what;	/* in records; for people */
	const char *list, *member, *id;	/* the call that lists them */
	const char *update, *param;	/* the call that sets their status */
} kinds[] = {
	[CREDENTIAL_KEY] = { "key", "access key", "access keys", "ListAccessKeys",
		"AccessKeyMetadata", "AccessKeyId", "UpdateAccessKey",
		"AccessKeyId" },
	[CREDENTIAL_SSH] = { "ssh", "SSH key", "SSH keys", "ListSSHPublicKeys",
		"SSHPublicKeys", "SSHPublicKeyId", "UpdateSSHPublicKey",
		"SSHPublicKeyId" },
	[CREDENTIAL_SERVICE] = { "service", "service credential", "service credentials",
		"ListServiceSpecificCredentials", "ServiceSpecificCredentials",
		"ServiceSpecificCredentialId",
		"UpdateServiceSpecificCredential",
		"ServiceSpecificCredentialId" },
	[CREDENTIAL_CERTIFICATE] = { "certificate", "signing certificate",
		"signing certificates", "ListSigningCertificates",
		"Certificates", "CertificateId", "UpdateSigningCertificate",
		"CertificateId" },
	[CREDENTIAL_LOGIN] = { "login", "console password", "console password",
		NULL, NULL, NULL, NULL, NULL },
	[CREDENTIAL_SESSIONS] = { "sessions", "denial of older sessions",
		"policy against older sessions", NULL, NULL, NULL, NULL, NULL },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *cart_credential_word(enum credential_kind kind)
{
	return kinds[kind].word;
}

int cart_credential_kind(const char *word)
{
	size_t i;

	for (i = 0; word != NULL && i < N_KINDS; i++) {
		if (strcmp(kinds[i].word, word) == 0)
			return (int)i;
	}
	return -1;
}

void cart_credentials_clear(struct credentials *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->at[i].policy);
	s->n = 0;
}

struct credential *cart_credentials_find(struct credentials *s,
					 enum credential_kind kind,
					 const char *id)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->at[i].kind == kind && strcmp(s->at[i].id, id) == 0)
			return &s->at[i];
	}
	return NULL;
}

/* ---- reading ------------------------------------------------------------- */

static struct cart_json *subject(const struct credentials *s)
{
	struct cart_json *o = cart_json_new_object();

	cart_json_add(o, s->user != NULL ? "UserName" : "RoleName",
		      cart_json_new_string(s->user != NULL ? s->user : s->role));
	return o;
}

static struct credential *append(struct credentials *s,
				 enum credential_kind kind, const char *id)
{
	struct credential *k;

	if (s->n == CREDENTIALS_MAX || strlen(id) >= sizeof(k->id))
		return NULL;
	k = &s->at[s->n++];
	memset(k, 0, sizeof(*k));
	k->kind = kind;
	snprintf(k->id, sizeof(k->id), "%s", id);
	return k;
}

static int take_list(struct credentials *s, enum credential_kind kind,
		     const struct cart_json *view, struct cart_err *err)
{
	const struct cart_json *item;
	struct credential *k;
	const char *id, *status;

	item = cart_json_first(cart_json_get(view, kinds[kind].member));
	for (; item != NULL; item = cart_json_next(item)) {
		id = cart_json_get_string(item, kinds[kind].id);
		status = cart_json_get_string(item, "Status");
		if (id == NULL || status == NULL)
			continue;
		k = append(s, kind, id);
		if (k == NULL)
			return cart_err_set(err, CART_ERR_LIMIT, 0, "more than "
					    "%d credentials of one user",
					    CREDENTIALS_MAX);
		k->there = true;
		k->active = strcmp(status, "Active") == 0;
	}
	return 0;
}

/* The policy's text as it would be written back. */
static int take_policy(struct credential *k, const struct cart_json *view,
		       struct cart_err *err)
{
	const struct cart_json *doc = cart_json_get(view, "PolicyDocument");
	struct cart_buf b;

	cart_buf_init(&b, 1 << 20);
	if (cart_json_string(doc) != NULL)
		cart_buf_adds(&b, cart_json_string(doc));
	else
		cart_json_print(doc, 0, &b);
	k->policy = cart_buf_steal(&b, NULL);
	k->there = true;
	return k->policy != NULL ? 0 : cart_err_nomem(err);
}

static int call_read(struct credentials *s, const char *operation,
		     struct cart_json *input, unsigned page, bool exhibit,
		     struct cart_step_reply *reply, struct cart_err *err)
{
	struct cart_step_call call = { .page = page, .no_exhibit = !exhibit };

	call.call.service = "iam";
	call.call.operation = operation;
	call.call.input = input;
	return s->c->ops->call(s->c, &call, reply, err);
}

static int refused(struct credentials *s, enum credential_kind kind,
		   const struct cart_step_reply *reply, struct cart_err *err)
{
	if (err->class == CART_ERR_CANCELLED || err->class == CART_ERR_MEMORY)
		return -1;
	if (!s->unknown[kind])
		cart_step_gap_call(s->c, reply, kinds[kind].what, err);
	s->unknown[kind] = true;
	cart_err_clear(err);
	return 0;
}

static int read_list(struct credentials *s, enum credential_kind kind,
		     bool exhibit, struct cart_err *err)
{
	struct cart_json *input = subject(s), *next;
	struct cart_aws_call call = { .service = "iam",
				      .operation = kinds[kind].list };
	struct cart_step_reply reply;
	unsigned page = 0;
	int more = 1;

	while (more > 0) {
		next = NULL;
		call.input = input;
		if (call_read(s, kinds[kind].list, input, ++page, exhibit,
			      &reply, err) < 0)
			more = refused(s, kind, &reply, err);
		else if (take_list(s, kind, reply.aws.view, err) < 0)
			more = -1;
		else
			more = cart_aws_next_page(&call, reply.aws.view, &next,
						  err);
		cart_step_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return more;
}

/* Login profile and policy: there, or NoSuchEntity. */
static int read_one(struct credentials *s, enum credential_kind kind,
		    bool exhibit, struct cart_err *err)
{
	struct cart_json *input = subject(s);
	struct credential *k = append(s, kind, "");
	const char *operation = "GetLoginProfile";
	struct cart_step_reply reply;
	int rc = 0;

	if (kind == CREDENTIAL_SESSIONS) {
		operation = s->user != NULL ? "GetUserPolicy" : "GetRolePolicy";
		cart_json_add(input, "PolicyName",
			      cart_json_new_string(CREDENTIAL_POLICY));
	}
	if (k == NULL || input == NULL) {
		cart_json_free(input);
		return cart_err_nomem(err);
	}
	if (call_read(s, operation, input, 0, exhibit, &reply, err) == 0) {
		k->there = true;
		if (kind == CREDENTIAL_SESSIONS)
			rc = take_policy(k, reply.aws.view, err);
	} else if (strcmp(reply.aws.error_code, "NoSuchEntity") == 0) {
		cart_err_clear(err);
	} else {
		rc = refused(s, kind, &reply, err);
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

int cart_credentials_read(struct credentials *s, bool exhibit,
			  struct cart_err *err)
{
	enum credential_kind kind;

	cart_credentials_clear(s);
	for (kind = 0; s->user != NULL && kind < CREDENTIAL_LOGIN; kind++) {
		if (!s->unknown[kind] && read_list(s, kind, exhibit, err) < 0)
			return -1;
	}
	if (s->user != NULL && !s->unknown[CREDENTIAL_LOGIN] &&
	    read_one(s, CREDENTIAL_LOGIN, exhibit, err) < 0)
		return -1;
	return s->unknown[CREDENTIAL_SESSIONS] ? 0 :
		read_one(s, CREDENTIAL_SESSIONS, exhibit, err);
}

/* ---- changing ------------------------------------------------------------ */

struct request {
	char operation[64], call[80];
	struct cart_json *input;
	unsigned attempt;
};

/* Several changes of a step are the same call: the number that tells them
 * apart must be the same in a resumed run, so it is made of what they are. */
static unsigned attempt_of(const struct credential_change *change)
{
	unsigned char hash[CART_SHA256_SIZE];
	char text[200];

	snprintf(text, sizeof(text), "%s %s", kinds[change->kind].word,
		 change->id);
	cart_sha256(text, strlen(text), hash);
	return ((unsigned)hash[0] << 16 | (unsigned)hash[1] << 8 | hash[2]) + 1;
}

static int make_request(const struct credentials *s,
			const struct credential_change *change,
			struct request *r)
{
	const struct kind *k = &kinds[change->kind];

	r->input = subject(s);
	r->attempt = attempt_of(change);
	if (k->update != NULL) {
		snprintf(r->operation, sizeof(r->operation), "%s", k->update);
		cart_json_add(r->input, k->param,
			      cart_json_new_string(change->id));
		cart_json_add(r->input, "Status",
			      cart_json_new_string(change->value));
	} else if (change->kind == CREDENTIAL_LOGIN) {
		snprintf(r->operation, sizeof(r->operation),
			 "DeleteLoginProfile");
	} else {
		snprintf(r->operation, sizeof(r->operation), "%s%sPolicy",
			 change->value != NULL ? "Put" : "Delete",
			 s->user != NULL ? "User" : "Role");
		cart_json_add(r->input, "PolicyName",
			      cart_json_new_string(CREDENTIAL_POLICY));
		if (change->value != NULL)
			cart_json_add(r->input, "PolicyDocument",
				      cart_json_new_string(change->value));
	}
	snprintf(r->call, sizeof(r->call), "iam:%s", r->operation);
	return r->input != NULL ? 0 : -1;
}

bool cart_credential_intended(struct credentials *s,
			      const struct credential_change *change)
{
	struct request r;
	bool yes;

	if (make_request(s, change, &r) < 0)
		return false;
	yes = s->c->ops->intended(s->c, r.call, r.attempt);
	cart_json_free(r.input);
	return yes;
}

static void say(const struct credentials *s,
		const struct credential_change *change, const char *result,
		char *out, size_t size)
{
	const struct kind *k = &kinds[change->kind];

	snprintf(out, size, "%s%s%s of %s: %.120s", k->one,
		 change->id[0] ? " " : "", change->id,
		 s->user != NULL ? s->user : s->role, result);
}

int cart_credential_change(struct credentials *s,
			   const struct credential_change *change,
			   struct cart_err *err)
{
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply = { 0 };
	struct cart_err why = { 0 };
	char uuid[CART_UUID_SIZE], what[400];
	struct request r;
	bool earlier, unknown;
	int rc = -1;

	if (make_request(s, change, &r) < 0 ||
	    s->c->ops->intent(s->c, r.call, r.input, r.attempt, uuid, &earlier,
			      NULL, err) < 0)
		goto out;
	/* Each of these calls sets a state: to ask twice is to ask once. */
	call.call.service = "iam";
	call.call.operation = r.operation;
	call.call.input = r.input;
	call.call.may_change = s->c->may_change;
	call.call.once = true;
	rc = s->c->ops->call(s->c, &call, &reply, &why);
	unknown = rc < 0 && reply.aws.sent &&
		(reply.aws.status == 0 || reply.aws.status >= 500);
	if (s->c->ops->change(s->c, uuid, unknown ? "unknown" : "result",
			      r.call, NULL, rc < 0 ? why.text : "done",
			      err) < 0) {
		rc = -1;
		goto out;
	}
	if (rc < 0 && why.class == CART_ERR_CANCELLED) {
		*err = why;
	} else if (rc < 0 && !unknown) {
		say(s, change, "the change", what, sizeof(what));
		cart_step_gap_call(s->c, &reply, what, &why);
		rc = 1;
	} else {
		rc = 0;
	}
out:
	cart_step_reply_clear(&reply);
	cart_json_free(r.input);
	return rc;
}

int cart_credential_adopt(struct credentials *s,
			  const struct credential_change *change,
			  struct cart_err *err)
{
	char uuid[CART_UUID_SIZE];
	struct request r;
	bool earlier;
	int rc = -1;

	if (make_request(s, change, &r) < 0)
		cart_err_nomem(err);
	else if (s->c->ops->intent(s->c, r.call, r.input, r.attempt, uuid,
				   &earlier, NULL, err) == 0)
		rc = s->c->ops->change(s->c, uuid, "adopted", r.call, NULL,
				       "an interrupted session asked for it, "
				       "and it is in effect", err);
	cart_json_free(r.input);
	return rc;
}

/* ---- waiting ------------------------------------------------------------- */

static bool same_policy(const char *a, const char *b)
{
	struct cart_json *ja, *jb;
	bool same;

	if (a == NULL || b == NULL)
		return a == b;
	ja = cart_json_parse(a, strlen(a), NULL, NULL);
	jb = cart_json_parse(b, strlen(b), NULL, NULL);
	same = ja != NULL && jb != NULL && cart_json_equal(ja, jb);
	cart_json_free(ja);
	cart_json_free(jb);
	return same;
}

static bool in_effect(struct credentials *s,
		      const struct credential_change *change)
{
	const struct credential *k = cart_credentials_find(s, change->kind,
							   change->id);

	if (change->kind == CREDENTIAL_LOGIN)
		return k != NULL && !k->there;
	if (change->kind == CREDENTIAL_SESSIONS)
		return k != NULL && k->there == (change->value != NULL) &&
		       same_policy(k->policy, change->value);
	/* a key that is gone is as good as inactive */
	if (k == NULL)
		return strcmp(change->value, "Inactive") == 0;
	return k->active == (strcmp(change->value, "Active") == 0);
}

static size_t count_open(struct credentials *s,
			 const struct credential_change *changes,
			 const bool *done, size_t n)
{
	size_t i, open = 0;

	for (i = 0; i < n; i++)
		open += done[i] && !in_effect(s, &changes[i]);
	return open;
}

int cart_credentials_wait(struct credentials *s,
			  const struct credential_change *changes,
			  const bool *done, size_t n, uint64_t timeout_ms,
			  struct cart_err *err)
{
	int64_t end = cart_clock_mono_ns() + (int64_t)timeout_ms * 1000000;
	unsigned good = 0, looks = 0;
	size_t open, i;
	char text[400];

	while (good < 2 && cart_clock_mono_ns() < end) {
		if (looks > 0 && s->c->ops->sleep(s->c, PAUSE_MS, err) < 0)
			return -1;
		if (cart_credentials_read(s, false, err) < 0)
			return -1;
		looks++;
		open = count_open(s, changes, done, n);
		good = open == 0 ? good + 1 : 0;
		s->c->ops->progress(s->c, "waiting for IAM", n - open, n,
				    "changes");
	}
	/* the state after, as evidence */
	if (cart_credentials_read(s, true, err) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		if (!done[i])
			continue;
		if (in_effect(s, &changes[i])) {
			say(s, &changes[i], changes[i].value == NULL ? "removed" :
			    changes[i].kind == CREDENTIAL_SESSIONS ? "in effect" :
			    changes[i].value, text, sizeof(text));
			s->c->ops->tell(s->c, text);
			continue;
		}
		say(s, &changes[i], "not in effect", text, sizeof(text));
		cart_step_gap(s->c, text, "timeout", "AWS accepted the change, "
			      "or did not answer, and it did not take effect in "
			      "time: look at the account, and run this again");
	}
	snprintf(text, sizeof(text), "looked %u times until all was in effect%s",
		 looks, good < 2 ? ", which it was not in time" : "");
	s->c->ops->note(s->c, text);
	return 0;
}
