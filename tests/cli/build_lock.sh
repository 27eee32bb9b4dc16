#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only
# The lock is whole: each dependency has a version, an upstream archive and a
# Debian source package, every file with its SHA-256; patches name theirs.
set -eu
lock=$TOP/scripts/deps.lock
bad=0
names=$(sed -n 's/^\(dep\|test\|data\)  *\([^ ]*\) .*/\2/p' "$lock")
for name in $names; do
	for kind in tar deb file; do
		if ! grep -q "^$kind  *$name " "$lock" &&
			! grep -q "^pip  *$name " "$lock"; then
			echo "$name has no line $kind"
			bad=1
		fi
	done
done
if grep -E '^(tar|file|patches|pip) ' "$lock" |
	grep -vE '^[a-z]+ +[a-z0-9-]+ [0-9a-f]{64} [^ ]+( [^ ]+)?$'; then
	echo "lines without a SHA-256"
	bad=1
fi
if grep '^npm ' "$lock" | grep -vE '^npm +[a-z0-9-]+ [0-9a-f]{64} https://[^ ]+\.tgz (@[a-z]+/)?[a-z0-9-]+@[0-9]+\.[0-9]+\.[0-9]+$'; then
	echo "lines of a JavaScript package without hash, URL or version"
	bad=1
fi
# sorted, so that --version is
[ "$(sed -n 's/^dep  *\([^ ]*\).*/\1/p' "$lock")" = \
	"$(sed -n 's/^dep  *\([^ ]*\).*/\1/p' "$lock" | sort)" ]
exit $bad
