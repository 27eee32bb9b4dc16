/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <crashcart/clock.h>
#include <crashcart/text.h>

#include "bundle_internal.h"

/* The end of a bundle: FORMAT.md sections 3 and 6.  Runs in the writer. */

#define REASON_MAX 4096u

struct seal {
	struct cart_bundle *b;
	struct cart_bundle_counts counts;
	const char *state;
	const char *reason;
	uint64_t log_size;
	unsigned char log_root[CART_SHA256_SIZE];
	unsigned char root[CART_SHA256_SIZE];
	unsigned char tags_blake2b[CART_BLAKE2B_SIZE];
	struct cart_stamp_result stamp[CART_STAMPS_MAX];
};

static uint64_t to_ms(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

static int end_line(struct seal *s, struct cart_err *err)
{
	struct cart_bundle *b = s->b;
	struct cart_buf tail;
	struct rusage usage;
	int rc = -1;

	/* The end stands in a part of its own, so that a crash from here on
	 * costs a resumed run no other line. */
	if (cart_log_flush(b, err) < 0)
		return -1;
	memset(&usage, 0, sizeof(usage));
	getrusage(RUSAGE_SELF, &usage);
	cart_buf_init(&tail, TAIL_MAX);
	cart_tail_begin(&tail, "end", "");
	cart_tail_text(&tail, "outcome", s->state);
	cart_tail_u64(&tail, "exhibits", s->counts.exhibits);
	cart_tail_u64(&tail, "calls", s->counts.calls);
	cart_tail_u64(&tail, "gaps", s->counts.gaps);
	cart_tail_u64(&tail, "changes", s->counts.changes);
	cart_tail_u64(&tail, "bytes", b->index.payload_bytes);
	if (s->reason) {
		cart_buf_adds(&tail, ",\"reason\":");
		cart_json_quote(s->reason, strnlen(s->reason, REASON_MAX),
				&tail);
	}
	cart_buf_addf(&tail,
		      ",\"usage\":{\"cpu_ms\":%" PRIu64
		      ",\"peak_rss_bytes\":%" PRIu64 "}}",
		      to_ms(usage.ru_utime) + to_ms(usage.ru_stime),
		      (uint64_t)usage.ru_maxrss * 1024);
	if (cart_buf_check(&tail, "end line", err) < 0 ||
	    cart_log_line(b, cart_clock_utc_ns(), cart_clock_mono_ns(),
			  (const char *)tail.data, tail.len, err) < 0 ||
	    cart_log_flush(b, err) < 0)
		goto out;
	s->log_size = b->log.lines;
	cart_merkle_root(&b->log.merkle, s->log_root);
	rc = 0;
out:
	cart_buf_clear(&tail);
	return rc;
}

static int add_checkpoint(struct seal *s, struct cart_err *err)
{
	struct cart_bundle *b = s->b;
	struct cart_buf text;
	int rc = -1;

	cart_buf_init(&text, 4096);
	if (cart_checkpoint_sign(b->session, b->origin, s->log_size,
				 s->log_root, &text, err) == 0 &&
	    cart_buf_check(&text, "checkpoint", err) == 0)
		rc = cart_bundle_tag(b, cart_member_id(MEMBER_FIXED, 0,
						       FIXED_CHECKPOINT),
				     text.data, text.len, err);
	cart_buf_clear(&text);
	return rc;
}

static int add_bag_info(struct seal *s, struct cart_err *err)
{
	struct cart_bundle *b = s->b;
	char start[CART_CLOCK_TEXT_SIZE];
	struct cart_buf t;
	int rc = -1;

	cart_buf_init(&t, 65536);
	cart_clock_text(b->start_utc_ns, 0, start);
	if (b->organization)
		cart_buf_addf(&t, "Source-Organization: %s\n",
			      b->organization);
	cart_buf_addf(&t, "Bagging-Date: %.10s\n", start);
	cart_buf_addf(&t, "External-Identifier: %s\n", b->name);
	cart_buf_addf(&t, "Bag-Group-Identifier: %s\n", b->case_id);
	cart_buf_addf(&t, "Payload-Oxum: %" PRIu64 ".%zu\n",
		      b->index.payload_bytes, b->index.payload.n);
	cart_buf_addf(&t, "Bag-Software-Agent: %s\n", b->agent);
	cart_buf_addf(&t, "Crashcart-Format: 1\n");
	cart_buf_addf(&t, "Crashcart-Uuid: %s\n", b->uuid);
	cart_buf_addf(&t, "Crashcart-Start: %" PRIu64 "\n", b->stream.mtime);
	cart_buf_addf(&t, "Crashcart-State: %s\n", s->state);
	cart_buf_addf(&t, "Crashcart-Log: %" PRIu64 "\n", s->log_size);
	if (cart_buf_check(&t, "bag-info.txt", err) == 0)
		rc = cart_bundle_tag(b, cart_member_id(MEMBER_FIXED, 0,
						       FIXED_BAG_INFO),
				     t.data, t.len, err);
	cart_buf_clear(&t);
	return rc;
}

static int put_manifest(void *arg, const void *data, size_t len,
			struct cart_err *err)
{
	struct seal *s = arg;

	return cart_stream_data(&s->b->stream, data, len, err);
}

static int hash_tags(void *arg, const void *data, size_t len,
		     struct cart_err *err)
{
	cart_blake2b_update(arg, data, len);
	return 0;
}

static int add_manifests(struct seal *s, struct cart_err *err)
{
	struct cart_bundle *b = s->b;
	struct cart_index *x = &b->index;
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_blake2b blake;

	if (cart_stream_begin(&b->stream, "manifest-sha256.txt",
			      x->manifest_bytes, err) < 0 ||
	    cart_index_print(x, false, put_manifest, s, err) < 0 ||
	    cart_stream_end(&b->stream, sha256, err) < 0 ||
	    cart_index_add(x, cart_member_id(MEMBER_FIXED, 0, FIXED_PAYLOAD),
			   sha256, 0, err) < 0)
		return -1;
	if (cart_stream_begin(&b->stream, "tagmanifest-sha256.txt",
			      x->tag_bytes, err) < 0 ||
	    cart_index_print(x, true, put_manifest, s, err) < 0 ||
	    cart_stream_end(&b->stream, s->root, err) < 0)
		return -1;
	cart_blake2b_init(&blake);
	cart_index_print(x, true, hash_tags, &blake, NULL);
	cart_blake2b_final(&blake, s->tags_blake2b);
	return 0;
}

/* Appends a signature whose trusted comment is F23's. */
static int sign(struct seal *s, bool inner,
		const unsigned char prehash[CART_BLAKE2B_SIZE],
		struct cart_buf *out, struct cart_err *err)
{
	struct cart_bundle *b = s->b;
	struct cart_signer *signer = b->examiner ? b->examiner : b->session;
	char root[CART_SHA256_HEX_SIZE], comment[512];

	cart_text_hex(s->root, sizeof(s->root), root);
	snprintf(comment, sizeof(comment),
		 "crashcart %s bundle=%s case=%s purpose=%s root=%s",
		 inner ? "inner-seal" : "seal", b->name, b->case_id,
		 b->examiner ? "examiner" : "session", root);
	if (cart_minisign_sign(signer, prehash,
			       inner ? "crashcart inner seal" :
				       "crashcart seal",
			       comment, out, err) < 0)
		return cart_err_prefix(err, "sealing");
	return cart_buf_check(out, "seal", err);
}

static int inner_seal(struct seal *s, struct cart_err *err)
{
	struct cart_buf sig;
	int rc = -1;

	cart_buf_init(&sig, 4096);
	/* no manifest lists it: not cart_bundle_tag */
	if (sign(s, true, s->tags_blake2b, &sig, err) == 0)
		rc = cart_stream_member(&s->b->stream,
					"seal/tagmanifest-sha256.txt.minisig",
					sig.data, sig.len, err);
	if (rc == 0 && s->b->stamps)
		rc = cart_seal_stamps(s->b, sig.data, sig.len, s->stamp, err);
	cart_buf_clear(&sig);
	return rc;
}

void cart_seal_segment(size_t i, const struct cart_segment *segment,
		       const struct cart_blocks *chunks, struct cart_buf *out)
{
	unsigned char digest[CART_SHA256_SIZE];
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_sha256 sha;
	size_t k;

	cart_sha256_init(&sha);
	for (k = 0; k < segment->n_chunks; k++)
		cart_sha256_update(&sha, cart_blocks_at(chunks,
				   segment->first_chunk + k), CART_SHA256_SIZE);
	cart_sha256_final(&sha, digest);
	cart_buf_addf(out, "segment %zu %" PRIu64 " ", i + 1, segment->length);
	cart_text_base64(digest, sizeof(digest), out);
	cart_buf_addf(out, "-%zu\n", segment->n_chunks);
	for (k = 0; k < segment->n_chunks; k++) {
		cart_text_hex(cart_blocks_at(chunks, segment->first_chunk + k),
			      CART_SHA256_SIZE, hex);
		cart_buf_addf(out, "%s\n", hex);
	}
}

/* The text of the outer seal over the first n segments, and its signature. */
static int print_outer(struct seal *s, size_t n, struct cart_buf *seal,
		       struct cart_buf *sig, struct cart_err *err)
{
	struct cart_bundle *b = s->b;
	unsigned char prehash[CART_BLAKE2B_SIZE];
	char root[CART_SHA256_HEX_SIZE], log_root[CART_SHA256_HEX_SIZE];
	struct cart_blake2b blake;
	size_t i;

	cart_text_hex(s->root, sizeof(s->root), root);
	cart_text_hex(s->log_root, sizeof(s->log_root), log_root);
	cart_buf_addf(seal, "crashcart-seal 1\nbundle %s\ncase %s\nstate %s\n"
			    "root %s\nlog %" PRIu64 " %s\nchunk %" PRIu64 "\n",
		      b->name, b->case_id, s->state, root, s->log_size,
		      log_root, (uint64_t)CHUNK_BYTES);
	for (i = 0; i < n; i++)
		cart_seal_segment(i, &b->stream.segment[i], &b->stream.chunks,
				  seal);
	if (cart_buf_check(seal, "seal", err) < 0)
		return -1;
	cart_blake2b_init(&blake);
	cart_blake2b_update(&blake, seal->data, seal->len);
	cart_blake2b_final(&blake, prehash);
	return sign(s, false, prehash, sig, err);
}

/* The state file (FORMAT.md section 11) with this seal. */
static int put_state(struct cart_bundle *b, const struct cart_buf *seal,
		     const struct cart_buf *sig, struct cart_err *err)
{
	struct cart_sink *sink = b->stream.sink;
	struct cart_buf state;
	int rc = -1;

	cart_buf_init(&state, SIZE_MAX / 2);
	cart_buf_addf(&state, "crashcart-state 1\nuuid %s\nkey ", b->uuid);
	cart_minisign_print_public_bare(&(b->examiner ? b->examiner :
					  b->session)->public_key, &state);
	cart_buf_addc(&state, '\n');
	pthread_mutex_lock(&b->lock);
	cart_buf_add(&state, b->changes.data, b->changes.len);
	pthread_mutex_unlock(&b->lock);
	cart_buf_addf(&state, "signature %zu\n", sig->len);
	cart_buf_add(&state, sig->data, sig->len);
	cart_buf_addf(&state, "seal %zu\n", seal->len);
	cart_buf_add(&state, seal->data, seal->len);
	if (cart_buf_check(&state, "state file", err) == 0)
		rc = sink->companion(sink, ".state", state.data, state.len,
				     err);
	cart_buf_clear(&state);
	return rc;
}

/* Closes the last segment and puts the seal beside it. */
static int outer_seal(struct seal *s, struct cart_err *err)
{
	struct cart_stream *stream = &s->b->stream;
	struct cart_sink *sink = stream->sink;
	struct cart_buf seal, sig;
	int rc = -1;

	cart_buf_init(&seal, SIZE_MAX / 2);
	cart_buf_init(&sig, 4096);
	/* The signature first: a seal without one never exists. */
	if (print_outer(s, stream->n_segments, &seal, &sig, err) < 0 ||
	    (sink->state_first && put_state(s->b, &seal, &sig, err) < 0) ||
	    sink->sync(sink, err) < 0 ||
	    sink->companion(sink, ".seal.minisig", sig.data, sig.len,
			    err) < 0 ||
	    sink->companion(sink, ".seal", seal.data, seal.len, err) < 0)
		goto out;
	/* nobody needs it any more; where it stays it does no harm */
	if (stream->closed)
		sink->companion(sink, ".state", NULL, 0, NULL);
	rc = 0;
out:
	cart_buf_clear(&seal);
	cart_buf_clear(&sig);
	return rc;
}

int cart_seal_state(void *arg, struct cart_err *err)
{
	struct cart_bundle *b = arg;
	struct seal s = { .b = b, .state = "partial",
			  .log_size = b->log.written.size };
	size_t n = b->stream.n_segments;
	struct cart_buf seal, sig;
	int rc = -1;

	/* nothing that could be sealed is closed yet */
	if (s.log_size == 0)
		return 0;
	cart_buf_init(&seal, SIZE_MAX / 2);
	cart_buf_init(&sig, 4096);
	cart_merkle_root(&b->log.written, s.log_root);
	/* there is no tag manifest: the log's root stands for it */
	memcpy(s.root, s.log_root, sizeof(s.root));
	if (!b->stream.sink->state_first)
		n--;			/* the next has been begun */
	if (print_outer(&s, n, &seal, &sig, err) == 0)
		rc = put_state(b, &seal, &sig, err);
	cart_buf_clear(&seal);
	cart_buf_clear(&sig);
	return rc;
}

int cart_seal_run(struct cart_bundle *b, struct cart_wait *end,
		  struct cart_err *err)
{
	struct seal s = { .b = b, .reason = end->reason };
	struct cart_seal_result *ret = end->result;

	pthread_mutex_lock(&b->lock);
	s.counts = b->counts;
	pthread_mutex_unlock(&b->lock);
	if (b->stream.sink->ending)
		b->stream.sink->ending(b->stream.sink);
	s.state = s.counts.gaps || end->force_gaps ? "gaps" : "complete";
	/* what died behind here is made anew behind all that was collected */
	if (b->stream.sink->state_first &&
	    (cart_log_flush(b, err) < 0 ||
	     cart_stream_cut(&b->stream, err) < 0))
		return -1;
	if (end_line(&s, err) < 0 || add_checkpoint(&s, err) < 0 ||
	    add_bag_info(&s, err) < 0 || add_manifests(&s, err) < 0 ||
	    inner_seal(&s, err) < 0 ||
	    cart_stream_finish(&b->stream, err) < 0 ||
	    outer_seal(&s, err) < 0)
		return -1;
	if (ret) {
		memset(ret, 0, sizeof(*ret));
		cart_text_hex(s.root, sizeof(s.root), ret->root);
		cart_text_hex(s.log_root, sizeof(s.log_root), ret->log_root);
		ret->log_size = s.log_size;
		ret->bytes = b->stream.total;
		ret->segments = (unsigned)b->stream.n_segments;
		ret->gaps = strcmp(s.state, "gaps") == 0;
		memcpy(ret->stamp, s.stamp, sizeof(ret->stamp));
	}
	return 0;
}
