// SPDX-License-Identifier: GPL-2.0-only
/* The processes that open and close sockets, one for each class. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../states/sock.h"
#include "churn.h"

#define LOCAL(n) (0x7f000000 + (n))

struct churn_class churn_classes[] = {
	{"stays-old", CHURN_LISTENER, "127.0.1.1", NULL, PORT_A, false, false, true, 3001, 0, NULL},
	{"listener", CHURN_LISTENER, "127.0.1.2", NULL, PORT_A, false, false, false, 3002, 0, NULL},
	{"bound", CHURN_BOUND, "127.0.1.3", NULL, PORT_A, true, false, false, 3003, 0, NULL},
	{"accepted", CHURN_ACCEPTED, "127.0.1.4", NULL, PORT_A, false, false, false, 3004,
	 LOCAL(0x204), NULL},
	{"time-wait", CHURN_TIME_WAIT, "127.0.1.5", NULL, PORT_A, true, false, false, 3005,
	 LOCAL(0x205), NULL},
	{"v6", CHURN_LISTENER, "::1", NULL, PORT_A, false, true, false, 3006, 0, NULL},
	{"stays-new", CHURN_BOUND, "127.0.1.7", NULL, PORT_A, false, false, true, 3007, 0, NULL},
	{"moving", CHURN_MOVING, "0.0.0.0", "127.0.0.1", PORT_B, false, false, false, 3008,
	 LOCAL(0x300), NULL},
	{"beside", CHURN_BOUND, "127.0.1.9", NULL, PORT_B, false, false, false, 3009, 0, NULL},
	{"beside-stays", CHURN_BOUND, "127.0.1.10", NULL, PORT_B, false, false, true, 3010, 0,
	 NULL},
	{"other", CHURN_LISTENER, "127.0.1.11", NULL, PORT_OTHER, true, false, false, 3011, 0,
	 NULL},
	{"udp-stays", CHURN_UDP, "127.0.1.12", NULL, PORT_UDP, false, false, true, 3012, 0, NULL},
	{"udp", CHURN_UDP, "127.0.1.13", NULL, PORT_UDP, false, false, false, 3013, LOCAL(0x20d),
	 NULL},
	{"udp-v6", CHURN_UDP, "::1", NULL, PORT_UDP, false, true, false, 3014, 0, NULL},
	/* in the same slot of a table of 256, 512, … 2,048 slots */
	{"udp-slot", CHURN_UDP, "127.0.1.15", NULL, PORT_UDP + 2048, true, false, false, 3015,
	 LOCAL(0x20f), NULL},
	{"udp-slot-2", CHURN_UDP, "127.0.1.16", NULL, PORT_UDP + 4096, true, false, false, 3016, 0,
	 NULL},
};

const unsigned int n_churn_classes = sizeof(churn_classes) / sizeof(churn_classes[0]);

static pid_t churners[sizeof(churn_classes) / sizeof(churn_classes[0])];

/* What a class holds right now. */
struct held {
	int fd, peer;
};

static struct sock_spec spec_of(const struct churn_class *class)
{
	return (struct sock_spec){.address = class->address,
				  .reuseaddr = true,
				  .reuseport = class->reuseport,
				  .v6only = class->v6only,
				  .uid = -1};
}

static void fail(const struct churn_class *class, const char *what, int err)
{
	fprintf(stderr, "churn: %s: %s: %s\n", class->name, what, strerror(-err));
	_exit(1);
}

static void open_one(const struct churn_class *class, struct slot *slot, struct held *held)
{
	struct sock_spec spec = spec_of(class);
	int err;

	held->fd = class->kind == CHURN_UDP ? sock__new_udp(&spec) : sock__new(&spec);
	if (held->fd < 0)
		fail(class, "socket", held->fd);
	slot__begin(slot, sock__inode(held->fd), 0);
	err = sock__bind(held->fd, &spec, class->port);
	if (!err && class->kind == CHURN_LISTENER && listen(held->fd, 8))
		err = -errno;
	/* several of a class: all but the first may be refused */
	if (err && err != -EADDRINUSE)
		fail(class, "bind", err);
	if (err) {
		close(held->fd);
		slot__closed(slot);
		held->fd = -1;
		return;
	}
	slot__there(slot);
}

static void close_one(struct slot *slot, struct held *held)
{
	if (held->fd < 0)
		return;
	slot__leave(slot);
	close(held->fd);
	slot__closed(slot);
	held->fd = -1;
}

static int connect_to(int fd, uint32_t address, uint16_t port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
}

static int client_of(const struct churn_class *class, uint16_t port)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(class->peer)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && (sock__set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
			bind(fd, (struct sockaddr *)&from, sizeof(from)))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* A connection from a port that follows from the slot; whoever was there before goes with it. */
static void accept_one(const struct churn_class *class, struct slot *slot, struct held *held,
		       int listener, uint16_t peer_port)
{
	struct sock_spec spec = spec_of(class);

	held->peer = client_of(class, peer_port);
	if (held->peer < 0)
		return;
	slot__begin(slot, 0, peer_port);
	if (!sock__connect(held->peer, spec.address, class->port))
		held->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (held->fd < 0) {
		sock__abort(held->peer);
		held->peer = -1;
		return;
	}
	slot__set(slot, sock__inode(held->fd), peer_port);
	slot__there(slot);
}

static void reset_one(struct slot *slot, struct held *held)
{
	if (held->fd < 0)
		return;
	slot__leave(slot);
	sock__abort(held->fd);
	close(held->peer);
	slot__closed(slot);
	held->fd = held->peer = -1;
}

