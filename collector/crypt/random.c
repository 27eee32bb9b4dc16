/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sodium.h>

#include <crashcart/digest.h>

/* Linux before 3.17 has no getrandom: wait for the pool through /dev/random,
 * then read /dev/urandom.  -1 if that does not work either. */
static int from_device(unsigned char *p, size_t len)
{
	struct pollfd pfd = { .events = POLLIN };
	ssize_t n;
	int fd, rc;

	pfd.fd = open("/dev/random", O_RDONLY | O_CLOEXEC);
	if (pfd.fd < 0)
		return -1;
	do
		rc = poll(&pfd, 1, -1);
	while (rc < 0 && errno == EINTR);
	close(pfd.fd);
	if (rc != 1)
		return -1;
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (len > 0) {
		n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		p += n;
		len -= (size_t)n;
	}
	close(fd);
	return len == 0 ? 0 : -1;
}

void cart_random(void *out, size_t len)
{
	unsigned char *p = out;
	long n;

	while (len > 0) {
		n = syscall(SYS_getrandom, p, len < 256 ? len : 256, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		p += n;
		len -= (size_t)n;
	}
	/* Without randomness every key we make is worthless, and no caller
	 * could do better than end. */
	if (len > 0 && from_device(p, len) < 0)
		abort();
}

int cart_memcmp_ct(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len);
}

void cart_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

void *cart_locked_new(size_t size)
{
	cart_crypt_start();
	return sodium_malloc(size);
}

void cart_locked_free(void *p)
{
	sodium_free(p);
}
