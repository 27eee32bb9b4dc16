# SPDX-License-Identifier: Apache-2.0
"""The one server in front: route, judge, fault, handle, answer, write down."""
import base64
import datetime
import hashlib
import json
import os
import re
import time
import traceback
import urllib.parse

from . import actions, denial, objects, policy, sigv4, svc_s3, trail, wire
from .errors import AwsError
from .faults import AFTER, broken, throttle_error
from .httpd import Response
from .registry import GENERIC, HANDLERS, OWN_PAGES, Ctx
from .world import ENABLED, Cred

GLOBAL = ("iam", "organizations")
# pages that answer less than was asked are right by every one of these APIs;
# they make a client page that never set a limit
CAPS = {"ec2": 40, "iam": 20, "organizations": 2, "kms": 4, "lambda": 3,
        "ssm": 10, "cloudtrail": 5}
READ = ("Get", "List", "Describe", "Lookup", "Head", "Search", "Simulate",
        "BatchGet", "Filter", "Validate", "Estimate", "Discover")
KEEP_LOG = 200000


def is_read(service, name):
    # what makes a report or a job is a change of the account, if a mild one
    return name.startswith(READ) or name == "DecodeAuthorizationMessage"


class Front:
    def __init__(self, world, faults, log_path, admin=True):
        self.world = world
        self.faults = faults
        self.log = []
        self.log_base = 0
        self.log_file = open(log_path, "a", encoding="utf-8", buffering=1)
        self.calls = {}
        self.admin = admin
        self.on_quit = None
        self.number = 0
        self.info = {}

    # ------------------------------------------------------------ utilities

    def request_id(self):
        f = self.world.fresh
        return f.uuid()

    def date(self):
        return wire.http_date(self.world.now())

    def write(self, entry):
        self.number += 1
        entry["n"] = self.number
        self.log.append(entry)
        if len(self.log) > KEEP_LOG:
            drop = KEEP_LOG // 10
            del self.log[:drop]
            self.log_base += drop
        self.log_file.write(json.dumps(entry, default=plain) + "\n")

    # --------------------------------------------------------------- entry

    def handle(self, req):
        if self.admin and req.path.startswith("/_sim/"):
            return self.control(req)
        t0 = time.perf_counter()
        rid = self.request_id()
        host_id = base64.b64encode(hashlib.sha256(rid.encode()).digest()
                                   * 2).decode()[:76]
        entry = {"time": wire.iso(self.world.now(), True), "service": "",
                 "operation": "", "region": "", "account": None,
                 "principal": None, "key": None, "params": None,
                 "status": 0, "error": None, "request_id": rid}
        call = Call(self, req, rid, entry)
        self.world.settle()
        svc = None
        try:
            res = call.run()
            svc = call.svc
        except AwsError as e:
            svc = call.svc
            entry["error"] = e.code
            entry["message"] = e.message
            res = wire.failure(svc, e, rid, host_id, req.path)
        except Exception:
            svc = call.svc
            entry["error"] = "InternalFailure"
            entry["trace"] = traceback.format_exc()
            p = svc.protocol if svc else "rest-xml"
            res = wire.failure(svc, AwsError(
                "InternalError" if p in ("ec2", "rest-xml") else
                "InternalFailure", "An internal error has occurred in the "
                "simulated account: see the request log", 500), rid, host_id)
        # long answers of EC2 and IAM come without a length
        res.chunked = svc is not None and len(res.body) > 8192 and \
            svc.protocol in ("ec2", "query")
        for rule in call.after:
            res = broken(res, rule)
        if svc is not None and svc.name == "s3":
            res.headers.append(("x-amz-request-id", rid.replace("-", "")
                                [:16].upper()))
            res.headers.append(("x-amz-id-2", host_id))
            entry["request_id"] = res.headers[-2][1]
            res.headers.append(("Server", "AmazonS3"))
        elif svc is not None and svc.protocol in ("ec2",):
            res.headers.append(("x-amzn-RequestId", rid))
            res.headers.append(("Server", "AmazonEC2"))
        else:
            res.headers.append(("x-amzn-RequestId", rid))
        if call.date_offset:
            res.headers.append(("Date", wire.http_date(
                self.world.now() + datetime.timedelta(
                    seconds=call.date_offset))))
        entry["status"] = res.status
        if call.fault_names:
            entry["faults"] = call.fault_names
        entry["ms"] = round((time.perf_counter() - t0) * 1000, 2)
        k = "%s:%s" % (entry["service"], entry["operation"])
        self.calls[k] = self.calls.get(k, 0) + 1
        self.write(entry)
        return res

    # ------------------------------------------------------------- control

    def load(self, body):
        """Files of JSON lines: events {"account", "region", "record"} into
        the history, objects {"bucket", "key", "data", "meta"} into buckets; or
        a folder of such *.events, and of packs (objects.py), which must stay
        where they are.  gone: a file of objects [bucket, key] to forget."""
        n = {"events": 0, "objects": 0}
        now = self.world.now().replace(microsecond=0)
        buckets = self.world.account(self.info["account"]).buckets
        folder = body.get("folder")
        inside = sorted(os.listdir(folder)) if folder else []
        for name in [os.path.join(folder, x) for x in inside if
                     x.endswith(".events")] + [
                         x for x in [body.get("events")] if x]:
            with open(name, encoding="utf-8") as f:
                for line in f:
                    e = json.loads(line)
                    self.world.account(e["account"]).regions[
                        e["region"]].events.append(
                            trail.from_record(e["record"]))
                    n["events"] += 1
        for name in inside:
            if name.endswith(".index"):
                n["objects"] += objects.unpack(
                    os.path.join(folder, name[:-6]),
                    lambda x: buckets[x]["_objects"], now)
        if body.get("objects"):
            with open(body["objects"], encoding="utf-8") as f:
                for line in f:
                    o = json.loads(line)
                    svc_s3.store(buckets[o["bucket"]], o["key"],
                                 base64.b64decode(o["data"]), now,
                                 objects.PACKED, o["meta"])
                    n["objects"] += 1
        if body.get("gone"):
            with open(body["gone"], encoding="utf-8") as f:
                for line in f:
                    bucket, key = json.loads(line)
                    buckets[bucket]["_objects"].pop(key)
        return n

    def control(self, req):
        what = req.path[len("/_sim/"):]
        q = dict(urllib.parse.parse_qsl(req.query))
        body = None
        if req.body:
            try:
                body = json.loads(req.body)
            except ValueError as e:
                return reply({"error": "body is not JSON: %s" % e}, 400)
        if what == "log":
            since = int(q.get("since", "0"))
            out = [e for e in self.log[max(0, since - self.log_base):]
                   if all(str(e.get(k)) == v for k, v in q.items()
                          if k != "since")]
            return reply(out)
        if what == "state":
            return reply(self.state())
        if what == "faults":
            if req.method in ("POST", "PUT"):
                try:
                    self.faults.set(body)
                except (ValueError, TypeError, AttributeError) as e:
                    return reply({"error": str(e)}, 400)
            elif req.method == "DELETE":
                self.faults.set([])
            return reply({"rules": self.faults.rules,
                          "fired": self.faults.fired[-1000:]})
        if what == "clock":
            if body is not None:
                self.world.skew = float(body.get("skew", 0))
            return reply({"skew": self.world.skew,
                          "now": wire.iso(self.world.now(), True)})
        if what == "options":
            if body is not None:
                for k, v in body.items():
                    if k not in self.world.options:
                        return reply({"error": "no such option: " + k}, 400)
                    self.world.options[k] = v
            return reply(self.world.options)
        if what == "expire":
            hit = []
            for c in self.world.keys.values():
                if c.expires and (not body or not body.get("key") or
                                  body["key"] == c.key_id):
                    c.expires = self.world.now()
                    hit.append(c.key_id)
            return reply({"expired": hit})
        if what == "principal":
            return reply(self.principal(body["name"], body["policy"],
                                        body.get("credentials")))
        if what == "role":
            return reply(self.role(**body))
        if what == "mirror":
            return reply(self.mirror(body["account"]))
        if what == "events":
            reg = self.world.accounts[self.info["account"]].regions[
                q.get("region", "us-east-1")]
            return reply([trail.public(e) for e in reg.events])
        if what == "load":
            return reply(self.load(body))
        if what == "env":
            return reply(self.info["env"])
        if what == "ca":
            return Response(200, [("Content-Type", "application/x-pem-file")],
                            self.info["ca_pem"].encode())
        if what == "quit":
            if self.on_quit:
                self.on_quit()
            return reply({"bye": True})
        return reply({"error": "unknown control; there are log, state, "
                      "faults, clock, options, expire, principal, "
                      "role, mirror, events, env, ca, quit"}, 404)

    def principal(self, name, document, credentials=False):
        """A user with one inline policy, made or changed; its key.  With
        credentials it also gets a second key, a console password, and SSH
        key, service credential and certificate, all active (again)."""
        acct = self.world.accounts[self.info["account"]]
        u = acct.users.get(name)
        if u is None:
            w = self.world
            now = w.now().replace(microsecond=0)
            u = acct.users[name] = {
                "Path": "/", "UserName": name, "UserId": w.fresh.iam("AIDA"),
                "Arn": "arn:aws:iam::%s:user/%s" % (acct.number, name),
                "CreateDate": now, "Tags": [], "_inline": {},
                "_attached": [], "_groups": [], "_keys": {}, "_mfa": []}
            c = w.add_key(Cred(w.fresh.iam("AKIA"), w.fresh.secret(),
                               acct.number, user=name, created=now))
            u["_keys"][c.key_id] = {"AccessKeyId": c.key_id,
                                    "Status": "Active", "CreateDate": now}
        u["_inline"] = {"given": document}
        if credentials:
            self.all_credentials(acct, u)
        c = self.world.keys[next(iter(u["_keys"]))]
        return {"AWS_ACCESS_KEY_ID": c.key_id,
                "AWS_SECRET_ACCESS_KEY": c.secret}

    def mirror(self, number):
        """The machines of us-east-1, with networks, volumes and roles, in
        another account too, where each has an identifier of its own."""
        w = self.world
        here, there = w.accounts[self.info["account"]], w.accounts[number]

        def other(v):
            if isinstance(v, dict):
                return {other(k): other(x) for k, x in v.items()}
            if isinstance(v, (list, tuple)):
                return type(v)(other(x) for x in v)
            if not isinstance(v, str):
                return v
            return re.sub(r"\b([a-z]+-)0(?=[0-9a-f]{16}\b)", r"\g<1>1",
                          v.replace(here.number, number))
        for kind in ("acls", "dhcp", "eips", "enis", "groups", "igws",
                     "images", "instances", "rtbs", "rules", "subnets",
                     "volumes", "vpcs"):
            there.regions["us-east-1"].kinds[kind] = other(
                here.regions["us-east-1"].all(kind))
        there.profiles = other(here.profiles)
        there.policies = other(here.policies)
        there.roles = dict(other(here.roles), **there.roles)
        return {"instance": other(w.names["instance"])}

    def role(self, name, trust, policies, key=None, account=None):
        """A role with these inline policies, made or changed.  With a key
        {"id", "secret", "token"} that is one of its sessions'."""
        w = self.world
        acct = w.accounts[account or self.info["account"]]
        acct.roles[name] = {
            "Path": "/", "RoleName": name, "RoleId": w.fresh.iam("AROA"),
            "Arn": "arn:aws:iam::%s:role/%s" % (acct.number, name),
            "CreateDate": w.now().replace(microsecond=0), "Description": "",
            "AssumeRolePolicyDocument": trust, "MaxSessionDuration": 3600,
            "Tags": [], "_inline": policies, "_attached": []}
        if key:
            w.add_key(Cred(key["id"], key["secret"], acct.number, role=name,
                           session="given", token=key["token"],
                           created=w.now(), expires=w.now() +
                           datetime.timedelta(hours=1)))
        return {}

    def all_credentials(self, acct, u):
        w = self.world
        name, now = u["UserName"], w.now().replace(microsecond=0)
        if sum(not k.get("_session") for k in u["_keys"].values()) < 2:
            c = w.add_key(Cred(w.fresh.iam("AKIA"), w.fresh.secret(),
                               acct.number, user=name, created=now))
            u["_keys"][c.key_id] = {"AccessKeyId": c.key_id,
                                    "Status": "Active", "CreateDate": now}
        u["_login"] = {"CreateDate": now, "PasswordResetRequired": False}
        if "_ssh" not in u:
            u["_ssh"] = [{"UserName": name, "SSHPublicKeyId":
                          w.fresh.iam("APKA"), "UploadDate": now}]
            u["_ssc"] = [{"UserName": name, "ServiceUserName": name + "-at",
                          "CreateDate": now, "ServiceSpecificCredentialId":
                          w.fresh.iam("ACCA"), "ServiceName":
                          "codecommit.amazonaws.com"}]
            u["_certs"] = [{"UserName": name, "CertificateId":
                            w.fresh.iam("ASCC") + "AAAA", "CertificateBody":
                            "-", "UploadDate": now}]
        for k in (list(u["_keys"].values()) + u["_ssh"] + u["_ssc"] +
                  u["_certs"]):
            k["Status"] = "Active"

    def state(self):
        snaps = {}
        changes = {}
        for acct in self.world.accounts.values():
            for name, reg in acct.regions.items():
                made = [s for s in reg.all("snapshots").values()
                        if s.get("_made")]
                for s in made:
                    snaps[s["SnapshotId"]] = {
                        "account": acct.number, "region": name,
                        "volume": s["VolumeId"], "tags": s.get("Tags", []),
                        "made": wire.iso(s["_made"], True),
                        "batch": s.get("_batch")}
        per_volume = {}
        for s in snaps.values():
            per_volume[s["volume"]] = per_volume.get(s["volume"], 0) + 1
        for e in self.log:
            if e["error"] is None and e.get("mutating"):
                k = "%s:%s" % (e["service"], e["operation"])
                changes[k] = changes.get(k, 0) + 1
        return {"calls": self.calls, "requests": self.number,
                "snapshots_made": snaps, "snapshots_per_volume": per_volume,
                "changes": changes, "faults_fired": len(self.faults.fired),
                "names": self.world.names, "options": self.world.options}


