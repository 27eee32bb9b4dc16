/* SPDX-License-Identifier: Apache-2.0 */
#include "crashcart/host_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crashcart/host_proc.h"
#include "crashcart/text.h"

#define REPLY_MAX 65536
#define REPLY_TIMEOUT_MS 5000
#define MESSAGES_MAX 4000000u

/* ---- attributes ---------------------------------------------------------- */

/* Calls fn for each attribute of a list; stops at the first malformed one. */
static void each_attr(const void *data, size_t len,
		      void (*fn)(struct cart_json *j, unsigned type,
				 const unsigned char *value, size_t n, void *arg),
		      struct cart_json *j, void *arg)
{
	const unsigned char *p = data;
	struct rtattr a;
	size_t step;

	while (len >= sizeof(a)) {
		memcpy(&a, p, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > len)
			return;
		fn(j, a.rta_type & 0x3fffu, p + sizeof(a),
		   a.rta_len - sizeof(a), arg);
		step = RTA_ALIGN((size_t)a.rta_len);
		if (step > len)
			return;
		p += step;
		len -= step;
	}
}

static void add_u32(struct cart_json *j, const char *key,
		    const unsigned char *value, size_t n)
{
	uint32_t v;

	if (n != sizeof(v))
		return;
	memcpy(&v, value, sizeof(v));
	cart_json_set(j, key, cart_json_new_int(v));
}

static void add_address(struct cart_json *j, const char *key, int family,
			const unsigned char *value, size_t n)
{
	char text[INET6_ADDRSTRLEN];

	if ((family == AF_INET && n != 4) || (family == AF_INET6 && n != 16))
		return;
	if (inet_ntop(family, value, text, sizeof(text)) != NULL)
		cart_json_set(j, key, cart_json_new_string(text));
}

/* Link-layer address as aa:bb:cc. */
static void add_hardware(struct cart_json *j, const char *key,
			 const unsigned char *value, size_t n)
{
	char text[3 * 32 + 1];
	size_t i;

	if (n == 0 || n > 32)
		return;
	for (i = 0; i < n; i++)
		snprintf(text + 3 * i, 4, "%02x:", value[i]);
	text[3 * n - 1] = '\0';
	cart_json_set(j, key, cart_json_new_string(text));
}

static void add_name(struct cart_json *j, const char *key,
		     const unsigned char *value, size_t n)
{
	size_t len = strnlen((const char *)value, n);

	cart_host_add_bytes(j, key, value, len);
}

static const char *family_name(int family)
{
	return family == AF_INET ? "inet" : family == AF_INET6 ? "inet6" :
		family == AF_BRIDGE ? "bridge" : "other";
}

/* ---- rtnetlink ----------------------------------------------------------- */

static void link_attr(struct cart_json *j, unsigned type,
		      const unsigned char *v, size_t n, void *arg)
{
	(void)arg;
	switch (type) {
	case IFLA_IFNAME:
		add_name(j, "name", v, n);
		break;
	case IFLA_ADDRESS:
		add_hardware(j, "address", v, n);
		break;
	case IFLA_PERM_ADDRESS:
		add_hardware(j, "permanent_address", v, n);
		break;
	case IFLA_MTU:
		add_u32(j, "mtu", v, n);
		break;
	case IFLA_MASTER:
		add_u32(j, "master", v, n);
		break;
	case IFLA_LINK:
		add_u32(j, "link", v, n);
		break;
	case IFLA_PROMISCUITY:
		add_u32(j, "promiscuity", v, n);
		break;
	case IFLA_IFALIAS:
		add_name(j, "alias", v, n);
		break;
	default:
		break;
	}
}

static void address_attr(struct cart_json *j, unsigned type,
			 const unsigned char *v, size_t n, void *arg)
{
	int family = *(int *)arg;

	switch (type) {
	case IFA_ADDRESS:
		add_address(j, "address", family, v, n);
		break;
	case IFA_LOCAL:
		add_address(j, "local", family, v, n);
		break;
	case IFA_BROADCAST:
		add_address(j, "broadcast", family, v, n);
		break;
	case IFA_LABEL:
		add_name(j, "label", v, n);
		break;
	default:
		break;
	}
}

