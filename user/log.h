/* SPDX-License-Identifier: GPL-2.0-only */
/* Diagnostics of the session: one line each on standard error, saying what to do. */
#ifndef BINDTRACE_LOG_H
#define BINDTRACE_LOG_H

#include <stdbool.h>
#include <stdint.h>

__attribute__((format(printf, 1, 2))) void log__line(const char *format, ...);

/* Each line for the journal, with the priority of an error before it. */
void log__set_journal(bool journal);

/* libbpf's own messages: warnings, which have the kernel's in them, with -vv, all with -vvv. */
void log__set_libbpf(int verbose);

/* With -vv: how long it was since *since, unless that is 0. Sets it to now. */
void log__took(const char *what, int64_t *since);

#endif
