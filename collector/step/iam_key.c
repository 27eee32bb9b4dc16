/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iam.key: whose an access key is, by last-used data, by walking all users, or
 * by what its events say; and all that the owner, a user or a role, holds and
 * may do: every version of every policy that applies, keys, passwords, devices.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/buf.h"
#include "crashcart/step.h"
#include "step_support.h"

#define PARALLEL 8
#define USERS_MAX 100000
#define POLICIES_MAX 200
#define LEVELS_MAX 8			/* of an organisation; AWS has 6 */

struct owner {
	struct cart_step_ctx *c;
	const char *key;
	struct cart_json *facts;
	struct cart_json *policies;	/* in facts */
	struct cart_json *names;	/* of the answer under way */
	const char *user, *role;	/* in facts; NULL: not one */
	size_t n_policies;
};

enum answer { ANSWER_FATAL = -1, ANSWER_NONE, ANSWER_OK, ANSWER_ABSENT };

static struct cart_json *add_text(struct cart_json *o, const char *key,
				  const char *text)
{
	return text != NULL && text[0] != '\0' ?
		cart_json_add(o, key, cart_json_new_string(text)) : NULL;
}

static struct cart_json *input_of(const char *key, const char *value)
{
	struct cart_json *o = cart_json_new_object();

	cart_json_add(o, key, cart_json_new_string(value));
	return o;
}

/* A part of the answer that could not be had: a gap, and a fact. */
static enum answer missing(struct owner *o, const struct cart_step_reply *reply,
			   const char *what, struct cart_err *err)
{
	struct cart_json *list = cart_json_get(o->facts, "missing");
	char text[300];

	if (err->class == CART_ERR_CANCELLED || err->class == CART_ERR_MEMORY)
		return ANSWER_FATAL;
	cart_step_gap_call(o->c, reply, what, err);
	snprintf(text, sizeof(text), "%.200s (%s)", what, cart_step_reason(err));
	if (cart_json_size(list) < 60)
		cart_json_append(list, cart_json_new_string(text));
	cart_err_clear(err);
	return ANSWER_NONE;
}

static bool is_absent(const struct cart_step_reply *reply)
{
	return strcmp(reply->aws.error_code, "NoSuchEntity") == 0 ||
	       strcmp(reply->aws.error_code,
		      "AWSOrganizationsNotInUseException") == 0;
}

/* All pages; page() gets each.  Takes input. */
static enum answer ask(struct owner *o, const char *call,
		       struct cart_json *input, const char *what,
		       int (*page)(struct owner *o, const struct cart_json *view,
				   void *arg),
		       void *arg, struct cart_err *err)
{
	struct cart_step_call sc = { 0 };
	struct cart_step_reply reply;
	char service[64], operation[128];
	struct cart_json *next;
	enum answer answer = ANSWER_OK;
	int more = 1;

	if (input == NULL || cart_step_split_call(call, service, operation,
						  err) < 0) {
		cart_json_free(input);
		cart_err_nomem(err);
		return ANSWER_FATAL;
	}
	sc.call.service = service;
	sc.call.operation = operation;
	while (more > 0) {
		next = NULL;
		sc.call.input = input;
		sc.page++;
		if (o->c->ops->call(o->c, &sc, &reply, err) < 0) {
			more = 0;
			if (is_absent(&reply)) {
				cart_err_clear(err);
				answer = ANSWER_ABSENT;
			} else {
				answer = missing(o, &reply, what, err);
			}
		} else if (page != NULL && page(o, reply.aws.view, arg) < 0) {
			cart_err_nomem(err);
			answer = ANSWER_FATAL;
			more = 0;
		} else {
			more = cart_aws_next_page(&sc.call, reply.aws.view,
						  &next, err);
			if (more < 0)
				answer = missing(o, &reply, what, err);
		}
		cart_step_reply_clear(&reply);
		cart_json_free(input);
		input = next;
	}
	cart_json_free(input);
	return answer;
}

/* ---- pages --------------------------------------------------------------- */

/* What of a list's items becomes facts. */
struct listing {
	const char *list;		/* in the reply */
	struct cart_json *to;		/* array */
	const char *members[6];		/* of an item; NULL ends */
};