static void hop_attr(struct cart_json *j, unsigned type,
		     const unsigned char *v, size_t n, void *arg)
{
	int family = *(int *)arg;

	switch (type) {
	case RTA_DST:
		add_address(j, "destination", family, v, n);
		break;
	case RTA_SRC:
		add_address(j, "source", family, v, n);
		break;
	case RTA_GATEWAY:
		add_address(j, "gateway", family, v, n);
		break;
	case RTA_PREFSRC:
		add_address(j, "preferred_source", family, v, n);
		break;
	case RTA_OIF:
		add_u32(j, "interface", v, n);
		break;
	case RTA_PRIORITY:
		add_u32(j, "priority", v, n);
		break;
	case RTA_TABLE:
		add_u32(j, "table", v, n);
		break;
	case RTA_VIA:		/* struct rtvia: a gateway of another family */
		if (n > 2) {
			uint16_t via;

			memcpy(&via, v, sizeof(via));
			if (via == AF_INET || via == AF_INET6)
				add_address(j, "via", via, v + 2, n - 2);
		}
		break;
	default:
		break;
	}
}

/* The next hops of a multipath route: struct rtnexthop, each with attributes
 * of its own. */
static void add_hops(struct cart_json *j, int family, const unsigned char *p,
		     size_t len)
{
	struct cart_json *list, *hop;
	struct rtnexthop h;
	size_t step;

	list = cart_json_set(j, "hops", cart_json_new_array());
	while (len >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		if (h.rtnh_len < sizeof(h) || h.rtnh_len > len)
			return;
		hop = cart_json_append(list, cart_json_new_object());
		cart_json_add(hop, "interface", cart_json_new_int(h.rtnh_ifindex));
		cart_json_add(hop, "weight", cart_json_new_int(h.rtnh_hops + 1));
		each_attr(p + sizeof(h), h.rtnh_len - sizeof(h), hop_attr, hop,
			  &family);
		step = RTNH_ALIGN((size_t)h.rtnh_len);
		if (step > len)
			return;
		p += step;
		len -= step;
	}
}

static void route_attr(struct cart_json *j, unsigned type,
		       const unsigned char *v, size_t n, void *arg)
{
	if (type == RTA_MULTIPATH)
		add_hops(j, *(int *)arg, v, n);
	else
		hop_attr(j, type, v, n, arg);
}

static void neighbour_attr(struct cart_json *j, unsigned type,
			   const unsigned char *v, size_t n, void *arg)
{
	int family = *(int *)arg;

	if (type == NDA_DST)
		add_address(j, "address", family, v, n);
	else if (type == NDA_LLADDR)
		add_hardware(j, "hardware_address", v, n);
}

static void rule_attr(struct cart_json *j, unsigned type,
		      const unsigned char *v, size_t n, void *arg)
{
	int family = *(int *)arg;

	/* FRA_DST 1, FRA_SRC 2, FRA_IIFNAME 3, FRA_PRIORITY 6, FRA_FWMARK 10,
	 * FRA_TABLE 15, FRA_OIFNAME 17 (linux/fib_rules.h) */
	switch (type) {
	case 1:
		add_address(j, "destination", family, v, n);
		break;
	case 2:
		add_address(j, "source", family, v, n);
		break;
	case 3:
		add_name(j, "input_interface", v, n);
		break;
	case 6:
		add_u32(j, "priority", v, n);
		break;
	case 10:
		add_u32(j, "mark", v, n);
		break;
	case 15:
		add_u32(j, "table", v, n);
		break;
	case 17:
		add_name(j, "output_interface", v, n);
		break;
	default:
		break;
	}
}

