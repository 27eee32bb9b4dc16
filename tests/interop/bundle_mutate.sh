#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# run-tests: timeout=1500 release-only
# Every changed byte, every cut, every member moved: refused.  On a bundle of
# the writer and on one of make_bundle.py, which is counter-signed as well.
# MASKS=01,02,04,08,10,20,40,80 flips each bit.
set -eu

masks=${MASKS:-01}
cd "${TMPDIR:-/tmp}"
rm -rf mutate.d && mkdir mutate.d && cd mutate.d

"$CRASHCART" keygen -W examiner > keygen.txt
mkdir written made
"$DRIVERS/bundle_small_driver" written small examiner.key
"$DRIVERS/bundle_mutate_driver" -j "$(nproc)" -b "$masks" \
	written small examiner.key

python3 -B "$TOP/tests/interop/make_bundle.py" --examiner --resumed --counter \
	--secret made.key made
"$DRIVERS/bundle_mutate_driver" -j "$(nproc)" -b "$masks" \
	-k "$(sed -n 2p made/IR-2026-014-b01.keys)" \
	made IR-2026-014-b01 made.key
