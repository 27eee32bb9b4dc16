#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only timeout=1800
# A stick: made from a release, its list signed; collects to itself, in segments
# that FAT can hold; mounted noexec it says how, and runs from memory when told.
# CART_LONG=1 (make soak) mounts ext4, exFAT and FAT32 images, collects more than
# 4 GiB onto each, and verifies after another mount (FAT32 in a QEMU guest).
. "$TOP/tests/lib/cart.sh"
minisign -G -W -p release.pub -s release.key > /dev/null
"$TOP/scripts/make-dist" -o dist "$(uname -m)" > log 2>&1 || {
	tail -n 20 log
	die "no release"
}
make_cart() {
	"$TOP/scripts/make-cart" -d dist -k release.key -p release.pub "$@"
}
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
E
mkdir tree
echo evidence > tree/file

# ---- a folder ----
mkdir stick
expect 0 make_cart stick
for arch in x86_64 aarch64; do	# the release is for one of them
	[ "$arch" = "$(uname -m)" ] || says "has no program for $arch"
done
(cd stick && sha256sum --strict --quiet -c SHA256SUMS)
minisign -Vqm stick/SHA256SUMS -p release.pub
for file in stick/manifests/*.json; do
	[ "$file" = stick/manifests/schema.json ] ||
		minisign -Vqm "$file" -p release.pub
done
[ -s stick/manual/crashcart.1 ] && [ -s stick/keys/release.pub ]
# everything on it is listed
(cd stick && find . -type f ! -name 'SHA256SUMS*' | sed 's,^\./,,' | sort) > there
sed 's/^[0-9a-f]*  //' stick/SHA256SUMS | sort > listed
diff there listed
expect 0 sh stick/run.sh collect ./m.json --case C --json
[ -e stick/evidence/C-b01.tar ] || die "the evidence is not on the stick"
grep -q 'safe to remove' err || die "it does not say when to remove the stick"
session=$(last_json .key)
expect 0 sh stick/run.sh verify stick/evidence/C-b01.tar -P "$session"
# --out elsewhere is left alone
expect 0 sh stick/run.sh collect ./m.json --case D --out elsewhere
[ -e elsewhere/D-b01.tar ] && [ ! -e stick/evidence/D-b01.tar ]
# what a release lacks is said
cp -r dist bare
(
	cd bare
	mkdir x
	tar xzf crashcart-*-linux-*.tar.gz -C x
	rm x/*/verify.html
	tar czf crashcart-*-linux-*.tar.gz -C x "$(ls x)"
	rm -r x
	find . -type f ! -name 'SHA256SUMS*' -exec sha256sum {} + > SHA256SUMS
)
mkdir plain
expect 0 "$TOP/scripts/make-cart" -d bare plain
says 'has no verify.html'
# a release that was changed is not put on a stick
cp -r dist bad
printf x >> "$(echo bad/*.spdx.json)"
mkdir no
! "$TOP/scripts/make-cart" -d bad no 2> err || die "a changed release was taken"
[ -z "$(ls no)" ] || die "something was written"

# ---- noexec: what to do is said; a copy in memory only when told ----
cat > noexec.sh <<'E'
set -eu
mount -t tmpfs -o noexec none "$1/n"
cp -r stick "$1/n/"
ls /dev/shm > before
got=0
sh "$1/n/stick/run.sh" collect ./m.json --case N 2> err || got=$?
[ $got = 5 ] && grep -q 'remount,exec' err && grep -q -- '--copy' err
[ ! -e "$1/n/stick/evidence/N-b01.tar" ]
sh "$1/n/stick/run.sh" --copy collect ./m.json --case N 2> err
"$CRASHCART" verify "$1/n/stick/evidence/N-b01.tar" > out || [ $? = 5 ]
ls /dev/shm | diff before - # nothing stays in memory
E
mkdir n
how=-m
[ "$(id -u)" = 0 ] && unshare -m true 2> /dev/null || how=-rm
unshare $how sh noexec.sh "$PWD" || { cat err; die "noexec"; }

# ---- images, read back by tools for their file systems ----
truncate -s 96M ext4.img vfat.img
expect 0 make_cart --format ext4 ext4.img
mkdir back
/usr/sbin/debugfs -R "rdump / back" ext4.img 2>/dev/null
(cd back && sha256sum --strict --quiet -c SHA256SUMS)
expect 1 make_cart --format ext4 ext4.img
grep -q 'holds something' err || die "a file system was overwritten"
expect 0 make_cart --format vfat vfat.img
fsck.vfat -n vfat.img > /dev/null
mdir -i vfat.img -b :: | grep -q run.sh

[ "${CART_LONG:-}" = 1 ] || exit 0

# ---- more than 4 GiB on each, verified after another mount ----
openssl enc -aes-128-ctr -nosalt -pass pass:seed -in /dev/zero 2>/dev/null |
	head -c 4500488192 > tree/large || :	# openssl dies of the pipe
[ "$(stat -c %s tree/large)" = 4500488192 ] || die "no large file"
mnt=$PWD/mnt
mkdir -p mnt
loop=''
detach() {
	! mountpoint -q "$mnt" || umount "$mnt"
	[ -z "$loop" ] || losetup -d "$loop"
	loop=''
}
trap detach EXIT
attach() {	# TYPE IMAGE
	loop=$(losetup --show -f "$2")
	case $1 in
	ext4)	mount "$loop" mnt;;
	exfat)	mount -t exfat "$loop" mnt 2>/dev/null ||
			mount.exfat-fuse "$loop" mnt > /dev/null;;
	esac
}
for type in ext4 exfat; do
	rm -f big.img
	truncate -s 6G big.img
	expect 0 make_cart --format "$type" big.img
	attach "$type" big.img
	expect 0 sh mnt/run.sh collect ./m.json --case L
	detach
	attach "$type" big.img
	ls -l mnt/evidence
	[ -e mnt/evidence/L-b01.tar.002 ] || die "$type: one segment"
	expect 5 sh mnt/run.sh verify mnt/evidence/L-b01.seal --json
	[ "$(jq -r .bytes_intact out)" = true ] || { cat out; die "$type"; }
	detach
	echo "$type: $(stat -c %s tree/large) bytes collected on it, intact after another mount"
done

# FAT32 in a guest, whose kernel has it: /dev/vdb is imaged onto /dev/vda
. "$TOP/tests/lib/guest.sh"
guest_make guest
rm -f big.img
truncate -s 6G big.img
expect 0 make_cart --format vfat big.img
sed "s,host.files,block.image,; s,\"paths\".*,\"path\": \"/dev/vdb\" } } ] }," \
	m.json > guest/root/m.json
cat > fat-collect <<'E'
set -e
mount -t vfat /dev/vda /mnt
sh /mnt/run.sh collect /m.json --case L
umount /mnt
E
cat > fat-verify <<'E'
set -e
mount -t vfat /dev/vda /mnt
ls -l /mnt/evidence
sh /mnt/run.sh verify /mnt/evidence/L-b01.seal --json 2> /dev/null || [ $? = 5 ]
umount /mnt
E
guest_run guest fat-collect big.img tree/large || die "vfat: collect"
fsck.vfat -n big.img
guest_run guest fat-verify big.img || die "vfat: verify"
grep -q 'L-b01.tar.002$' guest/said || die "vfat: one segment"
[ "$(grep '^{' guest/said | tail -n 1 | jq -r .bytes_intact)" = true ] ||
	die "vfat: not intact"
rm -f big.img tree/large
