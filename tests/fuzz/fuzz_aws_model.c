/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service model's blob.  The input is the raw frame of one service, which
 * is packed here into a blob of its own; when it loads, every operation is
 * asked for and an empty input is encoded.  A first byte of 0 means that the
 * rest is a whole blob; "hex" and a new line, that the rest is hexadecimal
 * (the corpus, which is to be text).
 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/aws_protocol.h>
#include <crashcart/compress.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put32(struct cart_buf *b, size_t v)
{
	unsigned char le[4] = { (unsigned char)v, (unsigned char)(v >> 8),
				(unsigned char)(v >> 16),
				(unsigned char)(v >> 24) };

	cart_buf_add(b, le, sizeof(le));
}

static void put_number(struct cart_buf *b, size_t v)
{
	for (; v >= 0x80; v >>= 7)
		cart_buf_addc(b, (char)((v & 0x7f) | 0x80));
	cart_buf_addc(b, (char)v);
}

static void pack(const void *data, size_t len, struct cart_buf *out)
{
	struct cart_zstd *z = cart_zstd_new(1, NULL);
	unsigned char *to = cart_buf_reserve(out, cart_zstd_bound(len));
	size_t n;

	if (!z || !to || cart_zstd_compress(z, data, len, to,
					    cart_zstd_bound(len), &n, NULL))
		abort();
	out->len += n;
	cart_zstd_free(z);
}

static void build(const uint8_t *data, size_t size, struct cart_buf *blob)
{
	struct cart_buf index, frame, zindex, zdict;

	cart_buf_init(&index, 1 << 20);
	cart_buf_init(&frame, (size_t)1 << 24);
	cart_buf_init(&zindex, 1 << 20);
	cart_buf_init(&zdict, 1 << 20);
	pack(data, size, &frame);
	cart_buf_add(&index, "1.0", 4);
	put_number(&index, 1);
	cart_buf_add(&index, "aws\0a.com\0b\0us-east-1", 22);
	put_number(&index, 1);
	cart_buf_add(&index, "us-", 4);
	put_number(&index, 1);
	cart_buf_add(&index, "us-east-1", 10);
	put_number(&index, 0);
	put_number(&index, 1);
	cart_buf_add(&index, "s", 2);
	put_number(&index, frame.len);
	put_number(&index, size);
	put_number(&index, 0);
	cart_buf_add(&index, "S", 2);
	put_number(&index, 0);
	pack(index.data, index.len, &zindex);
	pack("", 0, &zdict);
	cart_buf_adds(blob, "cartmodl");
	put32(blob, 1);
	put32(blob, zindex.len);
	put32(blob, index.len);
	put32(blob, zdict.len);
	put32(blob, 0);
	cart_buf_add(blob, zindex.data, zindex.len);
	cart_buf_add(blob, zdict.data, zdict.len);
	cart_buf_add(blob, frame.data, frame.len);
	cart_buf_clear(&index);
	cart_buf_clear(&frame);
	cart_buf_clear(&zindex);
	cart_buf_clear(&zdict);
}

static void use(const struct cart_svc *svc)
{
	static const char body[] = "<a><b/></a>";
	struct cart_reply reply = { .status = 200, .body = body,
				    .len = sizeof(body) - 1 };
	struct cart_encode_opts opts = { .partial = true };
	const struct cart_op *op;
	struct cart_endpoint e;
	struct cart_request r;
	size_t i;

	for (i = 0; (op = cart_svc_op_at(svc, i)); i++) {
		if (!cart_encode(op, NULL, &opts, &r, NULL))
			cart_request_clear(&r);
		cart_json_free(cart_decode(op, &reply, NULL));
		cart_op_endpoint(op, "us-east-1", 0, &e, NULL);
		cart_op_needs_no_input(op);
	}
	cart_svc_in_region(svc, "us-east-1");
}

static int nibble(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void run(const uint8_t *data, size_t size)
{
	struct cart_buf blob;
	struct cart_model *m;
	const char *name;
	size_t i;

	cart_buf_init(&blob, (size_t)1 << 24);
	if (size && !data[0])
		cart_buf_add(&blob, data + 1, size - 1);
	else
		build(data, size, &blob);
	m = cart_model_open(blob.data ? blob.data : data, blob.len, NULL);
	if (!m && size && data[0])
		abort();		/* our own index must be good */
	for (i = 0; m && i < 4 && (name = cart_model_svc_name(m, i)); i++) {
		const struct cart_svc *svc = cart_model_svc(m, name, NULL);

		if (svc)
			use(svc);
	}
	cart_model_close(m);
	cart_buf_clear(&blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_buf b;
	size_t i;
	int high = -1;

	if (size < 4 || memcmp(data, "hex\n", 4)) {
		run(data, size);
		return 0;
	}
	cart_buf_init(&b, size);
	for (i = 4; i < size; i++) {
		int v = nibble(data[i]);

		if (v < 0)
			continue;
		if (high >= 0)
			cart_buf_addc(&b, (char)(high << 4 | v));
		high = high >= 0 ? -1 : v;
	}
	run(b.data ? b.data : data, b.len);
	cart_buf_clear(&b);
	return 0;
}
