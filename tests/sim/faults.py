# SPDX-License-Identifier: Apache-2.0
"""Collections from an account that misbehaves: each must end, sealed, with
every failure a line of the log and a plain line on the terminal."""
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import traceback

import botocore.session

from checks import check, ended, sim

ENV = os.environ
CART = ENV["CRASHCART"]
URL = ENV["AWS_ENDPOINT_URL"]
INST = ENV["SIM_INSTANCE_ID"]
RESPONDER = {"AWS_ACCESS_KEY_ID": ENV["SIM_RESPONDER_ACCESS_KEY_ID"],
             "AWS_SECRET_ACCESS_KEY": ENV["SIM_RESPONDER_SECRET_ACCESS_KEY"]}
runs = 0


def call(step, what, given=None, **more):
    w = {"call": what}
    if given:
        w["input"] = given
    return dict({"id": step, "do": "aws.call", "with": w}, **more)


def manifest(*steps):
    return {"crashcart": 1, "name": "faults", "title": "faults",
            "steps": list(steps)}


WIDE = manifest(
    call("caller", "sts:GetCallerIdentity"), call("vpcs", "ec2:DescribeVpcs"),
    call("volumes", "ec2:DescribeVolumes"), call("users", "iam:ListUsers"),
    call("roles", "iam:ListRoles"), call("keys", "kms:ListKeys"),
    call("functions", "lambda:ListFunctions", secrets="allow"),
    call("buckets", "s3:ListBuckets"),
    call("accounts", "organizations:ListAccounts"),
    call("parameters", "ssm:DescribeParameters"),
    call("trails", "cloudtrail:DescribeTrails"),
    call("blocks", "ebs:ListSnapshotBlocks",
         {"SnapshotId": ENV["SIM_EBS_SNAPSHOT_ID"]}))
EVENTS = manifest({"id": "events", "do": "cloudtrail.events",
                   "regions": "all"})


class Run:
    """One collection, what it said, and what is in its bundle."""

    def __init__(self, what, faults=(), env=None, args=(), limit=180,
                 without=()):
        global runs
        runs += 1
        name = "run-%02d" % runs
        if isinstance(what, dict):
            path = "./%s.json" % name
            with open(path, "w", encoding="utf-8") as f:
                json.dump(what, f)
        else:
            path = what
            args = ("-p", "instance_id=" + INST) + tuple(args)
        sim("faults", list(faults))
        self.first = sim("state")["requests"]
        e = dict(ENV, **(env or {}))
        for k in without:
            e.pop(k, None)
        t = time.monotonic()
        p = subprocess.run(
            [CART, "collect", path, "--json", "--out", name, "--case", "F",
             *args], env=e, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=limit)
        self.seconds = time.monotonic() - t
        sim("faults", [])
        self.exit, self.err = p.returncode, p.stderr
        try:
            self.last = json.loads(p.stdout.strip().split("\n")[-1])
        except ValueError:
            self.last = {}
        self.lines = []
        tar = self.last.get("location")
        if tar and os.path.exists(tar):
            with tarfile.open(tar) as f:
                for m in f:
                    if "/log/" in m.name:
                        self.lines += [json.loads(x) for x in f.extractfile(
                            m).read().splitlines()]
            v = subprocess.run([CART, "verify", tar, "--pubkey",
                                self.last["key"]], capture_output=True,
                               text=True)
            self.verify = v.returncode
        else:
            self.verify = None
        shutil.rmtree(name, ignore_errors=True)
        self.requests = sim("log?since=%d" % self.first)

    def of(self, kind, step=None):
        return [x for x in self.lines if x["type"] == kind and
                (step is None or x.get("step") == step)]

    def errors(self):
        return [x for x in self.of("call") if x.get("error")]

    def sealed(self, what, exit_=3):
        """The common end: sealed, verifying, telling what went wrong."""
        check(what + ": exit %d" % exit_, self.exit == exit_,
              "exit %s, %s" % (self.exit, self.err[-500:]))
        check(what + ": verifies", self.verify == 0, self.verify)
        if exit_ == 3:
            check(what + ": a gap for it", self.of("gap"))
            for x in self.errors():
                check(what + ": step, call, code, request id", "step" in x
                      and x.get("operation") and x["error"].get(
                        "code") and ("request_id" in x or not x["status"]), x)
            warned = [json.loads(x) for x in self.err.splitlines()
                      if x.startswith("{")]
            warned = [x for x in warned if x.get("level") == "warning"]
            check(what + ": a line on the terminal",
                  len(warned) >= len({g.get("instance")
                                      for g in self.of("gap")}),
                  self.err[-300:])
        print("%-44s %5.1f s, exit %s, %d requests" % (
            what, self.seconds, self.exit, len(self.requests)), flush=True)


