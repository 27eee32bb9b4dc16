#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# run-tests: native-only
# run-tests: timeout=900
# The program under real kernels in QEMU: Debian's 5.10 (bullseye; no older one
# can be had), 6.1 and 6.12.  It reads the host, seals, and verifies there.
# Booted with CART_LONG=1 alone; otherwise only the manifest is checked.
. "$TOP/tests/lib/cart.sh"
[ -n "${CART_LONG:-}" ] || {
	expect 0 "$CRASHCART" plan host-triage
	exit 0
}
get() { "$TOP/scripts/debian-package" "$@" | awk '{ print $4 }'; }

dpkg-deb -x "$(get bookworm amd64 busybox-static)" busybox
for suite in bullseye bookworm trixie; do
	rm -rf deb root
	dpkg-deb -x "$(get $suite amd64 linux-image-cloud-amd64)" deb
	kernel=$(echo deb/boot/vmlinuz-*)
	mkdir -p root/{bin,dev,proc,sys,run,etc}
	cp busybox/bin/busybox root/bin/
	cp "$CRASHCART" root/bin/crashcart
	cat > root/init <<'E'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t tmpfs run /run
crashcart=/bin/crashcart
cd /run
$crashcart collect host-triage --case K --out /run --json > out 2> err
echo "collect $?"
$b tail -n 5 err
key=$($b sed -n 's/^.*"key":"\([^"]*\)".*$/\1/p' out)
$crashcart verify /run -P "$key" > verdict 2>&1
echo "verify $?"
echo "kernel $($b uname -r)"
$b poweroff -f
E
	chmod +x root/init
	(cd root && find . | sort | cpio --quiet -o -H newc -R 0:0) |
		gzip -1 > initrd
	timeout 200 qemu-system-x86_64 -machine q35 -accel tcg -m 768 \
		-display none -no-reboot -nic none -serial file:console.raw \
		-kernel "$kernel" -initrd initrd \
		-append 'console=ttyS0 quiet panic=-1' < /dev/null ||
		die "$kernel: $(tail -n 20 console.raw)"
	tr -d '\r' < console.raw > console
	cat console
	# gaps are in order: an initramfs has no logs to read
	grep -Eq '^collect [03]$' console || die "$kernel: collect"
	grep -qx 'verify 0' console || die "$kernel: verify"
	grep -q "^kernel ${kernel#deb/boot/vmlinuz-}$" console || die "$kernel"
done
