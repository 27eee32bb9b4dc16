/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/fdio.h>
#include <crashcart/text.h>
#include <crashcart/timestamp.h>

#include "read_internal.h"

/* Which files make up the bundle that was named (section 1 of FORMAT.md). */

static int open_regular(int dirfd, const char *name, struct cart_err *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY |
			O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return cart_err_errno(err, errno, "%s", name);
	if (fstat(fd, &st) < 0) {
		cart_err_errno(err, errno, "%s", name);
	} else if (!S_ISREG(st.st_mode)) {
		cart_err_set(err, CART_ERR_INPUT, 0, "%s is not a regular file",
			     name);
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

static int read_small(int dirfd, const char *name, size_t max,
		      struct cart_buf *out, struct cart_err *err)
{
	int fd = open_regular(dirfd, name, err), rc = -1;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -1;
	cart_buf_init(out, max);
	if (fstat(fd, &st) < 0) {
		cart_err_errno(err, errno, "%s", name);
		goto out;
	}
	if ((uint64_t)st.st_size > max) {
		cart_rule(err, max == CART_SEAL_MAX ? 21 :
			  max == CART_TSR_MAX ? 24 : 23,
			  "%s is too long", name);
		goto out;
	}
	if (!cart_buf_reserve(out, (size_t)st.st_size + 1)) {
		cart_err_nomem(err);
		goto out;
	}
	n = cart_fd_read(fd, out->data, (size_t)st.st_size, err);
	if (n < 0)
		goto out;
	out->len = (size_t)n;
	rc = 0;
out:
	close(fd);
	return rc;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

bool cart_input_is_further(const char *s, bool encrypted)
{
	size_t n = strspn(s, "0123456789");

	return n && strcmp(s + n, encrypted ? ".age" : "") == 0;
}

static DIR *open_dir(int dirfd, struct cart_err *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		cart_err_errno(err, errno, "reading a folder");
		if (fd >= 0)
			close(fd);
	}
	return d;
}

/* --- segments --- */

int cart_input_segment(const struct cart_input *in, size_t i,
		       struct cart_input_segment *ret, struct cart_err *err)
{
	char name[NAME_MAX + 32];

	ret->fd = -1;
	ret->number = i;
	if (in->source)
		return 0;
	cart_segment_name(in->base, i + 1, in->encrypted, name,
			  sizeof(name));
	ret->fd = open_regular(in->dirfd, name, err);
	return ret->fd < 0 ? -1 : 0;
}

ssize_t cart_input_pread(const struct cart_input *in,
			 const struct cart_input_segment *s, void *data,
			 size_t len, uint64_t offset, struct cart_err *err)
{
	if (in->source)
		return in->source->read(in->source, in->files[s->number],
					offset, data, len, err);
	return cart_fd_pread(s->fd, data, len, offset, err);
}

void cart_input_segment_close(struct cart_input_segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* How many files BASE.tar.DIGITS (and ".age") there are. */
static int count_segments(const struct cart_input *in, size_t *ret,
			  struct cart_err *err)
{
	size_t n = strlen(in->base);
	struct dirent *e;
	DIR *d = open_dir(in->dirfd, err);

	if (!d)
		return -1;
	*ret = 0;
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, in->base, n) == 0 &&
		    strncmp(e->d_name + n, ".tar.", 5) == 0 &&
		    cart_input_is_further(e->d_name + n + 5, in->encrypted))
			++*ret;
	closedir(d);
	return 0;
}

/* Whatever was named: the files say whether they are encrypted. */
static int find_kind(struct cart_input *in, struct cart_err *err)
{
	char name[NAME_MAX + 32];
	struct stat st;

	cart_segment_name(in->base, 1, true, name, sizeof(name));
	in->encrypted = fstatat(in->dirfd, name, &st, 0) == 0;
	cart_segment_name(in->base, 1, false, name, sizeof(name));
	if (in->encrypted && fstatat(in->dirfd, name, &st, 0) == 0)
		return cart_rule(err, 25, "both %s and %s.age are there", name,
				 name);
	return 0;
}

static int find_segments(struct cart_input *in, struct cart_err *err)
{
	char name[NAME_MAX + 32];
	struct stat st;
	size_t more, i;

	if (find_kind(in, err) < 0)
		return -1;
	if (count_segments(in, &more, err) < 0)
		return -1;
	if (more >= SEGMENTS_MAX)
		return cart_rule(err, 22, "more than 10000 segments");
	in->lengths = calloc(more + 1, sizeof(*in->lengths));
	if (!in->lengths)
		return cart_err_nomem(err);
	in->n_segments = more + 1;
	for (i = 0; i <= more; i++) {
		cart_segment_name(in->base, i + 1, in->encrypted, name,
				  sizeof(name));
		if (fstatat(in->dirfd, name, &st, 0) < 0)
			return errno == ENOENT ?
				cart_rule(err, 2, "%s is missing", name) :
				cart_err_errno(err, errno, "%s", name);
		if (!S_ISREG(st.st_mode))
			return cart_err_set(err, CART_ERR_INPUT, 0,
					    "%s is not a regular file", name);
		in->lengths[i] = (uint64_t)st.st_size;
	}
	return 0;
}

/* --- the seal and what signs it --- */

/* The counter-signature of that key; files come in any order. */
static struct cart_counter_sig *counter_of(struct cart_input *in,
					   const char *id, struct cart_err *err)
{
	struct cart_counter_sig *c;
	size_t i;

	for (i = 0; i < in->n_counters; i++)
		if (memcmp(in->counters[i].id, id, 16) == 0)
			return &in->counters[i];
	if (in->n_counters == COUNTERS_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "more than %u counter-signatures",
				    COUNTERS_MAX), NULL;
	c = realloc(in->counters, (in->n_counters + 1) * sizeof(*c));
	if (!c)
		return cart_err_nomem(err), NULL;
	in->counters = c;
	c = &c[in->n_counters++];
	memset(c, 0, sizeof(*c));
	memcpy(c->id, id, 16);
	return c;
}

struct cart_buf *cart_input_signature(struct cart_input *in, const char *name,
				      size_t n, size_t *ret_max,
				      struct cart_err *err)
{
	const char *end = name + n;
	bool stamp = ends_with(end, ".minisig.tsr");
	struct cart_counter_sig *c;

	*ret_max = stamp ? CART_TSR_MAX : SIGNATURE_MAX;
	if (end[0] != '.' || (!stamp && !ends_with(name, ".minisig")))
		return NULL;
	if (strcmp(end, ".minisig") == 0) {
		in->has_signature = true;
		return &in->signature;
	}
	*ret_max = 0;
	if (strlen(++end) != (stamp ? 28 : 24) ||
	    strspn(end, "0123456789ABCDEF") != 16)
		return cart_rule(err, stamp ? 24 : 23, "%s: not a name of a "
				 "counter-signature%s", name,
				 stamp ? "'s time stamp" : ""), NULL;
	c = counter_of(in, end, err);
	if (!c)
		return NULL;
	*ret_max = stamp ? CART_TSR_MAX : SIGNATURE_MAX;
	*(stamp ? &c->stamped : &c->there) = true;
	return stamp ? &c->tsr : &c->data;
}

/* Files SEAL.minisig, SEAL.KEYID.minisig and its .tsr beside the seal. */
static int find_signatures(struct cart_input *in, int dirfd, const char *seal,
			   struct cart_err *err)
{
	size_t n = strlen(seal), max;
	struct cart_buf *to;
	struct dirent *e;
	DIR *d = open_dir(dirfd, err);
	int rc = 0;

	if (!d)
		return -1;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, seal, n) != 0)
			continue;
		to = cart_input_signature(in, e->d_name, n, &max, err);
		if (to || max == 0)
			rc = to ? read_small(dirfd, e->d_name, max, to, err) :
				-1;
	}
	closedir(d);
	return rc;
}

