// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <unistd.h>

#include "features.h"
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

static int set_target(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long id)
{
	opts->expected_attach_type = BPF_TRACE_ITER;
	opts->attach_btf_id = (uint32_t)id;
	return bpf_program__set_type(prog, BPF_PROG_TYPE_TRACING);
}

void iter__prepare(const struct features *features)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = features->iter_task_file_id,
		    .prog_prepare_load_fn = set_target);
	static bool done; /* libbpf keeps it; up to 1.2 it breaks when the last one is taken back */

	if (done || !features->iter_task_file_id)
		return;
	/* Of another type as long as libbpf decides what it has to read. */
	done = libbpf_register_prog_handler("iter/task_file", BPF_PROG_TYPE_RAW_TRACEPOINT, 0,
					    &opts) > 0;
}
