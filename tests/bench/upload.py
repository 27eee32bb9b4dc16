#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Evidence straight into S3: step block.image, which hashes, packs and seals,
beside `aws s3 cp -` and `s5cmd pipe`, which only copy what a pipe gives them.

usage: upload.py [--mib N] [--rounds N] [--data cipher|text] [--over plain|tls]
                                     (N: UPLOAD_MIB, else 8192, or what half of
                                      the free memory holds)

The bytes lie in memory: a file for the step, and for the others a pipe that is
filled by splice, so that its CPU time is nobody's and each client pays for one
copy of what it reads.  All tools send as they do by default: 4 parts of 8 MiB at
once, aws 10 of 8 MiB, s5cmd 5 of 50 MiB.  The server (crypt_s3put_driver)
throws away what it gets, and curl with four connections, which neither hashes
nor signs, says what it can take; what the server itself used of the same cores
stands beside.  Bytes that cannot be compressed, and text; plain and TLS.
Medians of rounds taken in turn.
"""
import argparse
import fcntl
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

DRIVERS = os.environ["DRIVERS"]
CRASHCART = os.path.realpath(os.environ.get("CRASHCART", "build/crashcart"))
BIN = os.path.dirname(sys.executable)
MANIFEST = """{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "i", "do": "block.image", "with": { "path": "%s" } } ] }"""


def fill(path, pipe):
    """All of the file into the pipe, without a copy."""
    fd = os.open(path, os.O_RDONLY)
    try:
        while os.splice(fd, pipe, 1 << 20):
            pass
    except BrokenPipeError:
        pass
    os.close(fd)
    os.close(pipe)


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return sum(map(int, f.read().split()[13:15])) / os.sysconf("SC_CLK_TCK")


def run(command, env, server, piped):
    """Seconds, CPU seconds of it, MiB of the biggest, the server's CPU s."""
    ends = os.pipe() if piped else (None, None)
    if piped:
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 1 << 20)
    served, start = cpu_of(server), time.monotonic()
    with tempfile.TemporaryFile() as said:
        p = subprocess.Popen(command, env=env, stdin=ends[0], stdout=said,
                             stderr=said)
        if piped:
            os.close(ends[0])
            fill("source", ends[1])
        _, status, u = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            said.seek(0)
            sys.exit(f"{command}: status {p.returncode}\n"
                     f"{said.read()[-2000:].decode(errors='replace')}")
    return (time.monotonic() - start, u.ru_utime + u.ru_stime,
            u.ru_maxrss / 1024, cpu_of(server) - served)


def median(rows):
    return [statistics.median(c) for c in zip(*rows)]


def text_block(n):
    block = b"".join(
        b"2026-09-01T00:00:%02dZ host sshd[%d]: Accepted publickey for "
        b"user%d from 198.51.100.%d port %d\n" %
        (i % 60, n + i, (n + i) * 7919 % 1009, (n + i) % 251,
         (n + i) * 104729 % 65521) for i in range(11500))
    return block[:1 << 20]