def outcome(run, step):
    ends = [x.get("outcome") for x in run.of("instance", step)
            if x.get("event") == "end"]
    return ends[-1] if ends else None


def test_calm():
    r = Run(WIDE)
    r.sealed("nothing wrong", 0)


def test_region():
    r = Run(EVENTS, [{"region": "eu-west-1", "do": "refuse"}])
    r.sealed("a region that refuses")
    bad = [x for x in r.errors() if x["region"] == "eu-west-1"]
    check("the refusal is a line", bad and bad[0]["error"]["code"] ==
          "UnrecognizedClientException", r.errors()[:1])
    done = {x["region"] for x in r.of("call") if not x.get("error") and
            x["operation"] == "LookupEvents"}
    check("every other region is collected", len(done) == 17, done)
    tries = [x for x in r.requests if x["region"] == "eu-west-1"]
    check("a refusal is not tried again and again", len(tries) <= 2,
          len(tries))


def test_denied():
    before = len(sim("state")["snapshots_made"])
    r = Run("instance-compromise", env=RESPONDER,
            args=("--allow", "evidence"))
    r.sealed("keys that may not do it all")
    codes = {(x["operation"], x["error"]["code"]) for x in r.errors()}
    check("snapshots denied in EC2's words", (
        "CreateSnapshots", "UnauthorizedOperation") in codes, codes)
    check("the report denied in IAM's words", any(
        c == "AccessDenied" for _, c in codes), codes)
    check("no snapshot came of it",
          len(sim("state")["snapshots_made"]) == before)
    times = {}
    for x in r.requests:
        if x["error"] in ("AccessDenied", "UnauthorizedOperation",
                          "AccessDeniedException"):
            k = x["operation"], json.dumps(x["params"], sort_keys=True)
            times[k] = times.get(k, 0) + 1
    check("a denial is never retried", max(times.values()) == 1, times)


def test_storm():
    before = sim("state")["snapshots_made"]
    r = Run("instance-compromise", [{"do": "throttle", "per_second": 6},
                                     {"do": "throttle", "service": "ec2",
                                      "percent": 20},
                                     {"do": "throttle", "percent": 20,
                                      "service": "cloudtrail"}],
            args=("--allow", "evidence"), limit=400)
    r.sealed("a throttling storm")
    shapes = {(x["status"], x["error"]) for x in r.requests
              if x.get("faults")}
    check("in several shapes", (503, "RequestLimitExceeded") in shapes and
          (400, "ThrottlingException") in shapes and
          (400, "Throttling") in shapes, shapes)
    lost = [x for x in r.errors()]
    check("and nearly all collected", len(lost) <= 3, lost[:3])
    made = {k: v for k, v in sim("state")["snapshots_made"].items()
            if k not in before}
    check("one snapshot a volume", len(made) == 2 and len(
        {v["volume"] for v in made.values()}) == 2, made)


