# SPDX-License-Identifier: Apache-2.0
"""The AWS CLI and crashcart, asked the same of the simulated account.

Every call is one line of CALLS; the AWS CLI answers it in this process (it
is a Python program), crashcart by `call --batch`. Signatures are checked by
the account. Both must print the same JSON.
"""
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile

ENV = os.environ
INST = ENV["SIM_INSTANCE_ID"]
BUCKET = ENV["SIM_BUCKET"]
KEY = ENV["SIM_KMS_KEY_ID"]
SNAP = ENV["SIM_EBS_SNAPSHOT_ID"]
POLICY = "arn:aws:iam::%s:policy/deploy-pipeline" % ENV["SIM_ACCOUNT_ID"]
ROLE = {"RoleName": ENV["SIM_ROLE_NAME"]}

CALLS = [
    ("sts:GetCallerIdentity", {}),
    ("sts:GetAccessKeyInfo", {"AccessKeyId":
                              ENV["SIM_STOLEN_ACCESS_KEY_ID"]}),
    ("ec2:DescribeInstances", {}),
    ("ec2:DescribeInstances", {"InstanceIds": [INST]}),
    ("ec2:DescribeInstances", {"Filters": [
        {"Name": "tag:app", "Values": ["w*"]}]}),
    ("ec2:DescribeVolumes", {}),
    ("ec2:DescribeVolumes", {"Filters": [
        {"Name": "attachment.instance-id", "Values": [INST]}]}),
    ("ec2:DescribeSnapshots", {"OwnerIds": ["self"]}),
    ("ec2:DescribeImages", {"Owners": ["self"]}),
    ("ec2:DescribeNetworkInterfaces", {}),
    ("ec2:DescribeSecurityGroups", {}),
    ("ec2:DescribeSecurityGroupRules", {}),
    ("ec2:DescribeVpcs", {}), ("ec2:DescribeSubnets", {}),
    ("ec2:DescribeRouteTables", {}), ("ec2:DescribeInternetGateways", {}),
    ("ec2:DescribeNatGateways", {}), ("ec2:DescribeNetworkAcls", {}),
    ("ec2:DescribeFlowLogs", {}), ("ec2:DescribeAddresses", {}),
    ("ec2:DescribeKeyPairs", {}), ("ec2:DescribeLaunchTemplates", {}),
    ("ec2:DescribeLaunchTemplateVersions",
     {"LaunchTemplateName": "web-frontend"}),
    ("ec2:DescribeIamInstanceProfileAssociations", {}),
    ("ec2:DescribeRegions", {"AllRegions": True}),
    ("ec2:DescribeTags", {}), ("ec2:DescribeInstanceStatus", {}),
    ("ec2:DescribeInstanceTypes", {"InstanceTypes": ["m5d.large"]}),
    ("ec2:DescribeInstanceAttribute", {"InstanceId": INST,
                                       "Attribute": "userData"}),
    ("ec2:DescribeVpnConnections", {}),
    ("ec2:GetConsoleOutput", {"InstanceId": INST}),
    ("ebs:ListSnapshotBlocks", {"SnapshotId": SNAP}),
    ("ebs:ListChangedBlocks", {"SecondSnapshotId": SNAP}),
    ("iam:ListUsers", {}), ("iam:ListRoles", {}), ("iam:ListGroups", {}),
    ("iam:ListPolicies", {"Scope": "Local"}),
    ("iam:GetAccountAuthorizationDetails", {}),
    ("iam:GetAccountSummary", {}), ("iam:GetAccountPasswordPolicy", {}),
    ("iam:ListVirtualMFADevices", {}), ("iam:ListSAMLProviders", {}),
    ("iam:ListOpenIDConnectProviders", {}), ("iam:GetRole", ROLE),
    ("iam:ListRolePolicies", ROLE),
    ("iam:GetRolePolicy", dict(ROLE, PolicyName="assets")),
    ("iam:ListAttachedRolePolicies", ROLE),
    ("iam:GetPolicyVersion", {"PolicyArn": POLICY, "VersionId": "v3"}),
    ("iam:ListAccessKeys", {"UserName": "svc-metrics"}),
    ("iam:GetAccessKeyLastUsed", {"AccessKeyId":
                                  ENV["SIM_BACKDOOR_ACCESS_KEY_ID"]}),
    ("iam:ListInstanceProfiles", {}),
    ("iam:ListSSHPublicKeys", {"UserName": "svc-metrics"}),
    ("cloudtrail:DescribeTrails", {}), ("cloudtrail:ListTrails", {}),
    ("cloudtrail:GetTrailStatus", {"Name": "management"}),
    ("cloudtrail:GetEventSelectors", {"TrailName": "management"}),
    ("cloudtrail:LookupEvents", {"LookupAttributes": [
        {"AttributeKey": "Username", "AttributeValue": INST}]}),
    ("kms:ListKeys", {}), ("kms:ListAliases", {}),
    ("kms:DescribeKey", {"KeyId": KEY}), ("kms:GetKeyPolicy", {
        "KeyId": KEY, "PolicyName": "default"}),
    ("kms:GetPublicKey", {"KeyId": ENV["SIM_KMS_ED25519_KEY_ID"]}),
    ("kms:ListGrants", {"KeyId": KEY}),
    ("organizations:DescribeOrganization", {}),
    ("organizations:ListAccounts", {}), ("organizations:ListRoots", {}),
    ("organizations:ListPolicies", {"Filter": "SERVICE_CONTROL_POLICY"}),
    ("lambda:ListFunctions", {}),
    ("lambda:GetFunction", {"FunctionName": ENV["SIM_FUNCTION"]}),
    ("lambda:GetPolicy", {"FunctionName": ENV["SIM_FUNCTION"]}),
    ("lambda:ListEventSourceMappings", {}), ("lambda:ListLayers", {}),
    ("ssm:DescribeInstanceInformation", {}),
    ("ssm:DescribeParameters", {}), ("ssm:ListCommands", {}),
    ("ssm:GetParameter", {"Name": "/prod/db/host"}),
    ("ssm:ListDocuments", {}),
    ("s3:ListBuckets", {}), ("s3:ListObjectsV2", {"Bucket": BUCKET}),
    ("s3:ListObjectVersions", {"Bucket": BUCKET, "Prefix": "caf\u00e9"}),
    ("s3:HeadObject", {"Bucket": BUCKET,
                       "Key": "tilde~(paren)'quote'!*.txt"}),
    ("s3:GetBucketPolicy", {"Bucket": BUCKET}),
    ("s3:GetBucketAcl", {"Bucket": BUCKET}),
    ("s3:GetBucketEncryption", {"Bucket": "northwind-logs"}),
    ("s3:GetPublicAccessBlock", {"Bucket": "northwind-logs"}),
    ("s3:GetBucketVersioning", {"Bucket": BUCKET}),
    ("s3:GetBucketLogging", {"Bucket": BUCKET}),
    ("s3:GetBucketLocation", {"Bucket": "northwind-backups"}),
    ("s3:GetBucketLocation", {"Bucket": BUCKET}),
]
# answers that differ at each call by their nature
VOLATILE = {("ebs", "BlockToken"), ("ebs", "NextToken"), ("ebs", "FirstBlockToken"),
            ("ebs", "SecondBlockToken"), ("ebs", "ExpiryTime"),
            ("ec2", "Timestamp")}


