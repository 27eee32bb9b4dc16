/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "unit/support/fake_types.h"

#define HEAD "{ \"crashcart\": 1, \"name\": \"m\", "
#define STEPS(s) HEAD "\"steps\": [\n" s "\n] }"

static struct cart_manifest *parse(const char *text, struct cart_err *err)
{
	cart_err_clear(err);
	return cart_manifest_parse_with(&fake_oracle, "m.json", text,
					strlen(text), err);
}

static struct cart_manifest *good(const char *text)
{
	struct cart_err err;
	struct cart_manifest *m = parse(text, &err);

	if (!m)
		fail_msg("refused: %s", err.text);
	return m;
}

/* The message is a usage error and holds every text given, up to NULL. */
static void bad(const char *text, ...)
{
	struct cart_err err;
	struct cart_manifest *m = parse(text, &err);
	const char *want;
	va_list ap;

	if (m)
		fail_msg("accepted: %s", text);
	assert_int_equal(err.class, CART_ERR_USAGE);
	va_start(ap, text);
	while ((want = va_arg(ap, const char *))) {
		if (!strstr(err.text, want))
			fail_msg("\"%s\" does not say \"%s\"", err.text, want);
	}
	va_end(ap);
}

static void test_good(void **state)
{
	struct cart_manifest *m = good(STEPS(
		"{ \"id\": \"a\", \"do\": \"aws.call\", \"with\": { \"call\": "
		"\"svc:GetThing\" }, \"keep\": { \"x\": \".X[]\" } },"
		"{ \"id\": \"b\", \"do\": \"fake.keep\", \"for_each\": \"${a.x}\","
		" \"with\": { \"ids\": \"${item.q}\", \"text\": \"a $${b} ${run.case}\" } },"
		"{ \"id\": \"c\", \"do\": \"host.mem\", \"after\": [\"b\"] }"));
	size_t len;

	(void)state;
	assert_string_equal(cart_manifest_name(m), "m");
	assert_string_equal(cart_manifest_title(m), "m");
	assert_non_null(cart_manifest_bytes(m, &len));
	assert_true(cart_manifest_has_host_steps(m));
	assert_true(cart_manifest_has_aws_steps(m));
	assert_int_equal(cart_manifest_changes(m), 0);
	assert_true(step_set_has(&m->steps[1].needs, 0));
	assert_true(step_set_has(&m->steps[2].needs, 1));
	assert_false(step_set_has(&m->steps[2].inputs, 1));
	cart_manifest_free(m);
}

static void test_form(void **state)
{
	(void)state;
	bad("[]", "m.json:1", "JSON object", NULL);
	bad("{", "m.json: line 1", NULL);
	bad("{ \"crashcart\": 1, \"crashcart\": 1 }", "m.json", "line 1", NULL);
	bad("{}", "needs \"crashcart\"", NULL);
	bad("{ \"crashcart\": 2, \"name\": \"m\", \"steps\": [] }",
	    "m.json:1: crashcart", "should be 1", NULL);
	bad(HEAD "\"steps\": [] }", "list of steps", NULL);
	bad("{ \"crashcart\": 1, \"name\": \"a b\", \"steps\": [{}] }", "name", NULL);
	bad(HEAD "\"stepz\": [] }", "m.json:1: stepz: unknown key; did you mean "
	    "\"steps\"?", NULL);
	bad(HEAD "\n\n\"exclude\": 3, \"steps\": [] }", "m.json:3: exclude",
	    "list of globs", NULL);
	bad(STEPS("3"), "m.json:2: steps[0]", "object", NULL);
}

