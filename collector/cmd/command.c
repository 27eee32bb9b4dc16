/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "crashcart/buf.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"
#include "crashcart/version.h"
#include "version_print.h"

const struct cart_option cart_common_options[] = {
	{ "json", 0, NULL, false, "Results and messages as JSON." },
	{ "quiet", 'q', NULL, false, "Only errors and warnings on stderr." },
	{ "debug", 0, NULL, false, "Say more on stderr (never a secret)." },
	{ "help", 'h', NULL, false, "Show this help." },
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command *cart_command_find(const char *name)
{
	size_t i;

	for (i = 0; cart_commands[i] != NULL; i++) {
		if (strcmp(cart_commands[i]->name, name) == 0)
			return cart_commands[i];
	}
	return NULL;
}

/* ---- help ---------------------------------------------------------------- */

/* Words from column 28 on, in lines of at most 80 columns. */
static void print_wrapped(const char *text)
{
	size_t column = 28, n;

	while (*text != '\0') {
		n = strcspn(text, " ");
		if (column > 28 && column + 1 + n > 80) {
			printf("\n%28s", "");
			column = 28;
		} else if (column > 28) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)n, text);
		column += n;
		text += n + (text[n] == ' ');
	}
	putchar('\n');
}

static void print_options(const struct cart_option *o)
{
	for (; o->name != NULL; o++) {
		char left[64];
		int n;

		n = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s",
			     o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			     o->letter ? ", " : "  ", o->name,
			     o->arg ? " " : "", o->arg ? o->arg : "");
		printf("%-28s", left);
		if (n > 27)
			printf("\n%28s", "");
		print_wrapped(o->help);
	}
}

static void print_help(const struct cart_command *c)
{
	printf("Usage: %s %s %s\n\n%s\n", cart_program_name, c->name, c->usage,
	       c->summary);
	if (c->options->name != NULL) {
		printf("\nOptions:\n");
		print_options(c->options);
	}
	printf("\nOptions of every command:\n");
	print_options(cart_common_options);
	if (c->about != NULL)
		printf("\n%s", c->about);
}

static void print_overview(FILE *out)
{
	size_t i;

	fprintf(out, "Usage: %s COMMAND ...\n\n%s\nCommands:\n",
		cart_program_name, cart_program_about);
	for (i = 0; cart_commands[i] != NULL; i++)
		fprintf(out, "  %-11s %s\n", cart_commands[i]->name,
			cart_commands[i]->summary);
	fprintf(out, "\n`%s COMMAND --help` explains each; --version says what "
		"this is.\n"
		"Exit status: 0 complete; 1 failed; 2 usage, nothing touched; "
		"3 sealed, with gaps;\n4 invalid; 5 cannot tell, or nothing "
		"sealed.\n", cart_program_name);
}

int cart_command_greet(void)
{
	struct stat st;
	bool root = stat("/proc/1/root/.", &st) == 0;

	print_overview(stdout);
	if (cart_command_find("collect") == NULL)
		return CART_EXIT_OK;
	printf("\nLikely here:\n"
	       "  crashcart collect host-triage --case CASE%s\n"
	       "  crashcart collect instance-compromise --case CASE "
	       "-p instance_id=i-...\n"
	       "  crashcart plan instance-compromise -p instance_id=i-...\n"
	       "  crashcart show manifests\n",
	       root ? "" : "      (as root, or much is denied)");
	return CART_EXIT_OK;
}

static const char *nearest(const char *word)
{
	const char *best = NULL;
	unsigned best_distance = 3;
	size_t i;

	for (i = 0; cart_commands[i] != NULL; i++) {
		unsigned d = cart_text_distance(word, cart_commands[i]->name, 3);

		if (d < best_distance) {
			best_distance = d;
			best = cart_commands[i]->name;
		}
	}
	return best;
}

int cart_command_other(int argc, char **argv)
{
	const char *word = argv[1];
	const struct cart_command *c;
	const char *guess;

	if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0)
		return cart_version_print(argc > 2 &&
					  strcmp(argv[2], "--json") == 0);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
	    strcmp(word, "help") == 0) {
		c = argc > 2 ? cart_command_find(argv[2]) : NULL;
		if (c != NULL)
			print_help(c);
		else
			print_overview(stdout);
		return CART_EXIT_OK;
	}
	guess = nearest(word);
	if (guess != NULL)
		cart_msg(CART_MSG_ERROR, "there is no command '%s'; did you "
			 "mean '%s'?", word, guess);
	else
		cart_msg(CART_MSG_ERROR, "there is no command '%s'; "
			 "`%s --help` lists them", word, cart_program_name);
	return CART_EXIT_USAGE;
}

/* ---- words to options ---------------------------------------------------- */

