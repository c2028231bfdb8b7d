/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_REPLAY_H
#define BINDTRACE_REPLAY_H

#include "options.h"

/* `bindtrace --replay FILE`. An enum exit_status. */
int replay__run(const struct options *opts);

#endif
