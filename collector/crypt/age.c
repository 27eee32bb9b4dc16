/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

#include <crashcart/digest.h>
#include <crashcart/pool.h>

#include "age.h"
#include "crypt.h"

/*
 * The payload of an age file: a nonce of 16 bytes, then blocks of 64 KiB, each
 * sealed with ChaCha20-Poly1305 under a nonce of 11 bytes of its number and
 * one that says whether it is the last.  Only the last may be shorter, and it
 * is empty only if the whole payload is.
 */

#define STORED_BLOCK (CART_AGE_BLOCK + CART_AGE_TAG)

static void block_nonce(uint64_t number, bool last, unsigned char out[12])
{
	int i;

	memset(out, 0, 12);
	for (i = 10; i > 2; i--, number >>= 8)
		out[i] = (unsigned char)number;
	out[11] = last;
}

/*
 * OpenSSL's cipher is two to three times as fast as libsodium's, which does
 * when OpenSSL has no memory.  Its context, which is not in locked memory, holds
 * the key for one call only and is wiped.
 */
static EVP_CIPHER_CTX *fast_begin(const unsigned char key[CART_AGE_KEY_SIZE],
				  const unsigned char nonce[12], int encrypt)
{
	const EVP_CIPHER *cipher = cart_crypt_chacha20_poly1305();
	EVP_CIPHER_CTX *ctx = cipher ? EVP_CIPHER_CTX_new() : NULL;

	if (ctx && EVP_CipherInit_ex2(ctx, cipher, key, nonce, encrypt,
				      NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

/* to has room for the tag, too. */
static void seal_block(unsigned char *to, const unsigned char *from, size_t len,
		       const unsigned char nonce[12],
		       const unsigned char key[CART_AGE_KEY_SIZE])
{
	EVP_CIPHER_CTX *ctx = fast_begin(key, nonce, 1);
	unsigned char none[16];
	int n;
	bool ok = ctx && EVP_CipherUpdate(ctx, to, &n, from, (int)len) == 1 &&
		  EVP_CipherFinal_ex(ctx, none, &n) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CART_AGE_TAG,
				      to + len) == 1;

	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		crypto_aead_chacha20poly1305_ietf_encrypt(to, NULL, from, len,
							  NULL, 0, NULL, nonce,
							  key);
}

/* from, of len bytes and the tag, may be to.  0 or -1: it does not hold, and
 * to is wiped. */
static int unseal_block(unsigned char *to, unsigned char *from, size_t len,
			const unsigned char nonce[12],
			const unsigned char key[CART_AGE_KEY_SIZE])
{
	EVP_CIPHER_CTX *ctx = fast_begin(key, nonce, 0);
	unsigned char none[16];
	int n, rc;

	if (!ctx)
		return crypto_aead_chacha20poly1305_ietf_decrypt(to, NULL, NULL,
				from, len + CART_AGE_TAG, NULL, 0, nonce, key);
	rc = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CART_AGE_TAG,
				 from + len) == 1 &&
	     EVP_CipherUpdate(ctx, to, &n, from, (int)len) == 1 &&
	     EVP_CipherFinal_ex(ctx, none, &n) == 1 ? 0 : -1;
	EVP_CIPHER_CTX_free(ctx);
	if (rc < 0)
		sodium_memzero(to, len);
	return rc;
}

static struct age_secret *secret_new(struct cart_err *err)
{
	struct age_secret *s;

	cart_crypt_start();
	s = sodium_malloc(sizeof(*s));
	if (!s)
		cart_err_nomem(err);
	return s;
}

/* --- blocks on several threads --- */

/* Blocks that are sealed or opened together. */
#define BATCH 16u
#define HELPERS_MAX 15u

struct helper {
	struct cart_job job;
	struct team *t;
	bool queued;			/* or running; under the lock */
};

struct team {
	void (*block)(void *arg, unsigned i);	/* the work on block i */
	void *arg;
	struct cart_pool *pool;		/* or NULL */
	struct cart_pool_group group;
	struct helper helpers[HELPERS_MAX];
	unsigned n_helpers;
	pthread_mutex_t lock;
	pthread_cond_t all_done;
	unsigned next, n, done;		/* under the lock */
};

static void team_init(struct team *t, void (*block)(void *arg, unsigned i),
		      void *arg)
{
	t->block = block;
	t->arg = arg;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->all_done, NULL);
}

