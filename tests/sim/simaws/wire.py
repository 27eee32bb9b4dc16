# SPDX-License-Identifier: Apache-2.0
"""Five AWS protocols, both ways, driven by botocore's service models.

Handlers take and give plain dictionaries as the AWS CLI prints them; this
file turns requests into them and them into answers. The models are data
here: botocore's own serializers and parsers are not used, so that a client
built on botocore is judged by a second reading.
"""
import base64
import datetime
import email.utils
import gzip
import json
import os
import re
import urllib.parse
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import botocore.loaders
import botocore.model

from .errors import AwsError
from .httpd import Response
from .sigv4 import query_pairs

UTC = datetime.timezone.utc
# the services that have handlers; all others only list nothing
TEN = ("ec2", "ebs", "iam", "sts", "s3", "cloudtrail", "kms",
       "organizations", "lambda", "ssm")
_loader = botocore.loaders.Loader()
_services = {}


def as_time(value):
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, (int, float)):
        return datetime.datetime.fromtimestamp(value, UTC)
    text = str(value).strip()
    if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text):
        return datetime.datetime.fromtimestamp(float(text), UTC)
    try:
        t = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return t if t.tzinfo else t.replace(tzinfo=UTC)
    except ValueError:
        pass
    t = email.utils.parsedate_to_datetime(text)
    return t if t.tzinfo else t.replace(tzinfo=UTC)


