/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "private.h"

/*
 * The JSON Schema of manifests (draft 2020-12).  It says what editors and
 * validators can know; cart_manifest_parse also checks references, filters,
 * operations and order.  Written as text: the parts that do not depend on the
 * step table read best as they are.
 */

static const char head[] =
"{\n"
"    \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
"    \"title\": \"Crashcart manifest\",\n"
"    \"type\": \"object\",\n"
"    \"required\": [\"crashcart\", \"name\", \"steps\"],\n"
"    \"additionalProperties\": false,\n"
"    \"properties\": {\n"
"        \"$schema\": { \"type\": \"string\" },\n"
"        \"crashcart\": { \"const\": 1 },\n"
"        \"name\": { \"type\": \"string\", \"pattern\": \"^[A-Za-z0-9._-]{1,64}$\" },\n"
"        \"title\": { \"type\": \"string\" },\n"
"        \"scope\": { \"type\": \"string\" },\n"
"        \"role\": { \"type\": \"string\" },\n"
"        \"exclude\": { \"type\": \"array\", \"items\": { \"type\": \"string\" } },\n"
"        \"rates\": {\n"
"            \"type\": \"object\",\n"
"            \"maxProperties\": 32,\n"
"            \"propertyNames\": { \"pattern\": \"^[a-z0-9-]+:[A-Za-z0-9]*[*]?$\" },\n"
"            \"additionalProperties\": {\n"
"                \"type\": \"number\", \"minimum\": 0.001, \"maximum\": 1000000\n"
"            }\n"
"        },\n"
"        \"params\": {\n"
"            \"type\": \"object\",\n"
"            \"maxProperties\": 64,\n"
"            \"propertyNames\": { \"$ref\": \"#/$defs/id\" },\n"
"            \"additionalProperties\": { \"$ref\": \"#/$defs/param\" }\n"
"        },\n"
"        \"steps\": {\n"
"            \"type\": \"array\",\n"
"            \"minItems\": 1,\n"
"            \"maxItems\": 256,\n"
"            \"items\": { \"$ref\": \"#/$defs/step\" }\n"
"        }\n"
"    },\n"
"    \"$defs\": {\n"
"        \"id\": { \"type\": \"string\", \"pattern\": \"^[a-z][a-z0-9_]{0,31}$\" },\n"
"        \"ref\": { \"type\": \"string\", \"pattern\": \"[$][{][a-z]\" },\n"
"        \"one_ref\": { \"type\": \"string\", \"pattern\": \"^[$][{][^{}]+[}]$\" },\n"
"        \"filter\": { \"type\": \"string\", \"minLength\": 1, \"maxLength\": 4096 },\n"
"        \"duration\": {\n"
"            \"anyOf\": [\n"
"                { \"type\": \"string\", \"pattern\": \"^[0-9]+(ms|s|m|h|d)?$\" },\n"
"                { \"type\": \"integer\", \"minimum\": 1 }\n"
"            ]\n"
"        },\n"
"        \"texts\": {\n"
"            \"anyOf\": [\n"
"                { \"type\": \"string\" },\n"
"                { \"type\": \"array\", \"minItems\": 1, \"items\": { \"type\": \"string\" } }\n"
"            ]\n"
"        },\n"
"        \"param\": {\n"
"            \"type\": \"object\",\n"
"            \"additionalProperties\": false,\n"
"            \"properties\": {\n"
"                \"type\": { \"enum\": [\"string\", \"integer\", \"boolean\", \"list\"] },\n"
"                \"title\": { \"type\": \"string\" },\n"
"                \"pattern\": { \"type\": \"string\", \"maxLength\": 256 },\n"
"                \"required\": { \"type\": \"boolean\" },\n"
"                \"default\": true,\n"
"                \"enum\": { \"type\": \"array\", \"minItems\": 1 }\n"
"            }\n"
"        },\n"
"        \"step\": {\n"
"            \"type\": \"object\",\n"
"            \"required\": [\"id\", \"do\"],\n"
"            \"additionalProperties\": false,\n"
"            \"properties\": {\n"
"                \"id\": {\n"
"                    \"allOf\": [\n"
"                        { \"$ref\": \"#/$defs/id\" },\n"
"                        { \"not\": { \"enum\": [\"params\", \"item\", \"run\"] } }\n"
"                    ]\n"
"                },\n"
"                \"title\": { \"type\": \"string\" },\n"
"                \"with\": { \"type\": \"object\" },\n"
"                \"keep\": {\n"
"                    \"type\": \"object\",\n"
"                    \"maxProperties\": 32,\n"
"                    \"propertyNames\": { \"$ref\": \"#/$defs/id\" },\n"
"                    \"additionalProperties\": { \"$ref\": \"#/$defs/filter\" }\n"
"                },\n"
"                \"regions\": { \"$ref\": \"#/$defs/texts\" },\n"
"                \"accounts\": { \"$ref\": \"#/$defs/texts\" },\n"
"                \"role\": { \"type\": \"string\" },\n"
"                \"for_each\": {\n"
"                    \"anyOf\": [\n"
"                        { \"$ref\": \"#/$defs/one_ref\" },\n"
"                        { \"type\": \"array\" }\n"
"                    ]\n"
"                },\n"
"                \"when\": { \"$ref\": \"#/$defs/one_ref\" },\n"
"                \"after\": { \"$ref\": \"#/$defs/texts\" },\n"
"                \"wait\": {\n"
"                    \"type\": \"object\",\n"
"                    \"required\": [\"until\", \"every\", \"timeout\"],\n"
"                    \"additionalProperties\": false,\n"
"                    \"properties\": {\n"
"                        \"until\": { \"$ref\": \"#/$defs/filter\" },\n"
"                        \"every\": { \"$ref\": \"#/$defs/duration\" },\n"
"                        \"timeout\": { \"$ref\": \"#/$defs/duration\" }\n"
"                    }\n"
"                },\n"
"                \"on_error\": { \"enum\": [\"continue\", \"stop\"] },\n"
"                \"timeout\": { \"$ref\": \"#/$defs/duration\" },\n"
"                \"changes\": { \"enum\": [\"evidence\", \"containment\", \"irreversible\"] },\n"
"                \"despite_gaps\": { \"type\": \"boolean\" },\n"
"                \"secrets\": { \"const\": \"allow\" },\n"
"                \"if_allowed\": { \"type\": \"boolean\" },\n"
"                \"do\": { \"enum\": [";

