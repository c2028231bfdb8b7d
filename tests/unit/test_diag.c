// SPDX-License-Identifier: GPL-2.0-only
/* inet_diag and pidfd_getfd against real sockets of this process and of a child. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel/diag.h"
#include "owner/owner.h"

static const struct owner_source source = {.proc_root = "/proc", .cgroup_root = "/sys/fs/cgroup"};

/* ---- sockets ----------------------------------------------------------------------------------
 */

union any_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union any_addr make_addr(int family, const char *text, uint16_t port, socklen_t *ret_len)
{
	union any_addr addr = {.any.sa_family = family};

	if (family == AF_INET) {
		addr.v4.sin_port = htons(port);
		assert_int_equal(inet_pton(family, text, &addr.v4.sin_addr), 1);
		*ret_len = sizeof(addr.v4);
	} else {
		addr.v6.sin6_port = htons(port);
		assert_int_equal(inet_pton(family, text, &addr.v6.sin6_addr), 1);
		*ret_len = sizeof(addr.v6);
	}
	return addr;
}

/* -errno where the kernel has no such family or address. */
static int bound_socket(int family, const char *text, uint16_t port, bool v6only)
{
	socklen_t len;
	union any_addr addr = make_addr(family, text, port, &len);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = v6only;

	if (fd < 0)
		return -errno;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &addr.any, len)) {
		on = -errno;
		close(fd);
		return on;
	}
	return fd;
}

static uint16_t port_of(int fd)
{
	union any_addr addr;
	socklen_t len = sizeof(addr);

	assert_int_equal(getsockname(fd, &addr.any, &len), 0);
	return ntohs(addr.v4.sin_port);
}

static int connect_to(int family, const char *text, uint16_t port)
{
	socklen_t len;
	union any_addr addr = make_addr(family, text, port, &len);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &addr.any, len), 0);
	return fd;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static struct snapshot take(uint16_t port)
{
	struct snapshot snap;
	bool sees_bound;
	int err;

	snapshot__init(&snap);
	err = diag__sockets(&snap, port, &sees_bound);
	if (err == -ENOENT || err == -EPROTONOSUPPORT) { /* no tcp_diag in this kernel */
		snapshot__free(&snap);
		skip();
	}
	assert_int_equal(err, 0);
	assert_int_equal(snap.evidence, EVIDENCE_DIAG);
	assert_int_equal(snap.protocol, PROTO_TCP);
	assert_int_equal(snap.port, port);
	assert_int_equal(snap.total, snap.n_socks);
	return snap;
}

static struct snap_sock *find_inode(const struct snapshot *snap, uint64_t inode)
{
	size_t i;

	for (i = 0; i < snap->n_socks; i++) {
		if (snap->socks[i].inode == inode)
			return &snap->socks[i];
	}
	return NULL;
}

static void assert_address(uint16_t family, const struct ip_addr *addr, const char *want)
{
	char text[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(family, addr->bytes, text, sizeof(text)));
	assert_string_equal(text, want);
}

/* Nothing of it comes with inet_diag. */
static void assert_options_unknown(const struct snap_sock *sock)
{
	assert_int_equal(sock->reuseaddr, TRI_UNKNOWN);
	assert_int_equal(sock->reuseport, TRI_UNKNOWN);
	assert_int_equal(sock->force_reuse, TRI_UNKNOWN);
	assert_int_equal(sock->port_locked, TRI_UNKNOWN);
	assert_int_equal(sock->connect_bound, TRI_UNKNOWN);
	assert_int_equal(sock->has_socket, TRI_UNKNOWN);
	assert_int_equal(sock->has_file, TRI_UNKNOWN);
	assert_int_equal(sock->dead, TRI_UNKNOWN);
	assert_int_equal(sock->kernel_made, TRI_UNKNOWN);
}

/* ---- listing ----------------------------------------------------------------------------------
 */

static const struct {
	int family;
	const char *addr;
	bool v6only;
	enum tri want_v6only;
	uint32_t v4_word;
} listeners[] = {
	{AF_INET, "127.0.0.1", false, TRI_UNKNOWN, 0x7f000001},
	{AF_INET, "127.7.8.9", false, TRI_UNKNOWN, 0x7f070809},
	{AF_INET, "0.0.0.0", false, TRI_UNKNOWN, 0},
	{AF_INET6, "::", false, TRI_NO, 0},
	{AF_INET6, "::", true, TRI_YES, 0},
	{AF_INET6, "::1", false, TRI_YES, 0x7f000006},
	{AF_INET6, "::ffff:127.7.8.9", false, TRI_NO, 0x7f070809},
};

