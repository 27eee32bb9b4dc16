/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_KEY_LOAD_H
#define CMD_KEY_LOAD_H

#include <stddef.h>

#include "command.h"
#include "crashcart/age.h"
#include "crashcart/buf.h"
#include "crashcart/signer.h"

#define CART_PASSWORD_MAX 1024

/* Reads a password without echo: from descriptor fd_text (a decimal number
 * from --password-fd) if that is not NULL, else from the terminal.  twice:
 * ask again and compare.  out holds CART_PASSWORD_MAX + 1.  0 or -1: no
 * terminal, too long, or the two differ. */
int cart_key_password(const char *prompt, const char *fd_text, bool twice,
		      char *out, struct cart_err *err);

/* --key FILE: a minisign secret key; asks for its password if it has one. */
struct cart_signer *cart_key_load(const char *path, const char *password_fd,
				  struct cart_err *err);

/* -i FILE: the age identities in it. */
struct cart_age_identities *cart_identity_load(const char *path,
					       struct cart_err *err);

/* --identity FILE, if it was given: *ret stays NULL else. */
int cart_identity_option(const struct cart_args *a,
			 struct cart_age_identities **ret, struct cart_err *err);

#define CMD_IDENTITY_OPTION \
	{ "identity", 'i', "FILE", false, \
	  "The age identity that opens an encrypted bundle." }

/* --pubkey FILE|BASE64: keys the reader trusts.  Reads all values of the
 * option into a new array (free()). */
int cart_key_public_all(const struct cart_args *a, const char *option,
			struct cart_public_key **ret, size_t *ret_n,
			struct cart_err *err);

/* --tsa-ca FILE: certificates of time stamping authorities, PEM, of all values
 * of the option; ret is an empty buffer of CART_TSA_ROOTS_MAX. */
int cart_tsa_roots_load(const struct cart_args *a, struct cart_buf *ret,
			struct cart_err *err);

#endif
