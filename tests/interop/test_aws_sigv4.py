#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our SigV4 signer against botocore's, over random requests.

usage: test_aws_sigv4.py [COUNT [SEED]]

Finds aws_call_driver in $DRIVERS.  Exit status 0 if all are equal.
"""
import datetime
import hashlib
import os
import random
import subprocess
import sys
from urllib.parse import quote

import botocore.auth
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]
ATOMS = ["a", "B", "7", " ", "+", "=", "%", "/", "//", ".", "..", "~", "-", "_",
         "*", "(", ")", "!", "'", ",", ";", ":", "@", "&", "$", "?", "#", "[",
         "é", "ß", "日本", "\U0001f600", "\u00a0", "\"", "<", "|", "\\", "^",
         "`", "{", "\x7f", "\x01"]
NAMES = ["X-Amz-Target", "Content-Type", "Range", "x-amz-meta-a",
         "X-Amz-Meta-A-b", "X-Amz-User-Agent", "User-Agent", "Expect",
         "Content-MD5", "x-amz-acl", "If-None-Match", "Accept"]


def text(rng, most):
    return "".join(rng.choice(ATOMS) for _ in range(rng.randrange(most + 1)))


def path(rng, s3):
    if rng.random() < 0.1 and not s3:
        return ""   # an S3 request line always has its slash
    parts = []
    for _ in range(rng.randrange(5)):
        parts.append(rng.choice(["", ".", "..", quote(text(rng, 6), safe="-_.~"),
                                 quote(text(rng, 6), safe="-_.~/")]))
    return "/" + "/".join(parts)


def query(rng):
    pairs = []
    keys = [text(rng, 3) for _ in range(3)] + ["acl", "a", "a-b", "a.b", ""]
    for _ in range(rng.choice([0, 0, 1, 2, 3, 6])):
        key = quote(rng.choice(keys), safe="-_.~")
        if rng.random() < 0.15:
            pairs.append(key)
        else:
            pairs.append(key + "=" + quote(text(rng, 6), safe="-_.~"))
    return "&".join(pairs)


def header_value(rng):
    words = ["a", "b,c", "d=e", "", "x-y", "\"q\"", "1;q=0.5", "ü"]
    gap = [" ", "  ", "\t", "   "]
    value = "".join(rng.choice(words) + rng.choice(gap)
                    for _ in range(rng.randrange(4)))
    return rng.choice(["", " ", "  "]) + value


def make(rng):
    body = rng.choice([b"", b"{}", rng.randbytes(rng.randrange(200))])
    headers = [(rng.choice(NAMES), header_value(rng))
               for _ in range(rng.randrange(5))]
    host = rng.choice(["ec2.us-east-1.amazonaws.com", "127.0.0.1:4566",
                       "b.s3.eu-west-1.amazonaws.com", "[::1]:8080",
                       "example.com:8443"])
    s3 = rng.random() < 0.4
    return {
        "method": rng.choice(METHODS), "host": host, "path": path(rng, s3),
        "query": query(rng), "headers": headers, "body": body,
        "region": rng.choice(["us-east-1", "eu-central-1", "us-gov-west-1"]),
        "service": rng.choice(["ec2", "s3", "ebs", "execute-api"]),
        "s3": s3, "unsigned": rng.random() < 0.15,
        "time": rng.randrange(0, 4102444800),
        "key": "AKIA" + "".join(rng.choice("ABCDEFG234567") for _ in range(16)),
        "secret": "".join(rng.choice("abcXYZ/+0123456789") for _ in range(40)),
        "token": rng.choice(["", "", "IQoJb3JpZ2luX2Vj//+=" * rng.randrange(1, 60)]),
    }


def theirs(r):
    """Authorization header and canonical request as botocore makes them."""
    now = datetime.datetime.fromtimestamp(r["time"], datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *a, **k: now
    cls = S3SigV4Auth if r["s3"] else SigV4Auth
    auth = cls(Credentials(r["key"], r["secret"], r["token"] or None),
               r["service"], r["region"])
    url = "https://" + r["host"] + r["path"]
    if r["query"]:
        url += "?" + r["query"]
    request = AWSRequest(method=r["method"], url=url, data=r["body"])
    for name, value in r["headers"]:
        request.headers.add_header(name, value)
    request.context["payload_signing_enabled"] = not r["unsigned"]
    # the S3 signer's own ideas of when to sign the body are not under test
    auth._should_sha256_sign_payload = lambda request: not r["unsigned"]
    seen = {}
    inner = auth.canonical_request

    def keep(request):
        seen["canonical"] = inner(request)
        return seen["canonical"]

    auth.canonical_request = keep
    auth.add_auth(request)
    return request.headers["Authorization"], seen["canonical"]


def field(value):
    data = value if isinstance(value, bytes) else str(value).encode()
    return data.hex() or "-"


def line(r):
    payload = ("UNSIGNED-PAYLOAD" if r["unsigned"]
               else hashlib.sha256(r["body"]).hexdigest())
    fields = [r["method"], r["host"], r["path"], r["query"], r["region"],
              r["service"], "1" if r["s3"] else "0", payload, r["time"],
              r["key"], r["secret"], r["token"]]
    for name, value in r["headers"]:
        fields += [name, value]
    return " ".join(field(f) for f in fields) + "\n"


def main():
    program = os.path.join(os.environ["DRIVERS"], "aws_call_driver")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2 ** 32)
    print(f"{count} requests, seed {seed}, botocore {botocore.__version__}")
    rng = random.Random(seed)
    requests = [make(rng) for _ in range(count)]
    done = subprocess.run([program, "sigv4"], check=True,
                          input="".join(map(line, requests)).encode(),
                          stdout=subprocess.PIPE)
    ours = done.stdout.decode().splitlines()
    if len(ours) != count:
        sys.exit(f"{len(ours)} answers for {count} requests")
    bad = 0
    for r, mine in zip(requests, ours):
        auth, canonical = theirs(r)
        got, _, raw = mine.partition("\t")
        if got == auth:
            continue
        bad += 1
        if bad <= 5:
            print(f"--- {r}\nours   {got}\ntheirs {auth}\n"
                  f"ours   {bytes.fromhex(raw)!r}\ntheirs {canonical.encode()!r}")
    print(f"{count - bad} of {count} signatures are equal")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
