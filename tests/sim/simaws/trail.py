# SPDX-License-Identifier: Apache-2.0
"""CloudTrail's history: recording calls, and the events of the incident."""
import json
import datetime

from .wire import iso

# calls that are data events (or none): not in the event history
NOT_RECORDED = {"ebs"}
S3_MANAGEMENT = ("ListBuckets", "CreateBucket", "DeleteBucket")
SOURCES = {"ec2": "ec2.amazonaws.com", "iam": "iam.amazonaws.com",
           "sts": "sts.amazonaws.com", "s3": "s3.amazonaws.com",
           "cloudtrail": "cloudtrail.amazonaws.com",
           "kms": "kms.amazonaws.com", "lambda": "lambda.amazonaws.com",
           "organizations": "organizations.amazonaws.com",
           "ssm": "ssm.amazonaws.com", "signin": "signin.amazonaws.com"}
# Lambda's event names carry the API version
LAMBDA_NAMES = {"ListFunctions": "ListFunctions20150331",
                "GetFunction": "GetFunction20150331v2",
                "GetPolicy": "GetPolicy20150331v2",
                "UpdateFunctionCode": "UpdateFunctionCode20150331v2"}
READ = ("Get", "List", "Describe", "Lookup", "Head")


def identity(principal):
    """The userIdentity of a principal."""
    c = principal.cred
    n = principal.account.number
    out = {"type": principal.kind, "principalId": principal.user_id,
           "arn": principal.arn, "accountId": n, "accessKeyId": c.key_id}
    if principal.kind == "IAMUser":
        out["userName"] = principal.name
    elif principal.kind == "AssumedRole":
        role = principal.iam
        out["sessionContext"] = {
            "sessionIssuer": {"type": "Role", "principalId": role["RoleId"],
                              "arn": role["Arn"], "accountId": n,
                              "userName": role["RoleName"]},
            "webIdFederationData": {},
            "attributes": {"creationDate": iso(c.created),
                           "mfaAuthenticated": "true" if c.mfa else "false"}}
        if c.ec2:
            out["sessionContext"]["ec2RoleDelivery"] = "2.0"
    return out


def lower_keys(x):
    """Request parameters as CloudTrail shows them: first letter small."""
    if isinstance(x, dict):
        return {(k[0].lower() + k[1:] if k else k): lower_keys(v)
                for k, v in x.items() if not k.startswith("_")}
    if isinstance(x, (list, tuple)):
        return [lower_keys(v) for v in x]
    if isinstance(x, datetime.datetime):
        return iso(x)
    if isinstance(x, bytes):
        return "HIDDEN_DUE_TO_SECURITY_REASONS"
    return x


def make(ids, account, region, when, service, name, who, request=None,
         response=None, ip="203.0.113.10", agent="aws-cli/2.31.0",
         read=None, resources=(), error=None, message=None, extra=None,
         request_id=None, host=None):
    """An event: LookupEvents' members, and the record to make text of."""
    read = name.startswith(READ) if read is None else read
    source = SOURCES.get(service, service)
    eid = ids.uuid()
    rec = {"eventVersion": "1.11", "userIdentity": who,
           "eventTime": iso(when), "eventSource": source, "eventName": name,
           "awsRegion": region, "sourceIPAddress": ip, "userAgent": agent}
    if error:
        rec["errorCode"] = error
        rec["errorMessage"] = message or error
    rec["requestParameters"] = request
    rec["responseElements"] = response
    if extra:
        rec["additionalEventData"] = extra
    rec["requestID"] = request_id or ids.uuid()
    rec["eventID"] = eid
    rec["readOnly"] = read
    rec["eventType"] = "AwsConsoleSignIn" if service == "signin" else \
        "AwsServiceEvent" if who.get("type") == "AWSService" and \
        service == "cloudtrail" else "AwsApiCall"
    rec["managementEvent"] = True
    rec["recipientAccountId"] = account
    rec["eventCategory"] = "Management"
    if who.get("type") != "AWSService":
        rec["tlsDetails"] = {
            "tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host or "%s.%s.amazonaws.com" % (
                service, region)}
    if who.get("type") == "AssumedRole":
        user = who["arn"].rsplit("/", 1)[1]
    else:
        user = who.get("userName") or (
            "root" if who.get("type") == "Root" else who.get("invokedBy"))
    return {"EventId": eid, "EventName": name,
            "ReadOnly": "true" if read else "false",
            "AccessKeyId": who.get("accessKeyId"),
            "EventTime": when.replace(microsecond=0), "EventSource": source,
            "Username": user,
            "Resources": [{"ResourceType": t, "ResourceName": n}
                          for t, n in resources],
            "_record": rec, "_seen": when}


