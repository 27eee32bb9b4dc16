#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# run-tests: native-only
# run-tests: timeout=1200
# The image of scripts/build-ami: two builds are equal; started by BIOS and by
# UEFI in a network namespace that leads nowhere but to the metadata service,
# DHCP, DNS and one endpoint, it follows its user-data, uploads, and powers off;
# what lies in the bucket then verifies from outside; that of aarch64 too, by UEFI.
# All this with CART_LONG=1; without it only the image's init is built.
. "$TOP/tests/lib/cart.sh"
[ -n "${CART_LONG:-}" ] || {
	cc=$("$TOP/scripts/build-deps" --path "musl-$(uname -m)")/bin
	"$cc/$(uname -m)-linux-musl-gcc" -std=gnu11 -static -Wall -Wextra \
		-Werror -Os -o init "$TOP"/scripts/ami/{init,dhcp}.c
	exit 0
}
cli=$("$TOP/tests/sim/venv" "$TOP/tests/sim/requirements-cli.txt" cli)
ns=crashcart-ami-$$
inside() { ip netns exec "$ns" "$@"; }
aws() { inside "$cli/bin/aws" "$@"; }
running=()
end() {
	local pid
	for pid in ${running[@]+"${running[@]}"}; do
		kill "$pid" 2> /dev/null || :
	done
	sim_stop
	ip netns del "$ns" 2> /dev/null || :
}
sim_start --netns "$ns" --host 0.0.0.0 --port 8000 --imds-port 80
trap end EXIT
bucket=northwind-evidence

# ---- the subnet: one wire, no route out
inside ip tuntap add tap0 mode tap
inside ip addr add 10.9.0.1/24 dev tap0
inside ip addr add 169.254.169.254/32 dev tap0
inside ip link set tap0 up
[ -z "$(inside ip route show default)" ] || die "there is a way out"
inside dnsmasq --keep-in-foreground --conf-file=/dev/null --no-hosts \
	--no-resolv --bind-interfaces --interface=tap0 --log-queries \
	--log-facility="$PWD/dns.log" --pid-file="$PWD/dns.pid" --no-ping \
	--dhcp-leasefile="$PWD/leases" --user=root \
	--dhcp-range=10.9.0.10,10.9.0.20 --dhcp-option=26,9001 \
	--address=/endpoint.internal/10.9.0.1 &
running+=($!)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 \
	-keyout tls.key -out tls.pem -subj /CN=endpoint.internal \
	-addext subjectAltName=DNS:endpoint.internal 2> /dev/null
cat > front.py <<'E'
import asyncio, ssl
async def copy(a, b):
    try:
        while data := await a.read(65536):
            b.write(data)
            await b.drain()
    except (OSError, ssl.SSLError):
        pass
    b.close()
async def one(r, w):
    r2, w2 = await asyncio.open_connection("127.0.0.1", 8000)
    await asyncio.gather(copy(r, w2), copy(r2, w), return_exceptions=True)
async def main():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain("tls.pem", "tls.key")
    s = await asyncio.start_server(one, "10.9.0.1", 443, ssl=c)
    await s.serve_forever()
asyncio.run(main())
E
inside python3 front.py &
running+=($!)

# ---- what the instance may do, and is told
aws iam put-role-policy --role-name "$SIM_ROLE_NAME" --policy-name put \
	--policy-document '{ "Version": "2012-10-17", "Statement": [ {
	"Effect": "Allow", "Action": [ "s3:PutObject", "s3:PutObjectRetention",
	"s3:AbortMultipartUpload" ],
	"Resource": "arn:aws:s3:::'$bucket'/*" } ] }'
cat > m.json <<'E'
{ "crashcart": 1, "name": "who", "title": "Who is this", "params": {
	"user": { "type": "string", "required": true } }, "steps": [
	{ "id": "keys", "do": "aws.call", "with": { "call": "iam:ListAccessKeys",
		"input": { "UserName": "${params.user}" } } },
	{ "id": "metadata", "do": "imds.tree" } ] }
E
"$CRASHCART" keygen -W image > /dev/null
: > empty
minisign -S -s image.key -m m.json < empty > /dev/null
tell() {	# PREFIX
	jq -n --rawfile m m.json --rawfile s m.json.minisig --rawfile ca tls.pem \
		--arg out "s3://$bucket/$1" '{
		"crashcart-user-data": 1, manifest: $m, minisign: $s, ca: $ca,
		params: {user: "breakglass-admin"}, case: "AMI", out: $out,
		options: {region: "us-east-1", retain: "governance:30",
			"endpoint-url": "https://endpoint.internal"}} |
		{user_data: tojson}' |
		inside curl -sf -d @- "$AWS_ENDPOINT_URL/_sim/options" > /dev/null
}

