# SPDX-License-Identifier: Apache-2.0
"""KMS: keys, aliases, policies; signing with RSA, P-256 and Ed25519."""
import hashlib
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (ec, ed25519, padding,
                                                       rsa, utils)

from .errors import AwsError
from .registry import op
from .world import stable, tags

ALGS = {"RSA_2048": ["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256"],
        "ECC_NIST_P256": ["ECDSA_SHA_256"],
        "ECC_NIST_EDWARDS25519": ["ED25519_SHA_512", "ED25519_PH_SHA_512"]}


def make(s, spec, alias=None, usage="SIGN_VERIFY", manager="CUSTOMER",
         desc="", key_id=None, state="Enabled", policy=None,
         region="us-east-1", account="123456789012"):
    kid = key_id or s.ids.uuid()
    arn = "arn:aws:kms:%s:%s:key/%s" % (region, account, kid)
    reg = s.w.account(account).regions[region]
    meta = {"AWSAccountId": account, "KeyId": kid, "Arn": arn,
            "CreationDate": s.ago(days=390), "Enabled": state == "Enabled",
            "Description": desc, "KeyUsage": usage, "KeyState": state,
            "Origin": "AWS_KMS", "KeyManager": manager,
            "CustomerMasterKeySpec": spec, "KeySpec": spec,
            "MultiRegion": False}
    if usage == "SIGN_VERIFY":
        meta["SigningAlgorithms"] = ALGS[spec]
    else:
        meta["EncryptionAlgorithms"] = ["SYMMETRIC_DEFAULT"]
    if state == "PendingDeletion":
        meta["DeletionDate"] = s.ago(days=-9)
    reg.all("kms")[kid] = {
        "meta": meta, "policy": policy or {
            "Version": "2012-10-17", "Id": "key-default", "Statement": [
                {"Sid": "Enable IAM policies", "Effect": "Allow",
                 "Principal": {"AWS": "arn:aws:iam::%s:root" % account},
                 "Action": "kms:*", "Resource": "*"}]},
        "tags": [{"TagKey": "owner", "TagValue": "security"}],
        "private": None, "grants": []}
    if alias:
        reg.all("kmsalias")[alias] = {
            "AliasName": alias, "AliasArn": "arn:aws:kms:%s:%s:%s" % (
                region, account, alias), "TargetKeyId": kid,
            "CreationDate": meta["CreationDate"],
            "LastUpdatedDate": meta["CreationDate"]}
    return kid


def seed(s):
    make(s, "SYMMETRIC_DEFAULT", "alias/data", "ENCRYPT_DECRYPT",
         desc="volumes and parameters", key_id=s.kms_key)
    make(s, "SYMMETRIC_DEFAULT", "alias/aws/ebs", "ENCRYPT_DECRYPT", "AWS",
         "Default key that protects my EBS volumes when no other key is "
         "defined")
    make(s, "SYMMETRIC_DEFAULT", "alias/aws/ssm", "ENCRYPT_DECRYPT", "AWS",
         "Default key that protects my SSM parameters when no other key is "
         "defined")
    s.kms_ed25519 = make(s, "ECC_NIST_EDWARDS25519", "alias/evidence",
                         desc="signs evidence")
    s.kms_rsa = make(s, "RSA_2048", "alias/release")
    s.kms_p256 = make(s, "ECC_NIST_P256", "alias/tokens")
    old = make(s, "SYMMETRIC_DEFAULT", None, "ENCRYPT_DECRYPT",
               state="PendingDeletion", desc="retired by svc-metrics")
    reg = s.acct.regions["us-east-1"]
    reg.all("kms")[s.kms_key]["grants"].append({
        "KeyId": reg.all("kms")[s.kms_key]["meta"]["Arn"],
        "GrantId": s.ids.hex(64), "Name": "", "CreationDate": s.ago(days=47),
        "GranteePrincipal": "ec2.us-east-1.amazonaws.com",
        "IssuingAccount": "arn:aws:iam::123456789012:root",
        "Operations": ["Decrypt", "GenerateDataKey"], "RetiringPrincipal":
            "ec2.us-east-1.amazonaws.com"})
    s.transfer_key = make(s, "SYMMETRIC_DEFAULT", "alias/transfer",
                          "ENCRYPT_DECRYPT", desc="evidence on its way out",
                          region="eu-west-1")
    s.forensic_key = make(s, "SYMMETRIC_DEFAULT", "alias/evidence",
                          "ENCRYPT_DECRYPT", desc="evidence",
                          region="eu-west-1", account="345678901234")
    return old


def by_arn(world, arn):
    """A key anywhere, or None."""
    part = (arn or "").split(":")
    acct = world.accounts.get(part[4]) if len(part) == 6 else None
    if acct is None or part[3] not in acct.regions:
        return None
    return acct.regions[part[3]].all("kms").get(part[5].rpartition("/")[2])


def in_region(ctx, name):
    """The caller's key by id, ARN or alias, in its region; or None."""
    try:
        return find(ctx, name)
    except AwsError:
        return None


