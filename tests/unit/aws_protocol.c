/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests, replies, errors and pages, one known answer a kind; random ones
 * are compared with botocore's by tests/interop/test_aws_protocol.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <crashcart/aws_protocol.h>

static const struct cart_op *get(const char *call)
{
	struct cart_err err = { 0 };
	struct cart_model *m = cart_model_builtin(&err);
	const struct cart_op *op = m ? cart_model_op(m, call, &err) : NULL;

	if (!op)
		fail_msg("%s", err.text);
	return op;
}

static struct cart_json *json(const char *text)
{
	static const struct cart_json_limits limits = { .inexact = true };
	struct cart_err err;
	struct cart_json *j = cart_json_parse(text, strlen(text), &limits,
					      &err);

	if (!j)
		fail_msg("%s: %s", text, err.text);
	return j;
}

/* "METHOD prefix target [name: value]... body" */
static void show(const struct cart_request *r, struct cart_buf *b)
{
	size_t i;

	cart_buf_addf(b, "%s %s ", r->method,
		      *r->host_prefix ? r->host_prefix : "-");
	cart_request_target(r, b);
	for (i = 0; i < r->headers.n; i++)
		cart_buf_addf(b, " [%s: %s]", r->headers.v[i].name,
			      r->headers.v[i].value);
	cart_buf_addc(b, ' ');
	cart_buf_add(b, r->body, r->body_len);
}

#define FORM "[Content-Type: application/x-www-form-urlencoded; " \
	"charset=utf-8]"

