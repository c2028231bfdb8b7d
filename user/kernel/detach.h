/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_KERNEL_DETACH_H
#define BINDTRACE_KERNEL_DETACH_H

struct bpf_link;

/*
 * Destroys the links (NULL ones are skipped) and sets them to NULL. Where the kernel has io_uring,
 * it detaches the programs a moment later by itself, and nobody waits for that.
 */
void detach__links(struct bpf_link **links, int n);

#endif
