# SPDX-License-Identifier: Apache-2.0
"""EC2: reads over the seeded state, snapshots with a life, containment."""
import base64
import datetime
import urllib.parse

from . import sigv4, svc_kms
from .errors import AwsError
from .httpd import Request
from .policy import like
from .registry import generic, op
from .world import ENABLED, REGIONS

# operation: (result key, kind, id parameter, id field, not-found code, noun)
READS = {
    "DescribeVolumes": ("Volumes", "volumes", "VolumeIds", "VolumeId",
                        "InvalidVolume.NotFound", "volume"),
    "DescribeSnapshots": ("Snapshots", "snapshots", "SnapshotIds",
                          "SnapshotId", "InvalidSnapshot.NotFound",
                          "snapshot"),
    "DescribeImages": ("Images", "images", "ImageIds", "ImageId",
                       "InvalidAMIID.NotFound", "image id"),
    "DescribeNetworkInterfaces": (
        "NetworkInterfaces", "enis", "NetworkInterfaceIds",
        "NetworkInterfaceId", "InvalidNetworkInterfaceID.NotFound",
        "networkInterface ID"),
    "DescribeSecurityGroups": ("SecurityGroups", "groups", "GroupIds",
                               "GroupId", "InvalidGroup.NotFound",
                               "security group"),
    "DescribeSecurityGroupRules": (
        "SecurityGroupRules", "rules", "SecurityGroupRuleIds",
        "SecurityGroupRuleId", "InvalidSecurityGroupRuleId.NotFound",
        "security group rule ID"),
    "DescribeVpcs": ("Vpcs", "vpcs", "VpcIds", "VpcId",
                     "InvalidVpcID.NotFound", "vpc ID"),
    "DescribeSubnets": ("Subnets", "subnets", "SubnetIds", "SubnetId",
                        "InvalidSubnetID.NotFound", "subnet ID"),
    "DescribeRouteTables": ("RouteTables", "rtbs", "RouteTableIds",
                            "RouteTableId", "InvalidRouteTableID.NotFound",
                            "routeTable ID"),
    "DescribeInternetGateways": (
        "InternetGateways", "igws", "InternetGatewayIds",
        "InternetGatewayId", "InvalidInternetGatewayID.NotFound",
        "internetGateway ID"),
    "DescribeNatGateways": ("NatGateways", "nats", "NatGatewayIds",
                            "NatGatewayId", "NatGatewayNotFound",
                            "NAT gateway"),
    "DescribeNetworkAcls": ("NetworkAcls", "acls", "NetworkAclIds",
                            "NetworkAclId", "InvalidNetworkAclID.NotFound",
                            "networkAcl ID"),
    "DescribeFlowLogs": ("FlowLogs", "flowlogs", "FlowLogIds", "FlowLogId",
                         "InvalidFlowLogId.NotFound", "flow log"),
    "DescribeAddresses": ("Addresses", "eips", "AllocationIds",
                          "AllocationId", "InvalidAllocationID.NotFound",
                          "allocation ID"),
    "DescribeKeyPairs": ("KeyPairs", "keypairs", "KeyPairIds", "KeyPairId",
                         "InvalidKeyPair.NotFound", "key pair"),
    "DescribeLaunchTemplates": (
        "LaunchTemplates", "templates", "LaunchTemplateIds",
        "LaunchTemplateId", "InvalidLaunchTemplateId.NotFound",
        "launch template"),
    "DescribeIamInstanceProfileAssociations": (
        "IamInstanceProfileAssociations", "profiles", "AssociationIds",
        "AssociationId", "InvalidAssociationID.NotFound", "association"),
    "DescribeVpcEndpoints": ("VpcEndpoints", "endpoints", "VpcEndpointIds",
                             "VpcEndpointId",
                             "InvalidVpcEndpointId.NotFound",
                             "Vpc Endpoint Id"),
    "DescribeDhcpOptions": ("DhcpOptions", "dhcp", "DhcpOptionsIds",
                            "DhcpOptionsId",
                            "InvalidDhcpOptionID.NotFound",
                            "dhcpOption ID"),
}

ALIASES = {
    "instances": {
        "instance-state-name": "State.Name",
        "instance-state-code": "State.Code",
        "availability-zone": "Placement.AvailabilityZone",
        "ip-address": "PublicIpAddress",
        "dns-name": "PublicDnsName",
        "instance.group-id": "SecurityGroups.GroupId",
        "instance.group-name": "SecurityGroups.GroupName",
        "block-device-mapping.volume-id": "BlockDeviceMappings.Ebs.VolumeId",
        "network-interface.network-interface-id":
            "NetworkInterfaces.NetworkInterfaceId"},
    "volumes": {"status": "State"}, "snapshots": {"status": "State"},
    "enis": {"addresses.private-ip-address":
             "PrivateIpAddresses.PrivateIpAddress",
             "mac-address": "MacAddress"},
    "groups": {"ip-permission.cidr": "IpPermissions.IpRanges.CidrIp",
               "ip-permission.from-port": "IpPermissions.FromPort",
               "ip-permission.to-port": "IpPermissions.ToPort",
               "ip-permission.protocol": "IpPermissions.IpProtocol",
               "egress.ip-permission.cidr":
                   "IpPermissionsEgress.IpRanges.CidrIp"},
    "images": {"is-public": "Public", "owner-alias": "ImageOwnerAlias"},
    "vpcs": {"cidr": "CidrBlock", "is-default": "IsDefault"},
    "subnets": {"cidr": "CidrBlock", "default-for-az": "DefaultForAz"},
    "acls": {"default": "IsDefault"},
    "flowlogs": {"log-group-name": "LogGroupName"},
    "tags": {}, "regions": {"endpoint": "Endpoint"},
}


