/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "crashcart/err.h"
#include "crashcart/json.h"

/*
 * The command line.  Each command is one file that defines one const struct
 * cart_command and one row in commands.def; help, completions and the man
 * page are made from its option table.
 */

/* Exit statuses: scripts depend on them (DESIGN.md, "Command line"). */
enum cart_exit {
	CART_EXIT_OK = 0,
	CART_EXIT_FAILED = 1,
	CART_EXIT_USAGE = 2,
	CART_EXIT_GAPS = 3,
	CART_EXIT_INVALID = 4,
	CART_EXIT_UNKNOWN = 5	/* cannot tell, or nothing was sealed */
};

struct cart_option {
	const char *name;	/* without "--"; NULL ends the table */
	char letter;		/* 0: none */
	const char *arg;	/* what the help calls the value; NULL: a flag */
	bool many;		/* may be given more than once */
	const char *help;	/* one sentence */
};

#define CART_ARGS_MAX 256

struct cart_args {
	const struct cart_command *command;
	const char *positional[CART_ARGS_MAX];
	size_t n_positional;
	struct {
		const struct cart_option *option;
		const char *value;
	} given[CART_ARGS_MAX];
	size_t n_given;
};

struct cart_command {
	const char *name;
	const char *summary;		/* one line for the list */
	const char *usage;		/* after "crashcart NAME " */
	size_t min_positional, max_positional;
	const struct cart_option *options;
	const char *about;		/* paragraphs and examples for --help */
	int (*run)(const struct cart_args *a);	/* gives the exit status */
};

/* Options that every command has: --json, --quiet, --debug, --help. */
extern const struct cart_option cart_common_options[];
/* What a program offers: defined once in each, in table.c for crashcart and in
 * verify_main.c for crashcart-verify. */
extern const struct cart_command *const cart_commands[];	/* NULL ends */
extern const char *const cart_program_name;
extern const char *const cart_program_about;	/* lines for --help */

const struct cart_command *cart_command_find(const char *name);
/* Parses the words after the command's name and runs it. */
int cart_command_run(const struct cart_command *c, int argc, char **argv);
/* `crashcart` alone: the likeliest commands for this host. */
int cart_command_greet(void);
/* The first word is no command: --version, --help, or a mistake. */
int cart_command_other(int argc, char **argv);

bool cart_args_flag(const struct cart_args *a, const char *name);
/* The (last) value of an option, or NULL. */
const char *cart_args_value(const struct cart_args *a, const char *name);
/* The index-th value of an option that may be given more than once. */
const char *cart_args_at(const struct cart_args *a, const char *name,
			 size_t index);
/* All of them, NULL-terminated, in out[CART_ARGS_MAX + 1]. */
size_t cart_args_all(const struct cart_args *a, const char *name,
		     const char **out);

/* Prints j as one line, and frees it. */
void cart_command_print_json(FILE *out, struct cart_json *j);

/* Prints err as "crashcart NAME: ..." and gives the status for its class. */
int cart_command_fail(const struct cart_args *a, const struct cart_err *err);
/* As above for a mistake on the command line: names --help; gives 2. */
int cart_command_usage(const struct cart_args *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
