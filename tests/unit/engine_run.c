/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "unit/support/fake_run.h"

#define STEPS(s) "{ \"crashcart\": 1, \"name\": \"m\", \"steps\": [\n" s "\n] }"
#define ACCOUNT "@111122223333/"

/* The order in which steps' run() was entered, for those that call the hook. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char entered[4096];
static int inside, most_inside;

static int note_entry(struct cart_step_ctx *c, struct cart_err *err)
{
	size_t n;

	(void)err;
	pthread_mutex_lock(&lock);
	n = strlen(entered);
	snprintf(entered + n, sizeof(entered) - n, "%s ", c->step);
	if (++inside > most_inside)
		most_inside = inside;
	pthread_mutex_unlock(&lock);
	c->ops->sleep(c, 5, NULL);
	pthread_mutex_lock(&lock);
	inside--;
	pthread_mutex_unlock(&lock);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	fake_hook = NULL;
	entered[0] = '\0';
	inside = most_inside = 0;
	return 0;
}

static void outcome_is(const struct fake_run *f, const char *instance,
		       const char *expect)
{
	if (strcmp(fake_outcome(f, instance), expect))
		fail_msg("%s ended \"%s\", not \"%s\"", instance,
			 fake_outcome(f, instance), expect);
}

/* ---- values ------------------------------------------------------------- */

static const char *users(const struct cart_aws_call *call, struct cart_err *err)
{
	(void)err;
	if (!strcmp(call->operation, "GetUsers"))
		return "{\"Users\":[{\"Name\":\"ann\"},{\"Name\":\"bob\"},"
		       "{\"Name\":null},{\"Name\":\"ann\"}],\"Owner\":\"ann\"}";
	return "{\"Ok\":true}";
}

static void test_keep_and_for_each(void **state)
{
	struct fake_run f = { .aws = users };
	const struct cart_json *call;

	(void)state;
	fake_run(&f, STEPS(
	"{ \"id\": \"users\", \"do\": \"aws.call\", \"with\": { \"call\": "
	"\"glob:GetUsers\" }, \"keep\": { \"names\": \".Users[].Name\", \"owner\": "
	"\".Owner\" } },"
	"{ \"id\": \"each\", \"do\": \"aws.call\", \"for_each\": \"${users.names}\","
	"\"with\": { \"call\": \"glob:GetUser\", \"input\": { \"UserName\": "
	"\"${item}\", \"Text\": \"u=${item} of ${users.owner} $${x}\" } } }"));
	assert_int_equal(f.rc, 0);
	assert_string_equal(f.state, "complete");
	outcome_is(&f, "users" ACCOUNT "global#1", "ok");
	/* duplicates and nulls are dropped */
	outcome_is(&f, "each" ACCOUNT "global#1", "ok");
	outcome_is(&f, "each" ACCOUNT "global#2", "ok");
	assert_string_equal(fake_outcome(&f, "each" ACCOUNT "global#3"), "");
	/* identity, users, two users */
	assert_int_equal(fake_count(&f, "call", NULL, NULL), 4);
	assert_int_equal(f.result.instances, 3);
	assert_int_equal(f.result.ok, 3);
	call = fake_line(&f, "call", "operation", "GetUser", 0);
	assert_string_equal(cart_json_get_string(call, "request_id"),
			    "fake-request");
	assert_string_equal(cart_json_get_string(call, "account"),
			    "111122223333");
	/* raw and view for each call; the input is in the origin */
	assert_int_equal(fake_count(&f, "exhibit", NULL, NULL), 8);
	call = fake_line(&f, "exhibit", "instance", "each" ACCOUNT "global#1", 0);
	call = cart_json_get(cart_json_get(call, "origin"), "input");
	assert_string_equal(cart_json_get_string(call, "Text"), "u=ann of ann ${x}");
	fake_run_clear(&f);
}

