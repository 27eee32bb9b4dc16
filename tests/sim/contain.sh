#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Containment and the way back (tests/sim/contain.py).
# run-tests: release-only
# run-tests: timeout=900
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
TOP=${TOP:-$(cd "$here/../.." && pwd)}
export TOP
eval "$("$here/start" --users 1 --lookup-rate 0 --event-delay 0)"
trap '"$here/stop"' EXIT
"$("$here/venv" "$here/requirements.txt" sim)/bin/python" -B "$here/contain.py"
