/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "cmd/command.h"
#include "crashcart/core.h"
#include "crashcart/digest.h"

/*
 * Makes sure that descriptors 0, 1 and 2 are open, so that no evidence file
 * can end up as somebody's standard output.
 */
static int check_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	const struct cart_command *command;

	if (check_fds() < 0)
		return CART_EXIT_FAILED;
	cart_core_forbid();
	cart_crypt_start();
	if (argc < 2)
		return cart_command_greet();
	command = cart_command_find(argv[1]);
	if (command == NULL)
		return cart_command_other(argc, argv);
	return cart_command_run(command, argc - 2, argv + 2);
}
