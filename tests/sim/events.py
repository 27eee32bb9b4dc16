# SPDX-License-Identifier: Apache-2.0
"""cloudtrail.events against the raw history of the simulated account: each
lookup attribute gives just its events, each once; a run that is killed goes on
at the slice; events that come late are asked for again."""
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

URL = os.environ["AWS_ENDPOINT_URL"]
CART = os.environ["CRASHCART"]
wrong = []


def check(ok, what, more=""):
    print("%s %s" % ("ok  " if ok else "FAIL", what))
    if not ok:
        wrong.append(what)
        print("     %s" % str(more)[:1500])


def sim(path, body=None):
    r = urllib.request.Request(URL + "/_sim/" + path, body and json.dumps(
        body).encode())
    with urllib.request.urlopen(r, timeout=60) as answer:
        return json.load(answer)


def manifest(name, steps):
    with open(name + ".json", "w", encoding="utf-8") as f:
        json.dump({"crashcart": 1, "name": name, "title": name,
                   "steps": steps}, f)
    return "./%s.json" % name


def read(folder):
    """The log, and {step: [[event ids of an exhibit]]}."""
    name = os.path.basename(folder) + "-b01"
    subprocess.run(["tar", "xf", "%s/%s.tar" % (folder, name)], check=True)
    lines, out = [], {}
    for part in sorted(os.listdir(name + "/log")):
        with open("%s/log/%s" % (name, part), encoding="utf-8") as f:
            lines += [json.loads(x) for x in f]
    for x in lines:
        if x["type"] != "exhibit" or "cloudtrail-events" not in x["name"] + \
                x["origin"].get("kind", ""):
            continue
        if "path" in x:
            with open(name + "/" + x["path"], "rb") as f:
                data = f.read()
        else:
            data = b"".join(subprocess.run(
                ["zstd", "-dcq", "%s/data/%s/%08d.zst" % (
                    name, x["exhibit"], n + 1)], check=True,
                stdout=subprocess.PIPE).stdout for n in range(x["parts"]))
        out.setdefault(x["step"], []).append(
            [json.loads(e)["eventID"] for e in data.splitlines()])
    shutil.rmtree(name)
    return lines, out


def history(keep):
    """Of the incident: our own calls are not to be seen yet."""
    return sorted(e["EventId"] for e in sim("events?region=us-east-1")
                  if keep(e) and json.loads(e["CloudTrailEvent"])[
                      "sourceIPAddress"] != "127.0.0.1")


def attributes():
    events = sim("events?region=us-east-1")
    some = next(e for e in events if e["EventName"] == "CreateAccessKey")
    kind = some["Resources"][0]
    cases = {"AccessKeyId": some["AccessKeyId"], "EventId": some["EventId"],
             "EventName": "DescribeInstances",
             "EventSource": some["EventSource"], "ReadOnly": "false",
             "ResourceName": kind["ResourceName"],
             "ResourceType": kind["ResourceType"],
             "Username": some["Username"]}
    steps = [{"id": k.lower(), "do": "cloudtrail.events",
              "regions": ["us-east-1"], "with": {k: v, "start": "-80d"}}
             for k, v in cases.items()]
    steps.append({"id": "old", "do": "cloudtrail.events", "regions":
                  ["eu-west-3"], "with": {"start": "-100d", "end": "-85d"}})
    subprocess.run([CART, "collect", manifest("attributes", steps), "--case",
                    "A", "--out", "A"], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False)
    lines, got = read("A")
    for k, v in cases.items():
        want = history(lambda e, k=k, v=v: any(
            r[k] == v for r in e["Resources"]) if k.startswith("Resource")
            else e.get(k) == v)
        have = [x for one in got[k.lower()] for x in one]
        check(want and sorted(have) == want, "%s=%s: its %d events, each once" %
              (k, v, len(want)), (len(have), len(set(have))))
    gaps = [x for x in lines if x["type"] == "gap"]
    check([(x["step"], x["reason"]) for x in gaps] == [("old", "limit")],
          "what is older than 90 days is a gap", gaps)
    notes = " ".join(x["text"] for x in lines if x["type"] == "note")
    for text in ("no data events, no network", "reaches back 90 days",
                 "trail/management records", "asked for again"):
        check(text in notes, "said: %s" % text)


def late_event(number):
    """An event of a minute ago that the history did not show until now."""
    t = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(
        minutes=1)
    record = {"eventVersion": "1.11", "userIdentity": {
        "type": "IAMUser", "userName": "late", "accessKeyId": "AKIALATE",
        "arn": "arn:aws:iam::123456789012:user/late"}, "eventTime": t.strftime(
            "%Y-%m-%dT%H:%M:%SZ"), "eventSource": "iam.amazonaws.com",
        "eventName": "ListUsers", "awsRegion": "us-east-1", "readOnly": True,
        "eventID": "00000000-0000-4000-8000-%012d" % number}
    with open("late.ndjson", "w", encoding="ascii") as f:
        f.write(json.dumps({"account": "123456789012", "region": "us-east-1",
                            "record": record}) + "\n")
    sim("load", {"events": os.path.abspath("late.ndjson")})
    return record["eventID"]


def lookups():
    return [x for x in sim("log?service=cloudtrail&operation=LookupEvents")
            if x["status"] == 200]


def interrupted():
    """Killed after the first slices were kept, then resumed."""
    want = history(lambda e: True)
    path = manifest("all", [{"id": "all", "do": "cloudtrail.events",
                             "regions": ["us-east-1"],
                             "with": {"start": "-80d"}}])
    first = len(lookups())
    p = subprocess.Popen([CART, "collect", path, "--case", "K", "--out", "K"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while p.poll() is None and len(lookups()) - first < 27:
        time.sleep(0.2)
    p.send_signal(signal.SIGKILL)
    p.wait()
    asked = len(lookups()) - first
    late = late_event(1)
    done = subprocess.run([CART, "resume", "K"], capture_output=True,
                          text=True, check=False)
    check(done.returncode in (0, 3), "resumed", done.stderr[-800:])
    more = len(lookups()) - first - asked
    lines, got = read("K")
    have = [x for one in got["all"] for x in one]
    check(len(want) > 1250 and set(have) == set(want) | {late},
          "all %d events after the interruption, and the late one" %
          len(want), (len(have), len(set(have)), len(want)))
    # the last 15 minutes before the kill are asked again, and said to be
    check(len(have) - len(set(have)) < 5, "each event once",
          [x for x in set(have) if have.count(x) > 1])
    pages = (len(want) + 49) // 50
    check(more <= pages - 20 + 5, "%d calls before, %d after: the slice that "
          "was whole is not asked again (%d pages)" % (asked, more, pages))
    pieces = [x["origin"]["piece"] for x in lines if x["type"] == "exhibit" and
              "piece" in x["origin"]]
    check(len(pieces) >= 2, "slices: %s" % [(x["start"], x["end"])
                                            for x in pieces])
    v = subprocess.run([CART, "verify", "K"], stdout=subprocess.DEVNULL,
                       check=False)
    check(v.returncode == 5, "verifies")


def main():
    attributes()
    interrupted()
    return 1 if wrong else 0


sys.exit(main())
