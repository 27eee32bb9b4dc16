#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `crashcart plan --check` says what a run would miss (tests/sim/check.py).
# run-tests: serial
# run-tests: release-only
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
# a place where a file system can be mounted: as root, or in a user namespace
if [ -z "${CHECK_INSIDE:-}" ] && ! { mkdir -p disk &&
	mount -t tmpfs -o size=1m none disk 2>/dev/null && umount disk; }; then
	unshare -rm true 2>/dev/null || exit 77
	CHECK_INSIDE=1 exec unshare -rm sh "$0"
fi
eval "$("$here/start" --users 1 --event-delay 100000)"
trap 'umount disk 2>/dev/null || :; "$here/stop"' EXIT
python3 -B "$here/check.py"
