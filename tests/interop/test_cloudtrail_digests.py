#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# usage: test_cloudtrail_digests.py [--seed N]
"""Every tampering of a set of CloudTrail digests and logs gets the right
verdict at the right object, and touches no other."""
import argparse
import base64
import copy
import datetime
import gzip
import itertools
import json
import os
import random
import subprocess
import sys

import cloudtrail_set

HOURS = 12
START = datetime.datetime(2026, 3, 1, 20, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)


def case(s, **kw):
    """What the driver is given."""
    digests = []
    for name in sorted((k for b, k in s.objects if "CloudTrail-Digest" in k),
                       reverse=True):
        data, meta = s.objects[(s.bucket, name)]
        digests.append({"bucket": s.bucket, "key": name, "object":
                        base64.b64encode(data).decode() if data is not None
                        else None, "signature": meta.get("signature"),
                        "algorithm": meta.get("signature-algorithm")})
    out = {"region": s.region, "start": cloudtrail_set.iso(START),
           "end": cloudtrail_set.iso(START + HOURS * HOUR),
           "now": cloudtrail_set.iso(START + (HOURS + 30) * HOUR),
           "keys": [s.answer()], "digests": digests,
           "logs": {"%s/%s" % (b, k): base64.b64encode(v[0]).decode()
                    for (b, k), v in s.objects.items()
                    if "_CloudTrail_" in k}}
    out.update(kw)
    return out


def summary(findings):
    """({key: verdict} of all that is not valid, gaps, verdict counts)."""
    bad = {f["key"]: (f["kind"], f["verdict"]) for f in findings
           if "verdict" in f and f["verdict"] != "valid"}
    gaps = [(f["start"], f["end"]) for f in findings if f["kind"] == "gap"]
    return bad, sorted(gaps)


# A tampering changes the set at digest number n (not the first, the last or
# the one before it) and says what must be found: {key: (kind, verdict)}, gaps.

def span(s, n, m=None):
    m = n + 1 if m is None else m
    return (cloudtrail_set.iso(START + n * HOUR),
            cloudtrail_set.iso(START + m * HOUR))


def flip_log(s, n, r):
    key = s.docs[s.digests[n]]["logFiles"][0]["s3Object"]
    data = bytearray(gzip.decompress(s.objects[(s.bucket, key)][0]))
    data[r.randrange(len(data))] ^= 1
    s.objects[(s.bucket, key)][0] = gzip.compress(bytes(data))
    return {key: ("log", "invalid")}, []


def delete_log(s, n, r):
    key = s.docs[s.digests[n]]["logFiles"][1]["s3Object"]
    del s.objects[(s.bucket, key)]
    return {key: ("log", "cannot tell")}, []


def log_trailing(s, n, r):
    key = s.docs[s.digests[n]]["logFiles"][0]["s3Object"]
    s.objects[(s.bucket, key)][0] += gzip.compress(b"more")
    return {key: ("log", "invalid")}, []


def log_cut(s, n, r):
    key = s.docs[s.digests[n]]["logFiles"][0]["s3Object"]
    s.objects[(s.bucket, key)][0] = s.objects[(s.bucket, key)][0][:-5]
    return {key: ("log", "invalid")}, []


def swap_logs(s, n, r):
    a, b = (f["s3Object"] for f in s.docs[s.digests[n]]["logFiles"])
    o = s.objects
    o[(s.bucket, a)], o[(s.bucket, b)] = o[(s.bucket, b)], o[(s.bucket, a)]
    return {a: ("log", "invalid"), b: ("log", "invalid")}, []


def bad_digest(s, n):
    return {s.digests[n]: ("digest", "invalid")}, [span(s, n)]


def edit_digest(s, n, r):
    """A log is taken out of the list, the old signature stays."""
    name = s.digests[n]
    doc = copy.deepcopy(s.docs[name])
    doc["logFiles"].pop()
    s.objects[(s.bucket, name)][0] = gzip.compress(json.dumps(doc).encode())
    return bad_digest(s, n)


def digest_space(s, n, r):
    name = s.digests[n]
    o = s.objects[(s.bucket, name)]
    o[0] = gzip.compress(gzip.decompress(o[0]) + b" ")
    return bad_digest(s, n)


def digest_trailing(s, n, r):
    s.objects[(s.bucket, s.digests[n])][0] += b"\0"
    return bad_digest(s, n)


def digest_member(s, n, r):
    s.objects[(s.bucket, s.digests[n])][0] += gzip.compress(b"")
    return bad_digest(s, n)


def digest_cut(s, n, r):
    o = s.objects[(s.bucket, s.digests[n])]
    o[0] = o[0][:-9]
    return bad_digest(s, n)


def duplicate_key(s, n, r):
    """Well signed, and its successors name it: only the key stands twice."""
    name = s.digests[n]
    text = json.dumps(s.docs[name])
    s.sign(name, text=(text[:-1] + ', "logFiles": []}').encode())
    s.chain_on(name)
    return bad_digest(s, n)


