// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections in any TCP state, without a second machine. A peer that does not answer is a socket
 * with a filter that drops everything: the kernel runs it before TCP sees the packet.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sock.h"

/*
 * On the loopback device the handshake is over when connect() returns: a connection that is not in
 * this listener's queue by then went to another one with SO_REUSEPORT.
 */
#define ACCEPT_MS     1000
#define LONG_LINGER_S 120 /* above TCP_TIMEWAIT_LEN, so FIN_WAIT2 stays a full socket */

static const struct {
	const char *name;
	bool has_file;
} ends[N_CONN_ENDS] = {
	[CONN_ESTABLISHED] = {"established", true},
	[CONN_FIN_WAIT1_HELD] = {"fin_wait1_held", true},
	[CONN_FIN_WAIT1_ORPHAN] = {"fin_wait1_orphan", false},
	[CONN_FIN_WAIT2_HELD] = {"fin_wait2_held", true},
	[CONN_FIN_WAIT2_ORPHAN] = {"fin_wait2_orphan", false},
	[CONN_FIN_WAIT2_TW] = {"fin_wait2_tw", false},
	[CONN_TIME_WAIT] = {"time_wait", false},
	[CONN_CLOSE_WAIT] = {"close_wait", true},
	[CONN_LAST_ACK_HELD] = {"last_ack_held", true},
	[CONN_LAST_ACK_ORPHAN] = {"last_ack_orphan", false},
	[CONN_CLOSING_HELD] = {"closing_held", true},
	[CONN_CLOSING_ORPHAN] = {"closing_orphan", false},
};

const char *conn_end__name(enum conn_end end)
{
	return ends[end].name;
}

bool conn_end__has_file(enum conn_end end)
{
	return ends[end].has_file;
}

const char *sock__reach(const struct sock_spec *spec)
{
	const char *address = spec->address ? spec->address : "0.0.0.0";

	if (spec->reach)
		return spec->reach;
	if (!strcmp(address, "0.0.0.0"))
		return "127.0.0.1";
	if (!strcmp(address, "::"))
		return "::1";
	if (!strcmp(address, "::ffff:0.0.0.0"))
		return "::ffff:127.0.0.1";
	return address;
}

static int connect_to(int fd, const char *address, uint16_t port)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int err = sock__addr(address, port, &addr, &len);

	if (err)
		return err;
	return connect(fd, (struct sockaddr *)&addr, len) ? -errno : 0;
}

/* Non-blocking, so that a connection that nothing answers can't hang the test. */
int sock__connect(int fd, const char *address, uint16_t port)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	int flags = fcntl(fd, F_GETFL);
	int err, failed = 0;
	socklen_t len = sizeof(failed);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	err = connect_to(fd, address, port);
	if (err == -EINPROGRESS) {
		if (poll(&writable, 1, SOCK_DEADLINE_MS) != 1)
			err = -ETIMEDOUT;
		else
			err = getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) ? -errno
										  : -failed;
	}
	fcntl(fd, F_SETFL, flags);
	return err;
}

