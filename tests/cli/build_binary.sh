#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only
# The program is static-pie, hardened, stripped and small.
exec "$TOP/scripts/check-binary" "$CRASHCART" \
	"$(dirname "$CRASHCART")/release/crashcart.full"
