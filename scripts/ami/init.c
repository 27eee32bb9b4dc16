/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All of the image's user space beside crashcart: brings the network up, runs
 * `crashcart boot`, and powers off.  There is no shell, no login and nothing
 * that listens; the root file system is the initramfs, read-only from the
 * start, and what is written goes to a tmpfs.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "dhcp.h"

#define KEYS "/etc/crashcart/keys"
#define KEYS_MAX 16
#define LINK_MS 60000
#define ANSWER_MS 3000
#define ROUNDS 20

static void say(const char *what)
{
	printf("crashcart init: %s%s%s\n", what, errno ? ": " : "",
	       errno ? strerror(errno) : "");
	fflush(stdout);
	errno = 0;
}

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		say(path);
	if (fd >= 0)
		close(fd);
}

static void mounts(void)
{
	const unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC,
	      "mode=0755");
	mount("proc", "/proc", "proc", plain, NULL);
	mount("sysfs", "/sys", "sysfs", plain | MS_RDONLY, NULL);
	mount("tmpfs", "/run", "tmpfs", plain, "mode=0700");
	mkdir("/dev/shm", 0700);
	mount("tmpfs", "/dev/shm", "tmpfs", plain, "mode=0700");
	errno = 0;
}

/* In the order of the list, which names what each needs before it. */
static void modules(void)
{
	FILE *list = fopen("/lib/modules/list", "re");
	char line[256];
	int fd;

	while (list != NULL && fgets(line, sizeof(line), list) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		fd = open(line, O_RDONLY | O_CLOEXEC);
		if ((fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0) &&
		    errno != ENODEV)
			say(line);
		if (fd >= 0)
			close(fd);
	}
	if (list != NULL)
		fclose(list);
	errno = 0;
}

static void harden(void)
{
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV,
		  NULL) < 0)
		say("read-only root");
	put_file("/proc/sys/kernel/modules_disabled", "1");
	put_file("/proc/sys/kernel/sysrq", "0");
	put_file("/proc/sys/kernel/kexec_load_disabled", "1");
	put_file("/proc/sys/kernel/core_pattern", "|/bin/false");
	errno = 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the network --- */

struct link {
	char name[IFNAMSIZ];
	int index, packets;		/* a socket that sees every packet */
	unsigned char mac[6];
};

static int control(int request, struct ifreq *r, const struct link *l)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", l->name);
	rc = fd < 0 ? -1 : ioctl(fd, request, r);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int up(struct link *l)
{
	struct ifreq r = { .ifr_flags = 0 };

	if (control(SIOCGIFFLAGS, &r, l) < 0)
		return -1;
	r.ifr_flags |= IFF_UP;
	return control(SIOCSIFFLAGS, &r, l);
}

/* The first Ethernet device, when it has a link. */
static bool find_link(struct link *l)
{
	struct if_nameindex *all = if_nameindex(), *i;
	struct ifreq r;
	bool found = false;

	for (i = all; !found && i != NULL && i->if_index != 0; i++) {
		snprintf(l->name, sizeof(l->name), "%s", i->if_name);
		l->index = (int)i->if_index;
		memset(&r, 0, sizeof(r));
		if (control(SIOCGIFHWADDR, &r, l) < 0 ||
		    r.ifr_hwaddr.sa_family != 1 /* ARPHRD_ETHER */)
			continue;
		memcpy(l->mac, r.ifr_hwaddr.sa_data, 6);
		if (up(l) < 0 || control(SIOCGIFFLAGS, &r, l) < 0)
			continue;
		found = (r.ifr_flags & IFF_RUNNING) != 0;
	}
	if_freenameindex(all);
	return found;
}

static int ask(struct link *l, int type, uint32_t xid,
	       const struct cart_dhcp *offer, struct cart_dhcp *ret)
{
	unsigned char out[CART_DHCP_SIZE], in[2048];
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6,
		.sll_protocol = htons(ETHERTYPE_IP), .sll_ifindex = l->index };
	struct pollfd p = { .fd = l->packets, .events = POLLIN };
	int64_t until = now_ms() + ANSWER_MS, left;
	size_t len = cart_dhcp_request(type, xid, l->mac, offer, out);
	ssize_t n;

	memset(to.sll_addr, 255, 6);
	if (sendto(l->packets, out, len, 0, (struct sockaddr *)&to,
		   sizeof(to)) < 0)
		say("DHCP");
	while ((left = until - now_ms()) > 0) {
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = recv(l->packets, in, sizeof(in), 0);
		if (n > 0 && cart_dhcp_parse(in, (size_t)n, xid, l->mac,
					     ret) == 0)
			return ret->type;
	}
	return -1;
}

