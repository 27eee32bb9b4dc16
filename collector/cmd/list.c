/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "crashcart/json.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"
#include "key_load.h"
#include "verdict_print.h"

enum list_form { LIST_WORDS, LIST_JSON, LIST_CSV };

struct list {
	enum list_form form;
	bool gaps;		/* gap lines too */
	bool only_gaps;		/* and nothing else */
	bool files;		/* file lines too */
	struct cart_buf out;	/* printed when the verdict is known */
};

/* Bounds the memory of a listing: about 600,000 lines. */
#define LIST_MAX ((size_t)256 << 20)

static const char *text_of(const struct cart_json *line, const char *key)
{
	const char *s = cart_json_get_string(line, key);

	return s != NULL ? s : "";
}

static void add_escaped(struct cart_buf *b, const char *s)
{
	cart_text_escape(s, strlen(s), b);
}

/* RFC 4180; a field that a spreadsheet would run as a formula gets a quote
 * in front. */
static void add_csv(struct cart_buf *b, const char *s, bool last)
{
	cart_buf_addc(b, '"');
	if (*s != '\0' && strchr("=+-@\t\r", *s) != NULL)
		cart_buf_addc(b, '\'');
	for (; *s != '\0'; s++) {
		if (*s == '"')
			cart_buf_addc(b, '"');
		if ((unsigned char)*s >= 0x20 && *s != 0x7f)
			cart_buf_addc(b, *s);
		else
			cart_buf_addf(b, "\\x%02x", (unsigned char)*s);
	}
	cart_buf_adds(b, last ? "\"\n" : "\",");
}

static void number_text(const struct cart_json *line, const char *key,
			char out[32])
{
	int64_t v;

	out[0] = '\0';
	if (cart_json_i64(cart_json_get(line, key), &v) == 0)
		snprintf(out, 32, "%lld", (long long)v);
}

static void list_exhibit(struct list *l, const struct cart_json *line)
{
	char size[32];

	number_text(line, "size", size);
	if (l->form == LIST_CSV) {
		add_csv(&l->out, text_of(line, "exhibit"), false);
		add_csv(&l->out, text_of(line, "step"), false);
		add_csv(&l->out, text_of(line, "name"), false);
		add_csv(&l->out, text_of(line, "media"), false);
		add_csv(&l->out, size, false);
		add_csv(&l->out, text_of(line, "sha256"), false);
		add_csv(&l->out, text_of(line, "state"), false);
		add_csv(&l->out, text_of(line, "path"), true);
		return;
	}
	cart_buf_addf(&l->out, "%-8s %12s  %-9s %-20.20s ",
		      text_of(line, "exhibit"), size, text_of(line, "state"),
		      text_of(line, "step"));
	add_escaped(&l->out, text_of(line, "name"));
	cart_buf_addc(&l->out, '\n');
}

static void list_gap(struct list *l, const struct cart_json *line)
{
	if (l->form == LIST_CSV) {
		add_csv(&l->out, text_of(line, "reason"), false);
		add_csv(&l->out, text_of(line, "step"), false);
		add_csv(&l->out, text_of(line, "instance"), false);
		add_csv(&l->out, text_of(line, "what"), false);
		add_csv(&l->out, text_of(line, "detail"), true);
		return;
	}
	cart_buf_adds(&l->out, "gap      ");
	cart_buf_addf(&l->out, "%-12s %-20.20s ", text_of(line, "reason"),
		      text_of(line, "step"));
	add_escaped(&l->out, text_of(line, "what"));
	cart_buf_adds(&l->out, ": ");
	add_escaped(&l->out, text_of(line, "detail"));
	cart_buf_addc(&l->out, '\n');
}

static void list_file(struct list *l, const struct cart_json *line)
{
	char size[32];
	const char *path = cart_json_get_string(line, "path");

	number_text(line, "size", size);
	cart_buf_addf(&l->out, "%-8s %12s  %-9s %-20.20s ",
		      text_of(line, "exhibit"), size, text_of(line, "state"),
		      text_of(line, "kind"));
	if (path != NULL) {
		add_escaped(&l->out, path);
	} else {
		cart_buf_adds(&l->out, "base64:");
		add_escaped(&l->out, text_of(line, "path_b64"));
	}
	cart_buf_addc(&l->out, '\n');
}