def norm(text):
    return text.replace("-", "").replace("_", "").lower()


def find_path(shape, segments):
    """Member names along a filter's dotted name, or None."""
    path = []
    for seg in segments:
        while shape.type_name == "list":
            shape = shape.member
        if shape.type_name != "structure":
            return None
        want = norm(seg)
        for name in shape.members:
            n = norm(name)
            if n == want or n == want + "s" or n == want + "es" or \
                    n == want[:-1] + "ies" or n == want + "set":
                path.append(name)
                shape = shape.members[name]
                break
        else:
            return None
    return path


def values(obj, path):
    if not path:
        if isinstance(obj, list):
            for x in obj:
                yield from values(x, path)
        elif obj is not None:
            yield obj
        return
    if isinstance(obj, list):
        for x in obj:
            yield from values(x, path)
    elif isinstance(obj, dict):
        yield from values(obj.get(path[0]), path[1:])


def text(v):
    if v is True:
        return "true"
    if v is False:
        return "false"
    if isinstance(v, datetime.datetime):
        return v.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return str(v)


def filtered(ctx, kind, shape, items, filters):
    tests = []
    for f in filters or []:
        name, want = f.get("Name", ""), [str(v) for v in f.get("Values", [])]
        if name.startswith("tag:"):
            key = name[4:]
            tests.append((want, lambda o, key=key: [
                t["Value"] for t in o.get("Tags", []) if t["Key"] == key]))
        elif name == "tag-key":
            tests.append((want, lambda o: [t["Key"]
                                           for t in o.get("Tags", [])]))
        else:
            alias = ALIASES.get(kind, {}).get(name)
            path = alias.split(".") if alias else \
                find_path(shape, name.split("."))
            if path is None:
                raise AwsError("InvalidParameterValue", "The filter '%s' is "
                               "invalid" % name)
            tests.append((want, lambda o, path=path: [
                text(v) for v in values(o, path)]))
    return [o for o in items
            if all(any(like(w, h) for w in want for h in get(o))
                   for want, get in tests)]


def settle(ctx, snap):
    """A snapshot as it is now: its life is a function of the clock."""
    made = snap.get("_made")
    if made is None or snap["State"] in ("completed", "error"):
        return snap
    o = ctx.world.options
    age = (ctx.now - made).total_seconds() - o["snapshot_delay"]
    total = max(0.001, o["snapshot_seconds"])
    if snap.get("_fail") and age >= total:
        snap["State"], snap["StateMessage"] = "error", (
            snap["_fail"] if isinstance(snap["_fail"], str) else
            "Internal error")
    elif age >= total:
        snap["State"], snap["Progress"] = "completed", "100%"
        snap["CompletionTime"] = made + datetime.timedelta(
            seconds=o["snapshot_delay"] + total)
    else:
        snap["Progress"] = "%d%%" % max(0, min(99, int(age * 100 / total)))
    return snap


def visible(ctx, snap):
    made = snap.get("_made")
    return made is None or (ctx.now - made).total_seconds() >= \
        ctx.world.options["snapshot_delay"]


def snapshots(ctx):
    return [settle(ctx, s) for s in ctx.ec2("snapshots").values()
            if visible(ctx, s)]


def shared_with(ctx):
    """Other accounts' snapshots that this one may use."""
    return [settle(ctx, s) for n, a in ctx.world.accounts.items()
            if n != ctx.account.number
            for s in a.regions[ctx.region].all("snapshots").values()
            if visible(ctx, s) and {"UserId": ctx.account.number} in
            s.get("_shared", [])]


def items_of(ctx, kind):
    return snapshots(ctx) if kind == "snapshots" else \
        list(ctx.ec2(kind).values())


def no_both(p, ids, name):
    if p.get(ids) and p.get("MaxResults"):
        raise AwsError("InvalidParameterCombination", "The parameter %s "
                       "cannot be used with the parameter maxResults" % name)


def by_id(ctx, op_name, p):
    key, kind, param, field, code, noun = READS[op_name]
    items = items_of(ctx, kind)
    want = p.get(param)
    if want and kind == "snapshots":
        items = items + shared_with(ctx)
    if want:
        have = {o[field]: o for o in items}
        for i in want:
            if i not in have:
                raise AwsError(code, "The %s '%s' does not exist" %
                               (noun, i) + ("." if kind == "snapshots"
                                            else ""))
        items = [have[i] for i in want]
    shape = ctx.op.output.members[key].member
    items = filtered(ctx, kind, shape, items,
                     p.get("Filters") or p.get("Filter"))
    return key, items


