/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.files: files of this host by patterns, each read once, hashed once,
 * into one file set; large ones become exhibits of their own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crashcart/clock.h"
#include "crashcart/host_login.h"
#include "crashcart/host_output.h"
#include "crashcart/host_proc.h"
#include "crashcart/host_walk.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "step_support.h"

/* Up to this a file is held whole and becomes a member of the set. */
#define SMALL_MAX (CART_PART_SIZE / 2)
#define PATTERNS_MAX 4096
#define PATTERN_SIZE 4096
#define PASSWD_MAX ((size_t)4 << 20)
#define SECONDS_MAX 9000000000
#define OWN_MIN 65536		/* bytes: a smaller file of ours does no harm */

/* Gaps of one kind are told once, with their number and the first path. */
enum told {
	TOLD_DENIED, TOLD_FAILED, TOLD_PSEUDO, TOLD_MOUNT, TOLD_DEPTH,
	TOLD_LARGE, TOLD_TOTAL, TOLD_OUTPUT, TOLD_MEMBERS, TOLD_CHANGED,
	TOLD_N
};

static const struct {
	const char *what, *reason, *detail;
	bool gap;			/* else a note */
} tellings[TOLD_N] = {
	[TOLD_DENIED] = { "files that permission refuses", "denied",
		"run as root to read them; root itself can be refused by a "
		"security module", true },
	[TOLD_FAILED] = { "files that could not be read", "failed",
		"the file lines say why for each", true },
	[TOLD_PSEUDO] = { "pseudo and network file systems", "unsupported",
		"never entered", false },
	[TOLD_MOUNT] = { "other file systems mounted below", "limit",
		"not entered: set cross_filesystems, or name them in paths",
		true },
	[TOLD_DEPTH] = { "folders nested too deeply", "limit",
		"more than 256 levels, or paths of more than 16 KiB", true },
	[TOLD_LARGE] = { "content of files above max_file_size", "limit",
		"listed without content: raise max_file_size", true },
	[TOLD_TOTAL] = { "content of files beyond max_total_size", "limit",
		"listed without content: raise max_total_size", true },
	[TOLD_OUTPUT] = { "the bundle's own files", "unsupported",
		"evidence is not read into itself", false },
	[TOLD_MEMBERS] = { "files beyond 1,000,000", "limit",
		"listed without content: use several steps", true },
	[TOLD_CHANGED] = { "files that changed while they were read", "changed",
		"kept as read; the file lines say which", false },
};

struct tally {
	uint64_t count;
	char first[512];
	size_t first_len;
};

struct files {
	struct cart_step_ctx *c;
	struct cart_fileset *set;
	struct cart_outputs outputs;
	struct tally told[TOLD_N];
	unsigned char *small;		/* SMALL_MAX + 1 bytes */
	char **patterns, **exclude;
	size_t n_patterns, n_exclude;
	uint64_t max_file, max_total, total;
	int64_t newer_ns, older_ns;
	bool content;
	uint64_t files;
	int64_t start_s;		/* when the step began */
};

static void tell(struct files *f, enum told what, const char *path, size_t len)
{
	struct tally *t = &f->told[what];

	if (t->count++ > 0)
		return;
	t->first_len = len < sizeof(t->first) ? len : sizeof(t->first);
	memcpy(t->first, path, t->first_len);
}

static void tell_all(struct files *f)
{
	size_t i;

	for (i = 0; i < TOLD_N; i++) {
		const struct tally *t = &f->told[i];
		struct cart_gap gap = {
			.what = tellings[i].what, .reason = tellings[i].reason,
			.detail = tellings[i].detail, .path = t->first,
			.path_len = t->first_len, .offset = -1, .length = -1,
			.count = (int64_t)t->count,
			.exhibit = f->set != NULL ?
				f->c->ops->fileset_id(f->set) : NULL,
		};
		struct cart_buf text;

		if (t->count == 0)
			continue;
		if (tellings[i].gap) {
			f->c->ops->gap(f->c, &gap);
			continue;
		}
		cart_buf_init(&text, 4096);
		cart_buf_addf(&text, "%s: %" PRIu64 ", the first ",
			      tellings[i].what, t->count);
		cart_text_escape(t->first, t->first_len, &text);
		cart_buf_addf(&text, "; %s", tellings[i].detail);
		f->c->ops->note(f->c, (char *)text.data);
		cart_buf_clear(&text);
	}
}

