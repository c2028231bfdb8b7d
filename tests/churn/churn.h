/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks of ports whose sockets come and go on another processor, against the truth.
 *
 * Every class of sockets has an address of its own and attributes that follow from it: what a walk
 * mixes up of two sockets, or takes from another port, does not fit together.
 */
#ifndef BINDTRACE_TESTS_CHURN_H
#define BINDTRACE_TESTS_CHURN_H

#include "model/snapshot.h"
#include "truth.h"

#define PORT_A	    7100 /* listeners, connections, time-wait sockets */
#define PORT_B	    7101 /* sockets that change their address, next to some that don't */
#define PORT_OTHER  7102 /* never asked about but in a range */
#define PORT_UDP    7100
#define RANGE_LOW   7090
#define RANGE_HIGH  7290
#define FIRST_PEER  50000 /* ports of the other side of connections: FIRST_PEER + slot */
#define OWNER_PORT  7300  /* and one for each family behind it */
#define WALKER_CPU  0
#define CHURN_CPU   1
#define SLOWEST_MS  20000 /* a walk that takes longer never ends; an emulated host stalls */
#define GRACE_MS    3000  /* a connection that was reset goes a moment later */
#define MAX_PRINTED 20

enum churn_kind {
	CHURN_LISTENER, /* bound, listening, closed */
	CHURN_BOUND,
	CHURN_ACCEPTED,	 /* a listener that stays, and connections that are reset */
	CHURN_TIME_WAIT, /* likewise, closed here first; the same client comes again */
	CHURN_MOVING,	 /* bound to the wildcard, then connected */
	CHURN_UDP,	 /* bound, connected, disconnected, closed */
};

struct churn_class {
	const char *name;
	enum churn_kind kind;
	const char *address;
	const char *other; /* a second one that it may have, or NULL */
	uint16_t port;
	bool reuseport;
	bool v6only;
	bool stays; /* made once, and there all the time */
	uint32_t uid;
	uint32_t peer; /* host byte order: where its connections come from, or go to; 0: none */
	struct slot *slots;
};

extern struct churn_class churn_classes[];
extern const unsigned int n_churn_classes;

/* classes.c: one process for each class, on another processor. 0 or -errno. */
int churn__start(void);
void churn__stop(void);

struct tally {
	unsigned long walks, raced, truncated, socks, demanded, unverified, wrong;
	int64_t slowest_ms;
};

struct moment {
	int64_t at_ms;
	uint32_t generation[32][MAX_SLOTS];
	uint32_t n[32][MAX_SLOTS];
};

/* check.c */
void check__before(struct moment *ret);
/* low, high: the ports that were asked about. */
void check__walk(const struct moment *before, const struct snapshot *snap, uint32_t protocol,
		 uint16_t low, uint16_t high, struct tally *tally);
void tally__wrong(struct tally *tally, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* owners.c: families of processes, and searches for who has their sockets. */
struct owner_tally {
	unsigned long searches, holds, nobody, described;
	struct tally tally;
};

struct walk;
struct features;

int owners__family(int argc, char **argv); /* the program again, as a member of one */
int owners__start(const char *program);
void owners__stop(void);
int owners__search(struct walk *walk, const struct features *features, unsigned long n,
		   struct owner_tally *tally);

#endif
