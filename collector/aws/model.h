/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_COLLECTOR_AWS_MODEL_H
#define CRASHCART_COLLECTOR_AWS_MODEL_H

#include <stdint.h>

#include <crashcart/aws_model.h>

/*
 * Layout of a loaded service, shared by the files of this folder that
 * encode and parse.  Everything is immutable once its service is loaded.
 */

enum cart_kind {
	CART_KIND_STRING,
	CART_KIND_INTEGER,
	CART_KIND_LONG,
	CART_KIND_FLOAT,
	CART_KIND_DOUBLE,
	CART_KIND_BOOLEAN,
	CART_KIND_TIMESTAMP,
	CART_KIND_BLOB,
	CART_KIND_LIST,
	CART_KIND_MAP,
	CART_KIND_STRUCTURE
};
#define CART_KINDS 11

/* Flags of a shape; the same numbers as in scripts/gen-aws-model. */
#define CART_SHAPE_SENSITIVE	1u
#define CART_SHAPE_DOCUMENT	2u	/* any JSON */
#define CART_SHAPE_UNION	4u	/* exactly one member */
#define CART_SHAPE_POLICY	8u	/* URL-encoded JSON (IAM) */
#define CART_SHAPE_EVENTSTREAM	16u

/* Flags of a reference; the same numbers as in scripts/gen-aws-model. */
#define CART_REF_FLAT		1u
#define CART_REF_ATTR		2u	/* XML attribute */
#define CART_REF_JSONVALUE	4u	/* JSON, base64, in a header */
#define CART_REF_TOKEN		8u	/* idempotency token */
#define CART_REF_HOSTLABEL	16u
#define CART_REF_STREAM		32u
#define CART_REF_LASTPART	64u	/* "/hostedzone/Z1" means "Z1" */
#define CART_REF_FLAGS		0xfffu

enum cart_location {
	CART_IN_BODY,
	CART_IN_URI,
	CART_IN_QUERY,
	CART_IN_HEADER,
	CART_IN_HEADERS,		/* a map: prefix of header names */
	CART_IN_STATUS
};

enum cart_time_format {
	CART_TIME_DEFAULT,
	CART_TIME_ISO8601,
	CART_TIME_UNIX,
	CART_TIME_RFC822
};

struct cart_shape;

/* One use of a shape, with what this use says about the wire. */
struct cart_ref {
	const struct cart_shape *shape;
	const char *name;	/* on the wire; NULL: as the member's name */
	const char *query;	/* queryName of ec2, or NULL */
	const char *xmlns;	/* "uri" or "prefix uri", or NULL */
	uint16_t flags;
	uint8_t location;	/* enum cart_location */
	uint8_t time;		/* enum cart_time_format */
};

struct cart_member {
	const char *name;
	struct cart_ref ref;
};

struct cart_slot {
	const struct cart_member *m;
	uint16_t same;		/* number of an earlier member with the same
				 * name on the wire (S3's Event and Events) */
	bool required;
};

/* Members by name: open addressing, 0 empty, else index + 1. */
struct cart_names {
	uint16_t *slots;	/* NULL when there are few members */
	uint32_t mask;
};

struct cart_shape {
	uint8_t kind;		/* enum cart_kind */
	uint8_t flags;
	uint16_t n;		/* members of a structure */
	uint16_t payload;	/* number of the payload member, 0: none */
	struct cart_slot *members;	/* of a structure, in model order */
	struct cart_names by_name;	/* names as documented */
	struct cart_names by_wire;	/* names in bodies of replies */
	struct cart_ref member;		/* of a list; value of a map */
	struct cart_ref key;		/* of a map */
};

struct cart_exprs {
	const char **v;
	size_t n;
};

struct cart_op {
	struct cart_op_info info;
	const struct cart_svc *svc;
	bool has_input;
	bool has_output;
	bool events_in;			/* takes a stream of events */
	struct cart_ref input;
	struct cart_ref output;
	const char *wrapper;		/* resultWrapper, or NULL */
	const char *checksum_member;	/* "ChecksumAlgorithm", or "" */
	uint16_t variant;		/* of the endpoint rules */
	const char *more_results;
	const char *limit_key;
	struct cart_exprs input_token;
	struct cart_exprs output_token;
	struct cart_exprs result_key;
	struct cart_exprs other_key;	/* of the first page (CLI) */
};

struct cart_rule {
	uint8_t flags;
	uint32_t scope;		/* 0 all, then partitions, then regions */
	const char *host;
	const char *region;
	const char *name;
};

struct cart_rules {
	struct cart_rule *v;
	size_t n;
};

struct cart_svc {
	struct cart_svc_info info;
	const struct cart_model *model;
	const char *xmlns;
	bool query_compatible;
	struct cart_op *ops;
	struct cart_rules *variants;
	size_t variant_count;
	const uint8_t *regions;		/* bits, NULL: nothing known */
	size_t region_bytes;
	struct cart_chunk *chunks;	/* memory of all of the above */
};

/* Index of the member in s->members, or -1. */
int cart_model_member(const struct cart_shape *s, const char *name);
/* As above, by the name in a reply's body.  hint is where to look first and
 * is moved behind what was found; replies keep the model's order. */
int cart_model_wire_member(const struct cart_shape *s, const char *name,
			   unsigned *hint);
/* The name of a member in a reply's body. */
const char *cart_model_wire_name(const struct cart_svc *svc,
				 const struct cart_member *m);
const char *cart_model_kind_name(const struct cart_shape *s);

/* Number of a region in the index, or -1; of its partition. */
int cart_model_region_number(const struct cart_model *m, const char *region);

#endif
