# SPDX-License-Identifier: Apache-2.0
"""How each protocol refuses: signatures, tokens, clocks, permissions."""
import base64
import hashlib

from .errors import AwsError
from .wire import iso

INVALID_TOKEN = "The security token included in the request is invalid."
EC2_TEXT = "AWS was not able to validate the provided access credentials"
SIG_TEXT = ("The request signature we calculated does not match the "
            "signature you provided. Check your AWS Secret Access Key and "
            "signing method. Consult the service documentation for details.")


def signature(svc, fault):
    """The AwsError for a sigv4.AuthFault."""
    p = svc.protocol
    k = fault.kind
    text = fault.text
    json_status = 403 if p == "rest-json" else 400
    if k == "region" and p in ("ec2",):
        return AwsError("OptInRequired", "You are not subscribed to this "
                        "service. Please go to http://aws.amazon.com to "
                        "subscribe.", 401)
    if k in ("unknown-key", "bad-token", "region"):
        if p == "ec2":
            return AwsError("AuthFailure", EC2_TEXT, 401)
        if p == "query":
            return AwsError("InvalidClientTokenId", INVALID_TOKEN, 403)
        if p == "rest-xml":
            if k == "bad-token":
                return AwsError("InvalidToken", "The provided token is "
                                "malformed or otherwise invalid.", 400)
            return AwsError("InvalidAccessKeyId", "The AWS Access Key Id you "
                            "provided does not exist in our records.", 403,
                            AWSAccessKeyId=text)
        return AwsError("UnrecognizedClientException", INVALID_TOKEN,
                        json_status, coral=True)
    if k == "expired-token":
        if p == "ec2":
            return AwsError("RequestExpired", "Request has expired.", 400)
        if p == "query":
            return AwsError("ExpiredToken", "The security token included in "
                            "the request is expired", 403)
        if p == "rest-xml":
            return AwsError("ExpiredToken", "The provided token has "
                            "expired.", 400)
        return AwsError("ExpiredTokenException", "The security token "
                        "included in the request is expired", json_status,
                        coral=True)
    if k in ("late", "early"):
        if p == "ec2":
            if k == "late":
                return AwsError("RequestExpired", "Request has expired.", 400)
            return AwsError("AuthFailure", EC2_TEXT, 401)
        if p == "query":
            return AwsError("SignatureDoesNotMatch", text, 403)
        if p == "rest-xml":
            return AwsError(
                "RequestTimeTooSkewed", "The difference between the request "
                "time and the current time is too large.", 403,
                RequestTime=fault.fields["when"].strftime("%Y%m%dT%H%M%SZ"),
                ServerTime=iso(fault.fields["now"]),
                MaxAllowedSkewMilliseconds=900000)
        return AwsError("InvalidSignatureException", text, json_status,
                        coral=True)
    if k == "presign-expired":
        return AwsError("AccessDenied", "Request has expired", 403)
    if k == "missing":
        if p == "ec2":
            return AwsError("MissingParameter", "The request must contain "
                            "the parameter AWSAccessKeyId", 400)
        if p == "rest-xml":
            return AwsError("AccessDenied", "Access Denied", 403)
        return AwsError("MissingAuthenticationToken" if p == "query" else
                        "MissingAuthenticationTokenException",
                        "Request is missing Authentication Token",
                        403 if p != "json" else 400, coral=True)
    if k == "incomplete":
        if p == "rest-xml":
            return AwsError("AuthorizationHeaderMalformed", "The "
                            "authorization header is malformed; " + text, 400)
        return AwsError("IncompleteSignature" if p in ("ec2", "query") else
                        "IncompleteSignatureException", text,
                        400 if p != "rest-json" else 403, coral=True)
    if k == "payload":
        return AwsError("InvalidRequest", text, 400)
    if k == "payload-hash":
        return AwsError("XAmzContentSHA256Mismatch", "The provided "
                        "'x-amz-content-sha256' header does not match what "
                        "was computed.", 400, **fault.fields)
    if k == "unsigned-header":
        return AwsError("AccessDenied", "There were headers present in the "
                        "request which were not signed", 403,
                        HeadersNotSigned=text)
    # signature
    if p == "ec2":
        return AwsError("AuthFailure", EC2_TEXT, 401)
    if p == "query":
        return AwsError("SignatureDoesNotMatch", text or SIG_TEXT, 403)
    if p == "rest-xml":
        return AwsError(
            "SignatureDoesNotMatch", "The request signature we calculated "
            "does not match the signature you provided. Check your key and "
            "signing method.", 403,
            StringToSign=fault.fields.get("to_sign", ""),
            CanonicalRequest=fault.fields.get("canonical", ""))
    return AwsError("InvalidSignatureException", text or SIG_TEXT,
                    json_status, coral=True)


def permission(svc, arn, action, resource, why):
    """The AwsError for a policy's refusal."""
    if svc.protocol == "ec2":
        blob = base64.b64encode(hashlib.sha512(
            (arn + action + resource).encode()).digest() * 3)
        return AwsError(
            "UnauthorizedOperation", "You are not authorized to perform this "
            "operation. User: %s is not authorized to perform: %s%s %s. "
            "Encoded authorization failure message: %s" % (
                arn, action, "" if resource == "*" else
                " on resource: " + resource, why,
                blob.decode().replace("+", "-").replace("/", "_").rstrip("=")
            ), 403)
    text = "User: %s is not authorized to perform: %s on resource: %s %s" % (
        arn, action, resource, why)
    if svc.protocol == "query":
        return AwsError("AccessDenied", text, 403)
    if svc.protocol == "rest-xml":
        return AwsError("AccessDenied", text, 403)
    if svc.name == "ebs":
        return AwsError("AccessDeniedException", text, 403,
                        Reason="UNAUTHORIZED_ACCOUNT")
    return AwsError("AccessDeniedException", text,
                    403 if svc.protocol == "rest-json" else 400,
                    coral=svc.name in ("cloudtrail", "kms", "lambda"))
