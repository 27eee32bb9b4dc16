# SPDX-License-Identifier: Apache-2.0
"""cloudtrail.logs in the simulated account: an organisation's bucket in another
region given by name, S3 throttling, events of every shape; then the incident
of key_incident.py found through its trail, with each filter, judged from the
events as they were delivered."""
import argparse
import base64
import glob
import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import time
import urllib.request

import bundle_objects
import key_incident

CART = os.environ["CRASHCART"]
URL = os.environ["AWS_ENDPOINT_URL"]
wrong = []
FIELDS = {"time": "eventTime", "account": "recipientAccountId",
          "region": "awsRegion", "source": "eventSource", "name": "eventName",
          "address": "sourceIPAddress", "error": "errorCode",
          "event_id": "eventID"}


def check(ok, what, more=""):
    print("%s %s" % ("ok  " if ok else "FAIL", what))
    if not ok:
        wrong.append(what)
        print("     %s" % str(more)[:1500])


def sim(path, body=None, method=None):
    r = urllib.request.Request(URL + "/_sim/" + path, body and json.dumps(
        body).encode(), method=method)
    with urllib.request.urlopen(r, timeout=60) as answer:
        return json.load(answer)


def load(objects):
    with open("objects.ndjson", "w", encoding="ascii") as f:
        for bucket, key, data, meta in objects:
            f.write(json.dumps({"bucket": bucket, "key": key, "meta": meta,
                                "data": base64.b64encode(data).decode()}) +
                    "\n")
    sim("load", {"objects": os.path.abspath("objects.ndjson")})


def collect(name, steps):
    """(log lines, {step: index}, folder of the bag)"""
    with open(name + ".json", "w", encoding="utf-8") as f:
        json.dump({"crashcart": 1, "name": name, "title": name,
                   "steps": steps}, f)
    p = subprocess.run([CART, "collect", "./%s.json" % name, "--case", name,
                        "--out", "."], capture_output=True, text=True,
                       check=False)
    if p.returncode not in (0, 3):
        sys.exit(p.stderr[-3000:])
    subprocess.run(["tar", "xf", name + "-b01.tar"], check=True)
    top, lines, out = name + "-b01/", [], {}
    for part in sorted(os.listdir(top + "log")):
        with open(top + "log/" + part, encoding="utf-8") as f:
            lines += [json.loads(x) for x in f]
    for x in lines:
        if x["type"] != "exhibit" or "ndex of the events" not in x["name"]:
            continue
        if "path" in x:
            with open(top + x["path"], "rb") as f:
                data = f.read()
        else:
            data = b"".join(subprocess.run(
                ["zstd", "-dcq", top + "data/%s/%08d.zst" % (
                    x["exhibit"], n + 1)], check=True,
                stdout=subprocess.PIPE).stdout for n in range(x["parts"]))
        out[x["step"]] = [json.loads(e) for e in data.splitlines()]
    return lines, out, top


def principal(e):
    u = e.get("userIdentity") or {}
    return u.get("arn") or u.get("principalId") or u.get("userName") or \
        u.get("invokedBy")


def line(e):
    """What the index should say of an event, but for where it lies."""
    u = e.get("userIdentity") or {}
    out = {k: e.get(v) for k, v in FIELDS.items()}
    out.update({"type": u.get("type"), "principal": principal(e),
                "access_key": u.get("accessKeyId")})
    return {k: v for k, v in out.items() if v is not None}


def same(index, events):
    def order(x):
        return json.dumps(x, sort_keys=True)
    got = sorted((order({k: v for k, v in x.items()
                         if k not in ("exhibit", "path")}) for x in index))
    return got == sorted(order(line(e)) for e in events)


# ---- events of every shape ---------------------------------------------------------

