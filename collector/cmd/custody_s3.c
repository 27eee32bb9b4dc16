/* SPDX-License-Identifier: Apache-2.0 */
#include "custody_s3.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crashcart/aws_read.h"
#include "crashcart/aws_sink.h"
#include "crashcart/clock.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"

#define ENTRIES_MAX 10000u
#define ENTRY_MAX ((uint64_t)256 << 10)
#define SEAL_MAX ((uint64_t)64 << 20)

struct fetching {
	struct cart_custody_s3 *c;
	struct cart_s3_reader r;
	int dirfd;
};

int cart_custody_s3_url(const char *url, struct cart_custody_s3 *c,
			struct cart_err *err)
{
	static const char *const ends[] = { ".age", ".tar", ".seal" };
	const char *last = strrchr(url, '/') + 1;
	size_t n = strlen(last), m, i;
	char folder[1200];

	for (i = 0; i < 3; i++) {
		m = strlen(ends[i]);
		if (n > m && strncmp(last + n - m, ends[i], m) == 0)
			n -= m;
	}
	if (last - url < 6 || !cart_text_is_name(last, n) ||
	    (size_t)(last - url) + n + 6 > sizeof(c->url))
		return cart_err_set(err, CART_ERR_USAGE, 0, "%.200s: name the "
				    "bundle: s3://BUCKET/PREFIX/NAME", url);
	snprintf(c->name, sizeof(c->name), "%.*s", (int)n, last);
	snprintf(folder, sizeof(folder), "%.*s", (int)(last - url), url);
	snprintf(c->url, sizeof(c->url), "%.1100s%s.seal", folder, c->name);
	return cart_s3_url(folder, c->bucket, c->prefix, err);
}

static int make_dir(struct cart_custody_s3 *c, struct cart_err *err)
{
	const char *base[] = { "/dev/shm", getenv("TMPDIR"), "/tmp" };
	char sub[160];
	size_t i;

	for (i = 0; i < 3; i++) {
		if (base[i] == NULL || strlen(base[i]) > 32)
			continue;
		snprintf(c->dir, sizeof(c->dir), "%.32s/crashcart-custody-XXXXXX",
			 base[i]);
		if (mkdtemp(c->dir) == NULL)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s.custody", c->dir, c->name);
		return mkdir(sub, 0700) == 0 ? 0 :
			cart_err_errno(err, errno, "%s", sub);
	}
	c->dir[0] = '\0';
	return cart_err_errno(err, errno, "a folder for what is fetched");
}

static int fetch(void *arg, const struct cart_s3_object *o,
		 struct cart_err *err)
{
	struct fetching *f = arg;
	const char *end = o->name + strlen(f->c->name);
	const char *file = strchr(end, '/') != NULL ? strchr(end, '/') + 1 : "";
	bool seal = end[1] == 's';
	unsigned char *data;
	ssize_t got = 0;
	int rc = -1;

	if (seal && strcmp(end, ".seal") != 0)
		return 0;
	if (!seal && (strlen(file) > 64 || !cart_text_is_name(file, strlen(file)) ||
		      file[0] == '.' || ++f->c->entries > ENTRIES_MAX))
		return cart_err_set(err, CART_ERR_INPUT, 0, "s3://%s/%s%.100s is "
				    "no entry", f->c->bucket, f->c->prefix,
				    o->name);
	if (o->size > (seal ? SEAL_MAX : ENTRY_MAX))
		return cart_err_set(err, CART_ERR_LIMIT, 0, "%.100s is too long",
				    o->name);
	data = malloc((size_t)o->size + 1);
	if (data == NULL)
		return cart_err_nomem(err);
	if (o->size > 0)
		got = cart_s3_read(&f->r, o->name, o->etag[0] ? o->etag : NULL,
				   0, data, (size_t)o->size, err);
	if (got >= 0)
		rc = cart_file_write_new(f->dirfd, o->name, data, (size_t)got,
					 0600, err);
	free(data);
	return rc;
}

int cart_custody_s3_fetch(const struct cart_args *a, struct cart_custody_s3 *ret,
			  struct cart_err *err)
{
	struct fetching f = { .c = ret, .dirfd = -1 };
	char begin[80];
	int rc, i;

