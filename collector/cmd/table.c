/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "command.h"

#define CART_COMMAND(name) extern const struct cart_command cart_cmd_##name;
#include "commands.def"
#undef CART_COMMAND

const struct cart_command *const cart_commands[] = {
#define CART_COMMAND(name) &cart_cmd_##name,
#include "commands.def"
#undef CART_COMMAND
	NULL
};

const char *const cart_program_name = "crashcart";
const char *const cart_program_about =
	"Collects evidence from this host and from AWS into one signed\n"
	"bundle that anyone can check.\n";