static void team_clear(struct team *t)
{
	if (t->pool)			/* helpers that came too late */
		cart_pool_wait(t->pool, &t->group);
	pthread_cond_destroy(&t->all_done);
	pthread_mutex_destroy(&t->lock);
}

/* With the lock held: works on blocks of the batch until none is left. */
static void do_some(struct team *t)
{
	unsigned i;

	while (t->next < t->n) {
		i = t->next++;
		pthread_mutex_unlock(&t->lock);
		t->block(t->arg, i);
		pthread_mutex_lock(&t->lock);
		if (++t->done == t->n)
			pthread_cond_signal(&t->all_done);
	}
}

static void help(struct cart_job *j)
{
	struct helper *h = (struct helper *)(void *)j;

	pthread_mutex_lock(&h->t->lock);
	do_some(h->t);
	h->queued = false;
	pthread_mutex_unlock(&h->t->lock);
}

static void team_pool(struct team *t, struct cart_pool *pool)
{
	unsigned i;

	t->pool = pool;
	t->n_helpers = cart_pool_threads(pool);
	if (t->n_helpers > HELPERS_MAX)
		t->n_helpers = HELPERS_MAX;
	for (i = 0; i < t->n_helpers; i++)
		t->helpers[i] = (struct helper){ .t = t,
			.job = { .run = help, .group = &t->group } };
}

/* Returns when n blocks are done.  Whoever has time works; nobody is waited
 * for who has not begun. */
static void team_run(struct team *t, unsigned n)
{
	unsigned i;

	pthread_mutex_lock(&t->lock);
	t->next = t->done = 0;
	t->n = n;
	for (i = 0; i < t->n_helpers && i + 1 < n; i++) {
		if (t->helpers[i].queued)
			continue;
		t->helpers[i].queued = true;
		if (cart_pool_try_submit(t->pool, &t->helpers[i].job) < 0)
			t->helpers[i].queued = false;
	}
	do_some(t);
	while (t->done < n)
		pthread_cond_wait(&t->all_done, &t->lock);
	t->n = 0;
	pthread_mutex_unlock(&t->lock);
}

/* --- encrypting --- */

struct cart_age_writer {
	struct cart_age_recipients to;
	cart_age_out_fn out;
	void *arg;
	struct age_secret *secret;
	uint64_t number;		/* of the next block */
	size_t staged;
	unsigned char stage[CART_AGE_BLOCK];
	struct team team;
	const unsigned char *from;	/* the batch that is sealed */
	unsigned char stored[BATCH * STORED_BLOCK];
};

static void seal_one(void *arg, unsigned i)
{
	struct cart_age_writer *w = arg;
	unsigned char nonce[12];

	block_nonce(w->number + i, false, nonce);
	seal_block(w->stored + i * STORED_BLOCK, w->from + i * CART_AGE_BLOCK,
		   CART_AGE_BLOCK, nonce, w->secret->payload_key);
}

struct cart_age_writer *cart_age_writer_new(const struct cart_age_recipients *r,
					    cart_age_out_fn out, void *arg,
					    struct cart_err *err)
{
	struct cart_age_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		cart_err_nomem(err);
		return NULL;
	}
	w->to = *r;
	w->out = out;
	w->arg = arg;
	w->secret = secret_new(err);
	if (!w->secret) {
		free(w);
		return NULL;
	}
	team_init(&w->team, seal_one, w);
	return w;
}

void cart_age_writer_free(struct cart_age_writer *w)
{
	if (!w)
		return;
	team_clear(&w->team);
	sodium_free(w->secret);		/* wipes */
	sodium_memzero(w->stage, sizeof(w->stage));
	free(w);
}

