/* SPDX-License-Identifier: GPL-2.0-only */
/* Diagnostics of the session: one line each on standard error, saying what to do. */
#ifndef BINDTRACE_LOG_H
#define BINDTRACE_LOG_H

__attribute__((format(printf, 1, 2))) void log__line(const char *format, ...);

/* libbpf's own messages: shown with -vv only. */
void log__set_libbpf(int verbose);

#endif
