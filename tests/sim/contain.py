# SPDX-License-Identifier: Apache-2.0
"""Containment of a key's owner, and the way back, on the simulated account.

What is judged is the account: its state, whether old sessions still work
(botocore asks), and its request log: no change before the evidence is durable,
none twice, none without --allow.  Collections are killed at every boundary
between steps and at every change, before and after the account carried it out,
and resumed."""
import glob
import json
import os
import subprocess
import sys
import time
import urllib.request

import botocore.exceptions
import botocore.session

TOP = os.environ["TOP"]
CART = os.environ["CRASHCART"]
sys.path.insert(0, os.path.join(TOP, "tests/kill"))
from killing import log_lines  # noqa: E402

SIM = os.environ["AWS_ENDPOINT_URL"]
ROLE = "arn:aws:iam::%s:role/incident-response" % os.environ["SIM_ACCOUNT_ID"]
USER = "pipeline"
POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["sts:*", "s3:*", "iam:GetUser"],
     "Resource": "*"}]}
EVIDENCE = ("caller", "trails", "trail_status", "selectors", "events",
            "owner", "report")
CHANGES = ("UpdateAccessKey", "UpdateSSHPublicKey",
           "UpdateServiceSpecificCredential", "UpdateSigningCertificate",
           "DeleteLoginProfile", "PutUserPolicy", "PutRolePolicy",
           "DeleteUserPolicy", "DeleteRolePolicy", "CreateLoginProfile")
FULL = os.environ.get("CONTAIN_FULL") == "1"


def sim(what, body=None):
    req = urllib.request.Request("%s/_sim/%s" % (SIM, what), method="POST" if
                                 body is not None else "GET", data=json.dumps(
                                     body).encode() if body is not None
                                 else None)
    return json.load(urllib.request.urlopen(req))


SESSION = botocore.session.get_session()
CLIENTS = {}


def client(service, key, secret, token=None):
    if (service, key) not in CLIENTS:
        CLIENTS[service, key] = SESSION.create_client(
            service, region_name="us-east-1", endpoint_url=SIM,
            aws_access_key_id=key, aws_secret_access_key=secret,
            aws_session_token=token)
    return CLIENTS[service, key]


def works(c):
    """May these credentials still do anything?"""
    try:
        client("s3", c["AccessKeyId"], c["SecretAccessKey"],
               c["SessionToken"]).list_buckets()
        return True
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == "AccessDenied", e
        return False


def log_from(n):
    return sim("log?since=%d" % n)


def changes(entries):
    """The changes that the account carried out: operation and what of."""
    out = []
    for e in entries:
        if e.get("mutating") and e["service"] == "iam" and not e["error"]:
            p = e["params"]
            out.append((e["operation"], p.get("AccessKeyId") or p.get(
                "SSHPublicKeyId") or p.get("ServiceSpecificCredentialId") or
                p.get("CertificateId") or p.get("UserName") or
                p.get("RoleName")))
    return out


def admin(operation, **kw):
    iam = client("iam", os.environ["AWS_ACCESS_KEY_ID"],
                 os.environ["AWS_SECRET_ACCESS_KEY"])
    return getattr(iam, operation)(**kw)


def state():
    """What of the user is open."""
    s = {k["AccessKeyId"]: k["Status"] for k in admin(
        "list_access_keys", UserName=USER)["AccessKeyMetadata"]}
    s["ssh"] = admin("list_ssh_public_keys", UserName=USER)[
        "SSHPublicKeys"][0]["Status"]
    s["service"] = admin("list_service_specific_credentials", UserName=USER)[
        "ServiceSpecificCredentials"][0]["Status"]
    s["certificate"] = admin("list_signing_certificates", UserName=USER)[
        "Certificates"][0]["Status"]
    try:
        admin("get_login_profile", UserName=USER)
        s["login"] = "Active"
    except botocore.exceptions.ClientError:
        s["login"] = "gone"
    s["policies"] = admin("list_user_policies", UserName=USER)["PolicyNames"]
    s["role policies"] = admin("list_role_policies",
                               RoleName="incident-response")["PolicyNames"]
    return s


def collect(case, manifest, *more, status=0, kill=None):
    """Runs; with kill, a function that says when, kills it there."""
    argv = [CART, "collect", manifest, "--case", case, "--out", case,
            "--trust-environment"] + list(more)
    with open(case + ".err", "a") as err:
        p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=err)
        if kill:
            end = time.time() + 60
            while not kill() and p.poll() is None and time.time() < end:
                time.sleep(0.05)
            assert p.poll() is None, case + ": ended before the moment came"
            p.kill()
        got = p.wait(timeout=120)
    if not kill and got != status:
        sys.exit("%s: exit %d, not %d:\n%s" % (case, got, status,
                                               open(case + ".err").read()))
    return open(case + ".err").read()


