// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bind.h"
#include "state.h"

struct outcome {
	const char *call;
	int err; /* -errno */
	int fd;
};

static struct outcome try_listen(int fd, int first)
{
	if (first >= 0 && listen(first, 16))
		return (struct outcome){"listen", -errno, fd};
	return (struct outcome){"listen", listen(fd, 16) ? -errno : 0, fd};
}

static struct outcome try_bind(const struct bind_attempt *attempt)
{
	struct sock_spec before = {.address = attempt->first, .uid = -1};
	int fd, err, first = -1;

	if (attempt->first) {
		before.reuseaddr = attempt->race && attempt->spec.reuseaddr;
		first = sock__bound(&before, attempt->port);
		if (first < 0)
			return (struct outcome){"first bind", first, -1};
	}
	fd = sock__new(&attempt->spec);
	if (fd < 0)
		return (struct outcome){"socket", fd, -1};
	if (attempt->cleared) {
		sock__set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		sock__set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
		sock__set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 0);
		sock__set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 0);
	}
	err = sock__bind(fd, &attempt->spec, attempt->port);
	if (err || !attempt->listen)
		return (struct outcome){"bind", err, fd};
	return try_listen(fd, attempt->race ? first : -1);
}

static int print_outcome(const struct outcome *outcome)
{
	printf("{\"result\":\"%s\",\"call\":\"%s\",\"pid\":%d,\"inode\":%" PRIu64 "}\n",
	       outcome->err ? strerrorname_np(-outcome->err) : "ok", outcome->call, getpid(),
	       outcome->fd < 0 ? 0 : sock__inode(outcome->fd));
	fflush(stdout);
	if (!outcome->err)
		return 0;
	return outcome->err == -EADDRINUSE ? 1 : 2;
}

static int run_here(const struct bind_attempt *attempt)
{
	struct outcome outcome;
	int status;

	if (attempt->comm)
		prctl(PR_SET_NAME, attempt->comm);
	if (attempt->gate) {
		printf("waiting\n");
		fflush(stdout);
		wait_byte(STDIN_FILENO);
	}
	outcome = try_bind(attempt);
	status = print_outcome(&outcome);
	if (attempt->hold)
		while (!wait_byte(STDIN_FILENO))
			;
	return status;
}

/* The way daemon() does it: the one who binds has init as its parent, and a session of its own. */
static int run_daemon(const struct bind_attempt *attempt)
{
	int64_t deadline = clock__ms() + SOCK_DEADLINE_MS;
	int done[2], status = 2;
	pid_t child, parent;

	if (make_pipe(done))
		return 2;
	child = fork();
	if (!child) {
		setsid();
		parent = getpid();
		child = fork();
		if (child)
			_exit(child < 0);
		while (getppid() == parent && deadline__tick(deadline))
			;
		status = run_here(attempt);
		_exit(write(done[1], &status, sizeof(status)) != sizeof(status));
	}
	close(done[1]);
	waitpid(child, NULL, 0);
	if (read(done[0], &status, sizeof(status)) != sizeof(status))
		return 2;
	return status;
}

int bind__attempt(const struct bind_attempt *attempt)
{
	return attempt->daemon ? run_daemon(attempt) : run_here(attempt);
}
