#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RFC 3161: a local authority made with `openssl ts` stamps the seal; verify and
# openssl read the stamp alike; what the authority does wrong is refused and
# recorded; a changed stamp is never accepted.
. "$TOP/tests/lib/cart.sh"
python3 "$TOP/tests/lib/tsa.py" tsa port & tsa=$!
trap 'kill $tsa' EXIT
for _ in $(seq 100); do [ -e port ] || sleep 0.1; done
url=http://127.0.0.1:$(cat port)
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
E
mkdir tree
echo evidence > tree/file
expect 0 "$CRASHCART" collect ./m.json --case C --out o --json \
	--timestamp "$url/tsa" --timestamp "$url/tsa"
key=$(last_json .key)
[ "$(last_json '.timestamps | map(select(.granted)) | length')" = 2 ] || die "json"
expect 0 "$CRASHCART" verify o -P "$key"
prints 'Time +stamped .*, but cannot tell by whom'
prints 'CN=Test Time Authority,O=Test Lab; no authority'
expect 0 "$CRASHCART" verify o -P "$key" --tsa-ca tsa/root.pem
prints 'Time +the seal was there at 20[0-9T:-]+Z?.*: anchored by an'
prints 'named, as CN=Test Time Authority,O=Test Lab$'
expect 0 "$CRASHCART" verify o -P "$key" --tsa-ca tsa/other.pem --tsa-ca tsa/root.pem --json
jq -e '.timestamps | length == 2 and all(.anchored)' out > /dev/null || die "json"
jq -e 'any(.timestamps[]; .before_log_end) | not' out > /dev/null || die "order of times"
# a log whose own times are after the anchored one
expect 0 python3 -B - <<'P'
import os, re, subprocess, sys
sys.path.insert(0, os.environ['TOP'] + '/tests/interop')
import make_bundle

def later(line):
    return dict(line, t='2099' + line['t'][4:]) if 't' in line else line

maker = make_bundle.Maker(1, stamp=True, hooks={'line': later, 'head': later})
os.mkdir('late')
for name, data in maker.make().items():
    with open('late/' + name, 'wb') as out:
        out.write(data)
verify = [os.environ['CRASHCART'], 'verify', 'late', '-P', maker.keys()[0],
          '--tsa-ca', make_bundle.AUTHORITY[0].name + '/root.pem']
done = subprocess.run(verify, capture_output=True, text=True)
assert done.returncode == 0 and 'CONTRADICTION: by its own times' in \
    done.stdout, done
done = subprocess.run(verify + ['--json'], capture_output=True, text=True)
assert re.search('"before_log_end": ?true', done.stdout), done
P
# roots that are not the authority's: cannot tell
expect 5 "$CRASHCART" verify o -P "$key" --tsa-ca tsa/other.pem
prints 'no authority that you named anchored the time'
expect 2 "$CRASHCART" verify o -P "$key" --tsa-ca m.json
grep -qx crashcart tsa/agents || die "the user agent tells more"
[ "$(sort -u tsa/agents | wc -l)" = 1 ]
# the question: certReq, nonce, SHA-512
openssl ts -query -in tsa/query-1.tsq -text > query 2> /dev/null
for want in 'Hash Algorithm: sha512' 'Nonce: 0x' 'Certificate required: yes'; do
	grep -q "$want" query || die "query: $want"
done
[ "$(grep Nonce: query)" != \
	"$(openssl ts -query -in tsa/query-2.tsq -text 2> /dev/null |
		grep Nonce:)" ] || die "the same nonce twice"

