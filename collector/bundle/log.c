/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>

#include "bundle_internal.h"

/* --- tails: a line from "type" on --- */

static void quoted(struct cart_buf *b, const char *text)
{
	cart_json_quote(text, strlen(text), b);
}

void cart_tail_begin(struct cart_buf *b, const char *type, const char *step)
{
	cart_buf_adds(b, "\"type\":");
	quoted(b, type);
	cart_buf_adds(b, ",\"step\":");
	quoted(b, step ? step : "");
}

static void add_key(struct cart_buf *b, const char *key)
{
	cart_buf_adds(b, ",\"");
	cart_buf_adds(b, key);
	cart_buf_adds(b, "\":");
}

void cart_tail_text(struct cart_buf *b, const char *key, const char *text)
{
	add_key(b, key);
	quoted(b, text);
}

void cart_tail_u64(struct cart_buf *b, const char *key, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	add_key(b, key);
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	cart_buf_add(b, digits + n, sizeof(digits) - n);
}

void cart_tail_bytes(struct cart_buf *b, const char *key, const void *data,
		     size_t len)
{
	if (cart_text_is_utf8(data, len)) {
		add_key(b, key);
		cart_json_quote(data, len, b);
		return;
	}
	cart_buf_addf(b, ",\"%s_b64\":\"", key);
	cart_text_base64(data, len, b);
	cart_buf_addc(b, '"');
}

void cart_tail_part(struct cart_buf *b, const char *step,
		    const struct cart_piece *piece, const char *path,
		    uint64_t size, const unsigned char sha256[CART_SHA256_SIZE])
{
	char hex[CART_SHA256_HEX_SIZE];
	const char *encoding;

	if (piece->zero)
		encoding = "zero";
	else if (piece->form == MEMBER_TAR)
		encoding = "tar.zst";
	else
		encoding = piece->form == MEMBER_ZST ? "zstd" : "none";
	cart_text_hex(sha256, CART_SHA256_SIZE, hex);
	cart_tail_begin(b, "part", step);
	cart_buf_addf(b, ",\"exhibit\":\"e%06" PRIu32 "\",\"part\":%" PRIu32,
		      piece->exhibit, piece->part);
	if (path)
		cart_tail_text(b, "path", path);
	cart_tail_u64(b, "size", size);
	cart_tail_text(b, "sha256", hex);
	cart_tail_u64(b, "offset", piece->offset);
	cart_tail_u64(b, "length", piece->length);
	cart_tail_text(b, "encoding", encoding);
	cart_buf_adds(b, piece->about);
	cart_buf_addc(b, '}');
}

/* --- lines --- */

static void next_salt(struct cart_log *l, char hex[33])
{
	if (l->salts_left == 0) {
		cart_random(l->salts, sizeof(l->salts));
		l->salts_left = sizeof(l->salts);
	}
	l->salts_left -= 16;
	cart_text_hex(l->salts + l->salts_left, 16, hex);
}

static int add_line(struct cart_bundle *b, int64_t t_ns, int64_t mono_ns,
		    const char *tail, size_t len, struct cart_err *err)
{
	struct cart_log *l = &b->log;
	char t[CART_CLOCK_TEXT_SIZE], salt[33];
	size_t start = l->pending.len;

	if (l->pending_since_ns == 0)
		l->pending_since_ns = cart_clock_mono_ns();
	next_salt(l, salt);
	cart_clock_text(t_ns, 9, t);
	cart_buf_addf(&l->pending,
		      "{\"n\":%" PRIu64 ",\"salt\":\"%s\",\"t\":\"%s\","
		      "\"mono_ns\":\"%" PRId64 "\",\"boot\":\"%s\","
		      "\"session\":%u,",
		      l->lines + 1, salt, t, mono_ns, b->boot,
		      b->session_number);
	cart_buf_add(&l->pending, tail, len);
	if (!cart_buf_ok(&l->pending))
		return cart_buf_check(&l->pending, "log part", err);
	cart_merkle_add(&l->merkle, l->pending.data + start,
			l->pending.len - start);
	cart_buf_addc(&l->pending, '\n');
	l->lines++;
	l->part_lines++;
	return cart_buf_check(&l->pending, "log part", err);
}

