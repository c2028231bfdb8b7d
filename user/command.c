// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "command.h"
#include "signals.h"

/* In the child: never returns. errno of a failed exec goes up the pipe, which exec closes. */
static void run_child(char **argv, const sigset_t *mask, bool stdout_to_stderr, int pipe_fd)
{
	int err;

	if (stdout_to_stderr)
		dup2(STDERR_FILENO, STDOUT_FILENO);
	signals__give_back();
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	err = errno;
	if (write(pipe_fd, &err, sizeof(err)) != sizeof(err))
		_exit(126);
	_exit(127);
}

/* Waits until the child has executed argv, or has failed to. */
static int exec_result(int pipe_fd)
{
	int err = 0;
	ssize_t n;

	do {
		n = read(pipe_fd, &err, sizeof(err));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(err) ? -err : 0;
}

int command__start(struct command *command, char **argv, const sigset_t *mask,
		   bool stdout_to_stderr)
{
	int fds[2], err;
	pid_t pid;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return -errno;
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		err = -errno;
		close(fds[0]);
		close(fds[1]);
		return err;
	}
	if (!pid)
		run_child(argv, mask, stdout_to_stderr, fds[1]);
	close(fds[1]);
	command->pid = pid;
	err = exec_result(fds[0]);
	close(fds[0]);
	return err;
}

void command__reap(struct command *command)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != command->pid)
			continue;
		command->exited = true;
		command->status =
			WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}
