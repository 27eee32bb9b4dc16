/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <crashcart/step.h>
#include <crashcart/text.h>

/*
 * The one table of places where replies hold secrets.  A path is made of
 * member names; "*" stands for every member or element.  `type` names a
 * sibling of the secret that must be "SecureString".  path NULL: the operation
 * is reviewed as one that may hold secrets, but what it reads is the evidence
 * itself (user data, objects, blocks of a disk), and is kept as received.
 */
static const struct mask_row {
	const char *source;
	const char *path;
	bool secure_string;
} rows[] = {
	{ "amplify:GetApp",
	  "app.autoBranchCreationConfig.basicAuthCredentials", false },
	{ "amplify:GetApp",
	  "app.autoBranchCreationConfig.environmentVariables.*", false },
	{ "amplify:GetApp", "app.basicAuthCredentials", false },
	{ "amplify:GetApp", "app.environmentVariables.*", false },
	{ "amplify:GetBranch", "branch.basicAuthCredentials", false },
	{ "amplify:GetBranch", "branch.environmentVariables.*", false },
	{ "apigateway:GetApiKey", "value", false },
	{ "apigateway:GetApiKeys", "items.*.value", false },
	{ "appsync:GetGraphqlApiEnvironmentVariables",
	  "environmentVariables.*", false },
	{ "batch:DescribeJobDefinitions",
	  "jobDefinitions.*.containerProperties.environment.*.value", false },
	{ "batch:DescribeJobs", "jobs.*.container.environment.*.value", false },
	{ "codebuild:BatchGetBuilds",
	  "builds.*.environment.environmentVariables.*.value", false },
	{ "codebuild:BatchGetProjects",
	  "projects.*.environment.environmentVariables.*.value", false },
	{ "codebuild:BatchGetProjects", "projects.*.webhook.secret", false },
	{ "cognito-idp:DescribeUserPoolClient",
	  "UserPoolClient.ClientSecret", false },
	{ "directconnect:DescribeVirtualInterfaces",
	  "virtualInterfaces.*.authKey", false },
	{ "directconnect:DescribeVirtualInterfaces",
	  "virtualInterfaces.*.bgpPeers.*.authKey", false },
	{ "ebs:GetSnapshotBlock", NULL, false },
	{ "ec2:DescribeInstanceAttribute", NULL, false },
	{ "ec2:DescribeLaunchTemplateVersions", NULL, false },
	{ "ec2:DescribeSpotFleetRequests", NULL, false },
	{ "ec2:DescribeSpotInstanceRequests", NULL, false },
	{ "ec2:DescribeVerifiedAccessTrustProviders",
	  "VerifiedAccessTrustProviders.*.OidcOptions.ClientSecret", false },
	{ "ec2:DescribeVpnConnections",
	  "VpnConnections.*.CustomerGatewayConfiguration", false },
	{ "ec2:DescribeVpnConnections",
	  "VpnConnections.*.Options.TunnelOptions.*.PreSharedKey", false },
	{ "ec2:GetLaunchTemplateData", NULL, false },
	{ "ec2:GetPasswordData", "PasswordData", false },
	{ "ecs:DescribeTaskDefinition",
	  "taskDefinition.containerDefinitions.*.environment.*.value", false },
	{ "ecs:DescribeTasks",
	  "tasks.*.overrides.containerOverrides.*.environment.*.value", false },
	{ "glue:GetConnection", "Connection.ConnectionProperties.*", false },
	{ "glue:GetConnections", "ConnectionList.*.ConnectionProperties.*", false },
	{ "iam:ListVirtualMFADevices",
	  "VirtualMFADevices.*.Base32StringSeed", false },
	{ "iam:ListVirtualMFADevices", "VirtualMFADevices.*.QRCodePNG", false },
	{ "imds:security-credentials", "SecretAccessKey", false },
	{ "imds:security-credentials", "Token", false },
	{ "lambda:GetFunction", "Code.Location", false },
	{ "lambda:GetFunction", "Configuration.Environment.Variables.*", false },
	{ "lambda:GetFunctionConfiguration", "Environment.Variables.*", false },
	{ "lambda:GetLayerVersion", "Content.Location", false },
	{ "lambda:GetLayerVersionByArn", "Content.Location", false },
	{ "lambda:ListFunctions", "Functions.*.Environment.Variables.*", false },
	{ "lambda:ListVersionsByFunction",
	  "Versions.*.Environment.Variables.*", false },
	{ "s3:GetObject", NULL, false },
	{ "secretsmanager:BatchGetSecretValue",
	  "SecretValues.*.SecretBinary", false },
	{ "secretsmanager:BatchGetSecretValue",
	  "SecretValues.*.SecretString", false },
	{ "secretsmanager:GetSecretValue", "SecretBinary", false },
	{ "secretsmanager:GetSecretValue", "SecretString", false },
	{ "ssm:GetParameter", "Parameter.Value", true },
	{ "ssm:GetParameterHistory", "Parameters.*.Value", true },
	{ "ssm:GetParameters", "Parameters.*.Value", true },
	{ "ssm:GetParametersByPath", "Parameters.*.Value", true },
	{ "sts:AssumeRole", "Credentials.SecretAccessKey", false },
	{ "sts:AssumeRole", "Credentials.SessionToken", false },
	{ "sts:GetSessionToken", "Credentials.SecretAccessKey", false },
	{ "sts:GetSessionToken", "Credentials.SessionToken", false },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

enum cart_mask cart_step_mask_of(const char *source)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (!strcmp(rows[i].source, source))
			return rows[i].path ? CART_MASK_PATHS :
				CART_MASK_NOTHING;
	}
	return CART_MASK_UNKNOWN;
}

