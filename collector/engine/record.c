/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/msg.h>
#include <crashcart/text.h>

#include "private.h"

/* Lines of the log and exhibits that the engine itself writes. */

/* Gaps beyond these are in the log, and counted on the terminal. */
#define GAPS_SHOWN	100
/* A reason of this many bytes is shown in full once. */
#define REASON_LONG	80
#define INPUT_MAX	16384		/* bytes of an input in an exhibit's origin */

/* Builds an object; one failure makes the whole of it fail. */
struct fields {
	struct cart_json *o;
	bool bad;
};

static void add_json(struct fields *f, const char *key, struct cart_json *v)
{
	if (!cart_json_add(f->o, key, v))
		f->bad = true;
}

/* Texts from outside may be anything: what is not UTF-8 is escaped. */
static void add_text(struct fields *f, const char *key, const char *s)
{
	struct cart_buf b;

	if (cart_text_is_utf8(s, strlen(s))) {
		add_json(f, key, cart_json_new_string(s));
		return;
	}
	cart_buf_init(&b, 65536);
	cart_text_escape(s, strlen(s), &b);
	add_json(f, key, b.data ? cart_json_new_string((char *)b.data) : NULL);
	cart_buf_clear(&b);
}

static void add_text_if(struct fields *f, const char *key, const char *s)
{
	if (s && *s)
		add_text(f, key, s);
}

static void add_int(struct fields *f, const char *key, int64_t v)
{
	add_json(f, key, cart_json_new_int(v));
}

static void add_path(struct fields *f, const char *path, size_t len)
{
	struct cart_buf b;

	if (!path)
		return;
	if (cart_text_is_utf8(path, len)) {
		add_json(f, "path", cart_json_new_string_n(path, len));
		return;
	}
	cart_buf_init(&b, 65536);
	cart_text_base64(path, len, &b);
	add_json(f, "path_b64", b.data ?
		 cart_json_new_string((char *)b.data) : NULL);
	cart_buf_clear(&b);
}

void cart_run_broken(struct run *r, const struct cart_err *err)
{
	pthread_mutex_lock(&r->lock);
	if (!r->failed) {
		r->failed = true;
		r->err = *err;
	}
	r->stop = true;
	pthread_cond_broadcast(&r->work);
	pthread_cond_broadcast(&r->done);
	pthread_mutex_unlock(&r->lock);
}

void cart_run_log(struct run *r, const char *type, const char *step,
		  struct cart_json *fields)
{
	struct cart_err err;
	int rc;

	cart_err_clear(&err);
	if (fields)
		rc = cart_bundle_log(r->o->bundle, type, step, fields, &err);
	else
		rc = cart_err_nomem(&err);
	if (rc < 0)
		cart_run_broken(r, &err);
	cart_json_free(fields);
}

static struct cart_json *finish(struct fields *f)
{
	if (!f->bad)
		return f->o;
	cart_json_free(f->o);
	return NULL;
}

void cart_run_note(struct run *r, const char *step, const char *text)
{
	struct fields f = { cart_json_new_object(), false };

	add_text(&f, "text", text);
	cart_run_log(r, "note", step, finish(&f));
}

/* Where the reason of a gap begins, if it was shown in full before: after the
 * call that it begins with.  NULL: it was not, and now counts as shown. */
static const char *told_before(struct run *r, const char *detail)
{
	const char *why = strstr(detail, ": ");
	struct told *t = &r->told[r->told_next];
	size_t len, i;

	why = why ? why + 2 : detail;
	len = strlen(why);
	if (len < REASON_LONG)
		return NULL;
	for (i = 0; i < TOLD_MAX; i++) {
		if (!strncmp(r->told[i].why, why, len))
			return why;
	}
	snprintf(t->why, sizeof(t->why), "%s", why);
	r->told_next = (r->told_next + 1) % TOLD_MAX;
	return NULL;
}