def test_all_at_once():
    """Every lasting fault in its own service: the rest is collected."""
    r = Run(WIDE, [
        {"service": "kms", "do": "hang", "seconds": 600},
        {"service": "iam", "operation": "ListRoles", "do": "stall",
         "seconds": 600},
        {"service": "iam", "operation": "ListUsers", "do": "stall",
         "seconds": 600, "times": 1},
        {"service": "lambda", "do": "throttle"},
        {"service": "ssm", "do": "garbage"},
        {"service": "organizations", "do": "cut"},
        {"service": "ebs", "do": "reset"},
        {"service": "ec2", "operation": "DescribeVpcs", "do": "error"},
        {"service": "s3", "do": "deny"}], limit=400)
    r.sealed("everything wrong at once")
    for step, want in (("keys", ("timeout",)), ("roles", ("timeout",)),
                       ("functions", ("throttled",)),
                       ("parameters", ("failed",)),
                       ("accounts", ("failed", "timeout")),
                       ("blocks", ("failed", "timeout")),
                       ("vpcs", ("failed",)), ("buckets", ("denied",)),
                       ("caller", ("ok",)), ("users", ("ok",)),
                       ("volumes", ("ok",)), ("trails", ("ok",))):
        got = outcome(r, step)
        check("the outcome of " + step, got in want, got)
    check("what hangs or stalls is given up after a minute", r.seconds < 75,
          r.seconds)
    for step, name, last in (
            ("keys", "kms:ListKeys in us-east-1", "no answer within"),
            ("roles", "iam:ListRoles in global", "the answer did not end")):
        lines = r.of("call", step)
        check("%s: one line, two attempts, no more than 70 s" % step, len(
            lines) == 1 and lines[0]["attempts"] == 2 and
            lines[0]["duration_ms"] < 70000, lines)
        check("%s: its gap names action and region" % step, [
            g for g in r.of("gap", step) if g["reason"] == "timeout" and
            name in g["detail"] and last in g["detail"]], r.of("gap", step))
    count = {}
    for x in r.requests:
        count[x["service"]] = count.get(x["service"], 0) + 1
    check("the number of tries is bounded", max(
        count[s] for s in ("kms", "lambda", "ssm", "organizations",
                           "ebs")) <= 24, count)


def test_passing():
    """Faults that go away: nothing is lost, exit 0."""
    for do in ("reset", "close", "cut", "error"):
        r = Run(WIDE, [{"service": s, "do": do, "times": 1}
                       for s in ("ec2", "iam", "kms", "lambda", "s3")])
        r.sealed("once: " + do, 0)
        check("once %s: tried again" % do, len(
            [x for x in r.requests if x.get("faults")]) == 5)


def test_credentials_gone():
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    r = Run(WIDE, [{"do": "expired", "skip": 6}])
    r.sealed("credentials that end in the middle")
    check("said so", any("xpired" in x["error"]["code"]
                         for x in r.errors()), r.errors()[:1])
    check("what came before is kept", any(
        not x.get("error") for x in r.of("call")))
    r = Run(WIDE, [{"service": "imds", "do": "refuse"}], without=keys,
            limit=120)
    check("no credentials at all: it ends", r.seconds < 60, r.seconds)
    check("no credentials at all: exit", r.exit in (1, 2, 3), r.exit)
    check("no credentials at all: says so", "credential" in r.err,
          r.err[-300:])
    if r.exit == 3:
        r.sealed("no credentials at all")
    check("no call was made", not [x for x in r.requests
                                   if x["service"] not in ("imds",)],
          [x["operation"] for x in r.requests][:5])


