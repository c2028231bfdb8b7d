/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_FEATURES_REPORT_H
#define BINDTRACE_FEATURES_REPORT_H

#include "options.h"

/* `bindtrace --features`: what this kernel and privilege allow. An exit status. */
int features_report__run(const struct options *opts);

#endif