static void quoted(struct cart_buf *b, const char *s)
{
	cart_json_quote(s, strlen(s), b);
}

/* What a parameter may be; a text with a reference may become anything. */
static void param_type(struct cart_buf *b, enum cart_param_type t)
{
	static const char *const types[] = {
		[CART_PARAM_STRING] = "{ \"type\": \"string\" }",
		[CART_PARAM_INTEGER] = "{ \"type\": \"integer\" }, "
				       "{ \"$ref\": \"#/$defs/one_ref\" }",
		[CART_PARAM_BOOLEAN] = "{ \"type\": \"boolean\" }, "
				       "{ \"$ref\": \"#/$defs/one_ref\" }",
		[CART_PARAM_SIZE] = "{ \"type\": \"integer\", \"minimum\": 0 }, "
				    "{ \"type\": \"string\", \"pattern\": "
				    "\"^[0-9]+([KMGT](iB)?)?$\" }, "
				    "{ \"$ref\": \"#/$defs/ref\" }",
		[CART_PARAM_DURATION] = "{ \"type\": \"integer\", \"minimum\": 0 }, "
					"{ \"type\": \"string\", \"pattern\": "
					"\"^[0-9]+(ms|s|m|h|d)?$\" }, "
					"{ \"$ref\": \"#/$defs/ref\" }",
		[CART_PARAM_TIME] = "{ \"type\": \"string\", \"pattern\": "
				    "\"^(now|-[0-9]+(ms|s|m|h|d)?|[0-9]{4}-.*)$\" }, "
				    "{ \"$ref\": \"#/$defs/ref\" }",
		[CART_PARAM_STRINGS] = "{ \"type\": \"string\" }, "
				       "{ \"type\": \"array\", \"items\": "
				       "{ \"type\": \"string\" } }",
		[CART_PARAM_OBJECT] = "{ \"type\": \"object\" }, "
				      "{ \"$ref\": \"#/$defs/one_ref\" }",
		[CART_PARAM_ANY] = "true",
	};

	cart_buf_adds(b, types[t]);
}

