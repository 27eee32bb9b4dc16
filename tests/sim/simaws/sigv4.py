# SPDX-License-Identifier: Apache-2.0
"""Checks of AWS Signature Version 4, written from AWS's description.

Independent of botocore's signer on purpose: a client that signs with
botocore's rules is then judged by a second reading of the same page.
"""
import datetime
import functools
import hashlib
import hmac
import re
import urllib.parse

EMPTY = hashlib.sha256(b"").hexdigest()
SKEW = 15 * 60
SAFE = "-_.~"
_AUTH = re.compile(r"^AWS4-HMAC-SHA256\s+(.*)$", re.S)
_keys = {}


class AuthFault(Exception):
    """kind: missing, incomplete, unknown-key, bad-token, expired-token,
    signature, early, late, region, unsigned-header, payload"""

    def __init__(self, kind, text="", **fields):
        super().__init__(kind, text)
        self.kind = kind
        self.text = text
        self.fields = fields


class Scope:
    """What the request claims: key id, date, region, service."""
    __slots__ = ("key_id", "day", "region", "service", "signed", "signature",
                 "presigned", "token", "amz_date", "expires")


def quote(raw, safe=SAFE):
    return urllib.parse.quote(raw, safe=safe)


def query_pairs(query):
    """Decoded pairs; '+' is a plus, as AWS reads it, and not a space."""
    out = []
    if not query:
        return out
    for item in query.split("&"):
        if item:
            k, _, v = item.partition("=")
            out.append((urllib.parse.unquote_to_bytes(k),
                        urllib.parse.unquote_to_bytes(v)))
    return out


def parse(req):
    """The Scope of a request, or None if it is not signed at all."""
    s = Scope()
    auth = req.headers.get("authorization")
    if auth:
        m = _AUTH.match(auth)
        if not m:
            raise AuthFault("incomplete", "Authorization header requires "
                            "'AWS4-HMAC-SHA256' algorithm.")
        fields = {}
        for part in m.group(1).split(","):
            k, _, v = part.strip().partition("=")
            fields[k] = v
        for need in ("Credential", "SignedHeaders", "Signature"):
            if need not in fields:
                raise AuthFault("incomplete", "Authorization header requires "
                                "'%s' parameter." % need)
        s.presigned = False
        cred = fields["Credential"]
        s.signed = fields["SignedHeaders"].split(";")
        s.signature = fields["Signature"]
        s.token = req.headers.get("x-amz-security-token")
        s.amz_date = req.headers.get("x-amz-date")
        s.expires = None
        if not s.amz_date:
            raise AuthFault("incomplete", "Authorization header requires "
                            "existence of either a 'X-Amz-Date' or a 'Date' "
                            "header.")
    else:
        q = {k.decode("latin-1"): v.decode("latin-1")
             for k, v in query_pairs(req.query)}
        if q.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256":
            return None
        s.presigned = True
        cred = q.get("X-Amz-Credential", "")
        s.signed = q.get("X-Amz-SignedHeaders", "").split(";")
        s.signature = q.get("X-Amz-Signature", "")
        s.token = q.get("X-Amz-Security-Token")
        s.amz_date = q.get("X-Amz-Date", "")
        s.expires = int(q.get("X-Amz-Expires", "0") or 0)
    parts = cred.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise AuthFault("incomplete", "Credential must have exactly 5 "
                        "slash-delimited elements, e.g. keyid/date/region/"
                        "service/term, got '%s'" % cred)
    s.key_id, s.day, s.region, s.service = parts[:4]
    return s


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret, day, region, service):
    k = (secret, day, region, service)
    v = _keys.get(k)
    if v is None:
        v = _hmac(_hmac(_hmac(_hmac(("AWS4" + secret).encode(), day),
                              region), service), "aws4_request")
        if len(_keys) > 4096:
            _keys.clear()
        _keys[k] = v
    return v


