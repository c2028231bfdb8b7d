// SPDX-License-Identifier: GPL-2.0-only
/* SO_REUSEADDR and SO_REUSEPORT of other processes' sockets, through a duplicate of their fd. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "diag.h"

#define SK_FORCE_REUSE 2 /* include/net/sock.h; set by TCP_REPAIR */

/* The process looked at last: sockets of one process come in a row. */
struct peer {
	int pid;
	int pidfd; /* -1: not permitted, or gone */
};

/*
 * Is the process in the root of the net_cls and net_prio hierarchies of cgroup v1, or are there
 * none? A socket that is received takes on the receiver's tags there (__receive_sock() in
 * fs/file.c): duplicating one across such groups would change it, and nothing may be changed.
 */
static bool in_untagged_cgroup(const char *pid)
{
	char path[64], line[4096];
	bool untagged = true;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/cgroup", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (untagged && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':');
		char *cgroup = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!cgroup)
			continue;
		*cgroup++ = '\0';
		if (strstr(controllers, "net_cls") || strstr(controllers, "net_prio"))
			untagged = !strcmp(cgroup, "/\n");
	}
	fclose(file);
	return untagged;
}

static int open_pidfd(int pid)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", pid);
	if (!in_untagged_cgroup("self") || !in_untagged_cgroup(name))
		return -1;
	return syscall(SYS_pidfd_open, pid, 0);
}

static void leave(struct peer *peer)
{
	if (peer->pidfd >= 0)
		close(peer->pidfd);
	*peer = (struct peer){.pidfd = -1};
}

/* A duplicate of the fd, or -1. */
static int get_fd(struct peer *peer, int pid, int fd)
{
	if (pid == getpid())
		return dup(fd);
	if (peer->pid != pid) {
		leave(peer);
		*peer = (struct peer){.pid = pid, .pidfd = open_pidfd(pid)};
	}
	return peer->pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, peer->pidfd, fd, 0);
}

static bool is_socket(int fd, uint64_t inode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == inode;
}

static bool get_option(int fd, int level, int option, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, level, option, ret, &len) == 0 && len == sizeof(*ret);
}

static bool options_known(const struct snap_sock *sock)
{
	return sock->reuseaddr != TRI_UNKNOWN && sock->reuseport != TRI_UNKNOWN;
}

static void read_from(int fd, struct snap_sock *sock)
{
	int value;

	if (get_option(fd, SOL_SOCKET, SO_REUSEADDR, &value)) { /* sk_reuse itself */
		sock->reuseaddr = value ? TRI_YES : TRI_NO;
		sock->force_reuse = value == SK_FORCE_REUSE ? TRI_YES : TRI_NO;
	}
	if (get_option(fd, SOL_SOCKET, SO_REUSEPORT, &value))
		sock->reuseport = value ? TRI_YES : TRI_NO;
	if (sock->family == AF_INET6 && sock->v6only == TRI_UNKNOWN &&
	    get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value))
		sock->v6only = value ? TRI_YES : TRI_NO;
}

static void read_options(struct snapshot *snap, uint32_t index, struct peer *peer)
{
	struct snap_sock *sock = &snap->socks[index];
	const struct sock_hold *holds;
	size_t i, n;
	int fd;

	holds = snapshot__holds(snap, index, &n);
	for (i = 0; i < n && !options_known(sock); i++) {
		fd = get_fd(peer, snap->procs[holds[i].proc].pid, holds[i].fd);
		if (fd < 0)
			continue;
		/* The fd, or the pid, may be another's by now. */
		if (is_socket(fd, sock->inode))
			read_from(fd, sock);
		close(fd);
	}
}

static void copy_options(struct snap_sock *sock, const struct snap_sock *from)
{
	sock->reuseaddr = from->reuseaddr;
	sock->reuseport = from->reuseport;
	sock->force_reuse = from->force_reuse;
	if (sock->v6only == TRI_UNKNOWN)
		sock->v6only = from->v6only;
}

/* A time-wait socket has its connection's cookie, but not what its options became. */
void diag__copy_options(struct snapshot *snap, const struct snapshot *from)
{
	for (size_t i = 0; i < snap->n_socks; i++) {
		struct snap_sock *sock = &snap->socks[i];

		for (size_t j = 0; j < from->n_socks && sock->state != STATE_TIME_WAIT; j++) {
			if (from->socks[j].id == sock->id)
				copy_options(sock, &from->socks[j]);
		}
	}
}

size_t diag__read_options(struct snapshot *snap)
{
	struct peer peer = {.pidfd = -1};
	size_t i, unknown = 0;

	for (i = 0; i < snap->n_socks; i++) {
		struct snap_sock *sock = &snap->socks[i];

		if (sock->state == STATE_TIME_WAIT)
			continue;
		if (!options_known(sock))
			read_options(snap, i, &peer);
		if (!options_known(sock))
			unknown++;
	}
	leave(&peer);
	return unknown;
}