static void type_params(struct cart_buf *b, const struct cart_step_type *t)
{
	const struct cart_param *p;
	const char *comma = "";
	bool required = false;

	for (p = t->params; p && p->name; p++)
		required = required || p->required;
	if (required) {
		cart_buf_adds(b, ",\n                            \"required\": [");
		for (p = t->params; p && p->name; p++) {
			if (!p->required)
				continue;
			cart_buf_adds(b, comma);
			quoted(b, p->name);
			comma = ", ";
		}
		cart_buf_adds(b, "]");
	}
	cart_buf_adds(b, ",\n                            \"properties\": {");
	comma = "";
	for (p = t->params; p && p->name; p++) {
		cart_buf_addf(b, "%s\n                                ", comma);
		quoted(b, p->name);
		cart_buf_adds(b, ": { \"description\": ");
		quoted(b, p->help ? p->help : "");
		cart_buf_adds(b, ", \"anyOf\": [");
		param_type(b, p->type);
		cart_buf_adds(b, "] }");
		comma = ",";
	}
	cart_buf_addf(b, "%s}", *comma ? "\n                            " : "");
	if (required)
		cart_buf_adds(b, "\n                        }\n"
			      "                    },\n"
			      "                    \"required\": [\"with\"");
	else
		cart_buf_adds(b, "\n                        }\n"
			      "                    }");
}

/* if `do` is this type, then `with` and the other keys are so. */
static void type_rule(struct cart_buf *b, const struct cart_step_type *t)
{
	static const char *const never_on_host[] = {
		"regions", "accounts", "role", "keep"
	};
	const struct cart_param *p;
	bool required = false;
	size_t i;

	cart_buf_adds(b, "\n                {\n                    \"if\": { "
		      "\"properties\": { \"do\": { \"const\": ");
	quoted(b, t->name);
	cart_buf_adds(b, " } } },\n                    \"then\": {\n"
		      "                    \"description\": ");
	quoted(b, t->summary ? t->summary : "");
	cart_buf_adds(b, ",\n                    \"properties\": {");
	if (t->where == CART_STEP_HOST) {
		for (i = 0; i < 4; i++)
			cart_buf_addf(b, "\n                        \"%s\": "
				      "false,", never_on_host[i]);
	}
	if (t->changes || t->may_change)
		cart_buf_addf(b, "\n                        \"changes\": { "
			      "\"const\": \"%s\" },", t->changes ? t->changes :
			      t->may_change);
	else if (strcmp(t->name, "aws.call"))
		cart_buf_adds(b, "\n                        \"changes\": false,");
	if (strcmp(t->name, "aws.call"))
		cart_buf_adds(b, "\n                        \"wait\": false,"
			      "\n                        \"secrets\": false,");
	cart_buf_adds(b, "\n                        \"with\": {\n"
		      "                            \"additionalProperties\": "
		      "false");
	for (p = t->params; p && p->name; p++)
		required = required || p->required;
	type_params(b, t);
	if (t->changes)
		cart_buf_addf(b, "%s\"changes\"", required ? ", " :
			      ",\n                    \"required\": [");
	cart_buf_addf(b, "%s\n                    }\n                }",
		      required || t->changes ? "]" : "");
}

int cart_manifest_schema_with(const struct cart_oracle *o, struct cart_buf *out,
			      struct cart_err *err)
{
	size_t i;

	cart_buf_adds(out, head);
	for (i = 0; o->types[i]; i++) {
		cart_buf_adds(out, i ? ", " : "");
		quoted(out, o->types[i]->name);
	}
	cart_buf_adds(out, "] }\n            },\n            \"allOf\": [");
	for (i = 0; o->types[i]; i++) {
		cart_buf_adds(out, i ? "," : "");
		type_rule(out, o->types[i]);
	}
	cart_buf_adds(out, o->types[0] ?
		      "\n            ]\n        }\n    }\n}\n" :
		      "{}]\n        }\n    }\n}\n");
	return cart_buf_check(out, "the JSON Schema", err);
}

int cart_manifest_schema(struct cart_buf *out, struct cart_err *err)
{
	return cart_manifest_schema_with(&cart_oracle_builtin, out, err);
}
