# SPDX-License-Identifier: Apache-2.0
"""The metadata service of the compromised instance, version 2 only."""
import base64
import datetime
import hashlib
import json
import time

from .httpd import Response
from .wire import iso

VERSIONS = ["1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10",
            "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
            "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25",
            "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30",
            "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24",
            "2019-10-01", "2020-08-24", "2020-10-27", "2021-01-03",
            "2021-03-23", "2021-07-15", "2022-07-09", "2022-09-24",
            "2023-05-10", "2024-04-11", "latest"]
# what earlier versions do not have yet
SINCE = {"dynamic": "2009-04-04", "network": "2011-01-01",
         "iam": "2012-01-12", "tags": "2021-03-23"}

PAGE = ('<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE html PUBLIC '
        '"-//W3C//DTD XHTML 1.0 Transitional//EN"\n\t"http://www.w3.org/TR/'
        'xhtml1/DTD/xhtml1-transitional.dtd">\n<html xmlns="http://www.w3.'
        'org/1999/xhtml" xml:lang="en" lang="en">\n <head>\n  <title>%d - '
        '%s</title>\n </head>\n <body>\n  <h1>%d - %s</h1>\n </body>\n'
        "</html>\n")
NAMES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
         404: "Not Found", 405: "Method Not Allowed"}


