/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_remote.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "aws_session.h"
#include "crashcart/aws_read.h"
#include "crashcart/aws_sink.h"
#include "crashcart/text.h"

/*
 * Two processes.  The fetcher has network and credentials, and puts what it
 * fetched into memory that both see, as it came.  The verifier, which parses
 * it, is in the sandbox: it asks through a pipe, for a few chunks ahead, and
 * copies each before it looks at it, so that what was checked stays as it was.
 * Each takes the other for hostile: the fetcher ends at a request that the
 * verifier would not make, and reads nothing back from the memory.
 */

#define SLOTS 8u
#define SLOT_BYTES ((size_t)8 << 20)		/* a chunk, which is a part */
#define STACK_BYTES ((size_t)256 << 10)
#define NAME_MAX_BYTES 300u
#define FILES_MAX 100000u
#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789._-"

enum op { OP_LIST, OP_READ, OP_FACTS };

struct request {
	uint32_t op, slot, file, len;
	uint64_t offset;
};

struct answer {
	uint32_t slot;
	struct cart_err err;		/* class NONE: it went well */
	uint64_t len;
};

struct target {
	char bucket[64], prefix[1024], name[NAME_MAX_BYTES];
};

/* What a page of the facts of an object looks like in a slot. */
struct facts {
	struct cart_s3_facts f;
	uint64_t n;
	struct cart_s3_part parts[];
};

#define FACTS_PARTS_MAX \
	((SLOT_BYTES - sizeof(struct facts)) / sizeof(struct cart_s3_part))

