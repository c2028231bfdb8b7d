/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_SESSION_H
#define BINDTRACE_SESSION_H

#include "options.h"

/* Live, or around a command: reports until told to stop. An exit status (the command's). */
int session__run(const struct options *opts);

#endif
