/* SPDX-License-Identifier: GPL-2.0-only */
/* A name for one run of bindtrace, which no other run ever has. */
#ifndef BINDTRACE_RUN_ID_H
#define BINDTRACE_RUN_ID_H

#include "output/output.h"

/* A random UUID (RFC 9562, version 4) as text; "" when the kernel gives no random bytes. */
void run_id__new(char ret[OUTPUT_RUN_ID_SIZE]);

#endif
