/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include <crashcart/step.h>

#define STEP(suffix, name) extern const struct cart_step_type cart_step_##suffix;
#include "steps.def"
#undef STEP

const struct cart_step_type *const cart_step_types[] = {
#define STEP(suffix, name) &cart_step_##suffix,
#include "steps.def"
#undef STEP
	NULL
};

const struct cart_step_type *cart_step_find(const char *name)
{
	size_t i;

	for (i = 0; cart_step_types[i]; i++) {
		if (!strcmp(cart_step_types[i]->name, name))
			return cart_step_types[i];
	}
	return NULL;
}
