/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crashcart-verify: for those who check bundles and will not run a collector.
 * Linked from bundle, attest, crypt and base alone: no network, no AWS, no
 * reading of hosts.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/verify_remote.h"
#include "crashcart/core.h"
#include "crashcart/digest.h"

extern const struct cart_command cart_cmd_verify;
extern const struct cart_command cart_cmd_list;
extern const struct cart_command cart_cmd_extract;

const struct cart_command *const cart_commands[] = {
	&cart_cmd_verify, &cart_cmd_list, &cart_cmd_extract, NULL
};

const struct cart_option cart_verify_options[] = {
	CMD_VERIFY_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

int cart_verify_remote_open(const struct cart_args *a, const char *url,
			    struct cart_source **ret, struct cart_err *err)
{
	(void)a;
	*ret = NULL;
	if (strncmp(url, "s3://", 5) != 0)
		return 0;
	return cart_err_set(err, CART_ERR_USAGE, 0, "this program makes no "
			    "connection: download the bundle first (aws s3 cp "
			    "--recursive %.200s DIR), or use `crashcart "
			    "verify`", url);
}

void cart_verify_remote_close(struct cart_source *s)
{
	(void)s;
}

struct cart_json *cart_verify_remote_objects(struct cart_source *s)
{
	(void)s;
	return NULL;
}

const char *const cart_program_name = "crashcart-verify";
const char *const cart_program_about =
	"Checks, lists and extracts bundles of evidence, offline.\n";

int main(int argc, char **argv)
{
	const struct cart_command *command;
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	if (fd < 0)
		return CART_EXIT_FAILED;
	close(fd);
	cart_core_forbid();
	cart_crypt_start();
	if (argc < 2)
		return cart_command_greet();
	command = cart_command_find(argv[1]);
	if (command == NULL)
		return cart_command_other(argc, argv);
	return cart_command_run(command, argc - 2, argv + 2);
}
