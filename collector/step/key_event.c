/* SPDX-License-Identifier: Apache-2.0 */
#include "key_event.h"

#include <stdio.h>
#include <string.h>

#include "crashcart/clock.h"

#define EFFECTS_MAX 1000		/* of one event */

static const char *text_of(const struct cart_json *j, const char *key)
{
	const char *s = cart_json_get_string(j, key);

	return s != NULL ? s : "";
}

int cart_key_event_parse(struct key_event *e, const char *text, size_t len,
		    struct cart_err *err)
{
	static const struct cart_json_limits limits = { .inexact = true };
	const struct cart_json *who, *issuer;

	memset(e, 0, sizeof(*e));
	e->doc = cart_json_parse(text, len, &limits, err);
	if (e->doc == NULL)
		return -1;
	who = cart_json_get(e->doc, "userIdentity");
	issuer = cart_json_get(cart_json_get(who, "sessionContext"),
			       "sessionIssuer");
	e->id = text_of(e->doc, "eventID");
	e->time = text_of(e->doc, "eventTime");
	e->source = text_of(e->doc, "eventSource");
	e->name = text_of(e->doc, "eventName");
	e->region = text_of(e->doc, "awsRegion");
	e->address = text_of(e->doc, "sourceIPAddress");
	e->agent = text_of(e->doc, "userAgent");
	e->error = text_of(e->doc, "errorCode");
	e->recipient = text_of(e->doc, "recipientAccountId");
	e->key = text_of(who, "accessKeyId");
	e->type = text_of(who, "type");
	e->arn = text_of(who, "arn");
	e->account = text_of(who, "accountId");
	e->user = text_of(who, "userName");
	e->role = text_of(issuer, "userName");
	e->role_arn = text_of(issuer, "arn");
	if (cart_clock_parse(e->time, strlen(e->time), &e->time_ns) < 0)
		e->time_ns = INT64_MIN;
	return 0;
}

void cart_key_event_clear(struct key_event *e)
{
	cart_json_free(e->doc);
	memset(e, 0, sizeof(*e));
}

/* ---- values by path ------------------------------------------------------ */

/* Calls fn for each text or number at a path such as
 * "instancesSet.items[].instanceId". */
static int each(const struct cart_json *j, const char *path,
		int (*fn)(void *arg, const char *value), void *arg)
{
	size_t n = strcspn(path, ".[");
	const struct cart_json *c;
	char key[64], number[32];
	int64_t v;
	int rc = 0;

	if (j == NULL)
		return 0;
	if (path[0] == '\0') {
		if (cart_json_string(j) != NULL)
			return fn(arg, cart_json_string(j));
		if (cart_json_i64(j, &v) < 0)
			return 0;
		snprintf(number, sizeof(number), "%lld", (long long)v);
		return fn(arg, number);
	}
	if (path[0] == '[') {
		path += 2 + (path[2] == '.');
		if (cart_json_type(j) != CART_JSON_ARRAY)
			return 0;
		for (c = cart_json_first(j); c != NULL && rc == 0;
		     c = cart_json_next(c))
			rc = each(c, path, fn, arg);
		return rc;
	}
	snprintf(key, sizeof(key), "%.*s", (int)n, path);
	return each(cart_json_get(j, key), path + n + (path[n] == '.'), fn, arg);
}

/* Paths begin with "q." (requestParameters) or "r." (responseElements). */
static int each_of(const struct key_event *e, const char *path,
		   int (*fn)(void *arg, const char *value), void *arg)
{
	return each(cart_json_get(e->doc, path[0] == 'q' ? "requestParameters" :
				  "responseElements"), path + 2, fn, arg);
}

/* Cut texts say so. */
static void put_text(char out[KEY_TEXT_SIZE], const char *s)
{
	int n = snprintf(out, KEY_TEXT_SIZE, "%s", s);
	size_t at = KEY_TEXT_SIZE - 4;

	if (n < KEY_TEXT_SIZE)
		return;
	while (at > 0 && ((unsigned char)out[at] & 0xc0) == 0x80)
		at--;			/* not within a character */
	memcpy(out + at, "...", 4);
}