static void test_step_keys(void **state)
{
	(void)state;
	bad(STEPS("{ \"do\": \"host.mem\" }"), "m.json:2: steps[0]: needs \"id\"",
	    NULL);
	bad(STEPS("{ \"id\": \"a\" }"), "needs \"do\"", NULL);
	bad(STEPS("{ \"id\": \"A\", \"do\": \"host.mem\" }"), "steps[0].id",
	    "not a step id", NULL);
	bad(STEPS("{ \"id\": \"item\", \"do\": \"host.mem\" }"), "reserved", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\" },\n"
		  "{ \"id\": \"a\", \"do\": \"host.mem\" }"),
	    "m.json:3: steps[1].id", "earlier step", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mam\" }"),
	    "did you mean \"host.mem\"?", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"zzzzzzzz\" }"), "show steps", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\",\n \"withh\": {} }"),
	    "m.json:3: steps[0].withh: unknown key; did you mean \"with\"?", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\", \"qqqqqqqqqq\": {} }"),
	    "unknown key; known are id, do", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\", \"with\": [] }"),
	    "parameters of host.mem", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\", \"timeout\": \"soon\" }"),
	    "duration", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\", \"on_error\": \"halt\" }"),
	    "\"continue\" or \"stop\"", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\", \"regions\": \"all\" }"),
	    "steps[0].regions", "reads this host", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\", \"accounts\": "
		  "[\"123456789012\"] }"), "reads this host", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"host.mem\", \"keep\": "
		  "{ \"x\": \".\" } }"), "no reply", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"aws.call\", \"regions\": \"all\", "
		  "\"with\": { \"call\": \"glob:GetUser\" } }"),
	    "glob:GetUser is the same in all regions", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"accounts\": \"12\" }"),
	    "12 digits", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"accounts\": "
		  "[\"123456789012\"] }"), "role", NULL);
}

static void test_with(void **state)
{
	(void)state;
#define WITH(s) STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"for_each\": [1]," \
		      " \"with\": {\n" s "} }")
	bad(WITH("\"cuont\": 1"), "m.json:3: steps[0].with.cuont",
	    "did you mean \"count\"?", NULL);
	bad(WITH("\"qqqqqqq\": 1"), "show steps", NULL);
	bad(WITH("\"count\": \"1\""), "whole number", NULL);
	bad(WITH("\"count\": \"1${item}\""), "whole number", NULL);
	bad(WITH("\"flag\": 1"), "true or false", NULL);
	bad(WITH("\"size\": \"10Q\""), "size", NULL);
	bad(WITH("\"since\": \"yesterday\""), "time", NULL);
	bad(WITH("\"every\": \"1y\""), "duration", NULL);
	bad(WITH("\"names\": [1]"), "list of texts", NULL);
	bad(WITH("\"text\": 1"), "a text", NULL);
	bad(WITH("\"odd\": \"bad\""), "steps[0].with: odd is bad", NULL);
	cart_manifest_free(good(WITH("\"count\": \"${item}\", \"flag\": false, "
		"\"size\": \"10K\", \"since\": \"-7d\", \"every\": 3, "
		"\"names\": [\"a${item}\"], \"odd\": \"x\"")));
	bad(STEPS("{ \"id\": \"a\", \"do\": \"aws.call\" }"), "needs \"call\"", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"aws.call\", \"with\": "
		  "{ \"call\": \"svc:Gat\" } }"), "steps[0].with.call",
	    "did you mean", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"aws.call\", \"for_each\": [1], "
		  "\"with\": { \"call\": \"svc:${item}\" } }"),
	    "must stand in the manifest itself", NULL);
}

static void test_filters(void **state)
{
	(void)state;
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"keep\": {\n"
		  "\"x\": \"Name\" } }"), "m.json:3: steps[0].keep.x", "column 1",
	    NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"keep\": "
		  "{ \"x\": 1 } }"), "filter", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"keep\": "
		  "{ \"X\": \".\" } }"), "kept name", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"keep\": "
		  "{ \"ids\": \".\" } }"), "keeps this name by itself", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"aws.call\", \"with\": "
		  "{ \"call\": \"svc:GetX\" }, \"wait\": { \"until\": \".x\" } }"),
	    "needs \"until\", \"every\" and \"timeout\"", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"wait\": { \"until\": "
		  "\".x\", \"every\": 5, \"timeout\": 9 } }"), "only aws.call", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"aws.call\", \"with\": "
		  "{ \"call\": \"svc:GetX\" }, \"wait\": { \"untill\": \".x\" } }"),
	    "did you mean \"until\"", NULL);
}

