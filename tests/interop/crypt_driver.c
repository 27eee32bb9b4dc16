/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room crypt for minisign.sh and checkpoint.sh.
 *
 *   crypt_driver keygen SECRET PUBLIC [PASSWORD]
 *   crypt_driver sign SECRET FILE COMMENT [PASSWORD]	writes FILE.minisig
 *   crypt_driver verify PUBLIC FILE		with FILE.minisig; 0, or 1
 *   crypt_driver checkpoint SECRET ORIGIN SIZE ROOT-HEX	to stdout
 *   crypt_driver sha256 FILE	hex, read in uneven pieces
 *   crypt_driver age RECIPIENTS PIECE	encrypts, PIECE bytes at a time
 *   crypt_driver bench		MB/s of the digests
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <crashcart/age.h>
#include <crashcart/fdio.h>
#include <crashcart/minisign.h>
#include <crashcart/pool.h>
#include <crashcart/text.h>

#define BYTES_MAX ((size_t)1 << 30)

static struct cart_err err;

static int load(const char *path, struct cart_buf *b)
{
	cart_buf_init(b, BYTES_MAX);
	return cart_file_read(AT_FDCWD, path, b, &err);
}

static int save(const char *path, const struct cart_buf *b)
{
	return cart_file_write_new(AT_FDCWD, path, b->data, b->len, 0600, &err);
}

static void prehash(const struct cart_buf *b, unsigned char out[64])
{
	struct cart_blake2b c;

	cart_blake2b_init(&c);
	cart_blake2b_update(&c, b->data, b->len);
	cart_blake2b_final(&c, out);
}

static struct cart_signer *load_signer(const char *path, const char *password)
{
	struct cart_signer *s = NULL;
	struct cart_buf b;

	if (load(path, &b) == 0)
		s = cart_signer_minisign(b.data, b.len, password, &err);
	cart_buf_clear(&b);
	return s;
}

static int keygen(char **arg)
{
	struct cart_buf secret, public;
	int rc = -1;

	cart_buf_init(&secret, 4096);
	cart_buf_init(&public, 4096);
	if (cart_minisign_keygen(arg[2], &secret, &public, &err) == 0 &&
	    save(arg[0], &secret) == 0 && save(arg[1], &public) == 0)
		rc = 0;
	cart_buf_clear(&secret);
	cart_buf_clear(&public);
	return rc;
}

static int sign(char **arg)
{
	struct cart_signer *s = load_signer(arg[0], arg[3]);
	unsigned char hash[CART_BLAKE2B_SIZE];
	struct cart_buf file, out;
	char path[1000];
	int rc = -1;

	if (!s)
		return -1;
	cart_buf_init(&out, 8192);
	if (load(arg[1], &file) == 0) {
		prehash(&file, hash);
		snprintf(path, sizeof(path), "%s.minisig", arg[1]);
		if (cart_minisign_sign(s, hash, "made by the test", arg[2],
				       &out, &err) == 0)
			rc = save(path, &out);
	}
	cart_buf_clear(&file);
	cart_buf_clear(&out);
	cart_signer_free(s);
	return rc;
}

static int verify(char **arg)
{
	unsigned char hash[CART_BLAKE2B_SIZE];
	struct cart_minisign_sig parsed;
	struct cart_buf key, file, sig;
	struct cart_public_key public;
	char path[1000];
	int rc = -1;

	snprintf(path, sizeof(path), "%s.minisig", arg[1]);
	cart_buf_init(&file, 0);
	cart_buf_init(&sig, 0);
	if (load(arg[0], &key) < 0 || load(arg[1], &file) < 0 ||
	    load(path, &sig) < 0)
		goto out;
	if (cart_minisign_parse_public(key.data, key.len, &public, &err) < 0 ||
	    cart_minisign_parse_sig(sig.data, sig.len, &parsed, &err) < 0)
		goto out;
	prehash(&file, hash);
	if (memcmp(public.id, parsed.key_id, sizeof(public.id)) != 0) {
		cart_err_set(&err, CART_ERR_CRYPTO, 0, "another key");
		goto out;
	}
	rc = cart_minisign_verify(&parsed, &public, hash, &err);
	if (rc == 0)
		printf("%s\n", parsed.trusted);
out:
	cart_buf_clear(&key);
	cart_buf_clear(&file);
	cart_buf_clear(&sig);
	return rc;
}