def granted(key, principal, operations):
    """Do the key's grants give a foreign principal all of these?"""
    have = set()
    role = principal.iam["Arn"] if principal.iam else ""
    for g in key["grants"]:
        if g["GranteePrincipal"] in (principal.arn, role, "arn:aws:iam::%s:"
                                     "root" % principal.account.number):
            have.update(g["Operations"])
    return have >= set(operations)


def dry(p):
    if p.get("DryRun"):
        raise AwsError("DryRunOperationException", "The request would have "
                       "succeeded, but the DryRun option is set.", 400)


@op("kms", "CreateGrant")
def create_grant(ctx, p):
    k = find(ctx, p["KeyId"])
    if k["meta"]["KeyManager"] == "AWS":
        raise AwsError("AccessDeniedException", "The ciphertext refers to a "
                       "key that AWS manages.", 400)
    if k["meta"]["KeyState"] != "Enabled":
        raise AwsError("DisabledException", k["meta"]["Arn"] + " is disabled.",
                       400)
    if not p["GranteePrincipal"].startswith("arn:aws:iam::"):
        raise AwsError("InvalidArnException", "ARN is not valid", 400)
    dry(p)
    for g in k["grants"]:
        if p.get("Name") and g["Name"] == p["Name"] and g[
                "Operations"] == p["Operations"]:
            return {"GrantId": g["GrantId"], "GrantToken": "AQpAM" + g[
                "GrantId"]}
    g = {"KeyId": k["meta"]["Arn"], "GrantId": ctx.world.fresh.hex(64),
         "Name": p.get("Name", ""), "CreationDate": ctx.now,
         "GranteePrincipal": p["GranteePrincipal"], "IssuingAccount":
             "arn:aws:iam::%s:root" % ctx.account.number,
         "Operations": p["Operations"]}
    if p.get("RetiringPrincipal"):
        g["RetiringPrincipal"] = p["RetiringPrincipal"]
    k["grants"].append(g)
    return {"GrantId": g["GrantId"], "GrantToken": "AQpAM" + g["GrantId"]}


@op("kms", "RevokeGrant")
def revoke_grant(ctx, p):
    k = find(ctx, p["KeyId"])
    hit = [g for g in k["grants"] if g["GrantId"] == p["GrantId"]]
    if not hit:
        raise AwsError("NotFoundException", "Grant ID %s not found" %
                       p["GrantId"], 400)
    dry(p)
    k["grants"].remove(hit[0])
    return {}


def find(ctx, name):
    store = ctx.state.all("kms")
    if name.startswith("arn:"):
        name = name.split(":", 5)[5]
    if name.startswith("alias/"):
        a = ctx.state.all("kmsalias").get(name)
        if a is None:
            raise AwsError("NotFoundException", "Alias %s is not found." %
                           ctx.arn("kms", name), 400)
        name = a["TargetKeyId"]
    name = name.removeprefix("key/")
    k = store.get(name)
    if k is None:
        raise AwsError("NotFoundException", "Key '%s' does not exist" %
                       ctx.arn("kms", "key/" + name), 400)
    return k


@op("kms", "ListKeys")
def list_keys(ctx, p):
    return {"Keys": [{"KeyId": k["meta"]["KeyId"], "KeyArn":
                      k["meta"]["Arn"]}
                     for k in ctx.state.all("kms").values()]}


@op("kms", "ListAliases")
def list_aliases(ctx, p):
    out = list(ctx.state.all("kmsalias").values())
    if p.get("KeyId"):
        kid = find(ctx, p["KeyId"])["meta"]["KeyId"]
        out = [a for a in out if a["TargetKeyId"] == kid]
    return {"Aliases": out}


@op("kms", "DescribeKey")
def describe_key(ctx, p):
    return {"KeyMetadata": find(ctx, p["KeyId"])["meta"]}


@op("kms", "GetKeyPolicy")
def key_policy(ctx, p):
    return {"Policy": json.dumps(find(ctx, p["KeyId"])["policy"], indent=2),
            "PolicyName": "default"}


@op("kms", "ListKeyPolicies")
def key_policies(ctx, p):
    find(ctx, p["KeyId"])
    return {"PolicyNames": ["default"]}


@op("kms", "GetKeyRotationStatus")
def rotation(ctx, p):
    m = find(ctx, p["KeyId"])["meta"]
    if m["KeySpec"] != "SYMMETRIC_DEFAULT":
        raise AwsError("UnsupportedOperationException", "", 400)
    return {"KeyRotationEnabled": m["KeyManager"] == "AWS",
            "KeyId": m["KeyId"]}


@op("kms", "ListGrants")
def grants(ctx, p):
    return {"Grants": find(ctx, p["KeyId"])["grants"]}


@op("kms", "ListResourceTags")
def resource_tags(ctx, p):
    return {"Tags": find(ctx, p["KeyId"])["tags"]}