static int on_line(void *arg, const struct cart_json *line, struct cart_err *err)
{
	struct list *l = arg;
	const char *type = text_of(line, "type");
	bool exhibit = strcmp(type, "exhibit") == 0 && !l->only_gaps;
	bool gap = strcmp(type, "gap") == 0 && l->gaps;
	bool file = strcmp(type, "file") == 0 && l->files;

	if (!exhibit && !gap && !file)
		return 0;
	if (l->form == LIST_JSON) {
		cart_json_print(line, 0, &l->out);
		cart_buf_addc(&l->out, '\n');
	} else if (exhibit) {
		list_exhibit(l, line);
	} else if (gap) {
		list_gap(l, line);
	} else if (l->form == LIST_WORDS) {
		list_file(l, line);
	}
	return cart_buf_check(&l->out, "the listing", err);
}

static int list(const struct cart_args *a)
{
	struct cart_verify_options o = { 0 };
	struct cart_public_key *keys = NULL;
	struct cart_age_identities *ids = NULL;
	struct list l = { 0 };
	struct cart_verdict v;
	struct cart_err err = { 0 };
	int status;
	size_t i;

	cart_buf_init(&l.out, LIST_MAX);
	l.form = cart_args_flag(a, "json") ? LIST_JSON :
		cart_args_flag(a, "csv") ? LIST_CSV : LIST_WORDS;
	l.only_gaps = cart_args_flag(a, "gaps");
	l.gaps = l.only_gaps || l.form != LIST_CSV;
	l.files = cart_args_flag(a, "files") && !l.only_gaps;
	o.bundle = a->positional[0];
	o.seal_path = cart_args_value(a, "seal");
	o.progress = cart_verdict_progress;
	o.line = on_line;
	o.arg = &l;
	if (cart_key_public_all(a, "pubkey", &keys, &o.n_keys, &err) < 0) {
		err.class = CART_ERR_USAGE;
		return cart_command_fail(a, &err);
	}
	o.keys = keys;
	if (cart_identity_option(a, &ids, &err) < 0) {
		free(keys);
		return cart_command_fail(a, &err);
	}
	o.identities = ids;
	cart_verdict_sandbox(NULL, NULL);
	if (cart_verify(&o, &v, &err) < 0) {
		cart_msg_progress_end();
		status = cart_command_fail(a, &err);
		goto out;
	}
	cart_msg_progress_end();
	if (l.form == LIST_CSV)
		printf("%s\n", l.only_gaps ? "reason,step,instance,what,detail" :
		       "exhibit,step,name,media,size,sha256,state,path");
	if (l.out.len > 0)
		fwrite(l.out.data, 1, l.out.len, stdout);
	/* asked for behind the log's end, so the log cannot say it */
	for (i = 0; i < v.n_stamps; i++)
		if (v.stamp[i].error[0] != '\0')
			cart_msg(CART_MSG_WARN, "no time stamp from %s: %s",
				 v.stamp[i].url, v.stamp[i].error);
	if (v.kind == CART_VERDICT_INVALID)
		cart_msg(CART_MSG_ERROR, "INVALID: %s; do not rely on this list",
			 v.reason);
	else if (v.kind == CART_VERDICT_UNKNOWN)
		cart_msg(CART_MSG_NOTE, "%s", v.reason);
	/* a list of a bundle that holds is an answer, trusted key or not */
	status = v.kind == CART_VERDICT_INVALID ? CART_EXIT_INVALID :
		CART_EXIT_OK;
out:
	cart_buf_clear(&l.out);
	cart_age_identities_free(ids);
	free(keys);
	return status;
}

static const struct cart_option options[] = {
	{ "csv", 0, NULL, false, "Exhibits as comma-separated values." },
	{ "gaps", 0, NULL, false, "Only what is missing, and why." },
	{ "files", 0, NULL, false, "Also each file of the file sets." },
	{ "pubkey", 'P', "FILE|BASE64", true, "A key that you trust." },
	CMD_IDENTITY_OPTION,
	{ "seal", 0, "FILE", false,
	  "The seal, where it does not lie beside the bundle." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_list = {
	.name = "list",
	.summary = "List the exhibits and gaps of a bundle, verifying it.",
	.usage = "BUNDLE [--files|--gaps] [--json|--csv]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"With --json each line is the log's own line.  The list is printed when the\n"
"whole bundle was checked; exit 4 if it does not hold.\n"
"\n"
"Examples:\n"
"  crashcart list IR-7-b01.tar --gaps\n"
"  crashcart list IR-7-b01.tar --files --csv > files.csv\n",
	.run = list,
};
