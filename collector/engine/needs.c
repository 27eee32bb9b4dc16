/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_model.h>

#include "private.h"

/*
 * What IAM must allow for a run: the actions behind every call that the plan
 * names, on the resources that its input names where IAM has such, on all
 * otherwise.  policy.c writes it as a policy, check.c asks whether it is so.
 */

#define ARNS_MAX	64		/* of one call; more become "*" */

struct walk {
	const struct cart_manifest *m;
	const struct mstep *s;
	const struct cart_json *with;
	const char *partition;		/* "aws", "aws-cn" ... */
	cart_need_fn fn;
	void *arg;
	bool bad;
};

/* ---- resources ---------------------------------------------------------- */

/*
 * What an input member says about the resource.  call may end with "*".  The
 * first row that fits and whose member is there counts; "%" in arn is its
 * value.  Rows whose arn is NULL: the value is an ARN itself.
 */
static const struct {
	const char *call, *member, *arn, *arn2;
} resource_rows[] = {
	{ "cloudtrail:Get*", "Name", "arn:aws:cloudtrail:*:*:trail/%", NULL },
	{ "cloudtrail:Get*", "TrailName", "arn:aws:cloudtrail:*:*:trail/%",
	  NULL },
	{ "dynamodb:*", "TableName", "arn:aws:dynamodb:*:*:table/%",
	  "arn:aws:dynamodb:*:*:table/%/*" },
	{ "ecr:*", "repositoryName", "arn:aws:ecr:*:*:repository/%", NULL },
	{ "eks:DescribeCluster", "name", "arn:aws:eks:*:*:cluster/%", NULL },
	{ "eks:List*", "clusterName", "arn:aws:eks:*:*:cluster/%", NULL },
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
	{ "guardduty:*", "DetectorId", "arn:aws:guardduty:*:*:detector/%",
	  "arn:aws:guardduty:*:*:detector/%/*" },
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
	{ "logs:*", "logGroupName", "arn:aws:logs:*:*:log-group:%",
	  "arn:aws:logs:*:*:log-group:%:*" },
	{ "s3:*", "Key", "arn:aws:s3:::*/%", NULL },
	{ "s3:*", "Bucket", "arn:aws:s3:::%", NULL },
	{ "secretsmanager:*", "SecretId",
	  "arn:aws:secretsmanager:*:*:secret:%-??????", NULL },
	{ "sns:*", "TopicArn", NULL, NULL },
	{ "ssm:GetParametersByPath", "Path", "arn:aws:ssm:*:*:parameter/%",
	  "arn:aws:ssm:*:*:parameter/%/*" },
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

/* Forms are written for the partition aws. */
static void add_form(const struct walk *w, struct cart_buf *b, const char *form,
		     size_t len)
{
	cart_buf_addf(b, "arn:%s:", w->partition);
	cart_buf_add(b, form + 8, len - 8);
}

static int add_arn(const struct walk *w, struct cart_json *list,
		   const char *form, const char *value)
{
	const char *percent;
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, 2048);
	if (!form || !strncmp(value, "arn:", 4)) {
		cart_buf_adds(&b, value);
	} else {
		percent = strchr(form, '%');
		add_form(w, &b, form, (size_t)(percent - form));
		cart_buf_adds(&b, *value == '/' && percent[-1] == '/' ?
			      value + 1 : value);
		cart_buf_adds(&b, percent + 1);
	}
	if (cart_buf_ok(&b) && cart_json_append(list,
				cart_json_new_string((char *)b.data)))
		rc = 0;
	cart_buf_clear(&b);
	return rc;
}

/* ARNs of one row; false where some value is not known. */
static bool add_row(const struct walk *w, struct cart_json *list, size_t row,
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
			if (!value || add_arn(w, list, arn, value) < 0)
				return false;
		}
		return true;
	}
	/* An alias is no resource that a policy can name. */
	if (!value || !strncmp(value, "alias/", 6) ||
	    add_arn(w, list, arn, value) < 0)
		return false;
	return !arn2 || !strncmp(value, "arn:", 4) ||
	       add_arn(w, list, arn2, value) == 0;
}