static struct cart_json *parse_link(const unsigned char *p, size_t len)
{
	struct ifinfomsg m;
	struct cart_json *j;

	if (len < sizeof(m))
		return NULL;
	memcpy(&m, p, sizeof(m));
	j = cart_json_new_object();
	cart_json_add(j, "index", cart_json_new_int(m.ifi_index));
	cart_json_add(j, "type", cart_json_new_int(m.ifi_type));
	cart_json_add(j, "flags", cart_json_new_int(m.ifi_flags));
	cart_json_add(j, "up", cart_json_new_bool((m.ifi_flags & 1) != 0));
	cart_json_add(j, "promiscuous",
		      cart_json_new_bool((m.ifi_flags & 0x100) != 0));
	each_attr(p + NLMSG_ALIGN(sizeof(m)), len - NLMSG_ALIGN(sizeof(m)),
		  link_attr, j, NULL);
	return j;
}

static struct cart_json *parse_address(const unsigned char *p, size_t len)
{
	struct ifaddrmsg m;
	struct cart_json *j;
	int family;

	if (len < sizeof(m))
		return NULL;
	memcpy(&m, p, sizeof(m));
	family = m.ifa_family;
	j = cart_json_new_object();
	cart_json_add(j, "family", cart_json_new_string(family_name(family)));
	cart_json_add(j, "interface", cart_json_new_int(m.ifa_index));
	cart_json_add(j, "prefix", cart_json_new_int(m.ifa_prefixlen));
	cart_json_add(j, "scope", cart_json_new_int(m.ifa_scope));
	each_attr(p + NLMSG_ALIGN(sizeof(m)), len - NLMSG_ALIGN(sizeof(m)),
		  address_attr, j, &family);
	return j;
}

static struct cart_json *parse_route(const unsigned char *p, size_t len,
				     bool rule)
{
	struct rtmsg m;		/* fib_rule_hdr has the same layout */
	struct cart_json *j;
	int family;

	if (len < sizeof(m))
		return NULL;
	memcpy(&m, p, sizeof(m));
	family = m.rtm_family;
	j = cart_json_new_object();
	cart_json_add(j, "family", cart_json_new_string(family_name(family)));
	cart_json_add(j, "destination_prefix", cart_json_new_int(m.rtm_dst_len));
	cart_json_add(j, "source_prefix", cart_json_new_int(m.rtm_src_len));
	cart_json_add(j, "table", cart_json_new_int(m.rtm_table));
	if (!rule) {
		cart_json_add(j, "protocol", cart_json_new_int(m.rtm_protocol));
		cart_json_add(j, "scope", cart_json_new_int(m.rtm_scope));
	}
	cart_json_add(j, rule ? "action" : "type", cart_json_new_int(m.rtm_type));
	each_attr(p + NLMSG_ALIGN(sizeof(m)), len - NLMSG_ALIGN(sizeof(m)),
		  rule ? rule_attr : route_attr, j, &family);
	return j;
}

static struct cart_json *parse_neighbour(const unsigned char *p, size_t len)
{
	struct ndmsg m;
	struct cart_json *j;
	int family;

	if (len < sizeof(m))
		return NULL;
	memcpy(&m, p, sizeof(m));
	family = m.ndm_family;
	j = cart_json_new_object();
	cart_json_add(j, "family", cart_json_new_string(family_name(family)));
	cart_json_add(j, "interface", cart_json_new_int(m.ndm_ifindex));
	cart_json_add(j, "state", cart_json_new_int(m.ndm_state));
	each_attr(p + NLMSG_ALIGN(sizeof(m)), len - NLMSG_ALIGN(sizeof(m)),
		  neighbour_attr, j, &family);
	return j;
}

struct cart_json *cart_host_parse_route(const void *message, size_t len)
{
	struct nlmsghdr h;
	const unsigned char *p = message;

