# SPDX-License-Identifier: Apache-2.0
"""IAM: who exists, what they may, which keys they hold."""
import datetime
import json
import re
import urllib.parse

from . import policy
from .errors import AwsError
from .registry import op
from .wire import iso
from .world import stable


def enc(doc):
    """Policy documents travel URL-encoded."""
    return urllib.parse.quote(json.dumps(doc, indent=1), safe="")


def missing(kind, name):
    return AwsError("NoSuchEntity", "The %s with name %s cannot be found." %
                    (kind, name), 404)


def shown(o):
    return {k: v for k, v in o.items() if not k.startswith("_")}


def user(ctx, name=None):
    if name is None:
        if ctx.principal.kind != "IAMUser":
            raise AwsError("ValidationError", "Must specify userName when "
                           "calling with non-User credentials", 400)
        name = ctx.principal.iam["UserName"]
    u = ctx.account.users.get(name)
    if u is None:
        raise missing("user", name)
    return u


def role(ctx, name):
    r = ctx.account.roles.get(name)
    if r is None:
        raise missing("role", name)
    return r


def group(ctx, name):
    g = ctx.account.groups.get(name)
    if g is None:
        raise missing("group", name)
    return g


def shown_role(r, listing=False):
    out = shown(r)
    out["AssumeRolePolicyDocument"] = enc(r["AssumeRolePolicyDocument"])
    if listing:
        for k in ("Tags", "RoleLastUsed", "PermissionsBoundary"):
            out.pop(k, None)
    return out


def under(items, p):
    pre = p.get("PathPrefix", "/")
    return [i for i in items if i.get("Path", "/").startswith(pre)]


@op("iam", "ListUsers")
def list_users(ctx, p):
    out = []
    for u in under(ctx.account.users.values(), p):
        s = shown(u)
        for k in ("Tags", "PermissionsBoundary"):
            s.pop(k, None)
        out.append(s)
    return {"Users": out}


@op("iam", "GetUser")
def get_user(ctx, p):
    return {"User": shown(user(ctx, p.get("UserName")))}


@op("iam", "ListGroups")
def list_groups(ctx, p):
    return {"Groups": [shown(g) for g in under(ctx.account.groups.values(),
                                               p)]}


@op("iam", "GetGroup")
def get_group(ctx, p):
    g = group(ctx, p["GroupName"])
    return {"Group": shown(g), "Users": [
        shown(u) for u in ctx.account.users.values()
        if g["GroupName"] in u["_groups"]]}


@op("iam", "ListGroupsForUser")
def groups_for_user(ctx, p):
    return {"Groups": [shown(ctx.account.groups[g])
                       for g in user(ctx, p["UserName"])["_groups"]]}


@op("iam", "ListRoles")
def list_roles(ctx, p):
    return {"Roles": [shown_role(r, True)
                      for r in under(ctx.account.roles.values(), p)]}


@op("iam", "GetRole")
def get_role(ctx, p):
    return {"Role": shown_role(role(ctx, p["RoleName"]))}


@op("iam", "ListUserTags")
def user_tags(ctx, p):
    return {"Tags": user(ctx, p["UserName"]).get("Tags", [])}


@op("iam", "ListRoleTags")
def role_tags(ctx, p):
    return {"Tags": role(ctx, p["RoleName"]).get("Tags", [])}


def attachments(ctx, arn):
    a = ctx.account
    return sum(arn in e["_attached"] for e in
               list(a.users.values()) + list(a.roles.values()) +
               list(a.groups.values()))


def shown_policy(ctx, pol):
    out = shown(pol)
    out["AttachmentCount"] = attachments(ctx, pol["Arn"])
    out["PermissionsBoundaryUsageCount"] = sum(
        e.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") ==
        pol["Arn"] for e in list(ctx.account.users.values()) +
        list(ctx.account.roles.values()))
    return out


def managed(ctx, arn):
    pol = ctx.world.managed(ctx.account, arn)
    if pol is None:
        raise AwsError("NoSuchEntity", "Policy %s was not found." % arn, 404)
    return pol


