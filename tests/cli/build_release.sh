#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only timeout=1200
# A release: its programs carry their source; built anew from that alone, in a
# folder of another depth, it is the same, byte for byte; its signature is
# minisign's, its SPDX document passes the validator of the SPDX project.
set -eu
die() { echo "$*" >&2; exit 1; }
unset MAKEFLAGS CFLAGS WERROR BUILD
minisign -G -W -p key.pub -s key > /dev/null
# a copy without .git does not know its commit
mkdir one
(cd "$TOP" && git ls-files -z | xargs -0 tar cf - --ignore-failed-read) |
	tar xf - -C one
arch=$(uname -m)
one/scripts/make-dist -o dist -k key "$arch" > log 2>&1 || {
	tail -n 30 log
	exit 1
}
"$TOP/scripts/verify-release" dist key.pub
pyspdxtools -i dist/crashcart-*.spdx.json
tar xzf dist/crashcart-*-linux-"$arch".tar.gz
cd crashcart-*-linux-"$arch"
# each library that the program names is in the document, with its version
./crashcart --version | sed -n '3,$s/ (.*//p' |
	sort > ../linked
[ "$(wc -l < ../linked)" -ge 9 ] || die "no libraries: $(./crashcart --version)"
jq -r '. as $d | .relationships[] | select(.relationshipType == "STATIC_LINK")
	| .relatedSpdxElement as $id | $d.packages[] | select(.SPDXID == $id)
	| "\(.name) \(.versionInfo)"' ../dist/*.spdx.json | sort > ../named
diff ../linked ../named
while read -r name version; do
	grep -q "^=== $name $version ===" THIRD-PARTY.txt ||
		die "no licence of $name"
done < ../linked
for file in README.md LICENSE NEWS.md man/crashcart.1 FORMAT.md \
		manifests/schema.json crashcart-verify; do
	[ -s "$file" ] || die "$file is missing"
done
./crashcart show source | tar --zstd -tf - > ../names
grep -qx 'crashcart-[0-9.]*/collector/main.c' ../names
! grep -q '/tests/' ../names || die "the tests are carried too"
cd ..
# what is not as signed is refused, before anything is built
printf x >> dist/crashcart-*-source.tar.zst
! "$TOP/scripts/verify-release" dist key.pub 2> err || die "accepted"
grep -q 'not as listed' err
(cd dist && sha256sum -- crashcart-* > SHA256SUMS)
! "$TOP/scripts/verify-release" dist key.pub 2> err || die "accepted"
grep -q 'signature does not hold' err
