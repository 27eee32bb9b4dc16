/* SPDX-License-Identifier: Apache-2.0 */
#include "key_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "crashcart/buf.h"
#include "crashcart/digest.h"
#include "crashcart/fdio.h"
#include "crashcart/minisign.h"
#include "crashcart/text.h"
#include "crashcart/timestamp.h"

/* One line from fd without its LF, byte by byte: nothing behind it is eaten. */
static int read_line(int fd, char *out, struct cart_err *err)
{
	size_t n = 0;
	ssize_t got;
	char c;

	for (;;) {
		got = cart_fd_read(fd, &c, 1, err);
		if (got < 0)
			return -1;
		if (got == 0 || c == '\n')
			break;
		if (n == CART_PASSWORD_MAX)
			return cart_err_set(err, CART_ERR_LIMIT, 0,
					    "password: longer than %d bytes",
					    CART_PASSWORD_MAX);
		out[n++] = c;
	}
	out[n] = '\0';
	return 0;
}

static int ask(int tty, const char *prompt, char *out, struct cart_err *err)
{
	struct termios old, quiet;
	int rc;

	if (tcgetattr(tty, &old) < 0)
		return cart_err_errno(err, errno, "terminal");
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0)
		return cart_err_errno(err, errno, "terminal");
	rc = cart_fd_write(tty, prompt, strlen(prompt), err);
	if (rc == 0)
		rc = read_line(tty, out, err);
	tcsetattr(tty, TCSAFLUSH, &old);
	if (rc == 0)
		rc = cart_fd_write(tty, "\n", 1, err);
	return rc;
}

static int ask_terminal(const char *prompt, bool twice, char *out,
			struct cart_err *err)
{
	char again[CART_PASSWORD_MAX + 1];
	int tty, rc;

	tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "a password is needed and there is no "
				    "terminal: give --password-fd N");
	rc = ask(tty, prompt, out, err);
	if (rc == 0 && twice) {
		rc = ask(tty, "Once more: ", again, err);
		if (rc == 0 && strcmp(out, again) != 0)
			rc = cart_err_set(err, CART_ERR_USAGE, 0,
					  "the two passwords differ");
		cart_wipe(again, sizeof(again));
	}
	close(tty);
	return rc;
}

int cart_key_password(const char *prompt, const char *fd_text, bool twice,
		      char *out, struct cart_err *err)
{
	uint64_t fd;

	if (fd_text == NULL)
		return ask_terminal(prompt, twice, out, err);
	if (cart_text_u64(fd_text, strlen(fd_text), 1 << 20, &fd) < 0)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "--password-fd: '%s' is not a descriptor",
				    fd_text);
	return read_line((int)fd, out, err);
}

struct cart_signer *cart_key_load(const char *path, const char *password_fd,
				  struct cart_err *err)
{
	char password[CART_PASSWORD_MAX + 1] = "";
	struct cart_signer *s = NULL;
	struct cart_buf b;
	int wanted;

	cart_buf_init(&b, 4096);
	if (cart_file_read(AT_FDCWD, path, &b, err) < 0)
		goto out;
	wanted = cart_signer_needs_password(b.data, b.len, err);
	if (wanted < 0)
		goto out;
	if (wanted > 0 && cart_key_password("Password of the signing key: ",
					    password_fd, false, password, err) < 0)
		goto out;
	s = cart_signer_minisign(b.data, b.len, wanted ? password : NULL, err);
out:
	if (s == NULL)
		cart_err_prefix(err, "key %s", path);
	cart_wipe(password, sizeof(password));
	if (b.data != NULL)
		cart_wipe(b.data, b.len);
	cart_buf_clear(&b);
	return s;
}

struct cart_age_identities *cart_identity_load(const char *path,
					       struct cart_err *err)
{
	struct cart_age_identities *ids = NULL;
	const size_t size = CART_AGE_IDENTITY_FILE_MAX + 1;
	void *secret = cart_locked_new(size);
	struct cart_buf b;