static void show_gap(struct run *r, const char *step,
		     const struct cart_gap *gap)
{
	uint64_t shown = atomic_fetch_add(&r->gap_lines_shown, 1);
	const char *why = NULL;

	if (shown < GAPS_SHOWN) {
		pthread_mutex_lock(&r->lock);
		why = told_before(r, gap->detail);
		pthread_mutex_unlock(&r->lock);
		cart_msg(CART_MSG_WARN, "gap: %s%s%s: %.*s%s", step,
			 *step ? ": " : "", gap->what,
			 why ? (int)(why - gap->detail) : INT_MAX, gap->detail,
			 why ? "the same reason as above" : "");
	}
	if (shown == GAPS_SHOWN)
		cart_msg(CART_MSG_WARN, "further gaps are in the log alone; "
			 "`crashcart list` shows them");
}

void cart_run_gap(struct run *r, const char *step, struct instance *in,
		  const struct cart_gap *gap)
{
	struct fields f = { cart_json_new_object(), false };

	add_text_if(&f, "instance", in ? in->id : NULL);
	add_text(&f, "what", gap->what);
	add_text(&f, "reason", gap->reason);
	add_text(&f, "detail", gap->detail);
	add_text_if(&f, "exhibit", gap->exhibit);
	add_text_if(&f, "call", gap->call);
	if (gap->offset >= 0)
		add_int(&f, "offset", gap->offset);
	if (gap->length >= 0)
		add_int(&f, "length", gap->length);
	if (gap->count >= 0)
		add_int(&f, "count", gap->count);
	add_path(&f, gap->path, gap->path_len);
	cart_run_log(r, "gap", step, finish(&f));
	atomic_fetch_add(&r->gaps, 1);
	if (in)
		in->gaps++;
	show_gap(r, step, gap);
}

void cart_run_log_instance(struct run *r, const struct instance *in, bool end,
			   uint64_t duration_ms)
{
	const struct mstep *s = &r->m->steps[in->step];
	struct fields f = { cart_json_new_object(), false };
	struct cart_buf b;

	add_text(&f, "id", in->id);
	add_text(&f, "event", end ? "end" : "start");
	add_int(&f, "attempt", in->attempt);
	if (end) {
		add_text(&f, "outcome", cart_outcome_name(in->outcome));
		add_text_if(&f, "reason", in->reason);
		if (in->partial_input)
			add_json(&f, "partial_input", cart_json_new_bool(true));
		add_int(&f, "duration_ms", (int64_t)duration_ms);
		if (cart_manifest_kept(s, 0) && !in->secret) {
			cart_buf_init(&b, KEPT_BYTES_MAX);
			if (in->kept)
				cart_json_print(in->kept, 0, &b);
			if (cart_buf_ok(&b))
				add_json(&f, "keep", in->kept ?
					 cart_json_copy(in->kept) :
					 cart_json_new_object());
			cart_buf_clear(&b);
		}
	}
	cart_run_log(r, "instance", s->id, finish(&f));
}

/* Inputs of a change are in the log; passwords that they set are not. */
static void hide_secrets(struct cart_json *v)
{
	static const char *const words[] = { "password", "secret", "token" };
	struct cart_json *c, *next;
	char key[64];
	size_t i;

	for (c = cart_json_first(v); c; c = next) {
		next = cart_json_next(c);
		hide_secrets(c);
		if (!cart_json_key(c) || !cart_json_string(c))
			continue;
		for (i = 0; cart_json_key(c)[i] && i < sizeof(key) - 1; i++)
			key[i] = (char)(cart_json_key(c)[i] | 32);
		key[i] = '\0';
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strstr(key, words[i]) && !strstr(key, "clienttoken")) {
				cart_json_set(v, cart_json_key(c),
					cart_json_new_string("(not recorded)"));
				break;
			}
		}
	}
}

void cart_run_log_change(struct run *r, const struct instance *in,
			 const struct change_line *line)
{
	const struct mstep *s = &r->m->steps[in->step];
	struct fields f = { cart_json_new_object(), false };
	struct cart_json *copy, *list;
	size_t i;

	add_text(&f, "uuid", line->uuid);
	add_text(&f, "event", line->event);
	add_text(&f, "class", s->changes_word ? s->changes_word : "evidence");
	add_text(&f, "instance", in->id);
	add_text(&f, "call", line->call);
	if (line->input) {
		copy = cart_json_copy(line->input);
		hide_secrets(copy);
		add_json(&f, "input", copy);
	}
	if (line->made) {
		list = cart_json_new_array();
		for (i = 0; line->made[i]; i++) {
			if (!cart_json_append(list,
					cart_json_new_string(line->made[i])))
				f.bad = true;
		}
		add_json(&f, "made", list);
	}
	add_text_if(&f, "detail", line->detail);
	cart_run_log(r, "change", s->id, finish(&f));
}

