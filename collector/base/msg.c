/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <crashcart/clock.h>
#include <crashcart/fdio.h>
#include <crashcart/json.h>
#include <crashcart/msg.h>
#include <crashcart/text.h>

#define LINE_MAX_BYTES 8192
#define REDRAW_NS INT64_C(200000000)	/* terminal: 5 a second */
#define REPORT_NS INT64_C(10000000000)	/* otherwise: every 10 seconds */
#define BAR_WIDTH 20

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cart_msg_options options;

/* The progress line.  All under lock. */
static struct {
	char what[64];
	int64_t started_ns;		/* when `what` was first seen */
	int64_t shown_ns;
	uint64_t started_at;		/* done when `what` was first seen */
	uint64_t done, total;
	char unit[16];
	bool on_screen;			/* a line that has no end yet */
	bool reported;			/* at least one line went out */
} progress;

static const char *const level_names[] = { "error", "warning", "note",
					   "debug" };

void cart_msg_setup(const struct cart_msg_options *o)
{
	pthread_mutex_lock(&lock);
	options = *o;
	pthread_mutex_unlock(&lock);
}

bool cart_msg_is_json(void)
{
	bool json;

	pthread_mutex_lock(&lock);
	json = options.json;
	pthread_mutex_unlock(&lock);
	return json;
}

static bool terminal(void)
{
	return isatty(STDERR_FILENO) == 1;
}

/* Writes one whole line; a progress line in the way is wiped first. */
static void put_line(struct cart_buf *b)
{
	static const char wipe[] = "\r\033[K";

	if (progress.on_screen) {
		(void)cart_fd_write(STDERR_FILENO, wipe, strlen(wipe), NULL);
		progress.on_screen = false;
	}
	(void)cart_fd_write(STDERR_FILENO, b->data, b->len, NULL);
}

static void member(struct cart_buf *b, const char *key, const char *value,
		   size_t len)
{
	cart_buf_addc(b, b->len == 0 ? '{' : ',');
	cart_json_quote(key, strlen(key), b);
	cart_buf_addc(b, ':');
	cart_json_quote(value, len, b);
}

/* class may be NULL. */
static void emit(enum cart_msg_level level, const char *class, const char *text,
		 size_t len)
{
	struct cart_buf b;

	cart_buf_init(&b, 6 * LINE_MAX_BYTES + 200);
	pthread_mutex_lock(&lock);
	if ((options.quiet && level > CART_MSG_WARN) ||
	    (!options.debug && level == CART_MSG_DEBUG))
		goto out;
	if (options.json) {
		member(&b, "level", level_names[level],
		       strlen(level_names[level]));
		if (class)
			member(&b, "class", class, strlen(class));
		member(&b, "message", text, len);
		cart_buf_addc(&b, '}');
	} else {
		cart_buf_adds(&b, "crashcart: ");
		if (level == CART_MSG_WARN || level == CART_MSG_DEBUG)
			cart_buf_addf(&b, "%s: ", level_names[level]);
		cart_text_escape(text, len, &b);
	}
	cart_buf_addc(&b, '\n');
	if (cart_buf_ok(&b))
		put_line(&b);
out:
	pthread_mutex_unlock(&lock);
	cart_buf_clear(&b);
}

void cart_msg(enum cart_msg_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	emit(level, NULL, text, strlen(text));
}

void cart_msg_answer(const char *text)
{
	struct cart_buf b;

	cart_buf_init(&b, (size_t)1 << 20);
	pthread_mutex_lock(&lock);
	if (options.json) {
		cart_buf_adds(&b, text);
	} else {
		cart_buf_adds(&b, "crashcart: ");
		cart_text_escape(text, strlen(text), &b);
	}
	cart_buf_addc(&b, '\n');
	if (cart_buf_ok(&b))
		put_line(&b);
	pthread_mutex_unlock(&lock);
	cart_buf_clear(&b);
}

void cart_msg_err(const struct cart_err *err)
{
	emit(CART_MSG_ERROR, cart_err_class_name(err->class), err->text,
	     strlen(err->text));
}

static bool is_bytes(const char *unit)
{
	return strcmp(unit, "bytes") == 0 || strcmp(unit, "B") == 0;
}

static void amount(struct cart_buf *b, uint64_t v)
{
	char text[16];

	if (is_bytes(progress.unit)) {
		cart_text_bytes(v, text);
		cart_buf_adds(b, text);
	} else {
		cart_buf_addf(b, "%llu", (unsigned long long)v);
	}
}

