/* SPDX-License-Identifier: Apache-2.0 */
#include "key_kms.h"

#include <string.h>

#include "crashcart/aws_signer.h"
#include "key_load.h"

bool cart_key_is_kms(const char *key)
{
	return key != NULL && strncmp(key, "kms:", 4) == 0;
}

int cart_key_open(const struct cart_args *a, const char *key,
		  struct cart_env *env, bool host_steps, struct cmd_signer *ret,
		  struct cart_err *err)
{
	memset(ret, 0, sizeof(*ret));
	if (!cart_key_is_kms(key)) {
		ret->signer = cart_key_load(key, cart_args_value(a,
					    "password-fd"), err);
		return ret->signer != NULL ? 0 : -1;
	}
	if (!cart_aws_kms_is_arn(key + 4))
		return cart_err_set(err, CART_ERR_USAGE, 0, "--key %s: "
				    "kms:arn:aws:kms:REGION:ACCOUNT:key/ID is "
				    "wanted", key);
	if (env == NULL) {
		env = ret->env = cart_env_take();
		if (env == NULL)
			return cart_err_nomem(err);
	}
	ret->aws = cart_cmd_aws_new_sealing(a, env, host_steps, err);
	if (ret->aws == NULL)
		return -1;
	ret->signer = cart_aws_kms_signer(cart_cmd_aws_client(ret->aws),
					  key + 4, err);
	return ret->signer != NULL ? 0 :
		cart_err_prefix(err, "--key %s", key);
}

void cart_key_close(struct cmd_signer *s)
{
	cart_signer_free(s->signer);
	cart_cmd_aws_free(s->aws);
	cart_env_free(s->env);
	memset(s, 0, sizeof(*s));
}