class Imds:
    def __init__(self, world, front, faults, identity):
        self.world = world
        self.front = front
        self.faults = faults
        self.identity = identity
        self.tokens = {}        # token -> (monotonic end, ttl)
        self.creds = None
        self.n = 0

    # ------------------------------------------------------------- content

    def role_credentials(self):
        """The role's keys; new ones when a quarter of their life is left."""
        w = self.world
        ttl = w.options["creds_ttl"]
        left = min(300.0, ttl / 4)
        now = w.now()
        c = self.creds
        if c is None or (c.expires - now).total_seconds() < left:
            c = self.creds = w.session_key(
                w.names["account"], w.names["role"], w.names["instance"],
                ttl, ec2=True)
        return json.dumps({
            "Code": "Success", "LastUpdated": iso(c.created),
            "Type": "AWS-HMAC", "AccessKeyId": c.key_id,
            "SecretAccessKey": c.secret, "Token": c.token,
            "Expiration": iso(c.expires)}, indent=2,
            separators=(",", " : "))

    def tree(self, version):
        """Nested dictionaries; a leaf is text or a function giving text."""
        w = self.world
        n = w.names
        acct = w.accounts[n["account"]]
        reg = acct.regions["us-east-1"]
        i = reg.all("instances")[n["instance"]]
        macs = {}
        for ni in i["NetworkInterfaces"]:
            vpc = reg.all("vpcs")[ni["VpcId"]]
            sub = reg.all("subnets")[ni["SubnetId"]]
            m = {"device-number": str(ni["Attachment"]["DeviceIndex"]),
                 "interface-id": ni["NetworkInterfaceId"],
                 "local-hostname": ni["PrivateDnsName"],
                 "local-ipv4s": ni["PrivateIpAddress"],
                 "mac": ni["MacAddress"], "network-card": "0",
                 "owner-id": acct.number,
                 "security-group-ids": "\n".join(
                     g["GroupId"] for g in ni["Groups"]),
                 "security-groups": "\n".join(
                     g["GroupName"] for g in ni["Groups"]),
                 "subnet-id": ni["SubnetId"],
                 "subnet-ipv4-cidr-block": sub["CidrBlock"],
                 "vpc-id": ni["VpcId"],
                 "vpc-ipv4-cidr-block": vpc["CidrBlock"],
                 "vpc-ipv4-cidr-blocks": vpc["CidrBlock"]}
            if "Association" in ni:
                pub = ni["Association"]["PublicIp"]
                m["public-ipv4s"] = pub
                m["public-hostname"] = ni["Association"]["PublicDnsName"]
                m["ipv4-associations"] = {pub: ni["PrivateIpAddress"]}
            macs[ni["MacAddress"]] = m
        zone = i["Placement"]["AvailabilityZone"]
        meta = {
            "ami-id": i["ImageId"], "ami-launch-index": "0",
            "ami-manifest-path": "(unknown)",
            "block-device-mapping": {"ami": "xvda", "ebs1": "sdf",
                                     "ephemeral0": "sdb",
                                     "root": "/dev/xvda"},
            "events": {"maintenance": {"history": "[]", "scheduled": "[]"},
                       "recommendations": {}},
            "hostname": i["PrivateDnsName"],
            "iam": {"info": json.dumps({
                        "Code": "Success", "LastUpdated": iso(
                            w.reference), "InstanceProfileArn":
                            i["IamInstanceProfile"]["Arn"],
                        "InstanceProfileId": i["IamInstanceProfile"]["Id"]},
                        indent=2, separators=(",", " : ")),
                    "security-credentials": {
                        n["role"]: self.role_credentials}},
            "identity-credentials": {"ec2": {
                "info": json.dumps({"Code": "Success", "LastUpdated": iso(
                    w.reference), "AccountId": acct.number}, indent=2,
                    separators=(",", " : ")),
                "security-credentials": {
                    "ec2-instance": self.instance_credentials}}},
            "instance-action": "none", "instance-id": i["InstanceId"],
            "instance-life-cycle": "on-demand",
            "instance-type": i["InstanceType"],
            "local-hostname": i["PrivateDnsName"],
            "local-ipv4": i["PrivateIpAddress"],
            "mac": i["NetworkInterfaces"][0]["MacAddress"],
            "metrics": {"vhostmd": '<?xml version="1.0" encoding="UTF-8"?>'},
            "network": {"interfaces": {"macs": macs}},
            "placement": {"availability-zone": zone,
                          "availability-zone-id": "use1-az1",
                          "region": zone[:-1]},
            "profile": "default-hvm",
            "public-hostname": i["PublicDnsName"],
            "public-ipv4": i.get("PublicIpAddress", ""),
            "public-keys": {"0=" + i["KeyName"]: None},
            "reservation-id": i["_reservation"],
            "security-groups": "\n".join(g["GroupName"]
                                         for g in i["SecurityGroups"]),
            "services": {"domain": "amazonaws.com", "partition": "aws"},
            "system": "nitro",
            "tags": {"instance": {t["Key"]: t["Value"] for t in i["Tags"]
                                  if not t["Key"].startswith("aws:")}}}
        ident = self.identity.files(i, "us-east-1", acct.number)
        dyn = {"instance-identity": ident,
               "fws": {"instance-monitoring": "disabled"}}
        out = {"meta-data": meta, "dynamic": dyn,
               "user-data": w.options["user_data"] or i.get("_user_data")}
        if version != "latest":
            for k, v in SINCE.items():
                if version < v:
                    out.pop(k, None)
                    meta.pop(k, None)
        return out

    def instance_credentials(self):
        w = self.world
        h = hashlib.sha256(w.names["instance"].encode()).hexdigest()
        return json.dumps({
            "Code": "Success", "LastUpdated": iso(w.reference),
            "Type": "AWS-HMAC", "AccessKeyId": "ASIA" + "".join(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[int(c, 16)]
                for c in h[:16]), "SecretAccessKey": h[:40],
            "Token": base64.b64encode(h.encode()).decode(),
            "Expiration": iso(w.now() + datetime.timedelta(hours=6))},
            indent=2, separators=(",", " : "))

    # -------------------------------------------------------------- serving

    def page(self, status, headers=()):
        body = "" if status == 401 else PAGE % (
            status, NAMES[status], status, NAMES[status])
        return Response(status, [("Content-Type", "text/html")] +
                        list(headers), body.encode())

    def handle(self, req):
        rules = self.faults.match("imds", req.path, "us-east-1")
        after = []
        res = None
        names = []
        for r in rules:
            names.append(r["do"])
            if r["do"] in ("throttle", "error"):
                res = self.page(403) if r.get("status") == 403 else Response(
                    r.get("status", 503), [("Content-Type", "text/html")],
                    b"")
            elif r["do"] == "expired":
                self.tokens.clear()
            elif r["do"] in ("deny", "refuse"):
                res = self.page(403)
            else:
                after.append(r)
        if res is None:
            res = self.serve(req)
        from .faults import broken
        for r in after:
            res = broken(res, r)
        res.headers.append(("Server", "EC2ws"))
        self.front.write({
            "time": iso(self.world.now(), True), "service": "imds",
            "operation": "%s %s" % (req.method, req.path), "region":
                "us-east-1", "account": self.world.names["account"],
            "principal": None, "key": None, "params": None,
            "status": res.status, "error": None if res.status < 400 else
            str(res.status), "request_id": None, "mutating": False,
            **({"faults": names} if names else {})})
        return res

    def serve(self, req):
        path = req.path
        if path == "/latest/api/token":
            if req.method != "PUT":
                return self.page(405, [("Allow", "OPTIONS, PUT")])
            if "x-forwarded-for" in req.headers:
                return self.page(403)
            try:
                ttl = int(req.headers[
                    "x-aws-ec2-metadata-token-ttl-seconds"])
            except (KeyError, ValueError):
                return self.page(400)
            if not 1 <= ttl <= 21600:
                return self.page(400)
            self.n += 1
            raw = hashlib.sha256(("%s %d" % (self.world.fresh.hex(16),
                                             self.n)).encode()).digest()
            token = base64.urlsafe_b64encode(raw + raw[:10]).decode()
            if len(self.tokens) > 10000:
                self.tokens.clear()
            self.tokens[token] = (time.monotonic() + ttl, ttl)
            return Response(200, [
                ("Content-Type", "text/plain"),
                ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", str(ttl))],
                token.encode())
        if req.method not in ("GET", "HEAD"):
            return self.page(405, [("Allow", "GET, HEAD")])
        have = self.tokens.get(req.headers.get("x-aws-ec2-metadata-token",
                                               ""))
        if have is None or time.monotonic() >= have[0]:
            return self.page(401)
        left = max(1, int(have[0] - time.monotonic()))
        heads = [("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", str(left)),
                 ("Accept-Ranges", "none"), ("Last-Modified",
                                             self.front.date())]
        parts = [p for p in path.split("/") if p]
        if not parts:
            return self.text("\n".join(VERSIONS), heads)
        if parts[0] not in VERSIONS:
            return self.page(404)
        node = self.tree(parts[0])
        if len(parts) == 1:
            return self.text("\n".join(sorted(k for k in node
                                              if node[k] is not None)),
                             heads)
        if parts[1] == "user-data":
            if node.get("user-data") is None or len(parts) > 2:
                return self.page(404)
            return self.text(node["user-data"], heads,
                             "application/octet-stream")
        for n, p in enumerate(parts[1:]):
            if not isinstance(node, dict):
                return self.page(404)
            if p.isdigit() and parts[:4][-1] == p and n == 2 and \
                    parts[2] == "public-keys":
                key = [k for k in node if k.startswith(p + "=")]
                if not key:
                    return self.page(404)
                node = {"openssh-key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"
                        "IA8simulated8simulated8simulated8simulated web-2025"}
                continue
            if p not in node:
                return self.page(404)
            node = node[p]
        if isinstance(node, dict):
            lines = []
            for k, v in sorted(node.items()):
                lines.append(k + "/" if isinstance(v, dict) and
                             not k[:2] == "0=" else k)
            return self.text("\n".join(lines), heads)
        if callable(node):
            node = node()
        if node is None:
            return self.page(404)
        return self.text(node, heads)

    def text(self, body, heads, ctype="text/plain"):
        return Response(200, [("Content-Type", ctype)] + heads,
                        body.encode())