@op("ec2", *READS)
def describe(ctx, p):
    name = ctx.op.name
    if name in ("DescribeVolumes", "DescribeSnapshots"):
        no_both(p, READS[name][2], "volumeSet" if name == "DescribeVolumes"
                else "snapshotSet")
    key, items = by_id(ctx, name, p)
    if name == "DescribeSnapshots":
        items = owned(ctx, items, p.get("OwnerIds"), p.get("SnapshotIds"),
                      "RestorableByUserIds" in p)
    elif name == "DescribeImages":
        items = owned(ctx, items, p.get("Owners"), True, False)
    elif name == "DescribeSecurityGroups" and p.get("GroupNames"):
        items = [g for g in items if g["GroupName"] in p["GroupNames"]]
    elif name == "DescribeKeyPairs" and p.get("KeyNames"):
        items = [k for k in items if k["KeyName"] in p["KeyNames"]]
    elif name == "DescribeAddresses" and p.get("PublicIps"):
        items = [a for a in items if a["PublicIp"] in p["PublicIps"]]
    elif name == "DescribeLaunchTemplates" and p.get("LaunchTemplateNames"):
        items = [t for t in items if t["LaunchTemplateName"] in
                 p["LaunchTemplateNames"]]
    return {key: items}


def owned(ctx, items, owners, ids, restorable):
    if owners:
        owners = [ctx.account.number if o == "self" else o for o in owners]
        items = [i for i in items if i["OwnerId"] in owners or
                 i.get("ImageOwnerAlias") in owners]
    return items


@op("ec2", "DescribeInstances")
def describe_instances(ctx, p):
    no_both(p, "InstanceIds", "instancesSet")
    every = ctx.ec2("instances")
    want = p.get("InstanceIds")
    if want:
        bad = [i for i in want if i not in every]
        if bad:
            raise AwsError("InvalidInstanceID.NotFound", "The instance ID%s "
                           "'%s' do%s not exist" % (
                               "s" if len(bad) > 1 else "", ", ".join(bad),
                               "" if len(bad) > 1 else "es"))
        items = [every[i] for i in want]
    else:
        items = list(every.values())
    shape = ctx.op.output.members["Reservations"].member.members[
        "Instances"].member
    own = [f for f in p.get("Filters", [])
           if f.get("Name") not in ("reservation-id", "owner-id")]
    items = filtered(ctx, "instances", shape, items, own)
    out = {}
    for i in items:
        r = out.setdefault(i["_reservation"], {
            "ReservationId": i["_reservation"],
            "OwnerId": ctx.account.number, "Groups": [], "Instances": []})
        if i.get("_requester"):
            r["RequesterId"] = i["_requester"]
        r["Instances"].append(i)
    return {"Reservations": list(out.values())}


def instance(ctx, iid):
    i = ctx.ec2("instances").get(iid)
    if i is None:
        raise AwsError("InvalidInstanceID.NotFound", "The instance ID '%s' "
                       "does not exist" % iid)
    return i


@op("ec2", "DescribeInstanceStatus")
def instance_status(ctx, p):
    out = []
    for i in ctx.ec2("instances").values():
        if p.get("InstanceIds") and i["InstanceId"] not in p["InstanceIds"]:
            continue
        if i["State"]["Name"] != "running" and \
                not p.get("IncludeAllInstances"):
            continue
        ok = {"Status": "ok", "Details": [{"Name": "reachability",
                                           "Status": "passed"}]}
        out.append({"InstanceId": i["InstanceId"],
                    "AvailabilityZone": i["Placement"]["AvailabilityZone"],
                    "InstanceState": i["State"], "SystemStatus": ok,
                    "InstanceStatus": ok})
    return {"InstanceStatuses": out}


@op("ec2", "DescribeVolumeStatus")
def volume_status(ctx, p):
    return {"VolumeStatuses": [
        {"VolumeId": v["VolumeId"], "AvailabilityZone": v["AvailabilityZone"],
         "VolumeStatus": {"Status": "ok", "Details": [
             {"Name": "io-enabled", "Status": "passed"}]},
         "Actions": [], "Events": []}
        for v in ctx.ec2("volumes").values()
        if not p.get("VolumeIds") or v["VolumeId"] in p["VolumeIds"]]}


@op("ec2", "DescribeInstanceAttribute")
def instance_attribute(ctx, p):
    i = instance(ctx, p["InstanceId"])
    a = p["Attribute"]
    out = {"InstanceId": i["InstanceId"]}
    if a == "userData":
        out["UserData"] = {"Value": base64.b64encode(
            i["_user_data"].encode()).decode()} if i.get("_user_data") else {}
    elif a == "disableApiTermination":
        out["DisableApiTermination"] = {"Value": bool(i.get("_protected"))}
    elif a == "disableApiStop":
        out["DisableApiStop"] = {"Value": False}
    elif a == "groupSet":
        out["Groups"] = i["SecurityGroups"]
    elif a == "instanceType":
        out["InstanceType"] = {"Value": i["InstanceType"]}
    elif a == "blockDeviceMapping":
        out["BlockDeviceMappings"] = i["BlockDeviceMappings"]
    elif a == "rootDeviceName":
        out["RootDeviceName"] = {"Value": i["RootDeviceName"]}
    elif a == "instanceInitiatedShutdownBehavior":
        out["InstanceInitiatedShutdownBehavior"] = {"Value": "stop"}
    elif a == "sourceDestCheck":
        out["SourceDestCheck"] = {"Value": True}
    elif a == "ebsOptimized":
        out["EbsOptimized"] = {"Value": True}
    elif a == "enaSupport":
        out["EnaSupport"] = {"Value": True}
    elif a == "sriovNetSupport":
        out["SriovNetSupport"] = {}
    elif a in ("kernel", "ramdisk", "productCodes", "enclaveOptions"):
        pass
    else:
        raise AwsError("InvalidParameterValue", "Value (%s) for parameter "
                       "attribute is invalid. Unknown attribute." % a)
    return out


