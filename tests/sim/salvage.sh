#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# The host is gone and its state file with it: what the run had closed in S3 is
# sealed from the lab, what it was uploading kept, nothing overwritten, and a
# second time nothing happens.
. "$TOP/tests/lib/cart.sh"
cli=$("$TOP/tests/sim/venv" "$TOP/tests/sim/requirements-cli.txt" cli)
aws() { "$cli/bin/aws" "$@"; }
sim_start
bucket=northwind-evidence
mkdir big
for i in $(seq 6); do head -c 9000000 /dev/urandom > "big/$i"; done
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/big/**"] } } ] }
E
"$CRASHCART" keygen -W lab > /dev/null
"$CRASHCART" keygen -W other > /dev/null
lab=$(sed -n '1s/.* //p' lab.pub)
"$CRASHCART" keygen --age age > age.txt
to=$(sed -n 's/^Recipient: //p' age.txt)
salvage() {	# STATUS PREFIX [OPTION]...
	expect "$1" "$CRASHCART" salvage "s3://$bucket/$2" --trust-environment \
		--key lab.key --json "${@:3}"
}
puts() {	# calls that changed something in S3, since line $1 of the log
	tail -n +"$(($1 + 1))" "$SIM_LOG" | jq -r 'select(.service == "s3" and
		.mutating and .status < 300) | .operation'
}

segment=16M
# killed CASE OPERATION N: the run dies when the N-th such request is answered
killed() {
	local pid operation=$2 n=$3 from
	from=$(sim_requests)
	"$CRASHCART" collect ./m.json --case "$1" --out "s3://$bucket/$1" \
		--trust-environment --state . --segment $segment \
		"${@:4}" > out 2> err &
	pid=$!
	until [ "$(tail -n +"$((from + 1))" "$SIM_LOG" |
			grep -c "\"$operation\"")" -ge "$n" ] ||
			! kill -0 $pid 2> /dev/null
	do sleep 0.01; done
	kill -9 $pid 2> /dev/null || :
	wait $pid 2> /dev/null || :
	rm -f -- *.state *.state-closing
}

judge() {	# PREFIX [OPTION]...: both verifiers say partial, by the lab's key
	rm -rf got
	mkdir got
	aws s3 cp --quiet --recursive "s3://$bucket/$1/" got
	expect 5 "$CRASHCART" verify got -P lab.pub "${@:2}"
	prints 'sealed as partial'
	prints 'Bytes intact  yes'
	prints "Trusted +yes: counter-signed by key $lab, which you"
	minisign -Vqm got/*.seal -x got/*.seal.*.minisig -p lab.pub ||
		die minisign
	python3 -B "$TOP/tests/interop/verify_bundle.py" got --pubkey lab.pub \
		"${@:2}" > second && die "another verdict"
	grep -q 'sealed as partial' second || die "$(cat second)"
}

killed A CompleteMultipartUpload 2 --retain governance:9
n=$(sim_requests)
salvage 3 A
[ "$(last_json .segments)" -ge 2 ] || die "segments: $(cat out) $(grep -n MultipartUpload "$SIM_LOG" | cut -c1-700; cat err)"
[ "$(last_json .state)" = partial ] || die "state: $(cat out)"
puts "$n" | grep -q '^PutObject$' || die "no seal was put"
judge A
aws s3api head-object --bucket $bucket --key A/A-b01.seal > head.json
[ "$(jq -r .ObjectLockMode head.json)" = GOVERNANCE ] || die "its lock"
n=$(sim_requests)
salvage 0 A
[ "$(last_json .already)" = true ] || die "already: $(cat out)"
[ -z "$(puts "$n")" ] || die "changed: $(puts "$n")"

aws s3api get-object-retention --bucket $bucket --key A/A-b01.tar > tar.json
jq -r '.Retention.RetainUntilDate[:19]' tar.json > until
jq -r '.ObjectLockRetainUntilDate[:19]' head.json | cmp - until ||
	die "locked until"

# who counter-signed is said for a wrong key and without any, too
expect 5 "$CRASHCART" verify got -P other.pub
prints "Signed by +nobody .* counter-signed by key $lab"
prints 'Trusted +no: none of the keys that you named'
expect 5 "$CRASHCART" verify got
prints "counter-signed by key $lab"
prints 'Trusted +no: you named no key'

# the bucket's own lock, whose time has a fraction
killed L CompleteMultipartUpload 1
aws s3api get-object-retention --bucket $bucket --key L/L-b01.tar > tar.json
jq -e '.Retention.RetainUntilDate | test("[0-9][.][0-9]")' tar.json > n ||
	die "no fraction: $(cat tar.json)"
# by its first segment it is not encrypted, whatever lies beside
put() { aws s3 cp --quiet "$1" "s3://$bucket/L/L-b01.$2"; }
put m.json tar.9999.age
# neither what is no seal nor one without a signature ends it
printf x > x
put x seal
salvage 1 L
says 'L-b01.seal is no seal; remove it'
put "$(echo got/*.seal)" seal
salvage 1 L
says 'has no signature'
aws s3 rm --quiet "s3://$bucket/L/L-b01.seal"
# somebody else's segments under this name
aws s3 cp --quiet "s3://$bucket/L/L-b01.run" run
sed 's/\("uuid": *"\)[0-9a-f]*/\100000000/' run > x
put x run
n=$(sim_requests)
salvage 1 L
says 'L-b01.run names the run 00000000-.*nothing was sealed'
[ -z "$(puts "$n")" ] || die "changed: $(puts "$n")"
put run run
salvage 3 L
aws s3 rm --quiet "s3://$bucket/L/L-b01.tar.9999.age"
judge L

# nothing was closed: what was uploaded is all there is, and sealed
aws s3api create-multipart-upload --bucket $bucket --key B/B-b01.tar > n
segment=1G
killed B UploadPart 2 --bytes-per-second 16M
segment=16M
salvage 3 B
says '1 other uploads of B-b01.tar are open'
[ "$(last_json .segments)" = 1 ] || die "segments: $(cat out)"
judge B
salvage 0 B

# nothing was uploaded either
killed C PutObject 1 --bytes-per-second 1M	# C-b01.run
salvage 5 C
salvage 5 C

# encrypted: by the lab's identity; the open upload stays unsealed
killed E CompleteMultipartUpload 2 --encrypt-to "$to"
salvage 2 E
says 'identity'
salvage 3 E -i age.age
judge E --identity age.age
salvage 0 E

# a bundle that is whole is left alone
expect 0 "$CRASHCART" collect ./m.json --case D --out "s3://$bucket/D" \
	--trust-environment --state .
n=$(sim_requests)
salvage 0 D
[ "$(last_json .state)" = sealed ] || die "$(cat out)"
[ -z "$(puts "$n")" ] || die "changed: $(puts "$n")"
expect 2 "$CRASHCART" salvage "s3://$bucket/nothing" --trust-environment
says 'no bundle is there'
