# SPDX-License-Identifier: Apache-2.0
"""A small HTTP/1.1 server on asyncio: keep-alive, chunked bodies, 100-continue.

Written here because the answers must be broken on purpose (cut, slow, reset)
and because ThreadingHTTPServer is several times slower.
"""
import asyncio
import socket
import struct

REASONS = {100: "Continue", 200: "OK", 201: "Created", 202: "Accepted",
           204: "No Content", 206: "Partial Content", 301: "Moved Permanently",
           304: "Not Modified", 307: "Temporary Redirect", 400: "Bad Request",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 409: "Conflict", 410: "Gone",
           412: "Precondition Failed", 413: "Payload Too Large",
           416: "Range Not Satisfiable", 429: "Too Many Requests",
           500: "Internal Server Error", 501: "Not Implemented",
           503: "Service Unavailable"}

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
CHUNK = 8192
KEEP = 400              # answers on one connection, then it is closed


class Request:
    __slots__ = ("method", "target", "path", "query", "headers", "pairs",
                 "body", "peer")

    def __init__(self, method, target, pairs, peer):
        self.method = method
        self.target = target
        path, _, query = target.partition("?")
        self.path = path
        self.query = query
        self.pairs = pairs
        self.headers = {}
        for k, v in pairs:
            k = k.lower()
            if k in self.headers:
                self.headers[k] += "," + v
            else:
                self.headers[k] = v
        self.body = b""
        self.peer = peer


class Response:
    """status, headers (list of pairs), body; then how to spoil the delivery."""
    __slots__ = ("status", "headers", "body", "hang", "reset", "cut", "slow",
                 "close", "stall", "chunked")

    def __init__(self, status=200, headers=None, body=b""):
        self.status = status
        self.headers = headers if headers is not None else []
        self.body = body
        self.hang = 0.0     # seconds before the first byte
        self.reset = False  # RST instead of an answer
        self.cut = None     # send only this fraction of the body, then close
        self.slow = None    # bytes per second
        self.close = False  # close without an answer
        self.stall = 0.0    # with cut: stay silent so long before the close
        self.chunked = False


class BadRequest(Exception):
    pass


async def read_request(reader, writer):
    """One request, or None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest("headers too long")
    lines = head[:-4].decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("bad request line")
    pairs = []
    for line in lines[1:]:
        name, sep, value = line.partition(":")
        if not sep or not name or name != name.strip():
            raise BadRequest("bad header line")
        pairs.append((name, value.strip(" \t")))
    target = parts[1]
    if target.startswith("http://"):        # absolute form, as a proxy gets it
        target = "/" + target[7:].partition("/")[2]
    req = Request(parts[0], target, pairs, writer.get_extra_info("peername"))
    if req.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in req.headers.get("transfer-encoding", "").lower():
        body = bytearray()
        while True:
            line = await reader.readuntil(b"\r\n")
            n = int(line.split(b";")[0].strip(), 16)
            if n == 0:
                while (await reader.readuntil(b"\r\n")) != b"\r\n":
                    pass
                break
            if len(body) + n > MAX_BODY:
                raise BadRequest("body too long")
            body += await reader.readexactly(n)
            await reader.readexactly(2)
        req.body = bytes(body)
    else:
        n = int(req.headers.get("content-length", "0") or "0")
        if n < 0 or n > MAX_BODY:
            raise BadRequest("body too long")
        if n:
            req.body = await reader.readexactly(n)
    return req


def abort(writer):
    """Close with RST, as a crashed server or a firewall does."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()


async def send(writer, req, res, date, again=True):
    """False when the connection must not be used again."""
    if res.hang:
        await asyncio.sleep(res.hang)
    if res.reset:
        abort(writer)
        return False
    if res.close:
        return False
    lines = ["HTTP/1.1 %d %s" % (res.status, REASONS.get(res.status, "X"))]
    names = set()
    for k, v in res.headers:
        lines.append("%s: %s" % (k, v))
        names.add(k.lower())
    if "date" not in names:
        lines.append("Date: " + date)
    chunked = res.chunked and res.body and req.method != "HEAD"
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    elif "content-length" not in names and res.status not in (204, 304):
        lines.append("Content-Length: %d" % len(res.body))
    keep = again and req is not None and \
        req.headers.get("connection", "").lower() != "close"
    if not keep:
        lines.append("Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    body = b"" if req is not None and req.method == "HEAD" else res.body
    if chunked:
        body = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + CHUNK]),
                                           body[i:i + CHUNK])
                        for i in range(0, len(body), CHUNK)) + b"0\r\n\r\n"
    if res.cut is not None:
        writer.write(head + body[:int(len(body) * res.cut)])
        await writer.drain()
        if res.stall:
            await asyncio.sleep(res.stall)
        return False
    if res.slow:
        writer.write(head)
        step = max(1, int(res.slow / 5))
        for i in range(0, len(body), step):
            writer.write(body[i:i + step])
            await writer.drain()
            await asyncio.sleep(0.2)
        return keep
    writer.write(head)
    if body:
        writer.write(body)
    await writer.drain()
    return keep


def server(handler, date):
    """A connection callback for asyncio.start_server.

    handler(Request) -> Response (plain function); date() -> HTTP date text.
    """
    async def connection(reader, writer):
        served = 0
        try:
            while True:
                try:
                    req = await read_request(reader, writer)
                except (BadRequest, ValueError) as e:
                    await send(writer, None,
                               Response(400, [], str(e).encode()), date())
                    break
                if req is None:
                    break
                res = handler(req)
                served += 1
                if not await send(writer, req, res, date(), served < KEEP):
                    break
        except (ConnectionError, asyncio.IncompleteReadError,
                asyncio.CancelledError, asyncio.LimitOverrunError):
            pass
        finally:
            try:
                writer.close()
            except Exception:
                pass
    return connection
