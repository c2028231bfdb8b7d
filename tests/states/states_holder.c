// SPDX-License-Identifier: GPL-2.0-only
/* Sockets that somebody holds, or that nobody seems to hold. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

#define RANGE_FILE "/proc/sys/net/ipv4/ip_local_port_range"
#define RDS_PORT   16385 /* RDS_TCP_PORT: the module listens as soon as it is loaded */

struct holder {
	pid_t pid;
	int fd;
};

/* Forks a process that keeps what we have open, and says so. */
static int fork_worker(struct state *st, int to, int fd, int unwanted_fd)
{
	struct holder worker = {fork(), fd};

	if (worker.pid < 0)
		return -errno;
	if (!worker.pid) {
		prctl(PR_SET_NAME, "bt-worker");
		if (unwanted_fd >= 0)
			close(unwanted_fd);
		state__hold(st);
	}
	return write(to, &worker, sizeof(worker)) == sizeof(worker) ? 0 : -EPIPE;
}

static int note_worker(struct state *st, int from)
{
	struct holder worker;

	if (read_message(from, &worker, sizeof(worker)))
		return -EPIPE;
	state__note(st, "bt-worker", worker.pid, worker.fd);
	return 0;
}

static int wait_gone(struct state *st, pid_t pid)
{
	if (waitpid(pid, NULL, 0) != pid)
		return -errno;
	st->gone = pid;
	return 0;
}

/* A master that listens and workers that inherit the socket, as nginx does. */
struct shared {
	int n_workers;
	bool master_dies;
	int workers[2];
};

static int master(struct state *st, void *arg)
{
	struct shared *shared = arg;
	int fd = sock__listener(&st->spec, st->port);
	int i, err = fd < 0 ? fd : 0;

	for (i = 0; !err && i < shared->n_workers; i++)
		err = fork_worker(st, shared->workers[1], fd, -1);
	if (err || !shared->master_dies)
		return err ? err : fd;
	state__report(st, fd);
	_exit(0);
}

static int make_shared(struct state *st, int n_workers, bool master_dies)
{
	struct shared shared = {n_workers, master_dies, {-1, -1}};
	int i, err = make_pipe(shared.workers);
	pid_t pid;

	if (err)
		return err;
	pid = state__spawn(st, "bt-server", master, &shared);
	if (pid < 0)
		return pid;
	if (master_dies)
		err = wait_gone(st, pid);
	else
		state__note(st, "bt-server", pid, st->fd);
	for (i = 0; !err && i < n_workers; i++)
		err = note_worker(st, shared.workers[0]);
	return err ? err : state__wait_proc_net(st, TCP_LISTEN);
}

static int make_listener_shared(struct state *st)
{
	return make_shared(st, 2, false);
}

static int make_inherited(struct state *st)
{
	return make_shared(st, 1, true);
}

struct pass {
	int unix_sock[2];
};

static int pass_listener(struct state *st, void *arg)
{
	struct pass *pass = arg;
	int fd = sock__listener(&st->spec, st->port);
	int err;

	if (fd < 0)
		return fd;
	err = send_fd(pass->unix_sock[0], fd);
	if (err)
		return err;
	state__report(st, fd);
	_exit(0);
}

static int keep_passed(struct state *st, void *arg)
{
	struct pass *pass = arg;
	int fd;

	state__report(st, 0);
	/* what this returns is reported as well: the socket is here */
	fd = recv_fd(pass->unix_sock[1]);
	close(pass->unix_sock[0]);
	close(pass->unix_sock[1]);
	return fd;
}

/* The process that listens hands its socket to an unrelated one and dies. */
static int make_inherited_passed(struct state *st)
{
	struct pass pass = {};
	pid_t keeper, server;
	int fd, err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pass.unix_sock))
		return -errno;
	keeper = state__spawn(st, "bt-keeper", keep_passed, &pass);
	if (keeper < 0)
		return keeper;
	server = state__spawn(st, "bt-server", pass_listener, &pass);
	if (server < 0)
		return server;
	if (read_message(st->ready_pipe[0], &fd, sizeof(fd)) || fd < 0)
		return -EPIPE;
	close(pass.unix_sock[0]);
	close(pass.unix_sock[1]);
	state__note(st, "bt-keeper", keeper, fd);
	err = wait_gone(st, server);
	if (err)
		return err;
	return state__wait_proc_net(st, TCP_LISTEN);
}

/* Sent, never received, and the sender is gone: no process has it in its fd table. */
static int make_in_flight(struct state *st)
{
	struct pass pass = {};
	pid_t server;
	int err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pass.unix_sock))
		return -errno;
	server = state__spawn(st, "bt-server", pass_listener, &pass);
	if (server < 0)
		return server;
	err = wait_gone(st, server);
	return err ? err : state__wait_proc_net(st, TCP_LISTEN);
}

