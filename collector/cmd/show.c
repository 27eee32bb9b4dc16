/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "crashcart/aws_model.h"
#include "crashcart/embed.h"
#include "crashcart/json.h"
#include "crashcart/manifest.h"
#include "crashcart/step.h"
#include "manual.h"

static int print_buf(struct cart_buf *b)
{
	int rc = CART_EXIT_FAILED;

	if (cart_buf_ok(b) && b->data != NULL &&
	    fwrite(b->data, 1, b->len, stdout) == b->len)
		rc = CART_EXIT_OK;
	cart_buf_clear(b);
	return rc;
}

static const char *const param_types[] = {
	[CART_PARAM_STRING] = "text", [CART_PARAM_INTEGER] = "integer",
	[CART_PARAM_BOOLEAN] = "true or false", [CART_PARAM_SIZE] = "size",
	[CART_PARAM_DURATION] = "duration", [CART_PARAM_TIME] = "time",
	[CART_PARAM_STRINGS] = "texts", [CART_PARAM_OBJECT] = "object",
	[CART_PARAM_ANY] = "anything",
};

static struct cart_json *step_json(const struct cart_step_type *t)
{
	struct cart_json *j = cart_json_new_object(), *list, *p;
	const struct cart_param *q;

	cart_json_add(j, "do", cart_json_new_string(t->name));
	cart_json_add(j, "summary", cart_json_new_string(t->summary));
	cart_json_add(j, "where", cart_json_new_string(
		      t->where == CART_STEP_HOST ? "host" : "aws"));
	cart_json_add(j, "regional", cart_json_new_bool(t->regional));
	cart_json_add(j, "changes", t->changes != NULL ?
		      cart_json_new_string(t->changes) : cart_json_new_null());
	list = cart_json_add(j, "with", cart_json_new_array());
	for (q = t->params; q->name != NULL; q++) {
		p = cart_json_append(list, cart_json_new_object());
		cart_json_add(p, "name", cart_json_new_string(q->name));
		cart_json_add(p, "type",
			      cart_json_new_string(param_types[q->type]));
		cart_json_add(p, "required", cart_json_new_bool(q->required));
		if (q->fallback != NULL)
			cart_json_add(p, "default",
				      cart_json_new_string(q->fallback));
		cart_json_add(p, "help", cart_json_new_string(q->help));
	}
	return j;
}

static int show_steps(bool json)
{
	struct cart_json *all = cart_json_new_array();
	const struct cart_step_type *t;
	const struct cart_param *q;
	struct cart_buf b;
	size_t i;

	cart_buf_init(&b, 1 << 20);
	for (i = 0; (t = cart_step_types[i]) != NULL; i++) {
		if (json) {
			cart_json_append(all, step_json(t));
			continue;
		}
		cart_buf_addf(&b, "%s%s\n    %s\n", i ? "\n" : "", t->name,
			      t->summary);
		if (t->changes != NULL)
			cart_buf_addf(&b, "    changes: %s (needs --allow %s)\n",
				      t->changes, t->changes);
		for (q = t->params; q->name != NULL; q++)
			cart_buf_addf(&b, "    %-16s %s%s%s%s: %s\n", q->name,
				      param_types[q->type],
				      q->required ? ", required" : "",
				      q->fallback ? ", default " : "",
				      q->fallback ? q->fallback : "", q->help);
	}
	if (json) {
		cart_json_print(all, 4, &b);
		cart_buf_addc(&b, '\n');
	}
	cart_json_free(all);
	return print_buf(&b);
}

static int show_manifests(bool json)
{
	struct cart_json *all = cart_json_new_array(), *one;
	struct cart_buf b;
	size_t i;

	cart_buf_init(&b, 1 << 20);
	for (i = 0; i < cart_embed_manifests_count; i++) {
		const struct cart_embed_file *f = &cart_embed_manifests[i];
		struct cart_json *m = cart_json_parse(f->data, f->len, NULL, NULL);
		const char *title = cart_json_get_string(m, "title");

		if (json) {
			one = cart_json_append(all, cart_json_new_object());
			cart_json_add(one, "name", cart_json_new_string(f->name));
			cart_json_add(one, "title", cart_json_new_string(
				      title != NULL ? title : ""));
			cart_json_add(one, "params", cart_json_copy(
				      cart_json_get(m, "params")));
		} else {
			cart_buf_addf(&b, "%-22s %s\n", f->name,
				      title != NULL ? title : "");
		}
		cart_json_free(m);
	}
	if (json) {
		cart_json_print(all, 4, &b);
		cart_buf_addc(&b, '\n');
	}
	cart_json_free(all);
	return print_buf(&b);
}

