/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets tests call the reading side of bundles:
 *
 *	bundle_read_driver verify [-k KEY]... [-s SEAL] [-t THREADS]
 *		[-i IDENTITY] [-h HEAD] BUNDLE...
 *	bundle_read_driver extract [-k KEY]... [-s SEAL] [-a] [-e EXHIBIT]...
 *		-o OUT BUNDLE
 *
 * A line for each bundle: exit status, rule or "-", bytes parsed, reason.
 * The exit status is the worst of these; 1 if a bundle cannot be read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <crashcart/age.h>
#include <crashcart/fdio.h>
#include <crashcart/minisign.h>
#include <crashcart/reader.h>

#define KEYS_MAX 16
#define EXHIBITS_MAX 16

struct driver {
	struct cart_extract_options o;
	struct cart_public_key keys[KEYS_MAX];
	struct cart_kept_head head;
	const char *exhibits[EXHIBITS_MAX + 1];
	size_t n_exhibits;
};

static int usage(void)
{
	fprintf(stderr, "usage: see the first lines of the source\n");
	return 2;
}

static int add_key(struct driver *d, const char *text)
{
	struct cart_err err = { 0 };

	if (d->o.verify.n_keys == KEYS_MAX)
		return -1;
	if (cart_minisign_parse_public(text, strlen(text),
				       &d->keys[d->o.verify.n_keys++],
				       &err) == 0)
		return 0;
	fprintf(stderr, "%s: %s\n", text, err.text);
	return -1;
}

static int load(const char *path, struct cart_buf *b)
{
	struct cart_err err = { 0 };

	cart_buf_init(b, 65536);
	if (cart_file_read(AT_FDCWD, path, b, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	return -1;
}

/* Both are kept until the process ends (where a leak check finds them). */
static int add_identity(struct driver *d, const char *path)
{
	static struct cart_age_identities *ids;
	struct cart_err err = { 0 };
	struct cart_buf b;

	if (load(path, &b) == 0)
		ids = cart_age_identities_new(b.data, b.len, &err);
	cart_buf_clear(&b);
	d->o.verify.identities = ids;
	return ids ? 0 : -1;
}

static int add_head(struct driver *d, const char *path)
{
	static struct cart_buf b;
	struct cart_err err = { 0 };

	if (load(path, &b) < 0 ||
	    cart_kept_head_parse((const char *)b.data, b.len, &d->head,
				 &err) < 0)
		return -1;
	d->o.verify.heads = &d->head;
	d->o.verify.n_heads = 1;
	return 0;
}

static int option(struct driver *d, int letter)
{
	switch (letter) {
	case 'k':
		return add_key(d, optarg);
	case 's':
		d->o.verify.seal_path = optarg;
		return 0;
	case 't':
		d->o.verify.threads = (unsigned)strtoul(optarg, NULL, 10);
		return 0;
	case 'i':
		return add_identity(d, optarg);
	case 'h':
		return add_head(d, optarg);
	case 'a':
		d->o.as_stored = true;
		return 0;
	case 'o':
		d->o.out = optarg;
		return 0;
	case 'e':
		if (d->n_exhibits == EXHIBITS_MAX)
			return -1;
		d->exhibits[d->n_exhibits++] = optarg;
		return 0;
	default:
		return -1;
	}
}

static int run(struct driver *d, const char *bundle, bool extract)
{
	struct cart_verdict v;
	struct cart_err err = { 0 };
	int rc;

	d->o.verify.bundle = bundle;
	rc = extract ? cart_extract(&d->o, &v, &err) :
		       cart_verify(&d->o.verify, &v, &err);
	if (rc < 0) {
		printf("1 - %llu %s\n", (unsigned long long)v.bytes_parsed,
		       err.text);
		return 1;
	}
	printf("%d %s %llu %s\n", (int)v.kind, v.rule[0] ? v.rule : "-",
	       (unsigned long long)v.bytes_parsed, v.reason);
	return (int)v.kind;
}

int main(int argc, char **argv)
{
	struct driver d = { 0 };
	int letter, status = 0, one;
	bool extract;

	if (argc < 2)
		return usage();
	extract = strcmp(argv[1], "extract") == 0;
	if (!extract && strcmp(argv[1], "verify") != 0)
		return usage();
	d.o.verify.keys = d.keys;
	optind = 2;
	while ((letter = getopt(argc, argv, "k:s:t:o:e:i:h:a")) != -1)
		if (option(&d, letter) < 0)
			return usage();
	if (d.n_exhibits > 0)
		d.o.exhibits = d.exhibits;
	if (optind == argc || (extract && !d.o.out))
		return usage();
	for (; optind < argc; optind++) {
		one = run(&d, argv[optind], extract);
		status = one > status ? one : status;
	}
	return status;
}
