# SPDX-License-Identifier: Apache-2.0
"""A seeded set of CloudTrail logs and digests as AWS delivers them.

Log objects, hourly digest objects with signatures in their user metadata, and
the answers of ListPublicKeys.  RSA keys are made anew at each call (their bytes
are not of the seed); everything else is.
"""
import base64
import datetime
import gzip
import hashlib
import json
import random

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

UTC = datetime.timezone.utc
NAMES = [("iam.amazonaws.com", "CreateAccessKey"),
         ("ec2.amazonaws.com", "RunInstances"),
         ("s3.amazonaws.com", "GetObject"),
         ("sts.amazonaws.com", "GetCallerIdentity")]


def iso(t):
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


def compact(t):
    return t.strftime("%Y%m%dT%H%M%SZ")


def packed(data):
    return gzip.compress(data, 6, mtime=0)


class Key:
    def __init__(self, start, end):
        self.private = rsa.generate_private_key(65537, 2048)
        self.der = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
        self.fingerprint = hashlib.md5(self.der).hexdigest()
        self.start, self.end = start, end

    def sign(self, text):
        return self.private.sign(text.encode(), padding.PKCS1v15(),
                                 hashes.SHA256()).hex()

    def shown(self):
        return {"Value": base64.b64encode(self.der).decode(),
                "ValidityStartTime": iso(self.start),
                "ValidityEndTime": iso(self.end),
                "Fingerprint": self.fingerprint}


class Set:
    """objects: {(bucket, key): [bytes, metadata]}; digests: keys, oldest
    first; logs: keys; docs: digest key -> dict, to be changed and signed."""

    def __init__(self, seed, start, hours, account="123456789012",
                 region="us-east-1", trail="org_trail", home="us-east-1",
                 bucket="trail-logs", prefix="", events=20, keys=None):
        self.r = random.Random("%s %s" % (seed, region))
        self.account, self.region, self.trail = account, region, trail
        self.home, self.bucket, self.prefix = home, bucket, prefix
        self.start, self.hours = start, hours
        self.objects, self.digests, self.logs, self.docs = {}, [], [], {}
        self.events = []
        day = datetime.timedelta(days=1)
        end = start + datetime.timedelta(hours=hours)
        # the key changes in the middle
        half = start + datetime.timedelta(hours=hours / 2)
        self.keys = keys or [Key(start - 9 * day, half + day),
                             Key(half - day, end + 20 * day)]
        prev = None
        for n in range(hours):
            a = start + datetime.timedelta(hours=n)
            b = a + datetime.timedelta(hours=1)
            files = [self.log(a, i, events) for i in range(2)]
            prev = self.digest(a, b, files, prev,
                               self.keys[0 if n < hours // 2 else -1])

    def folder(self, kind, t):
        return "%sAWSLogs/%s/%s/%s/%s/" % (
            self.prefix + "/" if self.prefix else "", self.account, kind,
            self.region, t.strftime("%Y/%m/%d"))

    def event(self, t):
        r = self.r
        source, name = r.choice(NAMES)
        user = r.choice(["alice", "bob", "mallory"])
        e = {"eventVersion": "1.11", "userIdentity": {
                "type": "IAMUser", "userName": user, "accountId":
                self.account, "accessKeyId": "AKIA" + user.upper() * 2,
                "arn": "arn:aws:iam::%s:user/%s" % (self.account, user)},
             "eventTime": iso(t), "eventSource": source, "eventName": name,
             "awsRegion": self.region,
             "sourceIPAddress": "198.51.100.%d" % r.randrange(1, 250),
             "userAgent": "x\\\"]}{ \u00e9", "eventID": "%032x" %
             r.getrandbits(128), "resources": [{"ARN": "arn:aws:s3:::b-%d" %
                                                r.randrange(5)}]}
        if r.random() < 0.3:
            e["errorCode"] = "AccessDenied"
        self.events.append(e)
        return e

    def log(self, t, n, events):
        data = json.dumps({"Records": [self.event(
            t + datetime.timedelta(minutes=self.r.randrange(60)))
            for _ in range(events)]}, separators=(",", ":")).encode()
        key = "%s%s_CloudTrail_%s_%s_%016x.json.gz" % (
            self.folder("CloudTrail", t), self.account, self.region,
            t.strftime("%Y%m%dT%H%MZ"), self.r.getrandbits(64))
        self.objects[(self.bucket, key)] = [packed(data), {}]
        self.logs.append(key)
        return {"s3Bucket": self.bucket, "s3Object": key,
                "hashValue": hashlib.sha256(data).hexdigest(),
                "hashAlgorithm": "SHA-256", "newestEventTime": iso(t),
                "oldestEventTime": iso(t)}

    def digest(self, a, b, files, prev, key):
        name = "%s%s_CloudTrail-Digest_%s_%s_%s_%s.json.gz" % (
            self.folder("CloudTrail-Digest", b), self.account, self.region,
            self.trail, self.home, compact(b))
        doc = {"awsAccountId": self.account, "digestStartTime": iso(a),
               "digestEndTime": iso(b), "digestS3Bucket": self.bucket,
               "digestS3Object": name,
               "digestPublicKeyFingerprint": key.fingerprint,
               "digestSignatureAlgorithm": "SHA256withRSA",
               "newestEventTime": iso(b), "oldestEventTime": iso(a),
               "previousDigestS3Bucket": None,
               "previousDigestS3Object": None,
               "previousDigestHashValue": None,
               "previousDigestHashAlgorithm": None,
               "previousDigestSignature": None, "logFiles": files}
        self.digests.append(name)
        self.docs[name] = doc
        self.point(name, prev)
        self.sign(name, key)
        return name

    def point(self, name, prev):
        doc = self.docs[name]
        if prev is None:
            for k in doc:
                if k.startswith("previousDigest"):
                    doc[k] = None
            return
        data, meta = self.objects[(self.bucket, prev)]
        doc.update({"previousDigestS3Bucket": self.bucket,
                    "previousDigestS3Object": prev,
                    "previousDigestHashValue": hashlib.sha256(
                        gzip.decompress(data)).hexdigest(),
                    "previousDigestHashAlgorithm": "SHA-256",
                    "previousDigestSignature": meta["signature"]})

    def key_of(self, name):
        f = self.docs[name]["digestPublicKeyFingerprint"]
        return next(k for k in self.keys if k.fingerprint == f)

    def sign(self, name, key=None, text=None):
        """(Re)writes a digest object as its doc says, with a good signature."""
        doc = self.docs[name]
        key = key or self.key_of(name)
        data = text or json.dumps(doc).encode()
        sig = key.sign("%s\n%s/%s\n%s\n%s" % (
            doc["digestEndTime"], self.bucket, name, hashlib.sha256(
                data).hexdigest(), doc["previousDigestSignature"] or "null"))
        self.objects[(self.bucket, name)] = [packed(data), {
            "signature": sig, "signature-algorithm": "SHA256withRSA"}]

    def chain_on(self, name):
        """Signs all digests after this one again, so that they name it."""
        at = self.digests.index(name)
        for prev, n in zip(self.digests[at:], self.digests[at + 1:]):
            self.point(n, prev)
            self.sign(n)

    def answer(self):
        return {"PublicKeyList": [k.shown() for k in self.keys]}