/* ---- reading one file ---------------------------------------------------- */

/* Bytes until len or the end; -1 with errno.  A read that stops short at the
 * size that the file had is at its end: state_after() looks whether it is still
 * there. */
static ssize_t read_up_to(int fd, unsigned char *buf, size_t len, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
		if (done == size)
			break;
	}
	return (ssize_t)done;
}

static const char *state_after(int fd, const struct stat *before, uint64_t got)
{
	struct stat after;

	if (got > (uint64_t)before->st_size)
		return "grew";
	if (got < (uint64_t)before->st_size)
		return "shrank";
	if (fstat(fd, &after) < 0 ||
	    after.st_mtim.tv_sec != before->st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != before->st_mtim.tv_nsec ||
	    after.st_size != before->st_size)
		return after.st_size > before->st_size ? "grew" : "changed";
	return NULL;
}

static int list_only(struct files *f, struct cart_file *file, const char *state,
		     const char *note, struct cart_err *err)
{
	file->state = state;
	file->note = note;
	return f->c->ops->file_list(f->set, file, err);
}

static int read_failed(struct files *f, struct cart_file *file, int e,
		       struct cart_err *err)
{
	struct cart_err why = { 0 };
	bool denied = e == EACCES || e == EPERM;

	tell(f, denied ? TOLD_DENIED : TOLD_FAILED, file->path, file->path_len);
	cart_err_errno(&why, e, "read");
	return list_only(f, file, "unreadable", why.text, err);
}

static int add_small(struct files *f, int fd, struct cart_file *file,
		     struct cart_err *err)
{
	ssize_t n = read_up_to(fd, f->small, SMALL_MAX,
			       (size_t)file->st->st_size);
	int rc;

	if (n < 0)
		return read_failed(f, file, errno, err);
	file->state = state_after(fd, file->st, (uint64_t)n);
	if (file->state != NULL)
		tell(f, TOLD_CHANGED, file->path, file->path_len);
	rc = f->c->ops->file_add(f->set, file, f->small, (size_t)n, err);
	if (rc < 0 && err->class == CART_ERR_LIMIT) {
		cart_err_clear(err);
		tell(f, TOLD_MEMBERS, file->path, file->path_len);
		return list_only(f, file, "listed", "beyond 1,000,000 members",
				 err);
	}
	f->total += (uint64_t)n;
	return rc;
}

/* Parts until the end of the file, or of what it was allowed to grow to. */
static int copy_parts(struct files *f, int fd, struct cart_exhibit *e,
		      uint64_t *ret_got, int *ret_errno, struct cart_err *err)
{
	unsigned char *part;
	ssize_t n;

	*ret_got = 0;
	for (;;) {
		if (f->c->ops->cancelled(f->c))
			return cart_err_set(err, CART_ERR_CANCELLED, 0,
					    "stopped");
		part = f->c->ops->reserve(e, err);
		if (part == NULL)
			return -1;
		n = read_up_to(fd, part, CART_PART_SIZE, SIZE_MAX);
		if (n < 0)
			*ret_errno = errno;
		if (f->c->ops->submit_part(e, n > 0 ? (size_t)n : 0, err) < 0)
			return -1;
		if (n > 0)
			*ret_got += (uint64_t)n;
		if (n < (ssize_t)CART_PART_SIZE || *ret_got > f->max_file)
			return 0;
	}
}

static int add_large(struct files *f, int fd, struct cart_file *file,
		     struct cart_err *err)
{
	struct cart_exhibit_info info = { 0 };
	struct cart_json *origin = cart_json_new_object();
	char id[CART_EXHIBIT_ID_SIZE], hex[CART_SHA256_HEX_SIZE];
	struct cart_exhibit *e;
	struct cart_buf name;
	uint64_t got = 0;
	int bad = 0, rc;