static int show_manifest(const struct cart_args *a, const char *name)
{
	size_t i;

	for (i = 0; i < cart_embed_manifests_count; i++) {
		const struct cart_embed_file *f = &cart_embed_manifests[i];

		if (strcmp(f->name, name) == 0)
			return fwrite(f->data, 1, f->len, stdout) == f->len ?
				CART_EXIT_OK : CART_EXIT_FAILED;
	}
	return cart_command_usage(a, "there is no built-in manifest '%s'", name);
}

static int show_services(const struct cart_args *a, const char *name)
{
	struct cart_err err = { 0 };
	struct cart_model *m = cart_model_builtin(&err);
	const struct cart_svc *svc;
	const struct cart_op *op;
	struct cart_buf b;
	size_t i;

	if (m == NULL)
		return cart_command_fail(a, &err);
	cart_buf_init(&b, 1 << 20);
	if (name == NULL) {
		for (i = 0; i < cart_model_svc_count(m); i++)
			cart_buf_addf(&b, "%s\n", cart_model_svc_name(m, i));
		return print_buf(&b);
	}
	svc = cart_model_svc(m, name, &err);
	if (svc == NULL) {
		cart_buf_clear(&b);
		return cart_command_fail(a, &err);
	}
	for (i = 0; (op = cart_svc_op_at(svc, i)) != NULL; i++)
		cart_buf_addf(&b, "%s:%s %s\n", cart_svc_info(svc)->name,
			      cart_op_info(op)->name,
			      cart_op_class_name(cart_model_class(op)));
	return print_buf(&b);
}

/* What this very program was built from, for those who rebuild it. */
static int show_source(const struct cart_args *a)
{
	if (isatty(STDOUT_FILENO))
		return cart_command_usage(a, "the source is a .tar.zst file: "
					  "add > crashcart-source.tar.zst");
	return fwrite(cart_embed_source, 1, cart_embed_source_len, stdout) ==
		cart_embed_source_len ? CART_EXIT_OK : CART_EXIT_FAILED;
}

static int show(const struct cart_args *a)
{
	const char *what = a->positional[0];
	const char *name = a->n_positional > 1 ? a->positional[1] : NULL;
	bool json = cart_args_flag(a, "json");
	struct cart_err err = { 0 };
	struct cart_buf b;

	if (strcmp(what, "steps") == 0)
		return show_steps(json);
	if (strcmp(what, "manifests") == 0)
		return show_manifests(json);
	if (strcmp(what, "manifest") == 0 && name != NULL)
		return show_manifest(a, name);
	if (strcmp(what, "services") == 0)
		return show_services(a, name);
	if (strcmp(what, "source") == 0)
		return show_source(a);
	if (strcmp(what, "schema") == 0) {
		cart_buf_init(&b, 4 << 20);
		if (cart_manifest_schema(&b, &err) < 0) {
			cart_buf_clear(&b);
			return cart_command_fail(a, &err);
		}
		return print_buf(&b);
	}
	if (strcmp(what, "man") == 0 || strcmp(what, "completion") == 0) {
		cart_buf_init(&b, 1 << 20);
		if (what[0] == 'm')
			cart_manual_roff(&b);
		else
			cart_manual_bash(&b);
		return print_buf(&b);
	}
	return cart_command_usage(a, "show steps, services, manifests, "
				  "manifest NAME, schema, source, man or "
				  "completion; not '%s'", what);
}

static const struct cart_option options[] = {
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_show = {
	.name = "show",
	.summary = "Show what this program knows: steps, services, manifests.",
	.usage = "WHAT [NAME]",
	.min_positional = 1,
	.max_positional = 2,
	.options = options,
	.about =
"WHAT is one of:\n"
"steps             every step type with its parameters\n"
"services          the AWS services it can call; with a name, its operations\n"
"                  and whether each was reviewed as read-only\n"
"manifests         the manifests built in; manifest NAME prints one\n"
"schema            the JSON Schema of manifests\n"
"source            the source that this program was built from (.tar.zst)\n"
"man               the manual page crashcart(1)\n"
"completion        a completion script for bash\n",
	.run = show,
};
