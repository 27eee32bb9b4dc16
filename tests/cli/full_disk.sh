#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A disk that runs full: the bundle is sealed with what fitted, exit 3, each
# step that suffered has its gap, and it verifies.  Nothing is freed for that.
# On a disk so small that nothing can be kept for the end, the run seals what
# was durable with a second session key; `resume` does so for an earlier one.
. "$TOP/tests/lib/cart.sh"

# a place where a file system can be mounted: as root, or in a user namespace
if [ -z "${FULL_DISK_INSIDE:-}" ]; then
	mkdir -p disk
	if mount -t tmpfs -o size=1m none disk 2>/dev/null; then
		umount disk
	elif unshare -rm true 2>/dev/null; then
		FULL_DISK_INSIDE=1 exec unshare -rm bash "$0"
	else
		echo "neither root nor user namespaces"
		exit 77
	fi
fi
mkdir -p disk tree
trap 'umount disk 2>/dev/null || :' EXIT

for i in $(seq 60); do
	head -c 1000000 /dev/urandom > "tree/$i"
done
cat > m.json << END
{ "crashcart": 1, "name": "full", "title": "more than fits", "steps": [
  { "id": "first", "do": "host.files", "with": { "paths": ["$PWD/tree/1*"] } },
  { "id": "rest", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
END

disk() {	# SIZE
	umount disk 2>/dev/null || :
	mount -t tmpfs -o "size=$1" none disk
}

log_lines() { tar -xOf disk/F-1.tar --wildcards 'F-1/log/*'; }

sealed_with_gaps() {
	[ "$(last_json .exit)" = 3 ] || die "exit in --json"
	[ "$(last_json .gaps)" -ge 1 ] || die "no gap"
	key=$(last_json .key)
	[ ! -e disk/.F-1.spare ] || die "the spare is left over"
	expect 0 "$CRASHCART" verify disk/F-1.tar --pubkey "$key"
	log_lines > log
	grep -q '"type":"gap".*No space left on device' log ||
		die "no gap says why"
}

echo "space is kept for the end: one session, and most of it is filled"
disk 60m
expect 3 "$CRASHCART" collect m.json --json --case F --out disk/F-1.tar
says 'No space left on device'
sealed_with_gaps
[ "$(grep -c '"type":"session"' log)" = 1 ] || die "sessions"
[ "$(stat -c %s disk/F-1.tar)" -gt 25000000 ] || die "little was kept"
grep -q '"type":"instance","step":"first".*"outcome":"ok"' log ||
	die "what fitted is not whole"
# and is what was read
expect 0 "$CRASHCART" extract disk/F-1.tar --pubkey "$key" --out back
n=0
while read -r file; do
	cmp "$file" "tree/${file##*/}" || die "$file"
	n=$((n + 1))
done < <(find back -path '*/tree/*' -type f)
[ "$n" -ge 20 ] || die "only $n files came out"

echo "nothing can be kept: a second session seals what was durable"
disk 1m
expect 3 "$CRASHCART" collect m.json --json --case F --out disk/F-1.tar
says 'the disk is full'
sealed_with_gaps
[ "$(grep -c '"type":"session"' log)" = 2 ] || die "sessions"

echo "resumed on a disk that is still full"
disk 3m
expect 3 "$CRASHCART" collect m.json --json --case F --out disk/F-1.tar
rm disk/F-1.seal disk/F-1.seal.minisig
head -c 3000000 /dev/zero > disk/filler || :
expect 3 "$CRASHCART" resume disk --json
rm disk/filler
sealed_with_gaps
