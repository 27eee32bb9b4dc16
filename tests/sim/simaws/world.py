# SPDX-License-Identifier: Apache-2.0
"""The account's state: accounts, regions, credentials, identifiers, time."""
import base64
import datetime
import hashlib
import json
import random
import time
import uuid

UTC = datetime.timezone.utc

# name, opt-in status (DescribeRegions), as a usual account sees them
REGIONS = [(r, "opt-in-not-required") for r in (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1",
    "sa-east-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1",
    "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2",
    "ap-northeast-3", "ap-southeast-1", "ap-southeast-2")] + [
    ("eu-south-1", "opted-in")] + [(r, "not-opted-in") for r in (
        "af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3",
        "ap-southeast-4", "ca-west-1", "eu-central-2", "eu-south-2",
        "il-central-1", "me-central-1", "me-south-1")]
ENABLED = [r for r, s in REGIONS if s != "not-opted-in"]
ALL_REGIONS = [r for r, _ in REGIONS]

KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECRET_ALPHABET = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                   "0123456789+/")


class Ids:
    """Identifiers in AWS's shapes from one seeded stream."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def hex(self, n):
        return "".join(self.r.choice("0123456789abcdef") for _ in range(n))

    def ec2(self, prefix):
        return "%s-0%s" % (prefix, self.hex(16))

    def iam(self, prefix):
        return prefix + "".join(self.r.choice(KEY_ALPHABET)
                                for _ in range(20 - len(prefix)))

    def secret(self):
        return "".join(self.r.choice(SECRET_ALPHABET) for _ in range(40))

    def uuid(self):
        return str(uuid.UUID(int=self.r.getrandbits(128), version=4))

    def token(self):
        raw = bytes(self.r.getrandbits(8) for _ in range(540))
        return "IQoJb3JpZ2luX2Vj" + base64.b64encode(raw).decode()


class Cred:
    """One access key: long-lived (AKIA) or of a session (ASIA)."""

    def __init__(self, key_id, secret, account, user=None, role=None,
                 session=None, token=None, expires=None, created=None,
                 root=False, policy=None, mfa=False, ec2=False):
        self.key_id = key_id
        self.secret = secret
        self.account = account
        self.user = user
        self.role = role
        self.session = session
        self.token = token
        self.expires = expires
        self.created = created
        self.root = root
        self.policy = policy        # session policy, a parsed document
        self.mfa = mfa
        self.ec2 = ec2              # delivered by the metadata service
        self.last_used = None       # (time, service, region)


class Region:
    """A region's resources: kind -> {id: object}."""

    def __init__(self, name):
        self.name = name
        self.kinds = {}
        self.events = []            # CloudTrail, oldest first

    def all(self, kind):
        return self.kinds.setdefault(kind, {})


class Account:
    def __init__(self, number):
        self.number = number
        self.regions = {r: Region(r) for r in ENABLED}
        self.users = {}
        self.groups = {}
        self.roles = {}
        self.policies = {}
        self.profiles = {}
        self.mfa = {}
        self.saml = {}
        self.oidc = {}
        self.certs = {}
        self.password_policy = None
        self.aliases = []
        self.report = None          # (state, ready time, generated, bytes)
        self.buckets = {}
        self.counters = {}


class Principal:
    """Who makes a call."""
    __slots__ = ("kind", "account", "arn", "user_id", "name", "cred", "iam")

    def __init__(self, kind, account, arn, user_id, name, cred, iam):
        self.kind = kind
        self.account = account
        self.arn = arn
        self.user_id = user_id
        self.name = name            # what CloudTrail's Username shows
        self.cred = cred
        self.iam = iam              # the user's or role's dictionary


class World:
    def __init__(self, seed, reference, options):
        self.seed = seed
        self.reference = reference  # the incident's "now"
        self.options = options
        self.ids = Ids("crashcart-sim-%s" % seed)
        self.fresh = Ids("crashcart-sim-fresh-%s" % seed)
        self.accounts = {}
        self.keys = {}
        self.aws_policies = {}
        self.org = None
        self.skew = 0.0
        self.cursors = {}
        self.names = {}             # what the start script prints
        self.pending = []           # (due, change) of what is not seen yet

    def now(self):
        t = datetime.datetime.now(UTC)
        if self.skew:
            t += datetime.timedelta(seconds=self.skew)
        return t

    def later(self, seconds, change):
        self.pending.append((time.monotonic() + seconds, change))
        self.settle()

    def settle(self):
        """Carry out the changes that are due, in the order of asking."""
        now = time.monotonic()
        due = [c for t, c in self.pending if t <= now]
        self.pending = [p for p in self.pending if p[0] > now]
        for change in due:
            change()

    def account(self, number):
        a = self.accounts.get(number)
        if a is None:
            a = self.accounts[number] = Account(number)
        return a

    def add_key(self, cred):
        self.keys[cred.key_id] = cred
        return cred

    def principal(self, cred):
        acct = self.accounts[cred.account]
        if cred.root:
            return Principal("Root", acct, "arn:aws:iam::%s:root" %
                             acct.number, acct.number, "root", cred, None)
        if cred.user is not None:
            u = acct.users.get(cred.user)
            if u is None:
                return None
            return Principal("IAMUser", acct, u["Arn"], u["UserId"],
                             u["UserName"], cred, u)
        role = acct.roles.get(cred.role)
        if role is None:
            return None
        return Principal(
            "AssumedRole", acct, "arn:aws:sts::%s:assumed-role/%s/%s" % (
                acct.number, role["RoleName"], cred.session),
            "%s:%s" % (role["RoleId"], cred.session), cred.session, cred,
            role)

    def managed(self, acct, arn):
        return self.aws_policies.get(arn) or acct.policies.get(arn)

    def documents(self, principal):
        """(identity policy documents, boundary documents or None)"""
        if principal.kind == "Root":
            return [ALLOW_ALL], None
        return self.documents_of(principal.account, principal.iam)

    def documents_of(self, acct, e):
        """The same of a user or a role."""
        docs = list(e["_inline"].values())
        arns = list(e["_attached"])
        for g in e.get("_groups", []):
            docs += acct.groups[g]["_inline"].values()
            arns += acct.groups[g]["_attached"]
        for arn in arns:
            p = self.managed(acct, arn)
            if p is not None:
                docs.append(current(p))
        boundary = None
        b = e.get("PermissionsBoundary")
        if b:
            p = self.managed(acct, b["PermissionsBoundaryArn"])
            boundary = [current(p)] if p else []
        return docs, boundary

    def session_key(self, account, role, session, seconds, **more):
        now = self.now()
        return self.add_key(Cred(
            self.fresh.iam("ASIA"), self.fresh.secret(), account, role=role,
            session=session, token=self.fresh.token(), created=now,
            expires=now + datetime.timedelta(seconds=seconds), **more))


ALLOW_ALL = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def current(policy):
    """The document of a managed policy's default version."""
    for v in policy["_versions"]:
        if v["VersionId"] == policy["DefaultVersionId"]:
            return v["Document"]
    return {"Statement": []}


def stable(*parts):
    """A deterministic integer of its arguments."""
    h = hashlib.sha256(json.dumps(parts, default=str).encode()).digest()
    return int.from_bytes(h[:8], "big")


def tags(**kw):
    return [{"Key": k.replace("__", ":"), "Value": v} for k, v in kw.items()]
