#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# run-tests: timeout=900
"""Kill collections into files, plain and encrypted, at moments drawn over
their writes, fsyncs, renames, sends and over time; resume them (killing some of
the resumes too), and look: the bundle verifies, every line that had been
durable is still there, no snapshot was asked for twice, and none whose intent
was not durable.

KILLS (100), SEED (drawn) and KILL_LANES (12) may be set in the environment."""
import os
import random
import re
import shutil
import sys

from killing import (LANES, SEED, age_open, changes, collect,
                     count_calls, draw, draw_again, log_lines, make_manifest,
                     run_jobs, run_to, snapshots, start_account, still_there,
                     stop_account, tell, verify)

KILLS = int(os.environ.get("KILLS", "100"))
STEPS = [
    {"id": "snapshots", "do": "ec2.snapshot", "changes": "evidence",
     "with": {"instance_id": "${params.instance_id}", "every": "1s"}},
    {"id": "events", "do": "cloudtrail.events", "with": {
        "start": "-7d", "Username": "${params.instance_id}"}},
    {"id": "groups", "do": "aws.call",
     "with": {"call": "ec2:DescribeSecurityGroups"}},
    {"id": "files", "do": "host.files",
     "with": {"paths": [os.path.abspath("tree") + "/**"]}}]


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def segments(case, name, end):
    found = []
    while True:
        n = len(found) + 1
        data = read("%s/%s.tar%s%s" % (case, name, ".%03d" % n if n > 1 else
                                       "", end))
        if data is None:
            return found
        found.append(data)


def durable(case, identity):
    """Lines that are on disk.  Encrypted, the closed segments count: those of
    the seal or of the state file's seal, and those with two more behind."""
    name = case + "-b01"
    if not identity:
        return log_lines(b"".join(segments(case, name, "")), name)
    seal = read("%s/%s.seal" % (case, name)) or \
        read("%s/%s.state" % (case, name)) or b""
    found = segments(case, name, ".age")
    n = max(len(re.findall(rb"^segment \d+ ", seal, re.M)), len(found) - 2)
    assert n <= len(found), "%d of %d segments" % (len(found), n)
    return log_lines(b"".join(map(age_open, found[:n])), name)


def kill_one(index, env, identity, moment, again):
    case = "K%03d" % index
    name, log = case + "-b01", case + ".txt"
    options = ["--out", case]
    if identity or index % 4 == 0:
        options += ["--segment", "8M"]
    if identity:
        options += ["--encrypt-to", identity]
    argv = collect(env, case, *options)
    status = run_to(moment, argv, env, log)
    killed = status is None
    resume = ["resume", case, "--trust-environment", "--quiet"]
    kept, rounds = [], 0
    while status is None:
        made = snapshots(env, case)
        now = durable(case, identity)
        assert still_there(kept, now), "durable lines were lost"
        kept = now
        assert not made or "intent" in changes(kept), \
            "a snapshot was asked for before its intent was durable"
        rounds += 1
        assert rounds < 6, "it does not come to an end"
        if os.path.exists("%s/%s.seal" % (case, name)):
            status = 3      # sealed just before the kill
            continue
        status = run_to(again if rounds == 1 else None, resume, env, log)
        if not kept:
            assert status in (None, 1, 2), status
            assert not snapshots(env, case)
            return "nothing durable yet"
    assert status in (0, 3), "exit %s" % status
    now = durable(case, identity)
    assert still_there(kept, now), "durable lines were lost"
    verify("%s/%s.tar%s" % (case, name, ".age" if identity else ""), env,
           identity)
    made, events = snapshots(env, case), changes(now)
    assert made <= 1, "asked for %d snapshots" % made
    assert not made or {"intent", "adopted"} & set(events), \
        "a snapshot was made and is not in the log"
    assert made or "result" not in events
    shutil.rmtree(case)
    if not killed:
        return "not hit"
    return ("sealed" if identity else "resumed") + \
        (" %d times" % rounds if rounds > 1 else "") + \
        (", snapshot adopted" if "adopted" in events else "")


def main():
    print("seed %d" % SEED)
    rng = random.Random(SEED)
    os.mkdir("tree")
    for i in range(300):
        with open("tree/%03d" % i, "wb") as f:
            f.write(rng.randbytes(rng.randrange(1, 60000)))
    age = make_manifest(STEPS)
    accounts = []
    try:
        quick = start_account("quick", "--snapshot-delay", "1",
                              "--snapshot-seconds", "1", "--lookup-rate", "0")
        accounts.append(quick)
        # as AWS is: a new snapshot cannot be seen for 20 seconds
        slow = start_account("slow", "--snapshot-delay", "20",
                             "--snapshot-seconds", "1", "--lookup-rate", "0")
        accounts.append(slow)
        counts = [count_calls(argv, quick) for argv in (
            collect(quick, "PLAIN", "--out", "plain"),
            collect(quick, "SECRET", "--out", "secret", "--segment", "8M",
                    "--encrypt-to", age))]
        jobs = []
        for i in range(KILLS):
            calls, seconds = counts[i % 2]
            job = {"index": i, "env": quick,
                   "again": draw_again(rng, calls, i // 2, seconds),
                   "identity": age if i % 2 else None}
            if i % 8 == 6:
                # just after the snapshot was asked for, long before it shows
                job.update(env=slow, moment=rng.uniform(0.3, 15), again=None)
            elif rng.random() < 0.2:
                job["moment"] = rng.uniform(0.005, seconds)
            else:
                job["moment"] = draw(rng, calls, i // 2 + i // 8)
            jobs.append(job)
        failed, results = run_jobs(kill_one, jobs, LANES)
        tell()
        hidden = sum("adopted" in what for job, what in results
                     if job["env"] is slow)
        print("%d snapshots that could not be seen for 20 s were adopted" %
              hidden)
        if KILLS >= 50 and not hidden:
            failed += 1
            print("no kill fell into the 20 seconds")
    finally:
        for env in accounts:
            stop_account(env)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