static int list_page(struct owner *o, const struct cart_json *view, void *arg)
{
	const struct listing *l = arg;
	const struct cart_json *item, *v;
	struct cart_json *fact;
	size_t i;

	(void)o;
	item = cart_json_first(cart_json_get(view, l->list));
	for (; item != NULL; item = cart_json_next(item)) {
		fact = cart_json_append(l->to, cart_json_new_object());
		for (i = 0; l->members[i] != NULL; i++) {
			v = cart_json_get(item, l->members[i]);
			if (v != NULL)
				cart_json_add(fact, l->members[i],
					      cart_json_copy(v));
		}
	}
	return 0;
}

/* One member of each item, or the items themselves (member NULL). */
struct naming {
	const char *list, *member;
	struct cart_json *to;		/* array of texts */
};

static int name_page(struct owner *o, const struct cart_json *view, void *arg)
{
	const struct naming *n = arg;
	const struct cart_json *item;
	const char *text;

	(void)o;
	item = cart_json_first(cart_json_get(view, n->list));
	for (; item != NULL; item = cart_json_next(item)) {
		text = n->member != NULL ? cart_json_get_string(item, n->member) :
			cart_json_string(item);
		if (text != NULL && cart_json_append(n->to,
					cart_json_new_string(text)) == NULL)
			return -1;
	}
	return 0;
}

/* The names that a list call gives, in a new array; NULL if it gave none. */
static enum answer ask_names(struct owner *o, const char *call,
			     struct cart_json *input, const char *what,
			     const char *list, const char *member,
			     struct cart_json **ret, struct cart_err *err)
{
	struct naming n = { .list = list, .member = member };
	enum answer answer;

	n.to = *ret = cart_json_new_array();
	answer = ask(o, call, input, what, name_page, &n, err);
	if (*ret == NULL && answer == ANSWER_OK) {
		cart_err_nomem(err);
		answer = ANSWER_FATAL;
	}
	return answer;
}

/* ---- policies ------------------------------------------------------------ */

static struct cart_json *add_policy(struct owner *o, const char *how,
				    const char *name)
{
	struct cart_json *p;

	if (o->n_policies++ >= POLICIES_MAX) {
		if (o->n_policies == POLICIES_MAX + 1)
			cart_step_gap(o->c, "further policies", "limit",
				      "200 policies of one owner are looked at");
		return NULL;
	}
	p = cart_json_append(o->policies, cart_json_new_object());
	add_text(p, "how", how);
	add_text(p, "name", name);
	return p;
}

static bool seen_policy(const struct owner *o, const char *arn)
{
	const struct cart_json *p = cart_json_first(o->policies);

	for (; p != NULL; p = cart_json_next(p)) {
		if (cart_json_get(p, "versions") != NULL &&
		    strcmp(cart_json_get_string(p, "name"), arn) == 0)
			return true;
	}
	return false;
}

/* A managed policy with every version: what is not the default now may have
 * been, or may be made so again. */
static int managed_policy(struct owner *o, const char *how, const char *arn,
			  struct cart_err *err)
{
	struct cart_json *versions = NULL, *input, *fact;
	const struct cart_json *v;
	bool again = seen_policy(o, arn);
	enum answer answer;

	fact = add_policy(o, how, arn);
	if (fact == NULL || again)
		return 0;
	answer = ask(o, "iam:GetPolicy", input_of("PolicyArn", arn),
		     "a policy", NULL, NULL, err);
	if (answer != ANSWER_FATAL)
		answer = ask_names(o, "iam:ListPolicyVersions",
				   input_of("PolicyArn", arn),
				   "versions of a policy", "Versions",
				   "VersionId", &versions, err);
	if (answer == ANSWER_OK)
		cart_json_add(fact, "versions", cart_json_new_int((int64_t)
			      cart_json_size(versions)));
	v = cart_json_first(versions);
	for (; v != NULL && answer != ANSWER_FATAL; v = cart_json_next(v)) {
		input = input_of("PolicyArn", arn);
		cart_json_add(input, "VersionId", cart_json_copy(v));
		answer = ask(o, "iam:GetPolicyVersion", input,
			     "a version of a policy", NULL, NULL, err);
	}
	cart_json_free(versions);
	return answer == ANSWER_FATAL ? -1 : 0;
}

/* kind: "User", "Role" or "Group". */
static int policies_of(struct owner *o, const char *kind, const char *name,
		       struct cart_err *err)
{
	char key[16], call[64], what[192], how[192];
	struct cart_json *names = NULL, *input;
	const struct cart_json *n;
	enum answer answer;
	int rc = 0;

