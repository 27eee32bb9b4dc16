#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# verify --trust: whose keys count, and when; a revoked key only before an
# anchored time.
. "$TOP/tests/lib/cart.sh"
python3 "$TOP/tests/lib/tsa.py" tsa port & tsa=$!
trap 'kill $tsa' EXIT
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
E
mkdir tree
echo evidence > tree/file
for name in lab other; do expect 0 "$CRASHCART" keygen -W $name; done
lab=$(sed -n 2p lab.pub) other=$(sed -n 2p other.pub)
for _ in $(seq 200); do [ -e port ] || sleep 0.1; done
expect 0 "$CRASHCART" collect ./m.json --case C --out o --key lab.key \
	--timestamp "http://127.0.0.1:$(cat port)/tsa"
expect 0 "$CRASHCART" collect ./m.json --case D --out d --quiet
expect 0 "$CRASHCART" countersign d --key lab.key

trust() {	# LINE...: a trust file of these lines
	{ echo 'crashcart-trust 1'; echo '# keys of the laboratory'; echo
		printf '%s\n' "$@"; } > trust
}
next=$(($(date -u +%Y) + 1))-01-01
trust "$lab - - - Laboratory 7, duty key"
expect 0 "$CRASHCART" verify o --trust trust
prints 'That is +Laboratory 7, duty key, by your trust file'
prints 'counted at 20.* \(the time that the log states\)'
expect 0 "$CRASHCART" verify o --trust trust --tsa-ca tsa/root.pem --json
jq -e '.signer_name == "Laboratory 7, duty key" and
	(.signer_validity | contains("anchored"))' out > /dev/null || die json
# with an end, the time that the log states is the signer's word
trust "$lab 2020-01-01 $next - L"
expect 5 "$CRASHCART" verify o --trust trust
prints 'counts only until .* no anchored time shows'
expect 0 "$CRASHCART" verify o --trust trust --tsa-ca tsa/root.pem
prints 'counted until .*, after it sealed this'
expect 0 "$CRASHCART-verify" verify o --trust trust --tsa-ca tsa/root.pem
expect 5 "$CRASHCART" verify d --trust trust --tsa-ca tsa/root.pem
prints 'counts only until .* a counter-signature has no time of its own'
trust "$lab 2020-01-01 2021-06-01T12:00:00Z - L"
expect 5 "$CRASHCART" verify o --trust trust
prints 'Trusted +no: that key expired at 2021-06-01T12:00:00Z, and it was sealed at'
# who names the key itself asks for no date
expect 0 "$CRASHCART" verify o --trust trust --pubkey lab.pub
trust "$lab $next - - L"
expect 5 "$CRASHCART" verify o --trust trust
prints 'counts only from'
# revoked: only an anchored time before that helps
trust "$lab - - $next L"
expect 5 "$CRASHCART" verify o --trust trust
prints 'no anchored time shows'
expect 0 "$CRASHCART" verify o --trust trust --tsa-ca tsa/root.pem
prints 'revoked at .*, after it sealed this'
trust "$lab - - 2021-01-01 L"
expect 5 "$CRASHCART" verify o --trust trust --json
jq -e '(.signer_trusted or .inner_seal_trusted) | not' out > /dev/null ||
	die "a revoked key"
expect 5 "$CRASHCART" verify o --trust trust --tsa-ca tsa/root.pem
prints 'sealed after that'
# somebody else's, and a changed bundle
trust "$other - - - Other"
expect 5 "$CRASHCART" verify o --trust trust
prints 'none of the keys that you named'
cp -r o bad
printf X | dd of=bad/C-b01.tar bs=1 seek=3000 conv=notrunc status=none
trust "$lab - - - L"
expect 4 "$CRASHCART" verify bad --trust trust
# an extracted bag, and a counter-signature
tar -xf o/C-b01.tar
expect 0 "$CRASHCART" verify C-b01 --trust trust
expect 0 "$CRASHCART" verify d --trust trust
prints 'Counter by +L, by your trust file'
prints 'a counter-signature has no time of its own'
trust "$lab - - $next L"
expect 5 "$CRASHCART" verify d --trust trust --tsa-ca tsa/root.pem

# the file itself
bad() {	# WHY
	expect 2 "$CRASHCART" verify o --trust trust
	says "$1"
}
printf 'crashcart-trust 2\n' > trust; bad 'line 1'
: > trust; bad 'line 1'
printf 'crashcart-trust 1' > trust; bad 'line 1: it does not end'
for line in "$lab - - -" "$lab - - - " "$lab  - - - L" "$lab - - L" \
		"x$lab - - - L" "${lab%?}! - - - L" "$lab 2021-1-1 - - L" \
		"$lab 2021-02-30 - - L" "$lab 2021-01-01T00:00:00+01:00 - - L" \
		"$lab 2022-01-01 2021-01-01 - L" "$lab - - -  L" " $lab - - - L" \
		"$lab - - - $(printf 'a\tb')" "$lab - - - $(printf '%0201d' 0)" \
		"$lab - - - $(printf 'a\033[2J')" "$lab"; do
	trust "$line"
	bad 'line 4'
done
trust "$lab - - - L" "$lab - - - M"; bad 'line 5: the key stands twice'
