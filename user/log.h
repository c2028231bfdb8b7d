/* SPDX-License-Identifier: GPL-2.0-only */
/* Diagnostics of the session: one line each on standard error, saying what to do. */
#ifndef BINDTRACE_LOG_H
#define BINDTRACE_LOG_H

#include <stdbool.h>

__attribute__((format(printf, 1, 2))) void log__line(const char *format, ...);

/* Each line for the journal, with the priority of an error before it. */
void log__set_journal(bool journal);

/* libbpf's own messages: shown with -vv only. */
void log__set_libbpf(int verbose);

#endif
