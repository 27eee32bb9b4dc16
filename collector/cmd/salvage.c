/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/minisign.h"
#include "crashcart/msg.h"
#include "crashcart/reader.h"
#include "crashcart/text.h"
#include "key_kms.h"
#include "key_load.h"
#include "upload.h"

/* From the lab, after a run whose host is gone: what it closed in S3 gets a
 * seal, what it was uploading becomes an object.  In an order that can be
 * repeated: the seal first, so that a remnant is never taken for a segment. */

#define CHUNK_BYTES ((uint64_t)8 << 20)
#define SEGMENTS_MAX 10000u

struct salvage {
	struct cmd_collection c;
	struct cmd_upload_target t;
	struct cart_s3_reader reader;
	char name[65], url[1200];
	unsigned n_names;		/* of bundles that have no seal */
	char other[65];			/* one that has */
	bool sealed, encrypted, has_run, has_signature;
	uint64_t length[2][SEGMENTS_MAX];	/* plain, .age; 0: not there */
	size_t n_segments;		/* from the first to a gap */
	struct cart_age_identities *ids;
	struct cmd_signer key_of;
	struct cart_signer *signer;	/* ours, without --key */
	struct cart_salvage found;
	size_t sealed_segments;
	char remnant[96];
	uint64_t remnant_bytes;
};

static void segment_file(const struct salvage *s, size_t i, char out[96])
{
	const char *end = s->encrypted ? ".age" : "";

	if (i == 0)
		snprintf(out, 96, "%.64s.tar%s", s->name, end);
	else
		snprintf(out, 96, "%.64s.tar.%03zu%s", s->name, i + 1, end);
}

/* --- which bundle --- */

struct names {
	struct salvage *s;
	char bundle[65];		/* whose names come now */
	bool sealed;
};

static void end_name(struct names *n)
{
	if (n->bundle[0] == '\0')
		return;
	if (n->sealed) {
		memcpy(n->s->other, n->bundle, sizeof(n->bundle));
	} else {
		memcpy(n->s->name, n->bundle, sizeof(n->bundle));
		n->s->n_names++;
	}
}

/* NAME.run, NAME.seal, NAME.tar come in this order for each NAME, but names
 * that begin with NAME may come between: only the three ends count. */
static int on_object(void *arg, const struct cart_s3_object *o,
		     struct cart_err *err)
{
	static const char *const ends[] = { ".run", ".seal", ".tar",
					    ".tar.age" };
	struct names *n = arg;
	size_t len = strlen(o->name), end, i;

	(void)err;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		end = strlen(ends[i]);
		if (len <= end || len - end > 64 ||
		    strcmp(o->name + len - end, ends[i]) != 0 ||
		    !cart_text_is_name(o->name, len - end))
			continue;
		if (strlen(n->bundle) != len - end ||
		    memcmp(n->bundle, o->name, len - end) != 0) {
			end_name(n);
			snprintf(n->bundle, sizeof(n->bundle), "%.*s",
				 (int)(len - end), o->name);
			n->sealed = false;
		}
		n->sealed |= i == 1;
	}
	return 0;
}

static int find_name(struct salvage *s, struct cart_err *err)
{
	const char *name = cart_args_value(s->c.args, "name");
	struct names n = { .s = s };

	if (name != NULL) {
		if (!cart_text_is_name(name, strlen(name)) ||
		    strlen(name) > 64)
			return cart_err_set(err, CART_ERR_USAGE, 0, "--name: "
					    "not a bundle's name");
		snprintf(s->name, sizeof(s->name), "%s", name);
		return 0;
	}
	if (cart_s3_list(&s->reader, "", on_object, &n, err) < 0)
		return -1;
	end_name(&n);
	if (s->n_names > 1)
		return cart_err_set(err, CART_ERR_USAGE, 0, "%s: %u bundles "
				    "without a seal; say which: --name NAME",
				    s->url, s->n_names);
	if (s->n_names == 0 && s->other[0] == '\0')
		return cart_err_set(err, CART_ERR_USAGE, 0, "%s: no bundle is "
				    "there (a name without / at the end is a "
				    "folder too)", s->url);
	if (s->n_names == 0)
		memcpy(s->name, s->other, sizeof(s->name));
	return 0;
}

/* --- its segments --- */

static int on_segment(void *arg, const struct cart_s3_object *o,
		      struct cart_err *err)
{
	struct salvage *s = arg;
	const char *p = o->name + strlen(s->name);
	uint64_t number = 1;
	size_t digits, i;

