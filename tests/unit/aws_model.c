/* SPDX-License-Identifier: Apache-2.0 */
/* The service model: look-up, endpoints, threads, damaged blobs. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/aws_model.h>
#include <crashcart/embed.h>

static struct cart_model *model(void)
{
	struct cart_err err = { 0 };
	struct cart_model *m = cart_model_builtin(&err);

	if (!m)
		fail_msg("%s", err.text);
	return m;
}

static void every_service_loads(void **state)
{
	struct cart_model *m = model();
	const struct cart_svc *svc;
	const struct cart_op *op;
	struct cart_err err;
	size_t i, k, ops = 0, mute = 0;
	const char *name;

	(void)state;
	for (i = 0; (name = cart_model_svc_name(m, i)); i++) {
		svc = cart_model_svc(m, name, &err);
		if (!svc)
			fail_msg("%s", err.text);
		assert_string_equal(cart_svc_info(svc)->name, name);
		mute += cart_svc_info(svc)->protocol == CART_PROTO_NONE;
		for (k = 0; (op = cart_svc_op_at(svc, k)); k++) {
			assert_ptr_equal(cart_svc_op(svc,
					 cart_op_info(op)->name, &err), op);
			assert_ptr_equal(cart_op_svc(op), svc);
			ops++;
		}
		assert_int_equal(k, cart_svc_info(svc)->op_count);
	}
	assert_int_equal(i, cart_model_svc_count(m));
	assert_true(i > 400);
	assert_true(ops > 15000);
	/* nearly all speak something that we speak */
	assert_true(mute < 10);
	print_message("botocore %s: %zu services, %zu operations\n",
		      cart_model_version(m), i, ops);
}

static void names(void **state)
{
	static const struct {
		const char *call;
		const char *want;	/* in the message, NULL: it is there */
	} cases[] = {
		{ "ec2:DescribeInstances", NULL },
		{ "s3api:GetBucketAcl", NULL },
		{ "configservice:ListTagsForResource", NULL },
		{ "ec2:DescribeInstnces", "\"ec2:DescribeInstances\"" },
		{ "ec2:describe-instances", "\"ec2:DescribeInstances\"" },
		{ "cloudtrial:LookupEvents", "\"cloudtrail\"" },
		{ "iam:Nonsense", "no operation \"Nonsense\"" },
		{ "nosuchservice:X", "no AWS service \"nosuchservice\"" },
		{ "iam", "SERVICE:OPERATION" },
		{ ":GetUser", "SERVICE:OPERATION" },
		{ "iam:", "SERVICE:OPERATION" },
		{ "", "SERVICE:OPERATION" },
	};
	struct cart_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct cart_op *op = cart_model_op(model(),
							 cases[i].call, &err);

		if (!cases[i].want) {
			assert_non_null(op);
			continue;
		}
		assert_null(op);
		assert_int_equal(err.class, CART_ERR_INPUT);
		if (!strstr(err.text, cases[i].want))
			fail_msg("%s: %s", cases[i].call, err.text);
	}
}

static const struct cart_op *get(const char *call)
{
	struct cart_err err;
	const struct cart_op *op = cart_model_op(model(), call, &err);

	if (!op)
		fail_msg("%s", err.text);
	return op;
}

static void facts(void **state)
{
	const struct cart_op_info *o;
	const struct cart_svc_info *s;

	(void)state;
	o = cart_op_info(get("ec2:DescribeInstances"));
	assert_string_equal(o->method, "POST");
	assert_true(o->paginated);
	assert_false(o->stream_out);
	assert_int_equal(o->class, CART_OP_READ);
	s = cart_svc_info(cart_op_svc(get("ec2:DescribeInstances")));
	assert_int_equal(s->protocol, CART_PROTO_EC2);
	assert_string_equal(s->api_version, "2016-11-15");
	o = cart_op_info(get("s3:GetObject"));
	assert_true(o->stream_out);
	assert_string_equal(o->uri, "/{Bucket}/{Key+}");
	assert_true(cart_op_info(get("s3:PutObject"))->stream_in);
	assert_true(cart_op_info(get("s3:DeleteObjects"))->checksum_required);
	assert_true(cart_op_info(get("sts:AssumeRoleWithWebIdentity"))->no_auth);
	assert_true(cart_op_info(get("ebs:PutSnapshotBlock"))->unsigned_payload);
	assert_string_equal(cart_op_info(get("s3control:GetPublicAccessBlock"))
			    ->host_prefix, "{AccountId}.");
	assert_true(cart_svc_info(cart_op_svc(get("iam:GetUser")))->global);
	assert_false(cart_svc_info(cart_op_svc(get("sts:GetCallerIdentity")))
		     ->global);
	assert_true(cart_op_needs_no_input(get("ec2:DescribeInstances")));
	assert_false(cart_op_needs_no_input(get("s3:GetBucketAcl")));
	/* CBOR comes first in its model, JSON is what we speak */
	assert_int_equal(cart_svc_info(cart_op_svc(get("cloudwatch:ListMetrics")))
			 ->protocol, CART_PROTO_JSON);
}

