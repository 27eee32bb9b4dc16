#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our JSON reader and writer against Python's json, over random texts.

usage: test_json.py [COUNT [SEED]]

Python is made as strict as we are (no duplicate keys, no lone surrogates, no
inexact integers, a depth limit ...), then both must accept the same texts and
print the same bytes.  What we print must also mean the same to jq.
"""
import json
import math
import os
import random
import re
import struct
import subprocess
import sys

DEPTH = 100
STRING_ATOMS = ["a", "b", "key", " ", "é", "日本", "\U0001f600", "\\n", "\\\"",
                "\\\\", "\\/", "\\u0041", "\\ud83d\\ude00", "\\u001f", "\x7f",
                "\u2028", "'", "\ufeff", "\ufffd"]
BREAKS = ["{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800",
          "\\udc00x", "\\u0000", "0", "01", "-", "+1", ".", "1.", ".5", "e",
          "1e", "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "nul",
          "true", "\n", "\t", "\x00", "\x01", "\x0c", "\xa0", "\ufeff", "//",
          "/**/", "9007199254740993", "9007199254740992", "\"a\":1", "'"]


class Refused(Exception):
    pass


def pairs(items):
    out = dict(items)
    if len(out) != len(items):
        raise Refused("duplicate")
    return out


def whole(text):
    value = int(text)
    if abs(value) > 2 ** 53:
        raise Refused("inexact")
    if len(text) > 63:
        raise Refused("long")
    return value


def real(text):
    value = float(text)
    if math.isinf(value):
        raise Refused("infinite")
    if len(text) > 63:
        raise Refused("long")
    return value


def constant(text):
    raise Refused(text)


def walk(value, depth=0):
    if isinstance(value, (dict, list)):
        depth += 1
        if depth > DEPTH:
            raise Refused("depth")
    if isinstance(value, dict):
        for key, item in value.items():
            walk(key)
            walk(item, depth)
    elif isinstance(value, list):
        for item in value:
            walk(item, depth)
    elif isinstance(value, str):
        if "\0" in value:
            raise Refused("NUL")
        value.encode()          # a lone surrogate cannot be encoded


def oracle(raw):
    """The value, or Refused."""
    try:
        text = raw.decode()
        if text.startswith("\ufeff"):
            raise Refused("mark")
        value = json.loads(text, object_pairs_hook=pairs, parse_int=whole,
                           parse_float=real, parse_constant=constant)
        walk(value)
        return value
    except (ValueError, RecursionError) as e:
        raise Refused(str(e)) from e


class Maker:
    def __init__(self, rnd):
        self.rnd = rnd

    def space(self):
        return self.rnd.choice(["", "", "", " ", "\n", "\t", "\r\n"])

    def string(self):
        return "\"%s\"" % "".join(self.rnd.choices(STRING_ATOMS,
                                                   k=self.rnd.randrange(6)))

    def number(self):
        rnd = self.rnd
        kind = rnd.randrange(6)
        if kind == 0:
            return str(rnd.randrange(-1000, 1000))
        if kind == 1:
            return str(rnd.choice([1, -1]) * (2 ** 53 + rnd.randrange(-3, 3)))
        if kind == 2:
            value = struct.unpack("<d", rnd.randbytes(8))[0]
            return repr(value) if math.isfinite(value) else "0"
        if kind == 3:
            return "%d.%0*d" % (rnd.randrange(-99, 99), rnd.randrange(1, 30),
                                rnd.randrange(1000))
        if kind == 4:
            return "%d%s%s%d" % (rnd.randrange(10), rnd.choice("eE"),
                                 rnd.choice(["", "+", "-"]),
                                 rnd.randrange(340))
        return rnd.choice(["0", "-0", "0.0", "-0.0", "1e0", "1E-7", "1e16",
                           "1e15", "123456789012345.6", "5e-324", "1e-400"])

    def value(self, depth=0):
        rnd = self.rnd
        kind = rnd.randrange(7 if depth < 6 else 5)
        if kind < 2:
            return self.string()
        if kind == 2:
            return rnd.choice(["true", "false", "null"])
        if kind < 5:
            return self.number()
        count = rnd.choice([0, 1, 2, 3, rnd.randrange(60)])
        if depth > 2:
            count = min(count, 3)
        if kind == 5:
            items = [self.space() + self.value(depth + 1) + self.space()
                     for _ in range(count)]
            return "[%s%s]" % (",".join(items), self.space() if not items
                               else "")
        items = []
        for i in range(count):
            key = "\"k%d\"" % i if rnd.random() < 0.95 else self.string()
            items.append(self.space() + key + self.space() + ":" +
                         self.space() + self.value(depth + 1))
        return "{%s%s}" % (",".join(items), self.space())

    def text(self):
        rnd = self.rnd
        if rnd.random() < 0.02:
            n = rnd.choice([DEPTH - 1, DEPTH, DEPTH + 1, 150])
            return ("[" * n + "]" * n).encode()
        raw = (self.space() + self.value() + self.space()).encode()
        for _ in range(rnd.choice([0, 0, 1, 1, 2])):
            at = rnd.randrange(len(raw) + 1)
            kind = rnd.randrange(4)
            if kind == 0:
                raw = raw[:at] + rnd.choice(BREAKS).encode() + raw[at:]
            elif kind == 1:
                raw = raw[:at] + raw[at + 1:]
            elif kind == 2:
                raw = raw[:at] + bytes([rnd.randrange(256)]) + raw[at + 1:]
            else:
                raw = raw[:at]
        return raw


def run(texts, indent):
    """Per text: bytes that we print, or our message as a str."""
    given = b"".join(b"%d\n%s" % (len(t), t) for t in texts)
    out = subprocess.run([os.path.join(os.environ["DRIVERS"], "base_driver"),
                          "json", str(indent)], input=given, check=True,
                         stdout=subprocess.PIPE).stdout
    results = []
    while out:
        line, _, out = out.partition(b"\n")
        if line.startswith(b"ok "):
            size = int(line[3:])
            results.append(out[:size])
            out = out[size:]
        else:
            results.append(line.decode())
    assert len(results) == len(texts)
    return results


def ours_alone(why):
    """Reasons to refuse that Python cannot be taught by a hook."""
    return re.search("more than 63 characters", why)


def check(texts, indent):
    accepted = []
    failures = 0
    for raw, got in zip(texts, run(texts, indent)):
        try:
            value = oracle(raw)
            want = json.dumps(value, ensure_ascii=False, indent=indent or None,
                              separators=None if indent else (",", ":"))
            want = want.encode()
        except Refused as e:
            value, want = None, str(e)
        if isinstance(got, bytes) != isinstance(want, bytes) and not (
                isinstance(got, str) and ours_alone(got)):
            print("differ:", raw, got, want)
            failures += 1
        elif isinstance(got, bytes) and got != want:
            print("printed:", raw, got, want)
            failures += 1
        elif isinstance(got, bytes):
            accepted.append((got, value))
    return failures, accepted


def jq_agrees(accepted):
    """jq reads what we print as the same values (it holds doubles, too)."""
    out = subprocess.run(["jq", "-c", "."], check=True, stdout=subprocess.PIPE,
                         input=b"\n".join(t for t, _ in accepted)).stdout
    lines = out.decode().split("\n")[:-1]
    assert len(lines) == len(accepted)
    failures = 0
    for line, (text, value) in zip(lines, accepted):
        if not same(json.loads(line), value):
            print("jq:", text, line)
            failures += 1
    return failures


def same(a, b):
    if isinstance(a, (int, float)) and not isinstance(a, bool) and \
       isinstance(b, (int, float)) and not isinstance(b, bool):
        # jq 1.6 prints 17 digits of its own choice
        return math.isclose(a, b, rel_tol=1e-15, abs_tol=1e-307)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2 ** 32)
    print("seed", seed)
    maker = Maker(random.Random(seed))
    texts = [maker.text() for _ in range(count)]
    failures, accepted = check(texts, 0)
    more, _ = check(texts[:count // 4], 4)
    failures += more + jq_agrees(accepted)
    print("%d texts, %d accepted, %d differences" %
          (count, len(accepted), failures))
    if not count // 10 < len(accepted) < count:
        sys.exit("the texts are not worth the name of a test")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
