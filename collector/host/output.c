/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/host_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashcart/text.h"

int cart_outputs_find(struct cart_outputs *ret, struct cart_err *err)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	struct stat st;
	uint64_t fd;
	int flags;

	memset(ret, 0, sizeof(*ret));
	if (d == NULL)
		return cart_err_errno(err, errno, "/proc/self/fd");
	while ((e = readdir(d)) != NULL && ret->n < CART_OUTPUTS_MAX) {
		if (cart_text_u64(e->d_name, strlen(e->d_name), 1u << 30,
				  &fd) < 0)
			continue;
		flags = fcntl((int)fd, F_GETFL);
		if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY ||
		    fstat((int)fd, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		ret->file[ret->n].dev = st.st_dev;
		ret->file[ret->n].ino = st.st_ino;
		ret->n++;
	}
	closedir(d);
	return 0;
}

bool cart_outputs_has(const struct cart_outputs *o, dev_t dev, ino_t ino)
{
	size_t i;

	for (i = 0; i < o->n; i++) {
		if (o->file[i].dev == dev && o->file[i].ino == ino)
			return true;
	}
	return false;
}