	snprintf(key, sizeof(key), "%sName", kind);
	snprintf(call, sizeof(call), "iam:ListAttached%sPolicies", kind);
	snprintf(what, sizeof(what), "managed policies of %s %s", kind, name);
	snprintf(how, sizeof(how), "attached to %s %s", kind, name);
	answer = ask_names(o, call, input_of(key, name), what,
			   "AttachedPolicies", "PolicyArn", &names, err);
	n = cart_json_first(names);
	for (; n != NULL && rc == 0; n = cart_json_next(n))
		rc = managed_policy(o, how, cart_json_string(n), err);
	cart_json_free(names);
	if (rc < 0 || answer == ANSWER_FATAL)
		return -1;
	names = NULL;
	snprintf(call, sizeof(call), "iam:List%sPolicies", kind);
	snprintf(what, sizeof(what), "inline policies of %s %s", kind, name);
	snprintf(how, sizeof(how), "inline in %s %s", kind, name);
	answer = ask_names(o, call, input_of(key, name), what, "PolicyNames",
			   NULL, &names, err);
	n = cart_json_first(names);
	for (; n != NULL && answer != ANSWER_FATAL; n = cart_json_next(n)) {
		add_policy(o, how, cart_json_string(n));
		snprintf(call, sizeof(call), "iam:Get%sPolicy", kind);
		input = input_of(key, name);
		cart_json_add(input, "PolicyName", cart_json_copy(n));
		answer = ask(o, call, input, what, NULL, NULL, err);
	}
	cart_json_free(names);
	return answer == ANSWER_FATAL ? -1 : 0;
}

static int groups_of(struct owner *o, struct cart_err *err)
{
	struct cart_json *names = NULL;
	const struct cart_json *n;
	enum answer answer;
	int rc = 0;

	answer = ask_names(o, "iam:ListGroupsForUser",
			   input_of("UserName", o->user), "groups of the user",
			   "Groups", "GroupName", &names, err);
	n = cart_json_first(names);
	for (; n != NULL && rc == 0; n = cart_json_next(n))
		rc = policies_of(o, "Group", cart_json_string(n), err);
	if (rc == 0 && answer == ANSWER_OK)
		cart_json_add(o->facts, "groups", cart_json_copy(names));
	cart_json_free(names);
	return answer == ANSWER_FATAL ? -1 : rc;
}

/* ---- organisation policies ----------------------------------------------- */

static int org_level(struct owner *o, const char *target, const char *filter,
		     struct cart_err *err)
{
	struct cart_json *ids = NULL, *input = input_of("TargetId", target);
	const struct cart_json *id;
	enum answer answer;
	char what[96], how[96];

	cart_json_add(input, "Filter", cart_json_new_string(filter));
	snprintf(what, sizeof(what), "organisation policies of %s", target);
	snprintf(how, sizeof(how), "organisation policy of %s", target);
	answer = ask_names(o, "organizations:ListPoliciesForTarget", input,
			   what, "Policies", "Id", &ids, err);
	id = cart_json_first(ids);
	for (; id != NULL && answer > ANSWER_NONE; id = cart_json_next(id)) {
		add_policy(o, how, cart_json_string(id));
		answer = ask(o, "organizations:DescribePolicy",
			     input_of("PolicyId", cart_json_string(id)), what,
			     NULL, NULL, err);
	}
	cart_json_free(ids);
	return (int)answer;
}

/* From the account up to the root; readable from the management account and
 * delegated ones alone. */
static int org_policies(struct owner *o, struct cart_err *err)
{
	char target[160];
	struct cart_json *parent;
	unsigned level;
	int answer;

	snprintf(target, sizeof(target), "%s", o->c->account);
	for (level = 0; level < LEVELS_MAX && target[0] != '\0'; level++) {
		answer = org_level(o, target, "SERVICE_CONTROL_POLICY", err);
		if (answer == ANSWER_FATAL)
			return -1;
		if (answer != ANSWER_OK)
			break;		/* said, or there is none */
		answer = org_level(o, target, "RESOURCE_CONTROL_POLICY", err);
		if (answer == ANSWER_FATAL)
			return -1;
		if (strncmp(target, "r-", 2) == 0)
			break;
		parent = NULL;
		answer = (int)ask_names(o, "organizations:ListParents",
					input_of("ChildId", target),
					"the parents of the account",
					"Parents", "Id", &parent, err);
		snprintf(target, sizeof(target), "%s", answer == ANSWER_OK &&
			 cart_json_size(parent) > 0 ?
			 cart_json_string(cart_json_first(parent)) : "");
		cart_json_free(parent);
		if (answer == ANSWER_FATAL)
			return -1;
	}
	return 0;
}

