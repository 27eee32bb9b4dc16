#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Heads of the log are put into a bucket while a collection runs: verify accepts
# the bundle that they are of, and names a log that was rewritten or cut since.
. "$TOP/tests/lib/cart.sh"
sim_start --users 1
bucket=$("$CRASHCART" call s3:ListBuckets | jq -r '.Buckets[0].Name')
venv=$("$TOP/tests/sim/venv" "$TOP/tests/sim/requirements.txt" sim)
fetch() {	# KEY
	"$venv/bin/python" - "$AWS_ENDPOINT_URL" "$bucket" "$1" <<'P'
import sys
import botocore.session
c = botocore.session.get_session().create_client(
    's3', endpoint_url=sys.argv[1], region_name='us-east-1')
sys.stdout.buffer.write(c.get_object(Bucket=sys.argv[2],
                                     Key=sys.argv[3])['Body'].read())
P
}
mkdir tree
for i in $(seq 300); do head -c 3000 /dev/urandom > "tree/$i"; done
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/tree/**"] } },
  { "id": "who", "do": "aws.call", "with": { "call": "sts:GetCallerIdentity" } } ] }
E
expect 0 "$CRASHCART" collect ./m.json --case W --out o --json --trust-environment \
	--witness "s3://$bucket/heads" --witness-every 1s
key=$(last_json .key)
"$CRASHCART" call s3:ListObjectsV2 --input "{\"Bucket\":\"$bucket\",\"Prefix\":\"heads/W-b01/\"}" |
	jq -r '.Contents[].Key' > keys
[ -s keys ] || die "no head was put"
[ "$(jq -r 'select(.operation == "PutObject") |
	.params.ExpectedBucketOwner // "none"' "$SIM_LOG" | sort -u)" = \
	123456789012 ] || die "whose bucket"
n=0 heads=()
while read -r name; do
	n=$((n + 1))
	fetch "$name" > "head$n"
	[ "$(sed -n 2p "head$n")" = "$((10#$(basename "$name" .checkpoint)))" ] || die "$name"
	heads+=(--head "head$n")
done < keys
expect 0 "$CRASHCART" verify o -P "$key" "${heads[@]}"
prints "Witness +the log begins as each of the $n heads"
tar -xOf o/W-b01.tar --wildcards 'W-b01/log/*' | grep -c 'witness: the head of' > /dev/null ||
	die "the log does not say so"
tar -xf o/W-b01.tar
expect 0 "$CRASHCART" verify W-b01 -P "$key" --head head1
expect 0 "$CRASHCART" verify o -P "$key" --head W-b01/checkpoint

refused() {	# PATTERN FILE
	expect 4 "$CRASHCART" verify o -P "$key" --head "$2"
	prints "$1"
	prints 'rule F27'
}
sed 2s/.*/999999/ head1 > longer; refused 'the log was cut' longer
sed 2s/.*/3/ head1 > other; refused 'the signature does not hold' other
sed '1s/.$/x/' head1 > origin; refused 'origin' origin
for bad in m.json key; do
	echo x > key
	expect 2 "$CRASHCART" verify o -P "$key" --head $bad
done
# the holder of the session key rewrites a line, and seals it again
python3 - "$CRASHCART" <<'P' || die "a rewritten log"
import base64, hashlib, os, subprocess, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.environ['TOP'] + '/tests/interop')
import make_bundle

def write(folder, **hooks):
    maker = make_bundle.Maker(1, hooks=hooks)
    os.makedirs(folder)
    for name, data in maker.make().items():
        with open(folder + '/' + name, 'wb') as f:
            f.write(data)
    with open(folder + '.head', 'wb') as f:
        f.write(dict(maker.members)['checkpoint'])
    return maker.keys()[0]

def verify(folder, head):
    p = subprocess.run([sys.argv[1], 'verify', folder, '-P', key, '--head',
                        head], capture_output=True, text=True)
    return p.returncode, p.stdout

def edit(line):
    return dict(line, detail='nothing to see here') \
        if line['type'] == 'gap' else line

key = write('first')
assert write('second', line=edit) == key
assert verify('first', 'first.head')[0] == 0
assert verify('second', 'second.head')[0] == 0
status, text = verify('second', 'first.head')
assert status == 4 and 'the log was rewritten' in text and 'F27' in text, text

# what ends early keeps no head out of sight: not under a seal that says
# partial, and not without one
maker = make_bundle.Maker(1)
name, files = maker.name, maker.make()
part = next(i for i, m in enumerate(maker.members)
            if m[0] == 'log/000001.jsonl')
end = sum(512 + (len(data) + 511) // 512 * 512
          for _, data in maker.members[:part + 1])
stream = files[name + '.tar'][:end]
tree = make_bundle.Merkle()
for line in maker.members[part][1].splitlines():
    tree.add(line)
root, size = tree.root().hex(), len(tree.leaves)
digest = hashlib.sha256(stream).digest()
seal = ('crashcart-seal 1\nbundle %s\ncase IR-2026-014\nstate partial\n'
        'root %s\nlog %d %s\nchunk 8388608\nsegment 1 %d %s-1\n%s\n' % (
            name, root, size, root, len(stream), base64.b64encode(
                hashlib.sha256(digest).digest()).decode(),
            digest.hex())).encode()
comment = ('crashcart seal bundle=%s case=IR-2026-014 purpose=session root=%s'
           % (name, root))
for folder, more in (('partial', {'.seal': seal, '.seal.minisig':
                                  maker.sessions[0].minisig(
                                      seal, 'crashcart seal', comment)}),
                     ('unsealed', {})):
    os.makedirs(folder)
    for end, data in {'.tar': stream, **more}.items():
        with open(folder + '/' + name + end, 'wb') as f:
            f.write(data)
    p = subprocess.run([sys.argv[1], 'verify', folder, '-P', key],
                       capture_output=True, text=True)
    assert p.returncode == 5, p
    status, text = verify(folder, 'first.head')
    assert status == 4 and 'the log was cut' in text and 'F27' in text, text
P
# no such bucket: said, and sealed all the same
expect 0 "$CRASHCART" collect ./m.json --case X --out p --json --trust-environment \
	--witness s3://no-such-bucket-here/x --witness-every 1s
says 'witness: the head of .* could not be put'
for bad in s3:// ftp://a/ s3://a; do
	expect 2 "$CRASHCART" collect ./m.json --out q --witness "$bad"
done
expect 2 "$CRASHCART" collect ./m.json --out q --witness "s3://$bucket" --witness-every 0
