#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only
# crashcart-verify: the same verdicts, no network code, hardened and smaller.
. "$TOP/tests/lib/cart.sh"
verifier=$(dirname "$CRASHCART")/crashcart-verify
full=$(dirname "$CRASHCART")/release/crashcart-verify.full
"$TOP/scripts/check-binary" "$verifier" "$full"
! nm "$full" | grep -qiE 'curl_|cart_net_|cart_aws_|cart_step_' ||
	die "it can do more than verify"
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
E
mkdir tree
echo evidence > tree/file
expect 0 "$CRASHCART" collect ./m.json --case V --out o --json
key=$(last_json .key)
expect 0 "$verifier" verify o --pubkey "$key"
expect 5 "$verifier" verify o
expect 0 "$verifier" list o --files
prints "tree/file"
expect 0 "$verifier" extract o --out x --pubkey "$key"
expect 1 "$verifier" verify nowhere
says 'nowhere: No such file'
# an exhibit that is not there is no success
expect 2 "$verifier" extract o --out y --pubkey "$key" e999
expect 1 "$verifier" extract o --out y --pubkey "$key" e000001 e000999
grep -q 'no exhibit e000999' err || die "the missing exhibit is not named"
[ "$(find x -name file -exec cat {} +)" = evidence ] || die "extract"
printf 'X' | dd of=o/V-b01.tar bs=1 seek=3000 conv=notrunc status=none
expect 4 "$verifier" verify o --pubkey "$key"
expect 2 "$verifier" collect host-triage