static void test_no_value_and_ambiguous(void **state)
{
	struct fake_run f = { .aws = users };
	const struct cart_json *gap;

	(void)state;
	fake_run(&f, STEPS(
	"{ \"id\": \"users\", \"do\": \"aws.call\", \"with\": { \"call\": "
	"\"svc:GetUsers\" }, \"keep\": { \"names\": \".Users[].Name\", "
	"\"none\": \".Nothing[]?\" } },"
	"{ \"id\": \"none\", \"do\": \"fake.keep\", \"with\": { \"text\": "
	"\"${users.none}\" } },"
	"{ \"id\": \"many\", \"do\": \"fake.keep\", \"with\": { \"text\": "
	"\"x ${users.names}\" } },"
	"{ \"id\": \"chain\", \"do\": \"fake.keep\", \"with\": { \"text\": "
	"\"${many.ids}\" } },"
	"{ \"id\": \"empty\", \"do\": \"fake.keep\", \"for_each\": \"${users.none}\" },"
	"{ \"id\": \"when\", \"do\": \"fake.keep\", \"when\": \"${users.none}\" },"
	"{ \"id\": \"quiet\", \"do\": \"fake.keep\", \"with\": { \"text\": "
	"\"${when.ids}\" } }"));
	assert_int_equal(f.rc, 0);
	assert_string_equal(f.state, "gaps");
	outcome_is(&f, "none" ACCOUNT "us-east-1#1", "skipped no-value");
	outcome_is(&f, "many" ACCOUNT "us-east-1#1", "skipped ambiguous");
	outcome_is(&f, "chain" ACCOUNT "us-east-1#1", "skipped no-value partial");
	outcome_is(&f, "empty" ACCOUNT "global#0", "skipped no-items");
	outcome_is(&f, "when" ACCOUNT "us-east-1#1", "skipped when");
	outcome_is(&f, "quiet" ACCOUNT "us-east-1#1", "skipped no-value");
	assert_int_equal(fake_count(&f, "gap", NULL, NULL), 3);
	assert_int_equal(fake_count(&f, "gap", "step", "quiet"), 0);
	gap = fake_line(&f, "gap", "step", "many", 0);
	assert_string_equal(cart_json_get_string(gap, "reason"), "ambiguous");
	assert_non_null(strstr(cart_json_get_string(gap, "detail"),
			       "${users.names}"));
	fake_run_clear(&f);
}

static int check_types(struct cart_step_ctx *c, struct cart_err *err)
{
	const struct cart_json *w = c->with;
	int64_t n = 0;

	if (strcmp(c->step, "use"))
		return 0;
	if (cart_json_i64(cart_json_get(w, "count"), &n) < 0 || n != 7 ||
	    !cart_json_bool(cart_json_get(w, "flag")) ||
	    cart_json_size(cart_json_get(w, "names")) != 2 ||
	    strcmp(cart_json_get_string(w, "text"), "7 true T us-east-1 111122223333"))
		return cart_err_set(err, CART_ERR_INPUT, 0, "wrong types");
	return 0;
}

static void test_types_are_kept(void **state)
{
	struct fake_run f = { .aws = NULL };

	(void)state;
	fake_hook = check_types;
	fake_run(&f, "{ \"crashcart\": 1, \"name\": \"m\", \"params\": { \"l\": { \"type\": "
	"\"list\", \"default\": [\"a\", \"b\"] } }, \"steps\": ["
	"{ \"id\": \"make\", \"do\": \"fake.keep\", \"with\": { \"ids\": "
	"{ \"n\": 7, \"b\": true } } },"
	"{ \"id\": \"use\", \"do\": \"fake.keep\", \"for_each\": \"${make.ids}\", "
	"\"with\": { \"count\": \"${item.n}\", \"flag\": \"${item.b}\", \"names\": "
	"\"${params.l}\", \"text\": \"${item.n} ${item.b} ${run.case} ${run.region} "
	"${run.account}\" } },"
	"{ \"id\": \"bad\", \"do\": \"fake.keep\", \"for_each\": \"${make.ids}\", "
	"\"with\": { \"count\": \"${item.b}\" } },"
	"{ \"id\": \"object\", \"do\": \"fake.keep\", \"with\": { \"text\": "
	"\"x${make.ids}\" } } ] }");
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "use" ACCOUNT "us-east-1#1", "ok");
	outcome_is(&f, "bad" ACCOUNT "us-east-1#1", "failed");
	outcome_is(&f, "object" ACCOUNT "us-east-1#1", "failed");
	fake_run_clear(&f);
}

static int keep_many(struct cart_step_ctx *c, struct cart_err *err)
{
	struct cart_json *v;
	char *big;
	int i, rc = 0;

	if (strcmp(c->step, "many"))
		return 0;
	big = malloc(70000);
	memset(big, 'x', 70000);
	v = cart_json_new_string_n(big, 69999);
	free(big);
	rc = c->ops->keep_value(c, "ids", v, err);
	cart_json_free(v);
	for (i = 0; i < 100010 && rc == 0; i++) {
		v = cart_json_new_int(i);
		rc = c->ops->keep_value(c, "ids", v, err);
		cart_json_free(v);
	}
	return rc;
}

static void test_bounds_of_keep(void **state)
{
	struct fake_run f = { .aws = NULL };
	const struct cart_json *end;

	(void)state;
	fake_hook = keep_many;
	fake_run(&f, STEPS("{ \"id\": \"many\", \"do\": \"fake.keep\" },"
			   "{ \"id\": \"each\", \"do\": \"fake.keep\", "
			   "\"for_each\": \"${many.ids}\" }"));
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "many" ACCOUNT "us-east-1#1", "partial");
	assert_int_equal(fake_count(&f, "gap", "step", "many"), 1);
	/* 600 KiB of values are not in the log */
	end = fake_line(&f, "instance", "id", "many" ACCOUNT "us-east-1#1", 1);
	assert_null(cart_json_get(end, "keep"));
	/* more than 10,000 instances are an error */
	outcome_is(&f, "each" ACCOUNT "global#0", "failed partial");
	assert_string_equal(cart_json_get_string(
		fake_line(&f, "gap", "step", "each", 0), "reason"), "limit");
	fake_run_clear(&f);
}

