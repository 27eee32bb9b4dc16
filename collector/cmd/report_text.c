/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crashcart/text.h"
#include "crashcart/xml.h"
#include "report_data.h"

void cart_report_text(struct cart_buf *b, const char *s)
{
	struct cart_buf safe;

	/* control and direction characters first, then HTML's own */
	cart_buf_init(&safe, 262144);
	cart_text_escape(s, strlen(s), &safe);
	if (cart_buf_ok(&safe) && safe.data != NULL)
		cart_xml_escape((char *)safe.data, safe.len, b);
	cart_buf_clear(&safe);
}
