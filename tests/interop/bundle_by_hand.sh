#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bundle is checked by the commands of its own VERIFY.txt, its exhibits come
# out with tar and zstd as they went in, and the independent verifier agrees.
. "$TOP/tests/lib/cart.sh"
. "$TOP/tests/lib/by_hand.sh"

write=$DRIVERS/bundle_write_driver

echo "an image and random exhibits, in segments"
head -c 20000000 /dev/urandom > image
truncate -s 45000000 image			# a zero part and a mixed one
head -c 1000 /dev/urandom >> image
mkdir a && cd a
expect 0 "$write" -i ../image -n 60 -g 10000000 . B1
key=$(cat out)
by_hand B1 "$key"
same_lists B1
python3 "$TOP/tests/interop/verify_bundle.py" --pubkey "$key" B1.tar
python3 - B1/log/*.jsonl << 'END' > parts
import json, sys
for name in sys.argv[1:]:
    for line in open(name):
        o = json.loads(line)
        if o['type'] == 'part' and o['exhibit'] == 'e000001':
            print(o.get('path', '-'), o['length'])
        if o['type'] == 'exhibit' and o['exhibit'] == 'e000001':
            print(o['sha256'], file=open('sum', 'w'))
END
while read -r path length; do
	if [ "$path" = - ]; then
		head -c "$length" /dev/zero
	else
		zstd -dcq "B1/$path"
	fi
done < parts > back
cmp back ../image || die "the image"
grep -q '^- ' parts || die "no part of zeros"
[ "$(cat sum)" = "$(sha256sum < ../image | cut -c1-64)" ] || die "its digest"
cd ..

echo "a file set with hostile names, sealed by an examiner's key"
mkdir -p files/deep b
python3 - << 'END'
import os
os.chdir('files')
for i, name in enumerate([b'plain', b'bad\xff\xfename', b'new\nline',
                          b'tab\ttab', 'Gr\u00f6\u00dfe'.encode(),
                          'Gro\u0308sse'.encode(), b'x' * 255, b'-rf',
                          b'deep/' + b'y' * 200, b'empty']):
    with open(name, 'wb') as f:
        f.write(b'' if name == b'empty' else name * i)
    os.utime(name, ns=(1600000000 * 10**9, (1600000000 + i) * 10**9 + i))
os.chmod('plain', 0o4750)
os.symlink('plain', 'link')
END
minisign -G -W -p b/key.pub -s b/key.sec > /dev/null
cd b
find "${PWD%/b}/files" -print0 | "$write" -f -k key.sec . B2 > out
[ "$(cat out)" = "$(sed -n 2p key.pub)" ] || die "whose key"
by_hand B2 "$(cat out)"
same_lists B2
grep -q 'purpose=examiner' B2.seal.minisig || die "purpose"
cmp B2/keys/examiner.pub <(sed '1s/.*/untrusted comment: crashcart examiner key/' key.pub)
python3 "$TOP/tests/interop/verify_bundle.py" --pubkey "$(cat out)" B2.tar
mkdir back
for p in B2/data/e000001/*.tar.zst; do
	zstd -dcq "$p" | tar -xpf - -C back --no-same-owner \
		--warning=no-unknown-keyword
done
rm ../files/link			# links are lines, not members
diff -r ../files "back/[root]${PWD%/b}/files" || die "the files"
f=$(find back -name plain)
[ "$(stat -c '%a %y' "$f")" = "$(stat -c '%a %y' ../files/plain)" ] ||
	die "mode and time of $f"
cd ..

echo "a pipe"
mkdir c && cd c
"$write" -i ../image - P.seal 2> key | cat > P.tar
python3 "$TOP/tests/interop/verify_bundle.py" --pubkey "$(head -n 1 key)" \
	--seal P.seal - < P.tar
