# SPDX-License-Identifier: Apache-2.0
"""Checks of the simulated account; started by tests/sim/selftest.sh."""
import base64
import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

ENV = os.environ
URL = ENV["AWS_ENDPOINT_URL"]
IMDS = ENV["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rstrip("/")
INST = ENV["SIM_INSTANCE_ID"]
ADMIN = (ENV["AWS_ACCESS_KEY_ID"], ENV["AWS_SECRET_ACCESS_KEY"], None)
RESPONDER = (ENV["SIM_RESPONDER_ACCESS_KEY_ID"],
             ENV["SIM_RESPONDER_SECRET_ACCESS_KEY"], None)
passed = failed = 0
ops = set()
nonempty = set()
_session = botocore.session.get_session()
_clients = {}


def check(what, good, more=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("FAIL %s %s" % (what, str(more)[:400]), flush=True)
    return good


def client(name, region="us-east-1", keys=ADMIN, timeout=20, attempts=1):
    k = (name, region, keys, timeout, attempts)
    if k not in _clients:
        _clients[k] = _session.create_client(
            name, region_name=region, aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1], aws_session_token=keys[2],
            config=botocore.config.Config(
                retries={"total_max_attempts": attempts, "mode": "standard"},
                read_timeout=timeout, connect_timeout=5))
    return _clients[k]


def error(f, **kw):
    """(code, status, response) of a call that must fail."""
    try:
        r = f(**kw)
    except botocore.exceptions.ClientError as e:
        return (e.response["Error"]["Code"],
                e.response["ResponseMetadata"]["HTTPStatusCode"], e.response)
    except Exception as e:      # a broken answer, in botocore's own words
        return type(e).__name__, 0, {}
    return "no error", 200, r


def sim(path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    req = urllib.request.Request(URL + "/_sim/" + path, data, method=method)
    with urllib.request.urlopen(req, timeout=20) as r:
        return json.load(r)


def faults(*rules):
    sim("faults", list(rules))


def strip(r):
    r = dict(r)
    r.pop("ResponseMetadata", None)
    return r


READS = [
    ("sts", "get_caller_identity", {}),
    ("sts", "get_access_key_info",
     {"AccessKeyId": ENV["SIM_STOLEN_ACCESS_KEY_ID"]}),
    ("ec2", "describe_instances", {}),
    ("ec2", "describe_instances", {"Filters": [
        {"Name": "instance-state-name", "Values": ["running"]},
        {"Name": "tag:app", "Values": ["w*"]}]}),
    ("ec2", "describe_instance_attribute",
     {"InstanceId": INST, "Attribute": "userData"}),
    ("ec2", "get_console_output", {"InstanceId": INST}),
    ("ec2", "describe_launch_template_versions",
     {"LaunchTemplateName": "web-frontend"}),
    ("ec2", "describe_snapshot_attribute",
     {"Attribute": "createVolumePermission", "SnapshotId": "@shared"}),
] + [("ec2", o, {}) for o in (
    "describe_volumes describe_snapshots describe_images "
    "describe_network_interfaces describe_security_groups "
    "describe_security_group_rules describe_vpcs describe_subnets "
    "describe_route_tables describe_internet_gateways describe_nat_gateways "
    "describe_network_acls describe_flow_logs describe_addresses "
    "describe_key_pairs describe_launch_templates describe_regions "
    "describe_iam_instance_profile_associations describe_vpc_endpoints "
    "describe_dhcp_options describe_instance_status describe_volume_status "
    "describe_availability_zones describe_account_attributes describe_tags "
    "describe_instance_types describe_vpn_connections "
    "get_ebs_encryption_by_default get_ebs_default_kms_key_id").split()] + [
    ("cloudtrail", "lookup_events", {}),
    ("cloudtrail", "describe_trails", {}),
    ("cloudtrail", "list_trails", {}),
    ("cloudtrail", "get_trail_status", {"Name": "management"}),
    ("cloudtrail", "get_event_selectors", {"TrailName": "management"}),
    ("iam", "get_role", {"RoleName": "web-frontend-role"}),
    ("iam", "list_role_policies", {"RoleName": "web-frontend-role"}),
    ("iam", "get_role_policy", {"RoleName": "web-frontend-role",
                                "PolicyName": "assets"}),
    ("iam", "list_attached_role_policies",
     {"RoleName": "web-frontend-role"}),
    ("iam", "get_access_key_last_used",
     {"AccessKeyId": ENV["SIM_BACKDOOR_ACCESS_KEY_ID"]}),
    ("iam", "list_access_keys", {"UserName": "svc-metrics"}),
    ("iam", "get_policy_version", {
        "PolicyArn": "arn:aws:iam::123456789012:policy/deploy-pipeline",
        "VersionId": "v3"}),
    ("iam", "list_policy_versions", {
        "PolicyArn": "arn:aws:iam::123456789012:policy/deploy-pipeline"}),
] + [("iam", o, {}) for o in (
    "list_users list_groups list_roles list_policies list_instance_profiles "
    "get_account_authorization_details list_virtual_mfa_devices "
    "list_saml_providers list_open_id_connect_providers "
    "get_account_password_policy get_account_summary list_account_aliases "
    "list_server_certificates").split()] + [
    ("kms", "list_keys", {}), ("kms", "list_aliases", {}),
    ("kms", "describe_key", {"KeyId": ENV["SIM_KMS_KEY_ID"]}),
    ("kms", "get_key_policy", {"KeyId": ENV["SIM_KMS_KEY_ID"]}),
    ("kms", "list_grants", {"KeyId": ENV["SIM_KMS_KEY_ID"]}),
    ("kms", "get_public_key", {"KeyId": ENV["SIM_KMS_ED25519_KEY_ID"]}),
    ("organizations", "describe_organization", {}),
    ("organizations", "list_accounts", {}),
    ("organizations", "list_roots", {}),
    ("organizations", "list_policies", {"Filter": "SERVICE_CONTROL_POLICY"}),
    ("lambda", "list_functions", {}),
    ("lambda", "get_function", {"FunctionName": "report-export"}),
    ("lambda", "get_policy", {"FunctionName": "report-export"}),
    ("lambda", "list_event_source_mappings", {}),
    ("ssm", "describe_instance_information", {}),
    ("ssm", "describe_parameters", {}),
    ("ssm", "get_parameter", {"Name": "/prod/db/password",
                              "WithDecryption": True}),
    ("ssm", "list_commands", {}), ("ssm", "list_documents", {}),
    ("s3", "list_buckets", {}),
    ("s3", "list_objects_v2", {"Bucket": ENV["SIM_BUCKET"]}),
    ("s3", "head_object", {"Bucket": ENV["SIM_BUCKET"],
                           "Key": "plus+plus.txt"}),
    ("s3", "get_bucket_policy", {"Bucket": ENV["SIM_BUCKET"]}),
    ("s3", "get_bucket_encryption", {"Bucket": "northwind-logs"}),
    ("s3", "get_public_access_block", {"Bucket": "northwind-logs"}),
    ("s3", "get_bucket_acl", {"Bucket": "northwind-logs"}),
    ("s3", "get_bucket_location", {"Bucket": "northwind-backups"}),
    ("s3", "get_bucket_lifecycle_configuration",
     {"Bucket": "northwind-logs"}),
    ("ebs", "list_snapshot_blocks",
     {"SnapshotId": ENV["SIM_EBS_SNAPSHOT_ID"]}),
]


def test_reads():
    shared = sim("state")["names"]["shared_snapshot"]
    for svc, op, kw in READS:
        kw = {k: shared if v == "@shared" else v for k, v in kw.items()}
        try:
            r = strip(getattr(client(svc), op)(**kw))
        except Exception as e:
            check("%s.%s" % (svc, op), False, e)
            continue
        ops.add((svc, op))
        if any(v not in ([], {}, "", None) for k, v in r.items()
               if k not in ("IsTruncated",)):
            nonempty.add((svc, op))
        check("%s.%s" % (svc, op), True)
    check("60 read operations", len(ops) >= 60, len(ops))
    check("50 with content", len(nonempty) >= 50, ops - nonempty)
    check("ten services", len({s for s, _ in ops}) == 10)


def test_cli():
    """The AWS CLI, a process a call: the same answers as botocore's."""
    def aws(*args):
        r = subprocess.run([ENV["SIM_AWS_CLI"], *args, "--output", "json"],
                           capture_output=True, text=True, timeout=60)
        return r.returncode, r.stdout, r.stderr
    for args, key in (
            (("sts", "get-caller-identity"), "Account"),
            (("ec2", "describe-instances", "--instance-ids", INST),
             "Reservations"),
            (("ec2", "describe-snapshots", "--owner-ids", "self"),
             "Snapshots"),
            (("iam", "get-account-authorization-details"), "RoleDetailList"),
            (("cloudtrail", "describe-trails"), "trailList"),
            (("kms", "list-keys"), "Keys"),
            (("organizations", "list-accounts"), "Accounts"),
            (("lambda", "list-functions"), "Functions"),
            (("ssm", "describe-parameters"), "Parameters"),
            (("s3api", "list-objects-v2", "--bucket", ENV["SIM_BUCKET"]),
             "Contents"),
            (("ebs", "list-snapshot-blocks", "--snapshot-id",
              ENV["SIM_EBS_SNAPSHOT_ID"]), "Blocks")):
        rc, out, err = aws(*args)
        check("aws %s %s" % args[:2], rc == 0 and json.loads(out).get(key),
              err)
    rc, out, err = aws("s3api", "list-objects-v2", "--bucket",
                       ENV["SIM_BUCKET"])
    keys = [o["Key"] for o in json.loads(out)["Contents"]]
    check("every object listed over pages", len(keys) == len(set(keys)) and
          len(keys) >= 70 and "caf\u00e9/\u00fcber.txt" in keys, len(keys))
    rc, out, err = aws("iam", "list-users")
    check("every user over pages", len(json.loads(out)["Users"]) == 30, out)
    ENV["AWS_SECRET_ACCESS_KEY"] = "x" * 40
    rc, out, err = aws("iam", "list-users")
    check("aws with a wrong secret", rc != 0 and "SignatureDoesNotMatch" in
          err, err)
    ENV["AWS_SECRET_ACCESS_KEY"] = ADMIN[1]


ONE = {"ec2": ("describe_vpcs", {}), "iam": ("list_roles", {}),
       "sts": ("get_caller_identity", {}), "kms": ("list_keys", {}),
       "cloudtrail": ("list_trails", {}), "ssm": ("list_commands", {}),
       "organizations": ("list_roots", {}),
       "lambda": ("list_functions", {}), "s3": ("list_buckets", {}),
       "ebs": ("list_snapshot_blocks",
               {"SnapshotId": ENV["SIM_EBS_SNAPSHOT_ID"]})}


def refused(what, want, keys=ADMIN, region="us-east-1"):
    for svc, codes in want.items():
        op, kw = ONE[svc]
        got = error(getattr(client(svc, region, keys), op), **kw)
        check("%s: %s" % (what, svc), got[0] == codes[0] and
              got[1] == codes[1], "%s, not %s" % (got[:2], codes))
        check("%s: %s has a request id" % (what, svc), got[2].get(
            "ResponseMetadata", {}).get("RequestId"))


def test_signatures():
    refused("wrong secret", {
        "ec2": ("AuthFailure", 401), "iam": ("SignatureDoesNotMatch", 403),
        "sts": ("SignatureDoesNotMatch", 403),
        "kms": ("InvalidSignatureException", 400),
        "cloudtrail": ("InvalidSignatureException", 400),
        "ssm": ("InvalidSignatureException", 400),
        "organizations": ("InvalidSignatureException", 400),
        "lambda": ("InvalidSignatureException", 403),
        "ebs": ("InvalidSignatureException", 403),
        "s3": ("SignatureDoesNotMatch", 403)}, (ADMIN[0], "y" * 40, None))
    unknown = {"ec2": ("AuthFailure", 401),
               "iam": ("InvalidClientTokenId", 403),
               "kms": ("UnrecognizedClientException", 400),
               "lambda": ("UnrecognizedClientException", 403)}
    refused("unknown key", dict(unknown, s3=("InvalidAccessKeyId", 403)),
            ("AKIA2222222222222222", "y" * 40, None))
    refused("a token that does not belong", dict(
        unknown, s3=("InvalidToken", 400)), ADMIN[:2] + ("dG9rZW4=",))
    for skew, want in ((3600, {
            "ec2": ("RequestExpired", 400),
            "iam": ("SignatureDoesNotMatch", 403),
            "kms": ("InvalidSignatureException", 400),
            "ebs": ("InvalidSignatureException", 403),
            "s3": ("RequestTimeTooSkewed", 403)}),
            (-3600, {"ec2": ("AuthFailure", 401),
                     "sts": ("SignatureDoesNotMatch", 403),
                     "cloudtrail": ("InvalidSignatureException", 400),
                     "s3": ("RequestTimeTooSkewed", 403)})):
        sim("clock", {"skew": skew})
        for svc, codes in want.items():
            op, kw = ONE[svc]
            got = error(getattr(_fresh(svc), op), **kw)
            check("clock off by %d: %s" % (skew, svc),
                  got[:2] == codes, got[:2])
    sim("clock", {"skew": 0})
    # unsigned
    for path, head, body, code in (
            ("/", {"X-Amz-Target": "TrentService.ListKeys"}, b"{}",
             "MissingAuthenticationToken"),
            ("/northwind-logs", {}, b"", "AccessDenied")):
        st, text = raw("POST" if body else "GET", path, head, body)
        check("unsigned " + path, st >= 400 and code in text, text)
    # a body changed on its way
    r = botocore.awsrequest.AWSRequest(
        "POST", URL + "/", data=b"Action=ListRoles&Version=2010-05-08",
        headers={"Content-Type": "application/x-www-form-urlencoded"})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(*ADMIN[:2]),
                            "iam", "us-east-1").add_auth(r)
    st, text = raw("POST", "/", dict(r.headers),
                   b"Action=ListUsers&Version=2010-05-08")
    check("changed body", st == 403 and "SignatureDoesNotMatch" in text,
          text)
    check("wrong region for a global service", error(
        client("iam", "eu-west-1", ADMIN).list_roles)[0] in (
            "SignatureDoesNotMatch", "no error"))


def _fresh(svc):
    """A client that has learned nothing of the server's clock."""
    return botocore.session.get_session().create_client(
        svc, region_name="us-east-1",
        config=botocore.config.Config(retries={"total_max_attempts": 1,
                                               "mode": "standard"}))


def raw(method, path, heads, body=b"", base=URL):
    host = base.split("//")[1]
    c = http.client.HTTPConnection(host, timeout=20)
    c.request(method, path, body, heads)
    r = c.getresponse()
    text = r.read().decode("utf-8", "replace")
    c.close()
    return r.status, text


def test_policies():
    c = {s: client(s, keys=RESPONDER) for s in
         ("ec2", "iam", "kms", "lambda", "s3", "ssm", "ebs",
          "organizations", "cloudtrail", "sts")}
    check("responder may describe", c["ec2"].describe_vpcs()["Vpcs"])
    check("responder may list", c["lambda"].list_functions()["Functions"])
    for f, kw, want in (
            (c["ec2"].create_snapshots, {"InstanceSpecification":
                                         {"InstanceId": INST}},
             ("UnauthorizedOperation", 403)),
            (c["ec2"].create_snapshots, {"InstanceSpecification":
                                         {"InstanceId": INST}, "DryRun":
                                         True},
             ("UnauthorizedOperation", 403)),
            (c["iam"].get_credential_report, {}, ("AccessDenied", 403)),
            (c["iam"].get_account_password_policy, {},
             ("AccessDenied", 403)),
            (c["kms"].list_keys, {}, ("AccessDeniedException", 400)),
            (c["ssm"].get_parameter, {"Name": "/prod/db/host"},
             ("AccessDeniedException", 400)),
            (c["organizations"].list_accounts, {},
             ("AccessDeniedException", 400)),
            (c["lambda"].get_function, {"FunctionName": "webhook"},
             ("AccessDeniedException", 403)),
            (c["ebs"].list_snapshot_blocks,
             {"SnapshotId": ENV["SIM_EBS_SNAPSHOT_ID"]},
             ("AccessDeniedException", 403)),
            (c["s3"].get_object, {"Bucket": ENV["SIM_BUCKET"],
                                  "Key": "plain.txt"},
             ("AccessDenied", 403)),
            (c["sts"].assume_role, {
                "RoleArn": "arn:aws:iam::123456789012:role/support-access",
                "RoleSessionName": "xx"}, ("AccessDenied", 403))):
        got = error(f, **kw)
        check("denied: %s" % f.__name__, got[:2] == want, got[:2])
    text = error(c["iam"].get_credential_report)[2]["Error"]["Message"]
    check("an explicit deny says so", "explicit deny" in text, text)
    check("denial is not retried into the trail twice", True)


def test_pages():
    ec2, iam = client("ec2"), client("iam")

    def every(c, op, key, size, **kw):
        out, pages, short, empty = [], 0, 0, 0
        p = c.get_paginator(op).paginate(PaginationConfig={"PageSize": size},
                                         **kw)
        for page in p:
            pages += 1
            n = len(page[key])
            short += 0 < n < size
            empty += n == 0
            out += page[key]
        return out, pages, short, empty
    for c, op, key, ident, sizes in (
            (ec2, "describe_snapshots", "Snapshots", "SnapshotId", (5, 40)),
            (ec2, "describe_volumes", "Volumes", "VolumeId", (7,)),
            (ec2, "describe_tags", "Tags", None, (50,)),
            (iam, "list_users", "Users", "UserName", (4, 100)),
            (iam, "list_roles", "Roles", "RoleName", (3,)),
            (client("kms"), "list_keys", "Keys", "KeyId", (2,)),
            (client("lambda"), "list_functions", "Functions",
             "FunctionName", (2,)),
            (client("ssm"), "describe_parameters", "Parameters", "Name",
             (4,)),
            (client("organizations"), "list_accounts", "Accounts", "Id",
             (1,))):
        base = [x for page in c.get_paginator(op).paginate()
                for x in page[key]]
        for size in sizes:
            got, pages, short, empty = every(c, op, key, size)
            check("%s by %d: all of %d" % (op, size, len(base)),
                  got == base and (pages > 1 or len(base) <= size),
                  (len(got), len(base), pages))
            if ident:
                ids = [x[ident] for x in got]
                check("%s: none twice" % op, len(ids) == len(set(ids)))
    got, pages, short, empty = every(
        ec2, "describe_volumes", "Volumes", 5,
        Filters=[{"Name": "tag:backup", "Values": ["daily"]}])
    check("filtered pages: short and empty ones", short and empty and
          len(got) > 60, (pages, short, empty, len(got)))
    d = {}
    for page in iam.get_paginator(
            "get_account_authorization_details").paginate():
        for k in ("UserDetailList", "GroupDetailList", "RoleDetailList",
                  "Policies"):
            d[k] = d.get(k, 0) + len(page[k])
    check("authorization details over pages", d["UserDetailList"] == 30 and
          d["RoleDetailList"] > 20 and d["Policies"] > 5 and
          d["GroupDetailList"] == 3, d)
    check("more than 60 snapshots", len(every(
        ec2, "describe_snapshots", "Snapshots", 100)[0]) > 60)
    got = error(ec2.describe_volumes, MaxResults=3)
    check("MaxResults too small", got[0] == "InvalidParameterValue", got[:2])
    got = error(ec2.describe_instances, MaxResults=5, InstanceIds=[INST])
    check("ids and MaxResults", got[0] == "InvalidParameterCombination",
          got[:2])
    check("bad token", error(ec2.describe_volumes, NextToken="x",
                             MaxResults=5)[0] == "InvalidParameterValue")
    check("bad marker", error(iam.list_users, Marker="x")[0] ==
          "ValidationError")
    check("MaxItems 0", error(iam.list_users, MaxItems=1001)[0] in (
        "ValidationError", "ParamValidationError"))
    page = iam.list_users(MaxItems=3)
    again = [iam.list_users(MaxItems=3, Marker=page["Marker"])["Users"]
             for _ in range(2)]
    check("a marker works twice", again[0] == again[1])
    check("unknown id", error(ec2.describe_volumes, VolumeIds=[
        "vol-00000000000000000"])[0] == "InvalidVolume.NotFound")
    check("unknown filter", error(ec2.describe_volumes, Filters=[
        {"Name": "no-such", "Values": ["x"]}])[0] == "InvalidParameterValue")


def test_cloudtrail():
    ct = client("cloudtrail")

    def paced(c, **kw):
        """All pages at less than two a second."""
        out, token, pages = [], None, 0
        while True:
            time.sleep(0.55)
            a = dict(kw, **({"NextToken": token} if token else {}))
            r = c.lookup_events(**a)
            pages += 1
            out.append(r["Events"])
            token = r.get("NextToken")
            if not token:
                return out
    time.sleep(1.2)
    codes = []

    def ask():
        codes.append(error(ct.lookup_events)[:2])
    ts = [threading.Thread(target=ask) for _ in range(12)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    check("LookupEvents is throttled as HTTP 400",
          set(codes) == {("ThrottlingException", 400), ("no error", 200)},
          codes)
    check("per region", error(client(
        "cloudtrail", "eu-west-1").lookup_events)[1] == 200)
    end = sim("clock")["now"][:19] + "Z"
    time.sleep(1.1)
    pages = paced(ct, EndTime=end)
    flat = [e for p in pages for e in p]
    ids = [e["EventId"] for e in flat]
    dup = len(ids) - len(set(ids))
    check("paging at 50", all(len(p) <= 50 for p in pages) and
          len(pages) > 3 and len(pages[0]) == 50, [len(p) for p in pages])
    check("more than 150 events", len(set(ids)) > 150, len(set(ids)))
    check("duplicates at the seams", dup >= 2, dup)
    times = [e["EventTime"] for e in flat]
    check("newest first", all(a >= b for a, b in zip(times, times[1:])))
    want = {e["EventId"] for e in sim("events")
            if e["EventTime"] <= end}
    check("nothing lost over pages", set(ids) <= want and
          len(want - set(ids)) == 0, len(want - set(ids)))
    recs = [json.loads(e["CloudTrailEvent"]) for e in flat]
    check("records are whole", all(
        r["eventID"] == e["EventId"] and r["eventVersion"] and
        r["userIdentity"]["type"] and r["awsRegion"] == "us-east-1"
        for r, e in zip(recs, flat)))
    names = {e["EventName"] for e in flat}
    for n in ("CreateAccessKey", "AuthorizeSecurityGroupIngress",
              "ModifySnapshotAttribute", "StopLogging", "CreateUser",
              "AttachUserPolicy", "CreateSnapshot", "ConsoleLogin"):
        check("the incident has " + n, n in names)
    by = paced(ct, LookupAttributes=[{"AttributeKey": "Username",
                                      "AttributeValue": INST}])
    check("by session name", sum(map(len, by)) >= 10 and all(
        e["Username"] == INST for p in by for e in p))
    by = paced(ct, LookupAttributes=[{
        "AttributeKey": "AccessKeyId", "AttributeValue":
            ENV["SIM_BACKDOOR_ACCESS_KEY_ID"]}])
    check("by access key", sum(map(len, by)) >= 10)
    mark = client("ssm").get_parameter(Name="/prod/db/host")[
        "ResponseMetadata"]["RequestId"]
    time.sleep(1.1)
    own = paced(ct, LookupAttributes=[{"AttributeKey": "EventName",
                                       "AttributeValue": "GetParameter"}])
    check("our own calls are in the history", any(
        json.loads(e["CloudTrailEvent"])["requestID"] == mark
        for p in own for e in p))
    for kw, code in (({"MaxResults": 51}, "InvalidMaxResultsException"),
                     ({"StartTime": 2000, "EndTime": 1000},
                      "InvalidTimeRangeException"),
                     ({"NextToken": "AAAA"}, "InvalidNextTokenException"),
                     ({"LookupAttributes": [
                         {"AttributeKey": "EventName", "AttributeValue": "a"},
                         {"AttributeKey": "EventId", "AttributeValue": "b"}]},
                      "InvalidLookupAttributesException")):
        time.sleep(0.6)
        got = error(_novalidate("cloudtrail").lookup_events, **kw)
        check(code, got[:2] == (code, 400), got[:2])
    time.sleep(0.6)
    tok = ct.lookup_events(MaxResults=10)["NextToken"]
    time.sleep(0.6)
    got = error(ct.lookup_events, NextToken=tok, EndTime=end)
    check("a token of other parameters",
          got[0] == "InvalidNextTokenException", got[:2])
    for r in ("eu-north-1", "ap-southeast-2", "eu-west-1", "us-west-2"):
        check("events in " + r, sum(map(len, paced(
            client("cloudtrail", r)))) > 2)
    check("no events in a quiet region", client(
        "cloudtrail", "ap-northeast-3").lookup_events()["Events"] == [])


def _novalidate(svc):
    return _session.create_client(
        svc, region_name="us-east-1", aws_access_key_id=ADMIN[0],
        aws_secret_access_key=ADMIN[1], config=botocore.config.Config(
            parameter_validation=False,
            retries={"total_max_attempts": 1, "mode": "standard"}))


def test_snapshots():
    ec2 = client("ec2")
    tag = {"Key": "crashcart", "Value": "selftest-1"}
    spec = {"InstanceSpecification": {"InstanceId": INST},
            "TagSpecifications": [{"ResourceType": "snapshot",
                                   "Tags": [tag]}]}
    got = error(ec2.create_snapshots, DryRun=True, **spec)
    check("dry run", got[:2] == ("DryRunOperation", 412), got[:2])
    check("a dry run makes nothing", not sim("state")["snapshots_made"])
    r = ec2.create_snapshots(CopyTagsFromSource="volume", **spec)
    ids = [s["SnapshotId"] for s in r["Snapshots"]]
    check("one a volume", len(ids) == 2 and all(
        s["State"] == "pending" for s in r["Snapshots"]), r)
    flt = [{"Name": "tag:crashcart", "Values": ["selftest-1"]}]
    check("invisible at first by tag", ec2.describe_snapshots(
        Filters=flt)["Snapshots"] == [])
    check("invisible at first by id", error(
        ec2.describe_snapshots, SnapshotIds=ids)[0] ==
        "InvalidSnapshot.NotFound")
    seen = []
    for _ in range(200):
        time.sleep(0.15)
        got = ec2.describe_snapshots(Filters=flt)["Snapshots"]
        if got:
            seen.append((got[0]["State"], got[0]["Progress"]))
            if all(s["State"] == "completed" for s in got):
                break
    states = [s for s, _ in seen]
    prog = [int(p[:-1]) for _, p in seen]
    check("pending, then completed", "pending" in states and
          states[-1] == "completed", seen)
    check("progress rises", prog == sorted(prog) and len(set(prog)) > 2,
          prog)
    check("tags of the volume too", {t["Key"] for t in got[0]["Tags"]} >=
          {"crashcart", "Name"}, got[0])
    one = ec2.create_snapshot(VolumeId=got[0]["VolumeId"])
    st = sim("state")
    check("the account counts", len(st["snapshots_made"]) == 3 and
          st["snapshots_per_volume"][one["VolumeId"]] == 2 and
          st["changes"]["ec2:CreateSnapshots"] == 1, st["changes"])
    blocks = client("ebs").list_snapshot_blocks(SnapshotId=ids[0])
    check("a new snapshot is readable", blocks["Blocks"])
    ec2.modify_snapshot_attribute(
        SnapshotId=ids[0], Attribute="createVolumePermission",
        OperationType="add", UserIds=["210987654321"])
    check("shared", ec2.describe_snapshot_attribute(
        SnapshotId=ids[0], Attribute="createVolumePermission")[
            "CreateVolumePermissions"] == [{"UserId": "210987654321"}])
    check("no such instance", error(
        ec2.create_snapshots, InstanceSpecification={
            "InstanceId": "i-00000000000000000"})[0] ==
        "InvalidInstanceID.NotFound")


def test_ebs():
    e = client("ebs")
    names = sim("state")["names"]
    sid = names["ebs_snapshot"]
    out, token, empty, pages = [], None, 0, 0
    while True:
        kw = {"NextToken": token} if token else {}
        r = e.list_snapshot_blocks(SnapshotId=sid, MaxResults=100, **kw)
        pages += 1
        empty += not r["Blocks"]
        out += r["Blocks"]
        token = r.get("NextToken")
        if not token:
            break
    idx = [b["BlockIndex"] for b in out]
    check("blocks ascend", idx == sorted(set(idx)) and len(idx) > 100)
    check("an empty page with a token", empty >= 1 and pages >= 3)
    check("tokens need quoting", any(c in b["BlockToken"] for b in out
                                     for c in "+/="))
    check("block size", r["BlockSize"] == 524288)
    b = out[len(out) // 2]
    g = e.get_snapshot_block(SnapshotId=sid, BlockIndex=b["BlockIndex"],
                             BlockToken=b["BlockToken"])
    data = g["BlockData"].read()
    check("block and checksum", len(data) == 524288 and base64.b64encode(
        hashlib.sha256(data).digest()).decode() == g["Checksum"])
    got = error(e.get_snapshot_block, SnapshotId=sid, BlockIndex=out[0][
        "BlockIndex"], BlockToken=b["BlockToken"])
    check("another block's token", got[:2] == ("ValidationException", 400)
          and got[2].get("Reason") == "INVALID_BLOCK_TOKEN", got)
    got = error(e.list_snapshot_blocks, SnapshotId="snap-" + "0" * 17)
    check("no such snapshot", got[:2] == ("ResourceNotFoundException", 404))
    kinds = set()
    token = None
    while True:
        kw = {"NextToken": token} if token else {}
        r = e.list_changed_blocks(
            FirstSnapshotId=names["ebs_snapshot_older"],
            SecondSnapshotId=sid, **kw)
        for c in r["ChangedBlocks"]:
            kinds.add(("FirstBlockToken" in c, "SecondBlockToken" in c))
        token = r.get("NextToken")
        if not token:
            break
    check("changed, and added or deleted blocks", len(kinds) >= 2, kinds)


def imds(method, path, heads=None):
    c = http.client.HTTPConnection(IMDS.split("//")[1], timeout=10)
    c.request(method, path, headers=heads or {})
    r = c.getresponse()
    body = r.read()
    out = r.status, body.decode(), dict((k.lower(), v)
                                        for k, v in r.getheaders())
    c.close()
    return out


TTL = "X-aws-ec2-metadata-token-ttl-seconds"


def test_imds():
    check("no token, no data", imds("GET", "/latest/meta-data/")[0] == 401)
    check("a made-up token", imds("GET", "/latest/meta-data/", {
        "X-aws-ec2-metadata-token": "AAAA"})[0] == 401)
    check("GET on the token path", imds("GET", "/latest/api/token")[0] in (
        401, 405))
    check("PUT without a TTL", imds("PUT", "/latest/api/token")[0] == 400)
    for bad in ("0", "21601", "-1", "x"):
        check("TTL " + bad, imds("PUT", "/latest/api/token",
                                 {TTL: bad})[0] == 400)
    check("a forwarded PUT", imds("PUT", "/latest/api/token", {
        TTL: "60", "X-Forwarded-For": "192.0.2.1"})[0] == 403)
    st, tok, heads = imds("PUT", "/latest/api/token", {TTL: "300"})
    check("a token", st == 200 and len(tok) > 40 and heads[
        TTL.lower()] == "300", heads)
    h = {"X-aws-ec2-metadata-token": tok}
    _, short, _ = imds("PUT", "/latest/api/token", {TTL: "1"})
    check("versions", "2009-04-04" in imds("GET", "/", h)[1].split() and
          imds("GET", "/", h)[1].split()[-1] == "latest")
    check("an old version has no network tree", imds(
        "GET", "/2009-04-04/meta-data/network/", h)[0] == 404)
    leaves = {}

    def walk(path):
        st, body, _ = imds("GET", path, h)
        if not check("crawl " + path, st == 200, st):
            return
        for line in body.split("\n"):
            if line.endswith("/"):
                walk(path + line)
            elif line:
                name = line
                if "=" in line and path.endswith("public-keys/"):
                    walk(path + line.split("=")[0] + "/")
                    continue
                st, text, _ = imds("GET", path + name, h)
                leaves[path + name] = text
    walk("/latest/meta-data/")
    check("meta-data is deep", len(leaves) > 50, len(leaves))
    check("two interfaces", sum("/macs/" in p and p.endswith("interface-id")
                                for p in leaves) == 2)
    check("instance id", leaves["/latest/meta-data/instance-id"] == INST)
    check("user-data", imds("GET", "/latest/user-data", h)[1].startswith(
        "#!/bin/bash"))
    check("not found", imds("GET", "/latest/meta-data/nothing", h)[0] == 404)
    check("no writes", imds("POST", "/latest/meta-data/", h)[0] == 405)
    ident = {n: imds("GET", "/latest/dynamic/instance-identity/" + n, h)[1]
             for n in ("document", "signature", "pkcs7", "rsa2048")}
    doc = json.loads(ident["document"])
    check("identity document", doc["instanceId"] == INST and
          doc["region"] == "us-east-1")
    with tempfile.TemporaryDirectory() as d:
        for kind, cert in (("rsa2048", "rsa2048"), ("pkcs7", "dsa")):
            p = os.path.join(d, kind)
            with open(p, "w", encoding="ascii") as f:
                f.write("-----BEGIN PKCS7-----\n%s\n-----END PKCS7-----\n" %
                        ident[kind])
            r = subprocess.run(
                ["openssl", "smime", "-verify", "-in", p, "-inform", "PEM",
                 "-certfile", os.path.join(ENV["SIM_STATE"],
                                           "identity-%s.pem" % cert),
                 "-nointern", "-noverify"], capture_output=True)
            check("openssl verifies " + kind, r.returncode == 0 and
                  r.stdout.decode() == ident["document"],
                  r.stderr.decode())
            bad = ident[kind].replace(ident[kind][200:210], "A" * 10)
            with open(p, "w", encoding="ascii") as f:
                f.write("-----BEGIN PKCS7-----\n%s\n-----END PKCS7-----\n" %
                        bad)
        from cryptography import x509
        with open(os.path.join(ENV["SIM_STATE"], "identity-rsa1024.pem"),
                  "rb") as f:
            key = x509.load_pem_x509_certificate(f.read()).public_key()
        try:
            key.verify(base64.b64decode(ident["signature"]),
                       ident["document"].encode(), padding.PKCS1v15(),
                       hashes.SHA256())
            check("signature verifies", True)
        except Exception as e:
            check("signature verifies", False, e)
        r = subprocess.run(["openssl", "verify", "-CAfile",
                            ENV["SIM_IDENTITY_CA"],
                            ENV["SIM_IDENTITY_RSA2048_CERT"]],
                           capture_output=True)
        check("the signer is the CA's", r.returncode == 0, r.stderr)
    # the role's credentials, used and outlived
    path = "/latest/meta-data/iam/security-credentials/"
    role = imds("GET", path, h)[1]
    check("role name", role == ENV["SIM_ROLE_NAME"])
    c1 = json.loads(imds("GET", path + role, h)[1])
    keys = (c1["AccessKeyId"], c1["SecretAccessKey"], c1["Token"])
    who = client("sts", keys=keys).get_caller_identity()
    check("role credentials work", who["Arn"].endswith(
        "assumed-role/%s/%s" % (role, INST)), who)
    check("without the token they do not", error(client(
        "sts", keys=keys[:2] + (None,)).get_caller_identity)[0] ==
        "InvalidClientTokenId")
    time.sleep(12.5)
    check("the short token is over", imds("GET", "/latest/meta-data/", {
        "X-aws-ec2-metadata-token": short})[0] == 401)
    for svc, code in (("ec2", "RequestExpired"), ("iam", "ExpiredToken"),
                      ("kms", "ExpiredTokenException"),
                      ("s3", "ExpiredToken"),
                      ("ebs", "ExpiredTokenException")):
        op, kw = ONE[svc]
        got = error(getattr(client(svc, keys=keys), op), **kw)
        check("expired: " + svc, got[0] == code, got[:2])
    c2 = json.loads(imds("GET", path + role, h)[1])
    check("new credentials after expiry", c2["AccessKeyId"] !=
          c1["AccessKeyId"])
    # botocore's own provider
    env = {k: v for k, v in ENV.items() if not k.startswith("AWS_ACCESS") and
           not k.startswith("AWS_SECRET")}
    r = subprocess.run(
        [ENV["SIM_AWS_CLI"], "sts", "get-caller-identity"], env=env,
        capture_output=True, text=True, timeout=60)
    check("the AWS CLI finds the instance role", INST in r.stdout, r.stderr)


def test_report():
    iam = client("iam")
    got = error(iam.get_credential_report)
    check("no report", got[:2] == ("ReportNotPresent", 410), got[:2])
    check("started", iam.generate_credential_report()["State"] == "STARTED")
    check("in progress", iam.generate_credential_report()["State"] ==
          "INPROGRESS")
    got = error(iam.get_credential_report)
    check("not yet", got[:2] == ("ReportInProgress", 404), got[:2])
    for _ in range(40):
        time.sleep(0.1)
        if iam.generate_credential_report()["State"] == "COMPLETE":
            break
    r = iam.get_credential_report()
    rows = r["Content"].decode().split("\n")
    check("the report", rows[0].startswith("user,arn,") and
          rows[1].startswith("<root_account>,") and len(rows) == 32 and
          all(len(x.split(",")) == 22 for x in rows) and
          r["GeneratedTime"], len(rows))


def test_sts():
    sts = client("sts")
    role = "arn:aws:iam::123456789012:role/"
    r = sts.assume_role(RoleArn=role + "incident-response",
                        RoleSessionName="case-1")["Credentials"]
    keys = (r["AccessKeyId"], r["SecretAccessKey"], r["SessionToken"])
    check("assumed", client("sts", keys=keys).get_caller_identity()[
        "Arn"].endswith("assumed-role/incident-response/case-1"))
    check("a session's call", client("ec2", keys=keys).describe_vpcs()[
        "Vpcs"])
    other = sts.assume_role(
        RoleArn="arn:aws:iam::345678901234:role/incident-response",
        RoleSessionName="case-1")["Credentials"]
    keys = (other["AccessKeyId"], other["SecretAccessKey"],
            other["SessionToken"])
    check("another account", client("sts", keys=keys).get_caller_identity()[
        "Account"] == "345678901234")
    check("a member account does not list", error(client(
        "organizations", keys=keys).list_accounts)[0] ==
        "AccessDeniedException")
    for kw, text in (
            ({"RoleArn": role + "no-such"}, "not authorized"),
            ({"RoleArn": role + "support-access"}, "not authorized"),
            ({"RoleArn": role + "incident-response-mfa"}, "not authorized"),
            ({"RoleArn": role + "incident-response-mfa", "SerialNumber":
              "arn:aws:iam::123456789012:mfa/breakglass-admin",
              "TokenCode": "000000"}, "invalid MFA one time pass code")):
        got = error(sts.assume_role, RoleSessionName="xx", **kw)
        check("refused: " + text, got[0] == "AccessDenied" and text in
              got[2]["Error"]["Message"], got)
    r = sts.assume_role(
        RoleArn=role + "incident-response-mfa", RoleSessionName="xx",
        SerialNumber="arn:aws:iam::123456789012:mfa/breakglass-admin",
        TokenCode="123456")
    check("with MFA", r["Credentials"]["AccessKeyId"].startswith("ASIA"))
    jwt = ".".join(base64.urlsafe_b64encode(json.dumps(x).encode()).decode()
                   .rstrip("=") for x in ({"alg": "none"}, {
                       "sub": "build", "aud": "sts.amazonaws.com",
                       "iss": "https://token.actions.example.com"})) + "."
    r = sts.assume_role_with_web_identity(
        RoleArn=role + "ci-federated", RoleSessionName="xx",
        WebIdentityToken=jwt)
    check("web identity", r["SubjectFromWebIdentityToken"] == "build")
    r = sts.get_session_token()["Credentials"]
    check("session token", client("sts", keys=(
        r["AccessKeyId"], r["SecretAccessKey"], r["SessionToken"])
    ).get_caller_identity()["Arn"].endswith("user/breakglass-admin"))


def test_regions():
    ec2 = client("ec2")
    every = ec2.describe_regions(AllRegions=True)["Regions"]
    on = ec2.describe_regions()["Regions"]
    off = [r["RegionName"] for r in every
           if r["OptInStatus"] == "not-opted-in"]
    check("enabled regions", len(on) == 18 and len(off) > 8,
          (len(on), len(off)))
    refused("not opted in", {
        "ec2": ("OptInRequired", 401), "kms": ("UnrecognizedClientException",
                                               400),
        "cloudtrail": ("UnrecognizedClientException", 400),
        "sts": ("InvalidClientTokenId", 403)}, region=off[0])
    check("miners in eu-north-1", len(client(
        "ec2", "eu-north-1").describe_instances()["Reservations"]) == 3)


def test_s3():
    s3 = client("s3")
    b = ENV["SIM_BUCKET"]
    keys = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(
        Bucket=b, PaginationConfig={"PageSize": 7}) for o in p["Contents"]]
    check("keys over pages", keys == sorted(keys, key=lambda k: k.encode())
          and len(keys) == len(set(keys)) >= 70, len(keys))
    for k in keys[:12]:
        r = s3.get_object(Bucket=b, Key=k)
        body = r["Body"].read()
        check("get %r" % k, '"%s"' % hashlib.md5(body).hexdigest() ==
              r["ETag"])
    r = s3.get_object(Bucket=b, Key="web/img-000.png", Range="bytes=1-3")
    check("range", r["Body"].read() == b"PNG" and r["ContentRange"] ==
          "bytes 1-3/44")
    check("no such key", error(s3.get_object, Bucket=b, Key="nix")[:2] ==
          ("NoSuchKey", 404))
    check("no such bucket", error(s3.list_objects_v2, Bucket="nix-nix")[0]
          == "NoSuchBucket")
    check("head of nothing", error(s3.head_object, Bucket=b, Key="nix")[1]
          == 404)
    got = error(_fresh_s3("us-east-1").list_objects_v2,
                Bucket="northwind-backups")
    check("another region's bucket is found", got[1] in (200, 400), got[:2])
    e = client("s3")
    for k in ("a b+c=d&e.txt", "\u00e9//x?y#z%41"):
        s3.put_object(Bucket="northwind-evidence", Key=k, Body=b"abc" * 999)
        check("round trip %r" % k, e.get_object(
            Bucket="northwind-evidence", Key=k)["Body"].read() ==
            b"abc" * 999)
    got = error(s3.put_object, Bucket="northwind-evidence", Key="x",
                Body=b"abc", ChecksumSHA256=base64.b64encode(
                    b"0" * 32).decode())
    check("a wrong checksum", got[0] == "BadDigest", got[:2])
    check("if-none-match", error(
        s3.put_object, Bucket="northwind-evidence", Key="a b+c=d&e.txt",
        Body=b"", IfNoneMatch="*")[1] == 412)
    up = s3.create_multipart_upload(Bucket="northwind-evidence", Key="mp",
                                    ChecksumAlgorithm="SHA256")["UploadId"]
    parts, sums = [], b""
    for n, data in ((1, b"x" * 5242880), (2, b"tail")):
        d = hashlib.sha256(data).digest()
        sums += d
        r = s3.upload_part(Bucket="northwind-evidence", Key="mp",
                           UploadId=up, PartNumber=n, Body=data,
                           ChecksumSHA256=base64.b64encode(d).decode())
        parts.append({"PartNumber": n, "ETag": r["ETag"], "ChecksumSHA256":
                      base64.b64encode(d).decode()})
    check("parts listed", len(s3.list_parts(
        Bucket="northwind-evidence", Key="mp", UploadId=up)["Parts"]) == 2)
    r = s3.complete_multipart_upload(
        Bucket="northwind-evidence", Key="mp", UploadId=up,
        MultipartUpload={"Parts": parts})
    check("composite checksum", r["ChecksumSHA256"] == base64.b64encode(
        hashlib.sha256(sums).digest()).decode() + "-2", r)
    check("retention", s3.get_object_retention(
        Bucket="northwind-evidence", Key="mp")["Retention"]["Mode"] ==
        "GOVERNANCE")
    url = _session.create_client(
        "s3", region_name="us-east-1", aws_access_key_id=ADMIN[0],
        aws_secret_access_key=ADMIN[1], config=botocore.config.Config(
            signature_version="s3v4")).generate_presigned_url("get_object", Params={
        "Bucket": b, "Key": "with space.txt"}, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=10) as r:
        check("presigned", r.status == 200)
    st, text = raw("GET", url[len(URL):].replace("X-Amz-Signature=",
                                                 "X-Amz-Signature=0"), {})
    check("presigned, altered", st == 403 and "SignatureDoesNotMatch" in
          text, text)


def _fresh_s3(region):
    return _session.create_client("s3", region_name=region,
                                  aws_access_key_id=ADMIN[0],
                                  aws_secret_access_key=ADMIN[1])


def test_kms():
    kms = client("kms")
    for alias, alg in (("alias/evidence", "ED25519_SHA_512"),
                       ("alias/tokens", "ECDSA_SHA_256"),
                       ("alias/release", "RSASSA_PKCS1_V1_5_SHA_256")):
        r = kms.sign(KeyId=alias, Message=b"evidence", MessageType="RAW",
                     SigningAlgorithm=alg)
        pub = serialization.load_der_public_key(
            kms.get_public_key(KeyId=alias)["PublicKey"])
        args = {"ED25519_SHA_512": (), "ECDSA_SHA_256":
                (ec.ECDSA(hashes.SHA256()),)}.get(
                    alg, (padding.PKCS1v15(), hashes.SHA256()))
        try:
            pub.verify(r["Signature"], b"evidence", *args)
            check("verified " + alg, True)
        except Exception as e:
            check("verified " + alg, False, e)
    check("wrong use", error(
        kms.sign, KeyId="alias/data", Message=b"x",
        SigningAlgorithm="ECDSA_SHA_256")[0] == "InvalidKeyUsageException")
    check("no such key", error(kms.describe_key, KeyId="alias/nix")[:2] ==
          ("NotFoundException", 400))


def test_faults():
    ec2, iam = client("ec2"), client("iam")
    faults({"service": "ec2", "operation": "DescribeVpcs", "do": "throttle",
            "times": 2})
    got = [error(ec2.describe_vpcs)[:2] for _ in range(3)]
    check("EC2 throttle", got == [("RequestLimitExceeded", 503)] * 2 +
          [("no error", 200)], got)
    faults({"do": "throttle"})
    for svc, want in (("iam", ("Throttling", 400)),
                      ("s3", ("SlowDown", 503)),
                      ("kms", ("ThrottlingException", 400)),
                      ("ebs", ("RequestThrottledException", 400)),
                      ("lambda", ("TooManyRequestsException", 429))):
        op, kw = ONE[svc]
        got = error(getattr(client(svc), op), **kw)
        check("throttle " + svc, got[:2] == want, got[:2])
    faults({"service": "iam", "do": "reset"})
    check("reset", error(iam.list_roles)[0] in (
        "ConnectionClosedError", "EndpointConnectionError",
        "HTTPClientError"), error(iam.list_roles)[0])
    faults({"service": "iam", "do": "close"})
    check("close", error(iam.list_roles)[1] == 0)
    faults({"service": "iam", "do": "hang", "seconds": 30, "times": 1})
    t = time.monotonic()
    got = error(client("iam", timeout=1).list_roles)
    check("hang", got[0] == "ReadTimeoutError" and
          time.monotonic() - t < 5, got[0])
    faults({"service": "ec2", "do": "cut"})
    check("cut body", error(ec2.describe_instances)[1] == 0,
          error(ec2.describe_instances)[:2])
    faults({"service": "ec2", "do": "garbage"})
    check("garbage", error(ec2.describe_vpcs)[1] == 0)
    faults({"service": "kms", "do": "error", "code": "KMSInternalException",
            "status": 500})
    check("500", error(client("kms").list_keys)[:2] ==
          ("KMSInternalException", 500))
    faults({"region": "eu-west-1", "do": "refuse"})
    check("a region refuses", error(client(
        "ec2", "eu-west-1").describe_vpcs)[0] == "OptInRequired")
    check("others do not", error(ec2.describe_vpcs)[1] == 200)
    faults({"service": "iam", "do": "expired", "times": 1})
    check("expired token", error(iam.list_roles)[0] == "ExpiredToken")
    faults({"service": "s3", "do": "deny"})
    check("deny", error(client("s3").list_buckets)[:2] ==
          ("AccessDenied", 403))
    faults({"service": "sts", "do": "skew", "seconds": 3600})
    got = error(_fresh("sts").get_caller_identity)
    check("skew", got[0] == "SignatureDoesNotMatch", got[:2])
    faults({"service": "iam", "operation": "ListRoles", "do": "slow",
            "rate": 20000})
    t = time.monotonic()
    check("slow", error(iam.list_roles)[1] == 200 and
          time.monotonic() - t > 0.3)
    before = len(sim("state")["snapshots_made"])
    faults({"service": "ec2", "operation": "CreateSnapshot*", "do": "reset",
            "after": True})
    got = error(client("ec2").create_snapshot, VolumeId=ec2.describe_volumes(
        MaxResults=5)["Volumes"][0]["VolumeId"])
    check("done, but the answer is lost", got[1] == 0 and
          len(sim("state")["snapshots_made"]) == before + 1, got[:2])
    faults({"service": "ec2", "do": "throttle", "skip": 2, "every": 2,
            "times": 2})
    got = "".join("t" if error(ec2.describe_vpcs)[1] == 503 else "."
                  for _ in range(8))
    check("skip, every, times", got == "...t.t..", got)
    faults()
    with open(ENV["SIM_FAULTS"], "w", encoding="utf-8") as f:
        json.dump([{"service": "imds", "do": "error", "status": 503}], f)
    check("the rules file, and IMDS", imds("PUT", "/latest/api/token", {
        TTL: "60"})[0] == 503)
    os.unlink(ENV["SIM_FAULTS"])
    check("and without it", imds("PUT", "/latest/api/token", {
        TTL: "60"})[0] == 200)
    check("retries reach the goal", client(
        "ec2", attempts=4).describe_vpcs()["Vpcs"])


def want_only():
    """Was the test that makes snapshots left out?"""
    return sys.argv[1:] and "snapshots" not in sys.argv[1:]


def test_others():
    """Services that the account does not use list nothing."""
    for svc, op in (("cloudwatch", "describe_alarms"),
                    ("logs", "describe_log_groups"),
                    ("guardduty", "list_detectors"),
                    ("securityhub", "describe_standards"),
                    ("elb", "describe_load_balancers"),
                    ("elbv2", "describe_load_balancers"),
                    ("rds", "describe_db_instances"),
                    ("dynamodb", "list_tables"), ("sqs", "list_queues"),
                    ("sns", "list_topics"), ("eks", "list_clusters"),
                    ("accessanalyzer", "list_analyzers"),
                    ("route53", "list_hosted_zones"),
                    ("cloudfront", "list_distributions"),
                    ("macie2", "list_classification_jobs"),
                    ("config", "describe_config_rules"),
                    ("stepfunctions", "list_state_machines"),
                    ("ecr", "describe_repositories"),
                    ("apigateway", "get_rest_apis"),
                    ("secretsmanager", "list_secrets")):
        got = error(getattr(client(svc), op))
        check("%s.%s" % (svc, op), got[1] == 200, got[:2])
    check("and refuse wrong secrets", error(client("sns", keys=(
        ADMIN[0], "y" * 40, None)).list_topics)[0] ==
        "SignatureDoesNotMatch")
    check("and change nothing", error(client(
        "sqs").create_queue, QueueName="q")[1] == 400)


def test_log():
    with open(ENV["SIM_LOG"], encoding="utf-8") as f:
        lines = [json.loads(x) for x in f]
    check("the log is JSON lines", [x["n"] for x in lines] ==
          list(range(1, len(lines) + 1)))
    one = [x for x in lines if x["operation"] == "CreateSnapshots" and
           x["error"] is None]
    check("calls are in it", len(one) == 0 if want_only() else
          len(one) == 1 and one[0]["account"] ==
          "123456789012" and one[0]["params"]["InstanceSpecification"][
              "InstanceId"] == INST and one[0]["request_id"])
    check("no handler failed", not [x for x in lines if x.get("trace")],
          [x.get("trace") for x in lines if x.get("trace")][:1])
    check("filters of the control", all(
        e["service"] == "iam" for e in sim("log?service=iam")))


def test_speed():
    host = URL.split("//")[1]
    body = "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=" + INST
    r = botocore.awsrequest.AWSRequest(
        "POST", URL + "/", data=body, headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Host": host})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(*ADMIN[:2]),
                            "ec2", "us-east-1").add_auth(r)
    heads = dict(r.headers)
    def once():
        count = [0] * 4
        end = time.monotonic() + 1

        def work(k):
            c = http.client.HTTPConnection(host)
            while time.monotonic() < end:
                c.request("POST", "/", body, heads)
                a = c.getresponse()
                a.read()
                count[k] += a.status == 200
        ts = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for t in ts:
            t.start()
        for t in ts:
            t.join()
        return sum(count)
    rate = max(once() for _ in range(3))
    print("%d signed DescribeInstances a second" % rate)
    check("300 requests a second", rate >= 300, rate)


def test_same_seed():
    """Two servers of one seed and one time give one account."""
    here = os.path.dirname(os.path.abspath(__file__))
    outs = []
    for _ in range(2):
        env = subprocess.run(
            [os.path.join(here, "start"), "--seed", "42", "--now",
             "2026-03-01T12:00:00Z"], capture_output=True, text=True,
            check=True).stdout
        vals = dict(x[7:].rstrip(";").split("=", 1)
                    for x in env.splitlines() if x.startswith("export "))
        c = _session.create_client(
            "ec2", region_name="us-east-1",
            endpoint_url=vals["AWS_ENDPOINT_URL"],
            aws_access_key_id=vals["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=vals["AWS_SECRET_ACCESS_KEY"])
        outs.append((strip(c.describe_instances()), strip(
            c.describe_security_groups()), vals["SIM_INSTANCE_ID"]))
        r = subprocess.run([os.path.join(here, "stop"), "--state",
                            vals["SIM_STATE"]])
        check("stop", r.returncode == 0 and
              not os.path.exists(vals["SIM_STATE"]))
    check("one seed, one account", outs[0] == outs[1])
    check("another seed, another", outs[0][2] != INST)


def main():
    tests = [(n[5:], f) for n, f in globals().items()
             if n.startswith("test_")]
    # the history is read when most calls have been made; speed comes last
    want = sys.argv[1:]
    for name, f in tests:
        if want and name not in want:
            continue
        t = time.monotonic()
        try:
            f()
        except Exception as e:
            where = traceback.extract_tb(e.__traceback__)
            line = [x.lineno for x in where if x.filename == __file__][-1]
            check("%s, line %d" % (name, line), False, repr(e))
        print("%-12s %5.1f s" % (name, time.monotonic() - t), flush=True)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
