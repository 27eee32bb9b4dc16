/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of /proc, logins and netlink messages, with known inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <crashcart/host_login.h>
#include <crashcart/host_net.h>
#include <crashcart/host_proc.h>

#define TAIL " S 1 42 42 34816 -1 4194560 10 0 0 0 7 5 0 0 20 0 3 0 12345 9 9\n"

static int parse(const char *text, struct cart_proc_stat *s)
{
	return cart_proc_parse_stat(text, strlen(text), s);
}

static void stat_fields(void **state)
{
	struct cart_proc_stat s;

	(void)state;
	assert_int_equal(parse("42 (bash)" TAIL, &s), 0);
	assert_int_equal(s.pid, 42);
	assert_int_equal(s.ppid, 1);
	assert_int_equal(s.pgrp, 42);
	assert_int_equal(s.session, 42);
	assert_int_equal(s.tty, 34816);
	assert_int_equal(s.state, 'S');
	assert_int_equal(s.flags, 4194560);
	assert_int_equal(s.utime_ticks, 7);
	assert_int_equal(s.stime_ticks, 5);
	assert_int_equal(s.threads, 3);
	assert_int_equal(s.start_ticks, 12345);
	/* names that imitate the rest of the line */
	assert_int_equal(parse("42 (a) R 7 (b\n))" TAIL, &s), 0);
	assert_int_equal(s.ppid, 1);
	assert_int_equal(s.comm_len, 11);
	assert_memory_equal(s.comm, "a) R 7 (b\n)", 11);
	assert_int_equal(parse("42 ()" TAIL, &s), 0);
	assert_int_equal(s.comm_len, 0);
}

static void stat_refuses(void **state)
{
	static const char *const bad[] = {
		"", "42", "(", ")", ")(", "42 (bash", "42 bash)" TAIL,
		"(bash)" TAIL, "x (bash)" TAIL, "42 (bash)", "42 (bash) S",
		"42 (bash) SS 1 42", "42 (bash) S 1 42 42 34816 -1 x 10",
		"42 (b) S 1 1 1 1 1 99999999999999999999 0",
	};
	const char *whole = "42 (bash)" TAIL;
	struct cart_proc_stat s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &s), -1);
	for (i = 0; i < strlen(whole) - 10; i++)
		assert_int_equal(cart_proc_parse_stat(whole, i, &s), -1);
}

static void status_values(void **state)
{
	static const char text[] = "Name:\ta\nTgid:\t7\nUid:\t0\t1\t2\t3\nEmpty:\n"
		"Last:\tx";
	size_t n;
	const char *v;

	(void)state;
	v = cart_proc_status(text, sizeof(text) - 1, "Uid", &n);
	assert_non_null(v);
	assert_int_equal(n, 7);
	assert_memory_equal(v, "0\t1\t2\t3", 7);
	assert_non_null(cart_proc_status(text, sizeof(text) - 1, "Empty", &n));
	assert_int_equal(n, 0);
	assert_non_null(cart_proc_status(text, sizeof(text) - 1, "Last", &n));
	assert_int_equal(n, 1);
	assert_null(cart_proc_status(text, sizeof(text) - 1, "Ui", &n));
	assert_null(cart_proc_status(text, sizeof(text) - 1, "id", &n));
	assert_null(cart_proc_status("", 0, "Uid", &n));
}

static void passwd(void **state)
{
	static const char *const bad[] = {
		"", "root", "root:x:0:0::/root", ":x:0:0::/root:/bin/sh",
		"+::::::", "a:x:-1:0::/:", "a:x:4294967296:0::/:", "a:x: 1:0::/:",
	};
	static const char line[] = "me:x:1000:4294967294:A, B:/home/me:/bin/sh";
	struct cart_host_user u;
	size_t i;

	(void)state;
	assert_int_equal(cart_host_parse_passwd(line, sizeof(line) - 1, &u), 0);
	assert_int_equal(u.uid, 1000);
	assert_int_equal(u.gid, 4294967294u);
	assert_int_equal(u.home_len, 8);
	assert_memory_equal(u.home, "/home/me", 8);
	assert_memory_equal(u.shell, "/bin/sh", 7);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cart_host_parse_passwd(bad[i], strlen(bad[i]),
							&u), -1);
}