static int join(void *arg, const char *value)
{
	char *out = arg, both[2 * KEY_TEXT_SIZE];

	snprintf(both, sizeof(both), "%s%s%.*s", out, out[0] ? ", " : "",
		 KEY_TEXT_SIZE, value);
	put_text(out, both);
	return 0;
}

/* The values of several paths, separated by blanks. */
static void join_paths(const struct key_event *e, const char *paths,
		       char out[KEY_TEXT_SIZE])
{
	char path[128];
	size_t n;

	out[0] = '\0';
	for (; *paths != '\0'; paths += n + (paths[n] == ' ')) {
		n = strcspn(paths, " ");
		snprintf(path, sizeof(path), "%.*s", (int)n, paths);
		each_of(e, path, join, out);
	}
}

/* ---- what which event makes ---------------------------------------------- */

enum {
	NEED_DETAIL = 1,		/* no effect without a detail */
	GROUP_RULES = 2,		/* detail: what a security group opens */
	SESSION = 4			/* detail: the role; id is its key */
};

struct rule {
	const char *source;		/* before ".amazonaws.com" */
	const char *name;		/* "*" at the end: any that begin so */
	const char *what;
	const char *ids;		/* paths; each value is one effect */
	const char *details;		/* paths, or "" */
	enum key_follow follow;
	unsigned flags;
};

#define NO KEY_FOLLOW_NONE

