// SPDX-License-Identifier: GPL-2.0-only
/* Units of a trial made real, on one port. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "oracle.h"

int apply_late(int fd, const struct late *late)
{
	int err = 0;

	if (late->reuseaddr >= 0)
		err = sock__set_flag(fd, SOL_SOCKET, SO_REUSEADDR, late->reuseaddr);
	if (!err && late->reuseport >= 0)
		err = sock__set_flag(fd, SOL_SOCKET, SO_REUSEPORT, late->reuseport);
	if (!err && late->uid >= 0 && fchown(fd, late->uid, -1))
		err = -errno;
	if (!err && late->device)
		err = sock__set_device(fd, late->device);
	return err;
}

/* A fix is there from the start and stays. */
static void apply_fix(struct unit *unit, const struct fix_options *fix)
{
	/* an accepted connection gets its own, not its listener's */
	if (unit->of < 0) {
		unit->spec.reuseaddr |= fix->reuseaddr;
		unit->spec.reuseport |= fix->reuseport;
	}
	if (fix->reuseaddr)
		unit->late.reuseaddr = unit->of < 0 ? -1 : 1;
	if (fix->reuseport)
		unit->late.reuseport = unit->of < 0 ? -1 : 1;
}

static void note_address(const struct sockaddr_storage *addr, uint8_t ret[16])
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

	memset(ret, 0, 16);
	if (addr->ss_family == AF_INET6) {
		memcpy(ret, &in6->sin6_addr, 16);
		return;
	}
	ret[10] = ret[11] = 0xff;
	memcpy(ret + 12, &in4->sin_addr, 4);
}

static void note_connection(struct made *made)
{
	struct sockaddr_storage addr = {};
	socklen_t len = sizeof(addr);

	made->peer_port = sock__local_port(made->conn.peer);
	if (made->conn.ours >= 0)
		getsockname(made->conn.ours, (struct sockaddr *)&addr, &len);
	else
		getpeername(made->conn.peer, (struct sockaddr *)&addr, &len);
	note_address(&addr, made->local);
	len = sizeof(addr);
	getsockname(made->conn.peer, (struct sockaddr *)&addr, &len);
	note_address(&addr, made->peer);
}

static int make_held(const struct unit *unit, uint16_t port, struct made *made)
{
	made->fd = unit->kind == UNIT_BOUND ? sock__bound(&unit->spec, port)
					    : sock__listener(&unit->spec, port);
	return made->fd < 0 ? made->fd : apply_late(made->fd, &unit->late);
}

static int make_queued(const struct unit *unit, uint16_t port, struct made *made)
{
	int err = make_held(unit, port, made);

	if (!err)
		err = conn__accepted(made->fd, &unit->spec, true, &made->conn);
	if (!err)
		note_connection(made);
	return err;
}

/* Where the listener isn't part of the scene, it is there just long enough. */
static int accept_from(const struct trial *trial, const struct unit *unit, struct scene *scene,
		       struct made *made)
{
	const struct late *late = unit->of >= 0 ? &trial->units[unit->of].late : NULL;
	int err = 0, listener;

	if (unit->of >= 0 && scene->made[unit->of].there)
		return conn__accepted(scene->made[unit->of].fd, &unit->spec, false, &made->conn);
	listener = sock__listener(&unit->spec, scene->port);
	if (listener < 0)
		return listener;
	if (late)
		err = apply_late(listener, late);
	if (!err)
		err = conn__accepted(listener, &unit->spec, false, &made->conn);
	close(listener);
	return err;
}

static int finish_connection(const struct unit *unit, struct made *made)
{
	int err = apply_late(made->conn.ours, &unit->late);

	note_connection(made);
	return err ? err : conn__drive(&made->conn, unit->end);
}

static int make_accepted(const struct trial *trial, const struct unit *unit, struct scene *scene,
			 struct made *made)
{
	int err = accept_from(trial, unit, scene, made);

	return err ? err : finish_connection(unit, made);
}

static bool is_wildcard(const char *address)
{
	return !strcmp(address, "0.0.0.0") || !strcmp(address, "::") ||
	       !strcmp(address, "::ffff:0.0.0.0");
}

/* A client whose port connect() chooses: there is only one to choose. */
static int connect_auto(int fd, const struct unit *unit, uint16_t port, int server,
			struct conn *ret)
{
	struct sock_spec spec = unit->spec;
	int err = 0;

	spec.no_port = true;
	if (!is_wildcard(spec.address))
		err = sock__bind(fd, &spec, port);
	if (!err)
		err = net__narrow_range(port);
	if (err) {
		close(server);
		return err;
	}
	err = conn__connect(fd, &spec, server, false, ret);
	if (net__narrow_range(0) && !err)
		err = -EIO;
	return err;
}

static int connect_unit(int fd, const struct unit *unit, uint16_t port, struct made *made)
{
	int err, server;

	if (unit->kind == UNIT_SELF) {
		err = sock__bind(fd, &unit->spec, port);
		return err ? err : sock__connect(fd, sock__reach(&unit->spec), port);
	}
	if (unit->server) {
		err = sock__bind(fd, &unit->spec, port);
		return err ? err : shared__connect(fd, unit, port, &made->conn);
	}
	server = conn__server(&unit->spec);
	if (server < 0)
		return server;
	if (unit->kind == UNIT_CLIENT_AUTO)
		return connect_auto(fd, unit, port, server, &made->conn);
	err = sock__bind(fd, &unit->spec, port);
	if (err) {
		close(server);
		return err;
	}
	return conn__connect(fd, &unit->spec, server, unit->kind == UNIT_SYN_SENT, &made->conn);
}