def signature_flip(s, n, r):
    m = s.objects[(s.bucket, s.digests[n])][1]
    i = r.randrange(len(m["signature"]))
    c = "%x" % (int(m["signature"][i], 16) ^ 1)
    m["signature"] = m["signature"][:i] + c + m["signature"][i + 1:]
    return bad_digest(s, n)


def signature_gone(s, n, r):
    s.objects[(s.bucket, s.digests[n])][1].pop("signature")
    return bad_digest(s, n)


def algorithm(s, n, r):
    s.objects[(s.bucket, s.digests[n])][1]["signature-algorithm"] = "none"
    return bad_digest(s, n)


def delete_digest(s, n, r):
    name = s.digests[n]
    del s.objects[(s.bucket, name)]
    return {name: ("missing", "cannot tell")}, [span(s, n)]


def delete_two(s, n, r):
    """Two in a row: only the younger one is named by a digest that is there."""
    a, b = s.digests[n], s.digests[n + 1]
    del s.objects[(s.bucket, a)], s.objects[(s.bucket, b)]
    return {b: ("missing", "cannot tell")}, [span(s, n, n + 2)]


def unreadable_digest(s, n, r):
    name = s.digests[n]
    s.objects[(s.bucket, name)][0] = None
    return {name: ("digest", "cannot tell")}, [span(s, n)]


def swap_digests(s, n, r):
    """Two neighbours change places, each with its signature."""
    a, b = s.digests[n], s.digests[n + 1]
    o = s.objects
    o[(s.bucket, a)], o[(s.bucket, b)] = o[(s.bucket, b)], o[(s.bucket, a)]
    return {a: ("digest", "invalid"), b: ("digest", "invalid")}, \
        [span(s, n, n + 2)]


def replay_digest(s, n, r):
    """An older digest, with its signature, in the place of this one."""
    s.objects[(s.bucket, s.digests[n])] = copy.deepcopy(
        s.objects[(s.bucket, s.digests[n - 1])])
    return bad_digest(s, n)


def resigned(s, n, r):
    """Another list of logs, well signed: only the successor shows it."""
    name = s.digests[n]
    s.docs[name]["logFiles"].pop()
    s.sign(name)
    return bad_digest(s, n)


def resigned_same_bytes(s, n, r):
    """The same bytes, another signature (of another previous one): only
    previousDigestSignature shows it.  RSA PKCS#1 v1.5 has one signature for
    a text, so the text must differ: it does in the previous signature."""
    name = s.digests[n]
    data = gzip.decompress(s.objects[(s.bucket, name)][0])
    succ = s.digests[n + 1]
    s.docs[succ]["previousDigestSignature"] = s.docs[name][
        "previousDigestSignature"]
    s.sign(succ)
    assert gzip.decompress(s.objects[(s.bucket, name)][0]) == data
    s.chain_on(succ)
    return bad_digest(s, n)


def wrong_previous_hash(s, n, r):
    """The successor, well signed, names another hash, but the signature."""
    succ = s.digests[n + 1]
    s.docs[succ]["previousDigestHashValue"] = "0" * 64
    s.sign(succ)
    s.chain_on(succ)
    return bad_digest(s, n)


def unknown_hash(s, n, r):
    """A well signed digest that gives another kind of hash for a log."""
    name = s.digests[n]
    entry = s.docs[name]["logFiles"][0]
    entry["hashAlgorithm"] = "SHA-1"
    s.sign(name)
    s.chain_on(name)
    return {entry["s3Object"]: ("log", "cannot tell")}, []


def foreign_key(s, n, r):
    """Signed by a key that AWS never answered."""
    name = s.digests[n]
    k = foreign_key.key
    s.docs[name]["digestPublicKeyFingerprint"] = k.fingerprint
    s.sign(name, k)
    return {name: ("digest", "cannot tell")}, [span(s, n)]


def foreign_signature(s, n, r):
    s.sign(s.digests[n], foreign_key.key)
    return bad_digest(s, n)


def wrong_bucket(s, n, r):
    name = s.digests[n]
    s.docs[name]["digestS3Bucket"] = "elsewhere"
    s.sign(name)
    s.chain_on(name)
    return bad_digest(s, n)


def no_field(s, n, r):
    name = s.digests[n]
    del s.docs[name]["previousDigestSignature"]
    text = json.dumps(s.docs[name])
    s.docs[name]["previousDigestSignature"] = None
    s.sign(name, text=text.encode())
    s.chain_on(name)
    return bad_digest(s, n)


def null_previous(s, n, r):
    """A well signed chain that begins anew without missing time."""
    name = s.digests[n]
    s.point(name, None)
    s.sign(name)
    s.chain_on(name)
    return {}, [span(s, n, n)]


def later_start(s, n, r):
    """A well signed digest that leaves out half an hour."""
    name = s.digests[n]
    half = START + n * HOUR + HOUR / 2
    s.docs[name]["digestStartTime"] = cloudtrail_set.iso(half)
    s.sign(name)
    s.chain_on(name)
    return {}, [(span(s, n)[0], cloudtrail_set.iso(half))]