/* ---- calls -------------------------------------------------------------- */

void cart_run_call_id(struct run *r, char out[24])
{
	snprintf(out, 24, "c%06" PRIu64,
		 (uint64_t)(atomic_fetch_add(&r->calls_made, 1) + 1));
}

/* "DescribeInstances" -> "describe-instances"; runs of capitals stay one. */
static void kebab(const char *s, char *out, size_t size)
{
	size_t n = 0, i;
	bool upper, was = true;

	for (i = 0; s[i] && n + 2 < size; i++) {
		upper = s[i] >= 'A' && s[i] <= 'Z';
		if (upper && i && (!was || (s[i + 1] >= 'a' && s[i + 1] <= 'z')))
			out[n++] = '-';
		out[n++] = upper ? (char)(s[i] | 32) : s[i];
		was = upper;
	}
	out[n] = '\0';
}

static struct cart_json *call_origin(const struct call_place *at,
				     const struct cart_step_call *call,
				     const struct cart_step_reply *ret,
				     const char *region)
{
	struct fields f = { cart_json_new_object(), false };
	struct cart_buf b;

	add_text(&f, "kind", "aws");
	add_text(&f, "call", ret->call_id);
	add_text(&f, "service", call->call.service);
	add_text(&f, "operation", call->call.operation);
	add_text_if(&f, "account", at->account[0] == '-' ? "" : at->account);
	add_text(&f, "region", region);
	if (call->page)
		add_int(&f, "page", call->page);
	cart_buf_init(&b, INPUT_MAX);
	if (call->call.input)
		cart_json_print(call->call.input, 0, &b);
	if (b.data && cart_buf_ok(&b))
		add_json(&f, "input", cart_json_copy(call->call.input));
	cart_buf_clear(&b);
	return finish(&f);
}

struct reply_names {
	char slug[80], name[256], region[32], source[160];
};

static void name_reply(const struct call_place *at,
		       const struct cart_step_call *call,
		       const struct cart_step_reply *ret, struct reply_names *n)
{
	size_t len;
	int step;

	snprintf(n->region, sizeof(n->region), "%s", ret->aws.region[0] ?
		 ret->aws.region : at->region);
	snprintf(n->source, sizeof(n->source), "%s:%s", call->call.service,
		 call->call.operation);
	kebab(call->call.operation, n->slug, 56);
	len = strlen(n->slug);
	if (call->page > 1)
		snprintf(n->slug + len, sizeof(n->slug) - len, "-%04u",
			 call->page);
	step = cart_manifest_step(at->run->m, at->step);
	snprintf(n->name, sizeof(n->name), "%s %s %s%s%s", call->call.service,
		 call->call.operation, n->region,
		 step >= 0 && at->run->m->steps[step].accounts ? " of " : "",
		 step >= 0 && at->run->m->steps[step].accounts ? at->account :
		 "");
	len = strlen(n->name);
	if (call->page > 1)
		snprintf(n->name + len, sizeof(n->name) - len, " page %u",
			 call->page);
}

static bool is_xml(const struct cart_aws_reply *a)
{
	size_t i;

	for (i = 0; i < a->raw.len && i < 16; i++) {
		if (a->raw.data[i] > ' ')
			return a->raw.data[i] == '<';
	}
	return strstr(a->content_type, "xml") != NULL;
}

static bool is_json(const struct cart_aws_reply *a)
{
	return strstr(a->content_type, "json") != NULL ||
	       (a->raw.len && a->raw.data[0] == '{');
}

/* Does the step make this call because the manifest lets it reveal secrets? */
static bool is_secret_call(const struct call_place *at)
{
	int i = cart_manifest_step(at->run->m, at->step);

	return i >= 0 && at->run->m->steps[i].op.secret;
}

