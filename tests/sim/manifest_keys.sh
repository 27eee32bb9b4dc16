#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# "secrets", "rates" and "accounts" of a manifest, in an account that looks
# (tests/sim/manifest_keys.py).
# run-tests: release-only
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
eval "$("$here/start" --users 1 --event-delay 100000 --lookup-rate 0)"
trap '"$here/stop"' EXIT
python3 -B "$here/manifest_keys.py"
