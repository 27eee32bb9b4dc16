/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/digest.h>
#include <crashcart/text.h>

#include "private.h"

/*
 * What the log of an interrupted run says: which instances ended and what
 * they kept, which changes were asked for, and how far the counters went.
 */

#define PIECES_MAX 100000u		/* more are fetched again */
#define OBJECTS_MAX ((size_t)1 << 20)	/* 16 MiB; likewise */
#define SETS 64u

struct intent {
	char uuid[CART_UUID_SIZE];
	int64_t utc_ns;
};

struct cart_run_history {
	struct history_instance *instances;
	size_t n, room;
	size_t *table;			/* index + 1, by hash of id; 0: free */
	size_t table_size;
	struct intent *intents;
	size_t n_intents;
	uint64_t calls, gaps;
	char account[32];
	/* Objects of buckets that were kept: hashes of instance and place. */
	unsigned char (*objects)[16];
	size_t n_objects, room_objects;
	bool sorted;
	/* Instances of file sets that are open, by part 1. */
	struct {
		char exhibit[24], instance[INSTANCE_ID_SIZE];
	} sets[SETS];
	unsigned n_sets;
};

struct cart_run_history *cart_run_history_new(void)
{
	return calloc(1, sizeof(struct cart_run_history));
}

void cart_run_history_free(struct cart_run_history *h)
{
	size_t i;

	if (!h)
		return;
	for (i = 0; i < h->n; i++) {
		cart_json_free(h->instances[i].kept);
		cart_json_free(h->instances[i].pieces);
	}
	free(h->instances);
	free(h->table);
	free(h->intents);
	free(h->objects);
	free(h);
}

static size_t hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ (h >> 29));
}

static size_t slot(const struct cart_run_history *h, const char *id)
{
	size_t at = hash(id) & (h->table_size - 1);

	while (h->table[at] && strcmp(h->instances[h->table[at] - 1].id, id))
		at = (at + 1) & (h->table_size - 1);
	return at;
}

static int grow(struct cart_run_history *h, struct cart_err *err)
{
	size_t room = h->room ? 2 * h->room : 64, i;
	struct history_instance *more;
	size_t *table;

	more = realloc(h->instances, room * sizeof(*more));
	if (!more)
		return cart_err_nomem(err);
	h->instances = more;
	table = calloc(2 * room, sizeof(*table));
	if (!table)
		return cart_err_nomem(err);
	free(h->table);
	h->table = table;
	h->table_size = 2 * room;
	h->room = room;
	for (i = 0; i < h->n; i++)
		h->table[slot(h, h->instances[i].id)] = i + 1;
	return 0;
}

static struct history_instance *get(struct cart_run_history *h, const char *id,
				    struct cart_err *err)
{
	struct history_instance *in;
	size_t at;

	if (h->n == h->room && grow(h, err) < 0)
		return NULL;
	at = slot(h, id);
	if (h->table[at])
		return &h->instances[h->table[at] - 1];
	in = &h->instances[h->n++];
	memset(in, 0, sizeof(*in));
	snprintf(in->id, sizeof(in->id), "%s", id);
	h->table[at] = h->n;
	return in;
}

static bool outcome_of(const char *word, enum outcome *ret)
{
	int i;

	for (i = OUT_OK; i <= OUT_CANCELLED; i++) {
		if (!strcmp(word, cart_outcome_name((enum outcome)i))) {
			*ret = (enum outcome)i;
			return true;
		}
	}
	return false;
}

static int on_instance(struct cart_run_history *h, const struct cart_json *line,
		       struct cart_err *err)
{
	const char *id = cart_json_get_string(line, "id");
	const char *event = cart_json_get_string(line, "event");
	const char *word = cart_json_get_string(line, "outcome");
	const char *reason = cart_json_get_string(line, "reason");
	struct history_instance *in;
	int64_t attempt;

