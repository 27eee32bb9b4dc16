/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a bundle, for tests that read it with other tools or that make calls
 * fail on the way.
 *
 *	bundle_write_driver [OPTION]... DIR NAME	a new bundle, or
 *	bundle_write_driver [OPTION]... - SEAL		to standard output
 *	bundle_write_driver -r [OPTION]... DIR NAME	goes on with one
 *
 *	-i FILE		an image, in parts of 8 MiB
 *	-f		a file set: paths on standard input, each with a NUL
 *	-n OPS -s SEED	that many random exhibits, lines and syncs
 *	-g BYTES	longest segment
 *	-b MIB		budget (34)
 *	-k FILE		sealed by this secret key (no password)
 *
 * Prints the public key that sealed.  Status: 0 sealed, 1 failed, 2 usage,
 * 3 sealed with gaps.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/bundle.h>
#include <crashcart/clock.h>
#include <crashcart/fdio.h>
#include <crashcart/minisign.h>

#define SMALL ((size_t)4 << 20)		/* longest file of a file set */

static const char manifest[] = "{ \"crashcart\": 1 }\n";
static const char plan[] = "{}\n";

struct run {
	bool resume, files;
	const char *dir, *name, *image, *key_file;
	long ops;
	unsigned seed;
	uint64_t segment_bytes;
	size_t budget_mib;
	int dirfd;
	struct cart_budget *budget;
	struct cart_signer *session, *examiner;
	struct cart_resume_point *point;
	struct cart_sink *sink;
	struct cart_json *line;
	struct cart_bundle *b;
	struct cart_err err;
};

/* --- options of the bundle --- */

static void text(struct cart_json *j, const char *key, const char *v)
{
	cart_json_add(j, key, cart_json_new_string(v));
}

static struct cart_json *session_line(struct run *r,
				      const struct cart_bundle_options *o)
{
	struct cart_json *j = cart_json_new_object(), *sub;
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_buf key;

	cart_buf_init(&key, 256);
	cart_minisign_print_public_bare(&r->session->public_key, &key);
	text(j, "uuid", o->uuid);
	text(j, "bundle", o->name);
	text(j, "case", o->case_id);
	sub = cart_json_add(j, "tool", cart_json_new_object());
	text(sub, "name", "crashcart");
	text(sub, "version", "0.1.0");
	text(sub, "commit", "unknown");
	cart_sha256_hex("", 0, hex);
	text(sub, "sha256", hex);
	sub = cart_json_add(j, "manifest", cart_json_new_object());
	text(sub, "name", "test");
	cart_sha256_hex(manifest, sizeof(manifest) - 1, hex);
	text(sub, "sha256", hex);
	text(j, "session_key", key.data ? (const char *)key.data : "");
	sub = cart_json_add(j, "host", cart_json_new_object());
	text(sub, "hostname", "host");
	text(sub, "kernel", "6.1");
	text(sub, "machine", "x86_64");
	text(sub, "boot_id", "");
	cart_json_add(j, "pid", cart_json_new_int(getpid()));
	cart_json_add(j, "uid", cart_json_new_int(getuid()));
	if (r->point)
		cart_json_add(j, "interrupted_after", cart_json_new_int(
			(int64_t)cart_resume_lines(r->point)));
	cart_buf_clear(&key);
	return j;
}

static int read_key(struct run *r)
{
	struct cart_buf b;

	cart_buf_init(&b, 65536);
	if (cart_file_read(AT_FDCWD, r->key_file, &b, &r->err) == 0)
		r->examiner = cart_signer_minisign(b.data, b.len, NULL,
						   &r->err);
	cart_buf_clear(&b);
	return r->examiner ? 0 : -1;
}

static int open_sink(struct run *r)
{
	unsigned segments = 0;
	uint64_t offset = 0;

	if (strcmp(r->dir, "-") == 0) {
		r->sink = cart_sink_pipe(STDOUT_FILENO, r->name, &r->err);
		return r->sink ? 0 : -1;
	}
	if (r->point) {
		segments = cart_resume_segments(r->point);
		offset = cart_resume_offset(r->point);
	}
	r->sink = cart_sink_file(r->dirfd, r->dir, r->name, segments, offset,
				 &r->err);
	return r->sink ? 0 : -1;
}

static int open_bundle(struct run *r)
{
	char uuid[CART_UUID_SIZE];
	struct cart_bundle_options o = {
		.name = strcmp(r->dir, "-") ? r->name : "piped",
		.case_id = "CASE-1",
		.agent = "crashcart 0.1.0 (unknown)",
		.start_utc_ns = cart_clock_utc_ns(),
		.budget = r->budget,
		.segment_bytes = r->segment_bytes,
		.examiner = r->examiner,
		.manifest = manifest,
		.manifest_len = sizeof(manifest) - 1,
		.plan = plan,
		.plan_len = sizeof(plan) - 1,
	};

	r->session = cart_signer_session(&r->err);
	if (!r->session || open_sink(r) < 0)
		return -1;
	o.session = r->session;
	o.sink = r->sink;
	cart_uuid_v4(uuid);
	o.uuid = uuid;
	if (r->point) {
		o.uuid = cart_resume_uuid(r->point);
		o.case_id = cart_resume_case(r->point);
		o.start_utc_ns = cart_resume_start_ns(r->point);
	}
	r->line = session_line(r, &o);
	if (!r->line)
		return cart_err_nomem(&r->err);
	o.session_line = r->line;
	r->b = r->point ? cart_bundle_resume(&o, r->point, &r->err) :
			  cart_bundle_open(&o, &r->err);
	return r->b ? 0 : -1;
}

