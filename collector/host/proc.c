/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/host_proc.h"

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
#include "crashcart/fdio.h"
#include "crashcart/text.h"

#define PIDS_MAX ((size_t)4 << 20)	/* the kernel's own PID_MAX_LIMIT */
#define KTHREAD 0x00200000u		/* PF_KTHREAD in /proc/PID/stat flags */
#define SMALL ((size_t)256 << 10)	/* of any one file of a process */

void cart_host_add_bytes(struct cart_json *object, const char *key,
			 const void *data, size_t len)
{
	struct cart_buf b;
	char name[64];

	if (cart_text_is_utf8(data, len)) {
		cart_json_add(object, key, cart_json_new_string_n(data, len));
		return;
	}
	snprintf(name, sizeof(name), "%.50s_b64", key);
	cart_buf_init(&b, len * 2 + 16);
	cart_text_base64(data, len, &b);
	cart_json_add(object, name, cart_json_new_string(
		      b.data != NULL ? (char *)b.data : ""));
	cart_buf_clear(&b);
}

int cart_host_read(int dirfd, const char *path, struct cart_buf *b,
		   struct cart_err *err)
{
	unsigned char block[16384];
	ssize_t n = 0;
	size_t room;
	int fd, rc = 0;

	fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY |
		    O_CLOEXEC);
	if (fd < 0)
		return cart_err_errno(err, errno, "%s", path);
	for (;;) {
		n = read(fd, block, sizeof(block));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		room = b->max - b->len;
		if ((size_t)n > room) {
			cart_buf_add(b, block, room);
			rc = 1;
			break;
		}
		cart_buf_add(b, block, (size_t)n);
	}
	if (n < 0)
		rc = cart_err_errno(err, errno, "%s", path);
	close(fd);
	if (rc >= 0 && cart_buf_check(b, path, err) < 0)
		rc = -1;
	return rc;
}

int cart_host_readlink(int dirfd, const char *path, struct cart_buf *b,
		       struct cart_err *err)
{
	char target[4096];
	ssize_t n = readlinkat(dirfd, path, target, sizeof(target));

	if (n < 0)
		return cart_err_errno(err, errno, "%s", path);
	cart_buf_add(b, target, (size_t)n);
	return cart_buf_check(b, path, err);
}

/* ---- stat and status ----------------------------------------------------- */

struct fields {
	const char *p, *end;
};

/* The next word between blanks; false at the end. */
static bool next_word(struct fields *f, const char **ret, size_t *ret_len)
{
	while (f->p < f->end && (*f->p == ' ' || *f->p == '\n'))
		f->p++;
	*ret = f->p;
	while (f->p < f->end && *f->p != ' ' && *f->p != '\n')
		f->p++;
	*ret_len = (size_t)(f->p - *ret);
	return *ret_len > 0;
}

static bool next_int(struct fields *f, int64_t *ret)
{
	const char *w;
	size_t len;

	return next_word(f, &w, &len) && cart_text_i64(w, len, ret) == 0;
}

static bool next_uint(struct fields *f, uint64_t *ret)
{
	const char *w;
	size_t len;

	return next_word(f, &w, &len) &&
		cart_text_u64(w, len, UINT64_MAX, ret) == 0;
}

static bool skip_words(struct fields *f, unsigned n)
{
	const char *w;
	size_t len;

	while (n-- > 0) {
		if (!next_word(f, &w, &len))
			return false;
	}
	return true;
}

int cart_proc_parse_stat(const void *data, size_t len,
			 struct cart_proc_stat *ret)
{
	const char *text = data, *open, *close = NULL, *w;
	struct fields f;
	int64_t v[5];
	uint64_t flags;
	size_t n, i;

