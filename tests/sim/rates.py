# SPDX-License-Identifier: Apache-2.0
"""The account counts: no published limit is passed in any window of time, and
LookupEvents runs close to what its limit allows."""
import datetime
import json
import os
import subprocess
import sys

from checks import check, ended, sim

ENV = os.environ


# (service, operation prefix, calls a second, bucket): AWS's own where it says
# them (CloudTrail quotas; EC2 API throttling, whose bucket holds 100), else
# what the collector promises at most
LIMITS = [("cloudtrail", "LookupEvents", 2, 2),
          ("cloudtrail", "Describe", 10, 10), ("cloudtrail", "Get", 10, 10),
          ("cloudtrail", "List", 10, 10),
          ("ec2", "Describe", 20, 100), ("ec2", "Get", 20, 100),
          ("iam", "", 20, 20), ("organizations", "", 8, 10)]
MANIFEST = {"crashcart": 1, "name": "rates", "title": "rates", "steps": [
    {"id": "events", "do": "cloudtrail.events", "regions": "all"},
    {"id": "iam", "do": "iam.state"},
    {"id": "accounts", "do": "aws.call",
     "with": {"call": "organizations:ListAccounts"}},
    {"id": "instances", "do": "aws.call",
     "with": {"call": "ec2:DescribeInstances"},
     "keep": {"ids": ".Reservations[].Instances[].InstanceId"}},
    {"id": "status", "do": "aws.call", "for_each": "${instances.ids}",
     "with": {"call": "ec2:DescribeInstanceStatus",
              "input": {"InstanceIds": ["${item}"]}}},
    {"id": "console", "do": "aws.call", "for_each": "${instances.ids}",
     "with": {"call": "ec2:GetConsoleOutput",
              "input": {"InstanceId": "${item}"}}},
    {"id": "attribute", "do": "aws.call", "for_each": "${instances.ids}",
     "secrets": "allow",
     "with": {"call": "ec2:DescribeInstanceAttribute",
              "input": {"InstanceId": "${item}", "Attribute": "userData"}}},
    {"id": "trails", "do": "aws.call", "regions": "all",
     "with": {"call": "cloudtrail:DescribeTrails"}}]}


def main():
    with open("rates.json", "w", encoding="utf-8") as f:
        json.dump(MANIFEST, f)
    r = subprocess.run(
        [ENV["CRASHCART"], "collect", "./rates.json", "--json", "--case",
         "R", "--out", "rates"], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=600)
    # 3: there is no credential report, and none may be made here
    check("collected", r.returncode in (0, 3) and "events: ok" in r.stderr,
          (r.returncode, r.stderr[-500:]))
    times = {}
    throttled = 0
    for x in sim("log"):
        if x["service"] == "imds":
            continue
        throttled += x["error"] in ("ThrottlingException", "Throttling",
                                    "RequestLimitExceeded")
        for s, prefix, rate, bucket in LIMITS:
            if x["service"] == s and x["operation"].startswith(prefix):
                t = datetime.datetime.fromisoformat(
                    x["time"].replace("Z", "+00:00")).timestamp()
                times.setdefault((s, prefix, x["region"], rate, bucket),
                                 []).append(t)
                break
    check("the account never had to throttle", throttled == 0, throttled)
    for (s, prefix, region, rate, bucket), ts in sorted(times.items()):
        ts.sort()
        over = None
        # every window that begins and ends with a call; the clock of the
        # log has milliseconds, and a call's way takes some
        for i in range(len(ts)):
            for j in range(i, len(ts)):
                n, span = j - i + 1, ts[j] - ts[i] + 0.05
                if n > bucket + rate * span:
                    over = (n, span)
        check("%s:%s* in %s" % (s, prefix, region), over is None, over)
        if region == "us-east-1":
            print("%-28s %4d calls in %5.1f s" % (
                s + ":" + prefix + "*", len(ts), ts[-1] - ts[0]))
    for k, ts in times.items():
        if k[:3] == ("cloudtrail", "LookupEvents", "us-east-1"):
            rate = (len(ts) - 1) / (ts[-1] - ts[0])
            print("LookupEvents: %d pages, %.2f a second of 2" % (len(ts),
                                                                  rate))
            check("enough pages to measure", len(ts) > 20, len(ts))
            check("LookupEvents at 95 % of its limit", 1.8 <= rate <= 2.0,
                  rate)
    return ended()


if __name__ == "__main__":
    sys.exit(main())
