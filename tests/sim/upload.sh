#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# A bundle that goes to S3 while it is collected: what the AWS CLI fetches
# verifies; it is locked and never overwritten; the checksums that S3 keeps are
# those of the seal; what a run that was killed had closed can be sealed.
. "$TOP/tests/lib/cart.sh"
cli=$("$TOP/tests/sim/venv" "$TOP/tests/sim/requirements-cli.txt" cli)
aws() { "$cli/bin/aws" "$@"; }
sim_start
bucket=northwind-evidence
mkdir big state
for i in $(seq 8); do head -c 9000000 /dev/urandom > "big/$i"; done
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/big/**"] } } ] }
E
common=(--trust-environment --state state --segment 16M --json)

expect 0 "$CRASHCART" collect ./m.json --case S --out "s3://$bucket/cases/7" \
	--retain governance:30 --legal-hold --bucket-owner 123456789012 \
	--upload-kms-key alias/evidence "${common[@]}"
[ "$(last_json .location)" = "s3://$bucket/cases/7/S-b01.tar" ] || die location
key=$(last_json .key)
[ -z "$(ls state)" ] || die "a state file stayed"
mkdir back
aws s3 cp --quiet --recursive "s3://$bucket/cases/7/" back
expect 0 "$CRASHCART" verify back -P "$key"
[ "$(find back -name 'S-b01.tar*' | wc -l)" -ge 5 ] || die segments

# what S3 says of the object is what the seal says of the segment
aws s3api get-object-attributes --bucket $bucket --key cases/7/S-b01.tar.002 \
	--object-attributes Checksum ObjectParts > attributes.json
length=$(aws s3api head-object --bucket $bucket --key cases/7/S-b01.tar.002 |
	jq .ContentLength)
[ "$length" -gt 8388608 ] && [ "$length" -le 16777216 ] || die "$length bytes"
grep -q "^segment 2 $length $(jq -r .Checksum.ChecksumSHA256 attributes.json)\$" \
	back/S-b01.seal || die "the composite checksum"
jq -r '.ObjectParts.Parts[].ChecksumSHA256' attributes.json |
	while read -r sum; do echo "$sum" | base64 -d |
		od -An -v -tx1 | tr -d " \n"; echo; done > parts
sed -n '/^segment 2 /,/^segment 3 /p' back/S-b01.seal |
	grep -x '[0-9a-f]\{64\}' | diff - parts || die "the checksums of the parts"

# locked, on hold, encrypted by the key: all of it
for k in S-b01.tar S-b01.tar.002 S-b01.seal S-b01.seal.minisig; do
	aws s3api head-object --bucket $bucket --key cases/7/$k > head.json
	jq -e '.ObjectLockMode == "GOVERNANCE" and
		.ObjectLockLegalHoldStatus == "ON" and
		.SSEKMSKeyId == "alias/evidence"' head.json > /dev/null ||
		die "$k: $(cat head.json)"
	! aws s3api delete-object --bucket $bucket --key cases/7/$k \
		--version-id "$(jq -r .VersionId head.json)" 2> /dev/null ||
		die "$k could be deleted"
done

# uploads BUCKET: those that are open
uploads() {
	aws s3api list-multipart-uploads --bucket "$1" |
		jq -r '.Uploads // [] | .[].Key'
}

# owners AFTER: the bucket owners that requests to S3 expected since
owners() {
	tail -n +"$(($1 + 1))" "$SIM_LOG" | jq -r 'select(.service == "s3") |
		.params.ExpectedBucketOwner // "none"' | sort -u
}

# a second run takes the next name; its own is never overwritten
n=$(sim_requests)
expect 0 "$CRASHCART" collect ./m.json --case S --out "s3://$bucket/cases/7/" \
	"${common[@]}"
[ "$(last_json .bundle)" = S-b02 ] || die "the name of a second run"
[ "$(owners "$n")" = 123456789012 ] || die "owners: $(owners "$n")"
n=$(sim_requests)
expect 0 "$CRASHCART" collect ./m.json --case A --out "s3://$bucket/any" \
	--bucket-owner ANY "${common[@]}"
[ "$(owners "$n")" = none ] || die "any: $(owners "$n")"
aws s3 cp --quiet --recursive "s3://$bucket/any/" any
find any -name "A-b01.tar*" | sort -V | xargs cat |
	tar -xOf - --wildcards '*/log/*.jsonl' |
	grep 'owner of the bucket was not checked' > note || die 'no note of it'

# the line that it prints checks it, where it is
echo '{"crashcart": 1, "name": "c", "title": "c", "steps": [
  { "id": "c", "do": "aws.call",
    "with": { "call": "sts:GetCallerIdentity" } } ] }' > c.json
expect 0 "$CRASHCART" collect ./c.json --case Q --trust-environment \
	--state state --out "s3://$bucket/a b's" --bucket-owner 123456789012
check=$(sed -n 's/^Check     crashcart //p' out)
expect 0 eval "\"\$CRASHCART\" $check"
prints '^VALID'

# one that was begun and is not sealed: refused, nothing is touched
aws s3 cp --quiet "s3://$bucket/cases/7/S-b01.run" run.json
jq -e '.bundle == "S-b01" and .crashcart_run == 1' run.json > /dev/null ||
	die "$(cat run.json)"
aws s3 cp --quiet run.json "s3://$bucket/begun/S-b01.run"
expect 2 "$CRASHCART" collect ./m.json --case S --out "s3://$bucket/begun" \
	"${common[@]}"
says 'S-b01 .*was begun and is not sealed'
[ "$(aws s3 ls --recursive "s3://$bucket/begun/" | wc -l)" = 1 ] || die "mixed"

# refused before anything is written
n=$(sim_requests)
expect 2 "$CRASHCART" collect ./m.json --out "s3://$bucket/x" \
	--retain compliance:30 "${common[@]}"
says irreversible
expect 2 "$CRASHCART" collect ./m.json --out "s3://$bucket/x" --retain 30 \
	"${common[@]}"
expect 2 "$CRASHCART" collect ./m.json --out s3://x "${common[@]}"
[ "$(sim_requests)" = "$n" ] || die "requests were made"
# nor before anything is collected: the bucket takes no such upload
: > err
refused() {
	expect 1 "$CRASHCART" collect ./m.json --case W "${common[@]}" "$@"
	says 'nothing was collected'
	! grep -q 'sealed by' err || die "it began: $*"
}
refused --out "s3://$bucket/x" --bucket-owner 999999999999
says 'AccessDenied|not allowed|denied'
expect 2 "$CRASHCART" collect ./m.json --out "s3://$bucket/x" --case W \
	--bucket-owner someone "${common[@]}"
says '12 digits'
refused --out s3://no-such-bucket-here/x
says 'make the bucket.*NoSuchBucket'
refused --out s3://northwind-assets/x --retain governance:1
says 'Object Lock'
refused --out "s3://$bucket/x" --upload-kms-key alias/no-such-key
says 'correct --upload-kms-key'
# what fails after that takes the upload back, and leaves the name free
expect 1 "$CRASHCART" collect ./m.json --case W --key no-such.key \
	--out "s3://$bucket/x" --retain governance:1 "${common[@]}"
[ -z "$(uploads "$bucket")" ] || die "uploads stayed: $(uploads "$bucket")"
[ -z "$(aws s3 ls --recursive "s3://$bucket/x")" ] || die "objects stayed"

# without --state: a folder of its own, gone afterwards, that nobody hinders
expect 0 "$CRASHCART" collect ./m.json --case D --out "s3://$bucket/d" \
	--trust-environment --segment 16M --json
# shellcheck disable=SC2016 # the ` are those of the message
own=$(sed -n 's/.*`crashcart resume \(.*\) --trust-environment` goes on.*/\1/p' err)
case $own in /dev/shm/crashcart-state-*) ;; *) die "the folder: $own";; esac
[ ! -e "$own" ] || die "$own stayed"
# a state that cannot be written does not end the collection
mkdir -p "hin'dered/N-b01.state"
touch "hin'dered/N-b01.state/x"
expect 0 "$CRASHCART" collect ./m.json --case N --out "s3://$bucket/n" \
	--trust-environment --segment 16M --json --state "hin'dered"