static void test_references(void **state)
{
	(void)state;
#define TWO(s) STEPS("{ \"id\": \"owner\", \"do\": \"fake.keep\", \"keep\": " \
		     "{ \"user\": \".U\" } },\n{ \"id\": \"b\", \"do\": " \
		     "\"fake.keep\", " s " }")
	bad(TWO("\"with\": { \"text\": \"${ownr.user}\" }"),
	    "m.json:3: steps[1].with.text", "there is no step \"ownr\"",
	    "did you mean \"owner\"?", NULL);
	bad(TWO("\"with\": { \"text\": \"${owner.usr}\" }"),
	    "did you mean \"user\"?", NULL);
	bad(TWO("\"with\": { \"text\": \"${owner.account}\" }"),
	    "add it to its \"keep\"", NULL);
	bad(TWO("\"with\": { \"text\": \"${owner}\" }"), "names no value", NULL);
	bad(TWO("\"with\": { \"text\": \"${owner.user\" }"), "no closing }", NULL);
	bad(TWO("\"with\": { \"text\": \"${Owner.user}\" }"), "is not ${step.name}",
	    NULL);
	bad(TWO("\"with\": { \"text\": \"${owner.a b}\" }"), "letters", NULL);
	bad(TWO("\"with\": { \"text\": \"${item}\" }"), "for_each", NULL);
	bad(TWO("\"with\": { \"text\": \"${params.x}\" }"), "no parameter \"x\"",
	    NULL);
	bad(TWO("\"with\": { \"text\": \"${run.user}\" }"), "run.case", NULL);
	bad(TWO("\"with\": { \"text\": \"${b.ids}\" }"), "refer to itself", NULL);
	bad(TWO("\"for_each\": \"x${owner.user}\""), "one reference", NULL);
	bad(TWO("\"for_each\": [ \"${item}\" ]"), "not known yet", NULL);
	bad(TWO("\"when\": \"owner.user\""), "one reference", NULL);
	bad(TWO("\"when\": \"${owner.nam}\""), "does not keep", NULL);
	bad(TWO("\"after\": \"ownr\""), "did you mean \"owner\"?", NULL);
	bad(TWO("\"after\": [ \"b\" ]"), "wait for itself", NULL);
}

static void test_cycles(void **state)
{
	(void)state;
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"after\": \"c\" },\n"
		  "{ \"id\": \"b\", \"do\": \"fake.keep\", \"when\": \"${a.ids}\" },\n"
		  "{ \"id\": \"c\", \"do\": \"fake.keep\", \"for_each\": \"${b.ids}\" }"),
	    "circle: a -> c -> b -> a", NULL);
}

