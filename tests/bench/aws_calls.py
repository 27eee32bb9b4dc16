#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed calls a second: ours, boto3 with 32 threads, the AWS CLI in a loop,
and a bare libcurl loop that neither signs nor reads nor keeps anything.

usage: aws_calls.py [--calls N] [--quick]

All ask one native server on loopback, in one run; two bare loops beside each
other show the server's own ceiling.  Ours and the bare loop run in turn, and
medians count.  CPU time stands beside, since the machine may be shared: the
bare loop uses one core and leaves the other to the server, ours uses both.
Peers that are slow make fewer calls, and the table says so.  The rates of this
machine mean little; the ratios are the result.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

DRIVER = os.path.join(os.environ["DRIVERS"], "aws_bench_driver")
THREADS = 32


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_certificate():
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out",
            "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
            "subjectAltName=DNS:localhost")


def native(*args):
    done = subprocess.run([DRIVER, *map(str, args)], check=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def rate(r):
    return r["calls"] / r["seconds"]


def median(results):
    r = sorted(results, key=rate)[len(results) // 2]
    return dict(r, rss_kib=max(x["rss_kib"] for x in results))


def ceiling(url, calls, ca):
    """Calls a second that two bare loops get out of the server."""
    start = time.monotonic()
    both = [subprocess.Popen([DRIVER, "bare", url, str(calls), "16", *ca],
                             stdout=subprocess.DEVNULL) for _ in range(2)]
    for p in both:
        if p.wait():
            sys.exit("the bare loop failed")
    return 2 * calls / (time.monotonic() - start)


def boto3_calls(url, calls, ca):
    import boto3
    from botocore.config import Config
    client = boto3.client(
        "ec2", region_name="us-east-1", endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret",
        verify=ca or True, config=Config(max_pool_connections=THREADS))
    client.describe_volumes()
    each = calls // THREADS

    def work():
        for _ in range(each):
            client.describe_volumes()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    start = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return {"calls": each * THREADS, "seconds": time.monotonic() - start}


def cli_calls(url, calls, ca):
    env = dict(os.environ, AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
               AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION="us-east-1",
               AWS_PAGER="")
    if ca:
        env["AWS_CA_BUNDLE"] = ca
    aws = os.path.join(os.path.dirname(sys.executable), "aws")
    start = time.monotonic()
    for _ in range(calls):
        subprocess.run([aws, "--endpoint-url", url, "ec2", "describe-volumes"],
                       env=env, check=True, stdout=subprocess.DEVNULL)
    return {"calls": calls, "seconds": time.monotonic() - start}


def line(name, r, bare):
    cpu = f", {r['cpu_seconds'] / r['calls'] * 1e6:.0f} us of CPU each" \
        if "cpu_seconds" in r else ""
    print(f"  {name:28} {rate(r):9.0f}/s  {rate(r) / rate(bare):7.4f} of bare"
          f"   {r['calls']} calls" + cpu + (f", {r['rss_kib'] / 1024:.1f} MiB"
                                      if "rss_kib" in r else ""))
    sys.stdout.flush()


def compare(size, secure, calls, quick):
    args = [DRIVER, "serve", str(size)]
    if secure:
        args += ["cert.pem", "key.pem"]
    server = subprocess.Popen(args, stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline())
        url = (f"https://localhost:{port}" if secure
               else f"http://127.0.0.1:{port}")
        ca = [os.path.abspath("cert.pem")] if secure else []
        print(f"{size} byte replies, {'TLS' if secure else 'plain'}:")
        rounds = range(1 if quick else 5)
        pairs = [(native("bare", url, calls, THREADS, *ca),
                  native("ours", url, calls, THREADS, "store", *ca))
                 for _ in rounds]
        bare = median([p[0] for p in pairs])
        mine = median([p[1] for p in pairs])
        print(f"  {'server, two bare loops':28} "
              f"{ceiling(url, calls, ca):9.0f}/s")
        line("bare libcurl loop", bare, bare)
        line("crashcart, 32 threads", mine, bare)
        boto = boto3_calls(url, 320 if quick else 1600, ca[0] if ca else None)
        line("boto3, 32 threads", boto, bare)
        cli = cli_calls(url, 2 if quick else 5, ca[0] if ca else None)
        line("AWS CLI, one after another", cli, bare)
        print(f"  ours: {rate(mine) / rate(bare):.2f} of bare, "
              f"{rate(mine) / rate(boto):.1f} x boto3, "
              f"{rate(mine) / rate(cli):.0f} x AWS CLI, "
              f"peak {mine['rss_kib'] / 1024:.1f} MiB of 32")
        return rate(mine) / rate(boto), rate(mine) / rate(cli)
    finally:
        server.kill()
        server.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20000)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        make_certificate()
        for size in (1000, 60000):
            for secure in (False, True):
                compare(size, secure, args.calls, args.quick)
        os.chdir("/")


if __name__ == "__main__":
    main()
