#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What compromised-key says of seeded incidents (tests/sim/key_incident_test.py).
# run-tests: release-only
# run-tests: timeout=900
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
"$("$here/venv" "$here/requirements.txt" sim)/bin/python" -B \
	"$here/key_incident_test.py"
