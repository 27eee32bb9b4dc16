#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Instance identity documents: a real one verifies; one changed byte, another
# region's certificate, another document and a forged signer do not.  The command
# of AWS's documentation runs beside it, and accepts the forged signer.
. "$TOP/tests/lib/cart.sh"
ours=$DRIVERS/attest_identity_driver
certs=$TOP/collector/attest/aws-identity
real=$TOP/tests/interop/identity/us-west-2.pem

region_cert() { sed -n "/^# $1 /,/END/p" "$certs/rsa2048.pem" | sed 1d; }
region_cert us-west-2 > aws.pem
region_cert us-east-1 > other.pem
documented() {	# PKCS7 CERT [OPTION]...: AWS's documentation
	openssl smime -verify -in "$1" -inform PEM -certfile "$2" -noverify \
		"${@:3}" 2> /dev/null
}
bare() { sed -n '/BEGIN/,/END/p' "$1" | grep -v -e ----; }

documented "$real" aws.pem > document || die "openssl refuses the real one"
bare "$real" > rsa2048
expect 0 "$ours" document rsa2048 - -
prints "^valid: signed by AWS's RSA-2048 key of region us-west-2"
prints '^rsa2048 valid: $'
prints '^signature cannot tell: not there'
prints 'instance i-[0-9a-f]+, account [0-9]{12}, region us-west-2, signed 1630704347000000000$'

# the document: each byte of it, one bit
python3 - document "$ours" <<'P' || die "a changed document is accepted"
import subprocess, sys
good = open(sys.argv[1], 'rb').read()
for i in range(0, len(good), 7):
    bad = bytearray(good)
    bad[i] ^= 1
    open('bad', 'wb').write(bad)
    out = subprocess.run([sys.argv[2], 'bad', 'rsa2048', '-', '-'],
                         capture_output=True).stdout
    if out.startswith(b'valid') or b'rsa2048 valid' in out:
        sys.exit('byte %d' % i)
P
# the signature: each byte
python3 - rsa2048 "$ours" <<'P' || die "a changed signature is accepted"
import base64, subprocess, sys
good = base64.b64decode(open(sys.argv[1]).read())
accepted = []
for i in range(0, len(good), 3):
    bad = bytearray(good)
    bad[i] ^= 4
    open('bad', 'wb').write(base64.b64encode(bad))
    out = subprocess.run([sys.argv[2], 'document', 'bad', '-', '-'],
                         capture_output=True).stdout
    if out.startswith(b'valid'):
        accepted.append(i)
# BER leaves some choice in what is not signed: versions, algorithms named twice
print('accepted:', accepted)
if len(accepted) > 8:
    sys.exit(1)
P
# base64 with anything else in it
{ cat rsa2048; echo '!'; } > bad
expect 0 "$ours" document bad - -
prints '^invalid: .*not base64'

# another region's certificate: the document says us-east-1
sed 's/us-west-2"/us-east-1"/' document > east
expect 0 "$ours" east rsa2048 - -
prints '^invalid: .*names another signer'
documented "$real" other.pem -nointern > /dev/null && die "openssl: another region"
sed 's/us-west-2"/xx-none-1"/' document > nowhere
expect 0 "$ours" nowhere rsa2048 - -
prints '^cannot tell: .*no RSA-2048 certificate of region xx-none-1'

# a forged signer whose certificate is embedded
openssl req -x509 -newkey rsa:2048 -nodes -keyout forger.key -out forger.pem \
	-subj '/C=US/ST=Washington State/L=Seattle/O=Amazon Web Services LLC' \
	-days 30 2> /dev/null
sed 's/"t2.medium"/"p4d.24xlarge"/' document > lie
openssl smime -sign -binary -nodetach -in lie -signer forger.pem \
	-inkey forger.key -outform PEM -out forged.pem
bare forged.pem > forged
documented forged.pem aws.pem | cmp - lie || die "AWS's command refuses the forgery"
documented forged.pem aws.pem -nointern > /dev/null && die "-nointern accepts it"
expect 0 "$ours" lie forged - -
prints '^invalid: .*names another signer'
# with AWS's own issuer and serial number
serial=$(openssl x509 -in aws.pem -noout -serial | cut -d= -f2)
openssl req -x509 -key forger.key -out twin.pem -set_serial "0x$serial" -days 30 \
	-subj '/C=US/ST=Washington State/L=Seattle/O=Amazon Web Services LLC'
openssl smime -sign -binary -nodetach -in lie -signer twin.pem \
	-inkey forger.key -outform PEM -out twin7.pem
bare twin7.pem > twin
expect 0 "$ours" lie twin - -
prints '^invalid: .*signature does not hold|^invalid: .*names another signer'
# a good signature beside a forged one
openssl dgst -sha256 -sign forger.key document | base64 > sig
expect 0 "$ours" document rsa2048 sig -
prints '^invalid: the signature signature is not by'
expect 0 "$ours" document rsa2048 - forged
prints '^invalid: the signature pkcs7 is not by'

# the other kinds, with keys of ours: what openssl signs holds, and only then
openssl dsaparam -genkey -out dsa.key 1024 2> /dev/null
openssl req -x509 -key dsa.key -out dsa.pem -subj /CN=dsa -days 30
openssl smime -sign -binary -nodetach -md sha1 -in lie -signer dsa.pem \
	-inkey dsa.key -outform DER -out dsa.der
expect 0 "$ours" pkcs7 dsa.pem dsa.der
cmp out lie
expect 1 "$ours" pkcs7 forger.pem dsa.der
openssl smime -sign -binary -nodetach -md sha1 -in lie -signer forger.pem \
	-inkey forger.key -outform DER -out weak.der
expect 1 "$ours" pkcs7 forger.pem weak.der
says 'digest that is not accepted'
openssl smime -sign -binary -in lie -signer forger.pem -inkey forger.key \
	-outform DER -out detached.der
expect 1 "$ours" pkcs7 forger.pem detached.der
says 'signed data with content'
{ cat dsa.der; printf x; } > trailing.der
expect 1 "$ours" pkcs7 dsa.pem trailing.der
openssl req -x509 -newkey rsa:1024 -nodes -keyout short.key -out short.pem \
	-subj /CN=short -days 30 2> /dev/null
openssl dgst -sha256 -sign short.key -out sig.bin document
expect 0 "$ours" sha256 short.pem document sig.bin
expect 1 "$ours" sha256 short.pem lie sig.bin

# the table: every certificate can be read, and every region has its own
for file in rsa2048 rsa1024; do
	for region in $(sed -n 's/^# \([^ ]*\) .*/\1/p' "$certs/$file.pem"); do
		sed -n "/^# $region /,/END/p" "$certs/$file.pem" |
			openssl x509 -noout -fingerprint -sha256 || die "$region"
	done | sort | uniq -d > twice
	[ ! -s twice ] || die "$file: one certificate, two regions"
done