@op("iam", "ListPolicies")
def list_policies(ctx, p):
    scope = p.get("Scope", "All")
    pols = []
    if scope in ("All", "Local"):
        pols += ctx.account.policies.values()
    if scope in ("All", "AWS"):
        pols += ctx.world.aws_policies.values()
    out = [shown_policy(ctx, x) for x in under(pols, p)]
    for o in out:
        o.pop("Description", None)
        o.pop("Tags", None)
    if p.get("OnlyAttached"):
        out = [o for o in out if o["AttachmentCount"]]
    return {"Policies": out}


@op("iam", "GetPolicy")
def get_policy(ctx, p):
    return {"Policy": shown_policy(ctx, managed(ctx, p["PolicyArn"]))}


@op("iam", "ListPolicyTags")
def policy_tags(ctx, p):
    return {"Tags": managed(ctx, p["PolicyArn"]).get("Tags", [])}


def version(v, document=True):
    out = {"VersionId": v["VersionId"], "CreateDate": v["CreateDate"],
           "IsDefaultVersion": v["IsDefaultVersion"]}
    if document:
        out["Document"] = enc(v["Document"])
    return out


@op("iam", "ListPolicyVersions")
def policy_versions(ctx, p):
    return {"Versions": [version(v, False) for v in
                         managed(ctx, p["PolicyArn"])["_versions"]]}


@op("iam", "GetPolicyVersion")
def policy_version(ctx, p):
    for v in managed(ctx, p["PolicyArn"])["_versions"]:
        if v["VersionId"] == p["VersionId"]:
            return {"PolicyVersion": version(v)}
    raise AwsError("NoSuchEntity", "Policy %s version %s does not exist or "
                   "is not attachable." % (p["PolicyArn"], p["VersionId"]),
                   404)


@op("iam", "ListEntitiesForPolicy")
def entities(ctx, p):
    arn = managed(ctx, p["PolicyArn"])["Arn"]
    a = ctx.account
    return {"PolicyGroups": [{"GroupName": g["GroupName"],
                              "GroupId": g["GroupId"]}
                             for g in a.groups.values()
                             if arn in g["_attached"]],
            "PolicyUsers": [{"UserName": u["UserName"],
                             "UserId": u["UserId"]}
                            for u in a.users.values()
                            if arn in u["_attached"]],
            "PolicyRoles": [{"RoleName": r["RoleName"],
                             "RoleId": r["RoleId"]}
                            for r in a.roles.values()
                            if arn in r["_attached"]]}


def attached(ctx, e):
    return [{"PolicyName": managed(ctx, a)["PolicyName"], "PolicyArn": a}
            for a in e["_attached"]]


GETTERS = {"User": user, "Role": role, "Group": group}


def _entity(ctx, p):
    for kind, f in GETTERS.items():
        if kind + "Name" in p:
            return kind, f(ctx, p[kind + "Name"])
    raise AwsError("ValidationError", "no entity named")


@op("iam", "ListAttachedUserPolicies", "ListAttachedRolePolicies",
    "ListAttachedGroupPolicies")
def list_attached(ctx, p):
    return {"AttachedPolicies": attached(ctx, _entity(ctx, p)[1])}


@op("iam", "ListUserPolicies", "ListRolePolicies", "ListGroupPolicies")
def list_inline(ctx, p):
    return {"PolicyNames": list(_entity(ctx, p)[1]["_inline"])}


@op("iam", "GetUserPolicy", "GetRolePolicy", "GetGroupPolicy")
def get_inline(ctx, p):
    kind, e = _entity(ctx, p)
    doc = e["_inline"].get(p["PolicyName"])
    if doc is None:
        raise AwsError("NoSuchEntity", "The %s policy with name %s cannot be "
                       "found." % (kind.lower(), p["PolicyName"]), 404)
    return {kind + "Name": e[kind + "Name"], "PolicyName": p["PolicyName"],
            "PolicyDocument": enc(doc)}


def inline_list(e):
    return [{"PolicyName": n, "PolicyDocument": enc(d)}
            for n, d in e["_inline"].items()]


def shown_profile(ctx, pr):
    out = shown(pr)
    out["Roles"] = [shown_role(ctx.account.roles[r], True)
                    for r in pr["_roles"]]
    return out


