/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CART_ENGINE_PRIVATE_H
#define CART_ENGINE_PRIVATE_H

#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crashcart/engine.h>
#include <crashcart/filter.h>
#include <crashcart/manifest.h>
#include <crashcart/step.h>

#define ID_SIZE		33		/* step ids, parameters, kept names */
#define STEPS_MAX	256
#define KEEPS_MAX	32
#define PARAMS_MAX	64
#define RATES_MAX	32		/* as aws.h says */
#define KEPT_VALUES_MAX	100000		/* of one name over all instances */
#define KEPT_BYTES_MAX	65536		/* one value, as JSON text */
#define INSTANCES_MAX	10000		/* of one step */
#define INSTANCE_ID_SIZE 160
#define WORKERS_MAX	64
#define WORKER_STACK	((size_t)512 << 10)	/* a walk may nest 256 folders */

/* Those parts of the manifest that tests replace. */
struct cart_op_facts {
	bool read_only;
	bool secret;			/* its reply may hold secrets */
	bool global;			/* one endpoint for all regions */
	const char *class;		/* "read", "write" ... */
	const char *signing;		/* name that requests are signed for */
};

struct cart_oracle {
	const struct cart_step_type *const *types;	/* NULL-terminated */
	/* "iam:GetUser"; -1 with err when there is no such operation. */
	int (*op)(const char *call, struct cart_op_facts *ret,
		  struct cart_err *err);
	/* Is input right for the call, if null stands for what is not known
	 * yet?  input may be NULL.  May itself be NULL. */
	int (*input)(const char *call, const struct cart_json *input,
		     struct cart_err *err);
};
extern const struct cart_oracle cart_oracle_builtin;
const struct cart_step_type *cart_oracle_type(const struct cart_oracle *o,
					      const char *name);

/* ---- sets of steps ------------------------------------------------------ */

struct step_set {
	uint64_t w[STEPS_MAX / 64];
};

static inline bool step_set_has(const struct step_set *s, size_t i)
{
	return (s->w[i / 64] >> (i % 64)) & 1;
}

static inline void step_set_add(struct step_set *s, size_t i)
{
	s->w[i / 64] |= UINT64_C(1) << (i % 64);
}

/* ---- references (refs.c) ------------------------------------------------ */

enum ref_kind { REF_STEP, REF_PARAM, REF_ITEM, REF_RUN };

struct cart_ref {
	enum ref_kind kind;
	char step[ID_SIZE];		/* REF_STEP */
	char name[128];			/* kept name, parameter, item path, run's */
};

enum piece_kind { PIECE_END, PIECE_TEXT, PIECE_REF };

struct cart_piece {
	enum piece_kind kind;
	const char *text;		/* PIECE_TEXT, not ended */
	size_t len;
	struct cart_ref ref;
};

/* Reads the next piece of a string with ${...}; advances *p.  -1 with err. */
int cart_ref_piece(const char **p, struct cart_piece *ret, struct cart_err *err);
/* 1: the string is exactly one reference; 0: it is not; -1: err. */
int cart_ref_whole(const char *s, struct cart_ref *ret, struct cart_err *err);
/* Does a value hold any reference at all?  Bad ones count. */
bool cart_ref_any(const struct cart_json *v);
/* A copy in which null stands where references do; NULL without memory. */
struct cart_json *cart_ref_holes(const struct cart_json *v);
/* "keys.ids", for messages. */
void cart_ref_text(const struct cart_ref *r, char *out, size_t size);

enum resolve { RESOLVE_OK, RESOLVE_NO_VALUE, RESOLVE_AMBIGUOUS, RESOLVE_LEAVE };

/* Gives the value of a reference: *ret is borrowed until the next call. */
typedef enum resolve (*cart_ref_fn)(void *arg, const struct cart_ref *ref,
				    const struct cart_json **ret);

/* A copy of v with all references replaced.  0 with *ret_result; -1 with err.
 * *ret is set only for RESOLVE_OK; *ret_failed says which reference had no
 * or several values.  RESOLVE_LEAVE by fn leaves the text as it is. */
