/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.system: the state of this host, most volatile first, from /proc and
 * netlink by ourselves: no program, library or locale of the host takes part.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "crashcart/clock.h"
#include "crashcart/digest.h"
#include "crashcart/host_login.h"
#include "crashcart/host_net.h"
#include "crashcart/host_proc.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "step_support.h"

#define TABLE_MAX ((size_t)64 << 20)	/* of one table in memory */
#define FILE_MAX ((size_t)16 << 20)	/* of one file kept raw */
#define FDS_MAX 1024
#define SCAN_MIN (1u << 17)	/* process ids asked for one by one */
#define SCAN_MORE (1u << 15)
#define HASH_MAX ((uint64_t)1 << 30)	/* of one executable */
#define CACHE_SIZE 4096
#define LOGIN_MAX ((uint64_t)1 << 30)	/* bytes of one file of logins */

/* ---- tables: records become lines, lines one exhibit --------------------- */

struct table {
	struct cart_step_ctx *c;
	struct cart_buf lines;
	uint64_t records;
	const char *protocol;		/* added to each record; or NULL */
	bool full;
};

static void table_init(struct table *t, struct cart_step_ctx *c)
{
	memset(t, 0, sizeof(*t));
	t->c = c;
	cart_buf_init(&t->lines, TABLE_MAX);
}

static int table_add(void *arg, const struct cart_json *record,
		     struct cart_err *err)
{
	struct table *t = arg;

	(void)err;
	if (t->lines.len > TABLE_MAX - ((size_t)1 << 20)) {
		t->full = true;
		return 0;
	}
	cart_json_print(record, 0, &t->lines);
	cart_buf_addc(&t->lines, '\n');
	t->records++;
	return 0;
}

static int table_put(struct table *t, const char *name, const char *slug,
		     const char *source, struct cart_err *err)
{
	struct cart_exhibit_info info = { 0 };
	struct cart_json *origin = cart_json_new_object();
	int rc = cart_buf_check(&t->lines, name, err);

	cart_json_add(origin, "host", cart_json_new_string(source));
	info.name = name;
	info.slug = slug;
	info.media = "application/x-ndjson";
	info.origin = origin;
	if (t->full) {
		cart_step_gap(t->c, name, "limit", "the table is larger than "
			      "64 MiB; its rest was not kept");
		info.state = "truncated";
	}
	if (rc == 0)
		rc = t->c->ops->put(t->c, &info, t->lines.data, t->lines.len,
				    NULL, err);
	cart_json_free(origin);
	cart_buf_clear(&t->lines);
	return rc;
}

/* A thing that could not be had; only memory and cancellation end the step. */
static int missing(struct cart_step_ctx *c, const char *what,
		   const struct cart_err *err)
{
	const char *reason = cart_step_reason(err);

	if (err->class == CART_ERR_CANCELLED || err->class == CART_ERR_MEMORY)
		return -1;
	if (err->class == CART_ERR_SYSTEM &&
	    (err->code == EACCES || err->code == EPERM))
		reason = "denied";
	else if (err->class == CART_ERR_SYSTEM && err->code == ENOENT)
		reason = "absent";
	cart_step_gap(c, what, reason, err->text);
	return 0;
}

/* ---- raw files ----------------------------------------------------------- */

static int put_raw(struct cart_step_ctx *c, const char *path, const char *slug,
		   bool may_lack, struct cart_err *err)
{
	struct cart_exhibit_info info = { 0 };
	struct cart_json *origin = cart_json_new_object();
	struct cart_err why = { 0 };
	struct cart_buf b;
	int rc;

	cart_buf_init(&b, FILE_MAX);
	cart_json_add(origin, "path", cart_json_new_string(path));
	rc = cart_host_read(AT_FDCWD, path, &b, &why);
	if (rc < 0) {
		rc = may_lack && why.code == ENOENT ? 0 : missing(c, path, &why);
		goto out;
	}
	info.name = path;
	info.slug = slug;
	info.media = "text/plain";
	info.origin = origin;
	if (rc == 1) {
		info.state = "truncated";
		cart_step_gap(c, path, "truncated", "longer than 16 MiB");
	}
	rc = c->ops->put(c, &info, b.data != NULL ? (void *)b.data : "", b.len,
			 NULL, err);
out:
	cart_buf_clear(&b);
	cart_json_free(origin);
	return rc;
}

