#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The first signal stops and seals, also when a server hangs; the second ends
# the process at once.
. "$TOP/tests/lib/cart.sh"
sim_start

cat > m.json <<'E'
{ "crashcart": 1, "name": "t", "steps": [
  { "id": "who", "do": "aws.call", "with": { "call": "sts:GetCallerIdentity" } },
  { "id": "slow", "do": "aws.call", "with": { "call": "ec2:DescribeVolumes" } },
  { "id": "late", "do": "aws.call", "after": "slow", "with": { "call": "ec2:DescribeSubnets" } } ] }
E
echo '[ { "do": "hang", "service": "ec2", "operation": "DescribeVolumes" } ]' > "$SIM_FAULTS"

# start NAME: collects in the background until the hanging call is under way.
start() {
	local _
	# a job in the background ignores SIGINT; env takes that back
	env --default-signal=INT "$CRASHCART" collect ./m.json --case "$1" \
		--out "$1" --trust-environment --json > out 2> err &
	pid=$!
	for _ in $(seq 100); do
		! grep -q DescribeVolumes "$SIM_LOG" || return 0
		sleep 0.1
	done
	cat err >&2
	die "the hanging call was not made"
}

for signal in INT TERM HUP; do
	: > "$SIM_LOG"
	start "S$signal"
	begin=$SECONDS
	kill -s "$signal" "$pid"
	got=0
	wait "$pid" || got=$?
	[ $got = 3 ] || { cat err >&2; die "SIG$signal: exit $got, not 3"; }
	[ $((SECONDS - begin)) -lt 30 ] || die "SIG$signal: took too long"
	says 'stopping'
	[ "$(last_json .exit)" = 3 ] || die "the last line says something else"
	key=$(last_json .key)
	expect 0 "$CRASHCART" verify "S$signal" --pubkey "$key"
	tar -xf "S$signal/S$signal-b01.tar"
	cat "S$signal-b01"/log/*.jsonl > log
	jq -e -s '.[] | select(.type == "end") | .outcome == "gaps" and
		(.reason | test("signal"))' log > /dev/null ||
		die "the end line does not say why"
	[ "$(jq -r 'select(.type == "instance" and .step == "slow" and
		.event == "end") | .outcome' log)" = cancelled ] ||
		die "the hanging step did not end cancelled"
	jq -e -s 'any(.[]; .type == "gap" and .step == "late" and
		.reason == "interrupted")' log > /dev/null ||
		die "the step that was not run is no gap"
done

# twice: at once, and no seal
: > "$SIM_LOG"
start twice
kill -s INT "$pid"
sleep 0.5
kill -s INT "$pid"
got=0
wait "$pid" || got=$?
[ $got = 130 ] || die "second signal: exit $got, not by the signal"
[ ! -e twice/twice-b01.seal ] || die "sealed all the same"
[ -e twice/twice-b01.tar ] || die "what was durable is gone"
