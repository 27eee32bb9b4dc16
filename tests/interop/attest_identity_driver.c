/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest_identity_driver DOCUMENT RSA2048 SIGNATURE PKCS7: checks an instance
 * identity document; "-" for a file that is not there.  Prints the verdict, its
 * reason, and a line for each signature.
 *
 * attest_identity_driver pkcs7 CERT DER: prints what CERT's key signed.
 * attest_identity_driver sha256 CERT DATA SIGNATURE: exit 0 if it did.
 * attest_identity_driver tsr REPLY DATA ROOTS: exit 0 if a time stamp holds and is
 * anchored.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/attest_identity.h>
#include <crashcart/fdio.h>
#include <crashcart/pkcs7.h>
#include <crashcart/timestamp.h>

static struct cart_buf b[4];

static void read_all(char **paths, int n)
{
	struct cart_err err;
	int i;

	for (i = 0; i < n; i++) {
		cart_buf_init(&b[i], 1 << 20);
		if (strcmp(paths[i], "-") != 0 &&
		    (cart_file_read(AT_FDCWD, paths[i], &b[i], &err) < 0 ||
		     !cart_buf_reserve(&b[i], 1))) {
			fprintf(stderr, "%s\n", err.text);
			exit(2);
		}
	}
}

static int identity(void)
{
	struct cart_identity_input in = { 0 };
	struct cart_identity_verdict v;
	struct cart_err err = { 0 };
	int i;

	in.document = b[0].data;
	in.document_len = b[0].len;
	for (i = 0; i < CART_IDENTITY_KINDS; i++) {
		in.signature[i].data = b[i + 1].data;
		in.signature[i].len = b[i + 1].len;
	}
	if (cart_identity_check(&in, &v, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	printf("%s: %s\n", cart_trail_verdict_name(v.verdict), v.reason);
	for (i = 0; i < CART_IDENTITY_KINDS; i++)
		printf("%s %s: %s\n", cart_identity_kind_name(i),
		       cart_trail_verdict_name(v.each[i].verdict),
		       v.each[i].reason);
	printf("instance %s, account %s, region %s, signed %lld\n", v.instance,
	       v.account, v.region, (long long)v.signed_ns);
	return 0;
}

static int low(bool pkcs7)
{
	struct cart_err err = { 0 };
	struct cart_buf content;
	int rc;

	cart_buf_init(&content, 1 << 20);
	if (pkcs7)
		rc = cart_pkcs7_verify(b[1].data, b[1].len, (char *)b[0].data,
				       b[0].len, &content, NULL, &err);
	else
		rc = cart_cert_verify_sha256((char *)b[0].data, b[0].len,
					     b[1].data, b[1].len, b[2].data,
					     b[2].len, &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.text);
	else if (content.len)
		fwrite(content.data, 1, content.len, stdout);
	cart_buf_clear(&content);
	return rc < 0;
}

static int stamp(void)
{
	const struct cart_tsr_check c = {
		.reply = b[0].data, .reply_len = b[0].len,
		.data = b[1].data, .data_len = b[1].len,
		.roots = (char *)b[2].data, .roots_len = b[2].len,
	};
	struct cart_err err = { 0 };
	struct cart_tsr t;
	int rc = cart_tsr_verify(&c, &t, &err);

	if (rc < 0 || !t.anchored)
		fprintf(stderr, "%s\n", rc < 0 ? err.text : t.why_not);
	return rc < 0 || !t.anchored;
}

int main(int argc, char **argv)
{
	bool pkcs7 = argc == 4 && strcmp(argv[1], "pkcs7") == 0;
	int i, rc;

	if (argc != 4 && argc != 5)
		return 2;
	if (pkcs7 || strcmp(argv[1], "sha256") == 0) {
		read_all(argv + 2, argc - 2);
		rc = low(pkcs7);
	} else if (strcmp(argv[1], "tsr") == 0) {
		read_all(argv + 2, 3);
		rc = stamp();
	} else {
		read_all(argv + 1, 4);
		rc = identity();
	}
	for (i = 0; i < 4; i++)
		cart_buf_clear(&b[i]);
	return rc;
}
