# SPDX-License-Identifier: Apache-2.0
"""`crashcart plan --check`: identity, clock, endpoints, permissions, output
and key, each good and each wrong; and nothing is left behind or changed."""
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

from checks import check, ended, sim

ENV = os.environ
CART = ENV["CRASHCART"]
URL = ENV["AWS_ENDPOINT_URL"]
INST = ENV["SIM_INSTANCE_ID"]
ACCOUNT = ENV["SIM_ACCOUNT_ID"]


class Plan:
    """One --check: exit status, the object, its rows."""

    def __init__(self, *args, env=None, name="instance-compromise"):
        a = [CART, "plan", name, "--check", "--json", *args]
        if name == "instance-compromise":
            a += ["-p", "instance_id=" + INST]
        p = subprocess.run(a, env=dict(ENV, **(env or {})), text=True,
                           capture_output=True, stdin=subprocess.DEVNULL,
                           timeout=120)
        self.exit, self.err = p.returncode, p.stderr
        try:
            self.doc = json.loads(p.stdout)
        except ValueError:
            self.doc = {"checks": [], "exit": None}
        self.rows = self.doc["checks"]

    def of(self, kind, result=None):
        return [r for r in self.rows if r["check"] == kind and
                (result is None or r["result"] == result)]

    def bad(self):
        return [r for r in self.rows if r["result"] not in ("good",
                                                            "warning")]


def manifest(name, *steps, **more):
    with open(name, "w", encoding="utf-8") as f:
        json.dump(dict({"crashcart": 1, "name": "check", "title": "check",
                        "steps": list(steps)}, **more), f)
    return "./" + name


def call(step, what, given=None, **more):
    w = {"call": what}
    if given is not None:
        w["input"] = given
    return dict({"id": step, "do": "aws.call", "with": w}, **more)


def snapshot(folder):
    """What a file system shows of a folder."""
    st = os.stat(folder)
    return sorted(os.listdir(folder)), st.st_mtime_ns, st.st_nlink


def all_good():
    os.mkdir("out")
    before = snapshot("out"), snapshot(".")
    state = sim("state")
    p = Plan("--out", "out", "--expect-account", ACCOUNT)
    check("an administrator: exit 0", p.exit == 0 and not p.bad(),
          (p.exit, p.bad(), p.err))
    check("one object says so", p.doc.get("result") == "good" and
          p.doc.get("exit") == 0 and p.doc.get("crashcart_check") == 1,
          p.doc)
    check("who", p.of("identity")[0]["account"] == ACCOUNT and
          p.of("identity")[0]["what"].endswith(":user/breakglass-admin") and
          p.of("identity")[0]["credentials"] == "environment", p.rows[:3])
    check("endpoint with origin and address", p.of("endpoint")[0]["origin"]
          == "environment" and p.of("endpoint")[0]["what"] == URL and
          p.of("endpoint")[0]["address"] == "127.0.0.1", p.of("endpoint"))
    how = {r["action"]: r["how"] for r in p.of("permission")}
    check("EC2 by dry run", how.get("ec2:CreateSnapshots") == "dry-run" and
          how.get("ec2:CreateTags") == "dry-run" and
          how.get("ec2:DescribeInstances") == "dry-run", how)
    check("the rest by simulation", how.get("cloudtrail:LookupEvents") ==
          "simulation", how)
    regions = {r["region"] for r in p.of("permission")
               if r["action"] == "cloudtrail:LookupEvents"}
    check("in every enabled region", len(regions) == 18, regions)
    after = sim("state")
    check("nothing is made or changed", after["changes"] == state["changes"]
          and after["snapshots_made"] == state["snapshots_made"],
          (after["changes"], state["changes"]))
    asked = sim("log?since=%d" % state["requests"])
    odd = [(x["operation"], x["error"]) for x in asked if x["operation"] not
           in ("GetCallerIdentity", "DescribeRegions",
               "SimulatePrincipalPolicy") and x["error"] !=
           "DryRunOperation"]
    check("every other request is a dry run", not odd and len(asked) > 20,
          odd)
    check("no litter", (snapshot("out"), snapshot(".")) == before,
          snapshot("out"))
    words = subprocess.run([CART, "plan", "instance-compromise", "--check",
                            "-p", "instance_id=" + INST], text=True,
                           capture_output=True)
    check("a table for people", words.returncode == 0 and
          "0 missing" in words.stdout and "identity    good" in words.stdout,
          words.stdout)


