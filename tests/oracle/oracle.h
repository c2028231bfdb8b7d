/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random states of a port against the kernel that runs.
 *
 * A trial is a recipe: some sockets to be made in order, then a call. It follows from its seed
 * alone, so that it can be made again on another port, without some of its sockets, or with an
 * option set that it had not: that is how the kernel itself is asked what a report claims.
 */
#ifndef BINDTRACE_TESTS_ORACLE_H
#define BINDTRACE_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "../states/sock.h"

#define MAX_UNITS 5
#define ALL_UNITS ((1u << MAX_UNITS) - 1)

enum trial_kind {
	KIND_BIND = 0, /* TCP */
	KIND_LISTEN,   /* a socket that was bound first of all */
	KIND_CONNECT,  /* likewise */
	KIND_UDP,      /* bind */
	N_KINDS,
};

enum unit_kind {
	UNIT_BOUND = 0,
	UNIT_LISTEN,
	UNIT_QUEUED,	  /* a listener with a connection that it has not accepted */
	UNIT_ACCEPTED,	  /* accepted by unit `of`, or by a listener that has gone */
	UNIT_CLIENT,	  /* bound to the port, then connected */
	UNIT_CLIENT_AUTO, /* connect() was given the port */
	UNIT_SYN_SENT,
	UNIT_SELF, /* connected to itself */
	UNIT_UDP,
	N_UNIT_KINDS,
};

enum udp_end {
	UDP_BOUND = 0,
	UDP_CONNECTED,
	UDP_DISCONNECTED, /* connect() to AF_UNSPEC */
};

/* What is changed once the socket is there. -1, NULL: nothing. */
struct late {
	int8_t reuseaddr;
	int8_t reuseport;
	int uid;
	const char *device; /* "": none any more */
};

struct unit {
	enum unit_kind kind;
	struct sock_spec spec; /* of an accepted one: its listener's */
	enum conn_end end;     /* connections: where they are left */
	int of;		       /* UNIT_ACCEPTED: index of the listener; -1: it has gone */
	struct late late;
	unsigned int server; /* UNIT_CLIENT: 1 and up, the shared server it talks to; 0: its own */
	enum udp_end udp;
};

struct trial {
	uint64_t seed;
	enum trial_kind kind;
	unsigned int n_units;
	struct unit units[MAX_UNITS];
	struct sock_spec bind;
	struct late late; /* KIND_LISTEN: of the socket that listens */
	/* KIND_CONNECT: to the peer of that unit, or (-1) to bind.reach on that shared server */
	int target;
	unsigned int server;
	bool unbound;	    /* connect() without bind(): a fix */
	bool no_timestamps; /* net.ipv4.tcp_timestamps=0: time-wait sockets do not let go */
	bool l3mdev_accept; /* net.ipv4.tcp_l3mdev_accept: sockets of a VRF meet the others */
};

/* trial.c */
void trial__make(uint64_t seed, struct trial *ret);
enum trial_kind trial__kind(uint64_t seed);
const char *trial_kind__name(enum trial_kind kind);
void trial__print(FILE *to, const struct trial *trial);
const char *unit__state(const struct unit *unit); /* as a report names it */

/* Options that a fix adds to some of the units. */
struct fix_options {
	uint32_t units; /* bits */
	bool reuseaddr;
	bool reuseport;
	bool v6only;
};

/* A unit made real. */
struct made {
	bool there;
	int err; /* why not */
	int fd;	 /* bound or listening; -1 */
	struct conn conn;
	uint64_t inode;
	uint16_t peer_port; /* 0: not connected */
	uint8_t local[16];  /* of the connection, IPv4 as v4-mapped */
	uint8_t peer[16];
};

struct scene {
	uint16_t port;
	uint32_t there; /* bits of units */
	struct made made[MAX_UNITS];
	int binder; /* KIND_LISTEN, KIND_CONNECT: bound to the port before all others; -1 */
	struct sockaddr_storage target; /* KIND_CONNECT */
	socklen_t target_len;
};

/* What is to be changed of a socket that is there. 0 or -errno. */
int apply_late(int fd, const struct late *late);

/* scene.c: makes those units of a trial that `units` names on a fresh port. */
int scene__build(const struct trial *trial, uint32_t units, const struct fix_options *fix,
		 struct scene *ret);
void scene__free(struct scene *scene);
/* Closes those units where they are. False, with nothing done, when one is a time-wait socket. */
bool scene__close(struct scene *scene, const struct trial *trial, uint32_t units);
/* Makes the bucket forget that it may let binds pass without a look at its sockets. 0 or -errno. */
int scene__spoil_bucket(const struct scene *scene, const struct trial *trial);
/* The call itself, a bind undone at once. 0 or -errno. */
int scene__call(const struct scene *scene, const struct trial *trial);

/* call.c: the socket that makes the call, where it is there before. 0 or -errno. */
int binder__make(const struct trial *trial, struct scene *scene);
int binder__finish(const struct trial *trial, struct scene *scene); /* all units are there */
int binder__call(const struct scene *scene, const struct trial *trial);
/* Where connect() goes, and from where, IPv4 as v4-mapped. 0 or -errno. */
int binder__tuple(const struct scene *scene, const struct trial *trial, uint8_t ret_local[16],
		  uint8_t ret_peer[16]);
/* connect() to a shared server, which has the port that many know. 0 or -errno. */
int shared__connect(int fd, const struct unit *unit, uint16_t port, struct conn *ret);
void shared__drain(void);
/* The UDP socket of a unit, bound: an fd or -errno. */
int udp__unit(const struct unit *unit, uint16_t port);

/* net.c */
int net__setup(void);
int net__set_l3mdev_accept(bool on);
int net__set_timestamps(bool on);
int net__narrow_range(uint16_t port); /* connect() can choose this port only; 0: all again */
uint32_t net__ifindex(const char *device);
int32_t net__l3mdev(const struct trial *trial, const char *device);
uint16_t net__fresh_port(void);

#define DEVICE_A   "bt-a"
#define DEVICE_B   "bt-b"
#define DEVICE_VRF "bt-vrf0"
#define DEVICE_IN  "bt-in" /* a member of the VRF */

/* The address of a device, or NULL. */
const char *net__address(const char *device, int family);
/* Any text as 16 bytes, IPv4 as v4-mapped. */
int net__parse(const char *text, uint8_t ret[16]);

#endif
