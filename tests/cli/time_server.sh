#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --time-server: what an NTP server says of the host's clock is on record, what
# does not answer too, and neither changes anything else.
. "$TOP/tests/lib/cart.sh"

# a server whose clock is SECONDS ahead and that answers as it is told
cat > ntp.py << 'END'
import socket, struct, sys, time
ahead, how = float(sys.argv[1]), sys.argv[2]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
with open("port", "w") as f:
    f.write(str(s.getsockname()[1]))
asked, peer = s.recvfrom(512)
with open("asked", "wb") as f:
    f.write(asked)
now = time.time() + ahead + 2208988800
stamp = struct.pack(">II", int(now), int(now % 1 * 2**32))
head = struct.pack(">BBbbII4s", 4 << 3 | 4, 0 if how == "kiss" else 4, 4, -20,
                   655, 655, b"AMZN")
if how == "stranger":       # first somebody who did not see the question
    s.sendto(head + stamp + b"x" * 8 + stamp + stamp, peer)
if how != "silent":
    s.sendto(head + stamp + asked[40:48] + stamp + stamp, peer)
time.sleep(0.2)
END
cat > m.json << END
{ "crashcart": 1, "name": "t", "title": "t", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/ntp.py"] } } ] }
END

ask() {	# AHEAD HOW
	rm -rf port dir
	python3 ntp.py "$1" "$2" &
	server=$!
	until [ -s port ]; do sleep 0.05; done
	expect 0 "$CRASHCART" collect ./m.json --case T --out dir \
		--time-server "127.0.0.1:$(cat port)"
	wait $server || die "the server failed"
	tar -xOf dir/T-b01.tar --wildcards '*/log/*' > log
}

for ahead in 0 1200 -86400; do
	ask $ahead good
	jq -es --argjson a $ahead '[.[] | select(.type == "clock")] | length == 1
		and (.[0] | .source == "sntp" and (.from | test("^127")) and
		((.offset_ms - $a * 1000) | fabs) < 500 and
		.uncertainty_ms < 500 and .applied == false)' < log > /dev/null ||
		die "the clock line: $(grep '"clock"' log)"
done
# the question says nothing of this host: zeros, and a random time stamp
[ "$(head -c 40 asked | xxd -p -c 40)" = "23$(printf '00%.0s' $(seq 39))" ] ||
	die "the question: $(xxd -p asked)"
[ "$(stat -c %s asked)" = 48 ] || die "not 48 bytes"

ask 5 stranger
grep -q '"sntp"' log || die "an answer to another question counted"
for how in silent kiss; do
	ask 5 $how
	says "no second opinion on the host's clock"
	grep -q '"sntp"' log && die "$how: a clock line"
	grep -q '"type":"note".*no second opinion' log || die "$how: no note"
done
expect 2 "$CRASHCART" collect ./m.json --case T --out none \
	--time-server time.example.com
says 'an address'