	if (!id || !event || strlen(id) >= INSTANCE_ID_SIZE ||
	    cart_json_i64(cart_json_get(line, "attempt"), &attempt) < 0)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "the log has an instance line without id, "
				    "event or attempt");
	in = get(h, id, err);
	if (!in)
		return -1;
	in->attempt = (unsigned)attempt;
	in->ended = !strcmp(event, "end");
	if (!in->ended)
		return 0;
	if (!word || !outcome_of(word, &in->outcome))
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "the log has an instance with outcome \"%s\"",
				    word ? word : "");
	snprintf(in->reason, sizeof(in->reason), "%s", reason ? reason : "");
	in->partial_input = cart_json_bool(cart_json_get(line, "partial_input"));
	cart_json_free(in->kept);
	in->kept = cart_json_copy(cart_json_get(line, "keep"));
	in->no_keep = !in->kept;
	return 0;
}

static int on_change(struct cart_run_history *h, const struct cart_json *line,
		     struct cart_err *err)
{
	const char *uuid = cart_json_get_string(line, "uuid");
	const char *event = cart_json_get_string(line, "event");
	const char *t = cart_json_get_string(line, "t");
	struct intent *more;

	if (!uuid || !event || strcmp(event, "intent"))
		return 0;
	more = realloc(h->intents, (h->n_intents + 1) * sizeof(*more));
	if (!more)
		return cart_err_nomem(err);
	h->intents = more;
	more += h->n_intents++;
	snprintf(more->uuid, sizeof(more->uuid), "%s", uuid);
	more->utc_ns = 0;
	if (t)
		cart_clock_parse(t, strlen(t), &more->utc_ns);
	return 0;
}

/* Ids go on where they ended; an exhibit may name a call without a line. */
static void on_call_id(struct cart_run_history *h, const char *id)
{
	uint64_t n = 0, c;

	/* "c000001" */
	if (!id || id[0] != 'c')
		return;
	for (id++; *id >= '0' && *id <= '9' && n < UINT64_C(1) << 50; id++) {
		c = (uint64_t)(*id - '0');
		n = 10 * n + c;
	}
	if (n > h->calls)
		h->calls = n;
}

static void on_call(struct cart_run_history *h, const struct cart_json *line)
{
	const char *account = cart_json_get_string(line, "account");
	const char *id = cart_json_get_string(line, "id");

	if (account && !h->account[0] && strlen(account) < sizeof(h->account))
		snprintf(h->account, sizeof(h->account), "%s", account);
	on_call_id(h, id);
}

static void hash_object(const char *instance, const char *bucket,
			const char *key, const char *etag,
			unsigned char out[16])
{
	const char *const texts[] = { instance, bucket, key, etag };
	unsigned char sha256[CART_SHA256_SIZE];
	struct cart_sha256 c;
	size_t i;

	cart_sha256_init(&c);
	for (i = 0; i < 4; i++)
		cart_sha256_update(&c, texts[i] ? texts[i] : "",
				   texts[i] ? strlen(texts[i]) + 1 : 1);
	cart_sha256_final(&c, sha256);
	memcpy(out, sha256, 16);
}

/* An exhibit or file whose origin is an object of a bucket. */
static int on_object(struct cart_run_history *h, const char *instance,
		     const struct cart_json *origin, struct cart_err *err)
{
	const char *operation = cart_json_get_string(origin, "operation");
	unsigned char (*more)[16];
	size_t room;

	if (!instance || !operation || strcmp(operation, "GetObject") ||
	    !cart_json_get_string(origin, "key") ||
	    h->n_objects == OBJECTS_MAX)
		return 0;
	if (h->n_objects == h->room_objects) {
		room = h->room_objects ? 2 * h->room_objects : 1024;
		more = realloc(h->objects, room * sizeof(*more));
		if (!more)
			return cart_err_nomem(err);
		h->objects = more;
		h->room_objects = room;
	}
	hash_object(instance, cart_json_get_string(origin, "bucket"),
		    cart_json_get_string(origin, "key"),
		    cart_json_get_string(origin, "etag"),
		    h->objects[h->n_objects++]);
	h->sorted = false;
	return 0;
}

static void on_part(struct cart_run_history *h, const struct cart_json *line)
{
	const char *instance = cart_json_get_string(line, "instance");
	const char *exhibit = cart_json_get_string(line, "exhibit");
	unsigned at = h->n_sets % SETS;

	if (!instance || !exhibit)	/* on part 1 */
		return;
	snprintf(h->sets[at].exhibit, sizeof(h->sets[at].exhibit), "%s",
		 exhibit);
	snprintf(h->sets[at].instance, sizeof(h->sets[at].instance), "%s",
		 instance);
	h->n_sets++;
}

