#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# usage: test_filter_jq.py [--seed N] [--filters N] [--documents N]
"""jq and our filters agree on random filters and documents.

Every filter is tried on many documents with one process of jq; outputs and
whether an error came after them must be equal.  At least half of the pairs
must give output.  The seed is printed; --seed repeats a failure.
"""
import argparse
import concurrent.futures
import json
import os
import random
import subprocess
import sys

KEYS = ["a", "b", "c", "Id", "Name", "Tags", "a b", "x-y", "é", "_k1"]
STRINGS = ["", "a", "b", "i-0abc", "é", "日本", "A\"q\\", "running", "\U0001f600z",
           "line\nfeed", "zz"]
NUMBERS = [0, 1, -1, 2, 3, 10, 1.5, -2.25, 1e3, 4294967296, 0.1]


def scalar(r):
    return r.choice([None, True, False, r.choice(NUMBERS), r.choice(STRINGS),
                     r.choice(STRINGS), r.choice(NUMBERS)])


def document(r, depth=4):
    kind = r.random()
    if depth == 0 or kind < 0.15:
        return scalar(r)
    if kind < 0.6:
        keys = r.sample(KEYS, r.randint(0, 5))
        return {k: document(r, depth - 1) for k in keys}
    return [document(r, depth - 1) for _ in range(r.randint(0, 4))]


def name(r, key):
    plain = key.isascii() and key.replace("_", "a").isalnum()
    form = r.random()
    quoted = json.dumps(key, ensure_ascii=r.random() < 0.5)
    if plain and form < 0.7:
        return "." + key
    return "." + quoted if form < 0.85 else "[" + quoted + "]"


def walk(r, value, steps, often_right=0.9):
    """A path into value, mostly one that is there; '' for identity."""
    text = ""
    for _ in range(steps):
        right = r.random() < often_right
        opt = "?" if r.random() < 0.15 else ""
        if right and isinstance(value, dict) and value:
            key = r.choice(list(value))
            if r.random() < 0.2:
                text, value = text + "[]" + opt, r.choice(list(value.values()))
            else:
                text, value = text + name(r, key) + opt, value[key]
        elif right and isinstance(value, list) and value:
            if r.random() < 0.6:
                text, value = text + "[]" + opt, r.choice(value)
            else:
                i = r.randint(-len(value), len(value))
                text += "[%d]" % i + opt
                value = value[i] if -len(value) <= i < len(value) else None
        elif right:
            break
        else:
            text += r.choice([name(r, r.choice(KEYS)), "[]", "[0]", "[-1]"]) + opt
            value = None
    return text, value


def path(r, value, steps=None):
    text, value = walk(r, value, r.randint(0, 3) if steps is None else steps)
    if text.startswith("["):
        text = "." + text
    return text or ".", value


def literal(r, value=None):
    if value is None or isinstance(value, (dict, list)) or r.random() < 0.4:
        value = scalar(r)
    text = json.dumps(value, ensure_ascii=r.random() < 0.5)
    return text


def condition(r, value, depth=2):
    form = r.random()
    if depth and form < 0.2:
        op = r.choice(["and", "or"])
        return "%s %s %s" % (condition(r, value, depth - 1), op,
                             condition(r, value, depth - 1))
    if depth and form < 0.3:
        return "(%s | not)" % condition(r, value, depth - 1)
    left, inner = path(r, value)
    if form < 0.35:
        return left
    if form < 0.45:
        left = "(%s | length)" % left
        inner = len(inner) if isinstance(inner, (str, list, dict)) else 1
    op = r.choice(["==", "==", "==", "!=", "<", "<=", ">", ">="])
    right = path(r, value)[0] if r.random() < 0.15 else literal(r, inner)
    return "%s %s %s" % (left, op, right)


def random_filter(r, value):
    parts = []
    for _ in range(r.randint(1, 3)):
        form = r.random()
        if form < 0.6 or not parts:
            text, value = path(r, value)
        elif form < 0.85:
            text = "select(%s)" % condition(r, value)
            if r.random() < 0.3:
                tail, value = walk(r, value, r.randint(1, 2))
                text += tail
        elif form < 0.95:
            text, value = "length", 1
        else:
            text, value = condition(r, value), True
        parts.append(text)
    return r.choice([" | ", "|"]).join(parts)


