#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Collections over a hostile way to the account (tests/sim/hostile.py).
# run-tests: release-only
# run-tests: timeout=600
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
eval "$("$here/start" --users 60 --page-cap 10 --snapshot-delay 1 \
	--snapshot-seconds 1)"
trap '"$here/stop"' EXIT
python3 -B "$here/hostile.py" "$@"
