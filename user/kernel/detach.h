/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Letting go of hooks without waiting for it. Whoever drops the last reference to a link waits
 * until no CPU can be in its trampoline any more: ftrace_shutdown() waits for an RCU tasks grace
 * period, a tenth of a second for each link, one after the other; at the end of the process as
 * well. The files registered with an io_uring are references, too, and once the ring is closed the
 * kernel drops these in a worker of its own (io_ring_exit_work()).
 */
#ifndef BINDTRACE_KERNEL_DETACH_H
#define BINDTRACE_KERNEL_DETACH_H

struct bpf_link;

/*
 * For who may not make a ring at the end any more: one that has the links (NULL ones are skipped).
 * -1 where there is no io_uring, where it is not permitted, or where it would wake up every second.
 */
int detach__prepare(struct bpf_link *const *links, int n);

/*
 * Destroys the links and sets them to NULL. ring: of detach__prepare(), closed here; -1: one is
 * made now, and where that fails we do wait.
 */
void detach__links(int ring, struct bpf_link **links, int n);

#endif
