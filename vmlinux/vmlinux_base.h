/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every kernel-type header starts from: __u8 to __u64, __be16 and friends, bool, and the BPF
 * constants, all from the UAPI headers; asm/ beside this file makes those compile for BPF.
 */
#ifndef BINDTRACE_VMLINUX_BASE_H
#define BINDTRACE_VMLINUX_BASE_H

#include <linux/types.h>
#include <linux/bpf.h>

#ifndef __cplusplus
typedef _Bool bool;
enum { false = 0, true = 1 };
#endif

#ifndef NULL
#define NULL ((void *)0)
#endif

#endif