static void classes(void **state)
{
	(void)state;
	assert_true(cart_op_is_read_only(get("iam:GetUser")));
	assert_true(cart_op_is_read_only(get("ssm:GetParameter")));
	assert_int_equal(cart_model_class(get("ssm:GetParameter")),
			 CART_OP_SECRET);
	assert_false(cart_op_is_read_only(get("sts:GetSessionToken")));
	assert_false(cart_op_is_read_only(get("ec2:TerminateInstances")));
	/* hides messages from others */
	assert_false(cart_op_is_read_only(get("sqs:ReceiveMessage")));
	/* by its verb's rule, and by a line of its own */
	assert_int_equal(cart_model_class(get("rds:DeleteDBCluster")),
			 CART_OP_DESTROY);
	assert_int_equal(cart_model_class(get("guardduty:GetFindings")),
			 CART_OP_READ);
	assert_string_equal(cart_op_class_name(CART_OP_MINT), "mint");
	assert_string_equal(cart_op_class_name((enum cart_op_class)99),
			    "unreviewed");
}

static void endpoints(void **state)
{
	static const struct {
		const char *call;
		const char *region;
		unsigned flags;
		const char *host;	/* NULL: there is none */
		const char *signing;
	} cases[] = {
		{ "ec2:DescribeInstances", "eu-west-1", 0,
		  "ec2.eu-west-1.amazonaws.com", "eu-west-1" },
		{ "ec2:DescribeInstances", "cn-north-1", 0,
		  "ec2.cn-north-1.amazonaws.com.cn", "cn-north-1" },
		{ "ec2:DescribeInstances", "us-east-1", CART_ENDPOINT_FIPS,
		  "ec2-fips.us-east-1.amazonaws.com", "us-east-1" },
		{ "ec2:DescribeInstances", "eu-west-1",
		  CART_ENDPOINT_DUALSTACK, "ec2.eu-west-1.api.aws",
		  "eu-west-1" },
		{ "iam:GetUser", "ap-southeast-2", 0, "iam.amazonaws.com",
		  "us-east-1" },
		{ "iam:GetUser", "global", 0, "iam.amazonaws.com",
		  "us-east-1" },
		{ "iam:GetUser", NULL, 0, "iam.amazonaws.com", "us-east-1" },
		{ "iam:GetUser", "us-gov-east-1", 0,
		  "iam.us-gov.amazonaws.com", "us-gov-west-1" },
		{ "sts:GetCallerIdentity", "us-east-1", 0,
		  "sts.us-east-1.amazonaws.com", "us-east-1" },
		{ "s3:ListBuckets", "us-east-1", 0,
		  "s3.us-east-1.amazonaws.com", "us-east-1" },
		{ "organizations:ListAccounts", "eu-central-1", 0,
		  "organizations.us-east-1.amazonaws.com", "us-east-1" },
		/* a region that is younger than the model */
		{ "kms:ListKeys", "us-east-99", 0,
		  "kms.us-east-99.amazonaws.com", "us-east-99" },
		{ "kms:ListKeys", "us-gov-north-7", 0,
		  "kms.us-gov-north-7.amazonaws.com", "us-gov-north-7" },
		{ "kms:ListKeys", "global", 0, NULL, NULL },
		{ "kms:ListKeys", "nowhere", 0, NULL, NULL },
		{ "kms:ListKeys", "us-east-1.evil.example/", 0, NULL, NULL },
		{ "kms:ListKeys", "", 0, NULL, NULL },
	};
	struct cart_endpoint e;
	struct cart_err err;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		rc = cart_op_endpoint(get(cases[i].call), cases[i].region,
				      cases[i].flags, &e, &err);
		if (!cases[i].host) {
			assert_int_equal(rc, -1);
			continue;
		}
		if (rc)
			fail_msg("%s: %s", cases[i].call, err.text);
		assert_string_equal(e.host, cases[i].host);
		assert_string_equal(e.signing_region, cases[i].signing);
	}
}