/* Number of values masked; -1: memory ran out, and nothing of it may stay. */
static int mask_reply(const struct call_place *at, const char *source,
		      struct cart_json *view, bool *ret_secret,
		      const unsigned char key[CART_MASK_KEY_SIZE])
{
	enum cart_mask how = cart_step_mask_of(source);
	bool all = how == CART_MASK_UNKNOWN && is_secret_call(at);

	if (!view || (how != CART_MASK_PATHS && !all))
		return 0;
	*ret_secret = true;
	if (at->run->o->keep_secrets)
		return 0;
	return all ? cart_step_mask_all(view, key) :
		cart_step_mask(source, view, key);
}

void cart_run_mask_key(struct run *r, const char *what,
		       unsigned char ret_key[CART_MASK_KEY_SIZE])
{
	cart_hmac_sha256(r->mask_key, sizeof(r->mask_key), what, strlen(what),
			 ret_key);
}

/* The exhibits of a good reply.  Known secrets are masked in the view, and
 * the raw reply that holds them is not stored. */
static int put_reply(const struct call_place *at,
		     const struct cart_step_call *call,
		     struct cart_step_reply *ret, bool *ret_secret,
		     struct cart_err *err)
{
	struct reply_names names;
	struct cart_exhibit_info info = { 0 };
	const char *derived[2] = { ret->raw_exhibit, NULL };
	unsigned char key[CART_MASK_KEY_SIZE];
	char slug[96], note[400] = "", hex[CART_SHA256_HEX_SIZE];
	struct cart_json *origin = NULL;
	struct cart_buf b;
	int masked = 0, rc = -1;
	bool xml = is_xml(&ret->aws);

	cart_buf_init(&b, (size_t)128 << 20);
	name_reply(at, call, ret, &names);
	cart_run_mask_key(at->run, ret->call_id, key);
	masked = mask_reply(at, names.source, ret->aws.view, ret_secret, key);
	if (masked < 0) {
		/* Half masked is not masked. */
		cart_json_free(ret->aws.view);
		ret->aws.view = NULL;
		cart_buf_reset(&ret->aws.raw);
		cart_err_nomem(err);
		goto out;
	}
	if (call->no_exhibit) {
		rc = 0;
		goto out;
	}
	origin = call_origin(at, call, ret, names.region);
	if (!origin) {
		cart_err_nomem(err);
		goto out;
	}
	info.step = at->step;
	info.instance = at->instance;
	info.origin = origin;
	info.slug = slug;
	info.repeatable = true;
	if (!masked) {
		snprintf(slug, sizeof(slug), "%s%s", names.slug, xml ? ".xml" :
			 is_json(&ret->aws) ? ".raw.json" : ".raw");
		info.name = names.name;
		info.media = xml ? "application/xml" : is_json(&ret->aws) ?
			"application/json" : "application/octet-stream";
		if (cart_bundle_put(at->run->o->bundle, &info,
				    ret->aws.raw.data ? (void *)ret->aws.raw.data :
				    "", ret->aws.raw.len, ret->raw_exhibit,
				    err) < 0)
			goto out;
		info.derived_from = derived;
	} else {
		at->run->masked++;
		cart_step_commit(key, ret->aws.raw.data, ret->aws.raw.len, hex);
		snprintf(note, sizeof(note), "%d secret values masked; HMAC-SHA-"
			 "256 with the key HMAC-SHA-256(mask key, \"%s\"), the "
			 "mask key shown when this part of the run ended; of "
			 "the reply as received (%zu bytes, not kept): %s",
			 masked, ret->call_id, ret->aws.raw.len, hex);
		info.state = "masked";
		info.note = note;
	}
	if (ret->aws.view && (!call->no_view || masked)) {
		cart_json_print(ret->aws.view, 4, &b);
		cart_buf_addc(&b, '\n');
		if (cart_buf_check(&b, "JSON view of a reply", err) < 0)
			goto out;
		snprintf(slug, sizeof(slug), "%s.json", names.slug);
		info.name = names.name;
		info.media = "application/json";
		if (cart_bundle_put(at->run->o->bundle, &info, b.data, b.len,
				    ret->view_exhibit, err) < 0)
			goto out;
	}
	rc = 0;
out:
	cart_wipe(key, sizeof(key));
	cart_json_free(origin);
	cart_buf_clear(&b);
	return rc;
}

