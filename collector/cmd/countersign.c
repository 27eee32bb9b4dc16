/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "crashcart/digest.h"
#include "crashcart/fdio.h"
#include "crashcart/minisign.h"
#include "crashcart/msg.h"
#include "crashcart/net.h"
#include "crashcart/reader.h"
#include "crashcart/timestamp.h"
#include "key_kms.h"
#include "key_load.h"
#include "verdict_print.h"

/* NAME.seal of a bundle that was named as .tar, .seal or folder. */
static int seal_path(const char *bundle, const char *name, char out[4096],
		     struct cart_err *err)
{
	const char *slash = strrchr(bundle, '/');
	struct stat st;
	int n;

	if (stat(bundle, &st) < 0)
		return cart_err_errno(err, errno, "%s", bundle);
	if (S_ISDIR(st.st_mode))
		n = snprintf(out, 4096, "%s/%s.seal", bundle, name);
	else
		n = snprintf(out, 4096, "%.*s%s.seal", slash != NULL ?
			     (int)(slash - bundle + 1) : 0, bundle, name);
	if (n < 0 || n >= 4000)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "the path is too long");
	return 0;
}

/* Output lies beside the seal; KMS and an authority need the network. */
static void enter_sandbox(const struct cart_args *a, const char *bundle)
{
	char inside[4200];
	struct stat st;

	if (cart_key_is_kms(cart_args_value(a, "key")) ||
	    cart_args_value(a, "timestamp") != NULL)
		return;
	snprintf(inside, sizeof(inside), "%s%s", bundle,
		 stat(bundle, &st) == 0 && S_ISDIR(st.st_mode) ? "/x" : "");
	cart_verdict_sandbox(inside, NULL);
}

/* FORMAT.md F23: the counter-signature's fixed comments. */
static int sign(struct cart_signer *signer, const struct cart_verdict *v,
		const char *seal, char out_path[4200], struct cart_err *err)
{
	unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_blake2b hash;
	struct cart_buf b, sig;
	char trusted[512], id[17];
	int rc = -1;

	cart_buf_init(&b, (size_t)64 << 20);
	cart_buf_init(&sig, 8192);
	if (cart_file_read(AT_FDCWD, seal, &b, err) < 0)
		goto out;
	cart_blake2b_init(&hash);
	cart_blake2b_update(&hash, b.data, b.len);
	cart_blake2b_final(&hash, prehash);
	snprintf(trusted, sizeof(trusted), "crashcart counter-signature "
		 "bundle=%s case=%s root=%s", v->name, v->case_id, v->root);
	if (cart_minisign_sign(signer, prehash, "crashcart counter-signature",
			       trusted, &sig, err) < 0)
		goto out;
	cart_minisign_id_text(signer->public_key.id, id);
	snprintf(out_path, 4200, "%s.%s.minisig", seal, id);
	rc = cart_file_write_new(AT_FDCWD, out_path, sig.data, sig.len, 0644,
				 err);
out:
	cart_buf_clear(&b);
	cart_buf_clear(&sig);
	return rc;
}

/* A key file needs no network, its time stamp does. */
static int open_net(const struct cart_args *a, const char *url,
		    struct cmd_signer *s, struct cart_err *err)
{
	struct cart_url parsed;

	if (cart_url_parse(url, &parsed, err) < 0) {
		err->class = CART_ERR_USAGE;
		return cart_err_prefix(err, "--timestamp");
	}
	if (s->aws != NULL)
		return 0;
	s->env = cart_env_take();
	if (s->env == NULL)
		return cart_err_nomem(err);
	s->aws = cart_cmd_aws_new_sealing(a, s->env, false, err);
	return s->aws != NULL ? 0 : -1;
}

/* F24: PATH.tsr, of the counter-signature in PATH. */
static int stamp(struct cmd_aws *aws, const char *url, const char *path,
		 struct cart_err *err)
{
	struct cart_buf sig, query, reply;
	struct cart_tsr_check check = { 0 };
	struct cart_tsr t;
	char out[4300];
	int rc = -1;

