/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for what must not be swapped, dumped or left behind. */
#include <errno.h>
#include <sys/mman.h>

#include <crashcart/digest.h>

#include "session.h"

void *cart_secret_new(size_t size, struct cart_err *err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		cart_err_errno(err, errno, "memory for credentials");
		return NULL;
	}
	/* Both may be refused (RLIMIT_MEMLOCK, old kernels): better unlocked
	 * credentials than no evidence. */
	(void)!mlock(p, size);
	(void)!madvise(p, size, MADV_DONTDUMP);
	return p;
}

void cart_secret_free(void *p, size_t size)
{
	if (!p)
		return;
	cart_wipe(p, size);
	munmap(p, size);
}