@op("iam", "GetAccountAuthorizationDetails")
def authorization_details(ctx, p):
    a = ctx.account
    want = p.get("Filter") or ["User", "Role", "Group",
                               "LocalManagedPolicy", "AWSManagedPolicy"]
    users, groups, roles, pols = [], [], [], []
    if "User" in want:
        for u in a.users.values():
            d = {k: u[k] for k in ("Path", "UserName", "UserId", "Arn",
                                   "CreateDate")}
            d.update(UserPolicyList=inline_list(u), GroupList=u["_groups"],
                     AttachedManagedPolicies=attached(ctx, u),
                     Tags=u.get("Tags", []),
                     PermissionsBoundary=u.get("PermissionsBoundary"))
            users.append(d)
    if "Group" in want:
        for g in a.groups.values():
            d = shown(g)
            d.update(GroupPolicyList=inline_list(g),
                     AttachedManagedPolicies=attached(ctx, g))
            groups.append(d)
    if "Role" in want:
        for r in a.roles.values():
            d = {k: r[k] for k in ("Path", "RoleName", "RoleId", "Arn",
                                   "CreateDate")}
            d.update(AssumeRolePolicyDocument=enc(
                        r["AssumeRolePolicyDocument"]),
                     RolePolicyList=inline_list(r),
                     AttachedManagedPolicies=attached(ctx, r),
                     InstanceProfileList=[
                         shown_profile(ctx, pr) for pr in
                         a.profiles.values() if r["RoleName"] in
                         pr["_roles"]],
                     Tags=r.get("Tags", []),
                     RoleLastUsed=r.get("RoleLastUsed", {}),
                     PermissionsBoundary=r.get("PermissionsBoundary"))
            roles.append(d)
    local = list(a.policies.values()) if "LocalManagedPolicy" in want else []
    aws = [x for x in ctx.world.aws_policies.values()
           if attachments(ctx, x["Arn"])] \
        if "AWSManagedPolicy" in want else []
    for x in local + aws:
        d = shown_policy(ctx, x)
        d.pop("Tags", None)
        d["PolicyVersionList"] = [version(v) for v in x["_versions"]]
        pols.append(d)
    return {"UserDetailList": users, "GroupDetailList": groups,
            "RoleDetailList": roles, "Policies": pols}


@op("iam", "ListInstanceProfiles")
def profiles(ctx, p):
    return {"InstanceProfiles": [
        shown_profile(ctx, x) for x in under(ctx.account.profiles.values(),
                                             p)]}


@op("iam", "GetInstanceProfile")
def profile(ctx, p):
    x = ctx.account.profiles.get(p["InstanceProfileName"])
    if x is None:
        raise AwsError("NoSuchEntity", "Instance Profile %s cannot be "
                       "found." % p["InstanceProfileName"], 404)
    return {"InstanceProfile": shown_profile(ctx, x)}


@op("iam", "ListInstanceProfilesForRole")
def profiles_for_role(ctx, p):
    r = role(ctx, p["RoleName"])
    return {"InstanceProfiles": [
        shown_profile(ctx, x) for x in ctx.account.profiles.values()
        if r["RoleName"] in x["_roles"]]}


@op("iam", "ListAccessKeys")
def access_keys(ctx, p):
    u = user(ctx, p.get("UserName"))
    return {"AccessKeyMetadata": [
        {"UserName": u["UserName"], "AccessKeyId": k, "Status": m["Status"],
         "CreateDate": m["CreateDate"]} for k, m in u["_keys"].items()
        if not m.get("_session")]}


@op("iam", "GetAccessKeyLastUsed")
def key_last_used(ctx, p):
    k = p["AccessKeyId"]
    for u in ctx.account.users.values():
        if k in u["_keys"]:
            c = ctx.world.keys.get(k)
            used = c.last_used if c else None
            # a call of this minute is not in the answer of this minute
            base = u["_keys"][k].get("_last", used)
            last = {"ServiceName": "N/A", "Region": "N/A"}
            if base:
                last = {"LastUsedDate": base[0].replace(second=0,
                                                        microsecond=0),
                        "ServiceName": base[1], "Region": base[2]}
            return {"UserName": u["UserName"], "AccessKeyLastUsed": last}
    raise AwsError("AccessDenied", "User: %s is not authorized to perform: "
                   "iam:GetAccessKeyLastUsed on resource: access key %s" %
                   (ctx.principal.arn, k), 403)