static void set_address(struct ifreq *r, uint32_t address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_addr.s_addr = address;
	memset(r, 0, sizeof(*r));
	memcpy(&r->ifr_addr, &in, sizeof(in));
}

/* The address is the instance's as long as it lives: no lease is renewed. */
static void configure(const struct link *l, const struct cart_dhcp *d)
{
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	struct sockaddr_in in = { .sin_family = AF_INET };
	char text[256] = "", address[INET_ADDRSTRLEN];
	struct ifreq r;
	size_t i;
	int fd;

	set_address(&r, d->address);
	if (control(SIOCSIFADDR, &r, l) < 0)
		say("address");
	set_address(&r, d->mask);
	if (d->mask != 0 && control(SIOCSIFNETMASK, &r, l) < 0)
		say("mask");
	memset(&r, 0, sizeof(r));
	r.ifr_mtu = (int)d->mtu;
	if (d->mtu != 0 && control(SIOCSIFMTU, &r, l) < 0)
		say("MTU");
	memcpy(&route.rt_dst, &in, sizeof(in));
	memcpy(&route.rt_genmask, &in, sizeof(in));
	in.sin_addr.s_addr = d->router;
	memcpy(&route.rt_gateway, &in, sizeof(in));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (d->router != 0 && ioctl(fd, SIOCADDRT, &route) < 0)
		say("route");
	close(fd);
	for (i = 0; i < d->n_dns; i++) {
		inet_ntop(AF_INET, &d->dns[i], address, sizeof(address));
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "nameserver %s\n", address);
	}
	put_file("/run/resolv.conf", text);	/* /etc/resolv.conf */
	inet_ntop(AF_INET, &d->address, address, sizeof(address));
	printf("crashcart init: %s has %s\n", l->name, address);
	fflush(stdout);
}

static int network(void)
{
	const struct timespec wait = { .tv_nsec = 100000000 };
	struct link l = { .index = 0 };
	struct cart_dhcp offer, ack;
	int64_t until = now_ms() + LINK_MS;
	uint32_t xid;
	int round;

	while (!find_link(&l)) {
		if (now_ms() > until) {
			say("no network interface has a link");
			return -1;
		}
		nanosleep(&wait, NULL);
	}
	l.packets = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC,
			   htons(ETHERTYPE_IP));
	for (round = 0; round < ROUNDS; round++) {
		if (getrandom(&xid, sizeof(xid), 0) != sizeof(xid))
			say("no random numbers");
		if (ask(&l, CART_DHCP_DISCOVER, xid, NULL,
			&offer) == CART_DHCP_OFFER &&
		    ask(&l, CART_DHCP_REQUEST, xid, &offer,
			&ack) == CART_DHCP_ACK) {
			close(l.packets);
			configure(&l, &ack);
			return 0;
		}
	}
	say("no DHCP server gave an address");
	return -1;
}

/* --- the one program --- */

static void collect(void)
{
	static char path[KEYS_MAX][300];
	const char *words[2 * KEYS_MAX + 8] = { "crashcart", "boot", "--work",
						"/run" };
	char *env[] = { "HOME=/run", "TMPDIR=/run", NULL };
	size_t n = 4, k = 0;
	DIR *dir = opendir(KEYS);
	struct dirent *e;

	while (dir != NULL && k < KEYS_MAX && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path[k], sizeof(path[k]), KEYS "/%s", e->d_name);
		words[n++] = "--manifest-key";
		words[n++] = path[k++];
	}
	execve("/bin/crashcart", (char **)words, env);
	say("/bin/crashcart");
	_exit(127);
}

int main(void)
{
	int status = 0, fd;
	pid_t child = -1;

	mounts();
	fd = open("/dev/console", O_RDWR);
	if (fd >= 0) {
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
	}
	reboot(RB_DISABLE_CAD);
	modules();
	harden();
	if (network() == 0) {
		child = fork();
		if (child == 0)
			collect();
	}
	while (child > 0 && (waitpid(child, &status, 0) != child))
		;
	if (child > 0)
		printf("crashcart init: %s %d\n", WIFEXITED(status) ?
		       "exit status" : "killed by signal",
		       WIFEXITED(status) ? WEXITSTATUS(status) :
		       WTERMSIG(status));
	fflush(stdout);
	tcdrain(1);
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