def make_source(path, mib, text):
    """Bytes of a cipher, or log lines, anew after 64 MiB: nobody looks for what
    is so far away.  64 MiB of it in "piece"."""
    if not text:
        p = subprocess.Popen(
            ["openssl", "enc", "-aes-128-ctr", "-nosalt", "-pass", "pass:seed",
             "-in", "/dev/zero"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
    with open("piece", "wb") as f:
        for n in range(64):
            f.write(text_block(11500 * n) if text else p.stdout.read(1 << 20))
    if not text:
        p.kill()
        p.wait()
    # this process stays small: what it starts begins with its peak
    with open("piece", "rb") as f, open(path, "wb") as out:
        for _ in range(mib // 64):
            if os.sendfile(out.fileno(), f.fileno(), 0, 64 << 20) != 64 << 20:
                sys.exit(f"{path}: no room")


def certificate():
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", "key.pem", "-out", "cert.pem"],
        check=True, stderr=subprocess.DEVNULL)


class Bench:
    def __init__(self, work, mib, rounds):
        self.work, self.mib, self.rounds, self.n = work, mib, rounds, 0

    def env(self, url):
        e = {"PATH": os.environ["PATH"], "HOME": self.work,
             "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
             "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
             "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": url,
             "S3_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"}
        if url.startswith("https"):
            e["AWS_CA_BUNDLE"] = e["SSL_CERT_FILE"] = self.work + "/cert.pem"
        return e

    def curl(self, url):
        one = (f"curl -sf --cacert {self.work}/cert.pem --http1.1 -H Expect: " +
               f"-T {self.work}/piece {url}/bench/k " * (self.mib // 256))
        return ["sh", "-c", f"{one} & " * 4 + "wait"]

    def ours(self, url):
        self.n += 1
        tls = (["--ca-bundle", self.work + "/cert.pem"]
               if url.startswith("https") else [])
        return [CRASHCART, "collect", "./m.json", "--case", f"B{self.n}",
                "--out", "s3://bench/p", "--bucket-owner", "ANY", "--endpoint-url",
                url, "--priority", "normal", "-q", *tls]

    def peers(self):
        to = ["s3", "cp", "--quiet", "--expected-size",
              str(self.mib << 20), "-", "s3://bench/k"]
        found = [("aws s3 cp - (pip)", [os.path.join(BIN, "aws"), *to])]
        if os.path.exists("/usr/bin/aws"):
            found.append(("aws s3 cp - (/usr/bin)", ["/usr/bin/aws", *to]))
        s5 = (os.environ.get("S5CMD") or shutil.which("s5cmd") or
              os.path.join(BIN, "s5cmd"))
        if os.path.exists(s5):
            found.append(("s5cmd pipe", [s5, "--log", "error", "pipe",
                                         "s3://bench/k"]))
        return found

    def server(self, tls):
        return subprocess.Popen(
            [os.path.join(DRIVERS, "crypt_s3put_driver")] +
            (["--tls", "cert.pem", "key.pem"] if tls else []),
            stdout=subprocess.PIPE)

    def measure(self, tls, what):
        server = self.server(tls)
        try:
            url = "http%s://127.0.0.1:%d" % ("s" if tls else "",
                                             int(server.stdout.readline()))
            env = self.env(url)
            tools = [("server's ceiling (4 curl)", self.curl(url)),
                     ("crashcart collect", None), *self.peers()]
            rows = {name: [] for name, _ in tools}
            for _ in range(self.rounds):
                for name, command in tools:
                    rows[name].append(run(command or self.ours(url), env,
                                          server.pid, name.split()[0] in
                                          ("aws", "s5cmd")))
        finally:
            server.kill()
            server.wait()
        print(f"{self.mib} MiB, {what}, {'TLS' if tls else 'plain HTTP'}:")
        gib = self.mib / 1024
        mine = median(rows["crashcart collect"])
        for name, got in rows.items():
            m = median(got)
            print(f"  {name:26} {gib / m[0]:5.2f} GiB/s {m[1] / gib:5.2f} CPU "
                  f"s/GiB (server {m[3] / gib:.2f}) {m[2]:6.1f} MiB  crashcart "
                  f"is {m[0] / mine[0]:.2f} times as fast, by CPU "
                  f"{m[1] / mine[1]:.2f}")
        sys.stdout.flush()


def size_by_memory():
    with open("/proc/meminfo", encoding="ascii") as f:
        free = [int(x.split()[1]) for x in f if x.startswith("MemAvail")][0]
    return min(8192, max(256, free // 1024 // 2 // 256 * 256))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--mib", type=int, default=int(
        os.environ.get("UPLOAD_MIB") or 0) or size_by_memory())
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--data", choices=["cipher", "text"])
    ap.add_argument("--over", choices=["plain", "tls"])
    args = ap.parse_args()
    if args.mib % 256:
        sys.exit("--mib: a multiple of 256")
    with tempfile.TemporaryDirectory(dir=os.environ.get(
            "BENCH_DIR", "/dev/shm")) as work:
        os.chdir(work)
        certificate()
        with open("m.json", "w", encoding="ascii") as f:
            f.write(MANIFEST % (work + "/source"))
        for data in [args.data] if args.data else ["cipher", "text"]:
            make_source("source", args.mib, data == "text")
            for over in [args.over] if args.over else ["plain", "tls"]:
                Bench(work, args.mib, args.rounds).measure(
                    over == "tls", "text" if data == "text" else
                    "bytes of a cipher")
        os.chdir("/")


if __name__ == "__main__":
    main()