def later(ctx, change):
    """IAM is eventually consistent: reads and judgements see a change only
    --iam-delay seconds after it was accepted."""
    ctx.world.later(ctx.world.options["iam_delay"], change)
    return {}


@op("iam", "UpdateAccessKey")
def update_key(ctx, p):
    u = user(ctx, p.get("UserName"))
    k = u["_keys"].get(p["AccessKeyId"])
    if k is None or k.get("_session"):
        raise AwsError("NoSuchEntity", "The Access Key with id %s cannot be "
                       "found." % p["AccessKeyId"], 404)
    return later(ctx, lambda: k.update(Status=p["Status"]))


def status_of(ctx, p, items, key, what):
    for i in items:
        if i[key] == p[key]:
            return later(ctx, lambda: i.update(Status=p["Status"]))
    raise AwsError("NoSuchEntity", "%s %s cannot be found." % (what, p[key]),
                   404)


@op("iam", "UpdateSSHPublicKey")
def update_ssh(ctx, p):
    return status_of(ctx, p, user(ctx, p["UserName"]).get("_ssh", []),
                     "SSHPublicKeyId", "The SSH public key with id")


@op("iam", "UpdateServiceSpecificCredential")
def update_ssc(ctx, p):
    return status_of(ctx, p, user(ctx, p.get("UserName")).get("_ssc", []),
                     "ServiceSpecificCredentialId",
                     "The service specific credential with id")


@op("iam", "UpdateSigningCertificate")
def update_cert(ctx, p):
    return status_of(ctx, p, user(ctx, p.get("UserName")).get("_certs", []),
                     "CertificateId", "The certificate with id")


@op("iam", "DeleteLoginProfile")
def delete_login(ctx, p):
    u = user(ctx, p.get("UserName"))
    if not u.get("_login"):
        raise AwsError("NoSuchEntity", "Login Profile for User %s cannot be "
                       "found." % u["UserName"], 404)
    return later(ctx, lambda: u.pop("_login", None))


@op("iam", "PutUserPolicy", "PutRolePolicy")
def put_inline(ctx, p):
    e = _entity(ctx, p)[1]
    try:
        doc = json.loads(p["PolicyDocument"])
    except ValueError:
        raise AwsError("MalformedPolicyDocument", "Syntax errors in policy.",
                       400)
    if ctx.op.name == "PutRolePolicy" and e["Path"].startswith(
            ("/aws-service-role/", "/aws-reserved/")):
        raise AwsError("UnmodifiableEntity", "Cannot perform the operation on "
                       "the protected role '%s' - this role is only "
                       "modifiable by AWS" % e["RoleName"], 400)
    used = sum(len(json.dumps(d, separators=(",", ":")))
               for n, d in e["_inline"].items() if n != p["PolicyName"])
    limit = 2048 if ctx.op.name == "PutUserPolicy" else 10240
    if used + len(json.dumps(doc, separators=(",", ":"))) > limit:
        raise AwsError("LimitExceeded", "Maximum policy size of %d bytes "
                       "exceeded" % limit, 409)

    def change():
        e["_inline"][p["PolicyName"]] = doc
    return later(ctx, change)


@op("iam", "DeleteUserPolicy", "DeleteRolePolicy")
def delete_inline(ctx, p):
    kind, e = _entity(ctx, p)
    if p["PolicyName"] not in e["_inline"]:
        raise AwsError("NoSuchEntity", "The %s policy with name %s cannot be "
                       "found." % (kind.lower(), p["PolicyName"]), 404)
    return later(ctx, lambda: e["_inline"].pop(p["PolicyName"], None))


@op("iam", "ListMFADevices")
def mfa_devices(ctx, p):
    u = user(ctx, p.get("UserName"))
    return {"MFADevices": [
        {"UserName": u["UserName"], "SerialNumber": s,
         "EnableDate": ctx.account.mfa[s]["EnableDate"]}
        for s in u["_mfa"]]}