/* Of an S3 object: bucket and key together. */
static bool add_object(const struct walk *w, struct cart_json *list,
		       const struct cart_json *input)
{
	const char *bucket = known_value(cart_json_get(input, "Bucket"));
	const char *key = known_value(cart_json_get(input, "Key"));
	struct cart_buf b;
	bool good;

	if (!bucket)
		return false;
	cart_buf_init(&b, 2048);
	cart_buf_addf(&b, "arn:%s:s3:::%s/%s", w->partition, bucket,
		      key ? key : "*");
	good = cart_buf_ok(&b) && cart_json_append(list,
				cart_json_new_string((char *)b.data));
	cart_buf_clear(&b);
	return good;
}

/* Resources of a call: a list of ARNs, or ["*"]. */
static struct cart_json *resources(const struct walk *w, const char *call,
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
			found = add_object(w, list, input);
		else
			found = add_row(w, list, i, v);
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

/* ---- needs -------------------------------------------------------------- */

static struct cart_json *arns(const struct walk *w, const char *const *forms)
{
	struct cart_json *list = cart_json_new_array();
	struct cart_buf b;

	for (; *forms; forms++) {
		cart_buf_init(&b, 2048);
		if (!strncmp(*forms, "arn:aws:", 8))
			add_form(w, &b, *forms, strlen(*forms));
		else
			cart_buf_adds(&b, *forms);
		if (cart_buf_ok(&b))
			cart_json_append(list, cart_json_new_string(
					 (const char *)b.data));
		cart_buf_clear(&b);
	}
	return list;
}

/* Takes n->resources. */
static void emit(struct walk *w, struct cart_need *n)
{
	n->step = w->s;
	if (n->resources)
		w->fn(w->arg, n);
	else
		w->bad = true;
	cart_json_free(n->resources);
}

/* A list of fixed regions narrows down what is asked in them: not for services
 * that are global, nor for buckets, which lie where they lie. */
static const struct cart_json *fixed_regions(const struct walk *w,
					     const char *call,
					     const struct cart_op_facts *op)
{
	const struct cart_json *r = w->s->regions;

	if (cart_json_type(r) != CART_JSON_ARRAY || cart_ref_any(r) ||
	    op->global || !strncmp(call, "s3:", 3))
		return NULL;
	return r;
}

/* What a dry run can be asked with: an input of which all is known. */
static struct cart_json *known_input(const struct walk *w)
{
	const struct cart_json *input = cart_json_get(w->with, "input");

	if (!w->s->call || cart_ref_any(input))
		return NULL;
	return input ? cart_json_copy(input) : cart_json_new_object();
}

/* The tags of a dry run: that some are there is what counts. */
static void add_tag(struct cart_json *input)
{
	struct cart_json *spec, *tag;

	spec = cart_json_append(cart_json_add(input, "TagSpecifications",
					      cart_json_new_array()),
				cart_json_new_object());
	cart_json_add(spec, "ResourceType", cart_json_new_string("snapshot"));
	tag = cart_json_append(cart_json_add(spec, "Tags",
					     cart_json_new_array()),
			       cart_json_new_object());
	cart_json_add(tag, "Key", cart_json_new_string("crashcart:case"));
	cart_json_add(tag, "Value", cart_json_new_string("plan"));
}

/* Snapshots are made of volumes, for an instance, and tagged as they are
 * made: three kinds of resources and a second action. */
static void emit_snapshots(struct walk *w, const char *call,
			   const struct cart_json *regions)
{
	bool several = !strcmp(call, "ec2:CreateSnapshots");
	const struct cart_json *input = w->s->call ?
		cart_json_get(w->with, "input") : w->with;
	const struct cart_json *v = cart_json_get(input, "instance_id");
	char instance[128] = "arn:aws:ec2:*:*:instance/*";
	const char *const tagged[] = { "arn:aws:ec2:*::snapshot/*", NULL };
	const char *const made[] = { instance, "arn:aws:ec2:*:*:volume/*",
				     tagged[0], NULL };
	struct cart_need n = { .call = call, .action = call, .changes = true,
			       .regions = regions };
	struct cart_json *spec, *known = NULL;

	if (!v)
		v = cart_json_get(cart_json_get(input, "InstanceSpecification"),
				  "InstanceId");
	if (known_value(v)) {
		snprintf(instance, sizeof(instance), "arn:aws:ec2:*:*:instance/%s",
			 known_value(v));
		if (several && !w->s->call) {
			known = cart_json_new_object();
			spec = cart_json_add(known, "InstanceSpecification",
					     cart_json_new_object());
			cart_json_add(spec, "InstanceId", cart_json_copy(v));
			add_tag(known);
		}
	}
	if (w->s->call)
		known = known_input(w);
	n.input = known;
	n.resources = arns(w, several ? made : made + 1);
	emit(w, &n);
	cart_json_free(known);
	n.input = NULL;
	n.action = "ec2:CreateTags";
	n.create_action = strchr(call, ':') + 1;
	n.resources = arns(w, tagged);
	emit(w, &n);
}

/* A copy is tagged as it is made, and EC2 uses the key in the caller's name. */
static void emit_copy(struct walk *w, const char *call,
		      const struct cart_json *regions)
{
	static const char *const actions[] = {
		"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey",
		"kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom",
		"kms:ReEncryptTo", NULL
	};
	const struct cart_json *input = w->s->call ?
		cart_json_get(w->with, "input") : w->with;
	const char *key = known_value(cart_json_get(input, w->s->call ?
						"KmsKeyId" : "kms_key_id"));
	const char *const made[] = { "arn:aws:ec2:*::snapshot/*", NULL };
	const char *keys[2] = { "arn:aws:kms:*:*:key/*", NULL };
	struct cart_need n = { .call = call, .action = call, .changes = true,
			       .regions = regions };
	size_t i;

	n.resources = arns(w, made);
	emit(w, &n);
	n.action = "ec2:CreateTags";
	n.create_action = strchr(call, ':') + 1;
	n.resources = arns(w, made);
	emit(w, &n);
	n.create_action = NULL;
	if (key && !strncmp(key, "arn:", 4))
		keys[0] = key;
	for (i = 0; actions[i]; i++) {
		/* a step asks for that by itself */
		if (!w->s->call && !strcmp(actions[i], "kms:DescribeKey"))
			continue;
		n.action = actions[i];
		n.resources = arns(w, keys);
		emit(w, &n);
	}
}

/* Types that read a bucket call it so, and take the keys below a prefix; those
 * that use a key name it. */
static struct cart_json *typed_resources(const struct walk *w, const char *call)
{
	const char *bucket = known_value(cart_json_get(w->with, "bucket"));
	const struct cart_json *below = cart_json_get(w->with, "prefix");
	const char *prefix = below ? known_value(below) : "";
	const char *key = known_value(cart_json_get(w->with, "kms_key_id"));
	char arn[2048] = "*";
	const char *const one[] = { arn, NULL };

	if (bucket && !strcmp(call, "s3:ListObjectsV2"))
		snprintf(arn, sizeof(arn), "arn:aws:s3:::%.100s", bucket);
	else if (bucket && !strcmp(call, "s3:GetObject"))
		snprintf(arn, sizeof(arn), "arn:aws:s3:::%.100s/%.1500s*",
			 bucket, prefix ? prefix : "");
	else if (key && !strncmp(key, "arn:", 4) && !strncmp(call, "kms:", 4))
		snprintf(arn, sizeof(arn), "%.300s", key);
	return arns(w, one);
}

static void on_call(void *arg, const char *call, bool changes, const char *note)
{
	struct walk *w = arg;
	struct cart_op_facts op = { 0 };
	struct cart_need n = { .call = call };
	struct cart_json *known;
	char action[192];

	/* host sources are not calls; fallbacks are for policies that lack the
	 * first choice; anybody may ask who they are */
	if (!strchr(call, ':') || w->m->oracle->op(call, &op, NULL) < 0 ||
	    (note && !strncmp(note, "fallback", 8)) ||
	    !strcmp(call, "sts:GetCallerIdentity"))
		return;
	if (w->s->call)
		changes = !op.read_only;
	if (changes && !w->s->changes)
		return;			/* it will not be made */
	n.regions = fixed_regions(w, call, &op);
	if (!strcmp(call, "ec2:CreateSnapshots") ||
	    !strcmp(call, "ec2:CreateSnapshot")) {
		emit_snapshots(w, call, n.regions);
		return;
	}
	if (!strcmp(call, "ec2:CopySnapshot")) {
		emit_copy(w, call, n.regions);
		return;
	}
	cart_aws_action(call, op.signing, action, sizeof(action));
	n.action = action;
	n.changes = changes;
	n.global = op.global;
	n.resources = w->s->call ? resources(w, call, cart_json_get(w->with,
								    "input")) :
		typed_resources(w, call);
	n.input = known = known_input(w);
	emit(w, &n);
	cart_json_free(known);
}

enum resolve cart_ref_params(void *arg, const struct cart_ref *ref,
			     const struct cart_json **ret)
{
	const struct cart_manifest *m = arg;

	*ret = ref->kind == REF_PARAM ?
		cart_json_get(m->values, ref->name) : NULL;
	return *ret ? RESOLVE_OK : RESOLVE_LEAVE;
}

static void walk_accounts(struct walk *w, const struct mstep *s)
{
	struct cart_json *list = cart_manifest_accounts(w->m, s);
	const struct cart_json *c;
	char arn[192];
	struct cart_need n = { .call = "sts:AssumeRole",
			       .action = "sts:AssumeRole", .global = true };
	struct cart_need tag;

	n.resources = cart_json_new_array();
	for (c = cart_json_first(list); c; c = cart_json_next(c)) {
		snprintf(arn, sizeof(arn), "arn:%s:iam::%s:role/%s",
			 w->partition, cart_json_string(c), s->role);
		cart_json_append(n.resources, cart_json_new_string(arn));
	}
	tag = n;
	tag.action = "sts:TagSession";	/* the case goes into the session */
	tag.resources = cart_json_copy(n.resources);
	if (cart_json_size(list)) {
		emit(w, &n);
		emit(w, &tag);
	} else {
		cart_json_free(n.resources);
		cart_json_free(tag.resources);
	}
	cart_json_free(list);
}

static void walk_step(struct walk *w, const struct mstep *s)
{
	static const char *const any[] = { "*", NULL };
	const char *regions = cart_json_string(s->regions);
	struct cart_json *with = NULL;
	enum resolve result;

	if (s->type->where != CART_STEP_AWS)
		return;
	w->s = s;
	if (s->with)
		cart_ref_resolve(s->with, cart_ref_params, (void *)w->m, &with,
				 &result, NULL, NULL);
	w->with = with ? with : s->with;
	if (s->type->plan)
		s->type->plan(w->with, on_call, w);
	cart_json_free(with);
	if (regions && !strcmp(regions, "all")) {
		struct cart_need n = { .call = "ec2:DescribeRegions",
				       .action = "ec2:DescribeRegions",
				       .global = true };

		n.resources = arns(w, any);
		emit(w, &n);
	}
	if (s->accounts)
		walk_accounts(w, s);
}

struct cart_json *cart_manifest_accounts(const struct cart_manifest *m,
					 const struct mstep *s)
{
	struct cart_json *list = cart_json_new_array(), *known = NULL;
	const struct cart_json *c;
	enum resolve result;

	if (s->accounts)
		cart_ref_resolve(s->accounts, cart_ref_params, (void *)m,
				 &known, &result, NULL, NULL);
	if (cart_json_string(known) && !cart_ref_any(known))
		cart_json_append(list, cart_json_copy(known));
	for (c = cart_json_first(known); c; c = cart_json_next(c)) {
		if (cart_json_string(c) && !cart_ref_any(c))
			cart_json_append(list, cart_json_copy(c));
	}
	cart_json_free(known);
	return list;
}

/* Of the region, else of the first that the manifest names. */
static const char *partition_of(const struct cart_manifest *m,
				const char *region,
				struct cart_partition *ret)
{
	struct cart_model *model = cart_model_builtin(NULL);
	size_t i;

	for (i = 0; !region && i < m->n_steps; i++)
		region = cart_json_string(cart_json_first(m->steps[i].regions));
	if (model && region && cart_model_partition(model, region, ret) == 0)
		return ret->id;
	return "aws";
}

int cart_manifest_needs(const struct cart_manifest *m, const char *region,
			cart_need_fn fn, void *arg)
{
	struct cart_partition partition;
	struct walk w = { .m = m, .fn = fn, .arg = arg };
	size_t i;

	w.partition = partition_of(m, region, &partition);
	for (i = 0; i < m->n_steps; i++)
		walk_step(&w, &m->steps[i]);
	return w.bad ? -1 : 0;
}
