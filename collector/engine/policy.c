/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "private.h"

/*
 * The least-privilege IAM policy of a manifest: the actions behind every call
 * that its plan names, on the resources that its input names where IAM has
 * such, on all otherwise.
 */

#define STATEMENTS_MAX	512
#define ARNS_MAX	64		/* of one call; more become "*" */

/* ---- from API operations to IAM actions --------------------------------- */

/* Where the action is not called as the operation is. */
static const struct {
	const char *call, *action;
} renamed[] = {
	{ "lambda:Invoke", "lambda:InvokeFunction" },
	{ "s3:CompleteMultipartUpload", "s3:PutObject" },
	{ "s3:CopyObject", "s3:PutObject" },
	{ "s3:CreateMultipartUpload", "s3:PutObject" },
	{ "s3:DeleteObjects", "s3:DeleteObject" },
	{ "s3:GetBucketAccelerateConfiguration",
	  "s3:GetAccelerateConfiguration" },
	{ "s3:GetBucketAnalyticsConfiguration", "s3:GetAnalyticsConfiguration" },
	{ "s3:GetBucketCors", "s3:GetBucketCORS" },
	{ "s3:GetBucketEncryption", "s3:GetEncryptionConfiguration" },
	{ "s3:GetBucketIntelligentTieringConfiguration",
	  "s3:GetIntelligentTieringConfiguration" },
	{ "s3:GetBucketInventoryConfiguration", "s3:GetInventoryConfiguration" },
	{ "s3:GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration" },
	{ "s3:GetBucketMetricsConfiguration", "s3:GetMetricsConfiguration" },
	{ "s3:GetBucketNotificationConfiguration", "s3:GetBucketNotification" },
	{ "s3:GetBucketReplication", "s3:GetReplicationConfiguration" },
	{ "s3:GetObjectLockConfiguration",
	  "s3:GetBucketObjectLockConfiguration" },
	{ "s3:GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock" },
	{ "s3:HeadBucket", "s3:ListBucket" },
	{ "s3:HeadObject", "s3:GetObject" },
	{ "s3:ListBucketAnalyticsConfigurations", "s3:GetAnalyticsConfiguration" },
	{ "s3:ListBucketInventoryConfigurations", "s3:GetInventoryConfiguration" },
	{ "s3:ListBucketMetricsConfigurations", "s3:GetMetricsConfiguration" },
	{ "s3:ListBuckets", "s3:ListAllMyBuckets" },
	{ "s3:ListMultipartUploads", "s3:ListBucketMultipartUploads" },
	{ "s3:ListObjectVersions", "s3:ListBucketVersions" },
	{ "s3:ListObjects", "s3:ListBucket" },
	{ "s3:ListObjectsV2", "s3:ListBucket" },
	{ "s3:ListParts", "s3:ListMultipartUploadParts" },
	{ "s3:PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock" },
	{ "s3:UploadPart", "s3:PutObject" },
};

/* IAM's prefix is the name that requests are signed for, but for these. */
static const struct {
	const char *signing, *prefix;
} prefixes[] = {
	{ "monitoring", "cloudwatch" },
	{ "email", "ses" },
	{ "aws-marketplace", "aws-marketplace" },
};

static void action_of(const char *call, const struct cart_op_facts *op,
		      char *out, size_t size)
{
	const char *name = strchr(call, ':') + 1;
	const char *prefix = op->signing && *op->signing ? op->signing : NULL;
	size_t i;

	for (i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
		if (!strcmp(renamed[i].call, call)) {
			snprintf(out, size, "%s", renamed[i].action);
			return;
		}
	}
	for (i = 0; prefix && i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!strcmp(prefixes[i].signing, prefix))
			prefix = prefixes[i].prefix;
	}
	if (prefix)
		snprintf(out, size, "%s:%s", prefix, name);
	else
		snprintf(out, size, "%s", call);
}

/* ---- resources ---------------------------------------------------------- */

/*
 * What an input member says about the resource.  call may end with "*".  The
 * first row that fits and whose member is there counts; "%" in arn is its
 * value.  Rows whose arn is NULL: the value is an ARN itself.
 */