	memset(ret, 0, sizeof(*ret));
	if (len == 0)
		return -1;
	open = memchr(text, '(', len);
	close = memrchr(text, ')', len);
	if (open == NULL || close == NULL || close < open || open == text ||
	    cart_text_i64(text, (size_t)(open - text) - 1, &v[0]) < 0)
		return -1;
	ret->pid = (int32_t)v[0];
	n = (size_t)(close - open) - 1;
	ret->comm_len = n < sizeof(ret->comm) ? n : sizeof(ret->comm) - 1;
	memcpy(ret->comm, open + 1, ret->comm_len);
	f.p = close + 1;
	f.end = text + len;
	if (!next_word(&f, &w, &n) || n != 1)
		return -1;
	ret->state = *w;
	for (i = 0; i < 4; i++) {	/* ppid pgrp session tty_nr */
		if (!next_int(&f, &v[i]))
			return -1;
	}
	ret->ppid = (int32_t)v[0];
	ret->pgrp = (int32_t)v[1];
	ret->session = (int32_t)v[2];
	ret->tty = (int32_t)v[3];
	/* tpgid; flags; 4 fault counts; utime stime; cutime cstime priority
	 * nice; threads; itrealvalue; starttime */
	if (!skip_words(&f, 1) || !next_uint(&f, &flags) ||
	    !skip_words(&f, 4) || !next_uint(&f, &ret->utime_ticks) ||
	    !next_uint(&f, &ret->stime_ticks) || !skip_words(&f, 4) ||
	    !next_int(&f, &ret->threads) || !skip_words(&f, 1) ||
	    !next_uint(&f, &ret->start_ticks))
		return -1;
	ret->flags = (uint32_t)flags;
	return 0;
}

const char *cart_proc_status(const void *data, size_t len, const char *key,
			     size_t *ret_len)
{
	const char *p = data, *end = p + len, *lf, *v;
	size_t n = strlen(key);

	while (p < end) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end;
		if ((size_t)(lf - p) > n && memcmp(p, key, n) == 0 &&
		    p[n] == ':') {
			v = p + n + 1;
			while (v < lf && (*v == '\t' || *v == ' '))
				v++;
			*ret_len = (size_t)(lf - v);
			return v;
		}
		p = lf + 1;
	}
	return NULL;
}

/* ---- which processes ----------------------------------------------------- */

static int pids_add(struct cart_proc_pids *p, size_t *cap, uint32_t pid,
		    struct cart_err *err)
{
	uint32_t *grown;

