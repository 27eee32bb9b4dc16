/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/host_login.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "crashcart/clock.h"
#include "crashcart/host_proc.h"
#include "crashcart/text.h"

/* Offsets within a record; glibc's struct utmp. */
enum {
	UT_TYPE = 0, UT_PID = 4, UT_LINE = 8, UT_ID = 40, UT_USER = 44,
	UT_HOST = 76, UT_EXIT = 332, UT_SESSION = 336, UT_SEC = 340,
	UT_USEC = 344, UT_ADDR = 348
};

static int32_t get_i32(const unsigned char *p)
{
	int32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void add_field(struct cart_json *j, const char *key,
		      const unsigned char *p, size_t size)
{
	size_t n = strnlen((const char *)p, size);

	if (n > 0)
		cart_host_add_bytes(j, key, p, n);
}

static const char *type_name(int16_t type)
{
	static const char *const names[] = {
		"empty", "run-level", "boot", "new-time", "old-time", "init",
		"login", "user", "dead", "accounting"
	};

	return type >= 0 && type < 10 ? names[type] : "other";
}

struct cart_json *cart_host_parse_utmp(const void *record)
{
	static const unsigned char zero[16];
	const unsigned char *p = record;
	char text[INET6_ADDRSTRLEN], time[CART_CLOCK_TEXT_SIZE];
	struct cart_json *j;
	int16_t type;
	uint32_t sec;

	memcpy(&type, p + UT_TYPE, sizeof(type));
	sec = (uint32_t)get_i32(p + UT_SEC);
	if (type == 0 && sec == 0)
		return NULL;
	j = cart_json_new_object();
	cart_json_add(j, "type", cart_json_new_string(type_name(type)));
	cart_json_add(j, "pid", cart_json_new_int(get_i32(p + UT_PID)));
	add_field(j, "line", p + UT_LINE, 32);
	add_field(j, "id", p + UT_ID, 4);
	add_field(j, "user", p + UT_USER, 32);
	add_field(j, "host", p + UT_HOST, 256);
	cart_json_add(j, "session", cart_json_new_int(get_i32(p + UT_SESSION)));
	cart_clock_text((int64_t)sec * 1000000000 +
			(int64_t)(get_i32(p + UT_USEC) % 1000000) * 1000, 6,
			time);
	cart_json_add(j, "time", cart_json_new_string(time));
	if (memcmp(p + UT_ADDR + 4, zero, 12) != 0)
		inet_ntop(AF_INET6, p + UT_ADDR, text, sizeof(text));
	else if (memcmp(p + UT_ADDR, zero, 4) != 0)
		inet_ntop(AF_INET, p + UT_ADDR, text, sizeof(text));
	else
		return j;
	cart_json_add(j, "address", cart_json_new_string(text));
	return j;
}

int cart_host_parse_passwd(const char *line, size_t len,
			   struct cart_host_user *ret)
{
	const char *field[7], *p = line, *end = line + len, *colon;
	size_t size[7];
	uint64_t uid, gid;
	unsigned i;

	for (i = 0; i < 7; i++) {
		colon = i < 6 ? memchr(p, ':', (size_t)(end - p)) : end;
		if (colon == NULL)
			return -1;
		field[i] = p;
		size[i] = (size_t)(colon - p);
		p = colon + 1;
	}
	if (size[0] == 0 ||
	    cart_text_u64(field[2], size[2], UINT32_MAX, &uid) < 0 ||
	    cart_text_u64(field[3], size[3], UINT32_MAX, &gid) < 0)
		return -1;
	ret->name = field[0];
	ret->name_len = size[0];
	ret->uid = (unsigned)uid;
	ret->gid = (unsigned)gid;
	ret->home = field[5];
	ret->home_len = size[5];
	ret->shell = field[6];
	ret->shell_len = size[6];
	return 0;
}
