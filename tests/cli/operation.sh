#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# While it runs: how it stands, by file and by signal; limits of bytes, time and
# rate, each a gap in a sealed bundle; it gives way to the host; a second run on
# the same case is refused.
. "$TOP/tests/lib/cart.sh"
mkdir image
head -c 100M /dev/urandom > image/disk
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "i", "do": "block.image", "with": { "path": "$PWD/image/disk" } },
  { "id": "late", "do": "host.files", "after": "i",
    "with": { "paths": ["$PWD/m.json"] } } ] }
E
log_of() { tar -xOf "$1" --wildcards '*/log/*.jsonl'; }
# stopped NAME PATTERN: sealed with gaps, and the log says why.
stopped() {
	says "$2.*stopping"
	log_of "$1/$1-b01.tar" > log
	jq -se --arg why "$2" 'any(.[]; .type == "gap" and .reason == "limit" and
		(.detail | test($why))) and any(.[]; .type == "gap" and
		.step == "late" and .reason == "interrupted") and
		any(.[]; .type == "end" and .outcome == "gaps" and
		(.reason | test($why)))' log > /dev/null || die "$1: no gap: $2"
	expect 0 "$CRASHCART" verify "$1" -P "$key"
}

# usage errors: nothing is touched
for o in --max-bytes=x --max-bytes=63M --max-time=soon --bytes-per-second=1 \
	--priority=high; do
	expect 2 "$CRASHCART" collect ./m.json --case U --out u "$o"
	says "${o%=*}"
	[ ! -e u ] || die "$o left something"
done
# what is no status is not replaced
cp m.json kept
expect 2 "$CRASHCART" collect ./m.json --case U --out u --status kept
says 'something else'
cmp m.json kept
expect 2 "$CRASHCART" collect ./m.json --case U --out u --status no/where
for f in U-b01.seal.minisig u/U-b01.seal U-b01.tar.002 a.b.age; do
	expect 2 "$CRASHCART" collect ./m.json --case U --out u --status $f
	says 'names are those of bundles'
done
[ ! -e u ] || die "--status left something"

# the built-in CA roots are what counts when no others are named
AWS_ACCESS_KEY_ID=A AWS_SECRET_ACCESS_KEY=s expect 1 env -u AWS_CA_BUNDLE \
	"$CRASHCART" call sts:GetCallerIdentity --region us-east-1 \
	--endpoint-url http://127.0.0.1:1
says 'connect'
# what a suspect host would have us use is not used, and that is said
env -u AWS_CA_BUNDLE AWS_ENDPOINT_URL=http://127.0.0.1:1 AWS_ACCESS_KEY_ID=A \
	AWS_SECRET_ACCESS_KEY=s "$CRASHCART" collect ./m.json --case U \
	--out s3://bbb/x --region us-east-1 --proxy http://127.0.0.1:1 \
	> out 2> err && die "by which way"
says '^crashcart: warning: AWS_ENDPOINT_URL is set but not used, since .*--endpoint-url, or --trust'

# bytes: never more than was said
echo precious > status.new
expect 3 "$CRASHCART" collect ./m.json --case B --out B --max-bytes 80M \
	--status status --json
key=$(last_json .key)
stopped B max-bytes
size=$(stat -c %s B/B-b01.tar)
[ "$size" -lt $((80 << 20)) ] || die "$size bytes: more"
[ "$size" -gt 40000000 ] || die "$size bytes: too little"
jq -e --argjson size "$size" '.state == "sealed" and .exit == 3 and
	.bundle == "B-b01" and (.location | endswith("B-b01.tar")) and .bytes == $size and (.limit | test("max-bytes"))' \
	status > /dev/null || { cat status; die "the last status"; }
[ "$(echo status*)" = "status status.new" ] || die "a temporary file stayed"
[ "$(cat status.new)" = precious ] || die "a file beside it was overwritten"

# time and rate; meanwhile it answers
begun=$(date +%s)
"$CRASHCART" collect ./m.json --case T --out T --max-time 4s \
	--bytes-per-second 3M --status status --json > out 2> err &
