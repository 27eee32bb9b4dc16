#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: timeout=900
# One exhibit with its proof: our check, and FORMAT.md's script with sha256sum,
# base64, openssl and minisign alone, agree; every flipped byte of the folder
# is refused by both; nothing of another exhibit is in it.
. "$TOP/tests/lib/cart.sh"
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } },
  { "id": "i", "do": "block.image", "with": { "path": "$PWD/tree/b" } } ] }
E
mkdir tree
echo "the one thing to hand over" > tree/a
echo "privileged and confidential" > tree/b
for n in $(seq 40); do echo "$n" > "tree/n$n"; done
expect 0 "$CRASHCART" collect ./m.json --case P --out o --json
key=$(last_json .key)
sed -n '/^check_proof/,/^}/p' "$TOP/collector/bundle/FORMAT.md" > script
[ "$(wc -l < script)" -le 20 ] || die "the script is too long"
# shellcheck disable=SC1091
. ./script

by_hand() { (cd "$1" && check_proof "$key"); }

# proves WHAT...: makes a proof in p and checks it in both ways.
proves() {
	rm -rf p
	expect 0 "$CRASHCART" prove o "$@" --out p --pubkey "$key"
	expect 0 "$CRASHCART" prove --check p --pubkey "$key"
	by_hand p || die "the script refuses: $*"
	expect 5 "$CRASHCART" prove --check p
	! grep -rq 'privileged and confidential' p || die "another exhibit leaked"
}
expect 0 "$CRASHCART" list o --json
image=$(jq -r 'select(.type == "exhibit" and .step == "i" and (.name | startswith("map") | not)) | .exhibit' out)
map=$(jq -r 'select(.type == "exhibit" and .step == "i" and (.name | startswith("map"))) | .exhibit' out)
files=$(jq -r 'select(.type == "exhibit" and .step == "f") | .exhibit' out)
expect 0 "$CRASHCART" prove o "$image" --out pi
cmp pi/content tree/b
proves "$map"
for name in a n1 n23 n40; do
	proves "$files" --path "$PWD/tree/$name"
	cmp p/content "tree/$name"
done
proves "$files" --path "$PWD/tree/a"
expect 1 "$CRASHCART" prove o "$files" --path "$PWD/tree/a" --out p
expect 2 "$CRASHCART" prove o e999999 --out q
# a file set as a whole has no digest that a proof could be of
expect 2 "$CRASHCART" prove o "$files" --out q
[ ! -e q ] || die "a proof of nothing was written"
[ ! -e q ] || die "a folder was left"

# every byte of every file
python3 - "$CRASHCART" "$key" <<'P'
import os, shutil, subprocess, sys
cart, key = sys.argv[1:]
tried = 0
for name in sorted(os.listdir("p")):
    with open("p/" + name, "rb") as f:
        data = f.read()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with open("p/" + name, "wb") as f:
            f.write(changed)
        got = subprocess.run([cart, "prove", "--check", "p", "--pubkey", key],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        allowed = (4, 5) if name.endswith(".minisig") else (4,)
        assert got.returncode in allowed, (name, at, got)
        tried += 1
    with open("p/" + name, "wb") as f:
        f.write(data)
print(tried, "flipped bytes refused")
P
# the script too, at a byte of each file
for name in content line.json line.tlog-proof tagmanifest-sha256.txt; do
	cp p/$name kept
	python3 -c "
d = bytearray(open('p/$name', 'rb').read()); d[len(d) // 2] ^= 1
open('p/$name', 'wb').write(d)"
	! by_hand p 2> /dev/null || die "the script accepts a changed $name"
	cp kept p/$name
done
by_hand p
