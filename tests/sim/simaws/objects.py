# SPDX-License-Identifier: Apache-2.0
"""The objects of a bucket by key, in order: in memory, or in packs, of which
each is read when somebody asks for it.

A pack is two files: NAME.index, JSON lines [bucket, key, offset, size, MD5,
metadata or null], and NAME.pack, the bytes."""
import bisect
import hashlib
import json
import os

PACKED = "application/x-gzip"


class Objects:
    def __init__(self):
        self.all = {}           # key -> object, or where it lies
        self.order = None

    def __contains__(self, key):
        return key in self.all

    def __setitem__(self, key, o):
        if key not in self.all:
            self.order = None
        self.all[key] = o

    def __getitem__(self, key):
        o = self.all[key]
        if isinstance(o, tuple):
            fd, at, size, md5, meta, when = o
            o = {"data": os.pread(fd, size, at), "etag": '"%s"' % md5,
                 "when": when, "type": PACKED, "meta": meta or {},
                 "checksum": {}, "parts": None}
        return o

    def get(self, key):
        return self[key] if key in self.all else None

    def pop(self, key, default=None):
        if key not in self.all:
            return default
        self.order = None
        return self.all.pop(key)

    def keys(self):
        """Sorted by their bytes, which for UTF-8 is by their characters."""
        if self.order is None:
            self.order = sorted(self.all)
        return self.order

    def shown(self, key):
        """(modified, ETag, size, checksums) as a list shows them."""
        o = self.all[key]
        if isinstance(o, tuple):
            return o[5], '"%s"' % o[3], o[2], {}
        return o["when"], o["etag"], len(o["data"]), o["checksum"]


def after_all(keys, prefix):
    """Where the keys end that start so."""
    return bisect.bisect_left(keys, prefix + "\U0010ffff")


class Writer:
    """A new pack."""

    def __init__(self, name):
        self.data = open(name + ".pack", "wb")
        self.index = open(name + ".index", "w", encoding="utf-8")
        self.at = self.count = 0

    def add(self, bucket, key, data, meta):
        self.data.write(data)
        self.index.write(json.dumps([bucket, key, self.at, len(data),
                                     hashlib.md5(data).hexdigest(),
                                     meta or None]) + "\n")
        self.at += len(data)
        self.count += 1

    def close(self):
        self.data.close()
        self.index.close()


def unpack(name, into, when=None):
    """Puts all of a pack into the Objects that into(bucket) gives; how many."""
    fd = os.open(name + ".pack", os.O_RDONLY | os.O_CLOEXEC)
    n = 0
    with open(name + ".index", encoding="utf-8") as f:
        for line in f:
            bucket, key, at, size, md5, meta = json.loads(line)
            into(bucket)[key] = (fd, at, size, md5, meta, when)
            n += 1
    return n
