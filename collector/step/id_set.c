/* SPDX-License-Identifier: Apache-2.0 */
#include "id_set.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "crashcart/digest.h"

#define IDS_MAX ((size_t)1 << 20)

/* True if it was not there.  The set must have a free slot. */
static bool insert(struct id_set *s, const uint64_t id[2])
{
	size_t i = id[0] & (s->cap - 1);

	while (s->slot[i][0] | s->slot[i][1]) {
		if (s->slot[i][0] == id[0] && s->slot[i][1] == id[1])
			return false;
		i = (i + 1) & (s->cap - 1);
	}
	memcpy(s->slot[i], id, sizeof(s->slot[i]));
	s->n++;
	return true;
}

static int grow(struct id_set *s)
{
	struct id_set bigger = { 0 };
	size_t i;

	bigger.cap = s->cap == 0 ? 1024 : s->cap * 2;
	bigger.slot = calloc(bigger.cap, sizeof(*bigger.slot));
	if (bigger.slot == NULL)
		return -1;
	for (i = 0; i < s->cap; i++) {
		if (s->slot[i][0] | s->slot[i][1])
			insert(&bigger, s->slot[i]);
	}
	free(s->slot);
	*s = bigger;
	return 0;
}

int cart_id_set_add(struct id_set *s, const char *text)
{
	unsigned char hash[CART_SHA256_SIZE];
	uint64_t id[2];

	if (s->n >= IDS_MAX)
		return 1;
	if (s->n * 4 >= s->cap * 3 && grow(s) < 0)
		return -1;
	cart_sha256(text, strlen(text), hash);
	memcpy(id, hash, sizeof(id));
	id[1] |= 1;			/* never the free slot */
	return insert(s, id) ? 1 : 0;
}

void cart_id_set_clear(struct id_set *s)
{
	free(s->slot);
	s->slot = NULL;
	s->cap = s->n = 0;
}
