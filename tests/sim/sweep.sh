#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# account-sweep: the facts that lie in the account lie in the bundle
# (tests/sim/sweep.py).
# run-tests: release-only
# run-tests: timeout=300
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
eval "$("$here/start" --users 1 --report-seconds 0.2 --event-delay 100000 \
	--lookup-rate 0)"
trap '"$here/stop"' EXIT
py=$("$here/venv" "$here/requirements.txt" sim)/bin/python
"$py" -B "$here/sweep.py" "$@"
