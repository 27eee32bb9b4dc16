#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Collections from an account that misbehaves (tests/sim/faults.py).
# run-tests: release-only
# run-tests: timeout=1500
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
eval "$("$here/start" --snapshot-delay 1 --snapshot-seconds 1)"
trap '"$here/stop"' EXIT
python3 -B "$here/faults.py" "$@"