static void requests(void **state)
{
	static const struct {
		const char *call;
		const char *input;
		const char *want;
	} cases[] = {
		{ "ec2:DescribeInstances",
		  "{\"Filters\":[{\"Name\":\"tag:a b\",\"Values\":[\"x\","
		  "\"y/z\"]}],\"MaxResults\":5,\"DryRun\":false}",
		  "POST - / " FORM " Action=DescribeInstances&Version="
		  "2016-11-15&Filter.1.Name=tag%3Aa%20b&Filter.1.Value.1=x&"
		  "Filter.1.Value.2=y%2Fz&MaxResults=5&DryRun=false" },
		{ "iam:CreatePolicy",
		  "{\"PolicyName\":\"p\",\"PolicyDocument\":\"{}\",\"Tags\":"
		  "[{\"Key\":\"k\",\"Value\":\"\"}]}",
		  "POST - / " FORM " Action=CreatePolicy&Version=2010-05-08&"
		  "PolicyName=p&PolicyDocument=%7B%7D&Tags.member.1.Key=k&"
		  "Tags.member.1.Value=" },
		{ "cloudtrail:LookupEvents",
		  "{\"StartTime\":\"2026-01-02T03:04:05Z\",\"EndTime\":"
		  "1767323045.25,\"MaxResults\":50}",
		  "POST - / [X-Amz-Target: com.amazonaws.cloudtrail.v20131101."
		  "CloudTrail_20131101.LookupEvents] "
		  "[Content-Type: application/x-amz-json-1.1] "
		  "{\"StartTime\":1767323045,\"EndTime\":1767323045.25,"
		  "\"MaxResults\":50}" },
		{ "lambda:ListFunctions", "{\"MaxItems\":3,\"Marker\":\"a&b\"}",
		  "GET - /2015-03-31/functions?MaxItems=3&Marker=a%26b " },
		{ "lambda:GetFunction",
		  "{\"FunctionName\":\"arn:aws:lambda:x:1:function:f/g\"}",
		  "GET - /2015-03-31/functions/arn%3Aaws%3Alambda%3Ax%3A1%3A"
		  "function%3Af%2Fg " },
		{ "ebs:GetSnapshotBlock",
		  "{\"SnapshotId\":\"snap-1\",\"BlockIndex\":7,"
		  "\"BlockToken\":\"AAU+/x=\"}",
		  "GET - /snapshots/snap-1/blocks/7?blockToken=AAU%2B%2Fx%3D "
		},
		{ "s3:GetObject",
		  "{\"Bucket\":\"bucket-1\",\"Key\":\"a b/./c+d\","
		  "\"Range\":\"bytes=0-1\",\"IfModifiedSince\":0}",
		  "GET bucket-1. /a%20b/./c%2Bd [Range: bytes=0-1] "
		  "[If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT] " },
		{ "s3:GetBucketAcl", "{\"Bucket\":\"my.bucket\"}",
		  "GET - /my.bucket?acl= " },
		{ "s3:GetBucketLocation", "{\"Bucket\":\"bucket-1\"}",
		  "GET - /bucket-1?location= " },
		{ "s3:ListObjectsV2", "{\"Bucket\":\"b-1\",\"MaxKeys\":2}",
		  "GET b-1. /?list-type=2&max-keys=2&encoding-type=url " },
		{ "s3:PutObjectLockConfiguration",
		  "{\"Bucket\":\"b-1\",\"ObjectLockConfiguration\":{"
		  "\"ObjectLockEnabled\":\"Enabled\"}}",
		  "PUT b-1. /?object-lock= [x-amz-checksum-crc32: 1w6W0w==] "
		  "[x-amz-sdk-checksum-algorithm: CRC32] "
		  "<ObjectLockConfiguration xmlns=\"http://s3.amazonaws.com/"
		  "doc/2006-03-01/\"><ObjectLockEnabled>Enabled"
		  "</ObjectLockEnabled></ObjectLockConfiguration>" },
		{ "s3control:GetPublicAccessBlock",
		  "{\"AccountId\":\"123456789012\"}",
		  "GET 123456789012. /v20180820/configuration/"
		  "publicAccessBlock [x-amz-account-id: 123456789012] " },
		{ "sts:GetCallerIdentity", NULL,
		  "POST - / " FORM " Action=GetCallerIdentity&Version="
		  "2011-06-15" },
		{ "ec2:CreateVolume",
		  "{\"AvailabilityZone\":\"a\"}",
		  "POST - / " FORM " Action=CreateVolume&Version=2016-11-15&"
		  "AvailabilityZone=a&ClientToken=TOKEN" },
		{ "route53:GetHostedZone", "{\"Id\":\"/hostedzone/Z1\"}",
		  "GET - /2013-04-01/hostedzone/Z1 " },
	};
	struct cart_encode_opts opts = { .token = "TOKEN" };
	struct cart_request r;
	struct cart_json *in;
	struct cart_err err;
	struct cart_buf b;
	size_t i;

	(void)state;
	cart_buf_init(&b, 4096);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		in = cases[i].input ? json(cases[i].input) : NULL;
		if (cart_encode(get(cases[i].call), in, &opts, &r, &err))
			fail_msg("%s: %s", cases[i].call, err.text);
		cart_buf_reset(&b);
		show(&r, &b);
		assert_string_equal((char *)b.data, cases[i].want);
		cart_request_clear(&r);
		cart_json_free(in);
	}
	cart_buf_clear(&b);
}

static void path_style(void **state)
{
	struct cart_encode_opts opts = { .path_style = true };
	struct cart_json *in = json("{\"Bucket\":\"b-1\",\"Key\":\"k\"}");
	struct cart_request r;
	struct cart_err err;

	(void)state;
	assert_int_equal(cart_encode(get("s3:HeadObject"), in, &opts, &r,
				     &err), 0);
	assert_string_equal(r.path, "/b-1/k");
	assert_string_equal(r.host_prefix, "");
	cart_request_clear(&r);
	cart_json_free(in);
}

