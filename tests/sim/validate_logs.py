# SPDX-License-Identifier: Apache-2.0
"""Each tampering of test_cloudtrail_digests.py: what the AWS CLI's validate-
logs says of every object beside what we say.  They agree, or WHY knows why
not; a reason that no longer holds is a failure too."""
import copy
import json
import os
import random
import subprocess
import sys

import cloudtrail_set
import test_cloudtrail_digests as digests

FIRST = "the CLI reads the first gzip member of a digest and no further"
LINK = "the CLI does not compare a digest with what its successor says of it"
GONE = "the CLI calls invalid what is not there; we cannot tell"
WHY = {
    "delete_log": GONE, "delete_digest": GONE, "unreadable_digest": GONE,
    "delete_two": GONE + "; the second of two in a row it does not miss",
    "log_cut": "the CLI does not miss the end of a gzip stream",
    "digest_trailing": FIRST, "digest_member": FIRST,
    "duplicate_key": "the CLI takes the last of two equal JSON keys",
    "unknown_hash": "the CLI takes every hash for SHA-256",
    "algorithm": "the CLI does not read signature-algorithm",
    "resigned": LINK, "resigned_same_bytes": LINK, "wrong_previous_hash": LINK,
    "foreign_key": "the CLI calls invalid what no known key signed",
    "no keys": "the CLI ends when it has no key at all",
    "one key missing": "the CLI calls invalid what no known key signed",
    "fingerprint of another key": "the CLI calls invalid what no known key "
                                  "signed",
    "bytes of another key": "the CLI believes the fingerprint of a key",
    "oldest gone": GONE,
}


def run(command, cases):
    p = subprocess.run(command, input="".join(json.dumps(c) + "\n" for c in
                                              cases), check=True, text=True,
                       stdout=subprocess.PIPE)
    return [json.loads(x) for x in p.stdout.splitlines()]


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom(
        ).randrange(10 ** 6)
    print("seed %d" % seed)
    r = random.Random(seed)
    digests.foreign_key.key = cloudtrail_set.Key(digests.START, digests.START)
    clean = cloudtrail_set.Set(seed, digests.START, digests.HOURS, events=2)
    cases = [(name, case) for name, case, _, _ in digests.whole(clean)
             if not name.startswith("backfill")]
    for tamper in digests.TAMPERINGS:
        s = copy.copy(clean)
        s.objects = copy.deepcopy(clean.objects)
        s.docs = copy.deepcopy(clean.docs)
        tamper(s, r.randrange(2, digests.HOURS - 4), r)
        cases.append((tamper.__name__, digests.case(s)))
    ours = run([os.path.join(os.environ["DRIVERS"], "attest_driver")],
               [c for _, c in cases])
    theirs = run([os.environ["CLI_PYTHON"], "-B", os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "validate_cli.py")],
        [c for _, c in cases])
    wrong = 0
    for (name, _), a, b in zip(cases, ours, theirs, strict=True):
        a = {f["key"]: (f["verdict"], f["reason"]) for f in a if "verdict" in f}
        lines = []
        for key in sorted(set(a) | set(b["said"])):
            mine, why = a.get(key, ("not named", ""))
            other = b["said"].get(key, "not named")
            # logs of a digest that is not valid are nobody's
            if "_CloudTrail_" in key and mine == "cannot tell" and \
                    other == "not named":
                continue
            if (mine, other) == ("valid", "valid") or (
                    mine == "invalid" and other.startswith("INVALID")):
                continue
            lines.append("    %s: %s (%s); AWS CLI: %s" % (
                key.rsplit("/", 1)[1], mine, why, other))
        differs = bool(lines) or b["failed"] is not None
        print("%s: %s" % (name, "agree" if not differs else WHY.get(
            name, "DIFFER, AND NOBODY KNOWS WHY")))
        if differs:
            print("\n".join(lines[:3]), b["failed"] or "")
        if differs != (name in WHY):
            wrong += 1
            print("    WRONG: %s" % ("no difference" if name in WHY else
                                     "unexplained"))
    print("%d cases, %d wrong" % (len(cases), wrong))
    return 1 if wrong else 0


sys.exit(main())