static int checkpoint(char **arg)
{
	struct cart_signer *s = load_signer(arg[0], NULL);
	unsigned char root[CART_SHA256_SIZE];
	struct cart_buf out;
	uint64_t size;
	int rc = -1;

	if (!s)
		return -1;
	cart_buf_init(&out, 4096);
	if (cart_text_u64(arg[2], strlen(arg[2]), UINT64_MAX, &size) == 0 &&
	    cart_text_unhex(arg[3], strlen(arg[3]), root, sizeof(root)) == 0 &&
	    cart_checkpoint_sign(s, arg[1], size, root, &out, &err) == 0) {
		fwrite(out.data, 1, out.len, stdout);
		rc = 0;
	}
	cart_buf_clear(&out);
	cart_signer_free(s);
	return rc;
}

static int sha256(char **arg)
{
	unsigned char digest[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_sha256 c = { 0 };
	struct cart_buf b;
	size_t at, n, step = 1;

	if (load(arg[0], &b) < 0)
		return -1;
	for (at = 0; at < b.len; at += n) {
		n = b.len - at < step ? b.len - at : step;
		cart_sha256_update(&c, b.data + at, n);
		step = step * 3 % 100003;
	}
	cart_sha256_final(&c, digest);
	cart_text_hex(digest, sizeof(digest), hex);
	puts(hex);
	cart_buf_clear(&b);
	return 0;
}

/* Processor time: the machine may be busy. */
static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int bench(char **arg)
{
	static unsigned char data[8 << 20];
	unsigned char out[64];
	struct cart_blake2b b;
	int64_t t;
	int i;

	cart_sha256(data, sizeof(data), out);
	t = cpu_ns();
	for (i = 0; i < 20; i++)
		cart_sha256(data, sizeof(data), out);
	printf("sha256 %.0f MB/s\n", 20.0 * sizeof(data) * 1e3 /
				     (double)(cpu_ns() - t));
	t = cpu_ns();
	for (i = 0; i < 200000; i++)
		cart_sha256(data + i, 65, out);
	printf("sha256 of 65 bytes %.0f ns\n",
	       (double)(cpu_ns() - t) / 200000);
	cart_blake2b_init(&b);
	t = cpu_ns();
	for (i = 0; i < 20; i++)
		cart_blake2b_update(&b, data, sizeof(data));
	cart_blake2b_final(&b, out);
	printf("blake2b %.0f MB/s\n", 20.0 * sizeof(data) * 1e3 /
				      (double)(cpu_ns() - t));
	return 0;
}

static int to_stdout(void *arg, const void *data, size_t len, struct cart_err *e)
{
	return cart_fd_write(STDOUT_FILENO, data, len, e);
}

static int age(char **arg)
{
	struct cart_age_recipients to = { .n = 0 };
	struct cart_age_writer *w = NULL;
	struct cart_pool *pool = cart_pool_new(0, 1000, &err);
	size_t size = (size_t)strtoul(arg[1], NULL, 10);
	unsigned char *piece = malloc(size);
	struct cart_buf b;
	ssize_t n;
	int rc = -1;

	if (load(arg[0], &b) < 0 ||
	    cart_age_recipients_file(&to, b.data, b.len, &err) < 0)
		goto out;
	w = cart_age_writer_new(&to, to_stdout, NULL, &err);
	if (w && pool)
		cart_age_writer_pool(w, pool);
	if (!w || cart_age_begin(w, &err) < 0)
		goto out;
	while ((n = cart_fd_read(STDIN_FILENO, piece, size, &err)) > 0)
		if (cart_age_write(w, piece, (size_t)n, &err) < 0)
			goto out;
	if (n == 0)
		rc = cart_age_end(w, &err);
out:
	cart_age_writer_free(w);
	cart_pool_free(pool);
	cart_buf_clear(&b);
	free(piece);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
		int (*run)(char **arg);
	} commands[] = {
		{ "keygen", 2, keygen },   { "sign", 3, sign },
		{ "verify", 2, verify },   { "checkpoint", 4, checkpoint },
		{ "sha256", 1, sha256 },   { "bench", 0, bench },
		{ "age", 2, age },
	};
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc < 2 || strcmp(argv[1], commands[i].name) != 0 ||
		    argc < 2 + commands[i].args)
			continue;
		if (commands[i].run(argv + 2) == 0)
			return 0;
		fprintf(stderr, "crypt_driver: %s\n", err.text);
		return 1;
	}
	fprintf(stderr, "usage: see the source\n");
	return 2;
}