jq -r .message err | grep -qF \
	"\`crashcart resume 'hin'\"'\"'dered' --trust-environment\` goes on" ||
	die "the command: $(cat err)"
says 'the state file could not be written'
key=$(last_json .key)
mkdir n
aws s3 cp --quiet --recursive "s3://$bucket/n/" n
expect 0 "$CRASHCART" verify n -P "$key"
find n -name "N-b01.tar*" | sort -V | xargs cat | tar -xOf - --wildcards '*/log/*.jsonl' |
	grep 'state file could not be written' > note ||
	die 'no note of it'

# encrypted, by the credentials of another profile
mkdir -p .aws
printf '[put]\naws_access_key_id=%s\naws_secret_access_key=%s\n' \
	"$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" > .aws/credentials
[ -z "${AWS_SESSION_TOKEN:-}" ] ||
	echo "aws_session_token=$AWS_SESSION_TOKEN" >> .aws/credentials
"$CRASHCART" keygen --age lab > lab.txt
HOME=$PWD expect 0 "$CRASHCART" collect ./m.json --case E \
	--out "s3://$bucket/e" --upload-profile put "${common[@]}" \
	--encrypt-to "$(sed -n 's/^Recipient: //p' lab.txt)"
says 'profile .?put'
key=$(last_json .key)
mkdir e
aws s3 cp --quiet --recursive "s3://$bucket/e/" e
expect 0 "$CRASHCART" verify e -P "$key" -i lab.age
age -d -i lab.age e/E-b01.tar.age | tar -tf - > names 2> /dev/null || :
grep -q E-b01/bagit.txt names || die "age -d"

