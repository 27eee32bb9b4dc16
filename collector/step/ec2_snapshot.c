/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ec2.snapshot: all EBS volumes of an instance at one moment, by
 * CreateSnapshots, which is crash-consistent over the volumes.  The intent is
 * durable before the call and its UUID is a tag of what the call makes, so a
 * resumed run finds and adopts it instead of asking again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/step.h"
#include "crashcart/text.h"
#include "step_support.h"

#define TAG_CHANGE "crashcart:change"
/* A snapshot that was made may stay invisible to Describe for some 20 seconds;
 * only after this long is "not there" believed. */
#define VISIBLE_AFTER_MS 120000
/* AWS refuses requests that are further off its clock. */
#define CLOCK_SLACK_NS ((int64_t)300 * 1000000000)
#define SNAPSHOTS_MAX 64		/* volumes of one instance */
#define ID_SIZE 32

struct snapshot_run {
	struct cart_step_ctx *c;
	const char *instance_id;
	char type[64];			/* instance type */
	size_t n_volumes;		/* EBS volumes seen on the instance */
	char volumes[SNAPSHOTS_MAX][ID_SIZE];	/* the first of them */
	char ids[SNAPSHOTS_MAX][ID_SIZE];
	size_t n;
	char of[SNAPSHOTS_MAX][ID_SIZE];	/* volumes, when looked up */
	size_t n_others, n_doubtful;	/* with our tag, and not ours */
	bool twice, unclear;		/* which are ours cannot be told */
	char uuid[CART_UUID_SIZE];
};

/* ---- looking ------------------------------------------------------------- */

static int call(struct snapshot_run *r, const char *operation,
		const struct cart_json *input, bool keep_reply,
		struct cart_step_reply *reply, struct cart_err *err)
{
	struct cart_step_call call = { 0 };

	call.call.service = "ec2";
	call.call.operation = operation;
	call.call.input = input;
	call.no_exhibit = !keep_reply;
	return r->c->ops->call(r->c, &call, reply, err);
}

static struct cart_json *one_string_list(const char *s)
{
	struct cart_json *a = cart_json_new_array();

	cart_json_append(a, cart_json_new_string(s));
	return a;
}

static void add_volume(struct snapshot_run *r, const struct cart_json *ebs)
{
	const char *id = cart_json_get_string(ebs, "VolumeId");

	if (ebs == NULL)
		return;
	if (r->n_volumes < SNAPSHOTS_MAX)
		snprintf(r->volumes[r->n_volumes], ID_SIZE, "%.31s",
			 id != NULL ? id : "");
	r->n_volumes++;
}

