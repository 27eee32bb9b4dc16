#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where a bundle goes: refusals leave nothing behind, nothing is overwritten,
# segments are kept to, a file size limit is a full disk.
. "$TOP/tests/lib/cart.sh"
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "i", "do": "block.image", "with": { "path": "$PWD/image" } } ] }
E
head -c 40M /dev/urandom > image
for bad in 'x' '1K' '7M' '-1' '99999999999T'; do
	expect 2 "$CRASHCART" collect ./m.json --case S --out s "--segment=$bad"
	says 'at least 8M'
	[ ! -e s ] || die "--segment $bad left something"
done
expect 2 "$CRASHCART" collect ./m.json --case S --out -
says 'seal'
for o in '--retain governance:3' --legal-hold '--bucket-owner ANY'; do
	# shellcheck disable=SC2086 # an option and its value
	expect 2 "$CRASHCART" collect ./m.json --case L --out locked $o
	says 'is for --out s3://'
	[ ! -e locked ] || die 'something was written'
done
expect 2 "$CRASHCART" collect ./m.json --case S --out s3://bucket/x
expect 1 "$CRASHCART" collect ./m.json --case S --out /proc/nothing
expect 0 "$CRASHCART" collect ./m.json --case S --out s --segment 16M
[ "$(find s -name '*.tar*' | wc -l)" = 3 ] || die "not three segments"
[ "$(find s -name '*.tar*' -size +16M | wc -l)" = 0 ] || die "a segment is too long"
expect 5 "$CRASHCART" verify s
cat s/S-b01.tar s/S-b01.tar.002 s/S-b01.tar.003 | tar -tf - > list
[ "$(sort list | uniq -d | wc -l)" = 0 ] || die "twice in the list"
# the next bundle of the case gets the next number, a named file is kept
expect 0 "$CRASHCART" collect ./m.json --case S --out s --quiet
[ -e s/S-b02.seal ] || die "no second bundle"
expect 2 "$CRASHCART" collect ./m.json --case S --out s/S-b01.tar
says 'never overwritten'
# standard streams that are closed do not end up in the evidence
"$CRASHCART" collect ./m.json --case C --out c >&- 2>&- || die "closed streams"
expect 5 "$CRASHCART" verify c
# a file size limit: sealed with a gap, or refused, never killed
(ulimit -f 20000; "$CRASHCART" collect ./m.json --case L --out l > out 2> err) && got=0 || got=$?
[ "$got" = 3 ] || { cat err >&2; die "file size limit: exit $got"; }
expect 5 "$CRASHCART" verify l