/* --- what goes in --- */

static const struct cart_exhibit_info info = { .step = "step",
	.instance = "step@-/-#1", .name = "exhibit", .slug = "exhibit.bin",
	.media = "application/octet-stream", .repeatable = true };

static int add_image(struct run *r)
{
	struct cart_exhibit *e;
	unsigned char *p;
	ssize_t n = 1;
	int fd = open(r->image, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return cart_err_errno(&r->err, errno, "%s", r->image);
	e = cart_exhibit_open(r->b, &info, true, &r->err);
	while (e && n > 0) {
		p = cart_exhibit_reserve(e, &r->err);
		n = p ? cart_fd_read(fd, p, CART_PART_SIZE, &r->err) : -1;
		if (n >= 0 && cart_exhibit_submit(e, (size_t)n, &r->err) < 0)
			n = -1;
	}
	close(fd);
	if (!e)
		return -1;
	if (cart_exhibit_close(e, n < 0 ? "truncated" : NULL, NULL, NULL,
			       n < 0 ? NULL : &r->err) < 0)
		return -1;
	return n < 0 ? -1 : 0;
}

static int add_file(struct run *r, struct cart_fileset *set, const char *path,
		    size_t len, unsigned char *data)
{
	struct cart_file file = { .path = path, .path_len = len,
				  .btime_ns = INT64_MIN };
	char target[4096];
	struct stat st;
	ssize_t n;
	int fd, rc;

	if (lstat(path, &st) != 0)
		return 0;
	file.st = &st;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > SMALL) {
		file.state = "listed";
		n = readlink(path, target, sizeof(target));
		if (n >= 0) {
			file.target = target;
			file.target_len = (size_t)n;
		}
		return cart_fileset_list(set, &file, &r->err);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		file.state = "unreadable";
		return cart_fileset_list(set, &file, &r->err);
	}
	n = cart_fd_read(fd, data, SMALL, &r->err);
	rc = n < 0 ? -1 : cart_fileset_add(set, &file, data, (size_t)n,
					   &r->err);
	close(fd);
	return rc;
}

static int add_files(struct run *r)
{
	struct cart_fileset *set = cart_fileset_open(r->b, &info, &r->err);
	unsigned char *data = malloc(SMALL);
	char *path = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = data && set ? 0 : -1;

	while (rc == 0 && (n = getdelim(&path, &cap, '\0', stdin)) > 0)
		rc = add_file(r, set, path, (size_t)n - 1, data);
	free(path);
	free(data);
	if (set && cart_fileset_close(set, rc < 0 ? "truncated" : NULL, NULL,
				      rc < 0 ? NULL : &r->err) < 0)
		rc = -1;
	return rc;
}

struct random {
	struct cart_exhibit *e;
	struct cart_fileset *set;
	unsigned char *data;		/* CART_PLAIN_MAX bytes */
};

static unsigned pick(struct run *r, unsigned n)
{
	r->seed = r->seed * 1103515245u + 12345u;
	return (r->seed >> 8) % n;
}

static int random_part(struct run *r, struct random *x)
{
	size_t len = 1 + pick(r, 2 << 20);
	unsigned char *p;
	int rc;

	if (!x->e)
		x->e = cart_exhibit_open(r->b, &info, pick(r, 4) > 0, &r->err);
	p = x->e ? cart_exhibit_reserve(x->e, &r->err) : NULL;
	if (!p)
		return -1;
	memset(p, pick(r, 3) ? (int)pick(r, 256) : 0, len);
	if (cart_exhibit_submit(x->e, len, &r->err) < 0)
		return -1;
	if (pick(r, 5))
		return 0;
	rc = cart_exhibit_close(x->e, NULL, NULL, NULL, &r->err);
	x->e = NULL;
	return rc;
}

static int random_files(struct run *r, struct random *x)
{
	struct stat st = { .st_mode = S_IFREG | 0644 };
	struct cart_file file = { .st = &st, .btime_ns = INT64_MIN };
	char path[64];
	int i, rc;

	if (!x->set)
		x->set = cart_fileset_open(r->b, &info, &r->err);
	for (i = 0; x->set && i < 20; i++) {
		snprintf(path, sizeof(path), "/f/%u", pick(r, 1 << 20));
		file.path = path;
		file.path_len = strlen(path);
		if (cart_fileset_add(x->set, &file, x->data, pick(r, 100000),
				     &r->err) < 0)
			return -1;
	}
	if (!x->set)
		return -1;
	if (pick(r, 4))
		return 0;
	rc = cart_fileset_close(x->set, NULL, NULL, &r->err);
	x->set = NULL;
	return rc;
}

