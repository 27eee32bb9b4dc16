#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# preserve-snapshot: through, refused, killed and resumed
# (tests/sim/preserve.py).
# run-tests: release-only
# run-tests: timeout=400
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
eval "$("$here/start" --users 1 --snapshot-delay 0.5 --snapshot-seconds 0.5 \
	--event-delay 100000)"
trap '"$here/stop"' EXIT
py=$("$here/venv" "$here/requirements.txt" sim)/bin/python
"$py" -B "$here/preserve.py" "$@"