static void random_tokens(void **state)
{
	struct cart_json *in = json("{\"AvailabilityZone\":\"a\"}");
	struct cart_request a, b;

	(void)state;
	assert_int_equal(cart_encode(get("ec2:CreateVolume"), in, NULL, &a,
				     NULL), 0);
	assert_int_equal(cart_encode(get("ec2:CreateVolume"), in, NULL, &b,
				     NULL), 0);
	assert_int_equal(a.body_len, b.body_len);
	assert_memory_not_equal(a.body, b.body, a.body_len);
	cart_request_clear(&a);
	cart_request_clear(&b);
	cart_json_free(in);
}

static void refused(void **state)
{
	static const struct {
		const char *call;
		const char *input;
		const char *want;
	} cases[] = {
		{ "ec2:DescribeInstances", "{\"Filter\":[]}",
		  "input.Filter: ec2:DescribeInstances knows no such member; "
		  "did you mean \"Filters\"?" },
		{ "ec2:DescribeInstances", "{\"filters\":[]}", "\"Filters\"" },
		{ "ec2:DescribeInstances", "{\"Filters\":[{\"Name\":\"a\"},"
		  "{\"Nam\":\"b\"}]}", "input.Filters[1].Nam: " },
		{ "ec2:DescribeInstances", "{\"MaxResults\":\"5\"}",
		  "wants an integer here, this is a string" },
		{ "ec2:DescribeInstances", "{\"MaxResults\":5.5}",
		  "wants an integer here" },
		{ "ec2:DescribeInstances", "{\"DryRun\":\"true\"}",
		  "wants true or false here, this is a string" },
		{ "ec2:DescribeInstances", "{\"InstanceIds\":\"i-1\"}",
		  "wants a list here, this is a string" },
		{ "ec2:DescribeInstances", "{\"InstanceIds\":[null]}",
		  "input.InstanceIds[0]: ec2:DescribeInstances takes no null"
		},
		{ "ec2:DescribeInstances", "[]",
		  "input: ec2:DescribeInstances wants an object here, this "
		  "is a list" },
		{ "lambda:GetFunction", "{}", "also needs FunctionName" },
		{ "lambda:GetFunction", "{\"FunctionName\":\"\"}",
		  "must be there and not empty" },
		{ "cloudtrail:LookupEvents", "{\"StartTime\":\"yesterday\"}",
		  "wants a time here" },
		{ "cloudtrail:LookupEvents", "{\"StartTime\":1e300}",
		  "wants a time here" },
		{ "kms:Decrypt", "{\"CiphertextBlob\":\"not base64\"}",
		  "wants base64" },
		{ "s3:GetBucketAcl", "{\"Bucket\":\"../x\"}",
		  "is not the name of a bucket" },
		{ "s3:GetBucketAcl", "{\"Bucket\":\"..\"}",
		  "is not the name of a bucket" },
		{ "s3:HeadObject", "{\"Bucket\":\"b-1\",\"Key\":\"k\","
		  "\"ExpectedBucketOwner\":\"a\\r\\nX: y\"}",
		  "takes no control characters" },
		{ "s3:CreateMultipartUpload", "{\"Bucket\":\"b-1\",\"Key\":"
		  "\"k\",\"Metadata\":{\"a: b\\n\":\"c\"}}",
		  "takes no control characters" },
		{ "s3control:GetPublicAccessBlock",
		  "{\"AccountId\":\"evil.example/\"}", "the host's name" },
		{ "sts:GetCallerIdentity", "{\"X\":1}", "it takes none" },
		{ NULL, NULL, NULL },
	};
	struct cart_request r;
	struct cart_json *in;
	struct cart_err err;
	size_t i;

	(void)state;
	for (i = 0; cases[i].input; i++) {
		in = json(cases[i].input);
		if (!cart_encode(get(cases[i].call), in, NULL, &r, &err))
			fail_msg("%s took %s", cases[i].call, cases[i].input);
		assert_int_equal(err.class, CART_ERR_INPUT);
		if (!strstr(err.text, cases[i].want))
			fail_msg("%s: %s", cases[i].input, err.text);
		assert_null(r.path);
		cart_json_free(in);
	}
}

