// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

int make_pipe(int fds[2])
{
	return pipe2(fds, O_CLOEXEC) ? -errno : 0;
}

int wait_byte(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -EPIPE;
}

/* Long enough for the largest crowd; who dies without a word must not hang the test. */
#define MESSAGE_TIMEOUT_MS (600 * 1000)

int read_message(int fd, void *buf, size_t size)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	if (poll(&readable, 1, MESSAGE_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	return read(fd, buf, size) == (ssize_t)size ? 0 : -EPIPE;
}

int state__init(struct state *st)
{
	int err = make_pipe(st->ready_pipe);

	return err ? err : make_pipe(st->control_pipe);
}

void state__end(struct state *st)
{
	close(st->control_pipe[1]);
	while (wait(NULL) > 0)
		;
}

void state__report(struct state *st, int fd)
{
	if (write(st->ready_pipe[1], &fd, sizeof(fd)) != sizeof(fd))
		_exit(1);
}

void state__hold(struct state *st)
{
	wait_byte(st->control_pipe[0]);
	_exit(0);
}

static int become(int uid)
{
	if (uid <= 0)
		return 0;
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		return -errno;
	/* /proc/PID must stay readable for those who test it */
	prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

pid_t state__spawn(struct state *st, const char *role, state_fn fn, void *arg)
{
	pid_t pid = fork();
	int result;

	if (pid < 0)
		return -errno;
	if (!pid) {
		close(st->control_pipe[1]);
		prctl(PR_SET_NAME, role);
		result = become(st->spec.uid);
		if (!result)
			result = fn(st, arg);
		state__report(st, result);
		if (result < 0)
			_exit(1);
		state__hold(st);
	}
	if (read_message(st->ready_pipe[0], &result, sizeof(result)))
		result = -EPIPE;
	st->fd = result;
	return result < 0 ? result : pid;
}

void state__note(struct state *st, const char *role, pid_t pid, int fd)
{
	if (st->n_procs < STATE_MAX_PROCS)
		st->procs[st->n_procs++] = (struct state_proc){role, pid, fd};
}

int state__spawn_holder(struct state *st, const char *role, state_fn fn, void *arg)
{
	pid_t pid = state__spawn(st, role, fn, arg);

	if (pid < 0)
		return pid;
	state__note(st, role, pid, st->fd);
	return 0;
}

static void print_spec(const char *name, const struct sock_spec *spec)
{
	printf("\"%s\":{\"address\":\"%s\",\"device\":", name,
	       spec->address ? spec->address : "0.0.0.0");
	if (spec->device)
		printf("\"%s\"", spec->device);
	else
		printf("null");
	printf(",\"reuseaddr\":%s,\"reuseport\":%s,\"v6only\":%s,\"uid\":%d}",
	       spec->reuseaddr ? "true" : "false", spec->reuseport ? "true" : "false",
	       spec->v6only ? "true" : "false", spec->uid > 0 ? spec->uid : 0);
}

void state__print_ready(const struct state *st)
{
	size_t i;

	printf("ready {\"state\":\"%s\",\"port\":%u,\"pid\":%d,\"procs\":[", st->row->name,
	       st->port, getpid());
	for (i = 0; i < st->n_procs; i++)
		printf("%s{\"role\":\"%s\",\"pid\":%d,\"fd\":%d}", i ? "," : "", st->procs[i].role,
		       st->procs[i].pid, st->procs[i].fd);
	printf("],\"gone\":%d,\"peer\":", st->gone);
	if (st->peer_port)
		printf("{\"address\":\"%s\",\"port\":%u}", st->peer_address, st->peer_port);
	else
		printf("null");
	printf(",\"count\":%u,", st->count);
	print_spec("existing", &st->spec);
	printf(",");
	print_spec("bind", &st->bind);
	printf("}\n");
	fflush(stdout);
}

static bool proc_net_has(const char *path, uint16_t port, int kernel_state)
{
	char line[256];
	unsigned int local_port, state;
	bool found = false;
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &local_port,
			       &state) == 2 &&
			local_port == port && (int)state == kernel_state;
	fclose(file);
	return found;
}

int state__wait_proc_net(const struct state *st, int kernel_state)
{
	int64_t deadline = clock__ms() + SOCK_DEADLINE_MS;

	while (!proc_net_has("/proc/net/tcp", st->port, kernel_state) &&
	       !proc_net_has("/proc/net/tcp6", st->port, kernel_state))
		if (!deadline__tick(deadline))
			return -ETIMEDOUT;
	return 0;
}

static int listen_here(struct state *st, void *arg)
{
	return sock__listener(&st->spec, st->port);
}

static int bind_here(struct state *st, void *arg)
{
	return sock__bound(&st->spec, st->port);
}

int state__make_listener(struct state *st)
{
	int err = state__spawn_holder(st, "bt-listener", listen_here, NULL);

	return err ? err : state__wait_proc_net(st, TCP_LISTEN);
}

int state__make_bound(struct state *st)
{
	return state__spawn_holder(st, "bt-bound", bind_here, NULL);
}

int send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

int recv_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

int run_command(const char *line)
{
	char *quiet;
	int status;

	if (asprintf(&quiet, "{ %s; } >/dev/null 2>&1", line) < 0)
		return 255;
	status = system(quiet);
	free(quiet);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	return 0;
}