# killed NAME [OPTION]...: a run that was killed behind its first closed segment
killed() {
	local try pid name=$1
	shift
	for try in $(seq 10); do
		"$CRASHCART" collect ./m.json --case "$name$try" \
			--out "s3://$bucket/$name" "${common[@]}" "$@" \
			> out 2> err &
		pid=$!
		until [ -e "state/$name$try-b01.state" ] ||
				! kill -0 $pid 2> /dev/null
		do sleep 0.005; done
		kill -9 $pid 2> /dev/null || :
		wait $pid 2> /dev/null || :
		[ -e "state/$name$try-b01.state" ] || continue
		bundle=$name$try-b01
		key=$(sed -n 's/.*sealed by the session key \([A-Za-z0-9+/=]*\).*/\1/p' err)
		return
	done
	die "no run could be killed"
}

# fetched NAME: what the AWS CLI finds
fetched() {
	rm -rf got
	mkdir got
	aws s3 cp --quiet --recursive "s3://$bucket/$1/" got
}

# nothing that others may write, nothing that was altered, no lock that nobody
# can take back; and the state stays
killed K --retain governance:20 --only-region us-east-1
state=state/$bundle.state
rm -f "$state-closing"
cp -p "$state" kept
chmod 666 "$state"
expect 1 "$CRASHCART" resume state --trust-environment
says 'nobody else may write'
chmod 600 "$state"
expect 2 "$CRASHCART" resume state --trust-environment --retain compliance:1
says '--allow irreversible'
for edit in 's/^uuid .*/&\nchange \x1b[2J evidence intent/' \
	's/^root ./root g/' '/^upload /d' \
	's/^\(key .\{20\}\)A/\1B/;t;s/^\(key .\{20\}\)./\1A/' '/^key /d' \
	's/^\(trusted comment: .*root=\)./\1z/'
do
	sed "$edit" kept > "$state"
	expect 1 "$CRASHCART" resume state --trust-environment
	says 'state file'
	! grep -q $'\x1b' out err || die 'a control character'
