/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#include <crashcart/clock.h>
#include <crashcart/msg.h>

static int saved_stderr;

/* Points stderr at a pipe or terminal; returns the end to read from. */
static int catch_pipe(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	return fds[0];
}

static const char *caught(int fd)
{
	static char out[65536];
	ssize_t n = read(fd, out, sizeof(out) - 1);

	out[n > 0 ? n : 0] = '\0';
	return out;
}

static void release(int fd)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(fd);
}

static void words(void **state)
{
	struct cart_msg_options o = { 0 };
	struct cart_err err = { 0 };
	int fd = catch_pipe();
	char out[4][200];

	cart_msg_setup(&o);
	cart_msg(CART_MSG_NOTE, "hello %s\nx", "a\033[2Jb");
	snprintf(out[0], sizeof(out[0]), "%s", caught(fd));
	cart_msg(CART_MSG_WARN, "w");
	cart_msg(CART_MSG_DEBUG, "d");
	snprintf(out[1], sizeof(out[1]), "%s", caught(fd));
	cart_err_set(&err, CART_ERR_INPUT, 0, "bad");
	cart_msg_err(&err);
	snprintf(out[2], sizeof(out[2]), "%s", caught(fd));
	o.quiet = true;
	o.debug = true;
	cart_msg_setup(&o);
	cart_msg(CART_MSG_NOTE, "n");
	cart_msg(CART_MSG_ERROR, "e");
	snprintf(out[3], sizeof(out[3]), "%s", caught(fd));
	release(fd);
	assert_string_equal(out[0],
			    "crashcart: hello a\\x1b[2Jb\\x0ax\n");
	assert_string_equal(out[1], "crashcart: warning: w\n");
	assert_string_equal(out[2], "crashcart: bad\n");
	assert_string_equal(out[3], "crashcart: e\n");
}

static void objects(void **state)
{
	struct cart_msg_options o = { .json = true };
	struct cart_err err = { 0 };
	int fd = catch_pipe();
	char out[500];

	cart_msg_setup(&o);
	cart_msg(CART_MSG_NOTE, "a\"b\n");
	cart_err_set(&err, CART_ERR_DENIED, 403, "no");
	cart_msg_err(&err);
	snprintf(out, sizeof(out), "%s", caught(fd));
	release(fd);
	assert_true(cart_msg_is_json());
	assert_string_equal(out,
			    "{\"level\":\"note\",\"message\":\"a\\\"b\\n\"}\n"
			    "{\"level\":\"error\",\"class\":\"denied\","
			    "\"message\":\"no\"}\n");
}

static void progress_is_rare_without_terminal(void **state)
{
	struct cart_msg_options o = { 0 };
	int fd = catch_pipe(), i;
	char out[500];

	cart_msg_setup(&o);
	for (i = 0; i < 1000; i++)
		cart_msg_progress("volume", (uint64_t)i, 1000, "bytes");
	cart_msg_progress_end();
	snprintf(out, sizeof(out), "%s", caught(fd));
	release(fd);
	assert_string_equal(out, "");
}

static void progress_redraws_on_a_terminal(void **state)
{
	struct cart_msg_options o = { 0 };
	struct winsize size = { .ws_col = 60, .ws_row = 24 };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave, i;
	char out[8192];
	const char *name;

	if (master < 0)
		skip();
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	name = ptsname(master);
	assert_non_null(name);
	slave = open(name, O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(slave, STDERR_FILENO);
	close(slave);
	cart_msg_setup(&o);
	for (i = 0; i < 500; i++)
		cart_msg_progress("vol\033ume with a name that is rather long",
				  (uint64_t)i << 20, 500u << 20, "bytes");
	cart_msg(CART_MSG_NOTE, "between");
	cart_msg_progress("vol\033ume with a name that is rather long",
			  500u << 20, 500u << 20, "bytes");
	cart_msg_progress_end();
	cart_clock_sleep_ms(20);
	snprintf(out, sizeof(out), "%s", caught(master));
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(master);
	/* few redraws, no control byte of ours but \r and the erase */
	assert_true(strlen(out) < 500);
	assert_non_null(strstr(out, "vol\\x1bume"));
	assert_non_null(strstr(out, "\r\033[Kcrashcart: between\r\n"));
	assert_int_equal(out[strlen(out) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(objects),
		cmocka_unit_test(progress_is_rare_without_terminal),
		cmocka_unit_test(progress_redraws_on_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
