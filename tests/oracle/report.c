// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../states/sock.h"
#include "report.h"

#define LINE_DEADLINE_MS 60000
#define PIPE_SIZE	 (1 << 20)
#define BUF_SIZE	 (1 << 18)

const char *json__text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t json__number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

bool json__true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static pid_t start_program(char *const argv[], int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

/* The next line of the buffer, without its end; NULL when it isn't complete. */
static char *take_line(struct live *live, size_t *from)
{
	char *line = live->buf + *from;
	char *end = memchr(line, '\n', live->used - *from);

	if (!end)
		return NULL;
	*end = 0;
	*from = end + 1 - live->buf;
	return line;
}

static int read_more(struct live *live, int64_t deadline)
{
	struct pollfd readable = {.fd = live->fd, .events = POLLIN};
	int64_t left = deadline - clock__ms();
	ssize_t n;

	if (left <= 0 || live->used == live->size || poll(&readable, 1, left) != 1)
		return -ETIMEDOUT;
	n = read(live->fd, live->buf + live->used, live->size - live->used);
	if (n <= 0)
		return -EPIPE;
	live->used += n;
	return 0;
}

/* Whatever a line is about: what must never be in it. */
static void inspect(struct live *live, const json_t *json, const char *line)
{
	const char *type = json__text(json, "type");
	const char *why = NULL;

	if (!json)
		why = "no JSON";
	else if (!strcmp(type, "lost"))
		why = "events were lost";
	else if (!strcmp(type, "conflict") && !strcmp(json__text(json, "cause"), "unexplained"))
		why = "unexplained";
	else if (json_is_false(json_object_get(json, "cross_check")))
		why = "the kernel names another socket";
	if (why && !live->problem[0])
		snprintf(live->problem, sizeof(live->problem), "%s: %.120s…", why, line);
	if (why)
		fprintf(stderr, "%s: %s\n", why, line);
}

static bool wanted(const json_t *json, const char *type, uint16_t port)
{
	const json_t *process;

	if (strcmp(json__text(json, "type"), type))
		return false;
	if (strcmp(type, "conflict"))
		return true;
	process = json_object_get(json, "process");
	return json__number(json_object_get(json, "local"), "port") == port &&
	       json__number(process, "pid") == getpid() &&
	       !strcmp(json__text(process, "comm"), BINDER_COMM);
}

static json_t *wait_for(struct live *live, const char *type, uint16_t port)
{
	int64_t deadline = clock__ms() + LINE_DEADLINE_MS;
	json_t *json, *found = NULL;
	size_t from;
	char *line;

	for (;;) {
		from = 0;
		while (!found && (line = take_line(live, &from))) {
			live->lines++;
			json = json_loads(line, 0, NULL);
			inspect(live, json, line);
			if (wanted(json, type, port))
				found = json;
			else
				json_decref(json);
		}
		memmove(live->buf, live->buf + from, live->used - from);
		live->used -= from;
		if (found || read_more(live, deadline))
			return found;
	}
}

int live__start(struct live *live, const char *program)
{
	char *argv[] = {(char *)program, "--json", "--cross-check", "--fold", "0", NULL};
	json_t *start;

	memset(live, 0, sizeof(*live));
	live->size = BUF_SIZE;
	live->buf = malloc(live->size);
	if (!live->buf)
		return -ENOMEM;
	live->pid = start_program(argv, &live->fd);
	if (live->pid < 0)
		return live->pid;
	fcntl(live->fd, F_SETPIPE_SZ, PIPE_SIZE);
	start = wait_for(live, "start", 0);
	if (!start)
		return -ETIMEDOUT;
	json_dumpf(start, stdout, 0);
	putchar('\n');
	json_decref(start);
	return 0;
}

json_t *live__conflict(struct live *live, uint16_t port)
{
	return wait_for(live, "conflict", port);
}

static int exit_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int live__stop(struct live *live)
{
	int status;

	kill(live->pid, SIGTERM);
	live->stop = wait_for(live, "stop", 0);
	close(live->fd);
	status = exit_status(live->pid);
	free(live->buf);
	return status;
}

json_t *oneshot__run(char *const argv[], int *ret_status)
{
	struct live run = {.size = BUF_SIZE};
	json_t *json;

	run.buf = malloc(run.size);
	run.pid = start_program(argv, &run.fd);
	if (!run.buf || run.pid < 0) {
		free(run.buf);
		return NULL;
	}
	json = wait_for(&run, "port", 0);
	close(run.fd);
	*ret_status = exit_status(run.pid);
	free(run.buf);
	return json;
}