	if (make_dir(ret, err) < 0)
		return -1;
	ret->env = cart_env_take();
	ret->aws = cart_cmd_aws_new(a, ret->env, false, err);
	if (ret->aws == NULL || cart_cmd_aws_owner(ret->aws, a, "bucket-owner",
						   ret->owner, err) < 0)
		return -1;
	f.r = (struct cart_s3_reader){
		.aws = cart_cmd_aws_client(ret->aws),
		.bucket = ret->bucket, .prefix = ret->prefix,
		.owner = ret->owner[0] != '\0' ? ret->owner : NULL,
		.owner_assumed = cart_args_value(a, "bucket-owner") == NULL,
	};
	f.dirfd = open(ret->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f.dirfd < 0)
		return cart_err_errno(err, errno, "%s", ret->dir);
	/* the seal, by whose hash entries name the bundle, and the entries */
	for (i = 0, rc = 0; rc == 0 && i < 2; i++) {
		snprintf(begin, sizeof(begin), "%s.%s", ret->name,
			 i == 0 ? "seal" : "custody/");
		rc = cart_s3_list(&f.r, begin, fetch, &f, err);
	}
	close(f.dirfd);
	return rc;
}

/* --- an entry --- */

/* An entry is kept as the seal is. */
static void lock_alike(struct cart_s3_sink_options *o, const char *seal,
		       struct cart_s3_facts *f)
{
	const struct cart_s3_reader r = {
		.aws = o->aws, .bucket = o->bucket, .prefix = o->prefix,
		.owner = o->owner,
	};
	char now[CART_CLOCK_TEXT_SIZE];
	struct cart_s3_part part;
	struct cart_err err = { 0 };
	size_t n;

	if (cart_s3_facts(&r, seal, f, &part, 1, &n, &err) < 0 ||
	    f->lock_mode[0] == '?' || f->hold[0] == '?') {
		cart_msg(CART_MSG_WARN, "how %s is locked cannot be told: the "
			 "entry is locked as the bucket says", seal);
		return;
	}
	o->legal_hold = strcmp(f->hold, "ON") == 0;
	cart_clock_text(cart_clock_utc_ns(), 0, now);
	/* whole seconds, UTC: S3 says it with a fraction, too */
	snprintf(f->lock_until + 19, sizeof(f->lock_until) - 19, "Z");
	if (f->lock_mode[0] != '\0' && strcmp(f->lock_until, now) > 0) {
		o->lock_mode = f->lock_mode;
		o->lock_until = f->lock_until;
	}
}

int cart_custody_s3_put(struct cart_custody_s3 *c, const struct cart_args *a,
			struct cart_err *err)
{
	struct cart_s3_sink_options o = {
		.aws = cart_cmd_aws_client(c->aws), .state_dirfd = -1,
		.bucket = c->bucket, .prefix = c->prefix,
		.owner = c->owner[0] != '\0' ? c->owner : NULL,
		.owner_assumed = cart_args_value(a, "bucket-owner") == NULL,
	};
	char file[120], path[200], seal[80];
	struct cart_s3_facts f = { 0 };
	struct cart_buf b;
	int rc;

	snprintf(file, sizeof(file), "%s.custody/%06u.json", c->name,
		 c->entries + 1);
	snprintf(path, sizeof(path), "%s/%s", c->dir, file);
	snprintf(seal, sizeof(seal), "%s.seal", c->name);
	cart_buf_init(&b, ENTRY_MAX);
	lock_alike(&o, seal, &f);
	rc = cart_file_read(AT_FDCWD, path, &b, err);
	if (rc == 0)
		rc = cart_s3_put(&o, file, b.data, b.len, err);
	if (rc < 0 && (strstr(err->text, "PreconditionFailed") != NULL ||
		       strstr(err->text, "ConditionalRequestConflict") != NULL))
		cart_err_set(err, CART_ERR_USAGE, 0, "another party made entry "
			     "%u meanwhile: nothing was added; look at it "
			     "(custody show), then do this again if it is still "
			     "right", c->entries + 1);
	cart_buf_clear(&b);
	return rc;
}

void cart_custody_s3_hang_up(struct cart_custody_s3 *c)
{
	cart_cmd_aws_free(c->aws);
	cart_env_free(c->env);
	c->aws = NULL;
	c->env = NULL;
}

static void empty(int dirfd)
{
	DIR *d = dirfd >= 0 ? fdopendir(dirfd) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		unlinkat(dirfd, e->d_name, 0);
	if (d != NULL)
		closedir(d);
}

void cart_custody_s3_clear(struct cart_custody_s3 *c)
{
	char sub[160];

	cart_custody_s3_hang_up(c);
	if (c->dir[0] == '\0')
		return;
	snprintf(sub, sizeof(sub), "%s/%s.custody", c->dir, c->name);
	empty(open(sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	rmdir(sub);
	empty(open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	rmdir(c->dir);
}
