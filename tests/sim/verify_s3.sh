#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# A bundle in S3 is verified where it lies: the same verdict as on the files,
# whatever was done to its objects and however S3 behaves; and it is compared
# with S3's checksums without being read.
. "$TOP/tests/lib/cart.sh"
cli=$("$TOP/tests/sim/venv" "$TOP/tests/sim/requirements-cli.txt" cli)
aws() { "$cli/bin/aws" "$@"; }
sim_start --creds-ttl 3600
bucket=northwind-evidence
mkdir big state
for i in $(seq 6); do head -c 9000000 /dev/urandom > "big/$i"; done
cat > m.json <<F
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/big/**"] } } ] }
F
collect() {	# CASE PREFIX [OPTION]...
	expect 0 "$CRASHCART" collect ./m.json --case "$1" \
		--out "s3://$bucket/$2" --trust-environment --state state \
		--json "${@:3}"
	key=$(last_json .key)
}
collect S 'cases 7+x/' --segment 24M --retain governance:30 --legal-hold
at="s3://$bucket/cases 7+x"

# as on the files, and nothing is read twice
mkdir back
aws s3 cp --quiet --recursive "$at/" back
expect 0 "$CRASHCART" verify back -P "$key" --json
mv out files.json
n=$(sim_requests)
expect 0 "$CRASHCART" verify "$at" -P "$key" --json
diff files.json out || die "another verdict than on the files"
gets=$(tail -n +"$((n + 1))" "$SIM_LOG" | jq -r 'select(.operation ==
	"GetObject") | "\(.params.Key) \(.params.Range) \(.params.IfMatch)"')
[ "$(sort <<< "$gets" | uniq -d)" = "" ] || die "read twice: $gets"
segments=$(grep -c '^segment ' back/S-b01.seal)
chunks=$(grep -cx '[0-9a-f]\{64\}' back/S-b01.seal)
[ "$(grep -c 'tar.* bytes=[0-9]*-[0-9]* "' <<< "$gets")" = "$chunks" ] ||
	die "a part is not one request: $gets"
[ "$(tail -n +"$((n + 1))" "$SIM_LOG" | jq -r 'select(.service == "s3") |
	.params.ExpectedBucketOwner // "none"' | sort -u)" = 123456789012 ] ||
	die "whose bucket"
expect 0 "$CRASHCART" verify "$at/S-b01.tar" -P "$key"
expect 0 "$CRASHCART" verify "$at/S-b01.seal" -P "$key"
expect 0 "$CRASHCART" verify "$at/" -P "$key" --seal back/S-b01.seal
expect 5 "$CRASHCART" verify "$at"
expect 1 "$CRASHCART" verify "$at/S-b02.tar" -P "$key"
says 'S-b02.* is not there'
expect 1 "$CRASHCART" verify "$at" --bucket-owner 999999999999
says 'AccessDenied'
expect 2 "$CRASHCART" verify back --no-download
expect 2 "$CRASHCART-verify" verify "$at"
says 'makes no connection: download'
AWS_SECRET_ACCESS_KEY=x expect 1 "$CRASHCART" verify "$at"
says 'SignatureDoesNotMatch'

# not read: S3's word for every part, and what protects the objects
n=$(sim_requests)
expect 5 "$CRASHCART" verify "$at" -P "$key" --no-download
prints "not read here: .* MiB, of which S3 says that it holds every part"
prints 'Trusted +yes'
prints 'In S3 +S-b01.tar.002, version .*: GOVERNANCE until 2.*; legal hold ON'
! tail -n +"$((n + 1))" "$SIM_LOG" | jq -r 'select(.operation == "GetObject") |
	.params.Key' | grep -v seal || die "segments were read"
[ "$(tail -n +"$((n + 1))" "$SIM_LOG" | grep -c '"GetObjectAttributes"')" -gt 4 ] ||
	die "parts come in pages"
expect 5 "$CRASHCART" verify "$at" -P "$key" --no-download --json
jq -e --argjson n "$segments" '.stored_as_sealed and .bytes_intact == null and .signer_trusted and
	(.objects | length) == $n and all(.objects[]; .legal_hold == "ON" and
	.version_id)' out > /dev/null || die "$(cat out)"
expect 5 "$CRASHCART" verify "$at" --no-download
prints 'no key that you named made the seal'
expect 5 "$CRASHCART" verify "$at" -P "$key" --no-download --seal back/S-b01.seal

# both ways of asking: STATUS PATTERN-OF-VERIFY PATTERN-OF-NO-DOWNLOAD
both() {
	expect "$1" "$CRASHCART" verify "s3://$bucket/t" -P "$key"
	grep -Eq "$2" out err || die "$2: $(cat out err)"
	expect "$1" "$CRASHCART" verify "s3://$bucket/t" -P "$key" --no-download
	grep -Eq "$3" out err || die "$3: $(cat out err)"
}
put() { aws s3 cp --quiet --checksum-algorithm SHA256 "$1" "s3://$bucket/t/$2"; }
aws s3 cp --quiet --recursive --checksum-algorithm SHA256 back "s3://$bucket/t"
expect 0 "$CRASHCART" verify "s3://$bucket/t" -P "$key"
expect 5 "$CRASHCART" verify "s3://$bucket/t" -P "$key" --no-download
prints 'S-b01.tar, .*: GOVERNANCE until .*; legal hold none'
# one byte of the second part of the second segment
cp back/S-b01.tar.002 x
printf X | dd of=x bs=1 seek=9000000 conv=notrunc status=none
put x S-b01.tar.002
both 4 'chunk of segment 2 at offset 8388608 is not as sealed.*F22' \
	'part 2 of segment 2 is not as sealed.*F22'
put back/S-b01.tar S-b01.tar.002
both 4 'segment 2 is (longer|shorter).*F22' 'segment 2 is (longer|shorter).*F22'
head -c 9000000 back/S-b01.tar.002 > x
put x S-b01.tar.002
both 4 'segment 2 is shorter than sealed' 'segment 2 is shorter than sealed'
aws s3 rm --quiet "s3://$bucket/t/S-b01.tar.002"
both 4 '(S-b01.tar.002 is missing|segments instead).*F2' '(missing|instead).*F2'
put back/S-b01.tar.002 S-b01.tar.002
more=S-b01.tar.$(printf '%03d' $((segments + 1)))
put back/S-b01.tar "$more"
both 4 "instead of $segments.*F2" "instead of $segments.*F2"
aws s3 rm --quiet "s3://$bucket/t/$more"	# a delete marker: enough
expect 0 "$CRASHCART" verify "s3://$bucket/t" -P "$key"
# what is no part of it is told, and changes nothing
echo x > x
for name in notes.txt S-b01.tar.old S-b01.seal.bak; do put x "$name"; done
expect 0 "$CRASHCART" verify "s3://$bucket/t" -P "$key"
prints '^Beside it     1 objects there that are no part of it'
prints '^Beside it     2 with names like its own'
expect 0 "$CRASHCART" verify "s3://$bucket/t" -P "$key" --json
jq -e '.verdict == "valid" and .beside == 1 and .beside_alike == 2' out > \
	/dev/null || die "beside it: $(cat out)"
for name in notes.txt S-b01.tar.old S-b01.seal.bak; do
	aws s3 rm --quiet "s3://$bucket/t/$name"
done
# without checksums of parts it must be read
aws s3api put-object --bucket $bucket --key t/S-b01.tar.002 \
	--body back/S-b01.tar.002 --checksum-algorithm CRC32 > put.json
expect 0 "$CRASHCART" verify "s3://$bucket/t" -P "$key"
expect 1 "$CRASHCART" verify "s3://$bucket/t" -P "$key" --no-download
says 'no SHA-256 of the parts'
# a copy in other parts is no forgery
aws s3api put-object --bucket $bucket --key t/S-b01.tar.002 \
	--body back/S-b01.tar.002 --checksum-algorithm SHA256 > put.json
expect 1 "$CRASHCART" verify "s3://$bucket/t" -P "$key" --no-download
says 'no SHA-256 of the parts'
put back/S-b01.tar.002 S-b01.tar.002
# the seal, its signature
sed 's/^case S/case T/' back/S-b01.seal > x
put x S-b01.seal
both 4 'F23' 'F23'
aws s3 rm --quiet "s3://$bucket/t/S-b01.seal"
expect 5 "$CRASHCART" verify "s3://$bucket/t" -P "$key"
prints 'there is no seal'
expect 1 "$CRASHCART" verify "s3://$bucket/t" -P "$key" --no-download
says 'no seal to compare with'
put back/S-b01.seal S-b01.seal
put back/S-b01.seal O-b01.seal
expect 1 "$CRASHCART" verify "s3://$bucket/t" -P "$key"
says 'more than one bundle'
expect 0 "$CRASHCART" verify "s3://$bucket/t/S-b01.tar" -P "$key"

# S3 that throttles, stalls, breaks off; an object that is replaced meanwhile
faults() { echo "$1" > "$SIM_FAULTS"; }
faults '[{"service":"s3","operation":"GetObject","do":"throttle","every":3,"times":4},
	{"service":"s3","operation":"GetObject","do":"cut","fraction":0.5,"every":4,"times":2},
	{"service":"s3","operation":"GetObject","do":"reset","every":5,"times":2}]'
expect 0 "$CRASHCART" verify "$at" -P "$key"
faults '[{"service":"s3","operation":"GetObject","skip":4,"do":"error","status":412,
	"code":"PreconditionFailed","message":"x"}]'
expect 1 "$CRASHCART" verify "$at" -P "$key"
says 'was replaced while it was read'
faults '[{"service":"s3","operation":"GetObjectRetention","do":"deny"}]'
expect 5 "$CRASHCART" verify "$at" -P "$key" --no-download
prints 'lock unknown: .*AccessDenied'
faults '[{"service":"s3","operation":"GetObjectAttributes","do":"deny"}]'
expect 1 "$CRASHCART" verify "$at" -P "$key" --no-download
if [ -n "${VERIFY_S3_STALL:-}" ]; then	# half a minute
	faults '[{"service":"s3","operation":"GetObject","skip":4,"do":"stall",
		"fraction":0.5,"times":1}]'
	expect 0 "$CRASHCART" verify "$at" -P "$key"
fi
faults '[]'

# the process that fetches dies: said, and no verdict
faults '[{"service":"s3","operation":"GetObject","skip":3,"do":"hang","seconds":60}]'
"$CRASHCART" verify "$at" -P "$key" > out 2> err &
pid=$!
child=
for _ in $(seq 100); do
	child=$(cat "/proc/$pid/task/$pid/children" 2> /dev/null || :)
	grep -c GetObject "$SIM_LOG" > n || :
	[ -z "$child" ] || break
	sleep 0.05
done
[ -n "$child" ] || die "no process fetches"
# shellcheck disable=SC2086 # one number and a space
kill -9 $child
got=0
wait $pid || got=$?
[ $got = 1 ] || die "exit $got when it died"
says 'the process that fetches .* died'

# it ends at requests that no verifier makes: here through its own pipe
cat > ask.py <<'P'
import os, struct, sys
child, parent, *q = (int(n) for n in sys.argv[1:])
def ends(pid, way):	# its pipes: inode -> path
    d, out = "/proc/%d/" % pid, {}
    for fd in os.listdir(d + "fd"):
        at = os.readlink(d + "fd/" + fd)
        flags = open(d + "fdinfo/" + fd).read().split("flags:")[1].split()[0]
        if at.startswith("pipe:") and int(flags, 8) & 3 == way:
            out[at] = d + "fd/" + fd
    return out
mine = ends(child, os.O_RDONLY)
both = set(mine) & set(ends(parent, os.O_WRONLY))
assert len(both) == 1, both
fd = os.open(mine[both.pop()], os.O_WRONLY)
os.write(fd, struct.pack("=IIIIQ", *q))
P
# OP SLOT FILE LENGTH OFFSET
for q in '0 1 0 1 0' '7 1 0 1 0' '1 8 0 1 0' '1 4000000000 0 1 0' \
	'1 1 99999 1 0' '2 1 99999 1 0' '1 1 0 8388609 0'
do
	faults '[{"service":"s3","operation":"GetObject","skip":1,"do":"hang",
		"seconds":60,"times":1}]'
	n=$(sim_requests)
	"$CRASHCART" verify "$at" -P "$key" > out 2> err &
	pid=$!
	until tail -n +"$((n + 1))" "$SIM_LOG" | grep -q '"GetObject"' ||
			! kill -0 $pid 2> /dev/null
	do sleep 0.02; done
	child=$(cat "/proc/$pid/task/$pid/children")
	# shellcheck disable=SC2086 # numbers
	python3 ask.py "${child% }" "$pid" $q
	got=0
	wait $pid || got=$?
	[ $got = 1 ] || die "exit $got after the request $q"
	says 'the process that fetches .* died'
done
faults '[]'

# encrypted
"$CRASHCART" keygen --age lab > lab.txt
collect E e --segment 24M --encrypt-to "$(sed -n 's/^Recipient: //p' lab.txt)"
expect 0 "$CRASHCART" verify "s3://$bucket/e" -P "$key" -i lab.age
expect 5 "$CRASHCART" verify "s3://$bucket/e/E-b01.tar.age" -P "$key"
expect 5 "$CRASHCART" verify "s3://$bucket/e" -P "$key" --no-download
prints 'not read here'
