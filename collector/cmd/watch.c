/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crashcart/clock.h"
#include "crashcart/digest.h"
#include "crashcart/fdio.h"
#include "crashcart/json.h"
#include "crashcart/msg.h"
#include "crashcart/pace.h"
#include "crashcart/text.h"

#define TICK_NS 250000000L
#define TICKS_A_STATUS 4
#define NS_PER_S 1000000000LL
#define STACK_BYTES ((size_t)256 << 10)
/* Less is not enough for what is in flight at any time, and the end. */
#define LEAST_BYTES ((uint64_t)64 << 20)
#define LOW_NICE 10
#define IOPRIO_LOW (2 << 13 | 7)	/* best effort, the last of eight */
#define MARK "{\"crashcart_status\":"

struct cart_watch {
	const char *file;		/* or NULL */
	bool made;			/* it is there, as: */
	dev_t dev;
	ino_t ino;
	uint64_t max_bytes, max_ms;	/* 0: none */
	struct cart_pace pace;		/* the writer's */
	uint64_t written;		/* the writer's */
	int64_t begin_ns;		/* monotonic */
	pthread_t thread;
	bool warned;			/* the file cannot be written; thread's */
	char why[120];			/* the limit that was reached */
	/* below: under lock */
	pthread_mutex_t lock;
	const char *phase;
	char name[65];
	char where[PATH_MAX];		/* of the last sink */
	struct cart_bundle *bundle;
	struct cart_bundle_counts last;	/* of one that is gone */
	struct cart_sink *sink;
	struct cart_run_step *steps;
	int64_t *since_ns;		/* when each step began */
	size_t n_steps;
	bool collecting, limited, quit;
	int exit;			/* -1: runs */
};

/* --- what there is to tell --- */

struct snapshot {
	struct cart_bundle_counts n;
	uint64_t pending, rate;
	int64_t ms;
};

static bool is_running(const struct cart_run_step *s)
{
	return strcmp(s->state, "running") == 0;
}

/* Seconds left, at the pace so far; -1: not known. */
static int64_t step_left(const struct cart_watch *w, size_t i)
{
	const struct cart_run_step *s = &w->steps[i];
	double gone = (double)(cart_clock_mono_ns() - w->since_ns[i]) / 1e9;

	if (!is_running(s) || s->unit == NULL || s->total == 0 ||
	    s->done == 0 || s->done > s->total || gone < 1)
		return -1;
	return (int64_t)(gone * (double)(s->total - s->done) /
			 (double)s->done);
}

/* Lock held. */
static void take_snapshot(struct cart_watch *w, struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	s->n = w->last;
	if (w->bundle != NULL)
		cart_bundle_counts(w->bundle, &s->n);
	if (w->sink != NULL && w->sink->pending != NULL)
		s->pending = w->sink->pending(w->sink);
	s->ms = (cart_clock_mono_ns() - w->begin_ns) / 1000000;
	if (s->ms > 0)
		s->rate = s->n.bytes * 1000 / (uint64_t)s->ms;
}

static const char *phase_of(const struct cart_watch *w)
{
	if (w->exit >= 0)
		return w->exit == CART_EXIT_OK || w->exit == CART_EXIT_GAPS ?
			"sealed" : "failed";
	if (w->collecting && cart_stop_requested())
		return "stopping";
	return w->phase;
}

static void add_int(struct cart_json *j, const char *key, uint64_t v)
{
	cart_json_add(j, key, cart_json_new_int((int64_t)v));
}

static void add_steps(const struct cart_watch *w, struct cart_json *j)
{
	struct cart_json *list = cart_json_add(j, "steps",
					       cart_json_new_array()), *o;
	const struct cart_run_step *s;
	int64_t left;
	size_t i;

	for (i = 0; i < w->n_steps; i++) {
		s = &w->steps[i];
		left = step_left(w, i);
		o = cart_json_append(list, cart_json_new_object());
		cart_json_add(o, "id", cart_json_new_string(s->id));
		cart_json_add(o, "state", cart_json_new_string(s->state));
		add_int(o, "instances", s->instances);
		add_int(o, "ended", s->ended);
		if (s->unit != NULL) {
			cart_json_add(o, "unit", cart_json_new_string(s->unit));
			add_int(o, "done", s->done);
			if (s->total > 0)
				add_int(o, "total", s->total);
		}
		if (left >= 0)
			add_int(o, "left_s", (uint64_t)left);
	}
}

