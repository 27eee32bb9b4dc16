/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crashcart/json.h"
#include "crashcart/minisign.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"

const char *cart_verdict_word(enum cart_verdict_kind kind)
{
	switch (kind) {
	case CART_VERDICT_VALID:
		return "valid";
	case CART_VERDICT_INVALID:
		return "invalid";
	default:
		return "cannot-tell";
	}
}

void cart_verdict_progress(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	cart_msg_progress("verifying", done, total, "bytes");
}

static void print_json(const struct cart_verdict *v)
{
	struct cart_json *j = cart_json_new_object(), *list;
	struct cart_buf b;
	char id[17] = "";
	unsigned i;

	if (v->countersigned)
		cart_minisign_id_text(v->trusted.id, id);

	cart_json_add(j, "verdict",
		      cart_json_new_string(cart_verdict_word(v->kind)));
	cart_json_add(j, "exit", cart_json_new_int(v->kind));
	cart_json_add(j, "rule", v->rule[0] ? cart_json_new_string(v->rule) :
		      cart_json_new_null());
	cart_json_add(j, "reason", cart_json_new_string(v->reason));
	cart_json_add(j, "bundle", cart_json_new_string(v->name));
	cart_json_add(j, "case", cart_json_new_string(v->case_id));
	cart_json_add(j, "state", cart_json_new_string(v->state));
	cart_json_add(j, "root", cart_json_new_string(v->root));
	cart_json_add(j, "bytes_intact", cart_json_new_bool(v->bytes_intact));
	cart_json_add(j, "signer", cart_json_new_string(v->signer_id));
	cart_json_add(j, "signer_kind", cart_json_new_string(v->signer_kind));
	cart_json_add(j, "signer_trusted",
		      cart_json_new_bool(v->signed_ok && !v->countersigned));
	cart_json_add(j, "countersigner", id[0] != '\0' ?
		      cart_json_new_string(id) : cart_json_new_null());
	cart_json_add(j, "inner_seal_trusted", cart_json_new_bool(v->inner_ok));
	cart_json_add(j, "extracted_bag", cart_json_new_bool(v->extracted));
	cart_json_add(j, "sessions", cart_json_new_int(v->sessions));
	list = cart_json_add(j, "continued_from_line", cart_json_new_array());
	for (i = 1; i < v->sessions && i <= 8; i++)
		cart_json_append(list, cart_json_new_int(
				 (int64_t)v->continued_line[i - 1]));
	cart_json_add(j, "members", cart_json_new_int((int64_t)v->members));
	cart_json_add(j, "log_lines", cart_json_new_int((int64_t)v->lines));
	cart_json_add(j, "exhibits", cart_json_new_int((int64_t)v->exhibits));
	cart_json_add(j, "gaps", cart_json_new_int((int64_t)v->gaps));
	cart_json_add(j, "bytes", cart_json_new_int((int64_t)v->bytes));
	cart_json_add(j, "bytes_parsed",
		      cart_json_new_int((int64_t)v->bytes_parsed));
	cart_buf_init(&b, 65536);
	cart_json_print(j, 0, &b);
	if (cart_buf_ok(&b))
		printf("%s\n", (char *)b.data);
	cart_buf_clear(&b);
	cart_json_free(j);
}

static void print_signer(const struct cart_verdict *v, size_t n_keys)
{
	struct cart_buf bare;
	char id[17];

	if (v->signer_id[0] == '\0') {
		printf("Signed by     nobody that can be named\n");
		return;
	}
	printf("Signed by     key %s (%s key)\n", v->signer_id, v->signer_kind);
	if (!v->signed_ok) {
		printf("Trusted       no: %s\n", n_keys == 0 ?
		       "you named no key (--pubkey)" :
		       "none of the keys that you named made this signature");
		return;
	}
	cart_buf_init(&bare, 128);
	cart_minisign_print_public_bare(&v->trusted, &bare);
	cart_minisign_id_text(v->trusted.id, id);
	if (cart_buf_ok(&bare) && !v->countersigned)
		printf("Trusted       yes: by you, as %s\n", (char *)bare.data);
	else if (cart_buf_ok(&bare))
		printf("Trusted       that key: no; counter-signed by key %s, "
		       "which you\n              named as %s\n", id,
		       (char *)bare.data);
	cart_buf_clear(&bare);
}

static void print_words(const struct cart_verdict *v, size_t n_keys)
{
	char size[16];
	unsigned i;

	printf("%s\n", v->kind == CART_VERDICT_VALID ? "VALID" :
	       v->kind == CART_VERDICT_INVALID ? "INVALID" : "CANNOT TELL");
	if (v->reason[0] != '\0')
		printf("Because       %s%s%s%s\n", v->reason,
		       v->rule[0] ? " (rule " : "", v->rule,
		       v->rule[0] ? ")" : "");
	if (v->name[0] != '\0')
		printf("Bundle        %s, case %s%s\n", v->name, v->case_id,
		       v->extracted ? " (extracted bag: inner seal only)" : "");
	if (v->kind == CART_VERDICT_INVALID) {
		printf("Read up to    byte %" PRIu64 "\n", v->bytes_parsed);
		return;
	}
	cart_text_bytes(v->bytes, size);
	printf("Collection    %s\n", strcmp(v->state, "gaps") == 0 ?
	       "sealed with gaps: the log says what is missing and why" :
	       v->state);
	printf("Bytes intact  yes: %" PRIu64 " members, %" PRIu64
	       " log lines, %s, unchanged since sealing\n",
	       v->members, v->lines, size);
	print_signer(v, n_keys);
	for (i = 1; i < v->sessions && i <= 8; i++)
		printf("Note          continued by a further session key from "
		       "log line %" PRIu64 "\n", v->continued_line[i - 1]);
	printf("Time          not anchored: the host's clock and the clocks "
	       "in the log only\n");
	if (strcmp(v->signer_kind, "session") == 0)
		printf("What it shows the bytes are unchanged since sealing; "
		       "whoever controlled the\n              host while it "
		       "collected could have chosen them\n");
	printf("Not checked   what the exhibits say; that is the examiner's "
	       "work\n");
}

void cart_verdict_print(const struct cart_verdict *v, size_t n_keys, bool json)
{
	if (json)
		print_json(v);
	else
		print_words(v, n_keys);
}
