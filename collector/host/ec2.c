/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/host_ec2.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crashcart/fdio.h"

static bool begins(const char *sys, const char *file, const char *with)
{
	struct cart_buf b;
	char path[4096];
	bool yes = false;

	cart_buf_init(&b, 4096);
	snprintf(path, sizeof(path), "%s/%s", sys, file);
	if (cart_file_read(AT_FDCWD, path, &b, NULL) == 0 && b.len > 0)
		yes = strncasecmp((const char *)b.data, with,
				  strlen(with)) == 0;
	cart_buf_clear(&b);
	return yes;
}

bool cart_host_is_ec2(const char *sys)
{
	/* Nitro says it; Xen instances have a UUID that begins so */
	return begins(sys, "class/dmi/id/sys_vendor", "Amazon EC2") ||
	       begins(sys, "class/dmi/id/board_vendor", "Amazon EC2") ||
	       (begins(sys, "hypervisor/type", "xen") &&
		begins(sys, "hypervisor/uuid", "ec2"));
}