static int find_seal(struct cart_input *in, int dirfd, const char *seal,
		     struct cart_err *err)
{
	if (faccessat(dirfd, seal, F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	in->has_seal = true;
	if (read_small(dirfd, seal, CART_SEAL_MAX, &in->seal, err) < 0)
		return -1;
	return find_signatures(in, dirfd, seal, err);
}

/* --- what was named --- */

/* Splits a path; *ret_dirfd is the folder, the result the last component. */
static const char *split(const char *path, int *ret_dirfd, struct cart_err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) :
			    strdup(".");

	if (!dir) {
		cart_err_nomem(err);
		return NULL;
	}
	*ret_dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dirfd < 0)
		cart_err_errno(err, errno, "%s", dir);
	free(dir);
	return *ret_dirfd < 0 ? NULL : slash ? slash + 1 : path;
}

int cart_input_named_seal(struct cart_input *in, const char *path,
			  struct cart_err *err)
{
	int dirfd = -1, rc;
	const char *name = split(path, &dirfd, err);

	if (!name)
		return -1;
	rc = find_seal(in, dirfd, name, err);
	if (rc == 0 && !in->has_seal)
		rc = cart_err_errno(err, ENOENT, "%s", path);
	close(dirfd);
	return rc;
}

/* The one NAME for which NAME.tar, NAME.tar.age or NAME.seal is in the
 * folder. */
static int find_base(struct cart_input *in, const char *path,
		     struct cart_err *err)
{
	struct dirent *e;
	DIR *d = open_dir(in->dirfd, err);
	size_t n;
	int rc = 0;

