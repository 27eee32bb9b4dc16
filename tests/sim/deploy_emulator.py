# SPDX-License-Identifier: Apache-2.0
"""MiniStack, with the one SDK integration of Step Functions that the state
machine needs and that it lacks: s3:putObject."""
import json

from ministack import app
from ministack.services import stepfunctions

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


stepfunctions._dispatch_aws_sdk_rest_xml = dispatch
app.main()