class Call:
    """One request on its way through the gates."""

    def __init__(self, front, req, rid, entry):
        self.front = front
        self.world = front.world
        self.req = req
        self.rid = rid
        self.entry = entry
        self.svc = None
        self.after = []
        self.fault_names = []
        self.date_offset = 0.0

    def run(self):
        req, world, entry = self.req, self.world, self.entry
        entry["method"] = req.method
        entry["path"] = req.target[:2048]
        try:
            scope = sigv4.parse(req)
        except sigv4.AuthFault as f:
            self.svc = self.guess()
            entry["service"] = self.svc.name
            raise denial.signature(self.svc, f)
        if scope is None:
            return self.anonymous()
        entry["region"] = scope.region
        entry["key"] = scope.key_id
        entry["service"] = scope.service
        try:
            svc = self.svc = wire.find(scope.service, req)
        except Exception:
            raise AwsError("UnknownService", "the simulated account has no "
                           "service %s" % scope.service, 400)
        entry["service"] = svc.name
        o, labels, name = wire.resolve(svc, req)
        entry["operation"] = name
        self.gate(svc, name, scope.region, scope.key_id)
        try:
            principal = self.authenticate(scope)
        except sigv4.AuthFault as f:
            raise denial.signature(svc, f)
        entry["account"] = principal.account.number
        entry["principal"] = principal.arn
        if o is None:
            raise unknown_operation(svc, name)
        ctx = Ctx()
        ctx.world, ctx.account, ctx.region = (world, principal.account,
                                              scope.region)
        ctx.state = principal.account.regions[scope.region]
        ctx.principal, ctx.svc, ctx.op = principal, svc, o
        ctx.request_id, ctx.req, ctx.now = self.rid, req, world.now()
        return self.carry_out(ctx, o, labels)

    def guess(self):
        """The service of a request whose signature says nothing."""
        req = self.req
        ctype = req.headers.get("content-type", "")
        if "x-amz-target" in req.headers:
            for name in ("cloudtrail", "kms", "organizations", "ssm"):
                s = wire.service(name)
                if req.headers["x-amz-target"].startswith(
                        s.model.metadata["targetPrefix"] + "."):
                    return s
        if "x-www-form-urlencoded" in ctype:
            version = dict(wire.form(req)).get("Version", "")
            for name in ("ec2", "iam", "sts"):
                if wire.service(name).version == version:
                    return wire.service(name)
        if req.path.startswith("/snapshots/"):
            return wire.service("ebs")
        if req.path.startswith("/20") and "/functions" in req.path:
            return wire.service("lambda")
        return wire.service("s3")

    def anonymous(self):
        svc = self.svc = self.guess()
        self.entry["service"] = svc.name
        o, labels, name = wire.resolve(svc, self.req)
        self.entry["operation"] = name
        self.entry["region"] = "us-east-1"
        self.gate(svc, name, "us-east-1", "")
        if svc.name == "sts" and name == "AssumeRoleWithWebIdentity":
            ctx = Ctx()
            acct = self.world.accounts[self.front.info["account"]]
            ctx.world, ctx.account, ctx.region = (self.world, acct,
                                                  "us-east-1")
            ctx.state = acct.regions["us-east-1"]
            ctx.principal, ctx.svc, ctx.op = None, svc, o
            ctx.request_id, ctx.req, ctx.now = (self.rid, self.req,
                                                self.world.now())
            p = wire.parse(svc, o, self.req, labels)
            wire.check(svc, o, p)
            return wire.answer(svc, o, HANDLERS[("sts", name)](ctx, p),
                               self.rid)
        raise denial.signature(svc, sigv4.AuthFault("missing"))

    def gate(self, svc, name, region, key_id):
        """Faults that strike before the service sees the call."""
        for rule in self.front.faults.match(svc.name, name, region, key_id):
            do = rule["do"]
            self.fault_names.append(do)
            if do in AFTER or (rule.get("after") and
                               do in ("reset", "close", "hang")):
                self.after.append(rule)
            elif do == "throttle":
                e = throttle_error(svc.protocol, svc.name)
                if "code" in rule:
                    e.code = rule["code"]
                if "status" in rule:
                    e.status = rule["status"]
                raise e
            elif do == "error":
                default = "InternalError" if svc.protocol in (
                    "ec2", "rest-xml") else "InternalFailure"
                raise AwsError(rule.get("code", default), rule.get(
                    "message", "An internal error has occurred. Please try "
                    "your query again at a later time."),
                    rule.get("status", 500))
            elif do == "deny":
                raise denial.permission(
                    svc, "arn:aws:iam::000000000000:user/denied",
                    actions.action(svc.name, name), "*",
                    "with an explicit deny in a service control policy")
            elif do == "expired":
                raise denial.signature(svc, sigv4.AuthFault("expired-token"))
            elif do == "refuse":
                raise denial.signature(svc, sigv4.AuthFault("region"))
            elif do == "skew":
                self.date_offset = float(rule.get("seconds", 3600))
            else:               # reset, close, hang before anything is done
                self.after.append(rule)
                raise AwsError("ServiceUnavailable", "never delivered", 503)

    def authenticate(self, scope):
        world, svc = self.world, self.svc
        cred = world.keys.get(scope.key_id)
        if cred is None or not cred.secret:
            raise sigv4.AuthFault("unknown-key", scope.key_id)
        if cred.token is not None and scope.token != cred.token:
            raise sigv4.AuthFault("bad-token")
        if cred.token is None and scope.token:
            raise sigv4.AuthFault("bad-token")
        now = world.now() + datetime.timedelta(seconds=self.date_offset)
        sigv4.verify(self.req, scope, cred.secret, now)
        if cred.expires is not None and now >= cred.expires:
            raise sigv4.AuthFault("expired-token")
        principal = world.principal(cred)
        if principal is None:
            raise sigv4.AuthFault("unknown-key", scope.key_id)
        if cred.user is not None and principal.iam is not None:
            meta = principal.iam["_keys"].get(cred.key_id)
            if meta is None or meta["Status"] != "Active":
                raise sigv4.AuthFault("unknown-key", scope.key_id)
        if svc.name in GLOBAL and scope.region != "us-east-1":
            raise sigv4.AuthFault("signature", "Credential should be scoped "
                                  "to a valid region. ")
        if scope.region not in ENABLED:
            raise sigv4.AuthFault("region")
        cred.last_used = (world.now(), svc.name, scope.region)
        return principal

    def carry_out(self, ctx, o, labels):
        svc, entry, world = self.svc, self.entry, self.world
        error = None
        result = None
        p = {}
        try:
            try:
                p = wire.parse(svc, o, self.req, labels)
            except AwsError:
                raise
            entry["params"] = p
            entry["mutating"] = not is_read(svc.name, o.name)
            wire.check(svc, o, p)
            self.authorize(ctx, o, p)
            self.quota(ctx, o)
            if p.get("DryRun") and svc.name == "ec2":
                raise AwsError("DryRunOperation", "Request would have "
                               "succeeded, but DryRun flag is set.", 412)
            f = HANDLERS.get((svc.name, o.name))
            if f is None:
                f = GENERIC.get(svc.name)
                if f is None:
                    f = nothing
                entry["generic"] = True
            result = self.paged(ctx, o, p, f)
            return wire.answer(svc, o, result, self.rid)
        except AwsError as e:
            error = e
            raise
        finally:
            trail.record(ctx, o, p, result, error)

    def authorize(self, ctx, o, p):
        if (self.svc.name, o.name) in (("sts", "GetCallerIdentity"),
                                       ("sts", "GetSessionToken")):
            return
        act = actions.action(self.svc.name, o.name)
        docs, boundary = self.world.documents(ctx.principal)
        where = {"aws:requestedregion": ctx.region,
                 "aws:sourceip": "127.0.0.1", "aws:securetransport": "false",
                 "aws:principalarn": ctx.principal.arn,
                 "aws:principalaccount": ctx.account.number,
                 "aws:multifactorauthpresent":
                     "true" if ctx.principal.cred.mfa else "false"}
        if ctx.principal.cred.token is not None and \
                ctx.principal.cred.created is not None:
            where["aws:tokenissuetime"] = wire.iso(ctx.principal.cred.created)
        needs = [(act, res, {}) for res in actions.resources(ctx, o.name, p)]
        for act, res, more in needs + actions.also(ctx, o.name, p):
            ok, on, why = policy.decide(docs, boundary, act, [res],
                                        dict(where, **more))
            if ok and ctx.principal.cred.policy is not None:
                s = policy.evaluate([ctx.principal.cred.policy], act, res,
                                    where)
                if s != "allow":
                    ok, on = False, res
                    why = ("because no session policy allows the %s action" %
                           act)
            if not ok:
                raise denial.permission(self.svc, ctx.principal.arn, act, on,
                                        why)

    def quota(self, ctx, o):
        """The one documented quota that collectors meet first."""
        rate = self.world.options["lookup_rate"]
        if (self.svc.name, o.name) != ("cloudtrail", "LookupEvents") or \
                not rate:
            return
        buckets = self.world.cursors.setdefault("_lookup", {})
        k = (ctx.account.number, ctx.region)
        t = time.monotonic()
        level, last = buckets.get(k, (float(rate), t))
        level = min(float(rate), level + (t - last) * rate)
        if level < 1.0:
            buckets[k] = (level, t)
            raise AwsError("ThrottlingException", "Rate exceeded", 400)
        buckets[k] = (level - 1.0, t)

    def paged(self, ctx, o, p, f):
        svc, world = self.svc, self.world
        rule = svc.paginators.get(o.name)
        if rule is None or (svc.name, o.name) in OWN_PAGES:
            return f(ctx, p)
        keys = rule["result_key"]
        keys = keys if isinstance(keys, list) else [keys]
        if any("." in k or "[" in k for k in keys) or \
                isinstance(rule["input_token"], list):
            return f(ctx, p)
        token_in = rule["input_token"]
        token_out = rule["output_token"]
        if isinstance(token_out, list) or "|" in token_out or \
                "." in token_out:
            token_out = token_in
        more = rule.get("more_results")
        limit = p.get(rule.get("limit_key"))
        if limit is not None:
            limit = int(limit)
            self.check_limit(o, rule["limit_key"], limit)
        cursors = world.cursors.setdefault("pages", {})
        given = p.get(token_in)
        if given:
            state = cursors.get(given)
            print_ = (svc.name, o.name, ctx.account.number, ctx.region)
            if state is None or state[0] != print_:
                raise bad_token(svc, o, token_in)
            _, result, page = state
        else:
            result = f(ctx, p)
            page = 0
        cap = min(CAPS.get(svc.name, 1000), world.options["page_cap"])
        size = min(limit, 1000) if limit else cap
        if limit and page % 2 and size > 1:
            size -= 1           # a page may be short
        if limit and p.get("Filters") and page == 1 and svc.name == "ec2":
            size = 0            # or empty, and not the last
        out = dict(result)
        rest = dict(result)
        left = size
        for k in keys:
            items = list(result.get(k) or [])
            out[k] = items[:left]
            rest[k] = items[left:]
            left -= len(out[k])
        if any(rest[k] for k in keys):
            token = self.token()
            if len(cursors) > 20000:
                for old in list(cursors)[:5000]:
                    del cursors[old]
            cursors[token] = ((svc.name, o.name, ctx.account.number,
                               ctx.region), rest, page + 1)
            out[token_out] = token
            if more:
                out[more] = True
        elif more:
            out[more] = False
        return out

    def token(self):
        r = self.world.fresh.r
        raw = bytes(r.getrandbits(8) for _ in range(48))
        text = base64.b64encode(raw).decode()
        return text[:20] + "+/" + text[22:62] + "=="

    def check_limit(self, o, key, limit):
        shape = o.input.members[key]
        low = shape.metadata.get("min", 1)
        high = shape.metadata.get("max", 1000)
        if self.svc.name == "ec2":
            low, high = max(low, 5) if o.name != "DescribeIamInstance" \
                "ProfileAssociations" else low, max(high, 1000)
        if low <= limit <= high:
            return
        if self.svc.name == "ec2":
            raise AwsError("InvalidParameterValue", "Value ( %d ) for "
                           "parameter maxResults is invalid. Expecting a "
                           "value %s than %d." % (
                               limit, "greater" if limit < low else "less",
                               low if limit < low else high))
        bound = "greater than or equal to %d" % low if limit < low else \
            "less than or equal to %d" % high
        raise AwsError(
            "ValidationError" if self.svc.protocol == "query" else
            "ValidationException", "1 validation error detected: Value '%d' "
            "at '%s' failed to satisfy constraint: Member must have value %s"
            % (limit, key[0].lower() + key[1:], bound))


