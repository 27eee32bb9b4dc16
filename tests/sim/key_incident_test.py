# SPDX-License-Identifier: Apache-2.0
"""Incidents of an access key, drawn or given: what compromised-key says of
them is checked by key_check.py, which knows the raw events alone; and that
summaries made wrong on purpose do not pass it.

SEEDS: how many to draw (none: one fixed); DAYS."""
import datetime
import glob
import gzip
import json
import os
import random
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import key_check  # noqa: E402
from key_incident import Incident  # noqa: E402

CART = os.environ["CRASHCART"]
DAYS = int(os.environ.get("DAYS", "3"))
PER_DAY = int(os.environ.get("PER_DAY", "2300"))


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


def tamper(i, r):
    """Of the key's account: a log edited, one gone, a digest gone and one
    edited, a log that no digest names; of the next one all of two regions
    gone.  (objects as they are then, [(bucket, key, data or None, meta)])"""
    objects = {(b, k): (d, m) for b, k, d, m in i.objects()}
    home = [x for x in sorted(objects) if "/%s/" % i.truth["account"] in x[1]]

    def some(kind, region):
        names = [x for x in home if "/%s/%s/" % (kind, region) in x[1]]
        return r.choice(names[len(names) // 3:-len(names) // 3])
    regions = [g for g in i.regions if g != "us-east-1"]
    a, b, c, d = r.sample(regions, 4)
    changed = {some("CloudTrail", a): None, some("CloudTrail-Digest", b): None}
    x = some("CloudTrail", c)
    changed[x] = (gzip.compress(gzip.decompress(objects[x][0]).replace(
        b'"eventVersion":"1.', b'"eventVersion":"2.')), {})
    x = some("CloudTrail-Digest", d)
    changed[x] = (gzip.compress(gzip.decompress(objects[x][0]) + b" "),
                  objects[x][1])
    for x in objects:
        if "/%s/" % i.accounts[1] in x[1] and x[1].split("/")[-5] in regions[:2]:
            changed[x] = None
    seen = next(e for _, _, e in i.events() if e["eventID"] in
                {x["id"] for x in i.truth["events"] if x["key"] == i.key})
    forged = [dict(seen, eventID="deadbeef-0000-4000-8000-%012d" % n,
                   eventName="GetObject", eventSource="s3.amazonaws.com",
                   managementEvent=False, eventCategory="Data")
              for n in range(3)] + [seen]
    when = datetime.datetime.fromisoformat(seen["eventTime"].replace("Z",
                                                                     "+00:00"))
    (bucket, key, data, meta), _ = i.log(
        i.truth["account"], seen["awsRegion"],
        when + datetime.timedelta(minutes=5), forged, r)
    changed[bucket, key] = (data, meta)
    for x, new in changed.items():
        objects[x] = new
    return [x + objects[x] for x in objects if objects[x]], [
        x + (new or (None, {})) for x, new in changed.items()]


def change(env, changed):
    import botocore.session
    s3 = botocore.session.get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"])
    for bucket, key, data, meta in changed:
        if data is None:
            s3.delete_object(Bucket=bucket, Key=key)
        else:
            s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata=meta)


def until_now(seed, kind):
    """An incident of which the digest of the last hour is not there yet; its
    logs are.  (it, the objects that are there)"""
    now = datetime.datetime.now(datetime.timezone.utc)
    i = Incident(seed, kind, days=1, per_day=300, odd=True,
                 end=now + datetime.timedelta(hours=3))
    to = (now - datetime.timedelta(hours=1)).strftime("%Y%m%dT%H")
    stamp, everything = now.strftime("%Y%m%dT%H%M"), i.events
    i.events = lambda: (x for x in everything() if x[2]["eventTime"] <=
                        now.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def there(key):
        if "-Digest" in key:
            return key.rsplit("_", 1)[1][:13] <= to + "00"
        return key.rsplit("_", 2)[1][:13] <= stamp
    objects = [x for x in i.objects() if there(x[1])]
    i.objects = lambda: iter(objects)
    return i, objects


def one(seed, kind, every, late=False):
    """every: of the wrong summaries, each that-many-th is tried"""
    case = "%s-%s%s" % (kind, seed, "-late" * late)
    state = os.path.join(os.environ["TMPDIR"], "sim-" + case)
    env = account(state)
    try:
        if late:
            i, delivered = until_now(seed, kind)
        else:
            i = Incident(seed, kind, days=DAYS, per_day=PER_DAY, odd=True)
        i.load(env["AWS_ENDPOINT_URL"], env["SIM_STATE"])
        # as they lie in the bucket when they are asked for
        delivered, changed = (delivered, []) if late else tamper(
            i, random.Random(seed))
        change(env, changed)
        p = run([CART, "collect", "compromised-key", "-p",
                 "access_key_id=" + i.key, "--case", case, "--out", ".",
                 "--trust-environment"], env=env)
        # the owner is not in this account's IAM, and one session is in
        # another account: gaps
        assert p.returncode == 3, (p.returncode, p.stderr)
    finally:
        run([HERE + "/stop"], env=env)
    p = run([CART, "extract", case + "-b01.tar", "--out", case])
    assert p.returncode == 5, p.stderr      # no key was named
    with open(glob.glob(case + "/e*-summary.md")[0]) as f:
        text = f.read()
    lines = [json.dumps({"account": a, "region": g, "record": e})
             for a, g, e in i.events()]

    def judge(summary, lines=lines):
        db = key_check.database(lines, i.truth["account"])
        return key_check.check(summary, db, i.key, i.truth["account"],
                               delivered, i.public_keys())

    try:
        t = judge(text)
    except key_check.Wrong as e:
        sys.exit("seed %s %s: the summary is wrong: %s\n%s" % (
            seed, kind, e, text))
    for said in ("not yet provable after", "in logs not yet named") if late \
            else ("and more; ", "UNPROVEN", "in logs that no digest proves"):
        assert said in text, said
    # by way of proof that the check is of what was planted
    planted_ids = {e["id"] for e in i.truth["events"]
                   if e["account"] == i.truth["account"] and
                   e["generation"] < 2}
    found = {x for x, in t.db.execute("SELECT id FROM mine")}
    assert planted_ids <= found, planted_ids - found
    # most events are not by whom we follow: without them it goes faster
    few = [x for x in lines if json.loads(x)["record"]["eventID"] in found]
    n = 0
    for what, wrong, line in spoil(text, random.Random(seed)):
        n += 1
        if n % every:
            continue
        try:
            judge("\n".join(wrong), few)
        except key_check.Wrong:
            continue
        sys.exit("seed %s %s: not noticed (%s): %s" % (seed, kind, what,
                                                       line))
    print("seed %s %s: %d events, %d by the key and what it led to; true; "
          "wrong ones noticed" % (seed, kind, len(lines), len(found)),
          flush=True)


def main():
    drawn = int(os.environ.get("SEEDS", "0"))
    seeds = [random.SystemRandom().randrange(10 ** 6) for _ in range(drawn)] \
        or [7]
    for n, seed in enumerate(seeds):
        for kind in ("AKIA", "ASIA") if not drawn else (
                ("AKIA", "ASIA")[n % 2],):
            one(seed, kind, 5 if drawn else 2)
    if not drawn:
        one(7, "AKIA", 20, late=True)


main()
