/* SPDX-License-Identifier: Apache-2.0 */
#include "custody_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "crashcart/buf.h"
#include "crashcart/fdio.h"

int cart_custody_find(const char *bundle, const char *name,
		      struct cart_custody_place *ret, struct cart_err *err)
{
	const char *slash = strrchr(bundle, '/');
	char base[4096], seal[4200];
	struct cart_buf b;
	struct stat st;
	int rc;

	if (strlen(bundle) > 3900)
		return cart_err_set(err, CART_ERR_USAGE, 0, "the path is too long");
	if (stat(bundle, &st) < 0)
		return cart_err_errno(err, errno, "%s", bundle);
	if (S_ISDIR(st.st_mode))
		snprintf(base, sizeof(base), "%s/%s", bundle, name);
	else
		snprintf(base, sizeof(base), "%.*s%s", slash != NULL ?
			 (int)(slash - bundle + 1) : 0, bundle, name);
	snprintf(ret->folder, sizeof(ret->folder), "%s.custody", base);
	snprintf(seal, sizeof(seal), "%s.seal", base);
	cart_buf_init(&b, (size_t)64 << 20);
	rc = cart_file_read(AT_FDCWD, seal, &b, err);
	if (rc == 0)
		cart_sha256_hex(b.data, b.len, ret->seal_sha256);
	cart_buf_clear(&b);
	return rc;
}
