#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A key in KMS seals and counter-signs: minisign itself and openssl accept both;
# a wrong kind of key, one that may not be used, and none are said so.
. "$TOP/tests/lib/cart.sh"
sim_start --users 1
arn=arn:aws:kms:us-east-1:123456789012
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
E
mkdir tree
echo evidence > tree/file
"$CRASHCART" call kms:GetPublicKey --region us-east-1 \
	--input '{"KeyId":"alias/evidence"}' > public.json
jq -r .PublicKey public.json | base64 -d > spki
printf 'Ed' > raw
tail -c 32 spki > key
openssl dgst -sha256 -binary key | head -c 8 >> raw
cat key >> raw
pub=$(base64 -w 0 raw)

expect 0 "$CRASHCART" collect ./m.json --case K --out o --json \
	--trust-environment --key "kms:$arn:alias/evidence"
[ "$(last_json .key)" = "$pub" ] || die "another key"
expect 0 "$CRASHCART" verify o --pubkey "$pub"
prints 'examiner key'
# the key as KMS gives it: text, DER, PEM
jq -r .PublicKey public.json > text
openssl pkey -pubin -inform DER -in spki -out pem
for k in "$(cat text)" text spki pem; do
	expect 0 "$CRASHCART" verify o --pubkey "$k"
done
minisign -Vm o/K-b01.seal -P "$pub" | grep -q 'purpose=examiner' || die "minisign"
tar -xf o/K-b01.tar
(cd K-b01 && minisign -Vm tagmanifest-sha256.txt \
	-x seal/tagmanifest-sha256.txt.minisig -P "$pub") > /dev/null
openssl dgst -blake2b512 -binary o/K-b01.seal > digest
sed -n 2p o/K-b01.seal.minisig | base64 -d | tail -c 64 > sig
openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey spki -in digest \
	-sigfile sig | grep -q Successfully
grep -q '"service":"kms"' K-b01/log/*.jsonl || die "the log names no endpoint"
# two signatures, two calls each
[ "$(grep -c '"kms:Sign"\|"op": *"Sign"\|kms.*Sign' "$SIM_LOG")" = 4 ] || die "calls"

# counter-signing, and custody
expect 0 "$CRASHCART" collect ./m.json --case L --out p --json
session=$(last_json .key)
expect 0 "$CRASHCART" countersign p --key "kms:$arn:alias/evidence" -P "$session"
minisign -Vm p/L-b01.seal -x "$(cat out)" -P "$pub" > /dev/null
expect 0 "$CRASHCART" verify p --pubkey "$pub"
expect 0 "$CRASHCART" custody release p/L-b01.tar --by a --to b \
	--key "kms:$arn:alias/evidence" -P "$session"
expect 0 "$CRASHCART" custody show p/L-b01.tar -P "$session" -P "$pub"

# not such a key
expect 2 "$CRASHCART" collect ./m.json --out q --trust-environment \
	--key "kms:$arn:alias/release"
says 'ECC_NIST_EDWARDS25519 for signing'
expect 1 "$CRASHCART" collect ./m.json --out q --trust-environment \
	--key "kms:$arn:alias/nothing"
says 'kms:GetPublicKey'
[ -z "$(ls -A q)" ] || { ls -A q; echo "FAILED: it left a file"; exit 1; }
for bad in kms: kms:alias/evidence kms:arn:aws:s3:::b \
		"kms:arn:aws:kms::1:key/x"; do
	expect 2 "$CRASHCART" countersign p --key "$bad"
	says 'kms:arn:aws:kms:REGION'
done
# may not sign: nothing is sealed, and said so; later it may, and resume seals
echo '[{"do": "deny", "service": "kms", "operation": "Sign"}]' \
	> "$TMPDIR/sim/faults.json"
expect 5 "$CRASHCART" collect ./m.json --case M --out r --trust-environment \
	--key "kms:$arn:alias/evidence"
says 'kms:Sign'
says 'not sealed'
rm "$TMPDIR/sim/faults.json"
expect 0 "$CRASHCART" resume r --trust-environment --key "kms:$arn:alias/evidence"
expect 0 "$CRASHCART" verify r --pubkey "$pub"
expect 0 "$CRASHCART" plan ./m.json --check --trust-environment \
	--key "kms:$arn:alias/evidence"
prints 'KMS key of the right kind'