def canonical_path(path, service):
    if service == "s3":
        # one encoding, no normalisation: // and /../ are parts of a key
        return quote(urllib.parse.unquote_to_bytes(path), SAFE + "/") or "/"
    segments = []
    for seg in path.split("/"):
        if seg == "..":
            if segments:
                segments.pop()
        elif seg not in ("", "."):
            segments.append(quote(seg))     # the sent, encoded text: again
    out = "/" + "/".join(segments)
    if path.endswith("/") and out != "/":
        out += "/"
    return out


def canonical_request(req, scope, payload):
    pairs = sorted((quote(k), quote(v)) for k, v in query_pairs(req.query)
                   if not (scope.presigned and k == b"X-Amz-Signature"))
    heads = []
    for name in scope.signed:
        value = req.headers.get(name)
        if value is None:
            value = ""
        heads.append("%s:%s\n" % (name, re.sub(r" +", " ", value.strip())))
    return "\n".join([
        req.method, canonical_path(req.path, scope.service),
        "&".join("%s=%s" % p for p in pairs), "".join(heads),
        ";".join(scope.signed), payload])


@functools.lru_cache(64)
def stamp(text):
    try:
        return datetime.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(
            tzinfo=datetime.timezone.utc)
    except (ValueError, TypeError):
        raise AuthFault("incomplete", "Date must be in ISO-8601 'basic "
                        "format'. Got '%s'. See "
                        "http://en.wikipedia.org/wiki/ISO_8601" % text)


def verify(req, scope, secret, now):
    """Raises AuthFault unless the request carries secret's signature."""
    if scope.signed != sorted(scope.signed) or "host" not in scope.signed:
        raise AuthFault("incomplete", "'Host' or ':authority' must be a "
                        "'SignedHeader' in the AWS Authorization.")
    when = stamp(scope.amz_date)
    if scope.day != scope.amz_date[:8]:
        raise AuthFault("signature", "Credential should be scoped with the "
                        "date of the request")
    body_hash = hashlib.sha256(req.body).hexdigest() if req.body else EMPTY
    if scope.service == "s3":
        if scope.presigned:
            payload = "UNSIGNED-PAYLOAD"
        else:
            payload = req.headers.get("x-amz-content-sha256")
            if payload is None:
                raise AuthFault("payload", "Missing required header for this "
                                "request: x-amz-content-sha256")
            for name in req.headers:
                if name.startswith("x-amz-") and name not in scope.signed:
                    raise AuthFault("unsigned-header", name)
        if re.fullmatch(r"[0-9a-f]{64}", payload) and payload != body_hash:
            raise AuthFault("payload-hash", "", ClientComputedContentSHA256=
                            payload, S3ComputedContentSHA256=body_hash)
    else:
        payload = body_hash
        for name in ("x-amz-security-token", "x-amz-target", "x-amz-date"):
            if name in req.headers and name not in scope.signed:
                raise AuthFault("signature", "header %s is not signed" % name)
    creq = canonical_request(req, scope, payload)
    text = "\n".join(["AWS4-HMAC-SHA256", scope.amz_date,
                      "%s/%s/%s/aws4_request" % (scope.day, scope.region,
                                                 scope.service),
                      hashlib.sha256(creq.encode()).hexdigest()])
    want = hmac.new(signing_key(secret, scope.day, scope.region,
                                scope.service),
                    text.encode(), hashlib.sha256).hexdigest()
    delta = (now - when).total_seconds()
    if scope.presigned:
        if delta > scope.expires:
            raise AuthFault("presign-expired", "Request has expired")
    elif abs(delta) > SKEW:
        limit = datetime.timedelta(seconds=SKEW)
        fmt = "%Y%m%dT%H%M%SZ"
        if delta > 0:
            raise AuthFault("late", "Signature expired: %s is now earlier "
                            "than %s (%s - 15 min.)" % (
                                scope.amz_date, (now - limit).strftime(fmt),
                                now.strftime(fmt)), when=when, now=now)
        raise AuthFault("early", "Signature not yet current: %s is still "
                        "later than %s (%s + 15 min.)" % (
                            scope.amz_date, (now + limit).strftime(fmt),
                            now.strftime(fmt)), when=when, now=now)
    if not hmac.compare_digest(want, scope.signature):
        raise AuthFault("signature", "", canonical=creq, to_sign=text)
