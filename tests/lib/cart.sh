# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What command-line tests share: source it.  A failed check ends the test.
set -euo pipefail

die() { echo "FAILED: $*" >&2; exit 1; }

# sim_start [OPTION]...: the simulated account, stopped when the test ends.
sim_start() {
	"$TOP/tests/sim/start" --state "$TMPDIR/sim" "$@" > "$TMPDIR/sim.env"
	# shellcheck disable=SC1091
	. "$TMPDIR/sim.env"
	trap 'sim_stop' EXIT
}

sim_stop() { "$TOP/tests/sim/stop" > /dev/null 2>&1 || :; }

# Number of requests that the account has seen.
sim_requests() { wc -l < "$SIM_LOG"; }

# expect STATUS COMMAND...: runs it; its stdout is left in out, stderr in err.
expect() {
	local want=$1 got=0
	shift
	"$@" > out 2> err < /dev/null || got=$?
	[ "$got" = "$want" ] || {
		echo "stdout:"; head -n 20 out
		echo "stderr:"; head -n 20 err
		die "exit $got, not $want: $*"
	} >&2
}

# says PATTERN: the last command's stderr has a line that matches (ERE).
says() {
	grep -Eq -- "$1" err || { cat err >&2; die "no line matches: $1"; }
}

# prints PATTERN: the last command's stdout has a line that matches.
prints() {
	grep -Eq -- "$1" out || { head -n 40 out >&2; die "no line matches: $1"; }
}

# A value of the last line of `collect --json`, which is in out.
last_json() { tail -n 1 out | jq -r "$1"; }