def permissions():
    r = subprocess.run([CART, "plan", "instance-compromise", "--policy", "-p",
                        "instance_id=" + INST], text=True,
                       capture_output=True)
    policy = json.loads(r.stdout)
    keys = sim("principal", {"name": "just", "policy": policy})
    p = Plan(env=keys)
    check("not checkable: exit 1, and says so", p.exit == 1 and
          not [x for x in p.rows if x["result"] == "missing"] and
          p.of("permission", "unknown") and all(
              "iam:SimulatePrincipalPolicy" in x["detail"] and
              "not checkable" in x["detail"]
              for x in p.of("permission", "unknown")),
          (p.exit, p.bad()))
    check("EC2 needs no permission to ask", {x["how"] for x in p.of(
        "permission", "good")} == {"dry-run"} and any(
            x["action"] == "ec2:CreateSnapshots" for x in p.of(
                "permission", "good")), p.of("permission"))
    asked = [x for x in sim("log") if x["key"] == keys["AWS_ACCESS_KEY_ID"]
             and x["operation"] == "SimulatePrincipalPolicy"]
    check("and it is asked once, not a hundred times", len(asked) == 1,
          len(asked))
    may = {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy",
           "Resource": "*"}
    sim("principal", {"name": "just", "policy": dict(
        policy, Statement=policy["Statement"] + [may])})
    p = Plan(env=keys)
    check("the policy of --policy is enough: exit 0", p.exit == 0 and
          not p.bad(), (p.exit, p.bad()))
    for action, how in (("ec2:CreateSnapshots", "dry-run"),
                        ("ec2:DescribeInstances", "dry-run"),
                        ("cloudtrail:LookupEvents", "simulation"),
                        ("ec2:CreateTags", None)):
        less = [dict(s, Action=[a for a in s["Action"] if a != action])
                for s in policy["Statement"]]
        sim("principal", {"name": "just", "policy": dict(
            policy, Statement=[s for s in less if s["Action"]] + [may])})
        p = Plan(env=keys)
        miss = p.of("permission", "missing")
        want = {action}
        if action == "ec2:CreateTags":
            # the dry run carries the tags, so it is refused for them
            want = {"ec2:CreateSnapshots", "ec2:CreateTags"}
        check("without %s: exit 3, and just that" % action, p.exit == 3 and
              {x["action"] for x in miss} == want and
              p.doc.get("result") == "missing" and
              all(x["steps"] for x in miss) and
              (how is None or {x["how"] for x in miss} == {how}),
              (p.exit, p.bad()))
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {
        "StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    sim("principal", {"name": "just", "policy": dict(
        policy, Statement=policy["Statement"] + [may, deny])})
    p = Plan(env=keys)
    check("a region that is closed is seen", p.exit == 3 and
          {x["region"] for x in p.of("permission", "missing")} ==
          {"eu-west-1"} and "explicitDeny" in
          p.of("permission", "missing")[0]["detail"], p.bad())