# VERIFY.txt's commands, and openssl beside us
tar -xf o/C-b01.tar
grep -qx "1 $url/tsa granted" C-b01/seal/timestamps.txt
sed -n '/^7\. /,$s/^  //p' C-b01/VERIFY.txt > check.sh
ROOTS=tsa/root.pem bash -eu check.sh > check.out 2>&1 || { cat check.out; die "7."; }
[ "$(grep -c 'Verification: OK' check.out)" = 2 ] || die "openssl"
[ "$(grep -c '^Time stamp: ' check.out)" = 2 ] || die "genTime"
ROOTS=tsa/other.pem bash -u check.sh > other.out 2>&1 || :
! grep -q 'Verification: OK' other.out || die "openssl, other roots"
# their time is ours
theirs=$(sed -n '/^Time stamp: /{s///p;q;}' check.out)
"$CRASHCART" verify o -P "$key" --json > out
[ "$(date -ud "$theirs" +%s)" = "$(date -ud "$(jq -r '.timestamps[0].time' out)" +%s)" ]
# an extracted bag
expect 0 "$CRASHCART" verify C-b01 -P "$key" --tsa-ca tsa/root.pem
mv C-b01/seal/tagmanifest-sha256.txt.2.tsr second
expect 4 "$CRASHCART" verify C-b01 -P "$key"
prints 'rule F24'

# each byte of the stamp in the bundle: refused
python3 - "$CRASHCART" "$key" << 'P' || die "a changed stamp is accepted"
import os, subprocess, sys
data = open('o/C-b01.tar', 'rb').read()
at = data.index(b'C-b01/seal/tagmanifest-sha256.txt.tsr\0')
size = int(data[at + 124:at + 135], 8)
for i in range(at + 512, at + 512 + size, 1 if os.environ.get('CART_LONG') else 9):
    bad = bytearray(data)
    bad[i] ^= 1
    open('o/C-b01.tar', 'wb').write(bad)
    rc = subprocess.run([sys.argv[1], 'verify', 'o', '-P', sys.argv[2],
                         '--tsa-ca', 'tsa/root.pem', '--quiet'],
                        capture_output=True).returncode
    if rc != 4:
        sys.exit('byte %d: %d' % (i - at - 512, rc))
open('o/C-b01.tar', 'wb').write(data)
P
# ... and alone, where no seal covers it: never laxer than openssl
python3 - "$DRIVERS/attest_identity_driver" << 'P' || die "a changed stamp holds"
import os, subprocess, sys
sig = 'C-b01/seal/tagmanifest-sha256.txt.minisig'
good = open('C-b01/seal/tagmanifest-sha256.txt.tsr', 'rb').read()


def ask(data):
    open('bad.tsr', 'wb').write(data)
    ours = subprocess.run([sys.argv[1], 'tsr', 'bad.tsr', sig, 'tsa/root.pem'],
                          capture_output=True).returncode == 0
    theirs = ours and subprocess.run(
        ['openssl', 'ts', '-verify', '-in', 'bad.tsr', '-data', sig, '-CAfile',
         'tsa/root.pem'], capture_output=True).returncode == 0
    return ours, theirs


assert ask(good) == (True, True), ask(good)
accepted = []
step = 1 if os.environ.get('CART_LONG') else 3
for i in range(0, len(good), step):
    bad = bytearray(good)
    bad[i] ^= 2
    ours, theirs = ask(bad)
    assert ours == theirs, 'byte %d: only we accept it' % i
    if ours:
        accepted.append(i)
