/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <crashcart/fdio.h>
#include <crashcart/host_ec2.h>

static void put(const char *sys, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", sys, file);
	unlink(path);
	if (text != NULL)
		assert_int_equal(cart_file_write_new(AT_FDCWD, path, text,
						     strlen(text), 0600, NULL),
				 0);
}

static void firmware(void **state)
{
	static const char *const folders[] = {
		"class", "class/dmi", "class/dmi/id", "hypervisor"
	};
	static const struct {
		const char *file, *text;
		bool ec2;
	} rows[] = {
		{ "class/dmi/id/sys_vendor", "QEMU\n", false },
		{ "class/dmi/id/sys_vendor", "Amazon EC2\n", true },
		{ "class/dmi/id/sys_vendor", "Xen\n", false },
		{ "hypervisor/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef\n",
		  false },
		{ "hypervisor/type", "xen\n", true },
		{ "hypervisor/uuid", "45e12aec-9099-7caf-fd21-012345abcdef\n",
		  false },
		{ "class/dmi/id/board_vendor", "Amazon EC2\n", true },
		{ "class/dmi/id/board_vendor", NULL, false },
	};
	char sys[] = "/tmp/crashcart-ec2.XXXXXX", path[256];
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(sys));
	assert_false(cart_host_is_ec2(sys));
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", sys, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(sys, rows[i].file, rows[i].text);
		if (cart_host_is_ec2(sys) != rows[i].ec2)
			fail_msg("row %zu", i);
	}
	put(sys, "class/dmi/id/sys_vendor", NULL);
	put(sys, "hypervisor/uuid", NULL);
	put(sys, "hypervisor/type", NULL);
	for (i = 4; i-- > 0;) {
		snprintf(path, sizeof(path), "%s/%s", sys, folders[i]);
		assert_int_equal(rmdir(path), 0);
	}
	rmdir(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(firmware) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