bool cart_log_fits(const struct cart_bundle *b, size_t tail_len)
{
	return b->log.pending.len + PREFIX_ROOM + tail_len + HEAD_ROOM <=
	       LOG_PART_MAX;
}

int cart_log_line(struct cart_bundle *b, int64_t t_ns, int64_t mono_ns,
		  const char *tail, size_t len, struct cart_err *err)
{
	if (len > TAIL_MAX)
		return cart_err_set(err, CART_ERR_INTERNAL, 0,
				    "a log line of %zu bytes", len);
	if (!cart_log_fits(b, len) && cart_log_flush(b, err) < 0)
		return -1;
	return add_line(b, t_ns, mono_ns, tail, len, err);
}

int cart_bundle_head(struct cart_bundle *b, struct cart_buf *ret_note,
		     uint64_t *ret_size)
{
	pthread_mutex_lock(&b->lock);
	*ret_size = b->head_size;
	cart_buf_add(ret_note, b->head_note, b->head_len);
	pthread_mutex_unlock(&b->lock);
	return *ret_size > 0 && cart_buf_ok(ret_note) ? 0 : -1;
}

/* For whoever carries heads away. */
static void keep_head(struct cart_bundle *b, const struct cart_buf *text,
		      const unsigned char sig[CART_ED25519_SIGNATURE_SIZE])
{
	char note[sizeof(b->head_note)];
	struct cart_buf out;

	cart_buf_init_fixed(&out, note, sizeof(note));
	cart_checkpoint_join(&b->session->public_key, b->origin, text->data,
			     text->len, sig, &out);
	if (!cart_buf_ok(&out))
		return;
	pthread_mutex_lock(&b->lock);
	memcpy(b->head_note, note, out.len);
	b->head_len = out.len;
	b->head_size = b->log.lines;
	pthread_mutex_unlock(&b->lock);
}

/* The line that signs all lines before it (F17). */
static int add_head(struct cart_bundle *b, struct cart_err *err)
{
	unsigned char root[CART_SHA256_SIZE];
	unsigned char sig[CART_ED25519_SIGNATURE_SIZE];
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_buf text;
	int rc = -1;

	cart_buf_init(&text, 4096);
	cart_merkle_root(&b->log.merkle, root);
	cart_checkpoint_text(b->origin, b->log.lines, root, &text);
	if (cart_buf_check(&text, "head", err) < 0)
		goto out;
	if (b->session->sign(b->session, text.data, text.len, sig, err) < 0) {
		cart_err_prefix(err, "signing the head of the log");
		goto out;
	}
	keep_head(b, &text, sig);
	cart_text_hex(root, sizeof(root), hex);
	cart_buf_reset(&text);
	cart_tail_begin(&text, "head", "");
	cart_tail_u64(&text, "size", b->log.lines);
	cart_tail_text(&text, "root", hex);
	cart_buf_adds(&text, ",\"sig\":\"");
	cart_text_base64(sig, sizeof(sig), &text);
	cart_buf_adds(&text, "\"}");
	if (cart_buf_check(&text, "head", err) < 0)
		goto out;
	if (add_line(b, cart_clock_utc_ns(), cart_clock_mono_ns(),
		     (const char *)text.data, text.len, err) < 0)
		goto out;
	rc = 0;
out:
	cart_buf_clear(&text);
	return rc;
}

int cart_log_flush(struct cart_bundle *b, struct cart_err *err)
{
	struct cart_log *l = &b->log;

	if (l->part_lines == 0)
		return 0;
	if (l->parts == LOG_PARTS_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "the log has %u parts, and cannot have "
				    "more", LOG_PARTS_MAX);
	if (add_head(b, err) < 0)
		return -1;
	if (cart_bundle_tag(b, cart_member_id(MEMBER_LOG, 0, l->parts + 1),
			    l->pending.data, l->pending.len, err) < 0)
		return -1;
	l->parts++;
	l->written = l->merkle;
	cart_buf_reset(&l->pending);
	l->part_lines = 0;
	l->group_members = 0;
	l->group_bytes = 0;
	l->pending_since_ns = 0;
	/* What is in the file outlives a kill of this process. */
	return cart_stream_flush(&b->stream, err);
}
