/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_AWS_MODEL_H
#define CRASHCART_AWS_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include <crashcart/err.h>

/*
 * What a caller must know of every AWS service: operations, shapes,
 * paginators, endpoints and the review of what only reads.  Made by
 * scripts/gen-aws-model from botocore, kept as one blob in the binary: an
 * index, a shared dictionary and one zstd frame a service.  A service is
 * inflated when it is first asked for and then stays, immutable, until the
 * model is closed.  All functions may be called from any thread.
 */
struct cart_model;		/* an opened blob */
struct cart_svc;		/* one service; owned by the model */
struct cart_op;			/* one operation; owned by its service */

enum cart_proto {
	CART_PROTO_NONE,	/* speaks nothing that we encode (CBOR only) */
	CART_PROTO_EC2,
	CART_PROTO_QUERY,
	CART_PROTO_JSON,	/* 1.0 or 1.1, see json_version */
	CART_PROTO_REST_JSON,
	CART_PROTO_REST_XML
};

/* What an operation does to the account, as collector/aws/readonly.txt says.
 * Only READ and SECRET are read-only; what nobody reviewed is not. */
enum cart_op_class {
	CART_OP_UNREVIEWED,
	CART_OP_READ,		/* reads, and nothing else happens */
	CART_OP_SECRET,		/* reads, and the reply may hold secrets */
	CART_OP_MINT,		/* makes credentials, tokens, signed URLs */
	CART_OP_SPEND,		/* starts work that costs or uses up quota */
	CART_OP_WRITE,		/* changes something */
	CART_OP_DESTROY		/* takes away what cannot be had back */
};

/* Views; every pointer lives as long as the model.  Strings are "" when the
 * model says nothing, never NULL. */
struct cart_svc_info {
	const char *name;		/* "ec2": the name used everywhere */
	const char *id;			/* serviceId, "EC2" */
	const char *title;		/* "Amazon Elastic Compute Cloud" */
	const char *api_version;	/* "2016-11-15" */
	const char *endpoint_prefix;	/* "ec2", "monitoring" */
	const char *signing_name;	/* default; an endpoint may differ */
	const char *target_prefix;	/* X-Amz-Target */
	const char *json_version;	/* "1.0", "1.1" */
	enum cart_proto protocol;
	size_t op_count;
	bool global;	/* one endpoint for the whole partition aws */
	bool old_signature;	/* wants version 2: we cannot sign for it */
};

struct cart_op_info {
	const char *name;		/* "DescribeInstances" */
	const char *method;		/* "POST" */
	const char *uri;		/* template, "/{Bucket}?acl" */
	const char *host_prefix;	/* "" or "api." or "{AccountId}." */
	enum cart_op_class class;
	bool no_auth;		/* sent unsigned (sts:AssumeRoleWithSAML) */
	bool bearer;		/* wants a bearer token, not a signature */
	bool unsigned_payload;	/* the body is not part of the signature */
	bool checksum_required;	/* goes with x-amz-checksum-* */
	bool stream_in;		/* body is one blob of the caller's */
	bool stream_out;	/* body of the reply is one blob */
	bool event_stream;	/* the reply is a stream of events */
	bool paginated;
	bool deprecated;
	bool discovery;		/* its host must be asked for first
				 * (DescribeEndpoints): we do not */
};

/* blob is not copied and must outlive the model; it is checked, not
 * trusted.  NULL with err. */
struct cart_model *cart_model_open(const void *blob, size_t len,
				   struct cart_err *err);
void cart_model_close(struct cart_model *m);
/* The one that is part of the binary, opened at the first call and never
 * closed.  NULL with err when memory runs out. */
struct cart_model *cart_model_builtin(struct cart_err *err);
/* The botocore version that the blob was made from. */
const char *cart_model_version(const struct cart_model *m);

/* Names of all services, sorted; NULL at index == count. */
size_t cart_model_svc_count(const struct cart_model *m);
const char *cart_model_svc_name(const struct cart_model *m, size_t index);

/* By botocore's or the AWS CLI's name ("config" and "configservice").  NULL
 * with err, which names the nearest one. */
const struct cart_svc *cart_model_svc(struct cart_model *m, const char *name,
				      struct cart_err *err);
const struct cart_svc_info *cart_svc_info(const struct cart_svc *svc);
/* In alphabetical order; NULL beyond the end. */
const struct cart_op *cart_svc_op_at(const struct cart_svc *svc, size_t index);
/* By API name, exactly.  NULL with err, which names the nearest one. */
const struct cart_op *cart_svc_op(const struct cart_svc *svc,
				  const char *name, struct cart_err *err);
/* "iam:GetUser".  NULL with err. */
const struct cart_op *cart_model_op(struct cart_model *m, const char *call,
				    struct cart_err *err);
const struct cart_op_info *cart_op_info(const struct cart_op *op);
const struct cart_svc *cart_op_svc(const struct cart_op *op);
enum cart_op_class cart_model_class(const struct cart_op *op);
const char *cart_op_class_name(enum cart_op_class class);
/* True for READ and SECRET. */
bool cart_op_is_read_only(const struct cart_op *op);
/* True if top-level input members may be left out: no required member. */
bool cart_op_needs_no_input(const struct cart_op *op);

/* ---- regions and endpoints -------------------------------------------- */

struct cart_partition {
	const char *id;			/* "aws" */
	const char *dns_suffix;		/* "amazonaws.com" */
	const char *dualstack_suffix;	/* "api.aws" */
	const char *default_region;	/* where its global services sign */
};

/* Partition of a region name, also of one that the model does not list but
 * that looks like one of the partition's ("us-east-9").  0 or -1: not a
 * region's name. */
int cart_model_partition(const struct cart_model *m, const char *region,
			 struct cart_partition *ret);
/* Regions that the model lists for a partition, sorted; NULL at the end. */
const char *cart_model_region_at(const struct cart_model *m,
				 const char *partition, size_t index);
/* 1: the service is listed in the region, 0: it is not, -1: nothing is
 * known.  A hint only: AWS adds regions faster than lists follow. */
int cart_svc_in_region(const struct cart_svc *svc, const char *region);

#define CART_ENDPOINT_FIPS	1u
#define CART_ENDPOINT_DUALSTACK	2u

struct cart_endpoint {
	char host[256];
	char signing_region[64];
	char signing_name[64];
};

/* region may be "global" or NULL for a service with one endpoint a
 * partition (then the partition aws is meant).  -1 with err when the
 * service has no such variant there. */
int cart_model_endpoint(const struct cart_svc *svc, const char *region,
			unsigned flags, struct cart_endpoint *ret,
			struct cart_err *err);
/* As above for one operation: a few services spread theirs over several
 * hosts (kinesis, acm).  This is the one to use for a call. */
int cart_op_endpoint(const struct cart_op *op, const char *region,
		     unsigned flags, struct cart_endpoint *ret,
		     struct cart_err *err);

#endif