def shapes(r):
    """As they are met in the wild: absent and null members, numbers of 64
    bits, deep and large requests, text of every kind."""
    def event(n, **more):
        e = {"eventVersion": "1.11", "eventTime": "2024-08-01T13:%02d:%02dZ" %
             (n % 60, r.randrange(60)), "awsRegion": "eu-west-1",
             "eventSource": "ec2.amazonaws.com", "eventName": "Call%d" % n,
             "eventID": "%032x" % r.getrandbits(128), "readOnly": True,
             "recipientAccountId": "345678901234", "sourceIPAddress":
             "198.51.100.%d" % r.randrange(255), "userIdentity": {
                 "type": "IAMUser", "arn": "arn:aws:iam::345678901234:user/x",
                 "accessKeyId": "AKIA" + "X" * 16}}
        e.update(more)
        return {k: v for k, v in e.items() if v is not ...}
    deep = {"a": 1}
    for _ in range(40):
        deep = {"b": [deep]}
    return [
        event(1), event(2, userIdentity={"type": "AWSService", "invokedBy":
                                         "ec2.amazonaws.com"}),
        event(3, userIdentity={"type": "Root", "principalId": "345678901234",
                               "arn": "arn:aws:iam::345678901234:root"}),
        event(4, userIdentity=None), event(5, userIdentity=...),
        event(6, responseElements=None, requestParameters=None),
        event(7, requestParameters={"n": 2 ** 63 - 1, "f": 1e300, "z": -0.0}),
        event(8, requestParameters=deep),
        event(9, requestParameters={"userData": "<sensitiveDataRemoved>" +
                                    "x" * 300000}),
        event(10, userAgent="\u00e9\u4e2d\U0001f600 \"\\/\b\f\n\r\t\u007f"),
        event(11, userAgent="a\\\"}],{[\"Records\":[" * 20),
        event(12, errorCode="AccessDenied", errorMessage="no\u2028pe"),
        event(13, eventTime=...), event(14, recipientAccountId=...),
        event(15, eventName="", sourceIPAddress="AWS Internal"),
        event(16, userIdentity={"type": "AssumedRole", "principalId":
                                "AROA:s", "sessionContext": {
                                    "sessionIssuer": {}}}),
        event(17, additionalEventData={"": {"": [[], {}, None, True]}}),
        event(18, eventCategory="Insight", insightDetails={"state": "Start"}),
        event(19, userIdentity={"type": "WebIdentityUser", "userName":
                                "system:serviceaccount:a:b"}),
        event(20, Records=[{"eventID": "inside"}]),
    ] + [event(20 + n) for n in range(1, 300)]


def samples(r):
    """Files of events: [(name, list)]."""
    out = [("shapes", shapes(r)), ("none", [])]
    folder = os.environ.get("CLOUDTRAIL_SAMPLES")
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))
                       if folder else []):
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
        out.append((os.path.basename(path), data.get("Records", [data])
                    if isinstance(data, dict) else data))
    return out


def organisation(r):
    bucket, prefix = "northwind-backups", "org/audit"
    files, objects = samples(r), []
    texts = {}
    for n, (name, events) in enumerate(files):
        indent = r.choice([None, None, 2])
        data = json.dumps({"Records": events}, indent=indent,
                          ensure_ascii=n % 2 == 0).encode()
        if n == 1:                      # other members beside
            data = b'{"x":{"Records":[1]}, "Records" : [ ] ,"y":"]}"}\n'
        key = "%s/AWSLogs/o-ab12cd34ef/345678901234/CloudTrail/eu-west-1/" \
            "2026/11/%02d/345678901234_CloudTrail_eu-west-1_202611%02dT0%d05" \
            "Z_%016x.json.gz" % (prefix, 1 + n % 20, 1 + n % 20, n % 10,
                                 r.getrandbits(64))
        texts[key] = gzip.compress(data)
        objects.append((bucket, key, texts[key], {"note": "n%d" % n}))
    # one event that cannot be read: the others of its log are not lost
    good = [e for e in shapes(r)[:2]]
    bad = '{"Records":[%s,{"eventID":1,"eventID":2},%s]}' % (
        json.dumps(good[0]), json.dumps(good[1]))
    key = key.replace("/eu-west-1/", "/us-west-2/")
    texts[key] = gzip.compress(bad.encode())
    objects.append((bucket, key, texts[key], {}))
    load(objects)
    sim("faults", [{"service": "s3", "operation": "ListObjectsV2", "do":
                    "throttle", "every": 3},
                   {"service": "s3", "operation": "GetObject", "do":
                    "throttle", "every": 5}])
    lines, index, top = collect("organisation", [
        {"id": "logs", "do": "cloudtrail.logs", "with": {
            "bucket": bucket, "prefix": prefix, "start":
            "2024-01-01T00:00:00Z", "end": "2026-11-24T00:00:00Z"}}])
    fired = sim("faults")["fired"]
    sim("faults", method="DELETE")
    events = [e for _, one in files for e in one] + good
    check(same(index["logs"], events), "%d events of %d logs in the index, "
          "nothing lost" % (len(events), len(objects)), (
              len(index["logs"]), len(events)))
    got, kept = {}, {}
    for x, data in bundle_objects.objects(lines, top):
        got[x["origin"]["key"]] = data
        kept[x["origin"]["key"]] = (
            x["origin"].get("metadata", {}).get("note"),
            x["origin"]["etag"].strip('"'), bool(x["origin"].get(
                "version_id")))
    check(got == texts, "each object byte for byte")
    check(kept == {k: (m.get("note"), hashlib.md5(d).hexdigest(), True)
                   for _, k, d, m in objects},
          "with metadata, ETag and version", list(kept.items())[:2])
    gaps = [x for x in lines if x["type"] == "gap"]
    check(len(gaps) == 1 and "1 of 3" in gaps[0]["detail"] and
          "exhibit" in gaps[0], "the one bad event is a gap of its log", gaps)
    check(len(fired) > 3, "S3 throttled %d times; the listing finished" %
          len(fired))