static void check_listeners(void)
{
	size_t i;

	for (i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
		int fd = bound_socket(listeners[i].family, listeners[i].addr, 0,
				      listeners[i].v6only);
		struct snapshot snap;
		struct snap_sock *sock;

		if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
			continue; /* no IPv6 here */
		assert_true(fd >= 0);
		assert_int_equal(listen(fd, 1), 0);
		snap = take(port_of(fd));
		sock = find_inode(&snap, inode_of(fd));
		assert_non_null(sock);
		assert_int_equal(sock->family, listeners[i].family);
		assert_int_equal(sock->state, STATE_LISTEN);
		assert_int_equal(sock->substate, 0);
		assert_int_equal(sock->local_port, port_of(fd));
		assert_int_equal(sock->peer_port, 0);
		assert_address(sock->family, &sock->local, listeners[i].addr);
		assert_int_equal(ntohl(sock->v4_word_be), listeners[i].v4_word);
		assert_int_equal(sock->v6only, listeners[i].want_v6only);
		assert_true(sock->uid_known && sock->inode_uid_known);
		assert_int_equal(sock->uid, geteuid());
		assert_int_equal(sock->inode_uid, geteuid());
		assert_false(sock->expires_known);
		assert_int_not_equal(sock->id, 0);
		assert_options_unknown(sock);
		snapshot__free(&snap);
		close(fd);
	}
}

static void test_listeners(void **state)
{
	check_listeners();
	if (geteuid() == 0) { /* uids other than 0, which also stands for none */
		assert_int_equal(seteuid(65534), 0);
		check_listeners();
		assert_int_equal(seteuid(0), 0);
	}
}

/* Bound and nothing more: listed if the kernel says that it lists them. */
static void test_bound(void **state)
{
	int fd = bound_socket(AF_INET, "127.0.0.1", 0, false);
	int plain = socket(AF_INET, SOCK_STREAM, 0);
	struct snapshot snap, none;
	struct snap_sock *sock;
	bool sees_bound = false, sees_without = false;

	assert_true(fd >= 0 && plain >= 0);
	snapshot__free(&(struct snapshot){0});
	snap = take(port_of(fd));
	snapshot__free(&snap);
	assert_int_equal(diag__sockets(&snap, port_of(fd), &sees_bound), 0);
	sock = find_inode(&snap, inode_of(fd));
	assert_int_equal(sees_bound, sock != NULL);
	if (sock) {
		assert_int_equal(sock->state, STATE_BOUND);
		assert_address(AF_INET, &sock->local, "127.0.0.1");
		assert_int_equal(snap.n_socks, 1);
	}
	/* The same answer where there is none to be seen. */
	snapshot__init(&none);
	assert_int_equal(diag__sockets(&none, 1, &sees_without), 0);
	if (none.n_socks == 0)
		assert_int_equal(sees_without, sees_bound);
	snapshot__free(&none);
	snapshot__free(&snap);
	close(fd);
	close(plain);
}