static const struct {
	const char *call, *member, *arn, *arn2;
} resource_rows[] = {
	{ "ec2:GetConsoleOutput", "InstanceId",
	  "arn:aws:ec2:*:*:instance/%", NULL },
	{ "ec2:GetConsoleScreenshot", "InstanceId",
	  "arn:aws:ec2:*:*:instance/%", NULL },
	{ "ec2:GetPasswordData", "InstanceId",
	  "arn:aws:ec2:*:*:instance/%", NULL },
	{ "ec2:StopInstances", "InstanceIds",
	  "arn:aws:ec2:*:*:instance/%", NULL },
	{ "ec2:TerminateInstances", "InstanceIds",
	  "arn:aws:ec2:*:*:instance/%", NULL },
	{ "ebs:*", "SnapshotId", "arn:aws:ec2:*::snapshot/%", NULL },
	{ "iam:*", "UserName", "arn:aws:iam::*:user/%",
	  "arn:aws:iam::*:user/*/%" },
	{ "iam:*", "RoleName", "arn:aws:iam::*:role/%",
	  "arn:aws:iam::*:role/*/%" },
	{ "iam:*", "GroupName", "arn:aws:iam::*:group/%",
	  "arn:aws:iam::*:group/*/%" },
	{ "iam:*", "InstanceProfileName", "arn:aws:iam::*:instance-profile/%",
	  "arn:aws:iam::*:instance-profile/*/%" },
	{ "iam:*", "PolicyArn", NULL, NULL },
	{ "kms:*", "KeyId", "arn:aws:kms:*:*:key/%", NULL },
	{ "lambda:*", "FunctionName", "arn:aws:lambda:*:*:function:%",
	  "arn:aws:lambda:*:*:function:%:*" },
	{ "s3:*", "Key", "arn:aws:s3:::*/%", NULL },
	{ "s3:*", "Bucket", "arn:aws:s3:::%", NULL },
	{ "ssm:GetParameter*", "Name", "arn:aws:ssm:*:*:parameter/%", NULL },
	{ "ssm:GetParameters", "Names", "arn:aws:ssm:*:*:parameter/%", NULL },
	{ "sts:AssumeRole", "RoleArn", NULL, NULL },
};

static bool call_fits(const char *pattern, const char *call)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return !strncmp(pattern, call, n - 1);
	return !strcmp(pattern, call);
}

/* A value that is known and cannot be read as a pattern. */
static const char *known_value(const struct cart_json *v)
{
	const char *s = cart_json_string(v);

	return s && *s && !cart_ref_any(v) && !strpbrk(s, "*?$") ? s : NULL;
}

static int add_arn(struct cart_json *list, const char *form, const char *value)
{
	const char *percent;
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, 2048);
	if (!form || !strncmp(value, "arn:", 4)) {
		cart_buf_adds(&b, value);
	} else {
		percent = strchr(form, '%');
		cart_buf_add(&b, form, (size_t)(percent - form));
		cart_buf_adds(&b, *value == '/' ? value + 1 : value);
		cart_buf_adds(&b, percent + 1);
	}
	if (cart_buf_ok(&b) && cart_json_append(list,
				cart_json_new_string((char *)b.data)))
		rc = 0;
	cart_buf_clear(&b);
	return rc;
}

/* ARNs of one row; false where some value is not known. */
static bool add_row(struct cart_json *list, size_t row,
		    const struct cart_json *v)
{
	const char *arn = resource_rows[row].arn, *arn2 = resource_rows[row].arn2;
	const struct cart_json *c;
	const char *value = known_value(v);

	if (cart_json_type(v) == CART_JSON_ARRAY) {
		if (!cart_json_size(v) || cart_json_size(v) > ARNS_MAX)
			return false;
		for (c = cart_json_first(v); c; c = cart_json_next(c)) {
			value = known_value(c);
			if (!value || add_arn(list, arn, value) < 0)
				return false;
		}
		return true;
	}
	/* An alias is no resource that a policy can name. */
	if (!value || !strncmp(value, "alias/", 6) ||
	    add_arn(list, arn, value) < 0)
		return false;
	return !arn2 || !strncmp(value, "arn:", 4) ||
	       add_arn(list, arn2, value) == 0;
}

/* Of an S3 object: bucket and key together. */
static bool add_object(struct cart_json *list, const struct cart_json *input)
{
	const char *bucket = known_value(cart_json_get(input, "Bucket"));
	const char *key = known_value(cart_json_get(input, "Key"));
	struct cart_buf b;
	bool good;

	if (!bucket)
		return false;
	cart_buf_init(&b, 2048);
	cart_buf_addf(&b, "arn:aws:s3:::%s/%s", bucket, key ? key : "*");
	good = cart_buf_ok(&b) && cart_json_append(list,
				cart_json_new_string((char *)b.data));
	cart_buf_clear(&b);
	return good;
}