@op("ec2", "GetConsoleOutput")
def console_output(ctx, p):
    i = instance(ctx, p["InstanceId"])
    return {"InstanceId": i["InstanceId"],
            "Timestamp": ctx.now.replace(microsecond=0),
            "Output": base64.b64encode(
                i.get("_console", "").encode()).decode()}


@op("ec2", "GetConsoleScreenshot")
def console_screenshot(ctx, p):
    i = instance(ctx, p["InstanceId"])
    return {"InstanceId": i["InstanceId"], "ImageData": JPEG}


# the smallest grey JPEG: a screenshot of a blank console
JPEG = ("/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP////////////////////////////////"
        "//////////////////////////////////////////////////////wAALCAABAAEBAREA"
        "/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEA"
        "AD8AN//Z")


@op("ec2", "DescribeRegions")
def describe_regions(ctx, p):
    out = [{"RegionName": r, "OptInStatus": s,
            "Endpoint": "ec2.%s.amazonaws.com" % r}
           for r, s in REGIONS if p.get("AllRegions") or
           s != "not-opted-in"]
    if p.get("RegionNames"):
        known = {r["RegionName"] for r in out}
        for r in p["RegionNames"]:
            if r not in known:
                raise AwsError("InvalidParameterValue", "Invalid region "
                               "provided: [%s]" % r)
        out = [r for r in out if r["RegionName"] in p["RegionNames"]]
    shape = ctx.op.output.members["Regions"].member
    return {"Regions": filtered(ctx, "regions", shape, out,
                                p.get("Filters"))}


@op("ec2", "DescribeAvailabilityZones")
def zones(ctx, p):
    code = {"us-east-1": "use1", "eu-west-1": "euw1"}.get(
        ctx.region, ctx.region.replace("-", "")[:4] + ctx.region[-1])
    return {"AvailabilityZones": [
        {"State": "available", "OptInStatus": "opt-in-not-required",
         "Messages": [], "RegionName": ctx.region,
         "ZoneName": ctx.region + c, "ZoneId": "%s-az%d" % (code, n),
         "GroupName": ctx.region, "NetworkBorderGroup": ctx.region,
         "ZoneType": "availability-zone"}
        for n, c in enumerate("abc", 1)]}


@op("ec2", "DescribeAccountAttributes")
def account_attributes(ctx, p):
    have = {"supported-platforms": ["VPC"], "max-instances": ["20"],
            "vpc-max-security-groups-per-interface": ["5"],
            "default-vpc": [next(iter(ctx.ec2("vpcs")), "none")]}
    want = p.get("AttributeNames") or list(have)
    return {"AccountAttributes": [
        {"AttributeName": n, "AttributeValues": [
            {"AttributeValue": v} for v in have[n]]}
        for n in want if n in have]}


@op("ec2", "DescribeTags")
def describe_tags(ctx, p):
    kinds = (("instances", "InstanceId", "instance"),
             ("volumes", "VolumeId", "volume"),
             ("snapshots", "SnapshotId", "snapshot"),
             ("images", "ImageId", "image"),
             ("groups", "GroupId", "security-group"),
             ("vpcs", "VpcId", "vpc"), ("subnets", "SubnetId", "subnet"),
             ("enis", "NetworkInterfaceId", "network-interface"))
    out = []
    for kind, field, rtype in kinds:
        for o in items_of(ctx, kind):
            for t in o.get("Tags", o.get("TagSet", [])):
                out.append({"ResourceId": o[field], "ResourceType": rtype,
                            "Key": t["Key"], "Value": t["Value"]})
    shape = ctx.op.output.members["Tags"].member
    return {"Tags": filtered(ctx, "tags", shape, out, p.get("Filters"))}


def need_snapshot(ctx, sid):
    for s in snapshots(ctx):
        if s["SnapshotId"] == sid:
            return s
    raise AwsError("InvalidSnapshot.NotFound", "The snapshot '%s' does not "
                   "exist." % sid)


@op("ec2", "DescribeSnapshotAttribute")
def snapshot_attribute(ctx, p):
    s = need_snapshot(ctx, p["SnapshotId"])
    out = {"SnapshotId": s["SnapshotId"]}
    if p["Attribute"] == "createVolumePermission":
        out["CreateVolumePermissions"] = s.get("_shared", [])
    else:
        out["ProductCodes"] = []
    return out


@op("ec2", "ModifySnapshotAttribute")
def modify_snapshot_attribute(ctx, p):
    s = need_snapshot(ctx, p["SnapshotId"])
    shared = s.setdefault("_shared", [])
    perm = p.get("CreateVolumePermission", {})
    add = perm.get("Add", []) + (
        [{"UserId": u} for u in p.get("UserIds", [])] +
        [{"Group": g} for g in p.get("GroupNames", [])]
        if p.get("OperationType") == "add" else [])
    remove = perm.get("Remove", []) + (
        [{"UserId": u} for u in p.get("UserIds", [])] +
        [{"Group": g} for g in p.get("GroupNames", [])]
        if p.get("OperationType") == "remove" else [])
    key = svc_kms.by_arn(ctx.world, s.get("KmsKeyId"))
    if add and s["Encrypted"] and (key is None or key["meta"][
            "KeyManager"] == "AWS"):
        raise AwsError("OperationNotPermitted", "Encrypted snapshots with "
                       "EBS default key cannot be shared")
    for a in add:
        if a not in shared:
            shared.append(a)
    for r in remove:
        if r in shared:
            shared.remove(r)
    return {}


