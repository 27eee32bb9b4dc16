#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only
# scripts/build-deps takes a source only if it is the file that the lock names,
# keeps it, and applies patches in the order of their series.
set -eu
mkdir scripts site
cp "$TOP/scripts/build-deps" "$TOP/scripts/deps-recipes" scripts/
export XDG_CACHE_HOME="$PWD/cache" CRASHCART_SOURCES=upstream

mkdir -p thing-1.0
echo one > thing-1.0/text
tar cf site/thing.tar thing-1.0
sum=$(sha256sum < site/thing.tar | cut -d ' ' -f 1)
cat > scripts/deps.lock <<END
dep thing 1.0 upstream
tar thing $sum file://$PWD/site/thing.tar
END

# the right file is taken, once
path=$(scripts/build-deps --fetch thing)
cmp "$path" site/thing.tar
mv site/thing.tar site/moved.tar
[ "$(scripts/build-deps --fetch thing)" = "$path" ]

# another file under the same name is refused, and leaves nothing behind
rm -rf cache
echo changed > site/thing.tar
if scripts/build-deps --fetch thing 2> errors; then
	echo "a changed source was accepted"
	exit 1
fi
cat errors
grep -q "the lock says $sum" errors
[ -z "$(find cache -type f -path '*sources*')" ]

# a name that the lock does not hold
if scripts/build-deps --fetch other 2> errors; then
	exit 1
fi
grep -q 'names no source of other' errors

# the name of the result depends on lock, recipes and flavour
a=$(scripts/build-deps --path "glibc-$(uname -m)")
b=$(scripts/build-deps --path "musl-$(uname -m)")
echo '# more' >> scripts/deps-recipes
c=$(scripts/build-deps --path "musl-$(uname -m)")
echo 'dep other 2 upstream' >> scripts/deps.lock
d=$(scripts/build-deps --path "musl-$(uname -m)")
[ "$(printf '%s\n' "$a" "$b" "$c" "$d" | sort -u | wc -l)" -eq 4 ]
