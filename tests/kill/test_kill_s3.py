#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# run-tests: timeout=900
"""Kill collections to S3, plain and encrypted, at writes, fsyncs, renames and
sends that are drawn; go on with `resume` (killing some of these too) or, with
the state file gone, seal with `salvage`; and look: the bundle in the bucket
verifies, every segment that S3 had completed by then is in its seal, and no
snapshot was asked for twice.

KILLS_S3 (20) and SEED (drawn) may be set in the environment."""
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

TOP = os.environ["TOP"]
CART = TOP + "/build/crashcart"     # the program that is shipped
FAULTY = os.environ["CRASHCART"]    # one that dies at a call (tests/torture)
KILLS = int(os.environ.get("KILLS_S3", "20"))
SEED = int(os.environ.get("SEED") or time.time_ns() % 10**9)
BUCKET = "northwind-evidence"
MANIFEST = {
    "crashcart": 1, "name": "kill", "title": "Groups, files, a snapshot",
    "params": {"instance_id": {"type": "string", "required": True}},
    "steps": [
        {"id": "groups", "do": "aws.call",
         "with": {"call": "ec2:DescribeSecurityGroups"}},
        {"id": "snapshots", "do": "ec2.snapshot", "changes": "evidence",
         "after": ["groups"],
         "with": {"instance_id": "${params.instance_id}", "every": "1s"}},
        {"id": "files", "do": "host.files",
         "with": {"paths": [os.path.abspath("tree") + "/**"]}}]}


