# SPDX-License-Identifier: Apache-2.0
"""MiniStack, with what the quarantine needs and it lacks: of Step Functions the
integrations s3:putObject, getObject and copyObject, of a distributed map what
JSONata says ("Items", "Arguments", "Assign") and the ResultWriter, of S3 the lock of an object that
was uploaded in parts.  A child that failed leaves nothing in the output of its
map.  It knows no launch template in RunInstances, and shows
no user-data: what was asked for is written to launched.json, a line each.
Where a case is named *-full, there is no capacity; the answer to the claim of one
named *-lost is lost, and asked for again.  It judges by no policy: of S3,
a role (the cart's) is refused what CartRole lacks, reading and deleting."""
import json

from ministack import app
from ministack.services.stepfunctions import get_account_id
from ministack.services import ec2, s3, stepfunctions

others = stepfunctions._dispatch_aws_sdk_rest_xml


HEADERS = {"ContentType": "content-type", "IfNoneMatch": "if-none-match",
           "IfMatch": "if-match", "CopySource": "x-amz-copy-source"}
METHODS = {"putObject": "PUT", "copyObject": "PUT", "getObject": "GET"}


def ask_s3(method, given, body=b""):
    headers = {"host": "s3.us-east-1.amazonaws.com", "authorization":
               "AWS4-HMAC-SHA256 Credential=%s/20260101/us-east-1/s3/"
               "aws4_request" % get_account_id()}
    headers.update((HEADERS[k], v) for k, v in given.items() if k in HEADERS)
    status, back, answer = app.call_service_handler_sync(
        app.SERVICE_HANDLERS["s3"], method, "/%s/%s" % (
            given["Bucket"], given["Key"]), headers, body, {})
    if status >= 400:
        raise stepfunctions._ExecutionError(
            "S3.S3Exception", "%s (Service: S3, Status Code: %d, Request ID: "
            "-)" % (bytes(answer or b"").decode(), status))
    return {k.lower(): v for k, v in back.items()}, bytes(answer or b"")


def dispatch(service, name, action, given):
    if name != "s3" or action not in METHODS:
        return others(service, name, action, given)
    body = given.get("Body", "")
    if not isinstance(body, str):
        body = json.dumps(body)
    for again in range(1 + given["Key"].endswith("-lost.json")):
        back, answer = ask_s3(METHODS[action], given, body.encode())
    return {"Body": answer.decode(), "ETag": back.get("etag", "")} \
        if action == "getObject" else {}


def launch(p):
    asked = {k: v[0] if isinstance(v, list) else v for k, v in p.items()}
    if any(str(v).endswith("-full") for v in asked.values()):
        return ec2._error("InsufficientInstanceCapacity", "no t3.small", 500)
    with open("launched.json", "a", encoding="utf-8") as f:
        f.write(json.dumps(asked) + "\n")
    return runs(p)


def distributed(state, given, effective, iterator, execution, ctx):
    def said(where):
        return stepfunctions._apply_jsonata_template(
            state[where]["Arguments"], given, ctx)
    if "Items" in state:
        effective = stepfunctions._jsonata_state_field(state, "Items", "array",
                                                       given, ctx)
    reader = state.get("ItemReader")
    if reader:
        state = dict(state, ItemReader=dict(reader,
                                            Arguments=said("ItemReader")))
    out, following = maps(state, given, effective, iterator, execution, ctx)
    out = [x for x in out if x is not None]
    if "ResultWriter" in state:
        out = written(out, said("ResultWriter"), execution)
    stepfunctions._apply_state_assign(state, given, ctx, result=out)
    return out, following


def written(out, where, execution):
    """COMPACT results of the children in lines, the failed ones as they are,
    and a manifest of both."""
    arn = [r["mapRunArn"] for r in stepfunctions._map_runs.values()
           if r["executionArn"] == execution["executionArn"]][-1]
    failed = [c for c in stepfunctions._executions.values()
              if c.get("mapRunArn") == arn and c["status"] == "FAILED"]
    files = {"SUCCEEDED": [], "FAILED": [], "PENDING": []}
    key = "%s/%s/" % (where["Prefix"], arn.rsplit(":", 1)[1])
    for kind, lines in (("SUCCEEDED", out), ("FAILED", [
            {"ExecutionArn": c["executionArn"], "Input": c["input"],
             "Status": "FAILED", "Error": c["error"]} for c in failed])):
        text = "".join(json.dumps(x) + "\n" for x in lines).encode()
        if lines:
            files[kind] = [{"Key": "%s%s_0.jsonl" % (key, kind),
                            "Size": len(text)}]
            ask_s3("PUT", dict(where, Key=files[kind][0]["Key"]), text)
    ask_s3("PUT", dict(where, Key=key + "manifest.json"), json.dumps({
        "DestinationBucket": where["Bucket"], "MapRunArn": arn,
        "ResultFiles": files}).encode())
    return {"MapRunArn": arn, "ResultWriterDetails": {
        "Bucket": where["Bucket"], "Key": key + "manifest.json"}}


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