@op("ec2", "DescribeImageAttribute")
def image_attribute(ctx, p):
    i = ctx.ec2("images").get(p["ImageId"])
    if i is None:
        raise AwsError("InvalidAMIID.NotFound", "The image id '[%s]' does "
                       "not exist" % p["ImageId"])
    out = {"ImageId": i["ImageId"]}
    a = p["Attribute"]
    if a == "launchPermission":
        out["LaunchPermissions"] = i.get("_shared", [])
    elif a == "blockDeviceMapping":
        out["BlockDeviceMappings"] = i["BlockDeviceMappings"]
    elif a == "description":
        out["Description"] = {"Value": i.get("Description", "")}
    return out


@op("ec2", "DescribeLaunchTemplateVersions")
def template_versions(ctx, p):
    out = []
    for t in ctx.ec2("templates").values():
        if p.get("LaunchTemplateId") not in (None, t["LaunchTemplateId"]):
            continue
        if p.get("LaunchTemplateName") not in (None,
                                               t["LaunchTemplateName"]):
            continue
        vs = t["_versions"]
        want = p.get("Versions")
        if want:
            num = {"$Latest": t["LatestVersionNumber"],
                   "$Default": t["DefaultVersionNumber"]}
            want = [num.get(w, w) for w in want]
            vs = [v for v in vs if str(v["VersionNumber"]) in
                  [str(w) for w in want]]
        out += vs
    if not out and (p.get("LaunchTemplateId") or
                    p.get("LaunchTemplateName")):
        raise AwsError("InvalidLaunchTemplateId.NotFound", "The specified "
                       "launch template, with template ID %s, does not "
                       "exist." % p.get("LaunchTemplateId"))
    return {"LaunchTemplateVersions": out}


@op("ec2", "GetLaunchTemplateData")
def template_data(ctx, p):
    i = instance(ctx, p["InstanceId"])
    return {"LaunchTemplateData": {
        "ImageId": i["ImageId"], "InstanceType": i["InstanceType"],
        "KeyName": i.get("KeyName"),
        "SecurityGroupIds": [g["GroupId"] for g in i["SecurityGroups"]]}}


TYPES = {"m5d.large": (2, 8192, 75), "t3.medium": (2, 4096, 0),
         "t3.small": (2, 2048, 0), "c5.xlarge": (4, 8192, 0),
         "g5.12xlarge": (48, 196608, 3800), "t3.micro": (2, 1024, 0),
         "c6g.medium": (1, 2048, 0)}


@op("ec2", "DescribeInstanceTypes")
def instance_types(ctx, p):
    out = []
    for n, (cpu, mem, store) in TYPES.items():
        if p.get("InstanceTypes") and n not in p["InstanceTypes"]:
            continue
        arm = n.startswith("c6g")
        t = {"InstanceType": n, "CurrentGeneration": True,
             "FreeTierEligible": n == "t3.micro", "BareMetal": False,
             "Hypervisor": "nitro", "SupportedUsageClasses":
                 ["on-demand", "spot"], "SupportedRootDeviceTypes": ["ebs"],
             "ProcessorInfo": {"SupportedArchitectures":
                               ["arm64" if arm else "x86_64"],
                               "SustainedClockSpeedInGhz": 2.5},
             "VCpuInfo": {"DefaultVCpus": cpu, "DefaultCores":
                          cpu if arm else cpu // 2,
                          "DefaultThreadsPerCore": 1 if arm else 2},
             "MemoryInfo": {"SizeInMiB": mem},
             "InstanceStorageSupported": bool(store),
             "HibernationSupported": False}
        if store:
            t["InstanceStorageInfo"] = {
                "TotalSizeInGB": store, "NvmeSupport": "required",
                "EncryptionSupport": "required",
                "Disks": [{"SizeInGB": store, "Count": 1, "Type": "ssd"}]}
        out.append(t)
    if p.get("InstanceTypes") and len(out) < len(set(p["InstanceTypes"])):
        raise AwsError("InvalidInstanceType", "The following supplied "
                       "instance types do not exist: [%s]" % ", ".join(
                           t for t in p["InstanceTypes"] if t not in TYPES))
    return {"InstanceTypes": out}


@op("ec2", "DescribeVpcAttribute")
def vpc_attribute(ctx, p):
    out = {"VpcId": p["VpcId"]}
    a = p["Attribute"]
    out[a[0].upper() + a[1:]] = {"Value": True}
    return out


@op("ec2", "GetEbsEncryptionByDefault")
def ebs_default(ctx, p):
    return {"EbsEncryptionByDefault": ctx.region == "eu-west-1",
            "SseType": "sse-ebs"}


@op("ec2", "GetEbsDefaultKmsKeyId")
def ebs_default_key(ctx, p):
    return {"KmsKeyId": "alias/aws/ebs"}


