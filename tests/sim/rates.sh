#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No limit of AWS is passed in any window (tests/sim/rates.py).
# run-tests: timeout=900
# run-tests: release-only
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
eval "$("$here/start" --extra-events 1200 --event-delay 100000)"
trap '"$here/stop"' EXIT
python3 -B "$here/rates.py"