def test_refresh():
    """Instance role keys that are revoked in the middle: new ones, go on."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    slow = manifest(*[call("s%d" % n, "iam:ListRoles",
                           **({"after": ["s%d" % (n - 1)]} if n else {}))
                      for n in range(8)])
    timer = threading.Timer(2.5, sim, ("expire", {}))
    timer.start()
    r = Run(slow, [{"service": "iam", "do": "delay", "seconds": 0.6}],
            without=keys)
    timer.join()
    r.sealed("role credentials that end are renewed", 0)
    used = {x["key"] for x in r.requests if x["service"] == "iam"}
    check("two keys were used", len(used) == 2, used)
    bad = [x for x in r.requests if "xpired" in str(x["error"])]
    check("one call met the end", len(bad) == 1, len(bad))


def test_lost_answer():
    """The snapshots are made, the answer is lost: adopt, do not repeat."""
    for seconds in (0, 4):
        sim("options", {"snapshot_delay": seconds})
        before = sim("state")["snapshots_made"]
        r = Run("instance-compromise", [{"service": "ec2", "operation": "CreateSnapshots",
                         "do": "reset", "after": True, "times": 1}], limit=300,
                args=("--allow", "evidence"))
        made = {k: v for k, v in sim("state")["snapshots_made"].items()
                if k not in before}
        check("lost answer, invisible for %d s: one a volume" % seconds,
              len(made) == 2 and len({v["volume"] for v in made.values()})
              == 2, len(made))
        r.sealed("lost answer, invisible for %d s" % seconds)
        ids = json.dumps(r.lines)
        check("their ids are in the log", all(k in ids for k in made))
    sim("options", {"snapshot_delay": 1})


def test_decoys():
    """Our tag on what is not ours: left out; what might be ours: unknown."""
    ec2 = botocore.session.get_session().create_client(
        "ec2", region_name="us-east-1", endpoint_url=URL)
    sim("options", {"snapshot_delay": 4})
    for same in (False, True):
        since = sim("state")["requests"]
        decoys = []

        def make():
            made = []
            while not made:
                time.sleep(0.1)
                made = [x for x in sim("log?since=%d" % since)
                        if x["operation"] == "CreateSnapshots"]
            tags = [t for t in made[0]["params"]["TagSpecifications"][0][
                "Tags"] if t["Key"] == "crashcart:change"]
            if not same:
                ec2.create_tags(Resources=[ENV["SIM_EBS_SNAPSHOT_ID"]],
                                Tags=tags)
                decoys.append(ENV["SIM_EBS_SNAPSHOT_ID"])
                return
            i = ec2.describe_instances(InstanceIds=[INST])["Reservations"][0][
                "Instances"][0]
            s = ec2.create_snapshot(
                VolumeId=i["BlockDeviceMappings"][0]["Ebs"]["VolumeId"],
                Description=made[0]["params"]["Description"],
                TagSpecifications=[{"ResourceType": "snapshot",
                                    "Tags": tags}])
            decoys.append(s["SnapshotId"])

        t = threading.Thread(target=make)
        t.start()
        r = Run("instance-compromise", [
            {"service": "ec2", "operation": "CreateSnapshots", "do": "reset",
             "after": True, "times": 1}], limit=300,
            args=("--allow", "evidence"))
        t.join()
        asked = [x for x in r.requests if x["operation"] == "CreateSnapshots"]
        changes = [x for x in r.lines if x["type"] == "change" and
                   x["call"] == "ec2:CreateSnapshots"]
        r.sealed("decoy, %s" % ("alike" if same else "other"))
        check("asked once", len(asked) == 1, len(asked))
        ends = [x["event"] for x in changes if x["event"] != "intent"]
        check("decoy: the outcome", ends == ["unknown" if same else
                                             "adopted"], changes)
        check("the decoy is not adopted", decoys and not set(decoys) & {
            i for x in changes for i in x.get("made", [])}, changes)
        check("and where it cannot be told, a gap says so", same == any(
            x.get("reason") == "ambiguous" for x in r.lines
            if x["type"] == "gap"), [x for x in r.lines
                                     if x["type"] == "gap"])
        if not same:
            check("both of ours are", [len(x["made"]) for x in changes
                                       if x["event"] == "adopted"] == [2],
                  changes)
            ec2.delete_tags(Resources=decoys, Tags=[
                {"Key": "crashcart:change"}])
    sim("options", {"snapshot_delay": 1})


def test_clock():
    for skew in (1200, -1200):
        sim("clock", {"skew": skew})
        try:
            r = Run(WIDE)
        finally:
            sim("clock", {"skew": 0})
        r.sealed("clock wrong by %d s" % -skew, 0)


def main():
    want = sys.argv[1:]
    for name, f in list(globals().items()):
        if not name.startswith("test_") or (want and name[5:] not in want):
            continue
        try:
            f()
        except Exception as e:
            line = [x.lineno for x in traceback.extract_tb(e.__traceback__)
                    if x.filename == __file__][-1]
            check("%s, line %d" % (name, line), False, repr(e))
            sim("faults", [])
    return ended()


if __name__ == "__main__":
    sys.exit(main())