static const struct cart_option *find_in(const struct cart_option *o,
					 const char *name, size_t len,
					 char letter)
{
	for (; o->name != NULL; o++) {
		if (name == NULL ? o->letter == letter :
		    strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	}
	return NULL;
}

static const struct cart_option *find_option(const struct cart_command *c,
					     const char *name, size_t len,
					     char letter)
{
	const struct cart_option *o = find_in(c->options, name, len, letter);

	return o != NULL ? o : find_in(cart_common_options, name, len, letter);
}

static int no_such_option(const struct cart_args *a, const char *word)
{
	const struct cart_option *o;
	const char *best = NULL;
	unsigned best_distance = 3;

	for (o = a->command->options; o->name != NULL; o++) {
		unsigned d = cart_text_distance(word + 2, o->name, 3);

		if (word[1] == '-' && d < best_distance) {
			best_distance = d;
			best = o->name;
		}
	}
	if (best != NULL)
		return cart_command_usage(a, "there is no option %s; did you "
					  "mean --%s?", word, best);
	return cart_command_usage(a, "there is no option %s", word);
}

static int take_option(struct cart_args *a, const struct cart_option *o,
		       const char *value)
{
	if (a->n_given == CART_ARGS_MAX)
		return cart_command_usage(a, "more than %d options",
					  CART_ARGS_MAX);
	if (!o->many && o->arg != NULL && cart_args_value(a, o->name) != NULL)
		return cart_command_usage(a, "--%s is given twice", o->name);
	a->given[a->n_given].option = o;
	a->given[a->n_given].value = value;
	a->n_given++;
	return 0;
}

/* One word that begins with '-'.  Returns how many words it used, or minus
 * the exit status. */
static int parse_option(struct cart_args *a, int argc, char **argv, int i)
{
	const char *word = argv[i], *value = NULL;
	const struct cart_option *o;
	int rc, used = 1;

	if (word[1] == '-') {
		const char *eq = strchr(word + 2, '=');

		o = find_option(a->command, word + 2, eq != NULL ?
				(size_t)(eq - word - 2) : strlen(word + 2), 0);
		if (eq != NULL)
			value = eq + 1;
	} else {
		o = find_option(a->command, NULL, 0, word[1]);
		if (word[2] != '\0')
			value = word + 2;
	}
	if (o == NULL)
		return -no_such_option(a, word);
	if (o->arg == NULL && value != NULL)
		return -cart_command_usage(a, "--%s takes no value", o->name);
	if (o->arg != NULL && value == NULL) {
		if (i + 1 >= argc)
			return -cart_command_usage(a, "--%s wants a value (%s)",
						   o->name, o->arg);
		value = argv[i + 1];
		used = 2;
	}
	rc = take_option(a, o, value);
	return rc != 0 ? -rc : used;
}

static int parse(struct cart_args *a, int argc, char **argv)
{
	bool options = true;
	int i = 0, rc;

	while (i < argc) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			i++;
		} else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
			rc = parse_option(a, argc, argv, i);
			if (rc <= 0)
				return -rc;
			i += rc;
		} else if (a->n_positional == CART_ARGS_MAX) {
			return cart_command_usage(a, "more than %d words",
						  CART_ARGS_MAX);
		} else {
			a->positional[a->n_positional++] = argv[i++];
		}
	}
	return 0;
}

int cart_command_run(const struct cart_command *c, int argc, char **argv)
{
	static struct cart_args args;	/* 8 KiB: not on the stack of main */
	struct cart_msg_options o = { 0 };
	int rc;

	args.command = c;
	rc = parse(&args, argc, argv);
	if (rc != 0)
		return rc;
	if (cart_args_flag(&args, "help")) {
		print_help(c);
		return CART_EXIT_OK;
	}
	o.json = cart_args_flag(&args, "json");
	o.quiet = cart_args_flag(&args, "quiet");
	o.debug = cart_args_flag(&args, "debug");
	cart_msg_setup(&o);
	if (args.n_positional < c->min_positional)
		return cart_command_usage(&args, "something is missing: "
					  "crashcart %s %s", c->name, c->usage);
	if (args.n_positional > c->max_positional)
		return cart_command_usage(&args, "'%s' is one word too many",
					  args.positional[c->max_positional]);
	return c->run(&args);
}

/* ---- what commands ask --------------------------------------------------- */

bool cart_args_flag(const struct cart_args *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->n_given; i++) {
		if (strcmp(a->given[i].option->name, name) == 0)
			return true;
	}
	return false;
}

const char *cart_args_value(const struct cart_args *a, const char *name)
{
	size_t i;

	for (i = a->n_given; i > 0; i--) {
		if (strcmp(a->given[i - 1].option->name, name) == 0)
			return a->given[i - 1].value;
	}
	return NULL;
}

const char *cart_args_at(const struct cart_args *a, const char *name,
			 size_t index)
{
	size_t i;

	for (i = 0; i < a->n_given; i++) {
		if (strcmp(a->given[i].option->name, name) == 0 && index-- == 0)
			return a->given[i].value;
	}
	return NULL;
}

size_t cart_args_all(const struct cart_args *a, const char *name,
		     const char **out)
{
	size_t n = 0;
	const char *value;

	while ((value = cart_args_at(a, name, n)) != NULL)
		out[n++] = value;
	out[n] = NULL;
	return n;
}

void cart_command_print_json(FILE *out, struct cart_json *j)
{
	struct cart_buf b;

	cart_buf_init(&b, (size_t)64 << 20);
	cart_json_print(j, 0, &b);
	if (cart_buf_ok(&b))
		fprintf(out, "%s\n", (char *)b.data);
	cart_buf_clear(&b);
	cart_json_free(j);
}

int cart_command_fail(const struct cart_args *a, const struct cart_err *err)
{
	(void)a;
	cart_msg_err(err);
	switch (err->class) {
	case CART_ERR_USAGE:
		return CART_EXIT_USAGE;
	default:
		return CART_EXIT_FAILED;
	}
}

int cart_command_usage(const struct cart_args *a, const char *fmt, ...)
{
	struct cart_buf b;
	va_list ap;

	cart_buf_init(&b, 4096);
	va_start(ap, fmt);
	cart_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	cart_msg(CART_MSG_ERROR, "%s (`%s %s --help` explains)",
		 b.data != NULL ? (const char *)b.data : fmt, cart_program_name,
		 a->command->name);
	cart_buf_clear(&b);
	return CART_EXIT_USAGE;
}
