#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cloudtrail.logs: the index loses nothing, its filters find what they should,
# a listing that S3 throttles finishes (tests/sim/cloudtrail_index.py).
# CLOUDTRAIL_SAMPLES: a folder of JSON files of real events to use as well.
# run-tests: release-only
# run-tests: timeout=600
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${CRASHCART:?the program to test}"
export CRASHCART
eval "$("$here/start" --event-delay 100000)"
trap '"$here/stop"' EXIT
PYTHONPATH="$here/../interop" python3 -B "$here/cloudtrail_index.py" "$@"
