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

# killed CASE OPERATION N: the run dies when the N-th such request is answered
killed() {
	local pid operation=$2 n=$3 from
	from=$(sim_requests)
	"$CRASHCART" collect ./m.json --case "$1" --out "s3://$bucket/$1" \
		--trust-environment --state . --segment 16M \
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

# the bucket's own lock, whose time has a fraction
killed L CompleteMultipartUpload 1
aws s3api get-object-retention --bucket $bucket --key L/L-b01.tar > tar.json
jq -e '.Retention.RetainUntilDate | test("[0-9][.][0-9]")' tar.json > n ||
	die "no fraction: $(cat tar.json)"
salvage 3 L
judge L

# nothing was closed: what was uploaded is all there is, and sealed
killed B UploadPart 2
salvage 3 B
[ "$(last_json .segments)" = 1 ] || die "segments: $(cat out)"
judge B
salvage 0 B

# nothing was uploaded either
killed C CreateMultipartUpload 1
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
