#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only timeout=1200
# The program carries its source: built anew from that alone, in a folder of
# another depth, it is the same program, byte for byte.
set -eu
build() {
	(cd "$1" && make -s -j2 CFLAGS= build/crashcart > make.log 2>&1) || {
		tail -n 30 "$1/make.log"
		exit 1
	}
	sha256sum "$1/build/crashcart"
}
mkdir -p one two/longer/path
# a copy without .git does not know its commit
(cd "$TOP" && git ls-files -z | xargs -0 tar cf - --ignore-failed-read) |
	tar xf - -C one
build one
one/build/crashcart show source > source.tar.zst
tar -xf source.tar.zst -C two/longer/path --strip-components=1
[ ! -e two/longer/path/tests ] || { echo "tests are carried too"; exit 1; }
build two/longer/path
cmp one/build/crashcart two/longer/path/build/crashcart
# that of the program under test is its tree's
"$CRASHCART" show source | tar --zstd -tf - > names
grep -qx 'crashcart-[0-9.]*/collector/main.c' names
