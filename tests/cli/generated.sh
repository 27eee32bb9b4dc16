#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only
# What is made from the tables of the program is up to date, and every command,
# option and step is explained.
. "$TOP/tests/lib/cart.sh"

"$CRASHCART" show schema > schema.json
cmp schema.json "$TOP/manifests/schema.json" || die "run make schema"
"$CRASHCART" show man > crashcart.1
cmp crashcart.1 "$TOP/collector/man/crashcart.1" || die "run make schema"
"$CRASHCART" show completion > completion
bash -n completion

# an independent validator accepts each shipped manifest, and refuses others
python3 - "$TOP" <<'P'
import glob, json, sys
import jsonschema
top = sys.argv[1]
with open("schema.json") as f:
    schema = json.load(f)
jsonschema.Draft202012Validator.check_schema(schema)
v = jsonschema.Draft202012Validator(schema)
names = [n for n in glob.glob(top + "/manifests/*.json")
         if not n.endswith("schema.json")]
assert len(names) >= 2
for name in names:
    with open(name) as f:
        m = json.load(f)
    v.validate(m)
    for change in ({"colour": 1}, {"steps": []}, {"crashcart": 2}, {"steps": [{"id": "x"}]},
                   {"steps": [{"id": "x", "do": "no.such"}]}):
        assert not v.is_valid({**m, **change}), change
print(len(names), "manifests are valid")
P

# help: exit 0, on stdout, nothing on stderr, at most 80 columns
for name in $("$CRASHCART" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	expect 0 "$CRASHCART" "$name" --help
	[ -s out ] && [ ! -s err ] || die "$name --help"
	! grep -nE '^.{81}' out || die "$name --help has long lines"
	prints "^Usage: crashcart $name "
done
expect 2 "$CRASHCART" verifi
says "did you mean 'verify'"
expect 2 "$CRASHCART" verify x --pubky y
says 'did you mean --pubkey'
expect 2 "$CRASHCART" verify
expect 2 "$CRASHCART" verify a b
expect 0 "$CRASHCART"
prints 'collect host-triage'
expect 0 "$CRASHCART" --version --json
jq -e '.sha256 | test("^[0-9a-f]{64}$")' out > /dev/null
[ "$(jq -r .sha256 out)" = "$(sha256sum "$CRASHCART" | cut -c1-64)" ] ||
	die "--version does not know its own hash"
for step in $("$CRASHCART" show steps --json | jq -r '.[].do'); do
	grep -qF "$step" "$TOP/collector/man/crashcart-manifest.5" ||
		die "crashcart-manifest.5 does not explain $step"
done
