/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: net_driver [-c CA-FILE] [-x PROXY] [-n NO-PROXY] [-p] URL...
 *
 * Asks each URL in turn, by one net, and prints a line for each: "STATUS
 * ADDRESS BODY", or "error CLASS TEXT".  -p: plain http to any host.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <crashcart/fdio.h>
#include <crashcart/net.h>

static int ask(struct cart_net *n, const char *url, bool plain)
{
	const struct cart_http_request r = {
		.method = "GET", .url = url, .timeout_ms = 5000,
		.plain_ok = plain,
	};
	struct cart_http_reply p;
	struct cart_err err;
	int rc = cart_net_perform(n, &r, &p, &err);

	if (rc < 0)
		printf("error %s %s\n", cart_err_class_name(err.class),
		       err.text);
	else
		printf("%d %s %.*s\n", p.status, p.address, (int)p.body.len,
		       p.body.data ? (const char *)p.body.data : "");
	fflush(stdout);
	cart_http_reply_clear(&p);
	return rc;
}

int main(int argc, char **argv)
{
	struct cart_net_options o = { 0 };
	struct cart_buf ca;
	struct cart_err err;
	struct cart_net *n;
	bool plain = false;
	int opt, bad = 0;

	cart_buf_init(&ca, 1 << 24);
	while ((opt = getopt(argc, argv, "c:x:n:p")) != -1) {
		if (opt == 'c' && cart_file_read(AT_FDCWD, optarg, &ca,
						 &err) < 0)
			return 2;
		if (opt == 'x')
			o.proxy = optarg;
		if (opt == 'n')
			o.no_proxy = optarg;
		plain |= opt == 'p';
		if (opt == '?')
			return 2;
	}
	o.ca_pem = (const char *)ca.data;
	o.ca_pem_len = ca.len;
	n = cart_net_new(&o, &err);
	if (!n) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	for (; optind < argc; optind++)
		bad |= ask(n, argv[optind], plain) < 0;
	cart_net_free(n);
	cart_buf_clear(&ca);
	return bad ? 1 : 0;
}