int cart_ref_resolve(const struct cart_json *v, cart_ref_fn fn, void *arg,
		     struct cart_json **ret, enum resolve *ret_result,
		     struct cart_ref *ret_failed, struct cart_err *err);
/* The part of item that a path like "Ebs.VolumeId" names, or NULL. */
const struct cart_json *cart_ref_item(const struct cart_json *item,
				      const char *path);

/* ---- the manifest ------------------------------------------------------- */

struct mkeep {
	char name[ID_SIZE];
	struct cart_filter *filter;
};

struct mwait {
	struct cart_filter *until;	/* NULL: no wait */
	uint64_t every_ms, timeout_ms;
};

struct mstep {
	char id[ID_SIZE];
	const char *title;		/* or NULL */
	const struct cart_step_type *type;
	const struct cart_json *with;	/* object, or NULL */
	struct mkeep keep[KEEPS_MAX];
	size_t n_keep;
	const struct cart_json *regions;/* NULL, string or array */
	const struct cart_json *accounts;
	const char *role;
	const struct cart_json *for_each;/* string or array, or NULL */
	const char *when;		/* one reference, or NULL */
	struct mwait wait;
	bool stop;			/* on_error */
	bool despite_gaps;
	bool if_allowed;		/* without its --allow: skipped */
	uint64_t timeout_ms;		/* 0: none */
	unsigned changes;		/* CART_CHANGE_*, 0: reads only */
	const char *changes_word;
	const char *call;		/* aws.call: "iam:GetUser", else NULL */
	struct cart_op_facts op;	/* of call */
	bool secrets;			/* "secrets": "allow" */
	bool global;			/* its region is "global" */
	struct step_set inputs;		/* refers to them */
	struct step_set needs;		/* inputs and after */
	struct step_set waits;		/* needs, and the order of changes and ranks */
};

enum mparam_type { PARAM_STRING, PARAM_INTEGER, PARAM_BOOLEAN, PARAM_LIST };

struct mparam {
	char name[ID_SIZE];
	enum mparam_type type;
	bool required, has_pattern;
	regex_t pattern;
	const char *pattern_text;
	const struct cart_json *fallback, *choices;
	const char *title;
};

struct cart_manifest {
	char *label;
	void *bytes;
	size_t len;
	struct cart_json *doc;
	const struct cart_oracle *oracle;
	const char *name, *title, *scope;
	const char *role;
	const struct cart_json *exclude;
	struct mparam params[PARAMS_MAX];
	size_t n_params;
	struct cart_json *values;	/* parameters as set */
	struct mstep *steps;
	size_t n_steps;
	struct cart_aws_rate rates[RATES_MAX];	/* call points into doc */
	size_t n_rates;
};

struct cart_manifest *cart_manifest_parse_with(const struct cart_oracle *o,
					       const char *label,
					       const void *data, size_t len,
					       struct cart_err *err);
int cart_manifest_schema_with(const struct cart_oracle *o, struct cart_buf *out,
			      struct cart_err *err);
/* Index of a step, or -1. */
int cart_manifest_step(const struct cart_manifest *m, const char *id);
/* Kept names of a step: those of keep, then those of its type; NULL beyond. */
const char *cart_manifest_kept(const struct mstep *s, size_t index);
int cart_manifest_kept_index(const struct mstep *s, const char *name);

/* Where in the document a message is about. */
struct mpath {
	const struct cart_manifest *m;
	struct cart_err *err;
	const char *step[40];
	char index[40][12];
	unsigned depth;
};

