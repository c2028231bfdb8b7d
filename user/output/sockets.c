// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "group.h"
#include "holder.h"
#include "sockets.h"
#include "table.h"

#define MAX_ROWS 20 /* without -v */

enum column {
	COL_COUNT = 0,
	COL_STATE,
	COL_LOCAL,
	COL_PEER,
	COL_REUSEADDR,
	COL_REUSEPORT,
	COL_V6ONLY,
	COL_HELD_BY,
};

static const char *tri_word(int value)
{
	return value < 0 ? "?" : value ? "yes" : "no";
}

static void add_columns(struct table *table, const struct socket_list *list,
			const struct group *groups, size_t n)
{
	const struct bind_request *asked = list->binder ? list->binder->req : NULL;
	bool counted = false, peers = asked && asked->call == CALL_CONNECT && asked->peer_port;

	for (size_t i = 0; i < n; i++) {
		counted = counted || groups[i].count > 1;
		peers = peers || list->snap->socks[groups[i].sock].peer_port;
	}
	table__column(table, "COUNT", !counted, false);
	table__column(table, "STATE", false, false);
	table__column(table, "LOCAL", false, true);
	table__column(table, "PEER", !peers, true);
	table__column(table, "REUSEADDR", false, false);
	table__column(table, "REUSEPORT", false, false);
	table__column(table, "V6ONLY", list->cause != CAUSE_DUAL_STACK, false);
	table__column(table, "HELD BY", false, false);
	table->below = "held by";
}

static void add_flags(struct table *table, uint16_t family, int reuseaddr, int reuseport,
		      int v6only)
{
	table__cell(table, COL_REUSEADDR, HUE_NONE, tri_word(reuseaddr));
	table__cell(table, COL_REUSEPORT, HUE_NONE, tri_word(reuseport));
	table__cell(table, COL_V6ONLY, HUE_NONE, family == AF_INET6 ? tri_word(v6only) : "-");
}

static void add_binder(struct table *table, const struct output *out,
		       const struct socket_list *list)
{
	const struct bind_request *req = list->binder->req;
	struct word device = format__device(list->snap, req->ifindex);
	struct endpoint local = format__endpoint(req->family, &req->addr, device.text, req->port);
	struct endpoint peer = format__endpoint(req->family, &req->peer, NULL, req->peer_port);
	char call[32];

	snprintf(call, sizeof(call), "%s()", list->binder->syscall);
	table__row(table);
	table__cell(table, COL_STATE, HUE_BOLD, call);
	table__cell(table, COL_LOCAL, HUE_NONE, local.text);
	if (req->call == CALL_CONNECT && req->peer_port)
		table__cell(table, COL_PEER, HUE_NONE, peer.text);
	add_flags(table, req->family, req->reuseaddr, req->reuseport, req->v6only);
}

static struct endpoint peer_cell(const struct snap_sock *sock, const struct group *group)
{
	struct endpoint peer = {""};

	if (sock->peer_port == 0)
		return peer;
	if (group->one_peer)
		return format__endpoint(sock->family, &sock->peer, NULL, sock->peer_port);
	if (group->one_peer_host)
		snprintf(peer.text, sizeof(peer.text), "%.100s:*",
			 format__host(sock->family, &sock->peer, NULL).text);
	else
		snprintf(peer.text, sizeof(peer.text), "*");
	return peer;
}

static enum hue state_hue(const struct snap_sock *sock)
{
	switch (sock->state) {
	case STATE_LISTEN:
	case STATE_BOUND:
	case STATE_ESTABLISHED:
		return HUE_RED;
	default:
		return HUE_YELLOW;
	}
}

static void add_group(struct table *table, const struct output *out, const struct socket_list *list,
		      const struct group *group)
{
	const struct snapshot *snap = list->snap;
	bool all_holders = out->config.verbose || list->cause == CAUSE_INHERITED;
	const struct snap_sock *sock = &snap->socks[group->sock];
	struct word device = format__device(snap, sock->ifindex);
	struct endpoint local =
		format__endpoint(sock->family, &sock->local, device.text, sock->local_port);
	char count[32];

	table__row(table);
	snprintf(count, sizeof(count), "\xc3\x97%zu", group->count);
	table__cell(table, COL_COUNT, HUE_NONE, group->count > 1 ? count : "");
	table__cell(table, COL_STATE, state_hue(sock), sock_state__name(sock));
	table__cell(table, COL_LOCAL, HUE_NONE, local.text);
	table__cell(table, COL_PEER, HUE_NONE, peer_cell(sock, group).text);
	add_flags(table, sock->family, sock->reuseaddr, sock->reuseport, sock->v6only);
	table__cell(table, COL_HELD_BY, HUE_NONE,
		    holder__line(snap, group->sock, group->expires_ms, all_holders).text);
}

/* Blockers and the others apart, so that a group is wholly in the way or not at all. */
static struct group *make_groups(const struct socket_list *list, bool single, size_t *ret_n,
				 size_t *ret_n_in_the_way)
{
	size_t n_first, n_rest = 0, rest = list->n - list->n_in_the_way;
	struct group *first, *others, *all;

	first = group__make(list->snap, list->socks, list->n_in_the_way, single, &n_first);
	others = group__make(list->snap, list->socks + list->n_in_the_way, rest, single, &n_rest);
	all = first && others ? reallocarray(first, n_first + n_rest + 1, sizeof(*all)) : NULL;
	if (!all) {
		free(first);
		free(others);
		return NULL;
	}
	for (size_t i = 0; i < n_rest; i++)
		all[n_first + i] = others[i];
	free(others);
	*ret_n = n_first + n_rest;
	*ret_n_in_the_way = n_first;
	return all;
}

static void write_remarks(const struct socket_list *list, const struct group *groups, size_t n,
			  size_t shown, size_t n_blocking, FILE *stream)
{
	size_t left_out = 0;

	for (size_t i = shown; i < n; i++)
		left_out += groups[i].count;
	if (left_out)
		fprintf(stream,
			"  "
			"\xe2\x80\xa6"
			" and %zu more rows (%zu sockets); -v lists "
			"them all\n",
			n - shown, left_out);
	if (n_blocking == 0 || n_blocking >= shown)
		return;
	if (n_blocking == 1)
		fprintf(stream, "  Only the first row is in the way; the rest is not.\n");
	else
		fprintf(stream, "  Only the first %zu rows are in the way; the rest is not.\n",
			n_blocking);
}

int sockets__write(const struct output *out, const struct socket_list *list, FILE *stream)
{
	struct table table = {.failed = false};
	size_t n = 0, n_blocking = 0, shown;
	struct group *groups = make_groups(list, out->config.verbose, &n, &n_blocking);
	int err;

	if (!groups)
		return -ENOMEM;
	shown = out->config.verbose || n <= MAX_ROWS ? n : MAX_ROWS;
	add_columns(&table, list, groups, n);
	if (list->binder)
		add_binder(&table, out, list);
	for (size_t i = 0; i < shown; i++)
		add_group(&table, out, list, &groups[i]);
	err = table__write(&table, stream, out->config.color, out->config.verbose);
	write_remarks(list, groups, n, shown, n_blocking, stream);
	table__free(&table);
	free(groups);
	return err;
}
