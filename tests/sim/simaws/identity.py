# SPDX-License-Identifier: Apache-2.0
"""Instance identity documents, signed as EC2 signs them, by a test CA.

Three signatures, as the metadata service has them: `signature` (RSA-1024,
SHA-256, over the bytes), `rsa2048` (CMS, RSA-2048, SHA-256) and `pkcs7`
(CMS, DSA-1024, SHA-1). The CMS holds the document, signed attributes and no
certificate, like AWS's. Keys are new at each start.
"""
import base64
import datetime
import hashlib
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa
from cryptography.x509.oid import NameOID

UTC = datetime.timezone.utc


# ------------------------------------------------------------------- DER

def tlv(tag, body):
    n = len(body)
    if n < 128:
        size = bytes([n])
    else:
        raw = n.to_bytes((n.bit_length() + 7) // 8, "big")
        size = bytes([0x80 | len(raw)]) + raw
    return bytes([tag]) + size + body


def seq(*parts):
    return tlv(0x30, b"".join(parts))


def setof(*parts):
    return tlv(0x31, b"".join(sorted(parts)))


def integer(n):
    return tlv(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def oid(dotted):
    nums = [int(x) for x in dotted.split(".")]
    out = bytes([nums[0] * 40 + nums[1]])
    for n in nums[2:]:
        part = [n & 127]
        n >>= 7
        while n:
            part.append(128 | (n & 127))
            n >>= 7
        out += bytes(reversed(part))
    return tlv(6, out)


NULL = b"\x05\x00"
DATA, SIGNED = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"
SHA1, SHA256 = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"
RSA_SHA256 = "1.2.840.113549.1.1.11"
DSA_SHA1 = "1.2.840.10040.4.3"


def cms(content, key, cert, when, kind):
    """SignedData around content; no certificates inside."""
    if kind == "dsa":
        digest, alg = hashlib.sha1(content).digest(), seq(oid(SHA1), NULL)
        sig_alg = seq(oid(DSA_SHA1))
    else:
        digest, alg = hashlib.sha256(content).digest(), seq(oid(SHA256),
                                                            NULL)
        sig_alg = seq(oid(RSA_SHA256), NULL)
    attrs = [
        seq(oid("1.2.840.113549.1.9.3"), setof(oid(DATA))),
        seq(oid("1.2.840.113549.1.9.5"), setof(
            tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode()))),
        seq(oid("1.2.840.113549.1.9.4"), setof(tlv(4, digest)))]
    signed = setof(*attrs)
    if kind == "dsa":
        sig = key.sign(signed, hashes.SHA1())
    else:
        sig = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    info = seq(integer(1),
               seq(cert.issuer.public_bytes(), integer(cert.serial_number)),
               alg, tlv(0xa0, signed[2:] if signed[1] < 128 else
                        signed[2 + (signed[1] & 127):]), sig_alg,
               tlv(4, sig))
    return seq(oid(SIGNED), tlv(0xa0, seq(
        integer(1), setof(alg),
        seq(oid(DATA), tlv(0xa0, tlv(4, content))), setof(info))))


def wrapped(raw):
    text = base64.b64encode(raw).decode()
    return "\n".join(text[i:i + 64] for i in range(0, len(text), 64))


class Identity:
    def __init__(self, world):
        self.world = world
        now = datetime.datetime.now(UTC)
        ca_key = rsa.generate_private_key(public_exponent=65537,
                                          key_size=2048)
        ca_name = x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME,
                               "Simulated account, test only"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Test identity CA")])

        def cert(name, issuer, key, signer, ca):
            b = (x509.CertificateBuilder().subject_name(name)
                 .issuer_name(issuer).public_key(key.public_key())
                 .serial_number(x509.random_serial_number())
                 .not_valid_before(now - datetime.timedelta(days=400))
                 .not_valid_after(now + datetime.timedelta(days=3650))
                 .add_extension(x509.BasicConstraints(ca, None), True))
            return b.sign(signer, hashes.SHA256())

        ca = cert(ca_name, ca_name, ca_key, ca_key, True)
        pem = serialization.Encoding.PEM
        self.ca_pem = ca.public_bytes(pem).decode()
        self.keys = {
            "rsa2048": rsa.generate_private_key(public_exponent=65537,
                                                key_size=2048),
            "rsa1024": rsa.generate_private_key(public_exponent=65537,
                                                key_size=1024),
            "dsa": dsa.generate_private_key(1024)}
        self.certs, self.cert_pem = {}, {}
        for kind, key in self.keys.items():
            name = x509.Name([
                x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
                x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME,
                                   "Washington State"),
                x509.NameAttribute(NameOID.LOCALITY_NAME, "Seattle"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME,
                                   "Test identity signer " + kind)])
            c = cert(name, ca_name, key, ca_key, False)
            self.certs[kind] = c
            self.cert_pem[kind] = c.public_bytes(pem).decode()
        self.cache = {}

    def document(self, inst, region, account):
        zone = inst["Placement"]["AvailabilityZone"]
        return json.dumps({
            "accountId": account, "architecture": inst["Architecture"],
            "availabilityZone": zone, "billingProducts": None,
            "devpayProductCodes": None, "marketplaceProductCodes": None,
            "imageId": inst["ImageId"], "instanceId": inst["InstanceId"],
            "instanceType": inst["InstanceType"], "kernelId": None,
            "pendingTime": inst["LaunchTime"].strftime(
                "%Y-%m-%dT%H:%M:%SZ"), "privateIp":
                inst["PrivateIpAddress"], "ramdiskId": None,
            "region": region, "version": "2017-09-30"},
            indent=2, separators=(",", " : "))

    def files(self, inst, region, account):
        """document, signature, pkcs7, rsa2048 as the service gives them."""
        doc = self.document(inst, region, account)
        out = self.cache.get(doc)
        if out is None:
            raw = doc.encode()
            when = datetime.datetime.now(UTC)
            out = {
                "document": doc,
                "signature": wrapped(self.keys["rsa1024"].sign(
                    raw, padding.PKCS1v15(), hashes.SHA256())),
                "rsa2048": wrapped(cms(raw, self.keys["rsa2048"],
                                       self.certs["rsa2048"], when, "rsa")),
                "pkcs7": wrapped(cms(raw, self.keys["dsa"],
                                     self.certs["dsa"], when, "dsa"))}
            self.cache[doc] = out
        return out
