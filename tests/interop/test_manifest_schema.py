#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of manifests, judged by python-jsonschema.

It is what the program prints, it is a schema, every shipped manifest
satisfies it, and what the program refuses for its form the schema refuses too.
"""
import copy
import glob
import json
import os
import subprocess
import sys

import jsonschema

TOP, CRASHCART = os.environ["TOP"], os.environ["CRASHCART"]
FILE = TOP + "/manifests/schema.json"

GOOD = {
    "crashcart": 1, "name": "m",
    "params": {"n": {"type": "integer", "default": 3}},
    "steps": [
        {"id": "a", "do": "aws.call", "regions": ["us-east-1"], "timeout": "10m",
         "with": {"call": "ec2:DescribeInstances", "input": {}},
         "keep": {"ids": ".Reservations[].Instances[].InstanceId"},
         "wait": {"until": ".x", "every": "5s", "timeout": 60}},
        {"id": "b", "do": "aws.call", "for_each": "${a.ids}", "when": "${a.ids}",
         "changes": "containment", "despite_gaps": True,
         "if_allowed": True, "on_error": "stop",
         "with": {"call": "ec2:StopInstances", "input": {"InstanceIds": ["${item}"]}}},
        {"id": "h", "do": "host.system", "after": ["a"]},
        {"id": "f", "do": "host.files", "with": {"paths": ["/etc/**"]}},
    ],
}


def at(doc, path, value):
    """doc with the value at path replaced; value ... removes it."""
    doc = copy.deepcopy(doc)
    node = doc
    for key in path[:-1]:
        node = node[key]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return doc


BAD = [
    (("crashcart",), 2), (("crashcart",), ...), (("name",), "a b"), (("name",), ...),
    (("steps",), []), (("steps",), {}), (("stepz",), 1), (("exclude",), "x"),
    (("params", "N"), {}), (("params", "n", "type"), "int"), (("params", "n", "tpye"), 1),
    (("steps", 0, "id"), "A"), (("steps", 0, "id"), "item"), (("steps", 0, "id"), ...),
    (("steps", 0, "do"), "aws.cal"), (("steps", 0, "do"), ...), (("steps", 0, "whit"), {}),
    (("steps", 0, "with"), []), (("steps", 0, "with"), ...), (("steps", 0, "with", "cal"), 1),
    (("steps", 0, "with", "call"), 1), (("steps", 0, "with", "call"), ...),
    (("steps", 0, "with", "input"), "x"), (("steps", 0, "keep"), ["x"]),
    (("steps", 0, "keep", "ids"), 1), (("steps", 0, "keep", "I"), "."),
    (("steps", 0, "regions"), 3), (("steps", 0, "timeout"), "soon"),
    (("steps", 0, "wait", "until"), ...), (("steps", 0, "wait", "untill"), "."),
    (("steps", 1, "for_each"), "a.ids"), (("steps", 1, "when"), "a.ids"),
    (("steps", 1, "changes"), "some"), (("steps", 1, "despite_gaps"), 1),
    (("steps", 1, "if_allowed"), "yes"),
    (("steps", 1, "on_error"), "halt"), (("steps", 1, "after"), 1),
    (("steps", 2, "regions"), "all"), (("steps", 2, "keep"), {"x": "."}),
    (("steps", 2, "changes"), "evidence"), (("steps", 2, "wait"), {}),
    (("steps", 3, "with", "paths"), 1),
]


def accepts(doc):
    with open("m.json", "w") as f:
        json.dump(doc, f)
    p = subprocess.run([CRASHCART, "plan", "./m.json"], capture_output=True, text=True)
    if p.returncode not in (0, 2):
        raise SystemExit("plan: exit %d\n%s" % (p.returncode, p.stderr))
    return p.returncode == 0, p.stderr


def main():
    printed = subprocess.run([CRASHCART, "show", "schema"], capture_output=True, check=True).stdout
    failures = 0
    if printed != open(FILE, "rb").read():
        print("manifests/schema.json is not what `crashcart show schema` prints;"
              " `make schema` makes it anew")
        failures += 1
    schema = json.loads(printed)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    shipped = [f for f in sorted(glob.glob(TOP + "/manifests/*.json")) if f != FILE]
    shipped += [TOP + "/tests/fuzz/corpus/engine_manifest/every-key"]
    for name in shipped:
        for error in validator.iter_errors(json.load(open(name))):
            print("%s: %s: %s" % (name, error.json_path, error.message))
            failures += 1
    ok, text = accepts(GOOD)
    if not ok or not validator.is_valid(GOOD):
        print("the good one is refused:", text, list(validator.iter_errors(GOOD)))
        failures += 1
    for path, value in BAD:
        doc = at(GOOD, path, value)
        ok, text = accepts(doc)
        if ok or validator.is_valid(doc):
            print("%s = %r: the program %s it, the schema %s it" % (
                ".".join(map(str, path)), value, "accepts" if ok else "refuses",
                "accepts" if validator.is_valid(doc) else "refuses"))
            failures += 1
    print("%d manifests, %d broken ones, %d failures" % (len(shipped), len(BAD), failures))
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
