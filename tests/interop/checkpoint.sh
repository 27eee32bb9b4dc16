#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A checkpoint by hand, as a lab would check it: openssl, sha256sum, base64.
set -eu
ours=$DRIVERS/crypt_driver
origin=crashcart/2ed6657d-e927-568b-95e1-2665a8aea6a2
# SHA-256 of "abc"
root=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad

$ours keygen k.key k.pub
$ours checkpoint k.key $origin 7 $root > note

# the text is three lines, and the root is base64
{ echo $origin; echo 7; printf abc | openssl dgst -sha256 -binary | base64 -w 0
	echo; } > text
head -n 3 note | cmp - text
[ -z "$(sed -n 4p note)" ]
[ "$(wc -l < note)" = 5 ]
[ "$(sed -n 5p note | cut -d ' ' -f 1,2)" = "— $origin" ]

# public key: 32 bytes behind "Ed" and the key id, in an X.509 wrapper
sed -n 2p k.pub | base64 -d | tail -c 32 > raw
{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; cat raw; } > k.der

sed -n 5p note | cut -d ' ' -f 3 | base64 -d > blob
tail -c 64 blob > sig
openssl pkeyutl -verify -pubin -keyform DER -inkey k.der -rawin -in text \
	-sigfile sig

# key id: first 4 bytes of SHA-256(name, LF, 1, key)
{ printf '%s\n\001' $origin; cat raw; } | sha256sum | cut -c 1-8 > want
head -c 4 blob | od -An -tx1 | tr -d ' \n' > got
[ "$(cat want)" = "$(cat got)" ]

# digests of a file in uneven pieces
head -c 3000000 /dev/urandom > f
[ "$($ours sha256 f)" = "$(sha256sum < f | cut -c 1-64)" ]
echo ok
