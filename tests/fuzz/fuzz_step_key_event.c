/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One CloudTrail event: whatever it holds, its effects are ended, cut between
 * characters, and there are none of a call that failed.
 */
#include <stdlib.h>
#include <string.h>

#include "../../collector/step/key_event.h"
#include "crashcart/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int effect(void *arg, const struct key_effect *f)
{
	size_t *n = arg;

	check(++*n <= 1000);
	check(f->what != NULL && memchr(f->id, '\0', sizeof(f->id)) != NULL &&
	      memchr(f->detail, '\0', sizeof(f->detail)) != NULL);
	check(cart_text_is_utf8(f->id, strlen(f->id)) &&
	      cart_text_is_utf8(f->detail, strlen(f->detail)) &&
	      cart_text_is_utf8(f->role, strlen(f->role)) &&
	      cart_text_is_utf8(f->account, strlen(f->account)));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_err err = { 0 };
	struct key_event e;
	size_t n = 0;

	if (cart_key_event_parse(&e, (const char *)data, size, &err) == 0) {
		check(cart_key_event_effects(&e, effect, &n) == 0);
		check(e.error[0] == '\0' || n == 0);
	}
	cart_key_event_clear(&e);
	return 0;
}
