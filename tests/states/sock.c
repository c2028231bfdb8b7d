// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sock.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

int64_t clock__ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

bool deadline__tick(int64_t deadline_ms)
{
	const struct timespec pause = {.tv_nsec = 200 * 1000};

	if (clock__ms() > deadline_ms)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

int sock__family(const char *text)
{
	return text && strchr(text, ':') ? AF_INET6 : AF_INET;
}

int sock__addr(const char *text, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	if (!text)
		text = "0.0.0.0";
	memset(ret, 0, sizeof(*ret));
	if (sock__family(text) == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*ret_len = sizeof(*in6);
		return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	in4->sin_family = AF_INET;
	in4->sin_port = htons(port);
	*ret_len = sizeof(*in4);
	return inet_pton(AF_INET, text, &in4->sin_addr) == 1 ? 0 : -EINVAL;
}

int sock__set_flag(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

int sock__set_device(int fd, const char *device)
{
	if (!device)
		device = "";
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device)) ? -errno : 0;
}

static int attach_reuseport(int fd)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog prog = {.len = 1, .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) ? -errno
											 : 0;
}

static int set_options(int fd, const struct sock_spec *spec)
{
	int err = 0;

	if (spec->uid >= 0 && fchown(fd, spec->uid, -1))
		err = -errno;
	if (!err && spec->reuseaddr)
		err = sock__set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!err && spec->reuseport)
		err = sock__set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (!err && sock__family(spec->address) == AF_INET6)
		err = sock__set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, spec->v6only);
	if (!err && spec->device)
		err = sock__set_device(fd, spec->device);
	if (!err && spec->attach)
		err = attach_reuseport(fd);
	return err;
}

static int new_socket(const struct sock_spec *spec, int type)
{
	int fd = socket(sock__family(spec->address), type | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = set_options(fd, spec);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int sock__new(const struct sock_spec *spec)
{
	return new_socket(spec, SOCK_STREAM);
}

int sock__new_udp(const struct sock_spec *spec)
{
	return new_socket(spec, SOCK_DGRAM);
}

static int bind_now(int fd, const struct sock_spec *spec, uint16_t port)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int err = sock__addr(spec->address, port, &addr, &len);

	if (err)
		return err;
	return bind(fd, (struct sockaddr *)&addr, len) ? -errno : 0;
}

int sock__bind(int fd, const struct sock_spec *spec, uint16_t port)
{
	int err;

	if (spec->no_port) {
		/* SOL_IP on a socket of either family: the bit is in inet_sock */
		err = sock__set_flag(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		return err ? err : bind_now(fd, spec, 0);
	}
	if (!spec->force)
		return bind_now(fd, spec, port);
	err = sock__set_flag(fd, SOL_TCP, TCP_REPAIR, 1);
	if (err)
		return err;
	err = bind_now(fd, spec, port);
	/* Leaving repair mode sets sk_reuse to 0, so the option is set anew. */
	if (sock__set_flag(fd, SOL_TCP, TCP_REPAIR, -1) && !err)
		err = -errno;
	if (spec->reuseaddr && !err)
		err = sock__set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return err;
}

int sock__bound(const struct sock_spec *spec, uint16_t port)
{
	int fd = sock__new(spec);
	int err;

	if (fd < 0)
		return fd;
	err = sock__bind(fd, spec, port);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int sock__listener(const struct sock_spec *spec, uint16_t port)
{
	int fd = sock__bound(spec, port);
	int err;

	if (fd < 0)
		return fd;
	if (listen(fd, 128)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static uint16_t port_of(const struct sockaddr_storage *addr)
{
	return ntohs(addr->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)addr)->sin6_port
						 : ((const struct sockaddr_in *)addr)->sin_port);
}

uint16_t sock__local_port(int fd)
{
	struct sockaddr_storage addr = {};
	socklen_t len = sizeof(addr);

	return getsockname(fd, (struct sockaddr *)&addr, &len) ? 0 : port_of(&addr);
}

uint16_t sock__peer_port(int fd)
{
	struct sockaddr_storage addr = {};
	socklen_t len = sizeof(addr);

	return getpeername(fd, (struct sockaddr *)&addr, &len) ? 0 : port_of(&addr);
}

uint64_t sock__inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

int sock__mute(int fd)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog prog = {.len = 1, .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}

int sock__unmute(int fd)
{
	return sock__set_flag(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

void sock__abort(int fd)
{
	const struct linger now = {.l_onoff = 1};

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* The kernel's number of the state (TCP_INFO), or -errno. */
static int state_of(int fd)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) ? -errno : info.tcpi_state;
}

int sock__wait_state(int fd, int state)
{
	int64_t deadline = clock__ms() + SOCK_DEADLINE_MS;

	while (state_of(fd) != state)
		if (!deadline__tick(deadline))
			return -ETIMEDOUT;
	return 0;
}
