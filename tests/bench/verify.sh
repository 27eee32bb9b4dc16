#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: CRASHCART=build/crashcart tests/bench/verify.sh [MIB [ROUNDS]]
# `verify` of a bundle of MIB (2048) random bytes, cached, in turn with what
# says how fast it could be (openssl speed on all cores, one openssl dgst) and
# with what a reader would do otherwise: the commands of its VERIFY.txt, and
# tar and bagit.py.  Medians of ROUNDS (3); CPU time beside, since the machine
# may be shared.  "Hashes" counts both passes: chunks and members.
set -euo pipefail
mib=${1:-2048} rounds=${2:-3}
TOP=$(cd "$(dirname "$0")/../.." && pwd)
crashcart=$(realpath "${CRASHCART:-$TOP/build/crashcart}")
python=$("$TOP/tests/sim/venv" "$TOP/tests/bench/requirements.txt" bench)/bin/python
work=$(mktemp -d "${BENCH_DIR:-/dev/shm}/crashcart-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
. "$TOP/tests/lib/by_hand.sh"
cores=$(nproc)

# Random bytes, so that the bundle is as large as what goes in.
mkdir t
for ((i = 0; i < mib; i += 64)); do
	openssl enc -aes-128-ctr -nosalt -K "$(printf %032x $((i + 1)))" \
		-iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null |
		head -c $(((mib - i < 64 ? mib - i : 64) << 20)) > "t/$i" || :
done
printf '{ "crashcart": 1, "name": "m", "title": "m", "steps": [ { "id": "f",
	"do": "host.files", "with": { "paths": ["%s/t/**"] } } ] }\n' "$work" > m.json
"$crashcart" collect ./m.json --case B --out "$work/b.tar" -q > out ||
	{ cat out; exit 1; }
rm -rf t
tar -xOf b.tar --wildcards '*/keys/*.pub' | sed -n 2p > key
KEY=$(cat key)
export KEY
name=$(tar -tf b.tar | sed -n 1p)
name=${name%%/*}
tar -xOf b.tar "$name/VERIFY.txt" > verify.txt
# its NAME is the file's, which is not the folder's here
commands verify.txt 2 4 | sed "s/NAME\.seal/b.seal/g; s/NAME\.tar/b.tar/g" > hand
grep -q 'b\.tar' hand || commands verify.txt 2 4 |
	sed "s/$name\.seal/b.seal/g; s/$name\.tar/b.tar/g" > hand
bytes=$(stat -c %s b.tar)
members=$(tar -tf b.tar | wc -l)

# measure FILE COMMAND...: a line "wall cpu kib"
measure() {
	local to=$1
	shift
	"$python" - "$@" >> "$to" << 'P'
import os, resource, subprocess, sys, time
start = time.monotonic()
p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
text = p.stderr.read()
_, status, u = os.wait4(p.pid, 0)
wall = time.monotonic() - start
if status:
    sys.exit(f'{sys.argv[1:]}: status {status}: {text.decode()[-500:]}')
print(wall, u.ru_utime + u.ru_stime, u.ru_maxrss)
P
}
extract() { rm -rf x; mkdir x; }

cat > tarbag << P
#!/bin/bash
tar -xf b.tar -C x && exec "$python" - "x/$name" << 'Q'
import bagit, sys
bagit.Bag(sys.argv[1]).validate(processes=$cores)
Q
P
sed -i "1i cd '$work' || exit" hand
sed -i "1a trap 'rm -rf \"$name\"' EXIT" hand
chmod +x tarbag
for ((i = 0; i < rounds; i++)); do
	cat b.tar > /dev/null
	measure ours "$crashcart" verify b.tar -P "$KEY" -q
	openssl speed -elapsed -multi "$cores" -seconds 2 -bytes 65536 sha256 \
		2>/dev/null | sed -n 's/^sha256 *\([0-9.]*\)k.*/\1/p' >> limit
	openssl speed -seconds 2 -bytes 65536 sha256 2>/dev/null |
		sed -n 's/^sha256 *\([0-9.]*\)k.*/\1/p' >> limit.cpu
	measure dgst openssl dgst -sha256 b.tar
	measure cat cat b.tar
	if [ "$i" = 0 ] || [ "$mib" -le 2048 ]; then
		measure hand.m bash -euo pipefail ./hand
		extract
		measure bag ./tarbag
		rm -rf x
	fi
done 2> errors || { cat errors; exit 1; }

python3 - "$bytes" "$members" "$cores" << 'P'
import statistics as s, sys
size, members, cores = map(int, sys.argv[1:])
def med(name):
    rows = [list(map(float, l.split())) for l in open(name) if l[0].isdigit()]
    return [s.median(c) for c in zip(*rows)]
ours, dgst, cat = med('ours'), med('dgst'), med('cat')
hand, bag = med('hand.m'), med('bag')
limit = s.median(float(l) * 1000 for l in open("limit"))
one = s.median(float(l) * 1000 for l in open("limit.cpu"))
gib = 2**30
print(f'{size / gib:.2f} GiB, {members} members, {cores} cores')
def row(name, m):
    print(f'  {name:30} {m[0]:7.2f} s {m[1]:7.2f} s CPU {m[2] / 1024:7.1f} MiB'
          f'   {m[0] / ours[0]:6.2f} x ours')
row('crashcart verify', ours)
row('openssl dgst -sha256', dgst)
row('by hand (VERIFY.txt)', hand)
row('tar -x, bagit.py', bag)
row('cat', cat)
print(f'  openssl speed: {limit / gib:.2f} GiB/s elapsed on {cores} cores, '
      f'{one / gib:.2f} GiB in a second of CPU time')
print(f'  crashcart hashes {2 * size / ours[0] / gib:.2f} GiB/s, '
      f'{2 * size / ours[0] / limit:.2f} of that; by CPU time '
      f'{2 * size / ours[1] / one:.2f}')
print(f'  memory {ours[2] / 1024:.1f} MiB: limit 32 MiB and 80 bytes a member = '
      f'{32 + members * 80 / 2**20:.1f} MiB')
P