static const struct rule rules[] = {
	{ "sts", "AssumeRole*", "opened a session of role",
	  "r.credentials.accessKeyId", "q.roleArn", KEY_FOLLOW_SESSION, SESSION },
	{ "sts", "GetSessionToken", "opened a session",
	  "r.credentials.accessKeyId", "", KEY_FOLLOW_SESSION, SESSION },
	{ "sts", "GetFederationToken", "opened a federated session",
	  "r.credentials.accessKeyId", "q.name", KEY_FOLLOW_SESSION, SESSION },

	{ "iam", "CreateUser", "created IAM user", "q.userName", "",
	  KEY_FOLLOW_USER, 0 },
	{ "iam", "CreateAccessKey", "created access key",
	  "r.accessKey.accessKeyId", "r.accessKey.userName", KEY_FOLLOW_KEY, 0 },
	{ "iam", "UpdateAccessKey", "changed access key", "q.accessKeyId",
	  "q.userName q.status", NO, 0 },
	{ "iam", "DeleteAccessKey", "deleted access key", "q.accessKeyId",
	  "q.userName", NO, 0 },
	{ "iam", "CreateLoginProfile", "gave a console password to user",
	  "q.userName", "", KEY_FOLLOW_CONSOLE, 0 },
	{ "iam", "UpdateLoginProfile", "changed the console password of user",
	  "q.userName", "", KEY_FOLLOW_CONSOLE, 0 },
	{ "iam", "DeleteUser", "deleted IAM user", "q.userName", "", NO, 0 },
	{ "iam", "CreateGroup", "created IAM group", "q.groupName", "", NO, 0 },
	{ "iam", "AddUserToGroup", "added to a group: user", "q.userName",
	  "q.groupName", NO, 0 },
	{ "iam", "CreateRole", "created IAM role", "q.roleName", "",
	  KEY_FOLLOW_ROLE, 0 },
	{ "iam", "UpdateAssumeRolePolicy", "changed who may assume role",
	  "q.roleName", "", KEY_FOLLOW_ROLE, 0 },
	{ "iam", "CreatePolicy", "created policy", "r.policy.arn", "", NO, 0 },
	{ "iam", "CreatePolicyVersion", "changed policy", "q.policyArn",
	  "r.policyVersion.versionId", NO, 0 },
	{ "iam", "SetDefaultPolicyVersion", "changed policy", "q.policyArn",
	  "q.versionId", NO, 0 },
	{ "iam", "AttachUserPolicy", "attached a policy to user", "q.userName",
	  "q.policyArn", NO, 0 },
	{ "iam", "AttachRolePolicy", "attached a policy to role", "q.roleName",
	  "q.policyArn", NO, 0 },
	{ "iam", "AttachGroupPolicy", "attached a policy to group",
	  "q.groupName", "q.policyArn", NO, 0 },
	{ "iam", "PutUserPolicy", "wrote an inline policy of user",
	  "q.userName", "q.policyName", NO, 0 },
	{ "iam", "PutRolePolicy", "wrote an inline policy of role",
	  "q.roleName", "q.policyName", NO, 0 },
	{ "iam", "PutGroupPolicy", "wrote an inline policy of group",
	  "q.groupName", "q.policyName", NO, 0 },
	{ "iam", "DeleteUserPermissionsBoundary", "removed the boundary of user",
	  "q.userName", "", NO, 0 },
	{ "iam", "DeleteRolePermissionsBoundary", "removed the boundary of role",
	  "q.roleName", "", NO, 0 },
	{ "iam", "CreateInstanceProfile", "created instance profile",
	  "q.instanceProfileName", "", NO, 0 },
	{ "iam", "AddRoleToInstanceProfile", "put a role into instance profile",
	  "q.instanceProfileName", "q.roleName", NO, 0 },
	{ "iam", "UploadSSHPublicKey", "added an SSH key to user", "q.userName",
	  "r.sSHPublicKey.sSHPublicKeyId", NO, 0 },
	{ "iam", "CreateServiceSpecificCredential",
	  "added a service credential to user", "q.userName", "q.serviceName",
	  NO, 0 },
	{ "iam", "UploadSigningCertificate", "added a certificate to user",
	  "q.userName", "", NO, 0 },
	{ "iam", "CreateVirtualMFADevice", "created MFA device",
	  "r.virtualMFADevice.serialNumber", "", NO, 0 },
	{ "iam", "DeactivateMFADevice", "removed the MFA device of user",
	  "q.userName", "q.serialNumber", NO, 0 },
	{ "iam", "CreateSAMLProvider", "created SAML provider",
	  "r.sAMLProviderArn", "", NO, 0 },
	{ "iam", "CreateOpenIDConnectProvider", "created OpenID provider",
	  "r.openIDConnectProviderArn", "", NO, 0 },

	{ "ec2", "RunInstances", "started instance",
	  "r.instancesSet.items[].instanceId", "q.instanceType",
	  KEY_FOLLOW_INSTANCE, 0 },
	{ "ec2", "AuthorizeSecurityGroupIngress", "opened security group",
	  "q.groupId", "", NO, GROUP_RULES },
	{ "ec2", "AuthorizeSecurityGroupEgress",
	  "opened outward security group", "q.groupId", "", NO, GROUP_RULES },
	{ "ec2", "CreateSecurityGroup", "created security group", "r.groupId",
	  "q.groupName", NO, 0 },
	{ "ec2", "CreateKeyPair", "created key pair", "q.keyName", "", NO, 0 },
	{ "ec2", "ImportKeyPair", "created key pair", "q.keyName", "", NO, 0 },
	{ "ec2", "CreateSnapshot", "created snapshot", "r.snapshotId",
	  "q.volumeId", NO, 0 },
	{ "ec2", "CreateSnapshots", "created snapshot",
	  "r.CreateSnapshotsResponse.snapshotSet.item[].snapshotId", "", NO, 0 },
	{ "ec2", "CopySnapshot", "created snapshot", "r.snapshotId",
	  "q.sourceSnapshotId", NO, 0 },
	{ "ec2", "ModifySnapshotAttribute", "shared snapshot", "q.snapshotId",
	  "q.createVolumePermission.add.items[].userId "
	  "q.createVolumePermission.add.items[].group", NO, NEED_DETAIL },
	{ "ec2", "CreateImage", "created image", "r.imageId", "q.instanceId",
	  NO, 0 },
	{ "ec2", "CopyImage", "created image", "r.imageId", "q.sourceImageId",
	  NO, 0 },
	{ "ec2", "ModifyImageAttribute", "shared image", "q.imageId",
	  "q.launchPermission.add.items[].userId "
	  "q.launchPermission.add.items[].group", NO, NEED_DETAIL },
	{ "ec2", "CreateLaunchTemplateVersion", "changed launch template",
	  "q.CreateLaunchTemplateVersionRequest.LaunchTemplateId", "", NO, 0 },
	{ "ec2", "DeleteFlowLogs", "deleted flow log",
	  "q.DeleteFlowLogsRequest.FlowLogId.content", "", NO, 0 },
	{ "ec2", "AssociateIamInstanceProfile", "gave a profile to instance",
	  "q.AssociateIamInstanceProfileRequest.InstanceId",
	  "q.AssociateIamInstanceProfileRequest.IamInstanceProfile.Name",
	  KEY_FOLLOW_INSTANCE, 0 },

	{ "lambda", "CreateFunction20*", "created function", "q.functionName",
	  "q.role", KEY_FOLLOW_FUNCTION, 0 },
	{ "lambda", "UpdateFunctionCode20*", "replaced the code of function",
	  "q.functionName", "", KEY_FOLLOW_FUNCTION, 0 },
	{ "lambda", "AddPermission20*", "let others call function",
	  "q.functionName", "q.principal", NO, 0 },
	{ "lambda", "CreateFunctionUrlConfig*", "gave a URL to function",
	  "q.functionName", "q.authType", NO, 0 },

	{ "cloudtrail", "StopLogging", "stopped trail", "q.name", "", NO, 0 },
	{ "cloudtrail", "DeleteTrail", "deleted trail", "q.name", "", NO, 0 },
	{ "cloudtrail", "UpdateTrail", "changed trail", "q.name", "", NO, 0 },
	{ "cloudtrail", "PutEventSelectors", "changed what trail records",
	  "q.trailName", "", NO, 0 },
	{ "guardduty", "DeleteDetector", "deleted GuardDuty detector",
	  "q.detectorId", "", NO, 0 },
	{ "guardduty", "UpdateDetector", "changed GuardDuty detector",
	  "q.detectorId", "q.enable", NO, 0 },
	{ "guardduty", "CreateFilter", "hid GuardDuty findings of detector",
	  "q.detectorId", "q.name", NO, 0 },
	{ "guardduty", "CreateIPSet", "trusted addresses of detector",
	  "q.detectorId", "q.location", NO, 0 },
	{ "config", "StopConfigurationRecorder", "stopped recorder",
	  "q.configurationRecorderName", "", NO, 0 },
	{ "config", "DeleteConfigurationRecorder", "deleted recorder",
	  "q.configurationRecorderName", "", NO, 0 },
	{ "config", "DeleteDeliveryChannel", "deleted delivery channel",
	  "q.deliveryChannelName", "", NO, 0 },

	{ "s3", "PutBucketPolicy", "changed the policy of bucket",
	  "q.bucketName", "", NO, 0 },
	{ "s3", "PutBucketAcl", "changed the ACL of bucket", "q.bucketName", "",
	  NO, 0 },
	{ "s3", "DeleteBucketPublicAccessBlock", "opened to the public bucket",
	  "q.bucketName", "", NO, 0 },
	{ "s3", "DeleteBucket", "deleted bucket", "q.bucketName", "", NO, 0 },
	{ "ssm", "GetParameter", "read parameter", "q.name", "q.withDecryption",
	  NO, 0 },
	{ "ssm", "SendCommand", "ran a command on", "q.instanceIds[]",
	  "q.documentName", NO, 0 },
	{ "secretsmanager", "GetSecretValue", "read secret", "q.secretId", "",
	  NO, 0 },
	{ "kms", "ScheduleKeyDeletion", "scheduled for deletion KMS key",
	  "q.keyId", "", NO, 0 },
	{ "kms", "DisableKey", "disabled KMS key", "q.keyId", "", NO, 0 },
	{ "kms", "PutKeyPolicy", "changed the policy of KMS key", "q.keyId", "",
	  NO, 0 },
	{ "rds", "ModifyDBSnapshotAttribute", "shared database snapshot",
	  "q.dBSnapshotIdentifier", "q.valuesToAdd[]", NO, NEED_DETAIL },
	{ "organizations", "LeaveOrganization", "left the organisation",
	  "", "", NO, 0 },
};