/* Lock held.  One line. */
static void print_json(struct cart_watch *w, struct cart_buf *out)
{
	struct cart_json *j = cart_json_new_object();
	char now[CART_CLOCK_TEXT_SIZE];
	struct snapshot s;

	take_snapshot(w, &s);
	cart_clock_text(cart_clock_utc_ns(), 0, now);
	add_int(j, "crashcart_status", 1);
	cart_json_add(j, "t", cart_json_new_string(now));
	cart_json_add(j, "state", cart_json_new_string(phase_of(w)));
	cart_json_add(j, "bundle", cart_json_new_string(w->name));
	if (w->where[0] != '\0')
		cart_json_add(j, "location", cart_json_new_string(w->where));
	add_int(j, "pid", (uint64_t)getpid());
	add_int(j, "elapsed_ms", (uint64_t)s.ms);
	add_int(j, "bytes", s.n.bytes);
	add_int(j, "bytes_per_s", s.rate);
	add_int(j, "lines", s.n.lines);
	add_int(j, "exhibits", s.n.exhibits);
	add_int(j, "calls", s.n.calls);
	add_int(j, "gaps", s.n.gaps);
	add_int(j, "segment", s.n.segment);
	add_int(j, "segment_bytes", s.n.segment_bytes);
	if (w->sink != NULL && w->sink->pending != NULL)
		add_int(j, "upload_pending_bytes", s.pending);
	if (w->limited)
		cart_json_add(j, "limit", cart_json_new_string(w->why));
	if (w->exit >= 0)
		add_int(j, "exit", (uint64_t)w->exit);
	add_steps(w, j);
	cart_json_print(j, 0, out);
	cart_json_free(j);
}

static void add_step_words(const struct cart_watch *w, size_t i,
			   struct cart_buf *b)
{
	const struct cart_run_step *s = &w->steps[i];
	int64_t left = step_left(w, i);
	char done[16], total[16];

	cart_buf_addf(b, "%s%s", b->len ? ", " : "running: ", s->id);
	if (s->instances > 1)
		cart_buf_addf(b, " (%zu of %zu)", s->ended, s->instances);
	if (s->unit == NULL)
		return;
	if (strcmp(s->unit, "bytes") == 0) {
		cart_text_bytes(s->done, done);
		cart_text_bytes(s->total, total);
		cart_buf_addf(b, " (%s of %s", done, total);
	} else {
		cart_buf_addf(b, " (%" PRIu64, s->done);
		if (s->total > 0)
			cart_buf_addf(b, " of %" PRIu64, s->total);
		cart_buf_addf(b, " %s", s->unit);
	}
	if (left >= 0)
		cart_buf_addf(b, ", about %" PRId64 " s left", left);
	cart_buf_addc(b, ')');
}

static void say(const struct cart_buf *b)
{
	if (cart_buf_ok(b) && b->len > 0)
		cart_msg_answer((const char *)b->data);
}

/* Lock held. */
static void say_words(struct cart_watch *w)
{
	char size[16], rate[16], segment[16], pending[16];
	struct cart_buf b;
	struct snapshot s;
	size_t i, ended = 0;

	take_snapshot(w, &s);
	cart_buf_init(&b, 65536);
	for (i = 0; i < w->n_steps; i++)
		ended += !is_running(&w->steps[i]) &&
			 strcmp(w->steps[i].state, "waiting") != 0;
	cart_text_bytes(s.n.bytes, size);
	cart_text_bytes(s.rate, rate);
	cart_buf_addf(&b, "%s %s for %" PRId64 " s: %zu of %zu steps ended, %s "
		      "(%s/s), %" PRIu64 " exhibits, %" PRIu64 " gaps",
		      phase_of(w), w->name, s.ms / 1000, ended, w->n_steps,
		      size, rate, s.n.exhibits, s.n.gaps);
	say(&b);
	cart_buf_reset(&b);
	for (i = 0; i < w->n_steps; i++)
		if (is_running(&w->steps[i]))
			add_step_words(w, i, &b);
	say(&b);
	cart_buf_reset(&b);
	cart_text_bytes(s.n.segment_bytes, segment);
	cart_text_bytes(s.pending, pending);
	cart_buf_addf(&b, "segment %" PRIu64 " (%s)", s.n.segment, segment);
	if (w->sink != NULL && w->sink->pending != NULL)
		cart_buf_addf(&b, ", %s not uploaded yet", pending);
	say(&b);
	cart_buf_clear(&b);
}

