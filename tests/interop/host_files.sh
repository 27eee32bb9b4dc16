#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: timeout=300
# host.files over a hostile tree, judged by find, diff, stat and sha256sum.
. "$TOP/tests/lib/cart.sh"
mkdir t && cd t
mkdir -p 'sp ace' a/b/c empty locked .hidden
echo one > a/one
: > a/empty
printf 'x%.0s' $(seq 5000) > "$(printf 'n%.0s' $(seq 255))"
echo newline > $'a/new\nline'
echo bytes > $'a/\xff\xfe'
echo glob > "a/[*?]\\"
echo dash > ./-rf
head -c 9000000 /dev/urandom > a/b/large
head -c 4194304 /dev/urandom > a/b/limit
truncate -s 3M a/b/sparse
ln a/one a/hard
ln -s /etc/passwd a/link
ln -s . a/b/loop
ln -s "$(printf 'l%.0s' $(seq 4000))" a/longlink
mkfifo a/fifo
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("a/socket")'
touch -d '1969-01-01 00:00:00.5' a/old
touch -d '2440-01-01' a/far 2>/dev/null || :
chmod 4755 a/one
deep=.
for _ in $(seq 100); do deep=$deep/dddddddddd; done
mkdir -p "$deep" && echo deep > "$deep/f"
i=0
while [ $i -lt 5000 ]; do : > "a/b/c/$i"; i=$((i + 1)); done
cd ..
cat > m.json <<J
{ "crashcart": 1, "name": "m", "title": "m", "steps": [ { "id": "f",
  "do": "host.files", "with": { "paths": ["$PWD/t/**"], "exclude": ["$PWD/t/empty"] } } ] }
J
find t -type f -exec touch -a -d '2001-01-01' {} +
find t -type f -printf '%p %A@\0' | sort -z > atimes
timeout 100 "$CRASHCART" collect ./m.json --case S --out o --quiet > out 2> err ||
	{ cat err; die "collect: $?"; }
find t -type f -printf '%p %A@\0' | sort -z > after
cmp atimes after || die "access times were moved"
expect 5 "$CRASHCART" verify o
"$CRASHCART" list o --files --json > lines 2> err || [ $? = 5 ] || die "list"
cat > compare.py <<'P'
import base64, hashlib, json, os, stat, sys
top = os.path.abspath(b"t")
want = {}
for folder, dirs, files in os.walk(top):
    if folder == top:
        dirs.remove(b"empty")
    for name in dirs + files:
        p = os.path.join(folder, name)
        want[p] = os.lstat(p)
got = {}
for line in open("lines"):
    l = json.loads(line)
    if l.get("type") != "file":
        continue
    p = base64.b64decode(l["path_b64"]) if "path_b64" in l else l["path"].encode()
    assert p not in got, p
    got[p] = l
assert set(got) == set(want), (set(got) ^ set(want))
for p, st in want.items():
    l = got[p]
    assert l["size"] == st.st_size or not stat.S_ISREG(st.st_mode), (l, st)
    if stat.S_ISREG(st.st_mode):
        assert l["sha256"] == hashlib.sha256(open(p, "rb").read()).hexdigest(), p
print(len(got), "files", [k for k in got[top + b"/a/one"]])
P
python3 compare.py || die "the list is not what os.walk and sha256 say"
"$CRASHCART" extract o --out x > out 2> err || [ $? = 5 ] || { cat err; die "extract"; }
# everything is in one tree, large files too
tree=$(find x -type d -path "*$PWD/t" | head -n 1)
[ -n "$tree" ] || { find x | head; die "no tree was extracted"; }
(cd t && find . -type f -print0 | sort -z | xargs -0 sha256sum -z) > sums
(cd "$tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum -z) > sums.x
cmp sums sums.x || die "the extracted tree differs"
# times past 2262 do not fit the log's nanoseconds; extract sets the times of
# the members of a set, not those of a large file
members=(! -name far ! -name large)
(cd t && find . -type f "${members[@]}" -printf '%T@ %p\0' | sort -z) > mtimes
(cd "$tree" && find . -type f "${members[@]}" -printf '%T@ %p\0' | sort -z) > mtimes.x
cmp mtimes mtimes.x || {
	diff <(tr '\0' '\n' < mtimes) <(tr '\0' '\n' < mtimes.x) | head -n 6
	die "times differ"
}