/* Resources of a call: a list of ARNs, or ["*"]. */
static struct cart_json *resources(const char *call,
				   const struct cart_json *input)
{
	struct cart_json *list = cart_json_new_array();
	const struct cart_json *v;
	bool found = false;
	size_t i;

	for (i = 0; i < sizeof(resource_rows) / sizeof(resource_rows[0]); i++) {
		v = cart_json_get(input, resource_rows[i].member);
		if (!v || !call_fits(resource_rows[i].call, call))
			continue;
		if (!strcmp(resource_rows[i].member, "Key"))
			found = add_object(list, input);
		else
			found = add_row(list, i, v);
		break;
	}
	if (!found) {
		cart_json_free(list);
		list = cart_json_new_array();
		if (!cart_json_append(list, cart_json_new_string("*"))) {
			cart_json_free(list);
			return NULL;
		}
	}
	return list;
}

/* ---- statements --------------------------------------------------------- */

struct statement {
	struct cart_json *resources;	/* list */
	struct cart_json *actions;	/* list, unique */
	const char *create_action;	/* condition of ec2:CreateTags, or NULL */
	bool changes;
};

struct policy {
	const struct cart_manifest *m;
	const struct mstep *s;
	const struct cart_json *with;
	struct statement list[STATEMENTS_MAX];
	size_t n;
	bool bad;
};

static void add_action(struct policy *p, const char *action,
		       struct cart_json *where, bool changes,
		       const char *create_action)
{
	struct statement *st = NULL;
	const struct cart_json *a;
	size_t i;

	for (i = 0; i < p->n; i++) {
		st = &p->list[i];
		if (cart_json_equal(st->resources, where) &&
		    st->changes == changes &&
		    !st->create_action == !create_action)
			break;
	}
	if (i == p->n) {
		if (!where || p->n == STATEMENTS_MAX) {
			p->bad = true;
			cart_json_free(where);
			return;
		}
		st = &p->list[p->n++];
		st->resources = where;
		st->actions = cart_json_new_array();
		st->changes = changes;
		st->create_action = create_action;
	} else {
		cart_json_free(where);
	}
	for (a = cart_json_first(st->actions); a; a = cart_json_next(a)) {
		if (!strcmp(cart_json_string(a), action))
			return;
	}
	if (!cart_json_append(st->actions, cart_json_new_string(action)))
		p->bad = true;
}

static struct cart_json *arns(const char *first, const char *second,
			      const char *third)
{
	struct cart_json *list = cart_json_new_array();

	cart_json_append(list, cart_json_new_string(first));
	if (second)
		cart_json_append(list, cart_json_new_string(second));
	if (third)
		cart_json_append(list, cart_json_new_string(third));
	return list;
}

/* Snapshots are made of volumes, for an instance, and tagged as they are
 * made: three kinds of resources and a second action. */
static void add_snapshots(struct policy *p, const char *call)
{
	const struct cart_json *input = p->s->call ?
		cart_json_get(p->with, "input") : p->with;
	const struct cart_json *v = cart_json_get(input, "instance_id");
	char instance[128] = "arn:aws:ec2:*:*:instance/*";

	if (!v)
		v = cart_json_get(cart_json_get(input, "InstanceSpecification"),
				  "InstanceId");
	if (known_value(v))
		snprintf(instance, sizeof(instance), "arn:aws:ec2:*:*:instance/%s",
			 known_value(v));
	add_action(p, call, !strcmp(call, "ec2:CreateSnapshots") ?
		   arns(instance, "arn:aws:ec2:*:*:volume/*",
			"arn:aws:ec2:*::snapshot/*") :
		   arns("arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*::snapshot/*",
			NULL), true, NULL);
	add_action(p, "ec2:CreateTags", arns("arn:aws:ec2:*::snapshot/*", NULL,
					     NULL), true, strchr(call, ':') + 1);
}

static void on_call(void *arg, const char *call, bool changes, const char *note)
{
	struct policy *p = arg;
	struct cart_op_facts op = { 0 };
	const struct cart_json *input;
	char action[192];

	/* host sources are not calls; fallbacks are for policies that lack the
	 * first choice; anybody may ask who they are */
	if (!strchr(call, ':') || p->m->oracle->op(call, &op, NULL) < 0 ||
	    (note && !strncmp(note, "fallback", 8)) ||
	    !strcmp(call, "sts:GetCallerIdentity"))
		return;
	if (p->s->call)
		changes = !op.read_only;
	if (changes && !p->s->changes)
		return;			/* it will not be made */
	if (!strcmp(call, "ec2:CreateSnapshots") ||
	    !strcmp(call, "ec2:CreateSnapshot")) {
		add_snapshots(p, call);
		return;
	}
	action_of(call, &op, action, sizeof(action));
	input = p->s->call ? cart_json_get(p->with, "input") : NULL;
	add_action(p, action, resources(call, input), changes, NULL);
}

