#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: CRASHCART=build/crashcart tests/bench/host.sh [FILES]
# host.files over many small cached files, beside `tar | zstd -3 -T2`, which
# hashes nothing.  Three rounds in turn, the best of each; ratio > 1: faster.
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
seconds() {	# of a command, its output to nothing
	local a=$EPOCHREALTIME
	"$@" > /dev/null 2>&1 || { echo "failed: $*" >&2; exit 1; }
	echo "$a $EPOCHREALTIME" | awk '{ print $2 - $1 }'
}
ours() { "$crashcart" collect ./m.json --out - --seal "seal.$RANDOM" -q | cat; }
theirs() { tar -C / -cf - "${work#/}/t" | zstd -3 -T2 | cat; }
for _ in 1 2 3; do
	seconds ours >> ours.s
	seconds theirs >> theirs.s
done
du -sm t | awk -v n="$files" '{ printf "%d files, %d MiB\n", n, $1 }'
paste ours.s theirs.s | awk '{ if (NR == 1 || $1 < a) a = $1; if (NR == 1 || $2 < b) b = $2 }
	END { printf "crashcart %.2f s, tar|zstd %.2f s, ratio %.2f\n", a, b, b / a }'
