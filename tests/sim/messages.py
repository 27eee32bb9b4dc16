# SPDX-License-Identifier: Apache-2.0
"""Each AWS error names the IAM action, the identity, the region and the step,
whatever AWS's own words leave out; --debug shows everything but secrets."""
import json
import os
import subprocess
import sys
import urllib.request

from checks import check, ended, sim

ENV = os.environ
CART = ENV["CRASHCART"]
ACCOUNT = ENV["SIM_ACCOUNT_ID"]
BUCKET = ENV["SIM_BUCKET"]
ME = "arn:aws:iam::%s:user/breakglass-admin" % ACCOUNT


def cart(*args, env=None, without=()):
    e = dict(ENV, **(env or {}))
    for k in without:
        e.pop(k, None)
    return subprocess.run([CART, *args], env=e, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=120)


def call(step, what, given=None, **more):
    w = {"call": what}
    if given is not None:
        w["input"] = given
    return dict({"id": step, "do": "aws.call", "with": w}, **more)


def gaps():
    """The lines of a collection of which each step is refused otherwise."""
    steps = [
        call("objects", "s3:ListObjectsV2", {"Bucket": BUCKET}),
        call("vpcs", "ec2:DescribeVpcs"),
        call("users", "iam:ListUsers"),
        call("alarms", "cloudwatch:DescribeAlarms"),
        call("trails", "cloudtrail:DescribeTrails", regions=["eu-west-1"])]
    with open("m.json", "w", encoding="utf-8") as f:
        json.dump({"crashcart": 1, "name": "m", "title": "m",
                   "steps": steps}, f)

    def deny(service, message, code="AccessDenied", status=403):
        return {"service": service, "do": "error", "code": code,
                "message": message, "status": status}
    sim("faults", [
        deny("s3", "Access Denied"),
        deny("ec2", "You are not authorized to perform this operation. "
             "Encoded authorization failure message: " + "aZ09_-" * 60,
             "UnauthorizedOperation"),
        deny("iam", "User: %s is not authorized to perform: iam:ListUsers on "
             "resource: arn:aws:iam::%s:user/" % (ME, ACCOUNT)),
        deny("cloudwatch", "no", "AccessDeniedException", 400),
        deny("monitoring", "no", "AccessDeniedException", 400),
        deny("cloudtrail", "Rate exceeded, or so", "AccessDeniedException",
             400)])
    r = cart("collect", "./m.json", "--case", "M", "--out", "out")
    sim("faults", [])
    lines = {x.split(": ")[3]: x for x in r.stderr.splitlines()
             if ": gap: " in x}
    check("each step has its line", r.returncode == 3 and set(lines) ==
          {s["id"] for s in steps}, r.stderr)
    action = {"objects": "s3:ListBucket", "vpcs": "ec2:DescribeVpcs",
              "users": "iam:ListUsers",
              "alarms": "cloudwatch:DescribeAlarms",
              "trails": "cloudtrail:DescribeTrails"}
    for step, line in lines.items():
        check(step + ": the IAM action", action[step] in line, line)
        check(step + ": who asked, once", line.count(ME) == 1 and
              "access key AKIA" in line and "from environment" in line, line)
        region = {"trails": "eu-west-1", "users": "global"}.get(
            step, "us-east-1")
        check(step + ": the region", " in %s: " % region in line or
              "in us-east-1" in line, line)
        check(step + ": what to do", "plan --policy" in line, line)
    check("the action that is not called as the operation is",
          "needs IAM action s3:ListBucket" in lines["objects"],
          lines["objects"])
    check("nothing that only AWS can read", "Encoded" not in lines["vpcs"] and
          "aZ09" not in lines["vpcs"], lines["vpcs"])