static enum resolve params_only(void *arg, const struct cart_ref *ref,
				const struct cart_json **ret)
{
	const struct cart_manifest *m = arg;

	*ret = ref->kind == REF_PARAM ?
		cart_json_get(m->values, ref->name) : NULL;
	return *ret ? RESOLVE_OK : RESOLVE_LEAVE;
}

static void add_step(struct policy *p, const struct mstep *s)
{
	const char *regions = cart_json_string(s->regions);
	const struct cart_json *c;
	struct cart_json *with = NULL;
	enum resolve result;
	char arn[192];

	if (s->type->where != CART_STEP_AWS)
		return;
	p->s = s;
	if (s->with)
		cart_ref_resolve(s->with, params_only, (void *)p->m, &with,
				 &result, NULL, NULL);
	p->with = with ? with : s->with;
	if (s->type->plan)
		s->type->plan(p->with, on_call, p);
	cart_json_free(with);
	if (regions && !strcmp(regions, "all"))
		add_action(p, "ec2:DescribeRegions", arns("*", NULL, NULL),
			   false, NULL);
	if (!s->accounts)
		return;
	for (c = cart_json_first(s->accounts); c; c = cart_json_next(c)) {
		if (cart_ref_any(c) || cart_ref_any(s->accounts))
			continue;
		snprintf(arn, sizeof(arn), "arn:aws:iam::%s:role/%s",
			 cart_json_string(c), s->role);
		add_action(p, "sts:AssumeRole", arns(arn, NULL, NULL), false,
			   NULL);
	}
}

/* ---- the document ------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct cart_json *sorted(const struct cart_json *list)
{
	size_t n = cart_json_size(list), i = 0;
	const char **v = calloc(n ? n : 1, sizeof(*v));
	struct cart_json *out = cart_json_new_array();
	const struct cart_json *c;

	for (c = cart_json_first(list); v && c; c = cart_json_next(c))
		v[i++] = cart_json_string(c);
	if (v && n)
		qsort(v, n, sizeof(*v), by_text);
	for (i = 0; v && i < n; i++)
		cart_json_append(out, cart_json_new_string(v[i]));
	free(v);
	if (cart_json_size(out) != n) {
		cart_json_free(out);
		out = NULL;
	}
	return out;
}

static struct cart_json *condition(const char *create_action)
{
	struct cart_json *o = cart_json_new_object();
	struct cart_json *equals = cart_json_add(o, "StringEquals",
						 cart_json_new_object());

	cart_json_add(equals, "ec2:CreateAction",
		      cart_json_new_string(create_action));
	return o;
}

static struct cart_json *print_statement(struct policy *p, size_t index)
{
	const struct statement *st = &p->list[index];
	struct cart_json *o = cart_json_new_object();
	char sid[32];

	snprintf(sid, sizeof(sid), "%s%zu", st->changes ? "Change" : "Read",
		 index + 1);
	if (!cart_json_add(o, "Sid", cart_json_new_string(sid)) ||
	    !cart_json_add(o, "Effect", cart_json_new_string("Allow")) ||
	    !cart_json_add(o, "Action", sorted(st->actions)) ||
	    !cart_json_add(o, "Resource", cart_json_copy(st->resources)))
		p->bad = true;
	if (st->create_action &&
	    !cart_json_add(o, "Condition", condition(st->create_action)))
		p->bad = true;
	return o;
}

struct cart_json *cart_manifest_policy(const struct cart_manifest *m,
				       struct cart_err *err)
{
	struct policy *p = calloc(1, sizeof(*p));
	struct cart_json *doc = cart_json_new_object(), *list;
	size_t i;

	if (!p || !doc)
		goto nomem;
	p->m = m;
	for (i = 0; i < m->n_steps; i++)
		add_step(p, &m->steps[i]);
	cart_json_add(doc, "Version", cart_json_new_string("2012-10-17"));
	list = cart_json_add(doc, "Statement", cart_json_new_array());
	for (i = 0; i < p->n; i++) {
		if (!cart_json_append(list, print_statement(p, i)))
			p->bad = true;
	}
	for (i = 0; i < p->n; i++) {
		cart_json_free(p->list[i].actions);
		cart_json_free(p->list[i].resources);
	}
	if (p->bad)
		goto nomem;
	free(p);
	return doc;
nomem:
	free(p);
	cart_json_free(doc);
	cart_err_nomem(err);
	return NULL;
}
