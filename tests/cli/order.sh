#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An examiner orders beforehand; collect refuses anything else; verify shows the
# chain, minisign and jq alone too, and names what does not fit.
. "$TOP/tests/lib/cart.sh"
mkdir tree
echo evidence > tree/file
manifest() { cat << E
{ "crashcart": 1, "name": "$1", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } } ] }
E
}
manifest m > m.json
manifest other > other.json
for name in lab other; do expect 0 "$CRASHCART" keygen -W $name; done
lab=$(sed -n 2p lab.pub)
expect 0 "$CRASHCART" order ./m.json --case C --key lab.key --out c.order --by 'Laboratory 7'
minisign -Vm c.order -P "$lab" | grep -q "^Trusted comment: crashcart order case=C sha256=$(
	sha256sum c.order | cut -c1-64)\$" || die "minisign"
jq -e --arg m "$(sha256sum m.json | cut -c1-64)" \
	--arg t "$(sha256sum "$CRASHCART" | cut -c1-64)" \
	'.case == "C" and .manifest.sha256 == $m and .tools == [$t] and
	 (.nonce | length) == 32' c.order > /dev/null || die "order"
expect 1 "$CRASHCART" order ./m.json --case C --key lab.key --out c.order

expect 0 "$CRASHCART" collect ./m.json --order c.order --out o --json
key=$(last_json .key)
[ -e o/C-b01.tar ] || die "the case is the order's"
expect 0 "$CRASHCART" verify o -P "$key" -P lab.pub
prints 'Order +valid: key [0-9A-F]{16}, in its own words Laboratory 7 ordered'
prints "examiner's key -> order -> session key"
expect 0 "$CRASHCART" verify o -P "$key"
prints 'Order +cannot tell: key'
prints 'a key that you did not name'
# an order is no seal: whoever holds it could have made this
expect 5 "$CRASHCART" verify o -P lab.pub
prints 'Order +cannot tell'
prints 'but no key that you named sealed this bundle'
prints 'anyone who saw the order'
{ echo 'crashcart-trust 1'; echo "$lab - - - Laboratory 7, duty key"; } > trust
expect 0 "$CRASHCART" verify o -P "$key" --trust trust --json
jq -e '.order.verdict == "valid" and .order.name == "Laboratory 7, duty key"' out \
	> /dev/null || die "trust"
{ echo 'crashcart-trust 1'; echo "$lab - 2021-01-01 - L"; } > trust
expect 0 "$CRASHCART" verify o -P "$key" --trust trust --json
jq -e '.order.verdict == "cannot-tell"' out > /dev/null || die "expired"
# by hand
tar -xf o/C-b01.tar
head -n 1 C-b01/log/000001.jsonl | jq -j .options.order.file > hand
head -n 1 C-b01/log/000001.jsonl | jq -j .options.order.minisig > hand.minisig
cmp hand c.order
minisign -Vm hand -P "$lab" > /dev/null

# what the order does not cover is refused, and nothing is written
refused() {	# PATTERN ARGUMENT...
	local want=$1
	shift
	expect 2 "$CRASHCART" collect "$@" --out q
	says "$want"
	[ -z "$(find q -type f 2> /dev/null)" ] || die "something was written"
}
refused 'for case C, not D' ./m.json --order c.order --case D
refused 'another manifest' ./other.json --order c.order
expect 0 "$CRASHCART" order ./m.json --case C --key lab.key --out tool.order --tool m.json
refused 'another program' ./m.json --order tool.order
expect 0 "$CRASHCART" order ./m.json --case C --key lab.key --out old.order \
	--from 2020-01-01T00:00:00Z --for 1d
refused 'counts until 2020-01-02T00:00:00Z' ./m.json --order old.order
expect 0 "$CRASHCART" order ./m.json --case C --key lab.key --out new.order \
	--from 2199-01-01T00:00:00Z
refused 'counts only from' ./m.json --order new.order
for edit in 's/"case":"C"/"case":"D"/' 's/"C"/"C", "x":1/' 's/^{/{ "a":1,/' \
		's/order":1/order":2/' 's/"nonce":"./"nonce":"/'; do
	sed "$edit" c.order > bad.order
	cp c.order.minisig bad.order.minisig
	refused 'order' ./m.json --order bad.order
done
refused 'minisig' ./m.json --order m.json
for bad in "--for 5s" "--for x" "--from x" "--case .."; do
	# shellcheck disable=SC2086
	expect 2 "$CRASHCART" order ./m.json --case C --key lab.key --out x $bad
done

# a hostile session names an order that it did not follow: the bundle holds, the
# order does not.  The words are changed before the session key signs them.
cp c.order forged; sed 's/"C"/"E"/' c.order > forged
cp c.order.minisig forged.minisig
python3 - "$CRASHCART" <<'P'
import json, os, subprocess, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.environ['TOP'] + '/tests/interop')
import make_bundle

def read(name):
    with open(name, encoding='utf-8') as f:
        return f.read()

def judge(order, manifest=None, tool=None, t=None):
    def line(l):
        if l['type'] == 'session':
            l['options'] = {'order': order}
            if tool:
                l['tool']['sha256'] = tool
            if manifest:
                l['manifest']['sha256'] = make_bundle.sha(manifest)
            if t:
                l['t'] = t
        return l
    maker = make_bundle.Maker(1, name='C-b01', case='C', hooks={
        'line': line, 'member': lambda p, d: (p, manifest if manifest and
                                              p == 'manifest.json' else d)})
    os.makedirs('h', exist_ok=True)
    for name, data in maker.make().items():
        with open('h/' + name, 'wb') as f:
            f.write(data)
    p = subprocess.run([sys.argv[1], 'verify', 'h', '--json', '-P',
                        maker.keys()[0], '-P', 'lab.pub'], capture_output=True)
    v = json.loads(p.stdout)
    return v['verdict'], v.get('order', {}).get('verdict')

def case(what, want, *order):
    got = judge(*order)
    if got != ('valid', want):
        sys.exit('%s: %s' % (what, got))

good = {'file': read('c.order'), 'minisig': read('c.order.minisig')}
tool = json.loads(good['file'])['tools'][0]
start = json.loads(good['file'])['from'][:-1] + '.000000000Z'
m = read('m.json').encode()
case('followed', 'valid', good, m, tool, start)
case('another manifest', 'invalid', good, None, tool, start)
case('another program', 'invalid', good, m, None, start)
case('too early', 'invalid', good, m, tool, '2020-01-01T00:00:00.000000000Z')
case('not text', 'invalid', {'file': 1, 'minisig': 'x'}, m, tool, start)
case('no order', 'invalid', {}, m, tool, start)
case('another case', 'invalid', {'file': read('forged'),
                                 'minisig': read('forged.minisig')}, m, tool,
     start)
sig = good['minisig'].split('\n')
sig[1] = sig[1][:40] + ('A' if sig[1][40] != 'A' else 'B') + sig[1][41:]
case('a changed signature', 'invalid', dict(good, minisig='\n'.join(sig)), m,
     tool, start)
# a character of the order or of its signature: never valid (CART_LONG: each)
step = 1 if os.environ.get('CART_LONG') else 29
for key in good:
    for at in range(0, len(good[key]), step):
        text = good[key]
        bad = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1:]
        got = judge(dict(good, **{key: bad}), m, tool, start)
        if got[0] != 'valid' or got[1] == 'valid' or \
                (key == 'file' and got[1] != 'invalid'):
            sys.exit('%s, character %d: %s' % (key, at, got))
P