/* A request that waits for its last ACK is not a socket yet, and not in the bind table. */
static void test_request(void **state)
{
	int listener = bound_socket(AF_INET, "127.0.0.1", 0, false), client, seconds = 10;
	struct snapshot snap;

	/* The last ACK does not count until there is data. */
	assert_int_equal(
		setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
	assert_int_equal(listen(listener, 1), 0);
	client = connect_to(AF_INET, "127.0.0.1", port_of(listener));
	snap = take(port_of(listener));
	assert_int_equal(snap.n_socks, 1);
	assert_int_equal(snap.socks[0].state, STATE_LISTEN);
	snapshot__free(&snap);
	close(client);
	close(listener);
}

/* A connection: the end on the port that was asked for, not the other one. */
static void check_connection(int family, const char *listen_on, const char *via, const char *local)
{
	int listener = bound_socket(family, listen_on, 0, false), client, accepted;
	struct snapshot snap;
	struct snap_sock *sock;

	if (listener == -EAFNOSUPPORT || listener == -EADDRNOTAVAIL)
		return;
	assert_true(listener >= 0);
	assert_int_equal(listen(listener, 1), 0);
	client = connect_to(strchr(via, ':') ? AF_INET6 : AF_INET, via, port_of(listener));

	/* Not accepted yet: no inode. Until the last ACK is there it is a request, which is not
	 * listed.
	 */
	assert_int_equal(poll(&(struct pollfd){listener, POLLIN, 0}, 1, 5000), 1);
	snap = take(port_of(listener));
	assert_int_equal(snap.n_socks, 2);
	sock = find_inode(&snap, 0);
	assert_non_null(sock);
	assert_int_equal(sock->state, STATE_ESTABLISHED);
	assert_true(sock->inode_uid_known);
	assert_int_equal(sock->inode_uid, 0);
	snapshot__free(&snap);

	accepted = accept(listener, NULL, NULL);
	assert_true(accepted >= 0);
	snap = take(port_of(listener));
	assert_int_equal(snap.n_socks, 2);
	assert_null(find_inode(&snap, inode_of(client)));
	sock = find_inode(&snap, inode_of(accepted));
	assert_non_null(sock);
	assert_int_equal(sock->family, family);
	assert_int_equal(sock->state, STATE_ESTABLISHED);
	assert_address(family, &sock->local, local);
	assert_address(family, &sock->peer, local);
	assert_int_equal(sock->peer_port, port_of(client));
	assert_int_equal(ntohl(sock->v4_word_be), strcmp(local, "::1") ? 0x7f000001 : 0x7f000006);
	assert_options_unknown(sock);
	snapshot__free(&snap);

	snap = take(port_of(client));
	assert_int_equal(snap.n_socks, 1);
	assert_non_null(find_inode(&snap, inode_of(client)));
	snapshot__free(&snap);
	close(client);
	close(accepted);
	close(listener);
}

static void test_connections(void **state)
{
	check_connection(AF_INET, "127.0.0.1", "127.0.0.1", "127.0.0.1");
	check_connection(AF_INET6, "::", "127.0.0.1", "::ffff:127.0.0.1");
	check_connection(AF_INET6, "::", "::1", "::1");
}

/* Takes snapshots until the one socket of the port is a time-wait socket in this substate. */
static struct snapshot wait_for_time_wait(uint16_t port, enum sock_state substate)
{
	struct snapshot snap;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		snap = take(port);
		if (snap.n_socks == 1 && snap.socks[0].state == STATE_TIME_WAIT &&
		    snap.socks[0].substate == substate)
			return snap;
		snapshot__free(&snap);
		usleep(20000);
	}
	fail_msg("no time-wait socket in substate %d", substate);
	return snap;
}

static void assert_time_wait(const struct snap_sock *sock, uint16_t peer)
{
	assert_true(sock->expires_known);
	assert_true(sock->expires_ms > 30000 && sock->expires_ms <= 61000);
	assert_address(AF_INET, &sock->local, "127.0.0.1");
	assert_int_equal(sock->peer_port, peer);
	assert_int_equal(sock->inode, 0);
	assert_false(sock->uid_known);
	assert_false(sock->inode_uid_known);
	assert_int_equal(ntohl(sock->v4_word_be), 0x7f000001);
	assert_options_unknown(sock);
}

/* The client closes first; then the server, which turns FIN_WAIT2 into TIME_WAIT. */
static void test_time_wait(void **state)
{
	int listener = bound_socket(AF_INET, "127.0.0.1", 0, false), client, accepted;
	struct snapshot snap;
	uint16_t port;

	assert_int_equal(listen(listener, 1), 0);
	client = connect_to(AF_INET, "127.0.0.1", port_of(listener));
	accepted = accept(listener, NULL, NULL);
	port = port_of(client);
	close(client);
	snap = wait_for_time_wait(port, STATE_FIN_WAIT2);
	assert_time_wait(&snap.socks[0], port_of(listener));
	assert_int_equal(diag__read_options(&snap), 0); /* nobody to ask, and none is missing */
	snapshot__free(&snap);
	close(accepted);
	snap = wait_for_time_wait(port, STATE_TIME_WAIT);
	assert_time_wait(&snap.socks[0], port_of(listener));
	snapshot__free(&snap);
	close(listener);
}