pid=$!
for _ in $(seq 100); do
	! jq -e '.state == "collecting" and .bytes > 1000000' status \
		> /dev/null || break
	kill -0 $pid || { cat err; die "ended early"; }
	sleep 0.1
done
cp status seen
kill -s USR1 $pid
# a second run on the same case is refused, and touches nothing
got=0
"$CRASHCART" collect ./m.json --case T --out T > out2 2> err2 || got=$?
[ $got = 2 ] || die "a second run: exit $got"
grep -q 'another process is writing T-b01' err2 || { cat err2; die "why"; }
got=0
"$CRASHCART" resume T > out2 2> err2 || got=$?
[ $got = 1 ] || die "resume of a running one: exit $got"
grep -q 'another process' err2 || { cat err2; die "why"; }
# nice and in the last class of the disk's queue, all of it
for task in "/proc/$pid/task"/*; do
	[ "$(awk '{ print $19 }' "$task/stat")" -ge 10 ] || die "$task: not nice"
done
ionice -p $pid | grep -q 'best-effort: prio 7' || die "$(ionice -p $pid)"
got=0
wait $pid || got=$?
[ $got = 3 ] || { cat err; die "exit $got"; }
ended=$(date +%s)
key=$(last_json .key)
cp err all
# what was queued is written at once
[ $((ended - begun)) -le 8 ] || die "$((ended - begun)) s: not stopped in time"
stopped T max-time
[ "$(find T -name 'T-b02*' | wc -l)" = 0 ] || die "mixed"
jq -e '.bytes_per_s | . < 3900000 and . > 1000000' seen > /dev/null ||
	{ cat seen; die "the rate was not kept"; }
jq -e '.steps[0].state == "running" and .steps[0].total == 104857600 and
	.steps[1].state == "waiting" and .segment == 1' seen > /dev/null ||
	{ cat seen; die "status while it ran"; }
grep crashcart_status all | jq -e '.bundle == "T-b01" and .bytes > 0 and
	.steps[0].unit == "bytes"' > /dev/null || { cat all; die "SIGUSR1"; }
jq -se '.[0].options | .priority == "low" and .["max-time"] == "4s" and
	.["bytes-per-second"] == "3M"' log > /dev/null || die "the session line"

# in words; killed: the next is told to resume
"$CRASHCART" collect ./m.json --case K --out K --bytes-per-second 8M \
	--priority normal --status now > out 2> err &
pid=$!
for _ in $(seq 100); do
	! grep -q 'bundle K-b01' err || break
	sleep 0.1
done
sleep 1
kill -s USR1 $pid
for _ in $(seq 50); do
	! grep -q 'segment 1' err || break
	sleep 0.1
done
says 'collecting K-b01 for [0-9]+ s: 0 of 2 steps ended'
says 'running: i \([0-9.]+ MiB of 100.* MiB'
[ "$(awk '{ print $19 }' "/proc/$pid/stat")" = "$(nice)" ] ||
	die "nice all the same"
# what somebody puts in the place of the status while it runs stays
grep -q '"bundle":"K-b01"' now || die "no status"
echo precious > other
mv other now
sleep 1.2
[ "$(cat now)" = precious ] || die "replaced what is not its own"
says '--status: now is another file'
kill -9 $pid
wait $pid || :
for out in K K/K-b01.tar; do
	expect 2 "$CRASHCART" collect ./m.json --case K --out $out
	says 'without a seal: .crashcart resume K --name K-b01'
done
expect 5 "$CRASHCART" verify K
prints '^Collection    not sealed: it was interrupted or still runs'
prints '^Next          .crashcart resume FOLDER. goes on'
expect 3 "$CRASHCART" resume K --status status --json
key=$(last_json .key)
jq -e '.state == "sealed" and .exit == 3' status > /dev/null || die "resumed"
expect 0 "$CRASHCART" verify K -P "$key"