def identity():
    p = Plan("--expect-account", "999999999999")
    check("another account: exit 3", p.exit == 3 and p.of(
        "identity", "missing") and "999999999999" in
        p.of("identity")[0]["detail"], p.rows[:3])
    p = Plan(env={"AWS_SECRET_ACCESS_KEY": "x" * 40})
    check("keys that do not work: exit 3", p.exit == 3 and
          p.of("identity", "missing") and not p.of("permission"), p.rows)
    check("a secret is nowhere", "x" * 40 not in json.dumps(p.doc) + p.err)
    m = manifest("accounts.json", call(
        "users", "iam:ListUsers", accounts=[ACCOUNT, "210987654321",
                                            "345678901234"]),
        role="incident-response")
    p = Plan(name=m)
    check("roles in other accounts are assumed", p.exit == 0 and
          [x["account"] for x in p.of("identity")] ==
          [ACCOUNT, "210987654321", "345678901234"] and
          {x["account"] for x in p.of("permission")} ==
          {ACCOUNT, "210987654321", "345678901234"}, p.rows)
    m = manifest("accounts.json", call(
        "users", "iam:ListUsers", accounts=["210987654321", "999999999999"]),
        role="incident-response")
    p = Plan(name=m)
    check("one that refuses is one row", p.exit == 3 and
          [x["what"] for x in p.of("identity", "missing")] ==
          ["999999999999"] and "sts:AssumeRole" in
          p.of("identity", "missing")[0]["detail"], p.rows)
    with open("config", "w", encoding="ascii") as f:
        f.write("[profile r]\nregion = us-east-1\ncredential_source = "
                "Environment\nrole_arn = arn:aws:iam::%s:role/security/"
                "auditor\n" % ACCOUNT)
    m = manifest("role.json", call("u", "iam:ListUsers"),
                 call("off", "iam:UpdateAccessKey", {
                     "UserName": "x", "AccessKeyId": "AKIA" + "A" * 16,
                     "Status": "Inactive"}, changes="containment"))
    p = Plan("--profile", "r", name=m, env={"AWS_CONFIG_FILE": "config"})
    check("a role with a path, which its sessions do not show",
          p.of("identity")[0]["what"].startswith(
              "arn:aws:sts::%s:assumed-role/auditor/" % ACCOUNT) and
          {x["action"]: (x["result"], x["how"]) for x in
           p.of("permission")} == {
               "iam:ListUsers": ("good", "simulation"),
               "iam:UpdateAccessKey": ("missing", "simulation")}, p.rows)
    m = manifest("absent.json", {
        "id": "s", "do": "ec2.snapshot", "changes": "evidence",
        "with": {"instance_id": "i-0123456789abcdef0"}})
    sim("faults", [{"service": "ec2", "operation": "CreateSnapshots",
                    "do": "error", "code": "InvalidInstanceID.NotFound",
                    "status": 400}])
    p = Plan(name=m)
    sim("faults", [])
    check("an instance that is not there", p.exit == 3 and any(
        "InvalidInstanceID.NotFound" in x["detail"] for x in
        p.of("permission", "missing")), p.rows)


def clock():
    for skew in (1200, -1200):
        sim("clock", {"skew": skew})
        p = Plan()
        row = p.of("clock")[0]
        check("20 minutes off: a warning, and all else goes on",
              p.exit == 0 and row["result"] == "warning" and
              abs(row["offset_ms"] - skew * 1000) < 3000 and
              "15 minutes" in row["detail"], (p.exit, row, p.bad()))
    sim("clock", {"skew": 0})


def endpoints():
    p = Plan(env={"AWS_ENDPOINT_URL_CLOUDTRAIL": "http://127.0.0.1:1"})
    miss = p.of("endpoint", "missing")
    check("an endpoint that is down: exit 3", p.exit == 3 and
          [x["what"] for x in miss] == ["http://127.0.0.1:1"] and
          miss[0]["service"] == "cloudtrail" and
          miss[0]["origin"] == "environment", p.bad())
    p = Plan("--region", "us-east-1", name=manifest(
        "name.json", call("v", "ec2:DescribeVpcs")),
        env={"AWS_ENDPOINT_URL_EC2": "https://no-such-host.invalid"})
    check("a name that does not resolve", p.exit == 3 and
          "no-such-host.invalid" in p.of("endpoint", "missing")[0]["detail"],
          p.rows)