static void test_changes(void **state)
{
	struct cart_manifest *m;
	struct cart_err err = { 0 };

	(void)state;
#define CALL(op, s) STEPS("{ \"id\": \"a\", \"do\": \"aws.call\", \"with\": " \
			  "{ \"call\": \"svc:" op "\" }" s " }")
	bad(CALL("PutX", ""), "svc:PutX is not on the reviewed read-only list "
	    "(write)", "changes", NULL);
	bad(CALL("GetX", ", \"changes\": \"evidence\""), "steps[0].changes",
	    "only reads", NULL);
	bad(CALL("PutX", ", \"changes\": \"some\""), "\"containment\"", NULL);
	bad(CALL("PutX", ", \"changes\": \"evidence\", \"despite_gaps\": true"),
	    "despite_gaps", NULL);
	bad(CALL("PutX", ", \"changes\": \"evidence\", \"wait\": { \"until\": "
		 "\".\", \"every\": 5, \"timeout\": 9 }"), "only calls that read",
	    NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.evidence\" }"),
	    "say \"changes\": \"evidence\"", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.evidence\", \"changes\": "
		  "\"containment\" }"), "of class \"evidence\"", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.may\", \"changes\": "
		  "\"containment\" }"), "of class \"evidence\"", NULL);
	bad(STEPS("{ \"id\": \"a\", \"do\": \"fake.keep\", \"changes\": "
		  "\"evidence\" }"), "only reads", NULL);
	cart_manifest_free(good(STEPS("{ \"id\": \"a\", \"do\": \"fake.may\" }")));
	cart_manifest_free(good(STEPS("{ \"id\": \"a\", \"do\": \"fake.may\", "
				      "\"changes\": \"evidence\" }")));
	m = good(CALL("PutX", ", \"changes\": \"containment\", "
		      "\"despite_gaps\": true"));
	assert_int_equal(cart_manifest_changes(m), CART_CHANGE_CONTAINMENT);
	assert_int_equal(cart_run_check_allow(m, CART_CHANGE_EVIDENCE, &err), -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	assert_non_null(strstr(err.text, "step \"a\""));
	assert_non_null(strstr(err.text, "--allow containment"));
	assert_int_equal(cart_run_check_allow(m, CART_CHANGE_CONTAINMENT, &err), 0);
	/* a pipe is never durable before a change */
	assert_int_equal(cart_run_check_durable(m, CART_CHANGE_EVIDENCE, &err), 0);
	assert_int_equal(cart_run_check_durable(m, CART_CHANGE_CONTAINMENT, &err),
			 -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	assert_non_null(strstr(err.text, "--out FOLDER"));
	cart_manifest_free(m);
}

/* Who waits for whom, beyond what the manifest says. */
static void test_order(void **state)
{
	struct cart_manifest *m = good(STEPS(
		"{ \"id\": \"contain\", \"do\": \"aws.call\", \"with\": { \"call\": "
		"\"svc:PutX\" }, \"changes\": \"containment\" },"
		"{ \"id\": \"snap\", \"do\": \"fake.evidence\", \"changes\": \"evidence\" },"
		"{ \"id\": \"disk\", \"do\": \"host.disk\" },"
		"{ \"id\": \"mem\", \"do\": \"host.mem\" },"
		"{ \"id\": \"look\", \"do\": \"fake.keep\", \"after\": \"contain\" },"
		"{ \"id\": \"read\", \"do\": \"fake.keep\" }"));

	(void)state;
	assert_true(step_set_has(&m->steps[0].waits, 1));
	assert_true(step_set_has(&m->steps[0].waits, 2));
	assert_true(step_set_has(&m->steps[0].waits, 3));
	assert_false(step_set_has(&m->steps[0].waits, 4));
	assert_true(step_set_has(&m->steps[0].waits, 5));
	assert_false(step_set_has(&m->steps[1].waits, 0));
	assert_true(step_set_has(&m->steps[2].waits, 3));
	assert_false(step_set_has(&m->steps[3].waits, 2));
	assert_false(step_set_has(&m->steps[5].waits, 4));
	cart_manifest_free(m);
	/* what a volatile step needs goes before others of low volatility */
	m = good(STEPS(
		"{ \"id\": \"disk_a\", \"do\": \"host.disk\" },"
		"{ \"id\": \"disk_b\", \"do\": \"host.disk\" },"
		"{ \"id\": \"mem\", \"do\": \"host.mem\", \"after\": \"disk_b\" }"));
	assert_true(step_set_has(&m->steps[0].waits, 2));
	assert_true(step_set_has(&m->steps[2].waits, 1));
	assert_false(step_set_has(&m->steps[1].waits, 0));
	cart_manifest_free(m);
}

static const char with_params[] = HEAD "\"params\": {\n"
	"\"key\": { \"type\": \"string\", \"pattern\": \"^A[0-9]+$\", "
	"\"required\": true, \"title\": \"the key\" },\n"
	"\"n\": { \"type\": \"integer\", \"default\": 3 },\n"
	"\"yes\": { \"type\": \"boolean\" },\n"
	"\"list\": { \"type\": \"list\", \"pattern\": \"^[a-z]+$\" },\n"
	"\"mode\": { \"enum\": [\"slow\", \"fast\"] }\n"
	"}, \"steps\": [ { \"id\": \"a\", \"do\": \"fake.keep\", \"with\": "
	"{ \"text\": \"${params.key}\", \"count\": \"${params.n}\", "
	"\"odd\": \"${params.mode}\" } } ] }";

static void param_bad(struct cart_manifest *m, const char *assignment,
		      const char *why)
{
	struct cart_err err = { 0 };

	assert_int_equal(cart_manifest_param(m, assignment, &err), -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void test_params(void **state)
{
	struct cart_manifest *m = good(with_params);
	const struct cart_json *v = cart_manifest_params(m);
	struct cart_json *set;
	struct cart_err err = { 0 };
	int64_t n;

	(void)state;
	assert_int_equal(cart_json_i64(cart_json_get(v, "n"), &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(cart_manifest_ready(m, &err), -1);
	assert_non_null(strstr(err.text, "-p key=VALUE"));
	assert_non_null(strstr(err.text, "the key"));
	param_bad(m, "key", "NAME=VALUE");
	param_bad(m, "=x", "NAME=VALUE");
	param_bad(m, "kay=A1", "did you mean \"key\"?");
	param_bad(m, "key=B", "does not match the pattern ^A[0-9]+$");
	param_bad(m, "n=x", "whole number");
	param_bad(m, "n=99999999999999999", "whole number");
	param_bad(m, "yes=1", "true or false");
	param_bad(m, "list=a,B", "pattern");
	param_bad(m, "list=[1", "list");
	param_bad(m, "mode=quick", "none of the values allowed");
	param_bad(m, "key=A\xff", "UTF-8");
	assert_int_equal(cart_manifest_param(m, "key=A1", &err), 0);
	assert_int_equal(cart_manifest_param(m, "n=-4", &err), 0);
	assert_int_equal(cart_manifest_param(m, "yes=true", &err), 0);
	assert_int_equal(cart_manifest_param(m, "list=a,b", &err), 0);
	assert_int_equal(cart_json_size(cart_json_get(v, "list")), 2);
	assert_int_equal(cart_manifest_param(m, "list=[\"c\"]", &err), 0);
	assert_int_equal(cart_json_size(cart_json_get(v, "list")), 1);
	assert_int_equal(cart_manifest_ready(m, &err), 0);
	set = cart_json_parse("{\"n\":5}", 7, NULL, &err);
	assert_int_equal(cart_manifest_params_set(m, set, &err), 0);
	cart_json_free(set);
	set = cart_json_parse("{\"n\":\"x\"}", 9, NULL, &err);
	assert_int_equal(cart_manifest_params_set(m, set, &err), -1);
	cart_json_free(set);
	cart_manifest_free(m);
}

static void test_param_definitions(void **state)
{
	(void)state;
#define PARAMS(s) HEAD "\"params\": {\n" s "}, \"steps\": [ { \"id\": \"a\", " \
		  "\"do\": \"host.mem\" } ] }"
	bad(PARAMS("\"A\": {}"), "params.A", "lower-case", NULL);
	bad(PARAMS("\"a\": 1"), "object", NULL);
	bad(PARAMS("\"a\": { \"tpye\": 1 }"), "did you mean \"type\"", NULL);
	bad(PARAMS("\"a\": { \"type\": \"int\" }"), "\"integer\"", NULL);
	bad(PARAMS("\"a\": { \"pattern\": \"(\" }"), "POSIX", NULL);
	bad(PARAMS("\"a\": { \"pattern\": \"((a{1,200}){1,200})\" }"),
	    "repetitions", NULL);
	bad(PARAMS("\"a\": { \"type\": \"integer\", \"pattern\": \"a\" }"),
	    "pattern", NULL);
	bad(PARAMS("\"a\": { \"required\": true, \"default\": \"x\" }"),
	    "default is not required", NULL);
	bad(PARAMS("\"a\": { \"type\": \"integer\", \"default\": \"x\" }"),
	    "params.a.default", NULL);
	bad(PARAMS("\"a\": { \"enum\": [] }"), "values allowed", NULL);
	bad(PARAMS("\"a\": { \"required\": 1 }"), "true or false", NULL);
}

/* A parameter that makes `with` wrong is refused before the run. */
static void test_params_in_with(void **state)
{
	struct cart_err err = { 0 };
	struct cart_manifest *m = good(HEAD "\"params\": { \"p\": {} }, "
		"\"steps\": [\n{ \"id\": \"a\", \"do\": \"fake.keep\", \"with\": "
		"{\n \"odd\": \"${params.p}\" } } ] }");

	(void)state;
	assert_int_equal(cart_manifest_param(m, "p=fine", &err), 0);
	assert_int_equal(cart_manifest_ready(m, &err), 0);
	assert_int_equal(cart_manifest_param(m, "p=bad", &err), 0);
	assert_int_equal(cart_manifest_ready(m, &err), -1);
	assert_int_equal(err.class, CART_ERR_USAGE);
	assert_non_null(strstr(err.text, "steps[0].with"));
	cart_manifest_free(m);
}

static void test_plan(void **state)
{
	struct cart_err err = { 0 };
	struct cart_manifest *m = good(with_params);
	struct cart_json *plan = cart_manifest_plan(m, &err), *s;

	(void)state;
	assert_non_null(plan);
	s = cart_json_at(cart_json_get(plan, "steps"), 0);
	assert_string_equal(cart_json_get_string(s, "id"), "a");
	assert_string_equal(cart_json_get_string(s, "regions"), "configured");
	assert_string_equal(cart_json_get_string(cart_json_get(s, "with"), "text"),
			    "${params.key}");
	cart_json_free(plan);
	cart_manifest_free(m);
	m = good(CALL("PutX", ", \"changes\": \"containment\", \"on_error\": \"stop\""));
	plan = cart_manifest_plan(m, &err);
	s = cart_json_at(cart_json_get(plan, "steps"), 0);
	assert_string_equal(cart_json_get_string(s, "changes"), "containment");
	assert_true(cart_json_bool(cart_json_get(
		cart_json_at(cart_json_get(s, "calls"), 0), "changes")));
	cart_json_free(plan);
	cart_manifest_free(m);
}

static void test_schema(void **state)
{
	struct cart_err err = { 0 };
	struct cart_json *j;
	struct cart_buf b;

	(void)state;
	cart_buf_init(&b, 1 << 20);
	assert_int_equal(cart_manifest_schema_with(&fake_oracle, &b, &err), 0);
	j = cart_json_parse(b.data, b.len, NULL, &err);
	if (!j)
		fail_msg("%s\n%s", err.text, (char *)b.data);
	assert_string_equal(cart_json_get_string(j, "$schema"),
			    "https://json-schema.org/draft/2020-12/schema");
	cart_json_free(j);
	cart_buf_reset(&b);
	assert_int_equal(cart_manifest_schema(&b, &err), 0);
	j = cart_json_parse(b.data, b.len, NULL, &err);
	assert_non_null(j);
	cart_json_free(j);
	cart_buf_clear(&b);
}

/* Statement whose actions hold this one; NULL if there is none. */
static const struct cart_json *granting(const struct cart_json *policy,
					const char *action)
{
	const struct cart_json *st, *a;

	st = cart_json_first(cart_json_get(policy, "Statement"));
	for (; st; st = cart_json_next(st)) {
		a = cart_json_first(cart_json_get(st, "Action"));
		for (; a; a = cart_json_next(a)) {
			if (!strcmp(cart_json_string(a), action))
				return st;
		}
	}
	return NULL;
}

static const char *resource(const struct cart_json *policy, const char *action,
			    size_t n)
{
	return cart_json_string(cart_json_at(cart_json_get(
		granting(policy, action), "Resource"), n));
}

#define POLICY_STEP(id, call, input) "{ \"id\": \"" id "\", \"do\": \"aws.call\", " \
	"\"with\": { \"call\": \"" call "\", \"input\": " input " } },"

static void test_policy(void **state)
{
	static const char text[] = HEAD "\"role\": \"R\", \"params\": "
	"{ \"i\": {}, \"u\": {} }, \"steps\": ["
	POLICY_STEP("who", "sts:GetCallerIdentity", "{}")
	POLICY_STEP("a", "ec2:GetConsoleOutput", "{ \"InstanceId\": \"${params.i}\" }")
	POLICY_STEP("b", "iam:ListAccessKeys", "{ \"UserName\": \"${params.u}\" }")
	POLICY_STEP("c", "s3:ListObjectsV2", "{ \"Bucket\": \"b1\" }")
	"{ \"id\": \"d\", \"do\": \"aws.call\", \"secrets\": \"allow\", \"with\": "
	"{ \"call\": \"s3:GetObject\", \"input\": { \"Bucket\": \"b1\", "
	"\"Key\": \"k\" } } },"
	POLICY_STEP("e", "s3:ListBuckets", "{}")
	POLICY_STEP("f", "kms:DescribeKey", "{ \"KeyId\": \"alias/x\" }")
	"{ \"id\": \"s\", \"do\": \"ec2.snapshot\", \"changes\": \"evidence\", "
	"\"with\": { \"instance_id\": \"i-0123456789abcdef0\" } },"
	"{ \"id\": \"t\", \"do\": \"iam.state\", \"accounts\": [\"444455556666\"] },"
	"{ \"id\": \"ev\", \"do\": \"cloudtrail.events\", \"regions\": \"all\" },"
	"{ \"id\": \"host\", \"do\": \"host.system\" } ] }";
	struct cart_err err = { 0 };
	struct cart_manifest *m = cart_manifest_parse("m.json", text,
						      strlen(text), &err);
	struct cart_json *p;

	(void)state;
	if (!m)
		fail_msg("%s", err.text);
	assert_int_equal(cart_manifest_param(m, "i=i-0123456789abcdef0", &err), 0);
	p = cart_manifest_policy(m, NULL, &err);
	assert_non_null(p);
	assert_null(granting(p, "sts:GetCallerIdentity"));
	assert_string_equal(resource(p, "ec2:GetConsoleOutput", 0),
		"arn:aws:ec2:*:*:instance/i-0123456789abcdef0");
	assert_string_equal(resource(p, "iam:ListAccessKeys", 0), "*");
	assert_string_equal(resource(p, "s3:ListBucket", 0), "arn:aws:s3:::b1");
	assert_string_equal(resource(p, "s3:GetObject", 0), "arn:aws:s3:::b1/k");
	assert_string_equal(resource(p, "s3:ListAllMyBuckets", 0), "*");
	assert_string_equal(resource(p, "kms:DescribeKey", 0), "*");
	assert_string_equal(resource(p, "ec2:CreateSnapshots", 0),
		"arn:aws:ec2:*:*:instance/i-0123456789abcdef0");
	assert_string_equal(cart_json_get_string(cart_json_get(cart_json_get(
		granting(p, "ec2:CreateTags"), "Condition"), "StringEquals"),
		"ec2:CreateAction"), "CreateSnapshots");
	/* a step that does not say "changes" does not get the right to */
	assert_null(granting(p, "iam:GenerateCredentialReport"));
	assert_null(granting(p, "iam:ListUsers"));
	assert_string_equal(resource(p, "sts:AssumeRole", 0),
			    "arn:aws:iam::444455556666:role/R");
	assert_non_null(granting(p, "ec2:DescribeRegions"));
	cart_json_free(p);
	assert_int_equal(cart_manifest_param(m, "u=ann", &err), 0);
	p = cart_manifest_policy(m, NULL, &err);
	assert_string_equal(resource(p, "iam:ListAccessKeys", 0),
			    "arn:aws:iam::*:user/ann");
	assert_string_equal(resource(p, "iam:ListAccessKeys", 1),
			    "arn:aws:iam::*:user/*/ann");
	cart_json_free(p);
	cart_manifest_free(m);
}

/* ARNs lie in the partition of the regions, and fixed regions are a
 * condition where a call has a region. */
static void test_policy_places(void **state)
{
	static const char text[] = "{ \"crashcart\": 1, \"name\": \"p\", "
	"\"role\": \"R\", \"steps\": ["
	"{ \"id\": \"a\", \"do\": \"aws.call\", \"regions\": "
	"[\"cn-north-1\"], \"with\": { \"call\": \"ec2:DescribeVpcs\" } },"
	"{ \"id\": \"b\", \"do\": \"aws.call\", \"regions\": "
	"[\"cn-north-1\"], \"with\": { \"call\": \"s3:ListObjectsV2\", "
	"\"input\": { \"Bucket\": \"b1\" } } },"
	POLICY_STEP("c", "iam:ListAccessKeys", "{ \"UserName\": \"ann\" }")
	POLICY_STEP("e", "logs:DescribeLogStreams", "{ \"logGroupName\": \"/a/b\" }")
	POLICY_STEP("f", "secretsmanager:DescribeSecret", "{ \"SecretId\": \"db\" }")
	POLICY_STEP("g", "cloudtrail:GetTrailStatus", "{ \"Name\": \"main\" }")
	POLICY_STEP("h", "sns:GetTopicAttributes", "{ \"TopicArn\": "
		    "\"arn:aws:sns:eu-west-1:1:t\" }")
	"{ \"id\": \"i\", \"do\": \"cloudtrail.logs\", \"with\": "
	"{ \"bucket\": \"trails\", \"prefix\": \"ct/\" } },"
	"{ \"id\": \"d\", \"do\": \"iam.state\", \"accounts\": "
	"[\"444455556666\", \"777788889999\"] } ] }";
	static const char *const partitions[][2] = {
		{ NULL, "aws-cn" }, { "us-gov-west-1", "aws-us-gov" },
		{ "eu-west-1", "aws" },
	};
	struct cart_err err = { 0 };
	struct cart_manifest *m = cart_manifest_parse("m.json", text,
						      strlen(text), &err);
	struct cart_json *p;
	char want[80];
	size_t i;

	(void)state;
	if (!m)
		fail_msg("%s", err.text);
	for (i = 0; i < 3; i++) {
		p = cart_manifest_policy(m, partitions[i][0], &err);
		assert_non_null(p);
		snprintf(want, sizeof(want), "arn:%s:iam::*:user/ann",
			 partitions[i][1]);
		assert_string_equal(resource(p, "iam:ListAccessKeys", 0), want);
		snprintf(want, sizeof(want), "arn:%s:s3:::b1", partitions[i][1]);
		assert_string_equal(resource(p, "s3:ListBucket", 0), want);
		snprintf(want, sizeof(want), "arn:%s:s3:::trails/ct/*",
			 partitions[i][1]);
		assert_string_equal(resource(p, "s3:GetObject", 0), want);
		snprintf(want, sizeof(want), "arn:%s:logs:*:*:log-group:/a/b:*",
			 partitions[i][1]);
		assert_string_equal(resource(p, "logs:DescribeLogStreams", 1),
				    want);
		snprintf(want, sizeof(want), "arn:%s:secretsmanager:*:*:secret:"
			 "db-??????", partitions[i][1]);
		assert_string_equal(resource(p, "secretsmanager:DescribeSecret",
					     0), want);
		snprintf(want, sizeof(want), "arn:%s:cloudtrail:*:*:trail/main",
			 partitions[i][1]);
		assert_string_equal(resource(p, "cloudtrail:GetTrailStatus", 0),
				    want);
		assert_string_equal(resource(p, "sns:GetTopicAttributes", 0),
				    "arn:aws:sns:eu-west-1:1:t");
		snprintf(want, sizeof(want), "arn:%s:iam::777788889999:role/R",
			 partitions[i][1]);
		assert_string_equal(resource(p, "sts:AssumeRole", 1), want);
		assert_string_equal(cart_json_string(cart_json_at(cart_json_get(
			cart_json_get(cart_json_get(granting(p,
			"ec2:DescribeVpcs"), "Condition"), "StringEquals"),
			"aws:RequestedRegion"), 0)), "cn-north-1");
		assert_null(cart_json_get(granting(p, "s3:ListBucket"),
					  "Condition"));
		cart_json_free(p);
	}
	cart_manifest_free(m);
}

/* The built-in oracle knows operations and what they take. */
static void test_builtin(void **state)
{
	static const struct {
		const char *with, *why;		/* NULL: good */
	} rows[] = {
		{ "\"call\": \"iam:GetUser\"", NULL },
		{ "\"call\": \"iam:GetUsr\"", "steps[0].with.call" },
		{ "\"call\": \"iamm:GetUser\"", "steps[0].with.call" },
		{ "\"call\": \"iam:ListAccessKeys\", \"input\": "
		  "{ \"UserName\": \"${params.p}\" }", NULL },
		{ "\"call\": \"iam:ListAccessKeys\", \"input\": "
		  "{ \"UserNam\": \"${params.p}\" }", "steps[0].with.input" },
		{ "\"call\": \"ec2:DescribeInstances\", \"input\": "
		  "{ \"MaxResults\": \"x\" }", "MaxResults" },
		{ "\"call\": \"ec2:DescribeInstances\", \"input\": "
		  "{ \"MaxResults\": \"${params.p}\" }", NULL },
		{ "\"call\": \"iam:GetAccessKeyLastUsed\"", "AccessKeyId" },
		{ "\"call\": \"iam:DeleteUser\", \"input\": "
		  "{ \"UserName\": \"u\" }", "\"changes\"" },
	};
	struct cart_manifest *m;
	struct cart_err err;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), HEAD "\"params\": { \"p\": {} }, "
			 "\"steps\": [ { \"id\": \"a\", \"do\": \"aws.call\", "
			 "\"with\": { %s } } ] }", rows[i].with);
		cart_err_clear(&err);
		m = cart_manifest_parse("m.json", text, strlen(text), &err);
		if (!m != !!rows[i].why)
			fail_msg("%s: %s", rows[i].with, err.text);
		if (!m && !strstr(err.text, rows[i].why))
			fail_msg("%s", err.text);
		cart_manifest_free(m);
	}
}

/* steps.def is sorted, and each type says what it must. */
static void test_table(void **state)
{
	const struct cart_step_type *t;
	size_t i;

	(void)state;
	for (i = 0; cart_step_types[i]; i++) {
		t = cart_step_types[i];
		if (i)
			assert_true(strcmp(cart_step_types[i - 1]->name,
					   t->name) < 0);
		assert_ptr_equal(cart_step_find(t->name), t);
		assert_non_null(t->summary);
		assert_non_null(t->run);
		assert_non_null(t->plan);
		assert_true(t->where != CART_STEP_HOST || t->volatility > 0);
		assert_true(!t->changes || cart_change_class(t->changes));
		assert_true(!t->may_change || cart_change_class(t->may_change));
	}
	assert_true(i > 0);
	assert_null(cart_step_find("no.such"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_step_keys),
		cmocka_unit_test(test_with),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_param_definitions),
		cmocka_unit_test(test_params_in_with),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_policy_places),
		cmocka_unit_test(test_builtin),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
