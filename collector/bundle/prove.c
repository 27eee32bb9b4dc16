/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/prove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crashcart/fdio.h"
#include "crashcart/merkle.h"
#include "crashcart/minisign.h"
#include "crashcart/text.h"

#define LINES_MAX ((size_t)4 << 20)
#define LINE_MAX_BYTES ((size_t)262144)
#define TAG_MAX ((size_t)16 << 20)
#define HEADER "c2sp.org/tlog-proof@v1\n"
#define TAGMANIFEST "tagmanifest-sha256.txt"
#define SIGNATURE "tagmanifest-sha256.txt.minisig"

/* ---- gathering: leaf hashes, our line, and the few members that prove ---- */

struct gather {
	const struct cart_prove_options *o;
	unsigned char (*leaves)[CART_SHA256_SIZE];
	size_t n, cap;
	struct cart_buf line;		/* being read */
	struct cart_buf found;		/* ours, exact bytes */
	uint64_t index;
	struct cart_buf checkpoint, tagmanifest, signature;
	struct cart_buf *into;		/* the member that is being read */
	bool in_log;
};

/* Is this the line that says what the exhibit (or file) is? */
static bool is_ours(const struct gather *g, const struct cart_json *line)
{
	const char *type = cart_json_get_string(line, "type");
	const char *exhibit = cart_json_get_string(line, "exhibit");
	const char *path = cart_json_get_string(line, "path");

	if (type == NULL || exhibit == NULL ||
	    strcmp(exhibit, g->o->exhibit) != 0)
		return false;
	if (g->o->path == NULL)
		return strcmp(type, "exhibit") == 0;
	return strcmp(type, "file") == 0 && path != NULL &&
		strcmp(path, g->o->path) == 0;
}

static int end_line(struct gather *g, struct cart_err *err)
{
	unsigned char (*grown)[CART_SHA256_SIZE];
	struct cart_json *j;

	if (g->n == LINES_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0, "the log has more "
				    "than %zu lines", LINES_MAX);
	if (g->n == g->cap) {
		g->cap = g->cap == 0 ? 4096 : g->cap * 2;
		grown = realloc(g->leaves, g->cap * sizeof(*grown));
		if (grown == NULL)
			return cart_err_nomem(err);
		g->leaves = grown;
	}
	cart_merkle_leaf(g->line.data, g->line.len, g->leaves[g->n]);
	/* a quick look first: most lines are of other exhibits */
	if (g->found.len == 0 &&
	    memmem(g->line.data, g->line.len, g->o->exhibit,
		   strlen(g->o->exhibit)) != NULL) {
		j = cart_json_parse(g->line.data, g->line.len, NULL, err);
		if (j != NULL && is_ours(g, j)) {
			cart_buf_add(&g->found, g->line.data, g->line.len);
			g->index = g->n;
		}
		cart_json_free(j);
	}
	g->n++;
	cart_buf_reset(&g->line);
	return 0;
}

static int add_log(struct gather *g, const char *p, size_t len,
		   struct cart_err *err)
{
	const char *lf;
	size_t n;

	while (len > 0) {
		lf = memchr(p, '\n', len);
		n = lf != NULL ? (size_t)(lf - p) : len;
		cart_buf_add(&g->line, p, n);
		if (cart_buf_check(&g->line, "a log line", err) < 0)
			return -1;
		if (lf == NULL)
			return 0;
		if (end_line(g, err) < 0)
			return -1;
		p += n + 1;
		len -= n + 1;
	}
	return 0;
}

static int on_member(void *arg, const struct cart_walk_member *m,
		     const void *data, size_t len, bool end,
		     struct cart_err *err)
{
	struct gather *g = arg;

	if (data == NULL && !end) {
		g->in_log = strncmp(m->path, "log/", 4) == 0;
		g->into = strcmp(m->path, "checkpoint") == 0 ? &g->checkpoint :
			strcmp(m->path, TAGMANIFEST) == 0 ? &g->tagmanifest :
			strcmp(m->path, "seal/" SIGNATURE) == 0 ?
			&g->signature : NULL;
		return 0;
	}
	if (data == NULL || len == 0)
		return 0;
	if (g->in_log)
		return add_log(g, data, len, err);
	if (g->into != NULL) {
		cart_buf_add(g->into, data, len);
		return cart_buf_check(g->into, m->path, err);
	}
	return 0;
}

/* ---- writing ------------------------------------------------------------- */

static void print_proof(const struct gather *g, struct cart_buf *out)
{
	unsigned char path[CART_MERKLE_PATH_MAX][CART_SHA256_SIZE];
	size_t len = cart_merkle_path(g->leaves, g->n, g->index, path), i;

	cart_buf_adds(out, HEADER);
	cart_buf_addf(out, "index %" PRIu64 "\n", g->index);
	for (i = 0; i < len; i++) {
		cart_text_base64(path[i], CART_SHA256_SIZE, out);
		cart_buf_addc(out, '\n');
	}
	cart_buf_addc(out, '\n');
	cart_buf_add(out, g->checkpoint.data, g->checkpoint.len);
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

/* The one entry of the folder that extract made. */
static int only_entry(const char *folder, char out[512], struct cart_err *err)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	if (d == NULL)
		return cart_err_errno(err, errno, "%s", folder);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(out, 512, "%s", e->d_name);
		n++;
	}
	closedir(d);
	if (n != 1)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "the exhibit has no content of its own");
	return 0;
}

