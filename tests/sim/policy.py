# SPDX-License-Identifier: Apache-2.0
"""`crashcart plan --policy` is enough, and no more than enough.

Every shipped manifest runs in the simulated account under exactly the policy
that is printed for it. Then each action is taken out of the policy, one at a
time: the account must deny that action and no other, and the bundle must
show a recorded denial of just the steps whose plan has the call.

That is many runs: POLICY_ACTIONS says how many actions of each manifest are
taken out (0: all), POLICY_SEED which ones, and which services account-sweep
asks; make test takes a sample, make soak all. POLICY_MANIFESTS names those to
look at. The seed is printed.
"""
import concurrent.futures
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile

import botocore.session

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from simaws import actions as authorization  # noqa: E402

from checks import check, ended, sim

ENV = os.environ
SEED = int(ENV.get("POLICY_SEED") or random.SystemRandom().randrange(1 << 32))
MANY = int(ENV.get("POLICY_ACTIONS") or 0)
RANDOM = random.Random(SEED)
CART = ENV["CRASHCART"]
DENIALS = ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")
PARALLEL = 6
SWEPT = []
POLICY_NAME = "crashcart-deny-older-sessions"
RECORD = {
    "crashcart_containment": 1, "account": ENV["SIM_ACCOUNT_ID"],
    "user": "svc-metrics", "open": [
        {"kind": "key", "id": ENV["SIM_BACKDOOR_ACCESS_KEY_ID"]}],
    "policy": json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "CrashcartDenyOlderSessions", "Effect": "Deny", "Action": "*",
         "Resource": "*", "Condition": {"DateLessThan": {
             "aws:TokenIssueTime": "2026-01-01T00:00:00Z"}}}]},
        separators=(",", ":"))}
TAGGED = ("ec2:CreateSnapshots", "ec2:CreateSnapshot", "ec2:CopySnapshot")


def cart(*args, env=None):
    return subprocess.run([CART, *args], env=env, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=300)


def params(name):
    """Values for the parameters that a manifest needs."""
    known = {"record": json.dumps(RECORD),
             "instance_id": ENV["SIM_INSTANCE_ID"],
             "snapshot_id": ENV["SIM_EBS_SNAPSHOT_ID"],
             "region": "us-east-1", "to_region": "eu-west-1",
             "transfer_key": ENV["SIM_TRANSFER_KEY_ARN"],
             "forensic_account": ENV["SIM_FORENSIC_ACCOUNT_ID"],
             "forensic_key": ENV["SIM_FORENSIC_KEY_ARN"],
             "access_key_id": ENV["SIM_BACKDOOR_ACCESS_KEY_ID"]}
    plan = ENV["TOP"] + "/manifests/%s.json" % name
    with open(plan, encoding="utf-8") as f:
        want = json.load(f).get("params", {})
    out = []
    for k, p in want.items():
        if p.get("required"):
            out += ["-p", "%s=%s" % (k, known[k])]
    if name == "account-sweep":
        out += ["-p", "services=" + json.dumps(services(want))]
    return out


def contain():
    """What compromised-key does to an owner, for release-key to undo."""
    iam = botocore.session.get_session().create_client(
        "iam", region_name="us-east-1")
    iam.update_access_key(UserName="svc-metrics", Status="Inactive",
                          AccessKeyId=RECORD["open"][0]["id"])
    iam.put_user_policy(UserName="svc-metrics", PolicyName=POLICY_NAME,
                        PolicyDocument=RECORD["policy"])


def services(want):
    """A few, always the same in one run: each takes its share of time."""
    if not SWEPT:
        all_of = want["services"]["default"]
        if MANY:                    # these take as long as all others
            all_of = [s for s in all_of if s not in ("ec2", "rds", "iam")]
        SWEPT.extend(sorted(RANDOM.sample(all_of, 4)))
        print("account-sweep asks " + " ".join(SWEPT), flush=True)
    return SWEPT


def collect(tag, name, policy):
    """(exit, log lines, requests of the account) under a policy."""
    keys = sim("principal", {"name": "policy-" + tag, "policy": policy})
    env = dict(ENV, **keys)
    kind = "evidence"
    if name == "release-key":
        kind = "containment"
        contain()
    first = sim("state")["requests"]
    out = "out-" + tag
    r = cart("collect", name, *params(name), "--allow", kind, "--json",
             "--case", "P", "--out", out, env=env)
    lines = []
    verified = None
    try:
        last = json.loads(r.stdout.strip().split("\n")[-1])
        with tarfile.open(last["location"]) as f:
            for m in f:
                if "/log/" in m.name:
                    lines += [json.loads(x) for x in f.extractfile(
                        m).read().splitlines()]
        verified = cart("verify", last["location"], "--pubkey",
                        last["key"]).returncode
    except (ValueError, KeyError, OSError):
        print(r.stderr[-600:])
    shutil.rmtree(out, ignore_errors=True)
    key = keys["AWS_ACCESS_KEY_ID"]
    asked = [x for x in sim("log?since=%d&key=%s" % (first, key))]
    return r.returncode, lines, asked, verified


def outcomes(lines):
    """step -> its outcomes"""
    out = {}
    for x in lines:
        if x["type"] == "instance" and x.get("event") == "end":
            out.setdefault(x["step"], set()).add(x["outcome"])
    return out


def denied_steps(lines):
    return {x["step"] for x in lines if x["type"] == "gap" and
            x.get("reason") == "denied"}


def without(policy, action):
    p = copy.deepcopy(policy)
    for st in p["Statement"]:
        acts = st["Action"] if isinstance(st["Action"], list) else \
            [st["Action"]]
        st["Action"] = [a for a in acts if a != action]
    p["Statement"] = [s for s in p["Statement"] if s["Action"]]
    return p