	if (secret == NULL) {
		cart_err_nomem(err);
		return NULL;
	}
	cart_buf_init_fixed(&b, secret, size);
	if (cart_file_read(AT_FDCWD, path, &b, err) == 0)
		ids = cart_age_identities_new(b.data, b.len, err);
	cart_locked_free(secret);
	if (ids == NULL)
		cart_err_prefix(err, "identity %s", path);
	return ids;
}

int cart_identity_option(const struct cart_args *a,
			 struct cart_age_identities **ret, struct cart_err *err)
{
	const char *path = cart_args_value(a, "identity");

	if (path == NULL)
		return 0;
	*ret = cart_identity_load(path, err);
	return *ret != NULL ? 0 : -1;
}

static int load_public(const char *text, struct cart_public_key *ret,
		       struct cart_err *err)
{
	size_t len = strlen(text);
	struct cart_buf b;
	int rc;

	if (len == 0)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "public key: the key is empty");
	/* the bare key is 56 base64 characters; no file has such a name */
	if (len == 56 && strncmp(text, "RW", 2) == 0) {
		if (cart_minisign_parse_public(text, 56, ret, err) == 0)
			return 0;
		return cart_err_prefix(err, "public key %s (mistyped?)", text);
	}
	/* as `aws kms get-public-key --query PublicKey` prints it */
	if (len == 60 && strncmp(text, "MCow", 4) == 0) {
		if (cart_minisign_parse_spki(text, len, ret, err) == 0)
			return 0;
		return cart_err_prefix(err, "public key %s (mistyped?)", text);
	}
	if (len < 40 && strncmp(text, "RW", 2) == 0 &&
	    strpbrk(text, "./") == NULL && access(text, F_OK) < 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "public key %s: "
				    "neither a file nor a key of 56 characters",
				    text);
	if (len >= 40 && len < 80 && strncmp(text, "RW", 2) == 0 &&
	    strchr(text, '.') == NULL && access(text, F_OK) < 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "public key %s: a "
				    "key has 56 characters, this has %zu; copy "
				    "all of it, and nothing else", text, len);
	cart_buf_init(&b, 4096);
	rc = cart_file_read(AT_FDCWD, text, &b, err);
	if (rc == 0 && cart_minisign_parse_spki(b.data, b.len, ret, err) < 0)
		rc = cart_minisign_parse_public(b.data, b.len, ret, err);
	cart_buf_clear(&b);
	if (rc < 0)
		cart_err_prefix(err, "public key %s", text);
	return rc;
}

int cart_key_public_all(const struct cart_args *a, const char *option,
			struct cart_public_key **ret, size_t *ret_n,
			struct cart_err *err)
{
	const char *values[CART_ARGS_MAX + 1];
	size_t n = cart_args_all(a, option, values), i;

	*ret_n = 0;
	*ret = calloc(n + 1, sizeof(**ret));
	if (*ret == NULL)
		return cart_err_nomem(err);
	for (i = 0; i < n; i++) {
		if (load_public(values[i], &(*ret)[i], err) < 0) {
			free(*ret);
			*ret = NULL;
			return -1;
		}
		(*ret_n)++;
	}
	return 0;
}

int cart_tsa_roots_load(const struct cart_args *a, struct cart_buf *ret,
			struct cart_err *err)
{
	const char *path;
	struct cart_buf one;
	size_t i;
	int rc = 0;

	cart_buf_init(&one, CART_TSA_ROOTS_MAX);
	for (i = 0; rc == 0 && (path = cart_args_at(a, "tsa-ca", i)); i++) {
		cart_buf_reset(&one);
		rc = cart_file_read(AT_FDCWD, path, &one, err);
		if (rc == 0 && cart_tsa_roots_count((const char *)one.data,
						    one.len, err) < 0)
			rc = -1;
		if (rc < 0) {
			cart_err_prefix(err, "--tsa-ca %s", path);
			err->class = CART_ERR_USAGE;
		} else {
			cart_buf_add(ret, one.data, one.len);
			cart_buf_addc(ret, '\n');
			rc = cart_buf_check(ret, "--tsa-ca", err);
		}
	}
	cart_buf_clear(&one);
	return rc;
}
