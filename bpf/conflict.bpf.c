// SPDX-License-Identifier: GPL-2.0-only
/* The live hooks, in one object: they share the ring buffer, the filters and the counters. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "event.bpf.h"
#include "conflict_test.bpf.h"
#include "refusal.bpf.h"
#include "memory.bpf.h"
#include "states.bpf.h"

char LICENSE[] SEC("license") = "GPL";
