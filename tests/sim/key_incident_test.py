# SPDX-License-Identifier: Apache-2.0
"""Incidents of an access key, drawn or given: what compromised-key says of
them is checked by key_check.py, which knows the raw events alone; and that
summaries made wrong on purpose do not pass it.

SEEDS: how many to draw (none: one fixed), of AKIA and ASIA keys in turn; DAYS.
KEY_SEEDS: a file of the seeds drawn and of how each ended: those that passed
are not played again.  One seed: key_incident_test.py SEED AKIA|ASIA [late]"""
import datetime
import glob
import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import key_check  # noqa: E402
import key_incident  # noqa: E402
from key_incident import Incident  # noqa: E402

CART = os.environ["CRASHCART"]
DAYS = int(os.environ.get("DAYS", "3"))
PER_DAY = int(os.environ.get("PER_DAY", "2300"))
MEMORY_MIB = 64                 # no more for the collector, of 90 days too
# the peak of a process that a small one started: that of a big one counts
# what itself had
PEAK = ("import os, sys; p = os.posix_spawn(sys.argv[2], sys.argv[2:], "
        "os.environ); _, s, u = os.wait4(p, 0); open(sys.argv[1], 'w').write("
        "str(u.ru_maxrss)); sys.exit(os.waitstatus_to_exitcode(s))")


class Phases:
    """Seconds of each part of a seed's way."""

    def __init__(self):
        self.at, self.took = time.monotonic(), []

    def end(self, name):
        now = time.monotonic()
        self.took.append("%s %.0f" % (name, now - self.at))
        self.at = now


def run(argv, **kw):
    return subprocess.run(argv, text=True, capture_output=True, **kw)


def account(state):
    text = run([HERE + "/start", "--state", state, "--lookup-rate", "0",
                "--users", "1"], check=True).stdout
    env = dict(os.environ)
    env.update(re.findall(r"^export (\w+)='?([^'\n;]*)'?", text, re.M))
    return env


def spoil(text, r):
    """Wrong summaries, each by one line: gone, a number more, another id,
    a statement that is not so."""
    lines = text.split("\n")
    in_scope = False
    for n, line in enumerate(lines):
        if line.startswith("#"):
            in_scope = line.lstrip("# ") in (
                "What it did", "What it made and changed", "Addresses",
                "Sessions, and what was made, followed", "Programs",
                "The logs that trails delivered", "Whether these logs are "
                "whole",
                "Regions", "Calls", "Errors", "Identities")
        if not in_scope or not line.startswith("- ") or " more: " in line:
            continue
        yield "gone", lines[:n] + lines[n + 1:], line
        m = re.search(r"(\d+) events", line)
        if m:
            yield "number", lines[:n] + [line.replace(
                m.group(0), "%d events" % (int(m.group(1)) + 1), 1)] + \
                lines[n + 1:], line
        m = re.search(r"event `([0-9a-f-]{36})`", line)
        if m:
            other = "%08x" % r.getrandbits(32) + m.group(1)[8:]
            yield "event", lines[:n] + [line.replace(m.group(1), other)] + \
                lines[n + 1:], line
        m = re.search(r"`([^`]{3,})`", line)
        if m:
            bad = line.replace(m.group(1), m.group(1)[:-1] + "~", 1)
            yield "value", lines[:n] + [bad] + lines[n + 1:], line
            yield "added", lines[:n] + [line, bad] + lines[n + 1:], line


