#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A tree nested deeper than we walk: a gap, not a crash, whatever the pattern.
. "$TOP/tests/lib/cart.sh"
python3 - <<'P'
import os
os.mkdir("d")
os.chdir("d")
for i in range(400):
    os.mkdir("x" * (i % 40 + 1))
    os.chdir("x" * (i % 40 + 1))
    with open("f", "w") as f:
        f.write("hello\n")
P
for pattern in "$PWD/d/**" "$PWD/**" "$PWD/*/**/f" "$PWD/d/**/[x]*"; do
	for content in true false; do
		cat > m.json <<-E
		{ "crashcart": 1, "name": "m", "title": "m", "steps": [
		  { "id": "f", "do": "host.files", "with": { "paths": ["$pattern"], "content": $content,
		    "exclude": ["/**/nothing*", "/x/**", "$PWD/o*"] } } ] }
		E
		rm -rf o
		expect 3 "$CRASHCART" collect ./m.json --case D --out o
		says 'nested too deeply'
		expect 5 "$CRASHCART" verify o
	done
done
rm -rf d
