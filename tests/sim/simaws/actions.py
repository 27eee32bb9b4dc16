# SPDX-License-Identifier: Apache-2.0
"""Which IAM action and resources a call needs."""

S3_ACTIONS = {
    "ListObjectsV2": "ListBucket", "ListObjects": "ListBucket",
    "HeadBucket": "ListBucket", "ListBuckets": "ListAllMyBuckets",
    "HeadObject": "GetObject", "GetObjectAttributes": "GetObject",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketOwnershipControls": "GetBucketOwnershipControls",
    "ListObjectVersions": "ListBucketVersions",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject", "CopyObject": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "DeleteObjects": "DeleteObject",
}
# where IAM's prefix is not the service's name, from the service
# authorization reference
PREFIXES = {"accessanalyzer": "access-analyzer", "elbv2":
            "elasticloadbalancing", "elb": "elasticloadbalancing", "efs":
            "elasticfilesystem", "sso-admin": "sso", "s3control": "s3",
            "apigatewayv2": "apigateway", "docdb": "rds", "neptune": "rds"}
OTHERS = {"s3control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
          "s3:ListDirectoryBuckets": "s3express:ListAllMyDirectoryBuckets"}
# what EC2 does with the key of a copy in the caller's name
COPY_KEY_ACTIONS = ("CreateGrant", "Decrypt", "DescribeKey",
                    "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom",
                    "ReEncryptTo")
LAMBDA_ACTIONS = {"Invoke": "InvokeFunction"}


def action(service, name):
    other = OTHERS.get("%s:%s" % (service, name))
    if other:
        return other
    if service in ("apigateway", "apigatewayv2"):
        return "apigateway:" + ("GET" if name.startswith("Get") else "*")
    service = PREFIXES.get(service, service)
    if service == "s3":
        name = S3_ACTIONS.get(name, name)
    elif service == "lambda":
        name = LAMBDA_ACTIONS.get(name, name)
    return "%s:%s" % (service, name)


def resources(ctx, name, p):
    """ARNs that the call touches; ['*'] where AWS has no finer grain."""
    service = ctx.svc.name
    acct = ctx.account.number
    if service == "s3":
        if "Bucket" in p:
            arn = "arn:aws:s3:::" + p["Bucket"]
            return [arn + "/" + p["Key"]] if "Key" in p else [arn]
    elif service == "iam":
        for key, kind in (("UserName", "user"), ("RoleName", "role"),
                          ("GroupName", "group"),
                          ("InstanceProfileName", "instance-profile")):
            if isinstance(p.get(key), str):
                return ["arn:aws:iam::%s:%s/%s" % (acct, kind, p[key])]
        for key in ("PolicyArn", "PolicySourceArn", "Arn", "SAMLProviderArn",
                    "OpenIDConnectProviderArn"):
            if isinstance(p.get(key), str):
                return [p[key]]
    elif service == "sts":
        if "RoleArn" in p:
            return [p["RoleArn"]]
    elif service == "kms":
        key = p.get("KeyId")
        if key:
            if key.startswith("arn:"):
                return [key]
            return [ctx.arn("kms", key if key.startswith("alias/") else
                            "key/" + key)]
    elif service == "lambda":
        fn = p.get("FunctionName")
        if fn:
            return [fn if fn.startswith("arn:") else
                    ctx.arn("lambda", "function:" + fn)]
    elif service == "ssm":
        names = p.get("Names") or ([p["Name"]] if "Name" in p else [])
        if names and "Parameter" in name:
            return [ctx.arn("ssm", "parameter/" + n.lstrip("/"))
                    for n in names]
    elif service == "ebs":
        snap = p.get("SnapshotId") or p.get("SecondSnapshotId")
        if snap:
            return [ctx.arn("ec2", "snapshot/" + snap, account="")]
    elif service == "ec2":
        if name == "CreateSnapshot":
            return [ctx.arn("ec2", "volume/" + str(p.get("VolumeId"))),
                    ctx.arn("ec2", "snapshot/*", account="")]
        if name == "CreateSnapshots":
            inst = p.get("InstanceSpecification", {}).get("InstanceId", "*")
            i = ctx.ec2("instances").get(inst, {"BlockDeviceMappings": []})
            return [ctx.arn("ec2", "instance/" + inst)] + [
                ctx.arn("ec2", "volume/" + m["Ebs"]["VolumeId"])
                for m in i["BlockDeviceMappings"]] + [
                    ctx.arn("ec2", "snapshot/*", account="")]
        if name == "CopySnapshot":
            return [ctx.arn("ec2", "snapshot/*", account="")]
        if name in ("GetConsoleOutput", "GetConsoleScreenshot"):
            return [ctx.arn("ec2", "instance/" + str(p.get("InstanceId")))]
        if name in ("GetConsoleOutput", "GetConsoleScreenshot",
                    "GetPasswordData"):
            return [ctx.arn("ec2", "instance/" + str(p.get("InstanceId")))]
        if not name.startswith(("Describe", "Get", "List")):
            for key, kind in (("InstanceId", "instance"),
                              ("SnapshotId", "snapshot"),
                              ("VolumeId", "volume"),
                              ("GroupId", "security-group"),
                              ("ImageId", "image")):
                if isinstance(p.get(key), str):
                    return [ctx.arn("ec2", "%s/%s" % (kind, p[key]))]
    return ["*"]


def also(ctx, name, p):
    """Further permissions of a call: (action, resource, context keys)."""
    if ctx.svc.name == "sts" and name == "AssumeRole" and p.get("Tags"):
        return [("sts:TagSession", p["RoleArn"], {})]
    out = []
    if ctx.svc.name == "ec2" and name == "CopySnapshot" and p.get("KmsKeyId"):
        key = p["KmsKeyId"]
        if not key.startswith("arn:"):
            key = ctx.arn("kms", "key/" + key)
        out = [("kms:" + a, key, {"kms:viaservice": "ec2.%s.amazonaws.com" %
                                  ctx.region}) for a in COPY_KEY_ACTIONS]
    if ctx.svc.name == "ec2" and name.startswith(("Create", "Copy")) and \
            p.get("TagSpecifications"):
        kind = "snapshot" if "Snapshot" in name else "*"
        out += [("ec2:CreateTags", ctx.arn("ec2", kind + "/*", account="")
                 if kind == "snapshot" else "*", {"ec2:createaction": name})]
    return out