	if (len < sizeof(h))
		return NULL;
	memcpy(&h, message, sizeof(h));
	if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > len)
		return NULL;
	p += NLMSG_HDRLEN;
	len = h.nlmsg_len - NLMSG_HDRLEN;
	switch (h.nlmsg_type) {
	case RTM_NEWLINK:
		return parse_link(p, len);
	case RTM_NEWADDR:
		return parse_address(p, len);
	case RTM_NEWROUTE:
		return parse_route(p, len, false);
	case RTM_NEWRULE:
		return parse_route(p, len, true);
	case RTM_NEWNEIGH:
		return parse_neighbour(p, len);
	default:
		return NULL;
	}
}

/* ---- sockets ------------------------------------------------------------- */

static const char *tcp_state(unsigned state)
{
	static const char *const names[] = {
		"", "established", "syn-sent", "syn-recv", "fin-wait-1",
		"fin-wait-2", "time-wait", "close", "close-wait", "last-ack",
		"listen", "closing", "new-syn-recv"
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "";
}

static struct cart_json *parse_inet(int family, int protocol,
				    const unsigned char *p, size_t len)
{
	struct inet_diag_msg m;
	struct cart_json *j;

	if (len < sizeof(m))
		return NULL;
	memcpy(&m, p, sizeof(m));
	j = cart_json_new_object();
	cart_json_add(j, "protocol", cart_json_new_string(
		      protocol == IPPROTO_TCP ? "tcp" :
		      protocol == IPPROTO_UDP ? "udp" : "raw"));
	cart_json_add(j, "family", cart_json_new_string(family_name(family)));
	cart_json_add(j, "state", cart_json_new_string(tcp_state(m.idiag_state)));
	add_address(j, "local_address", family,
		    (unsigned char *)m.id.idiag_src, family == AF_INET ? 4 : 16);
	cart_json_add(j, "local_port",
		      cart_json_new_int(ntohs(m.id.idiag_sport)));
	add_address(j, "remote_address", family,
		    (unsigned char *)m.id.idiag_dst, family == AF_INET ? 4 : 16);
	cart_json_add(j, "remote_port",
		      cart_json_new_int(ntohs(m.id.idiag_dport)));
	cart_json_add(j, "interface", cart_json_new_int(m.id.idiag_if));
	cart_json_add(j, "receive_queue", cart_json_new_int(m.idiag_rqueue));
	cart_json_add(j, "send_queue", cart_json_new_int(m.idiag_wqueue));
	cart_json_add(j, "uid", cart_json_new_int(m.idiag_uid));
	cart_json_add(j, "inode", cart_json_new_int(m.idiag_inode));
	return j;
}

static void unix_attr(struct cart_json *j, unsigned type,
		      const unsigned char *v, size_t n, void *arg)
{
	(void)arg;
	if (type == UNIX_DIAG_NAME && n > 0) {
		/* abstract names begin with a NUL: shown with an '@' */
		cart_json_set(j, "abstract", cart_json_new_bool(v[0] == '\0'));
		if (v[0] == '\0')
			cart_host_add_bytes(j, "path", v + 1, n - 1);
		else
			add_name(j, "path", v, n);
	} else if (type == UNIX_DIAG_PEER) {
		add_u32(j, "peer_inode", v, n);
	}
}

static struct cart_json *parse_unix(const unsigned char *p, size_t len)
{
	struct unix_diag_msg m;
	struct cart_json *j;

	if (len < sizeof(m))
		return NULL;
	memcpy(&m, p, sizeof(m));
	j = cart_json_new_object();
	cart_json_add(j, "protocol", cart_json_new_string("unix"));
	cart_json_add(j, "type", cart_json_new_string(
		      m.udiag_type == SOCK_STREAM ? "stream" :
		      m.udiag_type == SOCK_DGRAM ? "dgram" : "seqpacket"));
	cart_json_add(j, "state", cart_json_new_string(tcp_state(m.udiag_state)));
	cart_json_add(j, "inode", cart_json_new_int(m.udiag_ino));
	each_attr(p + NLMSG_ALIGN(sizeof(m)), len - NLMSG_ALIGN(sizeof(m)),
		  unix_attr, j, NULL);
	return j;
}

static struct cart_json *parse_packet(const unsigned char *p, size_t len)
{
	struct packet_diag_msg m;
	struct cart_json *j;

	if (len < sizeof(m))
		return NULL;
	memcpy(&m, p, sizeof(m));
	j = cart_json_new_object();
	cart_json_add(j, "protocol", cart_json_new_string("packet"));
	cart_json_add(j, "type", cart_json_new_int(m.pdiag_type));
	cart_json_add(j, "ethertype", cart_json_new_int(m.pdiag_num));
	cart_json_add(j, "inode", cart_json_new_int(m.pdiag_ino));
	return j;
}

struct cart_json *cart_host_parse_socket(int family, int protocol,
					 const void *message, size_t len)
{
	const unsigned char *p = message;
	struct nlmsghdr h;

	if (len < sizeof(h))
		return NULL;
	memcpy(&h, message, sizeof(h));
	if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > len ||
	    h.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return NULL;
	p += NLMSG_HDRLEN;
	len = h.nlmsg_len - NLMSG_HDRLEN;
	if (family == AF_UNIX)
		return parse_unix(p, len);
	if (family == AF_PACKET)
		return parse_packet(p, len);
	return parse_inet(family, protocol, p, len);
}

/* ---- asking the kernel --------------------------------------------------- */

struct ask {
	int fd;
	int family, protocol;
	bool sockets;
	const struct cart_host_dump *dump;
	bool interrupted;
	unsigned messages;
};

/* 1: the dump is done; 0: more to come; -1. */
static int one_message(struct ask *a, const unsigned char *p, size_t len,
		       struct cart_err *err)
{
	struct cart_json *record;
	struct nlmsghdr h;
	int32_t code = 0;
	int rc;

	memcpy(&h, p, sizeof(h));
	if (h.nlmsg_flags & 0x10)	/* NLM_F_DUMP_INTR */
		a->interrupted = true;
	if (h.nlmsg_type == NLMSG_DONE)
		return 1;
	if (h.nlmsg_type == NLMSG_ERROR) {
		if (len >= NLMSG_HDRLEN + sizeof(code))
			memcpy(&code, p + NLMSG_HDRLEN, sizeof(code));
		return code == 0 ? 1 : cart_err_errno(err, -code, "netlink");
	}
	if (++a->messages > MESSAGES_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0, "netlink: more "
				    "than %u records", MESSAGES_MAX);
	record = a->sockets ? cart_host_parse_socket(a->family, a->protocol, p,
						     len) :
		cart_host_parse_route(p, len);
	if (record == NULL)
		return 0;
	rc = a->dump->record(a->dump->arg, record, err);
	cart_json_free(record);
	return rc;
}

static int one_datagram(struct ask *a, const unsigned char *p, size_t len,
			struct cart_err *err)
{
	struct nlmsghdr h;
	size_t step;
	int rc = 0;

	while (rc == 0 && len >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > len)
			return cart_err_set(err, CART_ERR_INPUT, 0,
					    "netlink: a malformed reply");
		rc = one_message(a, p, h.nlmsg_len, err);
		step = NLMSG_ALIGN((size_t)h.nlmsg_len);
		if (step > len)
			break;
		p += step;
		len -= step;
	}
	return rc;
}

