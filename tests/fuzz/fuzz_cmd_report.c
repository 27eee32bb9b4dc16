/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner of CloudTrail events for the picture of a report: two lines, so
 * that what came twice and what is our own is settled too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/report_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cart_report *r = calloc(1, sizeof(*r));
	const uint8_t *lf = memchr(data, '\n', size);
	size_t first = lf ? (size_t)(lf - data) : size;
	uint64_t own = cart_report_hash("r-1");
	char *line;

	if (!r)
		return 0;
	r->request = malloc(sizeof(*r->request));
	if (r->request) {
		r->request[0] = own;
		r->n_requests = 1;
	}
	/* a copy of the very size, so that a read beyond it is seen */
	line = malloc(first ? first : 1);
	if (line) {
		memcpy(line, data, first);
		cart_report_add_event(r, line, first, NULL);
		free(line);
	}
	if (lf)
		cart_report_add_event(r, (const char *)lf + 1,
				      size - first - 1, NULL);
	cart_report_settle(r);
	if (r->n_events + r->bad_events + r->repeated > 2)
		abort();
	cart_report_free(r);
	return 0;
}
