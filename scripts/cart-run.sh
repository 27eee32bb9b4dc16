#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Crashcart from this stick: picks the program for this machine.
#
#   sh run.sh                        what to do on this host
#   sh run.sh collect host-triage --case IR-7
#   sh run.sh verify evidence/IR-7-b01.tar
#   sh run.sh --copy collect ...     the stick is mounted noexec: run a copy in
#                                    memory, which is removed afterwards
#
# Evidence goes to evidence/ on the stick unless --out says otherwise, in files
# that FAT can hold.  Nothing else is written.
here=$(cd "$(dirname "$0")" && pwd) || exit 1
copy=
if [ "${1:-}" = --copy ]; then
	copy=1
	shift
fi
case $(uname -m) in
x86_64|amd64)	program=$here/x86_64/crashcart;;
aarch64|arm64)	program=$here/aarch64/crashcart;;
*)	echo "run.sh: there is no program for $(uname -m) here" >&2; exit 5;;
esac
[ -e "$program" ] || {
	echo "run.sh: $program is missing: this stick was not made for $(uname -m)" >&2
	exit 5
}

folder=
if [ -n "$copy" ]; then
	for memory in /dev/shm /run /run/user/"$(id -u)" /tmp; do
		# only a file system in memory: the disk may be evidence
		grep -q "^[^ ]* $memory tmpfs " /proc/mounts 2>/dev/null || continue
		folder=$(mktemp -d "$memory/crashcart.XXXXXX" 2>/dev/null) || continue
		trap 'rm -rf "$folder"' EXIT
		cp "$program" "$folder/crashcart" &&
			chmod 700 "$folder/crashcart" &&
			"$folder/crashcart" --version >/dev/null 2>&1 && break
		rm -rf "$folder"
		folder=
	done
	[ -n "$folder" ] || {
		echo "run.sh: no file system in memory lets programs run here" >&2
		exit 5
	}
	program=$folder/crashcart
elif ! "$program" --version >/dev/null 2>&1; then
	cat >&2 <<TEXT
run.sh: $program cannot be started: the stick is mounted noexec.  One of:
  mount -o remount,exec MOUNTPOINT     (as root; this stick's, and only it)
  sh $0 --copy ...                     (runs a copy in memory, 8 MB, removed afterwards)
TEXT
	exit 5
fi

if [ "${1:-}" != collect ]; then
	"$program" "$@"
	exit
fi
ours=1
for word; do
	case $word in
	-o|-o*|--out|--out=*|-h|--help) ours=;;
	esac
done
if [ -n "$ours" ]; then
	mkdir -p "$here/evidence" || exit 5
	set -- "$@" --out "$here/evidence" --segment 4095M
fi
"$program" "$@"
status=$?
if [ -n "$ours" ]; then
	echo "run.sh: writing what is still in memory to the stick ..." >&2
	sync
	echo "run.sh: unmount $here, then it is safe to remove" >&2
fi
exit $status