/* ---- places ------------------------------------------------------------- */

static void test_regions(void **state)
{
	struct fake_run f = { .aws = NULL };

	(void)state;
	fake_run(&f, STEPS(
	"{ \"id\": \"all\", \"do\": \"fake.keep\", \"regions\": \"all\", "
	"\"with\": { \"ids\": [\"x\", \"y\"] } },"
	"{ \"id\": \"two\", \"do\": \"fake.keep\", \"regions\": [\"us-west-2\", "
	"\"eu-west-1\", \"us-west-2\"] },"
	"{ \"id\": \"here\", \"do\": \"fake.keep\" },"
	"{ \"id\": \"inherit\", \"do\": \"fake.keep\", \"for_each\": \"${all.ids}\" },"
	"{ \"id\": \"own\", \"do\": \"fake.keep\", \"for_each\": \"${all.ids}\", "
	"\"regions\": [\"us-west-2\"] },"
	"{ \"id\": \"world\", \"do\": \"aws.call\", \"for_each\": \"${all.ids}\", "
	"\"with\": { \"call\": \"glob:GetX\" } }"));
	assert_int_equal(f.rc, 0);
	assert_string_equal(f.state, "complete");
	outcome_is(&f, "all" ACCOUNT "eu-west-1#1", "ok");
	outcome_is(&f, "all" ACCOUNT "us-west-2#1", "ok");
	assert_int_equal(fake_count(&f, "instance", "step", "two"), 4);
	outcome_is(&f, "here" ACCOUNT "us-east-1#1", "ok");
	/* x and y in each of three regions */
	assert_int_equal(fake_count(&f, "instance", "step", "inherit"), 12);
	outcome_is(&f, "inherit" ACCOUNT "us-west-2#2", "ok");
	assert_int_equal(fake_count(&f, "instance", "step", "own"), 4);
	assert_int_equal(fake_count(&f, "instance", "step", "world"), 4);
	assert_int_equal(fake_count(&f, "call", "operation", "DescribeRegions"), 1);
	fake_run_clear(&f);
}

static void test_regions_unknown(void **state)
{
	struct fake_run f = { .no_regions = true };

	(void)state;
	fake_run(&f, STEPS("{ \"id\": \"all\", \"do\": \"fake.keep\", \"regions\": \"all\" }"));
	assert_int_equal(f.rc, 0);
	assert_string_equal(f.state, "gaps");
	outcome_is(&f, "all" ACCOUNT "us-east-1#1", "ok partial");
	assert_int_equal(fake_count(&f, "gap", "reason", "denied"), 1);
	assert_string_equal(cart_json_get_string(cart_json_get(fake_line(&f,
		"call", "operation", "DescribeRegions", 0), "error"), "code"),
		"AccessDenied");
	fake_run_clear(&f);
}

static void test_no_identity(void **state)
{
	struct fake_run f = { .no_identity = true };

	(void)state;
	fake_run(&f, STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\" },"
			   "{ \"id\": \"b\", \"do\": \"fake.keep\", \"with\": "
			   "{ \"text\": \"${run.account}\" } }"));
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "a@-/us-east-1#1", "ok");
	outcome_is(&f, "b@-/us-east-1#1", "skipped no-value");
	assert_int_equal(fake_count(&f, "gap", NULL, NULL), 2);
	fake_run_clear(&f);
}

static void test_expect_account(void **state)
{
	struct fake_run f = { .expect_account = "999999999999" };

	(void)state;
	fake_hook = note_entry;
	fake_run(&f, STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\" },"
			   "{ \"id\": \"h\", \"do\": \"host.mem\" }"));
	assert_int_equal(f.rc, -1);
	assert_int_equal(f.err.class, CART_ERR_USAGE);
	assert_non_null(strstr(f.err.text, "111122223333"));
	assert_string_equal(entered, "");
	fake_run_clear(&f);
	f.expect_account = "111122223333";
	cart_err_clear(&f.err);
	fake_run(&f, STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\" }"));
	assert_int_equal(f.rc, 0);
	assert_int_equal(fake_count(&f, "call", NULL, NULL), 1);
	fake_run_clear(&f);
}

static void test_accounts(void **state)
{
	struct fake_run f = { .aws = NULL };
	const struct cart_json *gap;

	(void)state;
	fake_run(&f, "{ \"crashcart\": 1, \"name\": \"m\", \"role\": \"R\", \"steps\": ["
	"{ \"id\": \"a\", \"do\": \"fake.keep\", \"accounts\": [\"111122223333\", "
	"\"444455556666\", \"999999999999\"], \"with\": { \"ids\": [\"x\"] } },"
	"{ \"id\": \"b\", \"do\": \"fake.keep\", \"for_each\": \"${a.ids}\" } ] }");
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "a" ACCOUNT "us-east-1#1", "ok");
	outcome_is(&f, "a@444455556666/us-east-1#1", "ok");
	outcome_is(&f, "a@999999999999/us-east-1#1", "denied");
	outcome_is(&f, "b@444455556666/us-east-1#1", "ok partial");
	gap = fake_line(&f, "gap", "step", "a", 0);
	assert_non_null(strstr(cart_json_get_string(gap, "detail"),
			       "arn:aws:iam::999999999999:role/R"));
	fake_run_clear(&f);
}