	cart_buf_init(&name, 65536);
	cart_text_escape(file->path, file->path_len, &name);
	cart_host_add_bytes(origin, "path", file->path, file->path_len);
	info.name = (char *)name.data;
	info.slug = "file";
	info.media = "application/octet-stream";
	info.origin = origin;
	e = f->c->ops->exhibit(f->c, &info, true, err);
	cart_json_free(origin);
	cart_buf_clear(&name);
	if (e == NULL)
		return -1;
	snprintf(id, sizeof(id), "%s", f->c->ops->exhibit_id(e));
	rc = copy_parts(f, fd, e, &got, &bad, err);
	if (bad != 0)
		file->state = "unreadable";
	else
		file->state = state_after(fd, file->st, got);
	if (file->state != NULL)
		tell(f, bad != 0 ? TOLD_FAILED : TOLD_CHANGED, file->path,
		     file->path_len);
	if (f->c->ops->close(e, rc < 0 || bad != 0 ? "truncated" : NULL,
			     file->state, hex, rc < 0 ? NULL : err) < 0)
		return -1;
	if (rc < 0)
		return -1;
	f->total += got;
	file->in = id;
	file->sha256_hex = hex;
	return f->c->ops->file_list(f->set, file, err);
}

/* The content of an open regular file, as far as limits allow. */
static int add_content(struct files *f, int fd, struct cart_file *file,
		       struct cart_err *err)
{
	uint64_t size = (uint64_t)file->st->st_size;

	if (size > f->max_file) {
		tell(f, TOLD_LARGE, file->path, file->path_len);
		return list_only(f, file, "listed", "above max_file_size", err);
	}
	if (f->total + size > f->max_total) {
		tell(f, TOLD_TOTAL, file->path, file->path_len);
		return list_only(f, file, "listed", "beyond max_total_size",
				 err);
	}
	file->btime_ns = cart_walk_birth_ns(fd);
	return size <= SMALL_MAX ? add_small(f, fd, file, err) :
		add_large(f, fd, file, err);
}

/* ---- entries ------------------------------------------------------------- */

static bool in_window(const struct files *f, const struct stat *st)
{
	int64_t s = st->st_mtim.tv_sec, t;

	/* whoever made the file chose its time: it may not fit in ns */
	if (s > SECONDS_MAX || s < -SECONDS_MAX)
		s = s > 0 ? SECONDS_MAX : -SECONDS_MAX;
	t = s * 1000000000 + st->st_mtim.tv_nsec;

	return t >= f->newer_ns && t <= f->older_ns;
}

/* Are we writing it?  The bundle may have gone on to another segment since we
 * last looked; such a file is younger than the step. */
static bool is_own(struct files *f, const struct stat *st)
{
	if (st->st_mtim.tv_sec >= f->start_s && st->st_size >= OWN_MIN)
		cart_outputs_find(&f->outputs, NULL);
	return cart_outputs_has(&f->outputs, st->st_dev, st->st_ino);
}

static int add_regular(struct files *f, const struct cart_walk_entry *e,
		       struct cart_file *file, struct cart_err *err)
{
	struct cart_err why = { 0 };
	struct stat st;
	int fd, rc;

	if (!in_window(f, &e->st))
		return 0;
	if (is_own(f, &e->st)) {
		tell(f, TOLD_OUTPUT, e->path, e->path_len);
		return list_only(f, file, "listed", "written by this run", err);
	}
	if (!f->content)
		return list_only(f, file, "listed", NULL, err);
	fd = cart_walk_open(e, &st, &why);
	if (fd < 0 && why.class == CART_ERR_SYSTEM) {
		if (why.code == ENOENT)
			return list_only(f, file, "unreadable",
					 "gone since it was listed", err);
		return read_failed(f, file, why.code, err);
	}
	if (fd < 0) {
		tell(f, TOLD_FAILED, e->path, e->path_len);
		return list_only(f, file, "unreadable", why.text, err);
	}
	file->st = &st;
	rc = add_content(f, fd, file, err);
	file->st = &e->st;
	close(fd);
	return rc;
}

