# SPDX-License-Identifier: Apache-2.0
"""STS: who calls, sessions, whose key."""
import base64
import json
import re

from . import policy
from .errors import AwsError
from .registry import op


@op("sts", "GetCallerIdentity")
def caller(ctx, p):
    return {"UserId": ctx.principal.user_id, "Account": ctx.account.number,
            "Arn": ctx.principal.arn}


@op("sts", "GetAccessKeyInfo")
def key_info(ctx, p):
    k = p["AccessKeyId"]
    if not re.fullmatch(r"(AKIA|ASIA)[A-Z2-7]{16}", k):
        raise AwsError("ValidationError", "The access key ID %s is not "
                       "well-formed" % k)
    c = ctx.world.keys.get(k)
    return {"Account": c.account if c else ctx.world.names["other_account"]}


def credentials(c):
    return {"AccessKeyId": c.key_id, "SecretAccessKey": c.secret,
            "SessionToken": c.token, "Expiration": c.expires}


@op("sts", "AssumeRole")
def assume_role(ctx, p):
    m = re.fullmatch(r"arn:aws:iam::(\d{12}):role/(?:.*/)?([\w+=,.@-]+)",
                     p["RoleArn"])
    refused = AwsError(
        "AccessDenied", "User: %s is not authorized to perform: "
        "sts:AssumeRole on resource: %s" % (ctx.principal.arn, p["RoleArn"]),
        403)
    acct = ctx.world.accounts.get(m.group(1)) if m else None
    role = acct.roles.get(m.group(2)) if acct else None
    if role is None:
        raise refused
    mfa = False
    if p.get("SerialNumber") or p.get("TokenCode"):
        if not (p.get("SerialNumber") and p.get("TokenCode")):
            raise AwsError("AccessDenied", "MultiFactorAuthentication "
                           "failed, must provide both MFA serial number and "
                           "one time pass code.", 403)
        dev = ctx.account.mfa.get(p["SerialNumber"])
        if dev is None or dev.get("_user") != (
                ctx.principal.iam or {}).get("UserName"):
            raise AwsError("AccessDenied", "MultiFactorAuthentication "
                           "failed, unable to validate MFA code.  Please "
                           "verify your MFA serial number is valid and "
                           "associated with this user.", 403)
        if p["TokenCode"] != dev["_code"]:
            raise AwsError("AccessDenied", "MultiFactorAuthentication failed "
                           "with invalid MFA one time pass code. ", 403)
        mfa = True
    seen = {"aws:multifactorauthpresent": "true" if mfa else "false"}
    if ctx.principal.cred.role:
        seen["aws:principalarn"] = "arn:aws:iam::%s:role/%s" % (
            ctx.account.number, ctx.principal.cred.role)
    if p.get("ExternalId"):
        seen["sts:externalid"] = p["ExternalId"]
    if not policy.trusts(role["AssumeRolePolicyDocument"],
                         ctx.principal.arn, ctx.account.number, ctx=seen):
        raise refused
    if p.get("Tags") and not policy.trusts(
            role["AssumeRolePolicyDocument"], ctx.principal.arn,
            ctx.account.number, "sts:TagSession", ctx=seen):
        raise AwsError(
            "AccessDenied", "User: %s is not authorized to perform: "
            "sts:TagSession on resource: %s" % (ctx.principal.arn,
                                                p["RoleArn"]), 403)
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", p["RoleSessionName"]):
        raise AwsError("ValidationError", "Value '%s' at 'roleSessionName' "
                       "failed to satisfy constraint: Member must satisfy "
                       "regular expression pattern: [\\w+=,.@-]*" %
                       p["RoleSessionName"])
    seconds = p.get("DurationSeconds", 3600)
    if seconds > role["MaxSessionDuration"] or seconds < 1:
        raise AwsError("ValidationError", "The requested DurationSeconds "
                       "exceeds the MaxSessionDuration set for this role.")
    session = json.loads(p["Policy"]) if p.get("Policy") else None
    c = ctx.world.session_key(acct.number, role["RoleName"],
                              p["RoleSessionName"], seconds, mfa=mfa,
                              policy=session)
    return {"Credentials": credentials(c), "AssumedRoleUser": {
        "AssumedRoleId": "%s:%s" % (role["RoleId"], p["RoleSessionName"]),
        "Arn": "arn:aws:sts::%s:assumed-role/%s/%s" % (
            acct.number, role["RoleName"], p["RoleSessionName"])}}


@op("sts", "AssumeRoleWithWebIdentity")
def web_identity(ctx, p):
    m = re.fullmatch(r"arn:aws:iam::(\d{12}):role/(?:.*/)?([\w+=,.@-]+)",
                     p["RoleArn"])
    acct = ctx.world.accounts.get(m.group(1)) if m else None
    role = acct.roles.get(m.group(2)) if acct else None
    try:
        part = p["WebIdentityToken"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" *
                                                     (-len(part) % 4)))
    except (IndexError, ValueError):
        raise AwsError("InvalidIdentityToken", "The ID Token provided is not "
                       "a valid JWT.", 400)
    if role is None or not any(
            "sts:AssumeRoleWithWebIdentity" in policy.listed(
                s.get("Action")) for s in
            role["AssumeRolePolicyDocument"]["Statement"]):
        raise AwsError("AccessDenied", "Not authorized to perform "
                       "sts:AssumeRoleWithWebIdentity", 403)
    c = ctx.world.session_key(acct.number, role["RoleName"],
                              p["RoleSessionName"],
                              p.get("DurationSeconds", 3600))
    return {"Credentials": credentials(c),
            "SubjectFromWebIdentityToken": claims.get("sub", "-"),
            "Audience": claims.get("aud"), "Provider": claims.get("iss"),
            "AssumedRoleUser": {
                "AssumedRoleId": "%s:%s" % (role["RoleId"],
                                            p["RoleSessionName"]),
                "Arn": "arn:aws:sts::%s:assumed-role/%s/%s" % (
                    acct.number, role["RoleName"], p["RoleSessionName"])}}


@op("sts", "GetSessionToken")
def session_token(ctx, p):
    from .world import Cred
    import datetime
    w = ctx.world
    if ctx.principal.kind != "IAMUser":
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with "
                       "session credentials", 403)
    c = w.add_key(Cred(w.fresh.iam("ASIA"), w.fresh.secret(),
                       ctx.account.number, role=None, user=None,
                       token=w.fresh.token(), created=ctx.now,
                       expires=ctx.now + datetime.timedelta(
                           seconds=p.get("DurationSeconds", 43200))))
    c.user = ctx.principal.iam["UserName"]
    ctx.principal.iam["_keys"][c.key_id] = {"Status": "Active",
                                            "_session": True}
    return {"Credentials": credentials(c)}