@op("ec2", "GetSerialConsoleAccessStatus")
def serial(ctx, p):
    return {"SerialConsoleAccessEnabled": False}


# ------------------------------------------------------------- changes

def spec_tags(p, kind):
    out = []
    for spec in p.get("TagSpecifications", []):
        if spec.get("ResourceType") not in (None, kind):
            raise AwsError("InvalidParameterValue", "'%s' is not a valid "
                           "taggable resource type for this operation." %
                           spec.get("ResourceType"))
        out += check_tags(spec.get("Tags", []))
    return out


def check_tags(tags):
    for t in tags:
        if t.get("Key", "").lower().startswith("aws:"):
            raise AwsError("InvalidParameterValue", "Tag keys starting with "
                           "'aws:' are reserved for internal use")
        if len(t.get("Key", "")) > 128 or len(t.get("Value", "")) > 256:
            raise AwsError("InvalidParameterValue", "Tag key or value "
                           "exceeds the maximum length")
        t.setdefault("Value", "")
    return [dict(t) for t in tags]


def make_snapshot(ctx, vol, description, tags, batch=None):
    sid = ctx.world.fresh.ec2("snap")
    s = {"SnapshotId": sid, "VolumeId": vol["VolumeId"], "State": "pending",
         "StartTime": ctx.now.replace(microsecond=ctx.now.microsecond //
                                      1000 * 1000),
         "Progress": "0%", "OwnerId": ctx.account.number,
         "Description": description or "", "VolumeSize": vol["Size"],
         "Encrypted": vol["Encrypted"], "StorageTier": "standard",
         "Tags": tags, "_made": ctx.now, "_batch": batch}
    if vol.get("KmsKeyId"):
        s["KmsKeyId"] = vol["KmsKeyId"]
    if len(tags) > 50:
        raise AwsError("TagLimitExceeded", "The maximum number of Tags for a "
                       "resource has been reached.")
    ctx.ec2("snapshots")[sid] = s
    return s


@op("ec2", "CreateSnapshot")
def create_snapshot(ctx, p):
    vol = ctx.ec2("volumes").get(p["VolumeId"])
    if vol is None:
        raise AwsError("InvalidVolume.NotFound", "The volume '%s' does not "
                       "exist." % p["VolumeId"])
    s = dict(make_snapshot(ctx, vol, p.get("Description"),
                           spec_tags(p, "snapshot")))
    s["Progress"] = ""
    return s


@op("ec2", "CreateSnapshots")
def create_snapshots(ctx, p):
    spec = p["InstanceSpecification"]
    if "InstanceId" not in spec:
        raise AwsError("MissingParameter", "The request must contain the "
                       "parameter InstanceId")
    i = instance(ctx, spec["InstanceId"])
    skip = set(spec.get("ExcludeDataVolumeIds", []))
    vols = []
    for m in i["BlockDeviceMappings"]:
        vid = m["Ebs"]["VolumeId"]
        if vid in skip or (spec.get("ExcludeBootVolume") and
                           m["DeviceName"] == i["RootDeviceName"]):
            continue
        vols.append(ctx.ec2("volumes")[vid])
    if not vols:
        raise AwsError("InvalidParameterValue", "The instance has no volumes "
                       "to snapshot")
    tags = spec_tags(p, "snapshot")
    out = []
    for v in vols:
        own = [dict(t) for t in tags]
        if p.get("CopyTagsFromSource") == "volume":
            have = {t["Key"] for t in own}
            own += [dict(t) for t in v.get("Tags", [])
                    if t["Key"] not in have and
                    not t["Key"].startswith("aws:")]
        s = make_snapshot(ctx, v, p.get("Description"), own,
                          ctx.request_id)
        out.append({k: s.get(k) for k in (
            "Description", "Tags", "Encrypted", "VolumeId", "State",
            "VolumeSize", "StartTime", "OwnerId", "SnapshotId")} |
            {"Progress": ""})
    return {"Snapshots": out}


def find_source(ctx, region, sid):
    if region not in ENABLED:
        raise AwsError("InvalidParameterValue", "Invalid source region")
    src = None
    for number, a in ctx.world.accounts.items():
        s = a.regions[region].all("snapshots").get(sid)
        if s is not None and visible(ctx, s) and (
                number == ctx.account.number or
                {"UserId": ctx.account.number} in s.get("_shared", [])):
            src = settle(ctx, s)
    if src is None:
        raise AwsError("InvalidSnapshot.NotFound", "The snapshot '%s' does "
                       "not exist." % sid)
    if src["State"] != "completed":
        raise AwsError("IncorrectState", "%s is not in the completed state" %
                       sid)
    return src


def check_presigned(ctx, p):
    """The request inside the request: EC2 sends it to the source region."""
    url = urllib.parse.urlsplit(p.get("PresignedUrl", ""))
    bad = AwsError("InvalidParameter", "The PresignedUrl parameter is "
                   "missing, wrong or expired; it is needed to copy "
                   "encrypted snapshots")
    inner = Request("GET", url.path + "?" + url.query,
                    [("Host", url.netloc)], "127.0.0.1")
    inner.body = b""
    q = dict(urllib.parse.parse_qsl(url.query))
    want = {"Action": "CopySnapshot", "SourceRegion": p["SourceRegion"],
            "SourceSnapshotId": p["SourceSnapshotId"],
            "DestinationRegion": ctx.region, "Version": "2016-11-15"}
    try:
        scope = sigv4.parse(inner)
        cred = ctx.principal.cred
        if scope is None or scope.key_id != cred.key_id or \
                scope.token != cred.token or scope.service != "ec2" or \
                scope.region != p["SourceRegion"] or \
                any(q.get(k) != v for k, v in want.items()):
            raise bad
        sigv4.verify(inner, scope, cred.secret, ctx.now)
    except sigv4.AuthFault:
        raise bad


