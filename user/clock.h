/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own clocks, in nanoseconds: in a time namespace as well as outside of it. */
#ifndef BINDTRACE_CLOCK_H
#define BINDTRACE_CLOCK_H

#include <stdint.h>

/* First of all, once. Before 5.6 and without CONFIG_TIME_NS there are no time namespaces. */
void clock__read_offsets(void);

int64_t clock__now_ns(void);	    /* CLOCK_REALTIME */
int64_t clock__monotonic_ns(void);  /* CLOCK_MONOTONIC, as bpf_ktime_get_ns() */
int64_t clock__since_boot_ns(void); /* CLOCK_BOOTTIME, as task_struct.start_boottime */
/* What /proc adds to CLOCK_BOOTTIME where it tells us of it. */
int64_t clock__boot_offset_ns(void);

#endif
