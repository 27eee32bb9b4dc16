# SPDX-License-Identifier: Apache-2.0
"""preserve-snapshot against two simulated accounts, judged by botocore.

What must hold after every run that ends, however often it was killed: one
copy in each account and no more, each under its own key; the last one locked
and holding the source's blocks; no permission and no grant left; and nothing
copied at all when a key would not have done.

PRESERVE_KILLS says after how many of the seven changes a run is killed, drawn
by SEED (printed); make soak takes all.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import botocore.session

from checks import check, ended, sim

ENV = os.environ
CART = ENV["CRASHCART"]
URL = ENV["AWS_ENDPOINT_URL"]
ACCOUNT, FORENSIC = ENV["SIM_ACCOUNT_ID"], ENV["SIM_FORENSIC_ACCOUNT_ID"]
HOME, AWAY = "us-east-1", "eu-west-1"
TRANSFER, KEY = ENV["SIM_TRANSFER_KEY_ARN"], ENV["SIM_FORENSIC_KEY_ARN"]
ROLE = "arn:aws:iam::%s:role/incident-response" % FORENSIC
# the changes, in their order: operation and which one of that name
CHANGES = [("CopySnapshot", 1), ("CreateGrant", 1),
           ("ModifySnapshotAttribute", 1), ("CopySnapshot", 2),
           ("LockSnapshot", 1), ("ModifySnapshotAttribute", 2),
           ("RevokeGrant", 1)]
SEED = int(ENV.get("SEED") or time.time_ns() % 10**9)
KILLS = int(ENV.get("PRESERVE_KILLS") or 2)
runs = 0


session = botocore.session.get_session()


def client(service, region, forensic=False):
    keys = {}
    if forensic:
        c = session.create_client("sts", region_name=HOME).assume_role(
            RoleArn=ROLE, RoleSessionName="judge")["Credentials"]
        keys = {"aws_access_key_id": c["AccessKeyId"],
                "aws_secret_access_key": c["SecretAccessKey"],
                "aws_session_token": c["SessionToken"]}
    return session.create_client(service, region_name=region, **keys)


ours, theirs = client("ec2", AWAY), client("ec2", AWAY, True)
kms = client("kms", AWAY)
GRANTS = kms.list_grants(KeyId=TRANSFER)["Grants"]


def copies(ec2, bundle):
    return [s for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
            if {"Key": "crashcart:bundle", "Value": bundle} in
            s.get("Tags", [])]


class Run:
    def __init__(self, what, snapshot, env=None, kill=None, **params):
        global runs
        runs += 1
        self.what, self.out = what, "p%02d" % runs
        self.env = dict(ENV, **(env or {}))
        given = {"snapshot_id": snapshot, "region": HOME, "to_region": AWAY,
                 "transfer_key": TRANSFER, "forensic_account": FORENSIC,
                 "forensic_key": KEY, **params}
        self.first = sim("state")["requests"]
        args = ["collect", "preserve-snapshot", "--allow", "evidence",
                "--case", "P%d" % runs, "--out", self.out, "--json"]
        for k, v in given.items():
            args += ["-p", "%s=%s" % (k, v)]
        if kill:
            self.kill(args, *kill)
            args = ["resume", self.out, "--json"]
        p = subprocess.run([CART, *args], env=self.env, capture_output=True,
                           text=True, stdin=subprocess.DEVNULL, timeout=120)
        self.exit, self.err = p.returncode, p.stderr
        self.read(p.stdout)
        shutil.rmtree(self.out, ignore_errors=True)

    def kill(self, args, operation, nth):
        """Carried out, not answered, and then we die."""
        sim("faults", [{"operation": operation, "do": "hang", "after": True,
                        "seconds": 20, "skip": nth - 1, "times": 1}])
        p = subprocess.Popen([CART, *args], env=self.env,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end and p.poll() is None:
            hit = [x for x in sim("log?since=%d" % self.first) if
                   x["operation"] == operation and x.get("faults")]
            if hit:
                break
            time.sleep(0.05)
        check(self.what + ": it was under way", p.poll() is None)
        p.send_signal(signal.SIGKILL)
        p.wait()
        sim("faults", [])

    def read(self, stdout):
        self.lines, self.bundle = [], ""
        try:
            last = json.loads(stdout.strip().split("\n")[-1])
        except ValueError:
            check(self.what + ": an answer", False, self.err[-600:])
            return
        with tarfile.open(last["location"]) as f:
            for m in f:
                if "/log/" in m.name:
                    self.lines += [json.loads(x) for x in f.extractfile(
                        m).read().splitlines()]
        for x in self.lines:
            if x["type"] == "session":
                self.bundle = x.get("bundle_uuid") or x.get("uuid") or \
                    self.bundle
        for x in self.lines:
            for spec in x.get("input", {}).get("TagSpecifications", []) if \
                    x["type"] == "change" else []:
                for t in spec["Tags"]:
                    if t["Key"] == "crashcart:bundle":
                        self.bundle = t["Value"]
        v = subprocess.run([CART, "verify", last["location"], "--pubkey",
                            last["key"]], capture_output=True, text=True)
        check(self.what + ": verifies", v.returncode == 0 or (
            v.returncode == 5 and "resume" in sys.argv), v.stdout[-400:])

    def asked(self, operation):
        return [x for x in sim("log?since=%d" % self.first) if
                x["operation"] == operation and not x["error"]]

    def of(self, kind):
        return [x for x in self.lines if x["type"] == kind]


def blocks(ebs, snapshot):
    out, more = {}, {}
    while True:
        r = ebs.list_snapshot_blocks(SnapshotId=snapshot, **more)
        out.update({b["BlockIndex"]: b["BlockToken"] for b in r["Blocks"]})
        if not r.get("NextToken"):
            return out
        more = {"NextToken": r["NextToken"]}


def whole(r, source):
    """Everything that must be so at the end."""
    w = r.what
    check(w + ": exit 0", r.exit == 0, (r.exit, r.err[-600:]))
    mine, kept = copies(ours, r.bundle), copies(theirs, r.bundle)
    if not check(w + ": one copy here, one there", len(mine) == 1 and
                 len(kept) == 1, (len(mine), len(kept))):
        return
    check(w + ": each under its key, completed", (
        mine[0]["KmsKeyId"], kept[0]["KmsKeyId"], mine[0]["State"],
        kept[0]["State"]) == (TRANSFER, KEY, "completed", "completed"), kept)
    lock = theirs.describe_locked_snapshots(
        SnapshotIds=[kept[0]["SnapshotId"]])["Snapshots"]
    check(w + ": locked for 30 days", lock and lock[0]["LockState"] ==
          "governance" and lock[0]["LockDuration"] == 30, lock)
    shared = ours.describe_snapshot_attribute(
        SnapshotId=mine[0]["SnapshotId"], Attribute="createVolumePermission")
    check(w + ": nobody may use ours", not shared["CreateVolumePermissions"],
          shared)
    check(w + ": the key's grants are those from before", kms.list_grants(
        KeyId=TRANSFER)["Grants"] == GRANTS)
    ebs1, ebs2 = client("ebs", HOME), client("ebs", AWAY, True)
    a, b = blocks(ebs1, source), blocks(ebs2, kept[0]["SnapshotId"])
    check(w + ": the same blocks", a.keys() == b.keys() and a)
    for i in random.sample(sorted(a), 3):
        x, y = (c.get_snapshot_block(SnapshotId=s, BlockIndex=i,
                                     BlockToken=t[i])["Checksum"]
                for c, s, t in ((ebs1, source, a),
                                (ebs2, kept[0]["SnapshotId"], b)))
        check(w + ": block %d is the same" % i, x == y)
    for kind, n in (("intent", 7), ("unknown", 0)):
        got = [x for x in r.of("change") if x["event"] == kind]
        check("%s: %d changes %s" % (w, n, kind), len(got) == n, [
            (x["call"], x["step"]) for x in got])
    ended = {x["uuid"] for x in r.of("change") if x["event"] in (
        "result", "adopted")}
    check(w + ": each intent has its end", ended == {
        x["uuid"] for x in r.of("change") if x["event"] == "intent"})
    check(w + ": no signed URL and no token in the log", not any(
        s in json.dumps(r.lines) for s in ("X-Amz-Signature",
                                           "PresignedUrl", "IQoJb3Jp")))


def nothing(r, reason, *words):
    """It ended before anything was made."""
    w = r.what
    check(w + ": exit 3", r.exit == 3, (r.exit, r.err[-500:]))
    check(w + ": nothing was copied, granted or shared", not any(
        r.asked(o) for o in ("CopySnapshot", "CreateGrant",
                             "ModifySnapshotAttribute")))
    gaps = [g for g in r.of("gap") if g["step"] == "copy" and
            g["reason"] == reason]
    check("%s: a gap %s tells %s" % (w, reason, ", ".join(words)), any(
        all(x in g["detail"] for x in words) for g in gaps), r.of("gap"))


def make_default_encrypted():
    """A snapshot under aws/ebs, which nobody can share."""
    ec2 = client("ec2", HOME)
    sid = ec2.copy_snapshot(SourceRegion=HOME, SourceSnapshotId=ENV[
        "SIM_EBS_SNAPSHOT_ID"], Encrypted=True, KmsKeyId="alias/aws/ebs")[
            "SnapshotId"]
    time.sleep(1.5)
    try:
        ec2.modify_snapshot_attribute(
            SnapshotId=sid, Attribute="createVolumePermission",
            OperationType="add", UserIds=[FORENSIC])
        check("the account refuses to share it", False)
    except ec2.exceptions.ClientError as e:
        check("the account refuses to share it", "cannot be shared" in str(e),
              e)
    return sid


def main():
    random.seed(SEED)
    print("SEED=%d PRESERVE_KILLS=%d" % (SEED, KILLS), flush=True)
    plain = ENV["SIM_EBS_SNAPSHOT_ID"]
    whole(Run("a snapshot", plain), plain)
    sid = make_default_encrypted()
    whole(Run("a snapshot under aws/ebs", sid), sid)

    alias = client("kms", HOME).list_aliases()["Aliases"]
    managed = [a["TargetKeyId"] for a in alias if a["AliasName"] ==
               "alias/aws/ebs"][0]
    r = Run("a key that AWS manages", plain, to_region=HOME,
            transfer_key="arn:aws:kms:%s:%s:key/%s" % (HOME, ACCOUNT,
                                                       managed),
            forensic_key=KEY)
    check("a key that AWS manages: nothing copied", not r.asked(
        "CopySnapshot") and r.exit == 3, r.exit)
    nothing(Run("no such key", plain, transfer_key=TRANSFER[:-4] + "0000"),
            "failed", "kms:DescribeKey", "NotFoundException")
    nothing(Run("no such key in the forensic account", plain,
                forensic_key=KEY[:-4] + "0000"), "no-value",
            "forensic_key.arn")
    may = ["ec2:*", "ebs:*", "kms:Describe*", "kms:List*", "kms:Get*",
           "sts:AssumeRole"]
    keys = sim("principal", {"name": "preserver", "policy": {
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": may, "Resource": "*"}]}})
    nothing(Run("the key may not be granted", plain, env=keys), "denied",
            "kms:CreateGrant", "nothing was copied")

    for operation, nth in random.sample(CHANGES, min(KILLS, len(CHANGES))):
        what = "killed after %s %d" % (operation, nth)
        t = time.monotonic()
        r = Run(what, plain, kill=(operation, nth))
        whole(r, plain)
        check(what + ": it was not asked for twice", len(r.asked(
            operation)) == len([c for c in CHANGES if c[0] == operation]),
            len(r.asked(operation)))
        print("%s: %.1f s" % (what, time.monotonic() - t), flush=True)
    return ended()


if __name__ == "__main__":
    sys.exit(main())
