// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "detach.h"

#define MAX_LINKS 64

/*
 * Whoever drops the last reference to a link waits until no CPU can be in its trampoline any more:
 * ftrace_shutdown() waits for an RCU tasks grace period, a tenth of a second for each link, one
 * after the other; at the end of the process as well. A ring's registered files are references,
 * too, and the kernel drops these in a worker of its own once the ring is closed
 * (io_ring_exit_work()). -1 where there is no io_uring, or it is not permitted: then we do wait.
 */
static int hand_over(const int *fds, unsigned n)
{
	struct io_uring_params params = {.flags = 0};
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0)
		return -1;
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, fds, n)) {
		close(ring);
		return -1;
	}
	return ring;
}

void detach__links(struct bpf_link **links, int n)
{
	int fds[MAX_LINKS], ring = -1;
	unsigned n_fds = 0;

	for (int i = 0; i < n && n_fds < MAX_LINKS; i++)
		if (links[i])
			fds[n_fds++] = bpf_link__fd(links[i]);
	if (n_fds)
		ring = hand_over(fds, n_fds);
	for (int i = 0; i < n; i++) {
		bpf_link__destroy(links[i]);
		links[i] = NULL;
	}
	if (ring >= 0)
		close(ring);
}
