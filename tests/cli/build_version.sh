#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only
# --version names the commit and every locked dependency; --json the program's
# own digest.
set -eu
"$CRASHCART" --version > text 2> errors
[ ! -s errors ]
cat text
commit=$("$TOP/scripts/git-commit")
case $commit in
unknown) ;;
*)	grep -q "$(echo "$commit" | cut -c 1-12)" text;;
esac
sed -n 's/^dep  *//p' "$TOP/scripts/deps.lock" |
while read -r name version _; do
	[ "$name-$FLAVOUR" = musl-asan ] || grep -q "$name.*$version" text || {
		echo "--version does not name $name $version"
		exit 1
	}
done
"$CRASHCART" --version --json > json 2> errors
[ ! -s errors ]
jq -e . json
grep -q "$(sha256sum < "$CRASHCART" | cut -d ' ' -f 1)" json
