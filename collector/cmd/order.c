/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "crashcart/clock.h"
#include "crashcart/digest.h"
#include "crashcart/fdio.h"
#include "crashcart/order.h"
#include "crashcart/text.h"
#include "key_kms.h"
#include "manifest_load.h"
#include "version_print.h"

#define NS_PER_MS 1000000

/* The programs that may follow the order: those named, else this one. */
static int take_tools(const struct cart_args *a, struct cart_order *o,
		      struct cart_err *err)
{
	const char *path;
	struct cart_buf b;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && (path = cart_args_at(a, "tool", i)); i++) {
		if (o->n_tools == CART_ORDER_TOOLS_MAX)
			return cart_err_set(err, CART_ERR_USAGE, 0, "--tool: at "
					    "most %u", CART_ORDER_TOOLS_MAX);
		cart_buf_init(&b, (size_t)256 << 20);
		rc = cart_file_read(AT_FDCWD, path, &b, err);
		if (rc == 0)
			cart_sha256_hex(b.data, b.len, o->tool[o->n_tools++]);
		cart_buf_clear(&b);
	}
	if (rc == 0 && o->n_tools == 0)
		snprintf(o->tool[o->n_tools++], CART_SHA256_HEX_SIZE, "%s",
			 cart_version_own_sha256());
	return rc;
}

static int take_times(const struct cart_args *a, struct cart_order *o,
		      struct cart_err *err)
{
	const char *from = cart_args_value(a, "from");
	const char *within = cart_args_value(a, "for");
	uint64_t ms = 0;

	o->from_ns = cart_clock_utc_ns();
	if (from != NULL && cart_clock_parse(from, strlen(from),
					     &o->from_ns) < 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--from %s: a time "
				    "like 2026-01-31T12:00:00Z is wanted", from);
	if (within == NULL)
		within = "7d";
	if (cart_text_duration(within, strlen(within), &ms) < 0 ||
	    ms < 60000 || ms > (uint64_t)3660 * 86400000)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--for %s: a time "
				    "like 12h or 7d, from a minute to ten years, "
				    "is wanted", within);
	o->from_ns -= o->from_ns % (1000 * (int64_t)NS_PER_MS);
	o->until_ns = o->from_ns + (int64_t)ms * NS_PER_MS;
	return 0;
}

static int take_rest(const struct cart_args *a, struct cart_order *o,
		     struct cart_err *err)
{
	const char *id = cart_args_value(a, "case");
	const char *by = cart_args_value(a, "by");
	struct cart_manifest *m;
	const void *bytes;
	size_t len;

	if (!cart_text_is_name(id, strlen(id)) || id[0] == '.')
		return cart_err_set(err, CART_ERR_USAGE, 0, "--case '%s': a "
				    "case is 1 to 64 of A-Z a-z 0-9 . _ - and "
				    "does not begin with a dot", id);
	snprintf(o->case_id, sizeof(o->case_id), "%s", id);
	if (by != NULL && (strlen(by) >= sizeof(o->by) || by[0] == '\0' ||
			   !cart_text_is_printable(by, strlen(by))))
		return cart_err_set(err, CART_ERR_USAGE, 0, "--by: 1 to 200 "
				    "bytes of text are wanted");
	snprintf(o->by, sizeof(o->by), "%s", by != NULL ? by : "");
	m = cart_manifest_load(a, a->positional[0], false, NULL, err);
	if (m == NULL)
		return -1;
	bytes = cart_manifest_bytes(m, &len);
	cart_sha256_hex(bytes, len, o->manifest_sha256);
	snprintf(o->manifest_name, sizeof(o->manifest_name), "%s",
		 cart_manifest_name(m));
	cart_manifest_free(m);
	return 0;
}

static int write_both(const char *path, const struct cart_buf *file,
		      const struct cart_buf *sig, struct cart_err *err)
{
	char name[4096];

	if (snprintf(name, sizeof(name), "%s.minisig", path) >=
	    (int)sizeof(name))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "--out: the path is too long");
	if (cart_file_write_new(AT_FDCWD, path, file->data, file->len, 0644,
				err) < 0)
		return -1;
	return cart_file_write_new(AT_FDCWD, name, sig->data, sig->len, 0644,
				   err);
}

static int order(const struct cart_args *a)
{
	const char *key = cart_args_value(a, "key");
	const char *out = cart_args_value(a, "out");
	struct cart_order o = { 0 };
	struct cmd_signer key_of = { 0 };
	struct cart_buf file, sig;
	struct cart_err err = { 0 };
	int status;

	if (key == NULL || out == NULL || cart_args_value(a, "case") == NULL)
		return cart_command_usage(a, "say for which case, by which key, "
					  "and where to: --case ID --key FILE "
					  "--out FILE");
	cart_buf_init(&file, CART_ORDER_MAX);
	cart_buf_init(&sig, 8192);
	if (take_rest(a, &o, &err) < 0 || take_tools(a, &o, &err) < 0 ||
	    take_times(a, &o, &err) < 0 ||
	    cart_key_open(a, key, NULL, false, &key_of, &err) < 0 ||
	    cart_order_make(&o, key_of.signer, &file, &sig, &err) < 0 ||
	    write_both(out, &file, &sig, &err) < 0) {
		status = cart_command_fail(a, &err);
	} else {
		printf("%s%s\n%s.minisig\n", (char *)file.data, out, out);
		status = CART_EXIT_OK;
	}
	cart_key_close(&key_of);
	cart_buf_clear(&file);
	cart_buf_clear(&sig);
	return status;
}

static const struct cart_option options[] = {
	{ "case", 'c', "ID", false, "The case that is to be collected." },
	{ "key", 0, "FILE|kms:ARN", false, "The examiner's signing key." },
	{ "password-fd", 0, "N", false,
	  "Read the key's password from descriptor N." },
	{ "out", 'o', "FILE", false, "The order; FILE.minisig beside it." },
	{ "tool", 0, "FILE", true,
	  "A program that may follow it; without it this one." },
	{ "from", 0, "TIME", false, "It counts from then, not from now." },
	{ "for", 0, "DURATION", false, "How long it counts: 12h, 30d; without it 7d." },
	{ "by", 0, "NAME", false, "Who orders, in words." },
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_order = {
	.name = "order",
	.summary = "Sign beforehand what is to be collected, and by which program.",
	.usage = "MANIFEST --case ID --key FILE --out FILE [--for DURATION]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"For the examiner, on a machine of their own: the key stays there.  The order\n"
"names case, manifest, program and time; `collect --order FILE` refuses anything\n"
"else, and its session key binds itself to the order.  `verify` then shows the\n"
"chain examiner, order, session key, bundle.  minisign -Vm FILE checks it too.\n"
"\n"
"Example:\n"
"  crashcart order host-triage --case IR-7 --key lab.key --out IR-7.order\n"
"  crashcart collect host-triage --order IR-7.order --out /mnt/usb\n",
	.run = order,
};
