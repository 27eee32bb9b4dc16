#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The AWS CLI and crashcart give the same answers (tests/sim/parity.py).
# run-tests: timeout=900
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
export CRASHCART
cli=$("$here/venv" "$here/requirements-cli.txt" cli)
eval "$("$here/start" --event-delay 100000)"
trap '"$here/stop"' EXIT
"$cli/bin/python" -B "$here/parity.py"