static void log_call(const struct call_place *at,
		     const struct cart_step_call *call,
		     const struct cart_step_reply *ret,
		     const struct cart_err *failed)
{
	struct fields f = { cart_json_new_object(), false };
	const struct cart_aws_reply *a = &ret->aws;
	char started[CART_CLOCK_TEXT_SIZE];
	struct cart_json *error;

	cart_clock_text(a->started_utc_ns ? a->started_utc_ns :
			cart_clock_utc_ns(), 9, started);
	add_text(&f, "id", ret->call_id);
	add_text(&f, "instance", at->instance);
	add_text(&f, "service", call->call.service);
	add_text(&f, "operation", call->call.operation);
	add_text_if(&f, "account", at->account[0] == '-' ? "" : at->account);
	add_text(&f, "region", a->region[0] ? a->region : at->region);
	add_text(&f, "url", a->url);
	add_int(&f, "status", a->status);
	add_text_if(&f, "request_id", a->request_id);
	add_text_if(&f, "request_id2", a->request_id2);
	add_int(&f, "attempts", a->attempts);
	add_text(&f, "started", started);
	add_int(&f, "duration_ms", (int64_t)a->duration_ms);
	add_int(&f, "bytes", (int64_t)a->raw.len);
	if (call->page)
		add_int(&f, "page", call->page);
	if (failed) {
		error = cart_json_new_object();
		if (!cart_json_add(error, "code", cart_json_new_string(
				   a->error_code[0] ? a->error_code :
				   cart_err_class_name(failed->class))) ||
		    !cart_json_add(error, "message", cart_json_new_string(
				   a->error_message[0] ? a->error_message :
				   failed->text)))
			f.bad = true;
		add_json(&f, "error", error);
	}
	add_text_if(&f, "exhibit", ret->raw_exhibit[0] ? ret->raw_exhibit :
		    ret->view_exhibit);
	cart_run_log(at->run, "call", at->step, finish(&f));
}

void cart_run_record(const struct call_place *at,
		     const struct cart_step_call *call,
		     struct cart_step_reply *ret, const struct cart_err *failed,
		     bool *ret_secret)
{
	struct cart_err err;

	cart_err_clear(&err);
	if (!failed && put_reply(at, call, ret, ret_secret, &err) < 0) {
		cart_run_broken(at->run, &err);
		return;
	}
	log_call(at, call, ret, failed);
}

void cart_run_keep_reply(const struct call_place *at,
			 const struct cart_step_call *call,
			 struct cart_step_reply *ret, bool *ret_secret)
{
	struct cart_err err;

	cart_err_clear(&err);
	if (put_reply(at, call, ret, ret_secret, &err) < 0)
		cart_run_broken(at->run, &err);
}

int cart_run_call(const struct call_place *at, const struct cart_step_call *call,
		  struct cart_step_reply *ret, bool *ret_secret,
		  struct cart_err *err)
{
	struct cart_step_call c = *call;
	struct cart_err local;
	int64_t left_ms;
	int rc;

	memset(ret, 0, sizeof(*ret));
	cart_err_clear(&local);
	cart_run_call_id(at->run, ret->call_id);
	if (!c.call.region && strcmp(at->region, "global"))
		c.call.region = at->region;
	c.call.may_change = c.call.may_change && at->may_change;
	if (at->deadline_mono_ns != INT64_MAX) {
		left_ms = (at->deadline_mono_ns - cart_clock_mono_ns()) / 1000000;
		if (left_ms <= 0) {
			rc = cart_err_set(&local, CART_ERR_TIMEOUT, 0,
					  "the step's timeout has passed");
			goto record;
		}
		if (!c.call.timeout_ms)
			c.call.timeout_ms = 120000;
		if (c.call.timeout_ms > left_ms)
			c.call.timeout_ms = (unsigned)left_ms;
		/* The session's bound stays, where it is the smaller one. */
		if (left_ms < 300000)
			c.call.max_elapsed_ms = (unsigned)left_ms;
	}
	if (!at->aws)
		rc = cart_err_set(&local, CART_ERR_USAGE, 0, "no AWS session: "
				  "there are no credentials for account %s",
				  at->account);
	else
		rc = at->run->calls->call(at->aws, &c.call, &ret->aws, &local);
record:
	cart_run_record(at, &c, ret, rc < 0 ? &local : NULL, ret_secret);
	if (rc < 0 && err)
		*err = local;
	return rc;
}
