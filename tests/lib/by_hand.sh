# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Checking a bundle with nothing of ours; source it after cart.sh.

# The commands of a section of VERIFY.txt: its lines with two leading spaces.
commands() {	# FILE FIRST LAST
	sed -n "/^$2\\. /,/^$3\\. /s/^  //p" "$1"
}

# All segments of NAME, joined.
joined() {
	local n
	cat "$1.tar"
	for n in "$1".tar.[0-9][0-9][0-9]*; do
		[ ! -e "$n" ] || cat "$n"
	done
}

# by_hand NAME KEY: in the folder of the bundle
by_hand() {
	local KEY=$2
	export KEY
	joined "$1" | tar -xOf - "$1/VERIFY.txt" > verify.txt
	commands verify.txt 2 4 > check.sh
	bash -euo pipefail check.sh > check.out 2>&1 ||
		{ cat check.out; die "VERIFY.txt of $1"; }
	[ "$(grep -c '^Signature and comment signature verified' check.out)" = 2 ] ||
		die "minisign"
	! grep -q FAILED check.out || die "sha256sum"
	# what must print nothing printed nothing: two signatures, names, root
	grep -v -e '^Signature and' -e '^Trusted comment' -e ': OK$' \
		check.out > rest || :
	[ "$(wc -l < rest)" = 1 ] || { cat rest; die "VERIFY.txt of $1"; }
	[ "$(wc -l < "$1.chunks")" = "$(grep -cx '[0-9a-f]\{64\}' "$1.seal")" ] ||
		die "chunks"
	# the root that sha256sum prints is that of the seal
	grep -q "^$(sed -n 's/^root //p' "$1.seal")  tagmanifest" check.out ||
		die "root"
	commands verify.txt 4 5 > openssl.sh
	bash -euo pipefail openssl.sh > openssl.out 2>&1 ||
		{ cat openssl.out; die "openssl of $1"; }
	[ "$(grep -c 'Signature Verified Successfully' openssl.out)" = 2 ] ||
		die "openssl"
	# a wrong key does not verify
	printf 'RWQAAAAAAAAAAA%042d' 0 > other
	! minisign -Vm "$1.seal" -P "$(cat other)" 2>/dev/null || die "any key"
}

# same_lists NAME: GNU tar and bsdtar see the same members
same_lists() {
	joined "$1" > whole.tar
	tar -tf whole.tar > gnu.list
	bsdtar -tf whole.tar > bsd.list
	cmp gnu.list bsd.list
	[ -z "$(sort gnu.list | uniq -d)" ] || die "a name stands twice"
	! tar -tvf whole.tar | grep -v '^-rw-r--r-- 0/0 ' || die "odd members"
}