static const struct rule *find_rule(const struct key_event *e)
{
	size_t source = strcspn(e->source, "."), i, n;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = &rules[i];

		if (strlen(r->source) != source ||
		    memcmp(r->source, e->source, source) != 0)
			continue;
		n = strlen(r->name);
		if (r->name[n - 1] == '*' ? strncmp(r->name, e->name, n - 1) == 0 :
		    strcmp(r->name, e->name) == 0)
			return r;
	}
	return NULL;
}

/* "tcp 22-22 from 0.0.0.0/0, ..." for each rule that was added. */
static void group_rules(const struct key_event *e, char out[KEY_TEXT_SIZE])
{
	static const char *const sources[] = {
		"ipRanges.items[].cidrIp", "ipv6Ranges.items[].cidrIpv6",
		"groups.items[].groupId", "prefixListIds.items[].prefixListId"
	};
	const struct cart_json *p, *q;
	char from[KEY_TEXT_SIZE], port[2][KEY_TEXT_SIZE], one[900];
	size_t i;

	q = cart_json_get(e->doc, "requestParameters");
	out[0] = '\0';
	p = cart_json_first(cart_json_get(cart_json_get(q, "ipPermissions"),
					  "items"));
	for (; p != NULL; p = cart_json_next(p)) {
		from[0] = port[0][0] = port[1][0] = '\0';
		each(p, "fromPort", join, port[0]);
		each(p, "toPort", join, port[1]);
		for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
			each(p, sources[i], join, from);
		snprintf(one, sizeof(one), "%.100s %.20s-%.20s from %s",
			 text_of(p, "ipProtocol"), port[0], port[1], from);
		join(out, one);
	}
	if (out[0] == '\0')		/* the older form of the call */
		each(q, "cidrIp", join, out);
}