	if (p->n == PIDS_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0,
				    "/proc lists more than %zu processes",
				    PIDS_MAX);
	if (p->n == *cap) {
		*cap = *cap == 0 ? 1024 : *cap * 2;
		grown = realloc(p->pid, *cap * sizeof(*grown));
		if (grown == NULL)
			return cart_err_nomem(err);
		p->pid = grown;
	}
	p->pid[p->n++] = pid;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int cart_proc_list(int procfd, struct cart_proc_pids *ret, struct cart_err *err)
{
	int fd = openat(procfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	size_t cap = 0;
	uint64_t pid;

	memset(ret, 0, sizeof(*ret));
	if (d == NULL) {
		rc = cart_err_errno(err, errno, "/proc");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (cart_text_u64(e->d_name, strlen(e->d_name), PIDS_MAX,
				  &pid) == 0)
			rc = pids_add(ret, &cap, (uint32_t)pid, err);
	}
	closedir(d);
	if (rc < 0)
		cart_proc_pids_clear(ret);
	else if (ret->n > 0)
		qsort(ret->pid, ret->n, sizeof(*ret->pid), by_number);
	return rc;
}

/* Threads answer below /proc too; only a leader counts. */
static bool is_leader(int procfd, uint32_t pid)
{
	char path[32];
	struct cart_buf b;
	const char *v;
	uint64_t tgid;
	size_t n;
	bool leader;

	snprintf(path, sizeof(path), "%" PRIu32 "/status", pid);
	cart_buf_init(&b, SMALL);
	if (cart_host_read(procfd, path, &b, NULL) < 0) {
		cart_buf_clear(&b);
		return false;
	}
	v = cart_proc_status(b.data, b.len, "Tgid", &n);
	leader = v != NULL && cart_text_u64(v, n, UINT32_MAX, &tgid) == 0 &&
		tgid == pid;
	cart_buf_clear(&b);
	return leader;
}

int cart_proc_hidden(int procfd, const struct cart_proc_pids *listed,
		     uint32_t limit, struct cart_proc_pids *ret,
		     struct cart_err *err)
{
	size_t cap = 0, at = 0;
	struct stat st;
	char path[16];
	uint32_t pid;

	memset(ret, 0, sizeof(*ret));
	for (pid = 1; pid <= limit; pid++) {
		while (at < listed->n && listed->pid[at] < pid)
			at++;
		if (at < listed->n && listed->pid[at] == pid)
			continue;
		snprintf(path, sizeof(path), "%" PRIu32, pid);
		if (fstatat(procfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !is_leader(procfd, pid))
			continue;
		if (pids_add(ret, &cap, pid, err) < 0) {
			cart_proc_pids_clear(ret);
			return -1;
		}
	}
	return 0;
}

void cart_proc_pids_clear(struct cart_proc_pids *p)
{
	free(p->pid);
	p->pid = NULL;
	p->n = 0;
}

/* ---- one process --------------------------------------------------------- */

struct one {
	int fd;				/* /proc/PID */
	struct cart_json *j;
	unsigned denied;
};

static void count_denied(struct one *o, const struct cart_err *err)
{
	if (err->code == EACCES || err->code == EPERM)
		o->denied++;
}

static void add_link(struct one *o, const char *file, const char *key)
{
	struct cart_err err = { 0 };
	struct cart_buf b;

	cart_buf_init(&b, 8192);
	if (cart_host_readlink(o->fd, file, &b, &err) == 0)
		cart_host_add_bytes(o->j, key, b.data != NULL ?
				    (void *)b.data : "", b.len);
	else
		count_denied(o, &err);
	cart_buf_clear(&b);
}

/* Arguments as a list (bytes that are not UTF-8 show as U+FFFD there); if
 * there are such bytes, all of them as they are in cmdline_b64 too. */
static void add_cmdline(struct one *o)
{
	struct cart_err err = { 0 };
	struct cart_json *list;
	struct cart_buf b;
	const char *p, *end, *nul;
	int rc;

	cart_buf_init(&b, SMALL);
	rc = cart_host_read(o->fd, "cmdline", &b, &err);
	if (rc < 0) {
		count_denied(o, &err);
		goto out;
	}
	p = (const char *)b.data;
	end = p + b.len;
	list = cart_json_add(o->j, "cmdline", cart_json_new_array());
	while (p != NULL && p < end) {
		nul = memchr(p, '\0', (size_t)(end - p));
		if (nul == NULL)
			nul = end;
		cart_json_append(list, cart_json_new_string_n(p,
				 (size_t)(nul - p)));
		if (!cart_text_is_utf8(p, (size_t)(nul - p)))
			rc |= 2;
		p = nul + 1;
	}
	if (rc & 2) {
		struct cart_buf raw;

		cart_buf_init(&raw, SMALL * 2);
		cart_text_base64(b.data, b.len, &raw);
		cart_json_add(o->j, "cmdline_b64", cart_json_new_string(
			      raw.data != NULL ? (char *)raw.data : ""));
		cart_buf_clear(&raw);
	}
	if (rc & 1)
		cart_json_add(o->j, "cmdline_cut", cart_json_new_bool(true));
out:
	cart_buf_clear(&b);
}

static void add_status(struct one *o)
{
	static const struct {
		const char *key, *as;
	} wanted[] = {
		{ "Uid", "uids" }, { "Gid", "gids" }, { "Groups", "groups" },
		{ "NSpid", "pids_in_namespaces" }, { "CapInh", "cap_inh" },
		{ "CapPrm", "cap_prm" }, { "CapEff", "cap_eff" },
		{ "CapBnd", "cap_bnd" }, { "CapAmb", "cap_amb" },
		{ "NoNewPrivs", "no_new_privs" }, { "Seccomp", "seccomp" },
		{ "TracerPid", "tracer" }, { "VmRSS", "rss" },
	};
	struct cart_err err = { 0 };
	struct cart_buf b;
	const char *v;
	size_t i, n;

	cart_buf_init(&b, SMALL);
	if (cart_host_read(o->fd, "status", &b, &err) < 0)
		count_denied(o, &err);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		v = b.len > 0 ? cart_proc_status(b.data, b.len, wanted[i].key,
						 &n) : NULL;
		if (v != NULL)
			cart_host_add_bytes(o->j, wanted[i].as, v, n);
	}
	cart_buf_clear(&b);
}

static void add_namespaces(struct one *o)
{
	static const char *const names[] = {
		"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts", NULL
	};
	struct cart_json *ns = cart_json_new_object();
	char path[32], target[64];
	ssize_t n;
	size_t i;

	for (i = 0; names[i] != NULL; i++) {
		snprintf(path, sizeof(path), "ns/%s", names[i]);
		n = readlinkat(o->fd, path, target, sizeof(target));
		if (n > 0)
			cart_host_add_bytes(ns, names[i], target, (size_t)n);
	}
	if (cart_json_size(ns) > 0)
		cart_json_add(o->j, "namespaces", ns);
	else
		cart_json_free(ns);
}

static void add_text_file(struct one *o, const char *file, const char *key)
{
	struct cart_err err = { 0 };
	struct cart_buf b;

	cart_buf_init(&b, 16384);
	if (cart_host_read(o->fd, file, &b, &err) < 0)
		count_denied(o, &err);
	else if (b.len > 0)
		cart_host_add_bytes(o->j, key, b.data, b.data[b.len - 1] == '\n' ?
				    b.len - 1 : b.len);
	cart_buf_clear(&b);
}

static void add_fds(struct one *o, unsigned max)
{
	int fd = openat(o->fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct cart_json *list, *one;
	struct dirent *e;
	char target[4096];
	uint64_t number;
	int64_t count = 0;
	ssize_t n;

	if (d == NULL) {
		if (errno == EACCES || errno == EPERM)
			o->denied++;
		if (fd >= 0)
			close(fd);
		return;
	}
	list = cart_json_add(o->j, "fds", cart_json_new_array());
	while ((e = readdir(d)) != NULL) {
		if (cart_text_u64(e->d_name, strlen(e->d_name), 1u << 30,
				  &number) < 0)
			continue;
		if (++count > max)
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof(target));
		one = cart_json_append(list, cart_json_new_object());
		cart_json_add(one, "fd", cart_json_new_int((int64_t)number));
		if (n >= 0)
			cart_host_add_bytes(one, "target", target, (size_t)n);
	}
	cart_json_add(o->j, "fds_open", cart_json_new_int(count));
	closedir(d);
}

static void add_stat(struct one *o, const struct cart_proc_stat *s,
		     const struct cart_proc_facts *facts)
{
	char time[CART_CLOCK_TEXT_SIZE], state[2] = { s->state, '\0' };
	uint64_t ticks = facts->ticks > 0 ? (uint64_t)facts->ticks : 100;
	int64_t start;

	cart_json_add(o->j, "pid", cart_json_new_int(s->pid));
	cart_json_add(o->j, "ppid", cart_json_new_int(s->ppid));
	cart_json_add(o->j, "pgrp", cart_json_new_int(s->pgrp));
	cart_json_add(o->j, "session", cart_json_new_int(s->session));
	cart_json_add(o->j, "tty", cart_json_new_int(s->tty));
	cart_host_add_bytes(o->j, "comm", s->comm, s->comm_len);
	cart_host_add_bytes(o->j, "state", state, 1);
	cart_json_add(o->j, "kernel_thread",
		      cart_json_new_bool((s->flags & KTHREAD) != 0));
	cart_json_add(o->j, "threads", cart_json_new_int(s->threads));
	if (s->start_ticks / ticks < (uint64_t)1 << 32) {
		start = facts->boot_utc_ns +
			(int64_t)(s->start_ticks / ticks) * 1000000000 +
			(int64_t)(s->start_ticks % ticks * 1000000000 / ticks);
		cart_clock_text(start, 3, time);
		cart_json_add(o->j, "started", cart_json_new_string(time));
	}
	cart_json_add(o->j, "cpu_ms", cart_json_new_int((int64_t)
		      ((s->utime_ticks + s->stime_ticks) % (1ull << 40) *
		       1000 / ticks)));
}

int cart_proc_process(int procfd, uint32_t pid,
		      const struct cart_proc_facts *facts,
		      struct cart_json **ret, unsigned *ret_denied,
		      struct cart_err *err)
{
	struct cart_proc_stat stat;
	struct one o = { 0 };
	struct cart_buf b;
	char path[16];
	int rc = -1;

	*ret = NULL;
	snprintf(path, sizeof(path), "%" PRIu32, pid);
	o.fd = openat(procfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o.fd < 0)
		return errno == ENOENT || errno == ESRCH ? 1 :
			cart_err_errno(err, errno, "/proc/%s", path);
	cart_buf_init(&b, SMALL);
	if (cart_host_read(o.fd, "stat", &b, err) < 0) {
		rc = err != NULL && err->code == ESRCH ? 1 : -1;
		goto out;
	}
	if (cart_proc_parse_stat(b.data, b.len, &stat) < 0) {
		cart_err_set(err, CART_ERR_INPUT, 0,
			     "/proc/%s/stat has a form that is not known", path);
		goto out;
	}
	o.j = cart_json_new_object();
	add_stat(&o, &stat, facts);
	add_status(&o);
	add_cmdline(&o);
	add_link(&o, "exe", "exe");
	add_link(&o, "cwd", "cwd");
	add_link(&o, "root", "root");
	add_text_file(&o, "cgroup", "cgroup");
	add_text_file(&o, "loginuid", "loginuid");
	add_text_file(&o, "wchan", "wchan");
	add_namespaces(&o);
	add_fds(&o, facts->fds_max);
	*ret = o.j;
	*ret_denied += o.denied;
	rc = 0;
out:
	cart_buf_clear(&b);
	close(o.fd);
	return rc;
}