def tls():
    """A server that presents a certificate which nobody vouches for."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048",
                    "-nodes", "-keyout", "tls.key", "-out", "tls.pem",
                    "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True,
                   capture_output=True)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain("tls.pem", "tls.key")
    got = []
    with socket.create_server(("127.0.0.1", 0)) as srv:
        def serve():
            for _ in range(2):
                s = srv.accept()[0]
                try:
                    with ctx.wrap_socket(s, server_side=True) as t:
                        got.append(t.recv(1))
                except OSError:
                    got.append(None)
        threading.Thread(target=serve, daemon=True).start()
        url = "https://localhost:%d" % srv.getsockname()[1]
        m = manifest("tls.json", call("t", "cloudtrail:DescribeTrails"))
        env = {"AWS_ENDPOINT_URL_CLOUDTRAIL": url}
        p = Plan(name=m, env=env)
        check("a certificate that is not trusted", p.exit == 3 and
              "certificate is not trusted" in p.of(
                  "endpoint", "missing")[0]["detail"], p.rows)
        p = Plan("--ca-add", "tls.pem", name=m, env=env)
        check("one that is", p.exit == 0 and url in
              [x["what"] for x in p.of("endpoint", "good")], p.bad())
    check("not a byte was sent there", len(got) == 2 and not any(got), got)


def output():
    m = manifest("who.json", call("who", "sts:GetCallerIdentity"))
    os.makedirs("disk", exist_ok=True)
    for options, result in (("size=1m", "missing"), ("size=64m", "warning"),
                            ("size=64m,ro", "good")):
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none",
                        "disk"], check=True)
        p = Plan("--out", "disk", name=m)
        q = Plan("--out", "disk/new", name=m)
        ro = options.endswith("ro")
        left = os.listdir("disk")
        subprocess.run(["umount", "disk"], check=True)
        # one that is not there may be a stick that is not mounted
        for x, there in ((p, "good"), (q, "warning")):
            check("a folder with " + options, x.of("output")[0]["result"] == (
                "missing" if ro else there) and (
                    ro or x.of("space")[0]["result"] == result) and
                x.exit == (3 if ro or result == "missing" else 0), x.rows)
        check("nothing is left there", not left, left)
    p = Plan("--out", "nowhere/at/all", name=m)
    check("a folder that is not there", p.exit == 3 and
          p.of("output", "missing"), p.rows)
    with open("taken.tar", "w", encoding="utf-8"):
        pass
    p = Plan("--out", "taken.tar", name=m)
    check("a file that is there", p.exit == 3 and "overwritten" in
          p.of("output")[0]["detail"], p.rows)
    target = "s3://%s/prefix" % ENV["SIM_BUCKET"]
    since = sim("state")["requests"]
    p = Plan("--out", target, name=m)
    check("an upload target that will do", p.exit == 0 and p.of(
        "upload", "good"), p.rows)
    asked = [x["operation"] for x in sim("log?since=%d" % since)
             if x["service"] == "s3" and not x["error"]]
    check("what was begun there was taken back", asked.count(
        "CreateMultipartUpload") == asked.count("AbortMultipartUpload") == 1
        and "PutObject" not in asked, asked)
    p = Plan("--out", target, "--retain", "governance:1", name=m)
    check("a bucket without Object Lock", p.exit == 3 and "Object Lock" in
          p.of("upload", "missing")[0]["detail"], p.rows)
    p = Plan("--out", target, "--upload-kms-key", "alias/none", name=m)
    check("a key that is not there", p.exit == 3 and p.of(
        "upload", "missing"), p.rows)
    p = Plan("--out", target, "--bucket-owner", "999999999999", name=m)
    check("a bucket of somebody else", p.exit == 3 and p.of(
        "upload", "missing"), p.rows)
    p = Plan("--out", "s3://no-such-bucket-anywhere/prefix", name=m)
    check("a bucket that is not there", p.exit == 3 and "there is no bucket" in
          p.of("upload", "missing")[0]["detail"], p.rows)
    p = Plan("--out", "s3://Bad_Bucket!/prefix", name=m)
    check("one that is none", p.exit == 3 and p.of("upload", "missing"),
          p.rows)
    subprocess.run([CART, "keygen", "-W", "k"], check=True,
                   capture_output=True)
    check("a key", Plan("--key", "k.key", name=m).of("key", "good"))
    for bad in ("k.pub", "none.key"):
        p = Plan("--key", bad, name=m)
        check("not a key: " + bad, p.exit == 3 and p.of("key", "missing"),
              p.rows)


def main():
    all_good()
    permissions()
    identity()
    clock()
    endpoints()
    tls()
    output()
    return ended()


if __name__ == "__main__":
    sys.exit(main())