static int on_entry(void *arg, const struct cart_walk_entry *e,
		    struct cart_err *err)
{
	struct files *f = arg;
	struct cart_file file = {
		.path = e->path, .path_len = e->path_len, .st = &e->st,
		.btime_ns = INT64_MIN,
	};
	char target[4096];
	ssize_t n;

	if (f->c->ops->cancelled(f->c))
		return cart_err_set(err, CART_ERR_CANCELLED, 0, "stopped");
	if (++f->files % 64 == 0)
		f->c->ops->progress(f->c, "files", f->files, 0, "files");
	if (S_ISREG(e->st.st_mode))
		return add_regular(f, e, &file, err);
	if (S_ISLNK(e->st.st_mode)) {
		n = readlinkat(e->dirfd, e->name, target, sizeof(target));
		if (n >= 0) {
			file.target = target;
			file.target_len = (size_t)n;
		}
	}
	return list_only(f, &file, "listed", NULL, err);
}

static void on_problem(void *arg, enum cart_walk_problem what, int code,
		       const char *path, size_t len)
{
	struct files *f = arg;

	(void)code;
	switch (what) {
	case CART_WALK_DENIED:
		tell(f, TOLD_DENIED, path, len);
		break;
	case CART_WALK_FAILED:
		tell(f, TOLD_FAILED, path, len);
		break;
	case CART_WALK_PSEUDO:
		tell(f, TOLD_PSEUDO, path, len);
		break;
	case CART_WALK_MOUNT:
		tell(f, TOLD_MOUNT, path, len);
		break;
	case CART_WALK_DEPTH:
		tell(f, TOLD_DEPTH, path, len);
		break;
	case CART_WALK_ABSENT:
		break;		/* a pattern for what this host does not have */
	}
}

/* ---- executables that are deleted but running ---------------------------- */

static int add_deleted(struct files *f, int procfd, uint32_t pid,
		       struct cart_err *err)
{
	char path[32], note[4200], link[4096];
	struct cart_file file = { .btime_ns = INT64_MIN };
	struct stat st;
	ssize_t n;
	int fd, rc = 0;

	snprintf(path, sizeof(path), "%" PRIu32 "/exe", pid);
	fd = openat(procfd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return 0;	/* kernel thread, gone, or not ours to read */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0) {
		n = readlinkat(procfd, path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/exe", pid);
		snprintf(note, sizeof(note), "running and deleted: %s", link);
		file.path = path;
		file.path_len = strlen(path);
		file.st = &st;
		file.note = cart_text_is_utf8(note, strlen(note)) ? note :
			"running and deleted";
		rc = add_content(f, fd, &file, err);
	}
	close(fd);
	return rc;
}

static int deleted_executables(struct files *f, struct cart_err *err)
{
	int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;
	struct cart_proc_pids pids;
	size_t i;

	if (procfd < 0)
		return cart_err_errno(err, errno, "/proc");
	rc = cart_proc_list(procfd, &pids, err);
	for (i = 0; rc == 0 && i < pids.n; i++)
		rc = add_deleted(f, procfd, pids.pid[i], err);
	cart_proc_pids_clear(&pids);
	close(procfd);
	return rc;
}

/* ---- parameters ---------------------------------------------------------- */

static int add_pattern(char **list, size_t *n, const char *text, size_t len,
		       struct cart_err *err)
{
	if (*n == PATTERNS_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "more than %d patterns", PATTERNS_MAX);
	list[*n] = strndup(text, len);
	if (list[*n] == NULL)
		return cart_err_nomem(err);
	(*n)++;
	return 0;
}

/* One home folder of /etc/passwd in front of the rest of "~/...". */
static int add_home(char **list, size_t *n, const struct cart_host_user *u,
		    const char *rest, struct cart_err *err)
{
	char text[PATTERN_SIZE];
	size_t i, at = 0;

	if (u->home_len < 2 || u->home[0] != '/')
		return 0;
	for (i = 0; i < u->home_len && at + 2 < sizeof(text); i++) {
		if (strchr("*?[]\\", u->home[i]) != NULL)
			text[at++] = '\\';
		text[at++] = u->home[i];
	}
	if (at + strlen(rest) + 1 >= sizeof(text))
		return 0;
	while (at > 0 && text[at - 1] == '/')
		at--;
	memcpy(text + at, rest, strlen(rest) + 1);
	at += strlen(rest);
	for (i = 0; i < *n; i++) {
		if (strcmp(list[i], text) == 0)
			return 0;	/* several users share a home */
	}
	return add_pattern(list, n, text, at, err);
}

static int add_homes(char **list, size_t *n, const char *rest,
		     struct cart_err *err)
{
	struct cart_host_user u;
	struct cart_buf b;
	const char *p, *end, *lf;
	int rc = 0;

