/* SPDX-License-Identifier: GPL-2.0-only */
/* The clocks, in nanoseconds. */
#ifndef BINDTRACE_CLOCK_H
#define BINDTRACE_CLOCK_H

#include <stdint.h>

int64_t clock__now_ns(void);	    /* CLOCK_REALTIME */
int64_t clock__monotonic_ns(void);  /* CLOCK_MONOTONIC, as bpf_ktime_get_ns() */
int64_t clock__since_boot_ns(void); /* CLOCK_BOOTTIME, as the start of a process is told */

#endif