static int receive_all(struct ask *a, struct cart_err *err)
{
	unsigned char *reply = malloc(REPLY_MAX);
	struct pollfd pfd = { .fd = a->fd, .events = POLLIN };
	struct sockaddr_nl from;
	socklen_t from_len;
	ssize_t n;
	int rc = 0;

	if (reply == NULL)
		return cart_err_nomem(err);
	while (rc == 0) {
		if (poll(&pfd, 1, REPLY_TIMEOUT_MS) == 0) {
			rc = cart_err_set(err, CART_ERR_TIMEOUT, 0, "netlink: "
					  "the kernel did not answer in 5 s");
			break;
		}
		memset(&from, 0, sizeof(from));
		from_len = sizeof(from);
		n = recvfrom(a->fd, reply, REPLY_MAX, MSG_DONTWAIT | MSG_TRUNC,
			     (struct sockaddr *)&from, &from_len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			rc = cart_err_errno(err, errno, "netlink");
		else if (from_len < sizeof(from) || from.nl_pid != 0)
			continue;	/* a process that plays the kernel */
		else if (n > REPLY_MAX)
			rc = cart_err_set(err, CART_ERR_LIMIT, 0, "netlink: a "
					  "reply of more than 64 KiB");
		else if (n == 0)
			break;
		else
			rc = one_datagram(a, reply, (size_t)n, err);
	}
	free(reply);
	return rc < 0 ? -1 : 0;
}

static int ask(struct ask *a, int netlink_protocol, const void *request,
	       size_t len, struct cart_err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int rc;

	a->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, netlink_protocol);
	if (a->fd < 0)
		return cart_err_errno(err, errno, "netlink");
	if (sendto(a->fd, request, len, 0, (struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		rc = cart_err_errno(err, errno, "netlink");
	else
		rc = receive_all(a, err);
	close(a->fd);
	return rc < 0 ? -1 : a->interrupted ? 1 : 0;
}

int cart_host_route_dump(enum cart_host_table table,
			 const struct cart_host_dump *dump,
			 struct cart_err *err)
{
	static const uint16_t types[] = {
		[CART_HOST_LINKS] = RTM_GETLINK,
		[CART_HOST_ADDRESSES] = RTM_GETADDR,
		[CART_HOST_ROUTES] = RTM_GETROUTE,
		[CART_HOST_NEIGHBOURS] = RTM_GETNEIGH,
		[CART_HOST_RULES] = RTM_GETRULE,
	};
	struct {
		struct nlmsghdr h;
		struct ifinfomsg m;	/* the longest of the headers */
	} request = { 0 };
	struct ask a = { .dump = dump };

	request.h.nlmsg_len = sizeof(request);
	request.h.nlmsg_type = types[table];
	request.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request.h.nlmsg_seq = 1;
	return ask(&a, NETLINK_ROUTE, &request, sizeof(request), err);
}

int cart_host_socket_dump(int family, int protocol,
			  const struct cart_host_dump *dump,
			  struct cart_err *err)
{
	struct ask a = {
		.dump = dump, .family = family, .protocol = protocol,
		.sockets = true,
	};
	union {
		struct {
			struct nlmsghdr h;
			struct inet_diag_req_v2 r;
		} inet;
		struct {
			struct nlmsghdr h;
			struct unix_diag_req r;
		} local;
		struct {
			struct nlmsghdr h;
			struct packet_diag_req r;
		} packet;
		struct nlmsghdr h;
	} request;

	memset(&request, 0, sizeof(request));
	if (family == AF_UNIX) {
		request.h.nlmsg_len = sizeof(request.local);
		request.local.r.sdiag_family = AF_UNIX;
		request.local.r.udiag_states = UINT32_MAX;
		request.local.r.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
	} else if (family == AF_PACKET) {
		request.h.nlmsg_len = sizeof(request.packet);
		request.packet.r.sdiag_family = AF_PACKET;
		request.packet.r.pdiag_show = PACKET_SHOW_INFO;
	} else {
		request.h.nlmsg_len = sizeof(request.inet);
		request.inet.r.sdiag_family = (uint8_t)family;
		request.inet.r.sdiag_protocol = (uint8_t)protocol;
		request.inet.r.idiag_states = UINT32_MAX;
	}
	request.h.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request.h.nlmsg_seq = 1;
	return ask(&a, NETLINK_SOCK_DIAG, &request, request.h.nlmsg_len, err);
}
