#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# The commands that read an enemy's bundle do so without a network, without
# programs, and without files but their output: the kernel says that they are
# inside, a driver tries what is forbidden there, and they still do their work.
. "$TOP/tests/lib/cart.sh"
. "$TOP/tests/lib/sandbox.sh"
driver=$DRIVERS/base_sandbox_driver
mkdir in output
cd in
echo old > old
mkdir ../output/folder
run() { "$driver" "$1" > ../got; cat ../got; }
untouched() {
	[ "$(cat old)" = old ] || die "old was changed"
	[ "$(echo *)" = old ] || die "something was made: $(echo *)"
}
run -
grep -Eqx 'sandbox (landlock [0-9]+, )?seccomp' ../got || die "no seccomp here"
forbidden ../got "$(uname -m)"
untouched
run "$PWD/../output/folder"
grep -q '^sandbox .*seccomp' ../got || die "no seccomp here"
if grep -q landlock ../got; then
	forbidden ../got "$(uname -m)"
	untouched
else
	echo "this kernel has no Landlock: where output goes is not bounded"
fi
allowed ../got
cd ..

# the commands are inside while they read, and do their work
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/in/**"] } } ] }
E
expect 0 "$CRASHCART" collect ./m.json --case C --out o --json
key=$(last_json .key)
status() {	# WHAT COMMAND...: of a command that waits for a pipe
	local what=$1 pid
	shift
	mkfifo pipe
	"$@" < pipe > said 2>&1 & pid=$!
	exec 9> pipe
	head -c 20000 o/C-b01.tar >&9
	for _ in $(seq 50); do
		! grep -q 'Seccomp:.*2' "/proc/$pid/status" || break
		sleep 0.1
	done
	grep -q '^Seccomp:[[:space:]]*2$' "/proc/$pid/status" || die "$what: no seccomp"
	grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$pid/status" || die "$what"
	tail -c +20001 o/C-b01.tar >&9
	exec 9>&-
	wait $pid || { cat said; die "$what: exit $?"; }
	rm pipe
}
for program in "$CRASHCART" "$CRASHCART-verify"; do
	status verify "$program" verify - --seal o/C-b01.seal -P "$key"
	status list "$program" list - --seal o/C-b01.seal
	status extract "$program" extract - --seal o/C-b01.seal --out x -P "$key"
	cmp "x/$(ls x)$PWD/in/old" in/old
	rm -rf x
done
status report "$CRASHCART" report - --seal o/C-b01.seal --out page.html
grep -q '<html' page.html
expect 0 "$CRASHCART" verify o -P "$key" --json
jq -e '.sandbox | test("seccomp")' out > /dev/null || die "not told"
for where in y ./y/ "$PWD/y" y; do
	expect 5 "$CRASHCART" extract o --out "$where"
	rm -rf y
done

# ... and those that check, sign or decrypt with a key of one's own
is_inside() { grep -q "sandbox: .*seccomp" err || die "$*: not inside"; }
expect 5 "$CRASHCART" custody show o -P "$key" --debug	# no entry yet
is_inside custody
for what in "prove o e000001 --path $PWD/in/old --out p" "prove --check p"; do
	# shellcheck disable=SC2086
	expect 0 "$CRASHCART" $what -P "$key" --debug
	is_inside "$what"
done
expect 0 "$CRASHCART" keygen -W k
cp -r o o2
for what in o o2/C-b01.tar; do
	expect 0 "$CRASHCART" countersign "$what" --key k.key -P "$key" --debug
	is_inside countersign
	ls "${what%/*}"/C-b01.seal.*[0-9A-F].minisig
done
cp -r o o3
rm o3/C-b01.seal.*[0-9A-F].minisig
(cd o3 && expect 0 "$CRASHCART" countersign C-b01.tar --key ../k.key --debug)
cmp o3/C-b01.seal.*[0-9A-F].minisig o2/C-b01.seal.*[0-9A-F].minisig
expect 0 "$CRASHCART" keygen --age id
recipient=$(grep -o 'age1[0-9a-z]*' out)
expect 0 "$CRASHCART" collect ./m.json --case E --out e --json \
	--encrypt-to "$recipient"
expect 0 "$CRASHCART" decrypt e/E-b01.tar.age -i id.age --out plain.tar --debug
is_inside decrypt
tar tf plain.tar > listed
"$CRASHCART" decrypt - -i id.age < e/E-b01.tar.age | cmp - plain.tar

cd in
expect 0 "$CRASHCART" report ../o --out page.html
rm out err page.html
