#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# block.image judged by cmp and by the ranges that were written; a loop device
# that answers EIO; no image of where the output lies.
. "$TOP/tests/lib/cart.sh"
manifest() {
	printf '{ "crashcart": 1, "name": "m", "title": "m", "steps": [ { "id": "i",
	"do": "block.image", "with": { "path": "%s" } } ] }\n' "$1" > m.json
}
truncate -s 20M image
head -c 3M /dev/urandom | dd of=image bs=1M seek=9 conv=notrunc status=none
printf x >> image
manifest "$PWD/image"
expect 0 "$CRASHCART" collect ./m.json --case S --out o --quiet
expect 5 "$CRASHCART" extract o --out x
cmp x/*e000001* image || die "the image differs"
jq -sec 'map([.offset, .length, .kind]) == [[0, 9437184, "zero"],
	[9437184, 3145728, "read"], [12582912, 8388608, "zero"], [20971520, 1, "read"]]' \
	x/*map* > /dev/null || { cat x/*map*; die "the map"; }
[ "$(id -u)" = 0 ] && loop=$(losetup --show -f image 2> /dev/null) || exit 0
trap 'umount mnt 2> /dev/null || :; losetup -d "$loop" 2> /dev/null || :' EXIT
truncate -s 10M image
manifest "$loop"
expect 3 "$CRASHCART" collect ./m.json --case B --out b --quiet
expect 5 "$CRASHCART" extract b --out y
size=$(stat -c %s y/*e000001*)
[ "$size" = 20971520 ] || die "the image of a broken device has $size bytes"
cmp -n 10485760 y/*e000001* image || die "what could be read differs"
tail -c +10485761 y/*e000001* | tr -d '\0' | grep -q . && die "failed ranges are not zeros"
jq -sec 'map(select(.kind == "failed") | .length) | add == 10485760' y/*map* > /dev/null ||
	die "the map does not tell what failed"
"$CRASHCART" list b --json > lines 2> /dev/null || :
[ -n "$(jq -c 'select(.type == "gap" and .offset == 10485760 and .length == 10485760)' \
	lines)" ] || die "no gap line"
losetup -d "$loop"
# the output lies on a loop device: neither it nor its file may be imaged
command -v mkfs.ext4 > /dev/null || exit 0
rm -f image && truncate -s 80M image && mkfs.ext4 -q -F image
loop=$(losetup --show -f image)
mkdir mnt && mount "$loop" mnt 2> /dev/null || exit 0
for what in "$loop" "$PWD/image"; do
	manifest "$what"
	expect 3 "$CRASHCART" collect ./m.json --case N --out mnt/o --quiet
	[ "$("$CRASHCART" list mnt/o/*.tar --json 2> /dev/null | jq -r 'select(.type == "exhibit") | .id' |
		wc -l)" = 0 ] || die "$what was imaged onto itself"
	rm -rf mnt/o
done