static void utmp(void **state)
{
	unsigned char r[CART_UTMP_SIZE] = { 0 };
	const uint32_t sec = 1700000000, usec = 250000;
	const int32_t pid = 77;
	struct cart_json *j;

	(void)state;
	assert_null(cart_host_parse_utmp(r));
	r[0] = 7;
	memcpy(r + 4, &pid, 4);
	memset(r + 8, 'l', 32);			/* not NUL-ended */
	memcpy(r + 44, "root", 4);
	memcpy(r + 76, "\xff\xfe", 2);
	memcpy(r + 340, &sec, 4);
	memcpy(r + 344, &usec, 4);
	memcpy(r + 348, "\x0a\x00\x00\x01", 4);
	j = cart_host_parse_utmp(r);
	assert_string_equal(cart_json_get_string(j, "type"), "user");
	assert_int_equal(strlen(cart_json_get_string(j, "line")), 32);
	assert_string_equal(cart_json_get_string(j, "user"), "root");
	assert_null(cart_json_get(j, "host"));
	assert_string_equal(cart_json_get_string(j, "host_b64"), "//4=");
	assert_string_equal(cart_json_get_string(j, "address"), "10.0.0.1");
	assert_string_equal(cart_json_get_string(j, "time"),
			    "2023-11-14T22:13:20.250000Z");
	cart_json_free(j);
	memset(r, 0xff, sizeof(r));
	j = cart_host_parse_utmp(r);
	assert_non_null(j);
	assert_string_equal(cart_json_get_string(j, "type"), "other");
	cart_json_free(j);
}

/* ---- netlink ------------------------------------------------------------- */

struct message {
	union {
		unsigned char bytes[1024];
		struct nlmsghdr h;
	} u;
	size_t len;
};

static void begin(struct message *m, unsigned type, const void *header,
		  size_t len)
{
	memset(m, 0, sizeof(*m));
	m->u.h.nlmsg_type = (uint16_t)type;
	memcpy(m->u.bytes + NLMSG_HDRLEN, header, len);
	m->len = NLMSG_HDRLEN + NLMSG_ALIGN(len);
	m->u.h.nlmsg_len = (uint32_t)m->len;
}

static void attr(struct message *m, unsigned type, const void *data, size_t len)
{
	struct rtattr a = { .rta_len = (unsigned short)(sizeof(a) + len),
			    .rta_type = (unsigned short)type };

	memcpy(m->u.bytes + m->len, &a, sizeof(a));
	memcpy(m->u.bytes + m->len + sizeof(a), data, len);
	m->len += RTA_ALIGN(sizeof(a) + len);
	m->u.h.nlmsg_len = (uint32_t)m->len;
}

static void route(void **state)
{
	static const unsigned char gateway[] = { 10, 0, 0, 1 };
	struct rtmsg r = { .rtm_family = AF_INET, .rtm_dst_len = 24,
			   .rtm_table = 254 };
	struct {
		struct rtnexthop h;
		struct rtattr a;
		unsigned char address[4];
	} hop = { { sizeof(hop), 0, 4, 9 }, { 8, RTA_GATEWAY }, { 10, 0, 0, 2 } };
	const struct cart_json *hops;
	struct message m;
	struct cart_json *j;
	uint32_t oif = 3;
	size_t i;

	(void)state;
	begin(&m, RTM_NEWROUTE, &r, sizeof(r));
	attr(&m, RTA_DST, "\x0a\x01\x02\x00", 4);
	attr(&m, RTA_GATEWAY, gateway, 4);
	attr(&m, RTA_OIF, &oif, 4);
	attr(&m, RTA_SRC, gateway, 3);		/* of a wrong length */
	attr(&m, RTA_MULTIPATH, &hop, sizeof(hop));
	j = cart_host_parse_route(&m.u, m.len);
	assert_non_null(j);
	assert_string_equal(cart_json_get_string(j, "family"), "inet");
	assert_string_equal(cart_json_get_string(j, "destination"), "10.1.2.0");
	assert_string_equal(cart_json_get_string(j, "gateway"), "10.0.0.1");
	assert_null(cart_json_get(j, "source"));
	hops = cart_json_get(j, "hops");
	assert_int_equal(cart_json_size(hops), 1);
	assert_string_equal(cart_json_get_string(cart_json_first(hops),
						 "gateway"), "10.0.0.2");
	cart_json_free(j);
	/* cut anywhere, lengths that lie */
	for (i = 0; i < m.len; i++)
		assert_null(cart_host_parse_route(&m.u, i));
	for (i = 0; i <= m.len; i++) {
		m.u.h.nlmsg_len = (uint32_t)i;
		cart_json_free(cart_host_parse_route(&m.u, m.len));
	}
	m.u.h.nlmsg_len = UINT32_MAX;
	assert_null(cart_host_parse_route(&m.u, m.len));
}