	(void)err;
	s->sealed |= strcmp(p, ".seal") == 0;
	s->has_run |= strcmp(p, ".run") == 0;
	s->has_signature |= strncmp(p, ".seal.", 6) == 0 &&
		strstr(p, ".minisig") != NULL;
	if (strncmp(p, ".tar", 4) != 0)
		return 0;
	p += 4;
	digits = p[0] == '.' ? strspn(p + 1, "0123456789") : 0;
	if (digits > 0) {
		for (number = 0, i = 1; i <= digits && i < 6; i++)
			number = 10 * number + (uint64_t)(p[i] - '0');
		if (digits < 3 || digits > 5 || number < 2 ||
		    number > SEGMENTS_MAX)
			return 0;
		p += 1 + digits;
	}
	if (*p != '\0' && strcmp(p, ".age") != 0)
		return 0;
	s->length[*p != '\0'][number - 1] = o->size;
	return 0;
}

static int find_segments(struct salvage *s, struct cart_err *err)
{
	char begin[80];

	memset(s->length, 0, sizeof(s->length));
	snprintf(begin, sizeof(begin), "%s.", s->name);
	if (cart_s3_list(&s->reader, begin, on_segment, s, err) < 0)
		return -1;
	/* the first says what it is: anybody may have put others beside it */
	s->encrypted = s->length[0][0] == 0 && s->length[1][0] > 0;
	s->n_segments = 0;
	while (s->n_segments < SEGMENTS_MAX &&
	       s->length[s->encrypted][s->n_segments] > 0)
		s->n_segments++;
	return 0;
}

static int read_chunk(void *arg, size_t segment, uint64_t offset, void *data,
		      size_t len, struct cart_err *err)
{
	const struct salvage *s = arg;
	char file[96];
	ssize_t n;

	segment_file(s, segment, file);
	n = cart_s3_read(&s->reader, file, NULL, offset, data, len, err);
	if (n < 0)
		return -1;
	return (size_t)n == len ? 0 :
		cart_err_set(err, CART_ERR_INPUT, 0, "%s became shorter", file);
}

/* What we read is what S3 says that it got: the composite of each segment. */
static int compare(const struct salvage *s, struct cart_err *err)
{
	struct cart_seal seal = { .n_segments = 0 };
	int rc = cart_seal_parse(s->found.seal.data, s->found.seal.len, &seal,
				 err);
	char file[96];
	size_t i;

	for (i = 0; rc == 0 && i < seal.n_segments; i++) {
		segment_file(s, i, file);
		rc = cart_s3_compare(&s->t.o, file, seal.segments[i].length,
				     (const unsigned char
				      (*)[CART_SHA256_SIZE])seal.chunks +
				     seal.segments[i].first_chunk,
				     seal.segments[i].n_chunks, err);
	}
	cart_seal_clear(&seal);
	return rc;
}

/* --- the seal --- */

static int sign(struct salvage *s, struct cart_buf *sig, char id[17],
		struct cart_err *err)
{
	struct cart_signer *signer = s->signer ? s->signer : s->key_of.signer;
	unsigned char prehash[CART_BLAKE2B_SIZE];
	struct cart_blake2b hash;
	char trusted[512];

	cart_blake2b_init(&hash);
	cart_blake2b_update(&hash, s->found.seal.data, s->found.seal.len);
	cart_blake2b_final(&hash, prehash);
	snprintf(trusted, sizeof(trusted), "crashcart counter-signature "
		 "bundle=%s case=%s root=%s", s->name, s->found.case_id,
		 s->found.root);
	cart_minisign_id_text(signer->public_key.id, id);
	return cart_minisign_sign(signer, prehash,
				  "crashcart counter-signature", trusted, sig,
				  err);
}

static int put_seal(struct salvage *s, struct cart_err *err)
{
	char file[128], id[17];
	struct cart_buf sig;
	int rc = -1;

	cart_buf_init(&sig, 8192);
	segment_file(s, 0, file);
	cart_cmd_upload_keep_lock(&s->c, &s->t, &s->reader, file);
	if (compare(s, err) < 0 || sign(s, &sig, id, err) < 0)
		goto out;
	snprintf(file, sizeof(file), "%s.seal.%s.minisig", s->name, id);
	if (cart_s3_put(&s->t.o, file, sig.data, sig.len, err) < 0)
		goto out;
	snprintf(file, sizeof(file), "%s.seal", s->name);
	rc = cart_s3_put(&s->t.o, file, s->found.seal.data, s->found.seal.len,
			 err);
out:
	cart_buf_clear(&sig);
	return rc;
}

