# SPDX-License-Identifier: Apache-2.0
"""What the keys "secrets", "rates" and "accounts" of a manifest do."""
import datetime
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tarfile

from checks import check, ended, sim

ENV = os.environ
CART = ENV["CRASHCART"]
INST = ENV["SIM_INSTANCE_ID"]
ACCOUNT = ENV["SIM_ACCOUNT_ID"]
OTHERS = ("210987654321", "345678901234")
CLOSED = "456789012345"
runs = 0


def cart(*args):
    return subprocess.run([CART, *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)


def call(step, what, given=None, **more):
    w = {"call": what}
    if given is not None:
        w["input"] = given
    return dict({"id": step, "do": "aws.call", "with": w}, **more)


def manifest(*steps, **more):
    global runs
    runs += 1
    name = "./m%02d.json" % runs
    with open(name, "w", encoding="utf-8") as f:
        json.dump(dict({"crashcart": 1, "name": "keys", "title": "keys",
                        "steps": list(steps)}, **more), f)
    return name


class Run:
    def __init__(self, path, *args, case="K"):
        self.first = sim("state")["requests"]
        out = path[2:-5]
        p = cart("collect", path, "--json", "--case", case, "--out", out,
                 *args)
        self.exit, self.err = p.returncode, p.stderr
        last = json.loads(p.stdout.strip().split("\n")[-1])
        self.last, self.lines, self.files = last, [], {}
        with tarfile.open(last["location"]) as f:
            for m in f:
                data = f.extractfile(m).read()
                self.files[m.name.split("/", 1)[1]] = data
        for n in sorted(self.files):
            if n.startswith("log/"):
                self.lines += [json.loads(x)
                               for x in self.files[n].splitlines()]
        self.verify = cart("verify", last["location"], "--pubkey",
                           last["key"]).returncode
        self.asked = sim("log?since=%d" % self.first)

    def of(self, kind, step=None):
        return [x for x in self.lines if x["type"] == kind and
                (step is None or x.get("step") == step)]

    def exhibits(self, step):
        return {x["name"]: x for x in self.of("exhibit", step)}



def fields(x, key):
    """All values of a member, wherever."""
    if isinstance(x, dict):
        for k, v in x.items():
            if k == key:
                yield v
            yield from fields(v, key)
    elif isinstance(x, list):
        for v in x:
            yield from fields(v, key)


def secrets():
    lists = call("functions", "lambda:ListFunctions")
    r = cart("plan", manifest(lists))
    check("refused without the key, and told what to write", r.returncode == 2
          and '"secrets": "allow"' in r.stderr and "lambda:ListFunctions" in
          r.stderr and "encrypted" in r.stderr, (r.returncode, r.stderr))
    for bad, why in ((call("v", "ec2:DescribeVpcs", secrets="allow"),
                      "leave it out"),
                     (call("v", "lambda:ListFunctions", secrets="yes"),
                      "should be"),
                     ({"id": "i", "do": "iam.state", "secrets": "allow"},
                      "leave it out")):
        r = cart("plan", manifest(bad))
        check("wrong use is refused", r.returncode == 2 and why in r.stderr,
              r.stderr)
    plain = json.loads(cart("call", "lambda:ListFunctions",
                            "--secrets").stdout)
    values = [v for e in fields(plain, "Variables") for v in e.values()]
    r = cart("call", "lambda:ListFunctions")
    check("call: refused without --secrets", r.returncode == 2 and
          "--secrets" in r.stderr and not r.stdout, r)
    check("call: printed with it", values and all(
        isinstance(v, str) for v in values), plain)
    name = ENV["SIM_FUNCTION"]
    path = manifest(
        dict(lists, secrets="allow", keep={
            "names": ".Functions[].FunctionName"}),
        call("one", "lambda:GetFunction", {"FunctionName": name},
             secrets="allow"),
        call("data", "ec2:DescribeInstanceAttribute", {
            "InstanceId": INST, "Attribute": "userData"}, secrets="allow"),
        call("commands", "ssm:ListCommands", secrets="allow"))
    r = cart("plan", path)
    check("the plan shows it", "lambda:ListFunctions   SECRETS" in r.stdout,
          r.stdout)
    plan = json.loads(cart("plan", path, "--json").stdout)
    check("and so does plan.json", all(
        s["secrets"] == "allow" and s["calls"][0]["secret"] is True
        for s in plan["steps"]), plan["steps"])
    run = Run(path)
    check("allowed: complete, and verifies", run.exit == 0 and
          run.verify == 0, (run.exit, run.err))
    everything = b"".join(run.files.values())
    check("no value of a variable is anywhere in the bundle", not [
        v for v in values if len(v) > 8 and v.encode() in everything],
          values)
    x = [x for x in run.of("exhibit", "functions")
         if x.get("state") == "masked"]
    got, want = set(), set()
    for e in x:
        check("the note names no key", not re.search(
            "[0-9a-f]{32}", e["note"].split(" kept): ")[0]), e["note"])
        key = hmac.new(bytes.fromhex(run.last["mask_key"]),
                       e["origin"]["call"].encode(), hashlib.sha256).digest()
        for v in fields(json.loads(run.files[e["path"]]), "Variables"):
            got |= {m["commitment"] for m in v.values()}
        want |= {hmac.new(key, v.encode(), hashlib.sha256).hexdigest()
                 for v in values}
    check("masked, and whoever knows a value can show that it was this one",
          got and got <= want and len(got) >= len(set(values)), (got, x))
    key = run.last["mask_key"]
    check("the mask key is nowhere in the bundle", len(key) == 64 and not [
        k for k in (key.encode(), bytes.fromhex(key)) if k in everything])
    check("the terminal alone shows it", key not in run.err)
    check("user data is evidence, and stays", b"".join(
        run.files[n] for n in run.files if
        "describe-instance-attribute" in n).count(b"UserData") >= 1)
    json_ = [d for n, d in run.files.items() if n.endswith(
        "-list-commands.json")]
    if json_:
        texts = [v for v in fields(json.loads(json_[0]), "DocumentName")]
        check("unknown places: every text is masked", all(
            isinstance(t, dict) and "commitment" in t for t in texts), texts)


def encrypted():
    """In a bundle that only the lab can read, secrets stay as they are."""
    r = json.loads(cart("keygen", "--age", "lab", "--json").stdout)
    path = manifest(call("one", "lambda:GetFunction", {
        "FunctionName": ENV["SIM_FUNCTION"]}, secrets="allow"))
    p = cart("collect", path, "--json", "--case", "E", "--out", "enc",
             "--encrypt-to", r["recipient"])
    last = json.loads(p.stdout.strip().split("\n")[-1])
    out = cart("extract", last["location"], "--identity", "lab.age", "--out",
               "opened", "--pubkey", last["key"])
    check("sealed, and opened with the identity", p.returncode == 0 and
          out.returncode == 0, (p.stderr, out.stderr))
    plain = json.loads(cart("call", "lambda:GetFunction", "--secrets", "-i",
                            json.dumps({"FunctionName": ENV["SIM_FUNCTION"]})
                            ).stdout)
    values = [v.encode() for e in fields(plain, "Variables")
              for v in e.values()]
    data = b""
    for root, _, names in os.walk("opened"):
        for n in names:
            with open(os.path.join(root, n), "rb") as f:
                data += f.read()
    check("every value is there, none masked", values and
          all(v in data for v in values) and b"commitment" not in data,
          (values, sorted(os.listdir("opened"))))
    stored = b""
    for n in os.listdir("enc"):
        with open(os.path.join("enc", n), "rb") as f:
            stored += f.read()
    check("and none for anybody else", not [v for v in values if
                                            len(v) > 8 and v in stored])


def rates():
    steps = [call("i", "ec2:DescribeInstances", keep={
        "ids": ".Reservations[].Instances[].InstanceId"}),
        call("s", "ec2:DescribeInstanceStatus",
             {"InstanceIds": ["${item}"], "IncludeAllInstances": True},
             for_each="${i.ids}")]
    for bad, why in (({"ec2": 1}, "SERVICE:OPERATION"),
                     ({"ec2:De*s": 1}, "end"), ({"ec2:DescribeInstance": 1},
                                                "DescribeInstances"),
                     ({"ec2:Describe*": 0}, "calls a second"),
                     ({"ec2:Describe*": "5"}, "calls a second")):
        r = cart("plan", manifest(*steps, rates=bad))
        check("a rate that is none", r.returncode == 2 and why in r.stderr,
              (bad, r.stderr))
    path = manifest(*steps, rates={"ec2:DescribeInstanceStatus": 7.5,
                                   "ec2:Describe*": 40})
    r = cart("plan", path)
    check("the plan shows what counts", re.search(
        r"DescribeInstances .* 40/s\n", r.stdout) and re.search(
            r"DescribeInstanceStatus .* 7.5/s\n", r.stdout), r.stdout)
    run = Run(path)
    at = [datetime.datetime.fromisoformat(x["time"].replace(
        "Z", "+00:00")).timestamp() for x in run.asked
        if x["operation"] == "DescribeInstanceStatus"]
    at.sort()
    check("enough calls to count", len(at) >= 5 and run.exit == 0, len(at))
    over = [(i, j) for i in range(len(at)) for j in range(i, len(at))
            # one that the way there moved, and one of a busy machine
            if j - i + 1 > 3 + 7.5 * (at[j] - at[i])]
    check("no window holds more than the manifest allows", not over,
          (over, at))
    rate = (len(at) - 1) / (at[-1] - at[0])
    check("and it is used", 6 <= rate <= 7.6, rate)


def accounts():
    path = manifest(
        call("users", "iam:ListUsers", accounts=[ACCOUNT, *OTHERS, CLOSED]),
        call("vpcs", "ec2:DescribeVpcs", accounts=list(OTHERS),
             regions=["us-east-1", "eu-west-1"]), role="incident-response")
    run = Run(path, case="IR-77")
    ends = {x["id"]: x["outcome"] for x in run.of("instance")
            if x["event"] == "end"}
    want = {"users@%s/global#1" % a: "ok" for a in (ACCOUNT, *OTHERS)}
    want["users@%s/global#1" % CLOSED] = "denied"
    want.update({"vpcs@%s/%s#1" % (a, r): "ok" for a in OTHERS
                 for r in ("us-east-1", "eu-west-1")})
    check("each account is an instance of its own; one is denied, the others "
          "complete", ends == want, ends)
    gaps = run.of("gap")
    check("it is its own gap", len(gaps) == 1 and gaps[0]["reason"] ==
          "denied" and gaps[0]["instance"] == "users@%s/global#1" % CLOSED and
          "sts:AssumeRole" in gaps[0]["detail"] and CLOSED in
          gaps[0]["detail"], gaps)
    check("sealed with gaps, and verifies", run.exit == 3 and
          run.verify == 0, run.exit)
    asked = [x for x in run.asked if x["operation"] == "AssumeRole"]
    good = {x["params"]["RoleArn"].split(":")[4]: x["params"] for x in asked
            if not x["error"]}
    check("one session an account, none for our own", sorted(good) ==
          sorted(OTHERS) and len([x for x in asked if not x["error"]]) == 2,
          asked)
    check("session name and tag carry the case", all(
        p["RoleSessionName"] == "crashcart-IR-77" and p["Tags"] ==
        [{"Key": "crashcart-case", "Value": "IR-77"}]
        for p in good.values()), good)
    check("and so CloudTrail knows our calls", {
        x["principal"] for x in run.asked if x["account"] == OTHERS[0]} == {
            "arn:aws:sts::%s:assumed-role/incident-response/crashcart-IR-77"
            % OTHERS[0]}, [x["principal"] for x in run.asked])
    got = {(x.get("account"), x["operation"]) for x in run.of("call")
           if x["service"] in ("iam", "ec2")}
    check("each call line names its account", {
        (a, "ListUsers") for a in (ACCOUNT, *OTHERS)} <= got and {
            (a, "DescribeVpcs") for a in OTHERS} <= got, got)
    names = set(run.exhibits("users"))
    check("and each exhibit", {"iam ListUsers global of " + a for a in
                               OTHERS} <= names, names)
    # a role whose trust policy does not let sessions be tagged
    sim("faults", [{"service": "sts", "operation": "AssumeRole", "do":
                    "error", "code": "AccessDenied", "status": 403,
                    "times": 1}])
    run = Run(manifest(call("u", "iam:ListUsers", accounts=[OTHERS[0]]),
                       role="incident-response"), case="IR-78")
    sim("faults", [])
    asked = [x for x in run.asked if x["operation"] == "AssumeRole"]
    check("without tags, if need be, and it is noted", run.exit == 0 and
          [("Tags" in x["params"]) if x["params"] else None
           for x in asked][-1] is False and any(
               "TagSession" in x["text"] for x in run.of("note")),
          (run.exit, asked, run.of("note")))


def main():
    secrets()
    encrypted()
    rates()
    accounts()
    return ended()


if __name__ == "__main__":
    sys.exit(main())