static int accept_within_deadline(int listener)
{
	struct pollfd readable = {.fd = listener, .events = POLLIN};
	int fd;

	if (poll(&readable, 1, ACCEPT_MS) != 1)
		return -ETIMEDOUT;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What others have lost in the same queue is dropped on the way. */
static int accept_that_of(int listener, int client)
{
	uint16_t port = sock__local_port(client);
	int fd;

	for (;;) {
		fd = accept_within_deadline(listener);
		if (fd < 0 || sock__peer_port(fd) == port)
			return fd;
		sock__abort(fd);
	}
}

static int wait_for_queue(int listener)
{
	struct pollfd readable = {.fd = listener, .events = POLLIN};

	return poll(&readable, 1, ACCEPT_MS) == 1 ? 0 : -ETIMEDOUT;
}

int conn__accepted(int listener, const struct sock_spec *spec, bool no_accept, struct conn *ret)
{
	const char *to = sock__reach(spec);
	struct sock_spec client = {.address = to, .device = spec->device, .uid = -1};
	struct conn conn = {-1, -1};
	int err;

	conn.peer = sock__new(&client);
	if (conn.peer < 0)
		return conn.peer;
	err = sock__connect(conn.peer, to, sock__local_port(listener));
	if (err)
		goto fail;
	if (no_accept) {
		err = wait_for_queue(listener);
		if (err)
			goto fail;
		*ret = conn;
		return 0;
	}
	conn.ours = accept_that_of(listener, conn.peer);
	if (conn.ours < 0) {
		err = conn.ours;
		goto fail;
	}
	if (spec->uid >= 0 && fchown(conn.ours, spec->uid, -1)) {
		err = -errno;
		goto fail;
	}
	*ret = conn;
	return 0;
fail:
	sock__abort(conn.peer);
	sock__abort(conn.ours);
	return err;
}

static int connect_unanswered(int fd, const char *to, int listener)
{
	int flags = fcntl(fd, F_GETFL);
	int err = sock__mute(listener);

	if (err)
		return err;
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	err = connect_to(fd, to, sock__local_port(listener));
	fcntl(fd, F_SETFL, flags);
	if (err != -EINPROGRESS)
		return err ? err : -EISCONN;
	return sock__wait_state(fd, TCP_SYN_SENT);
}

int conn__server(const struct sock_spec *spec)
{
	struct sock_spec server = {.address = sock__reach(spec), .device = spec->device, .uid = -1};

	return sock__listener(&server, 0);
}

int conn__connect(int fd, const struct sock_spec *spec, int server, bool no_answer,
		  struct conn *ret)
{
	const char *to = sock__reach(spec);
	int err, peer;

	if (no_answer) {
		err = connect_unanswered(fd, to, server);
		if (!err)
			*ret = (struct conn){fd, server};
		else
			close(server);
		return err;
	}
	err = sock__connect(fd, to, sock__local_port(server));
	peer = err ? err : accept_within_deadline(server);
	close(server);
	if (peer < 0)
		return peer;
	*ret = (struct conn){fd, peer};
	return 0;
}

static int close_ours(struct conn *conn)
{
	int err = close(conn->ours) ? -errno : 0;

	conn->ours = -1;
	return err;
}

static int fin_wait1(struct conn *conn)
{
	int err = sock__mute(conn->peer);

	if (err)
		return err;
	if (shutdown(conn->ours, SHUT_WR))
		return -errno;
	return sock__wait_state(conn->ours, TCP_FIN_WAIT1);
}

static int fin_wait2(struct conn *conn)
{
	if (shutdown(conn->ours, SHUT_WR))
		return -errno;
	return sock__wait_state(conn->ours, TCP_FIN_WAIT2);
}

static int close_wait(struct conn *conn)
{
	if (shutdown(conn->peer, SHUT_WR))
		return -errno;
	return sock__wait_state(conn->ours, TCP_CLOSE_WAIT);
}

static int last_ack(struct conn *conn)
{
	int err = close_wait(conn);

	if (!err)
		err = sock__mute(conn->peer);
	if (err)
		return err;
	if (shutdown(conn->ours, SHUT_WR))
		return -errno;
	return sock__wait_state(conn->ours, TCP_LAST_ACK);
}

/* Both sides close at once: the peer's FIN arrives, its answer to ours never does. */
static int closing(struct conn *conn)
{
	int err = fin_wait1(conn);

	if (err)
		return err;
	if (shutdown(conn->peer, SHUT_WR))
		return -errno;
	return sock__wait_state(conn->ours, TCP_CLOSING);
}

/* Once the peer's own FIN has been answered, the answer can only come from a time-wait socket. */
static int time_wait(struct conn *conn)
{
	int err = fin_wait2(conn);

	if (!err)
		err = close_ours(conn);
	if (err)
		return err;
	if (shutdown(conn->peer, SHUT_WR))
		return -errno;
	return sock__wait_state(conn->peer, TCP_CLOSE);
}

static int orphan(int err, struct conn *conn)
{
	return err ? err : close_ours(conn);
}

static int fin_wait2_orphan(struct conn *conn)
{
	int err = sock__set_flag(conn->ours, SOL_TCP, TCP_LINGER2, LONG_LINGER_S);

	if (!err)
		err = fin_wait2(conn);
	return orphan(err, conn);
}

int conn__drive(struct conn *conn, enum conn_end end)
{
	switch (end) {
	case CONN_ESTABLISHED:
		return 0;
	case CONN_FIN_WAIT1_HELD:
		return fin_wait1(conn);
	case CONN_FIN_WAIT1_ORPHAN:
		return orphan(fin_wait1(conn), conn);
	case CONN_FIN_WAIT2_HELD:
		return fin_wait2(conn);
	case CONN_FIN_WAIT2_ORPHAN:
		return fin_wait2_orphan(conn);
	case CONN_FIN_WAIT2_TW:
		return orphan(fin_wait2(conn), conn);
	case CONN_TIME_WAIT:
		return time_wait(conn);
	case CONN_CLOSE_WAIT:
		return close_wait(conn);
	case CONN_LAST_ACK_HELD:
		return last_ack(conn);
	case CONN_LAST_ACK_ORPHAN:
		return orphan(last_ack(conn), conn);
	case CONN_CLOSING_HELD:
		return closing(conn);
	case CONN_CLOSING_ORPHAN:
		return orphan(closing(conn), conn);
	case N_CONN_ENDS:
		break;
	}
	return -EINVAL;
}

void conn__abort(struct conn *conn)
{
	/* An unmuted peer's reset reaches an orphan too, and ends it. */
	if (conn->peer >= 0)
		sock__unmute(conn->peer);
	sock__abort(conn->peer);
	sock__abort(conn->ours);
	conn->ours = conn->peer = -1;
}
