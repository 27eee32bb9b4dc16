#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every tampering of digests and logs, judged by us and by the AWS CLI's
# validate-logs side by side (tests/sim/validate_logs.py).
# run-tests: release-only
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cli=$("$here/venv" "$here/requirements-cli.txt" cli)
export CLI_PYTHON="$cli/bin/python"
PYTHONPATH="$here/../interop" python3 -B "$here/validate_logs.py" "$@"