static void replies(void **state)
{
	static const struct {
		const char *call;
		const char *header;	/* "name: value" or NULL */
		const char *body;
		const char *want;
	} cases[] = {
		{ "ec2:DescribeVolumes", NULL,
		  "<?xml version=\"1.0\"?>\n<DescribeVolumesResponse xmlns="
		  "\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r"
		  "</requestId><volumeSet><item><volumeId>vol-1</volumeId>"
		  "<size>8</size><encrypted>true</encrypted><createTime>"
		  "2015-01-01T00:00:00.123Z</createTime><attachmentSet/>"
		  "<new><x/></new></item></volumeSet></DescribeVolumesResponse>",
		  "{\"Volumes\":[{\"VolumeId\":\"vol-1\",\"Size\":8,"
		  "\"CreateTime\":\"2015-01-01T00:00:00.123000+00:00\","
		  "\"Attachments\":[],\"Encrypted\":true}]}" },
		{ "iam:GetRolePolicy", NULL,
		  "<GetRolePolicyResponse xmlns=\"https://iam.amazonaws.com/"
		  "doc/2010-05-08/\"><GetRolePolicyResult><RoleName>r"
		  "</RoleName><PolicyName>p</PolicyName><PolicyDocument>%7B"
		  "%22a%22%3A%20%5B1%2C%20%22x%2By%22%5D%7D</PolicyDocument>"
		  "</GetRolePolicyResult><ResponseMetadata><RequestId>x"
		  "</RequestId></ResponseMetadata></GetRolePolicyResponse>",
		  "{\"RoleName\":\"r\",\"PolicyName\":\"p\",\"PolicyDocument\""
		  ":{\"a\":[1,\"x+y\"]}}" },
		{ "iam:GetAccountSummary", NULL,
		  "<R><GetAccountSummaryResult><SummaryMap><entry><key>Users"
		  "</key><value>31</value></entry><entry><key>Groups</key>"
		  "<value>7</value></entry></SummaryMap>"
		  "</GetAccountSummaryResult></R>",
		  "{\"SummaryMap\":{\"Users\":31,\"Groups\":7}}" },
		{ "cloudtrail:LookupEvents", NULL,
		  "{\"Events\":[{\"EventId\":\"e\",\"EventTime\":1420070400,"
		  "\"Unknown\":1,\"Username\":null}],\"NextToken\":\"t\"}",
		  "{\"Events\":[{\"EventId\":\"e\",\"EventTime\":"
		  "\"2015-01-01T00:00:00+00:00\"}],\"NextToken\":\"t\"}" },
		{ "lambda:GetAccountSettings", NULL,
		  "{\"AccountLimit\":{\"ConcurrentExecutions\":10}}",
		  "{\"AccountLimit\":{\"ConcurrentExecutions\":10}}" },
		{ "ebs:ListSnapshotBlocks", NULL,
		  "{\"Blocks\":[{\"BlockIndex\":0,\"BlockToken\":\"AAU+/=\"}]"
		  ",\"ExpiryTime\":1.5E9,\"VolumeSize\":1}",
		  "{\"Blocks\":[{\"BlockIndex\":0,\"BlockToken\":\"AAU+/=\"}],"
		  "\"ExpiryTime\":\"2017-07-14T02:40:00+00:00\","
		  "\"VolumeSize\":1}" },
		{ "ebs:GetSnapshotBlock", "x-amz-Data-Length: 524288",
		  "\001\002", "{\"DataLength\":524288}" },
		{ "s3:ListObjectsV2", NULL,
		  "<ListBucketResult xmlns=\"x\"><IsTruncated>false"
		  "</IsTruncated><EncodingType>url</EncodingType><Contents>"
		  "<Key>a+b%2Fc</Key><Size>1</Size></Contents><Contents><Key>d"
		  "</Key></Contents></ListBucketResult>",
		  "{\"IsTruncated\":false,\"Contents\":[{\"Key\":\"a b/c\","
		  "\"Size\":1},{\"Key\":\"d\"}],\"EncodingType\":\"url\"}" },
		{ "s3:GetBucketLocation", NULL,
		  "<LocationConstraint xmlns=\"x\">eu-west-1"
		  "</LocationConstraint>",
		  "{\"LocationConstraint\":\"eu-west-1\"}" },
		{ "s3:GetBucketLocation", NULL,
		  "<LocationConstraint xmlns=\"x\"/>",
		  "{\"LocationConstraint\":null}" },
		{ "s3:GetBucketPolicy", NULL, "{\"Version\":\"1\"}",
		  "{\"Policy\":\"{\\\"Version\\\":\\\"1\\\"}\"}" },
		{ "s3:GetBucketAcl", NULL,
		  "<AccessControlPolicy><AccessControlList><Grant><Grantee "
		  "xmlns:xsi=\"u\" xsi:type=\"CanonicalUser\"><ID>1</ID>"
		  "</Grantee><Permission>READ</Permission></Grant>"
		  "</AccessControlList></AccessControlPolicy>",
		  "{\"Grants\":[{\"Grantee\":{\"ID\":\"1\",\"Type\":"
		  "\"CanonicalUser\"},\"Permission\":\"READ\"}]}" },
		{ "s3:HeadObject", "x-amz-meta-Case: v", "",
		  "{\"Metadata\":{\"Case\":\"v\"}}" },
		{ "ec2:GetConsoleOutput", NULL,
		  "<R><instanceId>i-1</instanceId><output>aGVs\nbG8K</output>"
		  "</R>", "{\"InstanceId\":\"i-1\",\"Output\":\"hello\\n\"}" },
		{ "ec2:DeleteVolume", NULL, "<R><return>true</return></R>",
		  "{}" },
		/* not what the model says: shown as it is */
		{ "ec2:DescribeVolumes", NULL, "<R><volumeSet><item><size>big"
		  "</size><createTime>now</createTime></item></volumeSet></R>",
		  "{\"Volumes\":[{\"Size\":\"big\",\"CreateTime\":\"now\"}]}"
		},
	};
	struct cart_json *view, *want;
	struct cart_err err;
	struct cart_buf b;
	size_t i;

	(void)state;
	cart_buf_init(&b, 65536);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cart_reply r = { .status = 200 };

		if (cases[i].header) {
			char name[64];
			size_t n = strcspn(cases[i].header, ":");

			memcpy(name, cases[i].header, n);
			name[n] = '\0';
			cart_pairs_add(&r.headers, name,
				       cases[i].header + n + 2);
		}
		r.body = cases[i].body;
		r.len = strlen(cases[i].body);
		assert_false(cart_reply_is_error(get(cases[i].call), &r));
		view = cart_decode(get(cases[i].call), &r, &err);
		if (!view)
			fail_msg("%s: %s", cases[i].call, err.text);
		cart_buf_reset(&b);
		cart_json_print(view, 0, &b);
		want = json(cases[i].want);
		if (!cart_json_equal(view, want))
			fail_msg("%s: %s, want %s", cases[i].call,
				 (char *)b.data, cases[i].want);
		cart_json_free(want);
		cart_json_free(view);
		cart_pairs_clear(&r.headers);
	}
	cart_buf_clear(&b);
}

