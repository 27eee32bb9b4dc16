/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <crashcart/engine.h>

static volatile sig_atomic_t stop_flag, signalled;
static _Atomic(const char *) stop_why;

/* The first signal asks; the second, of whatever kind, ends the process the
 * way it would have ended without us. */
static void on_signal(int number)
{
	if (signalled) {
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	signalled = 1;
	stop_flag = 1;
}

int cart_signals_setup(struct cart_err *err)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa;
	size_t i;

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = SIG_IGN;
	if (sigaction(SIGPIPE, &sa, NULL) < 0)
		return cart_err_errno(err, errno, "SIGPIPE");
	/* a file size limit is a full disk, not the end of us */
	if (sigaction(SIGXFSZ, &sa, NULL) < 0)
		return cart_err_errno(err, errno, "SIGXFSZ");
	/* SA_NODEFER: the second may come while the first is handled. */
	sa.sa_flags = SA_RESTART | SA_NODEFER;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction was;

		/* nohup and friends asked for it to be ignored */
		if (sigaction(numbers[i], NULL, &was) == 0 &&
		    was.sa_handler == SIG_IGN)
			continue;
		sa.sa_handler = on_signal;
		if (sigaction(numbers[i], &sa, NULL) < 0)
			return cart_err_errno(err, errno, "signal %d",
					      numbers[i]);
	}
	return 0;
}

bool cart_stop_requested(void)
{
	return stop_flag != 0;
}

void cart_stop_request(const char *why)
{
	if (why && !stop_flag)
		stop_why = why;
	stop_flag = 1;
}

const char *cart_stop_reason(void)
{
	return stop_why;
}
