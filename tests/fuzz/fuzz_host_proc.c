/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/stat, /proc/PID/status and lines of /etc/passwd; what is found
 * lies within the input. */
#include <stdlib.h>
#include <string.h>

#include <crashcart/host_login.h>
#include <crashcart/host_proc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *data, size_t size, const char *p, size_t n)
{
	const uint8_t *q = (const uint8_t *)p;

	if (q < data || q > data + size || n > (size_t)(data + size - q))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "Tgid", "Uid", "Groups", "VmRSS" };
	struct cart_proc_stat stat;
	struct cart_host_user u;
	const char *v;
	size_t i, n;

	if (size == 0)
		return 0;
	if (cart_proc_parse_stat(data, size, &stat) == 0 &&
	    stat.comm_len >= sizeof(stat.comm))
		abort();
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		v = cart_proc_status(data, size, keys[i], &n);
		if (v != NULL)
			inside(data, size, v, n);
	}
	if (cart_host_parse_passwd((const char *)data, size, &u) == 0) {
		inside(data, size, u.name, u.name_len);
		inside(data, size, u.home, u.home_len);
		inside(data, size, u.shell, u.shell_len);
	}
	return 0;
}
