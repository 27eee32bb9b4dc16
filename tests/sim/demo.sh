#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# What `make run` shows: the bundles that it makes verify with `crashcart
# verify`, and with nothing of ours: by the commands of their own VERIFY.txt
# (minisign, openssl, split, sha256sum, tar), bsdtar, bagit.py, and the
# verifier that was written from FORMAT.md alone.
. "$TOP/tests/lib/cart.sh"
. "$TOP/tests/lib/by_hand.sh"
export CRASHCART
began=$SECONDS
"$TOP/scripts/run-demo" "$PWD" > run.out 2> run.err ||
	{ cat run.out run.err; die "make run"; }
echo "took $((SECONDS - began)) s"
for word in VALID 'Collected, by step' Gaps: 'Check it by hand'; do
	[ "$(grep -c "^$word" run.out)" = 2 ] || die "$word is not shown twice"
done
[ "$(grep -c 'simulated account signed its' run.out)" = 1 ] ||
	die "what does not hold is not explained"
for tar in *.tar; do
	name=${tar%.tar}
	key=$(sed -n "s|^  minisign -Vm .*$name.seal -P ||p" run.out)
	[ -n "$key" ] || die "no key for $name"
	expect 0 "$CRASHCART" verify "$tar" --pubkey "$key"
	mkdir "d.$name"
	mv "$name".* "d.$name"
	cd "d.$name"
	by_hand "$name" "$key"
	same_lists "$name"
	python3 "$TOP/tests/interop/verify_bundle.py" --pubkey "$key" "$tar"
	rm -rf "$name"
	tar -xf "$tar"
	bagit.py --validate "$name" > bagit.out 2>&1 ||
		{ cat bagit.out; die "bagit.py"; }
	echo "$name: $(wc -l < gnu.list) members, checked by everybody"
	cd ..
done
# its identity document is signed by the simulation: AWS's certificates refuse
# it, and the page for people says so as verify does
expect 0 "$CRASHCART" report d.*instance/DEMO-*.tar --out page.html
grep -q 'does not hold: .*the signature rsa2048' page.html ||
	die "the report hides a signature that does not hold"
# the instance's bundle holds what the incident is about
expect 0 "$CRASHCART" list d.*instance/DEMO-*.tar --json
for step in snapshots events_by iam metadata instance groups template console; do
	jq -es --arg s $step 'any(.[]; .type == "exhibit" and .step == $s)' out > /dev/null ||
		die "nothing of step $step"
done