int cart_age_begin(struct cart_age_writer *w, struct cart_err *err)
{
	unsigned char nonce[AGE_NONCE_SIZE];
	struct cart_buf header;
	int rc = -1;

	cart_buf_init(&header, CART_AGE_HEADER_MAX);
	cart_random(w->secret->file_key, sizeof(w->secret->file_key));
	cart_random(nonce, sizeof(nonce));
	w->number = 0;
	w->staged = 0;
	if (cart_age_header_print(&w->to, w->secret, &header, err) < 0)
		goto out;
	cart_age_payload_key(w->secret, nonce);
	sodium_memzero(w->secret->file_key, sizeof(w->secret->file_key));
	cart_buf_add(&header, nonce, sizeof(nonce));
	if (cart_buf_check(&header, "age header", err) == 0)
		rc = w->out(w->arg, header.data, header.len, err);
out:
	cart_buf_clear(&header);
	return rc;
}

void cart_age_writer_pool(struct cart_age_writer *w, struct cart_pool *pool)
{
	team_pool(&w->team, pool);
}

/* n whole blocks, none the last, in order. */
static int put_blocks(struct cart_age_writer *w, const unsigned char *from,
		      unsigned n, struct cart_err *err)
{
	w->from = from;
	team_run(&w->team, n);
	w->number += n;
	return w->out(w->arg, w->stored, n * STORED_BLOCK, err);
}

/* A full block waits until it is known that it is not the last. */
int cart_age_write(struct cart_age_writer *w, const void *data, size_t len,
		   struct cart_err *err)
{
	const unsigned char *p = data;
	size_t n;

	while (len > 0) {
		if (w->staged == CART_AGE_BLOCK) {
			if (put_blocks(w, w->stage, 1, err) < 0)
				return -1;
			w->staged = 0;
		}
		if (w->staged == 0 && len > CART_AGE_BLOCK) {
			n = (len - 1) / CART_AGE_BLOCK;
			if (n > BATCH)
				n = BATCH;
			if (put_blocks(w, p, (unsigned)n, err) < 0)
				return -1;
			p += n * CART_AGE_BLOCK;
			len -= n * CART_AGE_BLOCK;
			continue;
		}
		n = CART_AGE_BLOCK - w->staged;
		if (n > len)
			n = len;
		memcpy(w->stage + w->staged, p, n);
		w->staged += n;
		p += n;
		len -= n;
	}
	return 0;
}

int cart_age_end(struct cart_age_writer *w, struct cart_err *err)
{
	unsigned char nonce[12];
	int rc;

	block_nonce(w->number++, true, nonce);
	seal_block(w->stored, w->stage, w->staged, nonce,
		   w->secret->payload_key);
	rc = w->out(w->arg, w->stored, w->staged + CART_AGE_TAG, err);
	sodium_memzero(w->secret, sizeof(*w->secret));
	sodium_memzero(w->stage, w->staged);
	w->staged = 0;
	return rc;
}

uint64_t cart_age_plain_max(const struct cart_age_writer *w, uint64_t stored)
{
	/* "-> X25519 ", share, LF, wrapped key, LF; "--- ", MAC, LF; nonce */
	uint64_t head = CART_AGE_MAGIC_SIZE + w->to.n * (10 + 43 + 1 + 43 + 1) +
			4 + 43 + 1 + AGE_NONCE_SIZE;
	uint64_t blocks, left;

	if (stored < head + CART_AGE_TAG)
		return 0;
	stored -= head;
	blocks = stored / STORED_BLOCK;
	left = stored % STORED_BLOCK;
	return blocks * CART_AGE_BLOCK +
	       (left > CART_AGE_TAG ? left - CART_AGE_TAG : 0);
}

/* --- decrypting --- */

enum reader_state { READ_HEADER, READ_NONCE, READ_BLOCKS, READ_FAILED };

struct cart_age_reader {
	const struct cart_age_identities *ids;
	struct age_secret *secret;
	enum reader_state state;
	struct cart_buf header;		/* also of the nonce */
	uint64_t number;
	struct team team;
	unsigned char *from;		/* the batch that is opened, in place */
	unsigned opened, given;		/* blocks of it */
	bool good[BATCH];
	size_t held;			/* bytes of a block in stored */
	unsigned char stored[STORED_BLOCK];
	unsigned char plain[CART_AGE_BLOCK];
};

