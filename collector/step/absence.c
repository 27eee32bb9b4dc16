/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What services answer when a thing simply is not there: not configured, not
 * switched on, not used by the account.  Such an answer is a fact about the
 * account, and as good as a list with nothing in it; no evidence is missing
 * because of it.  Reviewed by hand, one row each: an error that could also
 * mean "you may not see it" or "you asked wrongly" has no row here.
 */
#include <stdio.h>
#include <string.h>

#include "crashcart/aws_model.h"
#include "step_support.h"

static const struct {
	const char *service;		/* NULL: every one */
	const char *operation;		/* NULL: every one; a final * is a prefix */
	const char *code;
	const char *part;		/* of the message, in any case; NULL: any */
	const char *fact;
} rows[] = {
	{ "s3", "GetBucketPolicy*", "NoSuchBucketPolicy", NULL,
	  "the bucket has no policy" },
	{ "s3", "GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration",
	  NULL, "the bucket has no public access block" },
	{ "s3control", "GetPublicAccessBlock",
	  "NoSuchPublicAccessBlockConfiguration", NULL,
	  "the account has no public access block" },
	{ "s3", "GetBucketOwnershipControls", "OwnershipControlsNotFoundError",
	  NULL, "the bucket has no ownership controls: ACLs count" },
	{ "s3", "GetBucketEncryption",
	  "ServerSideEncryptionConfigurationNotFoundError", NULL,
	  "the bucket has no encryption configuration" },
	{ "s3", "GetBucketLifecycle*", "NoSuchLifecycleConfiguration", NULL,
	  "the bucket has no lifecycle rules" },
	{ "s3", "GetBucketReplication", "ReplicationConfigurationNotFoundError",
	  NULL, "the bucket is not replicated" },
	{ "s3", "GetBucketTagging", "NoSuchTagSet", NULL,
	  "the bucket has no tags" },
	{ "s3", "GetBucketCors", "NoSuchCORSConfiguration", NULL,
	  "the bucket has no CORS rules" },
	{ "s3", "GetBucketWebsite", "NoSuchWebsiteConfiguration", NULL,
	  "the bucket is no web site" },
	{ "s3", "GetObjectLockConfiguration",
	  "ObjectLockConfigurationNotFoundError", NULL,
	  "the bucket has no object lock" },
	{ "s3", "GetBucketMetadata*", "MetadataConfigurationNotFound", NULL,
	  "the bucket has no metadata table" },
	{ "iam", "GetAccountPasswordPolicy", "NoSuchEntity", NULL,
	  "the account has no password policy" },
	{ "iam", "GetLoginProfile", "NoSuchEntity", "Login Profile",
	  "the user has no console password" },
	{ "macie2", NULL, "AccessDeniedException", "Macie is not enabled",
	  "Macie is not enabled here" },
	{ "macie2", NULL, "AccessDeniedException",
	  "account is not a Macie", "Macie is not enabled here" },
	{ "securityhub", NULL, "InvalidAccessException", "not subscribed",
	  "Security Hub is not enabled here" },
	{ "securityhub", "DescribeHub", "ResourceNotFoundException", NULL,
	  "Security Hub is not enabled here" },
	{ "organizations", NULL, "AWSOrganizationsNotInUseException", NULL,
	  "the account is in no organisation" },
	{ "cloudtrail", "GetInsightSelectors", "InsightNotEnabledException",
	  NULL, "the trail looks for no insights" },
	{ "ec2", "DescribeSpotDatafeedSubscription",
	  "InvalidSpotDatafeed.NotFound", NULL, "there is no spot data feed" },
	{ "ecr", "GetRegistryPolicy", "RegistryPolicyNotFoundException", NULL,
	  "the registry has no policy" },
	{ "ecr", "GetRepositoryPolicy", "RepositoryPolicyNotFoundException",
	  NULL, "the repository has no policy" },
	{ "ecr", "GetLifecyclePolicy", "LifecyclePolicyNotFoundException",
	  NULL, "the repository has no lifecycle policy" },
	{ "lambda", "GetPolicy", "ResourceNotFoundException",
	  "No policy is associated", "the function has no policy" },
	{ "efs", "DescribeFileSystemPolicy", "PolicyNotFound", NULL,
	  "the file system has no policy" },
	{ "dynamodb", "GetResourcePolicy", "PolicyNotFoundException", NULL,
	  "the table has no policy" },
	{ "backup", "GetBackupVaultAccessPolicy", "ResourceNotFoundException",
	  "policy", "the vault has no policy" },
	{ "kms", "GetKeyRotationStatus", "UnsupportedOperationException", NULL,
	  "keys of this kind do not rotate" },
	{ "support", NULL, "SubscriptionRequiredException", NULL,
	  "the account has no support plan" },
	{ NULL, NULL, "OptInRequired", NULL,
	  "the account does not use the service" },
	{ NULL, NULL, "SubscriptionRequiredException", NULL,
	  "the account does not use the service" },
};

static bool fits(const char *pattern, const char *text)
{
	size_t n = pattern != NULL ? strlen(pattern) : 0;

	if (pattern == NULL)
		return true;
	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(pattern, text, n - 1) == 0;
	return strcmp(pattern, text) == 0;
}

/* The service has no host in this region, and the model knows of none. */
static bool is_not_here(const struct cart_aws_call *call,
			const struct cart_step_reply *reply,
			const struct cart_err *err)
{
	struct cart_model *m = cart_model_builtin(NULL);
	const struct cart_svc *svc = m != NULL ?
		cart_model_svc(m, call->service, NULL) : NULL;

	return svc != NULL && reply->aws.status == 0 &&
		err->class == CART_ERR_NET &&
		strstr(err->text, "resolve") != NULL &&
		!cart_svc_info(svc)->global &&
		cart_svc_in_region(svc, reply->aws.region) == 0;
}

static bool is_listed(const struct cart_json *more, const char *code)
{
	const struct cart_json *e = cart_json_type(more) == CART_JSON_ARRAY ?
		cart_json_first(more) : more;

	for (; e != NULL; e = e == more ? NULL : cart_json_next(e)) {
		if (cart_json_string(e) != NULL &&
		    strcmp(cart_json_string(e), code) == 0)
			return true;
	}
	return false;
}

const char *cart_step_absence(const struct cart_aws_call *call,
			      const struct cart_step_reply *reply,
			      const struct cart_err *err,
			      const struct cart_json *more)
{
	const char *code = reply->aws.error_code;
	size_t i;

	if (is_not_here(call, reply, err))
		return "the service is not in this region";
	if (code[0] == '\0')
		return NULL;
	if (is_listed(more, code))
		return "the manifest calls this answer a fact";
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].code, code) == 0 &&
		    fits(rows[i].service, call->service) &&
		    fits(rows[i].operation, call->operation) &&
		    (rows[i].part == NULL ||
		     strcasestr(reply->aws.error_message, rows[i].part) != NULL))
			return rows[i].fact;
	}
	return NULL;
}

void cart_step_note_absence(struct cart_step_ctx *c,
			    const struct cart_aws_call *call,
			    const struct cart_step_reply *reply,
			    const char *fact)
{
	char text[400];

	snprintf(text, sizeof(text), "%s, %.60s:%.80s: %s%s%.80s%s",
		 reply->call_id[0] != '\0' ? reply->call_id : c->instance,
		 call->service, call->operation, fact,
		 reply->aws.error_code[0] != '\0' ? " (" : "",
		 reply->aws.error_code,
		 reply->aws.error_code[0] != '\0' ? ")" : "");
	c->ops->note(c, text);
}
