#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# run-tests: native-only
# run-tests: timeout=1500
# The program under real kernels in QEMU: x86_64 and aarch64 (cross-built) under
# Debian's 5.10 (bullseye; no older one can be had), 6.1 and 6.12.  It reads the
# host, seals, and verifies there, inside the sandbox that the kernel has: /proc
# says so of the process that verifies, and a driver tries there what is
# forbidden.  Booted with CART_LONG=1 alone; otherwise only the
# manifest is checked.  KERNELS="arm64-bookworm amd64-trixie": only these.
. "$TOP/tests/lib/cart.sh"
. "$TOP/tests/lib/sandbox.sh"
[ -n "${CART_LONG:-}" ] || {
	expect 0 "$CRASHCART" plan host-triage
	exit 0
}
get() { "$TOP/scripts/debian-package" "$@" | awk '{ print $4 }'; }

init() {
	cat <<'E'
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
$crashcart verify /run -P "$key" --json > verdict 2>&1
echo "verify $?"
$b grep -o '"sandbox": *"[^"]*"' verdict
$b mkfifo pipe
$crashcart verify - --seal K-b01.seal -P "$key" < pipe > piped 2>&1 & pid=$!
exec 9> pipe
$b head -c 20000 K-b01.tar >&9
n=0
until $b grep -q '^Seccomp:.*2$' /proc/$pid/status || [ $n = 60 ]; do
	$b sleep 1
	n=$((n + 1))
done
$b grep -E '^(NoNewPrivs|Seccomp):' /proc/$pid/status | $b tr '\t' ' '
$b tail -c +20001 K-b01.tar >&9
exec 9>&-
wait $pid
echo "piped $?"
$b mkdir -p try/in try/output/folder
cd try/in
echo old > old
for folder in - /run/try/output/folder; do
	/bin/driver $folder | $b sed "s,^,$folder ,"
	echo "$folder left $(echo *) $($b cat old)"
done
echo "kernel $($b uname -m) $($b uname -r)"
$b poweroff -f
E
}

boot() {	# ARCH SUITE: leaves what the guest said in the file console
	local arch=$1 suite=$2 machine=x86_64 tty=ttyS0 program=$CRASHCART
	local driver=$DRIVERS qemu="qemu-system-x86_64 -machine q35"
	local package=linux-image-cloud-$arch
	if [ "$arch" = arm64 ]; then
		machine=aarch64 tty=ttyAMA0
		program=$TOP/build/release-aarch64/crashcart
		driver=$TOP/build/release-aarch64/driver
		qemu="qemu-system-aarch64 -machine virt -cpu cortex-a72"
	fi
	# the last of bullseye itself: those after it are no longer to be had
	[ "$arch-$suite" != arm64-bullseye ] ||
		package=linux-image-5.10.0-32-cloud-arm64
	driver=$driver/base_sandbox_driver
	[ -x "$program" ] || die "no $program: make ARCH=$machine all"
	[ -x "$driver" ] || die "no $driver: make ARCH=$machine ${driver#"$TOP/"}"
	rm -rf deb root busybox
	dpkg-deb -x "$(get bookworm "$arch" busybox-static)" busybox
	dpkg-deb -x "$(get "$suite" "$arch" "$package")" deb
	kernel=$(echo deb/boot/vmlinuz-*)
	mkdir -p root/{bin,dev,proc,sys,run,etc}
	cp busybox/bin/busybox root/bin/
	cp "$program" root/bin/crashcart
	cp "$driver" root/bin/driver
	init > root/init
	chmod +x root/init
	(cd root && find . | sort | cpio --quiet -o -H newc -R 0:0) |
		gzip -1 > initrd
	# shellcheck disable=SC2086	# the program and its arguments
	timeout 280 $qemu -accel tcg -m 768 \
		-display none -no-reboot -nic none -serial file:console.raw \
		-kernel "$kernel" -initrd initrd \
		-append "console=$tty quiet panic=-1" < /dev/null ||
		die "$kernel: $(tail -n 20 console.raw)"
	tr -d '\r' < console.raw > console
	cat console
	grep -q "^kernel $machine ${kernel#deb/boot/vmlinuz-}$" console ||
		die "$kernel"
}

judge() {	# SANDBOX MACHINE: what the guest must have said
	local line folder=/run/try/output/folder
	# gaps are in order: an initramfs has no logs to read
	for line in 'collect [03]' 'verify 0' 'piped 0' 'NoNewPrivs: 1' \
			'Seccomp: 2' "\"sandbox\": *\"$1\"" "- sandbox $1" \
			"$folder sandbox $1" '- left old old'; do
		grep -Eqx -e "$line" console || die "$kernel: no $line"
	done
	sed -n 's/^- //p' console > nowhere
	sed -n "s,^$folder ,,p" console > below
	forbidden nowhere "$2"
	allowed below
	case $1 in
	landlock*)
		forbidden below "$2"
		is below left 'old old';;
	esac
}

# what each must have: Landlock's versions are the kernels'
while read -r guest machine sandbox; do
	case " ${KERNELS:-$guest} " in
	*" $guest "*) ;;
	*)	continue;;
	esac
	boot "${guest%-*}" "${guest#*-}"
	judge "$sandbox" "$machine"
	echo "$guest: $sandbox"
done <<E
amd64-bullseye x86_64 seccomp
amd64-bookworm x86_64 landlock 2, seccomp
amd64-trixie x86_64 landlock 6, seccomp
arm64-bullseye aarch64 seccomp
arm64-bookworm aarch64 landlock 2, seccomp
arm64-trixie aarch64 landlock 6, seccomp
E