class Ours:
    def __init__(self):
        self.p = subprocess.Popen([os.environ["DRIVERS"] + "/engine_driver", "filter"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, text, docs):
        data = "F %s\n" % text + "".join("D %s\n" % d for d in docs)
        self.p.stdin.write(data.encode())
        self.p.stdin.flush()
        first = self.p.stdout.readline().decode().strip()
        if first != "accepted":
            raise SystemExit("refused: %s\n%s" % (text, first))
        for _ in docs:
            status, outputs = self.p.stdout.readline().decode().rstrip("\n").split("\t")
            yield outputs_of(outputs), status == "error"


def outputs_of(text):
    decoder, at, found = json.JSONDecoder(), 0, []
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        while at < len(text) and text[at] in " \n":
            at += 1
    return found


def canonical(v):
    """1 and 1.0 are equal, but true and 1 are not; order of members counts."""
    if isinstance(v, bool) or v is None or isinstance(v, str):
        return v if not isinstance(v, bool) else "bool %s" % v
    if isinstance(v, (int, float)):
        return float(v)
    if isinstance(v, list):
        return [canonical(x) for x in v]
    return [[k, canonical(x)] for k, x in v.items()]


def jq(text, docs):
    p = subprocess.run(["jq", "-c", '"#begin", (%s), "#end"' % text],
                       input="\n".join(docs).encode(), capture_output=True)
    if p.returncode not in (0, 5):
        raise SystemExit("jq refused: %s\n%s" % (text, p.stderr.decode()))
    results, current, ended = [], None, False
    for line in p.stdout.decode().splitlines():
        value = json.loads(line)
        if value == "#begin":
            if current is not None:
                results.append((current, not ended))
            current, ended = [], False
        elif value == "#end":
            ended = True
        else:
            current.append(value)
    results.append((current, not ended))
    return results


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    a.add_argument("--filters", type=int, default=400)
    a.add_argument("--documents", type=int, default=25)
    a = a.parse_args()
    version = subprocess.run(["jq", "--version"], capture_output=True, text=True).stdout.strip()
    print("seed", a.seed, version, flush=True)
    r = random.Random(a.seed)
    cases = []
    for _ in range(a.filters):
        base = document(r)
        while not isinstance(base, (dict, list)) or not base:
            base = document(r)
        docs = []
        for _ in range(a.documents):
            # most documents are like the one that the filter was made for
            docs.append(base if r.random() < 0.35 else mutate(r, base)
                        if r.random() < 0.8 else document(r))
        cases.append((random_filter(r, base), [json.dumps(d, ensure_ascii=False) for d in docs]))
    ours, pairs, with_output, errors = Ours(), 0, 0, 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (text, docs), theirs in zip(cases, pool.map(lambda c: jq(*c), cases)):
            for doc, mine, his in zip(docs, ours.run(text, docs), theirs, strict=True):
                pairs += 1
                with_output += bool(his[0])
                errors += his[1]
                if [canonical(x) for x in mine[0]] != [canonical(x) for x in his[0]] \
                        or mine[1] != his[1]:
                    print("filter   %s\ndocument %s\njq       %s\nours     %s"
                          % (text, doc, his, mine))
                    return 1
    print("%d pairs agree, %d with output, %d with an error" % (pairs, with_output, errors))
    if with_output * 2 < pairs:
        print("fewer than half of the pairs had output: the generator is at fault")
        return 1
    return 0


def mutate(r, value):
    """A document like value, with something changed."""
    if isinstance(value, dict) and value:
        keys = list(value)
        out = {k: mutate(r, value[k]) if r.random() < 0.4 else value[k] for k in keys}
        if r.random() < 0.15:
            del out[r.choice(keys)]
        return out
    if isinstance(value, list) and value:
        out = [mutate(r, x) if r.random() < 0.4 else x for x in value]
        if r.random() < 0.15:
            out.pop()
        return out
    return scalar(r) if r.random() < 0.5 else value


if __name__ == "__main__":
    sys.exit(main())
