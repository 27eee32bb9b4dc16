#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# run-tests: timeout=900
"""Kill collections to S3, plain and encrypted, at writes, fsyncs, renames and
sends that are drawn; go on with `resume` (killing some of these too) or, with
the state file gone, seal with `salvage`; and look: the bundle in the bucket
verifies, every segment that S3 had completed by then is in its seal and all
their log lines in the log, no snapshot was asked for twice, and none whose
intent was not in a closed segment.

KILLS_S3 (20), SEED (drawn) and KILL_LANES may be set in the environment."""
import datetime
import hashlib
import hmac
import os
import random
import re
import shutil
import sys
import urllib.error
import urllib.request

from killing import (CART, LANES, SEED, age_open, changes, collect,
                     count_calls, draw, draw_again, log_lines, make_manifest,
                     requests, run, run_jobs, run_to, snapshots, start_account,
                     still_there, stop_account, tell, verify)

KILLS = int(os.environ.get("KILLS_S3", "20"))
FEW = 50
BUCKET = "northwind-evidence"
STEPS = [
    {"id": "groups", "do": "aws.call",
     "with": {"call": "ec2:DescribeSecurityGroups"}},
    {"id": "snapshots", "do": "ec2.snapshot", "changes": "evidence",
     "with": {"instance_id": "${params.instance_id}", "every": "1s"}},
    {"id": "files", "do": "host.files",
     "with": {"paths": [os.path.abspath("tree") + "/**"]}},
    {"id": "later", "do": "host.files", "after": ["files", "snapshots"],
     "with": {"paths": [os.path.abspath("tree2") + "/**"]}}]


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


def closed(env, case):
    """Composite checksums of the segments that S3 has made objects of."""
    return ["%s" % r["params"]["ChecksumSHA256"] for r in
            requests(env, '"%s/' % case, "CompleteMultipartUpload")]


def log_of(env, case, identity, n):
    """Log lines of the first n segments."""
    name, data = case + "-b01", b""
    for i in range(1, n + 1):
        part = get_object(env, "%s/%s.tar%s%s" % (
            case, name, ".%03d" % i if i > 1 else "",
            ".age" if identity else ""))
        assert part is not None, "segment %d is not there" % i
        data += age_open(part) if identity else part
    return log_lines(data, name)


def salvage(env, case, identity, log):
    shutil.rmtree(case)
    argv = [CART, "salvage", "s3://%s/%s" % (BUCKET, case),
            "--trust-environment", "--name", case + "-b01"]
    return run(argv + (["-i", "age.age"] if identity else []), env, log)


def resume(env, case, log, again, sealed):
    """Goes on until it ends: its status, how often."""
    for i in range(5):
        argv = ["resume", case, "--trust-environment", "--quiet"]
        status = run_to(again if i == 0 else None, argv, env, log)
        if status in (1, 2) and sealed():
            status = 3      # it was killed behind its seal
        if status is not None:
            return status
    raise AssertionError("it does not come to an end")


def options(case, identity):
    os.mkdir(case)
    return ["--segment", "16M", "--state", case] + \
        (["--encrypt-to", identity] if identity else []) + \
        ["--out", "s3://%s/%s" % (BUCKET, case)]


def kill_one(index, env, identity, moment, again, how):
    case = "K%03d" % index
    log = case + ".txt"
    what = "not hit"
    status = run_to(moment, collect(env, case, *options(case, identity)), env,
                    log)
    killed, made = status is None, snapshots(env, case)
    kept = closed(env, case)
    lines = log_of(env, case, identity, len(kept))
    assert not made or "intent" in changes(lines), \
        "a snapshot was asked for before its intent was durable"

    def seal():
        return get_object(env, "%s/%s-b01.seal" % (case, case))

    if killed and how == "salvage":
        status = salvage(env, case, identity, log)
        what = "salvaged"
    elif killed:
        status = resume(env, case, log, again, seal)
        what = "sealed" if identity else "resumed"
    if killed and status in (1, 2, 5) and not kept and seal() is None:
        assert not snapshots(env, case)
        return "nothing closed"
    assert status in (0, 3), "%s: exit %s" % (how, status)
    verify("s3://%s/%s" % (BUCKET, case), env, identity)
    sums = re.findall(r"^segment \d+ \d+ (\S+)$", seal().decode(), re.M)
    # a run that died between its last segment and its seal has the `end`
    # taken back by salvage: that segment holds nothing else
    lost = [c for c in kept if c not in sums]
    assert not lost or (what == "salvaged" and lost == kept[-1:] and
                        len(sums) == len(kept) - 1), (kept, sums)
    now = log_of(env, case, identity, len(sums))
    assert still_there(lines, now), "durable lines were lost"
    made, events = snapshots(env, case), changes(now)
    assert made <= 1, "asked for %d snapshots" % made
    assert not made or {"intent", "adopted"} & set(events), \
        "a snapshot was made and is not in the log"
    assert made or "result" not in events
    return what + (", snapshot adopted" if "adopted" in events else "")


def main():
    print("seed %d" % SEED)
    rng = random.Random(SEED)
    for tree in ("tree", "tree2"):
        os.mkdir(tree)
        for i, size in enumerate([9000000] + [40000] * 20):
            with open("%s/%03d" % (tree, i), "wb") as f:
                f.write(rng.randbytes(size))
    age = make_manifest(STEPS)
    failed, nothing, counts = 0, 0, []
    # it keeps objects in memory: another account for every FEW
    for first in range(0, KILLS, FEW):
        env = start_account("sim%d" % first, "--snapshot-delay", "1",
                            "--snapshot-seconds", "1")
        try:
            counts = counts or [
                count_calls(collect(env, case, *options(case, identity)), env)
                for case, identity in (("PLAIN", None), ("SECRET", age))]
            jobs = []
            for i in range(first, min(first + FEW, KILLS)):
                calls, seconds = counts[i % 2]
                jobs.append({
                    "index": i, "env": env, "identity": age if i % 2 else None,
                    "moment": draw(rng, calls, i // 2 + i // 8),
                    "how": rng.choice(["resume", "salvage"]),
                    "again": draw_again(rng, calls, i // 2, seconds)})
            wrong, results = run_jobs(kill_one, jobs, min(LANES, 4))
        finally:
            stop_account(env)
        failed += wrong
        nothing += sum(what == "nothing closed" for _, what in results)
    if KILLS >= 20 and nothing > KILLS * 3 // 4:
        failed += 1
        print("too few draws had anything closed")
    tell()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
