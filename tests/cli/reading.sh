#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a reader is told: exit status and words of extract, report, decrypt and
# list, a stamp that is missing, a key that was not copied whole.
. "$TOP/tests/lib/cart.sh"
cat > m.json <<J
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } },
  { "id": "g", "do": "block.image", "with": { "path": "$PWD/nothing" } } ] }
J
mkdir tree
echo evidence > tree/file
expect 3 "$CRASHCART" collect ./m.json --case C --out o --json
key=$(last_json .key)

# written and whole, but nobody who is trusted vouches for it
expect 5 "$CRASHCART" extract o --out x
prints '^CANNOT TELL'
says 'written to x'
[ "$(find x -name file -exec cat {} +)" = evidence ] || die "not extracted"
expect 0 "$CRASHCART" extract o --out y -P "$key"
expect 5 "$CRASHCART-verify" extract o --out z

# what is missing, alone
expect 0 "$CRASHCART" list o --gaps -P "$key"
cp out gaps
[ "$(grep -vc '^gap ' gaps || :)" = 0 ] && [ -s gaps ] || die "gaps: $(cat gaps)"
grep -q "$PWD/nothing" gaps || die "the gap has no name: $(cat gaps)"
expect 0 "$CRASHCART" list o --gaps --json -P "$key"
[ "$(jq -r .type out | sort -u)" = gap ] || die "json"
[ "$(wc -l < out)" = "$(wc -l < gaps)" ] || die "not as many gaps"
expect 0 "$CRASHCART" list o --gaps --csv -P "$key"
[ "$(head -n 1 out)" = reason,step,instance,what,detail ] || die "csv"
[ "$(wc -l < out)" = $(($(wc -l < gaps) + 1)) ] || die "csv"

# one line about what was written
expect 0 "$CRASHCART" report o --out r.html -P "$key"
says 'r.html: report of a valid bundle, [0-9]+ bytes'
expect 0 "$CRASHCART" report o --out s.html
says 's.html: report of a bundle that no key you named'
"$CRASHCART" keygen --age lab > lab.txt
head -c 100000 /dev/zero | age -r "$(sed -n 's/^Recipient: //p' lab.txt)" > f.age
expect 0 "$CRASHCART" decrypt -i lab.age f.age --out f
says 'f: 100000 bytes of plaintext'

# a stamp that was asked for is missing: a gap that the log cannot say
expect 3 "$CRASHCART" collect ./m.json --case T --out t \
	--timestamp http://127.0.0.1:9/tsa
prints '^Time +none from http://127.0.0.1:9/tsa'
expect 0 "$CRASHCART" list t --gaps
says 'no time stamp from http://127.0.0.1:9/tsa'
sed '2s/,$/ ] }/; 3d' m.json > whole.json
expect 3 "$CRASHCART" collect ./whole.json --case W --out w --json \
	--timestamp http://127.0.0.1:9/tsa
[ "$(last_json "[.exit, .gaps] | tostring")" = "[3,0]" ] || die "json: $(cat out)"

# a key that was not copied whole, or wrong
expect 2 "$CRASHCART" verify o -P "${key%?}"
says 'a key has 56 characters, this has 55'
expect 2 "$CRASHCART" verify o -P "${key}A"
says 'this has 57'
expect 2 "$CRASHCART" verify o -P RWQ
says 'neither a file nor a key of 56 characters'
expect 2 "$CRASHCART" verify o -P ""
says 'the key is empty'
expect 2 "$CRASHCART" verify o -P "${key%????}AAA!"
says 'mistyped'

# not read from there
for c in list "extract --out no" "report --out no"; do
	# shellcheck disable=SC2086 # words
	expect 2 "$CRASHCART" $c s3://bucket/x
	says 'download the bundle first .aws s3 cp --recursive s3://bucket/x DIR'
done

# changed: what is not known is not printed
printf x | dd of=o/C-b01.tar bs=1 seek=5000 conv=notrunc status=none
expect 4 "$CRASHCART" verify o -P "$key"
prints '^INVALID'
! grep -Eq 'case *$' out || die "an empty case: $(cat out)"
expect 4 "$CRASHCART" report o --out u.html -P "$key"
says 'u.html: report of an invalid bundle'