/* How many EBS volumes the instance has, and that it is there at all. */
static int count_volumes(struct snapshot_run *r, struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	const struct cart_json *i, *m;
	struct cart_step_reply reply;
	int rc;

	cart_json_add(input, "InstanceIds", one_string_list(r->instance_id));
	rc = call(r, "DescribeInstances", input, true, &reply, err);
	if (rc == 0) {
		i = cart_json_at(cart_json_get(reply.aws.view, "Reservations"), 0);
		i = cart_json_at(cart_json_get(i, "Instances"), 0);
		snprintf(r->type, sizeof(r->type), "%.60s",
			 cart_json_get_string(i, "InstanceType") != NULL ?
			 cart_json_get_string(i, "InstanceType") : "");
		m = cart_json_get(i, "BlockDeviceMappings");
		for (m = cart_json_first(m); m != NULL; m = cart_json_next(m))
			add_volume(r, cart_json_get(m, "Ebs"));
		if (i == NULL)
			rc = cart_err_set(err, CART_ERR_INPUT, 0,
					  "there is no instance %s in %s",
					  r->instance_id, r->c->region);
		else if (r->n_volumes == 0)
			rc = cart_err_set(err, CART_ERR_INPUT, 0, "instance %s "
					  "has no EBS volume to snapshot",
					  r->instance_id);
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

/* Instance-store volumes are in no snapshot and are gone when the instance
 * stops: they are named, so that nobody takes the disks for complete. */
static int name_instance_store(struct snapshot_run *r, struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	const struct cart_json *t, *info, *d;
	struct cart_step_reply reply;
	char what[160];
	int64_t count, size;
	int rc;

	cart_json_add(input, "InstanceTypes", one_string_list(r->type));
	rc = call(r, "DescribeInstanceTypes", input, true, &reply, err);
	if (rc < 0) {
		cart_step_gap_call(r->c, &reply, "whether the instance has "
				   "instance-store volumes", err);
		rc = err->class == CART_ERR_CANCELLED ? -1 : 0;
	}
	t = cart_json_at(cart_json_get(reply.aws.view, "InstanceTypes"), 0);
	info = cart_json_get(t, "InstanceStorageInfo");
	d = cart_json_first(cart_json_get(info, "Disks"));
	for (; d != NULL; d = cart_json_next(d)) {
		if (cart_json_i64(cart_json_get(d, "Count"), &count) < 0)
			count = 1;
		if (cart_json_i64(cart_json_get(d, "SizeInGB"), &size) < 0)
			size = 0;
		snprintf(what, sizeof(what), "%" PRId64 " instance-store "
			 "volume%s of %" PRId64 " GB on %s", count,
			 count == 1 ? "" : "s", size, r->instance_id);
		cart_step_gap(r->c, what, "unsupported", "in no EBS snapshot and "
			      "lost when the instance stops: read them on the "
			      "running host with block.image");
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

/* Takes the ids out of a reply's Snapshots. */
static void take_ids(struct snapshot_run *r, const struct cart_json *view)
{
	const struct cart_json *s;
	const char *id;

	r->n = 0;
	s = cart_json_first(cart_json_get(view, "Snapshots"));
	for (; s != NULL && r->n < SNAPSHOTS_MAX; s = cart_json_next(s)) {
		id = cart_json_get_string(s, "SnapshotId");
		if (id != NULL && strlen(id) < ID_SIZE)
			snprintf(r->ids[r->n++], ID_SIZE, "%s", id);
	}
}

static void describe(const struct snapshot_run *r, char text[192])
{
	snprintf(text, 192, "crashcart case %s", r->c->case_id);
}

/* Anybody who may tag can put our tag on a snapshot.  Ours are of a volume of
 * the instance, say what we said, and were begun after we asked.  The last may
 * seem otherwise when the host's clock was wrong then and no longer is. */
enum whose { OTHERS, DOUBTFUL, OURS };

static enum whose whose(const struct snapshot_run *r, const struct cart_json *s,
			int64_t sent_utc_ns)
{
	const char *volume = cart_json_get_string(s, "VolumeId");
	const char *start = cart_json_get_string(s, "StartTime");
	const char *said = cart_json_get_string(s, "Description");
	char text[192];
	int64_t when;
	size_t i;

	describe(r, text);
	if (volume == NULL || said == NULL || strcmp(said, text) != 0)
		return OTHERS;
	for (i = 0; i < r->n_volumes && i < SNAPSHOTS_MAX; i++) {
		if (strcmp(r->volumes[i], volume) == 0)
			break;
	}
	if (i == r->n_volumes || i == SNAPSHOTS_MAX)
		return OTHERS;
	return start != NULL &&
	       cart_clock_parse(start, strlen(start), &when) == 0 &&
	       when >= sent_utc_ns - CLOCK_SLACK_NS ? OURS : DOUBTFUL;
}

/* Takes those that are ours. */
static void take_ours(struct snapshot_run *r, const struct cart_json *view,
		      int64_t sent_utc_ns)
{
	const struct cart_json *s;
	const char *id, *volume;
	enum whose w;
	size_t i;

	r->n = r->n_others = r->n_doubtful = 0;
	s = cart_json_first(cart_json_get(view, "Snapshots"));
	for (; s != NULL; s = cart_json_next(s)) {
		w = whose(r, s, sent_utc_ns);
		id = cart_json_get_string(s, "SnapshotId");
		volume = cart_json_get_string(s, "VolumeId");
		r->n_others += w == OTHERS;
		r->n_doubtful += w == DOUBTFUL;
		if (w != OURS || id == NULL || strlen(id) >= ID_SIZE)
			continue;
		for (i = 0; i < r->n && strcmp(r->of[i], volume) != 0; i++)
			;
		if (i < r->n || r->n == SNAPSHOTS_MAX) {
			r->twice = true;	/* two of one volume */
			continue;
		}
		snprintf(r->of[r->n], ID_SIZE, "%.31s", volume);
		snprintf(r->ids[r->n++], ID_SIZE, "%s", id);
	}
}

/* Snapshots that carry our change tag, and are ours. */
static int look_up(struct snapshot_run *r, int64_t sent_utc_ns,
		   struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_json *filters, *f;
	struct cart_step_reply reply;
	int rc;

	cart_json_add(input, "OwnerIds", one_string_list("self"));
	filters = cart_json_add(input, "Filters", cart_json_new_array());
	f = cart_json_append(filters, cart_json_new_object());
	cart_json_add(f, "Name", cart_json_new_string("tag:" TAG_CHANGE));
	cart_json_add(f, "Values", one_string_list(r->uuid));
	rc = call(r, "DescribeSnapshots", input, false, &reply, err);
	if (rc == 0)
		take_ours(r, reply.aws.view, sent_utc_ns);
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

static int change(struct snapshot_run *r, const char *event, const char *detail,
		  struct cart_err *err)
{
	const char *made[SNAPSHOTS_MAX + 1];
	size_t i;

	for (i = 0; i < r->n; i++)
		made[i] = r->ids[i];
	made[r->n] = NULL;
	return r->c->ops->change(r->c, r->uuid, event, "ec2:CreateSnapshots",
				 r->n > 0 ? made : NULL, detail, err);
}

/* Which snapshots are ours cannot be told: none is taken for it, and none is
 * asked for again. */
static int ambiguous(struct snapshot_run *r, struct cart_err *err)
{
	const char *text = r->twice ? "more than one snapshot of a volume "
		"carries the tag and the marks of this request" :
		"a snapshot carries the tag and the marks of this request, and "
		"is older than it";

	r->n = 0;
	r->unclear = true;
	cart_step_gap(r->c, "which snapshots are ours", "ambiguous", text);
	return cart_err_set(err, CART_ERR_INPUT, 0, "%s: look at the account "
			    "for " TAG_CHANGE "=%s", text, r->uuid);
}

/* Did the call that may have been sent at sent_utc_ns make snapshots?
 * 1: all are found (adopted); 0: none after they would be visible; -1. */
static int adopt(struct snapshot_run *r, int64_t sent_utc_ns,
		 struct cart_err *err)
{
	unsigned pause = 1000;
	char detail[128];
	int64_t waited_ms;
	size_t others = 0;

	for (;;) {
		if (look_up(r, sent_utc_ns, err) < 0)
			return -1;
		if (r->twice)
			return ambiguous(r, err);
		if (r->n_others > others)
			r->c->ops->tell(r->c, "a snapshot carries the tag of "
					"our request and was not made by it: "
					"it is left out");
		others = r->n_others > others ? r->n_others : others;
		waited_ms = (r->c->ops->now_ns(r->c) - sent_utc_ns) / 1000000;
		if (waited_ms > VISIBLE_AFTER_MS && r->n < r->n_volumes &&
		    r->n_doubtful > 0)
			return ambiguous(r, err);
		if (r->n >= r->n_volumes ||
		    (waited_ms > VISIBLE_AFTER_MS && r->n > 0)) {
			snprintf(detail, sizeof(detail), "%zu snapshots found "
				 "by their tag, %zu volumes", r->n, r->n_volumes);
			return change(r, "adopted", detail, err) < 0 ? -1 : 1;
		}
		if (waited_ms > VISIBLE_AFTER_MS)
			return 0;
		r->c->ops->progress(r->c, "looking for snapshots that were "
				    "asked for before", 0, 0, "");
		if (r->c->ops->sleep(r->c, pause, err) < 0)
			return -1;
		pause = pause < 4000 ? pause * 2 : 5000;
	}
}

/* ---- asking -------------------------------------------------------------- */

static void add_tag(struct cart_json *tags, const char *key, const char *value)
{
	struct cart_json *t = cart_json_append(tags, cart_json_new_object());

	cart_json_add(t, "Key", cart_json_new_string(key));
	cart_json_add(t, "Value", cart_json_new_string(value));
}

static struct cart_json *make_input(const struct snapshot_run *r)
{
	struct cart_json *input = cart_json_new_object(), *j, *tags;
	const struct cart_json *with = r->c->with, *t;
	char text[192];

	describe(r, text);
	cart_json_add(input, "Description", cart_json_new_string(text));
	j = cart_json_add(input, "InstanceSpecification",
			  cart_json_new_object());
	cart_json_add(j, "InstanceId", cart_json_new_string(r->instance_id));
	cart_json_add(j, "ExcludeBootVolume", cart_json_new_bool(false));
	cart_json_add(input, "CopyTagsFromSource",
		      cart_json_new_string("volume"));
	j = cart_json_append(cart_json_add(input, "TagSpecifications",
					   cart_json_new_array()),
			     cart_json_new_object());
	cart_json_add(j, "ResourceType", cart_json_new_string("snapshot"));
	tags = cart_json_add(j, "Tags", cart_json_new_array());
	if (r->uuid[0] != '\0')
		add_tag(tags, TAG_CHANGE, r->uuid);
	add_tag(tags, "crashcart:case", r->c->case_id);
	add_tag(tags, "crashcart:bundle", r->c->bundle_uuid);
	t = cart_json_first(cart_json_get(with, "tags"));
	for (; t != NULL; t = cart_json_next(t)) {
		if (cart_json_string(t) != NULL)
			add_tag(tags, cart_json_key(t), cart_json_string(t));
	}
	return input;
}

static int send(struct snapshot_run *r, struct cart_err *err)
{
	struct cart_json *input = make_input(r);
	struct cart_step_call create = { 0 };
	struct cart_step_reply reply;
	int64_t sent = r->c->ops->now_ns(r->c);
	int rc;

	create.call.service = "ec2";
	create.call.operation = "CreateSnapshots";
	create.call.input = input;
	create.call.may_change = r->c->may_change;
	create.call.once = true;
	rc = r->c->ops->call(r->c, &create, &reply, err);
	if (rc == 0) {
		take_ids(r, reply.aws.view);
		rc = change(r, "result", "accepted", err);
	} else if (!reply.aws.sent || (reply.aws.status >= 400 &&
				       reply.aws.status < 500)) {
		/* AWS said no, or never heard of it: nothing was made */
		change(r, "result", err->text, NULL);
	} else {
		/* no answer, or a server error: it may have been done */
		struct cart_err look = { 0 };
		int found = adopt(r, sent, &look);

		if (found == 0)
			change(r, "result", "no snapshot carries the tag of "
			       "this request two minutes later: none was made",
			       NULL);
		else if (found < 0)
			change(r, "unknown", look.text, NULL);
		rc = found > 0 ? 0 : -1;
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

/* Intent, adoption of what an interrupted run asked for, else the call. */
static int make(struct snapshot_run *r, struct cart_err *err)
{
	unsigned attempt;

	for (attempt = 1; attempt <= 5; attempt++) {
		struct cart_json *input;
		bool earlier = false;
		int64_t when = 0;
		int rc;

		r->uuid[0] = '\0';
		input = make_input(r);
		rc = r->c->ops->intent(r->c, "ec2:CreateSnapshots", input,
				       attempt, r->uuid, &earlier, &when, err);
		cart_json_free(input);
		if (rc < 0)
			return -1;
		if (!earlier)
			return send(r, err);
		rc = adopt(r, when, err);
		if (rc < 0 && r->unclear && change(r, "unknown", err != NULL ?
						   err->text : "", NULL) < 0)
			return -1;
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		if (change(r, "result", "the interrupted request made nothing",
			   err) < 0)
			return -1;
	}
	return cart_err_set(err, CART_ERR_LIMIT, 0,
			    "interrupted five times before the request was made");
}

/* ---- waiting ------------------------------------------------------------- */

struct progress {
	size_t done, failed, seen;
	unsigned percent;		/* sum over snapshots */
};

static void read_progress(const struct cart_json *view,
			  struct progress *p)
{
	const struct cart_json *s;
	const char *state, *percent;
	uint64_t value;
	size_t len;

	memset(p, 0, sizeof(*p));
	s = cart_json_first(cart_json_get(view, "Snapshots"));
	for (; s != NULL; s = cart_json_next(s)) {
		state = cart_json_get_string(s, "State");
		percent = cart_json_get_string(s, "Progress");
		p->seen++;
		if (state != NULL && strcmp(state, "completed") == 0)
			p->done++;
		else if (state != NULL && strcmp(state, "error") == 0)
			p->failed++;
		len = percent != NULL ? strcspn(percent, "%") : 0;
		if (len > 0 && cart_text_u64(percent, len, 100, &value) == 0)
			p->percent += (unsigned)value;
	}
}

static struct cart_json *ids_json(const struct snapshot_run *r)
{
	struct cart_json *a = cart_json_new_array();
	size_t i;

	for (i = 0; i < r->n; i++)
		cart_json_append(a, cart_json_new_string(r->ids[i]));
	return a;
}

/* One look at our snapshots; final: keep the reply as an exhibit. */
static int poll_once(struct snapshot_run *r, bool final, struct progress *p,
		     struct cart_err *err)
{
	struct cart_json *input = cart_json_new_object();
	struct cart_step_reply reply;
	int rc;

	cart_json_add(input, "SnapshotIds", ids_json(r));
	rc = call(r, "DescribeSnapshots", input, final, &reply, err);
	if (rc == 0) {
		read_progress(reply.aws.view, p);
		if (final)
			rc = r->c->ops->keep(r->c, reply.aws.view, err);
	} else if (strcmp(reply.aws.error_code, "InvalidSnapshot.NotFound") == 0) {
		memset(p, 0, sizeof(*p));	/* not visible yet */
		cart_err_clear(err);
		rc = 0;
	}
	cart_step_reply_clear(&reply);
	cart_json_free(input);
	return rc;
}

static void gap_unfinished(struct snapshot_run *r, const struct progress *p,
			   const char *reason)
{
	char what[96], detail[192];

	snprintf(what, sizeof(what), "%zu of %zu snapshots of %s",
		 r->n - p->done, r->n, r->instance_id);
	snprintf(detail, sizeof(detail), "%s: %zu failed, the others are at "
		 "%u%% together; they go on at AWS and carry the tag "
		 TAG_CHANGE "=%s", reason, p->failed,
		 p->seen > 0 ? p->percent / (unsigned)p->seen : 0, r->uuid);
	cart_step_gap(r->c, what, p->failed > 0 ? "failed" : "timeout", detail);
}

static int wait_all(struct snapshot_run *r, struct cart_err *err)
{
	uint64_t every, limit;
	int64_t begin = cart_clock_mono_ns();
	unsigned pause = 2000;		/* small volumes are done in seconds */
	struct progress p;
	int rc;

	if (cart_step_duration(r->c, "every", 15000, &every, err) < 0 ||
	    cart_step_duration(r->c, "timeout", 6 * 3600 * 1000, &limit,
			       err) < 0)
		return -1;
	if (every < 500)
		every = 500;
	for (;;) {
		rc = poll_once(r, false, &p, err);
		if (rc < 0)
			break;
		if (p.done + p.failed >= r->n)
			break;
		r->c->ops->progress(r->c, "snapshots", p.percent,
				    r->n * 100, "%");
		if ((uint64_t)(cart_clock_mono_ns() - begin) / 1000000 > limit) {
			rc = poll_once(r, true, &p, err);
			gap_unfinished(r, &p, "the time that the manifest "
				       "gives is over");
			return rc;
		}
		if (pause > every)
			pause = (unsigned)every;
		rc = r->c->ops->sleep(r->c, pause, err);
		if (rc < 0)
			break;
		pause *= 2;
	}
	if (rc < 0) {
		gap_unfinished(r, &p, err->text);
		return -1;
	}
	rc = poll_once(r, true, &p, err);
	if (rc == 0 && p.done < r->n)
		gap_unfinished(r, &p, "AWS reports the state error");
	return rc;
}

static int run(struct cart_step_ctx *c, struct cart_err *err)
{
	struct snapshot_run *r = calloc(1, sizeof(*r));
	struct cart_json *ids;
	int rc = -1;

	if (r == NULL)
		return cart_err_nomem(err);
	r->c = c;
	r->instance_id = cart_json_get_string(c->with, "instance_id");
	if (count_volumes(r, err) < 0 || name_instance_store(r, err) < 0 ||
	    make(r, err) < 0)
		goto out;
	if (r->n < r->n_volumes) {
		char what[96];

		snprintf(what, sizeof(what), "snapshots of %zu of %zu volumes",
			 r->n_volumes - r->n, r->n_volumes);
		cart_step_gap(c, what, "absent", "the reply names fewer "
			      "snapshots than the instance has EBS volumes");
	}
	ids = ids_json(r);
	rc = c->ops->keep_value(c, "snapshots", ids, err);
	cart_json_free(ids);
	if (rc == 0)
		rc = wait_all(r, err);
out:
	free(r);
	return rc;
}

static void plan(const struct cart_json *with,
		 void (*emit)(void *arg, const char *call, bool changes,
			      const char *note), void *arg)
{
	(void)with;
	emit(arg, "ec2:DescribeInstances", false, "its volumes");
	emit(arg, "ec2:DescribeInstanceTypes", false,
	     "whether it has instance-store volumes");
	emit(arg, "ec2:CreateSnapshots", true,
	     "all EBS volumes at one moment, tagged with the change's UUID");
	emit(arg, "ec2:DescribeSnapshots", false, "until each is completed");
}

static const struct cart_param params[] = {
	{ "instance_id", CART_PARAM_STRING, true, NULL, "The instance." },
	{ "tags", CART_PARAM_OBJECT, false, "{}",
	  "Further tags for the snapshots, name to text." },
	{ "every", CART_PARAM_DURATION, false, "15s",
	  "How often to look whether they are completed (sooner at first)." },
	{ "timeout", CART_PARAM_DURATION, false, "6h",
	  "How long to wait; then what is not completed is a gap." },
	{ NULL, CART_PARAM_ANY, false, NULL, NULL }
};

static const char *const keeps[] = { "snapshots", NULL };

const struct cart_step_type cart_step_ec2_snapshot = {
	.name = "ec2.snapshot",
	.summary = "Snapshot all EBS volumes of an instance at one moment.",
	.where = CART_STEP_AWS,
	.regional = true,
	.changes = "evidence",
	.params = params,
	.keeps = keeps,
	.plan = plan,
	.run = run,
};
