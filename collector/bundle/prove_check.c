/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking a proof that prove.c wrote: signature -> tag manifest ->
 * checkpoint -> root <- path <- log line <- content (FORMAT.md section 9).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crashcart/fdio.h"
#include "crashcart/merkle.h"
#include "crashcart/minisign.h"
#include "crashcart/prove.h"
#include "crashcart/text.h"

#define HEADER "c2sp.org/tlog-proof@v1\n"
#define TAG_MAX ((size_t)16 << 20)

struct proof {
	struct cart_buf line, proof, tagmanifest, signature;
	const char *checkpoint;		/* into proof */
	size_t checkpoint_len;
	uint64_t index;
	unsigned char path[CART_MERKLE_PATH_MAX][CART_SHA256_SIZE];
	size_t path_len;
	uint64_t size;			/* of the tree */
	unsigned char root[CART_SHA256_SIZE];
};

static int bad(struct cart_proof_verdict *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int bad(struct cart_proof_verdict *v, const char *fmt, ...)
{
	va_list ap;

	v->kind = CART_VERDICT_INVALID;
	va_start(ap, fmt);
	vsnprintf(v->reason, sizeof(v->reason), fmt, ap);
	va_end(ap);
	return -1;
}

/* One line without its LF; false at the end or when there is no LF. */
static bool next_line(const char **p, const char *end, const char **ret,
		      size_t *ret_len)
{
	const char *lf = *p < end ? memchr(*p, '\n', (size_t)(end - *p)) : NULL;

	if (lf == NULL)
		return false;
	*ret = *p;
	*ret_len = (size_t)(lf - *p);
	*p = lf + 1;
	return true;
}

static int parse_hash(const char *s, size_t len,
		      unsigned char out[CART_SHA256_SIZE])
{
	struct cart_buf b;
	int rc;

	cart_buf_init(&b, 64);
	rc = len == 44 && cart_text_unbase64(s, len, &b) == 0 &&
		b.len == CART_SHA256_SIZE ? 0 : -1;
	if (rc == 0)
		memcpy(out, b.data, CART_SHA256_SIZE);
	cart_buf_clear(&b);
	return rc;
}

static int parse_proof(struct proof *f, struct cart_proof_verdict *v)
{
	const char *p = (const char *)f->proof.data, *end = p + f->proof.len;
	const char *line, *origin;
	size_t len, origin_len;

	if (f->proof.len < strlen(HEADER) ||
	    memcmp(p, HEADER, strlen(HEADER)) != 0)
		return bad(v, "line.tlog-proof is no C2SP tlog-proof");
	p += strlen(HEADER);
	if (!next_line(&p, end, &line, &len) || len < 7 ||
	    memcmp(line, "index ", 6) != 0 ||
	    cart_text_u64(line + 6, len - 6, UINT64_MAX, &f->index) < 0)
		return bad(v, "line.tlog-proof has no index");
	for (;;) {
		if (!next_line(&p, end, &line, &len))
			return bad(v, "line.tlog-proof has no checkpoint");
		if (len == 0)
			break;
		if (f->path_len == CART_MERKLE_PATH_MAX ||
		    parse_hash(line, len, f->path[f->path_len++]) < 0)
			return bad(v, "line.tlog-proof has a bad hash");
	}
	f->checkpoint = p;
	f->checkpoint_len = (size_t)(end - p);
	/* origin, size, root: the three lines that the log's key signs */
	if (!next_line(&p, end, &origin, &origin_len) ||
	    !next_line(&p, end, &line, &len) ||
	    cart_text_u64(line, len, UINT64_MAX, &f->size) < 0 ||
	    !next_line(&p, end, &line, &len) ||
	    parse_hash(line, len, f->root) < 0)
		return bad(v, "the checkpoint in line.tlog-proof is malformed");
	return 0;
}

/* The tag manifest must list this checkpoint. */
static int check_checkpoint(const struct proof *f, struct cart_proof_verdict *v)
{
	char want[CART_SHA256_HEX_SIZE + 16], hex[CART_SHA256_HEX_SIZE];
	const char *p = (const char *)f->tagmanifest.data;
	const char *end = p + f->tagmanifest.len, *line;
	size_t len;

	cart_sha256_hex(f->checkpoint, f->checkpoint_len, hex);
	snprintf(want, sizeof(want), "%s  checkpoint", hex);
	while (next_line(&p, end, &line, &len)) {
		if (len == strlen(want) && memcmp(line, want, len) == 0)
			return 0;
	}
	return bad(v, "the checkpoint is not the one that the bundle's tag "
		   "manifest lists");
}

static int check_inclusion(const struct proof *f, struct cart_proof_verdict *v)
{
	unsigned char leaf[CART_SHA256_SIZE], root[CART_SHA256_SIZE];

	cart_merkle_leaf(f->line.data, f->line.len, leaf);
	if (cart_merkle_path_root(leaf, f->size, f->index, f->path, f->path_len,
				  root) < 0 ||
	    memcmp(root, f->root, sizeof(root)) != 0)
		return bad(v, "the line is not in the log that the checkpoint "
			   "stands for");
	v->line = f->index + 1;
	v->lines = f->size;
	return 0;
}

static int hash_content(int dirfd, char hex[CART_SHA256_HEX_SIZE],
			struct cart_err *err)
{
	unsigned char block[65536], digest[CART_SHA256_SIZE];
	struct cart_sha256 h;
	struct stat st;
	ssize_t n;
	int fd = openat(dirfd, "content", O_RDONLY | O_NOFOLLOW | O_CLOEXEC |
			O_NONBLOCK);

	if (fd < 0)
		return cart_err_errno(err, errno, "content");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "content is not a regular file");
	}
	cart_sha256_init(&h);
	while ((n = cart_fd_read(fd, block, sizeof(block), err)) > 0)
		cart_sha256_update(&h, block, (size_t)n);
	cart_sha256_final(&h, digest);
	close(fd);
	cart_text_hex(digest, sizeof(digest), hex);
	return n < 0 ? -1 : 0;
}

