// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <unistd.h>

#include "../../bpf/netns_wire.h"
#include "netns.skel.h"
#include "netns_iter.h"

#define READ_RECORDS 256

static int take(struct netns_list *list, const struct wire_netns *records, size_t len)
{
	int err = 0;

	if (len % sizeof(*records))
		return -EBADMSG;
	for (size_t i = 0; !err && i < len / sizeof(*records); i++) {
		if (records[i].header.version != WIRE_VERSION ||
		    records[i].header.kind != WIRE_NETNS)
			return -EBADMSG;
		if (records[i].pid) /* 0: not of our pid namespace any more */
			err = netns_list__add_socket(list, records[i].netns, (int)records[i].pid,
						     (int)records[i].fd);
	}
	return err;
}

/* The kernel's buffer holds whole records and ours has room for a number of them. */
static int drain(struct netns_list *list, int fd)
{
	struct wire_netns records[READ_RECORDS];
	ssize_t got;
	int err;

	for (;;) {
		got = read(fd, records, sizeof(records));
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return got ? -errno : 0;
		err = take(list, records, got);
		if (err)
			return err;
	}
}

int netns_list__add_of_sockets(struct netns_list *list, const char *btf_path)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = btf_path);
	struct netns_bpf *skel = netns_bpf__open_opts(&opts);
	int err, fd;

	if (!skel)
		return errno ? -errno : -EINVAL;
	err = netns_bpf__load(skel);
	if (!err)
		err = netns_bpf__attach(skel);
	if (err)
		goto out;
	fd = bpf_iter_create(bpf_link__fd(skel->links.netns_scan));
	if (fd < 0) {
		err = fd;
		goto out;
	}
	err = drain(list, fd);
	close(fd);
out:
	netns_bpf__destroy(skel);
	return err;
}
