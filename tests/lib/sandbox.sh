#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What base_sandbox_driver must have been refused.  Sourced, after cart.sh.
# is FILE NAME RESULT...: the driver's output says one of these results.
is() {
	local file=$1 name=$2 r
	shift 2
	for r; do
		! grep -qx "$name $r" "$file" || return 0
	done
	die "$name: $(grep "^$name " "$file"), not $*"
}
# forbidden FILE MACHINE (as of uname -m): all of it was refused.
forbidden() {
	local name
	for name in socket socket-udp socket-unix socket-netlink thread-socket exec \
			fork ptrace memory symlink; do
		is "$1" $name EPERM EACCES
	done
	for name in fchmodat2 setxattrat removexattrat fsopen open-tree mount-setattr \
			pidfd-open pidfd-signal quotactl-fd utimensat fchmod setreuid \
			setfsuid shmget msgget semget mq-open memfd userfaultfd inotify \
			syslog own tiocsti dumpable kill tkill tgkill sigqueue limits; do
		is "$1" $name EPERM ENOSYS
	done
	if [ "$2" = x86_64 ]; then
		for name in utime utimes futimesat; do is "$1" $name EPERM; done
	fi
	is "$1" raise ok
	is "$1" io-uring ENOSYS
	is "$1" openat2 ENOSYS
	for name in make-outside write-outside truncate-outside mkdir-outside \
			unlink-outside rename-outside; do
		is "$1" $name EPERM EACCES
	done
	is "$1" read ok
	is "$1" thread ok
}
# allowed FILE: what the driver could make and write in its own folder.
allowed() {
	local name
	for name in mkdir-inside make-inside write-inside times; do
		is "$1" $name ok
	done
}
