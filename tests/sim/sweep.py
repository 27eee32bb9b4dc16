# SPDX-License-Identifier: Apache-2.0
"""account-sweep against the account, judged by botocore and jq.

FACTS are what an attacker or a careless owner left behind, one a topic: a jq
program that must find it in the JSON view of the step's exhibits. The same
program runs over what botocore is told by the same account, and must find
the same. Then every exhibit of every step is compared with botocore's answer
to the same call; and the answers that say "there is nothing" must be notes of
the log, and no gaps.
"""
import collections
import json
import os
import subprocess
import sys
import tarfile
import urllib.request

import botocore.session
from botocore.config import Config

from checks import check, ended

ENV = os.environ
CART = ENV["CRASHCART"]
HOME = "us-east-1"
BUCKETS = ("northwind-assets", "northwind-logs", "northwind-backups",
           "northwind-evidence")
SERVICES = ENV.get("SWEEP_SERVICES", "kms sns logs guardduty macie2 "
                   "securityhub organizations s3").split()

# topic, step, region, jq over the list of its replies (must print true)
FACTS = [
    ("a bucket whose policy lets everybody in", "bucket_policy", HOME,
     'any(.[]; .Policy | fromjson | .Statement[] | .Principal == "*" and '
     '.Effect == "Allow")'),
    ("S3 calls that bucket public", "bucket_status", HOME,
     "any(.[]; .PolicyStatus.IsPublic)"),
    ("a bucket in another region", "bucket_location", HOME,
     'any(.[]; .LocationConstraint == "eu-west-1")'),
    ("the bucket that logs go to", "bucket_logging", HOME,
     'any(.[]; .LoggingEnabled.TargetBucket == "northwind-logs")'),
    ("who owns the objects", "bucket_owner", HOME,
     'all(.[]; .OwnershipControls.Rules[0].ObjectOwnership == '
     '"BucketOwnerEnforced")'),
    ("a customer's key on a bucket", "bucket_encryption", HOME,
     'any(.[]; .ServerSideEncryptionConfiguration.Rules[] | '
     '.ApplyServerSideEncryptionByDefault.SSEAlgorithm == "aws:kms")'),
    ("ACLs", "bucket_acl", HOME,
     'all(.[]; .Grants[0].Permission == "FULL_CONTROL")'),
    ("port 22 open to the world", "groups", HOME,
     'any(.[].SecurityGroups[]; any(.IpPermissions[]; .FromPort == 22 and '
     'any(.IpRanges[]; .CidrIp == "0.0.0.0/0")))'),
    ("its rule", "rules", HOME,
     'any(.[].SecurityGroupRules[]; .FromPort == 22 and '
     '.CidrIpv4 == "0.0.0.0/0" and .IsEgress == false)'),
    ("a way out to the internet", "internet_gateways", HOME,
     "[.[].InternetGateways[]] | length > 0"),
    ("NAT", "nat_gateways", HOME, "[.[].NatGateways[]] | length > 0"),
    ("egress-only gateways: none", "egress_gateways", HOME,
     "[.[].EgressOnlyInternetGateways[]] | length == 0"),
    ("miners where nobody works", "instances", "eu-north-1",
     'any(.[].Reservations[].Instances[]; .InstanceType | '
     'startswith("g5"))'),
    ("an instance and its profile", "instances", HOME,
     'any(.[].Reservations[].Instances[]; .IamInstanceProfile.Arn)'),
    ("a profile and its role", "profiles", HOME,
     "any(.[].InstanceProfiles[]; .Roles[0].RoleName)"),
    ("a trail", "trails", HOME, "[.[].trailList[]] | length > 0"),
    ("when it was stopped", "trail_status", HOME,
     "any(.[]; .StopLoggingTime)"),
    ("what it records", "trail_selectors", HOME,
     "any(.[]; .EventSelectors or .AdvancedEventSelectors)"),
    ("a detector", "detectors", HOME, "[.[].DetectorIds[]] | length == 1"),
    ("how seldom it tells", "detector", HOME,
     'any(.[]; .FindingPublishingFrequency == "SIX_HOURS")'),
    ("a filter that suppresses", "filter", HOME,
     'any(.[]; .Action == "ARCHIVE" and (.FindingCriteria.Criterion.type.Eq '
     '| length == 1))'),
    ("the finding that it hid", "finding", HOME,
     'any(.[].Findings[]; .Service.Archived and .Severity == 8 and '
     '.Resource.AccessKeyDetails.AccessKeyId == "%s")' %
     ENV["SIM_STOLEN_ACCESS_KEY_ID"]),
    ("Macie is paused", "macie", HOME, 'any(.[]; .status == "PAUSED")'),
    ("Security Hub is on", "hub", HOME, "any(.[]; .HubArn)"),
    ("what it found", "hub_findings", HOME,
     'any(.[].Findings[]; .GeneratorId == "CloudTrail.1")'),
    ("a Config recorder", "recorders", HOME,
     "any(.[].ConfigurationRecorders[]; .recordingGroup.allSupported)"),
    ("that does not record", "recorder_status", HOME,
     "any(.[].ConfigurationRecordersStatus[]; .recording == false)"),
    ("an analyzer", "analyzers", HOME, "[.[].analyzers[]] | length == 1"),
    ("what it found public", "access_findings", HOME,
     "any(.[].findings[]; .isPublic and .status == \"ACTIVE\")"),
    ("an alarm that tells nobody", "alarms", HOME,
     "any(.[].MetricAlarms[]; .ActionsEnabled == false)"),
    ("a log group that forgets", "log_groups", HOME,
     "any(.[].logGroups[]; .retentionInDays == 1)"),
]
# service:operation, error code, how often: answers that are facts
ABSENT = [("s3control:GetPublicAccessBlock",
           "NoSuchPublicAccessBlockConfiguration", 1),
          ("s3:GetPublicAccessBlock",
           "NoSuchPublicAccessBlockConfiguration", 1),
          ("s3:GetBucketPolicy", "NoSuchBucketPolicy", 3),
          ("s3:GetBucketPolicyStatus", "NoSuchBucketPolicy", 3),
          ("macie2:GetMacieSession", "AccessDeniedException", 17),
          ("securityhub:DescribeHub", "InvalidAccessException", 17),
          ("securityhub:GetFindings", "InvalidAccessException", 17)]