static ssize_t read_all(int fd, void *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, (char *)data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

/* ---- the fetcher ------------------------------------------------------------ */

struct fetched_file {
	char *name;
	char etag[80];
};

struct fetcher {
	const struct cart_args *args;
	const struct target *t;
	unsigned char *slots;
	int in, out;
	pthread_mutex_t lock;		/* of in */
	struct cart_s3_reader r;
	bool listed;
	char owner[16];
	struct fetched_file *files;
	size_t n;
	struct cart_buf list;		/* "SIZE NAME\n" a file */
};

static int open_session(struct fetcher *f, struct cart_err *err)
{
	struct cart_env *env = cart_env_take();
	struct cmd_aws *s;

	if (env == NULL)
		return cart_err_nomem(err);
	s = cart_cmd_aws_new(f->args, env, false, err);
	if (s == NULL || cart_cmd_aws_owner(s, f->args, "bucket-owner",
					    f->owner, err) < 0)
		return -1;
	f->r = (struct cart_s3_reader){
		.aws = cart_cmd_aws_client(s),
		.bucket = f->t->bucket,
		.prefix = f->t->prefix,
		.owner = f->owner[0] != '\0' ? f->owner : NULL,
		.owner_assumed = cart_args_value(f->args, "bucket-owner") ==
			NULL,
	};
	return 0;
}

static int on_object(void *arg, const struct cart_s3_object *o,
		     struct cart_err *err)
{
	struct fetcher *f = arg;
	struct fetched_file *p;

	/* no file of a bundle has such a name */
	if (o->name[strspn(o->name, NAME_CHARS)] != '\0' ||
	    strlen(o->name) >= NAME_MAX_BYTES)
		return 0;
	if (f->n == FILES_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0, "s3://%s/%s holds "
				    "more than %u objects: name the .tar",
				    f->t->bucket, f->t->prefix, FILES_MAX);
	if (f->n % 64 == 0) {
		p = realloc(f->files, (f->n + 64) * sizeof(*p));
		if (p == NULL)
			return cart_err_nomem(err);
		f->files = p;
	}
	p = &f->files[f->n];
	p->name = strdup(o->name);
	if (p->name == NULL)
		return cart_err_nomem(err);
	f->n++;
	snprintf(p->etag, sizeof(p->etag), "%s", o->etag);
	cart_buf_addf(&f->list, "%" PRIu64 " %s\n", o->size, o->name);
	return 0;
}

static int list(struct fetcher *f, unsigned char *slot, uint64_t *len,
		struct cart_err *err)
{
	char begin[NAME_MAX_BYTES];
	size_t n;

	snprintf(begin, sizeof(begin), "%s", f->t->name);
	n = strlen(begin);
	if (n > 4 && strcmp(begin + n - 4, ".age") == 0)
		begin[n -= 4] = '\0';
	if (n > 4 && strcmp(begin + n - 4, ".tar") == 0)
		begin[n - 4] = '\0';
	else if (n > 5 && strcmp(begin + n - 5, ".seal") == 0)
		begin[n - 5] = '\0';
	f->listed = true;
	cart_buf_init(&f->list, SLOT_BYTES - 1);
	if (open_session(f, err) < 0 ||
	    cart_s3_list(&f->r, begin, on_object, f, err) < 0 ||
	    cart_buf_check(&f->list, "list of objects", err) < 0)
		return -1;
	if (f->list.len > 0)
		memcpy(slot, f->list.data, f->list.len);
	*len = f->list.len;
	cart_buf_clear(&f->list);
	return 0;
}

static int facts(struct fetcher *f, const char *name, unsigned char *slot,
		 uint64_t *len, struct cart_err *err)
{
	struct facts *p = (void *)slot;
	struct cart_s3_facts own;
	size_t n;

	if (cart_s3_facts(&f->r, name, &own, p->parts, FACTS_PARTS_MAX, &n,
			  err) < 0)
		return -1;
	p->f = own;
	p->n = n;
	*len = sizeof(*p) + n * sizeof(p->parts[0]);
	return 0;
}

/* Would the verifier ask so?  The list comes first, and once. */
static bool is_sound(const struct fetcher *f, const struct request *q)
{
	if (q->slot >= SLOTS || q->len > SLOT_BYTES)
		return false;
	if (q->op == OP_LIST)
		return !f->listed;
	return (q->op == OP_READ || q->op == OP_FACTS) && q->file < f->n;
}

static void serve(struct fetcher *f, const struct request *q)
{
	unsigned char *slot = f->slots + q->slot * SLOT_BYTES;
	struct answer a = { .slot = q->slot };
	ssize_t n = 0;

	if (!is_sound(f, q))
		_exit(1);
	if (q->op == OP_LIST) {
		n = list(f, slot, &a.len, &a.err);
	} else if (q->op == OP_FACTS) {
		n = facts(f, f->files[q->file].name, slot, &a.len, &a.err);
	} else {
		n = cart_s3_read(&f->r, f->files[q->file].name,
				 f->files[q->file].etag, q->offset, slot,
				 q->len, &a.err);
		a.len = n > 0 ? (uint64_t)n : 0;
	}
	if (n >= 0)
		a.err.class = CART_ERR_NONE;
	if (write(f->out, &a, sizeof(a)) != (ssize_t)sizeof(a))
		_exit(1);
}

static void *fetch(void *arg)
{
	struct fetcher *f = arg;
	struct request q;
	int rc;

	for (;;) {
		pthread_mutex_lock(&f->lock);
		rc = read_all(f->in, &q, sizeof(q));
		pthread_mutex_unlock(&f->lock);
		/* nobody asks any more */
		if (rc < 0)
			_exit(0);
		serve(f, &q);
	}
	return NULL;
}

static void __attribute__((noreturn))
run_fetcher(const struct cart_args *a, const struct target *t,
	    unsigned char *slots, int in, int out)
{
	struct fetcher f = { .args = a, .t = t, .slots = slots, .in = in,
			     .out = out };
	pthread_attr_t attr;
	pthread_t thread;
	struct request q;
	unsigned i;

	pthread_mutex_init(&f.lock, NULL);
	if (read_all(in, &q, sizeof(q)) < 0)
		_exit(0);
	serve(&f, &q);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (i = 1; i < SLOTS; i++)
		if (pthread_create(&thread, &attr, fetch, &f) != 0)
			break;
	fetch(&f);
	_exit(0);
}

/* ---- the verifier's side ------------------------------------------------------ */

enum state { FREE, WAITING, READY };

struct slot {
	enum state state;
	enum op op;
	size_t file;
	uint64_t chunk;
	uint64_t len;
	struct cart_err err;
	unsigned users;
	bool consumed;			/* read to its end */
	uint64_t stamp;			/* of its last use */
};

struct remote {
	struct cart_source base;
	struct target t;
	char where[1100];
	unsigned char *slots;
	int out, in;			/* requests, answers */
	bool started;
	pthread_t receiver;
	/* below: under lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot slot[SLOTS];
	bool dead;
	uint64_t clock;
	uint64_t *sizes;
	char **names;
	struct cart_s3_facts **facts;
	size_t n;
	size_t *plan;
	size_t n_plan, next_file;
	uint64_t next_chunk;
};

static void *receive(void *arg)
{
	struct remote *r = arg;
	struct answer a;
	struct slot *s;

	while (read_all(r->in, &a, sizeof(a)) == 0 && a.slot < SLOTS) {
		pthread_mutex_lock(&r->lock);
		s = &r->slot[a.slot];
		if (s->state == WAITING) {
			s->err = a.err;
			s->err.text[sizeof(s->err.text) - 1] = '\0';
			s->len = a.len > SLOT_BYTES ? SLOT_BYTES : a.len;
			s->state = READY;
		}
		pthread_cond_broadcast(&r->changed);
		pthread_mutex_unlock(&r->lock);
	}
	pthread_mutex_lock(&r->lock);
	r->dead = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* One that is free, was read, or (evict) was used longest ago; or NULL. */
static struct slot *take(struct remote *r, bool evict)
{
	struct slot *s, *old = NULL;
	unsigned i;

	for (i = 0; i < SLOTS; i++) {
		s = &r->slot[i];
		if (s->state == FREE)
			return s;
		if (s->state == READY && s->users == 0 &&
		    (s->consumed || evict) &&
		    (old == NULL || s->consumed > old->consumed ||
		     (s->consumed == old->consumed && s->stamp < old->stamp)))
			old = s;
	}
	return old;
}

static struct slot *find(struct remote *r, size_t file, uint64_t chunk)
{
	unsigned i;

	for (i = 0; i < SLOTS; i++)
		if (r->slot[i].state != FREE && r->slot[i].op == OP_READ &&
		    r->slot[i].file == file && r->slot[i].chunk == chunk)
			return &r->slot[i];
	return NULL;
}

static void ask(struct remote *r, struct slot *s, enum op op, size_t file,
		uint64_t chunk)
{
	struct request q = {
		.op = op,
		.slot = (uint32_t)(s - r->slot),
		.file = (uint32_t)file,
		.len = SLOT_BYTES,
		.offset = chunk * SLOT_BYTES,
	};

	if (op == OP_READ && r->sizes[file] - q.offset < SLOT_BYTES)
		q.len = (uint32_t)(r->sizes[file] - q.offset);
	*s = (struct slot){ .state = WAITING, .op = op, .file = file,
			    .chunk = chunk, .stamp = ++r->clock };
	/* as many as there are slots fit into the pipe */
	if (write(r->out, &q, sizeof(q)) != (ssize_t)sizeof(q))
		r->dead = true;
}

/* The next chunks of the plan, while there are slots. */
static void fetch_ahead(struct remote *r)
{
	struct slot *s;
	size_t file;

	while (r->next_file < r->n_plan) {
		file = r->plan[r->next_file];
		if (r->next_chunk * SLOT_BYTES >= r->sizes[file]) {
			r->next_file++;
			r->next_chunk = 0;
			continue;
		}
		if (find(r, file, r->next_chunk) == NULL) {
			s = take(r, false);
			if (s == NULL)
				return;
			ask(r, s, OP_READ, file, r->next_chunk);
		}
		r->next_chunk++;
	}
}

/* With the lock held: an answer, which is the caller's until done(). */
static struct slot *get(struct remote *r, enum op op, size_t file,
			uint64_t chunk, struct cart_err *err)
{
	struct slot *s = NULL;

	while (s == NULL && !r->dead) {
		if (op == OP_READ)
			s = find(r, file, chunk);
		if (s == NULL && (s = take(r, true)) != NULL)
			ask(r, s, op, file, chunk);
		if (s == NULL)
			pthread_cond_wait(&r->changed, &r->lock);
	}
	if (s != NULL) {
		s->users++;
		s->stamp = ++r->clock;
		while (s->state == WAITING && !r->dead)
			pthread_cond_wait(&r->changed, &r->lock);
	}
	if (s == NULL || s->state == WAITING) {
		cart_err_set(err, CART_ERR_NET, 0, "the process that fetches "
			     "from %s died", r->where);
		return NULL;
	}
	if (s->err.class == CART_ERR_NONE)
		return s;
	*err = s->err;
	if (--s->users == 0)
		s->state = FREE;
	return NULL;
}

static void done(struct remote *r, struct slot *s, bool consumed)
{
	s->users--;
	s->consumed |= consumed;
	if (s->op != OP_READ)
		s->state = FREE;
	fetch_ahead(r);
	pthread_cond_broadcast(&r->changed);
}

static const unsigned char *bytes_of(const struct remote *r,
				     const struct slot *s)
{
	return r->slots + (size_t)(s - r->slot) * SLOT_BYTES;
}

/* ---- struct cart_source --------------------------------------------------------- */

static int start(struct remote *r, struct cart_err *err)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&r->receiver, NULL, receive, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	r->started = rc == 0;
	return rc == 0 ? 0 : cart_err_errno(err, rc, "starting a thread");
}

static int take_list(struct remote *r, char *text, size_t len,
		     struct cart_err *err)
{
	char *p, *end, *space;
	size_t n = 0;

	for (p = text; p < text + len; p++)
		n += *p == '\n';
	r->sizes = calloc(n + 1, sizeof(*r->sizes));
	r->names = calloc(n + 1, sizeof(*r->names));
	r->facts = calloc(n + 1, sizeof(struct cart_s3_facts *));
	if (r->sizes == NULL || r->names == NULL || r->facts == NULL)
		return cart_err_nomem(err);
	for (p = text; r->n < n; p = end + 1) {
		end = memchr(p, '\n', (size_t)(text + len - p));
		space = memchr(p, ' ', (size_t)(end - p));
		if (space == NULL ||
		    cart_text_u64(p, (size_t)(space - p), INT64_MAX,
				  &r->sizes[r->n]) < 0)
			return cart_err_set(err, CART_ERR_INPUT, 0, "%s: the "
					    "list cannot be read", r->where);
		r->names[r->n] = strndup(space + 1, (size_t)(end - space - 1));
		if (r->names[r->n++] == NULL)
			return cart_err_nomem(err);
	}
	return 0;
}

static int remote_list(struct cart_source *base,
		       int (*file)(void *arg, const char *name, uint64_t size,
				   struct cart_err *err),
		       void *arg, struct cart_err *err)
{
	struct remote *r = (struct remote *)base;
	struct slot *s;
	char *text = NULL;
	size_t i, len = 0;
	int rc = -1;

	if (start(r, err) < 0)
		return -1;
	pthread_mutex_lock(&r->lock);
	s = get(r, OP_LIST, 0, 0, err);
	if (s != NULL) {
		len = s->len;
		text = malloc(len + 1);
		if (text != NULL)
			memcpy(text, bytes_of(r, s), len);
		rc = text != NULL ? take_list(r, text, len, err) :
			cart_err_nomem(err);
		done(r, s, true);
	}
	pthread_mutex_unlock(&r->lock);
	free(text);
	for (i = 0; rc == 0 && i < r->n; i++)
		rc = file(arg, r->names[i], r->sizes[i], err);
	return rc;
}

static void remote_plan(struct cart_source *base, const size_t *files, size_t n)
{
	struct remote *r = (struct remote *)base;

	pthread_mutex_lock(&r->lock);
	r->plan = calloc(n, sizeof(*files));
	if (r->plan != NULL) {
		memcpy(r->plan, files, n * sizeof(*files));
		r->n_plan = n;
		fetch_ahead(r);
	}
	pthread_mutex_unlock(&r->lock);
}

/* Part of one chunk. */
static ssize_t read_some(struct remote *r, size_t file, uint64_t offset,
			 void *data, size_t len, struct cart_err *err)
{
	size_t at = offset % SLOT_BYTES, n = 0;
	struct slot *s;

	if (len > SLOT_BYTES - at)
		len = SLOT_BYTES - at;
	pthread_mutex_lock(&r->lock);
	s = get(r, OP_READ, file, offset / SLOT_BYTES, err);
	if (s != NULL) {
		pthread_mutex_unlock(&r->lock);
		if (s->len > at)
			n = s->len - at < len ? s->len - at : len;
		memcpy(data, bytes_of(r, s) + at, n);
		pthread_mutex_lock(&r->lock);
		done(r, s, at + n == s->len);
	}
	pthread_mutex_unlock(&r->lock);
	return s != NULL ? (ssize_t)n : -1;
}

static ssize_t remote_read(struct cart_source *base, size_t file,
			   uint64_t offset, void *data, size_t len,
			   struct cart_err *err)
{
	struct remote *r = (struct remote *)base;
	size_t total = 0;
	ssize_t n = 1;

	while (total < len && n > 0 && offset + total < r->sizes[file]) {
		n = read_some(r, file, offset + total, (char *)data + total,
			      len - total, err);
		if (n < 0)
			return -1;
		total += (size_t)n;
	}
	return (ssize_t)total;
}

static int remote_parts(struct cart_source *base, size_t file,
			uint64_t *ret_lengths,
			unsigned char (*ret_sha256)[CART_SHA256_SIZE], size_t n,
			size_t *ret_n,
			char ret_composite[CART_COMPOSITE_SIZE],
			struct cart_err *err)
{
	struct remote *r = (struct remote *)base;
	struct cart_s3_facts *keep = calloc(1, sizeof(*keep));
	const struct facts *f;
	struct slot *s;
	uint64_t there;
	size_t i;

	if (keep == NULL)
		return cart_err_nomem(err);
	pthread_mutex_lock(&r->lock);
	s = get(r, OP_FACTS, file, 0, err);
	if (s != NULL) {
		f = (const void *)bytes_of(r, s);
		*keep = f->f;
		keep->checksum[sizeof(keep->checksum) - 1] = '\0';
		snprintf(ret_composite, CART_COMPOSITE_SIZE, "%s",
			 keep->checksum);
		there = *(const volatile uint64_t *)&f->n;
		if (n > FACTS_PARTS_MAX)
			n = FACTS_PARTS_MAX;
		*ret_n = there < n ? (size_t)there : n;
		for (i = 0; i < *ret_n; i++) {
			ret_lengths[i] = f->parts[i].size;
			memcpy(ret_sha256[i], f->parts[i].sha256,
			       CART_SHA256_SIZE);
		}
		done(r, s, true);
		free(r->facts[file]);
		r->facts[file] = keep;
	}
	pthread_mutex_unlock(&r->lock);
	if (s == NULL)
		free(keep);
	return s != NULL ? 0 : -1;
}

static void add_text(struct cart_json *o, const char *key, char *text,
		     size_t size)
{
	text[size - 1] = '\0';
	if (text[0] == '\0')
		cart_json_add(o, key, cart_json_new_null());
	else if (cart_text_is_printable(text, strlen(text)))
		cart_json_add(o, key, cart_json_new_string(text));
}

struct cart_json *cart_verify_remote_objects(struct cart_source *base)
{
	struct remote *r = (struct remote *)base;
	struct cart_json *list = NULL, *o;
	struct cart_s3_facts *f;
	size_t i;

	for (i = 0; r != NULL && i < r->n; i++) {
		f = r->facts[i];
		if (f == NULL)
			continue;
		if (list == NULL)
			list = cart_json_new_array();
		o = cart_json_append(list, cart_json_new_object());
		cart_json_add(o, "name", cart_json_new_string(r->names[i]));
		cart_json_add(o, "bytes", cart_json_new_int((int64_t)f->size));
		add_text(o, "version_id", f->version, sizeof(f->version));
		add_text(o, "checksum_sha256", f->checksum,
			 sizeof(f->checksum));
		add_text(o, "lock_mode", f->lock_mode, sizeof(f->lock_mode));
		add_text(o, "lock_until", f->lock_until, sizeof(f->lock_until));
		add_text(o, "legal_hold", f->hold, sizeof(f->hold));
	}
	return list;
}

/* ---- begin and end ---------------------------------------------------------------- */

/* The last component is a file of a bundle or, with '/' after it or without
 * any such end, a folder. */
static int read_target(const char *url, struct target *t, struct cart_err *err)
{
	static const char *const ends[] = { ".tar", ".age", ".seal" };
	const char *last = strrchr(url, '/') + 1;
	char folder[1200];
	size_t i, n = strlen(last), m;

	for (i = 0; i < 3; i++) {
		m = strlen(ends[i]);
		if (n <= m || strcmp(last + n - m, ends[i]) != 0 ||
		    last - url < 6)
			continue;
		if (n >= sizeof(t->name))
			return cart_err_set(err, CART_ERR_USAGE, 0,
					    "%.200s: the name is too long", url);
		snprintf(t->name, sizeof(t->name), "%s", last);
		n = (size_t)(last - url);
		break;
	}
	if (i == 3)
		n = strlen(url);
	if (n >= sizeof(folder))
		return cart_err_set(err, CART_ERR_USAGE, 0, "%.200s: too long",
				    url);
	snprintf(folder, sizeof(folder), "%.*s", (int)n, url);
	return cart_s3_url(folder, t->bucket, t->prefix, err);
}

static int start_fetcher(struct remote *r, const struct cart_args *a,
			 struct cart_err *err)
{
	int to[2] = { -1, -1 }, from[2] = { -1, -1 };
	pid_t parent = getpid(), pid;

	if (pipe(to) < 0)
		return cart_err_errno(err, errno, "making a pipe");
	r->out = to[1];
	if (pipe(from) < 0) {
		close(to[0]);
		return cart_err_errno(err, errno, "making a pipe");
	}
	r->in = from[0];
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(to[1]);
		close(from[0]);
		run_fetcher(a, &r->t, r->slots, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	return pid < 0 ? cart_err_errno(err, errno, "starting a process") : 0;
}

int cart_verify_remote_open(const struct cart_args *a, const char *url,
			    struct cart_source **ret, struct cart_err *err)
{
	struct remote *r;

	*ret = NULL;
	if (strncmp(url, "s3://", 5) != 0)
		return cart_args_flag(a, "no-download") ?
			cart_err_set(err, CART_ERR_USAGE, 0, "--no-download is "
				     "for a bundle in S3 (s3://...)") : 0;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return cart_err_nomem(err);
	r->out = r->in = -1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*ret = &r->base;
	if (read_target(url, &r->t, err) < 0)
		goto fail;
	snprintf(r->where, sizeof(r->where), "s3://%s/%s", r->t.bucket,
		 r->t.prefix);
	r->base = (struct cart_source){
		.where = r->where, .name = r->t.name, .list = remote_list,
		.plan = remote_plan, .read = remote_read, .parts = remote_parts,
	};
	r->slots = mmap(NULL, SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->slots == MAP_FAILED) {
		r->slots = NULL;
		cart_err_nomem(err);
		goto fail;
	}
	/* the fetcher may die: then that is an error, not a signal */
	signal(SIGPIPE, SIG_IGN);
	if (start_fetcher(r, a, err) == 0)
		return 0;
fail:
	cart_verify_remote_close(&r->base);
	*ret = NULL;
	return -1;
}

void cart_verify_remote_close(struct cart_source *s)
{
	struct remote *r = (struct remote *)s;

	if (r == NULL)
		return;
	/* the fetcher ends when nobody can ask it any more */
	if (r->out >= 0)
		close(r->out);
	if (r->started)
		pthread_join(r->receiver, NULL);
	if (r->in >= 0)
		close(r->in);
	while (r->n > 0) {
		free(r->names[--r->n]);
		free(r->facts[r->n]);
	}
	free(r->names);
	free(r->facts);
	free(r->sizes);
	free(r->plan);
	if (r->slots != NULL)
		munmap(r->slots, SLOTS * SLOT_BYTES);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

const struct cart_option cart_verify_options[] = {
	CMD_VERIFY_OPTIONS,
	{ "no-download", 0, NULL, false,
	  "Of a bundle in S3: compare the seal with S3's checksums (see below)." },
	{ "bucket-owner", 0, "ID", false,
	  "Account that owns the bucket, or ANY; without it your own." },
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};