def needed(call):
    """The IAM actions of a call, as the account reads AWS's reference."""
    out = {authorization.action(*call.split(":", 1))}
    if call in TAGGED:
        out.add("ec2:CreateTags")
    if call == "ec2:CopySnapshot":
        out |= {"kms:" + a for a in authorization.COPY_KEY_ACTIONS}
    return out


def owners(plan, action):
    """The steps whose plan has a call that needs the action."""
    out = set()
    for s in plan["steps"]:
        if any(":" in c["call"] and action in needed(c["call"])
               for c in s.get("calls", [])):
            out.add(s["id"])
    return out


def fallbacks(plan, action):
    """What a step tries instead, when the action is denied."""
    return {c["call"] for s in plan["steps"] for c in s.get("calls", [])
            if s["id"] in owners(plan, action) and
            "fallback" in c.get("note", "")}


def denied_actions(asked):
    return {authorization.action(x["service"], x["operation"])
            for x in asked if x["error"] in DENIALS and not (
                x["service"] == "macie2" and "not enabled" in
                x.get("message", ""))}


def one(name, plan, policy, base, action, number):
    tag = "%s-%d" % (name, number)
    exit_, lines, asked, verified = collect(tag, name,
                                            without(policy, action))
    what = "%s without %s" % (name, action)
    check(what + ": exit 3, verifies", exit_ == 3 and verified == 0,
          (exit_, verified))
    refused = denied_actions(asked)
    may = {action} | fallbacks(plan, action)
    if action == "ec2:CreateTags" or action.startswith("kms:"):
        may |= {authorization.action(*c.split(":")) for c in TAGGED}
    check(what + ": it is denied, and nothing else", refused and
          refused <= may, refused)
    want = {x["step"] for x in lines if x["type"] == "call" and
            x.get("account", "") in ("", ENV["SIM_ACCOUNT_ID"]) and
            x["step"] in owners(plan, action) and action in needed(
                "%s:%s" % (x["service"], x["operation"]))}
    if action == "sts:AssumeRole":
        want |= {s["id"] for s in plan["steps"] if s.get("accounts") and
                 "skipped" not in outcomes(lines).get(s["id"], {"skipped"})}
    if action == "ec2:DescribeRegions" and any(
            s.get("regions") == "all" for s in plan["steps"]):
        # asked once for the whole run: a gap of no step, and the steps that
        # wanted "all" go on where they can
        want.add("")
    check(what + ": just its own step has a recorded denial",
          denied_steps(lines) == want, (denied_steps(lines), want, [
              x for x in lines if x["type"] == "gap" and not x["step"]]))
    now = outcomes(lines)
    odd = {}
    for step, before in base.items():
        if step in want:
            continue
        bad = now.get(step, set()) - before - {"skipped"}
        if bad:
            odd[step] = bad
    check(what + ": the other steps go on", not odd, (odd, [
        x for x in lines if x["type"] == "gap" and x["step"] in odd]))


def main():
    names = [n[:-5] for n in sorted(os.listdir(ENV["TOP"] + "/manifests"))
             if n.endswith(".json") and n != "schema.json"]
    names = [n for n in names if n in ENV.get("POLICY_MANIFESTS", n).split()]
    sim("options", {"lookup_rate": 0})
    print("POLICY_SEED=%d" % SEED, flush=True)
    only = sys.argv[1:]
    for name in names:
        r = cart("plan", name, *params(name), "--policy")
        if not check("plan --policy " + name, r.returncode == 0, r.stderr):
            continue
        policy = json.loads(r.stdout)
        actions = [a for s in policy["Statement"] for a in (
            s["Action"] if isinstance(s["Action"], list) else
            [s["Action"]])]
        pairs = [(a, json.dumps(s["Resource"]), json.dumps(s.get(
            "Condition"))) for s in policy["Statement"] for a in s["Action"]]
        check(name + ": no action twice on the same, none with a wildcard",
              len(pairs) == len(set(pairs)) and
              not any("*" in a for a in actions), actions)
        actions = sorted(set(actions))
        if not actions:
            print("%s calls nothing" % name)
            continue
        r = cart("plan", name, *params(name), "--json")
        plan = json.loads(r.stdout)
        exit_, lines, asked, verified = collect(name, name, policy)
        base = outcomes(lines)
        check(name + ": succeeds under its policy", verified == 0 and
              exit_ in (0, 3) and not denied_steps(lines), (exit_, verified,
              [x for x in lines if x["type"] == "gap"][:2]))
        refused = denied_actions(asked)
        check(name + ": nothing is denied", not refused, refused)
        good = {s for s, o in base.items() if o <= {"ok", "partial",
                                                    "skipped"}}
        check(name + ": every step goes well", good == set(base),
              {s: o for s, o in base.items() if s not in good})
        print("%s: %d actions, %d steps, %d requests" % (
            name, len(actions), len(base), len(asked)), flush=True)
        made = set().union(*(needed("%s:%s" % (x["service"], x["operation"]))
                             for x in asked)) if asked else set()
        idle = [a for a in actions if a not in made]
        if idle:
            print("%s: not needed in this account: %s" % (
                name, " ".join(idle)), flush=True)
        actions = [a for a in actions if a in made]
        if MANY and not only:
            actions = RANDOM.sample(actions, min(MANY, len(actions)))
        if only:
            actions = [a for a in actions if a in only]
        # one account, one containment at a time
        many = 1 if name == "release-key" else PARALLEL
        with concurrent.futures.ThreadPoolExecutor(many) as pool:
            for f in [pool.submit(one, name, plan, policy, base, a, n)
                      for n, a in enumerate(actions)]:
                try:
                    f.result()
                except Exception as e:
                    check("a run", False, repr(e))
    return ended()


if __name__ == "__main__":
    sys.exit(main())