@op("iam", "ListVirtualMFADevices")
def virtual_mfa(ctx, p):
    want = p.get("AssignmentStatus", "Any")
    out = []
    for s, d in ctx.account.mfa.items():
        u = ctx.account.users.get(d.get("_user"))
        if want == "Assigned" and not d.get("_user") or \
                want == "Unassigned" and d.get("_user"):
            continue
        o = {"SerialNumber": s}
        if d.get("_user") == "root":
            o["User"] = {"UserId": ctx.account.number, "Arn":
                         "arn:aws:iam::%s:root" % ctx.account.number,
                         "UserName": "", "Path": "/",
                         "CreateDate": d["EnableDate"]}
            o["EnableDate"] = d["EnableDate"]
        elif u:
            o["User"] = {k: u[k] for k in ("Path", "UserName", "UserId",
                                           "Arn", "CreateDate")}
            o["EnableDate"] = d["EnableDate"]
        out.append(o)
    return {"VirtualMFADevices": out}


@op("iam", "GetLoginProfile")
def login_profile(ctx, p):
    u = user(ctx, p.get("UserName"))
    if not u.get("_login"):
        raise AwsError("NoSuchEntity", "Login Profile for User %s cannot be "
                       "found." % u["UserName"], 404)
    return {"LoginProfile": dict(u["_login"], UserName=u["UserName"])}


@op("iam", "ListSSHPublicKeys")
def ssh_keys(ctx, p):
    return {"SSHPublicKeys": [
        {k: v for k, v in s.items() if k in ("UserName", "SSHPublicKeyId",
                                             "Status", "UploadDate")}
        for s in user(ctx, p.get("UserName")).get("_ssh", [])]}


@op("iam", "ListSigningCertificates")
def signing_certs(ctx, p):
    return {"Certificates": user(ctx, p.get("UserName")).get("_certs", [])}


@op("iam", "ListServiceSpecificCredentials")
def service_credentials(ctx, p):
    u = user(ctx, p.get("UserName"))
    return {"ServiceSpecificCredentials": u.get("_ssc", [])}


@op("iam", "ListServerCertificates")
def server_certs(ctx, p):
    return {"ServerCertificateMetadataList": list(
        ctx.account.certs.values())}


@op("iam", "ListSAMLProviders")
def saml(ctx, p):
    return {"SAMLProviderList": [
        {k: v for k, v in s.items() if k in ("Arn", "ValidUntil",
                                             "CreateDate")}
        for s in ctx.account.saml.values()]}


@op("iam", "GetSAMLProvider")
def saml_provider(ctx, p):
    s = ctx.account.saml.get(p["SAMLProviderArn"])
    if s is None:
        raise AwsError("NoSuchEntity", "Manifest not found for arn " +
                       p["SAMLProviderArn"], 404)
    return {k: s[k] for k in ("SAMLMetadataDocument", "CreateDate",
                              "ValidUntil", "Tags")}


@op("iam", "ListOpenIDConnectProviders")
def oidc(ctx, p):
    return {"OpenIDConnectProviderList": [{"Arn": a}
                                          for a in ctx.account.oidc]}


@op("iam", "GetOpenIDConnectProvider")
def oidc_provider(ctx, p):
    o = ctx.account.oidc.get(p["OpenIDConnectProviderArn"])
    if o is None:
        raise AwsError("NoSuchEntity", "OpenIDConnect Provider not found for "
                       "arn " + p["OpenIDConnectProviderArn"], 404)
    return shown(o)


@op("iam", "GetAccountPasswordPolicy")
def password_policy(ctx, p):
    if ctx.account.password_policy is None:
        raise AwsError("NoSuchEntity", "The Password Policy with domain name "
                       "%s cannot be found." % ctx.account.number, 404)
    return {"PasswordPolicy": ctx.account.password_policy}


