#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# A time stamping authority and a KMS key see the heads of the log while it
# grows: openssl ts and minisign accept what they said, verify --head too, and
# names a log that was rewritten since; without a bucket the terminal has it all.
. "$TOP/tests/lib/cart.sh"
sim_start --users 1
python3 "$TOP/tests/lib/tsa.py" tsa port & tsa=$!
trap 'kill $tsa; sim_stop' EXIT
for _ in $(seq 100); do [ -e port ] || sleep 0.1; done
url=http://127.0.0.1:$(cat port)
arn=arn:aws:kms:us-east-1:123456789012:alias/evidence
bucket=northwind-evidence
cli=$("$TOP/tests/sim/venv" "$TOP/tests/sim/requirements-cli.txt" cli)
mkdir tree
for i in $(seq 30); do head -c 3000 /dev/urandom > "tree/$i"; done
cat > m.json <<F
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
F
"$CRASHCART" call kms:GetPublicKey --region us-east-1 \
	--input '{"KeyId":"alias/evidence"}' | jq -r .PublicKey | base64 -d |
	tail -c 32 > raw
kms=$( (printf Ed; openssl dgst -sha256 -binary raw | head -c 8; cat raw) |
	base64 -w 0)

expect 0 "$CRASHCART" collect ./m.json --case W --out o --json --trust-environment \
	--witness "s3://$bucket/heads" --witness "$url/tsa" --witness "kms:$arn" \
	--witness-every 1s --timestamp "$url/tsa"
key=$(last_json .key)
grep -c '"operation": "Sign"' "$SIM_LOG" > /dev/null || die "no kms:Sign"
"$cli/bin/aws" s3 cp --quiet --recursive "s3://$bucket/heads/W-b01" heads
n=0
for head in heads/*.checkpoint; do
	n=$((n + 1))
	openssl ts -verify -data "$head" -in "$head.tsr" -CAfile tsa/root.pem \
		> /dev/null 2>&1 || die "openssl ts: $head"
	minisign -Vm "$head" -P "$kms" |
		grep -q "crashcart head bundle=W-b01 size=$(sed -n 2p "$head") " ||
		die "minisign: $head"
done
[ $n -ge 1 ] || die "no head"
expect 0 "$CRASHCART" verify o -P "$key" -P "$kms" --tsa-ca tsa/root.pem --head "$head"
size=$(sed -n 2p "$head")
prints "Witness +its first $size lines were there at 20.*: anchored by an"
prints "Witness +its first $size lines were signed by key [0-9A-F]{16}, which you named"
expect 0 "$CRASHCART" verify o -P "$key" --head "$head" --json
jq -e --argjson n "$size" '.heads == [{"lines": $n, "time": .heads[0].time,
	"by": "CN=Test Time Authority,O=Test Lab", "anchored": false,
	"signer": .heads[0].signer, "signer_trusted": false}]' out > /dev/null ||
	die "$(cat out)"
python3 -B "$TOP/tests/interop/verify_bundle.py" o --pubkey "$key" > second ||
	die "the second opinion: $(cat second)"

# each is in the log as well, whole
tar -xOf o/W-b01.tar --wildcards 'W-b01/log/*' |
	jq -c 'select(.type == "witness")' > lines
[ "$(wc -l < lines)" = $((2 * n)) ] || die "$(cut -c1-200 lines)"
jq -r "select(.size == $size and (.by | startswith(\"http\"))) | .head_b64" \
	lines | base64 -d | cmp - "$head"
jq -r "select(.size == $size and (.by | startswith(\"arn\"))) | .reply_b64" \
	lines | base64 -d | cmp - "$head.minisig"

# what goes with a head is of that head, and holds
bad() {	# FILE: beside the head
	expect 2 "$CRASHCART" verify o -P "$key" -P "$kms" --head heads/x
	says 'what goes with the head'
	rm "$1"
}
cp "$head" heads/x
sed 's/size=/sizf=/' "$head.minisig" > heads/x.minisig; bad heads/x.minisig
echo x > heads/x.minisig; bad heads/x.minisig
openssl ts -query -data m.json -sha512 -cert 2> /dev/null |
	curl -s --data-binary @- -H 'Content-Type: application/timestamp-query' \
		"$url/tsa" > heads/x.tsr; bad heads/x.tsr
head -c 200 "$head.tsr" > heads/x.tsr; bad heads/x.tsr

# a log that is not the one that they saw
expect 0 "$CRASHCART" collect ./m.json --case W --out p --json --trust-environment
expect 4 "$CRASHCART" verify p -P "$(last_json .key)" --head "$head"
prints 'rule F27'

# no bucket: whoever reads the terminal has it
expect 0 "$CRASHCART" collect ./m.json --case T --out q --json --trust-environment \
	--witness "$url/tsa" --witness "kms:$arn"
key=$(last_json .key)
mkdir said
sed -n 's/.*witness: T-b01 \([0-9]*\.checkpoint[.a-z]*\) /\1 /p' err |
	tr -d '"}' | while read -r name text; do echo "$text" | base64 -d > "said/$name"; done
[ "$(find said -type f | wc -l)" = 3 ] || die "$(cut -c1-300 err)"
expect 5 "$CRASHCART" verify q -P "$key" -P "$kms" --tsa-ca tsa/root.pem \
	--head said/*.checkpoint
prints 'anchored by an authority that you named'
expect 0 "$CRASHCART" verify q -P "$key" -P "$kms" --head said/*.checkpoint

# who does not answer is named, and the collection goes on
expect 0 "$CRASHCART" collect ./m.json --case X --out r --json --trust-environment \
	--witness "$url/refuse" --witness "kms:${arn%evidence}release"
says 'witness: http.*/refuse: '
says 'witness: arn.*ECC_NIST_EDWARDS25519'
tar -xOf r/X-b01.tar --wildcards 'X-b01/log/*' |
	jq -e -s 'map(select(.type == "witness" and .error)) | length == 2' \
	> /dev/null || die "not in the log"
for bad in "$url/tsa $url/tsa" "s3://bucket s3://other" kms:x ftp://a; do
	args=()
	for one in $bad; do args+=(--witness "$one"); done
	expect 2 "$CRASHCART" collect ./m.json --out s "${args[@]}"
	says 'one of each'
done
