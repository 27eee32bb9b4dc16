/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a small bundle that holds every type of member, in two segments:
 *
 *	bundle_small_driver DIR NAME SECRET_KEY
 *
 * Plain exhibits, an image in parts with a hole and a gap, a file set, an
 * exhibit that an interruption cut, two sessions, an examiner's key.  DIR is
 * there already; SECRET_KEY has no password.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crashcart/bundle.h>
#include <crashcart/fdio.h>
#include <crashcart/minisign.h>

#define UUID "6f1a7c1e-5a2b-4c3d-8e9f-0a1b2c3d4e5f"

static const char manifest[] = "{ \"crashcart\": 1 }\n";
static const char plan[] = "{}\n";

struct small {
	const char *dir, *name;
	int dirfd;
	struct cart_budget *budget;
	struct cart_signer *session, *examiner;
	struct cart_sink *sink;
	struct cart_resume_point *point;
	struct cart_bundle *b;
	struct cart_err err;
};

static void text(struct cart_json *j, const char *key, const char *v)
{
	cart_json_add(j, key, cart_json_new_string(v));
}

static struct cart_json *session_line(struct small *s)
{
	struct cart_json *j = cart_json_new_object(), *sub;
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_buf key;

	cart_buf_init(&key, 256);
	cart_minisign_print_public_bare(&s->session->public_key, &key);
	text(j, "uuid", UUID);
	text(j, "bundle", s->name);
	text(j, "case", "CASE-1");
	text(j, "operator", "A. Responder");
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
	cart_json_add(j, "pid", cart_json_new_int(1));
	cart_json_add(j, "uid", cart_json_new_int(0));
	if (s->point)
		cart_json_add(j, "interrupted_after", cart_json_new_int(
			(int64_t)cart_resume_lines(s->point)));
	cart_buf_clear(&key);
	return j;
}

static int begin(struct small *s)
{
	struct cart_bundle_options o = {
		.name = s->name, .case_id = "CASE-1", .uuid = UUID,
		.organization = "Example Org",
		.agent = "crashcart 0.1.0 (unknown)",
		.start_utc_ns = 1790000000000000000, .budget = s->budget,
		.examiner = s->examiner, .threads = 1,
		.manifest = manifest, .manifest_len = sizeof(manifest) - 1,
		.plan = plan, .plan_len = sizeof(plan) - 1,
	};
	struct cart_json *line;

	s->session = cart_signer_session(&s->err);
	if (!s->session)
		return -1;
	s->sink = cart_sink_file(s->dirfd, s->dir, s->name,
				 s->point ? cart_resume_segments(s->point) : 0,
				 s->point ? cart_resume_offset(s->point) : 0,
				 &s->err);
	if (!s->sink)
		return -1;
	/* a sync ends the segment, as it does where only closed ones last */
	s->sink->durable_by_segment = !s->point;
	o.sink = s->sink;
	o.session = s->session;
	line = session_line(s);
	o.session_line = line;
	s->b = s->point ? cart_bundle_resume(&o, s->point, &s->err) :
			  cart_bundle_open(&o, &s->err);
	cart_json_free(line);
	return s->b ? 0 : -1;
}

static void end(struct small *s)
{
	cart_bundle_free(s->b);
	cart_sink_free(s->sink);
	cart_signer_free(s->session);
	s->b = NULL;
	s->sink = NULL;
	s->session = NULL;
}

static struct cart_exhibit_info info(const char *name)
{
	return (struct cart_exhibit_info){ .step = "step",
		.instance = "step@-/-#1", .name = name, .slug = name,
		.media = "application/octet-stream", .repeatable = true };
}

static int log_line(struct small *s, const char *type, const char *fields)
{
	struct cart_json *j = cart_json_parse(fields, strlen(fields), NULL,
					      &s->err);
	int rc = j ? cart_bundle_log(s->b, type, "step", j, &s->err) : -1;

	cart_json_free(j);
	return rc;
}

static int add_part(struct small *s, struct cart_exhibit *e, int fill,
		    size_t len)
{
	unsigned char *p = cart_exhibit_reserve(e, &s->err);

	if (!p)
		return -1;
	memset(p, fill, len);
	return cart_exhibit_submit(e, len, &s->err);
}

static int add_image(struct small *s, bool compress)
{
	struct cart_exhibit_info i = info("disk.img");
	struct cart_exhibit *e = cart_exhibit_open(s->b, &i, compress, &s->err);

	if (!e || add_part(s, e, 'a', 700) < 0 ||
	    add_part(s, e, 0, 4096) < 0 || add_part(s, e, 'b', 300) < 0)
		return -1;
	if (log_line(s, "gap", "{\"instance\":\"step@-/-#1\",\"what\":"
		     "\"sectors\",\"reason\":\"failed\",\"detail\":\"EIO\"}") <
	    0)
		return -1;
	return cart_exhibit_close(e, "gaps", "one hole", NULL, &s->err);
}

