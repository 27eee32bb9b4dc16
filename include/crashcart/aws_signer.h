/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_AWS_SIGNER_H
#define CRASHCART_AWS_SIGNER_H

#include <stdbool.h>

#include <crashcart/aws.h>
#include <crashcart/signer.h>

/*
 * A signer whose secret never leaves AWS KMS: a key of spec
 * ECC_NIST_EDWARDS25519, asked with ED25519_SHA_512 and MessageType RAW, which is
 * pure Ed25519 (RFC 8032), as minisign wants it.  Its minisign key id is the
 * first 8 bytes of SHA-256 of the public key.
 */

/* "arn:PARTITION:kms:REGION:ACCOUNT:key/..." or ":alias/...". */
bool cart_aws_kms_is_arn(const char *text);
/* Asks kms:GetPublicKey at once, and kms:Sign for each signature, which is
 * checked before it is used; kind is "kms".  a is borrowed until the signer is
 * freed.  NULL with err (USAGE: no ARN or another kind of key; DENIED ...). */
struct cart_signer *cart_aws_kms_signer(struct cart_aws *a, const char *arn,
					struct cart_err *err);

#endif
