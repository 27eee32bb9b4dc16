#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What AWS's refusals become, and --debug without secrets (tests/sim/messages.py).
# run-tests: release-only
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
eval "$("$here/start" --users 1 --event-delay 100000)"
trap '"$here/stop"' EXIT
python3 -B "$here/messages.py"