def copy_problem(ctx, p, src):
    """What AWS finds out only after it accepted the copy."""
    key = svc_kms.by_arn(ctx.world, src.get("KmsKeyId"))
    if src["Encrypted"] and src["OwnerId"] != ctx.account.number and (
            key is None or not svc_kms.granted(
                key, ctx.principal, ("Decrypt", "DescribeKey",
                                     "CreateGrant", "ReEncryptFrom",
                                     "GenerateDataKeyWithoutPlaintext"))):
        return True
    if p.get("KmsKeyId"):
        own = svc_kms.in_region(ctx, p["KmsKeyId"])
        return own is None or own["meta"]["KeyState"] != "Enabled"
    return False


@op("ec2", "CopySnapshot")
def copy_snapshot(ctx, p):
    src = find_source(ctx, p["SourceRegion"], p["SourceSnapshotId"])
    if src["Encrypted"]:
        check_presigned(ctx, p)
    key = p.get("KmsKeyId") or src.get("KmsKeyId")
    own = svc_kms.in_region(ctx, key) if key else None
    vol = {"VolumeId": "vol-ffffffff", "Size": src["VolumeSize"],
           "Encrypted": bool(p.get("Encrypted") or src["Encrypted"]),
           "KmsKeyId": own["meta"]["Arn"] if own else key}
    s = make_snapshot(ctx, vol, p.get("Description"),
                      spec_tags(p, "snapshot"))
    s["_origin"] = src.get("_origin") or src
    s["_fail"] = copy_problem(ctx, p, src) and "Given key ID is not " \
        "accessible"
    return {"SnapshotId": s["SnapshotId"], "Tags": s["Tags"]}


@op("ec2", "DeleteSnapshot")
def delete_snapshot(ctx, p):
    s = need_snapshot(ctx, p["SnapshotId"])
    if s.get("_lock"):
        raise AwsError("SnapshotLocked", "The snapshot is locked", 400)
    del ctx.ec2("snapshots")[s["SnapshotId"]]
    return {}


@op("ec2", "LockSnapshot")
def lock_snapshot(ctx, p):
    s = need_snapshot(ctx, p["SnapshotId"])
    days = p.get("LockDuration", 1)
    mode = p["LockMode"]
    s["_lock"] = {
        "SnapshotId": s["SnapshotId"], "LockDuration": days,
        "LockState": "governance" if mode == "governance" else
        "compliance-cooloff" if p.get("CoolOffPeriod") else "compliance",
        "LockCreatedOn": ctx.now, "LockDurationStartTime": ctx.now,
        "LockExpiresOn": ctx.now + datetime.timedelta(days=days),
        "OwnerId": ctx.account.number}
    return s["_lock"]


@op("ec2", "DescribeLockedSnapshots")
def locked_snapshots(ctx, p):
    return {"Snapshots": [s["_lock"] for s in snapshots(ctx)
                          if s.get("_lock") and s["SnapshotId"] in
                          p.get("SnapshotIds", [s["SnapshotId"]])]}


def taggable(ctx, rid):
    for kind, field in (("instances", "InstanceId"), ("volumes", "VolumeId"),
                        ("snapshots", "SnapshotId"), ("images", "ImageId"),
                        ("groups", "GroupId"), ("vpcs", "VpcId"),
                        ("subnets", "SubnetId"),
                        ("enis", "NetworkInterfaceId")):
        o = ctx.ec2(kind).get(rid)
        if o is not None and (kind != "snapshots" or visible(ctx, o)):
            return o
    prefix = rid.split("-")[0]
    raise AwsError({"snap": "InvalidSnapshot.NotFound",
                    "vol": "InvalidVolume.NotFound",
                    "i": "InvalidInstanceID.NotFound"}.get(
                        prefix, "InvalidID"),
                   "The ID '%s' is not valid" % rid)


@op("ec2", "CreateTags")
def create_tags(ctx, p):
    for rid in p["Resources"]:
        o = taggable(ctx, rid)
        tags = o.setdefault("Tags", [])
        for t in check_tags(p["Tags"]):
            tags[:] = [x for x in tags if x["Key"] != t["Key"]] + [t]
    return {}


@op("ec2", "DeleteTags")
def delete_tags(ctx, p):
    for rid in p["Resources"]:
        o = taggable(ctx, rid)
        keys = [t["Key"] for t in p.get("Tags", [])]
        o["Tags"] = [t for t in o.get("Tags", []) if keys and
                     t["Key"] not in keys]
    return {}


