/* SPDX-License-Identifier: GPL-2.0-only */
/* The seccomp filter of a live run whose hooks are in place: it reads, and writes what is open. */
#ifndef BINDTRACE_SYSCALLS_H
#define BINDTRACE_SYSCALLS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * From here on: no program is executed and no process made (that kills), no file is opened for
 * writing unless writes_files, and no socket is bound or connected, no BPF program loaded, no
 * signal sent but SIGTERM to command (0: none) (those fail with EPERM). 0 or -errno.
 */
int syscalls__confine(bool writes_files, pid_t command);

#endif