static void regions(void **state)
{
	struct cart_model *m = model();
	struct cart_partition p;
	const char *last = "", *r;
	size_t i;

	(void)state;
	for (i = 0; (r = cart_model_region_at(m, "aws", i)); i++) {
		assert_true(strcmp(last, r) < 0);
		assert_int_equal(cart_model_partition(m, r, &p), 0);
		assert_string_equal(p.id, "aws");
		last = r;
	}
	assert_true(i > 30);
	assert_null(cart_model_region_at(m, "no-such-partition", 0));
	assert_int_equal(cart_model_partition(m, "cn-northwest-1", &p), 0);
	assert_string_equal(p.dns_suffix, "amazonaws.com.cn");
	assert_int_equal(cart_model_partition(m, "us-iso-east-1", &p), 0);
	assert_string_equal(p.id, "aws-iso");
	assert_int_equal(cart_model_partition(m, "us-isob-east-7", &p), 0);
	assert_string_equal(p.id, "aws-iso-b");
	assert_int_equal(cart_model_partition(m, "eusc-de-east-1", &p), 0);
	assert_int_equal(cart_model_partition(m, "us_east_1", &p), -1);
	assert_int_equal(cart_svc_in_region(cart_op_svc(
		get("ec2:DescribeInstances")), "eu-west-1"), 1);
	assert_int_equal(cart_svc_in_region(cart_op_svc(
		get("ec2:DescribeInstances")), "us-east-99"), -1);
}

static void *look_up(void *arg)
{
	struct cart_model *m = arg;
	const char *name;
	size_t i;

	for (i = 0; (name = cart_model_svc_name(m, i)) && i < 60; i++) {
		const struct cart_svc *svc = cart_model_svc(m, name, NULL);

		if (!svc || !cart_svc_op_at(svc, 0))
			return arg;
	}
	return NULL;
}

static void threads(void **state)
{
	struct cart_model *m;
	pthread_t t[6];
	void *ret;
	size_t i;

	(void)state;
	m = cart_model_open(cart_embed_aws_model, cart_embed_aws_model_len,
			    NULL);
	assert_non_null(m);
	for (i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, look_up, m), 0);
	for (i = 0; i < 6; i++) {
		pthread_join(t[i], &ret);
		assert_null(ret);
	}
	cart_model_close(m);
}

/* Opens it and everything in it; whatever it is, that must end well. */
static void try_blob(const void *blob, size_t len)
{
	struct cart_model *m = cart_model_open(blob, len, NULL);
	size_t i;

	for (i = 0; m && i < cart_model_svc_count(m) && i < 40; i++)
		cart_model_svc(m, cart_model_svc_name(m, i), NULL);
	cart_model_close(m);
}

static void damaged_blobs(void **state)
{
	size_t len = cart_embed_aws_model_len, i;
	unsigned seed = 1;
	unsigned char *copy;

	(void)state;
	for (i = 0; i < 64; i++)
		try_blob(cart_embed_aws_model, i);
	for (i = 1; i < 32; i++)
		assert_null(cart_model_open(cart_embed_aws_model,
					    len - i, NULL));
	copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy, cart_embed_aws_model, len);
	copy[len] = 0;
	assert_null(cart_model_open(copy, len + 1, NULL));
	for (i = 0; i < 64; i++) {
		size_t at = i < 28 ? i : (size_t)rand_r(&seed) % len;
		unsigned char was = copy[at];

		copy[at] ^= (unsigned char)(1 << i % 8);
		try_blob(copy, len);
		copy[at] = was;
	}
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_service_loads),
		cmocka_unit_test(names),
		cmocka_unit_test(facts),
		cmocka_unit_test(classes),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(regions),
		cmocka_unit_test(threads),
		cmocka_unit_test(damaged_blobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