/* What is to be signed must be of the run that NAME.run says. */
static int check_run(struct salvage *s, struct cart_err *err)
{
	char file[96], text[8192];
	struct cart_json *j;
	const char *uuid;
	ssize_t n = 0;
	int rc = 0;

	snprintf(file, sizeof(file), "%s.run", s->name);
	if (s->has_run)
		n = cart_s3_read(&s->reader, file, NULL, 0, text, sizeof(text),
				 err);
	if (n < 0)
		return -1;
	j = n > 0 ? cart_json_parse(text, (size_t)n, NULL, NULL) : NULL;
	uuid = cart_json_get_string(j, "uuid");
	if (uuid == NULL || !cart_text_is_printable(uuid, strlen(uuid)))
		cart_msg(CART_MSG_WARN, "there is no %s that says which run "
			 "this is: look whether you expect bundle %s", file,
			 s->found.uuid);
	else if (strcmp(uuid, s->found.uuid) != 0)
		rc = cart_err_set(err, CART_ERR_INPUT, 0, "%s names the run "
				  "%.36s, the segments are of %s: somebody put "
				  "one of the two there; nothing was sealed.  "
				  "Keep a copy, remove the wrong one (a delete "
				  "marker is enough), and salvage again", file,
				  uuid, s->found.uuid);
	cart_json_free(j);
	return rc;
}

/* Of a seal that is there already: the segments that it covers, if partial. */
static int read_seal(struct salvage *s, struct cart_err *err)
{
	struct cart_seal seal = { .n_segments = 0 };
	unsigned char *data = malloc(CART_SEAL_MAX);
	char file[96];
	ssize_t n = -1;
	int rc = -1;

	snprintf(file, sizeof(file), "%s.seal", s->name);
	if (data == NULL)
		cart_err_nomem(err);
	else
		n = cart_s3_read(&s->reader, file, NULL, 0, data,
				 CART_SEAL_MAX, err);
	if (n >= 0 && cart_seal_parse(data, (size_t)n, &seal, err) == 0) {
		s->sealed_segments = strcmp(seal.state, "partial") == 0 ?
			seal.n_segments : 0;
		memcpy(s->found.root, seal.root, sizeof(s->found.root));
		s->found.lines = seal.log_size;
		rc = 0;
	} else if (n >= 0) {
		cart_err_prefix(err, "%s is no seal; remove it (a delete "
				"marker is enough), and salvage again", file);
	}
	if (rc == 0 && !s->has_signature)
		rc = cart_err_set(err, CART_ERR_INPUT, 0, "%s has no signature "
				  "(.minisig): if it holds for you, `crashcart "
				  "countersign`; else remove it (a delete "
				  "marker is enough), and salvage again", file);
	cart_seal_clear(&seal);
	free(data);
	return rc;
}

/* What was being uploaded: the object behind the closed ones. */
static int keep_remnant(struct salvage *s, size_t number, struct cart_err *err)
{
	size_t others = 0;
	char file[96];
	int rc;

	segment_file(s, number, file);
	rc = cart_s3_remnant(&s->t.o, file, &s->remnant_bytes, &others, err);
	if (rc == 0 && number == 0 && !s->encrypted) {
		/* not even the first is there: it may be encrypted */
		s->encrypted = true;
		segment_file(s, number, file);
		rc = cart_s3_remnant(&s->t.o, file, &s->remnant_bytes, &others,
				     err);
		s->encrypted = rc > 0;
	}
	if (others > 0)
		cart_msg(CART_MSG_WARN, "%zu other uploads of %s are open, and "
			 "stay: the one that was begun last was taken (aws "
			 "s3api list-multipart-uploads)", others, file);
	if (rc > 0)
		snprintf(s->remnant, sizeof(s->remnant), "%s", file);
	return rc < 0 ? -1 : 0;
}

