#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cloudtrail.events: every attribute, an interruption, late and repeated events
# (tests/sim/events.py).
# run-tests: release-only
# run-tests: timeout=600
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
export CRASHCART
eval "$("$here/start" --event-delay 100000 --extra-events 1300)"
trap '"$here/stop"' EXIT
python3 -B "$here/events.py" "$@"
