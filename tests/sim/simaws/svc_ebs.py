# SPDX-License-Identifier: Apache-2.0
"""EBS direct reads: sparse blocks of snapshots, tokens, pages, checksums."""
import base64
import datetime
import functools
import hashlib
import hmac
import os
import struct

from .errors import AwsError
from .registry import op
from .svc_ec2 import settle, visible
from .world import stable

BLOCK = 524288
SECRET = os.urandom(32)
PAGE = 150          # blocks a page at most; AWS may give any number


def snapshot(ctx, sid):
    s = ctx.state.all("snapshots").get(sid)
    if s is None or not visible(ctx, s):
        raise AwsError("ResourceNotFoundException", "The snapshot '%s' does "
                       "not exist." % sid, 404, Reason="SNAPSHOT_NOT_FOUND")
    if settle(ctx, s)["State"] != "completed":
        raise AwsError("ValidationException", "The snapshot is not in the "
                       "completed state.", 400, Reason="INVALID_SNAPSHOT_ID")
    # a copy holds what its first source holds
    return dict(s["_origin"], SnapshotId=sid) if "_origin" in s else s


def generation(s):
    """Days before the incident: what a block of a volume held then."""
    return int(s["StartTime"].timestamp()) // 86400


@functools.lru_cache(maxsize=512)
def layout(volume, size, gen):
    """{block index: content version} of a volume at a time."""
    total = size * 2048
    want = 120 + stable(volume) % 200
    out = {}
    for n in range(want):
        # clusters with gaps, the first block always there
        i = 0 if n == 0 else (n // 16) * 1536 + stable(volume, n) % 96
        if i >= total:
            i = stable(volume, n) % total
        kind = stable(volume, i, "kind") % 12
        if kind == 0:
            out[i] = gen                    # changes every day
        elif kind == 1 and gen % 2:
            continue                        # there on even days only
        else:
            out[i] = 0
    return dict(sorted(out.items()))


@functools.lru_cache(maxsize=48)
def content(volume, index, version):
    data = hashlib.shake_256(b"block %s %d %d" % (
        volume.encode(), index, version)).digest(BLOCK // 8)
    # an eighth of noise, the rest text: a real disk compresses
    line = b"%s block %d version %d\n" % (volume.encode(), index, version)
    fill = (line * (BLOCK // len(line) + 1))[:BLOCK - len(data)]
    return data + fill


@functools.lru_cache(maxsize=65536)
def checksum(volume, index, version):
    return base64.b64encode(hashlib.sha256(
        content(volume, index, version)).digest()).decode()


def token(ctx, sid, index):
    end = int(ctx.now.timestamp()) + 7 * 86400
    head = struct.pack(">QQ", ctx.world.fresh.r.getrandbits(64), end)
    mac = hmac.new(SECRET, head + ("%s/%d" % (sid, index)).encode(),
                   hashlib.sha256).digest()
    return base64.b64encode(b"\x00" + head + mac).decode()


def check_token(ctx, sid, index, text):
    bad = AwsError("ValidationException", "The block token is invalid or has "
                   "expired.", 400, Reason="INVALID_BLOCK_TOKEN")
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise bad
    if len(raw) != 49:
        raise bad
    head, mac = raw[1:17], raw[17:]
    want = hmac.new(SECRET, head + ("%s/%d" % (sid, index)).encode(),
                    hashlib.sha256).digest()
    if not hmac.compare_digest(mac, want) or \
            struct.unpack(">QQ", head)[1] < ctx.now.timestamp():
        raise bad


def pages(ctx, p, name, sid, every, key):
    """A page of (index, entry) pairs by the rules of the reference."""
    limit = p.get("MaxResults", 10000)
    if limit > 10000:
        raise AwsError("ValidationException", "MaxResults is out of range",
                       400, Reason="INVALID_PARAMETER_VALUE")
    limit = min(max(100, limit), PAGE)
    store = ctx.world.cursors.setdefault("ebs", {})
    page = 0
    if p.get("NextToken"):
        st = store.get(p["NextToken"])
        if st is None or st[0] != (name, sid) or \
                (ctx.now - st[3]).total_seconds() > 3600:
            raise AwsError("ValidationException", "The page token is invalid "
                           "or has expired.", 400,
                           Reason="INVALID_PAGE_TOKEN")
        start, page = st[1], st[2] + 1
    else:
        start = p.get("StartingBlockIndex", 0)
    todo = [i for i in every if i >= start]
    size = 0 if page == 1 else limit        # the second page is empty
    now, rest = todo[:size], todo[size:]
    out = {}
    if rest:
        r = ctx.world.fresh.r
        t = base64.b64encode(bytes(r.getrandbits(8)
                                   for _ in range(58))).decode()
        if len(store) > 5000:
            store.clear()
        store[t] = ((name, sid), rest[0], page, ctx.now)
        out["NextToken"] = t
    out[key] = now
    out["ExpiryTime"] = ctx.now + datetime.timedelta(days=7)
    out["BlockSize"] = BLOCK
    return out


@op("ebs", "ListSnapshotBlocks", pages=True)
def list_blocks(ctx, p):
    s = snapshot(ctx, p["SnapshotId"])
    lay = layout(s["VolumeId"], s["VolumeSize"], generation(s))
    out = pages(ctx, p, "list", s["SnapshotId"], list(lay), "Blocks")
    out["Blocks"] = [{"BlockIndex": i, "BlockToken":
                      token(ctx, s["SnapshotId"], i)}
                     for i in out["Blocks"]]
    out["VolumeSize"] = s["VolumeSize"]
    return out


@op("ebs", "ListChangedBlocks", pages=True)
def changed(ctx, p):
    s2 = snapshot(ctx, p["SecondSnapshotId"])
    lay2 = layout(s2["VolumeId"], s2["VolumeSize"], generation(s2))
    lay1, s1 = {}, None
    if p.get("FirstSnapshotId"):
        s1 = snapshot(ctx, p["FirstSnapshotId"])
        if s1["VolumeId"] != s2["VolumeId"]:
            raise AwsError("ValidationException", "The snapshots are not of "
                           "the same volume.", 400,
                           Reason="UNRELATED_SNAPSHOTS")
        lay1 = layout(s1["VolumeId"], s1["VolumeSize"], generation(s1))
    diff = sorted(i for i in set(lay1) | set(lay2)
                  if lay1.get(i) != lay2.get(i))
    out = pages(ctx, p, "changed", s2["SnapshotId"], diff, "ChangedBlocks")
    entries = []
    for i in out["ChangedBlocks"]:
        e = {"BlockIndex": i}
        if i in lay1:
            e["FirstBlockToken"] = token(ctx, s1["SnapshotId"], i)
        if i in lay2:
            e["SecondBlockToken"] = token(ctx, s2["SnapshotId"], i)
        entries.append(e)
    out["ChangedBlocks"] = entries
    out["VolumeSize"] = s2["VolumeSize"]
    return out


@op("ebs", "GetSnapshotBlock")
def get_block(ctx, p):
    s = snapshot(ctx, p["SnapshotId"])
    i = p["BlockIndex"]
    check_token(ctx, s["SnapshotId"], i, p["BlockToken"])
    lay = layout(s["VolumeId"], s["VolumeSize"], generation(s))
    if i not in lay:
        raise AwsError("ResourceNotFoundException", "The block does not "
                       "exist in the snapshot.", 404,
                       Reason="SNAPSHOT_NOT_FOUND")
    return {"DataLength": BLOCK, "Checksum": checksum(s["VolumeId"], i,
                                                      lay[i]),
            "ChecksumAlgorithm": "SHA256", "BlockData": content(
                s["VolumeId"], i, lay[i])}
