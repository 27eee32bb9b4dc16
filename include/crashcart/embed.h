/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that scripts/embed links into the program.  Each blob is followed by a
 * NUL that its length does not count, so that text may be used as a string.
 * The data is read-only and lives as long as the program.
 */
#ifndef CRASHCART_EMBED_H
#define CRASHCART_EMBED_H

#include <stddef.h>

struct cart_embed_file {
	const char *name;		/* file name without its last suffix */
	const unsigned char *data;
	size_t len;			/* bytes, without the NUL */
};

/* CA roots: one zstd frame of PEM text, sorted by DER (linked with room net).
   The text is empty only in a build with DEV=system that never fetched the
   locked ca-certificates. */
extern const unsigned char cart_embed_roots[];
extern const size_t cart_embed_roots_len;

/* The AWS service model of scripts/gen-aws-model (linked with room aws). */
extern const unsigned char cart_embed_aws_model[];
extern const size_t cart_embed_aws_model_len;

/* collector/attest/aws-identity/<name>.pem, sorted by name (attest), each one
   zstd frame; the name keeps its ".pem". */
extern const struct cart_embed_file cart_embed_identity[];
extern const size_t cart_embed_identity_count;

/* manifests/<name>.json, without schema.json, sorted by name (engine). */
extern const struct cart_embed_file cart_embed_manifests[];
extern const size_t cart_embed_manifests_count;

/* The tree without its tests, as scripts/source-archive packs it: .tar.zst
   (linked with room cmd). */
extern const unsigned char cart_embed_source[];
extern const size_t cart_embed_source_len;

/* collector/man/<name>.<section>, sorted by name (linked with room cmd); the
   name keeps its section: "crashcart.1". */
extern const struct cart_embed_file cart_embed_man[];
extern const size_t cart_embed_man_count;

#endif
