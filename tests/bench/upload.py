#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Evidence straight into S3: step block.image, which hashes, packs and seals,
beside `aws s3 cp -` and `s5cmd pipe`, which only copy what a pipe gives them.

usage: upload.py [--mib N] [--rounds N]      (N: UPLOAD_MIB, else 8192, or what
                                              half of the free memory holds)

The bytes lie in memory; the server (crypt_s3put_driver) throws away what it
gets, and curl with four connections, which neither hashes nor signs, says what
it can take.  Plain and TLS; bytes that cannot be compressed, and text.  CPU
time is that of the client with its pipe.  Medians of rounds taken in turn.
"""
import argparse
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


def run(command, env):
    """Seconds, CPU seconds of it and its children, MiB of the biggest."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        p = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        _, status, u = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            said.seek(0)
            sys.exit(f"{command}: status {p.returncode}\n"
                     f"{said.read()[-2000:].decode(errors='replace')}")
    return (time.monotonic() - start, u.ru_utime + u.ru_stime,
            u.ru_maxrss / 1024)


def median(rows):
    return [statistics.median(c) for c in zip(*rows)]


def make_source(path, mib, text):
    """Bytes of a cipher, or log lines, of which no two are the same."""
    with open(path, "wb") as f:
        if not text:
            p = subprocess.Popen(
                ["openssl", "enc", "-aes-128-ctr", "-nosalt", "-pass",
                 "pass:seed", "-in", "/dev/zero"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            for _ in range(mib):
                f.write(p.stdout.read(1 << 20))
            p.kill()
            p.wait()
            return
        n = 0
        for _ in range(mib):
            block = b"".join(
                b"2026-09-01T00:00:%02dZ host sshd[%d]: Accepted publickey for "
                b"user%d from 198.51.100.%d port %d\n" %
                (i % 60, n + i, (n + i) * 7919 % 1009, (n + i) % 251,
                 (n + i) * 104729 % 65521) for i in range(11500))
            n += 11500
            f.write(block[:1 << 20])


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
        one = (f"curl -sf --cacert {self.work}/cert.pem --http1.1 -H Expect: "
               f"-T {self.work}/quarter {url}/bench/k")
        return ["sh", "-c", "; ".join([f"{one} &"] * 4).replace("&;", "&") +
                " wait"]

    def ours(self, url):
        self.n += 1
        tls = (["--ca-bundle", self.work + "/cert.pem"]
               if url.startswith("https") else [])
        return [CRASHCART, "collect", "./m.json", "--case", f"B{self.n}",
                "--out", "s3://bench/p", "--bucket-owner", "ANY", "--endpoint-url",
                url, "--priority", "normal", "-q", *tls]

    def peers(self, url):
        aws = os.path.join(BIN, "aws")
        found = [("aws s3 cp - (pip)", f"{aws} s3 cp --quiet --expected-size "
                  f"{self.mib << 20} - s3://bench/k")]
        if os.path.exists("/usr/bin/aws"):
            found.append(("aws s3 cp - (/usr/bin)", "/usr/bin/aws s3 cp "
                          f"--quiet --expected-size {self.mib << 20} - "
                          "s3://bench/k"))
        s5 = (os.environ.get("S5CMD") or shutil.which("s5cmd") or
              os.path.join(BIN, "s5cmd"))
        if os.path.exists(s5):
            found.append(("s5cmd pipe", f"{s5} --log error pipe s3://bench/k"))
        return [(n, ["sh", "-c", f"cat {self.work}/source | {c}"])
                for n, c in found]

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
                     ("crashcart collect", None), *self.peers(url)]
            rows = {name: [] for name, _ in tools}
            for _ in range(self.rounds):
                for name, command in tools:
                    rows[name].append(run(command or self.ours(url), env))
        finally:
            server.kill()
            server.wait()
        print(f"{self.mib} MiB, {what}, {'TLS' if tls else 'plain HTTP'}:")
        gib = self.mib / 1024
        mine = median(rows["crashcart collect"])
        for name, got in rows.items():
            m = median(got)
            print(f"  {name:26} {gib / m[0]:5.2f} GiB/s {m[1] / gib:5.2f} CPU "
                  f"s/GiB {m[2]:6.1f} MiB  crashcart is "
                  f"{m[0] / mine[0]:.2f} times as fast, by CPU "
                  f"{m[1] / mine[1]:.2f}")
        sys.stdout.flush()


def size_by_memory():
    with open("/proc/meminfo", encoding="ascii") as f:
        free = [int(x.split()[1]) for x in f if x.startswith("MemAvail")][0]
    return min(8192, max(256, free // 1024 // 5 // 2 * 2))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--mib", type=int, default=int(
        os.environ.get("UPLOAD_MIB") or 0) or size_by_memory())
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--only", default="", help="plain, tls")
    args = ap.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get(
            "BENCH_DIR", "/dev/shm")) as work:
        os.chdir(work)
        certificate()
        with open("m.json", "w", encoding="ascii") as f:
            f.write(MANIFEST % (work + "/source"))
        for text in (False, True):
            make_source("source", args.mib, text)
            with open("source", "rb") as f, open("quarter", "wb") as q:
                os.sendfile(q.fileno(), f.fileno(), 0, args.mib << 18)
            for tls in (False, True):
                if not args.only or (args.only == "tls") == tls:
                    Bench(work, args.mib, args.rounds).measure(
                        tls, "text" if text else "bytes of a cipher")
        os.chdir("/")


if __name__ == "__main__":
    main()
