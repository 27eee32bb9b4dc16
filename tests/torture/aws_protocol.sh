#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Allocations fail while requests are encoded and replies are read: every line
# is answered or the program says that memory ran out; nothing crashes, leaks
# or hangs.  EVERY=1 lets each single one fail.
. "$TOP/tests/lib/cart.sh"

driver=$DRIVERS/aws_driver every=${EVERY:-3}
cat > calls <<'CALLS'
{"call":"ec2:RunInstances","input":{"MaxCount":1,"MinCount":1,"UserData":"x","TagSpecifications":[{"ResourceType":"instance","Tags":[{"Key":"a","Value":"b"}]}]}}
{"call":"s3:PutBucketTagging","input":{"Bucket":"bucket","Tagging":{"TagSet":[{"Key":"k","Value":"<&>"}]}}}
{"call":"cloudtrail:LookupEvents","input":{"StartTime":"2026-01-01T00:00:00.5Z"}}
{"call":"lambda:ListFunctions","input":{"Marker":"a&b","MaxItems":1}}
{"call":"ec2:DescribeInstances","input":{"Filter":[]}}
{"call":"ec2:DescribeVolumes","reply":{"status":200,"headers":{},"body_base64":"PFI+PHZvbHVtZVNldD48aXRlbT48dm9sdW1lSWQ+dm9sLTE8L3ZvbHVtZUlkPjxzaXplPjg8L3NpemU+PGNyZWF0ZVRpbWU+MjAxNS0wMS0wMVQwMDowMDowMC4wMDBaPC9jcmVhdGVUaW1lPjx0YWdTZXQ+PGl0ZW0+PGtleT5rPC9rZXk+PHZhbHVlPnY8L3ZhbHVlPjwvaXRlbT48L3RhZ1NldD48L2l0ZW0+PC92b2x1bWVTZXQ+PC9SPg=="}}
{"call":"cloudtrail:LookupEvents","reply":{"status":200,"headers":{"a":"b"},"body_base64":"eyJFdmVudHMiOlt7IkV2ZW50SWQiOiJlIiwiRXZlbnRUaW1lIjoxNDIwMDcwNDAwLjUsIlJlc291cmNlcyI6W3siUmVzb3VyY2VOYW1lIjoiciJ9XX1dLCJOZXh0VG9rZW4iOiJ0In0="}}
{"call":"lambda:GetFunction","reply":{"status":404,"headers":{"x-amzn-ErrorType":"ResourceNotFoundException:x"},"body_base64":"eyJUeXBlIjoiVXNlciIsIk1lc3NhZ2UiOiJnb25lIn0="}}
{"call":"ec2:DescribeVolumes","reply":{"status":400,"headers":{},"body_base64":"PFJlc3BvbnNlPjxFcnJvcnM+PEVycm9yPjxDb2RlPkE8L0NvZGU+PE1lc3NhZ2U+bTwvTWVzc2FnZT48WD55PC9YPjwvRXJyb3I+PC9FcnJvcnM+PFJlcXVlc3RJRD5pZDwvUmVxdWVzdElEPjwvUmVzcG9uc2U+"}}
{"call":"ec2:DescribeInstances","input":{"MaxResults":5},"view":{"Reservations":[],"NextToken":"t"}}
{"call":"iam:GetRolePolicy","reply":{"status":200,"headers":{},"body_base64":"PFI+PEdldFJvbGVQb2xpY3lSZXN1bHQ+PFBvbGljeURvY3VtZW50PiU3QiUyMmElMjIlM0ExJTdEPC9Qb2xpY3lEb2N1bWVudD48L0dldFJvbGVQb2xpY3lSZXN1bHQ+PC9SPg=="}}
CALLS
CRASHCART_FAULT_COUNT=$PWD/counts "$driver" < calls > good
[ "$(wc -l < good)" = "$(wc -l < calls)" ] || die "not every line was answered"
n=$(awk '$1 == "alloc" { print $2 }' counts)
echo "$n allocations, each ${every}th fails"
for ((i = 1; i <= n; i += every)); do
	for fault in "alloc:$i" "alloc:$i+"; do
		got=0
		CRASHCART_FAULT=$fault timeout 60 "$driver" < calls > out \
			2> err || got=$?
		[ $got -le 1 ] || { cat err; die "status $got with $fault"; }
		[ $got = 0 ] || grep -q 'out of memory' err ||
			{ cat err; die "no reason with $fault"; }
	done
done
