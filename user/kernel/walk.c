// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "port_walk.h"
#include "range_walk.h"
#include "sysctl.h"
#include "udp_walk.h"
#include "walk.h"

struct walk {
	const struct features *features;
	struct gather *gather;
	struct tcp_copy tcp;
	struct udp_copy udp;
};

static int plan_tcp(struct walk *walk)
{
	const struct btf *types = walk->features->types;

	walk->tcp.gather = walk->gather;
	walk->tcp.tick_ns = walk->features->tick_ns;
	return bind_copy__plan(types, &walk->tcp.bind)
		       ?: sock_copy__plan(types, SOCK_LIST_BIND, &walk->tcp.sock);
}

static int plan_udp(struct walk *walk)
{
	walk->udp.gather = walk->gather;
	walk->udp.tick_ns = walk->features->tick_ns;
	return udp_copy__plan(walk->features->types, &walk->udp);
}

static int plan(struct walk *walk, uint32_t protocol)
{
	int err = walk->features->types ? 0 : -ENOENT;

	if (!err && (!protocol || protocol == PROTO_TCP))
		err = plan_tcp(walk);
	if (!err && protocol != PROTO_TCP)
		err = plan_udp(walk);
	return err;
}

int walk__open(const struct features *features, uint32_t protocol, struct walk **ret)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	int err;

	if (!walk)
		return -ENOMEM;
	walk->features = features;
	err = gather__open(&walk->gather) ?: plan(walk, protocol);
	if (err)
		walk__free(walk);
	else
		*ret = walk;
	return err;
}

void walk__free(struct walk *walk)
{
	if (!walk)
		return;
	gather__close(walk->gather);
	free(walk);
}

static void finish(const struct walk *walk, uint32_t protocol, uint16_t port, struct snapshot *snap)
{
	snap->protocol = protocol;
	snap->port = port;
	snap->kernel = walk->features->rules;
	snap->total = snap->n_socks;
	sysctl__port_range(&snap->ephemeral_low, &snap->ephemeral_high);
}

/* A socket of the protocol, by which the tables of the namespace are found; or -errno. */
static int open_socket(uint32_t protocol)
{
	int type = protocol == PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, (int)protocol);

	return fd < 0 ? -errno : fd;
}

int walk__port(struct walk *walk, uint32_t protocol, uint16_t port, struct snapshot *snap)
{
	int fd = open_socket(protocol), err;

	if (fd < 0)
		return fd;
	err = protocol == PROTO_TCP ? port_walk__run(&walk->tcp, fd, port, snap)
				    : udp_walk__run(&walk->udp, fd, port, snap);
	close(fd);
	if (err)
		return err;
	finish(walk, protocol, port, snap);
	snapshot__set_roles(snap);
	return 0;
}

int walk__range(struct walk *walk, uint16_t low, uint16_t high, struct snapshot *snap)
{
	int fd = open_socket(PROTO_TCP), err;

	if (fd < 0)
		return fd;
	err = range_walk__run(&walk->tcp, fd, low, high, snap);
	close(fd);
	if (!err)
		finish(walk, PROTO_TCP, 0, snap);
	return err;
}
