/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_run.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "crashcart/clock.h"
#include "crashcart/minisign.h"
#include "crashcart/reader.h"

#define FAKE_UUID "7f8d0c9a-3a53-4c0f-9d3e-0d7d1a4b5c6e"

static struct fake_run *current;

/* ---- AWS ---------------------------------------------------------------- */

static int answer(struct cart_aws_reply *ret, const char *text)
{
	struct cart_err err;

	cart_err_clear(&err);
	ret->status = 200;
	ret->attempts = 1;
	ret->sent = true;
	snprintf(ret->request_id, sizeof(ret->request_id), "fake-request");
	snprintf(ret->url, sizeof(ret->url), "https://fake.invalid/");
	snprintf(ret->content_type, sizeof(ret->content_type), "application/json");
	cart_buf_init(&ret->raw, 1 << 20);
	cart_buf_adds(&ret->raw, text);
	ret->view = cart_json_parse(text, strlen(text), NULL, &err);
	ret->started_utc_ns = cart_clock_utc_ns();
	return ret->view ? 0 : -1;
}

static int fail(struct cart_aws_reply *ret, const struct cart_err *err)
{
	size_t n = strcspn(err->text, " :");

	ret->attempts = 3;
	ret->sent = true;
	ret->status = err->class == CART_ERR_TIMEOUT ? 0 : 400;
	snprintf(ret->request_id, sizeof(ret->request_id), "failed-request");
	snprintf(ret->error_code, sizeof(ret->error_code), "%.*s", (int)n,
		 err->text);
	snprintf(ret->error_message, sizeof(ret->error_message), "%s", err->text);
	return -1;
}

static int fake_call(struct cart_aws *a, const struct cart_aws_call *call,
		     struct cart_aws_reply *ret, struct cart_err *err)
{
	const char *text = "{}";

	(void)a;
	memset(ret, 0, sizeof(*ret));
	if (call->region)
		snprintf(ret->region, sizeof(ret->region), "%s", call->region);
	if (!strcmp(call->service, "sts")) {
		if (current->no_identity) {
			cart_err_set(err, CART_ERR_DENIED, 0, "NoCredentials");
			return fail(ret, err);
		}
		return answer(ret, "{\"Account\":\"111122223333\"}");
	}
	if (current->aws)
		text = current->aws(call, err);
	return text ? answer(ret, text) : fail(ret, err);
}

static int fake_regions(struct cart_aws *a, struct cart_aws_reply *ret_reply,
			struct cart_json **ret_names, struct cart_err *err)
{
	static const char names[] = "[\"eu-west-1\",\"us-east-1\",\"us-west-2\"]";

	(void)a;
	memset(ret_reply, 0, sizeof(*ret_reply));
	if (current->no_regions) {
		cart_err_set(err, CART_ERR_DENIED, 403, "AccessDenied: no");
		return fail(ret_reply, err);
	}
	*ret_names = cart_json_parse(names, strlen(names), NULL, err);
	return answer(ret_reply, "{\"Regions\":[]}");
}

static const char *fake_region(struct cart_aws *a)
{
	(void)a;
	return "us-east-1";
}

static int64_t fake_now(struct cart_aws *a)
{
	(void)a;
	return cart_clock_utc_ns();
}

static int fake_imds(struct cart_imds *m, const char *path,
		     struct cart_http_reply *ret, struct cart_err *err)
{
	(void)m;
	(void)path;
	(void)ret;
	return cart_err_set(err, CART_ERR_NET, 0, "not on EC2");
}

/* Every role can be assumed but the one of account 999999999999. */
static struct cart_aws *fake_assume(struct cart_aws *base, const char *role_arn,
				    struct cart_err *err)
{
	if (strstr(role_arn, "999999999999")) {
		cart_err_set(err, CART_ERR_DENIED, 403, "AccessDenied: %s",
			     role_arn);
		return NULL;
	}
	return base;
}

static void fake_free(struct cart_aws *a)
{
	(void)a;
}

static const struct cart_run_calls fake_calls = {
	fake_call, fake_regions, fake_region, fake_now, fake_imds,
	fake_assume, fake_free
};

/* ---- the bundle --------------------------------------------------------- */

static int on_line(void *arg, const struct cart_json *line, struct cart_err *err)
{
	if (!cart_json_append(arg, cart_json_copy(line)))
		return cart_err_nomem(err);
	return 0;
}

static struct cart_json *session_line(const struct cart_signer *s)
{
	static const char text[] = "{\"uuid\":\"" FAKE_UUID "\",\"bundle\":\"T\","
		"\"case\":\"T\",\"tool\":{\"name\":\"crashcart\",\"version\":\"0\","
		"\"commit\":\"unknown\",\"sha256\":\"00000000000000000000000000000"
		"00000000000000000000000000000000000\"},\"manifest\":{\"name\":\"m\","
		"\"sha256\":\"0000000000000000000000000000000000000000000000000000"
		"000000000000\"},\"session_key\":\"\",\"host\":{\"hostname\":\"h\","
		"\"kernel\":\"k\",\"machine\":\"m\",\"boot_id\":\"\"},\"pid\":1,"
		"\"uid\":0}";
	struct cart_json *j = cart_json_parse(text, strlen(text), NULL, NULL);
	char hex[CART_SHA256_HEX_SIZE];
	struct cart_buf b;

