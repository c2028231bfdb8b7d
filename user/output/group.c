// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>
#include "group.h"

/* A socket, with what is compared of it looked up once. */
struct entry {
	uint32_t sock; /* index in the snapshot */
	size_t position;
	const struct sock_hold *holds; /* in the snapshot */
	size_t n_holds;
};

static int compare_number(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* By the distinct processes, whatever the fds. */
static int compare_holds(const struct entry *a, const struct entry *b)
{
	size_t i = 0, j = 0;

	while (i < a->n_holds && j < b->n_holds) {
		uint32_t proc = a->holds[i].proc;
		int order = compare_number(proc, b->holds[j].proc);

		if (order)
			return order;
		while (i < a->n_holds && a->holds[i].proc == proc)
			i++;
		while (j < b->n_holds && b->holds[j].proc == proc)
			j++;
	}
	return compare_number(i < a->n_holds, j < b->n_holds);
}

static int compare_former(const struct proc_info *a, const struct proc_info *b)
{
	if (!a || !b)
		return compare_number(a != NULL, b != NULL);
	return compare_number(a->pid, b->pid);
}

static int compare_state(const struct snap_sock *a, const struct snap_sock *b)
{
	int order = compare_number(a->state, b->state);

	if (!order)
		order = compare_number(a->substate, b->substate);
	if (!order)
		order = compare_number(a->family, b->family);
	if (!order)
		order = memcmp(&a->local, &b->local, sizeof(a->local));
	if (!order)
		order = compare_number(a->local_port, b->local_port);
	if (!order)
		order = compare_number(a->ifindex, b->ifindex);
	return order;
}

static int compare_flags(const struct snap_sock *a, const struct snap_sock *b)
{
	int order = compare_number(a->reuseaddr, b->reuseaddr);

	if (!order)
		order = compare_number(a->reuseport, b->reuseport);
	if (!order)
		order = compare_number(a->v6only, b->v6only);
	if (!order)
		order = compare_number(a->role, b->role);
	if (!order)
		order = compare_number(a->holder, b->holder);
	return order;
}

static int compare_kind(const struct snapshot *snap, const struct entry *a, const struct entry *b)
{
	const struct snap_sock *x = &snap->socks[a->sock], *y = &snap->socks[b->sock];
	int order = compare_state(x, y);

	if (!order)
		order = compare_flags(x, y);
	if (!order)
		order = compare_former(x->former_owner, y->former_owner);
	if (!order)
		order = compare_holds(a, b);
	return order;
}

static int compare_entry(const void *a, const void *b, void *snap)
{
	const struct entry *x = a, *y = b;
	int order = compare_kind(snap, x, y);

	return order ? order : compare_number((int64_t)x->position, (int64_t)y->position);
}

static int compare_group(const void *a, const void *b)
{
	return compare_number((int64_t)((const struct group *)a)->position,
			      (int64_t)((const struct group *)b)->position);
}

static struct group group__of(const struct snapshot *snap, const struct entry *entry)
{
	const struct snap_sock *sock = &snap->socks[entry->sock];

	return (struct group){
		.sock = entry->sock,
		.count = 1,
		.one_peer = true,
		.one_peer_host = true,
		.expires_ms = sock->expires_known ? snap_sock__left_ms(sock) : -1,
		.position = entry->position,
	};
}

static void group__add(struct group *group, const struct snapshot *snap, uint32_t sock)
{
	const struct snap_sock *first = &snap->socks[group->sock], *s = &snap->socks[sock];

	group->count++;
	if (memcmp(&first->peer, &s->peer, sizeof(s->peer)) != 0)
		group->one_peer_host = false;
	if (!group->one_peer_host || first->peer_port != s->peer_port)
		group->one_peer = false;
	if (!s->expires_known)
		group->expires_ms = -1;
	else if (group->expires_ms >= 0 && s->expires_ms > group->expires_ms)
		group->expires_ms = snap_sock__left_ms(s);
}

struct group *group__make(const struct snapshot *snap, const uint32_t *socks, size_t n, bool single,
			  size_t *ret_n)
{
	struct entry *entries = calloc(n ? n : 1, sizeof(*entries));
	struct group *groups = calloc(n ? n : 1, sizeof(*groups));
	size_t n_groups = 0;

	if (!entries || !groups) {
		free(entries);
		free(groups);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		entries[i] = (struct entry){.sock = socks[i], .position = i};
		if (!single)
			entries[i].holds = snapshot__holds(snap, socks[i], &entries[i].n_holds);
	}
	if (!single)
		qsort_r(entries, n, sizeof(*entries), compare_entry, (void *)snap);
	for (size_t i = 0; i < n; i++) {
		if (!single && i > 0 && compare_kind(snap, &entries[i - 1], &entries[i]) == 0)
			group__add(&groups[n_groups - 1], snap, entries[i].sock);
		else
			groups[n_groups++] = group__of(snap, &entries[i]);
	}
	qsort(groups, n_groups, sizeof(*groups), compare_group);
	free(entries);
	*ret_n = n_groups;
	return groups;
}