/* arn:aws:iam::ACCOUNT:role/PATH/NAME */
static void split_role(const char *arn, struct key_effect *f)
{
	const char *account = strstr(arn, ":iam::");
	const char *kind = strstr(arn, ":role/"), *slash;

	/* a name that was cut is no name */
	if (strlen(arn) >= KEY_TEXT_SIZE - 4)
		return;
	if (account == NULL || kind == NULL || kind < account + 6 ||
	    (size_t)(kind - account - 6) >= sizeof(f->account))
		return;
	snprintf(f->account, sizeof(f->account), "%.*s",
		 (int)(kind - account - 6), account + 6);
	slash = strrchr(arn, '/');
	snprintf(f->role, sizeof(f->role), "%s", slash + 1);
}

struct effects {
	const struct rule *rule;
	struct key_effect effect;
	int (*fn)(void *arg, const struct key_effect *effect);
	void *arg;
	unsigned n;
};

static int one_effect(void *arg, const char *value)
{
	struct effects *s = arg;

	if (s->n++ >= EFFECTS_MAX)
		return 0;
	put_text(s->effect.id, value);
	return s->fn(s->arg, &s->effect);
}

int cart_key_event_effects(const struct key_event *e,
		      int (*fn)(void *arg, const struct key_effect *effect),
		      void *arg)
{
	struct effects s = { .rule = find_rule(e), .fn = fn, .arg = arg };
	const struct rule *r = s.rule;

	if (r == NULL || e->error[0] != '\0')
		return 0;
	s.effect.what = r->what;
	s.effect.follow = r->follow;
	if (r->flags & GROUP_RULES)
		group_rules(e, s.effect.detail);
	else
		join_paths(e, r->details, s.effect.detail);
	if ((r->flags & NEED_DETAIL) && s.effect.detail[0] == '\0')
		return 0;
	if (r->flags & SESSION)
		split_role(s.effect.detail, &s.effect);
	if (r->ids[0] == '\0')
		return one_effect(&s, "-");
	return each_of(e, r->ids, one_effect, &s);
}