static int raw_files(struct cart_step_ctx *c, struct cart_err *err)
{
	static const struct {
		const char *path, *slug;
		bool may_lack;
	} files[] = {
		{ "/proc/uptime", "proc-uptime", false },
		{ "/proc/loadavg", "proc-loadavg", false },
		{ "/proc/meminfo", "proc-meminfo", false },
		{ "/proc/net/tcp", "proc-net-tcp", true },
		{ "/proc/net/tcp6", "proc-net-tcp6", true },
		{ "/proc/net/udp", "proc-net-udp", true },
		{ "/proc/net/udp6", "proc-net-udp6", true },
		{ "/proc/net/arp", "proc-net-arp", true },
		{ "/proc/self/mountinfo", "proc-mountinfo", false },
		{ "/proc/modules", "proc-modules", true },
		{ "/proc/sys/kernel/tainted", "proc-tainted", true },
		{ "/proc/version", "proc-version", false },
		{ "/proc/cmdline", "proc-cmdline", false },
		{ "/proc/cpuinfo", "proc-cpuinfo", false },
		{ "/proc/partitions", "proc-partitions", true },
		{ "/proc/swaps", "proc-swaps", true },
		{ "/proc/sys/kernel/random/boot_id", "proc-boot-id", true },
		{ "/sys/devices/system/clocksource/clocksource0/"
		  "current_clocksource", "clocksource", true },
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (put_raw(c, files[i].path, files[i].slug, files[i].may_lack,
			    err) < 0)
			return -1;
	}
	/* a link to ../usr/lib on most systems, so both are tried by name */
	if (access("/usr/lib/os-release", R_OK) == 0)
		return put_raw(c, "/usr/lib/os-release", "os-release", false, err);
	return put_raw(c, "/etc/os-release", "os-release", true, err);
}

/* ---- the system in one object -------------------------------------------- */

static struct cart_json *clock_json(void)
{
	struct cart_json *j = cart_json_new_object();
	char text[CART_CLOCK_TEXT_SIZE];
	struct timex t = { 0 };
	int state = adjtimex(&t);

	cart_clock_text(cart_clock_utc_ns(), 9, text);
	cart_json_add(j, "utc", cart_json_new_string(text));
	if (state >= 0) {
		cart_json_add(j, "synchronised",
			      cart_json_new_bool(!(t.status & STA_UNSYNC)));
		cart_json_add(j, "offset_ns", cart_json_new_int(
			      (t.status & STA_NANO) ? t.offset : t.offset * 1000));
		cart_json_add(j, "max_error_us", cart_json_new_int(t.maxerror));
		cart_json_add(j, "estimated_error_us",
			      cart_json_new_int(t.esterror));
	}
	return j;
}

static int put_system(struct cart_step_ctx *c, struct cart_err *err)
{
	struct cart_exhibit_info info = { 0 };
	struct cart_json *j = cart_json_new_object(), *k;
	struct utsname u;
	struct cart_buf b;
	int rc = -1;

	cart_buf_init(&b, 1 << 20);
	if (uname(&u) < 0) {
		cart_err_errno(err, errno, "uname");
		goto out;
	}
	k = cart_json_add(j, "uname", cart_json_new_object());
	cart_host_add_bytes(k, "sysname", u.sysname, strlen(u.sysname));
	cart_host_add_bytes(k, "nodename", u.nodename, strlen(u.nodename));
	cart_host_add_bytes(k, "release", u.release, strlen(u.release));
	cart_host_add_bytes(k, "version", u.version, strlen(u.version));
	cart_host_add_bytes(k, "machine", u.machine, strlen(u.machine));
	cart_json_add(j, "clock", clock_json());
	cart_json_add(j, "collector_pid", cart_json_new_int(getpid()));
	cart_json_add(j, "collector_uid", cart_json_new_int(getuid()));
	cart_json_print(j, 4, &b);
	cart_buf_addc(&b, '\n');
	info.name = "uname, clock";
	info.slug = "system.json";
	info.media = "application/json";
	rc = cart_buf_check(&b, info.name, err);
	if (rc == 0)
		rc = c->ops->put(c, &info, b.data, b.len, NULL, err);
out:
	cart_buf_clear(&b);
	cart_json_free(j);
	return rc;
}

/* ---- executables, hashed once -------------------------------------------- */

struct hash_cache {
	struct {
		uint64_t dev, ino, size;
		struct timespec mtime, ctime;
		char hex[CART_SHA256_HEX_SIZE];
	} entry[CACHE_SIZE];
	size_t n;
	uint64_t limit;
};

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int hash_fd(int fd, char hex[CART_SHA256_HEX_SIZE])
{
	unsigned char *block = malloc(1 << 18), digest[CART_SHA256_SIZE];
	struct cart_sha256 h;
	ssize_t n;

	if (block == NULL)
		return -1;
	cart_sha256_init(&h);
	while ((n = read(fd, block, 1 << 18)) > 0)
		cart_sha256_update(&h, block, (size_t)n);
	cart_sha256_final(&h, digest);
	cart_text_hex(digest, sizeof(digest), hex);
	free(block);
	return n == 0 ? 0 : -1;
}