/* --- the file --- */

/* Somebody may have put something else there since. */
static int check_same(const struct cart_watch *w, struct cart_err *err)
{
	struct stat st;

	if (lstat(w->file, &st) != 0)
		return errno == ENOENT ? 0 : cart_err_errno(err, errno, "%s",
							    w->file);
	if (w->made && st.st_dev == w->dev && st.st_ino == w->ino)
		return 0;
	return cart_err_set(err, CART_ERR_INPUT, 0, "%s is another file than "
			    "the status: it is not replaced", w->file);
}

/* Not durable: it is about now. */
static int replace(struct cart_watch *w, const void *data, size_t len,
		   struct cart_err *err)
{
	char temp[PATH_MAX];
	struct stat st;
	uint64_t r;
	int fd, rc;

	cart_random(&r, sizeof(r));
	if (snprintf(temp, sizeof(temp), "%s.%016" PRIx64, w->file, r) >=
	    (int)sizeof(temp))
		return cart_err_errno(err, ENAMETOOLONG, "%s", w->file);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return cart_err_errno(err, errno, "%s", temp);
	rc = cart_fd_write(fd, data, len, err);
	if (rc == 0 && fstat(fd, &st) != 0)
		rc = cart_err_errno(err, errno, "%s", temp);
	if (close(fd) != 0 && rc == 0)
		rc = cart_err_errno(err, errno, "%s", temp);
	if (rc == 0)
		rc = check_same(w, err);
	if (rc == 0 && rename(temp, w->file) != 0)
		rc = cart_err_errno(err, errno, "%s", w->file);
	if (rc < 0) {
		unlink(temp);
		return rc;
	}
	w->made = true;
	w->dev = st.st_dev;
	w->ino = st.st_ino;
	return 0;
}

static int write_status(struct cart_watch *w, struct cart_err *err)
{
	struct cart_buf b;
	int rc;

	cart_buf_init(&b, (size_t)1 << 20);
	pthread_mutex_lock(&w->lock);
	print_json(w, &b);
	pthread_mutex_unlock(&w->lock);
	cart_buf_addc(&b, '\n');
	rc = cart_buf_check(&b, "status", err);
	if (rc == 0)
		rc = replace(w, b.data, b.len, err);
	cart_buf_clear(&b);
	return rc;
}

/* NAME.seal.minisig, NAME.tar.002 ... are, or will be, a bundle's. */
static bool is_bundles(const char *path)
{
	static const char *const ends[] = {
		"tar", "seal", "minisig", "age", "state", "tsr", "run",
		"custody",
	};
	const char *p = strrchr(path, '/');
	size_t i, len;

	for (p = strchr(p != NULL ? p : path, '.'); p != NULL;
	     p = strchr(p, '.')) {
		len = strcspn(++p, ".");
		for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			if (strlen(ends[i]) == len &&
			    memcmp(p, ends[i], len) == 0)
				return true;
	}
	return false;
}

/* A name that was mistyped must not cost a bundle. */
static int check_file(struct cart_watch *w, struct cart_err *err)
{
	const char *path = w->file;
	char begin[sizeof(MARK) - 1];
	struct stat st;
	ssize_t n;
	int fd;

	if (is_bundles(path))
		return cart_err_set(err, CART_ERR_USAGE, 0, "%s: such names "
				    "are those of bundles", path);
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : cart_err_errno(err, errno, "%s",
							    path);
	fd = S_ISREG(st.st_mode) ? open(path, O_RDONLY | O_CLOEXEC |
					O_NOFOLLOW | O_NOCTTY) : -1;
	n = fd >= 0 && fstat(fd, &st) == 0 ? read(fd, begin, sizeof(begin)) : -1;
	if (fd >= 0)
		close(fd);
	if (n == 0 || (n == (ssize_t)sizeof(begin) &&
		       memcmp(begin, MARK, sizeof(begin)) == 0)) {
		w->made = true;
		w->dev = st.st_dev;
		w->ino = st.st_ino;
		return 0;
	}
	return cart_err_set(err, CART_ERR_USAGE, 0, "%s holds something else "
			    "than a status: it is not replaced", path);
}

