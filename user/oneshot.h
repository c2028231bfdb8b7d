/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_ONESHOT_H
#define BINDTRACE_ONESHOT_H

#include "options.h"

/* `bindtrace --port`: reports each port in each namespace asked about. An enum exit_status. */
int oneshot__run(const struct options *opts);

#endif
