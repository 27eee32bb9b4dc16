# SPDX-License-Identifier: Apache-2.0
"""S3: buckets and their settings, objects, lists with pages, multipart."""
import base64
import bisect
import datetime
import hashlib
import json
import urllib.parse
import zlib

from . import svc_kms
from .errors import AwsError
from .objects import Objects, after_all
from .registry import op

HOME = "us-east-1"
ODD = ["plain.txt", "with space.txt", "plus+plus.txt", "eq=eq&amp.txt",
       "caf\u00e9/\u00fcber.txt", "tilde~(paren)'quote'!*.txt",
       "a//double/slash.txt", "pct%41.txt", "q?mark#hash.txt"]


def bucket(s, name, region=HOME, **kw):
    b = {"Name": name, "CreationDate": s.ago(days=700), "_region": region,
         "_objects": Objects(), "_uploads": {}, "_policy": None, "_tags": [],
         "_block": {"BlockPublicAcls": True, "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True}, "_versioning": None,
         "_logging": None, "_lifecycle": None, "_lock": None, "_kms": None}
    b.update(kw)
    s.acct.buckets[name] = b
    return b


def store(b, key, data, when, ctype="binary/octet-stream", meta=None,
          checksum=None):
    o = {"data": data, "etag": '"%s"' % hashlib.md5(data).hexdigest(),
         "when": when.replace(microsecond=0), "type": ctype,
         "meta": meta or {}, "checksum": checksum or {}, "parts": None}
    b["_objects"][key] = o
    return o


def seed(s):
    pub = {"Version": "2012-10-17", "Statement": [
        {"Sid": "x", "Effect": "Allow", "Principal": "*",
         "Action": "s3:GetObject",
         "Resource": "arn:aws:s3:::northwind-assets/*"}]}
    a = bucket(s, "northwind-assets", _policy=pub, _tags=[
        {"Key": "app", "Value": "web"}], _block=None,
        _versioning={"Status": "Enabled"}, _logging={
            "TargetBucket": "northwind-logs", "TargetPrefix": "s3/"})
    log = bucket(s, "northwind-logs", _kms=s.kms_arn, _lifecycle=[
        {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""},
         "Expiration": {"Days": 400}}])
    bucket(s, "northwind-backups", "eu-west-1",
           _versioning={"Status": "Enabled", "MFADelete": "Disabled"})
    bucket(s, "northwind-evidence", _versioning={"Status": "Enabled"},
           _lock={"ObjectLockEnabled": "Enabled", "Rule": {
               "DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    for n, key in enumerate(ODD):
        store(a, key, b"content of %d\n" % n * (n + 1), s.ago(days=30 + n))
    for n in range(60):
        store(a, "web/img-%03d.png" % n, b"\x89PNG" + bytes([n]) * 40,
              s.ago(days=100))
    store(a, "web/m.sh", b"#!/bin/sh\necho simulated\n", s.ago(hours=22))
    for n in range(4):
        store(log, "cloudtrail/AWSLogs/123456789012/CloudTrail/us-east-1/"
              "2026/01/0%d/log.json.gz" % (n + 1), zlib.compress(b"{}"),
              s.ago(days=n + 1))


def find(ctx, p):
    b = ctx.account.buckets.get(p["Bucket"])
    if b is None:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist",
                       404, BucketName=p["Bucket"])
    owner = p.get("ExpectedBucketOwner")
    if owner and owner != ctx.account.number:
        raise AwsError("AccessDenied", "Access Denied", 403)
    if b["_region"] != ctx.region and ctx.op.name != "GetBucketLocation":
        raise AwsError(
            "AuthorizationHeaderMalformed", "The authorization header is "
            "malformed; the region '%s' is wrong; expecting '%s'" % (
                ctx.region, b["_region"]), 400,
            headers=[("x-amz-bucket-region", b["_region"])],
            Region=b["_region"])
    return b


def none(code, text, status=404):
    return AwsError(code, text, status)


@op("s3", "ListBuckets", pages=True)
def list_buckets(ctx, p):
    return {"Buckets": [{"Name": b["Name"], "CreationDate":
                         b["CreationDate"], "BucketRegion": b["_region"],
                         "BucketArn": "arn:aws:s3:::" + b["Name"]}
                        for b in ctx.account.buckets.values()],
            "Owner": {"ID": owner(ctx)}}


def owner(ctx):
    return hashlib.sha256(ctx.account.number.encode()).hexdigest()


@op("s3", "HeadBucket")
def head_bucket(ctx, p):
    return {"BucketRegion": find(ctx, p)["_region"]}


@op("s3", "GetBucketLocation")
def location(ctx, p):
    r = find(ctx, p)["_region"]
    ns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    return {"__body": ('<?xml version="1.0" encoding="UTF-8"?>\n' + (
        "<LocationConstraint %s/>" % ns if r == HOME else
        "<LocationConstraint %s>%s</LocationConstraint>" % (ns, r))
    ).encode()}


@op("s3", "GetBucketPolicy")
def policy(ctx, p):
    b = find(ctx, p)
    if b["_policy"] is None:
        raise none("NoSuchBucketPolicy", "The bucket policy does not exist")
    return {"Policy": json.dumps(b["_policy"])}


@op("s3", "PutBucketPolicy")
def put_policy(ctx, p):
    find(ctx, p)["_policy"] = json.loads(p["Policy"])
    return {"__status": 204}


@op("s3", "GetBucketPolicyStatus")
def policy_status(ctx, p):
    b = find(ctx, p)
    if b["_policy"] is None:
        raise none("NoSuchBucketPolicy", "The bucket policy does not exist")
    return {"PolicyStatus": {"IsPublic": any(
        st.get("Principal") == "*" for st in b["_policy"]["Statement"])}}


@op("s3", "GetBucketAcl", "GetObjectAcl")
def acl(ctx, p):
    find(ctx, p)
    return {"Owner": {"ID": owner(ctx)}, "Grants": [
        {"Grantee": {"ID": owner(ctx), "Type": "CanonicalUser"},
         "Permission": "FULL_CONTROL"}]}


@op("s3", "GetBucketEncryption")
def encryption(ctx, p):
    b = find(ctx, p)
    rule = {"SSEAlgorithm": "AES256"}
    if b["_kms"]:
        rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": b["_kms"]}
    return {"ServerSideEncryptionConfiguration": {"Rules": [
        {"ApplyServerSideEncryptionByDefault": rule,
         "BucketKeyEnabled": bool(b["_kms"])}]}}


@op("s3", "GetBucketVersioning")
def versioning(ctx, p):
    return find(ctx, p)["_versioning"] or {}


@op("s3", "GetBucketLogging")
def logging(ctx, p):
    b = find(ctx, p)
    return {"LoggingEnabled": b["_logging"]} if b["_logging"] else {}


@op("s3", "GetBucketTagging")
def tagging(ctx, p):
    b = find(ctx, p)
    if not b["_tags"]:
        raise none("NoSuchTagSet", "The TagSet does not exist")
    return {"TagSet": b["_tags"]}


@op("s3", "GetPublicAccessBlock")
def public_block(ctx, p):
    b = find(ctx, p)
    if b["_block"] is None:
        raise none("NoSuchPublicAccessBlockConfiguration", "The public "
                   "access block configuration was not found")
    return {"PublicAccessBlockConfiguration": b["_block"]}


@op("s3", "GetBucketOwnershipControls")
def ownership(ctx, p):
    find(ctx, p)
    return {"OwnershipControls": {"Rules": [
        {"ObjectOwnership": "BucketOwnerEnforced"}]}}


@op("s3", "GetBucketLifecycleConfiguration")
def lifecycle(ctx, p):
    b = find(ctx, p)
    if b["_lifecycle"] is None:
        raise none("NoSuchLifecycleConfiguration", "The lifecycle "
                   "configuration does not exist")
    return {"Rules": b["_lifecycle"]}


@op("s3", "GetObjectLockConfiguration")
def lock(ctx, p):
    b = find(ctx, p)
    if b["_lock"] is None:
        raise none("ObjectLockConfigurationNotFoundError", "Object Lock "
                   "configuration does not exist for this bucket")
    return {"ObjectLockConfiguration": b["_lock"]}


@op("s3", "GetBucketNotificationConfiguration")
def notification(ctx, p):
    find(ctx, p)
    return {}


@op("s3", "GetBucketRequestPayment")
def payer(ctx, p):
    find(ctx, p)
    return {"Payer": "BucketOwner"}


@op("s3", "GetBucketAccelerateConfiguration")
def accelerate(ctx, p):
    find(ctx, p)
    return {}


@op("s3", "GetBucketCors")
def cors(ctx, p):
    find(ctx, p)
    raise none("NoSuchCORSConfiguration", "The CORS configuration does not "
               "exist")


@op("s3", "GetBucketWebsite")
def website(ctx, p):
    find(ctx, p)
    raise none("NoSuchWebsiteConfiguration", "The specified bucket does not "
               "have a website configuration")


@op("s3", "GetBucketReplication")
def replication(ctx, p):
    find(ctx, p)
    raise none("ReplicationConfigurationNotFoundError", "The replication "
               "configuration was not found")


def enc(p, text):
    if p.get("EncodingType") == "url" and text is not None:
        return urllib.parse.quote(text, safe="/-_.*~()'!")
    return text


def listing(p, keys, after, limit):
    """(rows, common prefixes, last, truncated)"""
    prefix, delim = p.get("Prefix", ""), p.get("Delimiter")
    rows, commons, last = [], [], None
    at, end = bisect.bisect_left(keys, prefix), after_all(keys, prefix)
    if after is not None:
        at = max(at, bisect.bisect_right(keys, after))
    while at < end:
        k = keys[at]
        at += 1
        group = None
        if delim and delim in k[len(prefix):]:
            group = k[:k.index(delim, len(prefix)) + len(delim)]
            at = after_all(keys, group)
            if after is not None and after.startswith(group):
                continue
        if len(rows) + len(commons) >= limit:
            return rows, commons, last, True
        if group:
            commons.append(group)
        else:
            rows.append(k)
        last = keys[at - 1]
    return rows, commons, last, False


def row(b, p, k):
    when, etag, size, checksum = b["_objects"].shown(k)
    out = {"Key": enc(p, k), "LastModified": when, "ETag": etag, "Size": size,
           "StorageClass": "STANDARD"}
    if checksum:
        out["ChecksumAlgorithm"] = [x[8:].upper() for x in checksum]
    return out


@op("s3", "ListObjectsV2", pages=True)
def list_v2(ctx, p):
    b = find(ctx, p)
    limit = min(p.get("MaxKeys", 1000), 1000)
    cap = min(limit, 25) if "MaxKeys" not in p else limit
    after = p.get("StartAfter")
    if p.get("ContinuationToken"):
        try:
            after = base64.b64decode(p["ContinuationToken"], validate=True)[
                3:].decode()
        except ValueError:
            raise AwsError("InvalidArgument", "The continuation token "
                           "provided is incorrect", 400)
    rows, commons, last, more = listing(
        p, b["_objects"].keys(), after, cap)
    out = {"IsTruncated": more, "Name": b["Name"], "Prefix": enc(
        p, p.get("Prefix", "")), "MaxKeys": limit, "KeyCount":
        len(rows) + len(commons), "Contents": []}
    for k in rows:
        one = row(b, p, k)
        if p.get("FetchOwner"):
            one["Owner"] = {"ID": owner(ctx)}
        out["Contents"].append(one)
    for k in ("Delimiter", "StartAfter"):
        if p.get(k):
            out[k] = enc(p, p[k])
    if p.get("EncodingType"):
        out["EncodingType"] = p["EncodingType"]
    if commons:
        out["CommonPrefixes"] = [{"Prefix": enc(p, c)} for c in commons]
    if p.get("ContinuationToken"):
        out["ContinuationToken"] = p["ContinuationToken"]
    if more:
        # starts so that the token holds + and / for sure
        out["NextContinuationToken"] = base64.b64encode(
            b"\xfb\xef\xff" + last.encode()).decode()
    return out


@op("s3", "ListObjects", pages=True)
def list_v1(ctx, p):
    b = find(ctx, p)
    limit = min(p.get("MaxKeys", 1000), 1000)
    rows, commons, last, more = listing(
        p, b["_objects"].keys(), p.get("Marker"), limit)
    out = {"IsTruncated": more, "Name": b["Name"], "Prefix": enc(
        p, p.get("Prefix", "")), "Marker": enc(p, p.get("Marker", "")),
        "MaxKeys": limit, "Contents": [
            dict(row(b, p, k), Owner={"ID": owner(ctx)}) for k in rows],
        "CommonPrefixes": [{"Prefix": enc(p, c)} for c in commons]}
    if p.get("EncodingType"):
        out["EncodingType"] = p["EncodingType"]
    if more and p.get("Delimiter"):
        out["NextMarker"] = enc(p, last)
    return out


@op("s3", "ListObjectVersions", pages=True)
def list_versions(ctx, p):
    b = find(ctx, p)
    limit = min(p.get("MaxKeys", 1000), 1000)
    rows, commons, last, more = listing(
        p, b["_objects"].keys(), p.get("KeyMarker"), limit)
    out = {"IsTruncated": more, "Name": b["Name"], "Prefix": enc(
        p, p.get("Prefix", "")), "KeyMarker": enc(p, p.get("KeyMarker",
                                                           "")),
        "VersionIdMarker": "", "MaxKeys": limit, "Versions": [
            dict(row(b, p, k), VersionId=version(k), IsLatest=True,
                 Owner={"ID": owner(ctx)}) for k in rows]}
    if p.get("EncodingType"):
        out["EncodingType"] = p["EncodingType"]
    if more:
        out["NextKeyMarker"] = enc(p, last)
        out["NextVersionIdMarker"] = version(last)
    return out


def version(key):
    return base64.urlsafe_b64encode(hashlib.md5(
        key.encode()).digest() * 2).decode().rstrip("=")[:32]


def need(ctx, p):
    b = find(ctx, p)
    o = b["_objects"].get(p["Key"])
    if o is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404,
                       Key=p["Key"])
    if p.get("IfMatch") and p["IfMatch"] != o["etag"]:
        raise AwsError("PreconditionFailed", "At least one of the pre-"
                       "conditions you specified did not hold", 412,
                       Condition="If-Match")
    return b, o


def head_fields(ctx, b, o, p):
    out = {"AcceptRanges": "bytes", "LastModified": o["when"], "ETag":
           o["etag"], "ContentType": o["type"], "ContentLength":
           len(o["data"]), "ServerSideEncryption": "AES256",
           "Metadata": o["meta"]}
    if b["_versioning"]:
        out["VersionId"] = version(p["Key"])
    if p.get("ChecksumMode") == "ENABLED" and o["checksum"]:
        out.update(o["checksum"])
        out["ChecksumType"] = "COMPOSITE" if o["parts"] else "FULL_OBJECT"
    if o.get("hold"):
        out["ObjectLockLegalHoldStatus"] = "ON"
    if o.get("kms"):
        out["ServerSideEncryption"] = "aws:kms"
        out["SSEKMSKeyId"] = o["kms"]
    if o.get("lock"):
        out["ObjectLockMode"] = o["lock"][0]
        out["ObjectLockRetainUntilDate"] = o["lock"][1]
    return out


@op("s3", "HeadObject")
def head_object(ctx, p):
    b, o = need(ctx, p)
    out = head_fields(ctx, b, o, p)
    out["__headers"] = [("Content-Length", str(len(o["data"])))]
    out.pop("ContentLength")
    return out


@op("s3", "GetObject")
def get_object(ctx, p):
    b, o = need(ctx, p)
    out = head_fields(ctx, b, o, p)
    out.pop("ContentLength")
    data = o["data"]
    r = p.get("Range", "")
    if r.startswith("bytes="):
        lo, _, hi = r[6:].partition("-")
        if lo == "":
            lo, hi = max(0, len(data) - int(hi)), len(data) - 1
        else:
            lo, hi = int(lo), min(int(hi or len(data) - 1), len(data) - 1)
        if lo >= len(data) or lo > hi:
            raise AwsError("InvalidRange", "The requested range is not "
                           "satisfiable", 416, RangeRequested=r,
                           ActualObjectSize=len(data))
        out["ContentRange"] = "bytes %d-%d/%d" % (lo, hi, len(data))
        out["__status"] = 206
        for k in list(out):
            if k.startswith("Checksum"):
                out.pop(k)
        data = data[lo:hi + 1]
    out["Body"] = data
    return out


def checks(ctx, p, data):
    """Verify what the client claims; the checksum members to keep."""
    md5 = ctx.req.headers.get("content-md5")
    if md5 and base64.b64encode(hashlib.md5(data).digest()).decode() != md5:
        raise AwsError("BadDigest", "The Content-MD5 you specified did not "
                       "match what we received.", 400,
                       ExpectedDigest=md5)
    keep = {}
    for member, f in (("ChecksumSHA256", lambda d:
                       hashlib.sha256(d).digest()),
                      ("ChecksumSHA1", lambda d: hashlib.sha1(d).digest()),
                      ("ChecksumCRC32", lambda d: (zlib.crc32(d) & 0xffffffff
                                                   ).to_bytes(4, "big"))):
        if p.get(member):
            want = base64.b64encode(f(data)).decode()
            if p[member] != want:
                raise AwsError("BadDigest", "The %s you specified did not "
                               "match the calculated checksum." % member[8:],
                               400)
            keep[member] = want
    return keep


def body(ctx):
    """The object's bytes; aws-chunked framing is taken off."""
    data = ctx.req.body
    if "aws-chunked" not in ctx.req.headers.get("content-encoding", ""):
        return data
    out, at = bytearray(), 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        n = int(data[at:end].split(b";")[0], 16)
        if n == 0:
            break
        out += data[end + 2:end + 2 + n]
        at = end + 2 + n + 2
    return bytes(out)


@op("s3", "PutObject")
def put_object(ctx, p):
    b = find(ctx, p)
    if p.get("IfNoneMatch") == "*" and p["Key"] in b["_objects"]:
        raise AwsError("PreconditionFailed", "At least one of the pre-"
                       "conditions you specified did not hold", 412,
                       Condition="If-None-Match")
    data = body(ctx)
    keep = checks(ctx, p, data)
    o = store(b, p["Key"], data, ctx.now, p.get("ContentType",
                                                "binary/octet-stream"),
              p.get("Metadata"), keep)
    protect(ctx, b, o, p)
    out = {"ETag": o["etag"], "ServerSideEncryption": "AES256"}
    out.update(keep)
    if b["_versioning"]:
        out["VersionId"] = version(p["Key"])
    return out


def protectable(ctx, b, p):
    """Can an object of this bucket have what the request asks for?"""
    if not b["_lock"] and (p.get("ObjectLockLegalHoldStatus") == "ON" or
                           p.get("ObjectLockMode")):
        raise AwsError("InvalidRequest", "Bucket is missing Object Lock "
                       "Configuration", 400)
    key = p.get("SSEKMSKeyId")
    if key and svc_kms.in_region(ctx, key) is None:
        raise AwsError("KMS.NotFoundException", "Key '%s' does not exist" %
                       key, 400)


def protect(ctx, b, o, p):
    protectable(ctx, b, p)
    if p.get("ObjectLockLegalHoldStatus") == "ON":
        o["hold"] = True
    o["kms"] = p.get("SSEKMSKeyId")
    if p.get("ObjectLockMode"):
        o["lock"] = (p["ObjectLockMode"], p["ObjectLockRetainUntilDate"])
    elif b["_lock"]:
        d = b["_lock"]["Rule"]["DefaultRetention"]
        o["lock"] = (d["Mode"], ctx.now + datetime.timedelta(
            days=d["Days"]))


@op("s3", "GetObjectRetention")
def retention(ctx, p):
    b, o = need(ctx, p)
    if not o.get("lock"):
        raise none("NoSuchObjectLockConfiguration", "The specified object "
                   "does not have a ObjectLock configuration")
    return {"Retention": {"Mode": o["lock"][0],
                          "RetainUntilDate": o["lock"][1]}}


@op("s3", "GetObjectLegalHold")
def legal_hold(ctx, p):
    b, o = need(ctx, p)
    if not o.get("hold"):
        raise none("NoSuchObjectLockConfiguration", "The specified object "
                   "does not have a ObjectLock configuration")
    return {"LegalHold": {"Status": "ON"}}


@op("s3", "GetObjectTagging")
def object_tagging(ctx, p):
    need(ctx, p)
    return {"TagSet": []}


@op("s3", "GetObjectAttributes")
def attributes(ctx, p):
    b, o = need(ctx, p)
    want = p.get("ObjectAttributes", [])
    out = {"LastModified": o["when"]}
    if "ETag" in want:
        out["ETag"] = o["etag"].strip('"')
    if "ObjectSize" in want:
        out["ObjectSize"] = len(o["data"])
    if "StorageClass" in want:
        out["StorageClass"] = "STANDARD"
    if "Checksum" in want and o["checksum"]:
        out["Checksum"] = dict(o["checksum"], ChecksumType="COMPOSITE"
                               if o["parts"] else "FULL_OBJECT")
    if "ObjectParts" in want and o["parts"]:
        after = int(p.get("PartNumberMarker") or 0)
        limit = min(int(p.get("MaxParts") or 1000), 2)
        parts = [x for x in o["parts"] if x[0] > after]
        last = parts[:limit][-1][0] if parts else after
        out["ObjectParts"] = {
            "TotalPartsCount": len(o["parts"]), "PartNumberMarker": after,
            "NextPartNumberMarker": last, "MaxParts": limit,
            "IsTruncated": len(parts) > limit, "Parts": [
                dict(c, PartNumber=n, Size=size)
                for n, size, c in parts[:limit]]}
    return out


@op("s3", "DeleteObject")
def delete_object(ctx, p):
    b = find(ctx, p)
    o = b["_objects"].get(p["Key"])
    if o and p.get("VersionId") and (o.get("hold") or (
            o.get("lock") and o["lock"][1] > ctx.now)):
        raise AwsError("AccessDenied", "Access Denied because object "
                       "protected by object lock.", 403)
    b["_objects"].pop(p["Key"], None)
    return {"__status": 204}


@op("s3", "CreateMultipartUpload")
def create_upload(ctx, p):
    b = find(ctx, p)
    protectable(ctx, b, p)
    uid = base64.urlsafe_b64encode(bytes(
        ctx.world.fresh.r.getrandbits(8) for _ in range(48))).decode()
    b["_uploads"][uid] = {"key": p["Key"], "parts": {}, "when": ctx.now,
                          "p": p}
    out = {"Bucket": b["Name"], "Key": p["Key"], "UploadId": uid}
    if p.get("ChecksumAlgorithm"):
        out["ChecksumAlgorithm"] = p["ChecksumAlgorithm"]
        out["ChecksumType"] = p.get("ChecksumType", "COMPOSITE")
    return out


def upload(ctx, p):
    b = find(ctx, p)
    u = b["_uploads"].get(p["UploadId"])
    if u is None or u["key"] != p["Key"]:
        raise AwsError("NoSuchUpload", "The specified upload does not exist. "
                       "The upload ID may be invalid, or the upload may have "
                       "been aborted or completed.", 404,
                       UploadId=p["UploadId"])
    return b, u


@op("s3", "UploadPart")
def upload_part(ctx, p):
    b, u = upload(ctx, p)
    data = body(ctx)
    keep = checks(ctx, p, data)
    algorithm = u["p"].get("ChecksumAlgorithm")
    if algorithm and "Checksum" + algorithm not in keep:
        raise AwsError("InvalidRequest", "Checksum Type mismatch occurred, "
                       "expected checksum Type: %s, actual checksum Type: "
                       "null" % algorithm.lower(), 400)
    if not 1 <= p["PartNumber"] <= 10000:
        raise AwsError("InvalidArgument", "Part number must be an integer "
                       "between 1 and 10000, inclusive", 400)
    tag = '"%s"' % hashlib.md5(data).hexdigest()
    u["parts"][p["PartNumber"]] = (data, tag, keep, ctx.now)
    return dict(keep, ETag=tag)


@op("s3", "ListParts", pages=True)
def list_parts(ctx, p):
    b, u = upload(ctx, p)
    after = p.get("PartNumberMarker", 0)
    limit = min(p.get("MaxParts", 1000), 1000)
    nums = [n for n in sorted(u["parts"]) if n > after]
    page = nums[:limit]
    return {"Bucket": b["Name"], "Key": p["Key"], "UploadId": p["UploadId"],
            "PartNumberMarker": after, "MaxParts": limit, "IsTruncated":
                len(nums) > limit, "NextPartNumberMarker":
                page[-1] if page else 0, "StorageClass": "STANDARD",
            "Parts": [dict(u["parts"][n][2], PartNumber=n, ETag=
                           u["parts"][n][1], Size=len(u["parts"][n][0]),
                           LastModified=u["parts"][n][3]) for n in page]}


@op("s3", "ListMultipartUploads", pages=True)
def list_uploads(ctx, p):
    b = find(ctx, p)
    return {"Bucket": b["Name"], "MaxUploads": 1000, "IsTruncated": False,
            "Uploads": [{"UploadId": i, "Key": u["key"], "Initiated":
                         u["when"], "StorageClass": "STANDARD"}
                        for i, u in b["_uploads"].items()
                        if u["key"].startswith(p.get("Prefix", ""))]}


@op("s3", "AbortMultipartUpload")
def abort_upload(ctx, p):
    b, u = upload(ctx, p)
    del b["_uploads"][p["UploadId"]]
    return {"__status": 204}


@op("s3", "CompleteMultipartUpload")
def complete(ctx, p):
    b, u = upload(ctx, p)
    if p.get("IfNoneMatch") == "*" and p["Key"] in b["_objects"]:
        raise AwsError("PreconditionFailed", "At least one of the pre-"
                       "conditions you specified did not hold", 412,
                       Condition="If-None-Match")
    parts = p.get("MultipartUpload", {}).get("Parts", [])
    nums = [x["PartNumber"] for x in parts]
    if not parts or nums != sorted(set(nums)):
        raise AwsError("InvalidPartOrder", "The list of parts was not in "
                       "ascending order.", 400)
    data, digests, sums, shown = [], b"", b"", []
    for x in parts:
        have = u["parts"].get(x["PartNumber"])
        if have is None or have[1].strip('"') != x.get("ETag",
                                                       "").strip('"'):
            raise AwsError("InvalidPart", "One or more of the specified "
                           "parts could not be found.", 400)
        if x is not parts[-1] and len(have[0]) < 5 * 1024 * 1024:
            raise AwsError("EntityTooSmall", "Your proposed upload is "
                           "smaller than the minimum allowed size", 400)
        for c in ("ChecksumSHA256",):
            if x.get(c) and have[2].get(c) != x[c]:
                raise AwsError("InvalidPart", "One or more of the specified "
                               "parts could not be found.", 400)
        data.append(have[0])
        digests += bytes.fromhex(have[1].strip('"'))
        if have[2].get("ChecksumSHA256"):
            sums += base64.b64decode(have[2]["ChecksumSHA256"])
        shown.append((x["PartNumber"], len(have[0]), have[2]))
    whole = "%s-%d" % (base64.b64encode(
        hashlib.sha256(sums).digest()).decode(), len(parts))
    if p.get("ChecksumSHA256") and p["ChecksumSHA256"] != whole and \
            p["ChecksumSHA256"] + "-%d" % len(parts) != whole:
        raise AwsError("BadDigest", "The sha256 you specified did not match "
                       "the calculated checksum.", 400)
    o = store(b, p["Key"], b"".join(data), ctx.now)
    o["etag"] = '"%s-%d"' % (hashlib.md5(digests).hexdigest(), len(parts))
    o["parts"] = shown
    if len(sums) == 32 * len(parts):
        o["checksum"] = {"ChecksumSHA256": whole}
    protect(ctx, b, o, u["p"])
    del b["_uploads"][p["UploadId"]]
    return dict(o["checksum"], Bucket=b["Name"], Key=p["Key"],
                ETag=o["etag"], Location="http://%s/%s/%s" % (
                    ctx.req.headers.get("host"), b["Name"], p["Key"]))