/* ---- order and concurrency ---------------------------------------------- */

static void test_host_steps_by_volatility(void **state)
{
	struct fake_run f = { .aws = NULL };

	(void)state;
	fake_hook = note_entry;
	fake_run(&f, STEPS("{ \"id\": \"d1\", \"do\": \"host.disk\" },"
			   "{ \"id\": \"m1\", \"do\": \"host.mem\" },"
			   "{ \"id\": \"d2\", \"do\": \"host.disk\" },"
			   "{ \"id\": \"m2\", \"do\": \"host.mem\" }"));
	assert_string_equal(entered, "m1 m2 d1 d2 ");
	assert_int_equal(most_inside, 1);
	/* no AWS step: nobody asked who we are */
	assert_int_equal(fake_count(&f, "call", NULL, NULL), 0);
	outcome_is(&f, "d1@-/global#1", "ok");
	fake_run_clear(&f);
}

static void test_reads_run_in_parallel(void **state)
{
	struct fake_run f = { .threads = 8 };

	(void)state;
	fake_hook = note_entry;
	fake_run(&f, STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"for_each\": "
			   "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16] }"));
	assert_int_equal(f.result.ok, 16);
	assert_true(most_inside > 1);
	assert_true(most_inside <= 8);
	fake_run_clear(&f);
}

static void test_changes_in_order(void **state)
{
	struct fake_run f = { .allow = 3 };

	(void)state;
	fake_hook = note_entry;
	fake_run(&f, STEPS(
	"{ \"id\": \"contain\", \"do\": \"aws.call\", \"changes\": \"containment\", "
	"\"for_each\": [1,2], \"with\": { \"call\": \"svc:PutX\" } },"
	"{ \"id\": \"snap\", \"do\": \"fake.evidence\", \"changes\": \"evidence\" },"
	"{ \"id\": \"read\", \"do\": \"fake.keep\" },"
	"{ \"id\": \"late\", \"do\": \"fake.evidence\", \"changes\": \"evidence\" }"));
	assert_int_equal(f.rc, 0);
	assert_string_equal(f.state, "complete");
	assert_non_null(strstr(entered, "snap "));
	assert_true(strstr(entered, "snap") < strstr(entered, "late"));
	assert_string_equal(strstr(entered, "contain"), "contain contain ");
	/* an intent before, a result after, each with its UUID */
	assert_int_equal(fake_count(&f, "change", "event", "intent"), 4);
	assert_int_equal(fake_count(&f, "change", "event", "result"), 4);
	assert_int_equal(fake_count(&f, "change", "class", "containment"), 4);
	assert_string_equal(
		cart_json_get_string(fake_line(&f, "change", "step", "snap", 0),
				     "uuid"),
		cart_json_get_string(fake_line(&f, "change", "step", "snap", 1),
				     "uuid"));
	fake_run_clear(&f);
}

static int gap_in_read(struct cart_step_ctx *c, struct cart_err *err)
{
	struct cart_gap g = {
		.what = "half of it", .reason = "truncated", .detail = "\xff bytes",
		.path = "/x/\xfe", .path_len = 4, .offset = 3, .length = 4,
		.count = -1
	};

	(void)err;
	if (!strcmp(c->step, "read"))
		c->ops->gap(c, &g);
	c->ops->note(c, "a note");
	return 0;
}

/* A change that may be left out: without its --allow all else runs. */
static void test_if_allowed(void **state)
{
	static const char steps[] = STEPS(
	"{ \"id\": \"read\", \"do\": \"fake.keep\" },"
	"{ \"id\": \"put\", \"do\": \"aws.call\", \"changes\": \"containment\", "
	"\"if_allowed\": true, \"with\": { \"call\": \"svc:PutX\" } }");
	struct fake_run f = { 0 };

	(void)state;
	fake_run(&f, steps);
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "read" ACCOUNT "us-east-1#1", "ok");
	outcome_is(&f, "put" ACCOUNT "global#0", "skipped not-allowed");
	assert_int_equal(fake_count(&f, "change", "step", "put"), 0);
	assert_int_equal(fake_count(&f, "gap", "step", "put"), 0);
	assert_non_null(strstr(cart_json_get_string(
		fake_line(&f, "note", "step", "put", 0), "text"),
		"--allow containment"));
	fake_run_clear(&f);
	f = (struct fake_run){ .allow = 2 };
	fake_run(&f, steps);
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "put" ACCOUNT "us-east-1#1", "ok");
	assert_int_equal(fake_count(&f, "change", "step", "put"), 2);
	fake_run_clear(&f);
}

