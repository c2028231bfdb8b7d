// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <linux/io_uring.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "detach.h"

#define MAX_LINKS 64

static int hand_over(struct bpf_link *const *links, int n, uint32_t features_wanted)
{
	struct io_uring_params params = {.flags = 0};
	int fds[MAX_LINKS], n_fds = 0, ring;

	for (int i = 0; i < n && n_fds < MAX_LINKS; i++)
		if (links[i])
			fds[n_fds++] = bpf_link__fd(links[i]);
	if (!n_fds)
		return -1;
	ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		return -1;
	if ((params.features & features_wanted) == features_wanted &&
	    !syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, fds, n_fds))
		return ring;
	close(ring);
	return -1;
}

/* Before 5.12, without native workers, each ring has a manager that looks round once a second. */
int detach__prepare(struct bpf_link *const *links, int n)
{
	return hand_over(links, n, IORING_FEAT_NATIVE_WORKERS);
}

void detach__links(int ring, struct bpf_link **links, int n)
{
	if (ring < 0)
		ring = hand_over(links, n, 0);
	for (int i = 0; i < n; i++) {
		bpf_link__destroy(links[i]);
		links[i] = NULL;
	}
	if (ring >= 0)
		close(ring);
}