void cart_mpath_push(struct mpath *p, const char *key);
void cart_mpath_push_index(struct mpath *p, size_t index);
void cart_mpath_pop(struct mpath *p);
/* "FILE:LINE: path: text", class USAGE; returns -1. */
int cart_mpath_bad(struct mpath *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The known word nearest to word, or NULL; known ends with NULL. */
const char *cart_nearest(const char *word, const char *const *known);

/* Checks `with` against the type's table (params.c).  Values with references
 * are judged only where the type of the result is certain. */
int cart_with_check(struct mpath *p, const struct cart_step_type *type,
		    const struct cart_json *with);
/* The same for the input of an aws.call, by the service model. */
int cart_call_check(struct mpath *p, const struct cart_manifest *m,
		    const struct mstep *s, const struct cart_json *with);
/* Parameter definitions ("params") and values. */
int cart_mparam_parse(struct mpath *p, struct cart_manifest *m,
		      const struct cart_json *params);
void cart_mparam_clear(struct mparam *p);
/* Computes inputs, needs and waits of all steps (graph.c). */
int cart_graph_build(struct mpath *p, struct cart_manifest *m);

/* ---- needs.c: what IAM must allow --------------------------------------- */

/* Everything is borrowed, and dies with the call of fn. */
struct cart_need {
	const struct mstep *step;
	const char *call;		/* "s3:ListObjectsV2" */
	const char *action;		/* "s3:ListBucket" */
	struct cart_json *resources;	/* ARNs with "*", or ["*"] */
	const struct cart_json *regions;/* fixed list, or NULL */
	const char *create_action;	/* of ec2:CreateTags, else NULL */
	const struct cart_json *input;	/* of the call if all is known, or NULL */
	bool changes;
	bool global;			/* one endpoint for all regions */
};
typedef void (*cart_need_fn)(void *arg, const struct cart_need *need);

/* region chooses the partition of ARNs; NULL: the first one that the manifest
 * names, else aws.  0, or -1 without memory. */
int cart_manifest_needs(const struct cart_manifest *m, const char *region,
			cart_need_fn fn, void *arg);
/* The accounts of a step that are known before the run, as a new list. */
struct cart_json *cart_manifest_accounts(const struct cart_manifest *m,
					 const struct mstep *s);
/* A cart_ref_fn that knows parameters alone; arg is the manifest. */
enum resolve cart_ref_params(void *arg, const struct cart_ref *ref,
			     const struct cart_json **ret);

/* ---- a run -------------------------------------------------------------- */

/* How a run reaches AWS; tests put their own in. */
struct cart_run_calls {
	int (*call)(struct cart_aws *a, const struct cart_aws_call *call,
		    struct cart_aws_reply *ret, struct cart_err *err);
	int (*regions)(struct cart_aws *a, struct cart_aws_reply *ret_reply,
		       struct cart_json **ret_names, struct cart_err *err);
	const char *(*region)(struct cart_aws *a);
	int64_t (*now_ns)(struct cart_aws *a);
	int (*imds)(struct cart_imds *m, const char *path,
		    struct cart_http_reply *ret, struct cart_err *err);
	/* A session like base with a role's credentials; may be NULL. */
	struct cart_aws *(*assume)(struct cart_aws *base, const char *role_arn,
				   struct cart_err *err);
	void (*free)(struct cart_aws *a);
};
/* Fakes use the real bundle, and no network. */
extern const struct cart_run_calls cart_run_calls_builtin;
int cart_run_with(const struct cart_run_calls *calls,
		  const struct cart_run_options *o, struct cart_run_result *ret,
		  struct cart_err *err);

enum outcome {
	OUT_OK, OUT_SKIPPED, OUT_PARTIAL, OUT_DENIED, OUT_THROTTLED,
	OUT_TIMEOUT, OUT_FAILED, OUT_CANCELLED
};
const char *cart_outcome_name(enum outcome o);
enum outcome cart_outcome_of(enum cart_err_class class);
/* The gap reason of FORMAT.md for an error class. */
const char *cart_gap_reason(enum cart_err_class class);
/* What to do about it, one sentence, for people. */
const char *cart_gap_advice(enum cart_err_class class);

struct run;

/* One value that a step kept, with where it comes from. */
struct instance {
	struct run *run;
	size_t step;			/* index */
	char id[INSTANCE_ID_SIZE];
	char account[32];		/* "-" if it has none */
	char region[32];
	size_t n;			/* within account and region, from 1 */
	struct cart_json *item;		/* or NULL */
	unsigned attempt;
	enum outcome outcome;
	char reason[48];		/* why skipped, or "" */
	bool partial_input;
	bool no_gap;			/* skipped because the manifest said so */
	bool restored;			/* ended in an earlier session */
	bool secret;			/* kept values may be secret: not logged */
	bool kept_limit;		/* a kept value was dropped, gap written */
	struct cart_aws *aws;		/* session of its account */
	struct cart_json *kept;		/* object name -> array, or NULL */
	/* while it runs */
	uint64_t gaps;
	char failed_call[24];		/* the last call that failed */
};

struct rstep {
	enum { RSTEP_WAITING, RSTEP_RUNNING, RSTEP_ENDED } state;
	struct instance *instances;
	size_t n, next, running, ended;
	enum outcome outcome;
	bool quiet;			/* skipped as the manifest said */
	bool partial_input;
	bool serial;
	/* as the step says itself, for who watches */
	atomic_uint_fast64_t done, total;
	_Atomic(const char *) unit;
	atomic_size_t kept_values[KEEPS_MAX * 2];
};

enum lookup { LOOKUP_NONE, LOOKUP_ASKED, LOOKUP_RUNNING, LOOKUP_DONE };

struct call_job;

/* A session in another account; made when its first instance runs. */
struct other_account {
	struct other_account *next;
	char account[32];
	char role[128];
	pthread_mutex_t lock;		/* held while it is made */
	struct cart_aws *aws;		/* NULL: not yet, or it failed */
	struct cart_err err;		/* ... because of this */
};

#define TOLD_MAX 4

struct run {
	const struct cart_run_options *o;
	const struct cart_run_calls *calls;
	const struct cart_manifest *m;
	struct rstep *steps;
	pthread_mutex_t lock;
	pthread_cond_t work;		/* something for a worker */
	pthread_cond_t done;		/* something for the scheduler */
	pthread_t threads[WORKERS_MAX];
	size_t n_threads;
	bool quit;			/* workers end */
	bool stop;			/* start nothing new */
	int64_t stopped_mono_ns;	/* when a signal came, 0: none did */
	bool cancelled;			/* calls under way were ended */
	char reason[160];
	/* who we are, and where the account may work */
	enum lookup identity, regions;
	char account[32];
	struct cart_json *region_names;	/* NULL: unknown */
	struct other_account *others;
	struct run_shared *shared;
	/* parallel calls of steps */
	struct call_job *jobs, **jobs_end;
	size_t busy;
	atomic_uint_fast64_t gaps, gap_lines_shown, calls_made, masked;
	struct told {
		char why[1024];
	} told[TOLD_MAX];		/* reasons on the terminal, lately */
	unsigned told_next;
	unsigned char mask_key[CART_MASK_KEY_SIZE];
	int64_t start_utc_ns;
	bool failed;			/* the bundle cannot be written */
	struct cart_err err;
};

/* expand.c: makes the instances of a step whose inputs have ended.  0, or -1
 * with err (LIMIT, INPUT): the step fails. */
int cart_run_expand(struct run *r, size_t step, struct cart_err *err);
/* What the references of an instance stand for (a cart_ref_fn; arg is the
 * struct instance). */
struct instance_scope {
	struct instance *in;
	char text[64];
	struct cart_json *scratch;	/* a value made for the last reference */
};
enum resolve cart_run_ref(void *arg, const struct cart_ref *ref,
			  const struct cart_json **ret);
/* Calls fn for each value kept under a name, in order. */
int cart_run_kept_each(const struct run *r, size_t step, const char *name,
		       int (*fn)(void *arg, const struct instance *from,
				 const struct cart_json *value), void *arg);

/* accounts.c: the session of an account other than our own; NULL with err. */
struct cart_aws *cart_run_account(struct run *r, const char *account,
				  const char *role, struct cart_err *err);
void cart_run_accounts_free(struct run *r);

/* instance.c: runs one instance, start line to end line. */
void cart_instance_run(struct instance *in);

/* record.c: the key of one masked exhibit, of what its origin names. */
void cart_run_mask_key(struct run *r, const char *what,
		       unsigned char ret_key[CART_MASK_KEY_SIZE]);

/* context.c */
extern const struct cart_step_ops cart_context_ops;
/* What steps shared, at the end of the run. */
void cart_context_release(struct run *r);
struct context {
	struct cart_step_ctx ctx;
	struct instance *in;
	const struct mstep *step;
	/* parallel calls: guarded by the run's lock */
	pthread_cond_t ready;
	struct call_job *finished, **finished_end;
	size_t queued, running, unfetched;
};
void cart_context_init(struct context *c, struct instance *in,
		       const struct cart_json *with);
/* Waits for calls that the step did not fetch, and forgets them. */
void cart_context_clear(struct context *c);
/* A worker does one job of the queue; false if there is none.  Called and
 * returns with the lock held. */
bool cart_context_work(struct run *r);
/* Writes a gap line and a line on the terminal; in may be NULL. */
void cart_run_gap(struct run *r, const char *step, struct instance *in,
		  const struct cart_gap *gap);
/* Takes fields. */
void cart_run_log(struct run *r, const char *type, const char *step,
		  struct cart_json *fields);
void cart_run_note(struct run *r, const char *step, const char *text);
void cart_run_log_instance(struct run *r, const struct instance *in, bool end,
			   uint64_t duration_ms);
struct change_line {
	const char *uuid, *event, *call, *detail;
	const struct cart_json *input;
	const char *const *made;
};
void cart_run_log_change(struct run *r, const struct instance *in,
			 const struct change_line *line);
/* The log could not be written: ends the run. */
void cart_run_broken(struct run *r, const struct cart_err *err);
/* One call made by the collector itself or a step: line and exhibits. */
struct call_place {
	struct run *run;
	struct cart_aws *aws;
	const char *step, *instance, *account, *region;
	bool may_change;
	int64_t deadline_mono_ns;
};
int cart_run_call(const struct call_place *at, const struct cart_step_call *call,
		  struct cart_step_reply *ret, bool *ret_secret,
		  struct cart_err *err);
/* Writes call line and exhibits of a reply that somebody else fetched. */
void cart_run_record(const struct call_place *at,
		     const struct cart_step_call *call,
		     struct cart_step_reply *ret, const struct cart_err *failed,
		     bool *ret_secret);
/* The exhibits of a reply that was only logged so far. */
void cart_run_keep_reply(const struct call_place *at,
			 const struct cart_step_call *call,
			 struct cart_step_reply *ret, bool *ret_secret);
void cart_run_call_id(struct run *r, char out[24]);

/* history.c */
struct history_instance {
	char id[INSTANCE_ID_SIZE];
	unsigned attempt;
	bool ended;
	enum outcome outcome;
	char reason[48];
	bool partial_input;
	bool no_keep;			/* ended without its kept values */
	struct cart_json *kept;
	struct cart_json *pieces;	/* of its exhibits, or NULL */
};
const struct history_instance *
cart_history_instance(const struct cart_run_history *h, const char *id);
/* Was this object of a bucket kept by that instance?  Not for two threads at
 * once. */
bool cart_history_kept(struct cart_run_history *h, const char *instance,
		       const char *bucket, const char *key, const char *etag);
/* Was an intent with this UUID written?  Then when. */
bool cart_history_intent(const struct cart_run_history *h, const char *uuid,
			 int64_t *ret_utc_ns);
/* The account of its first call that knew one, or "". */
const char *cart_history_account(const struct cart_run_history *h);
uint64_t cart_history_calls(const struct cart_run_history *h);
uint64_t cart_history_gaps(const struct cart_run_history *h);

#endif
