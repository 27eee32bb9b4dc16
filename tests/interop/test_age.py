#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our age and that of others.

The published vectors (C2SP CCTV): each file for an X25519 identity gives the
verdict and the bytes that it says.  Files of age (and of those that AGE_TOOLS
names, e.g. rage) are decrypted by us, ours by them, at sizes around the ends
of blocks and to several recipients.
"""
import hashlib
import os
import subprocess
import sys
import zlib
from pathlib import Path

OURS = os.environ["CRASHCART"]
DRIVER = os.environ["DRIVERS"] + "/crypt_driver"
TOOLS = os.environ.get("AGE_TOOLS", "age").split()
VECTORS = Path(os.environ["XDG_CACHE_HOME"], "crashcart/age-vectors/testdata")
BLOCK = 65536
# what our message says for each verdict of the vectors
WORDS = {
    "header failure": "age header: ",
    "HMAC failure": "age header: its MAC does not hold",
    "payload failure": "age payload: ",
    "armor failure": "age ",
    "no match": "no identity that was given",
}
LEFT_OUT = {"passphrase"}


def fail(text):
    sys.exit("FAILED: " + text)


def run(*command, data=None, ok=True):
    done = subprocess.run(command, input=data, capture_output=True)
    if ok and done.returncode:
        fail(f"{command}: {done.stderr.decode()}")
    return done


def read_vector(path):
    """Its head as a dictionary (identities as a list), and the file."""
    head, file = path.read_bytes().split(b"\n\n", 1)
    keys = {"identity": []}
    for line in head.decode().split("\n"):
        key, value = line.split(": ", 1)
        if key == "identity":
            keys["identity"].append(value)
        else:
            keys[key] = value
    if keys.get("compressed") == "zlib":
        file = zlib.decompress(file)
    return keys, file


def check_vector(path):
    keys, file = read_vector(path)
    identities = [i for i in keys["identity"] if i.startswith("AGE-SECRET-KEY-1")]
    if LEFT_OUT & keys.keys() or identities != keys["identity"] or not identities:
        return 0
    Path("id").write_text("\n".join(identities) + "\n")
    Path("in").write_bytes(file)
    done = run(OURS, "decrypt", "-i", "id", "in", ok=False)
    said = done.stderr.decode()
    want = keys["expect"]
    if (done.returncode == 0) != (want == "success"):
        fail(f"{path.name}: exit {done.returncode}, but {want} ({said})")
    if want != "success" and WORDS[want] not in said:
        fail(f"{path.name}: {want}, but we say {said}")
    if want == "header failure" and WORDS["HMAC failure"] in said:
        fail(f"{path.name}: {said}")
    if "payload" in keys:
        got = done.stdout
        if hashlib.sha256(got).hexdigest() != keys["payload"]:
            # a last block with something behind it need not be given out
            most = run("age", "-d", "-i", "id", "in", ok=False).stdout
            if (want != "payload failure" or not most.startswith(got) or
                    not 0 < len(most) - len(got) <= BLOCK):
                fail(f"{path.name}: other bytes")
    elif done.stdout:
        fail(f"{path.name}: bytes before a {want}")
    # the same through --out: nothing is left behind but a whole file
    run(OURS, "decrypt", "-i", "id", "in", "--out", "whole", ok=False)
    if Path("whole").exists() != (want == "success"):
        fail(f"{path.name}: what --out left")
    Path("whole").unlink(missing_ok=True)
    return 1


def check_vectors():
    names = sorted(VECTORS.iterdir())
    n = sum(check_vector(path) for path in names)
    # for X25519 alone, armored or not
    if n < 66 + 30:
        fail(f"only {n} of {len(names)} vectors were used")
    print(f"{n} vectors")


def check_sizes():
    recipients = []
    for name in "abc":
        made = run(OURS, "keygen", "--age", name).stdout.decode().split()
        recipients.append(made[-1])
    Path("to").write_text("# all three\n" + "\n".join(recipients) + "\n")
    printed = run("age-keygen", "-y", "b.age").stdout.decode().strip()
    if printed != recipients[1]:
        fail("age-keygen reads another recipient from our identity")
    Path("k.age").write_bytes(run("age-keygen").stdout)
    theirs = run("age-keygen", "-y", "k.age").stdout.decode().strip()
    for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 7,
                 5000000):
        data = os.urandom(size)
        Path("plain").write_bytes(data)
        for piece in (1000, BLOCK + 1):
            Path("ours").write_bytes(run(DRIVER, "age", "to", str(piece),
                                         data=data).stdout)
            if run(OURS, "decrypt", "-i", "c.age", "ours").stdout != data:
                fail(f"our own file of {size} bytes")
        for tool in TOOLS:
            for identity in ("a.age", "b.age", "c.age"):
                if run(tool, "-d", "-i", identity, "ours").stdout != data:
                    fail(f"{tool}: our file of {size} bytes, {identity}")
            Path("theirs").write_bytes(run(tool, "-r", theirs, "-R", "to",
                                           "plain").stdout)
            Path("armored").write_bytes(run(tool, "-a", "-r", theirs,
                                            "plain").stdout)
            if run(OURS, "decrypt", "-i", "k.age", "armored").stdout != data:
                fail(f"{tool}: its armored file of {size} bytes")
            for identity in ("k.age", "a.age", "c.age"):
                if run(OURS, "decrypt", "-i", identity, "theirs").stdout != data:
                    fail(f"{tool}: its file of {size} bytes, {identity}")
        # one byte less or more is never the end
        for cut in (Path("ours").read_bytes()[:-1],
                    Path("ours").read_bytes() + b"x"):
            Path("cut").write_bytes(cut)
            if run(OURS, "decrypt", "-i", "a.age", "cut", ok=False).returncode != 1:
                fail(f"{size} bytes, cut or longer, were taken")


def check_flips():
    """Every bit of a small file counts; --partial keeps only whole blocks."""
    data = os.urandom(BLOCK + 100)
    file = run(DRIVER, "age", "to", "4096", data=data).stdout
    for at in list(range(0, 700, 3)) + [len(file) - 200, len(file) - 1]:
        bad = bytearray(file)
        bad[at] ^= 1
        Path("bad").write_bytes(bad)
        done = run(OURS, "decrypt", "-i", "b.age", "bad", ok=False)
        # the stanza of another recipient is only under the MAC
        if done.returncode != 1:
            fail(f"a bit of byte {at} changed, and nobody saw it")
    Path("bad").write_bytes(file[:-50])
    done = run(OURS, "decrypt", "-i", "b.age", "bad", "--partial", "--out",
               "part", ok=False)
    if done.returncode != 1 or Path("part").read_bytes() != data[:BLOCK]:
        fail("--partial")
    # in the block that begins in one read and ends in the next
    data = os.urandom(1200000)
    bad = bytearray(run(DRIVER, "age", "to", "4096", data=data).stdout)
    bad[1040000] ^= 1
    Path("bad").write_bytes(bad)
    done = run(OURS, "decrypt", "-i", "b.age", "bad", "--partial", "--out",
               "part2", ok=False)
    if done.returncode != 1 or Path("part2").read_bytes() != data[:15 * BLOCK]:
        fail("--partial, behind a changed block")


check_vectors()
check_sizes()
check_flips()
