#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: CRASHCART=build/crashcart tests/bench/host.sh [FILES]
# host.files over many small cached files, beside `tar | zstd -3 -T2`, which
# hashes nothing.  Five rounds in turn, the medians; ratio > 1: faster.  CPU time
# beside, since the machine may be shared: one thread reads, packs and hashes.
set -euo pipefail
files=${1:-50000}
crashcart=$(realpath "${CRASHCART:-build/crashcart}")
work=$(mktemp -d "${BENCH_DIR:-/dev/shm}/crashcart-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 - "$files" <<'P'
import os, random, sys
r = random.Random(1)
words = [bytes(r.randrange(97, 123) for _ in range(r.randrange(2, 12))) for _ in range(3000)]
for i in range(int(sys.argv[1])):
    d = "t/%03d" % (i // 200)
    if i % 200 == 0:
        os.makedirs(d)
    with open("%s/%d" % (d, i), "wb") as f:
        f.write(b" ".join(r.choices(words, k=r.randrange(10, 800))))
P
printf '{ "crashcart": 1, "name": "m", "title": "m", "steps": [ { "id": "f",
	"do": "host.files", "with": { "paths": ["%s/t/**"] } } ] }\n' "$work" > m.json
TIMEFORMAT='%R %U %S'
seconds() {	# of a command, its output to nothing: elapsed and CPU
	{ time "$@" > /dev/null 2> errors; } 2>&1 | awk '{ print $1, $2 + $3 }' ||
		{ cat errors; exit 1; }
}
ours() { "$crashcart" collect ./m.json --out - --seal "seal.$RANDOM" -q | cat; }
theirs() { tar -C / -cf - "${work#/}/t" | zstd -3 -T2 | cat; }
for _ in 1 2 3 4 5; do
	seconds ours >> ours.s
	seconds theirs >> theirs.s
done
du -sm t | awk -v n="$files" '{ printf "%d files, %d MiB\n", n, $1 }'
median() { sort -n "$1" | awk -v k="$2" '{ print $k }' | sort -n | sed -n 3p; }
for k in 1 2; do
	echo "$k $(median ours.s $k) $(median theirs.s $k)" | awk '{
		printf "%s: crashcart %.2f s, tar|zstd %.2f s, ratio %.2f\n",
		$1 == 1 ? "elapsed" : "CPU", $2, $3, $3 / $2 }'
done