def iso(value, millis=False):
    t = as_time(value).astimezone(UTC)
    text = t.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (".%03dZ" % (t.microsecond // 1000) if millis else "Z")


def epoch(value):
    f = as_time(value).timestamp()
    return int(f) if f == int(f) else round(f, 3)


def http_date(value):
    return email.utils.formatdate(as_time(value).timestamp(), usegmt=True)


def xml_text(text):
    """XML text: control characters that XML 1.0 cannot hold are dropped."""
    text = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text)
    return escape(text).replace("\r", "&#13;")


# ---------------------------------------------------------------- services

# a bucket in the host name
VIRTUAL = re.compile(r"(.+)\.s3\.[a-z0-9-]+\.amazonaws\.com")
# told from ListBuckets by the host name alone
OTHER_HOST = {"ListDirectoryBuckets"}


class Op:
    __slots__ = ("name", "model", "input", "output", "method", "regex",
                 "names", "literals", "need_query", "need_headers", "rank",
                 "status")


class Service:
    """One service's model with its protocol and its routes."""

    def __init__(self, name):
        raw = _loader.load_service_model(name, "service-2")
        self.name = name
        self.model = botocore.model.ServiceModel(raw, name)
        meta = self.model.metadata
        self.protocol = meta["protocol"]
        if self.protocol not in ("ec2", "query", "json", "rest-json",
                                 "rest-xml"):
            known = [p for p in meta.get("protocols", [])
                     if p in ("json", "query", "rest-json", "rest-xml")]
            if not known:
                raise KeyError(name)
            self.protocol = known[0]
        self.version = meta["apiVersion"]
        self.xmlns = meta.get("xmlNamespace")
        if isinstance(self.xmlns, dict):
            self.xmlns = self.xmlns.get("uri")
        self.ops = {}
        self.routes = None
        self._names = set(self.model.operation_names)
        try:
            pages = _loader.load_service_model(name, "paginators-1")
            self.paginators = pages["pagination"]
        except Exception:
            self.paginators = {}

    def op(self, name):
        o = self.ops.get(name)
        if o is None:
            if name not in self._names:
                return None
            o = self.ops[name] = self._build(name)
        return o

    def _build(self, name):
        m = self.model.operation_model(name)
        o = Op()
        o.name, o.model = name, m
        o.input, o.output = m.input_shape, m.output_shape
        o.method = m.http.get("method", "POST")
        o.status = m.http.get("responseCode", 200)
        uri = m.http.get("requestUri", "/")
        path, _, query = uri.partition("?")
        o.names = []
        out = []
        for piece in re.split(r"(\{[^}]+\})", path):
            if piece.startswith("{"):
                label = piece[1:-1]
                greedy = label.endswith("+")
                o.names.append(label.rstrip("+"))
                out.append("(.+)" if greedy else "([^/]+)")
            else:
                out.append(re.escape(piece))
        o.regex = re.compile("".join(out).rstrip("/") + "/?$", re.S) \
            if not path.endswith("+}") else re.compile("".join(out) + "$",
                                                       re.S)
        o.literals = []
        for item in filter(None, query.split("&")):
            k, sep, v = item.partition("=")
            o.literals.append((k, v if sep else None))
        o.need_query, o.need_headers = [], []
        if o.input is not None:
            for n in o.input.required_members:
                s = o.input.members[n].serialization
                if s.get("location") == "querystring":
                    o.need_query.append(s.get("name", n))
                elif s.get("location") == "header":
                    o.need_headers.append(s.get("name", n).lower())
        o.rank = (len(o.literals) * 4 + len(o.need_query) * 2 +
                  len(o.need_headers), -path.count("{"), len(path))
        return o

    def route(self, req):
        """(Op, path labels) of a REST request, or (None, None)."""
        if self.routes is None:
            self.routes = sorted(
                (self.op(n) for n in self.model.operation_names
                 if not self.model.operation_model(n).deprecated and
                 n not in OTHER_HOST),
                key=lambda o: o.rank, reverse=True)
            # most requests have no query, and most operations want one
            self.bare = [o for o in self.routes
                         if not o.literals and not o.need_query]
        query = {k.decode("latin-1"): v.decode("latin-1")
                 for k, v in query_pairs(req.query)}
        path = req.path
        host = VIRTUAL.fullmatch(req.headers.get("host", ""))
        if self.name == "s3" and host:
            path = "/" + host.group(1) + (path if path != "/" else "")
        for o in self.routes if query else self.bare:
            if o.method != req.method:
                continue
            if any(k not in query or (v is not None and query[k] != v)
                   for k, v in o.literals):
                continue
            if any(k not in query for k in o.need_query):
                continue
            if any(k not in req.headers for k in o.need_headers):
                continue
            m = o.regex.match(path)
            if m:
                return o, {n: urllib.parse.unquote(v)
                           for n, v in zip(o.names, m.groups())}
        return None, None


_signing = {}


def _index():
    """signing name -> services, from the heads of all model files."""
    for name in _loader.list_available_services("service-2"):
        version = _loader.determine_latest_version(name, "service-2")
        for root in _loader.search_paths:
            base = os.path.join(root, name, version, "service-2.json")
            if os.path.exists(base + ".gz"):
                with gzip.open(base + ".gz", "rt", encoding="utf-8") as f:
                    head = f.read(4096)
                break
            if os.path.exists(base):
                with open(base, encoding="utf-8") as f:
                    head = f.read(4096)
                break
        else:
            continue
        m = re.search(r'"signingName"\s*:\s*"([^"]+)"', head) or \
            re.search(r'"endpointPrefix"\s*:\s*"([^"]+)"', head)
        _signing.setdefault(m.group(1) if m else name, []).append(name)


def find(signing, req):
    """The service that a request signed for `signing` is meant for."""
    if signing == "s3" and "x-amz-account-id" in req.headers and \
            req.path.startswith("/v20180820/"):
        return service("s3control")
    if signing == "s3express":
        return service("s3")
    if signing in TEN:
        return service(signing)
    if not _signing:
        _index()
    names = _signing.get(signing)
    if not names:
        raise KeyError(signing)
    if len(names) == 1:
        return service(names[0])
    target = req.headers.get("x-amz-target", "").rpartition(".")[0]
    version = dict(form(req)).get("Version", "") if "form" in \
        req.headers.get("content-type", "") else ""
    for name in names:
        try:
            s = service(name)
        except KeyError:            # speaks a protocol that we do not
            continue
        if target and s.model.metadata.get("targetPrefix") == target:
            return s
        if version and s.version == version and s.op(
                dict(form(req)).get("Action", "")):
            return s
        if not target and not version and s.protocol.startswith("rest") and \
                s.route(req)[0]:
            return s
    raise KeyError(signing)


def service(name):
    s = _services.get(name)
    if s is None:
        s = _services[name] = Service(name)
    return s


# ------------------------------------------------------------------ input

def _scalar(shape, text):
    t = shape.type_name
    try:
        if t in ("integer", "long"):
            return int(text)
        if t in ("float", "double"):
            return float(text)
        if t == "boolean":
            if text.lower() not in ("true", "false"):
                raise ValueError(text)
            return text.lower() == "true"
        if t == "timestamp":
            return as_time(text)
        if t == "blob":
            return base64.b64decode(text)
    except (ValueError, TypeError, OverflowError):
        raise AwsError("MalformedInput", "cannot read %r as %s" % (text, t))
    return text


def _trie(pairs):
    root = {}
    for k, v in pairs:
        node = root
        for part in k.split("."):
            node = node.setdefault(part, {})
        node[""] = v
    return root


def _query_in(shape, node, ec2):
    t = shape.type_name
    if t == "structure":
        out = {}
        for name, member in shape.members.items():
            s = member.serialization
            if ec2:
                key = s.get("queryName")
                if key is None:
                    key = s.get("name", name)
                    key = key[0].upper() + key[1:]
            else:
                key = s.get("name", name)
                if member.type_name == "list" and s.get("flattened"):
                    key = member.member.serialization.get("name", key)
            if key in node:
                out[name] = _query_in(member, node[key], ec2)
        return out
    if t == "list":
        if not ec2 and not shape.serialization.get("flattened"):
            node = node.get(shape.member.serialization.get("name", "member"),
                            {})
        items = sorted((int(k), v) for k, v in node.items() if k.isdigit())
        return [_query_in(shape.member, v, ec2) for _, v in items]
    if t == "map":
        if not shape.serialization.get("flattened"):
            node = node.get("entry", {})
        kn = shape.key.serialization.get("name", "key")
        vn = shape.value.serialization.get("name", "value")
        out = {}
        for k in sorted((k for k in node if k.isdigit()), key=int):
            out[node[k].get(kn, {}).get("", "")] = \
                _query_in(shape.value, node[k].get(vn, {}), ec2)
        return out
    return _scalar(shape, node.get("", ""))


def _json_in(shape, value):
    if value is None:
        return None
    t = shape.type_name
    if t == "structure":
        if getattr(shape, "is_document_type", False):
            return value
        if not isinstance(value, dict):
            raise AwsError("SerializationException",
                           "Start of structure or map found where not "
                           "expected.")
        out = {}
        for name, member in shape.members.items():
            key = member.serialization.get("name", name)
            if value.get(key) is not None:
                out[name] = _json_in(member, value[key])
        return out
    if t == "list":
        if not isinstance(value, list):
            raise AwsError("SerializationException", "Expected list or null")
        return [_json_in(shape.member, v) for v in value]
    if t == "map":
        return {k: _json_in(shape.value, v) for k, v in value.items()}
    if t in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise AwsError("SerializationException",
                           "%s can not be converted to an Integer" %
                           type(value).__name__.upper())
        return int(value)
    if t == "boolean" and not isinstance(value, bool):
        raise AwsError("SerializationException",
                       "%s can not be converted to a Boolean" %
                       type(value).__name__.upper())
    if t == "string" and not isinstance(value, str):
        raise AwsError("SerializationException",
                       "%s can not be converted to a String" %
                       type(value).__name__.upper())
    if t == "blob":
        return base64.b64decode(value)
    if t == "timestamp":
        return as_time(value)
    return value


def _xml_in(shape, node):
    t = shape.type_name
    if t == "structure":
        out = {}
        for name, member in shape.members.items():
            s = member.serialization
            key = s.get("name", name)
            if s.get("xmlAttribute"):
                for k, v in node.attrib.items():
                    if k.rpartition("}")[2] == key.rpartition(":")[2]:
                        out[name] = v
                continue
            if member.type_name == "list" and s.get("flattened"):
                key = member.member.serialization.get("name", key)
                found = [c for c in node if c.tag.rpartition("}")[2] == key]
                if found:
                    out[name] = [_xml_in(member.member, c) for c in found]
                continue
            for c in node:
                if c.tag.rpartition("}")[2] == key:
                    out[name] = _xml_in(member, c)
        return out
    if t == "list":
        return [_xml_in(shape.member, c) for c in node]
    if t == "map":
        out = {}
        for e in node:
            kids = list(e)
            if len(kids) == 2:
                out[kids[0].text] = _xml_in(shape.value, kids[1])
        return out
    return _scalar(shape, node.text or "")


def _rest_in(o, req, labels, xml):
    out = {}
    shape = o.input
    if shape is None:
        return out
    query = {}
    for k, v in query_pairs(req.query):
        query.setdefault(k.decode(), []).append(v.decode("utf-8", "replace"))
    body_members = False
    payload = shape.serialization.get("payload")
    for name, member in shape.members.items():
        s = member.serialization
        where = s.get("location")
        key = s.get("name", name)
        if where == "uri":
            if key in labels:
                out[name] = _scalar(member, labels[key])
        elif where == "querystring":
            if member.type_name == "map":
                continue
            if key in query:
                if member.type_name == "list":
                    out[name] = [_scalar(member.member, v)
                                 for v in query[key]]
                else:
                    out[name] = _scalar(member, query[key][0])
        elif where == "header":
            if key.lower() in req.headers:
                v = req.headers[key.lower()]
                if member.type_name == "list":
                    out[name] = [x.strip() for x in v.split(",")]
                else:
                    out[name] = _scalar(member, v)
        elif where == "headers":
            pre = key.lower()
            out[name] = {k[len(pre):]: v for k, v in req.headers.items()
                         if k.startswith(pre)}
        else:
            body_members = True
    if payload:
        member = shape.members[payload]
        if member.type_name == "blob":
            out[payload] = req.body
        elif member.type_name == "string":
            out[payload] = req.body.decode("utf-8", "replace")
        elif req.body:
            if xml:
                out[payload] = _xml_in(member, _xml(req.body))
            else:
                out[payload] = _json_in(member, _json(req.body))
    elif body_members and req.body:
        if xml:
            out.update(_xml_in(shape, _xml(req.body)))
        else:
            out.update({k: v for k, v in
                        _json_in(shape, _json(req.body)).items()})
    return out


def _xml(body):
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise AwsError("MalformedXML", "The XML you provided was not "
                       "well-formed or did not validate against our "
                       "published schema")


def _json(body):
    try:
        return json.loads(body) if body.strip() else {}
    except (ValueError, UnicodeDecodeError):
        raise AwsError("SerializationException",
                       "Unable to parse the request body")


def form(req):
    """Decoded form parameters of a query or ec2 request ('+' is a space)."""
    pairs = []
    text = req.body.decode("latin-1")
    if req.method == "GET":
        text = req.query
    for item in text.split("&"):
        if item:
            k, _, v = item.partition("=")
            pairs.append((urllib.parse.unquote_plus(k),
                          urllib.parse.unquote_plus(v)))
    return pairs


def resolve(svc, req):
    """(Op or None, path labels, claimed name)"""
    if svc.protocol in ("ec2", "query"):
        name = dict(form(req)).get("Action", "")
        return svc.op(name), {}, name
    if svc.protocol == "json":
        target = req.headers.get("x-amz-target", "")
        prefix, _, name = target.rpartition(".")
        if prefix != svc.model.metadata.get("targetPrefix"):
            return None, {}, target
        return svc.op(name), {}, name
    o, labels = svc.route(req)
    return o, labels, o.name if o else "%s %s" % (req.method, req.path)


def parse(svc, o, req, labels):
    """The input as a dictionary."""
    if o.input is None:
        return {}
    if svc.protocol in ("ec2", "query"):
        return _query_in(o.input, _trie(form(req)), svc.protocol == "ec2")
    if svc.protocol == "json":
        return _json_in(o.input, _json(req.body))
    return _rest_in(o, req, labels, svc.protocol == "rest-xml")


def check(svc, o, params):
    """Missing required members and range limits, in the protocol's words."""
    if o.input is None:
        return
    for name in o.input.required_members:
        if name not in params:
            if svc.protocol == "ec2":
                raise AwsError("MissingParameter", "The request must contain "
                               "the parameter %s" % (name[0].lower() +
                                                     name[1:]))
            if svc.name == "s3":
                raise AwsError("InvalidRequest", "Missing required %s" % name)
            raise AwsError(
                "ValidationError" if svc.protocol == "query" else
                "ValidationException",
                "1 validation error detected: Value null at '%s' failed to "
                "satisfy constraint: Member must not be null" %
                (name[0].lower() + name[1:]))


# ----------------------------------------------------------------- output

_xml_cache = {}
_json_cache = {}


def _xml_name(name, member):
    s = member.serialization
    if member.type_name == "list" and s.get("flattened"):
        n = member.member.serialization.get("name")
        if n:
            return n
    return s.get("name", name)


def _xml_out(shape, millis):
    """A function (value, tag, out) for a shape; built once per shape."""
    key = (id(shape), millis)
    f = _xml_cache.get(key)
    if f is not None:
        return f[1]
    t = shape.type_name
    if t == "structure":
        fields = None

        def write(value, tag, out):
            nonlocal fields
            if fields is None:
                fields = [(n, m, _xml_name(n, m), _xml_out(m, millis))
                          for n, m in shape.members.items()
                          if m.serialization.get("location") is None]
            attrs = ""
            for n, m, label, _ in fields:
                if m.serialization.get("xmlAttribute") and n in value:
                    attrs += ' xmlns:xsi="http://www.w3.org/2001/' \
                        'XMLSchema-instance" %s="%s"' % (label, value[n])
            out.append("<%s%s>" % (tag, attrs))
            body(value, out)
            out.append("</%s>" % tag)

        def body(value, out):
            nonlocal fields
            if fields is None:
                fields = [(n, m, _xml_name(n, m), _xml_out(m, millis))
                          for n, m in shape.members.items()
                          if m.serialization.get("location") is None]
            for n, m, label, sub in fields:
                v = value.get(n)
                if v is not None and not m.serialization.get("xmlAttribute"):
                    sub(v, label, out)
        write.body = body
    elif t == "list":
        sub = None
        flat = shape.serialization.get("flattened")
        inner = shape.member.serialization.get("name", "member")

        def write(value, tag, out):
            nonlocal sub
            if sub is None:
                sub = _xml_out(shape.member, millis)
            if flat:
                for v in value:
                    sub(v, tag, out)
                return
            if not value:
                out.append("<%s/>" % tag)
                return
            out.append("<%s>" % tag)
            for v in value:
                sub(v, inner, out)
            out.append("</%s>" % tag)
    elif t == "map":
        kn = shape.key.serialization.get("name", "key")
        vn = shape.value.serialization.get("name", "value")
        flat = shape.serialization.get("flattened")

        def write(value, tag, out):
            sub = _xml_out(shape.value, millis)
            if not flat:
                out.append("<%s>" % tag)
            for k, v in value.items():
                out.append("<%s><%s>%s</%s>" % (tag if flat else "entry", kn,
                                                xml_text(k), kn))
                sub(v, vn, out)
                out.append("</%s>" % (tag if flat else "entry"))
            if not flat:
                out.append("</%s>" % tag)
    elif t == "boolean":
        def write(value, tag, out):
            out.append("<%s>%s</%s>" % (tag, "true" if value else "false",
                                        tag))
    elif t == "timestamp":
        form_ = shape.serialization.get("timestampFormat", "iso8601")

        def write(value, tag, out):
            if form_ == "unixTimestamp":
                text = str(epoch(value))
            elif form_ == "rfc822":
                text = http_date(value)
            else:
                text = iso(value, millis)
            out.append("<%s>%s</%s>" % (tag, text, tag))
    elif t == "blob":
        def write(value, tag, out):
            out.append("<%s>%s</%s>" % (tag,
                                        base64.b64encode(value).decode(),
                                        tag))
    else:
        def write(value, tag, out):
            out.append("<%s>%s</%s>" % (tag, xml_text(str(value)), tag))
    _xml_cache[key] = (shape, write)
    return write


def _json_out(shape):
    """A function value -> JSON value."""
    f = _json_cache.get(id(shape))
    if f is not None:
        return f[1]
    t = shape.type_name
    if t == "structure":
        fields = None

        def conv(value):
            nonlocal fields
            if fields is None:
                fields = [(n, m.serialization.get("name", n), _json_out(m))
                          for n, m in shape.members.items()
                          if m.serialization.get("location") is None]
            return {label: sub(value[n]) for n, label, sub in fields
                    if value.get(n) is not None}
    elif t == "list":
        def conv(value):
            sub = _json_out(shape.member)
            return [sub(v) for v in value]
    elif t == "map":
        def conv(value):
            sub = _json_out(shape.value)
            return {k: sub(v) for k, v in value.items()}
    elif t == "timestamp":
        if shape.serialization.get("timestampFormat") == "iso8601":
            conv = iso
        else:
            conv = epoch
    elif t == "blob":
        def conv(value):
            return base64.b64encode(value).decode()
    elif t in ("integer", "long"):
        conv = int
    elif t in ("float", "double"):
        conv = float
    elif t == "boolean":
        conv = bool
    else:
        conv = str
    _json_cache[id(shape)] = (shape, conv)
    return conv


XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

# the root elements that S3 writes, where they differ from the model's names
S3_ROOTS = {"ListBuckets": "ListAllMyBucketsResult",
            "ListObjectsV2": "ListBucketResult",
            "ListObjects": "ListBucketResult",
            "ListObjectVersions": "ListVersionsResult",
            "ListMultipartUploads": "ListMultipartUploadsResult",
            "ListParts": "ListPartsResult", "CopyObject": "CopyObjectResult",
            "CreateMultipartUpload": "InitiateMultipartUploadResult",
            "CompleteMultipartUpload": "CompleteMultipartUploadResult",
            "DeleteObjects": "DeleteResult",
            "GetBucketAcl": "AccessControlPolicy",
            "GetObjectAcl": "AccessControlPolicy",
            "GetBucketVersioning": "VersioningConfiguration",
            "GetBucketLogging": "BucketLoggingStatus",
            "GetBucketTagging": "Tagging", "GetObjectTagging": "Tagging",
            "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
            "GetBucketNotificationConfiguration": "NotificationConfiguration",
            "GetBucketWebsite": "WebsiteConfiguration",
            "GetBucketCors": "CORSConfiguration",
            "GetObjectAttributes": "GetObjectAttributesResponse",
            "GetBucketRequestPayment": "RequestPaymentConfiguration",
            "GetBucketAccelerateConfiguration": "AccelerateConfiguration"}
S3_NS = "http://s3.amazonaws.com/doc/2006-03-01/"


def answer(svc, o, result, request_id):
    """A Response for a handler's result."""
    result = result or {}
    p = svc.protocol
    if p == "ec2":
        out = [XML_HEAD, '<%sResponse xmlns="%s/">' % (o.name,
                                                       svc.xmlns.rstrip("/")),
               "<requestId>%s</requestId>" % request_id]
        if o.output is not None:
            _xml_out(o.output, True).body(result, out)
        if not result and not (o.output is not None and o.output.members):
            out.append("<return>true</return>")
        out.append("</%sResponse>" % o.name)
        return Response(200, [("Content-Type", "text/xml;charset=UTF-8")],
                        "".join(out).encode())
    if p == "query":
        out = ['<%sResponse xmlns="%s">' % (o.name, svc.xmlns)]
        if o.output is not None:
            wrap = o.output.serialization.get("resultWrapper",
                                              o.name + "Result")
            out.append("<%s>" % wrap)
            _xml_out(o.output, False).body(result, out)
            out.append("</%s>" % wrap)
        out.append("<ResponseMetadata><RequestId>%s</RequestId>"
                   "</ResponseMetadata></%sResponse>" % (request_id, o.name))
        return Response(200, [("Content-Type", "text/xml")],
                        "".join(out).encode())
    if p == "json":
        doc = _json_out(o.output)(result) if o.output is not None else {}
        v = svc.model.metadata.get("jsonVersion", "1.0")
        body = json.dumps(doc, ensure_ascii=False).encode() \
            if o.output is not None else b""
        return Response(200, [("Content-Type", "application/x-amz-json-" +
                               str(v))], body)
    # rest-json and rest-xml
    status = result.get("__status", o.status)
    heads = []
    body = b""
    ctype = None
    shape = o.output
    if shape is not None:
        has_body = False
        for name, m in shape.members.items():
            s = m.serialization
            where = s.get("location")
            v = result.get(name)
            if where is None:
                has_body = True
            if v is None:
                continue
            if where == "header":
                if m.type_name == "timestamp":
                    fmt = s.get("timestampFormat", "rfc822")
                    v = http_date(v) if fmt == "rfc822" else \
                        iso(v) if fmt == "iso8601" else str(epoch(v))
                elif m.type_name == "boolean":
                    v = "true" if v else "false"
                elif m.type_name == "list":
                    v = ",".join(v)
                heads.append((s.get("name", name), str(v)))
            elif where == "headers":
                for k, x in v.items():
                    heads.append((s.get("name", "") + k, x))
            elif where == "statusCode":
                status = v
        payload = shape.serialization.get("payload")
        if payload:
            v = result.get(payload)
            m = shape.members[payload]
            if v is None:
                pass
            elif m.type_name == "blob":
                body = v
            elif m.type_name == "string":
                body = v.encode()
            elif p == "rest-xml":
                out = [XML_HEAD]
                root = m.serialization.get("name", m.name)
                _xml_out(m, True)(v, root, out)
                body = "".join(out).replace("<%s>" % root, '<%s xmlns="%s">' %
                                            (root, S3_NS), 1).encode()
                ctype = "application/xml"
            else:
                body = json.dumps(_json_out(m)(v)).encode()
                ctype = "application/json"
        elif has_body:
            if p == "rest-xml":
                root = S3_ROOTS.get(o.name, shape.name)
                out = [XML_HEAD, '<%s xmlns="%s">' % (root, S3_NS)]
                _xml_out(shape, True).body(result, out)
                out.append("</%s>" % root)
                body = "".join(out).encode()
                ctype = "application/xml"
            else:
                body = json.dumps(_json_out(shape)(result),
                                  ensure_ascii=False).encode()
                ctype = "application/json"
    if "__body" in result:
        body = result["__body"]
        ctype = "application/xml"
    heads += result.get("__headers", [])
    if ctype and not any(k.lower() == "content-type" for k, _ in heads):
        heads.append(("Content-Type", ctype))
    return Response(status, heads, body)


def failure(svc, e, request_id, host_id, resource="/"):
    """A Response for an AwsError; svc may be None when it is not known."""
    p = svc.protocol if svc is not None else "rest-xml"
    heads = list(e.headers)
    if p == "ec2":
        body = (XML_HEAD + "<Response><Errors><Error><Code>%s</Code>"
                "<Message>%s</Message></Error></Errors><RequestID>%s"
                "</RequestID></Response>" % (e.code, xml_text(e.message),
                                             request_id))
        heads.append(("Content-Type", "text/xml;charset=UTF-8"))
    elif p == "query":
        body = ('<ErrorResponse xmlns="%s">\n  <Error>\n    <Type>%s</Type>\n'
                "    <Code>%s</Code>\n    <Message>%s</Message>\n  </Error>\n"
                "  <RequestId>%s</RequestId>\n</ErrorResponse>\n" % (
                    svc.xmlns, "Receiver" if e.status >= 500 else "Sender",
                    e.code, xml_text(e.message), request_id))
        heads.append(("Content-Type", "text/xml"))
    elif p == "json":
        doc = {"__type": ("com.amazon.coral.service#" if e.coral else "") +
               e.code}
        doc["Message" if e.coral else "message"] = e.message
        doc.update(e.fields)
        body = json.dumps(doc)
        heads.append(("Content-Type", "application/x-amz-json-%s" %
                      svc.model.metadata.get("jsonVersion", "1.0")))
    elif p == "rest-json":
        doc = {"Message" if e.coral or svc.name == "ebs" else "message":
               e.message}
        doc.update(e.fields)
        if svc.name == "lambda" and not e.coral:
            doc = {"Type": "User", "Message": e.message}
        body = json.dumps(doc)
        heads.append(("Content-Type", "application/json"))
        heads.append(("x-amzn-ErrorType", e.code))
    else:
        more = "".join("<%s>%s</%s>" % (k, xml_text(str(v)), k)
                       for k, v in e.fields.items())
        body = (XML_HEAD + "<Error><Code>%s</Code><Message>%s</Message>%s"
                "<RequestId>%s</RequestId><HostId>%s</HostId></Error>" % (
                    e.code, xml_text(e.message), more, request_id, host_id))
        heads.append(("Content-Type", "application/xml"))
    return Response(e.status, heads, body.encode())