def tamper(i, folder, r):
    """Of the key's account: a log edited, one gone, a digest gone and one
    edited, a log that no digest names; of the next one all of two regions
    gone.  [(bucket, key, data or None, meta)]"""
    objects = key_incident.delivered(folder)[i.bucket]
    home = [k for k in objects.keys() if "/%s/" % i.truth["account"] in k]

    def some(kind, region):
        names = [k for k in home if "/%s/%s/" % (kind, region) in k]
        return r.choice(names[len(names) // 3:-len(names) // 3])
    regions = [g for g in i.regions if g != "us-east-1"]
    a, b, c, d = r.sample(regions, 4)
    changed = {some("CloudTrail", a): None, some("CloudTrail-Digest", b): None}
    x = some("CloudTrail", c)
    changed[x] = (gzip.compress(gzip.decompress(objects[x]["data"]).replace(
        b'"eventVersion":"1.', b'"eventVersion":"2.')), {})
    x = some("CloudTrail-Digest", d)
    changed[x] = (gzip.compress(gzip.decompress(objects[x]["data"]) + b" "),
                  objects[x]["meta"])
    for x in objects.keys():
        if "/%s/" % i.accounts[1] in x and x.split("/")[-5] in regions[:2]:
            changed[x] = None
    his = {x["id"] for x in i.truth["events"] if x["key"] == i.key}
    seen = next(e for line in key_incident.lines(folder)
                for e in [json.loads(line)["record"]] if e["eventID"] in his)
    forged = [dict(seen, eventID="deadbeef-0000-4000-8000-%012d" % n,
                   eventName="GetObject", eventSource="s3.amazonaws.com",
                   managementEvent=False, eventCategory="Data")
              for n in range(3)] + [seen]
    when = datetime.datetime.fromisoformat(seen["eventTime"].replace("Z",
                                                                     "+00:00"))
    (_, key, data, meta), _ = i.log(
        i.truth["account"], seen["awsRegion"],
        when + datetime.timedelta(minutes=5), forged, r)
    changed[key] = (data, meta)
    return [(i.bucket, x) + (new or (None, {})) for x, new in changed.items()]


def lying(folder, changed):
    """(bucket, key, bytes, metadata) as they are in the bucket then."""
    new = {(b, k): (d, m) for b, k, d, m in changed}
    for bucket, objects in key_incident.delivered(folder).items():
        for k in objects.keys():
            if (bucket, k) not in new:
                o = objects[k]
                yield bucket, k, o["data"], o["meta"]
    for (bucket, k), (data, meta) in new.items():
        if data is not None:
            yield bucket, k, data, meta


def change(env, changed):
    import botocore.session
    s3 = botocore.session.get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"])
    gone = os.path.join(env["SIM_STATE"], "gone")
    with open(gone, "w") as f:
        for bucket, key, data, meta in changed:
            if data is None:
                f.write(json.dumps([bucket, key]) + "\n")
            else:
                s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata=meta)
    key_incident.post(env["AWS_ENDPOINT_URL"] + "/_sim/load", {"gone": gone})


def until_now(seed, kind):
    """An incident of which the digest of the last hour is not there yet; its
    logs are."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return Incident(seed, kind, days=1, per_day=300, odd=True, until=now,
                    end=now + datetime.timedelta(hours=3))


def one(seed, kind, every, late=False):
    """every: of the wrong summaries, each that-many-th is tried.  What to
    print."""
    case = "%s-%s%s" % (kind, seed, "-late" * late)
    top = os.environ["TMPDIR"]
    state, peak = os.path.join(top, "sim-" + case), os.path.join(top, "peak")
    clock = Phases()
    env = account(state)
    try:
        i = until_now(seed, kind) if late else Incident(
            seed, kind, days=DAYS, per_day=PER_DAY, odd=True)
        n = i.load(env["AWS_ENDPOINT_URL"], env["SIM_STATE"])
        clock.end("made and loaded")
        changed = [] if late else tamper(i, n["folder"], random.Random(seed))
        change(env, changed)
        clock.end("tampered")
        p = run([sys.executable, "-c", PEAK, peak, CART, "collect",
                 "compromised-key", "-p", "access_key_id=" + i.key, "--case",
                 case, "--out", ".", "--trust-environment"], env=env)
        # the owner is not in this account's IAM, and one session is in
        # another account: gaps
        assert p.returncode == 3, (p.returncode, p.stderr)
    finally:
        run([HERE + "/stop"], env=env)
    with open(peak) as f:
        mib = int(f.read()) / 1024
    assert mib < MEMORY_MIB, "the collector took %.1f MiB" % mib
    clock.end("collected")
    p = run([CART, "verify", case + "-b01.tar"])
    assert p.returncode == 5, p.stdout + p.stderr   # no key was named
    p = run([CART, "extract", case + "-b01.tar", "--out", case])
    assert p.returncode == 5, p.stderr
    clock.end("verified")
    with open(glob.glob(case + "/e*-summary.md")[0]) as f:
        text = f.read()
    raw = key_check.Raw(key_incident.lines(n["folder"]), i.truth["account"])
    # as they lay in the bucket when they were asked for
    delivered = key_check.Objects(lambda: lying(n["folder"], changed))

    def judge(summary, raw=raw):
        return key_check.check(summary, raw, i.key, i.truth["account"],
                               delivered, i.public_keys())

    try:
        t = judge(text)
    except key_check.Wrong as e:
        sys.exit("the summary is wrong: %s\n%s" % (e, text))
    for said in ("not yet provable after", "in logs not yet named") if late \
            else ("and more; ", "UNPROVEN", "in logs that no digest proves"):
        assert said in text, said
    # by way of proof that the check is of what was planted
    planted_ids = {e["id"] for e in i.truth["events"]
                   if e["account"] == i.truth["account"] and
                   e["generation"] < 2}
    found = {x for x, in t.db.execute("SELECT id FROM mine")}
    assert planted_ids <= found, planted_ids - found
    clock.end("judged")
    # most events are not by whom we follow: without them it goes faster
    few = key_check.Raw((x for x in key_incident.lines(n["folder"]) if
                         json.loads(x)["record"]["eventID"] in found),
                        i.truth["account"])
    tried = 0
    for number, (what, wrong, line) in enumerate(spoil(text, random.Random(
            seed)), 1):
        if number % every:
            continue
        tried += 1
        try:
            judge("\n".join(wrong), few)
        except key_check.Wrong:
            continue
        sys.exit("not noticed (%s): %s" % (what, line))
    clock.end("%d wrong ones" % tried)
    shutil.rmtree(state)
    return ("%d events, %d by the key and what it led to; %d objects; true; "
            "%d wrong ones noticed; the collector took %.1f MiB; seconds: %s" %
            (n["events"], len(found), n["objects"], tried, mib,
             ", ".join(clock.took)))


def begun(path, drawn):
    """[(seed, kind, passed)] of the file, or drawn and written there."""
    out = {}
    try:
        with open(path) as f:
            for line in f:
                seed, kind, how = line.split(" ", 2)
                out[int(seed), kind] = how.startswith("passed")
    except FileNotFoundError:
        pass
    while len(out) < drawn:
        out[random.SystemRandom().randrange(10 ** 6),
            ("AKIA", "ASIA")[len(out) % 2]] = False
    if path:
        with open(path, "w") as f:
            for (seed, kind), passed in out.items():
                f.write("%d %s %s\n" % (seed, kind, (
                    "drawn", "passed before")[passed]))
    return [x + (y,) for x, y in out.items()]


def soak(drawn, path):
    """Each seed by itself: one that fails does not keep others from being
    played."""
    seeds, failed = begun(path, drawn), []
    for seed, kind, passed in seeds:
        name = "seed %d %s: " % (seed, kind)
        if passed:
            print(name + "passed before", flush=True)
            continue
        print(name + "begins", flush=True)
        p = run([sys.executable, "-B", __file__, str(seed), kind],
                env=dict(os.environ, EVERY="5"))
        how = "passed; " + p.stdout.strip() if p.returncode == 0 else \
            "FAILED: " + (p.stdout + p.stderr).strip()
        print(name + how, flush=True)
        if path:
            with open(path, "a") as f:
                f.write("%d %s %s\n" % (seed, kind, how.split("\n")[0]))
        if p.returncode:
            failed.append("%d %s" % (seed, kind))
        for x in glob.glob("%s-%d*" % (kind, seed)) + glob.glob(os.path.join(
                os.environ["TMPDIR"], "sim-*")):
            if os.path.isdir(x):
                shutil.rmtree(x)
            else:
                os.unlink(x)
    print("%d seeds of %d days: %d passed, %d failed%s" % (
        len(seeds), DAYS, len(seeds) - len(failed), len(failed),
        ": " + ", ".join(failed) if failed else ""), flush=True)
    return 1 if failed else 0


def main():
    if len(sys.argv) > 1:
        print(one(int(sys.argv[1]), sys.argv[2],
                  int(os.environ.get("EVERY", "2")), "late" in sys.argv))
        return 0
    drawn = int(os.environ.get("SEEDS", "0"))
    if drawn:
        return soak(drawn, os.environ.get("KEY_SEEDS", ""))
    for kind, every, late in (("AKIA", 2, False), ("ASIA", 2, False),
                              ("AKIA", 20, True)):
        print("seed 7 %s:" % kind, one(7, kind, every, late), flush=True)
    return 0


sys.exit(main())