/* ---- the user, the role -------------------------------------------------- */

static int boundary_page(struct owner *o, const struct cart_json *view,
			 void *arg)
{
	const struct cart_json *e = cart_json_get(view, arg);
	const struct cart_json *b = cart_json_get(e, "PermissionsBoundary");

	add_text(o->facts, "arn", cart_json_get_string(e, "Arn"));
	add_text(o->facts, "created", cart_json_get_string(e, "CreateDate"));
	add_text(o->facts, "password_last_used",
		 cart_json_get_string(e, "PasswordLastUsed"));
	add_text(o->facts, "boundary",
		 cart_json_get_string(b, "PermissionsBoundaryArn"));
	return 0;
}

static int boundary(struct owner *o, struct cart_err *err)
{
	const char *arn = cart_json_get_string(o->facts, "boundary");

	return arn != NULL ? managed_policy(o, "permissions boundary", arn,
					    err) : 0;
}

static int last_used_page(struct owner *o, const struct cart_json *view,
			  void *arg)
{
	const struct cart_json *u = cart_json_get(view, "AccessKeyLastUsed");

	(void)o;
	add_text(arg, "LastUsed", cart_json_get_string(u, "LastUsedDate"));
	add_text(arg, "Service", cart_json_get_string(u, "ServiceName"));
	add_text(arg, "Region", cart_json_get_string(u, "Region"));
	return 0;
}

/* Everything by which somebody can be this user. */
static int credentials_of(struct owner *o, struct cart_err *err)
{
	static const struct {
		const char *call, *what, *list, *fact, *members[6];
	} lists[] = {
		{ "iam:ListAccessKeys", "access keys of the user",
		  "AccessKeyMetadata", "keys",
		  { "AccessKeyId", "Status", "CreateDate", NULL } },
		{ "iam:ListSSHPublicKeys", "SSH keys of the user",
		  "SSHPublicKeys", "ssh",
		  { "SSHPublicKeyId", "Status", "UploadDate", NULL } },
		{ "iam:ListServiceSpecificCredentials",
		  "service credentials of the user",
		  "ServiceSpecificCredentials", "credentials",
		  { "ServiceSpecificCredentialId", "ServiceName", "Status",
		    "CreateDate", NULL } },
		{ "iam:ListSigningCertificates",
		  "signing certificates of the user", "Certificates",
		  "certificates",
		  { "CertificateId", "Status", "UploadDate", NULL } },
		{ "iam:ListMFADevices", "MFA devices of the user",
		  "MFADevices", "mfa",
		  { "SerialNumber", "EnableDate", NULL } },
	};
	const struct cart_json *login;
	struct cart_json *k;
	enum answer answer;
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct listing l = { .list = lists[i].list };

		memcpy(l.members, lists[i].members, sizeof(l.members));
		l.to = cart_json_add(o->facts, lists[i].fact,
				     cart_json_new_array());
		answer = ask(o, lists[i].call, input_of("UserName", o->user),
			     lists[i].what, list_page, &l, err);
		if (answer == ANSWER_FATAL)
			return -1;
		if (answer == ANSWER_NONE)
			cart_json_set(o->facts, lists[i].fact,
				      cart_json_new_null());
	}
	k = cart_json_first(cart_json_get(o->facts, "keys"));
	for (; k != NULL; k = cart_json_next(k)) {
		const char *id = cart_json_get_string(k, "AccessKeyId");

		if (id != NULL && ask(o, "iam:GetAccessKeyLastUsed",
				      input_of("AccessKeyId", id),
				      "last use of a key", last_used_page, k,
				      err) == ANSWER_FATAL)
			return -1;
	}
	answer = ask(o, "iam:GetLoginProfile", input_of("UserName", o->user),
		     "the user's console password", NULL, NULL, err);
	login = cart_json_add(o->facts, "console", cart_json_new_string(
			      answer == ANSWER_OK ? "yes" :
			      answer == ANSWER_ABSENT ? "no" : "unknown"));
	return answer == ANSWER_FATAL || login == NULL ? -1 : 0;
}

