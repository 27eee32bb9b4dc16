/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The review of operations (collector/aws/readonly.txt).  Every operation of
 * the services below has been looked at; a newer botocore that brings others
 * fails here until somebody has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/aws_model.h>

static const char *const reviewed[] = {
	"ec2", "ebs", "iam", "sts", "s3", "cloudtrail", "kms",
	"organizations", "lambda", "ssm"
};

static void every_operation_has_a_class(void **state)
{
	struct cart_err err;
	struct cart_model *m = cart_model_builtin(&err);
	size_t i, k, missing = 0, ops = 0;

	(void)state;
	assert_non_null(m);
	for (i = 0; i < sizeof(reviewed) / sizeof(*reviewed); i++) {
		const struct cart_svc *svc = cart_model_svc(m, reviewed[i],
							    &err);
		const struct cart_op *op;

		assert_non_null(svc);
		for (k = 0; (op = cart_svc_op_at(svc, k)); k++) {
			ops++;
			if (cart_model_class(op) != CART_OP_UNREVIEWED)
				continue;
			missing++;
			print_error("nobody reviewed %s:%s: add a line to "
				    "collector/aws/readonly.txt\n",
				    reviewed[i], cart_op_info(op)->name);
		}
	}
	print_message("%zu operations reviewed\n", ops - missing);
	assert_int_equal(missing, 0);
}

/* Names that say "read" and are not, and some that are just what they say. */
static void liars(void **state)
{
	static const struct {
		const char *call;
		enum cart_op_class want;
	} cases[] = {
		{ "sts:GetSessionToken", CART_OP_MINT },
		{ "sts:GetFederationToken", CART_OP_MINT },
		{ "sts:GetWebIdentityToken", CART_OP_MINT },
		{ "sts:GetDelegatedAccessToken", CART_OP_MINT },
		{ "sts:AssumeRole", CART_OP_MINT },
		{ "sts:GetCallerIdentity", CART_OP_READ },
		{ "ssm:GetAccessToken", CART_OP_MINT },
		{ "ssm:GetDeployablePatchSnapshotForInstance", CART_OP_MINT },
		{ "ssm:StartSession", CART_OP_MINT },
		{ "ssm:GetParameter", CART_OP_SECRET },
		{ "ssm:GetParameters", CART_OP_SECRET },
		{ "ssm:GetParametersByPath", CART_OP_SECRET },
		{ "ssm:GetParameterHistory", CART_OP_SECRET },
		{ "ssm:GetCommandInvocation", CART_OP_SECRET },
		{ "ssm:SendCommand", CART_OP_WRITE },
		{ "kms:Decrypt", CART_OP_MINT },
		{ "kms:GetParametersForImport", CART_OP_MINT },
		{ "kms:GenerateDataKey", CART_OP_MINT },
		{ "kms:Sign", CART_OP_MINT },
		{ "kms:GetKeyPolicy", CART_OP_READ },
		{ "ec2:GetPasswordData", CART_OP_SECRET },
		{ "ec2:DescribeInstanceAttribute", CART_OP_SECRET },
		{ "ec2:DescribeVpnConnections", CART_OP_SECRET },
		{ "ec2:GetConsoleScreenshot", CART_OP_WRITE },
		{ "ec2:ExportTransitGatewayRoutes", CART_OP_WRITE },
		{ "ec2:RebootInstances", CART_OP_DESTROY },
		{ "ec2:DescribeInstances", CART_OP_READ },
		{ "ec2:SearchTransitGatewayRoutes", CART_OP_READ },
		{ "iam:GenerateCredentialReport", CART_OP_SPEND },
		{ "iam:GetHumanReadableSummary", CART_OP_SPEND },
		{ "iam:AcquireRole", CART_OP_WRITE },
		{ "iam:SimulatePrincipalPolicy", CART_OP_READ },
		{ "iam:ListVirtualMFADevices", CART_OP_SECRET },
		{ "lambda:GetFunction", CART_OP_SECRET },
		{ "lambda:ListFunctions", CART_OP_SECRET },
		{ "lambda:GetLayerVersion", CART_OP_SECRET },
		{ "lambda:Invoke", CART_OP_WRITE },
		{ "s3:GetObject", CART_OP_SECRET },
		{ "s3:CreateSession", CART_OP_MINT },
		{ "s3:SelectObjectContent", CART_OP_SPEND },
		{ "s3:PutBucketLifecycleConfiguration", CART_OP_DESTROY },
		{ "s3:HeadObject", CART_OP_READ },
		{ "cloudtrail:StartQuery", CART_OP_SPEND },
		{ "cloudtrail:GenerateQuery", CART_OP_SPEND },
		{ "cloudtrail:PutEventSelectors", CART_OP_DESTROY },
		{ "cloudtrail:LookupEvents", CART_OP_READ },
		{ "ebs:GetSnapshotBlock", CART_OP_SECRET },
		{ "ebs:StartSnapshot", CART_OP_WRITE },
	};
	struct cart_model *m = cart_model_builtin(NULL);
	struct cart_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct cart_op *op = cart_model_op(m, cases[i].call,
							 &err);

		if (!op)
			fail_msg("%s", err.text);
		if (cart_model_class(op) != cases[i].want)
			fail_msg("%s is %s, want %s", cases[i].call,
				 cart_op_class_name(cart_model_class(op)),
				 cart_op_class_name(cases[i].want));
	}
}

/* No operation with one of these verbs is read-only, whoever reviewed it. */
static void verbs_that_change(void **state)
{
	static const char *const verbs[] = {
		"Accept", "Add", "Allocate", "Associate", "Attach", "Cancel",
		"Create", "Delete", "Deregister", "Detach", "Disable",
		"Disassociate", "Enable", "Import", "Invoke", "Modify", "Put",
		"Reboot", "Register", "Reject", "Release", "Remove",
		"Replace", "Request", "Reset", "Restore", "Revoke", "Run",
		"Send", "Set", "Start", "Stop", "Tag", "Terminate", "Untag",
		"Update", "Upload"
	};
	struct cart_model *m = cart_model_builtin(NULL);
	size_t i, k, v;

	(void)state;
	for (i = 0; i < sizeof(reviewed) / sizeof(*reviewed); i++) {
		const struct cart_svc *svc = cart_model_svc(m, reviewed[i],
							    NULL);
		const struct cart_op *op;

		for (k = 0; (op = cart_svc_op_at(svc, k)); k++) {
			const char *name = cart_op_info(op)->name;

			for (v = 0; v < sizeof(verbs) / sizeof(*verbs); v++) {
				if (!strncmp(name, verbs[v],
					     strlen(verbs[v])) &&
				    cart_op_is_read_only(op))
					fail_msg("%s:%s", reviewed[i], name);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_has_a_class),
		cmocka_unit_test(liars),
		cmocka_unit_test(verbs_that_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