/* Half closed, both ends still open: states of full sockets. */
static void test_half_closed(void **state)
{
	int listener = bound_socket(AF_INET, "127.0.0.1", 0, false), client, accepted, tries;
	struct snap_sock *sock = NULL;
	struct snapshot snap;

	assert_int_equal(listen(listener, 1), 0);
	client = connect_to(AF_INET, "127.0.0.1", port_of(listener));
	accepted = accept(listener, NULL, NULL);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	for (tries = 0; tries < 100; tries++) {
		snap = take(port_of(client));
		sock = find_inode(&snap, inode_of(client));
		assert_non_null(sock);
		if (sock->state == STATE_FIN_WAIT2)
			break;
		snapshot__free(&snap);
		usleep(20000);
	}
	assert_int_equal(sock->state, STATE_FIN_WAIT2);
	assert_int_equal(sock->substate, 0);
	assert_false(sock->expires_known);
	snapshot__free(&snap);
	snap = take(port_of(listener));
	assert_int_equal(find_inode(&snap, inode_of(accepted))->state, STATE_CLOSE_WAIT);
	snapshot__free(&snap);
	close(client);
	close(accepted);
	close(listener);
}

/* Until the last ACKs have made sockets of the requests. */
static struct snapshot take_many(uint16_t port, size_t n)
{
	struct snapshot snap;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		snap = take(port);
		if (snap.n_socks == n)
			return snap;
		snapshot__free(&snap);
		usleep(20000);
	}
	fail_msg("never %zu sockets on port %u", n, port);
	return snap;
}

/* Many sockets: several messages, none lost, none of other ports. */
static void test_many(void **state)
{
	int listener = bound_socket(AF_INET, "127.0.0.1", 0, false), clients[300];
	struct snapshot snap;
	size_t i;

	assert_int_equal(listen(listener, 400), 0);
	for (i = 0; i < 300; i++)
		clients[i] = connect_to(AF_INET, "127.0.0.1", port_of(listener));
	snap = take_many(port_of(listener), 301);
	for (i = 0; i < snap.n_socks; i++)
		assert_int_equal(snap.socks[i].local_port, port_of(listener));
	snapshot__free(&snap);
	for (i = 0; i < 300; i++)
		close(clients[i]);
	close(listener);
}

static void test_range(void **state)
{
	struct snapshot snap = take(1);
	int low = 0, high = 0;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d %d", &low, &high), 2);
	fclose(file);
	assert_int_equal(snap.ephemeral_low, low);
	assert_int_equal(snap.ephemeral_high, high);
	snapshot__free(&snap);
}

/* ---- options ----------------------------------------------------------------------------------
 */

static void set_option(int fd, int option)
{
	const int on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)), 0);
}

/* The holder is this process: read directly. */
static void test_own_options(void **state)
{
	int fd = bound_socket(AF_INET, "127.0.0.1", 0, false);
	struct snapshot snap;
	struct snap_sock *sock;

	assert_int_equal(listen(fd, 1), 0);
	set_option(fd, SO_REUSEADDR);
	snap = take(port_of(fd));
	assert_int_equal(diag__read_options(&snap), 1); /* nobody looked up yet */
	assert_int_equal(owner__lookup(&source, &snap, NULL, 0), 0);
	assert_int_equal(diag__read_options(&snap), 0);
	sock = find_inode(&snap, inode_of(fd));
	assert_int_equal(sock->reuseaddr, TRI_YES);
	assert_int_equal(sock->reuseport, TRI_NO);
	assert_int_equal(sock->force_reuse, TRI_NO);
	assert_int_equal(sock->v6only, TRI_UNKNOWN);
	snapshot__free(&snap);
	set_option(fd, SO_REUSEPORT);
	snap = take(port_of(fd));
	assert_int_equal(owner__lookup(&source, &snap, NULL, 0), 0);
	assert_int_equal(diag__read_options(&snap), 0);
	assert_int_equal(find_inode(&snap, inode_of(fd))->reuseport, TRI_YES);
	snapshot__free(&snap);
	close(fd);
}

/* A connection over IPv6: V6ONLY is not in its diag, and is in the socket. */
static void test_v6only_option(void **state)
{
	int listener = bound_socket(AF_INET6, "::1", 0, false), client;
	struct snapshot snap;

	if (listener == -EAFNOSUPPORT || listener == -EADDRNOTAVAIL)
		skip();
	assert_int_equal(listen(listener, 1), 0);
	client = connect_to(AF_INET6, "::1", port_of(listener));
	snap = take(port_of(client));
	assert_int_equal(snap.socks[0].v6only, TRI_UNKNOWN);
	assert_int_equal(owner__lookup(&source, &snap, NULL, 0), 0);
	assert_int_equal(diag__read_options(&snap), 0);
	assert_int_equal(snap.socks[0].v6only, TRI_NO);
	snapshot__free(&snap);
	close(client);
	close(listener);
}