static int make_client(const struct unit *unit, uint16_t port, struct made *made)
{
	int err, fd = sock__new(&unit->spec);

	if (fd < 0)
		return fd;
	made->conn.ours = fd;
	err = connect_unit(fd, unit, port, made);
	if (err)
		return err;
	if (unit->kind != UNIT_SELF)
		return finish_connection(unit, made);
	err = apply_late(fd, &unit->late);
	note_connection(made);
	made->peer_port = port;
	return err;
}

static int make_unit(const struct trial *trial, const struct unit *unit, struct scene *scene,
		     struct made *made)
{
	switch (unit->kind) {
	case UNIT_UDP:
		made->fd = udp__unit(unit, scene->port);
		return made->fd < 0 ? made->fd : apply_late(made->fd, &unit->late);
	case UNIT_BOUND:
	case UNIT_LISTEN:
		return make_held(unit, scene->port, made);
	case UNIT_QUEUED:
		return make_queued(unit, scene->port, made);
	case UNIT_ACCEPTED:
		return make_accepted(trial, unit, scene, made);
	default:
		return make_client(unit, scene->port, made);
	}
}

static void unmake(struct made *made)
{
	conn__abort(&made->conn);
	sock__abort(made->fd);
	made->fd = -1;
	made->there = false;
}

/* IPV6_V6ONLY of an accepted connection is that of its listener. */
static bool gets_v6only(const struct trial *trial, unsigned int i, const struct fix_options *fix)
{
	unsigned int j;

	if (!fix->v6only)
		return false;
	for (j = 0; j < trial->n_units; j++)
		if ((fix->units & (1u << j)) && (j == i || trial->units[j].of == (int)i))
			return true;
	return false;
}

static void build_one(const struct trial *trial, unsigned int i, const struct fix_options *fix,
		      struct scene *scene)
{
	struct made *made = &scene->made[i];
	struct unit unit = trial->units[i];

	if (fix && (fix->units & (1u << i)))
		apply_fix(&unit, fix);
	if (fix && gets_v6only(trial, i, fix))
		unit.spec.v6only = true;
	made->err = make_unit(trial, &unit, scene, made);
	if (made->err) {
		unmake(made);
		return;
	}
	made->there = true;
	made->inode = sock__inode(made->fd >= 0 ? made->fd : made->conn.ours);
	scene->there |= 1u << i;
}

int scene__build(const struct trial *trial, uint32_t units, const struct fix_options *fix,
		 struct scene *ret)
{
	unsigned int i;
	int err;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < MAX_UNITS; i++) {
		ret->made[i].fd = -1;
		ret->made[i].conn = (struct conn){-1, -1};
	}
	ret->binder = -1;
	err = net__set_l3mdev_accept(trial->l3mdev_accept);
	if (!err)
		err = net__set_timestamps(!trial->no_timestamps);
	if (err)
		return err;
	ret->port = net__fresh_port();
	err = binder__make(trial, ret);
	if (err)
		return err;
	for (i = 0; i < trial->n_units; i++)
		if (units & (1u << i))
			build_one(trial, i, fix, ret);
	err = binder__finish(trial, ret);
	if (err)
		scene__free(ret);
	return err;
}

void scene__free(struct scene *scene)
{
	unsigned int i;

	for (i = 0; i < MAX_UNITS; i++)
		if (scene->made[i].there)
			unmake(&scene->made[i]);
	sock__abort(scene->binder);
	scene->binder = -1;
}

static bool is_time_wait(const struct unit *unit)
{
	return (unit->kind == UNIT_ACCEPTED || unit->kind == UNIT_CLIENT ||
		unit->kind == UNIT_CLIENT_AUTO) &&
	       (unit->end == CONN_TIME_WAIT || unit->end == CONN_FIN_WAIT2_TW);
}

bool scene__close(struct scene *scene, const struct trial *trial, uint32_t units)
{
	unsigned int i;

	for (i = 0; i < trial->n_units; i++)
		if ((units & (1u << i)) && is_time_wait(&trial->units[i]))
			return false;
	for (i = 0; i < trial->n_units; i++)
		if ((units & (1u << i)) && scene->made[i].there)
			unmake(&scene->made[i]);
	scene->there &= ~units;
	return true;
}

/*
 * A socket in repair mode passes whatever is there; without SO_REUSEPORT it clears fastreuseport,
 * listening it clears fastreuse, and it leaves nothing behind.
 */
int scene__spoil_bucket(const struct scene *scene, const struct trial *trial)
{
	struct sock_spec spec = {.address = "0.0.0.0", .device = trial->bind.device, .uid = -1};
	struct sockaddr_storage addr;
	socklen_t len;
	int err, fd;

	if (trial->kind != KIND_BIND && trial->kind != KIND_LISTEN)
		return 0;
	fd = sock__new(&spec);
	if (fd < 0)
		return fd;
	sock__addr(spec.address, scene->port, &addr, &len);
	err = sock__set_flag(fd, SOL_TCP, TCP_REPAIR, 1);
	if (!err && bind(fd, (struct sockaddr *)&addr, len))
		err = -errno;
	if (!err && listen(fd, 1))
		err = -errno;
	close(fd);
	return err;
}

int scene__call(const struct scene *scene, const struct trial *trial)
{
	const struct sock_spec *bind = &trial->bind;
	int fd, err;

	if (scene->binder >= 0)
		return binder__call(scene, trial);
	fd = trial->kind == KIND_UDP ? sock__new_udp(bind) : sock__new(bind);
	if (fd < 0)
		return fd;
	err = sock__bind(fd, bind, scene->port);
	close(fd);
	return err;
}
