// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <string.h>
#include "socket_table.h"

/* The value at path of what word `from` points at. */
static uint32_t follow(struct gather_plan *plan, const struct btf *types, uint32_t from,
		       const char *path)
{
	struct layout_field field;

	if (!layout__find(types, path, &field)) {
		plan->err = -ENOENT;
		return WIRE_WORD_FREE;
	}
	return gather_plan__copy(plan, from, field.offset, field.size, WIRE_WHEN_ANY);
}

static void follow_table(struct table_copy *copy, const struct btf *types,
			 const struct table_paths *paths, int i, uint32_t at)
{
	copy->at_slots[i] = follow(&copy->plan, types, at, paths->slots);
	copy->at_size[i] = follow(&copy->plan, types, at, paths->mask ?: paths->n_slots);
}

static void follow_socket(struct table_copy *copy, const struct btf *types)
{
	struct gather_plan *plan = &copy->plan;
	uint32_t at;

	at = follow(plan, types, WIRE_WORD_OBJECT, "task_struct.files");
	at = follow(plan, types, at, "files_struct.fdt");
	at = follow(plan, types, at, "fdtable.fd");
	copy->fd_copy = plan->n_copies;
	at = gather_plan__copy(plan, at, 0, sizeof(uint64_t), WIRE_WHEN_ANY);
	at = follow(plan, types, at, "file.private_data");
	copy->at_sk = follow(plan, types, at, "socket.sk");
	copy->at_net = follow(plan, types, copy->at_sk, "sock.__sk_common.skc_net.net");
	copy->at_netns = follow(plan, types, copy->at_net, "net.ns.inum");
	copy->at_mix = follow(plan, types, copy->at_net, "net.hash_mix");
}

/*
 * By 6.1 the tables had moved behind the network namespace (TCP's: d1e5e6408b30): sk_prot has none
 * of TCP and UDP then, but it still had its own for DCCP up to 6.12, and for UDP-Lite up to 6.18.
 */
int table_copy__plan(const struct btf *types, const struct table_paths *paths,
		     struct table_copy *ret)
{
	struct layout_field of_prot, of_net;
	uint32_t at;

	memset(ret, 0, sizeof(*ret));
	ret->size_minus = paths->mask ? 0 : 1;
	gather_plan__begin(&ret->plan, 0);
	follow_socket(ret, types);
	if (layout__find(types, paths->of_prot, &of_prot)) {
		at = follow(&ret->plan, types, ret->at_sk, "sock.__sk_common.skc_prot");
		at = gather_plan__copy(&ret->plan, at, of_prot.offset, of_prot.size, WIRE_WHEN_ANY);
		follow_table(ret, types, paths, 0, at);
	}
	if (layout__find(types, paths->of_net, &of_net)) {
		at = gather_plan__copy(&ret->plan, ret->at_net, of_net.offset, of_net.size,
				       WIRE_WHEN_ANY);
		follow_table(ret, types, paths, 1, at);
	}
	if (!ret->at_slots[0] && !ret->at_slots[1])
		return -ENOENT;
	return ret->plan.err;
}

int socket_table__find(struct gather *gather, struct table_copy *copy, int fd,
		       struct socket_table *ret)
{
	const uint64_t *record;
	int which, err;

	copy->plan.copies[copy->fd_copy].offset = fd * (int32_t)sizeof(uint64_t);
	err = gather__task(gather, &copy->plan);
	if (err)
		return err;
	record = gather__record(gather, 0);
	which = copy->at_slots[0] && record[copy->at_slots[0]] ? 0 : 1;
	if (!copy->at_slots[which])
		return -EFAULT;
	*ret = (struct socket_table){.net = record[copy->at_net],
				     .netns = gather_plan__half(&record[copy->at_netns]),
				     .mix = gather_plan__half(&record[copy->at_mix]),
				     .slots = record[copy->at_slots[which]],
				     .mask = gather_plan__half(&record[copy->at_size[which]]) -
					     copy->size_minus};
	return record[copy->at_sk] && ret->net && ret->slots ? 0 : -EFAULT;
}
