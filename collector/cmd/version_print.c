/* SPDX-License-Identifier: Apache-2.0 */
#include "version_print.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "crashcart/fdio.h"
#include "crashcart/json.h"
#include "crashcart/text.h"
#include "crashcart/version.h"

const char *cart_version_own_sha256(void)
{
	static char hex[CART_SHA256_HEX_SIZE];
	unsigned char block[16384], digest[CART_SHA256_SIZE];
	struct cart_sha256 c;
	ssize_t n;
	int fd;

	if (hex[0] != '\0')
		return hex;
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return hex;
	cart_sha256_init(&c);
	while ((n = cart_fd_read(fd, block, sizeof(block), NULL)) > 0)
		cart_sha256_update(&c, block, (size_t)n);
	cart_sha256_final(&c, digest);
	close(fd);
	if (n == 0)
		cart_text_hex(digest, sizeof(digest), hex);
	return hex;
}

static int print_json(void)
{
	const struct cart_version_dep *deps;
	struct cart_json *j = cart_json_new_object(), *d;
	struct cart_buf b;
	size_t n, i;
	int rc;

	cart_json_add(j, "name", cart_json_new_string("crashcart"));
	cart_json_add(j, "version", cart_json_new_string(cart_version_text()));
	cart_json_add(j, "commit", cart_json_new_string(cart_version_commit()));
	cart_json_add(j, "compiler",
		      cart_json_new_string(cart_version_compiler()));
	cart_json_add(j, "sha256",
		      cart_json_new_string(cart_version_own_sha256()));
	d = cart_json_add(j, "dependencies", cart_json_new_object());
	deps = cart_version_deps(&n);
	for (i = 0; i < n; i++) {
		struct cart_json *one = cart_json_add(d, deps[i].name,
						      cart_json_new_object());

		cart_json_add(one, "version",
			      cart_json_new_string(deps[i].version));
		cart_json_add(one, "source",
			      cart_json_new_string(deps[i].source));
	}
	cart_buf_init(&b, 65536);
	cart_json_print(j, 4, &b);
	rc = cart_buf_ok(&b) && printf("%s\n", (char *)b.data) > 0 ?
		CART_EXIT_OK : CART_EXIT_FAILED;
	cart_buf_clear(&b);
	cart_json_free(j);
	return rc;
}

int cart_version_print(bool json)
{
	const struct cart_version_dep *deps;
	size_t n, i;

	if (json)
		return print_json();
	printf("crashcart %s (%s)\n%s\n", cart_version_text(),
	       cart_version_commit(), cart_version_compiler());
	deps = cart_version_deps(&n);
	for (i = 0; i < n; i++)
		printf("%s %s (%s)\n", deps[i].name, deps[i].version,
		       deps[i].source);
	return CART_EXIT_OK;
}
