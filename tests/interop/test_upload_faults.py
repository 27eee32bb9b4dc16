#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only timeout=600
"""Uploads through a line that throttles, resets and stalls: the bundle verifies
from what the server got, and memory stays below 96 MiB.

UPLOAD_GIB (make soak: 32) is how much goes through, and before that straight to
a server that keeps nothing; without it 96 MiB go through.  The server is
crypt_s3put_driver, which keeps the parts as files; the proxy is below.
A fault is drawn for each connection: so many bytes pass, then it ends by a
reset, falls silent, or goes on at a trickle.
"""
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.environ["TOP"]
DRIVERS = os.environ["DRIVERS"]
CART = os.environ["CRASHCART"]
GIB = float(os.environ.get("UPLOAD_GIB", "0"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 31)))
ROOM = 96 << 10			# KiB
SOURCE = (1 << 30) if GIB else (48 << 20)
COUNT = max(2, int(GIB * (1 << 30) / SOURCE))
# bytes a second of the line, how many pass before a fault, silence in seconds
RATE, SPAN, SILENT = (200e6, 512 << 20, 90) if GIB else (60e6, 24 << 20, 5)


class Proxy:
    def __init__(self, port):
        self.port, self.rng = port, random.Random(SEED)
        self.lock, self.done = threading.Lock(), {}
        self.free_at = time.monotonic()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            c, _ = self.listener.accept()
            with self.lock:
                fault = (self.rng.choice(["reset", "silence", "trickle"]),
                         self.rng.randrange(SPAN // 8, SPAN))
            s = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.back, args=(s, c),
                             daemon=True).start()
            threading.Thread(target=self.forth, args=(c, s, *fault),
                             daemon=True).start()

    def pace(self, n):
        """One line for all connections."""
        with self.lock:
            now = time.monotonic()
            self.free_at = max(self.free_at, now) + n / RATE
            wait = self.free_at - now
        if wait > 0.01:
            time.sleep(wait)

    def note(self, fault):
        with self.lock:
            self.done[fault] = self.done.get(fault, 0) + 1

    def forth(self, c, s, fault, left):
        trickle = 0
        try:
            while True:
                data = c.recv(256 << 10)
                if not data:
                    break
                self.pace(len(data))
                s.sendall(data)
                left -= len(data)
                if left > 0:
                    continue
                if not trickle:
                    self.note(fault)
                if fault == "reset":
                    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
                    break
                if fault == "silence":
                    time.sleep(SILENT)
                    break
                trickle += len(data)
                time.sleep(0.2)
                if trickle > 4 << 20:
                    trickle, left = 0, SPAN
        except OSError:
            pass
        for x in (c, s):
            try:
                x.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            x.close()

    @staticmethod
    def back(s, c):
        try:
            while True:
                data = s.recv(65536)
                if not data:
                    break
                c.sendall(data)
        except OSError:
            pass


def peak(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return [int(x.split()[1]) for x in f if x.startswith("VmHWM")][0]
    except (OSError, IndexError):
        return 0


@contextlib.contextmanager
def serving(*options):
    """The server's port."""
    p = subprocess.Popen([os.path.join(DRIVERS, "crypt_s3put_driver"),
                          *options], stdout=subprocess.PIPE)
    try:
        yield int(p.stdout.readline())
    finally:
        p.kill()
        p.wait()


def collect(case, port):
    """Runs it: its last line, KiB at its peak."""
    env = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
           "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
           "AWS_EC2_METADATA_DISABLED": "true"}
    steps = [{"id": f"i{i}", "do": "block.image",
              "with": {"path": os.path.abspath("source")}}
             for i in range(COUNT)]
    with open("m.json", "w", encoding="ascii") as f:
        json.dump({"crashcart": 1, "name": "m", "title": "m", "steps": steps},
                  f)
    with open("out", "wb") as out, open("err", "wb") as err:
        p = subprocess.Popen(
            [CART, "collect", "./m.json", "--case", case, "--out",
             "s3://bench/p", "--bucket-owner", "ANY", "--endpoint-url",
             f"http://127.0.0.1:{port}", "--status", "status", "--json",
             "--segment", "1G" if GIB else "32M"], env=env, stdout=out, stderr=err)
        most = 0
        while p.poll() is None:
            most = max(most, peak(p.pid))
            time.sleep(0.05)
    with open("out", encoding="utf-8") as out:
        lines = out.read().splitlines()
    if p.returncode or not lines:
        with open("err", encoding="utf-8") as err:
            sys.exit(f"exit {p.returncode}\n{err.read()[-3000:]}")
    end = json.loads(lines[-1])
    assert end["gaps"] == 0 and end["bundle"] == case + "-b01", end
    assert most < ROOM, f"{most} KiB at its peak"
    return end, most


def main():
    print(f"seed {SEED}, {COUNT} times {SOURCE >> 20} MiB")
    os.mkdir("kept")
    with open("source", "wb") as f:
        rng = random.Random(1)
        for _ in range(SOURCE >> 20):
            f.write(rng.randbytes(1 << 20))
    if GIB:
        start = time.monotonic()
        with serving() as port:
            _, most = collect("S", port)
        print(f"straight: {time.monotonic() - start:.1f} s, "
              f"{most / 1024:.1f} MiB", flush=True)
    start = time.monotonic()
    with serving("--keep", "kept") as port:
        proxy = Proxy(port)
        end, most = collect("F", proxy.listener.getsockname()[1])
    print(f"{time.monotonic() - start:.1f} s, {most / 1024:.1f} MiB, "
          f"faults {proxy.done}")
    assert sum(proxy.done.values()) >= 3, proxy.done
    with open("status", encoding="ascii") as f:
        status = json.load(f)
    assert status["state"] == "sealed" and status["segment"] >= 3, status
    for name in os.listdir("kept"):
        os.rename("kept/" + name, "kept/" + name.rpartition("%")[2])
    p = subprocess.run([CART, "verify", "kept/F-b01.seal", "--pubkey",
                        end["key"]], check=False, capture_output=True)
    assert p.returncode == 0, p.stdout.decode() + p.stderr.decode()


if __name__ == "__main__":
    os.chdir(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")))
    main()