static int seal_closed(struct salvage *s, struct cart_err *err)
{
	struct cart_resume_source from = { .n_segments = s->n_segments,
		.lengths = s->length[s->encrypted], .read = read_chunk, .arg = s,
		.identities = s->encrypted ? s->ids : NULL };

	if (s->n_segments == 0)
		return 0;
	if (s->encrypted && s->ids == NULL)
		return cart_err_set(err, CART_ERR_USAGE, 0, "%s is encrypted: "
				    "its seal states the root of the log, so "
				    "give the identity that opens it (-i FILE)",
				    s->name);
	if (cart_salvage_read(&from, s->name, &s->found, err) < 0)
		return -1;
	if (s->found.segments == 0)
		return 0;
	if (check_run(s, err) < 0)
		return -1;
	s->sealed_segments = s->found.segments;
	return put_seal(s, err);
}

static int do_salvage(struct salvage *s, struct cart_err *err)
{
	if (find_name(s, err) < 0 || find_segments(s, err) < 0)
		return -1;
	if (s->sealed) {
		if (read_seal(s, err) < 0)
			return -1;
		return s->sealed_segments == 0 ? 0 :
			keep_remnant(s, s->sealed_segments, err);
	}
	/* nothing was closed: what was uploaded is all that there is */
	if (s->n_segments == 0 &&
	    (keep_remnant(s, 0, err) < 0 || find_segments(s, err) < 0))
		return -1;
	if (seal_closed(s, err) < 0)
		return -1;
	if (s->remnant[0] != '\0') {
		/* it was sealed itself, or stays as the only thing */
		if (s->sealed_segments > 0)
			s->remnant[0] = '\0';
		return 0;
	}
	return s->sealed_segments > 0 && s->sealed_segments == s->n_segments ?
		keep_remnant(s, s->n_segments, err) : 0;
}

/* --- the answer --- */

static void print_key(const struct salvage *s, struct cart_buf *b)
{
	const struct cart_signer *k = s->signer ? s->signer : s->key_of.signer;

	cart_minisign_print_public_bare(&k->public_key, b);
}

static int print_json(const struct salvage *s, const char *state, int status)
{
	struct cart_json *j = cart_json_new_object(), *r;
	struct cart_buf b;

	cart_buf_init(&b, 16384);
	print_key(s, &b);
	cart_json_add(j, "bundle", cart_json_new_string(s->name));
	cart_json_add(j, "location", cart_json_new_string(s->url));
	cart_json_add(j, "state", cart_json_new_string(state));
	cart_json_add(j, "already", cart_json_new_bool(s->sealed));
	cart_json_add(j, "segments", cart_json_new_int(
		      (int64_t)s->sealed_segments));
	cart_json_add(j, "lines", cart_json_new_int((int64_t)s->found.lines));
	cart_json_add(j, "root", cart_json_new_string(s->found.root));
	if (!s->sealed && s->sealed_segments > 0)
		cart_json_add(j, "key", cart_json_new_string((char *)b.data));
	if (s->remnant[0] != '\0') {
		r = cart_json_add(j, "remnant", cart_json_new_object());
		cart_json_add(r, "object", cart_json_new_string(s->remnant));
		cart_json_add(r, "bytes", cart_json_new_int(
			      (int64_t)s->remnant_bytes));
	}
	cart_json_add(j, "why", cart_json_new_string(s->found.why));
	cart_json_add(j, "exit", cart_json_new_int(status));
	cart_buf_clear(&b);
	cart_command_print_json(stdout, j);
	return status;
}

static int print(const struct salvage *s)
{
	bool any = s->sealed_segments > 0;
	const char *state = any ? "partial" : s->sealed ? "sealed" : "unsealed";
	int status = s->sealed ? CART_EXIT_OK : any ? CART_EXIT_GAPS :
		CART_EXIT_UNKNOWN;
	struct cart_buf b;

	if (cart_args_flag(s->c.args, "json"))
		return print_json(s, state, status);
	cart_buf_init(&b, 128);
	print_key(s, &b);
	if (s->sealed)
		printf("Already   %s%s has a seal%s: nothing was changed\n",
		       s->url, s->name, any ? ", partial" : "");
	else if (any)
		printf("Sealed    %s%s: partial, %zu closed segments, log "
		       "lines to %" PRIu64 "\nRoot      %s (of the log)\n"
		       "Key       %s (counter-signs; the run's own key died "
		       "with it)\n", s->url, s->name, s->sealed_segments,
		       s->found.lines, s->found.root, (char *)b.data);
	else
		printf("Unsealed  %s%s: nothing was closed that can be sealed\n",
		       s->url, s->name);
	if (s->remnant[0] != '\0')
		printf("Remnant   %s: %" PRIu64 " bytes that were uploaded "
		       "last\n", s->remnant, s->remnant_bytes);
	if (s->found.why[0] != '\0' && !s->sealed)
		printf("Behind    %s\n", s->found.why);
	cart_buf_clear(&b);
	return status;
}

