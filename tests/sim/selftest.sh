#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ask the simulated account everything that it claims, by botocore and by the
# AWS CLI, and by hand where these are too polite. Exit status 0 or 1.
# run-tests: timeout=900
# run-tests: release-only
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sim=$("$here/venv" "$here/requirements.txt" sim)
cli=$("$here/venv" "$here/requirements-cli.txt" cli)
SIM_AWS_CLI=$cli/bin/aws
export SIM_AWS_CLI
eval "$("$here/start" --snapshot-delay 4 --snapshot-seconds 3 \
	--report-seconds 2 --event-delay 0 --creds-ttl 12 --seed 7)"
rc=0
"$sim/bin/python" -B "$here/selftest.py" "$@" || rc=1
if [ "$rc" != 0 ]; then
	echo "request log: $SIM_LOG (kept)" >&2
	"$here/stop" --keep
else
	"$here/stop"
fi
exit "$rc"
