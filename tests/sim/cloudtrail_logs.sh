#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cloudtrail.logs and cloudtrail.digests over delivered logs, with the AWS
# CLI's validate-logs as second judge (tests/sim/cloudtrail_logs.py).
# run-tests: timeout=900
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
export CRASHCART
cli=$("$here/venv" "$here/requirements-cli.txt" cli)
export AWSCLI="$cli/bin/aws"
eval "$("$here/start" --event-delay 100000)"
trap '"$here/stop"' EXIT
PYTHONPATH="$here/../interop" python3 -B "$here/cloudtrail_logs.py" "$@"