def private(ctx, k):
    if k["private"] is None:
        spec = k["meta"]["KeySpec"]
        raw = hashlib.sha256(("%s %s" % (ctx.world.seed, k["meta"]["KeyId"]))
                             .encode()).digest()
        if spec == "ECC_NIST_EDWARDS25519":
            k["private"] = ed25519.Ed25519PrivateKey.from_private_bytes(raw)
        elif spec == "ECC_NIST_P256":
            k["private"] = ec.derive_private_key(
                stable(raw.hex()) + (1 << 200), ec.SECP256R1())
        else:
            k["private"] = rsa.generate_private_key(public_exponent=65537,
                                                    key_size=2048)
    return k["private"]


def usable(ctx, p):
    k = find(ctx, p["KeyId"])
    m = k["meta"]
    if m["KeyState"] == "Disabled":
        raise AwsError("DisabledException", m["Arn"] + " is disabled.", 400)
    if m["KeyState"] != "Enabled":
        raise AwsError("KMSInvalidStateException", m["Arn"] + " is pending "
                       "deletion.", 400)
    if m["KeyUsage"] != "SIGN_VERIFY":
        raise AwsError("InvalidKeyUsageException", m["Arn"] + " key usage is "
                       "ENCRYPT_DECRYPT which is not valid for " +
                       ctx.op.name + ".", 400)
    return k


@op("kms", "GetPublicKey")
def public_key(ctx, p):
    k = find(ctx, p["KeyId"])
    m = k["meta"]
    if m["KeyUsage"] != "SIGN_VERIFY":
        raise AwsError("UnsupportedOperationException", "%s is not an "
                       "asymmetric key" % m["Arn"], 400)
    der = private(ctx, k).public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"KeyId": m["Arn"], "PublicKey": der,
            "CustomerMasterKeySpec": m["KeySpec"], "KeySpec": m["KeySpec"],
            "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms":
                m["SigningAlgorithms"]}


def prepared(k, p):
    """(algorithm, message or digest, is digest) after KMS's checks."""
    alg, msg = p["SigningAlgorithm"], p["Message"]
    kind = p.get("MessageType", "RAW")
    m = k["meta"]
    if alg not in m["SigningAlgorithms"]:
        raise AwsError("InvalidKeyUsageException", "Algorithm %s is "
                       "incompatible with key spec %s." % (alg,
                                                           m["KeySpec"]),
                       400)
    if len(msg) > 4096:
        raise AwsError("ValidationException", "1 validation error detected: "
                       "Value at 'message' failed to satisfy constraint: "
                       "Member must have length less than or equal to 4096",
                       400)
    if alg == "ED25519_SHA_512" and kind != "RAW" or \
            alg == "ED25519_PH_SHA_512" and kind != "DIGEST":
        raise AwsError("ValidationException", "MessageType %s is invalid for "
                       "signing algorithm %s." % (kind, alg), 400)
    if kind == "DIGEST" and alg != "ED25519_PH_SHA_512" and len(msg) != 32:
        raise AwsError("ValidationException", "Digest is invalid length for "
                       "algorithm %s." % alg, 400)
    if alg == "ED25519_PH_SHA_512":
        raise AwsError("NotImplemented", "ED25519_PH_SHA_512 is not part of "
                       "the simulated account", 501)
    return alg, msg, kind == "DIGEST"


@op("kms", "Sign")
def sign(ctx, p):
    k = usable(ctx, p)
    alg, msg, pre = prepared(k, p)
    key = private(ctx, k)
    h = utils.Prehashed(hashes.SHA256()) if pre else hashes.SHA256()
    if alg.startswith("ED25519"):
        sig = key.sign(msg)
    elif alg.startswith("ECDSA"):
        sig = key.sign(msg, ec.ECDSA(h))
    elif "PSS" in alg:
        sig = key.sign(msg, padding.PSS(padding.MGF1(hashes.SHA256()), 32),
                       h)
    else:
        sig = key.sign(msg, padding.PKCS1v15(), h)
    return {"KeyId": k["meta"]["Arn"], "Signature": sig,
            "SigningAlgorithm": alg}


@op("kms", "Verify")
def verify(ctx, p):
    k = usable(ctx, p)
    alg, msg, pre = prepared(k, p)
    key = private(ctx, k).public_key()
    h = utils.Prehashed(hashes.SHA256()) if pre else hashes.SHA256()
    try:
        if alg.startswith("ED25519"):
            key.verify(p["Signature"], msg)
        elif alg.startswith("ECDSA"):
            key.verify(p["Signature"], msg, ec.ECDSA(h))
        elif "PSS" in alg:
            key.verify(p["Signature"], msg, padding.PSS(
                padding.MGF1(hashes.SHA256()), 32), h)
        else:
            key.verify(p["Signature"], msg, padding.PKCS1v15(), h)
    except InvalidSignature:
        raise AwsError("KMSInvalidSignatureException", "", 400)
    return {"KeyId": k["meta"]["Arn"], "SignatureValid": True,
            "SigningAlgorithm": alg}
