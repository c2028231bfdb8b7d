/* SPDX-License-Identifier: GPL-2.0-only */
/* COMMAND of `bindtrace -- COMMAND`, its descendants and its exit status. */
#ifndef BINDTRACE_COMMAND_H
#define BINDTRACE_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct command {
	pid_t pid; /* 0: none */
	bool exited;
	int status; /* exit status as a shell gives it: 128 + n for signal n */
};

/*
 * Makes this process the reaper of its descendants (so that a daemon of the command's stays below
 * it) and starts argv with the signal mask `mask`. With stdout_to_stderr the command's standard
 * output goes to standard error. 0, or -errno of execvp.
 */
int command__start(struct command *command, char **argv, const sigset_t *mask,
		   bool stdout_to_stderr);

/* Collects every child that has ended; call on SIGCHLD. */
void command__reap(struct command *command);

#endif
