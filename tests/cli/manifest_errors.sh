#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A wrong manifest: exit 2, one clear message with line and path, nothing
# touched - neither the account (its request log) nor the disk.
. "$TOP/tests/lib/cart.sh"
sim_start
before=$(sim_requests)

# wrong NAME PATTERN [OPTION]...: the manifest on stdin is refused.
wrong() {
	local name=$1 pattern=$2
	shift 2
	cat > "$name.json"
	expect 2 "$CRASHCART" collect "./$name.json" --case X --out never "$@"
	[ "$(wc -l < err)" = 1 ] || { cat err >&2; die "$name: not one message"; }
	says "$pattern"
	says "$name.json:( line )?[0-9]+"
	[ ! -e never ] || die "$name: the output folder was made"
	expect 2 "$CRASHCART" plan "./$name.json"
}

head='"crashcart": 1, "name": "t", "title": "t"'
wrong unknown-key '(colour|did you mean)' <<E
{ $head, "colour": "red", "steps": [ { "id": "a", "do": "aws.call", "with": { "call": "sts:GetCallerIdentity" } } ] }
E
wrong unknown-step-key 'did you mean' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "wiht": { "call": "sts:GetCallerIdentity" } } ] }
E
wrong unknown-type 'aws.cal' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.cal", "with": { "call": "sts:GetCallerIdentity" } } ] }
E
wrong wrong-type 'call' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "with": { "call": 5 } } ] }
E
wrong unknown-operation 'GetCallerIdentity' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "with": { "call": "sts:GetCallerIdentitee" } } ] }
E
wrong unknown-input 'InstanceIds' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "with": { "call": "ec2:DescribeInstances", "input": { "InstanceIDs": [] } } } ] }
E
wrong bad-reference 'nowhere' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "with": { "call": "iam:GetUser", "input": { "UserName": "\${nowhere.user}" } } } ] }
E
wrong bad-name 'usr' <<E
{ $head, "steps": [ { "id": "b", "do": "aws.call", "with": { "call": "iam:GetUser" }, "keep": { "user": ".User.UserName" } },
  { "id": "a", "do": "aws.call", "with": { "call": "iam:GetUser", "input": { "UserName": "\${b.usr}" } } } ] }
E
wrong cycle '(cycle|circle|each other)' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "after": ["b"], "with": { "call": "sts:GetCallerIdentity" } },
  { "id": "b", "do": "aws.call", "after": ["a"], "with": { "call": "sts:GetCallerIdentity" } } ] }
E
wrong bad-filter 'keep' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "with": { "call": "sts:GetCallerIdentity" }, "keep": { "x": ".Account | ascii_downcase" } } ] }
E
wrong duplicate-id '"?a"?' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "with": { "call": "sts:GetCallerIdentity" } },
  { "id": "a", "do": "aws.call", "with": { "call": "sts:GetCallerIdentity" } } ] }
E
wrong duplicate-key 'twice|duplicate' <<E
{ $head, "name": "u", "steps": [ { "id": "a", "do": "aws.call", "with": { "call": "sts:GetCallerIdentity" } } ] }
E
wrong no-changes 'changes' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "with": { "call": "iam:UpdateAccessKey", "input": { "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive" } } } ] }
E
wrong snapshot-no-changes 'changes' <<E
{ $head, "steps": [ { "id": "a", "do": "ec2.snapshot", "with": { "instance_id": "i-0123456789abcdef0" } } ] }
E
wrong changes-for-a-read 'only reads' <<E
{ $head, "steps": [ { "id": "a", "do": "aws.call", "changes": "evidence", "with": { "call": "sts:GetCallerIdentity" } } ] }
E
wrong not-json 'line|expected|:1' <<E
{ $head,
E

# the manifest is right, the run is not
cat > change.json <<E
{ $head, "steps": [ { "id": "a", "do": "ec2.snapshot", "changes": "evidence", "with": { "instance_id": "i-0123456789abcdef0" } } ] }
E
expect 2 "$CRASHCART" collect ./change.json --case X --out never
says '--allow evidence'
expect 2 "$CRASHCART" collect ./change.json --case X --out never --allow containment
says '--allow evidence'
# without a terminal a manifest of one's own must be signed for --allow
expect 2 "$CRASHCART" collect ./change.json --case X --out never --allow evidence
says 'manifest-key'
expect 2 "$CRASHCART" collect instance-compromise --case X --out never -p instance_id=nonsense --allow evidence
says 'instance_id'
expect 2 "$CRASHCART" collect instance-compromise --case X --out never --allow evidence
says 'instance_id'
says 'give -p instance_id=VALUE, which matches'
# but one may read the plan before one knows of which instance
expect 0 "$CRASHCART" plan instance-compromise
prints '^  -p instance_id=VALUE   MISSING'
prints '^  -p start=-90d'
prints 'ec2:DescribeInstances'
prints 'give what is MISSING'
expect 0 "$CRASHCART" plan instance-compromise -p instance_id=i-0123456789abcdef0
prints '^  -p instance_id=i-0123456789abcdef0'
! grep -q MISSING out || die "nothing is missing"
expect 2 "$CRASHCART" plan instance-compromise -p instance_id=nonsense
for how in --policy --check --json; do
	expect 2 "$CRASHCART" plan instance-compromise $how
	says 'needs parameter instance_id'
done
expect 2 "$CRASHCART" collect host-triage --case ../x --out never
says 'case'
expect 2 "$CRASHCART" collect host-triag --case X --out never
says "did you mean 'host-triage'"
[ ! -e never ] || die "the output folder was made"
[ "$(sim_requests)" = "$before" ] || die "the account was asked something"