static void span(struct cart_buf *b, uint64_t s)
{
	if (s >= 3600)
		cart_buf_addf(b, "%llu:%02u:%02u",
			      (unsigned long long)(s / 3600),
			      (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	else
		cart_buf_addf(b, "%u:%02u", (unsigned)(s / 60),
			      (unsigned)(s % 60));
}

/* "what  [####......]  40%  1.2 GiB of 3.0 GiB  110.0 MiB/s  0:17 left" */
static void words(struct cart_buf *b, int64_t now_ns, bool bar)
{
	double seconds = (double)(now_ns - progress.started_ns) / 1e9;
	double rate = 0;
	unsigned i, filled;
	double part;

	if (seconds >= 1 && progress.done > progress.started_at)
		rate = (double)(progress.done - progress.started_at) / seconds;
	cart_text_escape(progress.what, strlen(progress.what), b);
	if (progress.total > 0) {
		part = (double)progress.done / (double)progress.total;
		if (part > 1)
			part = 1;
		if (bar) {
			filled = (unsigned)(part * BAR_WIDTH);
			cart_buf_adds(b, "  [");
			for (i = 0; i < BAR_WIDTH; i++)
				cart_buf_addc(b, i < filled ? '#' : '.');
			cart_buf_addc(b, ']');
		}
		cart_buf_addf(b, "  %3u%%", (unsigned)(part * 100));
	}
	/* "%": what it counts is what stands before */
	if (strcmp(progress.unit, "%") != 0) {
		cart_buf_adds(b, "  ");
		amount(b, progress.done);
		if (progress.total > 0) {
			cart_buf_adds(b, " of ");
			amount(b, progress.total);
		}
		if (!is_bytes(progress.unit))
			cart_buf_addf(b, " %s", progress.unit);
	}
	if (rate > 0 && is_bytes(progress.unit)) {
		cart_buf_adds(b, "  ");
		amount(b, (uint64_t)rate);
		cart_buf_adds(b, "/s");
	}
	if (rate > 0 && progress.total > progress.done) {
		cart_buf_adds(b, "  ");
		span(b, (uint64_t)((double)(progress.total - progress.done) /
				   rate));
		cart_buf_adds(b, " left");
	}
}

static void report(int64_t now_ns)
{
	struct cart_buf b;

	cart_buf_init(&b, 1024);
	if (options.json) {
		member(&b, "level", "progress", strlen("progress"));
		member(&b, "what", progress.what, strlen(progress.what));
		cart_buf_addf(&b, ",\"done\":%llu",
			      (unsigned long long)progress.done);
		if (progress.total > 0)
			cart_buf_addf(&b, ",\"total\":%llu",
				      (unsigned long long)progress.total);
		member(&b, "unit", progress.unit, strlen(progress.unit));
		cart_buf_addc(&b, '}');
	} else {
		cart_buf_adds(&b, "crashcart: ");
		words(&b, now_ns, false);
	}
	cart_buf_addc(&b, '\n');
	if (cart_buf_ok(&b))
		put_line(&b);
	progress.reported = true;
	cart_buf_clear(&b);
}

/* Cuts text to the columns of the terminal, between characters. */
static void fit(struct cart_buf *b)
{
	struct winsize size = { .ws_col = 0 };
	size_t columns = 80, seen = 0, i;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		columns = size.ws_col;
	for (i = 0; i < b->len; i++) {
		if ((b->data[i] & 0xc0) == 0x80)
			continue;
		if (++seen >= columns) {
			b->len = i;
			break;
		}
	}
}

static void redraw(int64_t now_ns)
{
	struct cart_buf b, line;

	cart_buf_init(&b, 1024);
	cart_buf_init(&line, 2048);
	words(&b, now_ns, true);
	if (cart_buf_ok(&b)) {
		fit(&b);
		cart_buf_addc(&line, '\r');
		cart_buf_add(&line, b.data, b.len);
		cart_buf_adds(&line, "\033[K");
		progress.on_screen = false;
		put_line(&line);
		progress.on_screen = true;
	}
	cart_buf_clear(&b);
	cart_buf_clear(&line);
}

void cart_msg_progress(const char *what, uint64_t done, uint64_t total,
		       const char *unit)
{
	int64_t now = cart_clock_mono_ns();

	pthread_mutex_lock(&lock);
	if (options.quiet)
		goto out;
	if (strncmp(progress.what, what, sizeof(progress.what) - 1) != 0 ||
	    done < progress.started_at) {
		snprintf(progress.what, sizeof(progress.what), "%s", what);
		progress.started_ns = now;
		progress.started_at = done;
		if (!progress.on_screen)
			progress.shown_ns = now;
	}
	snprintf(progress.unit, sizeof(progress.unit), "%s", unit);
	progress.done = done;
	progress.total = total;
	if (!options.json && terminal()) {
		if (now - progress.shown_ns < REDRAW_NS && progress.on_screen)
			goto out;
		redraw(now);
	} else {
		if (now - progress.shown_ns < REPORT_NS)
			goto out;
		report(now);
	}
	progress.shown_ns = now;
out:
	pthread_mutex_unlock(&lock);
}

void cart_msg_progress_end(void)
{
	int64_t now = cart_clock_mono_ns();

	pthread_mutex_lock(&lock);
	if (progress.on_screen) {
		redraw(now);
		(void)cart_fd_write(STDERR_FILENO, "\n", 1, NULL);
	} else if (progress.reported) {
		report(now);
	}
	memset(&progress, 0, sizeof(progress));
	pthread_mutex_unlock(&lock);
}