static void test_containment_and_gaps(void **state)
{
	struct fake_run f = { .allow = 2 };
	const struct cart_json *gap;

	(void)state;
	fake_hook = gap_in_read;
	fake_run(&f, STEPS(
	"{ \"id\": \"read\", \"do\": \"fake.keep\" },"
	"{ \"id\": \"no\", \"do\": \"aws.call\", \"changes\": \"containment\", "
	"\"with\": { \"call\": \"svc:PutX\" } },"
	"{ \"id\": \"yes\", \"do\": \"aws.call\", \"changes\": \"containment\", "
	"\"despite_gaps\": true, \"with\": { \"call\": \"svc:PutX\" } }"));
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "read" ACCOUNT "us-east-1#1", "partial");
	outcome_is(&f, "no" ACCOUNT "global#0", "skipped gaps");
	outcome_is(&f, "yes" ACCOUNT "us-east-1#1", "ok");
	assert_int_equal(fake_count(&f, "change", "step", "no"), 0);
	assert_int_equal(fake_count(&f, "change", "step", "yes"), 2);
	gap = fake_line(&f, "gap", "step", "read", 0);
	assert_string_equal(cart_json_get_string(gap, "path_b64"), "L3gv/g==");
	assert_non_null(strstr(cart_json_get_string(
		fake_line(&f, "note", "step", "yes", 0), "text"), "despite_gaps"));
	fake_run_clear(&f);
}

/* ---- outcomes ----------------------------------------------------------- */

static const char *by_operation(const struct cart_aws_call *call,
				struct cart_err *err)
{
	static const struct {
		const char *operation;
		enum cart_err_class class;
	} rows[] = {
		{ "GetDenied", CART_ERR_DENIED },
		{ "GetThrottled", CART_ERR_THROTTLED },
		{ "GetTimeout", CART_ERR_TIMEOUT },
		{ "GetNet", CART_ERR_NET },
	};
	size_t i;

	for (i = 0; i < 4; i++) {
		if (!strcmp(rows[i].operation, call->operation)) {
			cart_err_set(err, rows[i].class, 0, "SomeCode: no");
			return NULL;
		}
	}
	return "{\"A\":[1,2]}";
}

#define ONE(id, op, more) "{ \"id\": \"" id "\", \"do\": \"aws.call\", \"with\": " \
	"{ \"call\": \"svc:" op "\" }" more " }"

static void test_outcomes(void **state)
{
	struct fake_run f = { .aws = by_operation };
	const struct cart_json *gap, *call;

	(void)state;
	fake_run(&f, STEPS(ONE("denied", "GetDenied", "") ","
			   ONE("throttled", "GetThrottled", "") ","
			   ONE("late", "GetTimeout", "") ","
			   ONE("net", "GetNet", "") ","
			   ONE("filter", "GetX", ", \"keep\": { \"a\": \".A[].b\", "
			       "\"n\": \".A[]\" }") ","
			   "{ \"id\": \"use\", \"do\": \"fake.keep\", \"for_each\": "
			   "\"${filter.n}\" }"));
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "denied" ACCOUNT "us-east-1#1", "denied");
	outcome_is(&f, "throttled" ACCOUNT "us-east-1#1", "throttled");
	outcome_is(&f, "late" ACCOUNT "us-east-1#1", "timeout");
	outcome_is(&f, "net" ACCOUNT "us-east-1#1", "failed");
	outcome_is(&f, "filter" ACCOUNT "us-east-1#1", "failed");
	/* what was kept before the failure stays */
	outcome_is(&f, "use" ACCOUNT "us-east-1#2", "ok partial");
	gap = fake_line(&f, "gap", "step", "denied", 0);
	call = fake_line(&f, "call", "step", "denied", 0);
	assert_string_equal(cart_json_get_string(gap, "call"),
			    cart_json_get_string(call, "id"));
	assert_string_equal(cart_json_get_string(cart_json_get(call, "error"),
						 "code"), "SomeCode");
	assert_string_equal(cart_json_get_string(call, "request_id"),
			    "failed-request");
	assert_int_equal(f.result.failed, 5);
	fake_run_clear(&f);
}

static void test_on_error_stop(void **state)
{
	struct fake_run f = { .aws = by_operation };

	(void)state;
	fake_run(&f, STEPS(ONE("a", "GetDenied", ", \"on_error\": \"stop\"") ","
			   ONE("b", "GetX", ", \"after\": \"a\"")));
	assert_int_equal(f.rc, 0);
	assert_true(f.result.stopped);
	assert_non_null(strstr(f.result.reason, "step a"));
	assert_string_equal(fake_outcome(&f, "b" ACCOUNT "us-east-1#1"), "");
	assert_string_equal(cart_json_get_string(
		fake_line(&f, "gap", "step", "b", 0), "reason"), "interrupted");
	fake_run_clear(&f);
}

static void test_missing_allow(void **state)
{
	struct fake_run f = { .allow = 0 };

	(void)state;
	fake_run(&f, STEPS("{ \"id\": \"a\", \"do\": \"fake.evidence\", "
			   "\"changes\": \"evidence\" }"));
	assert_int_equal(f.rc, -1);
	assert_int_equal(f.err.class, CART_ERR_USAGE);
	assert_int_equal(fake_count(&f, "call", NULL, NULL), 0);
	fake_run_clear(&f);
}

