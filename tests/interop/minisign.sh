#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Keys and signatures to and from minisign itself, with and without password.
# run-tests: timeout=900
set -eu
ours=$DRIVERS/crypt_driver
minisign -v

fail() { echo "FAILED: $*" >&2; exit 1; }

head -c 100000 /dev/urandom > big
: > empty
printf 'line\n' > small

# minisign's keys: its signatures with ours, ours with it
minisign -G -W -p m.pub -s m.key > /dev/null
printf 'pass word\npass word\n' | minisign -G -p mp.pub -s mp.key > /dev/null 2>&1
for f in big empty small; do
	minisign -S -W -s m.key -m $f -t "comment	of $f" < /dev/null
	[ "$($ours verify m.pub $f)" = "comment	of $f" ] || fail "verify $f"
	rm $f.minisig
	$ours sign m.key $f "ours of $f"
	minisign -Vm $f -p m.pub -Q | grep -qx "ours of $f" || fail "sign $f"
	minisign -VHm $f -P "$(sed -n 2p m.pub)" -q
	rm $f.minisig
done
$ours sign mp.key small 'with a password' 'pass word'
minisign -Vm small -p mp.pub -q
rm small.minisig
! $ours sign mp.key small x 'wrong word' 2> err || fail 'a wrong password'
grep -q 'wrong password' err
! $ours sign mp.key small x 2> err || fail 'no password'
grep -q 'wants a password' err

# minisign's default comment, and its legacy form, which we refuse
printf 'pass word\n' | minisign -S -s mp.key -m small > /dev/null 2>&1
$ours verify mp.pub small | grep -q '^timestamp:'
minisign -S -l -W -s m.key -m big < /dev/null
! $ours verify m.pub big 2> err || fail 'the legacy form'
grep -q legacy err
rm big.minisig small.minisig

# a password taken off or put on by minisign
cp mp.key c.key
printf 'pass word\n' | minisign -C -W -s c.key > /dev/null 2>&1
$ours sign c.key small 'changed'
minisign -Vm small -p mp.pub -q
rm small.minisig

# our keys in minisign
$ours keygen o.key o.pub
$ours keygen op.key op.pub 'secret'
minisign -S -W -s o.key -m big < /dev/null
$ours verify o.pub big > /dev/null
rm big.minisig
# minisign asks for no more memory than the file says: 64 MiB fit into 160
( ulimit -v 163840; printf 'secret\n' | minisign -S -s op.key -m big \
	> /dev/null 2>&1 ) || fail 'minisign opens our key'
$ours verify op.pub big > /dev/null
minisign -Vm big -p op.pub -q
printf 'secret\n' | minisign -R -s op.key -p again.pub > /dev/null 2>&1
# the key is the same; minisign writes the id in the comment without its zeros
[ "$(sed -n 2p op.pub)" = "$(sed -n 2p again.pub)" ] || fail 'minisign -R'
! $ours verify o.pub big 2> err || fail 'another key'

# any changed byte of the file
printf 'Line\n' > small
minisign -S -W -s m.key -m small < /dev/null
printf 'lime\n' > small
! $ours verify m.pub small 2> err || fail 'a changed file'
grep -q 'does not hold' err
echo ok