# what remains is in the copy of the root and in names of algorithms
print(len(accepted), 'of', len(good) // step, 'changes are none:', accepted)
P
# another file's stamp
expect 1 "$DRIVERS/attest_identity_driver" tsr \
	C-b01/seal/tagmanifest-sha256.txt.tsr m.json tsa/root.pem
says 'about something else'

# an authority that does wrong: recorded, and the bundle is sealed all the same
for how in refuse error junk bare replay; do
	expect 3 "$CRASHCART" collect ./m.json --case "$how" --out p --json \
		--timestamp "$url/$how" --timestamp "$url/tsa"
	says "no time stamp from $url/$how: "
	key=$(last_json .key)
	[ "$(last_json '.timestamps | map(.granted) | tostring')" = '[false,true]' ] ||
		die "$how"
	expect 0 "$CRASHCART" verify "p/$how-b01.tar" -P "$key" --tsa-ca tsa/root.pem
	prints "no stamp from $url/$how: "
	prints 'anchored by'
done
tar -xOf p/replay-b01.tar replay-b01/seal/timestamps.txt |
	grep -q '/replay failed .*about something else' || die "replay"
tar -xOf p/refuse-b01.tar refuse-b01/seal/timestamps.txt |
	grep -q '/refuse failed .*refused (status 2)' || die "refuse"
# nobody there
expect 3 "$CRASHCART" collect ./m.json --case none --out p \
	--timestamp http://127.0.0.1:9/tsa
says 'no time stamp from http://127.0.0.1:9/tsa'
for bad in ftp://a/ 'http://a/ b' nonsense; do
	expect 2 "$CRASHCART" collect ./m.json --out q --timestamp "$bad"
done
[ -z "$(find q -type f 2> /dev/null)" ] || die "something was written"

# a counter-signature's own: openssl agrees; a key that ended since counts by it
expect 0 "$CRASHCART" collect ./m.json --case K --out k --json
key=$(last_json .key)
expect 0 "$CRASHCART" keygen -W lab
expect 0 "$CRASHCART" countersign k --key lab.key -P "$key" --timestamp "$url/tsa"
sig=$(sed -n 1p out)
[ "$(sed -n 2p out)" = "$sig.tsr" ] || die "no stamp beside $sig"
openssl ts -verify -in "$sig.tsr" -data "$sig" -CAfile tsa/root.pem > /dev/null 2>&1 ||
	die "openssl does not accept the counter-signature's stamp"
python3 -B "$TOP/tests/interop/verify_bundle.py" k/K-b01.tar --pubkey "$key" \
	> /dev/null ||
	die "the other verifier"
expect 0 "$CRASHCART" verify k -P lab.pub --tsa-ca tsa/root.pem
prints 'had counter-signed at 20.*: anchored by'
expect 5 "$CRASHCART" verify k -P lab.pub --tsa-ca tsa/other.pem
expect 5 "$CRASHCART" verify k -P "$key" --tsa-ca tsa/root.pem
{ echo 'crashcart-trust 1'; echo "$(sed -n 2p lab.pub) - 2199-01-01 - Lab 7"; } > trust
expect 5 "$CRASHCART" verify k --trust trust
expect 0 "$CRASHCART" verify k --trust trust --tsa-ca tsa/root.pem --json
jq -e '.countersigner_timestamp.anchored' out > /dev/null || die "json"
# a changed byte: refused, but in what the stamp carries and openssl does not need
python3 - "$CRASHCART" "$sig" << 'P' || die "a changed stamp is accepted"
import os, subprocess, sys
cart, sig = sys.argv[1:]
with open(sig + '.tsr', 'rb') as f:
    good = f.read()


def status(*command):
    return subprocess.run(command, capture_output=True).returncode


for at in range(0, len(good), 1 if os.environ.get('CART_LONG') else 23):
    bad = bytearray(good)
    bad[at] ^= 1
    with open(sig + '.tsr', 'wb') as f:
        f.write(bad)
    got = status(cart, 'verify', 'k', '-P', 'lab.pub', '--tsa-ca',
                 'tsa/root.pem')
    theirs = got or status('openssl', 'ts', '-verify', '-in', sig + '.tsr',
                           '-data', sig, '-CAfile', 'tsa/root.pem')
    if got not in (0, 4, 5) or got != theirs:
        sys.exit('byte %d: %d, openssl %d' % (at, got, theirs))
with open(sig + '.tsr', 'wb') as f:
    f.write(good)
P
mv "$sig" away
expect 4 "$CRASHCART" verify k -P "$key"
prints 'rule F24'
mv away "$sig"
rm "$sig" "$sig.tsr"
expect 3 "$CRASHCART" countersign k --key lab.key --timestamp "$url/refuse"
says 'signed, but no time stamp from'
[ -e "$sig" ] && [ ! -e "$sig.tsr" ] || die "what is left of a failure"
