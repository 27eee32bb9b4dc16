/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest_load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crashcart/embed.h"
#include "crashcart/fdio.h"
#include "crashcart/minisign.h"
#include "crashcart/text.h"
#include "key_load.h"

#define MANIFEST_MAX ((size_t)4 << 20)

static struct cart_manifest *load_builtin(const char *name,
					  struct cart_err *err)
{
	const char *best = NULL;
	unsigned distance, best_distance = 4;
	size_t i;

	for (i = 0; i < cart_embed_manifests_count; i++) {
		const struct cart_embed_file *f = &cart_embed_manifests[i];

		if (strcmp(f->name, name) == 0)
			return cart_manifest_parse(name, f->data, f->len, err);
		distance = cart_text_distance(f->name, name, 4);
		if (distance < best_distance) {
			best_distance = distance;
			best = f->name;
		}
	}
	if (best != NULL)
		cart_err_set(err, CART_ERR_USAGE, 0, "there is no built-in "
			     "manifest '%s'; did you mean '%s'?", name, best);
	else
		cart_err_set(err, CART_ERR_USAGE, 0, "there is no built-in "
			     "manifest '%s'; `crashcart show manifests` lists "
			     "them, a file is named with its path (./%s)",
			     name, name);
	return NULL;
}

static struct cart_manifest *load_file(const char *path, struct cart_err *err)
{
	struct cart_manifest *m = NULL;
	struct cart_buf b;

	cart_buf_init(&b, MANIFEST_MAX);
	if (cart_file_read(AT_FDCWD, path, &b, err) < 0)
		cart_err_prefix(err, "manifest %s", path);
	else
		m = cart_manifest_parse(path, b.data, b.len, err);
	cart_buf_clear(&b);
	if (m == NULL)
		err->class = CART_ERR_USAGE;
	return m;
}

struct cart_manifest *cart_manifest_load(const struct cart_args *a,
					 const char *name, bool ready,
					 bool *ret_builtin,
					 struct cart_err *err)
{
	bool builtin = strpbrk(name, "/.") == NULL;
	struct cart_manifest *m;
	const char *assignment;
	size_t i;

	m = builtin ? load_builtin(name, err) : load_file(name, err);
	if (m == NULL)
		return NULL;
	if (ret_builtin != NULL)
		*ret_builtin = builtin;
	for (i = 0; (assignment = cart_args_at(a, "param", i)) != NULL; i++) {
		if (cart_manifest_param(m, assignment, err) < 0)
			goto fail;
	}
	if (ready && cart_manifest_ready(m, err) < 0)
		goto fail;
	return m;
fail:
	err->class = CART_ERR_USAGE;
	cart_manifest_free(m);
	return NULL;
}

static int check_signature(const char *path, const struct cart_manifest *m,
			   const struct cart_public_key *keys, size_t n_keys,
			   struct cart_err *err)
{
	unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_minisign_sig sig;
	struct cart_blake2b hash;
	char sig_path[4096];
	const void *bytes;
	struct cart_buf b;
	size_t len, i;
	int rc = -1;

	snprintf(sig_path, sizeof(sig_path), "%s.minisig", path);
	cart_buf_init(&b, 8192);
	if (cart_file_read(AT_FDCWD, sig_path, &b, err) < 0 ||
	    cart_minisign_parse_sig(b.data, b.len, &sig, err) < 0)
		goto out;
	bytes = cart_manifest_bytes(m, &len);
	cart_blake2b_init(&hash);
	cart_blake2b_update(&hash, bytes, len);
	cart_blake2b_final(&hash, prehash);
	for (i = 0; i < n_keys; i++) {
		if (memcmp(keys[i].id, sig.key_id, sizeof(sig.key_id)) == 0 &&
		    cart_minisign_verify(&sig, &keys[i], prehash, err) == 0) {
			rc = 0;
			goto out;
		}
	}
	cart_err_set(err, CART_ERR_USAGE, 0, "%s was not made by a key that "
		     "--manifest-key names", sig_path);
out:
	cart_buf_clear(&b);
	return rc;
}

int cart_manifest_trusted(const struct cart_args *a, const char *name,
			  bool builtin, const struct cart_manifest *m,
			  struct cart_err *err)
{
	struct cart_public_key *keys = NULL;
	size_t n_keys;
	int rc;

	if (builtin || (cart_args_value(a, "allow") == NULL &&
			cart_args_value(a, "manifest-key") == NULL))
		return 0;
	if (cart_key_public_all(a, "manifest-key", &keys, &n_keys, err) < 0)
		return -1;
	if (n_keys > 0)
		rc = check_signature(name, m, keys, n_keys, err);
	else if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		rc = 0;
	else
		rc = cart_err_set(err, CART_ERR_USAGE, 0,
				  "--allow without a terminal needs a built-in "
				  "manifest, or a signed one: sign it with "
				  "`minisign -Sm %s` and give --manifest-key",
				  name);
	free(keys);
	if (rc < 0)
		err->class = CART_ERR_USAGE;
	return rc;
}