	cart_buf_init(&b, PASSWD_MAX);
	if (cart_host_read(AT_FDCWD, "/etc/passwd", &b, NULL) < 0)
		cart_buf_adds(&b, "root:x:0:0::/root:\n");
	p = (const char *)b.data;
	end = p + b.len;
	for (; rc == 0 && p != NULL && p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end;
		if (cart_host_parse_passwd(p, (size_t)(lf - p), &u) == 0)
			rc = add_home(list, n, &u, rest, err);
	}
	cart_buf_clear(&b);
	return rc;
}

/* A text or a list of texts; "~/" stands for every home. */
static int read_patterns(const struct cart_json *j, char **list, size_t *n,
			 struct cart_err *err)
{
	const struct cart_json *e = cart_json_type(j) == CART_JSON_ARRAY ?
		cart_json_first(j) : j;
	const char *s;

	for (; e != NULL; e = e == j ? NULL : cart_json_next(e)) {
		s = cart_json_string(e);
		if (s == NULL || (s[0] != '/' && strncmp(s, "~/", 2) != 0))
			return cart_err_set(err, CART_ERR_USAGE, 0, "'%s' is not "
					    "a pattern of whole paths: it begins "
					    "with / or ~/", s != NULL ? s : "");
		if (s[0] == '~' ? add_homes(list, n, s + 1, err) < 0 :
		    add_pattern(list, n, s, strlen(s), err) < 0)
			return -1;
	}
	return 0;
}

static int read_params(struct files *f, struct cart_err *err)
{
	const struct cart_json *with = f->c->with, *content;

	f->patterns = calloc(PATTERNS_MAX, sizeof(*f->patterns));
	f->exclude = calloc(PATTERNS_MAX, sizeof(*f->exclude));
	f->small = malloc(SMALL_MAX + 1);
	if (f->patterns == NULL || f->exclude == NULL || f->small == NULL)
		return cart_err_nomem(err);
	content = cart_json_get(with, "content");
	f->content = content == NULL || cart_json_bool(content);
	if (read_patterns(cart_json_get(with, "paths"), f->patterns,
			  &f->n_patterns, err) < 0 ||
	    read_patterns(cart_json_get(with, "exclude"), f->exclude,
			  &f->n_exclude, err) < 0 ||
	    read_patterns(f->c->exclude, f->exclude, &f->n_exclude, err) < 0)
		return -1;
	if (cart_step_size(f->c, "max_file_size", (uint64_t)1 << 40,
			   &f->max_file, err) < 0 ||
	    cart_step_size(f->c, "max_total_size", (uint64_t)1 << 50,
			   &f->max_total, err) < 0 ||
	    cart_step_time(f->c, "newer_than", INT64_MIN, &f->newer_ns,
			   err) < 0)
		return -1;
	return cart_step_time(f->c, "older_than", INT64_MAX, &f->older_ns, err);
}

static void clear(struct files *f)
{
	size_t i;

	for (i = 0; i < f->n_patterns; i++)
		free(f->patterns[i]);
	for (i = 0; i < f->n_exclude; i++)
		free(f->exclude[i]);
	free(f->patterns);
	free(f->exclude);
	free(f->small);
	free(f);
}

static int walk(struct files *f, struct cart_err *err)
{
	struct cart_walk_calls calls = { on_entry, on_problem, f };
	struct cart_walk_options o = { 0 };

	o.patterns = (const char *const *)f->patterns;
	o.n_patterns = f->n_patterns;
	o.exclude = (const char *const *)f->exclude;
	o.n_exclude = f->n_exclude;
	o.cross = cart_json_bool(cart_json_get(f->c->with, "cross_filesystems"));
	if (cart_walk(&o, &calls, err) < 0)
		return -1;
	if (cart_json_bool(cart_json_get(f->c->with, "deleted_executables")))
		return deleted_executables(f, err);
	return 0;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct files *f = calloc(1, sizeof(*f));
	struct cart_exhibit_info info = { 0 };
	struct cart_json *origin = cart_json_new_object();
	struct cart_err later = { 0 };
	char name[96];
	int rc = -1;

	if (f == NULL || origin == NULL) {
		cart_err_nomem(err);
		goto out;
	}
	f->c = c;
	f->start_s = cart_clock_utc_ns() / 1000000000 - 2;
	if (read_params(f, err) < 0 || cart_outputs_find(&f->outputs, err) < 0)
		goto out;
	cart_json_add(origin, "paths",
		      cart_json_copy(cart_json_get(c->with, "paths")));
	snprintf(name, sizeof(name), "files of step %.64s", c->step);
	info.name = name;
	info.slug = "files";
	info.media = "application/x-tar";
	info.origin = origin;
	f->set = c->ops->fileset(c, &info, err);
	if (f->set == NULL)
		goto out;
	rc = walk(f, err);
	tell_all(f);
	if (c->ops->fileset_close(f->set, rc < 0 ? "truncated" : NULL, NULL,
				  &later) < 0 && rc == 0) {
		*err = later;
		rc = -1;
	}
out:
	cart_json_free(origin);
	if (f != NULL)
		clear(f);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	const struct cart_json *paths = cart_json_get(with, "paths"), *p;

	p = cart_json_type(paths) == CART_JSON_ARRAY ? cart_json_first(paths) :
		paths;
	for (; p != NULL; p = p == paths ? NULL : cart_json_next(p)) {
		if (cart_json_string(p) != NULL)
			emit(arg, cart_json_string(p), false, "");
	}
	if (cart_json_bool(cart_json_get(with, "deleted_executables")))
		emit(arg, "/proc/PID/exe", false, "where the file is deleted");
}

static const struct cart_param params[] = {
	{ "paths", CART_PARAM_STRINGS, true, NULL,
	  "Patterns of whole paths (* ? [] within a name, ** across folders); "
	  "~/ stands for every home of /etc/passwd." },
	{ "exclude", CART_PARAM_STRINGS, false, NULL,
	  "Patterns to leave out, with all below." },
	{ "max_file_size", CART_PARAM_SIZE, false, NULL,
	  "Larger files are listed without content." },
	{ "max_total_size", CART_PARAM_SIZE, false, NULL,
	  "Content beyond this sum is listed only." },
	{ "newer_than", CART_PARAM_TIME, false, NULL,
	  "Only files modified since." },
	{ "older_than", CART_PARAM_TIME, false, NULL,
	  "Only files modified before." },
	{ "content", CART_PARAM_BOOLEAN, false, "true",
	  "false: list names, sizes and times only." },
	{ "cross_filesystems", CART_PARAM_BOOLEAN, false, "false",
	  "Enter other real file systems mounted below." },
	{ "deleted_executables", CART_PARAM_BOOLEAN, false, "false",
	  "Also executables that run but are deleted." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_host_files = {
	.name = "host.files",
	.summary = "Collect files of this host, each read and hashed once.",
	.where = CART_STEP_HOST,
	.volatility = 5,
	.params = params,
	.plan = plan,
	.run = run,
};
