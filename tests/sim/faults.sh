#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Collections from an account that misbehaves (tests/sim/faults.py).
# run-tests: release-only
# run-tests: timeout=1500
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
TOP=${TOP:-$(cd "$here/../.." && pwd)}
export TOP
eval "$("$here/start" --snapshot-delay 1 --snapshot-seconds 1)"
trap '"$here/stop"' EXIT
"$("$here/venv" "$here/requirements.txt" sim)/bin/python" -B \
	"$here/faults.py" "$@"