RECORD_RESOURCES = (("userName", "AWS::IAM::User"),
                    ("roleName", "AWS::IAM::Role"),
                    ("groupId", "AWS::EC2::SecurityGroup"),
                    ("snapshotId", "AWS::EC2::Snapshot"),
                    ("imageId", "AWS::EC2::Ami"),
                    ("functionName", "AWS::Lambda::Function"),
                    ("roleArn", "AWS::IAM::Role"),
                    ("detectorId", "AWS::GuardDuty::Detector"),
                    ("bucketName", "AWS::S3::Bucket"))


def from_record(rec):
    """An event of the history from a record as logs hold it."""
    who = rec["userIdentity"]
    when = datetime.datetime.fromisoformat(rec["eventTime"][:-1] + "+00:00")
    user = who.get("userName") or who.get("invokedBy")
    if who["type"] == "AssumedRole":
        user = who["arn"].rsplit("/", 1)[1]
    request = rec.get("requestParameters") or {}
    return {"EventId": rec["eventID"], "EventName": rec["eventName"],
            "ReadOnly": "true" if rec["readOnly"] else "false",
            "AccessKeyId": who.get("accessKeyId"), "EventTime": when,
            "EventSource": rec["eventSource"], "Username": user,
            "Resources": [{"ResourceType": t, "ResourceName": request[k]}
                          for k, t in RECORD_RESOURCES
                          if isinstance(request.get(k), str)],
            # as text: a long history is much smaller so
            "_text": text_of(rec), "_seen": when}


def text_of(record):
    return json.dumps(record, default=str, separators=(",", ":"))


def public(event):
    out = {k: v for k, v in event.items() if not k.startswith("_") and
           v is not None}
    text = event.get("_text")
    if text is None:
        text = event["_text"] = text_of(event["_record"])
    out["CloudTrailEvent"] = text
    return out


RESOURCE_TYPES = (("InstanceId", "AWS::EC2::Instance"),
                  ("VolumeId", "AWS::EC2::Volume"),
                  ("SnapshotId", "AWS::EC2::Snapshot"),
                  ("GroupId", "AWS::EC2::SecurityGroup"),
                  ("UserName", "AWS::IAM::User"),
                  ("RoleName", "AWS::IAM::Role"),
                  ("PolicyArn", "AWS::IAM::Policy"),
                  ("RoleArn", "AWS::IAM::Role"), ("Bucket", "AWS::S3::Bucket"),
                  ("FunctionName", "AWS::Lambda::Function"),
                  ("AccessKeyId", "AWS::IAM::AccessKey"))


def record(ctx, o, params, result, error):
    """Write a call that was really made into the region's history."""
    svc = ctx.svc.name
    if svc in NOT_RECORDED or ctx.principal is None:
        return
    if svc == "s3" and ("Key" in params or not (
            o.name in S3_MANAGEMENT or o.name.startswith(("GetBucket",
                                                          "PutBucket",
                                                          "GetPublic",
                                                          "PutPublic")))):
        return
    if error is not None and error.code in ("ThrottlingException",
                                            "RequestLimitExceeded",
                                            "Throttling"):
        return
    name = LAMBDA_NAMES.get(o.name, o.name) if svc == "lambda" else o.name
    resources = [(t, params[k]) for k, t in RESOURCE_TYPES
                 if isinstance(params.get(k), str)]
    read = not ctx.req is None and o.name.startswith(READ)
    code = error.code if error is not None else None
    if error is not None and svc == "ec2":
        code = {"UnauthorizedOperation": "Client.UnauthorizedOperation"}.get(
            code, "Client." + code)
    response = None
    if (not read or svc == "sts") and error is None and result:
        response = lower_keys({k: v for k, v in result.items()
                               if k != "Credentials"})
        if "Credentials" in result:     # all but the secret, as AWS does
            response["credentials"] = lower_keys({
                k: v for k, v in result["Credentials"].items()
                if k != "SecretAccessKey"})
        response = response or None
    if svc == "sts" and o.name in ("GetCallerIdentity", "GetAccessKeyInfo"):
        response = None
    region = "us-east-1" if svc in ("iam", "organizations") else ctx.region
    e = make(ctx.world.fresh, ctx.account.number, region, ctx.now, svc, name,
             identity(ctx.principal), lower_keys(params) or None, response,
             ip="127.0.0.1",
             agent=ctx.req.headers.get("user-agent", "-")[:256], read=read,
             resources=resources, error=code,
             message=error.message if error is not None else None,
             request_id=ctx.request_id, host=ctx.req.headers.get("host"))
    e["_seen"] = ctx.now + datetime.timedelta(
        seconds=ctx.world.options["event_delay"])
    events = ctx.account.regions[region].events
    events.append(e)
    if len(events) > 400000:        # a long soak must not eat the machine
        del events[5000:15000]
