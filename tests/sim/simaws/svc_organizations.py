# SPDX-License-Identifier: Apache-2.0
"""Organizations: three accounts, two units, one policy."""
import json

from .errors import AwsError
from .registry import op


def seed(s):
    from .incident import ACCOUNT, OTHERS
    ids = s.ids
    oid = "o-" + ids.hex(10)
    root = "r-" + ids.hex(4)
    master = "arn:aws:organizations::%s:" % ACCOUNT
    ous = {}
    for n in ("sandbox", "security"):
        u = "ou-%s-%s" % (root[2:], ids.hex(8))
        ous[u] = {"Id": u, "Name": n, "Arn": master + "ou/%s/%s" % (oid, u)}
    accounts = {}
    parent = {}
    for number, name, ou in ((ACCOUNT, "northwind-prod", None),) + OTHERS:
        accounts[number] = {
            "Id": number, "Arn": master + "account/%s/%s" % (oid, number),
            "Email": "aws+%s@example.com" % name, "Name": name,
            "Status": "ACTIVE", "State": "ACTIVE",
            "JoinedMethod": "INVITED" if number == ACCOUNT else "CREATED",
            "JoinedTimestamp": s.ago(days=900)}
        parent[number] = root if ou is None else next(
            u for u, o in ous.items() if o["Name"] == ou)
    for u in ous:
        parent[u] = root
    full = {"PolicySummary": {
        "Id": "p-FullAWSAccess", "Arn":
            "arn:aws:organizations::aws:policy/service_control_policy/"
            "p-FullAWSAccess", "Name": "FullAWSAccess", "Description":
            "Allows access to every operation", "Type":
            "SERVICE_CONTROL_POLICY", "AwsManaged": True},
        "Content": json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"}]})}
    pid = "p-" + ids.hex(8)
    guard = {"PolicySummary": {
        "Id": pid, "Arn": master + "policy/%s/service_control_policy/%s" % (
            oid, pid), "Name": "keep-the-trail", "Description":
            "Nobody stops the trail in member accounts", "Type":
            "SERVICE_CONTROL_POLICY", "AwsManaged": False},
        "Content": json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Deny", "Action": ["cloudtrail:StopLogging",
                                          "cloudtrail:DeleteTrail"],
             "Resource": "*"}]})}
    s.w.org = {
        "org": {"Id": oid, "Arn": master + "organization/" + oid,
                "FeatureSet": "ALL", "MasterAccountArn":
                    accounts[ACCOUNT]["Arn"], "MasterAccountId": ACCOUNT,
                "MasterAccountEmail": accounts[ACCOUNT]["Email"],
                "AvailablePolicyTypes": [
                    {"Type": "SERVICE_CONTROL_POLICY",
                     "Status": "ENABLED"}]},
        "root": {"Id": root, "Arn": master + "root/%s/%s" % (oid, root),
                 "Name": "Root", "PolicyTypes": [
                     {"Type": "SERVICE_CONTROL_POLICY",
                      "Status": "ENABLED"}]},
        "ous": ous, "accounts": accounts, "parent": parent,
        "policies": {"p-FullAWSAccess": full, pid: guard},
        "targets": {"p-FullAWSAccess": [root] + list(ous) + list(accounts),
                    pid: list(ous)}, "master": ACCOUNT}


def org(ctx, member=False):
    o = ctx.world.org
    if ctx.account.number != o["master"] and not member:
        raise AwsError("AccessDeniedException", "You don't have permissions "
                       "to access this resource.", 400)
    return o


@op("organizations", "DescribeOrganization")
def describe(ctx, p):
    return {"Organization": org(ctx, True)["org"]}


@op("organizations", "ListAccounts")
def accounts(ctx, p):
    return {"Accounts": list(org(ctx)["accounts"].values())}


@op("organizations", "DescribeAccount")
def account(ctx, p):
    a = org(ctx)["accounts"].get(p["AccountId"])
    if a is None:
        raise AwsError("AccountNotFoundException", "You specified an account "
                       "that doesn't exist.", 400)
    return {"Account": a}


@op("organizations", "ListRoots")
def roots(ctx, p):
    return {"Roots": [org(ctx)["root"]]}


