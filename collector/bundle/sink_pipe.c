/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <crashcart/fdio.h>

#include "bundle_internal.h"

/* A stream to a descriptor.  The segments of the seal follow one another in
 * it; nothing in it is ever durable as far as we can know. */
struct pipe_sink {
	struct cart_sink sink;
	int fd;				/* the caller's */
	char *seal_path;
};

static struct pipe_sink *of(struct cart_sink *s)
{
	return (struct pipe_sink *)s;
}

static int pipe_write(struct cart_sink *s, const void *data, size_t len,
		      struct cart_err *err)
{
	if (cart_fd_write(of(s)->fd, data, len, err) < 0)
		return cart_err_prefix(err, "standard output");
	return 0;
}

static int pipe_sync(struct cart_sink *s, struct cart_err *err)
{
	return 0;
}

static int pipe_segment(struct cart_sink *s, unsigned number,
			struct cart_err *err)
{
	return 0;
}

static int pipe_companion(struct cart_sink *s, const char *suffix,
			  const void *data, size_t len, struct cart_err *err)
{
	struct cart_buf path;
	int rc = -1;

	if (strcmp(suffix, ".state") == 0)
		return 0;
	/* FILE is the seal, so ".seal" is not repeated */
	if (strncmp(suffix, ".seal", 5) == 0)
		suffix += 5;
	cart_buf_init(&path, 65536);
	cart_buf_adds(&path, of(s)->seal_path);
	cart_buf_adds(&path, suffix);
	if (cart_buf_check(&path, "path of the seal", err) == 0)
		rc = cart_file_replace(AT_FDCWD, (char *)path.data, data, len,
				       0600, err);
	cart_buf_clear(&path);
	return rc;
}

static void pipe_free(struct cart_sink *s)
{
	free(of(s)->seal_path);
	free(s);
}

struct cart_sink *cart_sink_pipe(int fd, const char *seal_path,
				 struct cart_err *err)
{
	struct pipe_sink *p;
	struct stat st;

	if (lstat(seal_path, &st) == 0) {
		cart_err_errno(err, EEXIST, "%s", seal_path);
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (p)
		p->seal_path = strdup(seal_path);
	if (!p || !p->seal_path) {
		free(p);
		cart_err_nomem(err);
		return NULL;
	}
	p->fd = fd;
	p->sink = (struct cart_sink){
		.kind = "pipe",
		.location = "standard output",
		.write = pipe_write,
		.sync = pipe_sync,
		.segment = pipe_segment,
		.companion = pipe_companion,
		.free = pipe_free,
		.never_durable = 1,
	};
	return &p->sink;
}
