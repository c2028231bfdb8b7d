/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether what is written goes to the journal, which takes "<4>" before a line for its priority. */
#ifndef BINDTRACE_JOURNAL_H
#define BINDTRACE_JOURNAL_H

#include <stdbool.h>

/* Is fd the very stream that the service manager opened (JOURNAL_STREAM, systemd.exec(5))? */
bool journal__is_stream(int fd);

#endif