TAMPERINGS = [flip_log, delete_log, log_trailing, log_cut, swap_logs,
              edit_digest, digest_space, digest_trailing, digest_member,
              digest_cut, duplicate_key, signature_flip, signature_gone,
              algorithm, delete_digest, delete_two, unreadable_digest,
              swap_digests, replay_digest, resigned, resigned_same_bytes,
              wrong_previous_hash, unknown_hash, foreign_key,
              foreign_signature, wrong_bucket, no_field, null_previous,
              later_start]


def whole(s):
    """Cases of the set as a whole: (name, case, bad, gaps)."""
    yield "untouched", case(s), {}, []
    every = {d: ("digest", "cannot tell") for d in s.digests}
    first = {d: every[d] for d in s.digests[:HOURS // 2]}
    yield "no keys", case(s, keys=[]), every, [span(s, 0, HOURS)]
    a = s.answer()
    a["PublicKeyList"] = a["PublicKeyList"][1:]
    yield "one key missing", case(s, keys=[a]), first, \
        [span(s, 0, HOURS // 2)]
    a = s.answer()
    a["PublicKeyList"][0]["Fingerprint"] = a["PublicKeyList"][1][
        "Fingerprint"]
    yield "fingerprint of another key", case(s, keys=[a]), first, \
        [span(s, 0, HOURS // 2)]
    a = s.answer()
    a["PublicKeyList"][0]["Value"] = a["PublicKeyList"][1]["Value"]
    yield "bytes of another key", case(s, keys=[a]), first, \
        [span(s, 0, HOURS // 2)]
    t = case(s)
    t["digests"] = t["digests"][:-2]
    yield "oldest gone", t, {s.digests[1]: ("missing", "cannot tell")}, \
        [span(s, 0, 2)]
    t = case(s)
    t["digests"] = t["digests"][2:]
    yield "newest gone", t, {}, [span(s, HOURS - 2, HOURS)]
    t = case(s, now=cloudtrail_set.iso(START + HOURS * HOUR + HOUR / 2),
             end=cloudtrail_set.iso(START + HOURS * HOUR + HOUR / 2))
    yield "last hour pending", t, {}, []
    t = case(s, backfill=True)
    yield "backfill without the time it was made", t, {
        d: ("digest", "invalid") for d in s.digests}, []
    t = case(s, backfill=True)
    for d in t["digests"]:
        d["backfill_time"] = cloudtrail_set.iso(START)
    yield "backfill", t, {}, []
    yield "nothing", case(s, digests=[]), {}, [span(s, 0, HOURS)]


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--seed", type=int,
                   default=random.SystemRandom().randrange(10 ** 6))
    # all of them, where that takes seconds
    a.add_argument("--pairs", type=int, default=60 if os.environ.get(
        "FLAVOUR") == "asan" else 10 ** 6)
    args = a.parse_args()
    print("seed %d" % args.seed)
    r = random.Random(args.seed)
    t = START
    foreign_key.key = cloudtrail_set.Key(t, t)
    clean = cloudtrail_set.Set(args.seed, START, HOURS)

    def fresh():
        s = copy.copy(clean)
        s.objects, s.docs = copy.deepcopy(clean.objects), copy.deepcopy(
            clean.docs)
        return s

    cases = list(whole(clean))
    for tamper in TAMPERINGS:
        s = fresh()
        # not next to the change of keys: digest_space and such say nothing
        # of it, and neighbours are checked by the pairs
        bad, gaps = tamper(s, r.randrange(2, HOURS - 3), r)
        cases.append((tamper.__name__, case(s), bad, gaps))
    pairs = list(itertools.product(TAMPERINGS, TAMPERINGS))
    for one, two in r.sample(pairs, min(args.pairs, len(pairs))):
        s = fresh()
        # the later place first would sign over what the other did
        bad, gaps = one(s, 2, r)
        bad2, gaps2 = two(s, 7, r)
        bad.update(bad2)
        cases.append(("%s + %s" % (one.__name__, two.__name__), case(s), bad,
                      sorted(gaps + gaps2)))
    driver = os.path.join(os.environ["DRIVERS"], "attest_driver")
    p = subprocess.run([driver], input="".join(
        json.dumps(c[1]) + "\n" for c in cases), stdout=subprocess.PIPE,
        check=True, text=True)
    wrong = 0
    for (name, _, bad, gaps), line in zip(cases, p.stdout.splitlines(),
                                          strict=True):
        findings = json.loads(line)
        got = summary(findings)
        pending = [f for f in findings if f["kind"] == "pending"]
        if got != (bad, sorted(gaps)) or (name == "last hour pending") != \
                bool(pending):
            wrong += 1
            print("%s:\n  expected %s\n  found    %s" % (
                name, (bad, sorted(gaps)), got))
            print("  reasons  %s" % [f["reason"] for f in findings
                                     if f["reason"]])
    print("%d cases, %d wrong" % (len(cases), wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
