// SPDX-License-Identifier: GPL-2.0-only
/* Sockets whose options, user or device decide. */
#include <errno.h>
#include <unistd.h>

#include "state.h"

#define IP	    "/bin/ip " /* not the one that a shell may have built in */
#define L3MDEV_FILE "/proc/sys/net/ipv4/tcp_l3mdev_accept"

static int make_device(const char *name, const char *type)
{
	char line[256];

	snprintf(line, sizeof(line),
		 IP "link show %s || { " IP "link add %s type %s && " IP "link set %s up; }", name,
		 name, type, name);
	return run_command(line) ? STATE_SKIP : 0;
}

static int make_dummy_listener(struct state *st)
{
	int err = make_device("bt-dummy", "dummy");

	if (err)
		st->skip = "no dummy network device";
	return err ? err : state__make_listener(st);
}

/* Sockets of a VRF meet those outside only where the host has said that they may. */
static int make_vrf_listener(struct state *st)
{
	int err = make_device("bt-vrf", "vrf table 4242");

	if (!err && write_file(L3MDEV_FILE, "1"))
		err = STATE_SKIP;
	if (err)
		st->skip = "no VRF device";
	return err ? err : state__make_listener(st);
}

static int make_other_vrf_listener(struct state *st)
{
	int err = make_device("bt-vrf", "vrf table 4242");

	if (!err && write_file(L3MDEV_FILE, "0"))
		err = STATE_SKIP;
	if (err)
		st->skip = "no VRF device";
	return err ? err : state__make_listener(st);
}

static int listen_then_clear(struct state *st, void *arg)
{
	int fd = sock__listener(&st->spec, st->port);
	int err;

	if (fd < 0)
		return fd;
	err = sock__set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 0);
	return err ? err : fd;
}

static int bind_then_clear(struct state *st, void *arg)
{
	int fd = sock__bound(&st->spec, st->port);
	int err;

	if (fd < 0)
		return fd;
	err = sock__set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	return err ? err : fd;
}

static int make_cleared_reuseport(struct state *st)
{
	return state__spawn_holder(st, "bt-listener", listen_then_clear, NULL);
}

static int make_cleared_reuseaddr(struct state *st)
{
	return state__spawn_holder(st, "bt-bound", bind_then_clear, NULL);
}

const struct state_row option_rows[] = {
	ROW("reuseport_uid", "a listener of user 1000 with SO_REUSEPORT", state__make_listener,
	    .spec = {.reuseport = true, .uid = 1000}, .bind = {.reuseport = true}),
	ROW("reuseport_same_uid", "a listener of user 1000 with SO_REUSEPORT, and user 1000 binds",
	    state__make_listener, .spec = {.reuseport = true, .uid = 1000},
	    .bind = {.reuseport = true, .uid = 1000}),
	ROW("one_sided_binder", "only the new socket sets SO_REUSEADDR", state__make_bound,
	    .bind = {.reuseaddr = true}),
	ROW("one_sided_blocker", "only the old socket has set SO_REUSEADDR", state__make_bound,
	    .spec = {.reuseaddr = true}),
	ROW("one_sided_reuseport", "only the new socket sets SO_REUSEPORT", state__make_listener,
	    .bind = {.reuseport = true}),
	ROW("one_sided_crossed", "SO_REUSEADDR here, SO_REUSEPORT there", state__make_bound,
	    .spec = {.reuseaddr = true}, .bind = {.reuseport = true}),
	ROW("device", "a listener bound to a device, and a bind to all of them",
	    make_dummy_listener, .spec = {.device = "bt-dummy"}),
	ROW("device_binder", "a listener on all devices, and a bind to one", make_dummy_listener,
	    .bind = {.device = "bt-dummy"}),
	ROW("device_vrf", "a listener in a VRF, tcp_l3mdev_accept is set", make_vrf_listener,
	    .spec = {.device = "bt-vrf"}),
	ROW("device_vrf_apart", "a listener in a VRF, which does not meet others",
	    make_other_vrf_listener, .spec = {.device = "bt-vrf"}),
	ROW("bucket_reuseport", "the bucket remembers a SO_REUSEPORT that was cleared",
	    make_cleared_reuseport, .spec = {.reuseport = true}, .bind = {.reuseport = true}),
	ROW("bucket_reuseaddr", "the same with SO_REUSEADDR, up to Linux 6.7",
	    make_cleared_reuseaddr, .spec = {.reuseaddr = true}, .bind = {.reuseaddr = true}),
	{},
};