def others():
    r = cart("call", "ec2:DescribeVpcs", env={
        "AWS_SECRET_ACCESS_KEY": "wrong/" + "s" * 34})
    check("a wrong secret", r.returncode == 1 and "AuthFailure" in r.stderr
          and "ssss" not in r.stderr, r.stderr)
    none = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    r = cart("call", "ec2:DescribeVpcs", without=none,
             env={"AWS_EC2_METADATA_DISABLED": "true"})
    check("no credentials: every place that was looked at", r.returncode == 1
          and "AWS_ACCESS_KEY_ID" in r.stderr and "profile" in r.stderr and
          "metadata" in r.stderr, r.stderr)
    with open("two.json", "w", encoding="utf-8") as f:
        json.dump({"crashcart": 1, "name": "m", "title": "m", "steps": [
            {"id": i, "do": "aws.call", "with": {"call": c}} for i, c in (
                ("vpcs", "ec2:DescribeVpcs"), ("users", "iam:ListUsers"),
                ("alarms", "cloudwatch:DescribeAlarms"))]}, f)
    r = cart("collect", "./two.json", "--case", "N", "--out", "none",
             without=none, env={"AWS_EC2_METADATA_DISABLED": "true"})
    gaps = [x for x in r.stderr.splitlines() if ": gap: " in x]
    # the first of a step also says what to do
    full = [x for x in gaps if "not in the environment" in x]
    check("no credentials: the long reason is not repeated", r.returncode == 3
          and len(gaps) == 4 and len(full) <= 2 and all(
              x in full or x.endswith(": the same reason as above")
              for x in gaps), gaps)
    log = subprocess.run([CART, "list", "none/N-b01.tar", "--json"],
                         capture_output=True, text=True, check=False).stdout
    check("but it is in the bundle", log.count("not in the environment") >= 4
          and "the same reason" not in log, log[-800:])
    r = cart("call", "ec2:DescribeVpcs", without=("AWS_REGION",
                                                  "AWS_DEFAULT_REGION"))
    check("no region", r.returncode == 2 and "--region" in r.stderr,
          (r.returncode, r.stderr))
    r = cart("call", "ec2:DescribeVpcs", "--profile", "absent")
    check("no such profile", r.returncode == 2 and "absent" in r.stderr,
          r.stderr)
    r = cart("call", "ec2:DescribeVpc")
    check("no such operation", r.returncode == 2 and "DescribeVpcs" in
          r.stderr, r.stderr)
    sim("expire")
    sim("faults", [{"service": "ec2", "do": "expired"}])
    r = cart("call", "ec2:DescribeVpcs")
    sim("faults", [])
    check("an expired token", r.returncode == 1 and "expired" in r.stderr,
          r.stderr)


def imds(path, token=None):
    base = ENV["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rstrip("/")
    q = urllib.request.Request(base + path)
    if token is None:
        q.method = "PUT"
        q.add_header("X-aws-ec2-metadata-token-ttl-seconds", "60")
    else:
        q.add_header("X-aws-ec2-metadata-token", token)
    with urllib.request.urlopen(q, timeout=10) as r:
        return r.read().decode()


def debug():
    token = imds("/latest/api/token")
    at = "/latest/meta-data/iam/security-credentials/"
    role = json.loads(imds(at + imds(at, token), token))
    env = {"AWS_ACCESS_KEY_ID": role["AccessKeyId"],
           "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
           "AWS_SESSION_TOKEN": role["Token"]}
    secret = [role["SecretAccessKey"], role["Token"],
              ENV["AWS_SECRET_ACCESS_KEY"]]
    sim("faults", [{"service": "s3", "do": "error", "code": "SlowDown",
                    "status": 503, "times": 1}])
    r = cart("call", "s3:ListObjectsV2", "-i", json.dumps({
        "Bucket": BUCKET, "Prefix": "a b"}), "--debug", env=env)
    sim("faults", [])
    said = r.stderr
    check("canonical request", "canonical request:" in said and
          "list-type=2&prefix=a%20b" in said and
          "x-amz-security-token:(masked)" in said, said)
    check("timing", "ended after " in said and " ms, " in said and
          "status 200 from 127.0.0.1" in said, said)
    check("retries", "attempt 1: status 503" in said and
          "before attempt 2" in said and "attempt 2: status 200" in said,
          said)
    check("credential source", "credentials from environment, access key " +
          role["AccessKeyId"] in said, said)
    check("never a secret", not [s for s in secret if s in r.stdout + said])
    with open("config", "w", encoding="ascii") as f:
        f.write("[profile r]\nrole_arn = arn:aws:iam::%s:role/"
                "incident-response\nsource_profile = k\n" % ACCOUNT)
    with open("credentials", "w", encoding="ascii") as f:
        f.write("[k]\naws_access_key_id = %s\naws_secret_access_key = %s\n" %
                (ENV["AWS_ACCESS_KEY_ID"], ENV["AWS_SECRET_ACCESS_KEY"]))
    with open("m.json", "w", encoding="utf-8") as f:
        json.dump({"crashcart": 1, "name": "m", "title": "m", "role":
                   "incident-response", "steps": [
                       call("users", "iam:ListUsers",
                            accounts=["210987654321"])]}, f)
    r = cart("collect", "./m.json", "--debug", "--case", "D", "--out", "deb",
             "--profile", "r", without=("AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY"),
             env={"AWS_CONFIG_FILE": "config",
                  "AWS_SHARED_CREDENTIALS_FILE": "credentials"})
    with open("deb/D-b01.tar", "rb") as f:
        bundle = f.read()
    check("a chain of roles", r.returncode == 0 and
          "role arn:aws:iam::%s:role/incident-response of profile r" %
          ACCOUNT in r.stderr, r.stderr)
    check("its secret is in no message and not in the bundle",
          ENV["AWS_SECRET_ACCESS_KEY"] not in r.stderr and
          ENV["AWS_SECRET_ACCESS_KEY"].encode() not in bundle)
    check("nor a session token's header", "x-amz-security-token:(masked)" in
          r.stderr and not [x for x in r.stderr.splitlines() if
                            "x-amz-security-token:" in x and
                            "(masked)" not in x], r.stderr)


def main():
    gaps()
    others()
    debug()
    return ended()


if __name__ == "__main__":
    sys.exit(main())