@op("organizations", "ListOrganizationalUnitsForParent")
def units(ctx, p):
    o = org(ctx)
    return {"OrganizationalUnits": [
        u for u in o["ous"].values()
        if o["parent"][u["Id"]] == p["ParentId"]]}


@op("organizations", "DescribeOrganizationalUnit")
def unit(ctx, p):
    u = org(ctx)["ous"].get(p["OrganizationalUnitId"])
    if u is None:
        raise AwsError("OrganizationalUnitNotFoundException", "You specified "
                       "an organizational unit that doesn't exist.", 400)
    return {"OrganizationalUnit": u}


@op("organizations", "ListAccountsForParent")
def accounts_for(ctx, p):
    o = org(ctx)
    return {"Accounts": [a for a in o["accounts"].values()
                         if o["parent"][a["Id"]] == p["ParentId"]]}


@op("organizations", "ListParents")
def parents(ctx, p):
    o = org(ctx)
    pid = o["parent"].get(p["ChildId"])
    if pid is None:
        raise AwsError("ChildNotFoundException", "You specified a child that "
                       "doesn't exist.", 400)
    return {"Parents": [{"Id": pid, "Type": "ROOT" if pid.startswith("r-")
                         else "ORGANIZATIONAL_UNIT"}]}


@op("organizations", "ListChildren")
def children(ctx, p):
    o = org(ctx)
    want = p["ChildType"]
    return {"Children": [
        {"Id": c, "Type": want} for c, pid in o["parent"].items()
        if pid == p["ParentId"] and
        c.startswith("ou-") == (want == "ORGANIZATIONAL_UNIT")]}


@op("organizations", "ListPolicies")
def policies(ctx, p):
    return {"Policies": [x["PolicySummary"] for x in
                         org(ctx)["policies"].values()
                         if x["PolicySummary"]["Type"] == p["Filter"]]}


@op("organizations", "DescribePolicy")
def policy(ctx, p):
    x = org(ctx)["policies"].get(p["PolicyId"])
    if x is None:
        raise AwsError("PolicyNotFoundException", "You specified a policy "
                       "that doesn't exist.", 400)
    return {"Policy": x}


@op("organizations", "ListPoliciesForTarget")
def policies_for(ctx, p):
    o = org(ctx)
    return {"Policies": [o["policies"][k]["PolicySummary"]
                         for k, v in o["targets"].items()
                         if p["TargetId"] in v]}


@op("organizations", "ListTargetsForPolicy")
def targets(ctx, p):
    o = org(ctx)
    out = []
    for t in o["targets"].get(p["PolicyId"], []):
        x = o["accounts"].get(t) or o["ous"].get(t) or o["root"]
        out.append({"TargetId": t, "Arn": x["Arn"], "Name": x["Name"],
                    "Type": "ACCOUNT" if t.isdigit() else "ROOT"
                    if t.startswith("r-") else "ORGANIZATIONAL_UNIT"})
    return {"Targets": out}


@op("organizations", "ListAWSServiceAccessForOrganization")
def service_access(ctx, p):
    return {"EnabledServicePrincipals": [
        {"ServicePrincipal": "cloudtrail.amazonaws.com",
         "DateEnabled": org(ctx)["accounts"][ctx.account.number]
         ["JoinedTimestamp"]}]}


@op("organizations", "ListDelegatedAdministrators")
def delegated(ctx, p):
    a = org(ctx)["accounts"]["345678901234"]
    return {"DelegatedAdministrators": [dict(
        a, DelegationEnabledDate=a["JoinedTimestamp"])]}


@op("organizations", "ListTagsForResource")
def org_tags(ctx, p):
    org(ctx)
    return {"Tags": [{"Key": "managed-by", "Value": "platform"}]}


@op("organizations", "ListHandshakesForOrganization",
    "ListHandshakesForAccount")
def handshakes(ctx, p):
    org(ctx)
    return {"Handshakes": []}


@op("organizations", "ListCreateAccountStatus")
def create_status(ctx, p):
    org(ctx)
    return {"CreateAccountStatuses": []}