void cart_step_commit(const unsigned char key[CART_MASK_KEY_SIZE],
		      const void *data, size_t len,
		      char ret_hex[CART_SHA256_HEX_SIZE])
{
	unsigned char mac[CART_SHA256_SIZE];

	cart_hmac_sha256(key, CART_MASK_KEY_SIZE, data, len, mac);
	cart_text_hex(mac, sizeof(mac), ret_hex);
}

struct masking {
	const struct mask_row *row;
	const unsigned char *key;
	int count;
};

/* Puts the commitment in the place of the value. */
static int replace(struct masking *m, struct cart_json *parent,
		   struct cart_json *value)
{
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_json *masked;
	const char *text = cart_json_string(value);
	struct cart_buf b;

	cart_buf_init(&b, (size_t)64 << 20);
	if (text)
		cart_buf_adds(&b, text);
	else
		cart_json_print(value, 0, &b);
	if (!cart_buf_ok(&b)) {
		cart_buf_clear(&b);
		return -1;
	}
	cart_step_commit(m->key, b.data ? (char *)b.data : "", b.len, hex);
	cart_wipe(b.data, b.len);
	cart_buf_clear(&b);
	masked = cart_json_new_object();
	if (!cart_json_add(masked, "masked",
			   cart_json_new_string("hmac-sha256")) ||
	    !cart_json_add(masked, "commitment", cart_json_new_string(hex)) ||
	    !cart_json_set(parent, cart_json_key(value), masked))
		return -1;
	m->count++;
	return 0;
}

static int walk(struct masking *m, struct cart_json *at, const char *path)
{
	struct cart_json *c, *next;
	const char *type;
	char name[64];
	size_t n = strcspn(path, ".");
	bool last = path[n] == '\0';

	if (n >= sizeof(name))
		return -1;
	memcpy(name, path, n);
	name[n] = '\0';
	if (last && m->row->secure_string) {
		type = cart_json_get_string(at, "Type");
		if (!type || strcmp(type, "SecureString"))
			return 0;
	}
	for (c = cart_json_first(at); c; c = next) {
		next = cart_json_next(c);
		if (strcmp(name, "*") &&
		    (!cart_json_key(c) || strcmp(cart_json_key(c), name)))
			continue;
		if (!last) {
			if (walk(m, c, path + n + 1) < 0)
				return -1;
		} else if (cart_json_key(c) &&
			   cart_json_type(c) != CART_JSON_NULL) {
			if (replace(m, at, c) < 0)
				return -1;
		}
	}
	return 0;
}

static bool is_value(const struct cart_json *c)
{
	return cart_json_string(c) != NULL ||
	       cart_json_type(c) == CART_JSON_NUMBER;
}

/* Does a list hold a text or number, or a list within that does?  Objects in
 * it have members, which are masked one by one. */
static bool holds_value(const struct cart_json *list)
{
	const struct cart_json *c = cart_json_first(list);

	while (c && !is_value(c) && !(cart_json_type(c) == CART_JSON_ARRAY &&
				      holds_value(c)))
		c = cart_json_next(c);
	return c != NULL;
}

/* Every text and number, a list that holds one as a whole. */
static int walk_all(struct masking *m, struct cart_json *at)
{
	struct cart_json *c, *next;
	bool whole;

	for (c = cart_json_first(at); c; c = next) {
		next = cart_json_next(c);
		whole = is_value(c) ||
			(cart_json_type(c) == CART_JSON_ARRAY && holds_value(c));
		if (whole && !cart_json_key(c))
			return -1;	/* a list of values has no name */
		if (whole) {
			if (replace(m, at, c) < 0)
				return -1;
		} else if (walk_all(m, c) < 0) {
			return -1;
		}
	}
	return 0;
}

int cart_step_mask_all(struct cart_json *doc,
		       const unsigned char key[CART_MASK_KEY_SIZE])
{
	struct masking m = { .key = key };

	return walk_all(&m, doc) < 0 ? -1 : m.count;
}

int cart_step_mask(const char *source, struct cart_json *doc,
		   const unsigned char key[CART_MASK_KEY_SIZE])
{
	struct masking m = { .key = key };
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].source, source) || !rows[i].path)
			continue;
		m.row = &rows[i];
		if (walk(&m, doc, rows[i].path) < 0)
			return -1;
	}
	return m.count;
}