/* --- the thread --- */

static void tell_file(struct cart_watch *w)
{
	struct cart_err err = { 0 };

	if (w->file == NULL || write_status(w, &err) == 0)
		return;
	if (!w->warned)
		cart_msg(CART_MSG_WARN, "--status: %s", err.text);
	w->warned = true;
}

static void answer(struct cart_watch *w)
{
	struct cart_buf b;

	cart_buf_init(&b, (size_t)1 << 20);
	pthread_mutex_lock(&w->lock);
	if (cart_msg_is_json())
		print_json(w, &b);
	else
		say_words(w);
	pthread_mutex_unlock(&w->lock);
	say(&b);
	cart_buf_clear(&b);
}

/* Lock held. */
static void reach(struct cart_watch *w, const char *option, const char *what)
{
	if (w->limited || !w->collecting || cart_stop_requested())
		return;
	w->limited = true;
	snprintf(w->why, sizeof(w->why), "the limit --%s (%s) was reached",
		 option, what);
	cart_stop_request(w->why);
}

static void check_time(struct cart_watch *w)
{
	char text[32];

	if (w->max_ms == 0 || cart_clock_mono_ns() - w->begin_ns <
	    (int64_t)w->max_ms * 1000000)
		return;
	snprintf(text, sizeof(text), "%" PRIu64 " s", w->max_ms / 1000);
	pthread_mutex_lock(&w->lock);
	reach(w, "max-time", text);
	pthread_mutex_unlock(&w->lock);
}

static void *watch(void *arg)
{
	const struct timespec tick = { 0, TICK_NS };
	struct cart_watch *w = arg;
	bool quit = false;
	unsigned n = 0;
	sigset_t usr1;
	int got;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	while (!quit) {
		got = sigtimedwait(&usr1, NULL, &tick);
		pthread_mutex_lock(&w->lock);
		quit = w->quit;
		pthread_mutex_unlock(&w->lock);
		if (quit)
			break;
		if (got == SIGUSR1)
			answer(w);
		check_time(w);
		if (++n % TICKS_A_STATUS == 0)
			tell_file(w);
	}
	return NULL;
}

static int read_options(struct cart_watch *w, const struct cart_args *a,
			struct cart_err *err)
{
	const char *t = cart_args_value(a, "max-bytes");

	if (t != NULL && (cart_text_size(t, strlen(t), &w->max_bytes) < 0 ||
			  w->max_bytes < LEAST_BYTES))
		return cart_err_set(err, CART_ERR_USAGE, 0, "--max-bytes %s: "
				    "a size of at least 64M, like 20G", t);
	t = cart_args_value(a, "bytes-per-second");
	if (t != NULL &&
	    (cart_text_size(t, strlen(t), &w->pace.bytes_per_s) < 0 ||
	     w->pace.bytes_per_s < 1024))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "--bytes-per-second %s: a size of at least "
				    "1K, like 20M", t);
	t = cart_args_value(a, "max-time");
	if (t != NULL && (cart_text_duration(t, strlen(t), &w->max_ms) < 0 ||
			  w->max_ms == 0 || w->max_ms > INT64_MAX / 1000000))
		return cart_err_set(err, CART_ERR_USAGE, 0, "--max-time %s: a "
				    "duration like 30m", t);
	w->file = cart_args_value(a, "status");
	if (w->file == NULL)
		return 0;
	if (check_file(w, err) < 0 || write_status(w, err) < 0) {
		cart_err_prefix(err, "--status");
		err->class = CART_ERR_USAGE;
		return -1;
	}
	return 0;
}

static int start(struct cart_watch *w, struct cart_err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, &attr, watch, w);
	sigaddset(&old, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc ? cart_err_errno(err, rc, "starting a thread") : 0;
}

