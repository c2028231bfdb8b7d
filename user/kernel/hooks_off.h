/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_KERNEL_HOOKS_OFF_H
#define BINDTRACE_KERNEL_HOOKS_OFF_H

#include <stdbool.h>

/*
 * Hooks that the kernel lets one attach, and never runs: a line that says which switch is off, or
 * NULL. kprobes: whether they are kprobes.
 */
const char *hooks_off__why(bool kprobes);

/* Was this kernel built with kprobes? true where /sys can't tell. */
bool hooks_off__has_kprobes(void);

#endif