static void bad_replies(void **state)
{
	static const struct {
		const char *call;
		const char *body;
	} cases[] = {
		{ "ec2:DescribeVolumes", "" },
		{ "ec2:DescribeVolumes", "<R><volumeSet>" },
		{ "ec2:DescribeVolumes", "not XML" },
		{ "ec2:DescribeVolumes", "<!DOCTYPE a [<!ENTITY b \"c\">]><R/>"
		},
		{ "iam:GetUser", "<R><Other/></R>" },
		{ "cloudtrail:LookupEvents", "[1]" },
		{ "cloudtrail:LookupEvents", "{\"Events\":" },
		{ "lambda:ListFunctions", "7" },
		{ "s3:GetBucketAcl", "<AccessControlPolicy>" },
	};
	struct cart_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cart_reply r = { .status = 200, .body = cases[i].body,
					.len = strlen(cases[i].body) };

		assert_null(cart_decode(get(cases[i].call), &r, &err));
		assert_int_equal(err.class, CART_ERR_INPUT);
		assert_non_null(strstr(err.text, cases[i].call));
	}
}

static void errors(void **state)
{
	static const struct {
		const char *call;	/* or NULL */
		unsigned status;
		const char *body;
		const char *header;
		const char *code;
		const char *message;
		const char *id;
		char kind;	/* t d e s x(transient) or - */
	} cases[] = {
		{ "ec2:DescribeVolumes", 400,
		  "<Response><Errors><Error><Code>InvalidVolume.NotFound</Code>"
		  "<Message>no &lt;such&gt;</Message></Error></Errors>"
		  "<RequestID>id-1</RequestID></Response>", NULL,
		  "InvalidVolume.NotFound", "no <such>", "id-1", '-' },
		{ "ec2:DescribeVolumes", 503,
		  "<Response><Errors><Error><Code>RequestLimitExceeded</Code>"
		  "</Error></Errors></Response>", NULL,
		  "RequestLimitExceeded", "", "", 't' },
		{ "iam:GetUser", 403,
		  "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>"
		  "AccessDenied</Code><Message>m</Message></Error><RequestId>"
		  "id-2</RequestId></ErrorResponse>", NULL, "AccessDenied",
		  "m", "id-2", 'd' },
		{ "cloudtrail:LookupEvents", 400,
		  "{\"__type\":\"com.amazonaws.x#ThrottlingException\","
		  "\"message\":\"Rate exceeded\"}", "x-amzn-RequestId: id-3",
		  "ThrottlingException", "Rate exceeded", "id-3", 't' },
		{ "lambda:GetFunction", 404,
		  "{\"Type\":\"User\",\"Message\":\"gone\"}",
		  "x-amzn-ErrorType: ResourceNotFoundException:http://x/",
		  "ResourceNotFoundException", "gone", "", '-' },
		{ "s3:GetObject", 403,
		  "<?xml version=\"1.0\"?><Error><Code>RequestTimeTooSkewed"
		  "</Code><Message>m</Message><RequestId>id-4</RequestId>"
		  "</Error>", NULL, "RequestTimeTooSkewed", "m", "id-4", 's' },
		{ "s3:HeadObject", 403, "", NULL, "403", "", "", 'd' },
		{ "sts:GetCallerIdentity", 403,
		  "<ErrorResponse><Error><Code>ExpiredToken</Code></Error>"
		  "</ErrorResponse>", NULL, "ExpiredToken", "", "", 'e' },
		{ "kms:ListKeys", 400, "{\"__type\":"
		  "\"InvalidSignatureException\",\"message\":\"Signature "
		  "expired: x is now earlier than y\"}", NULL,
		  "InvalidSignatureException",
		  "Signature expired: x is now earlier than y", "", 's' },
		{ "kms:ListKeys", 502, "<html><body>Bad gateway</body></html>",
		  NULL, "502", "", "", 'x' },
		{ NULL, 500, "{\"__type\":\"InternalFailure\"}", NULL,
		  "InternalFailure", "", "", 'x' },
		{ NULL, 400, "{\"message\":\"a\\u001b[31mb\"}", NULL, "400",
		  "a\\x1b[31mb", "", '-' },
		{ NULL, 400, "{", NULL, "400", "", "", '-' },
		{ NULL, 400, "<a", NULL, "400", "", "", '-' },
	};
	struct cart_aws_error e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct cart_op *op = cases[i].call ? get(cases[i].call) :
					   NULL;
		struct cart_reply r = { .status = cases[i].status,
					.body = cases[i].body,
					.len = strlen(cases[i].body) };
		char kind;

		if (cases[i].header) {
			char name[64];
			size_t n = strcspn(cases[i].header, ":");

			memcpy(name, cases[i].header, n);
			name[n] = '\0';
			cart_pairs_add(&r.headers, name,
				       cases[i].header + n + 2);
		}
		assert_true(cart_reply_is_error(op, &r));
		cart_decode_error(op, &r, &e);
		assert_string_equal(e.code, cases[i].code);
		assert_string_equal(e.message, cases[i].message);
		assert_string_equal(e.request_id, cases[i].id);
		kind = e.throttled ? 't' : e.denied ? 'd' : e.expired ? 'e' :
		       e.skewed ? 's' : e.transient ? 'x' : '-';
		if (kind != cases[i].kind)
			fail_msg("%s is %c", e.code, kind);
		cart_aws_error_clear(&e);
		cart_pairs_clear(&r.headers);
	}
}

