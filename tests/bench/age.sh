#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: CRASHCART=build/crashcart DRIVERS=build/release/driver tests/bench/age.sh [MIB [ROUNDS]]
# Encryption of MIB (1024) zeros to one recipient, and back, in turn with age
# and, where it is installed, rage.  Medians of ROUNDS (5); CPU time beside,
# since the machine may be shared.  Ours encrypts with what the writer uses.
set -euo pipefail
mib=${1:-1024} rounds=${2:-5}
TOP=$(cd "$(dirname "$0")/../.." && pwd)
crashcart=$(realpath "${CRASHCART:-$TOP/build/crashcart}")
driver=$(realpath "$DRIVERS")/crypt_driver
work=$(mktemp -d "${BENCH_DIR:-/dev/shm}/crashcart-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
head -c "${mib}M" /dev/zero > plain
age-keygen -o id 2> /dev/null
age-keygen -y id > to
age -R to -o stored plain
tools=(age)
[ -z "$(command -v rage)" ] || tools+=(rage)

measure() {	# NAME STDIN COMMAND...
	local name=$1 in=$2
	shift 2
	python3 - "$name" "$in" "$@" >> times.txt << 'P'
import os, subprocess, sys, time
start = time.monotonic()
with open(sys.argv[2]) as f:
    p = subprocess.Popen(sys.argv[3:], stdin=f, stdout=subprocess.DEVNULL)
_, status, u = os.wait4(p.pid, 0)
if status:
    sys.exit(f'{sys.argv[3:]}: status {status}')
print(sys.argv[1], time.monotonic() - start, u.ru_utime + u.ru_stime)
P
}
for ((i = 0; i < rounds; i++)); do
	measure encrypt:crashcart plain "$driver" age to 1048576
	measure decrypt:crashcart stored "$crashcart" decrypt -i id - -q
	for t in "${tools[@]}"; do
		measure "encrypt:$t" plain "$t" -R to
		measure "decrypt:$t" stored "$t" -d -i id
	done
done
python3 - "$mib" times.txt << 'P'
import collections, statistics, sys
rows = collections.defaultdict(list)
for line in open(sys.argv[2]):
    name, *t = line.split()
    rows[name].append([float(x) for x in t])
med = {n: [statistics.median(c) for c in zip(*r)] for n, r in rows.items()}
print(f'age, {sys.argv[1]} MiB')
for n, (wall, cpu) in sorted(med.items()):
    ours = med[n.split(':')[0] + ':crashcart']
    print(f'  {n:20} {wall:7.2f} s {cpu:7.2f} s CPU   {wall / ours[0]:5.2f} x '
          f'ours, {cpu / ours[1]:5.2f} x its CPU')
P