/* Takes the content out of the bundle, into out/content. */
static int put_content(const struct cart_prove_options *o, struct cart_err *err)
{
	struct cart_extract_options x = { 0 };
	const char *only[2] = { o->exhibit, NULL };
	char work[4096], from[8192], to[4096], entry[512];
	struct cart_verdict v;
	int n, rc = -1;

	snprintf(work, sizeof(work), "%.4000s/extract", o->out);
	x.verify.bundle = o->bundle;
	x.verify.seal_path = o->seal_path;
	x.verify.identities = o->identities;
	x.out = work;
	x.exhibits = only;
	if (cart_extract(&x, &v, err) < 0 || only_entry(work, entry, err) < 0)
		goto out;
	n = snprintf(from, sizeof(from), "%s/%s%s", work, entry,
		     o->path != NULL ? o->path : "");
	snprintf(to, sizeof(to), "%.4000s/content", o->out);
	if (n < 0 || (size_t)n >= sizeof(from))
		cart_err_set(err, CART_ERR_LIMIT, 0, "the path is too long");
	else if (rename(from, to) < 0)
		cart_err_errno(err, errno, "%s", from);
	else
		rc = 0;
out:
	remove_tree(work);
	return rc;
}

static int write_files(const struct gather *g, struct cart_err *err)
{
	const char *out = g->o->out;
	struct cart_buf proof;
	int fd, rc = -1;

	cart_buf_init(&proof, TAG_MAX);
	print_proof(g, &proof);
	fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		cart_err_errno(err, errno, "%s", out);
	else if (cart_buf_check(&proof, "the proof", err) == 0 &&
		 cart_file_write_new(fd, "line.json", g->found.data,
				     g->found.len, 0644, err) == 0 &&
		 cart_file_write_new(fd, "line.tlog-proof", proof.data,
				     proof.len, 0644, err) == 0 &&
		 cart_file_write_new(fd, TAGMANIFEST, g->tagmanifest.data,
				     g->tagmanifest.len, 0644, err) == 0 &&
		 cart_file_write_new(fd, SIGNATURE, g->signature.data,
				     g->signature.len, 0644, err) == 0)
		rc = 0;
	if (fd >= 0)
		close(fd);
	cart_buf_clear(&proof);
	return rc;
}

int cart_prove(const struct cart_prove_options *o, struct cart_verdict *ret,
	       struct cart_err *err)
{
	struct cart_verify_options v = { 0 };
	struct gather g = { .o = o };
	struct cart_json *line = NULL;
	int rc = -1;

	cart_buf_init(&g.line, LINE_MAX_BYTES);
	cart_buf_init(&g.found, LINE_MAX_BYTES);
	cart_buf_init(&g.checkpoint, TAG_MAX);
	cart_buf_init(&g.tagmanifest, TAG_MAX);
	cart_buf_init(&g.signature, 65536);
	v.bundle = o->bundle;
	v.seal_path = o->seal_path;
	v.keys = o->keys;
	v.n_keys = o->n_keys;
	v.identities = o->identities;
	v.member = on_member;
	v.arg = &g;
	if (cart_verify(&v, ret, err) < 0)
		goto out;
	if (ret->kind == CART_VERDICT_INVALID) {
		rc = 0;
		goto out;
	}
	if (g.found.len == 0) {
		cart_err_set(err, CART_ERR_USAGE, 0, "the bundle has no %s %s%s%s",
			     o->path != NULL ? "file of exhibit" : "exhibit",
			     o->exhibit, o->path != NULL ? " called " : "",
			     o->path != NULL ? o->path : "");
		goto out;
	}
	/* a file set has no digest of its own: its files have */
	line = cart_json_parse(g.found.data, g.found.len, NULL, NULL);
	if (cart_json_get_string(line, "sha256") == NULL) {
		cart_err_set(err, CART_ERR_USAGE, 0, "%s has no one content: "
			     "say which file of it with --path", o->exhibit);
		goto out;
	}
	if (mkdir(o->out, 0700) < 0) {
		cart_err_errno(err, errno, "%s", o->out);
		goto out;
	}
	rc = put_content(o, err);
	if (rc == 0)
		rc = write_files(&g, err);
	else if (o->path != NULL && err->class == CART_ERR_SYSTEM &&
		 err->code == ENOENT)
		cart_err_set(err, CART_ERR_USAGE, 0, "%s has no content in the "
			     "bundle: it is a link, a folder, or was only listed",
			     o->path);
	if (rc < 0)
		remove_tree(o->out);
out:
	cart_json_free(line);
	free(g.leaves);
	cart_buf_clear(&g.line);
	cart_buf_clear(&g.found);
	cart_buf_clear(&g.checkpoint);
	cart_buf_clear(&g.tagmanifest);
	cart_buf_clear(&g.signature);
	return rc;
}