/* Slot 0 is the listener, which stays. Ports change, so that a reset is over before its port is
 * taken again. */
static void churn_accepted(const struct churn_class *class, struct held *held)
{
	static uint16_t next;
	unsigned int i;

	for (i = 1; i < MAX_SLOTS; i++) {
		reset_one(&class->slots[i], &held[i]);
		accept_one(class, &class->slots[i], &held[i], held[0].fd,
			   FIRST_PEER + next++ % 1000);
	}
}

/*
 * Closed by the server first, so that it waits; until the same client comes again. If that fails it
 * goes on waiting, so that nothing of it is ever known to have gone.
 */
static void churn_time_wait(const struct churn_class *class, struct held *held)
{
	unsigned int i;

	for (i = 1; i < MAX_SLOTS; i++) {
		struct slot *slot = &class->slots[i];

		if (slot->generation % 2)
			slot__leave(slot);
		accept_one(class, slot, &held[i], held[0].fd, FIRST_PEER + i);
		if (held[i].fd < 0)
			continue;
		close(held[i].fd);
		sched_yield();
		close(held[i].peer);
		held[i].fd = held[i].peer = -1;
	}
}

static void churn_moving(const struct churn_class *class, struct held *held)
{
	struct sock_spec spec = {.address = "0.0.0.0", .reuseaddr = true, .uid = -1};
	static int servers[MAX_SLOTS];
	static bool have_servers;
	unsigned int i;

	for (i = 0; i < MAX_SLOTS && !have_servers; i++)
		servers[i] = sock__listener(&spec, FIRST_PEER + i);
	have_servers = true;
	for (i = 0; i < MAX_SLOTS; i++) {
		reset_one(&class->slots[i], &held[i]);
		open_one(class, &class->slots[i], &held[i]);
		if (held[i].fd < 0)
			continue;
		if (!connect_to(held[i].fd, class->peer, FIRST_PEER + i)) {
			slot__set(&class->slots[i], sock__inode(held[i].fd), FIRST_PEER + i);
			held[i].peer = accept4(servers[i], NULL, NULL, SOCK_CLOEXEC);
		}
	}
}

static void churn_udp(const struct churn_class *class, struct held *held)
{
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	unsigned int i;

	for (i = 0; i < MAX_SLOTS; i++) {
		close_one(&class->slots[i], &held[i]);
		open_one(class, &class->slots[i], &held[i]);
		if (held[i].fd < 0 || !class->peer)
			continue;
		if (!connect_to(held[i].fd, class->peer, FIRST_PEER + i))
			slot__set(&class->slots[i], sock__inode(held[i].fd), FIRST_PEER + i);
		if (i % 2)
			connect(held[i].fd, &nowhere, sizeof(nowhere));
	}
}

static void churn_bound(const struct churn_class *class, struct held *held)
{
	unsigned int i;

	for (i = 0; i < MAX_SLOTS; i++) {
		close_one(&class->slots[i], &held[i]);
		open_one(class, &class->slots[i], &held[i]);
	}
}

static void churn_once(const struct churn_class *class, struct held *held)
{
	switch (class->kind) {
	case CHURN_LISTENER:
	case CHURN_BOUND:
		churn_bound(class, held);
		break;
	case CHURN_ACCEPTED:
		churn_accepted(class, held);
		break;
	case CHURN_TIME_WAIT:
		churn_time_wait(class, held);
		break;
	case CHURN_MOVING:
		churn_moving(class, held);
		break;
	case CHURN_UDP:
		churn_udp(class, held);
		break;
	}
}

static void churn_forever(const struct churn_class *class)
{
	struct held held[MAX_SLOTS];
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setresuid(class->uid, class->uid, class->uid))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* setresuid() has forgotten it */
	for (i = 0; i < MAX_SLOTS; i++)
		held[i] = (struct held){-1, -1};
	if (class->stays)
		open_one(class, &class->slots[0], &held[0]);
	if (class->kind == CHURN_ACCEPTED || class->kind == CHURN_TIME_WAIT) {
		open_one(class, &class->slots[0], &held[0]);
		if (held[0].fd >= 0 && listen(held[0].fd, 64))
			_exit(1);
	}
	while (class->stays)
		pause();
	for (;;)
		churn_once(class, held);
}

static bool has_begun(const struct churn_class *class)
{
	unsigned int i, n = 0;

	for (i = 0; i < MAX_SLOTS; i++)
		n += class->slots[i].n;
	return n >= (class->stays ? 1 : 3);
}

static int start_one(struct churn_class *class, pid_t *ret)
{
	int64_t deadline = truth__now_ms() + SOCK_DEADLINE_MS;
	cpu_set_t cpu;

	class->slots = mmap(NULL, MAX_SLOTS * sizeof(*class->slots), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (class->slots == MAP_FAILED)
		return -errno;
	*ret = fork();
	if (*ret < 0)
		return -errno;
	if (!*ret) {
		CPU_ZERO(&cpu);
		CPU_SET(CHURN_CPU, &cpu);
		sched_setaffinity(0, sizeof(cpu), &cpu);
		churn_forever(class);
	}
	while (!has_begun(class))
		if (waitpid(*ret, NULL, WNOHANG) || !deadline__tick(deadline))
			return -ESRCH;
	return 0;
}

int churn__start(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < n_churn_classes; i++)
		err = start_one(&churn_classes[i], &churners[i]);
	return err;
}

void churn__stop(void)
{
	unsigned int i;

	for (i = 0; i < n_churn_classes; i++) {
		if (churners[i] > 0 && !kill(churners[i], SIGKILL))
			waitpid(churners[i], NULL, 0);
	}
}
