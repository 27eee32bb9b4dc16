# SPDX-License-Identifier: Apache-2.0
"""MiniStack, with what the quarantine needs and it lacks: of Step Functions the
integration s3:putObject and "Items" of a distributed map in JSONata, of S3 the
lock of an object that was uploaded in parts.  A child that failed leaves nothing
in the output of its map.  It knows no launch template in RunInstances, and shows
no user-data: what was asked for is written to launched.json, a line each.
Where a case is named *-full, there is no capacity.  It judges by no policy: of S3,
a role (the cart's) is refused what CartRole lacks, reading and deleting."""
import json

from ministack import app
from ministack.services import ec2, s3, stepfunctions

others = stepfunctions._dispatch_aws_sdk_rest_xml


def dispatch(service, name, action, given):
    if (name, action) != ("s3", "putObject"):
        return others(service, name, action, given)
    body = given["Body"]
    if not isinstance(body, str):
        body = json.dumps(body)
    headers = {"host": "s3.us-east-1.amazonaws.com",
               "content-type": given.get("ContentType", ""),
               "authorization":
               "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/"
               "aws4_request"}
    if "IfNoneMatch" in given:
        headers["if-none-match"] = given["IfNoneMatch"]
    status, _, answer = app.call_service_handler_sync(
        app.SERVICE_HANDLERS["s3"], "PUT", "/%s/%s" % (
            given["Bucket"], given["Key"]), headers, body.encode(), {})
    if status >= 400:
        raise stepfunctions._ExecutionError(
            "S3.S3Exception", "%s (Service: S3, Status Code: %d, Request ID: "
            "-)" % (bytes(answer or b"").decode(), status))
    return {}


def launch(p):
    asked = {k: v[0] if isinstance(v, list) else v for k, v in p.items()}
    if any(str(v).endswith("-full") for v in asked.values()):
        return ec2._error("InsufficientInstanceCapacity", "no t3.small", 500)
    with open("launched.json", "a", encoding="utf-8") as f:
        f.write(json.dumps(asked) + "\n")
    return runs(p)


def distributed(state, given, effective, iterator, execution, ctx):
    if "Items" in state:
        effective = stepfunctions._jsonata_state_field(state, "Items", "array",
                                                       given, ctx)
    out, following = maps(state, given, effective, iterator, execution, ctx)
    return [x for x in out if x is not None], following


def create(bucket, key, headers):
    asked[bucket, key] = dict(headers)
    return creates(bucket, key, headers)


def complete(bucket, key, body, query, headers=None):
    reply = completes(bucket, key, body, query, headers)
    if reply[0] == 200:
        s3._apply_object_lock_from_headers(
            bucket, key, asked[bucket, key],
            {k.lower(): v for k, v in reply[1].items()}["x-amz-version-id"])
    return reply


async def judged(method, path, headers, *rest, **more):
    key = headers.get("authorization", "").partition("Credential=")[2]
    if method in ("GET", "HEAD", "DELETE") and key.startswith("ASIA"):
        return s3._error("AccessDenied", "not of the cart's role", 403)
    return await asks(method, path, headers, *rest, **more)


asks = s3.handle_request
s3.handle_request = judged
asked = {}
creates = s3._create_multipart_upload
s3._create_multipart_upload = create
completes = s3._complete_multipart_upload
s3._complete_multipart_upload = complete
runs = ec2._ACTION_MAP["RunInstances"]
ec2._ACTION_MAP["RunInstances"] = launch
maps = stepfunctions._run_distributed_map
stepfunctions._run_distributed_map = distributed
stepfunctions._dispatch_aws_sdk_rest_xml = dispatch
app.main()