/* SHA-256 of /proc/PID/exe, which reads deleted files too. */
static void add_exe_hash(int procfd, uint32_t pid, struct hash_cache *cache,
			 struct cart_json *j)
{
	char path[32], hex[CART_SHA256_HEX_SIZE] = "";
	struct stat st;
	size_t i;
	int fd;

	snprintf(path, sizeof(path), "%" PRIu32 "/exe", pid);
	fd = openat(procfd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return;		/* kernel thread, or denied: counted before */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return;
	}
	cart_json_add(j, "exe_deleted", cart_json_new_bool(st.st_nlink == 0));
	cart_json_add(j, "exe_size", cart_json_new_int(st.st_size));
	for (i = 0; i < cache->n; i++) {
		if (cache->entry[i].dev == st.st_dev &&
		    cache->entry[i].ino == st.st_ino &&
		    cache->entry[i].size == (uint64_t)st.st_size &&
		    same_time(&cache->entry[i].mtime, &st.st_mtim) &&
		    same_time(&cache->entry[i].ctime, &st.st_ctim)) {
			memcpy(hex, cache->entry[i].hex, sizeof(hex));
			break;
		}
	}
	if (hex[0] == '\0' && (uint64_t)st.st_size <= cache->limit &&
	    hash_fd(fd, hex) == 0 && cache->n < CACHE_SIZE) {
		cache->entry[cache->n].dev = st.st_dev;
		cache->entry[cache->n].ino = st.st_ino;
		cache->entry[cache->n].size = (uint64_t)st.st_size;
		cache->entry[cache->n].mtime = st.st_mtim;
		cache->entry[cache->n].ctime = st.st_ctim;
		memcpy(cache->entry[cache->n++].hex, hex, sizeof(hex));
	}
	if (hex[0] != '\0')
		cart_json_add(j, "exe_sha256", cart_json_new_string(hex));
	else
		cart_json_add(j, "exe_not_hashed", cart_json_new_bool(true));
	close(fd);
}

/* ---- processes ----------------------------------------------------------- */

static int64_t boot_time_ns(void)
{
	return cart_clock_utc_ns() - cart_clock_boot_ns();
}

static uint32_t pid_limit(const struct cart_proc_pids *listed)
{
	struct cart_buf b;
	uint64_t v = 0;
	uint32_t end;

	cart_buf_init(&b, 64);
	if (cart_host_read(AT_FDCWD, "/proc/sys/kernel/pid_max", &b, NULL) == 0 &&
	    b.len > 0)
		cart_text_u64((char *)b.data, b.len - 1, 4u << 20, &v);
	cart_buf_clear(&b);
	/* the whole range of 64-bit kernels would take seconds: beyond this, as
	 * far as ids have been given out, and some more */
	end = (listed->n > 0 ? listed->pid[listed->n - 1] : 0) + SCAN_MORE;
	if (end < SCAN_MIN)
		end = SCAN_MIN;
	return v > 0 && v < end ? (uint32_t)v : end;
}

static int add_process(struct table *t, int procfd, uint32_t pid,
		       const struct cart_proc_facts *facts,
		       struct hash_cache *cache, bool hidden, unsigned *denied,
		       struct cart_err *err)
{
	struct cart_err why = { 0 };
	struct cart_json *j;
	int rc = cart_proc_process(procfd, pid, facts, &j, denied, &why);

	if (rc < 0) {
		char what[48];

		snprintf(what, sizeof(what), "process %" PRIu32, pid);
		return missing(t->c, what, &why);
	}
	if (rc == 1)
		return 0;
	if (hidden)
		cart_json_add(j, "not_listed", cart_json_new_bool(true));
	add_exe_hash(procfd, pid, cache, j);
	rc = table_add(t, j, err);
	cart_json_free(j);
	return rc;
}