def jq(program, doc):
    r = subprocess.run(["jq", "-c", program], input=json.dumps(
        doc, default=as_cli), capture_output=True, text=True, check=False)
    return r.stdout.strip() or r.stderr.strip()


def as_cli(x):
    """Times and bytes as the AWS CLI prints them."""
    if hasattr(x, "isoformat"):
        return x.isoformat()
    raise TypeError(type(x))


class Bundle:
    def __init__(self, tar):
        self.lines, self.files = [], {}
        with tarfile.open(tar) as f:
            for m in f:
                name = m.name.split("/", 1)[-1]
                data = f.extractfile(m).read() if m.isfile() else b""
                if name.startswith("log/"):
                    self.lines += [json.loads(x) for x in data.splitlines()]
                elif name.startswith("data/"):
                    self.files[name] = data
        self.exhibits = [x for x in self.lines if x["type"] == "exhibit"]
        self.calls = {x["id"]: x for x in self.lines if x["type"] == "call"}

    def views(self, step, region=None):
        """(call line, JSON view) of a step."""
        out = []
        for e in self.exhibits:
            call = self.calls.get(e.get("origin", {}).get("call"))
            if e["step"] != step or not call or "derived_from" not in e and \
                    e["media"] != "application/json" or \
                    ".raw." in e["path"]:
                continue
            if region is None or e["origin"].get("region") == region or \
                    call["instance"].split("/")[1].startswith(
                        (region + "#", "global#")):
                out.append((call, json.loads(self.files[e["path"]])))
        return out


def client(service, region):
    key = service, region
    if key not in client.made:
        client.made[key] = client.session.create_client(
            service, region_name=region, config=Config(
                retries={"mode": "standard", "max_attempts": 1},
                inject_host_prefix=False))
    return client.made[key]


client.session = botocore.session.get_session()
client.made = {}