static int describe_user(struct owner *o, struct cart_err *err)
{
	enum answer answer;

	answer = ask(o, "iam:GetUser", input_of("UserName", o->user),
		     "the user", boundary_page, (void *)(uintptr_t)"User", err);
	if (answer == ANSWER_FATAL)
		return -1;
	if (answer == ANSWER_ABSENT) {
		cart_json_add(o->facts, "gone", cart_json_new_bool(true));
		cart_step_gap(o->c, "the key's user", "absent", "its events "
			      "name a user that is not there any more");
		return 0;
	}
	if (credentials_of(o, err) < 0 ||
	    policies_of(o, "User", o->user, err) < 0 ||
	    groups_of(o, err) < 0 || boundary(o, err) < 0)
		return -1;
	return 0;
}

static int describe_role(struct owner *o, struct cart_err *err)
{
	enum answer answer;

	answer = ask(o, "iam:GetRole", input_of("RoleName", o->role),
		     "the role and whom it trusts", boundary_page,
		     (void *)(uintptr_t)"Role", err);
	if (answer == ANSWER_FATAL)
		return -1;
	if (answer == ANSWER_ABSENT) {
		cart_json_add(o->facts, "gone", cart_json_new_bool(true));
		cart_step_gap(o->c, "the key's role", "absent", "its events "
			      "name a role that is not there any more");
		return 0;
	}
	if (policies_of(o, "Role", o->role, err) < 0 ||
	    ask(o, "iam:ListInstanceProfilesForRole",
		input_of("RoleName", o->role), "instance profiles of the role",
		NULL, NULL, err) == ANSWER_FATAL || boundary(o, err) < 0)
		return -1;
	return 0;
}

/* ---- whose key ----------------------------------------------------------- */

static int account_page(struct owner *o, const struct cart_json *view, void *arg)
{
	(void)arg;
	add_text(o->facts, "account", cart_json_get_string(view, "Account"));
	return 0;
}

static int user_page(struct owner *o, const struct cart_json *view, void *arg)
{
	(void)arg;
	add_text(o->facts, "user", cart_json_get_string(view, "UserName"));
	add_text(o->facts, "how", "iam:GetAccessKeyLastUsed");
	return 0;
}

struct walk {
	bool used;
	char user[144];
};

static struct walk *free_walk(struct walk walks[PARALLEL])
{
	size_t i;

	for (i = 0; i < PARALLEL && walks[i].used; i++)
		;
	return i < PARALLEL ? &walks[i] : NULL;
}

static int submit_walk(struct owner *o, struct walk walks[PARALLEL],
		       const char *user, struct cart_err *err)
{
	struct walk *w = free_walk(walks);
	struct cart_json *input = input_of("UserName", user);
	struct cart_step_call call = { 0 };
	int rc = -1;

	if (w == NULL || input == NULL) {
		cart_json_free(input);
		return cart_err_nomem(err);
	}
	snprintf(w->user, sizeof(w->user), "%s", user);
	call.call.service = "iam";
	call.call.operation = "ListAccessKeys";
	call.call.input = input;
	rc = o->c->ops->submit(o->c, &call, w, err);
	w->used = rc == 0;
	cart_json_free(input);
	return rc;
}

/* 1: a reply was taken; 0: none is under way; -1. */
static int take_walk(struct owner *o, uint64_t *failed, struct cart_err *err)
{
	struct cart_step_reply reply;
	const struct cart_json *k;
	struct cart_err why = { 0 };
	struct walk *w = NULL;
	void *tag = NULL;
	int call_rc = 0, got;

	got = o->c->ops->next(o->c, &reply, &tag, &call_rc, &why);
	if (got <= 0) {
		if (got < 0)
			*err = why;
		return got;
	}
	w = tag;
	w->used = false;
	if (call_rc < 0 && why.class == CART_ERR_CANCELLED) {
		*err = why;
		got = -1;
	} else if (call_rc < 0 && (*failed)++ == 0) {
		cart_step_gap_call(o->c, &reply, "the keys of some users, "
				   "while looking for the owner", &why);
	}
	k = cart_json_first(cart_json_get(reply.aws.view, "AccessKeyMetadata"));
	for (; k != NULL; k = cart_json_next(k)) {
		const char *id = cart_json_get_string(k, "AccessKeyId");

		if (id != NULL && strcmp(id, o->key) == 0) {
			cart_json_set(o->facts, "user",
				      cart_json_new_string(w->user));
			cart_json_set(o->facts, "how", cart_json_new_string(
				      "walk over all users"));
		}
	}
	cart_step_reply_clear(&reply);
	return got;
}