def exhibits(case, pattern):
    out = case + ".x"
    p = subprocess.run([CART, "extract", "%s/%s-b01.tar" % (case, case),
                        "--out", out], check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    assert p.returncode == 5, p     # no key was named
    return sorted(glob.glob(out + "/" + pattern))


def fresh():
    """The user as before the incident, with sessions that its key opened."""
    k = sim("principal", {"name": USER, "policy": POLICY,
                          "credentials": True})
    key, secret = k["AWS_ACCESS_KEY_ID"], k["AWS_SECRET_ACCESS_KEY"]
    return key, secret


def sessions(key, secret):
    sts = client("sts", key, secret)
    return [sts.get_session_token()["Credentials"],
            sts.assume_role(RoleArn=ROLE, RoleSessionName="pipe-1")[
                "Credentials"]]


def check_contained(s, what):
    open_ = {k: v for k, v in s.items() if v == "Active"}
    assert not open_, (what, open_)
    assert s["login"] == "gone", what
    assert "crashcart-deny-older-sessions" in s["policies"], (what, s)
    assert "crashcart-deny-older-sessions" in s["role policies"], (what, s)


def check_evidence_durable(case):
    """Every evidence step has ended in the durable part of the log."""
    ended, records = set(), 0
    with open("%s/%s-b01.tar" % (case, case), "rb") as f:
        lines = log_lines(f.read(), case + "-b01")
    for line in lines:
        e = json.loads(line)
        if e["type"] == "instance" and e.get("event") == "end":
            ended.add(e["step"])
        if e["type"] == "exhibit" and "containment" in json.dumps(e):
            records += 1
    missing = [s for s in EVIDENCE if s not in ended]
    assert not missing, (case, "changed before durable", missing)
    assert records, (case, "changed before the state before was durable")


def release(case, record_case, want):
    records = exhibits(record_case, "*containment.json")
    assert len(records) == 2, records
    text = "".join(open(r).read() for r in records)
    err = collect(case, "release-key", "-p", "record=" + text, "--allow",
                  "containment", status=3)
    assert "a password that was removed cannot be restored" in err
    s = state()
    expected = dict(want, login="gone")
    assert s == expected, (case, s, expected)


def test_without_allow(key):
    n = len(log_from(0))
    err = collect("noallow", "compromised-key", "-p", "access_key_id=" + key)
    assert err.count("--allow containment was not given") == 2, err
    assert not changes(log_from(n)), "changed without --allow"


def test_whole(key, secret, want):
    """With an IAM that shows a change only after two seconds."""
    old = sessions(key, secret)
    assert all(works(c) for c in old)
    sim("options", {"iam_delay": 2.0})
    n = len(log_from(0))
    err = collect("whole", "compromised-key", "-p", "access_key_id=" + key,
                  "--allow", "containment")
    entries = log_from(n)
    asked = [(e["operation"], e["error"]) for e in entries if e.get("mutating")
             and e["service"] == "iam"]
    assert len(asked) == 8, asked
    sim("options", {"iam_delay": 0})
    check_contained(state(), "whole")
    assert "SSH key " in err, err
    assert "denial of older sessions of incident-response: in effect" in err
    # reads before the first change and after the last
    ops = [e["operation"] for e in entries]
    first = ops.index("UpdateAccessKey")
    last = ops.index("PutUserPolicy")       # of the user's
    for op in ("ListAccessKeys", "ListSSHPublicKeys", "GetLoginProfile"):
        assert any(e["operation"] == op for e in entries[:first]), op
        assert any(e["operation"] == op for e in entries[last:]), op
    assert not any(works(c) for c in old), "an old session still works"
    # of a session that the role's owner opens later, nothing is said
    release("whole-back", "whole", want)
    assert all(works(c) for c in old), "the way back does not restore"


def test_kills(key, want):
    ops = [("cloudtrail", "DescribeTrails", False),
           ("cloudtrail", "LookupEvents", False),
           ("iam", "GetAccessKeyLastUsed", False),
           ("organizations", "ListPoliciesForTarget", False),
           ("iam", "UpdateAccessKey", False), ("iam", "UpdateAccessKey", True),
           ("iam", "DeleteLoginProfile", True), ("iam", "PutUserPolicy", True),
           ("iam", "PutRolePolicy", False), ("iam", "PutRolePolicy", True)]
    if FULL:
        ops += [("cloudtrail", "GetTrailStatus", False),
                ("cloudtrail", "GetEventSelectors", False),
                ("iam", "GetUser", False), ("iam", "GetUserPolicy", False),
                ("iam", "UpdateSSHPublicKey", False),
                ("iam", "UpdateSSHPublicKey", True),
                ("iam", "UpdateServiceSpecificCredential", True),
                ("iam", "UpdateSigningCertificate", True),
                ("iam", "DeleteLoginProfile", False),
                ("iam", "PutUserPolicy", False)]
    for i, (service, op, after) in enumerate(ops):
        case = "kill%02d" % i
        fresh()
        assert state() == want, (case, state())
        n = len(log_from(0))
        sim("faults", [{"service": service, "operation": op, "do": "hang",
                        "seconds": 300, "times": 1, "after": after}])
        fired = len(sim("faults")["fired"])
        collect(case, "compromised-key", "-p", "access_key_id=" + key,
                "--allow", "containment",
                kill=lambda: len(sim("faults")["fired"]) > fired and any(
                    e["operation"] == op for e in log_from(n)))
        sim("faults", [])
        done = changes(log_from(n))
        if done or op in CHANGES:
            check_evidence_durable(case)
        if op in CHANGES:
            assert (op in [o for o, _ in done]) == after, (case, done)
        else:
            assert not done, (case, done)
        with open(case + ".err", "a") as err:
            got = subprocess.run([CART, "resume", case,
                                  "--trust-environment"], stderr=err,
                                 stdout=subprocess.DEVNULL).returncode
        if got not in (0, 3):
            sys.exit("%s: resume exits %d\n%s" % (
                case, got, open(case + ".err").read()))
        made = changes(log_from(n))
        assert len(made) == 8 and len(set(made)) == 8, (case, made)
        check_contained(state(), case)
        got = subprocess.run([CART, "verify", "%s/%s-b01.tar" % (case, case)],
                             capture_output=True, text=True)
        assert got.returncode == 5, (case, got)     # holds; no key was named
        if FULL or i == len(ops) - 1:
            release(case + "-back", case, want)
        else:
            admin("delete_user_policy", UserName=USER,
                  PolicyName="crashcart-deny-older-sessions")
            admin("delete_role_policy", RoleName="incident-response",
                  PolicyName="crashcart-deny-older-sessions")
        print("killed at %s %s: %d changes before, none twice" % (
            op, "after" if after else "before", len(done)), flush=True)


def test_pipe(key):
    """What goes through a pipe is never durable before a change."""
    n = len(log_from(0))
    got = subprocess.run(
        [CART, "collect", "compromised-key", "-p", "access_key_id=" + key,
         "--allow", "containment", "--out", "-", "--seal", "pipe.seal",
         "--trust-environment"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    assert got.returncode == 2 and not got.stdout, got
    assert b"durable" in got.stderr and b"--out FOLDER" in got.stderr, got
    assert not log_from(n), "something was asked"
    assert not os.path.exists("pipe.seal")
    got = subprocess.run(
        [CART, "collect", "instance-compromise", "-p",
         "instance_id=i-00000000000000000", "--allow", "evidence", "--out",
         "-", "--seal", "pipe.seal", "--trust-environment"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert got.returncode in (0, 3), got.stderr
    assert b"other end of the pipe" in got.stderr, got.stderr
    with open("pipe.tar", "wb") as f:
        f.write(got.stdout)
    out = subprocess.run(["tar", "-xOf", "pipe.tar", "--wildcards",
                          "*/log/*"], stdout=subprocess.PIPE, check=True)
    assert b"the bundle goes through a pipe" in out.stdout


def test_twice(key, want):
    """Contained twice: the second record's way back locks nobody out."""
    args = ("-p", "access_key_id=" + key, "--allow", "containment")
    collect("once", "compromised-key", *args)
    err = collect("twice", "compromised-key", *args)
    assert "an earlier containment stands" in err, err
    records = exhibits("twice", "*containment.json")
    assert not [r for r in records if "policy_before" in open(r).read()]
    err = collect("twice-back", "release-key", "-p", "record=" + "".join(
        open(r).read() for r in records), "--allow", "containment", status=3)
    assert "what was open before an earlier containment" in err, err
    s = state()
    assert s["policies"] == want["policies"], s
    assert s["role policies"] == want["role policies"], s
    release("once-back", "once", want)


def test_own_key():
    """Who collects is not locked out by its own collection."""
    k = os.environ["AWS_ACCESS_KEY_ID"]
    n = len(log_from(0))
    err = collect("own", "compromised-key", "-p", "access_key_id=" + k,
                  "--allow", "containment", status=3)
    assert "contained, they could collect no more" in err, err
    assert not changes(log_from(n))


def main():
    key, secret = fresh()
    sessions(key, secret)
    want = state()
    assert want["login"] == "Active" and len(want["policies"]) == 1
    test_without_allow(key)
    test_pipe(key)
    test_whole(key, secret, want)
    fresh()
    test_twice(key, want)
    test_kills(key, want)
    test_own_key()
    print("contained and released")


main()