def ask(service, operation, region, given):
    """All pages, as a list of replies."""
    c = client(service, region)
    method = {v: k for k, v in c.meta.method_to_api_mapping.items()}[
        operation]
    if c.can_paginate(method):
        pages = list(c.get_paginator(method).paginate(**given))
    else:
        pages = [getattr(c, method)(**given)]
    for p in pages:
        p.pop("ResponseMetadata", None)
    return pages


def calls_of_manifest():
    doc = json.loads(subprocess.run([CART, "show", "manifest",
                                     "account-sweep"], capture_output=True,
                                    text=True, check=True).stdout)
    return {s["id"]: s for s in doc["steps"]}


def inputs(steps, bundle, step, region):
    """What botocore must be given to ask the same: list of inputs."""
    s = steps[step]
    given = s["with"].get("input", {})
    if "for_each" not in s:
        return [given]
    ref = s["for_each"][2:-1].split(".")
    items = [v for x in bundle.lines if x["type"] == "instance" and
             x["step"] == ref[0] and x["event"] == "end" and
             "/%s#" % region in x["id"]
             for v in x.get("keep", {}).get(ref[1], [])]
    det = [v for x in bundle.lines if x["type"] == "instance" and
           x["step"] == "detectors" and x["event"] == "end" and
           "/%s#" % region in x["id"]
           for v in x.get("keep", {}).get("ids", [])]

    def fill(v, item):
        if isinstance(v, dict):
            return {k: fill(x, item) for k, x in v.items()}
        if isinstance(v, list):
            return [fill(x, item) for x in v]
        if v == "${item}":
            return item
        return det[0] if v == "${detectors.ids}" else v
    return [fill(given, i) for i in items]


def told(steps, bundle, step, region):
    service, operation = steps[step]["with"]["call"].split(":")
    out = []
    for given in inputs(steps, bundle, step, region):
        try:
            where = region
            if service == "s3" and given.get("Bucket") == \
                    "northwind-backups" and operation != "GetBucketLocation":
                where = "eu-west-1"
            out += ask(service, operation, where, given)
        except Exception as e:
            code = getattr(e, "response", {}).get("Error", {}).get("Code")
            if not code:
                raise
    return out


def merged(pages):
    """Pages of a list as one, so that their cuts do not matter."""
    out = {}
    for p in pages:
        for k, v in p.items():
            if isinstance(v, list):
                out.setdefault(k, []).extend(v)
            elif k not in ("NextToken", "nextToken", "Marker", "IsTruncated"):
                out.setdefault(k, []).append(v)
    return {k: sorted(json.dumps(x, sort_keys=True, default=as_cli)
                      .replace("+00:00", "Z") for x in v)
            for k, v in out.items()}