static int sleep_long(struct cart_step_ctx *c, struct cart_err *err)
{
	return c->ops->sleep(c, 60000, err);
}

static void test_timeout(void **state)
{
	struct fake_run f = { .aws = NULL };

	(void)state;
	fake_hook = sleep_long;
	fake_run(&f, STEPS("{ \"id\": \"a\", \"do\": \"host.mem\", \"timeout\": "
			   "\"200ms\" }"));
	outcome_is(&f, "a@-/global#1", "timeout");
	fake_run_clear(&f);
}

/* ---- wait --------------------------------------------------------------- */

static int polls;

static const char *third_time(const struct cart_aws_call *call,
			      struct cart_err *err)
{
	(void)call;
	(void)err;
	return ++polls < 3 ? "{\"State\":\"pending\"}" : "{\"State\":\"done\"}";
}

static void test_wait(void **state)
{
	struct fake_run f = { .aws = third_time };

	(void)state;
	polls = 0;
	fake_run(&f, STEPS(ONE("w", "GetState", ", \"keep\": { \"s\": \".State\" }, "
		"\"wait\": { \"until\": \"select(.State == \\\"done\\\")\", "
		"\"every\": \"10ms\", \"timeout\": \"30s\" }")));
	assert_int_equal(f.rc, 0);
	outcome_is(&f, "w" ACCOUNT "us-east-1#1", "ok");
	assert_int_equal(fake_count(&f, "call", "step", "w"), 3);
	/* first and last, raw and view */
	assert_int_equal(fake_count(&f, "exhibit", "step", "w"), 4);
	assert_non_null(strstr(cart_json_get_string(
		fake_line(&f, "note", "step", "w", 0), "text"), "3 times"));
	fake_run_clear(&f);
	polls = -100;
	fake_run(&f, STEPS(ONE("w", "GetState", ", \"wait\": { \"until\": "
		"\".State == \\\"done\\\"\", \"every\": 1, \"timeout\": \"1s\" }")));
	outcome_is(&f, "w" ACCOUNT "us-east-1#1", "timeout");
	fake_run_clear(&f);
}

/* ---- parallel calls of one step ----------------------------------------- */

static int many_calls(struct cart_step_ctx *c, struct cart_err *err)
{
	struct cart_step_call call = {
		.call = { .service = "svc", .operation = "GetX" }
	};
	struct cart_step_reply reply;
	char seen[50] = { 0 };
	void *tag;
	int i, rc, got = 0;

	if (strcmp(c->step, "many"))
		return 0;
	for (i = 0; i < 50; i++) {
		call.call.operation = i % 10 ? "GetX" : "GetDenied";
		if (c->ops->submit(c, &call, &seen[i], err) < 0)
			return -1;
	}
	while ((i = c->ops->next(c, &reply, &tag, &rc, err)) > 0) {
		*(char *)tag += 1;
		got += rc == 0;
		cart_step_reply_clear(&reply);
	}
	for (i = 0; i < 50; i++) {
		if (seen[i] != 1)
			got = 0;
	}
	/* some that nobody fetches */
	c->ops->submit(c, &call, NULL, err);
	c->ops->submit(c, &call, NULL, err);
	return got == 45 ? 0 : cart_err_set(err, CART_ERR_INTERNAL, 0,
					    "%d good replies", got);
}

static void test_parallel_calls(void **state)
{
	struct fake_run f = { .aws = by_operation };
	unsigned threads;

	(void)state;
	fake_hook = many_calls;
	for (threads = 1; threads <= 16; threads += 5) {
		f.threads = threads;
		fake_run(&f, STEPS("{ \"id\": \"many\", \"do\": \"fake.keep\", "
				   "\"for_each\": [1, 2, 3] }"));
		assert_int_equal(f.rc, 0);
		assert_int_equal(f.result.ok, 3);
		fake_run_clear(&f);
	}
}

/* ---- secrets ------------------------------------------------------------ */

static const char *secret_reply(const struct cart_aws_call *call,
				struct cart_err *err)
{
	(void)err;
	if (!strcmp(call->operation, "GetParameter"))
		return "{\"Parameter\":{\"Name\":\"p\",\"Type\":\"SecureString\","
		       "\"Value\":\"hunter2\"}}";
	return "{\"V\":\"s3cret\"}";
}