	cart_sha256_hex("{}\n", 3, hex);
	cart_json_set(cart_json_get(j, "manifest"), "sha256",
		      cart_json_new_string(hex));
	cart_buf_init(&b, 256);
	cart_minisign_print_public_bare(&s->public_key, &b);
	cart_json_set(j, "session_key", cart_json_new_string((char *)b.data));
	cart_buf_clear(&b);
	return j;
}

static void run_into(struct fake_run *f, struct cart_manifest *m,
		     struct cart_bundle *bundle)
{
	struct cart_run_options o = {
		.manifest = m, .bundle = bundle, .aws = (struct cart_aws *)f,
		.case_id = "T", .uuid = FAKE_UUID, .allow = f->allow,
		.expect_account = f->expect_account, .threads = f->threads,
		.keep_secrets = f->keep_secrets
	};
	const struct cart_json *line;

	if (f->earlier) {
		o.history = cart_run_history_new();
		for (line = cart_json_first(f->earlier); line;
		     line = cart_json_next(line))
			cart_run_history_line(o.history, line, NULL);
	}
	f->rc = cart_run_with(&fake_calls, &o, &f->result, &f->err);
	cart_run_history_free(o.history);
}

void fake_run(struct fake_run *f, const char *manifest)
{
	char dir[] = "/tmp/fake-run.XXXXXX", path[64];
	struct cart_bundle_options o = {
		.name = "T", .case_id = "T", .uuid = FAKE_UUID, .agent = "crashcart 0 (unknown)",
		.manifest = "{}\n", .manifest_len = 3, .plan = "{}\n",
		.plan_len = 3, .threads = 1
	};
	struct cart_verify_options v = { .bundle = path, .line = on_line };
	struct cart_verdict verdict;
	struct cart_seal_result sealed;
	struct cart_manifest *m;
	struct cart_json *session;
	struct cart_bundle *bundle;
	struct cart_err err = { 0 };
	int dirfd;

	current = f;
	f->lines = v.arg = cart_json_new_array();
	m = cart_manifest_parse_with(&fake_oracle, "m.json", manifest,
				     strlen(manifest), &f->err);
	f->rc = -1;
	if (!m) {
		fprintf(stderr, "%s\n", f->err.text);
		return;
	}
	if (!mkdtemp(dir))
		return;
	o.start_utc_ns = cart_clock_utc_ns();
	o.session = cart_signer_session(&err);
	o.budget = cart_budget_new((size_t)64 << 20);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	o.sink = cart_sink_file(dirfd, dir, "T", 0, 0, &err);
	session = session_line(o.session);
	o.session_line = session;
	bundle = o.sink ? cart_bundle_open(&o, &err) : NULL;
	if (bundle) {
		run_into(f, m, bundle);
		if (cart_bundle_seal(bundle, f->result.stopped,
				     f->result.reason[0] ? f->result.reason :
				     NULL, &sealed, &err) == 0) {
			snprintf(f->state, sizeof(f->state), "%s",
				 sealed.gaps ? "gaps" : "complete");
			snprintf(path, sizeof(path), "%s/T.seal", dir);
			if (cart_verify(&v, &verdict, &err) == 0 &&
			    verdict.kind == CART_VERDICT_INVALID) {
				fprintf(stderr, "invalid: %s\n", verdict.reason);
				snprintf(f->state, sizeof(f->state), "invalid");
				f->rc = -2;
			}
		}
	}
	if (err.class)
		fprintf(stderr, "%s\n", err.text);
	cart_bundle_free(bundle);
	cart_sink_free(o.sink);
	close(dirfd);
	cart_budget_free(o.budget);
	cart_signer_free(o.session);
	cart_json_free(session);
	cart_manifest_free(m);
	snprintf(path, sizeof(path), "%s/T.tar", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/T.seal", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/T.seal.minisig", dir);
	unlink(path);
	rmdir(dir);
}

void fake_run_clear(struct fake_run *f)
{
	cart_json_free(f->lines);
	f->lines = NULL;
}

/* ---- questions ---------------------------------------------------------- */

const struct cart_json *fake_line(const struct fake_run *f, const char *type,
				  const char *key, const char *value, size_t n)
{
	const struct cart_json *l;
	const char *s;

	for (l = cart_json_first(f->lines); l; l = cart_json_next(l)) {
		if (strcmp(cart_json_get_string(l, "type"), type))
			continue;
		s = key ? cart_json_get_string(l, key) : NULL;
		if (key && (!s || strcmp(s, value)))
			continue;
		if (n-- == 0)
			return l;
	}
	return NULL;
}

size_t fake_count(const struct fake_run *f, const char *type, const char *key,
		  const char *value)
{
	size_t n = 0;

	while (fake_line(f, type, key, value, n))
		n++;
	return n;
}

const char *fake_outcome(const struct fake_run *f, const char *instance)
{
	static char text[128];
	const struct cart_json *l;
	const char *reason;
	size_t n;

	text[0] = '\0';
	for (n = 0; (l = fake_line(f, "instance", "id", instance, n)); n++) {
		if (strcmp(cart_json_get_string(l, "event"), "end"))
			continue;
		reason = cart_json_get_string(l, "reason");
		snprintf(text, sizeof(text), "%s%s%s%s",
			 cart_json_get_string(l, "outcome"), reason ? " " : "",
			 reason ? reason : "",
			 cart_json_get(l, "partial_input") ? " partial" : "");
	}
	return text;
}
