#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only timeout=1200
# Two builds in folders of different depth give the same bytes.
set -eu
for folder in one two/longer/path; do
	mkdir -p "$folder"
	(cd "$TOP" && git ls-files -z | xargs -0 tar cf - --ignore-failed-read) |
		tar xf - -C "$folder"
	# the commit is part of the program: a copy without .git has none
	(cd "$folder" && make -s -j2 CFLAGS= build/crashcart > make.log 2>&1) || {
		tail -n 30 "$folder/make.log"
		exit 1
	}
	sha256sum "$folder/build/crashcart"
done
cmp one/build/crashcart two/longer/path/build/crashcart
