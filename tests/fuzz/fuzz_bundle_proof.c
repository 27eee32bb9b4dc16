/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proof of one exhibit: the input is line.tlog-proof, a line "----", and the
 * log line.  What the fuzzer cannot make is made to fit: a tag manifest that
 * lists its checkpoint, an inner seal of that, and the content "x".  Nobody
 * trusts the key, so that nothing is ever valid.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <crashcart/digest.h>
#include <crashcart/prove.h>
#include <crashcart/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/dev/shm/crashcart-fuzz.XXXXXX";
static int dirfd = -1;

static const char *const names[] = {
	"line.tlog-proof", "line.json", "tagmanifest-sha256.txt",
	"tagmanifest-sha256.txt.minisig", "content"
};

static void leave(void)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(dirfd, names[i], 0);
	rmdir(folder);
}

static void put(size_t i, const void *data, size_t len)
{
	int fd = openat(dirfd, names[i], O_WRONLY | O_CREAT | O_TRUNC |
			O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* Of the tag manifest b, with a signature that is not one. */
static void put_seal(const struct cart_buf *b)
{
	static const unsigned char none[74] = { 'E', 'D' };
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_buf out;

	cart_sha256_hex(b->data, b->len, hex);
	cart_buf_init(&out, 4096);
	cart_buf_adds(&out, "untrusted comment: crashcart inner seal\n");
	cart_text_base64(none, sizeof(none), &out);
	cart_buf_addf(&out, "\ntrusted comment: crashcart inner-seal bundle=b "
		      "case=C purpose=session root=%s\n", hex);
	cart_text_base64(none + 2, 64, &out);
	cart_buf_addc(&out, '\n');
	put(3, out.data, out.len);
	cart_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char split[] = "\n----\n";
	const uint8_t *line = memmem(data, size, split, 6), *checkpoint;
	size_t len = line ? (size_t)(line - data) + 1 : size;
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_proof_verdict v;
	struct cart_err err = { 0 };
	struct cart_buf tags;

	if (dirfd < 0) {
		if (!mkdtemp(folder))
			abort();
		dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		atexit(leave);
		put(4, "x", 1);
	}
	put(0, data, len);
	put(1, line ? line + 6 : data, line ? size - len - 5 : 0);
	checkpoint = memmem(data, len, "\n\n", 2);
	checkpoint = checkpoint ? checkpoint + 2 : data + len;
	cart_sha256_hex(checkpoint, (size_t)(data + len - checkpoint), hex);
	cart_buf_init(&tags, 4096);
	cart_buf_addf(&tags, "%s  checkpoint\n", hex);
	put(2, tags.data, tags.len);
	put_seal(&tags);
	cart_buf_clear(&tags);
	if (cart_prove_check(folder, NULL, 0, &v, &err) == 0 &&
	    v.kind == CART_VERDICT_VALID)
		abort();
	return 0;
}