static void error_in_a_200(void **state)
{
	static const char body[] = "<?xml version=\"1.0\"?>\n\n<Error><Code>"
		"SlowDown</Code><BucketName>b</BucketName></Error>";
	struct cart_reply r = { .status = 200, .body = body,
				.len = sizeof(body) - 1 };
	struct cart_aws_error e;

	(void)state;
	assert_true(cart_reply_is_error(get("s3:CopyObject"), &r));
	assert_false(cart_reply_is_error(get("s3:GetObject"), &r));
	assert_false(cart_reply_is_error(get("ec2:DescribeVolumes"), &r));
	cart_decode_error(get("s3:CopyObject"), &r, &e);
	assert_string_equal(e.code, "SlowDown");
	assert_true(e.throttled);
	assert_string_equal(cart_json_get_string(e.detail, "BucketName"), "b");
	cart_aws_error_clear(&e);
	r.body = "<Errors/>";
	r.len = 9;
	assert_false(cart_reply_is_error(get("s3:CopyObject"), &r));
}

static void pages(void **state)
{
	static const struct {
		const char *call;
		const char *input;
		const char *reply;
		const char *want;	/* NULL: the end; "!": an error */
	} cases[] = {
		{ "ec2:DescribeInstances", "{\"MaxResults\":5}",
		  "{\"Reservations\":[],\"NextToken\":\"t\"}",
		  "{\"MaxResults\":5,\"NextToken\":\"t\"}" },
		{ "ec2:DescribeInstances", "{}", "{\"NextToken\":\"\"}", NULL },
		{ "ec2:DescribeInstances", "{}", "{}", NULL },
		{ "ec2:DescribeInstances", "{\"NextToken\":\"t\"}",
		  "{\"NextToken\":\"t\"}", "!" },
		{ "iam:ListUsers", "{\"Marker\":\"a\"}",
		  "{\"IsTruncated\":true,\"Marker\":\"b\"}",
		  "{\"Marker\":\"b\"}" },
		{ "iam:ListUsers", "{}",
		  "{\"IsTruncated\":false,\"Marker\":\"b\"}", NULL },
		{ "s3:ListObjects", "{\"Bucket\":\"b\"}",
		  "{\"IsTruncated\":true,\"Contents\":[{\"Key\":\"x\"},"
		  "{\"Key\":\"y\"}]}", "{\"Bucket\":\"b\",\"Marker\":\"y\"}" },
		{ "s3:ListObjectVersions", "{\"Bucket\":\"b\","
		  "\"VersionIdMarker\":\"v\"}",
		  "{\"IsTruncated\":true,\"NextKeyMarker\":\"k\"}",
		  "{\"Bucket\":\"b\",\"KeyMarker\":\"k\"}" },
		{ "cloudfront:ListDistributions", "{}",
		  "{\"DistributionList\":{\"IsTruncated\":true,"
		  "\"NextMarker\":\"m\"}}", "{\"Marker\":\"m\"}" },
		{ "sts:GetCallerIdentity", "{}", "{\"NextToken\":\"t\"}",
		  NULL },
	};
	struct cart_json *in, *reply, *next, *want;
	struct cart_err err;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		in = json(cases[i].input);
		reply = json(cases[i].reply);
		rc = cart_page_next(get(cases[i].call), in, reply, &next,
				    &err);
		if (!cases[i].want) {
			assert_int_equal(rc, 0);
			assert_null(next);
		} else if (*cases[i].want == '!') {
			assert_int_equal(rc, -1);
			assert_null(next);
		} else {
			assert_int_equal(rc, 1);
			want = json(cases[i].want);
			assert_true(cart_json_equal(next, want));
			cart_json_free(want);
		}
		cart_json_free(next);
		cart_json_free(in);
		cart_json_free(reply);
	}
}