def dashed(name):
    sys.path.insert(0, "")
    from awscli.botocore import xform_name
    return xform_name(name, "-")


def same(service, x):
    if isinstance(x, dict):
        return {k: "volatile" if (service, k) in VOLATILE else
                same(service, v) for k, v in x.items()}
    if isinstance(x, list):
        return [same(service, v) for v in x]
    return x


def by_cli(driver, call, given):
    service, op = call.split(":")
    command = {"s3": "s3api"}.get(service, service)
    args = [command, dashed(op), "--output", "json", "--cli-input-json",
            json.dumps(given)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        rc = driver.main(args)
    text = out.getvalue()
    if rc:
        return None, err.getvalue().strip()
    return json.loads(text) if text.strip() else {}, ""


def main():
    from awscli.clidriver import create_clidriver
    folder = tempfile.mkdtemp(dir=ENV.get("TMPDIR"))
    config = os.path.join(folder, "config")
    with open(config, "w", encoding="ascii") as f:
        # as version 2 of the AWS CLI prints times
        f.write("[default]\ncli_timestamp_format = iso8601\n"
                "cli_history = disabled\n")
    ENV["AWS_CONFIG_FILE"] = config
    lines = "".join(json.dumps({"call": c, "input": i}) + "\n"
                    for c, i in CALLS)
    r = subprocess.run([ENV["CRASHCART"], "call", "--batch", "--secrets",
                        "--json"],
                       input=lines, capture_output=True, text=True,
                       timeout=300)
    ours = [json.loads(x) for x in r.stdout.splitlines() if x.strip()]
    if len(ours) != len(CALLS):
        print(r.stderr[-2000:])
        print("FAIL %d answers to %d calls" % (len(ours), len(CALLS)))
        return 1
    driver = create_clidriver()
    good = filled = failed = 0
    services = set()
    for (call, given), mine in zip(CALLS, ours):
        want, err = by_cli(driver, call, given)
        if "reply" in mine:
            mine = mine["reply"]
        service = call.split(":")[0]
        if want is None:
            print("FAIL aws %s: %s" % (call, err[:300]))
            failed += 1
            continue
        if call.startswith("s3:List"):
            # joining pages, the AWS CLI drops what describes one page (Name,
            # MaxKeys ...) and writes null for what it expected: of these
            # answers the lists are compared
            want = {k: v for k, v in want.items() if v is not None}
            mine = {k: v for k, v in mine.items() if k in want}
        if same(service, want) != same(service, mine):
            failed += 1
            print("FAIL %s %s" % (call, json.dumps(given)))
            for path, a, b in differences(same(service, want),
                                          same(service, mine), "", []):
                print("     %s: aws %s, crashcart %s" % (path, a, b))
            continue
        good += 1
        services.add(service)
        if any(v not in ([], {}, "", None) for v in want.values()):
            filled += 1
    print("%d answers equal over %d services, %d of them not empty" % (
        good, len(services), filled))
    if good < 40 or filled < 30 or len(services) != 10:
        failed += 1
    print("%d passed, %d failed" % (good, failed))
    return 1 if failed else 0


def differences(a, b, path, out):
    """The first few places where two answers part."""
    if len(out) >= 6:
        return out
    if isinstance(a, dict) and isinstance(b, dict):
        for k in sorted(set(a) | set(b)):
            if a.get(k, "absent") != b.get(k, "absent"):
                differences(a.get(k, "absent"), b.get(k, "absent"),
                            path + "." + k, out)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for n, (x, y) in enumerate(zip(a, b)):
            if x != y:
                differences(x, y, "%s[%d]" % (path, n), out)
    else:
        out.append((path, json.dumps(a)[:160], json.dumps(b)[:160]))
    return out


if __name__ == "__main__":
    sys.exit(main())