# ---- the incident -------------------------------------------------------------------

def strings(x):
    if isinstance(x, str):
        yield x
    for v in x.values() if isinstance(x, dict) else \
            x if isinstance(x, list) else ():
        yield from strings(v)


def filters(incident, delivered):
    made = {x["kind"]: x["id"] for x in incident.truth["created"]}
    one = incident.truth["events"][5]
    middle = key_incident.iso(incident.start + 11 * key_incident.HOUR)

    def about(e, what):
        return any(what == s for k in ("resources", "requestParameters",
                                       "responseElements")
                   for s in strings(e.get(k)))

    def by(e, who):
        u = e["userIdentity"]
        issuer = u.get("sessionContext", {}).get("sessionIssuer", {})
        return who in [u.get(k) for k in ("arn", "principalId", "userName")] \
            + [issuer.get(k) for k in ("arn", "principalId", "userName")]
    cases = {
        "by_key": ({"access_key": incident.key}, lambda e:
                   e["userIdentity"].get("accessKeyId") == incident.key),
        "by_role": ({"principal": ["ops-admin"]}, lambda e: by(
            e, "ops-admin")),
        "by_address": ({"address": one["address"]}, lambda e:
                       e["sourceIPAddress"] == one["address"]),
        "by_name": ({"event_name": ["AssumeRole", "CreateUser"]}, lambda e:
                    e["eventName"] in ("AssumeRole", "CreateUser")),
        "by_thing": ({"resource": made["user"]}, lambda e: about(
            e, made["user"])),
        "by_time": ({"end": middle}, lambda e: e["eventTime"] <= middle),
        "by_place": ({"log_regions": ["us-east-1"], "accounts":
                      [incident.accounts[1]]}, lambda e:
                     e["awsRegion"] == "us-east-1" and e[
                         "recipientAccountId"] == incident.accounts[1]),
    }
    window = {"start": key_incident.iso(incident.start),
              "end": key_incident.iso(incident.end)}
    # each reads all objects again: few of them are enough
    steps = [{"id": k, "do": "cloudtrail.logs", "with": dict(window, **w)}
             for k, (w, _) in cases.items()]
    steps.insert(0, {"id": "all", "do": "cloudtrail.logs", "with": window})
    steps.append({"id": "proof", "do": "cloudtrail.digests",
                  "with": dict(window, logs="none")})
    lines, index, _ = collect("incident", steps)
    check(same(index["all"], delivered), "all %d events as delivered, late "
          "and twice" % len(delivered), len(index["all"]))
    every = {(r["eventID"], r["recipientAccountId"])
             for _, _, r in incident.events()}
    check({(x["event_id"], x["account"]) for x in index["all"]} == every,
          "%d different events, none lost" % len(every))
    for name, (_, keep) in cases.items():
        want = [e for e in delivered if keep(e)]
        check(want and same(index[name], want), "%s: %d events" % (
            name, len(want)), len(index[name]))
    check(not [x for x in lines if x["type"] == "gap"], "no gap",
          [x for x in lines if x["type"] == "gap"][:3])
    v = subprocess.run([CART, "verify", "incident-b01.tar", "--json"],
                       stdout=subprocess.PIPE, check=False)
    v = json.loads(v.stdout)
    digests = sum("CloudTrail-Digest" in k for k in incident.keys_of)
    logs = len(incident.keys_of) - digests
    check(v["consistent"]["invalid"] == v["consistent"]["cannot-tell"] == 0 and
          v["consistent"]["valid"] >= digests + logs, "verify: %s of %d digests "
          "and %d logs" % (v["consistent"], digests, logs))