static int processes(struct cart_step_ctx *c, struct cart_err *err)
{
	struct cart_proc_pids listed = { 0 }, hidden = { 0 };
	struct cart_proc_facts facts = { 0 };
	struct hash_cache *cache = calloc(1, sizeof(*cache));
	struct cart_gap gap = { .offset = -1, .length = -1 };
	int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;
	unsigned denied = 0;
	uint32_t limit;
	char note[128];
	struct table t;
	size_t i;

	table_init(&t, c);
	facts.boot_utc_ns = boot_time_ns();
	facts.ticks = sysconf(_SC_CLK_TCK);
	facts.fds_max = FDS_MAX;
	if (cache == NULL) {
		cart_err_nomem(err);
		goto out;
	}
	cache->limit = HASH_MAX;
	if (procfd < 0) {
		cart_err_errno(err, errno, "/proc");
		rc = missing(c, "processes", err);
		goto out;
	}
	if (cart_proc_list(procfd, &listed, err) < 0)
		goto out;
	for (i = 0; i < listed.n; i++) {
		if (c->ops->cancelled(c)) {
			cart_err_set(err, CART_ERR_CANCELLED, 0, "stopped");
			goto out;
		}
		if (add_process(&t, procfd, listed.pid[i], &facts, cache, false,
				&denied, err) < 0)
			goto out;
	}
	/* ids that answer though the folder does not list them */
	limit = pid_limit(&listed);
	if (cart_proc_hidden(procfd, &listed, limit, &hidden, err) < 0)
		goto out;
	snprintf(note, sizeof(note), "process ids 1 to %" PRIu32 " were asked "
		 "for one by one: %zu that /proc does not list", limit,
		 hidden.n);
	c->ops->note(c, note);
	for (i = 0; i < hidden.n; i++) {
		if (add_process(&t, procfd, hidden.pid[i], &facts, cache, true,
				&denied, err) < 0)
			goto out;
	}
	if (denied > 0) {
		gap.what = "parts of what /proc says of processes";
		gap.reason = "denied";
		gap.detail = geteuid() == 0 ? "refused though we are root: a "
			"security module, or processes of another namespace" :
			"run as root to read the executables, files and "
			"namespaces of other users' processes";
		gap.count = denied;
		c->ops->gap(c, &gap);
	}
	rc = table_put(&t, "processes", "processes.ndjson", "/proc", err);
out:
	cart_buf_clear(&t.lines);
	cart_proc_pids_clear(&listed);
	cart_proc_pids_clear(&hidden);
	if (procfd >= 0)
		close(procfd);
	free(cache);
	return rc;
}

/* ---- network ------------------------------------------------------------- */

static int sockets(struct cart_step_ctx *c, struct cart_err *err)
{
	static const struct {
		int family, protocol;
		const char *what;
		bool may_lack;
	} kinds[] = {
		{ AF_INET, IPPROTO_TCP, "TCP sockets", false },
		{ AF_INET6, IPPROTO_TCP, "TCP sockets over IPv6", false },
		{ AF_INET, IPPROTO_UDP, "UDP sockets", false },
		{ AF_INET6, IPPROTO_UDP, "UDP sockets over IPv6", false },
		{ AF_INET, IPPROTO_RAW, "raw sockets", true },
		{ AF_INET6, IPPROTO_RAW, "raw sockets over IPv6", true },
		{ AF_UNIX, 0, "Unix sockets", false },
		{ AF_PACKET, 0, "packet sockets", true },
	};
	struct cart_host_dump dump = { .record = table_add };
	struct cart_err why;
	struct table t;
	size_t i;
	int rc;

	table_init(&t, c);
	dump.arg = &t;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		cart_err_clear(&why);
		rc = cart_host_socket_dump(kinds[i].family, kinds[i].protocol,
					   &dump, &why);
		if (rc < 0 && kinds[i].may_lack &&
		    (why.code == ENOENT || why.code == EINVAL ||
		     why.code == EPERM))
			cart_step_gap(c, kinds[i].what, "unsupported",
				      "the kernel does not tell of them here");
		else if (rc < 0 && missing(c, kinds[i].what, &why) < 0) {
			*err = why;
			cart_buf_clear(&t.lines);
			return -1;
		}
		if (rc == 1)
			cart_step_gap(c, kinds[i].what, "changed", "the table "
				      "changed while the kernel listed it");
	}
	return table_put(&t, "sockets", "sockets.ndjson", "netlink sock_diag",
			 err);
}