def bad_token(svc, o, key):
    if svc.name == "ec2":
        return AwsError("InvalidParameterValue", "Unable to parse the "
                        "pagination token provided.")
    if svc.name == "iam":
        return AwsError("ValidationError", "Invalid Marker: the marker does "
                        "not belong to this request")
    if svc.name == "kms":
        return AwsError("InvalidMarkerException", "Could not deserialize "
                        "marker")
    if svc.name == "ssm":
        return AwsError("InvalidNextToken", "The specified token is not "
                        "valid.")
    if svc.name == "organizations":
        return AwsError("InvalidInputException", "You specified an invalid "
                        "value.", Reason="INVALID_NEXT_TOKEN")
    return AwsError("InvalidParameterValueException", "Invalid pagination "
                    "token")


def unknown_operation(svc, name):
    if svc.protocol in ("ec2", "query"):
        return AwsError("InvalidAction", "The action %s is not valid for "
                        "this web service." % name, 400)
    if svc.name == "s3":
        return AwsError("MethodNotAllowed", "The specified method is not "
                        "allowed against this resource.", 405)
    return AwsError("UnknownOperationException", "Unknown operation " + name,
                    404 if svc.protocol == "rest-json" else 400, coral=True)


def not_simulated(svc, name):
    return AwsError("NotImplemented", "%s:%s is not part of the simulated "
                    "account" % (svc.name, name), 400)


def nothing(ctx, p):
    """What the account does not use: every list is empty."""
    if not is_read(ctx.svc.name, ctx.op.name) or ctx.op.output is None:
        raise not_simulated(ctx.svc, ctx.op.name)
    return {n: [] for n, m in ctx.op.output.members.items()
            if m.type_name == "list" and not m.serialization.get("location")}


def plain(x):
    """Values in the log that JSON does not know."""
    if isinstance(x, bytes):
        return "<%d bytes>" % len(x)
    if isinstance(x, datetime.datetime):
        return wire.iso(x)
    return str(x)


def reply(doc, status=200):
    return Response(status, [("Content-Type", "application/json")],
                    json.dumps(doc, default=plain).encode() + b"\n")