	if (!d)
		return -1;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		n = strlen(e->d_name);
		if (ends_with(e->d_name, ".tar"))
			n -= 4;
		else if (ends_with(e->d_name, ".seal"))
			n -= 5;
		else if (ends_with(e->d_name, ".tar.age"))
			n -= 8;
		else
			continue;
		if (!in->base)
			in->base = strndup(e->d_name, n);
		else if (strlen(in->base) != n ||
			 memcmp(in->base, e->d_name, n) != 0)
			rc = cart_err_set(err, CART_ERR_INPUT, 0,
					  "%s holds more than one bundle; name "
					  "its .tar", path);
		if (!in->base)
			rc = cart_err_nomem(err);
	}
	closedir(d);
	if (rc == 0 && !in->base)
		rc = cart_err_set(err, CART_ERR_INPUT, 0,
				  "%s holds no bundle", path);
	return rc;
}

static int open_folder(struct cart_input *in, const char *path,
		       struct cart_err *err)
{
	struct stat st;

	in->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->dirfd < 0)
		return cart_err_errno(err, errno, "%s", path);
	if (fstatat(in->dirfd, "bagit.txt", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		in->kind = INPUT_FOLDER;
		return 0;
	}
	return find_base(in, path, err);
}

static int open_file(struct cart_input *in, const char *path,
		     struct cart_err *err)
{
	const char *name = split(path, &in->dirfd, err);
	size_t n;

	if (!name)
		return -1;
	n = strlen(name);
	if (ends_with(name, ".tar"))
		n -= 4;
	else if (ends_with(name, ".seal"))
		n -= 5;
	else if (ends_with(name, ".tar.age"))
		n -= 8;
	else if (faccessat(in->dirfd, name, F_OK, 0) != 0)
		return cart_err_errno(err, errno, "%s", path);
	else
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "%s is not a .tar, a .tar.age, a .seal or a "
				    "folder",
				    path);
	in->base = strndup(name, n);
	return in->base ? 0 : cart_err_nomem(err);
}

static int open_pipe(struct cart_input *in, const char *path,
		     const char *seal_path, struct cart_err *err)
{
	if (!seal_path)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "a bundle on a pipe needs --seal FILE");
	in->kind = INPUT_PIPE;
	if (strcmp(path, "-") == 0)
		in->pipe_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		in->pipe_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (in->pipe_fd < 0)
		return cart_err_errno(err, errno, "%s", path);
	return 0;
}

static int find_all(struct cart_input *in, const char *bundle,
		    const char *seal_path, struct cart_err *err)
{
	char seal[NAME_MAX + 32];
	struct stat st = { 0 };
	bool pipe = strcmp(bundle, "-") == 0;

	if (!pipe && stat(bundle, &st) < 0 && errno != ENOENT)
		return cart_err_errno(err, errno, "%s", bundle);
	pipe = pipe || S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode);
	if (pipe ? open_pipe(in, bundle, seal_path, err) < 0 :
	    S_ISDIR(st.st_mode) ? open_folder(in, bundle, err) < 0 :
				  open_file(in, bundle, err) < 0)
		return -1;
	if (!pipe && st.st_mode == 0)
		return cart_err_errno(err, ENOENT, "%s", bundle);
	if (in->kind == INPUT_FILES && find_segments(in, err) < 0)
		return -1;
	if (seal_path)
		return cart_input_named_seal(in, seal_path, err);
	if (in->kind != INPUT_FILES)
		return 0;
	snprintf(seal, sizeof(seal), "%s.seal", in->base);
	return find_seal(in, in->dirfd, seal, err);
}

int cart_input_open(const char *bundle, const char *seal_path,
		    struct cart_input *ret, struct cart_err *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->dirfd = ret->pipe_fd = -1;
	if (strncmp(bundle, "s3://", 5) == 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "download the "
				    "bundle first (aws s3 cp --recursive "
				    "%.200s DIR): it is read here", bundle);
	if (find_all(ret, bundle, seal_path, err) == 0)
		return 0;
	cart_input_close(ret);
	return -1;
}

void cart_input_close(struct cart_input *in)
{
	size_t i;

	if (in->dirfd >= 0)
		close(in->dirfd);
	if (in->pipe_fd >= 0)
		close(in->pipe_fd);
	for (i = 0; i < in->n_counters; i++) {
		cart_buf_clear(&in->counters[i].data);
		cart_buf_clear(&in->counters[i].tsr);
	}
	free(in->counters);
	free(in->base);
	free(in->lengths);
	free(in->files);
	cart_buf_clear(&in->seal);
	cart_buf_clear(&in->signature);
	memset(in, 0, sizeof(*in));
	in->dirfd = in->pipe_fd = -1;
}
