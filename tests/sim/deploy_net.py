# SPDX-License-Identifier: Apache-2.0
"""What a quarantine subnet can reach, played in the namespace of the accounts:
resolver, metadata and time service, and the endpoints with TLS in front of
both simulated accounts.  And what saw all of it: a capture of the other
namespace's only interface.

    deploy_net.py capture INTERFACE FILE     (in the subnet; until SIGTERM)
"""
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import ssl
import struct
import sys
import threading

RESOLVER, METADATA, CLOCK = "10.213.7.2", "169.254.169.254", "169.254.169.123"
ENDPOINT, GATEWAY = "10.213.7.10", "198.51.100.7"


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()


# ---- names -----------------------------------------------------------------------

def name_of(packet, at=12):
    out = []
    while packet[at]:
        out.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += packet[at] + 1
    return ".".join(out).lower(), at + 1


class Resolver(socketserver.BaseRequestHandler):
    """The names of the template's firewall, and NXDOMAIN."""
    names = ()

    def handle(self):
        packet, s = self.request
        name, end = name_of(packet)
        kind = packet[end:end + 2]
        hit = any(name == n or (n.startswith("*.") and name.endswith(n[1:]))
                  for n in self.names)
        answer = hit and kind == b"\0\1"
        to = GATEWAY if re.match(r"(.*\.)?s3\.", name) else ENDPOINT
        s.sendto(packet[:2] + (b"\x81\x80" if hit else b"\x81\x83") +
                 struct.pack(">HHHH", 1, int(answer), 0, 0) +
                 packet[12:end + 4] + (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" +
                                       socket.inet_aton(to)
                                       if answer else b""),
                 self.client_address)


class Clock(socketserver.BaseRequestHandler):
    """SNTP, stratum 3."""

    def handle(self):
        import time
        packet, s = self.request
        now = time.time() + 2208988800
        stamp = struct.pack(">II", int(now), int(now % 1 * (1 << 32)))
        s.sendto(b"\x24\3\0\xec" + struct.pack(">II4s", 0, 16, b"AMZN") +
                 stamp + packet[40:48] + stamp + stamp, self.client_address)


# ---- metadata ----------------------------------------------------------------------

class Metadata(http.server.BaseHTTPRequestHandler):
    tree = {}
    protocol_version = "HTTP/1.1"

    def answer(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        self.answer(200 if self.path == "/latest/api/token" else 404, "T0ken")

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") != "T0ken":
            return self.answer(401)
        text = self.tree.get(re.sub("^/[^/]*/", "", self.path))
        return self.answer(404 if text is None else 200, text or "")

    def log_message(self, *args):
        pass


# ---- endpoints -----------------------------------------------------------------------

class Endpoint(socketserver.BaseRequestHandler):
    """Ends TLS; what the crash cart's own role asks of S3 and KMS goes to the
    account that the template was deployed to, all else to the incident's."""
    context = None
    mine = ""
    here = there = 0
    names = set()

    def handle(self):
        with self.context.wrap_socket(self.request, server_side=True) as s:
            head = b""
            while b"\r\n\r\n" not in head:
                data = s.recv(65536)
                if not data:
                    return
                head += data
            m = re.search(rb"Credential=(\w+)/\d+/[\w-]+/(\w+)/", head)
            ours = m and m.group(1).decode() == self.mine and \
                m.group(2) in (b"s3", b"kms")
            with socket.create_connection(
                    ("127.0.0.1", self.here if ours else self.there)) as up:
                up.sendall(head)
                relay(s, up)


def relay(a, b):
    import select
    while True:
        ready = [s for s in (a, b) if isinstance(s, ssl.SSLSocket) and
                 s.pending()] or select.select([a, b], [], [], 60)[0]
        for s in ready:
            data = s.recv(65536)
            if not data:
                return
            (b if s is a else a).sendall(data)


def start(names, tree, mine, here, there, cert, key):
    Resolver.names = names
    Metadata.tree = tree
    Endpoint.mine, Endpoint.here, Endpoint.there = mine, here, there
    Endpoint.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Endpoint.context.load_cert_chain(cert, key)
    serve(socketserver.ThreadingUDPServer((RESOLVER, 53), Resolver))
    serve(socketserver.ThreadingUDPServer((CLOCK, 123), Clock))
    serve(http.server.ThreadingHTTPServer((METADATA, 80), Metadata))
    for at in (ENDPOINT, GATEWAY):
        serve(Threads((at, 443), Endpoint))


# ---- capture ---------------------------------------------------------------------------

def capture(interface, path):
    """Every frame of the subnet's interface, both ways: who talks to whom."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
    s.bind((interface, 0))
    seen, names, over = {}, set(), []

    def end(*_):
        over.append(1)
        s.settimeout(0.2)
    signal.signal(signal.SIGTERM, end)
    s.settimeout(0.2)
    print("ready", flush=True)
    while True:
        try:
            f = s.recv(65536)
        except TimeoutError:
            if over:
                break
            continue
        kind = f[12:14].hex()
        if kind != "0800":
            what = kind
            if kind == "86dd":      # neighbour discovery is ICMPv6
                what = "ipv6 %d %s" % (f[20], f[54:55].hex())
        else:
            ip = f[14:]
            ports = struct.unpack(">HH", ip[(ip[0] & 15) * 4:][:4])
            a, b = (socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]))
            port = min(ports)
            what = "%s %d %d" % (b if a == "10.213.7.77" else a, ip[9], port)
            if ip[9] == 17 and ports[1] == 53:
                names.add(name_of(ip[(ip[0] & 15) * 4 + 8:])[0])
        seen[what] = seen.get(what, 0) + 1
    drops = struct.unpack("II", s.getsockopt(263, 6, 8))[1]
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"seen": seen, "names": sorted(names), "drops": drops}, f)


if __name__ == "__main__":
    assert sys.argv[1] == "capture" and os.geteuid() == 0
    capture(*sys.argv[2:])