/* The slow way: every user's keys, until it is found. */
static int walk_users(struct owner *o, struct cart_err *err)
{
	struct walk walks[PARALLEL] = { { 0 } };
	struct cart_json *users = NULL;
	const struct cart_json *u;
	uint64_t done = 0, failed = 0;
	enum answer answer;
	int rc = 0;

	answer = ask_names(o, "iam:ListUsers", cart_json_new_object(),
			   "the list of users, while looking for the owner",
			   "Users", "UserName", &users, err);
	u = cart_json_first(users);
	for (; u != NULL && rc >= 0 && done < USERS_MAX &&
	       cart_json_get(o->facts, "user") == NULL; u = cart_json_next(u)) {
		if (free_walk(walks) == NULL)
			rc = take_walk(o, &failed, err);
		if (rc >= 0)
			rc = submit_walk(o, walks, cart_json_string(u), err);
		o->c->ops->progress(o->c, "users", ++done,
				    cart_json_size(users), "users");
	}
	while (rc >= 0 && (rc = take_walk(o, &failed, err)) > 0)
		;
	cart_json_free(users);
	return answer == ANSWER_FATAL || rc < 0 ? -1 : 0;
}

/* What the key's own events say, as cloudtrail.key keeps it. */
static void by_events(struct owner *o, const struct cart_json *said)
{
	const char *account = cart_json_get_string(said, "account");
	const char *type = cart_json_get_string(said, "type");

	add_text(o->facts, "type", type);
	add_text(o->facts, "event", cart_json_get_string(said, "event"));
	add_text(o->facts, "exhibit", cart_json_get_string(said, "exhibit"));
	if (account != NULL && strcmp(account, o->c->account) != 0)
		return;
	if (cart_json_get(o->facts, "user") == NULL &&
	    add_text(o->facts, "user", cart_json_get_string(said, "user")))
		add_text(o->facts, "how", "its events");
	if (add_text(o->facts, "role", cart_json_get_string(said, "role")))
		add_text(o->facts, "how", "its events");
}

static int find_owner(struct owner *o, struct cart_err *err)
{
	bool temporary = strncmp(o->key, "ASIA", 4) == 0;
	struct cart_step_call call = { 0 };
	struct cart_step_reply reply;
	const char *account;
	int rc = 0;

	if (ask(o, "sts:GetAccessKeyInfo", input_of("AccessKeyId", o->key),
		"the account of the key", account_page, NULL,
		err) == ANSWER_FATAL)
		return -1;
	account = cart_json_get_string(o->facts, "account");
	if (account != NULL)
		cart_json_add(o->facts, "ours", cart_json_new_bool(
			      strcmp(account, o->c->account) == 0));
	add_text(o->facts, "our_account", o->c->account);
	if (account != NULL && strcmp(account, o->c->account) != 0) {
		cart_step_gap(o->c, "the owner of the key", "absent", "the key "
			      "is of another account: collect with credentials "
			      "of that one");
		return 0;
	}
	if (!temporary) {
		struct cart_json *input = input_of("AccessKeyId", o->key);

		call.call.service = "iam";
		call.call.operation = "GetAccessKeyLastUsed";
		call.call.input = input;
		rc = o->c->ops->call(o->c, &call, &reply, err);
		if (rc == 0)
			user_page(o, reply.aws.view, NULL);
		/* AWS says "denied" also of a key that it does not know */
		if (rc < 0 && err->class != CART_ERR_CANCELLED) {
			o->c->ops->note(o->c, "iam:GetAccessKeyLastUsed says "
					"not whose the key is: every user's "
					"keys are listed");
			rc = walk_users(o, err);
		}
		cart_step_reply_clear(&reply);
		cart_json_free(input);
	}
	if (rc == 0)
		by_events(o, cart_json_get(o->c->with, "owner"));
	return rc;
}