def main():
    r = subprocess.run(
        [CART, "collect", "account-sweep", "--allow", "evidence", "--case",
         "S", "--out", "out", "--json", "-p",
         "services=" + json.dumps(SERVICES)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=200)
    check("complete, no gap", r.returncode == 0, r.stderr[-800:])
    last = json.loads(r.stdout.strip().split("\n")[-1])
    tar = last["location"]
    v = subprocess.run([CART, "verify", tar, "--pubkey", last["key"]],
                       capture_output=True, text=True)
    check("verifies", v.returncode == 0, v.stdout + v.stderr)
    b = Bundle(tar)
    steps = calls_of_manifest()
    ends = collections.defaultdict(set)
    for x in b.lines:
        if x["type"] == "instance" and x["event"] == "end":
            ends[x["step"]].add(x["outcome"])
    check("every step ran and went well", set(ends) == set(steps) and
          all(o == {"ok"} for o in ends.values()),
          {s: o for s, o in ends.items() if o != {"ok"}} or
          set(steps) - set(ends))
    check("no gap line", not [x for x in b.lines if x["type"] == "gap"])

    for topic, step, region, program in FACTS:
        ours = [d for _, d in b.views(step, region)]
        check(topic + ", in the bundle", jq(program, ours) == "true",
              (jq(program, ours), ours))
        theirs = told(steps, b, step, region)
        check(topic + ", told to botocore", jq(program, theirs) == "true",
              (jq(program, theirs), theirs))
    compared = 0
    for step, s in steps.items():
        if s["do"] != "aws.call" or step in ("caller", "public_access"):
            continue
        for region in (HOME, "eu-north-1", "ap-southeast-2"):
            if s.get("regions") != "all" and region != HOME:
                continue
            ours = merged([d for _, d in b.views(step, region)])
            theirs = merged(told(steps, b, step, region))
            for skip in ("updatedAt", "createdAt"):
                ours.pop(skip, None), theirs.pop(skip, None)
            if step in ("analyzers", "access_findings", "instances"):
                ours, theirs = {k: len(v) for k, v in ours.items()}, {
                    k: len(v) for k, v in theirs.items()}
            compared += 1
            check("%s in %s is what botocore is told" % (step, region),
                  ours == theirs, (ours, theirs))
    # every bucket was asked everything
    for step, s in steps.items():
        if s.get("for_each") == "${buckets.names}":
            n = len({x["instance"] for x in b.calls.values()
                     if x["step"] == step})
            check(step + ": every bucket", n == len(BUCKETS), n)

    notes = [x["text"] for x in b.lines if x["type"] == "note"]
    for call, code, many in ABSENT:
        hits = [x for x in b.calls.values() if x.get("error", {}).get(
            "code") == code and "%s:%s" % (x["service"], x["operation"]) ==
            call and x["step"] != "sweep"]
        said = [t for t in notes if (call + ": ") in t and code in t]
        check("%s: %s is a fact, %d times" % (call, code, many),
              len(hits) == many == len(said), (len(hits), len(said)))
        check("each note names its call", {h["id"] for h in hits} ==
              {t.split(",")[0] for t in said}, said)

    # who started what, and what was refused
    def lines(name, step):
        return [json.loads(x) for e in b.exhibits if e["step"] == step and
                name in e["path"] and e["path"] in b.files
                for x in b.files[e["path"]].splitlines()]
    launches = lines("cloudtrail-events", "launches")
    bad = [x for x in launches if x["sourceIPAddress"] == "198.51.100.23" and
           x["awsRegion"] in ("eu-north-1", "ap-southeast-2")]
    check("the attacker's RunInstances events", len(
        {x["awsRegion"] for x in bad}) == 2, launches[:1])
    every = lines("cloudtrail-events", "events")
    refused = lines("cloudtrail-denied", "events")
    want = jq('[.[] | select((.errorCode // "") | test("AccessDenied|'
              'Unauthorized|NotAuthorized|Forbidden|AuthFailure|'
              'AuthorizationError|InvalidClientTokenId|'
              'SignatureDoesNotMatch")) | .eventID] | sort', every)
    want2 = jq('[.[] | select((.errorMessage // "") | test("Failed '
               'authentication")) | .eventID] | sort', every)
    want = sorted(set(json.loads(want)) | set(json.loads(want2)))
    check("the refused events, as jq finds them", want and want ==
          sorted(x["eventID"] for x in refused), (len(want), len(refused)))

    # the sweep: each operation in each region once, and botocore's answer
    swept = collections.Counter(
        (x["service"], x["operation"], x["instance"])
        for x in b.calls.values() if x["step"] == "sweep" and
        x.get("page", 1) == 1)
    check("no operation twice", max(swept.values()) == 1)
    check("all services", {s for s, _, _ in swept} == set(SERVICES),
          {s for s, _, _ in swept})
    keys = {k["KeyId"] for c, d in b.views("sweep", HOME)
            if c["operation"] == "ListKeys" for k in d["Keys"]}
    check("the sweep's keys are botocore's", keys == {
        k["KeyId"] for p in ask("kms", "ListKeys", HOME, {})
        for k in p["Keys"]}, keys)
    with urllib.request.urlopen(ENV["AWS_ENDPOINT_URL"] +
                                "/_sim/log?since=0") as f:
        log = json.load(f)
    changed = {x["operation"] for x in log if x.get("mutating")}
    check("nothing was changed but the credential report", changed <= {
        "GenerateCredentialReport"}, changed)
    print("%d facts, %d answers compared, %d calls, %d requests" % (
        len(FACTS), compared, len(b.calls), len(log)))
    return ended()


if __name__ == "__main__":
    sys.exit(main())
