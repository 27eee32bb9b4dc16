# SPDX-License-Identifier: Apache-2.0
"""Delivers a trail's logs and digests into the simulated account, collects
them, compares with what was delivered, tampers, and asks the AWS CLI too."""
import datetime
import gzip
import json
import os
import random
import re
import subprocess
import sys

import botocore.session

import bundle_objects
import cloudtrail_set
import verify_bundle

HOURS = 6
HOUR = datetime.timedelta(hours=1)
BUCKET, PREFIX = "northwind-logs", "cloudtrail"
wrong, verdict = [], {}


def check(ok, what):
    print("%s %s" % ("ok  " if ok else "FAIL", what))
    if not ok:
        wrong.append(what)


def deliver(s3, sets):
    for s in sets:
        for (bucket, key), (data, meta) in s.objects.items():
            s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata=meta)
    with open(os.path.join(os.environ["SIM_STATE"], "public-keys.json"), "w",
              encoding="ascii") as f:
        json.dump({s.region: s.answer()["PublicKeyList"] for s in sets}, f)


def collect(name, window, **with_):
    """{"log": lines, "data": {exhibit: bytes}}, exit status."""
    steps = []
    for kind in ("logs", "digests"):
        w = dict(window, **with_.get(kind, {}))
        steps.append({"id": kind, "do": "cloudtrail." + kind, "with": w})
    with open(name + ".json", "w", encoding="utf-8") as f:
        json.dump({"crashcart": 1, "name": "trail", "title": "Trail",
                   "steps": steps}, f)
    p = subprocess.run([os.environ["CRASHCART"], "collect", name + ".json",
                        "--case", name, "--out", ".", "--json"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, check=False)
    if p.returncode not in (0, 3):
        print(p.stdout[-2000:], p.stderr[-3000:])
        sys.exit(1)
    v = subprocess.run([os.environ["CRASHCART"], "verify", name + "-b01.tar",
                        "--json"], stdout=subprocess.PIPE, text=True,
                       check=False)
    check(v.returncode == 5, "%s: verify: intact, key not known" % name)
    verdict.update(json.loads(v.stdout))
    peer = subprocess.run([sys.executable, "-B", os.path.join(
        os.path.dirname(verify_bundle.__file__), "verify_bundle.py"),
        name + "-b01.tar", "--json", "--attest"], stdout=subprocess.PIPE,
        text=True, check=False)
    theirs = json.loads(peer.stdout)
    check(peer.returncode == 5 and theirs["consistent"] == verdict["consistent"] and
          sorted((a["object"], a["verdict"], a["seconds"], a["exhibit"])
                 for a in theirs["attestations"]) == said(),
          "%s: a second verifier says the same of what AWS signed" % name)
    p = subprocess.run([os.environ["CRASHCART"], "extract", name + "-b01.tar",
                        "--out", name], stdout=subprocess.DEVNULL, check=False)
    check(p.returncode == 5, "%s: extract: written, key not known" % name)
    subprocess.run(["tar", "xf", name + "-b01.tar"], check=True)
    lines = []
    top = name + "-b01/"
    for part in sorted(os.listdir(top + "log")):
        with open(top + "log/" + part, encoding="utf-8") as f:
            lines += [json.loads(x) for x in f]
    return lines, top


def read(lines, top, slug):
    """Bytes of the plain exhibits whose path ends so."""
    out = []
    for e in lines:
        if e["type"] == "exhibit" and e.get("path", "").endswith(slug):
            with open(top + e["path"], "rb") as f:
                out.append((e, f.read()))
    return out


def ndjson(lines, top, slug):
    return [json.loads(x) for x in read(lines, top, slug)[0][1].splitlines()]


def said():
    """What verify says of single objects, and of time."""
    return sorted((a["object"], a["verdict"], a.get("seconds", -1),
                   a.get("exhibit", "")) for a in verdict["attestations"]
                  if not a["summary"])


def repeated(lines, found):
    """The same, from the exhibit of verdicts.  A log that is not there is
    the collector's finding only: verify counts it as not in the bundle."""
    ids = {x["origin"]["key"]: x["exhibit"] for x in lines
           if x["type"] == "file"}
    out = []
    for f in found:
        kind = "missing-digest" if f["kind"] == "missing" else f["kind"]
        v = f.get("verdict", "cannot tell").replace(" ", "-")
        if v == "valid" or f.get("reason") == "its digest is not valid" or (
                kind == "log" and f["key"] not in ids):
            continue
        out.append((kind, v, f.get("seconds", -1), ids.get(f.get("key"), "")))
    return sorted(out)


def validate(window):
    """What the AWS CLI says of both regions: {kind: (valid, all)}."""
    counts, text = {}, ""
    for region in ("us-east-1", "eu-west-1"):
        one, out = validate_region(window, region)
        text += out
        for kind, (a, b) in one.items():
            x, y = counts.get(kind, (0, 0))
            counts[kind] = (a + x, b + y)
    return counts, text


def validate_region(window, region):
    p = subprocess.run([os.environ["AWSCLI"], "cloudtrail", "validate-logs",
                        "--trail-arn", "arn:aws:cloudtrail:us-east-1:%s:"
                        "trail/management" % os.environ["SIM_ACCOUNT_ID"],
                        "--start-time", window["start"], "--end-time",
                        window["end"], "--verbose", "--region", region],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, check=False)
    counts = dict((kind, (int(a), int(b))) for a, b, kind in re.findall(
        r"(\d+)/(\d+) (digest|log) files? valid", p.stdout))
    return counts, p.stdout


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom(
        ).randrange(10 ** 6)
    print("seed %d" % seed)
    s3 = botocore.session.get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=os.environ[
            "AWS_ENDPOINT_URL"])
    now = datetime.datetime.now(datetime.timezone.utc).replace(
        minute=0, second=0, microsecond=0)
    start = now - (HOURS + 3) * HOUR
    sets = [cloudtrail_set.Set(
        seed, start, HOURS, account=os.environ["SIM_ACCOUNT_ID"],
        region=region, trail="management", bucket=BUCKET, prefix=PREFIX)
        for region in ("us-east-1", "eu-west-1")]
    deliver(s3, sets)
    window = {"start": cloudtrail_set.iso(start),
              "end": cloudtrail_set.iso(start + HOURS * HOUR)}

    lines, top = collect("clean", window)
    kept = bundle_objects.objects(lines, top)
    check(len([x for x in lines if x["type"] == "part"]) == 2,
          "logs and digests are a part each")
    logs = {e["origin"]["key"]: data for e, data in kept
            if "_CloudTrail_" in e["origin"]["key"]}
    want = {k: v[0] for s in sets for (b, k), v in s.objects.items()
            if "_CloudTrail_" in k}
    check(logs == want, "%d log objects byte for byte" % len(want))
    digests = {e["origin"]["key"]: (data, e["origin"]["metadata"])
               for e, data in kept
               if "_CloudTrail-Digest_" in e["origin"]["key"]}
    want = {k: tuple(v) for s in sets for (b, k), v in s.objects.items()
            if "_CloudTrail-Digest_" in k}
    check(digests == want, "%d digests with their metadata" % len(want))
    x, data = kept[1]
    p = subprocess.run([os.environ["CRASHCART"], "prove", "clean-b01.tar",
                        x["exhibit"], "--path", x["path"], "--out", "proof"],
                       stdout=subprocess.DEVNULL, check=False)
    with open("proof/content", "rb") as f, open("proof/line.json", "rb") as g:
        check(p.returncode in (0, 5) and f.read() == data and
              json.load(g)["origin"]["etag"] == x["origin"]["etag"],
              "one object is proven without the others")
    index = ndjson(lines, top, "log-index.ndjson")
    got = sorted((e["event_id"], e["time"], e["region"], e["name"],
                  e["source"], e["access_key"], e["principal"], e["address"],
                  e.get("error")) for e in index)
    events = [e for s in sets for e in s.events]
    want = sorted((e["eventID"], e["eventTime"], e["awsRegion"],
                   e["eventName"], e["eventSource"],
                   e["userIdentity"]["accessKeyId"], e["userIdentity"]["arn"],
                   e["sourceIPAddress"], e.get("errorCode")) for e in events)
    check(got == want, "%d events in the index" % len(want))
    found = ndjson(lines, top, "verdicts.ndjson")
    kinds = [(f["kind"], f.get("verdict")) for f in found]
    check(kinds.count(("digest", "valid")) == 2 * HOURS and
          kinds.count(("log", "valid")) == 4 * HOURS and
          len(kinds) == 6 * HOURS, "all digests and logs valid, no gap")
    check(not [x for x in lines if x["type"] == "gap"], "no gap in the log")
    check(verdict["consistent"] == {"valid": 6 * HOURS, "invalid": 0,
                                  "cannot-tell": 0} and
          {(a["object"], a["verdict"]) for a in verdict["attestations"]} ==
          {("digests", "valid"), ("logs", "valid")},
          "verify repeats it from the bundle: %s" % verdict["consistent"])
    again = repeated(lines, found)
    check(again == said(), "with the same findings as the collector's")
    counts, text = validate(window)
    check(counts.get("digest") == (2 * HOURS, 2 * HOURS) and
          counts.get("log") == (4 * HOURS, 4 * HOURS),
          "the AWS CLI says the same: %s" % counts)
    if not counts:
        print(text[-2000:])

    lines, top = collect("filtered", window, logs={
        "access_key": ["AKIA" + "MALLORY" * 2], "event_name": "CreateAccessKey",
        "log_regions": ["us-east-1"]}, digests={"logs": "none"})
    index = ndjson(lines, top, "log-index.ndjson")
    want = sorted(e["eventID"] for e in sets[0].events
                  if e["eventName"] == "CreateAccessKey" and
                  e["userIdentity"]["userName"] == "mallory")
    check(sorted(e["event_id"] for e in index) == want,
          "filters: %d events" % len(want))

    # one edited log, one deleted log, one deleted digest, one edited digest
    a, b = sets
    flipped = a.docs[a.digests[1]]["logFiles"][0]["s3Object"]
    data = gzip.decompress(a.objects[(BUCKET, flipped)][0]).replace(
        b"198.51.100", b"198.51.101")
    s3.put_object(Bucket=BUCKET, Key=flipped, Body=gzip.compress(data))
    gone_log = a.docs[a.digests[4]]["logFiles"][1]["s3Object"]
    gone = b.digests[2]
    for key in (gone_log, gone):
        s3.delete_object(Bucket=BUCKET, Key=key)
    edited = b.digests[4]
    data, meta = b.objects[(BUCKET, edited)]
    s3.put_object(Bucket=BUCKET, Key=edited, Body=gzip.compress(
        gzip.decompress(data) + b"\n"), Metadata=meta)
    lines, top = collect("tampered", window)
    found = ndjson(lines, top, "verdicts.ndjson")
    bad = {f["key"]: (f["kind"], f["verdict"]) for f in found
           if f.get("verdict") not in (None, "valid") and
           f.get("reason") != "its digest is not valid"}
    check(bad == {flipped: ("log", "invalid"), gone_log: ("log",
                                                          "cannot tell"),
                  gone: ("missing", "cannot tell"),
                  edited: ("digest", "invalid")},
          "four tamperings at the right objects: %s" % sorted(bad.values()))
    gaps = sorted((f["region"], f["start"], f["seconds"]) for f in found
                  if f["kind"] == "gap")
    check(gaps == [("eu-west-1", cloudtrail_set.iso(start + n * HOUR), 3600)
                   for n in (2, 4)], "two gaps of an hour: %s" % gaps)
    again = repeated(lines, found)
    check(again == said() and verdict["consistent"]["invalid"] == 2,
          "verify finds them in the bundle: %s" % said())
    reasons = sorted(x["reason"] for x in lines if x["type"] == "gap")
    check(reasons == ["absent"] * 4 + ["changed"] * 2,
          "gap lines: %s" % reasons)
    counts, text = validate(window)
    # The CLI counts a missing digest among all, and a missing log as
    # invalid where we cannot tell; logs of invalid digests it leaves out.
    print("the AWS CLI: %s\n%s" % (counts, "\n".join(
        x for x in text.splitlines() if "INVALID" in x)))
    check(counts.get("digest", (0, 0))[0] == 2 * HOURS - 2 and
          counts.get("log", (0, 0))[0] == 4 * HOURS - 6,
          "the AWS CLI finds the same valid: %s" % counts)
    return 1 if wrong else 0


sys.exit(main())
