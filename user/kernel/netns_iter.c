// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>

#include "../../bpf/netns_wire.h"
#include "features.h"
#include "iter.h"
#include "netns.skel.h"
#include "netns_iter.h"

static int take(void *list, const void *data, size_t len)
{
	const struct wire_netns *records = data;
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

int netns_list__add_of_sockets(struct netns_list *list, const struct features *features)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = features__types(features));
	struct netns_bpf *skel;
	struct bpf_link *link;
	int err;

	iter__prepare(features);
	skel = netns_bpf__open_opts(&opts);
	err = skel ? netns_bpf__load(skel) : errno ? -errno : -EINVAL;
	if (!err) {
		link = bpf_program__attach_iter(skel->progs.netns_scan, NULL);
		err = link ? iter__run(link, sizeof(struct wire_netns), take, list) : -errno;
		bpf_link__destroy(link);
	}
	netns_bpf__destroy(skel);
	return err;
}