def interrupted(incident, delivered):
    """Killed when a first set of objects is durable, then resumed: those are
    not fetched again, and all that the index says of them is there."""
    with open("killed.json", "w", encoding="utf-8") as f:
        json.dump({"crashcart": 1, "name": "killed", "title": "k", "steps": [
            {"id": "all", "do": "cloudtrail.logs", "with": {
                "start": key_incident.iso(incident.start),
                "end": key_incident.iso(incident.end)}}]}, f)

    def fetched():
        return [x for x in sim("log?service=s3&operation=GetObject")
                if x["status"] == 200]

    before = len(fetched())
    sim("faults", [{"service": "s3", "operation": "GetObject", "do": "delay",
                    "seconds": 3}])
    p = subprocess.Popen([CART, "collect", "./killed.json", "--case", "K",
                          "--out", "K"], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    while p.poll() is None and b"cloudtrail-objects" not in (
            read_all("K/K-b01.tar")):
        time.sleep(0.2)
    p.kill()
    p.wait()
    sim("faults", method="DELETE")
    first = len(fetched()) - before
    done = subprocess.run([CART, "resume", "K"], capture_output=True,
                          text=True, check=False)
    check(done.returncode in (0, 3), "resumed", done.stderr[-800:])
    again = len(fetched()) - before - first
    subprocess.run(["tar", "xf", "K/K-b01.tar"], check=True)
    lines = []
    for part in sorted(glob.glob("K-b01/log/*")):
        with open(part, encoding="utf-8") as f:
            lines += [json.loads(x) for x in f]
    kept = [x["origin"]["key"] for x, _ in
            bundle_objects.objects(lines, "K-b01/")]
    logs = [k for k in incident.keys_of if "_CloudTrail_" in k]
    check(sorted(kept) == sorted(logs), "every log once after a kill",
          (len(kept), len(logs)))
    check(again < len(logs) and again + 24 <= len(logs),
          "%d fetched, killed, %d more of %d" % (first, again, len(logs)))
    index = b"".join(subprocess.run(
        ["zstd", "-dcq", "K-b01/" + x["path"]], check=True,
        stdout=subprocess.PIPE).stdout for x in lines
        if x["type"] == "part" and x["encoding"] == "zstd")
    for x in lines:
        if x["type"] == "exhibit" and "log-index" in x.get("path", ""):
            with open("K-b01/" + x["path"], "rb") as f:
                index += f.read()
    check({json.loads(e)["event_id"] for e in index.splitlines()} ==
          {e["eventID"] for e in delivered}, "and the index has every event")
    v = subprocess.run([CART, "verify", "K"], stdout=subprocess.DEVNULL,
                       check=False)
    check(v.returncode == 5, "verifies")


def read_all(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def main():
    a = argparse.ArgumentParser()
    key_incident.arguments(a)
    a.set_defaults(days=1, regions=2, per_day=240)
    args = a.parse_args()
    print("seed %d" % args.seed)
    organisation(random.Random(args.seed))
    incident = key_incident.made_by(args)
    incident.load(URL, os.environ["SIM_STATE"])
    delivered, incident.keys_of = [], []
    for _, key, data, _ in incident.objects():
        incident.keys_of.append(key)
        if "_CloudTrail_" in key:
            delivered += json.loads(gzip.decompress(data))["Records"]
    filters(incident, delivered)
    interrupted(incident, delivered)
    return 1 if wrong else 0


sys.exit(main())
