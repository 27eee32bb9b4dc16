#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# An instance that was launched to collect does what its user-data says, and
# nothing that it does not: a built-in manifest or a signed one, by its own role
# or another, into S3.  (The whole machine: tests/sim/ami.sh.)
. "$TOP/tests/lib/cart.sh"
cli=$("$TOP/tests/sim/venv" "$TOP/tests/sim/requirements-cli.txt" cli)
aws() { "$cli/bin/aws" "$@"; }
sim_start
bucket=northwind-evidence
mkdir work
admin=("AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID"
	"AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY")

# user_data JSON: what the metadata service gives
user_data() {
	jq -n --arg text "$1" '{user_data: $text}' |
		curl -sf -d @- "$AWS_ENDPOINT_URL/_sim/options" > /dev/null
}
# boot [OPTION]...: with nothing but the instance's own role
boot() {
	env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY \
		"$CRASHCART" boot --work work --json "$@"
}
# fetch_and_verify PREFIX: the last bundle there
fetch_and_verify() {
	rm -rf back
	aws s3 cp --quiet --recursive "s3://$bucket/$1/" back
	expect 0 "$CRASHCART" verify back -P "$key"
}

# what the instance's own role may do: put, into this bucket
env "${admin[@]}" "$cli/bin/aws" iam put-role-policy \
	--role-name web-frontend-role --policy-name put --policy-document '{
	"Version": "2012-10-17", "Statement": [ { "Effect": "Allow",
	"Action": [ "s3:PutObject", "s3:PutObjectRetention",
	"s3:AbortMultipartUpload" ],
	"Resource": "arn:aws:s3:::'$bucket'/*" } ] }'

# a manifest in full, signed by a key that the image holds
cat > m.json <<'E'
{ "crashcart": 1, "name": "who", "title": "Who is this", "params": {
	"user": { "type": "string", "required": true } }, "steps": [
	{ "id": "keys", "do": "aws.call", "with": { "call": "iam:ListAccessKeys",
		"input": { "UserName": "${params.user}" } } } ] }
E
"$CRASHCART" keygen -W good > /dev/null
"$CRASHCART" keygen -W other > /dev/null
: > empty
minisign -S -s good.key -m m.json < empty > /dev/null
data() {	# JQ-FILTER: the user-data, changed by it
	jq -n --rawfile m m.json --rawfile s m.json.minisig '{
		"crashcart-user-data": 1, manifest: $m, minisign: $s,
		params: {user: "breakglass-admin"}, case: "B-1",
		out: "s3://'$bucket'/boot",
		options: {region: "us-east-1", retain: "governance:30"}}'" | $1"
}
user_data "$(data .)"
expect 0 boot --manifest-key good.pub
key=$(last_json .key)
[ "$(last_json .location)" = "s3://$bucket/boot/$(last_json .bundle).tar" ] ||
	die "not where user-data says"
[ "$(jq -r 'select(.operation == "ListAccessKeys") | .principal' "$SIM_LOG" |
	grep -c "assumed-role/$SIM_ROLE_NAME/")" = 1 ] || die "by whom"
fetch_and_verify boot

# by another role, which the instance's own may take on; its own puts
user_data "$(data '.out = "s3://'$bucket'/role" |
	.role = "arn:aws:iam::'"$SIM_ACCOUNT_ID"':role/incident-response"')"
expect 0 boot --manifest-key good.pub
key=$(last_json .key)
jq -r 'select(.service == "iam" and .operation == "ListAccessKeys") |
	.principal' "$SIM_LOG" | tail -n 1 |
	grep -q "assumed-role/incident-response/" || die "not by that role"
! jq -r 'select(.service == "s3") | .principal' "$SIM_LOG" |
	grep -q "incident-response" || die "that role touched the bucket"
fetch_and_verify role

# a built-in one, by name; its sort of changes stays forbidden unless allowed
user_data '{"crashcart-user-data": 1, "manifest": "preserve-snapshot",
	"out": "s3://'$bucket'/no", "case": "B-2"}'
expect 2 boot

# none of this starts anything
n=$(sim_requests)
user_data "$(data .)"
expect 2 boot
says 'no --manifest-key'
expect 2 boot --manifest-key other.pub
says 'was not made by a key'
user_data "$(data '.manifest += " "')"
expect 2 boot --manifest-key good.pub
user_data "$(data 'del(.minisign)')"
expect 2 boot --manifest-key good.pub
says 'wants its signature'
user_data "$(data '.options["manifest-key"] = "other.pub"')"
expect 2 boot --manifest-key good.pub
user_data '#!/bin/sh
echo'
expect 2 boot
says 'user-data: line 1'
user_data '{"crashcart-user-data": 1, "manifest": "--help", "out": "s3://b"}'
expect 2 boot
says 'name of a built-in one'
[ -z "$(ls -A work)" ] || die "left in the folder: $(ls work/*)"
! tail -n +"$((n + 1))" "$SIM_LOG" | jq -e 'select(.service != "imds")' ||
	die "something was called"
AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9/ expect 1 boot
says 'no metadata service'

# without --allow too, a manifest must be signed once a key is named
expect 2 "$CRASHCART" collect ./m.json -p user=x --manifest-key other.pub