/* A user that is not one: no IAM call answers for the root user. */
static void not_a_user(struct owner *o)
{
	const char *type = cart_json_get_string(o->facts, "type");

	if (type != NULL && strcmp(type, "Root") == 0) {
		cart_json_free(cart_json_detach(o->facts,
				cart_json_get(o->facts, "user")));
		cart_step_gap(o->c, "the key's owner", "unsupported", "it is "
			      "the account's root user: only root itself can "
			      "see and delete its keys, in the console");
	} else if (cart_json_get(o->facts, "user") == NULL &&
		   cart_json_get(o->facts, "role") == NULL &&
		   cart_json_get(o->facts, "ours") != NULL &&
		   cart_json_bool(cart_json_get(o->facts, "ours"))) {
		cart_step_gap(o->c, "the owner of the key", "absent", "no user "
			      "holds it, and no event names one: it was deleted "
			      "or never used in 90 days");
	}
}

static int describe(struct owner *o, struct cart_err *err)
{
	not_a_user(o);
	o->user = cart_json_get_string(o->facts, "user");
	o->role = cart_json_get_string(o->facts, "role");
	if (o->user != NULL && describe_user(o, err) < 0)
		return -1;
	if (o->role != NULL && describe_role(o, err) < 0)
		return -1;
	if (o->user == NULL && o->role == NULL)
		return 0;
	return org_policies(o, err);
}

static int keep_text(struct owner *o, const char *name, struct cart_err *err)
{
	const struct cart_json *v = cart_json_get(o->facts, name);

	return v == NULL || cart_json_get(o->facts, "gone") != NULL ? 0 :
		o->c->ops->keep_value(o->c, name, v, err);
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct owner o = { .c = c };
	int rc = -1;

	o.key = cart_json_get_string(c->with, "AccessKeyId");
	o.facts = cart_json_new_object();
	cart_json_add(o.facts, "missing", cart_json_new_array());
	o.policies = cart_json_add(o.facts, "policies", cart_json_new_array());
	if (o.key == NULL || o.policies == NULL) {
		cart_err_nomem(err);
		goto out;
	}
	add_text(o.facts, "key", o.key);
	if (find_owner(&o, err) < 0 || describe(&o, err) < 0 ||
	    keep_text(&o, "user", err) < 0 || keep_text(&o, "role", err) < 0)
		goto out;
	rc = c->ops->keep_value(c, "facts", o.facts, err);
out:
	cart_json_free(o.facts);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	static const struct {
		const char *call, *note;
	} calls[] = {
		{ "sts:GetAccessKeyInfo", "" },
		{ "iam:GetAccessKeyLastUsed", "" },
		{ "iam:ListUsers", "fallback, if the last use names no owner" },
		{ "iam:ListAccessKeys", "of the owner; of all, to find it" },
		{ "iam:GetUser", "" }, { "iam:GetRole", "" },
		{ "iam:ListAttachedUserPolicies", "" },
		{ "iam:ListAttachedRolePolicies", "" },
		{ "iam:ListAttachedGroupPolicies", "of each group" },
		{ "iam:GetPolicy", "" }, { "iam:ListPolicyVersions", "" },
		{ "iam:GetPolicyVersion", "every version" },
		{ "iam:ListUserPolicies", "" }, { "iam:GetUserPolicy", "" },
		{ "iam:ListRolePolicies", "" }, { "iam:GetRolePolicy", "" },
		{ "iam:ListGroupPolicies", "" }, { "iam:GetGroupPolicy", "" },
		{ "iam:ListGroupsForUser", "" },
		{ "iam:ListInstanceProfilesForRole", "" },
		{ "iam:GetLoginProfile", "" }, { "iam:ListSSHPublicKeys", "" },
		{ "iam:ListServiceSpecificCredentials", "" },
		{ "iam:ListSigningCertificates", "" },
		{ "iam:ListMFADevices", "" },
		{ "organizations:ListPoliciesForTarget", "account to root" },
		{ "organizations:DescribePolicy", "" },
		{ "organizations:ListParents", "" },
	};
	size_t i;

	(void)with;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		emit(arg, calls[i].call, false, calls[i].note);
}

static const struct cart_param params[] = {
	{ "AccessKeyId", CART_PARAM_STRING, true, NULL, "The access key." },
	{ "owner", CART_PARAM_OBJECT, false, "{}",
	  "What its events say of its owner: ${X.owner} of a cloudtrail.key." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps[] = { "facts", "user", "role", NULL };

const struct cart_step_type cart_step_iam_key = {
	.name = "iam.key",
	.summary = "Find the owner of an access key, and all that it may do.",
	.where = CART_STEP_AWS,
	.params = params,
	.keeps = keeps,
	.plan = plan,
	.run = run,
};
