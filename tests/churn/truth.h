/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is really there, in memory that the churning processes share with the one that walks.
 *
 * A slot is one socket after the other, of one class. While its generation is odd its socket is
 * on the port, whatever its state: a walk that begins and ends in the same odd generation must have
 * it. Its last identities stay known for a while, with the time during which they existed.
 */
#ifndef BINDTRACE_TESTS_TRUTH_H
#define BINDTRACE_TESTS_TRUTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_SLOTS  4
#define IDENTITIES 32 /* of one slot that are remembered */

struct identity {
	_Atomic uint64_t inode;	    /* 0: none yet */
	_Atomic uint32_t peer_port; /* 0: not connected */
	_Atomic int64_t made_ms;    /* before it was */
	_Atomic int64_t closed_ms;  /* after it was; 0: it is there */
};

struct slot {
	_Atomic uint32_t generation; /* odd: there */
	_Atomic uint32_t n;	     /* identities so far */
	struct identity ring[IDENTITIES];
};

int64_t truth__now_ms(void);

/* A new socket is about to be put on the port. */
void slot__begin(struct slot *slot, uint64_t inode, uint16_t peer_port);
void slot__set(struct slot *slot, uint64_t inode, uint16_t peer_port);
void slot__there(struct slot *slot);
void slot__leave(struct slot *slot); /* from here on it need not be there */
void slot__closed(struct slot *slot);

/* The newest identity, or NULL. */
struct identity *slot__newest(struct slot *slot);

#endif