static void test_secrets(void **state)
{
	struct fake_run f = { .aws = secret_reply };
	const struct cart_json *line;
	const char *text = STEPS(
	"{ \"id\": \"p\", \"do\": \"aws.call\", \"with\": { \"call\": "
	"\"ssm:GetParameter\" }, \"keep\": { \"v\": \".Parameter.Value\" } },"
	"{ \"id\": \"s\", \"do\": \"aws.call\", \"secrets\": \"allow\", "
	"\"with\": { \"call\": \"svc:GetSecretX\" }, \"keep\": { \"v\": \".V\" } }");
	struct cart_buf all;

	(void)state;
	fake_run(&f, text);
	assert_int_equal(f.rc, 0);
	line = fake_line(&f, "exhibit", "step", "p", 0);
	assert_string_equal(cart_json_get_string(line, "state"), "masked");
	assert_non_null(strstr(cart_json_get_string(line, "note"), "HMAC"));
	assert_int_equal(fake_count(&f, "exhibit", "step", "p"), 1);
	/* its places are not known: all of it is masked */
	line = fake_line(&f, "exhibit", "step", "s", 0);
	assert_string_equal(cart_json_get_string(line, "state"), "masked");
	line = fake_line(&f, "instance", "id", "s" ACCOUNT "us-east-1#1", 1);
	assert_null(cart_json_get(line, "keep"));
	cart_buf_init(&all, 1 << 20);
	cart_json_print(f.lines, 0, &all);
	assert_null(strstr((char *)all.data, "hunter2"));
	assert_null(strstr((char *)all.data, "s3cret"));
	assert_int_equal(f.result.masked, 2);
	cart_buf_clear(&all);
	fake_run_clear(&f);
	f.keep_secrets = true;
	fake_run(&f, text);
	assert_int_equal(fake_count(&f, "exhibit", "step", "p"), 2);
	assert_int_equal(fake_count(&f, "exhibit", "state", "masked"), 0);
	fake_run_clear(&f);
}

/* ---- resume ------------------------------------------------------------- */

/* The lines of a run, without those that n and later steps wrote. */
static struct cart_json *until(const struct cart_json *lines, size_t n)
{
	struct cart_json *out = cart_json_new_array();
	const struct cart_json *l = cart_json_first(lines);

	for (; l && n; l = cart_json_next(l), n--)
		cart_json_append(out, cart_json_copy(l));
	return out;
}

static const char resumable[] = STEPS(
	"{ \"id\": \"users\", \"do\": \"aws.call\", \"with\": { \"call\": "
	"\"svc:GetUsers\" }, \"keep\": { \"names\": \".Users[].Name\" } },"
	"{ \"id\": \"each\", \"do\": \"aws.call\", \"for_each\": \"${users.names}\","
	"\"with\": { \"call\": \"svc:GetUser\", \"input\": { \"U\": \"${item}\" } } },"
	"{ \"id\": \"snap\", \"do\": \"fake.evidence\", \"changes\": \"evidence\", "
	"\"with\": { \"ids\": [\"s-1\"] }, \"after\": \"each\" },"
	"{ \"id\": \"use\", \"do\": \"fake.keep\", \"for_each\": \"${snap.ids}\" }");

static void test_resume(void **state)
{
	struct fake_run whole = { .aws = users, .allow = 1, .threads = 1 };
	struct fake_run f = { .aws = users, .allow = 1, .threads = 1 };
	const struct cart_json *change, *l;
	struct cart_json *part;
	size_t n, lines, ended, calls_before, calls_after;

	(void)state;
	fake_run(&whole, resumable);
	assert_int_equal(whole.rc, 0);
	lines = cart_json_size(whole.lines);
	for (n = 1; n < lines; n++) {
		part = until(whole.lines, n);
		f.earlier = part;
		fake_run(&f, resumable);
		assert_int_equal(f.rc, 0);
		/* every instance that had not ended runs, and no other */
		ended = 0;
		calls_before = calls_after = 0;
		for (l = cart_json_first(part); l; l = cart_json_next(l)) {
			const char *event = cart_json_get_string(l, "event");
			const char *type = cart_json_get_string(l, "type");

			ended += !strcmp(type, "instance") &&
				 !strcmp(event, "end");
			calls_before += !strcmp(type, "call");
		}
		calls_after = fake_count(&f, "instance", "event", "end");
		assert_int_equal(ended + calls_after, 5);
		/* the intent is written once, with one UUID, in all */
		change = fake_line(&f, "change", "event", "intent", 0);
		if (change && calls_before)
			assert_string_equal(cart_json_get_string(change, "uuid"),
				cart_json_get_string(fake_line(&whole, "change",
				"event", "intent", 0), "uuid"));
		/* call ids go on */
		change = fake_line(&f, "call", NULL, NULL, 0);
		if (change && calls_before)
			assert_true(strcmp(cart_json_get_string(change, "id"),
				"c000001") > 0);
		fake_run_clear(&f);
		cart_json_free(part);
	}
	fake_run_clear(&whole);
}