static int make_kernel_socket(struct state *st)
{
	if (run_command("modprobe rds_tcp")) {
		st->skip = "no rds_tcp module, whose listener no process holds";
		return STATE_SKIP;
	}
	st->port = RDS_PORT;
	return state__wait_proc_net(st, TCP_LISTEN);
}

/* The server forks a worker for its connection and dies: the worker has no listener. */
static int accept_and_fork(struct state *st, void *arg)
{
	const int *workers = arg;
	int listener = sock__listener(&st->spec, st->port);
	int fd;

	if (listener < 0)
		return listener;
	state__report(st, listener);
	fd = accept(listener, NULL, NULL);
	_exit(fd < 0 || fork_worker(st, workers[1], fd, listener) ? 1 : 0);
}

static int make_connection(struct state *st)
{
	struct sock_spec client = {.address = "127.0.0.1", .uid = -1};
	struct sockaddr_storage addr;
	socklen_t len;
	int workers[2], fd, err = make_pipe(workers);
	pid_t pid;

	fd = err ? err : sock__new(&client);
	if (fd < 0)
		return fd;
	pid = state__spawn(st, "bt-server", accept_and_fork, workers);
	if (pid < 0)
		return pid;
	sock__addr(client.address, st->port, &addr, &len);
	if (connect(fd, (struct sockaddr *)&addr, len))
		return -errno;
	st->peer_address = client.address;
	st->peer_port = sock__local_port(fd);
	err = note_worker(st, workers[0]);
	if (!err)
		err = wait_gone(st, pid);
	return err ? err : state__wait_proc_net(st, TCP_ESTABLISHED);
}

/* Lets connect() choose one port only, and restores the range. */
static int connect_from(uint16_t port, int fd, const char *address, uint16_t to)
{
	struct sockaddr_storage addr;
	char saved[64], narrow[64];
	socklen_t len;
	int err = read_file(RANGE_FILE, saved, sizeof(saved));

	snprintf(narrow, sizeof(narrow), "%u %u", port, port);
	if (!err)
		err = write_file(RANGE_FILE, narrow);
	if (err)
		return err;
	sock__addr(address, to, &addr, &len);
	if (connect(fd, (struct sockaddr *)&addr, len))
		err = -errno;
	if (write_file(RANGE_FILE, saved) && !err)
		err = -EIO;
	return err;
}

static int connect_client(struct state *st, void *arg)
{
	bool to_itself = *(bool *)arg;
	struct sock_spec spec = {.address = "127.0.0.1", .uid = -1};
	int listener, fd = sock__new(&spec);
	uint16_t to = st->port;
	int err;

	if (fd < 0)
		return fd;
	if (!to_itself) {
		/* while the range is still wide */
		listener = sock__listener(&spec, 0);
		if (listener < 0)
			return listener;
		to = sock__local_port(listener);
	}
	err = connect_from(st->port, fd, spec.address, to);
	return err ? err : fd;
}

static int make_client(struct state *st, bool to_itself)
{
	int err = state__spawn_holder(st, "bt-client", connect_client, &to_itself);

	if (err)
		return err;
	if (to_itself) {
		st->peer_address = "127.0.0.1";
		st->peer_port = st->port;
	}
	return state__wait_proc_net(st, TCP_ESTABLISHED);
}

static int make_client_port(struct state *st)
{
	return make_client(st, false);
}

static int make_self_connect(struct state *st)
{
	return make_client(st, true);
}

const struct state_row holder_rows[] = {
	ROW("listener", "another process listens on 0.0.0.0", state__make_listener),
	ROW("listener_reuseaddr", "it has set SO_REUSEADDR, which never helps against LISTEN",
	    state__make_listener, .spec = {.reuseaddr = true}, .bind = {.reuseaddr = true}),
	ROW("listener_loopback", "another process listens on 127.0.0.1", state__make_listener,
	    .spec = {.address = "127.0.0.1"}),
	ROW("listener_shared", "three processes share the listener", make_listener_shared),
	ROW("dual_stack", "a listener on [::] without IPV6_V6ONLY", state__make_listener,
	    .spec = {.address = "::"}),
	ROW("dual_stack_v4", "a listener on 0.0.0.0, and [::] is bound", state__make_listener,
	    .bind = {.address = "::"}),
	ROW("connection", "the server is gone, its child serves a client", make_connection),
	ROW("client_port", "connect() was given the port", make_client_port, .port = 40123),
	ROW("self_connect", "a client has connected to itself", make_self_connect, .port = 40125),
	ROW("bound_only", "bound, never listening", state__make_bound),
	ROW("inherited", "a child keeps the listener of a dead server", make_inherited),
	ROW("inherited_passed", "an unrelated process was sent the listener",
	    make_inherited_passed),
	ROW("ownerless", "the listener is in flight in SCM_RIGHTS", make_in_flight),
	ROW("ownerless_kernel", "a listener of the kernel's own", make_kernel_socket,
	    .port = RDS_PORT),
	{},
};
