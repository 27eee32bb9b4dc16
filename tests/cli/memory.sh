#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only
# run-tests: timeout=900
# Memory stays under 64 MiB whatever the size of the evidence: 64 MiB of it to
# a pipe and to a file, then an image and 100,000 small files (SIZE, default
# 4 GiB in all).  What comes out again is identical, and one flipped bit in
# the pipe is reported at the start of its chunk.
. "$TOP/tests/lib/cart.sh"
size_mib=${SIZE:-4096}
# the disk is not what is measured: in memory where there is room for it all
if [ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -gt $((size_mib * 4)) ]; then
	work=$(mktemp -d /dev/shm/crashcart-memory.XXXXXX)
	trap 'rm -rf "$work"' EXIT
	cd "$work"
fi
limit_kib=$((64 * 1024))

# measured NAME COMMAND...: the last command's peak memory must be in bounds.
measured() {
	local name=$1 got=0
	shift
	/usr/bin/time -f '%M %e' -o usage "$@" > out 2> err < /dev/null || got=$?
	[ $got = 3 ] || [ $got = 0 ] || { cat err >&2; die "$name: exit $got"; }
	read -r peak seconds < <(tail -n 1 usage)
	echo "$name: peak $((peak / 1024)) MiB, $seconds s"
	[ "$peak" -lt $limit_kib ] || die "$name: $peak KiB is not under $limit_kib"
}

cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "memory", "steps": [
  { "id": "image", "do": "block.image", "with": { "path": "$PWD/disk.img" } },
  { "id": "files", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
E

# half noise, a quarter text, a quarter holes
image() {	# MIB
	rm -f disk.img
	head -c "$(($1 / 2))M" /dev/urandom > disk.img
	{ yes 'evidence that compresses well, line after line' || :; } |
		head -c "$(($1 / 4))M" >> disk.img
	truncate -s "${1}M" disk.img
}

tree() {	# COUNT
	rm -rf tree
	python3 - "$1" <<-'P'
	import os, random, sys
	rng = random.Random(1)
	noise = rng.randbytes(1 << 20)
	for i in range(int(sys.argv[1])):
	    folder = "tree/%03d" % (i // 500)
	    if i % 500 == 0:
	        os.makedirs(folder)
	    at, n = rng.randrange(len(noise) // 2), rng.randrange(20000)
	    with open("%s/%06d" % (folder, i), "wb") as f:
	        f.write(noise[at:at + n])
	P
}

echo "64 MiB:"
image 64
tree 100
measured "  to a file" "$CRASHCART" collect ./m.json --case S --out S.tar
small_file=$peak
# shellcheck disable=SC2016
measured "  to a pipe" sh -c '"$0" collect ./m.json --case S --out - --seal P.seal | cat > P.tar' "$CRASHCART"
"$CRASHCART" verify P.tar --seal P.seal > out || [ $? = 5 ] || die "the pipe"

echo "one flipped bit in the pipe:"
flip() {	# OFFSET
	python3 - "$1" <<-'P'
	import sys
	data = bytearray(open("P.tar", "rb").read())
	data[int(sys.argv[1])] ^= 4
	sys.stdout.buffer.write(data)
	P
}
for offset in 8388607 8388608 20000000; do
	flip $offset | "$CRASHCART" verify - --seal P.seal --json > out && got=0 || got=$?
	[ $got = 4 ] || die "a flipped bit at $offset: exit $got"
	want=$((offset / 8388608 * 8388608))
	[ "$(jq .bytes_parsed out)" = $want ] ||
		die "flipped at $offset: $(cat out), not bytes_parsed $want"
	echo "  at $offset: refused, bytes_parsed $want"
done
rm -f P.tar

echo "$size_mib MiB:"
image $((size_mib - 1000 > 64 ? size_mib - 1000 : 64))
tree 100000
measured "  to a file" "$CRASHCART" collect ./m.json --case L --out L.tar
large_file=$peak
# shellcheck disable=SC2016
measured "  to a pipe" sh -c '"$0" collect ./m.json --case L --out - --seal LP.seal | sha256sum > LP.sha' "$CRASHCART"
measured "  verify" sh -c '"$0" verify L.tar || [ $? = 5 ]' "$CRASHCART"
# shellcheck disable=SC2016
measured "  extract" sh -c '"$0" extract L.tar --out x || [ $? = 5 ]' "$CRASHCART"
for image in x/*; do
	[ -f "$image" ] || continue
	case $image in
	*map*) ;;
	*) cmp disk.img "$image" || die "the image differs";;
	esac
done
diff -r tree "$(find x -type d -path "*$PWD/tree" | head -n 1)" ||
	die "the tree differs"
echo "image and tree are identical to their sources"
# the same memory for 64 MiB and for all of it, but for what the list of
# members and files takes
[ $((large_file - small_file)) -lt $((16 * 1024)) ] ||
	die "memory grew with the evidence: $small_file to $large_file KiB"