static void test_resume_adopts(void **state)
{
	struct fake_run whole = { .aws = users, .allow = 1, .threads = 1 };
	struct fake_run f = { .aws = users, .allow = 1, .threads = 1 };
	const struct cart_json *l;
	struct cart_json *part;
	size_t n = 0;

	(void)state;
	fake_run(&whole, resumable);
	for (l = cart_json_first(whole.lines); l; l = cart_json_next(l)) {
		n++;
		if (!strcmp(cart_json_get_string(l, "type"), "change"))
			break;
	}
	part = until(whole.lines, n);	/* the intent is the last line */
	f.earlier = part;
	fake_run(&f, resumable);
	assert_int_equal(fake_count(&f, "change", "event", "intent"), 0);
	assert_int_equal(fake_count(&f, "change", "event", "adopted"), 1);
	l = fake_line(&f, "instance", "step", "snap", 0);
	n = 0;
	assert_int_equal(cart_json_i64(cart_json_get(l, "attempt"),
				       (int64_t *)&n), 0);
	assert_int_equal(n, 2);
	fake_run_clear(&f);
	fake_run_clear(&whole);
	cart_json_free(part);
}

static void test_resume_does_not_repeat_blindly(void **state)
{
	static const char text[] = STEPS(
	"{ \"id\": \"put\", \"do\": \"aws.call\", \"changes\": \"containment\", "
	"\"with\": { \"call\": \"svc:PutX\", \"input\": { \"Password\": \"pw\" } } }");
	struct fake_run whole = { .allow = 2, .threads = 1 };
	struct fake_run f = { .allow = 2, .threads = 1 };
	const struct cart_json *l;
	struct cart_json *part;
	size_t n = 0;

	(void)state;
	fake_run(&whole, text);
	outcome_is(&whole, "put" ACCOUNT "us-east-1#1", "ok");
	l = cart_json_get(fake_line(&whole, "change", "event", "intent", 0),
			  "input");
	assert_string_equal(cart_json_get_string(l, "Password"), "(not recorded)");
	for (l = cart_json_first(whole.lines); l; l = cart_json_next(l)) {
		n++;
		if (!strcmp(cart_json_get_string(l, "type"), "change"))
			break;
	}
	part = until(whole.lines, n);
	f.earlier = part;
	fake_run(&f, text);
	assert_int_equal(fake_count(&f, "change", "event", "unknown"), 1);
	assert_int_equal(fake_count(&f, "call", "operation", "PutX"), 0);
	outcome_is(&f, "put" ACCOUNT "us-east-1#1", "failed");
	fake_run_clear(&f);
	fake_run_clear(&whole);
	cart_json_free(part);
}

/* ---- stop: last, because the flag stays ---------------------------------- */

static int stop_in_b(struct cart_step_ctx *c, struct cart_err *err)
{
	if (!strcmp(c->step, "b")) {
		cart_stop_request(NULL);
		return c->ops->sleep(c, 60000, err);
	}
	return 0;
}

static void test_signal(void **state)
{
	struct fake_run f = { .aws = NULL };

	(void)state;
	fake_hook = stop_in_b;
	fake_run(&f, STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\" },"
			   "{ \"id\": \"b\", \"do\": \"fake.keep\", \"after\": \"a\" },"
			   "{ \"id\": \"c\", \"do\": \"fake.keep\", \"after\": \"b\" }"));
	assert_int_equal(f.rc, 0);
	assert_true(f.result.stopped);
	assert_string_equal(f.result.reason, "stopped by a signal");
	assert_string_equal(f.state, "gaps");
	outcome_is(&f, "b" ACCOUNT "us-east-1#1", "cancelled");
	assert_int_equal(fake_count(&f, "gap", "reason", "interrupted"), 2);
	assert_string_equal(cart_json_get_string(fake_line(&f, "end", NULL, NULL,
		0), "reason"), "stopped by a signal");
	fake_run_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_keep_and_for_each, setup),
		cmocka_unit_test_setup(test_no_value_and_ambiguous, setup),
		cmocka_unit_test_setup(test_types_are_kept, setup),
		cmocka_unit_test_setup(test_bounds_of_keep, setup),
		cmocka_unit_test_setup(test_regions, setup),
		cmocka_unit_test_setup(test_regions_unknown, setup),
		cmocka_unit_test_setup(test_no_identity, setup),
		cmocka_unit_test_setup(test_expect_account, setup),
		cmocka_unit_test_setup(test_accounts, setup),
		cmocka_unit_test_setup(test_host_steps_by_volatility, setup),
		cmocka_unit_test_setup(test_reads_run_in_parallel, setup),
		cmocka_unit_test_setup(test_changes_in_order, setup),
		cmocka_unit_test_setup(test_if_allowed, setup),
		cmocka_unit_test_setup(test_containment_and_gaps, setup),
		cmocka_unit_test_setup(test_outcomes, setup),
		cmocka_unit_test_setup(test_on_error_stop, setup),
		cmocka_unit_test_setup(test_missing_allow, setup),
		cmocka_unit_test_setup(test_timeout, setup),
		cmocka_unit_test_setup(test_wait, setup),
		cmocka_unit_test_setup(test_parallel_calls, setup),
		cmocka_unit_test_setup(test_secrets, setup),
		cmocka_unit_test_setup(test_resume, setup),
		cmocka_unit_test_setup(test_resume_adopts, setup),
		cmocka_unit_test_setup(test_resume_does_not_repeat_blindly, setup),
		cmocka_unit_test_setup(test_signal, setup),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
