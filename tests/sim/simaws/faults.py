# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: which call goes wrong, how, and how often.

A rule is a dictionary:
  do         throttle | hang | delay | reset | close | cut | stall | slow |
             error | deny | expired | skew | refuse | garbage | empty
  service, operation, region, key    patterns (fnmatch), default "*";
             the metadata service is "imds", its operations are paths
  skip       let the first N matching calls pass (default 0)
  times      then spoil this many (default: all)
  every      spoil only every N-th matching call
  percent    spoil this share, drawn from the seed
  per_second let so many calls a second pass, for each service and region,
             and spoil those above: somebody else uses up the quota
  after      true: the call is carried out first, its answer is lost or
             spoiled (always so for cut, stall, slow, garbage, empty, delay;
             reset, close and hang may set it)
  seconds, rate, fraction, code, message, status   details
"""
import fnmatch
import json
import os
import random
import time

from .errors import AwsError

AFTER = ("cut", "stall", "slow", "garbage", "empty", "delay")
KINDS = AFTER + ("throttle", "hang", "reset", "close", "error",
                 "deny", "expired", "skew", "refuse")


class Faults:
    def __init__(self, path, seed):
        self.path = path
        self.mtime = None
        self.rules = []
        self.random = random.Random("faults-%s" % seed)
        self.fired = []

    def set(self, rules):
        if isinstance(rules, dict):
            rules = rules.get("rules", [rules])
        for r in rules:
            if r.get("do") not in KINDS:
                raise ValueError("a rule needs \"do\", one of " +
                                 ", ".join(sorted(KINDS)))
        self.rules = [dict(r, _seen=0, _done=0) for r in rules]

    def reload(self):
        try:
            m = os.stat(self.path).st_mtime_ns
        except OSError:
            m = None
        if m == self.mtime:
            return
        self.mtime = m
        if m is None:
            self.rules = []
            return
        try:
            with open(self.path, encoding="utf-8") as f:
                self.set(json.load(f))
        except (OSError, ValueError):
            pass            # half-written: the next request reads it again

    @staticmethod
    def within(rule, service, region):
        """A token bucket that holds one second's worth."""
        rate = float(rule["per_second"])
        buckets = rule.setdefault("_buckets", {})
        k = "%s/%s" % (service, region)
        t = time.monotonic()
        level, last = buckets.get(k, (rate, t))
        level = min(max(rate, 1.0), level + (t - last) * rate)
        buckets[k] = (level - 1.0 if level >= 1.0 else level, t)
        return level >= 1.0

    def match(self, service, operation, region, key_id=""):
        """The rules that spoil this call, in order."""
        self.reload()
        hits = []
        for r in self.rules:
            if not (fnmatch.fnmatchcase(service, r.get("service", "*")) and
                    fnmatch.fnmatchcase(operation, r.get("operation", "*"))
                    and fnmatch.fnmatchcase(region, r.get("region", "*")) and
                    fnmatch.fnmatchcase(key_id, r.get("key", "*"))):
                continue
            r["_seen"] += 1
            n = r["_seen"] - r.get("skip", 0)
            if n <= 0:
                continue
            if r.get("every") and n % r["every"]:
                continue
            if "percent" in r and self.random.random() * 100 >= r["percent"]:
                continue
            if r.get("times") and r["_done"] >= r["times"]:
                continue
            if r.get("per_second") and self.within(r, service, region):
                continue
            r["_done"] += 1
            self.fired.append({"do": r["do"], "service": service,
                               "operation": operation, "region": region})
            hits.append(r)
        return hits


def throttle_error(protocol, service):
    if service == "ec2":
        return AwsError("RequestLimitExceeded", "Request limit exceeded.",
                        503)
    if service == "s3":
        return AwsError("SlowDown", "Please reduce your request rate.", 503)
    if service == "ebs":
        return AwsError("RequestThrottledException",
                        "Your request was throttled.", 400,
                        Reason="ACCOUNT_THROTTLED")
    if service == "lambda":
        return AwsError("TooManyRequestsException", "Rate exceeded", 429,
                        coral=True)
    if service == "organizations":
        return AwsError("TooManyRequestsException", "AWS Organizations can't "
                        "complete your request because another request is "
                        "already in progress. Try again later.", 400)
    if protocol == "query":
        return AwsError("Throttling", "Rate exceeded", 400)
    return AwsError("ThrottlingException", "Rate exceeded", 400)


def broken(res, rule):
    """Apply a delivery fault to a Response."""
    do = rule["do"]
    if do in ("hang", "delay"):
        res.hang = float(rule.get("seconds", 3600 if do == "hang" else 2))
    elif do == "reset":
        res.reset = True
    elif do == "close":
        res.close = True
    elif do in ("cut", "stall"):
        res.cut = float(rule.get("fraction", 0.5))
        if do == "stall":
            res.stall = float(rule.get("seconds", 3600))
    elif do == "slow":
        res.slow = float(rule.get("rate", 64))
    elif do == "garbage":
        # no protocol's parser may take this for an answer
        res.body = b"\x00<?xml {\"not\": [closed" + res.body[:16]
    elif do == "empty":
        res.body = b""
    return res