static int on_file(struct cart_run_history *h, const struct cart_json *line,
		   struct cart_err *err)
{
	const struct cart_json *origin = cart_json_get(line, "origin");
	const char *exhibit = cart_json_get_string(line, "exhibit");
	size_t i;

	on_call_id(h, cart_json_get_string(origin, "call"));
	for (i = 0; origin && exhibit && i < SETS; i++) {
		if (!strcmp(h->sets[i].exhibit, exhibit))
			return on_object(h, h->sets[i].instance, origin, err);
	}
	return 0;
}

static int by_hash(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

bool cart_history_kept(struct cart_run_history *h, const char *instance,
		       const char *bucket, const char *key, const char *etag)
{
	unsigned char hashed[16];

	if (h->n_objects == 0)
		return false;
	if (!h->sorted)
		qsort(h->objects, h->n_objects, sizeof(*h->objects), by_hash);
	h->sorted = true;
	hash_object(instance, bucket, key, etag, hashed);
	return bsearch(hashed, h->objects, h->n_objects, sizeof(*h->objects),
		       by_hash) != NULL;
}

/* A step whose evidence comes in pieces need not fetch them again. */
static int on_exhibit(struct cart_run_history *h, const struct cart_json *line,
		      struct cart_err *err)
{
	const struct cart_json *origin = cart_json_get(line, "origin");
	const struct cart_json *piece = cart_json_get(origin, "piece");
	const char *id = cart_json_get_string(line, "instance");
	const char *state = cart_json_get_string(line, "state");
	struct history_instance *in;

	on_call_id(h, cart_json_get_string(origin, "call"));
	if (on_object(h, id, origin, err) < 0)
		return -1;
	if (!piece || !id || strlen(id) >= INSTANCE_ID_SIZE || !state ||
	    strcmp(state, "whole"))
		return 0;
	in = get(h, id, err);
	if (!in)
		return -1;
	if (!in->pieces)
		in->pieces = cart_json_new_array();
	if (cart_json_size(in->pieces) < PIECES_MAX &&
	    !cart_json_append(in->pieces, cart_json_copy(piece)))
		return cart_err_nomem(err);
	return 0;
}

int cart_run_history_line(void *history, const struct cart_json *line,
			  struct cart_err *err)
{
	struct cart_run_history *h = history;
	const char *type = cart_json_get_string(line, "type");

	if (!type)
		return cart_err_set(err, CART_ERR_INPUT, 0,
				    "the log has a line without type");
	if (!strcmp(type, "instance"))
		return on_instance(h, line, err);
	if (!strcmp(type, "change"))
		return on_change(h, line, err);
	if (!strcmp(type, "call"))
		on_call(h, line);
	if (!strcmp(type, "exhibit"))
		return on_exhibit(h, line, err);
	if (!strcmp(type, "part"))
		on_part(h, line);
	if (!strcmp(type, "file"))
		return on_file(h, line, err);
	if (!strcmp(type, "gap"))
		h->gaps++;
	return 0;
}

const struct history_instance *
cart_history_instance(const struct cart_run_history *h, const char *id)
{
	size_t at;

	if (!h || !h->n)
		return NULL;
	at = h->table[slot(h, id)];
	return at ? &h->instances[at - 1] : NULL;
}

bool cart_history_intent(const struct cart_run_history *h, const char *uuid,
			 int64_t *ret_utc_ns)
{
	size_t i;

	for (i = 0; h && i < h->n_intents; i++) {
		if (!strcmp(h->intents[i].uuid, uuid)) {
			*ret_utc_ns = h->intents[i].utc_ns;
			return true;
		}
	}
	return false;
}

const char *cart_history_account(const struct cart_run_history *h)
{
	return h ? h->account : "";
}

uint64_t cart_history_calls(const struct cart_run_history *h)
{
	return h ? h->calls : 0;
}

uint64_t cart_history_gaps(const struct cart_run_history *h)
{
	return h ? h->gaps : 0;
}
