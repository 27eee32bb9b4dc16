#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The incident of a found access key, as CloudTrail tells it: seeded.

usage: key_incident.py [--seed N] [--kind AKIA|ASIA] [--days N] [--per-day N]
                       [--regions N] [--accounts N] [--end TIME] DIR

Writes for each account and region DIR/*.events (JSON lines {"account",
"region", "record"}, each event once) and a pack (simaws/objects.py) of the
logs and digests as delivered, DIR/public-keys.json and DIR/truth.json (what
was planted).  --days 90 with 3 accounts and 17 regions gives about 207,000
events and 183,000 objects.

As a module: Incident(seed, ...) has the same as .events(), .objects(),
.public_keys() and .truth; .load(url, state) puts all of it into a running
simulated account, from a folder that load() names and lines() and delivered()
read.  RSA keys are new each time; all else is of the seed and the end.

The story.  Somebody finds a key: of the user svc-deploy (AKIA), or of a
session of the role ci-runner (ASIA).  He looks around, is refused here and
there, makes a user with a key and an administrator's policy, takes a role in
the account and one in the next account, opens a port, starts miners in two
regions.  The new user's key (one generation on) makes a role, a policy and a
function, shares a snapshot and an image, stops the trail and deletes a
detector.  The taken role's session makes one more session, two generations
on.  Around it people, pipelines and services work as on any day, the owner
of the key among them.
"""
import argparse
import datetime
import glob
import gzip
import hashlib
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import urllib.request
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "interop"))

import cloudtrail_set                           # noqa: E402
from cloudtrail_set import iso                  # noqa: E402
from simaws import objects as packs             # noqa: E402

UTC = datetime.timezone.utc
HOUR = datetime.timedelta(hours=1)
ACCOUNTS = ("123456789012", "210987654321", "345678901234")
REGIONS = ("us-east-1", "eu-west-1", "us-west-2", "eu-central-1", "us-east-2",
           "us-west-1", "ca-central-1", "sa-east-1", "eu-west-2", "eu-west-3",
           "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2",
           "ap-northeast-3", "ap-southeast-1", "ap-southeast-2")
HOME = REGIONS[0]
ACCOUNT_SHARE = (0.6, 0.25, 0.15)
FOREIGN = "999988887777"
OFFICE = ["203.0.113.%d" % n for n in range(10, 40)]
ATTACKER = ["198.51.100.23", "198.51.100.77", "192.0.2.140"]
AGENTS = ["aws-cli/2.31.0 md/awscrt#0.27.6", "Boto3/1.40.1 md/Botocore#1.40.1",
          "aws-sdk-go-v2/1.39.0 os/linux", "Terraform/1.13 aws-sdk-go-v2",
          "console.amazonaws.com"]
HIS_AGENTS = ["aws-cli/1.18.69 Python/3.8.10 Linux/5.4.0",
              "Boto3/1.9.46 Python/3.6.9 kali", "pacu/1.5"]
# source, name, read only, request, errors now and then
DAILY = [
    ("ec2", "DescribeInstances", True, {"filterSet": {}}),
    ("ec2", "DescribeVolumes", True, {"volumeSet": {}}),
    ("ec2", "DescribeSecurityGroups", True, {"securityGroupSet": {}}),
    ("sts", "GetCallerIdentity", True, None),
    ("s3", "ListBuckets", True, {"Host": "s3.amazonaws.com"}),
    ("s3", "GetBucketAcl", True, {"bucketName": "northwind-assets"}),
    ("iam", "ListRoles", True, None),
    ("iam", "GetUser", True, None),
    ("logs", "DescribeLogGroups", True, {"limit": 50}),
    ("monitoring", "DescribeAlarms", True, None),
    ("kms", "Decrypt", True, {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
    ("lambda", "GetFunction20150331v2", True, {"functionName": "thumbs"}),
    ("ec2", "CreateTags", False, {"resourcesSet": {"items": [
        {"resourceId": "vol-0aa"}]}, "tagSet": {"items": []}}),
    ("ssm", "UpdateInstanceInformation", False, {"agentName": "ssm"}),
    ("autoscaling", "SetDesiredCapacity", False, {"desiredCapacity": 3}),
]
GLOBAL = ("iam",)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Ids:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def iam(self, prefix, size=20):
        return prefix + "".join(self.r.choices(ALPHABET, k=size - len(prefix)))

    def ec2(self, prefix):
        return "%s-0%016x" % (prefix, self.r.getrandbits(64))

    def uuid(self):
        return str(uuid.UUID(int=self.r.getrandbits(128), version=4))


def user(account, name, uid, key):
    return {"type": "IAMUser", "principalId": uid, "arn":
            "arn:aws:iam::%s:user/%s" % (account, name), "accountId": account,
            "accessKeyId": key, "userName": name}


def session(account, role, rid, name, key, created):
    return {"type": "AssumedRole", "principalId": "%s:%s" % (rid, name),
            "arn": "arn:aws:sts::%s:assumed-role/%s/%s" % (account, role, name),
            "accountId": account, "accessKeyId": key, "sessionContext": {
                "sessionIssuer": {"type": "Role", "principalId": rid, "arn":
                                  "arn:aws:iam::%s:role/%s" % (account, role),
                                  "accountId": account, "userName": role},
                "webIdFederationData": {}, "attributes": {
                    "creationDate": iso(created),
                    "mfaAuthenticated": "false"}}}


class Incident:
    def __init__(self, seed, kind="AKIA", days=3, per_day=2300, regions=17,
                 accounts=3, end=None, bucket="northwind-logs",
                 prefix="cloudtrail", trail="management", odd=False,
                 until=None):
        self.seed, self.kind, self.days, self.per_day = seed, kind, days, per_day
        self.accounts, self.regions = ACCOUNTS[:accounts], REGIONS[:regions]
        now = datetime.datetime.now(UTC)
        self.end = (end or now).replace(minute=0, second=0, microsecond=0)
        self.start = self.end - datetime.timedelta(days=days)
        self.bucket, self.prefix, self.trail = bucket, prefix, trail
        # what had not come by then is not there, nor the last hour's digest
        self.until = until
        self.ids = Ids("incident %s" % seed)
        self.planted = {}               # (account, region, hour) -> records
        # odd: data events, which only the logs have, and one that only the
        # event history has
        self.odd, self.data, self.undelivered = odd, {}, set()
        self.truth = {"seed": seed, "kind": kind, "accounts": self.accounts,
                      "events": [], "created": [], "changed": [],
                      "sessions": [], "refused": []}
        self.people = {a: self.staff(a) for a in self.accounts}
        self.keys, self.last = None, (None, None)
        self.play()
        if odd:
            self.play_odd()

    # ---- who works here ----------------------------------------------------

    def staff(self, account):
        """Users and roles of an account, each with what it uses."""
        i, out = self.ids, []
        for name in ("ana.admin", "ci-deploy", "svc-deploy", "reporting"):
            out.append((user(account, name, i.iam("AIDA", 21), i.iam("AKIA")),
                        i.r.choice(OFFICE), i.r.choice(AGENTS)))
        for role, name in (("ci-runner", "build-8841"),
                           ("web-server", "i-0a3c5e7f901b2d4f6"),
                           ("ops-admin", "ana.admin")):
            rid = i.iam("AROA", 21)
            out.append((session(account, role, rid, name, i.iam("ASIA"),
                                self.start), i.r.choice(OFFICE),
                        i.r.choice(AGENTS)))
        out.append(({"type": "AWSService", "invokedBy":
                     "autoscaling.amazonaws.com"}, "autoscaling.amazonaws.com",
                    "autoscaling.amazonaws.com"))
        return out

    def person(self, account, name):
        for who, _, _ in self.people[account]:
            if who.get("userName") == name or \
                    "/%s/" % name in who.get("arn", ""):
                return who
        raise KeyError(name)

    # ---- one event ------------------------------------------------------------

    @staticmethod
    def record(i, account, region, when, who, service, name, read, request,
               response, ip, agent, error=None):
        rec = {"eventVersion": "1.11", "userIdentity": who,
               "eventTime": iso(when), "eventSource":
               service + ".amazonaws.com", "eventName": name,
               "awsRegion": region, "sourceIPAddress": ip, "userAgent": agent}
        if error:
            rec["errorCode"] = error
            rec["errorMessage"] = "is not authorized to perform: %s:%s" % (
                service, name)
        rec.update({"requestParameters": request, "responseElements": response,
                    "requestID": i.uuid(), "eventID": i.uuid(),
                    "readOnly": read, "eventType": "AwsApiCall",
                    "managementEvent": True, "recipientAccountId": account,
                    "eventCategory": "Management"})
        return rec

    # ---- what he does ----------------------------------------------------------

    def plant(self, account, region, when, who, service, name, request=None,
              response=None, read=False, error=None, generation=0):
        if service in GLOBAL:
            region = HOME
        region = region if region in self.regions else HOME
        rec = self.record(self.ids, account, region, when, who, service, name,
                          read, request, response, self.ids.r.choice(ATTACKER),
                          self.ids.r.choice(HIS_AGENTS), error)
        self.planted.setdefault((account, region, self.hour(when)),
                                []).append(rec)
        self.truth["events"].append({
            "id": rec["eventID"], "generation": generation, "account": account,
            "region": region, "name": name, "time": iso(when), "key":
            who.get("accessKeyId"), "address": rec["sourceIPAddress"],
            "agent": rec["userAgent"], "error": error})
        if error:
            self.truth["refused"].append(rec["eventID"])
        return rec

    def made(self, what, kind, ident, rec):
        self.truth[what].append({"kind": kind, "id": ident,
                                 "event": rec["eventID"],
                                 "region": rec["awsRegion"],
                                 "account": rec["recipientAccountId"],
                                 "by": rec["userIdentity"]["accessKeyId"]})

    def hour(self, when):
        return int((when - self.start) / HOUR)

    def assume(self, at, account, who, into, role, name, generation):
        """Gives the session; in the log of both accounts if it crosses."""
        i = self.ids
        key, rid = i.iam("ASIA"), i.iam("AROA", 21)
        if into in self.people:
            known = [w for w, _, _ in self.people[into]
                     if "/%s/" % role in w.get("arn", "")]
            rid = known[0]["principalId"].split(":")[0] if known else rid
        shared = i.uuid()
        response = {"credentials": {
            "accessKeyId": key, "sessionToken": "IQoJb3JpZ2luX2VjE",
            "expiration": (at + HOUR).strftime("%b %d, %Y, %I:%M:%S %p")},
            "assumedRoleUser": {"assumedRoleId": "%s:%s" % (rid, name), "arn":
                                "arn:aws:sts::%s:assumed-role/%s/%s" % (
                                    into, role, name)}}
        request = {"roleArn": "arn:aws:iam::%s:role/%s" % (into, role),
                   "roleSessionName": name}
        rec = self.plant(account, HOME, at, who, "sts", "AssumeRole", request,
                         response, True, generation=generation)
        if into != account and into in self.accounts:
            rec["sharedEventID"] = shared
            other = self.plant(into, HOME, at, dict(
                {"type": "AWSAccount", "principalId": who["principalId"],
                 "accountId": account, "accessKeyId": who["accessKeyId"]}),
                "sts", "AssumeRole", request, response, True,
                generation=generation)
            other["sharedEventID"] = shared
        self.truth["sessions"].append({
            "key": key, "role": request["roleArn"], "event": rec["eventID"],
            "generation": generation + 1})
        return session(into, role, rid, name, key, at)

    def play(self):
        i, a = self.ids, self.accounts[0]
        span = (self.end - self.start).total_seconds()
        t0 = self.start + datetime.timedelta(seconds=span * (
            0.35 + 0.2 * i.r.random()))
        clock = [t0.replace(microsecond=0)]

        def tick(minutes=7):
            clock[0] += datetime.timedelta(seconds=i.r.randrange(
                20, 60 * minutes))
            return clock[0]

        if self.kind == "AKIA":
            who = self.person(a, "svc-deploy")
            self.owner = "svc-deploy"
        else:
            who = dict(self.person(a, "ci-runner"), accessKeyId=i.iam("ASIA"))
            self.owner = "ci-runner"
        self.key = who["accessKeyId"]
        self.truth.update({"key": self.key, "owner": self.owner,
                           "owner_arn": who["arn"], "account": a})
        p = self.plant
        p(a, HOME, tick(), who, "sts", "GetCallerIdentity", read=True)
        for service, name in (("s3", "ListBuckets"), ("iam", "ListUsers"),
                              ("ec2", "DescribeInstances")):
            p(a, HOME, tick(), who, service, name, read=True)
        for region in self.regions[1:]:
            p(a, region, tick(2), who, "ec2", "DescribeInstances", read=True,
              error="Client.UnauthorizedOperation" if i.r.random() < 0.3
              else None)
        p(a, HOME, tick(), who, "organizations", "DescribeOrganization",
          read=True, error="AccessDenied")
        p(a, HOME, tick(), who, "secretsmanager", "ListSecrets", read=True,
          error="AccessDenied")
        # a user, a key, a policy
        name, key2 = "svc-backup-%03d" % i.r.randrange(1000), i.iam("AKIA")
        uid = i.iam("AIDA", 21)
        arn = "arn:aws:iam::%s:user/%s" % (a, name)
        rec = p(a, HOME, tick(), who, "iam", "CreateUser", {"userName": name},
                {"user": {"userName": name, "userId": uid, "arn": arn,
                          "path": "/"}})
        self.made("created", "user", name, rec)
        rec = p(a, HOME, tick(), who, "iam", "CreateAccessKey", {
            "userName": name}, {"accessKey": {
                "userName": name, "accessKeyId": key2, "status": "Active"}})
        self.made("created", "access-key", key2, rec)
        p(a, HOME, tick(), who, "iam", "AttachUserPolicy", {
            "userName": name, "policyArn":
            "arn:aws:iam::aws:policy/AdministratorAccess"})
        # a role, here
        ops = self.assume(tick(), a, who, a, "ops-admin", "aws-go-sdk-1", 0)
        far = [self.regions[n] for n in sorted(i.r.sample(range(
            1, len(self.regions)), min(2, len(self.regions) - 1)))] or [HOME]
        group = i.ec2("sg")
        rec = p(a, HOME, tick(), ops, "ec2", "AuthorizeSecurityGroupIngress", {
            "groupId": group, "ipPermissions": {"items": [{
                "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
                "groups": {}, "ipRanges": {"items": [
                    {"cidrIp": "0.0.0.0/0"}]}}]}}, {"_return": True},
            generation=1)
        self.made("changed", "security-group-opening", group, rec)
        for region in far:
            ids = [i.ec2("i") for _ in range(2)]
            rec = p(a, region, tick(), ops, "ec2", "RunInstances", {
                "instancesSet": {"items": [{"minCount": 2, "maxCount": 2}]},
                "instanceType": "g5.12xlarge"}, {
                    "reservationId": i.ec2("r"), "instancesSet": {"items": [
                        {"instanceId": x, "instanceType": "g5.12xlarge"}
                        for x in ids]}}, generation=1)
            for x in ids:
                self.made("created", "instance", x, rec)
        rec = p(a, HOME, tick(), ops, "ec2", "RunInstances", {
            "instanceType": "p4d.24xlarge"}, generation=1,
            error="Client.InstanceLimitExceeded")
        # one more session from that one: two generations on
        deep = self.assume(tick(), a, ops, a, "web-server", "chain", 1)
        p(a, HOME, tick(), deep, "s3", "ListBuckets", read=True, generation=2)
        # the next account
        if len(self.accounts) > 1:
            b = self.accounts[1]
            there = self.assume(tick(), a, who, b, "cross-admin", "aws-go", 0)
            p(b, HOME, tick(), there, "secretsmanager", "GetSecretValue", {
                "secretId": "prod/db"}, read=True, generation=1)
            p(b, HOME, tick(), there, "iam", "ListUsers", read=True,
              generation=1)
        # the new user's key
        new = user(a, name, uid, key2)
        role = "SupportAccess%02d" % i.r.randrange(100)
        rec = p(a, HOME, tick(), new, "iam", "CreateRole", {
            "roleName": role, "assumeRolePolicyDocument": json.dumps({
                "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                               "Principal": {"AWS": FOREIGN}}]})},
                {"role": {"roleName": role, "roleId": i.iam("AROA", 21),
                          "arn": "arn:aws:iam::%s:role/%s" % (a, role)}},
                generation=1)
        self.made("created", "role", role, rec)
        pol = "arn:aws:iam::%s:policy/%s" % (a, "audit-%d" % i.r.randrange(99))
        rec = p(a, HOME, tick(), new, "iam", "CreatePolicy", {
            "policyName": pol.rsplit("/", 1)[1], "policyDocument": "{}"}, {
                "policy": {"arn": pol, "policyName": pol.rsplit("/", 1)[1]}},
                generation=1)
        self.made("created", "policy", pol, rec)
        fn = "metrics-%d" % i.r.randrange(1000)
        rec = p(a, far[0], tick(), new, "lambda", "CreateFunction20150331", {
            "functionName": fn, "runtime": "python3.12"}, {
                "functionName": fn, "functionArn":
                "arn:aws:lambda:%s:%s:function:%s" % (far[0], a, fn)},
                generation=1)
        self.made("created", "function", fn, rec)
        snap, image = i.ec2("snap"), i.ec2("ami")
        rec = p(a, HOME, tick(), new, "ec2", "ModifySnapshotAttribute", {
            "snapshotId": snap, "createVolumePermission": {"add": {"items": [
                {"userId": FOREIGN}]}}, "attributeType":
            "CREATE_VOLUME_PERMISSION"}, {"_return": True}, generation=1)
        self.made("changed", "snapshot-share", snap, rec)
        rec = p(a, HOME, tick(), new, "ec2", "ModifyImageAttribute", {
            "imageId": image, "launchPermission": {"add": {"items": [
                {"userId": FOREIGN}]}}, "attributeType": "launchPermission"},
            {"_return": True}, generation=1)
        self.made("changed", "image-share", image, rec)
        trail = "arn:aws:cloudtrail:us-east-1:%s:trail/data-events" % a
        rec = p(a, HOME, tick(), new, "cloudtrail", "StopLogging", {
            "name": trail}, generation=1)
        self.made("changed", "trail", trail, rec)
        detector = "%032x" % i.r.getrandbits(128)
        rec = p(a, HOME, tick(), new, "guardduty", "DeleteDetector", {
            "detectorId": detector}, generation=1)
        self.made("changed", "detector", detector, rec)
        # the key itself once more, from another region, and then no more
        p(a, far[-1], tick(30), who, "sts", "GetCallerIdentity", read=True)
        assert clock[0] < self.end

    # ---- what everybody does -----------------------------------------------------

    def play_odd(self):
        """After play(): all ids of the story stay as they are."""
        his = sorted((e for e in self.truth["events"] if e["generation"] == 0
                      and e["account"] == self.truth["account"] and
                      not e["error"]), key=lambda e: e["time"])
        by = {e["eventID"]: e for one in self.planted.values() for e in one}
        for n, seen in enumerate(his[1:-1]):
            rec = dict(by[seen["id"]], eventID=self.ids.uuid(), readOnly=True,
                       eventName=("GetObject", "Invoke", "PutObject")[n % 3],
                       eventSource=("s3", "lambda")[n % 3 == 1] +
                       ".amazonaws.com", managementEvent=False,
                       eventCategory="Data", responseElements=None,
                       requestParameters={"bucketName": "northwind-web"})
            when = datetime.datetime.fromisoformat(
                rec["eventTime"].replace("Z", "+00:00"))
            self.data.setdefault((seen["account"], seen["region"],
                                  self.hour(when)), []).append(rec)
        self.undelivered.add(his[len(his) // 2]["id"])

    def share(self, account, region):
        """Events an hour."""
        n = self.regions.index(region)
        if n == 0:
            of = 0.4 if len(self.regions) > 1 else 1.0
        elif n < 4:
            of = 0.36 / min(3, len(self.regions) - 1)
        else:
            of = 0.24 / (len(self.regions) - 4)
        total = sum(ACCOUNT_SHARE[:len(self.accounts)])
        a = ACCOUNT_SHARE[self.accounts.index(account)] / total
        return self.per_day / 24 * a * of

    def daily(self, account, region, hour):
        i = Ids("%s %s %s %d" % (self.seed, account, region, hour))
        want = self.share(account, region)
        begin = self.start + hour * HOUR
        n = int(want) + (i.r.random() < want % 1)
        out = []
        for second in sorted(i.r.randrange(3600) for _ in range(n)):
            who, ip, agent = i.r.choice(self.people[account])
            service, name, read, request = i.r.choice(DAILY)
            when = begin + datetime.timedelta(seconds=second)
            if service in GLOBAL and region != HOME:
                service, name = "ec2", "DescribeRegions"
            out.append(self.record(
                i, account, region, when, who, service, name, read, request,
                None, ip, agent,
                "AccessDenied" if i.r.random() < 0.02 else None))
        return out

    def records(self, account, region, hour, logs=False):
        mine = self.planted.get((account, region, hour), [])
        if logs:
            mine = [e for e in mine if e["eventID"] not in self.undelivered
                    ] + self.data.get((account, region, hour), [])
        if self.last[0] != (account, region, hour):
            self.last = ((account, region, hour),
                         self.daily(account, region, hour))
        return sorted(self.last[1] + mine, key=lambda e: e["eventTime"])

    def hours(self):
        return range(self.days * 24)

    def chains(self):
        return [(a, r) for a in self.accounts for r in self.regions]

    def events(self):
        """(account, region, record), each event once."""
        for account, region in self.chains():
            for hour in self.hours():
                for rec in self.happened(account, region, hour):
                    yield account, region, rec

    def happened(self, account, region, hour):
        out = self.records(account, region, hour)
        return out if self.until is None else [
            e for e in out if e["eventTime"] <= iso(self.until)]

    # ---- what CloudTrail delivers -------------------------------------------------

    def objects(self):
        """(bucket, key, bytes, metadata): logs and digests, by chain."""
        self.make_keys()
        for account, region in self.chains():
            yield from self.deliver(account, region)

    def make_keys(self):
        if self.keys is None:
            day = datetime.timedelta(days=1)
            half = self.start + (self.end - self.start) / 2
            self.keys = [cloudtrail_set.Key(self.start - 9 * day, half + day),
                         cloudtrail_set.Key(half - day, self.end + 20 * day)]

    def there(self, key):
        if self.until is None:
            return True
        if "-Digest" in key:
            return key.rsplit("_", 1)[1][:13] <= (
                self.until - HOUR).strftime("%Y%m%dT%H00")
        return key.rsplit("_", 2)[1][:13] <= self.until.strftime(
            "%Y%m%dT%H%M")

    def folder(self, kind, account, region, t):
        return "%sAWSLogs/%s/%s/%s/%s/" % (
            self.prefix + "/" if self.prefix else "", account, kind, region,
            t.strftime("%Y/%m/%d"))

    def deliver(self, account, region):
        return (x for x in self.written(account, region) if self.there(x[1]))

    def written(self, account, region):
        r = random.Random("%s %s %s" % (self.seed, account, region))
        held, before = [], None
        for hour in self.hours():
            begin = self.start + hour * HOUR
            batch, held = held, []
            for rec in self.records(account, region, hour, True):
                if hour + 1 < self.days * 24 and r.random() < 0.03:
                    held.append(rec)                # late: an hour on
                    continue
                batch.append(rec)
                if r.random() < 0.02:
                    # twice: again in this file, or in a later one
                    (batch if r.random() < 0.5 or hour + 1 ==
                     self.days * 24 else held).append(rec)
            entries = []
            size = max(1, len(batch) // 4) if len(batch) > 40 else len(batch)
            for at in range(0, len(batch), size or 1):
                when = begin + datetime.timedelta(minutes=5 * (
                    1 + r.randrange(11)))
                obj, entry = self.log(account, region, when,
                                      batch[at:at + size], r)
                entries.append(entry)
                yield obj
            obj, before = self.digest(account, region, begin, entries, before)
            yield obj

    def log(self, account, region, when, records, r):
        data = json.dumps({"Records": records},
                          separators=(",", ":")).encode()
        key = "%s%s_CloudTrail_%s_%s_%016x.json.gz" % (
            self.folder("CloudTrail", account, region, when), account, region,
            when.strftime("%Y%m%dT%H%MZ"), r.getrandbits(64))
        entry = {"s3Bucket": self.bucket, "s3Object": key,
                 "hashValue": hashlib.sha256(data).hexdigest(),
                 "hashAlgorithm": "SHA-256",
                 "newestEventTime": records[-1]["eventTime"],
                 "oldestEventTime": records[0]["eventTime"]}
        return (self.bucket, key, gzip.compress(data, 6, mtime=0), {}), entry

    def digest(self, account, region, begin, entries, before):
        end = begin + HOUR
        signer = self.keys[0 if end <= self.start + (
            self.end - self.start) / 2 else 1]
        key = "%s%s_CloudTrail-Digest_%s_%s_%s_%s.json.gz" % (
            self.folder("CloudTrail-Digest", account, region, end), account,
            region, self.trail, HOME, end.strftime("%Y%m%dT%H%M%SZ"))
        prev = before or {"key": None, "hash": None, "signature": None}
        doc = {"awsAccountId": account, "digestStartTime": iso(begin),
               "digestEndTime": iso(end), "digestS3Bucket": self.bucket,
               "digestS3Object": key,
               "digestPublicKeyFingerprint": signer.fingerprint,
               "digestSignatureAlgorithm": "SHA256withRSA",
               "newestEventTime": iso(end), "oldestEventTime": iso(begin),
               "previousDigestS3Bucket": self.bucket if before else None,
               "previousDigestS3Object": prev["key"],
               "previousDigestHashValue": prev["hash"],
               "previousDigestHashAlgorithm": "SHA-256" if before else None,
               "previousDigestSignature": prev["signature"],
               "logFiles": entries}
        data = json.dumps(doc).encode()
        digest = hashlib.sha256(data).hexdigest()
        sig = signer.sign("%s\n%s/%s\n%s\n%s" % (
            iso(end), self.bucket, key, digest, prev["signature"] or "null"))
        return (self.bucket, key, gzip.compress(data, 6, mtime=0), {
            "signature": sig, "signature-algorithm": "SHA256withRSA"}), {
                "key": key, "hash": digest, "signature": sig}

    def public_keys(self):
        """After objects(): {region: list as ListPublicKeys shows it}."""
        return {r: [k.shown() for k in self.keys] for r in self.regions}

    # ---- out ---------------------------------------------------------------------

    def chain(self, folder, account, region):
        """Its files; (events, objects, bytes)"""
        name = os.path.join(folder, "%s-%s" % (account, region))
        pack, events = packs.Writer(name), 0
        with open(name + ".events", "w", encoding="ascii") as f:
            for hour in self.hours():
                for rec in self.happened(account, region, hour):
                    f.write(json.dumps({"account": account, "region": region,
                                        "record": rec}) + "\n")
                    events += 1
        for one in self.deliver(account, region):
            pack.add(*one)
        pack.close()
        return events, pack.count, pack.at

    def write(self, folder):
        """{"events": n, "objects": n, "bytes": n}"""
        os.makedirs(folder, exist_ok=True)
        self.make_keys()
        work = [(folder, a, r) for a, r in sorted(
            self.chains(), key=lambda x: -self.share(*x))]
        with multiprocessing.get_context("fork").Pool(
                os.cpu_count(), begin_chains, (self,)) as pool:
            done = pool.map(write_chain, work, chunksize=1)
        for name, what in (("public-keys.json", self.public_keys()),
                           ("truth.json", self.truth)):
            with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                json.dump(what, f, indent=1)
        return dict(zip(("events", "objects", "bytes"), map(sum, zip(*done))))

    def load(self, url, state):
        """Into the simulated account at url (AWS_ENDPOINT_URL) whose state
        folder (SIM_STATE) this is; reads the objects there as they are asked
        for."""
        folder = tempfile.mkdtemp(dir=state, prefix="delivered-")
        n = self.write(folder)
        os.replace(os.path.join(folder, "public-keys.json"),
                   os.path.join(state, "public-keys.json"))
        n["loaded"] = post(url + "/_sim/load", {"folder": folder})
        n["folder"] = folder
        return n


def post(url, what):
    request = urllib.request.Request(url, json.dumps(what).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=1800) as answer:
        return json.load(answer)


PLAYED = []


def begin_chains(incident):
    PLAYED[:] = [incident]


def write_chain(work):
    return PLAYED[0].chain(*work)


def lines(folder):
    """The events of a folder, each as a line of JSON."""
    for name in sorted(glob.glob(os.path.join(folder, "*.events"))):
        with open(name, encoding="ascii") as f:
            yield from f


def delivered(folder):
    """{bucket: Objects} of a folder."""
    out = {}
    for name in sorted(glob.glob(os.path.join(folder, "*.index"))):
        packs.unpack(name[:-6], lambda b: out.setdefault(b, packs.Objects()))
    return out


def arguments(parser):
    """Adds the options that make an Incident; see made_by()."""
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(10 ** 6))
    parser.add_argument("--kind", choices=("AKIA", "ASIA"), default="AKIA")
    for name, default in (("days", 3), ("per-day", 2300), ("regions", 17),
                          ("accounts", 3)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--end", help="ISO 8601; default: now")


def made_by(args):
    end = args.end and datetime.datetime.fromisoformat(
        args.end.replace("Z", "+00:00"))
    return Incident(args.seed, args.kind, args.days, args.per_day,
                    args.regions, args.accounts, end)


def main():
    parser = argparse.ArgumentParser()
    arguments(parser)
    parser.add_argument("dir")
    args = parser.parse_args()
    begin = time.monotonic()
    n = made_by(args).write(args.dir)
    print("seed %d: %d events, %d objects, %d bytes, %.1f s" % (
        args.seed, n["events"], n["objects"], n["bytes"],
        time.monotonic() - begin), file=sys.stderr)


if __name__ == "__main__":
    main()
