/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests.  Whatever comes, parsing either gives a manifest that can be
 * planned, or a message; its parameters take or refuse a text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <crashcart/engine.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_manifest *m;
	struct cart_json *plan;
	struct cart_err err;

	cart_err_clear(&err);
	m = cart_manifest_parse("fuzz", data, size, &err);
	if (!m) {
		if (!err.class || !err.text[0])
			abort();
		return 0;
	}
	cart_manifest_param(m, "a=aaaa1", &err);
	cart_manifest_param(m, "instance_id=i-0123456789abcdef0", &err);
	if (cart_manifest_ready(m, &err) == 0) {
		plan = cart_manifest_plan(m, &err);
		if (!plan)
			abort();
		cart_json_free(plan);
	}
	cart_run_check_allow(m, cart_manifest_changes(m), &err);
	cart_manifest_free(m);
	return 0;
}
