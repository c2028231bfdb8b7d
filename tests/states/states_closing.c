// SPDX-License-Identifier: GPL-2.0-only
/* What a server leaves behind: connections that are over, or nearly. */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

/*
 * The old server, killed with a client connected. It closes first, so the time-wait socket is on
 * its side, and nobody holds it.
 */
static int old_server(struct state *st, void *arg)
{
	int *go = arg;
	int listener = sock__listener(&st->spec, st->port);
	int fd;

	if (listener < 0)
		return listener;
	state__report(st, 0);
	fd = accept(listener, NULL, NULL);
	if (fd < 0 || wait_byte(go[0]))
		_exit(1);
	_exit(0);
}

static int connect_client(struct state *st, struct conn *conn)
{
	struct sock_spec client = st->spec;

	client.address = sock__family(st->spec.address) == AF_INET6 ? "::1" : "127.0.0.1";
	if (st->spec.address && *st->spec.address != ':' && st->spec.address[0] != '0')
		client.address = st->spec.address;
	client.uid = -1;
	client.reuseaddr = client.reuseport = client.v6only = false;
	conn->ours = -1;
	conn->peer = sock__new(&client);
	if (conn->peer < 0)
		return conn->peer;
	st->peer_address = client.address;
	return 0;
}

static int make_time_wait(struct state *st)
{
	struct sockaddr_storage addr;
	struct conn conn;
	socklen_t len;
	int go[2], err, status;
	pid_t pid;

	err = make_pipe(go);
	if (!err)
		err = connect_client(st, &conn);
	if (err)
		return err;
	pid = state__spawn(st, "bt-server", old_server, go);
	if (pid < 0)
		return pid;
	sock__addr(st->peer_address, st->port, &addr, &len);
	if (connect(conn.peer, (struct sockaddr *)&addr, len))
		return -errno;
	st->peer_port = sock__local_port(conn.peer);
	if (write(go[1], "", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		return -EPIPE;
	st->gone = pid;
	/* the server's FIN is here, so it has closed first */
	err = sock__wait_state(conn.peer, TCP_CLOSE_WAIT);
	if (err)
		return err;
	close(conn.peer);
	return state__wait_proc_net(st, TCP_TIME_WAIT);
}

static int leave_connection(struct state *st, void *arg)
{
	enum conn_end end = *(enum conn_end *)arg;
	struct conn conn;
	int listener = sock__listener(&st->spec, st->port);
	int err;

	if (listener < 0)
		return listener;
	err = conn__accepted(listener, &st->spec, false, &conn);
	close(listener);
	if (!err)
		err = conn__drive(&conn, end);
	if (err)
		return err;
	return conn.ours < 0 ? 0 : conn.ours;
}

static int make_left(struct state *st, enum conn_end end, int kernel_state)
{
	pid_t pid = state__spawn(st, "bt-server", leave_connection, &end);

	if (pid < 0)
		return pid;
	if (conn_end__has_file(end))
		state__note(st, "bt-server", pid, st->fd);
	return state__wait_proc_net(st, kernel_state);
}

static int make_fin_wait1(struct state *st)
{
	return make_left(st, CONN_FIN_WAIT1_HELD, TCP_FIN_WAIT1);
}

static int make_fin_wait1_orphan(struct state *st)
{
	return make_left(st, CONN_FIN_WAIT1_ORPHAN, TCP_FIN_WAIT1);
}

static int make_fin_wait2(struct state *st)
{
	return make_left(st, CONN_FIN_WAIT2_HELD, TCP_FIN_WAIT2);
}

static int make_fin_wait2_orphan(struct state *st)
{
	return make_left(st, CONN_FIN_WAIT2_ORPHAN, TCP_FIN_WAIT2);
}

static int make_fin_wait2_tw(struct state *st)
{
	return make_left(st, CONN_FIN_WAIT2_TW, TCP_FIN_WAIT2);
}

static int make_last_ack(struct state *st)
{
	return make_left(st, CONN_LAST_ACK_HELD, TCP_LAST_ACK);
}

static int make_last_ack_orphan(struct state *st)
{
	return make_left(st, CONN_LAST_ACK_ORPHAN, TCP_LAST_ACK);
}

static int make_closing(struct state *st)
{
	return make_left(st, CONN_CLOSING_HELD, TCP_CLOSING);
}

static int make_closing_orphan(struct state *st)
{
	return make_left(st, CONN_CLOSING_ORPHAN, TCP_CLOSING);
}

static int make_close_wait(struct state *st)
{
	return make_left(st, CONN_CLOSE_WAIT, TCP_CLOSE_WAIT);
}

const struct state_row closing_rows[] = {
	ROW("time_wait", "the server closed first, without SO_REUSEADDR", make_time_wait),
	ROW("time_wait_reuseaddr", "the server closed first and had set SO_REUSEADDR",
	    make_time_wait, .spec = {.reuseaddr = true}),
	ROW("time_wait_v6", "the same with a [::] server and a client of IPv6", make_time_wait,
	    .spec = {.address = "::"}, .bind = {.address = "::"}),
	ROW("fin_wait1", "shut down, the client does not answer", make_fin_wait1),
	ROW("fin_wait1_orphan", "closed, the client does not answer", make_fin_wait1_orphan),
	ROW("fin_wait2", "shut down, the client keeps its end open", make_fin_wait2),
	ROW("fin_wait2_orphan", "closed with a long TCP_LINGER2", make_fin_wait2_orphan),
	ROW("fin_wait2_tw", "closed, the client keeps its end open: a time-wait socket",
	    make_fin_wait2_tw),
	ROW("last_ack", "both shut down, the client's answer is missing", make_last_ack),
	ROW("last_ack_orphan", "both closed, the client's answer is missing", make_last_ack_orphan),
	ROW("closing", "both shut down at once, the client's answer is missing", make_closing),
	ROW("closing_orphan", "both closed at once, the client's answer is missing",
	    make_closing_orphan),
	ROW("close_wait", "the client has closed, the server has not noticed", make_close_wait),
	{},
};
