#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# host.system judged by ps, ss, ip and sha256sum.
. "$TOP/tests/lib/cart.sh"
cp "$(command -v sleep)" gone
./gone 60 & gone=$!
sleep 60 & there=$!
python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True); time.sleep(60)' > port & listener=$!
trap 'kill $gone $there $listener 2> /dev/null || :' EXIT
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
sum_gone=$(sha256sum < gone | cut -d' ' -f1)
rm gone
cat > m.json <<'J'
{ "crashcart": 1, "name": "m", "title": "m", "steps": [ { "id": "s", "do": "host.system" } ] }
J
! command -v ss > /dev/null || ss -Htln4 | awk '{ print $4 }' | sort -u > before
timeout 60 "$CRASHCART" collect ./m.json --case S --out o --quiet > out 2> err || [ $? = 3 ] ||
	die "collect"
"$CRASHCART" extract o --out x > /dev/null 2>&1 || [ $? = 5 ] || die "extract"
one() { cat x/*"$1"*; }
field() { one processes | jq -r "select(.pid == $1) | .$2"; }
[ "$(field $gone exe_sha256)" = "$sum_gone" ] || die "hash of a deleted executable"
[ "$(field $gone exe_deleted)" = true ] || die "it is not said to be deleted"
[ "$(field $there exe_sha256)" = "$(sha256sum < /proc/$there/exe | cut -d' ' -f1)" ] ||
	die "hash of an executable"
[ "$(field $there 'cmdline | join(" ")')" = "$(ps -o args= -p $there)" ] || die "arguments"
[ "$(field $there ppid)" = $$ ] || die "parent"
got=$(date -d "$(field $there started)" +%s)
want=$(date -d "$(ps -o lstart= -p $there)" +%s)
d=$((got - want)); [ ${d#-} -le 2 ] || die "start time is off by $d s"
[ -n "$(one sockets | jq -c "select(.state == \"listen\" and .local_address == \"127.0.0.1\"
	and .local_port == $(cat port) and .protocol == \"tcp\")")" ] ||
	die "the listening socket is missing"
if command -v ip > /dev/null; then
	ip -j link | jq -r '.[].ifname' | sort > want
	one interfaces | jq -r .name | sort > got
	cmp want got || die "interfaces"
	ip -j -4 addr | jq -r '.[].addr_info[] | select(.local) | "\(.local)/\(.prefixlen)"' | sort > want
	one addresses | jq -r 'select(.family == "inet") | "\(.local)/\(.prefix)"' | sort > got
	cmp want got || die "addresses"
	ip -j -4 route show table main | jq -r '.[] | "\(.dst) \(.gateway // "-")"' | sort > want
	one routes | jq -r 'select(.family == "inet" and .table == 254) |
		(if .destination == null then "default" elif .destination_prefix == 32 then .destination
		 else "\(.destination)/\(.destination_prefix)" end) + " \(.gateway // "-")"' | sort > got
	diff want got || die "routes"
fi
if command -v ss > /dev/null; then
	# sockets that were there before and are there after
	one sockets | jq -r 'select(.state == "listen" and .family == "inet" and .protocol == "tcp") |
		"\(.local_address):\(.local_port)"' | sort -u > got
	ss -Htln4 | awk '{ print $4 }' | sort -u > later
	comm -12 before later | sed 's/^\*:/0.0.0.0:/; s/%[^:]*:/:/' | sort -u > want.both
	[ -z "$(comm -23 want.both got)" ] || { comm -23 want.both got; die "ss knows more"; }
fi