static int network(struct cart_step_ctx *c, struct cart_err *err)
{
	static const struct {
		enum cart_host_table table;
		const char *name, *slug;
	} tables[] = {
		{ CART_HOST_NEIGHBOURS, "neighbours (ARP, NDP)",
		  "neighbours.ndjson" },
		{ CART_HOST_ROUTES, "routes", "routes.ndjson" },
		{ CART_HOST_RULES, "routing rules", "rules.ndjson" },
		{ CART_HOST_LINKS, "network interfaces", "interfaces.ndjson" },
		{ CART_HOST_ADDRESSES, "network addresses", "addresses.ndjson" },
	};
	struct cart_host_dump dump = { .record = table_add };
	struct cart_err why;
	struct table t;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		cart_err_clear(&why);
		table_init(&t, c);
		dump.arg = &t;
		rc = cart_host_route_dump(tables[i].table, &dump, &why);
		if (rc < 0) {
			cart_buf_clear(&t.lines);
			if (missing(c, tables[i].name, &why) < 0) {
				*err = why;
				return -1;
			}
			continue;
		}
		if (rc == 1)
			cart_step_gap(c, tables[i].name, "changed", "the table "
				      "changed while the kernel listed it");
		if (table_put(&t, tables[i].name, tables[i].slug,
			      "netlink route", err) < 0)
			return -1;
	}
	return 0;
}

/* ---- logins -------------------------------------------------------------- */

static int login_records(struct table *t, int fd, const char *path,
			 struct cart_err *err)
{
	unsigned char block[32 * CART_UTMP_SIZE];
	struct cart_json *j;
	uint64_t total = 0;
	size_t have = 0, at;
	ssize_t n;

	while (!t->full && total < LOGIN_MAX) {
		n = read(fd, block + have, sizeof(block) - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n < 0 || have > 0)
				cart_step_gap(t->c, path, "truncated", n < 0 ?
					      "it cannot be read to its end" :
					      "its last record is not whole");
			return 0;
		}
		if (t->c->ops->cancelled(t->c))
			return cart_err_set(err, CART_ERR_CANCELLED, 0,
					    "stopped");
		total += (uint64_t)n;
		have += (size_t)n;
		for (at = 0; have - at >= CART_UTMP_SIZE; at += CART_UTMP_SIZE) {
			j = cart_host_parse_utmp(block + at);
			if (j != NULL)
				table_add(t, j, err);
			cart_json_free(j);
		}
		have -= at;
		memmove(block, block + at, have);
	}
	if (!t->full)	/* else table_put says so */
		cart_step_gap(t->c, path, "limit", "longer than 1 GiB; its rest "
			      "was not read");
	return 0;
}

static int login_file(struct cart_step_ctx *c, const char *path,
		      const char *name, const char *slug, struct cart_err *err)
{
	struct cart_err why = { 0 };
	struct stat st;
	struct table t;
	int fd, rc;

	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		if (errno == ENOENT) {
			char text[96];

			snprintf(text, sizeof(text), "%.40s is not there: no "
				 "%.40s", path, name);
			c->ops->note(c, text);
			return 0;
		}
		cart_err_errno(&why, errno, "%s", path);
		return missing(c, name, &why);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		cart_step_gap(c, path, "failed", "it is not a regular file");
		return 0;
	}
	table_init(&t, c);
	rc = login_records(&t, fd, path, err);
	close(fd);
	if (rc < 0) {
		cart_buf_clear(&t.lines);
		return -1;
	}
	return table_put(&t, name, slug, path, err);
}

static int logins(struct cart_step_ctx *c, struct cart_err *err)
{
	if (login_file(c, "/run/utmp", "logged-in users", "utmp.ndjson",
		       err) < 0 ||
	    login_file(c, "/var/log/wtmp", "login history", "wtmp.ndjson",
		       err) < 0)
		return -1;
	return login_file(c, "/var/log/btmp", "failed logins", "btmp.ndjson",
			  err);
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	/* the order of RFC 3227 2.1, as far as it is ours */
	if (put_system(c, err) < 0 || sockets(c, err) < 0 ||
	    network(c, err) < 0 || processes(c, err) < 0 ||
	    logins(c, err) < 0 || raw_files(c, err) < 0)
		return -1;
	cart_step_gap(c, "memory of this host", "unsupported", "this version "
		      "takes no memory image; take one with another tool "
		      "before the host is stopped, or it is lost");
	c->ops->note(c, "not collected: environments of processes (they hold "
		     "secrets)");
	return 0;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "netlink", false, "sockets, interfaces, addresses, routes, "
	     "neighbours");
	emit(arg, "/proc", false, "processes with executable hashes, mounts, "
	     "modules, memory and CPU facts");
	emit(arg, "/run/utmp, /var/log/wtmp, /var/log/btmp", false, "logins");
}

static const struct cart_param params[] = {
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

const struct cart_step_type cart_step_host_system = {
	.name = "host.system",
	.summary = "Read the state of this host: processes, network, logins.",
	.where = CART_STEP_HOST,
	.volatility = 2,
	.params = params,
	.plan = plan,
	.run = run,
};
