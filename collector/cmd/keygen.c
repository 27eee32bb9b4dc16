/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "crashcart/age.h"
#include "crashcart/digest.h"
#include "crashcart/fdio.h"
#include "crashcart/json.h"
#include "crashcart/minisign.h"
#include "key_load.h"

static void announce(const char *secret, const char *public,
		     const struct cart_buf *public_file, bool json)
{
	struct cart_public_key key;
	struct cart_buf bare;
	char id[17];

	if (cart_minisign_parse_public(public_file->data, public_file->len,
				       &key, NULL) < 0)
		return;
	cart_buf_init(&bare, 128);
	cart_minisign_print_public_bare(&key, &bare);
	cart_minisign_id_text(key.id, id);
	if (json) {
		struct cart_json *j = cart_json_new_object();

		cart_json_add(j, "secret_key", cart_json_new_string(secret));
		cart_json_add(j, "public_key", cart_json_new_string(public));
		cart_json_add(j, "key_id", cart_json_new_string(id));
		cart_json_add(j, "key",
			      cart_json_new_string((char *)bare.data));
		cart_command_print_json(stdout, j);
	} else {
		printf("Secret key: %s   (keep it off every suspect host)\n"
		       "Public key: %s\nKey id:     %s\nKey:        %s\n",
		       secret, public, id, (char *)bare.data);
	}
	cart_buf_clear(&bare);
}

static void announce_age(const char *file, const char *recipient, bool json)
{
	struct cart_json *j;

	if (!json) {
		printf("Identity:  %s   (secret: keep it off every suspect "
		       "host)\nRecipient: %s\n", file, recipient);
		return;
	}
	j = cart_json_new_object();
	cart_json_add(j, "identity", cart_json_new_string(file));
	cart_json_add(j, "recipient", cart_json_new_string(recipient));
	cart_command_print_json(stdout, j);
}

/* NAME.age: what age-keygen would make. */
static int keygen_age(const struct cart_args *a)
{
	char path[4096], recipient[CART_AGE_RECIPIENT_SIZE];
	const size_t size = 4096;
	void *secret = cart_locked_new(size);
	struct cart_err err = { 0 };
	struct cart_buf file;
	int rc = -1;

	if (strlen(a->positional[0]) > 4000) {
		cart_locked_free(secret);
		return cart_command_usage(a, "the name is too long");
	}
	snprintf(path, sizeof(path), "%s.age", a->positional[0]);
	if (secret == NULL) {
		cart_err_nomem(&err);
	} else {
		cart_buf_init_fixed(&file, secret, size);
		rc = cart_age_keygen(&file, recipient, &err);
		if (rc == 0)
			rc = cart_file_write_new(AT_FDCWD, path, file.data,
						 file.len, 0600, &err);
	}
	cart_locked_free(secret);
	if (rc < 0)
		return cart_command_fail(a, &err);
	announce_age(path, recipient, cart_args_flag(a, "json"));
	return CART_EXIT_OK;
}

static int keygen(const struct cart_args *a)
{
	char secret_path[4096], public_path[4096];
	char password[CART_PASSWORD_MAX + 1] = "";
	struct cart_buf secret, public;
	struct cart_err err = { 0 };
	const char *name = a->positional[0];
	bool bare = cart_args_flag(a, "no-password");
	int status = CART_EXIT_FAILED;

	if (cart_args_flag(a, "age"))
		return keygen_age(a);
	cart_buf_init(&secret, 4096);
	cart_buf_init(&public, 4096);
	if (strlen(name) > 4000)
		return cart_command_usage(a, "the name is too long");
	snprintf(secret_path, sizeof(secret_path), "%s.key", name);
	snprintf(public_path, sizeof(public_path), "%s.pub", name);
	if (access(secret_path, F_OK) == 0 || access(public_path, F_OK) == 0)
		return cart_command_usage(a, "%s.key or %s.pub exists; keys "
					  "are never overwritten", name, name);
	if (!bare && cart_key_password("Password for the new key: ",
				       cart_args_value(a, "password-fd"),
				       true, password, &err) < 0)
		goto fail;
	if (!bare && password[0] == '\0') {
		cart_err_set(&err, CART_ERR_USAGE, 0, "an empty password "
			     "protects nothing: give one, or -W for none");
		goto fail;
	}
	if (cart_minisign_keygen(bare ? NULL : password, &secret, &public,
				 &err) < 0 ||
	    cart_file_write_new(AT_FDCWD, secret_path, secret.data, secret.len,
				0600, &err) < 0 ||
	    cart_file_write_new(AT_FDCWD, public_path, public.data, public.len,
				0644, &err) < 0)
		goto fail;
	announce(secret_path, public_path, &public, cart_args_flag(a, "json"));
	status = CART_EXIT_OK;
	goto out;
fail:
	status = cart_command_fail(a, &err);
out:
	cart_wipe(password, sizeof(password));
	if (secret.data != NULL)
		cart_wipe(secret.data, secret.len);
	cart_buf_clear(&secret);
	cart_buf_clear(&public);
	return status;
}

static const struct cart_option options[] = {
	{ "no-password", 'W', NULL, false, "Do not protect the secret key." },
	{ "password-fd", 0, "N", false,
	  "Read the password from descriptor N, not the terminal." },
	{ "age", 0, NULL, false,
	  "Make an age identity instead: NAME.age, for collect --encrypt-to." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_keygen = {
	.name = "keygen",
	.summary = "Make a minisign-format signing key, or an age identity.",
	.usage = "[-W|--age] NAME",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"minisign opens NAME.key and NAME.pub, and crashcart opens minisign's.  The\n"
"secret key belongs on the examiner's own machine; on a suspect host let the\n"
"collector use its fresh session key, which is the default of collect.\n"
"With --age: NAME.age is what age-keygen would make; give the recipient that\n"
"is printed to `collect --encrypt-to`, and keep the file at the lab.\n"
"\n"
"Example:\n"
"  crashcart keygen lab-2026\n"
"  crashcart verify IR-7-b01.tar --pubkey lab-2026.pub\n",
	.run = keygen,
};
