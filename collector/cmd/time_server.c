/* SPDX-License-Identifier: Apache-2.0 */
#include "time_server.h"

#include <stdio.h>

#include "crashcart/host_ec2.h"
#include "crashcart/json.h"
#include "crashcart/msg.h"
#include "crashcart/sntp.h"

#define WAIT_MS		1500u

int cart_cmd_time_check(const struct cart_args *a, struct cart_err *err)
{
	const char *server = cart_args_value(a, "time-server");

	return server != NULL ? cart_sntp_check(server, err) : 0;
}

static void note_offset(struct cart_bundle *b, const char *server,
			const struct cart_sntp *t)
{
	struct cart_json *j = cart_json_new_object();

	cart_json_add(j, "source", cart_json_new_string("sntp"));
	cart_json_add(j, "from", cart_json_new_string(server));
	cart_json_add(j, "offset_ms", cart_json_new_int(t->offset_ns / 1000000));
	cart_json_add(j, "uncertainty_ms", cart_json_new_int(
		      (t->uncertainty_ns + 999999) / 1000000));
	cart_json_add(j, "applied", cart_json_new_bool(false));
	cart_bundle_log(b, "clock", "", j, NULL);
	cart_json_free(j);
}

static void note_silence(struct cart_bundle *b, const struct cart_err *err)
{
	struct cart_json *j = cart_json_new_object();
	char text[CART_ERR_TEXT_SIZE + 64];

	snprintf(text, sizeof(text), "no second opinion on the host's clock: %s",
		 err->text);
	cart_msg(CART_MSG_WARN, "%s", text);
	cart_json_add(j, "text", cart_json_new_string(text));
	cart_bundle_log(b, "note", "", j, NULL);
	cart_json_free(j);
}

void cart_cmd_time_note(const struct cart_args *a, struct cart_bundle *b)
{
	const char *server = cart_args_value(a, "time-server");
	struct cart_sntp t;
	struct cart_err err;

	if (server == NULL && !cart_host_is_ec2("/sys"))
		return;
	if (server == NULL)
		server = CART_SNTP_EC2;
	if (cart_sntp_ask(server, WAIT_MS, &t, &err) == 0)
		note_offset(b, server, &t);
	else
		note_silence(b, &err);
}