static int check_content(const struct proof *f, int dirfd,
			 struct cart_proof_verdict *v, struct cart_err *err)
{
	struct cart_json *j = cart_json_parse(f->line.data, f->line.len, NULL,
					      NULL);
	const char *want = cart_json_get_string(j, "sha256");
	const char *exhibit = cart_json_get_string(j, "exhibit");
	const char *what = cart_json_get_string(j, "path");
	int rc = -1;

	if (cart_json_get_string(j, "name") != NULL)
		what = cart_json_get_string(j, "name");
	if (want == NULL || exhibit == NULL) {
		bad(v, "line.json is no exhibit or file with a SHA-256");
		goto out;
	}
	snprintf(v->exhibit, sizeof(v->exhibit), "%s", exhibit);
	snprintf(v->what, sizeof(v->what), "%.500s", what != NULL ? what : "");
	if (hash_content(dirfd, v->sha256, err) < 0)
		rc = -2;
	else if (strcmp(v->sha256, want) != 0)
		bad(v, "the content is not what the log line says");
	else
		rc = 0;
out:
	cart_json_free(j);
	return rc;
}

/* name=VALUE in the trusted comment; the rule is F23's fixed text. */
static bool comment_field(const char *comment, const char *name, char *out,
			  size_t size)
{
	const char *p = strstr(comment, name);
	size_t n;

	if (p == NULL)
		return false;
	p += strlen(name);
	n = strcspn(p, " ");
	if (n == 0 || n >= size)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

/* Who signed the tag manifest, and does the reader trust that key? */
static int check_signature(const struct proof *f,
			   const struct cart_public_key *keys, size_t n_keys,
			   struct cart_proof_verdict *v)
{
	unsigned char prehash[CART_BLAKE2B_SIZE];
	char want[512], root[CART_SHA256_HEX_SIZE];
	struct cart_minisign_sig sig;
	struct cart_blake2b h;
	size_t i;

	if (cart_minisign_parse_sig(f->signature.data, f->signature.len, &sig,
				    NULL) < 0 ||
	    strcmp(sig.untrusted, "crashcart inner seal") != 0 ||
	    !comment_field(sig.trusted, " bundle=", v->name, sizeof(v->name)) ||
	    !comment_field(sig.trusted, " case=", v->case_id,
			   sizeof(v->case_id)) ||
	    !comment_field(sig.trusted, " purpose=", v->purpose,
			   sizeof(v->purpose)))
		return bad(v, "the signature file is not an inner seal's");
	cart_sha256_hex(f->tagmanifest.data, f->tagmanifest.len, root);
	snprintf(want, sizeof(want), "crashcart inner-seal bundle=%s case=%s "
		 "purpose=%s root=%s", v->name, v->case_id, v->purpose, root);
	if (strcmp(want, sig.trusted) != 0)
		return bad(v, "the signature is of another tag manifest");
	cart_minisign_id_text(sig.key_id, v->signer_id);
	cart_blake2b_init(&h);
	cart_blake2b_update(&h, f->tagmanifest.data, f->tagmanifest.len);
	cart_blake2b_final(&h, prehash);
	for (i = 0; i < n_keys; i++) {
		if (memcmp(keys[i].id, sig.key_id, sizeof(sig.key_id)) != 0)
			continue;
		if (cart_minisign_verify(&sig, &keys[i], prehash, NULL) < 0)
			return bad(v, "the signature does not hold under the "
				   "key that it names");
		v->kind = CART_VERDICT_VALID;
		snprintf(v->reason, sizeof(v->reason), "content, log line, "
			 "checkpoint and signature hold together, and you "
			 "named the key; other files in the folder are not "
			 "looked at");
		return 0;
	}
	v->kind = CART_VERDICT_UNKNOWN;
	snprintf(v->reason, sizeof(v->reason), "content, log line and checkpoint "
		 "hold together, but %s", n_keys == 0 ? "you named no key" :
		 "none of the keys that you named signed it");
	return 0;
}

static int load(int dirfd, const char *name, struct cart_buf *b, size_t max,
		struct cart_err *err)
{
	cart_buf_init(b, max);
	return cart_file_read(dirfd, name, b, err);
}

int cart_prove_check(const char *folder, const struct cart_public_key *keys,
		     size_t n_keys, struct cart_proof_verdict *ret,
		     struct cart_err *err)
{
	struct proof f = { 0 };
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0)
		return cart_err_errno(err, errno, "%s", folder);
	if (load(fd, "line.json", &f.line, 262144, err) < 0 ||
	    load(fd, "line.tlog-proof", &f.proof, 65536, err) < 0 ||
	    load(fd, "tagmanifest-sha256.txt", &f.tagmanifest, TAG_MAX,
		 err) < 0 ||
	    load(fd, "tagmanifest-sha256.txt.minisig", &f.signature, 65536,
		 err) < 0)
		goto out;
	rc = 0;
	if (check_signature(&f, keys, n_keys, ret) < 0 ||
	    parse_proof(&f, ret) < 0 || check_checkpoint(&f, ret) < 0 ||
	    check_inclusion(&f, ret) < 0)
		goto out;
	if (check_content(&f, fd, ret, err) == -2)
		rc = -1;
out:
	cart_buf_clear(&f.line);
	cart_buf_clear(&f.proof);
	cart_buf_clear(&f.tagmanifest);
	cart_buf_clear(&f.signature);
	close(fd);
	return rc;
}
