/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_KEY_KMS_H
#define CMD_KEY_KMS_H

#include "aws_session.h"
#include "command.h"
#include "crashcart/signer.h"

/* --key of commands that sign: a minisign key file, or "kms:ARN". */
struct cmd_signer {
	struct cart_signer *signer;
	struct cmd_aws *aws;		/* NULL with a key file */
	struct cart_env *env;		/* if it was taken here */
};

bool cart_key_is_kms(const char *key);
/* env: as of cart_env_take, NULL: it is taken here.  Clear ret always. */
int cart_key_open(const struct cart_args *a, const char *key,
		  struct cart_env *env, bool host_steps, struct cmd_signer *ret,
		  struct cart_err *err);
void cart_key_close(struct cmd_signer *s);

#endif
