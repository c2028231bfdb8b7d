// SPDX-License-Identifier: GPL-2.0-only
/* Many sockets on one port, and sockets that come and go. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

#define TW_BUCKETS_FILE "/proc/sys/net/ipv4/tcp_max_tw_buckets"
#define DEFAULT_CROWD	50000
#define LOOPBACK	0x7f000001
#define CLIENTS		0x7f010000 /* 127.1.0.0 and on */

static struct sockaddr_in loopback(uint32_t address, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

/*
 * One connection, closed by the server first. Each client has an address of its own: a port chosen
 * twice would take over the time-wait socket that is there.
 */
static int leave_one(int listener, uint32_t client_address, uint16_t port)
{
	struct sockaddr_in from = loopback(client_address, 0), to = loopback(LOOPBACK, port);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd, err = 0;

	if (client < 0)
		return -errno;
	if (bind(client, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(client, (struct sockaddr *)&to, sizeof(to))) {
		err = -errno;
	} else {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			err = -errno;
		else
			close(fd);
	}
	close(client);
	return err;
}

static int crowd(struct state *st, void *arg)
{
	int listener = sock__listener(&st->spec, st->port);
	unsigned int i;
	int err = 0;

	if (listener < 0)
		return listener;
	for (i = 0; !err && i < st->count; i++)
		err = leave_one(listener, CLIENTS + i, st->port);
	return err ? err : listener;
}

/* The listener is behind them all: the kernel's list has the newest first. */
static int make_crowd(struct state *st)
{
	char text[32];
	int err;

	if (!st->count)
		st->count = DEFAULT_CROWD;
	snprintf(text, sizeof(text), "%u", 4 * st->count + 10000);
	err = write_file(TW_BUCKETS_FILE, text);
	if (!err)
		err = state__spawn_holder(st, "bt-server", crowd, NULL);
	return err ? err : state__wait_proc_net(st, TCP_TIME_WAIT);
}

/* Sockets on 127.0.0.2 to 127.0.0.5, in every state, for as long as the test lasts. */
static void churn_forever(struct state *st, unsigned int which)
{
	char address[] = "127.0.0.2";
	struct sock_spec spec = {.address = address, .reuseaddr = true, .uid = -1};
	struct conn conn;
	int listener;
	unsigned int i;

	prctl(PR_SET_NAME, "bt-churn");
	address[8] = '2' + which;
	for (i = 0;; i++) {
		listener = sock__listener(&spec, st->port);
		if (listener < 0)
			continue;
		if (!conn__accepted(listener, &spec, false, &conn)) {
			conn__drive(&conn, i % N_CONN_ENDS);
			conn__abort(&conn);
		}
		close(listener);
	}
}

static int churn(struct state *st, void *arg)
{
	unsigned int i;
	pid_t pid;
	int fd = sock__listener(&st->spec, st->port);

	if (fd < 0)
		return fd;
	for (i = 0; i < st->count; i++) {
		pid = fork();
		if (pid < 0)
			return -errno;
		if (pid)
			continue;
		pid = fork();
		if (!pid)
			churn_forever(st, i % 4);
		/* ends the churning when the state ends */
		close(fd);
		wait_byte(st->control_pipe[0]);
		kill(pid, SIGKILL);
		_exit(0);
	}
	return fd;
}

static int make_churn(struct state *st)
{
	if (!st->count)
		st->count = 2;
	return state__spawn_holder(st, "bt-listener", churn, NULL);
}

const struct state_row crowd_rows[] = {
	ROW("crowd", "a listener behind --count time-wait sockets", make_crowd),
	ROW("churn", "a listener on 127.0.0.1, and sockets that come and go on its port",
	    make_churn, .spec = {.address = "127.0.0.1"}, .bind = {.address = "127.0.0.1"}),
	{},
};