done
# segments that are not those of the seal
sed "s,^location .*,location s3://$bucket/cases/7/," kept > "$state"
expect 1 "$CRASHCART" resume state --trust-environment
says 'GetObject'
[ -e "$state" ] || die "the state is gone"
# other regions than it had
cp -p kept "$state"
expect 2 "$CRASHCART" resume state --trust-environment --only-region eu-west-1
says '--only-region: the interrupted run had others'
# it goes on behind what was closed, locked alike
closed=$(sed -n 's/^log \([0-9]*\) .*/\1/p' kept)
expect 3 "$CRASHCART" resume state --trust-environment --json
says "going on after log line $closed"
second=$(last_json .key)
[ "$second" != "$key" ] || die "no second key"
[ "$(last_json .location)" = "s3://$bucket/K/$bundle.tar" ] ||
	die "not named by its first segment: $(last_json .location)"
[ -z "$(ls state)" ] || die "the state file stayed"
fetched K
find got -name "$bundle.tar*" | sort -V | xargs cat |
	tar -xOf - --wildcards '*/log/*.jsonl' |
	jq -c 'select(.type == "session") | .options["only-region"]' > regions
[ "$(sort regions | uniq -c | tr -s ' ')" = ' 2 ["us-east-1"]' ] ||
	die "the regions: $(cat regions)"
expect 0 "$CRASHCART" verify got -P "$second"
prints 'continued by a further session key'
last=$(find got -name "$bundle.tar*" -printf '%f\n' | sort -V | tail -n 1)
aws s3api head-object --bucket $bucket --key "K/$last" > head.json
[ "$(jq -r .ObjectLockMode head.json)" = GOVERNANCE ] &&
	[ "$(jq -r .ObjectLockRetainUntilDate head.json | cut -c1-10)" = \
	"$(date -u -d '+20 days' +%F)" ] || die "its lock: $(cat head.json)"
python3 -B "$TOP/tests/interop/verify_bundle.py" got --pubkey "$second" > second ||
	die "$(cat second)"

# by the bucket's own lock, whose time has a fraction
killed R
expect 3 "$CRASHCART" resume state --trust-environment --json
says 'going on after log line'
fetched R
last=$(find got -name "$bundle.tar*" -printf '%f\n' | sort -V | tail -n 1)
for file in "$bundle.tar" "$last"; do
	aws s3api head-object --bucket $bucket --key "R/$file" |
		jq -r '.ObjectLockRetainUntilDate[:19]'
done | uniq > until
[ "$(wc -l < until)" = 1 ] || die "another lock: $(cat until)"

# credentials that may only put: sealed as partial, and said why
killed P
curl -sS -d '{"name": "put", "policy": {"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Resource": "*", "Action": ["s3:PutObject"]}]}}' \
	"$AWS_ENDPOINT_URL/_sim/principal" > put.json
AWS_ACCESS_KEY_ID=$(jq -r .AWS_ACCESS_KEY_ID put.json) AWS_SESSION_TOKEN='' \
AWS_SECRET_ACCESS_KEY=$(jq -r .AWS_SECRET_ACCESS_KEY put.json) \
	expect 3 "$CRASHCART" resume state --trust-environment
says 'it cannot go on .*GetObject'
says 'were not compared'
prints '^Sealed .*partial'
[ -z "$(ls state)" ] || die "the state file stayed"
fetched P
expect 5 "$CRASHCART" verify got -P "$key"
prints 'sealed as partial'

# encrypted: what is closed is sealed, the rest kept beside it
killed C --encrypt-to "$(sed -n 's/^Recipient: //p' lab.txt)"
expect 3 "$CRASHCART" resume state --trust-environment --json
[ "$(last_json .state)" = partial ] || die "the state"
fetched C
expect 5 "$CRASHCART" verify got -P "$key" -i lab.age
prints 'sealed as partial'
python3 -B "$TOP/tests/interop/verify_bundle.py" got --pubkey "$key" \
	--identity lab.age > second && die "another verdict"
grep -q partial second || die "$(cat second)"
