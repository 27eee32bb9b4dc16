# SPDX-License-Identifier: Apache-2.0
"""What stands between a collector and its account, one case after another:
each must end in the right line of the log, the right words on the terminal,
and the right exit status, in time, with a sealed bundle.

case                                    checked by
clock wrong by 20 minutes either way    clock()
token ends in mid-pagination            token_role(), token_fixed()
a role loses a permission half-way      permission()
a name that does not resolve            dns()
TLS interception, untrusted root        tls(); whom net trusts and which
                                        certificates it refuses:
                                        interop/test_net_tls.py
a proxy that wants a password           proxy()
IMDS with hop limit 1                   hop_limit()
planted AWS_ENDPOINT_URL                planted_endpoint()
planted credential_process              planted_process()
a server that hangs, a body that stalls faults.py, test_all_at_once()
reset, close, cut, garbage, throttling, faults.py
refused regions, denials, lost answers
"""
import base64
import json
import os
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

import faults
from checks import check, ended, sim
from faults import ENV, URL, Run, call, manifest

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
PORT = int(URL.rsplit(":", 1)[1])
ONE = manifest(call("users", "iam:ListUsers"))
# a step of the host makes the environment untrusted
HOST = manifest({"id": "state", "do": "host.files", "with": {
    "paths": ["/proc/version"]}}, call("caller", "sts:GetCallerIdentity"))


def says(run, what, *words):
    """One warning on the terminal has all the words; "the same reason as
    above" stands for the last reason that was told whole."""
    lines, above = [], ""
    for x in run.err.splitlines():
        if x.startswith("{"):
            message = json.loads(x).get("message", "")
            lines.append(message.replace("the same reason as above", above))
            if message.startswith("gap: ") and message == lines[-1]:
                above = message
    check(what + ": the terminal says " + ", ".join(words), any(
        all(w in x for w in words) for x in lines), run.err[-900:])


def gap(run, what, step, reason, *words):
    """One gap of the step: its reason, and what its detail tells."""
    gaps = [g for g in run.of("gap", step) if g["reason"] == reason]
    check("%s: gap %s of %s tells %s" % (what, reason, step,
                                         ", ".join(words)), any(
        all(w in g["detail"] for w in words) for g in gaps),
        run.of("gap") or run.err[-500:])


def during(ready, act):
    """Does act() as soon as the account's log holds what ready wants."""
    first = sim("state")["requests"]

    def watch():
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if ready(sim("log?since=%d" % first)):
                act()
                return
            time.sleep(0.02)
    t = threading.Thread(target=watch, daemon=True)
    t.start()
    return t


def users(n):
    return lambda log: len([x for x in log if x["operation"] == "ListUsers"
                            and not x["error"]]) >= n


SLOW = [{"service": "iam", "operation": "ListUsers", "do": "delay",
         "seconds": 0.15}]


def pages(run):
    return [x for x in run.of("call", "users") if not x.get("error")]


def clock():
    for skew in (1200, -1200):
        sim("clock", {"skew": skew})
        try:
            r = Run(ONE)
        finally:
            sim("clock", {"skew": 0})
        what = "clock wrong by %d s" % -skew
        r.sealed(what, 0)
        lines = [x for x in r.of("clock") if x.get("applied")]
        check(what + ": a clock line says so, and is applied", lines and abs(
            lines[-1]["offset_ms"] - skew * 1000) < 5000, r.of("clock"))
        check(what + ": at most one call was refused for it", len(
            [x for x in r.requests if x["error"]]) <= 1, r.requests[:3])


def token_role():
    t = during(users(2), lambda: sim("expire", {}))
    r = Run(ONE, SLOW, without=KEYS)
    t.join()
    what = "a role's token ends between two pages"
    r.sealed(what, 0)
    check(what + ": renewed", len({x["key"] for x in r.requests if
                                   x["operation"] == "ListUsers"}) == 2)
    check(what + ": no page is missing", len(pages(r)) == 7, len(pages(r)))


