#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A lab counter-signs what a session key sealed: verify accepts it, minisign
# too; a bundle that does not hold is not signed.
. "$TOP/tests/lib/cart.sh"
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
E
mkdir tree
echo evidence > tree/file
expect 0 "$CRASHCART" keygen -W lab
expect 0 "$CRASHCART" keygen -W other
expect 0 "$CRASHCART" collect ./m.json --case C --out o --json
session=$(last_json .key)
expect 5 "$CRASHCART" verify o --pubkey lab.pub
expect 0 "$CRASHCART" countersign o/C-b01.tar --key lab.key --pubkey "$session"
signature=$(cat out)
expect 0 "$CRASHCART" verify o --pubkey lab.pub
prints 'counter-signed by key'
prints 'another key, which you did not name, made it'
expect 0 "$CRASHCART" verify o --pubkey lab.pub --json
jq -e '.signer_trusted == false and .countersigner != null' out > /dev/null || die "json"
expect 0 "$CRASHCART" verify o --pubkey "$session"
expect 5 "$CRASHCART" verify o --pubkey other.pub
minisign -Vm o/C-b01.seal -x "$signature" -p lab.pub > /dev/null
# never overwritten
expect 1 "$CRASHCART" countersign o --key lab.key
# one flipped bit: not signed
cp -r o broken
rm broken/*.seal.*.minisig
printf 'X' | dd of=broken/C-b01.tar bs=1 seek=3000 conv=notrunc status=none
expect 4 "$CRASHCART" countersign broken --key lab.key
[ "$(find broken -name '*.seal.*.minisig' | wc -l)" = 0 ] || die "signed"
# a counter-signature of another bundle's seal does not hold here
expect 0 "$CRASHCART" collect ./m.json --case C --out p --quiet
rm -f o/*.seal.*.minisig
expect 0 "$CRASHCART" countersign p --key lab.key
cp p/*.seal.*.minisig o/
expect 4 "$CRASHCART" verify o --pubkey lab.pub