static int open_key(struct salvage *s, struct cart_err *err)
{
	const char *key = cart_args_value(s->c.args, "key");

	if (key != NULL)
		return cart_key_open(s->c.args, key, s->c.env, false,
				     &s->key_of, err);
	s->signer = cart_signer_session(err);
	return s->signer != NULL ? 0 : -1;
}

static int salvage(const struct cart_args *a)
{
	struct salvage *s = calloc(1, sizeof(*s));
	struct cart_err err = { 0 };
	int status;

	if (s == NULL) {
		cart_err_nomem(&err);
		return cart_command_fail(a, &err);
	}
	s->c.args = a;
	s->c.env = cart_env_take();
	if (cart_cmd_collection_allow(&s->c, &err) < 0 ||
	    cart_cmd_upload_target(a, a->positional[0], s->c.allow, &s->t,
				   &err) < 0 ||
	    cart_identity_option(a, &s->ids, &err) < 0 ||
	    open_key(s, &err) < 0 ||
	    cart_cmd_upload_session(&s->c, &s->t, false, &err) < 0)
		goto fail;
	snprintf(s->url, sizeof(s->url), "s3://%s/%s", s->t.bucket,
		 s->t.prefix);
	s->reader = (struct cart_s3_reader){ .aws = s->t.o.aws,
		.bucket = s->t.bucket, .prefix = s->t.prefix,
		.owner = s->t.o.owner, .owner_assumed = s->t.o.owner_assumed };
	if (do_salvage(s, &err) < 0)
		goto fail;
	status = print(s);
	goto out;
fail:
	status = cart_command_fail(a, &err);
out:
	cart_buf_clear(&s->found.seal);
	cart_age_identities_free(s->ids);
	cart_key_close(&s->key_of);
	cart_signer_free(s->signer);
	cart_cmd_aws_free(s->c.upload);
	cart_env_free(s->c.env);
	free(s);
	return status;
}

static const struct cart_option options[] = {
	{ "name", 0, "NAME", false, "Which bundle, if several have no seal." },
	{ "key", 0, "FILE|kms:ARN", false,
	  "Sign with this minisign or AWS KMS key, not a fresh one." },
	{ "password-fd", 0, "N", false,
	  "Read the key's password from descriptor N." },
	CMD_IDENTITY_OPTION,
	{ "bucket-owner", 0, "ID", false,
	  "Account that owns the bucket, or ANY; without it your own." },
	{ "upload-kms-key", 0, "KEY", false,
	  "Encrypt the seal's objects with this KMS key (SSE-KMS)." },
	{ "retain", 0, "MODE:DAYS", false,
	  "Lock the seal; without it as the first segment is locked." },
	{ "legal-hold", 0, NULL, false, "Put a legal hold on the seal." },
	{ "allow", 0, "CLASS", true,
	  "--retain compliance wants irreversible." },
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_salvage = {
	.name = "salvage",
	.summary = "Seal, from the lab, what a run that died left in S3.",
	.usage = "s3://BUCKET/PREFIX [--name NAME] [--key FILE]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"When the host is gone, and the state file with it (else: crashcart resume).\n"
"Reads the closed segments, checks them (chunks, members, log, heads), and puts\n"
"NAME.seal there, state partial, with your counter-signature; what was being\n"
"uploaded is completed as the next segment's object: a remnant, not sealed.\n"
"Nothing is overwritten; done again it says that it was done.  Segments of\n"
"another run than NAME.run says are refused.  Make sure that the run has ended.\n"
"It needs s3:ListBucket, s3:ListBucketMultipartUploads,\n"
"s3:ListMultipartUploadParts, s3:GetObject, s3:PutObject; to lock alike also\n"
"s3:GetObjectAttributes, s3:GetObjectRetention, s3:GetObjectLegalHold,\n"
"s3:PutObjectRetention, s3:PutObjectLegalHold; with SSE-KMS kms:Decrypt and\n"
"kms:GenerateDataKey.\n"
"\n"
"Example:\n"
"  crashcart salvage s3://evidence/IR-7 --key lab.key\n"
"\n"
"Exit status: 3 sealed as partial; 0 it has a seal already; 5 nothing that\n"
"can be sealed.\n",
	.run = salvage,
};