def session_keys():
    base = ENV["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rstrip("/")
    q = urllib.request.Request(base + "/latest/api/token", method="PUT",
                               headers={"X-aws-ec2-metadata-token-ttl-seconds":
                                        "60"})
    with urllib.request.urlopen(q) as f:
        token = f.read().decode()
    q = urllib.request.Request(
        base + "/latest/meta-data/iam/security-credentials/" +
        ENV["SIM_ROLE_NAME"], headers={"X-aws-ec2-metadata-token": token})
    with urllib.request.urlopen(q) as f:
        d = json.load(f)
    return {"AWS_ACCESS_KEY_ID": d["AccessKeyId"], "AWS_SECRET_ACCESS_KEY":
            d["SecretAccessKey"], "AWS_SESSION_TOKEN": d["Token"]}


def token_fixed():
    keys = session_keys()
    t = during(users(2), lambda: sim("expire", {}))
    r = Run(ONE, SLOW, env=keys)
    t.join()
    what = "a token that nobody renews ends between two pages"
    r.sealed(what)
    got = pages(r)
    check(what + ": what came before is kept", 2 <= len(got) < 7, len(got))
    gap(r, what, "users", "denied", "iam:ListUsers in global", "xpired",
        keys["AWS_ACCESS_KEY_ID"])
    says(r, what, "users", "iam:ListUsers", "xpired")


def policy(*actions):
    return {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


def permission():
    keys = sim("principal", {"name": "fading", "policy": policy("iam:List*")})
    t = during(users(3), lambda: sim("principal", {
        "name": "fading", "policy": policy("iam:ListRoles")}))
    r = Run(manifest(call("users", "iam:ListUsers"), call(
        "roles", "iam:ListRoles", after=["users"])), SLOW, env=keys)
    t.join()
    what = "a permission is lost half-way"
    r.sealed(what)
    check(what + ": what came before is kept", 3 <= len(pages(r)) < 7,
          len(pages(r)))
    gap(r, what, "users", "denied", "iam:ListUsers in global", "user/fading",
        "AccessDenied", keys["AWS_ACCESS_KEY_ID"])
    says(r, what, "users", "iam:ListUsers", "user/fading")
    check(what + ": the other step goes on", faults.outcome(r, "roles") ==
          "ok")
    check(what + ": not asked again", len([x for x in r.requests if
                                           x["error"]]) == 1)


def dns():
    r = Run(manifest(call("users", "iam:ListUsers"),
                     call("vpcs", "ec2:DescribeVpcs")),
            args=("--endpoint-url", "https://sts.no-such-name.invalid"))
    what = "a name that does not resolve"
    r.sealed(what)
    check(what + ": soon over", r.seconds < 45, r.seconds)
    gap(r, what, "users", "failed", "iam:ListUsers in global",
        "no-such-name.invalid", "resolve")
    says(r, what, "vpcs", "ec2:DescribeVpcs", "resolve")


# ---- TLS in front of the account, and a proxy --------------------------------

def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_certificates():
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
            "ca.pem", "-days", "30", "-subj", "/CN=inspection",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")
    with open("front.ext", "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost,DNS:account.invalid\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", "front.key", "-out", "front.csr", "-subj",
            "/CN=x")
    openssl("x509", "-req", "-in", "front.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-out", "front.pem", "-days", "30",
            "-extfile", "front.ext")


def relay(a, b):
    """Bytes both ways until one side ends."""
    while True:
        waiting = [s for s in (a, b) if isinstance(s, ssl.SSLSocket) and
                   s.pending()]
        for s in waiting or select.select([a, b], [], [], 60)[0]:
            data = s.recv(65536)
            if not data:
                return
            (b if s is a else a).sendall(data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass                    # a client that refuses us is what we want


class Front(socketserver.BaseRequestHandler):
    """Ends TLS and hands on to the account."""

    def handle(self):
        self.server.seen.append(1)
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain("front.pem", "front.key")
        with c.wrap_socket(self.request, server_side=True) as s, \
                socket.create_connection(("127.0.0.1", PORT)) as up:
            relay(s, up)


class Proxy(socketserver.BaseRequestHandler):
    """CONNECT, for who knows the password; every name is the front."""

    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.request.recv(4096)
            if not data:
                return
            head += data
        first, *lines = head.decode("latin-1").split("\r\n")
        given = [x.split(" ")[-1] for x in lines if x.lower().startswith(
            "proxy-authorization: basic ")]
        self.server.seen.append((first, given))
        if given != [base64.b64encode(b"cart:open sesame").decode()]:
            self.request.sendall(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b"Proxy-Authenticate: Basic realm=\"way out\"\r\n"
                b"Content-Length: 0\r\n\r\n")
            return
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(self.server.to) as up:
            relay(self.request, up)


def tls():
    front = Server(Front)
    url = "https://localhost:%d" % front.server_address[1]
    what = "TLS is intercepted by a root that nobody trusts"
    r = Run(ONE, args=("--endpoint-url", url), without=("AWS_CA_BUNDLE",))
    r.sealed(what)
    gap(r, what, "users", "failed", "iam:ListUsers in global", "localhost",
        "not trusted", "--ca-bundle")
    says(r, what, "users", "certificate")
    check(what + ": nothing was sent", not r.requests, r.requests[:1])
    r = Run(ONE, args=("--endpoint-url", url, "--ca-bundle", "ca.pem"),
            without=("AWS_CA_BUNDLE",))
    r.sealed("its root given by --ca-bundle", 0)
    r = Run(ONE, args=("--endpoint-url", url, "--ca-add", "ca.pem"),
            without=("AWS_CA_BUNDLE",))
    r.sealed("its root added by --ca-add", 0)
    front.shutdown()


def proxy():
    front, way = Server(Front), Server(Proxy)
    way.to = front.server_address
    url = "https://account.invalid"
    at = "localhost:%d" % way.server_address[1]
    more = ("--endpoint-url", url, "--ca-bundle", "ca.pem")
    r = Run(ONE, args=more + ("--proxy", "http://cart:open%20sesame@" + at))
    r.sealed("a proxy, and its password", 0)
    check("it was asked", way.seen and way.seen[0][0].startswith(
        "CONNECT account.invalid:443"), way.seen[:1])
    for name, who in (("a wrong password", "cart:wrong-word@"),
                      ("no password", "")):
        way.seen.clear()
        r = Run(ONE, args=more, env={"HTTPS_PROXY": "http://" + who + at})
        what = "a proxy, and " + name
        r.sealed(what)
        gap(r, what, "users", "failed", "iam:ListUsers in global", "407",
            "--proxy")
        says(r, what, "users", "407")
        check(what + ": not tried again and again", len(way.seen) <= 2,
              len(way.seen))
        check(what + ": in no line", "wrong-word" not in r.err + json.dumps(
            r.lines))
    front.shutdown()
    way.shutdown()


# ---- the instance -------------------------------------------------------------

def hop_limit():
    r = Run(manifest(call("users", "iam:ListUsers"),
                     {"id": "metadata", "do": "imds.tree"}),
            [{"service": "imds", "operation": "/latest/api/token", "do":
              "hang", "seconds": 600}], without=KEYS, limit=120,
            args=("--trust-environment",))
    what = "the metadata service's token does not get through"
    r.sealed(what)
    check(what + ": soon over", r.seconds < 30, r.seconds)
    gap(r, what, "users", "denied", "credential", "hop limit")
    says(r, what, "hop limit")
    check(what + ": no call was made", not [x for x in r.requests if
                                            x["service"] != "imds"])


class Trap(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.seen.append(self.request.recv(65536))


def planted_endpoint():
    trap = Server(Trap)
    there = "http://127.0.0.1:%d" % trap.server_address[1]
    r = Run(HOST, env={"AWS_ENDPOINT_URL": there, "AWS_ENDPOINT_URL_STS":
                       there + "/sts"}, args=("--endpoint-url", URL))
    what = "a planted AWS_ENDPOINT_URL, and --endpoint-url"
    r.sealed(what, 0)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"):
        env = {"AWS_ENDPOINT_URL": "", name: there,
               "HTTPS_PROXY": there, "AWS_REGION": "us-east-1"}
        # AWS itself is no place to go to from here: its name is answered by
        # nobody, or by a certificate that is not AWS's
        r = Run(HOST, env=env, limit=120, args=("--ca-bundle", "ca.pem"))
        what = "a planted " + name
        check(what + ": nobody went there", not trap.seen, trap.seen[:1])
        r.sealed(what)
        check(what + ": a line says that it was not used", any(
            name + " is set to " + there in x["text"] and
            "is not used" in x["text"] for x in r.of("note")), r.of("note"))
        says(r, what, name, "is not used", "--trust-environment")
        check(what + ": the host was read", faults.outcome(r, "state") ==
              "ok")
    r = Run(HOST, args=("--trust-environment",))
    r.sealed("an endpoint of the environment that the operator trusts", 0)
    trap.shutdown()


def planted_process():
    with open("config", "w", encoding="ascii") as f:
        f.write("[default]\nregion = us-east-1\ncredential_process = "
                "/bin/sh -c 'touch %s/ran; exit 1'\n" % os.getcwd())
    env = {"AWS_CONFIG_FILE": os.path.abspath("config")}
    r = Run(HOST, env=env, without=KEYS, limit=120,
            args=("--endpoint-url", URL))
    what = "a planted credential_process"
    r.sealed(what)
    check(what + ": it did not run", not os.path.exists("ran"))
    gap(r, what, "caller", "denied", "credential_process",
        "--trust-environment")
    says(r, what, "caller", "credential_process")
    check(what + ": no call was made", not [x for x in r.requests if
                                            x["service"] != "imds"])
    r = Run(HOST, env=env, without=KEYS, limit=120,
            args=("--endpoint-url", URL, "--trust-environment"))
    check("one that the operator trusts runs", os.path.exists("ran"))
    gap(r, "it fails", "caller", "denied", "credential_process", "status 1")


CASES = (clock, token_role, token_fixed, permission, dns, tls, proxy,
         hop_limit, planted_endpoint, planted_process)


def main():
    want = sys.argv[1:]
    make_certificates()
    for f in CASES:
        if want and f.__name__ not in want:
            continue
        try:
            f()
        except Exception:
            check(f.__name__, False, traceback.format_exc()[-900:])
            sim("faults", [])
    return ended()


if __name__ == "__main__":
    sys.exit(main())