def start_account():
    state = os.path.join(os.environ["TMPDIR"], "sim")
    text = subprocess.run([TOP + "/tests/sim/start", "--state", state,
                           "--snapshot-delay", "1", "--snapshot-seconds", "1"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    env = dict(os.environ)
    for key, value in re.findall(r"^(?:export )?(\w+)='?([^'\n;]*)'?", text,
                                 re.M):
        env[key] = value
    return env


def get_object(env, key):
    """Bytes of an object, signed by our own reading of SigV4; None: none."""
    url = env["AWS_ENDPOINT_URL"]
    host = url.split("//")[1]
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    path = "/%s/%s" % (BUCKET, key)
    empty = hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = "GET\n%s\n\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:" \
        "%s\n\n%s\n%s" % (path, host, empty, stamp, names, empty)
    scope = day + "/us-east-1/s3/aws4_request"
    text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (
        stamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
    k = ("AWS4" + env["AWS_SECRET_ACCESS_KEY"]).encode()
    for word in scope.split("/") + [text]:
        k = hmac.new(k, word.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(url + path, headers={
        "x-amz-date": stamp, "x-amz-content-sha256": empty,
        "Authorization": "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s,"
        " Signature=%s" % (env["AWS_ACCESS_KEY_ID"], scope, names, k.hex())})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()
    except urllib.error.HTTPError as e:
        assert e.code == 404, (key, e.code, e.read())
        return None


def run(argv, env, log, after=None):
    """Exit status; None when it was killed."""
    with open(log, "ab") as out:
        p = subprocess.Popen(argv, env=env, stdout=out, stderr=out,
                             stdin=subprocess.DEVNULL)
        try:
            status = p.wait(timeout=after if after else 240)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
            if after is None:
                raise AssertionError("no end in 240 s, see " + log) from None
            return None
    return None if status in (-9, 137) else status


def requests(env, word, operation):
    with open(env["SIM_LOG"]) as f:
        found = [json.loads(x) for x in f if word in x and
                 '"%s"' % operation in x]
    return [r for r in found if r["status"] == 200]


def closed(env, case):
    """Composite checksums of the segments that S3 has made objects of."""
    return ["%s" % r["params"]["ChecksumSHA256"] for r in
            requests(env, '"%s/' % case, "CompleteMultipartUpload")]


def collect(env, case, identity):
    out = ["collect", "./kill.json", "--case", case, "-p",
           "instance_id=" + env["SIM_INSTANCE_ID"], "--allow", "evidence",
           "--manifest-key", "kill.pub", "--trust-environment", "--quiet",
           "--segment", "16M", "--state", case, "--out",
           "s3://%s/%s" % (BUCKET, case)]
    os.mkdir(case)
    return out + (["--encrypt-to", identity] if identity else [])


def kill_one(index, env, identity, moment, how, again):
    case = "K%03d" % index
    name, log = case + "-b01", case + ".txt"
    argv = [FAULTY] + collect(env, case, identity)
    status = run(argv, dict(env, CRASHCART_FAULT="%s:%d" % moment), log)
    killed, kept, rounds = status is None, closed(env, case), 0
    what = "not hit"
    if killed and how == "salvage":
        shutil.rmtree(case)
        url = argv[-3] if identity else argv[-1]
        argv = [CART, "salvage", url, "--trust-environment", "--name", name]
        status = run(argv + (["-i", "age.age"] if identity else []), env, log)
        what = "salvaged"
        assert status in (0, 3, 5), "%s: salvage: %s" % (case, status)
        if status == 5:
            assert not kept, case + ": closed segments, and no seal"
            return "nothing closed"
    while status is None:
        rounds += 1
        assert rounds < 6, case + ": does not come to an end"
        argv = [CART, "resume", case, "--trust-environment", "--quiet"]
        status = run(argv, env, log, again if rounds == 1 else None)
        what = "sealed" if identity else "resumed"
        if status in (1, 2):
            seal = get_object(env, "%s/%s.seal" % (case, name))
            if seal is None:
                assert not kept, case + ": closed segments, and no resume"
                return "nothing closed"
            status = 3      # it was killed behind its seal
    assert status in (0, 3), "%s: exit %s" % (case, status)
    argv = [CART, "verify", "s3://%s/%s" % (BUCKET, case), "--json",
            "--trust-environment"]
    v = subprocess.run(argv + (["-i", "age.age"] if identity else []), env=env,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert v.returncode in (0, 5), (case, v.returncode, v.stdout, v.stderr)
    assert json.loads(v.stdout)["bytes_intact"], (case, v.stdout)
    seal = get_object(env, "%s/%s.seal" % (case, name)).decode()
    sums = re.findall(r"^segment \d+ \d+ (\S+)$", seal, re.M)
    # a run that died between its last segment and its seal has the `end`
    # taken back by salvage: that segment holds nothing else
    lost = [c for c in kept if c not in sums]
    assert not lost or (what == "salvaged" and lost == kept[-1:] and
                        len(sums) == len(kept) - 1), (case, kept, sums)
    made = requests(env, '"%s"' % case, "CreateSnapshots")
    assert len(made) <= 1, "%s: asked for %d snapshots" % (case, len(made))
    return what if killed else "not hit"


def main():
    print("seed %d" % SEED)
    rng = random.Random(SEED)
    os.mkdir("tree")
    for i, size in enumerate([9000000, 9000000] + [40000] * 40):
        with open("tree/%03d" % i, "wb") as f:
            f.write(rng.randbytes(size))
    with open("kill.json", "w") as f:
        json.dump(MANIFEST, f, indent=1)
    subprocess.run([CART, "keygen", "-W", "kill"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["minisign", "-Sm", "kill.json", "-s", "kill.key"],
                   check=True, stdout=subprocess.DEVNULL,
                   stdin=subprocess.DEVNULL)
    text = subprocess.run([CART, "keygen", "--age", "age"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    age = re.search(r"age1\w+", text).group()
    env = start_account()
    failed, tally, jobs = 0, {}, []
    try:
        began = time.time()
        status = run([FAULTY] + collect(env, "WHOLE", None),
                     dict(env, CRASHCART_FAULT_COUNT="counts"), "whole.txt")
        seconds = time.time() - began
        with open("whole.txt") as f:
            assert status in (0, 3), "undisturbed: %s: %s" % (status, f.read())
        with open("counts") as f:
            calls = int(dict(line.split() for line in f)["kill"])
        print("an undisturbed run: %d calls, %.1f s" % (calls, seconds))
        for i in range(KILLS):
            jobs.append((i, env, age if i % 3 == 2 else None,
                         (rng.choice(["kill", "killed"]),
                          rng.randint(1, calls)),
                         rng.choice(["resume", "resume", "salvage"]),
                         rng.uniform(0.05, seconds)
                         if rng.random() < 0.25 else None))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            futures = {pool.submit(kill_one, *j): j for j in jobs}
            for f in concurrent.futures.as_completed(futures):
                i, _, secret, moment, how, _ = futures[f]
                try:
                    what = f.result()
                except Exception as e:      # pylint: disable=broad-except
                    failed += 1
                    what = "FAILED: %s" % e
                    with open("K%03d.txt" % i, errors="replace") as log:
                        what += "\n" + log.read()[-2000:]
                print("%3d %s %s:%d, %s: %s" % (
                    i, "encrypted" if secret else "plain", *moment, how, what),
                    flush=True)
                tally[what] = tally.get(what, 0) + 1
        for what in sorted(tally):
            print("%4d %s" % (tally[what], what))
        if KILLS >= 20 and tally.get("nothing closed", 0) > KILLS * 3 // 4:
            failed += 1
            print("too few draws had anything closed")
    finally:
        subprocess.run([TOP + "/tests/sim/stop"], env=env,
                       stdout=subprocess.DEVNULL)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