static void link_message(void **state)
{
	struct ifinfomsg l = { .ifi_index = 2, .ifi_flags = 0x101 };
	struct message m;
	struct cart_json *j;
	uint32_t mtu = 9001;

	(void)state;
	begin(&m, RTM_NEWLINK, &l, sizeof(l));
	attr(&m, IFLA_IFNAME, "eth0", 5);
	attr(&m, IFLA_ADDRESS, "\x02\x00\x5e\x10\x20\x30", 6);
	attr(&m, IFLA_MTU, &mtu, 4);
	j = cart_host_parse_route(&m.u, m.len);
	assert_string_equal(cart_json_get_string(j, "name"), "eth0");
	assert_string_equal(cart_json_get_string(j, "address"),
			    "02:00:5e:10:20:30");
	assert_true(cart_json_bool(cart_json_get(j, "promiscuous")));
	assert_true(cart_json_bool(cart_json_get(j, "up")));
	cart_json_free(j);
}

static void sockets(void **state)
{
	struct inet_diag_msg s = { .idiag_family = AF_INET, .idiag_state = 10,
				   .idiag_inode = 99 };
	struct unix_diag_msg u = { .udiag_type = SOCK_STREAM, .udiag_ino = 5 };
	struct message m;
	struct cart_json *j;

	(void)state;
	s.id.idiag_sport = htons(22);
	s.id.idiag_src[0] = htonl(0x7f000001);
	begin(&m, SOCK_DIAG_BY_FAMILY, &s, sizeof(s));
	j = cart_host_parse_socket(AF_INET, IPPROTO_TCP, &m.u, m.len);
	assert_string_equal(cart_json_get_string(j, "state"), "listen");
	assert_string_equal(cart_json_get_string(j, "local_address"),
			    "127.0.0.1");
	cart_json_free(j);
	assert_null(cart_host_parse_socket(AF_INET, IPPROTO_TCP, &m.u,
					   m.len - 1));
	begin(&m, SOCK_DIAG_BY_FAMILY, &u, sizeof(u));
	attr(&m, UNIX_DIAG_NAME, "\0abs", 4);
	j = cart_host_parse_socket(AF_UNIX, 0, &m.u, m.len);
	assert_true(cart_json_bool(cart_json_get(j, "abstract")));
	assert_string_equal(cart_json_get_string(j, "path"), "abs");
	cart_json_free(j);
	m.u.h.nlmsg_type = NLMSG_DONE;
	assert_null(cart_host_parse_socket(AF_UNIX, 0, &m.u, m.len));
}

static int count(void *arg, const struct cart_json *record, struct cart_err *err)
{
	(void)err;
	if (cart_json_get(record, "name") != NULL)
		++*(int *)arg;
	return 0;
}

static void kernel_answers(void **state)
{
	int n = 0;
	struct cart_host_dump dump = { .record = count, .arg = &n };
	struct cart_err err = { 0 };

	(void)state;
	assert_int_not_equal(cart_host_route_dump(CART_HOST_LINKS, &dump, &err),
			     -1);
	assert_true(n > 0);			/* lo at least */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_fields), cmocka_unit_test(stat_refuses),
		cmocka_unit_test(status_values), cmocka_unit_test(passwd),
		cmocka_unit_test(utmp), cmocka_unit_test(route),
		cmocka_unit_test(link_message), cmocka_unit_test(sockets),
		cmocka_unit_test(kernel_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