# ---- the image, twice
"$TOP/scripts/build-ami" -b "$CRASHCART" -k image.pub a.raw
"$TOP/scripts/build-ami" -b "$CRASHCART" -k image.pub \
	--packages a.raw.packages b.raw
cmp a.raw b.raw || die "two builds differ"
[ "$(stat -c %s a.raw)" -lt $((400 << 20)) ] || die "400 MiB or more"

firmware=/usr/share/OVMF machine=(qemu-system-x86_64 -machine q35)
start() {	# NAME ARGUMENT...: until it powers off by itself
	local name=$1 begun=$SECONDS
	shift
	tell "$name"
	inside timeout 240 "${machine[@]}" -accel tcg -m 512 \
		-display none -no-reboot -serial "file:$name.log" \
		-netdev tap,id=n,ifname=tap0,script=no,downscript=no \
		-device virtio-net-pci,netdev=n "$@" < /dev/null ||
		die "$name did not power off: $(tail -n 20 "$name.log")"
	tr -d '\r' < "$name.log" > console
	grep -q '^crashcart init: exit status 0$' console ||
		die "$name: $(tail -n 20 console)"
	key=$(sed -n 's/^crashcart: .*sealed by the session key //p' console)
	aws s3 cp --quiet --recursive "s3://$bucket/$name/" "$name"
	expect 0 "$CRASHCART" verify "$name" -P "$key"
	jq -r 'select(.operation == "ListAccessKeys") | .principal' "$SIM_LOG" |
		tail -n 1 | grep -q "assumed-role/$SIM_ROLE_NAME/" ||
		die "$name: the call"
	echo "$name: $((SECONDS - begun)) s"
}
start bios -drive file=a.raw,format=raw,if=virtio,readonly=on
cp $firmware/OVMF_VARS_4M.fd vars.fd
# as an instance of the Nitro kind sees its disk
start uefi -drive if=none,id=d,file=b.raw,format=raw \
	-device nvme,drive=d,serial=vol0 -drive \
	if=pflash,format=raw,unit=0,readonly=on,file=$firmware/OVMF_CODE_4M.fd \
	-drive if=pflash,format=raw,unit=1,file=vars.fd
cmp a.raw b.raw || die "the image wrote to its disk"

program=$TOP/build/release-aarch64/crashcart
[ -x "$program" ] || die "no $program: make ARCH=aarch64 all"
for i in 1 2; do
	"$TOP/scripts/build-ami" --arch aarch64 -b "$program" -k image.pub \
		"arm$i.raw"
done
cmp arm1.raw arm2.raw || die "two builds differ"
[ "$(stat -c %s arm1.raw)" -lt $((400 << 20)) ] || die "400 MiB or more"
truncate -s 64M code.fd vars.fd
dd if=/usr/share/AAVMF/AAVMF_CODE.fd of=code.fd conv=notrunc status=none
dd if=/usr/share/AAVMF/AAVMF_VARS.fd of=vars.fd conv=notrunc status=none
machine=(qemu-system-aarch64 -machine virt -cpu cortex-a72)
start arm -drive if=none,id=d,file=arm1.raw,format=raw \
	-device nvme,drive=d,serial=vol0 \
	-drive if=pflash,format=raw,unit=0,readonly=on,file=code.fd \
	-drive if=pflash,format=raw,unit=1,file=vars.fd
cmp arm1.raw arm2.raw || die "the image wrote to its disk"

# no name but the endpoint's was looked up
sed -n 's/^.* query\[[A-Z]*\] \([^ ]*\) from .*/\1/p' dns.log | sort -u > names
[ "$(cat names)" = endpoint.internal ] || die "names: $(cat names)"

# a manifest by another key: it powers off, and nothing was called
"$CRASHCART" keygen -W stranger > /dev/null
minisign -S -s stranger.key -m m.json < empty > /dev/null
n=$(sim_requests)
tell no
inside timeout 240 qemu-system-x86_64 -machine q35 -accel tcg -m 512 \
	-display none -no-reboot -serial file:no.log -netdev \
	tap,id=n,ifname=tap0,script=no,downscript=no -device \
	virtio-net-pci,netdev=n -drive file=a.raw,format=raw,if=virtio \
	< /dev/null || die "it did not power off"
grep -q 'was not made by a key' no.log || die "$(tail -n 20 no.log)"
grep -q '^crashcart init: exit status 2' no.log || die "its status"
! tail -n +"$((n + 1))" "$SIM_LOG" | jq -e 'select(.service != "imds")' ||
	die "something was called"