/* Another process's socket, which this one has no fd of. */
static int start_server(uint16_t *ret_port)
{
	int ready[2], child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		int fd = bound_socket(AF_INET, "127.0.0.1", 0, false);
		uint16_t port = port_of(fd);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		set_option(fd, SO_REUSEPORT);
		if (listen(fd, 1) || write(ready[1], &port, sizeof(port)) != sizeof(port))
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], ret_port, sizeof(*ret_port)), sizeof(*ret_port));
	close(ready[0]);
	return child;
}

static bool may_duplicate(int pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), fd = -1;

	if (pidfd >= 0) {
		fd = syscall(SYS_pidfd_getfd, pidfd, 0, 0);
		close(pidfd);
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static size_t open_fds(void)
{
	size_t n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* In a process of its own pid, fd and inode are checked before anything is believed. */
static void test_other_options(void **state)
{
	const size_t fds = open_fds();
	struct snapshot snap;
	uint16_t port;
	int child = start_server(&port);

	snap = take(port);
	assert_int_equal(snap.n_socks, 1);
	assert_int_equal(owner__lookup(&source, &snap, NULL, 0), 0);
	if (!may_duplicate(child)) {
		assert_int_equal(diag__read_options(&snap), 1);
		assert_int_equal(snap.socks[0].reuseaddr, TRI_UNKNOWN);
		snapshot__free(&snap);
		skip();
	}
	assert_int_equal(diag__read_options(&snap), 0);
	assert_int_equal(snap.socks[0].reuseaddr, TRI_NO);
	assert_int_equal(snap.socks[0].reuseport, TRI_YES);
	assert_int_equal(open_fds(), fds);
	snapshot__free(&snap);

	/* The fd is another socket by now. */
	snap = take(port);
	assert_int_equal(owner__lookup(&source, &snap, NULL, 0), 0);
	snap.socks[0].inode++;
	assert_int_equal(diag__read_options(&snap), 1);
	assert_int_equal(snap.socks[0].reuseaddr, TRI_UNKNOWN);
	snap.socks[0].inode--;

	/* The fd, then the process, is gone. */
	snap.holds[0].fd += 100;
	assert_int_equal(diag__read_options(&snap), 1);
	snap.holds[0].fd -= 100;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(diag__read_options(&snap), 1);
	assert_int_equal(snap.socks[0].reuseaddr, TRI_UNKNOWN);
	assert_int_equal(open_fds(), fds);
	snapshot__free(&snap);
}

/* A later look takes them over by cookie, and nothing of sockets that it has not seen before. */
static void test_copied_options(void **state)
{
	struct snapshot snap, first;

	snapshot__init(&snap);
	snapshot__init(&first);
	for (uint64_t id = 1; id <= 3; id++) {
		struct snap_sock *from = snapshot__add_sock(&first);
		struct snap_sock *sock = snapshot__add_sock(&snap);

		from->id = id;
		from->reuseaddr = TRI_YES;
		from->reuseport = TRI_NO;
		from->force_reuse = TRI_NO;
		from->v6only = TRI_YES;
		sock->id = id == 2 ? 99 : id;
		sock->state = id == 3 ? STATE_TIME_WAIT : STATE_LISTEN;
		sock->reuseaddr = sock->reuseport = sock->force_reuse = TRI_UNKNOWN;
		sock->v6only = TRI_NO;
	}
	diag__copy_options(&snap, &first);
	assert_int_equal(snap.socks[0].reuseaddr, TRI_YES);
	assert_int_equal(snap.socks[0].reuseport, TRI_NO);
	assert_int_equal(snap.socks[0].force_reuse, TRI_NO);
	assert_int_equal(snap.socks[0].v6only, TRI_NO);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(snap.socks[i].reuseaddr, TRI_UNKNOWN);
		assert_int_equal(snap.socks[i].reuseport, TRI_UNKNOWN);
	}
	snapshot__free(&first);
	snapshot__free(&snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listeners),     cmocka_unit_test(test_bound),
		cmocka_unit_test(test_request),	      cmocka_unit_test(test_connections),
		cmocka_unit_test(test_time_wait),     cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_many),	      cmocka_unit_test(test_range),
		cmocka_unit_test(test_own_options),   cmocka_unit_test(test_v6only_option),
		cmocka_unit_test(test_other_options), cmocka_unit_test(test_copied_options),
	};

	return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
