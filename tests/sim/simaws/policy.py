# SPDX-License-Identifier: Apache-2.0
"""IAM policy evaluation: identity policies, boundaries, a few conditions."""
import fnmatch
import functools
import ipaddress
import re


def listed(x):
    if x is None:
        return []
    return x if isinstance(x, list) else [x]


@functools.lru_cache(maxsize=65536)
def _glob(pattern, fold):
    out = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c)
                  for c in pattern)
    return re.compile(out, re.S | (re.I if fold else 0))


def like(pattern, text, fold=False):
    return _glob(pattern, fold).fullmatch(text) is not None


def _condition(op, key, values, ctx):
    quantifier = ""
    if ":" in op:
        quantifier, op = op.split(":", 1)
    exists = op.endswith("IfExists")
    if exists:
        op = op[:-8]
    have = ctx.get(key.lower())
    if op == "Null":
        return (have is None) == (str(values[0]).lower() == "true")
    if have is None:
        return exists or op.startswith(("StringNot", "ArnNot", "NotIp")) or \
            quantifier == "ForAllValues"
    have = [str(h) for h in listed(have)]

    def one(h):
        if op in ("StringEquals", "ArnEquals"):
            return h in values
        if op == "StringEqualsIgnoreCase":
            return h.lower() in [v.lower() for v in values]
        if op == "StringNotEquals":
            return h not in values
        if op in ("StringLike", "ArnLike"):
            return any(like(v, h) for v in values)
        if op in ("StringNotLike", "ArnNotLike"):
            return not any(like(v, h) for v in values)
        if op == "Bool":
            return h.lower() in [str(v).lower() for v in values]
        if op in ("IpAddress", "NotIpAddress"):
            try:
                hit = any(ipaddress.ip_address(h) in
                          ipaddress.ip_network(v, strict=False)
                          for v in values)
            except ValueError:
                hit = False
            return hit == (op == "IpAddress")
        if op.startswith("Date"):
            # ISO 8601 in UTC: the order of texts is the order of times
            a, b = h[:19], str(values[0])[:19]
            return {"DateEquals": a == b, "DateNotEquals": a != b,
                    "DateLessThan": a < b, "DateLessThanEquals": a <= b,
                    "DateGreaterThan": a > b,
                    "DateGreaterThanEquals": a >= b}.get(op, False)
        if op.startswith("Numeric"):
            a, b = float(h), float(values[0])
            return {"NumericEquals": a == b, "NumericLessThan": a < b,
                    "NumericLessThanEquals": a <= b,
                    "NumericGreaterThan": a > b,
                    "NumericGreaterThanEquals": a >= b}.get(op, False)
        return False

    if quantifier == "ForAllValues":
        return all(one(h) for h in have)
    return any(one(h) for h in have)


def _applies(st, action, resource, ctx):
    if "Action" in st:
        if not any(like(a, action, True) for a in listed(st["Action"])):
            return False
    elif any(like(a, action, True) for a in listed(st.get("NotAction"))):
        return False
    if "Resource" in st:
        if not any(like(r, resource) for r in listed(st["Resource"])):
            return False
    elif "NotResource" in st and \
            any(like(r, resource) for r in listed(st["NotResource"])):
        return False
    for op, keys in st.get("Condition", {}).items():
        for key, values in keys.items():
            if not _condition(op, key, [str(v) for v in listed(values)], ctx):
                return False
    return True


def evaluate(documents, action, resource, ctx):
    """'allow', 'deny' (explicit) or 'none'."""
    result = "none"
    for doc in documents:
        for st in listed(doc.get("Statement")):
            if _applies(st, action, resource, ctx):
                if st.get("Effect") == "Deny":
                    return "deny"
                result = "allow"
    return result


def decide(identity, boundary, action, resources, ctx):
    """(allowed, reason text in AWS's words)"""
    for res in resources or ["*"]:
        r = evaluate(identity, action, res, ctx)
        if r == "deny":
            return False, res, "with an explicit deny in an identity-based policy"
        if r == "none":
            return False, res, ("because no identity-based policy allows the "
                                "%s action" % action)
        if boundary is not None:
            b = evaluate(boundary, action, res, ctx)
            if b == "deny":
                return False, res, ("with an explicit deny in a permissions "
                                    "boundary")
            if b == "none":
                return False, res, ("because no permissions boundary allows "
                                    "the %s action" % action)
    return True, "", ""


def trusts(document, principal_arn, account, action="sts:AssumeRole",
           service=None, ctx=None):
    """Does a role's trust policy admit this caller?"""
    ctx = ctx or {}
    for st in listed(document.get("Statement")):
        if not any(like(a, action, True) for a in listed(st.get("Action"))):
            continue
        pr = st.get("Principal", {})
        if pr == "*":
            pr = {"AWS": "*"}
        hit = False
        for p in listed(pr.get("AWS")):
            if p in ("*", account, principal_arn,
                     "arn:aws:iam::%s:root" % account) or \
                    fnmatch.fnmatchcase(principal_arn, p):
                hit = True
        if service and service in listed(pr.get("Service")):
            hit = True
        if not hit:
            continue
        good = all(_condition(op, k, [str(x) for x in listed(v)], ctx)
                   for op, keys in st.get("Condition", {}).items()
                   for k, v in keys.items())
        if good:
            return st.get("Effect") == "Allow"
    return False