static int random_line(struct run *r)
{
	struct cart_json *j = cart_json_new_object();
	int rc;

	text(j, "text", "a note");
	rc = cart_bundle_log(r->b, "note", "", j, &r->err);
	cart_json_free(j);
	return rc;
}

static int random_op(struct run *r, struct random *x)
{
	unsigned op = pick(r, 10);

	if (op < 3)
		return cart_bundle_put(r->b, &info, x->data,
				       pick(r, 300000), NULL, &r->err);
	if (op < 5)
		return random_line(r);
	if (op == 5)
		return cart_bundle_sync(r->b, &r->err);
	return op < 8 ? random_part(r, x) : random_files(r, x);
}

static int add_random(struct run *r)
{
	struct random x = { .data = malloc(CART_PLAIN_MAX) };
	int rc = x.data ? 0 : cart_err_nomem(&r->err);
	size_t i;
	long n;

	for (i = 0; x.data && i < CART_PLAIN_MAX; i++)
		x.data[i] = (unsigned char)pick(r, 256);
	for (n = 0; rc == 0 && n < r->ops; n++)
		rc = random_op(r, &x);
	if (x.e && cart_exhibit_close(x.e, NULL, NULL, NULL,
				      rc < 0 ? NULL : &r->err) < 0)
		rc = -1;
	if (x.set && cart_fileset_close(x.set, NULL, NULL,
					rc < 0 ? NULL : &r->err) < 0)
		rc = -1;
	free(x.data);
	return rc;
}

/* --- the whole --- */

static int collect(struct run *r, struct cart_seal_result *ret)
{
	if (r->image && add_image(r) < 0)
		return -1;
	if (r->files && add_files(r) < 0)
		return -1;
	if (r->ops && add_random(r) < 0)
		return -1;
	return cart_bundle_seal(r->b, false, NULL, ret, &r->err);
}

static int run(struct run *r, struct cart_seal_result *ret)
{
	if (r->key_file && read_key(r) < 0)
		return -1;
	if (strcmp(r->dir, "-") != 0) {
		r->dirfd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (r->dirfd < 0)
			return cart_err_errno(&r->err, errno, "%s", r->dir);
	}
	if (r->resume) {
		r->point = cart_resume_read(r->dirfd, r->name, NULL, NULL,
					    &r->err);
		if (!r->point)
			return -1;
	}
	r->budget = cart_budget_new(r->budget_mib << 20);
	if (!r->budget)
		return cart_err_nomem(&r->err);
	if (open_bundle(r) < 0)
		return -1;
	return collect(r, ret);
}

static void report(struct run *r, const struct cart_seal_result *result)
{
	struct cart_signer *signer = r->examiner ? r->examiner : r->session;
	struct cart_buf key;
	struct rusage u;

	cart_buf_init(&key, 256);
	cart_minisign_print_public_bare(&signer->public_key, &key);
	fprintf(strcmp(r->dir, "-") ? stdout : stderr, "%s\n",
		key.data ? (char *)key.data : "");
	cart_buf_clear(&key);
	getrusage(RUSAGE_SELF, &u);
	fprintf(stderr, "bytes %" PRIu64 " lines %" PRIu64 " rss_kib %ld "
		"cpu_ms %ld\n", result->bytes, result->log_size, u.ru_maxrss,
		(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
		(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
}

static int options(struct run *r, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "rfi:n:s:g:b:k:")) != -1) {
		switch (c) {
		case 'r':
			r->resume = true;
			break;
		case 'f':
			r->files = true;
			break;
		case 'i':
			r->image = optarg;
			break;
		case 'n':
			r->ops = strtol(optarg, NULL, 10);
			break;
		case 's':
			r->seed = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'g':
			r->segment_bytes = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			r->budget_mib = strtoul(optarg, NULL, 10);
			break;
		case 'k':
			r->key_file = optarg;
			break;
		default:
			return -1;
		}
	}
	if (argc - optind != 2)
		return -1;
	r->dir = argv[optind];
	r->name = argv[optind + 1];
	return 0;
}

int main(int argc, char **argv)
{
	struct run r = { .dirfd = -1, .budget_mib = 34, .seed = 1 };
	struct cart_seal_result result;
	int status = 1;

	if (options(&r, argc, argv) < 0) {
		fprintf(stderr, "usage: see the head of the source\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (run(&r, &result) == 0) {
		status = result.gaps ? 3 : 0;
		report(&r, &result);
	} else {
		fprintf(stderr, "bundle_write_driver: %s\n", r.err.text);
	}
	cart_bundle_free(r.b);
	cart_sink_free(r.sink);
	cart_resume_free(r.point);
	cart_json_free(r.line);
	cart_signer_free(r.session);
	cart_signer_free(r.examiner);
	cart_budget_free(r.budget);
	if (r.dirfd >= 0)
		close(r.dirfd);
	return status;
}