static int add_files(struct small *s)
{
	struct stat st = { .st_mode = S_IFREG | 0600 };
	struct cart_file f = { .path = "/etc/hostname", .path_len = 13,
			       .st = &st, .btime_ns = INT64_MIN };
	struct cart_exhibit_info i = info("files");
	struct cart_fileset *set = cart_fileset_open(s->b, &i, &s->err);

	if (!set || cart_fileset_add(set, &f, "web-1\n", 6, &s->err) < 0)
		return -1;
	f.path = "/tmp/\xff";
	f.path_len = 6;
	if (cart_fileset_add(set, &f, "", 0, &s->err) < 0)
		return -1;
	st.st_mode = S_IFLNK | 0777;
	f.path = "/tmp/link";
	f.path_len = 9;
	f.state = "listed";
	f.target = "../etc";
	f.target_len = 6;
	if (cart_fileset_list(set, &f, &s->err) < 0)
		return -1;
	return cart_fileset_close(set, NULL, NULL, &s->err);
}

/* Up to an interruption, in the midst of an exhibit. */
static int first_session(struct small *s)
{
	struct cart_exhibit_info i = info("caller.json"), cut = info("cut");
	struct cart_exhibit *e;

	if (begin(s) < 0 ||
	    cart_bundle_put(s->b, &i, "{}\n", 3, NULL, &s->err) < 0 ||
	    log_line(s, "call", "{\"id\":\"c1\",\"instance\":\"step@-/-#1\","
		     "\"service\":\"sts\",\"operation\":\"GetCallerIdentity\","
		     "\"region\":\"eu-west-1\",\"url\":\"https://sts/\","
		     "\"status\":200,\"attempts\":1,"
		     "\"started\":\"2026-09-21T13:33:21Z\","
		     "\"duration_ms\":80,\"bytes\":3}") < 0 ||
	    cart_bundle_sync(s->b, &s->err) < 0 || add_image(s, true) < 0)
		return -1;
	e = cart_exhibit_open(s->b, &cut, true, &s->err);
	s->sink->durable_by_segment = 0;
	if (!e || add_part(s, e, 'c', 100) < 0 ||
	    cart_bundle_sync(s->b, &s->err) < 0)
		return -1;
	/* freed with the bundle's threads still there, as a crash would not */
	cart_exhibit_close(e, NULL, NULL, NULL, NULL);
	end(s);
	return 0;
}

static int second_session(struct small *s)
{
	struct cart_seal_result result;

	s->point = cart_resume_read(s->dirfd, s->name, NULL, NULL, &s->err);
	if (!s->point || begin(s) < 0 || add_image(s, false) < 0 ||
	    add_files(s) < 0 ||
	    log_line(s, "change", "{\"uuid\":\"" UUID "\",\"event\":\"intent\","
		     "\"class\":\"evidence\",\"instance\":\"step@-/-#1\","
		     "\"call\":\"ec2:CreateSnapshots\"}") < 0 ||
	    cart_bundle_seal(s->b, false, NULL, &result, &s->err) < 0)
		return -1;
	printf("%u segments, %llu bytes\n", result.segments,
	       (unsigned long long)result.bytes);
	cart_resume_free(s->point);
	end(s);
	return 0;
}

int main(int argc, char **argv)
{
	struct small s = { 0 };
	struct cart_buf key;

	if (argc != 4) {
		fprintf(stderr, "usage: bundle_small_driver DIR NAME KEY\n");
		return 2;
	}
	s.dir = argv[1];
	s.name = argv[2];
	s.dirfd = open(s.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s.budget = cart_budget_new((size_t)64 << 20);
	cart_buf_init(&key, 4096);
	if (s.dirfd < 0 || !s.budget ||
	    cart_file_read(AT_FDCWD, argv[3], &key, &s.err) < 0)
		goto fail;
	s.examiner = cart_signer_minisign(key.data, key.len, NULL, &s.err);
	if (!s.examiner || first_session(&s) < 0 || second_session(&s) < 0)
		goto fail;
	cart_signer_free(s.examiner);
	cart_budget_free(s.budget);
	cart_buf_clear(&key);
	close(s.dirfd);
	return 0;
fail:
	fprintf(stderr, "bundle_small_driver: %s\n", s.err.text);
	return 1;
}
