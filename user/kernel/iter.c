// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <unistd.h>

#include "iter.h"

#define BUFFER_SIZE 65536

/* The kernel's buffer holds whole records: ours is cut to a whole number of them. */
static int drain(int fd, size_t size, iter_fn fn, void *ctx)
{
	_Alignas(8) char buffer[BUFFER_SIZE];
	size_t room = sizeof(buffer) - sizeof(buffer) % size;
	ssize_t got;
	int err;

	for (;;) {
		got = read(fd, buffer, room);
		/* EAGAIN: bpf_seq_read() passed a million objects without a hit and goes on next
		 * time. */
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return got ? -errno : 0;
		err = fn ? fn(ctx, buffer, got) : 0;
		if (err)
			return err;
	}
}

int iter__run(struct bpf_link *link, size_t size, iter_fn fn, void *ctx)
{
	int fd = bpf_iter_create(bpf_link__fd(link));
	int err;

	if (fd < 0)
		return fd;
	err = drain(fd, size, fn, ctx);
	close(fd);
	return err;
}