@op("iam", "GetAccountSummary")
def summary(ctx, p):
    a = ctx.account
    return {"SummaryMap": {
        "Users": len(a.users), "UsersQuota": 5000,
        "Groups": len(a.groups), "GroupsQuota": 300,
        "Roles": len(a.roles), "RolesQuota": 1000,
        "Policies": len(a.policies), "PoliciesQuota": 1500,
        "PolicyVersionsInUse": sum(len(x["_versions"])
                                   for x in a.policies.values()),
        "PolicyVersionsInUseQuota": 10000,
        "InstanceProfiles": len(a.profiles), "InstanceProfilesQuota": 1000,
        "ServerCertificates": len(a.certs), "ServerCertificatesQuota": 20,
        "MFADevices": len(a.mfa),
        "MFADevicesInUse": sum(1 for d in a.mfa.values() if d.get("_user")),
        "AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0,
        "AccountPasswordPresent": 1, "AccountSigningCertificatesPresent": 0,
        "AccessKeysPerUserQuota": 2, "GroupsPerUserQuota": 10,
        "AttachedPoliciesPerUserQuota": 10,
        "AttachedPoliciesPerRoleQuota": 10, "VersionsPerPolicyQuota": 5,
        "UserPolicySizeQuota": 2048, "GroupPolicySizeQuota": 5120,
        "AssumeRolePolicySizeQuota": 2048, "PolicySizeQuota": 6144,
        "GlobalEndpointTokenVersion": 1, "Providers": len(a.saml) +
        len(a.oidc)}}


def policies_of(ctx, arn):
    """The documents of a user or role, as the account judges by them."""
    m = re.fullmatch(r"arn:aws:iam::(\d{12}):(user|role)/(.*)", arn)
    kind = m and (ctx.account.users if m.group(2) == "user" else
                  ctx.account.roles)
    e = m and kind.get(m.group(3).split("/")[-1])
    if not e or e["Arn"] != arn or m.group(1) != ctx.account.number:
        raise AwsError("NoSuchEntity", "The source entity %s was not found" %
                       arn, 404)
    return ctx.world.documents_of(ctx.account, e)


@op("iam", "SimulatePrincipalPolicy")
def simulate(ctx, p):
    docs, boundary = policies_of(ctx, p["PolicySourceArn"])
    where = {e["ContextKeyName"].lower(): e["ContextKeyValues"][0]
             for e in p.get("ContextEntries", [])}
    where.setdefault("aws:principalarn", p["PolicySourceArn"])
    out = []
    for action in p["ActionNames"]:
        for res in p.get("ResourceArns") or ["*"]:
            ok, _, why = policy.decide(docs, boundary, action, [res], where)
            out.append({"EvalActionName": action, "EvalResourceName": res,
                        "EvalDecision": "allowed" if ok else
                        "explicitDeny" if "explicit" in why else
                        "implicitDeny", "MatchedStatements": [],
                        "MissingContextValues": []})
    return {"EvaluationResults": out}


@op("iam", "ListAccountAliases")
def aliases(ctx, p):
    return {"AccountAliases": list(ctx.account.aliases)}


COLUMNS = ("user,arn,user_creation_time,password_enabled,password_last_used,"
           "password_last_changed,password_next_rotation,mfa_active,"
           "access_key_1_active,access_key_1_last_rotated,"
           "access_key_1_last_used_date,access_key_1_last_used_region,"
           "access_key_1_last_used_service,access_key_2_active,"
           "access_key_2_last_rotated,access_key_2_last_used_date,"
           "access_key_2_last_used_region,access_key_2_last_used_service,"
           "cert_1_active,cert_1_last_rotated,cert_2_active,"
           "cert_2_last_rotated")


def stamp(t):
    return iso(t)[:-1] + "+00:00" if t else "N/A"


