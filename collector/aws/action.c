/* SPDX-License-Identifier: Apache-2.0 */
/* From API operations to the IAM actions that allow them. */
#include <stdio.h>
#include <string.h>

#include <crashcart/aws.h>

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
	{ "s3:ListDirectoryBuckets", "s3express:ListAllMyDirectoryBuckets" },
	{ "s3:UploadPart", "s3:PutObject" },
	{ "s3control:GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock" },
};

/* IAM's prefix is the name that requests are signed for, but for these. */
static const struct {
	const char *signing, *prefix;
} prefixes[] = {
	{ "monitoring", "cloudwatch" },
	{ "email", "ses" },
	{ "aws-marketplace", "aws-marketplace" },
};

void cart_aws_action(const char *call, const char *signing, char *out,
		     size_t size)
{
	const char *name = strchr(call, ':') + 1;
	size_t i;

	for (i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
		if (!strcmp(renamed[i].call, call)) {
			snprintf(out, size, "%s", renamed[i].action);
			return;
		}
	}
	if (!signing || !*signing) {
		snprintf(out, size, "%s", call);
		return;
	}
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!strcmp(prefixes[i].signing, signing))
			signing = prefixes[i].prefix;
	}
	/* API Gateway's actions are HTTP's methods */
	if (!strcmp(signing, "apigateway") && !strncmp(name, "Get", 3))
		name = "GET";
	snprintf(out, size, "%s:%s", signing, name);
}