@op("ec2", "ModifyInstanceAttribute")
def modify_instance(ctx, p):
    i = instance(ctx, p["InstanceId"])
    if p.get("Groups"):
        gs = []
        for g in p["Groups"]:
            if g not in ctx.ec2("groups"):
                raise AwsError("InvalidGroup.NotFound", "The security group "
                               "'%s' does not exist" % g)
            gs.append({"GroupId": g,
                       "GroupName": ctx.ec2("groups")[g]["GroupName"]})
        i["SecurityGroups"] = gs
        for n in i["NetworkInterfaces"]:
            n["Groups"] = gs
            e = ctx.ec2("enis").get(n["NetworkInterfaceId"])
            if e:
                e["Groups"] = gs
    if "DisableApiTermination" in p:
        i["_protected"] = p["DisableApiTermination"].get("Value")
    return {}


def group(ctx, gid):
    g = ctx.ec2("groups").get(gid)
    if g is None:
        raise AwsError("InvalidGroup.NotFound", "The security group '%s' "
                       "does not exist" % gid)
    return g


def permissions(p):
    out = list(p.get("IpPermissions", []))
    if p.get("CidrIp"):
        out.append({"IpProtocol": p.get("IpProtocol", "-1"),
                    "FromPort": p.get("FromPort"), "ToPort": p.get("ToPort"),
                    "IpRanges": [{"CidrIp": p["CidrIp"]}]})
    return out


@op("ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress")
def authorize(ctx, p):
    g = group(ctx, p["GroupId"])
    egress = ctx.op.name.endswith("Egress")
    side = g["IpPermissionsEgress" if egress else "IpPermissions"]
    made = []
    for perm in permissions(p):
        for k in ("IpRanges", "Ipv6Ranges", "PrefixListIds",
                  "UserIdGroupPairs"):
            perm.setdefault(k, [])
        if perm in side:
            raise AwsError("InvalidPermission.Duplicate", "the specified "
                           "rule already exists")
        side.append(perm)
        made += add_rules(ctx, g, perm, egress, ctx.world.fresh)
    return {"Return": True, "SecurityGroupRules": made}


def add_rules(ctx, g, perm, egress, ids):
    made = []
    for r in perm["IpRanges"]:
        rid = ids.ec2("sgr")
        rule = {"SecurityGroupRuleId": rid, "GroupId": g["GroupId"],
                "GroupOwnerId": g["OwnerId"], "IsEgress": egress,
                "IpProtocol": perm["IpProtocol"],
                "FromPort": perm.get("FromPort", -1),
                "ToPort": perm.get("ToPort", -1), "CidrIpv4": r["CidrIp"],
                "Tags": []}
        ctx.ec2("rules")[rid] = rule
        made.append(rule)
    return made


@op("ec2", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress")
def revoke(ctx, p):
    g = group(ctx, p["GroupId"])
    egress = ctx.op.name.endswith("Egress")
    name = "IpPermissionsEgress" if egress else "IpPermissions"
    for perm in permissions(p):
        want = [r["CidrIp"] for r in perm.get("IpRanges", [])]
        for have in g[name]:
            if have["IpProtocol"] == perm["IpProtocol"] and \
                    have.get("FromPort") == perm.get("FromPort"):
                have["IpRanges"] = [r for r in have["IpRanges"]
                                    if r["CidrIp"] not in want]
        g[name] = [h for h in g[name] if h["IpRanges"] or
                   h["UserIdGroupPairs"] or h["Ipv6Ranges"] or
                   h["PrefixListIds"]]
        for rid, r in list(ctx.ec2("rules").items()):
            if r["GroupId"] == g["GroupId"] and r["IsEgress"] == egress and \
                    r.get("CidrIpv4") in want:
                del ctx.ec2("rules")[rid]
    return {"Return": True}


@op("ec2", "CreateSecurityGroup")
def create_group(ctx, p):
    gid = ctx.world.fresh.ec2("sg")
    ctx.ec2("groups")[gid] = {
        "GroupId": gid, "GroupName": p["GroupName"],
        "Description": p["Description"], "OwnerId": ctx.account.number,
        "VpcId": p.get("VpcId") or next(iter(ctx.ec2("vpcs")), None),
        "IpPermissions": [], "IpPermissionsEgress": [
            {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
             "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}],
        "Tags": spec_tags(p, "security-group"),
        "SecurityGroupArn": ctx.arn("ec2", "security-group/" + gid)}
    return {"GroupId": gid,
            "SecurityGroupArn": ctx.arn("ec2", "security-group/" + gid)}


@op("ec2", "StopInstances", "StartInstances")
def stop_start(ctx, p):
    stop = ctx.op.name == "StopInstances"
    out = []
    for iid in p["InstanceIds"]:
        i = instance(ctx, iid)
        old = dict(i["State"])
        i["State"] = {"Code": 80, "Name": "stopped"} if stop else \
            {"Code": 16, "Name": "running"}
        out.append({"InstanceId": iid, "PreviousState": old,
                    "CurrentState": {"Code": 64, "Name": "stopping"} if stop
                    else {"Code": 0, "Name": "pending"}})
    return {"StoppingInstances" if stop else "StartingInstances": out}


@generic("ec2")
def anything_else(ctx, p):
    """Reads without a handler: nothing of the kind is in the account."""
    from .front import not_simulated
    if not ctx.op.name.startswith(("Describe", "List")) or \
            ctx.op.output is None:
        raise not_simulated(ctx.svc, ctx.op.name)
    return {n: [] for n, m in ctx.op.output.members.items()
            if m.type_name == "list"}
