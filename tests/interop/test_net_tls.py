#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS and proxies: whom net_driver trusts, and which way its requests take.

Certificates are made by openssl(1), served by Python's ssl module; the proxy
is a few lines below.  Needs nothing but those two.
"""
import base64
import os
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import threading

DRIVER = os.path.join(os.environ["DRIVERS"], "net_driver")
failures = []


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_ca(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".pem", "-days", "30", "-subj", "/CN=" + name,
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")


def make_cert(name, ca, names, days="30", extra=""):
    with open(name + ".ext", "w", encoding="ascii") as f:
        f.write(f"subjectAltName={names}\n{extra}")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", name + ".key", "-out", name + ".csr",
            "-subj", "/CN=x")
    openssl("x509", "-req", "-in", name + ".csr", "-CA", ca + ".pem",
            "-CAkey", ca + ".key", "-CAcreateserial", "-out", name + ".pem",
            "-days", days, "-extfile", name + ".ext")


class Web(socketserver.BaseRequestHandler):
    """Answers everything with its name."""

    def handle(self):
        sock = self.request
        try:
            if self.server.context:
                sock = self.server.context.wrap_socket(sock, server_side=True)
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = sock.recv(4096)
                    if not data:
                        return
                    head += data
                self.server.seen.append(head)
                body = self.server.name.encode()
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
                             % len(body) + body)
        except OSError:
            pass


class Proxy(socketserver.BaseRequestHandler):
    """CONNECT, with a password if the server has one; plain http too."""

    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.request.recv(4096)
            if not data:
                return
            head += data
        line = head.split(b"\r\n", 1)[0].decode()
        self.server.seen.append(line)
        want = self.server.password
        if want and b"Basic " + base64.b64encode(want) not in head:
            self.request.sendall(b"HTTP/1.1 407 No\r\nProxy-Authenticate: "
                                 b"Basic realm=\"x\"\r\nContent-Length: 0\r\n"
                                 b"\r\n")
            return
        if not line.startswith("CONNECT "):
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                                 b"\r\nproxy")
            return
        # names end at our own server, wherever they point
        up = socket.create_connection(self.server.target)
        self.request.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
        pair = [self.request, up]
        while True:
            for sock in select.select(pair, [], [], 10)[0]:
                try:
                    data = sock.recv(65536)
                    pair[sock is self.request].sendall(data)
                except OSError:
                    data = b""
                if not data:
                    up.close()
                    return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, handler, name="", cert=None, versions=None,
                 password=None, target=None):
        super().__init__(("127.0.0.1", 0), handler)
        self.name, self.password, self.target = name, password, target
        self.seen = []
        self.context = None
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(cert + ".pem", cert + ".key")
            if versions:
                self.context.set_ciphers("ALL:@SECLEVEL=0")
                self.context.minimum_version, \
                    self.context.maximum_version = versions
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


def ask(*args):
    done = subprocess.run([DRIVER, *args], stdout=subprocess.PIPE,
                          check=False, timeout=60)
    return done.stdout.decode().splitlines()


def expect(what, got, *parts):
    good = all(any(p in line for line in got) for p in parts)
    print("ok" if good else "FAILED", what)
    if not good:
        print("   got", got, "instead of", parts)
        failures.append(what)


def trust():
    for name in ("ca", "other"):
        make_ca(name)
    make_cert("good", "ca", "DNS:localhost,IP:127.0.0.1")
    make_cert("foreign", "other", "DNS:localhost")
    make_cert("wrongname", "ca", "DNS:example.com")
    make_cert("expired", "ca", "DNS:localhost", days="-1")
    make_cert("notserver", "ca", "DNS:localhost",
              extra="extendedKeyUsage=clientAuth\n")
    good = Server(Web, "good", "good")
    url = f"https://localhost:{good.port}/"
    expect("a certificate of the given root", ask("-c", "ca.pem", url),
           "200 127.0.0.1 good")
    expect("an address in the certificate",
           ask("-c", "ca.pem", f"https://127.0.0.1:{good.port}/"), "200 ")
    got = ask("-c", "ca.pem", url, url, url)
    expect("three requests", got, "200 127.0.0.1 good")
    expect("the built-in roots do not know it", ask(url),
           "error crypto", "--ca-bundle")
    for name in ("foreign", "wrongname", "expired", "notserver"):
        server = Server(Web, name, name)
        expect(f"refused: {name}",
               ask("-c", "ca.pem", f"https://localhost:{server.port}/"),
               "error crypto")
        if server.seen:
            expect(f"{name} saw no request", ["it did"], "it did not")
    old = Server(Web, "old", "good", (ssl.TLSVersion.TLSv1,
                                      ssl.TLSVersion.TLSv1_1))
    expect("refused: TLS 1.1",
           ask("-c", "ca.pem", f"https://localhost:{old.port}/"), "error net")
    new = Server(Web, "new", "good", (ssl.TLSVersion.TLSv1_3,
                                      ssl.TLSVersion.TLSv1_3))
    expect("TLS 1.3", ask("-c", "ca.pem", f"https://localhost:{new.port}/"),
           "200 ")
    plain = Server(Web, "plain")
    expect("https to a server without TLS",
           ask("-c", "ca.pem", f"https://localhost:{plain.port}/"),
           "error ")


def proxies():
    make_cert("far", "ca", "DNS:far.example")
    far = Server(Web, "far", "far")
    near = Server(Web, "near", "good")
    proxy = Server(Proxy, password=b"user:p w", target=("127.0.0.1", far.port))
    at = f"http://user:p%20w@127.0.0.1:{proxy.port}"
    url = "https://far.example/"
    expect("by the proxy, with a password",
           ask("-c", "ca.pem", "-x", at, url), "200 127.0.0.1 far")
    expect("the proxy was asked for the name", proxy.seen,
           "CONNECT far.example:443 HTTP/1.1")
    wrong = f"http://user:no@127.0.0.1:{proxy.port}"
    expect("a wrong password", ask("-c", "ca.pem", "-x", wrong, url),
           "error http", "407")
    expect("the proxy's password is not in the message",
           [str("user:no" in line) for line in
            ask("-c", "ca.pem", "-x", wrong, url)], "False")
    expect("a server behind the proxy is checked as well",
           ask("-x", at, url), "error crypto")
    proxy.seen.clear()
    expect("this host is not asked through a proxy",
           ask("-c", "ca.pem", "-x", at, f"https://localhost:{near.port}/"),
           "200 127.0.0.1 near")
    expect("no-proxy", ask("-c", "ca.pem", "-x", at, "-n", ".example", url),
           "error net", "resolve")
    expect("the proxy was not used for either", [str(len(proxy.seen))], "0")
    expect("a proxy that is not there",
           ask("-c", "ca.pem", "-x", "http://127.0.0.1:1", url), "error net")
    expect("plain http where it is allowed goes by the proxy",
           ask("-p", "-x", at, "http://tsa.example/"), "200 127.0.0.1 proxy")
    # what the environment says counts for nothing
    os.environ.update(https_proxy=at, HTTPS_PROXY=at, ALL_PROXY=at,
                      SSL_CERT_FILE="ca.pem", CURL_CA_BUNDLE="ca.pem")
    proxy.seen.clear()
    expect("no proxy of the environment", ask("-c", "ca.pem", url),
           "error net", "resolve")
    expect("no root of the environment",
           ask(f"https://localhost:{near.port}/"), "error crypto")
    expect("the proxy was not asked", [str(len(proxy.seen))], "0")


trust()
proxies()
sys.exit(1 if failures else 0)