	cart_buf_init(&sig, 8192);
	cart_buf_init(&query, 4096);
	cart_buf_init(&reply, CART_TSR_MAX);
	if (cart_file_read(AT_FDCWD, path, &sig, err) < 0 ||
	    cart_tsq_make(sig.data, sig.len, &query, err) < 0 ||
	    cart_tsa_ask(cart_cmd_aws_net(aws), url, query.data, query.len,
			 &reply, err) < 0)
		goto out;
	check.reply = reply.data;
	check.reply_len = reply.len;
	check.data = sig.data;
	check.data_len = sig.len;
	check.query = query.data;
	check.query_len = query.len;
	if (cart_tsr_verify(&check, &t, err) < 0)
		goto out;
	snprintf(out, sizeof(out), "%s.tsr", path);
	rc = cart_file_write_new(AT_FDCWD, out, reply.data, reply.len, 0644,
				 err);
	if (rc == 0)
		printf("%s\n", out);
out:
	cart_buf_clear(&sig);
	cart_buf_clear(&query);
	cart_buf_clear(&reply);
	return rc;
}

static int countersign(const struct cart_args *a)
{
	const char *key = cart_args_value(a, "key");
	const char *url = cart_args_value(a, "timestamp");
	struct cart_verify_options o = { 0 };
	struct cart_public_key *keys = NULL;
	struct cmd_signer key_of = { 0 };
	char seal[4096], path[4200];
	struct cart_verdict v = { 0 };
	struct cart_err err = { 0 };
	int status = CART_EXIT_FAILED;

	if (key == NULL)
		return cart_command_usage(a, "say with which key: --key FILE");
	o.bundle = a->positional[0];
	o.progress = cart_verdict_progress;
	if (cart_key_public_all(a, "pubkey", &keys, &o.n_keys, &err) < 0) {
		err.class = CART_ERR_USAGE;
		goto fail;
	}
	o.keys = keys;
	if (cart_key_open(a, key, NULL, false, &key_of, &err) < 0)
		goto fail;
	if (url != NULL && open_net(a, url, &key_of, &err) < 0)
		goto fail;
	enter_sandbox(a, o.bundle);
	if (cart_verify(&o, &v, &err) < 0)
		goto fail;
	cart_msg_progress_end();
	if (v.kind == CART_VERDICT_INVALID) {
		cart_verdict_print(&v, o.n_keys, cart_args_flag(a, "json"));
		cart_msg(CART_MSG_ERROR, "not signed: the bundle does not hold");
		status = CART_EXIT_INVALID;
		goto out;
	}
	if (v.extracted || v.root[0] == '\0') {
		cart_err_set(&err, CART_ERR_USAGE, 0, "%s has no outer seal to "
			     "sign: name the .tar, the .seal or their folder",
			     o.bundle);
		goto fail;
	}
	if (seal_path(o.bundle, v.name, seal, &err) < 0 ||
	    sign(key_of.signer, &v, seal, path, &err) < 0)
		goto fail;
	printf("%s\n", path);
	status = CART_EXIT_OK;
	if (url != NULL && stamp(key_of.aws, url, path, &err) < 0) {
		cart_msg(CART_MSG_ERROR, "signed, but no time stamp from %s: "
			 "%s", url, err.text);
		status = CART_EXIT_GAPS;
	}
	goto out;
fail:
	cart_msg_progress_end();
	status = cart_command_fail(a, &err);
out:
	cart_key_close(&key_of);
	free(keys);
	return status;
}

static const struct cart_option options[] = {
	{ "key", 0, "FILE|kms:ARN", false,
	  "The minisign secret key or AWS KMS key to sign with." },
	{ "password-fd", 0, "N", false,
	  "Read the key's password from descriptor N." },
	{ "pubkey", 'P', "FILE|BASE64", true, "A key that you trust already." },
	{ "timestamp", 0, "URL", false,
	  "Have this authority (RFC 3161) stamp the signature." },
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_countersign = {
	.name = "countersign",
	.summary = "Verify a bundle, then sign its seal with a key of yours.",
	.usage = "BUNDLE --key FILE|kms:ARN [--pubkey FILE|BASE64]...",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"For the examiner who takes over a bundle that was sealed by a session key: the\n"
"whole bundle is checked first, and a bundle that does not hold is not signed.\n"
"Writes NAME.seal.KEYID.minisig beside the seal; verify accepts it like the\n"
"first signature.  minisign -Vm NAME.seal -x that file checks it by hand.\n"
"--timestamp puts the authority's stamp of that file into NAME.seal.KEYID.\n"
"minisig.tsr: verify --tsa-ca then says when the key had signed, also for a key\n"
"that ended later.  Without an answer: exit status 3, and no stamp.\n"
"\n"
"Example:\n"
"  crashcart countersign IR-7-b01.tar --key lab.key --pubkey RWQ...\n"
"  crashcart verify IR-7-b01.tar --pubkey lab.pub\n",
	.run = countersign,
};
