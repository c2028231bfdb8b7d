/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of signals: in bindtrace, and in the command that it starts. */
#ifndef BINDTRACE_SIGNALS_H
#define BINDTRACE_SIGNALS_H

#include <signal.h>

/*
 * First of all. From here on SIGPIPE is ignored, so that a closed output is an error of the write,
 * and SIGCHLD is not, even if whoever started us did: a process that ignores it hears nothing of
 * its children, and cannot wait for them.
 */
void signals__take_over(void);

/* In a child, before it becomes another program: as whoever started us had it. */
void signals__give_back(void);

/*
 * The signals that end a run: SIGINT, SIGTERM and SIGHUP, but for those that we were started to
 * ignore (nohup; SIGINT in a shell's background job). A blocked signal is queued even if ignored.
 */
void signals__that_stop(sigset_t *ret);

#endif