def credential_report(ctx):
    a = ctx.account
    rows = [COLUMNS, ",".join(
        ["<root_account>", "arn:aws:iam::%s:root" % a.number,
         stamp(a.counters["created"]), "not_supported",
         stamp(a.counters["root_used"]), "not_supported", "not_supported",
         "true"] + ["false", "N/A", "N/A", "N/A", "N/A"] * 2 +
        ["false", "N/A", "false", "N/A"])]
    for u in a.users.values():
        login = u.get("_login")
        row = [u["UserName"], u["Arn"], stamp(u["CreateDate"]),
               "true" if login else "false",
               stamp(u.get("PasswordLastUsed")) if login and
               u.get("PasswordLastUsed") else
               "no_information" if login else "N/A",
               stamp(login["CreateDate"]) if login else "N/A",
               stamp(login["CreateDate"] + datetime.timedelta(days=90))
               if login else "N/A", "true" if u["_mfa"] else "false"]
        keys = [(k, m) for k, m in u["_keys"].items()
                if not m.get("_session")][:2]
        for k, m in keys:
            last = m.get("_last")
            row += ["true" if m["Status"] == "Active" else "false",
                    stamp(m["CreateDate"])] + (
                        [stamp(last[0]), last[2], last[1]] if last else
                        ["N/A", "N/A", "N/A"])
        row += ["false", "N/A", "N/A", "N/A", "N/A"] * (2 - len(keys))
        row += ["false", "N/A", "false", "N/A"]
        rows.append(",".join(row))
    return ("\n".join(rows)).encode()


@op("iam", "GenerateCredentialReport")
def generate_report(ctx, p):
    a = ctx.account
    life = datetime.timedelta(hours=4)
    if a.report is not None:
        ready, data = a.report
        if ctx.now < ready:
            return {"State": "INPROGRESS"}
        if ctx.now - ready < life:
            return {"State": "COMPLETE"}
    a.report = (ctx.now + datetime.timedelta(
        seconds=ctx.world.options["report_seconds"]), credential_report(ctx))
    return {"State": "STARTED", "Description": "No report exists. Starting a "
            "new report generation task"}


@op("iam", "GetCredentialReport")
def get_report(ctx, p):
    a = ctx.account
    if a.report is None:
        raise AwsError("ReportNotPresent", "No report is present. Use "
                       "GenerateCredentialReport to generate a new report.",
                       410)
    ready, data = a.report
    if ctx.now < ready:
        raise AwsError("ReportInProgress", "Report generation is in "
                       "progress.", 404)
    if ctx.now - ready > datetime.timedelta(hours=4):
        raise AwsError("ReportExpired", "The most recent credential report "
                       "has expired. To generate a new credential report, "
                       "use GenerateCredentialReport.", 410)
    return {"Content": data, "ReportFormat": "text/csv",
            "GeneratedTime": ready.replace(microsecond=0)}


@op("iam", "GenerateServiceLastAccessedDetails")
def generate_last_accessed(ctx, p):
    job = ctx.world.fresh.uuid()
    ctx.world.cursors.setdefault("jobs", {})[job] = (ctx.now, p["Arn"])
    return {"JobId": job}


@op("iam", "GetServiceLastAccessedDetails")
def last_accessed(ctx, p):
    job = ctx.world.cursors.get("jobs", {}).get(p["JobId"])
    if job is None:
        raise AwsError("NoSuchEntity", "The job id cannot be found", 404)
    made, arn = job
    done = made + datetime.timedelta(
        seconds=ctx.world.options["report_seconds"])
    if ctx.now < done:
        return {"JobStatus": "IN_PROGRESS", "JobCreationDate": made,
                "JobType": "SERVICE_LEVEL", "ServicesLastAccessed": [],
                "JobCompletionDate": made}
    out = []
    for n, (name, ns) in enumerate((("AWS CloudTrail", "cloudtrail"),
                                    ("Amazon EC2", "ec2"),
                                    ("AWS IAM", "iam"),
                                    ("Amazon S3", "s3"),
                                    ("AWS STS", "sts"))):
        e = {"ServiceName": name, "ServiceNamespace": ns,
             "TotalAuthenticatedEntities": 0}
        if stable(arn, ns) % 3:
            e["LastAuthenticated"] = ctx.world.reference - \
                datetime.timedelta(hours=n + stable(ns) % 24)
            e["LastAuthenticatedEntity"] = arn
            e["LastAuthenticatedRegion"] = "us-east-1"
            e["TotalAuthenticatedEntities"] = 1
        out.append(e)
    return {"JobStatus": "COMPLETED", "JobCreationDate": made,
            "JobType": "SERVICE_LEVEL", "ServicesLastAccessed": out,
            "JobCompletionDate": done, "IsTruncated": False}
