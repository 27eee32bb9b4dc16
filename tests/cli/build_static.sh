#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only
# The program runs without an environment and opens no file of the host (no
# loader cache, no locale, no time zone, no OpenSSL configuration).
set -eu
env -i "$CRASHCART" --version > /dev/null
env -i TZ=Europe/Berlin LC_ALL=de_DE.UTF-8 OPENSSL_CONF=/nonexistent.cnf \
	strace -f -o trace -e trace=open,openat,readlink,connect,execve \
	"$CRASHCART" help > /dev/null 2> errors || cat errors
cat trace
if grep -E 'open(at)?\(' trace | grep -v -e '/proc/self/' -e '"/dev/null"'; then
	echo "a file was opened"
	exit 1
fi
[ "$(grep -c 'execve(' trace)" -eq 1 ]
