/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_KERNEL_PERMISSION_H
#define BINDTRACE_KERNEL_PERMISSION_H

#include <stdbool.h>

/* Does the kernel's lockdown keep BPF from reading kernel memory? Found by asking. */
bool permission__is_locked_down(void);

/*
 * One line for a user: why bpf() was refused with EPERM, and what to do. Which of the many reasons
 * it was, the kernel does not say: looked for in the order in which they are common. In memory of
 * its own, until the next call.
 */
const char *permission__why(void);

/* Whether bpf() is refused by a seccomp filter that says ENOSYS, as podman's may. */
bool permission__has_seccomp(void);

/* Does the kernel count BPF's memory against RLIMIT_MEMLOCK, and is that little? */
bool permission__is_memlock_short(void);

/* Is this a pid namespace other than the first, as in a container? */
bool permission__in_container(void);

/* Is the current network namespace another than the first? false where /proc/sys can't tell. */
bool permission__in_other_netns(void);

#endif