static void open_one(void *arg, unsigned i)
{
	struct cart_age_reader *r = arg;
	unsigned char *at = r->from + i * STORED_BLOCK, nonce[12];

	block_nonce(r->number + i, false, nonce);
	r->good[i] = unseal_block(at, at, CART_AGE_BLOCK, nonce,
				  r->secret->payload_key) == 0;
}

struct cart_age_reader *cart_age_reader_new(const struct cart_age_identities *ids,
					    struct cart_err *err)
{
	struct cart_age_reader *r = calloc(1, sizeof(*r));

	if (!r) {
		cart_err_nomem(err);
		return NULL;
	}
	r->ids = ids;
	cart_buf_init(&r->header, CART_AGE_HEADER_MAX);
	r->secret = secret_new(err);
	if (!r->secret) {
		free(r);
		return NULL;
	}
	team_init(&r->team, open_one, r);
	return r;
}

void cart_age_reader_pool(struct cart_age_reader *r, struct cart_pool *pool)
{
	team_pool(&r->team, pool);
}

void cart_age_reader_free(struct cart_age_reader *r)
{
	if (!r)
		return;
	team_clear(&r->team);
	sodium_free(r->secret);		/* wipes */
	cart_buf_clear(&r->header);
	sodium_memzero(r->plain, sizeof(r->plain));
	free(r);
}

void cart_age_reader_reset(struct cart_age_reader *r)
{
	r->state = READ_HEADER;
	cart_buf_reset(&r->header);
	r->number = 0;
	r->opened = r->given = 0;
	r->held = 0;
}

/* Up to and with the next LF; *ret_end: the line was the last of the header. */
static int take_line(struct cart_age_reader *r, unsigned char **data,
		     size_t *len, bool *ret_end, struct cart_err *err)
{
	const unsigned char *lf = memchr(*data, '\n', *len), *line;
	size_t n = lf ? (size_t)(lf - *data) + 1 : *len, start;

	*ret_end = false;
	cart_buf_add(&r->header, *data, n);
	if (!cart_buf_ok(&r->header))
		return r->header.limited ?
			cart_err_set(err, CART_ERR_INPUT, 0,
				     "age header: too long") :
			cart_err_nomem(err);
	*data += n;
	*len -= n;
	/* what cannot become a header is refused before it has an end */
	n = r->header.len < CART_AGE_MAGIC_SIZE ? r->header.len :
						  CART_AGE_MAGIC_SIZE;
	if (memcmp(r->header.data, CART_AGE_MAGIC, n) != 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "age header: not of age's version 1");
	if (!lf || r->header.len == CART_AGE_MAGIC_SIZE)
		return 0;
	line = memrchr(r->header.data, '\n', r->header.len - 1);
	start = line ? (size_t)(line - r->header.data) + 1 : 0;
	*ret_end = r->header.len - start > 3 &&
		   memcmp(r->header.data + start, "---", 3) == 0;
	return 0;
}

static int take_header(struct cart_age_reader *r, unsigned char **data,
		       size_t *len, struct cart_err *err)
{
	bool end;

	if (take_line(r, data, len, &end, err) < 0)
		return -1;
	if (!end)
		return 0;
	if (cart_age_header_open(r->header.data, r->header.len, r->ids,
				 r->secret, err) < 0)
		return -1;
	cart_buf_reset(&r->header);
	r->state = READ_NONCE;
	return 0;
}

static int take_nonce(struct cart_age_reader *r, unsigned char **data,
		      size_t *len, struct cart_err *err)
{
	size_t n = AGE_NONCE_SIZE - r->header.len;

	if (n > *len)
		n = *len;
	cart_buf_add(&r->header, *data, n);
	if (!cart_buf_ok(&r->header))
		return cart_err_nomem(err);
	*data += n;
	*len -= n;
	if (r->header.len < AGE_NONCE_SIZE)
		return 0;
	cart_age_payload_key(r->secret, r->header.data);
	sodium_memzero(r->secret->file_key, sizeof(r->secret->file_key));
	r->state = READ_BLOCKS;
	return 0;
}

