#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# Encrypted bundles: age opens them, verify says what it could not check, no
# plaintext is ever on the disk, every byte counts, and what a run that was
# killed had closed can be sealed.
set -eu
fail() { echo "FAILED: $*" >&2; exit 1; }
# the second verifier reaches the same verdict
second() {	# EXIT ARG...
	local want=$1 s=0; shift
	python3 -B "$TOP/tests/interop/verify_bundle.py" "$@" > second || s=$?
	[ $s = "$want" ] || fail "verify_bundle.py $*: $s, not $want: $(cat second)"
}
status() { local s=0; "$@" > out 2> err || s=$?; echo $s; }

"$CRASHCART" keygen --age lab > lab.txt
lab=$(sed -n 's/^Recipient: //p' lab.txt)
age-keygen -o escrow.age 2> /dev/null
escrow=$(age-keygen -y escrow.age)
age-keygen -o other.age 2> /dev/null
printf '# escrow\n%s\n' "$escrow" > recipients

# a tree whose content is easy to find, and big files
marker=PLAINTEXT-$RANDOM$RANDOM-MARKER
mkdir tree big
for i in 1 2 3; do echo "$marker $i" > "tree/$marker-$i"; done
for i in $(seq 12); do head -c 10000000 /dev/urandom > big/$i; done
cat > small.json <<END
{ "crashcart": 1, "name": "small", "title": "small", "steps": [
  { "id": "files", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
END
cat > large.json <<END
{ "crashcart": 1, "name": "large", "title": "large", "steps": [
  { "id": "tree", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } },
  { "id": "big", "do": "host.files", "with": { "paths": ["$PWD/big/**"] } } ] }
END

hidden() {	# FOLDER: no plaintext in it, whatever form
	! grep -raq -e "$marker" -e 'External-Identifier' -e '"type":' "$1" ||
		fail "plaintext in $1"
}

# --- small: to a folder, for two ------------------------------------------
"$CRASHCART" collect ./small.json --case C-1 --out s --encrypt-to "$lab" \
	--encrypt-to recipients --json > end.json 2> /dev/null
key=$(jq -r .key end.json)
[ "$(jq -r .location end.json)" = s/C-1-b01.tar.age ] || fail location
[ "$(cd s && echo *)" = "C-1-b01.seal C-1-b01.seal.minisig C-1-b01.tar.age" ] ||
	fail "what lies there: $(ls s)"
hidden s
for id in lab.age escrow.age; do
	age -d -i $id s/C-1-b01.tar.age | tar -xOf - --wildcards '*/0*.tar.zst' |
		zstd -dc | grep -aq "$marker 2" || fail "age -d with $id"
	[ "$(status "$CRASHCART" verify s -P "$key" --identity $id)" = 0 ] ||
		fail "verify --identity $id: $(cat out err)"
done
[ "$(status "$CRASHCART" verify s -P "$key")" = 5 ] || fail 'without identity'
second 5 s --pubkey "$key"
second 0 s --pubkey "$key" --identity lab.age
grep -q '^Not checked *all that is inside' out || fail 'what was not checked'
grep -q '^Bytes intact *yes: .* of ciphertext' out
grep -q '^Trusted *yes' out
[ "$(status "$CRASHCART" verify s --json)" = 5 ]
jq -e '.encrypted and (.opened | not) and .bytes_intact == null and
	.signer_kind == null and .state == "complete"' out > /dev/null ||
	fail 'verify --json'
[ "$(status "$CRASHCART" verify s --json -P "$key")" = 5 ]
jq -e '.bytes_intact and .signer_kind != null' out > /dev/null || fail 'signed'
# neither a changed stream nor its changed seal is seen without a key
[ "$(status "$CRASHCART" verify s)" = 5 ]
grep -q '^Signed by *claims to be signed by key .* (not checked)' out ||
	fail 'who claims to have signed'
grep -q '^Bytes intact *not checked' out || fail 'bytes without a key'
[ "$(status "$CRASHCART" verify s -P "$key" --identity other.age)" = 2 ] ||
	fail 'a wrong identity'
[ "$(status "$CRASHCART" list s)" = 2 ] || fail 'list without identity'
grep -q -- '--identity' err
[ "$(status "$CRASHCART" extract s --out nothing -P "$key")" = 2 ] ||
	fail 'extract without identity'
"$CRASHCART" list s -i lab.age --csv > list 2> /dev/null
grep -q '^"e000001",' list || fail "list: $(cat list)"
"$CRASHCART" extract s -i lab.age --out x -P "$key" > /dev/null
grep -rq "$marker 3" x || fail extract
"$CRASHCART" prove s e000001 -i escrow.age --path "$PWD/tree/$marker-1" \
	--out p > /dev/null
grep -q "$marker 1" p/content || fail prove
"$CRASHCART" report s -i lab.age --out r.html 2> /dev/null > /dev/null
grep -q C-1 r.html || fail report
"$CRASHCART" countersign s --key <("$CRASHCART" keygen -W l > /dev/null; cat l.key) \
	> /dev/null 2>&1 || true
rm -f s/*.seal.????????????????.minisig

# the signature of someone else, the seal of another bundle, a plain name
cp -r s t && mv t/C-1-b01.tar.age t/C-1-b01.tar
[ "$(status "$CRASHCART" verify t/C-1-b01.tar -P "$key")" = 4 ] ||
	fail 'ciphertext under a plain name'
second 4 t --pubkey "$key"
[ "$(status "$CRASHCART" collect ./small.json --out n.tar --encrypt-to "$lab")" = 2 ]
[ "$(status "$CRASHCART" collect ./small.json --out n.tar.age)" = 2 ]
[ "$(status "$CRASHCART" collect ./small.json --out n --encrypt-to age1x)" = 2 ]
# the identity instead of its recipient: refused, and not repeated anywhere
[ "$(status "$CRASHCART" collect ./small.json --out n --encrypt-to lab.age)" = 2 ]
! "$CRASHCART" collect ./small.json --out n --encrypt-to lab.age > said 2>&1
grep -q 'stays at the lab' said || fail 'an identity is not named as such'
! grep -q "$(grep -o 'AGE-SECRET-KEY-1.*' lab.age | cut -c16-40)" said ||
	fail 'a secret key was printed'
[ ! -e n ] && [ ! -e n.tar ] || fail 'something was written'

# every byte
"$DRIVERS/age_mutate_driver" s C-1-b01 "$key" lab.age || fail 'a changed byte'

# --- to a pipe ------------------------------------------------------------
"$CRASHCART" collect ./large.json --case C-2 --out - --seal C-2.seal \
	--encrypt-to "$lab" 2> err > pipe.age
key2=$(sed -n 's/^Key  *\([^ ]*\) .*/\1/p' err)
hidden pipe.age
[ "$(status "$CRASHCART" verify - --seal C-2.seal -P "$key2" -i lab.age \
	< pipe.age)" = 0 ] || fail "a pipe: $(cat out err)"
age -d -i lab.age pipe.age | tar -tf - > names
grep -q bagit.txt names

# --- segments, and the program beside its recipients ----------------------
mkdir cart && cp "$CRASHCART" cart/crashcart && cp recipients cart/crashcart.recipients
cart/crashcart collect ./large.json --case C-3 --out g --segment 16M \
	--json > end.json 2> err
grep -q 'crashcart.recipients' err || fail 'the escrow was not said'
key=$(jq -r .key end.json)
[ "$(ls g/*.age | wc -l)" -gt 5 ] || fail 'segments'
hidden g
[ "$(status "$CRASHCART" verify g -P "$key" -i escrow.age)" = 0 ] ||
	fail "segments: $(cat out err)"
second 0 g --pubkey "$key" --identity escrow.age
for f in $(ls -v g/*.tar.age g/*.tar.*.age | uniq); do
	age -d -i escrow.age "$f"
done > joined.tar
[ "$(tar -tf joined.tar | grep -c data/)" -gt 10 ] || fail 'joined by hand'
for f in $(ls -v g/*.tar.age g/*.tar.*.age | uniq); do
	split -b 8388608 --filter=sha256sum "$f"
done | cut -c1-64 | diff - <(grep -x '[0-9a-f]\{64\}' g/C-3-b01.seal) ||
	fail 'chunks by hand'
cp -r g h && mv h/C-3-b01.tar.002.age tmp && mv h/C-3-b01.tar.003.age \
	h/C-3-b01.tar.002.age && mv tmp h/C-3-b01.tar.003.age
[ "$(status "$CRASHCART" verify h -P "$key" -i escrow.age)" = 4 ] ||
	fail 'segments swapped'
second 4 h --pubkey "$key" --identity escrow.age
rm -rf h joined.tar

# --- killed ---------------------------------------------------------------
killed=0
for try in $(seq 20); do
	[ $killed -lt 2 ] || break
	rm -rf k
	"$CRASHCART" collect ./large.json --case K --out k --segment 8M \
		--encrypt-to "$lab" > /dev/null 2> collect.err &
	pid=$!
	until [ -e "k/K-b01.tar.00$((3 + try % 3)).age" ] ||
		! kill -0 $pid 2> /dev/null
	do sleep 0.003; done
	kill -9 $pid 2> /dev/null || true
	wait $pid 2> /dev/null || true
	[ ! -e k/K-b01.seal ] || continue	# it was quicker
	killed=$((killed + 1))
	hidden k
	key=$(sed -n 's/.*sealed by the session key //p' collect.err)
	[ "$(status "$CRASHCART" verify k -P "$key")" = 5 ] || fail 'no seal: 5'
	cp -p k/K-b01.state kept
	for edit in 's/^uuid .*/&\nchange \x1b[2J evidence intent/' \
		'/^key /d' 's/^\(trusted comment: .*root=\)./\1z/'; do
		sed "$edit" kept > k/K-b01.state
		[ "$(status "$CRASHCART" resume k)" = 1 ] || fail "$edit"
		grep -q 'state file' err || fail "$(cat err)"
		! grep -q $'\x1b' out err || fail 'a control character'
	done
	mv kept k/real && ln -sf real k/K-b01.state
	[ "$(status "$CRASHCART" resume k)" = 1 ] || fail 'a link'
	mv k/real k/K-b01.state
	chmod 620 k/K-b01.state
	[ "$(status "$CRASHCART" resume k)" = 1 ] || fail 'others may write it'
	chmod 600 k/K-b01.state
	[ "$(status "$CRASHCART" resume k)" = 3 ] || fail "resume: $(cat err)"
	grep -q '^Sealed .*partial' out || fail "resume: $(cat out)"
	[ -e k/K-b01.seal ] && [ ! -e k/K-b01.state ] || fail 'after resume'
	[ "$(status "$CRASHCART" verify k -P "$key" -i lab.age)" = 5 ] ||
		fail "partial: $(cat out err)"
	grep -q 'sealed as partial' out || fail "partial: $(cat out)"
	[ "$(status "$CRASHCART" verify k -P "$key" -i lab.age --json)" = 5 ]
	jq -e '.state == "partial" and .signer_trusted and .bytes_intact and
		.log_lines > 0' out > /dev/null || fail "partial: $(cat out)"
	[ "$(status "$CRASHCART" verify k -P "$key")" = 5 ] || fail 'outside'
	second 5 k --pubkey "$key" --identity lab.age
	grep -q partial second
	[ "$(status "$CRASHCART" extract k -i lab.age --out "k$killed")" = 5 ] ||
		fail "extract of what is partial: $(cat err)"
	grep -rq "$marker 2" "k$killed" || fail 'what was durable is not there'
	[ ! -e k/K-b01.remnant.age ] || "$CRASHCART" decrypt -i lab.age \
		--partial k/K-b01.remnant.age --out "remnant$killed" 2> err ||
		[ -e "remnant$killed" ] || fail "the remnant: $(cat err)"
	[ "$(status "$CRASHCART" resume k --name K-b01)" = 2 ] ||
		fail 'sealed already'
	truncate -s -1 k/K-b01.tar.age
	[ "$(status "$CRASHCART" verify k -P "$key" -i lab.age)" = 4 ] ||
		fail 'a partial bundle that was cut'
done
[ $killed = 2 ] || fail "only $killed runs could be killed"

# nothing closed yet: nothing to seal, and the file stays
rm -rf k
"$CRASHCART" collect ./large.json --case K --out k --encrypt-to "$lab" \
	> /dev/null 2>&1 &
pid=$!
until [ -e k/K-b01.tar.age ] || ! kill -0 $pid 2> /dev/null; do sleep 0.003; done
kill -9 $pid 2> /dev/null || true
wait $pid 2> /dev/null || true
if [ ! -e k/K-b01.seal ]; then
	[ "$(status "$CRASHCART" resume k)" = 1 ] || fail "nothing closed: $(cat err)"
	grep -q 'before it closed a segment' err && [ -e k/K-b01.tar.age ]
fi
