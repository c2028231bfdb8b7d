/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pids the reader means: those of its /proc. */
#ifndef BINDTRACE_KERNEL_PIDNS_H
#define BINDTRACE_KERNEL_PIDNS_H

#include <stdbool.h>
#include <stdint.h>

#define PIDNS_INITIAL_INODE 0xEFFFFFFCu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

/* Inode number of the pid namespace that /proc shows; 0: the initial one, or not known. */
uint32_t pidns__of_proc(void);

/* Are we in the initial one ourselves? Then no process is hidden from us. */
bool pidns__is_initial(void);

/* This process in /proc, which may have been mounted in a namespace above its own. */
int pidns__own_pid(void);

#endif