static int not_the_end(struct cart_err *err)
{
	return cart_err_set(err, CART_ERR_CRYPTO, 0,
			    "age payload: changed, or not the end");
}

static int open_block(struct cart_age_reader *r, unsigned char *to,
		      unsigned char *from, size_t stored, bool last,
		      struct cart_err *err)
{
	unsigned char nonce[12];

	if (stored < CART_AGE_TAG ||
	    (stored == CART_AGE_TAG && r->number > 0))
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "age payload: cut short");
	block_nonce(r->number, last, nonce);
	if (unseal_block(to, from, stored - CART_AGE_TAG, nonce,
			 r->secret->payload_key) < 0)
		return last ? cart_err_set(err, CART_ERR_CRYPTO, 0,
				"age payload: changed, or cut short") :
			      not_the_end(err);
	r->number++;
	return 0;
}

/* The next of the whole blocks at *data, of which a byte more is there; as
 * many as a batch holds are opened at once. */
static int take_whole(struct cart_age_reader *r, unsigned char **data,
		      size_t *len, const unsigned char **ret,
		      struct cart_err *err)
{
	size_t n = (*len - 1) / STORED_BLOCK;

	if (r->given == r->opened) {
		r->from = *data;
		r->opened = n < BATCH ? (unsigned)n : BATCH;
		r->given = 0;
		team_run(&r->team, r->opened);
		r->number += r->opened;
	}
	if (!r->good[r->given++])
		return not_the_end(err);
	*ret = *data;
	*data += STORED_BLOCK;
	*len -= STORED_BLOCK;
	return 0;
}

/* A block is known not to be the last when a byte follows it. */
static int take_block(struct cart_age_reader *r, unsigned char **data,
		      size_t *len, const unsigned char **ret, size_t *ret_len,
		      struct cart_err *err)
{
	size_t n = STORED_BLOCK - r->held;

	if (r->held == 0 && *len > STORED_BLOCK) {
		if (take_whole(r, data, len, ret, err) < 0)
			return -1;
	} else if (n == 0) {
		if (open_block(r, r->plain, r->stored, STORED_BLOCK, false,
			       err) < 0)
			return -1;
		*ret = r->plain;
		r->held = 0;
	} else {
		if (n > *len)
			n = *len;
		memcpy(r->stored + r->held, *data, n);
		r->held += n;
		*data += n;
		*len -= n;
		return 0;
	}
	*ret_len = CART_AGE_BLOCK;
	return 1;
}

int cart_age_reader_step(struct cart_age_reader *r, unsigned char **data,
			 size_t *len, const unsigned char **ret,
			 size_t *ret_len, struct cart_err *err)
{
	int rc = 0;

	while (rc == 0 && *len > 0) {
		switch (r->state) {
		case READ_HEADER:
			rc = take_header(r, data, len, err);
			break;
		case READ_NONCE:
			rc = take_nonce(r, data, len, err);
			break;
		case READ_BLOCKS:
			rc = take_block(r, data, len, ret, ret_len, err);
			break;
		case READ_FAILED:
			return cart_err_set(err, CART_ERR_INTERNAL, 0,
					    "age: read on after a failure");
		}
	}
	if (rc < 0)
		r->state = READ_FAILED;
	return rc;
}

int cart_age_reader_end(struct cart_age_reader *r, const unsigned char **ret,
			size_t *ret_len, struct cart_err *err)
{
	size_t held = r->held;

	*ret_len = 0;
	if (r->state == READ_HEADER)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "age header: it does not end");
	if (r->state == READ_NONCE)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "age header: no nonce behind it");
	if (r->state == READ_FAILED)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "age: read on after a failure");
	r->state = READ_FAILED;
	r->held = 0;
	*ret = r->plain;
	if (open_block(r, r->plain, r->stored, held, true, err) < 0) {
		/* cut behind a whole block? */
		if (held == STORED_BLOCK &&
		    open_block(r, r->plain, r->stored, held, false, NULL) == 0)
			*ret_len = CART_AGE_BLOCK;
		return -1;
	}
	*ret_len = held - CART_AGE_TAG;
	return *ret_len > 0;
}
