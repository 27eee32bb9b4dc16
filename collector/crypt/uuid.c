/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/digest.h>
#include <crashcart/text.h>

/* RFC 9562: where the hyphens of the text form are. */
static const unsigned char group[] = { 4, 2, 2, 2, 6 };

static void print(const unsigned char raw[16], char out[CART_UUID_SIZE])
{
	size_t i;

	for (i = 0; i < sizeof(group); i++) {
		cart_text_hex(raw, group[i], out);
		raw += group[i];
		out += 2 * group[i];
		*out++ = i + 1 < sizeof(group) ? '-' : '\0';
	}
}

static int parse(const char *s, unsigned char raw[16])
{
	size_t i;

	if (strlen(s) != CART_UUID_SIZE - 1)
		return -1;
	for (i = 0; i < sizeof(group); i++) {
		if (cart_text_unhex(s, 2 * group[i], raw, group[i]) < 0)
			return -1;
		raw += group[i];
		s += 2 * group[i];
		if (*s != (i + 1 < sizeof(group) ? '-' : '\0'))
			return -1;
		s++;
	}
	return 0;
}

static void mark(unsigned char raw[16], unsigned version)
{
	raw[6] = (unsigned char)((raw[6] & 0x0f) | version << 4);
	raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
}

void cart_uuid_v4(char out[CART_UUID_SIZE])
{
	unsigned char raw[16];

	cart_random(raw, sizeof(raw));
	mark(raw, 4);
	print(raw, out);
}

int cart_uuid_v5(const char *namespace_uuid, const char *name,
		 char out[CART_UUID_SIZE])
{
	unsigned char digest[20], ns[16], *data;
	size_t len = strlen(name);
	int rc;

	out[0] = '\0';
	if (parse(namespace_uuid, ns) < 0)
		return -1;
	data = malloc(16 + len);
	if (!data)
		return -1;
	memcpy(data, ns, 16);
	memcpy(data + 16, name, len);
	rc = cart_sha1(data, 16 + len, digest);
	free(data);
	if (rc < 0)
		return -1;
	mark(digest, 5);
	print(digest, out);
	return 0;
}
