# SPDX-License-Identifier: Apache-2.0
"""Lambda: functions with environments that hold secrets."""
import base64
import hashlib
import json

from .errors import AwsError
from .registry import op


def seed(s):
    reg = s.acct.regions["us-east-1"]
    for n, (name, env, hours) in enumerate((
            ("report-export", {"DB_PASSWORD": "s3cr3t-not-real-%s" %
                               s.ids.hex(6), "STAGE": "prod",
                               "BUCKET": "northwind-assets"}, 17),
            ("image-resize", {"STAGE": "prod"}, 2400),
            ("log-forwarder", {"API_TOKEN": s.ids.hex(32)}, 4000),
            ("nightly-cleanup", {}, 5000),
            ("webhook", {"STAGE": "prod", "NAME": "caf\u00e9"}, 900))):
        arn = "arn:aws:lambda:us-east-1:123456789012:function:" + name
        code = hashlib.sha256(("%s %s" % (s.w.seed, name)).encode()).digest()
        f = {"FunctionName": name, "FunctionArn": arn, "Runtime":
             "python3.13", "Role": "arn:aws:iam::123456789012:role/"
             "report-function-role", "Handler": "app.handler",
             "CodeSize": 4096 + n, "Description": "", "Timeout": 30,
             "MemorySize": 256, "LastModified": s.ago(
                 hours=hours).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
             "CodeSha256": base64.b64encode(code).decode(), "Version":
                 "$LATEST", "TracingConfig": {"Mode": "PassThrough"},
             "RevisionId": s.ids.uuid(), "State": "Active",
             "LastUpdateStatus": "Successful", "PackageType": "Zip",
             "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 512},
             "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
             "LoggingConfig": {"LogFormat": "Text", "LogGroup":
                               "/aws/lambda/" + name}}
        if env:
            f["Environment"] = {"Variables": env}
        reg.all("lambda")[name] = {
            "config": f, "policy": {
                "Version": "2012-10-17", "Id": "default", "Statement": [
                    {"Sid": "invoke", "Effect": "Allow", "Principal":
                     {"AWS": "arn:aws:iam::999988887777:root"} if n == 0
                     else {"Service": "s3.amazonaws.com"},
                     "Action": "lambda:InvokeFunction", "Resource": arn}]}
            if n < 2 else None}
    reg.all("esm")["a"] = {
        "UUID": s.ids.uuid(), "BatchSize": 10, "EventSourceArn":
            "arn:aws:sqs:us-east-1:123456789012:uploads", "FunctionArn":
            "arn:aws:lambda:us-east-1:123456789012:function:image-resize",
        "LastModified": s.ago(days=90), "State": "Enabled",
        "StateTransitionReason": "USER_INITIATED"}


def find(ctx, p):
    name = p["FunctionName"].rsplit(":function:", 1)[-1].split(":")[0]
    f = ctx.state.all("lambda").get(name)
    if f is None:
        raise AwsError("ResourceNotFoundException", "Function not found: %s"
                       % ctx.arn("lambda", "function:" + name), 404)
    return f


@op("lambda", "ListFunctions")
def list_functions(ctx, p):
    return {"Functions": [f["config"]
                          for f in ctx.state.all("lambda").values()]}


@op("lambda", "GetFunction")
def get_function(ctx, p):
    f = find(ctx, p)
    return {"Configuration": f["config"], "Code": {
        "RepositoryType": "S3", "Location": "https://awslambda-us-east-1-"
        "tasks.s3.amazonaws.com/snapshots/%s/%s?versionId=simulated" % (
            ctx.account.number, f["config"]["FunctionName"])},
        "Tags": {"team": "platform"}}


@op("lambda", "GetFunctionConfiguration")
def configuration(ctx, p):
    return find(ctx, p)["config"]


@op("lambda", "GetPolicy")
def get_policy(ctx, p):
    f = find(ctx, p)
    if f["policy"] is None:
        raise AwsError("ResourceNotFoundException", "The resource you "
                       "requested does not exist.", 404)
    return {"Policy": json.dumps(f["policy"]), "RevisionId":
            f["config"]["RevisionId"]}


@op("lambda", "ListVersionsByFunction")
def versions(ctx, p):
    return {"Versions": [find(ctx, p)["config"]]}


@op("lambda", "ListAliases")
def aliases(ctx, p):
    f = find(ctx, p)
    return {"Aliases": [{
        "AliasArn": f["config"]["FunctionArn"] + ":live", "Name": "live",
        "FunctionVersion": "$LATEST", "Description": "",
        "RevisionId": f["config"]["RevisionId"]}]}


@op("lambda", "ListTags")
def list_tags(ctx, p):
    return {"Tags": {"team": "platform"}}


@op("lambda", "ListEventSourceMappings")
def mappings(ctx, p):
    return {"EventSourceMappings": list(ctx.state.all("esm").values())}


@op("lambda", "ListLayers")
def layers(ctx, p):
    return {"Layers": []}


@op("lambda", "GetAccountSettings")
def settings(ctx, p):
    return {"AccountLimit": {
        "TotalCodeSize": 80530636800, "CodeSizeUnzipped": 262144000,
        "CodeSizeZipped": 52428800, "ConcurrentExecutions": 1000,
        "UnreservedConcurrentExecutions": 1000},
        "AccountUsage": {"TotalCodeSize": 20490, "FunctionCount": len(
            ctx.state.all("lambda"))}}


@op("lambda", "GetFunctionConcurrency")
def concurrency(ctx, p):
    find(ctx, p)
    return {"ReservedConcurrentExecutions": 5}


@op("lambda", "ListFunctionUrlConfigs")
def urls(ctx, p):
    find(ctx, p)
    return {"FunctionUrlConfigs": []}
