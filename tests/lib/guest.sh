# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A QEMU guest with Debian's cloud kernel and busybox, for file systems that this
# kernel lacks (make soak): source it, after cart.sh.

# guest_make FOLDER: fetches both into FOLDER.
guest_make() {
	local name
	[ "$(uname -m)" = x86_64 ] || die "a guest: only on x86_64"
	mkdir -p "$1/x" "$1/root"/{bin,proc,sys,dev,mnt,modules}
	name=$(apt-cache depends linux-image-cloud-amd64 |
		sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
	(cd "$1" && apt-get -qq download "$name" busybox-static)
	for name in "$1"/*.deb; do
		dpkg-deb -x "$name" "$1/x"
	done
	mv "$1"/x/boot/vmlinuz-* "$1/kernel"
	cp "$(find "$1/x" -path '*/bin/busybox')" "$1/root/bin"
	for name in virtio_ring virtio virtio_pci_modern_dev \
		virtio_pci_legacy_dev virtio_pci virtio_blk fat vfat nls_cp437 \
		nls_ascii nls_utf8; do
		find "$1/x" -name "$name.ko" -exec cp {} "$1/root/modules" \;
	done
	cat > "$1/root/init" <<'E'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc; mount -t sysfs none /sys
mount -t devtmpfs none /dev 2> /dev/null
mkdir -p /dev/shm; mount -t tmpfs none /dev/shm
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev \
	virtio_pci virtio_blk fat vfat nls_cp437 nls_ascii nls_utf8; do
	[ ! -e /modules/$m.ko ] || insmod /modules/$m.ko
done
sh /commands && echo "guest: all went well"
sync
poweroff -f
E
	chmod 755 "$1/root/init"
	ln -s busybox "$1/root/bin/sh"
	rm -rf "$1/x" "$1"/*.deb
}

# guest_run FOLDER COMMANDS DISK...: runs the file of COMMANDS, which finds the
# DISKs as /dev/vda, /dev/vdb ...; fails if one of them fails.
guest_run() {
	local folder=$1 disk disks=()
	cp "$2" "$folder/root/commands"
	shift 2
	(cd "$folder/root" && find . | cpio -oH newc 2> /dev/null | gzip -1) \
		> "$folder/initrd"
	for disk; do
		disks+=(-drive "file=$disk,format=raw,if=virtio,cache=unsafe")
	done
	# emulated, for hosts that are guests themselves
	timeout 7000 qemu-system-x86_64 -accel "${GUEST_ACCEL:-tcg}" \
		-cpu max -m 512 \
		-nographic -no-reboot -kernel "$folder/kernel" \
		-initrd "$folder/initrd" -append "console=ttyS0 quiet \
		panic=-1 no_timer_check" \
		-net none "${disks[@]}" < /dev/null > "$folder/console" 2>&1 ||
		{ tail -n 30 "$folder/console"; return 1; }
	tr -d '\r' < "$folder/console" | tee "$folder/said" | tail -n 30
	grep -q '^guest: all went well' "$folder/said"
}