struct cart_watch *cart_watch_new(const struct cart_args *a,
				  struct cart_err *err)
{
	struct cart_watch *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		cart_err_nomem(err);
		return NULL;
	}
	pthread_mutex_init(&w->lock, NULL);
	w->phase = "starting";
	w->exit = -1;
	w->begin_ns = cart_clock_mono_ns();
	if (read_options(w, a, err) < 0 || start(w, err) < 0) {
		pthread_mutex_destroy(&w->lock);
		free(w);
		return NULL;
	}
	return w;
}

void cart_watch_free(struct cart_watch *w, int exit)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	w->exit = exit;
	pthread_mutex_unlock(&w->lock);
	pthread_kill(w->thread, SIGUSR1);
	pthread_join(w->thread, NULL);
	tell_file(w);
	pthread_mutex_destroy(&w->lock);
	free(w->steps);
	free(w->since_ns);
	free(w);
}

/* --- what it is told --- */

void cart_watch_set(struct cart_watch *w, const char *name,
		    struct cart_bundle *bundle, struct cart_sink *sink)
{
	pthread_mutex_lock(&w->lock);
	snprintf(w->name, sizeof(w->name), "%s", name);
	if (w->bundle != NULL)
		cart_bundle_counts(w->bundle, &w->last);
	w->bundle = bundle;
	w->sink = sink;
	if (sink != NULL)
		snprintf(w->where, sizeof(w->where), "%s", sink->location);
	pthread_mutex_unlock(&w->lock);
}

void cart_watch_phase(struct cart_watch *w, const char *phase)
{
	pthread_mutex_lock(&w->lock);
	w->phase = phase;
	w->collecting = strcmp(phase, "collecting") == 0;
	pthread_mutex_unlock(&w->lock);
}

void cart_watch_steps(void *watch, const struct cart_run_step *steps, size_t n)
{
	struct cart_watch *w = watch;
	size_t i;

	pthread_mutex_lock(&w->lock);
	if (w->steps == NULL) {
		w->steps = calloc(n, sizeof(*w->steps));
		w->since_ns = calloc(n, sizeof(*w->since_ns));
		w->n_steps = w->steps != NULL && w->since_ns != NULL ? n : 0;
	}
	for (i = 0; i < w->n_steps && i < n; i++) {
		if (is_running(&steps[i]) && w->since_ns[i] == 0)
			w->since_ns[i] = cart_clock_mono_ns();
		w->steps[i] = steps[i];
	}
	pthread_mutex_unlock(&w->lock);
}

void cart_watch_pace(void *watch, size_t len)
{
	struct cart_watch *w = watch;
	int64_t end, left;
	uint64_t keep;
	char text[16];

	w->written += len;
	if (w->max_bytes > 0) {
		pthread_mutex_lock(&w->lock);
		/* all that may be in flight, and the end */
		keep = w->sink != NULL ? w->sink->keep_bytes : 0;
		if (w->written + keep > w->max_bytes) {
			cart_text_bytes(w->max_bytes, text);
			reach(w, "max-bytes", text);
		}
		pthread_mutex_unlock(&w->lock);
	}
	end = cart_clock_mono_ns();
	end += cart_pace_take(&w->pace, end, len);
	/* what is queued when a stop begins goes at once: the seal waits */
	while (!cart_stop_requested() &&
	       (left = end - cart_clock_mono_ns()) > 0)
		cart_clock_sleep_ms(left > TICK_NS ? TICK_NS / 1000000 :
				    (unsigned)((left + 999999) / 1000000));
}

/* --- priority --- */

int cart_cmd_priority(const struct cart_args *a, bool host_steps,
		      const char **ret_word, struct cart_err *err)
{
	const char *word = cart_args_value(a, "priority");
	int nice_now;

	if (word == NULL)
		word = host_steps ? "low" : "normal";
	if (strcmp(word, "low") != 0 && strcmp(word, "normal") != 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--priority %s: "
				    "low or normal", word);
	*ret_word = word;
	if (word[0] != 'l')
		return 0;
	/* A host where this fails is read all the same. */
	errno = 0;
	nice_now = getpriority(PRIO_PROCESS, 0);
	if (errno == 0 && nice_now < LOW_NICE)
		(void)setpriority(PRIO_PROCESS, 0, LOW_NICE);
	(void)syscall(SYS_ioprio_set, 1, 0, IOPRIO_LOW);
	return 0;
}
