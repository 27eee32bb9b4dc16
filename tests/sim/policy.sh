#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Manifests under the policy that `plan --policy` prints (tests/sim/policy.py).
# run-tests: timeout=1500
# run-tests: release-only
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
TOP=${TOP:-$(cd "$here/../.." && pwd)}
export TOP
# make soak takes out every action
POLICY_ACTIONS=${POLICY_ACTIONS-4}
export POLICY_ACTIONS
eval "$("$here/start" --users 1 --snapshot-delay 0 --snapshot-seconds 0.2 \
	--report-seconds 0.2 --event-delay 100000)"
trap '"$here/stop"' EXIT
py=$("$here/venv" "$here/requirements.txt" sim)/bin/python
"$py" -B "$here/policy.py" "$@"