static void merged_pages(void **state)
{
	const struct cart_op *op = get("ec2:DescribeInstances");
	struct cart_json *total = NULL, *want;

	(void)state;
	assert_string_equal(cart_page_limit_key(op), "MaxResults");
	assert_int_equal(cart_page_merge(op, &total, json(
		"{\"Reservations\":[{\"a\":1}],\"NextToken\":\"t\"}"), NULL),
		0);
	assert_int_equal(cart_page_merge(op, &total, json(
		"{\"Reservations\":[{\"a\":2},{\"a\":3}]}"), NULL), 0);
	want = json("{\"Reservations\":[{\"a\":1},{\"a\":2},{\"a\":3}]}");
	assert_true(cart_json_equal(total, want));
	assert_int_equal(cart_page_count(op, total), 3);
	cart_json_free(want);
	cart_json_free(total);

	/* members that are no results: from the first page or null */
	op = get("s3:ListObjectsV2");
	total = NULL;
	assert_int_equal(cart_page_merge(op, &total, json(
		"{\"Contents\":[{\"Key\":\"a\"}],\"KeyCount\":1,\"Name\":"
		"\"b\"}"), NULL), 0);
	assert_null(cart_json_get(total, "KeyCount"));
	assert_null(cart_json_get(total, "Name"));
	assert_int_equal(cart_json_type(cart_json_get(total,
			 "RequestCharged")), CART_JSON_NULL);
	assert_non_null(cart_json_get(total, "RequestCharged"));
	cart_json_free(total);

	/* one that has no pages is what it is */
	op = get("sts:GetCallerIdentity");
	total = NULL;
	assert_int_equal(cart_page_merge(op, &total, json("{\"Account\":"
		"\"1\"}"), NULL), 0);
	assert_string_equal(cart_json_get_string(total, "Account"), "1");
	cart_json_free(total);

	/* results that are not at the top, and sums */
	op = get("cloudfront:ListDistributions");
	total = NULL;
	assert_int_equal(cart_page_merge(op, &total, json(
		"{\"DistributionList\":{\"Items\":[1],\"Quantity\":1}}"),
		NULL), 0);
	assert_int_equal(cart_page_merge(op, &total, json(
		"{\"DistributionList\":{\"Items\":[2],\"Quantity\":1}}"),
		NULL), 0);
	want = json("{\"DistributionList\":{\"Items\":[1,2]}}");
	assert_true(cart_json_equal(total, want));
	cart_json_free(want);
	cart_json_free(total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(path_style),
		cmocka_unit_test(random_tokens),
		cmocka_unit_test(refused),
		cmocka_unit_test(replies),
		cmocka_unit_test(bad_replies),
		cmocka_unit_test(errors),
		cmocka_unit_test(error_in_a_200),
		cmocka_unit_test(pages),
		cmocka_unit_test(merged_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
