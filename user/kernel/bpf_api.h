/* SPDX-License-Identifier: GPL-2.0-only */
/* libbpf, with its enumerators TRI_NO and TRI_YES out of the way of the model's. Include it first.
 */
#ifndef BINDTRACE_KERNEL_BPF_API_H
#define BINDTRACE_KERNEL_BPF_API_H

#define TRI_NO	LIBBPF_TRI_NO
#define TRI_YES LIBBPF_TRI_YES
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#undef TRI_NO
#undef TRI_YES

#endif
