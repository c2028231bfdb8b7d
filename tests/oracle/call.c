// SPDX-License-Identifier: GPL-2.0-only
/* The calls other than a TCP bind: listen() and connect() of a bound socket, and UDP. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "oracle.h"

#define N_SERVERS  2
#define CONNECT_MS 1000
#define NO_SERVER  1 /* a port that nobody is connected to */
#define DISCARD	   9

/* ---- servers that many talk to -------------------------------------------------------------- */

/* Dual-stack, on ports of the ephemeral range; nothing is told apart but the tuple. */
static int shared_server(unsigned int server)
{
	static const struct sock_spec spec = {.address = "::", .uid = -1};
	static int servers[N_SERVERS + 1];

	if (!servers[server])
		servers[server] = sock__listener(&spec, 0);
	if (servers[server] > 0)
		fcntl(servers[server], F_SETFL, O_NONBLOCK);
	return servers[server];
}

void shared__drain(void)
{
	unsigned int i;
	int fd;

	for (i = 1; i <= N_SERVERS; i++)
		while ((fd = accept4(shared_server(i), NULL, NULL, SOCK_CLOEXEC)) >= 0)
			sock__abort(fd);
}

static int accept_from_port(int server, uint16_t port)
{
	int64_t deadline = clock__ms() + CONNECT_MS;
	int fd;

	for (;;) {
		fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0 && sock__peer_port(fd) == port)
			return fd;
		if (fd >= 0)
			sock__abort(fd);
		else if (!deadline__tick(deadline))
			return -ETIMEDOUT;
	}
}

/* The hash decides at once; an answer may never come where the server has that tuple already. */
static int connect_soon(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct pollfd done = {.fd = fd, .events = POLLOUT};
	int err = 0;
	socklen_t err_len = sizeof(err);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!connect(fd, addr, len))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&done, 1, CONNECT_MS) != 1)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len);
	return -err;
}

int shared__connect(int fd, const struct unit *unit, uint16_t port, struct conn *ret)
{
	struct sockaddr_storage addr;
	int server = shared_server(unit->server), err;
	socklen_t len;

	if (server < 0)
		return server;
	shared__drain();
	err = sock__addr(unit->spec.reach, sock__local_port(server), &addr, &len);
	if (!err)
		err = connect_soon(fd, (struct sockaddr *)&addr, len);
	fcntl(fd, F_SETFL, 0);
	if (err)
		return err;
	ret->ours = fd;
	ret->peer = accept_from_port(server, port);
	return ret->peer < 0 ? ret->peer : 0;
}

/* ---- the socket that makes the call --------------------------------------------------------- */

static bool has_binder(const struct trial *trial)
{
	return trial->kind == KIND_LISTEN || trial->kind == KIND_CONNECT;
}

int binder__make(const struct trial *trial, struct scene *scene)
{
	if (!has_binder(trial))
		return 0;
	scene->binder =
		trial->unbound ? sock__new(&trial->bind) : sock__bound(&trial->bind, scene->port);
	return scene->binder < 0 ? scene->binder : 0;
}

/* addr is unified: IPv4 as v4-mapped; the socket's family decides. */
static void set_target(struct scene *scene, int family, const uint8_t addr[16], uint16_t port)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&scene->target;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&scene->target;

	memset(&scene->target, 0, sizeof(scene->target));
	if (family == AF_INET) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		memcpy(&in4->sin_addr, addr + 12, 4);
		scene->target_len = sizeof(*in4);
		return;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr, 16);
	scene->target_len = sizeof(*in6);
}

/* The peer of a unit that has gone is one that nobody is connected to, unless others have it. */
static void find_target(const struct trial *trial, struct scene *scene)
{
	const struct unit *unit = trial->target >= 0 ? &trial->units[trial->target] : NULL;
	const struct made *made = unit ? &scene->made[trial->target] : NULL;
	int family = sock__family(trial->bind.address);
	unsigned int server = unit ? unit->server : trial->server;
	uint16_t port = server ? sock__local_port(shared_server(server)) : NO_SERVER;
	uint8_t addr[16];

	if (unit && unit->kind == UNIT_SELF)
		port = scene->port;
	net__parse(unit && server ? unit->spec.reach : trial->bind.reach, addr);
	if (unit && !server && made->there) {
		memcpy(addr, made->peer, sizeof(addr));
		port = made->peer_port;
	}
	set_target(scene, family, addr, port);
}

int binder__finish(const struct trial *trial, struct scene *scene)
{
	if (trial->kind == KIND_LISTEN)
		return apply_late(scene->binder, &trial->late);
	if (trial->kind == KIND_CONNECT)
		find_target(trial, scene);
	return 0;
}

int binder__call(const struct scene *scene, const struct trial *trial)
{
	if (trial->kind == KIND_LISTEN)
		return listen(scene->binder, 1) ? -errno : 0;
	fcntl(scene->binder, F_SETFL, O_NONBLOCK);
	if (!connect(scene->binder, (const struct sockaddr *)&scene->target, scene->target_len))
		return 0;
	/* what comes back from the network is not about the tuple */
	return errno == EINPROGRESS || errno == ECONNREFUSED ? 0 : -errno;
}

static void unify(const struct sockaddr_storage *addr, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (addr->ss_family == AF_INET6) {
		memcpy(ret, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
		return;
	}
	ret[10] = ret[11] = 0xff;
	memcpy(ret + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
}

/* Which address a wildcard becomes, a datagram socket is told by the same routes. */
int binder__tuple(const struct scene *scene, const struct trial *trial, uint8_t ret_local[16],
		  uint8_t ret_peer[16])
{
	struct sock_spec spec = trial->bind;
	struct sockaddr_storage addr = {};
	socklen_t len = sizeof(addr);
	int fd, err = 0;

	spec.attach = false;
	fd = sock__new_udp(&spec);
	if (fd < 0)
		return fd;
	if (!trial->unbound)
		err = sock__bind(fd, &spec, 0);
	if (!err && connect(fd, (const struct sockaddr *)&scene->target, scene->target_len))
		err = -errno;
	if (!err && getsockname(fd, (struct sockaddr *)&addr, &len))
		err = -errno;
	close(fd);
	unify(&addr, ret_local);
	unify(&scene->target, ret_peer);
	return err;
}

/* ---- UDP --------------------------------------------------------------------------------------
 */

static int disconnect(int fd)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};

	return connect(fd, &none, sizeof(none)) ? -errno : 0;
}

static int connect_datagrams(int fd, const struct unit *unit)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int err = sock__addr(sock__reach(&unit->spec), DISCARD, &addr, &len);

	if (!err && connect(fd, (struct sockaddr *)&addr, len))
		err = -errno;
	if (!err && unit->udp == UDP_DISCONNECTED)
		err = disconnect(fd);
	return err;
}

int udp__unit(const struct unit *unit, uint16_t port)
{
	int fd = sock__new_udp(&unit->spec), err;

	if (fd < 0)
		return fd;
	err = sock__bind(fd, &unit->spec, port);
	if (!err && unit->udp != UDP_BOUND)
		err = connect_datagrams(fd, unit);
	if (!err)
		return fd;
	close(fd);
	return err;
}
