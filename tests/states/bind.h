/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_TESTS_BIND_H
#define BINDTRACE_TESTS_BIND_H

#include <stdbool.h>
#include <stdint.h>

#include "sock.h"

/* A real attempt, the way a program makes it. */
struct bind_attempt {
	struct sock_spec spec;
	uint16_t port;
	const char *first; /* an address that the same process binds before, without options */
	const char *comm;
	bool cleared; /* both options set, and cleared again */
	bool listen;
	bool race;   /* `first` starts to listen only after the bind */
	bool gate;   /* says "waiting" and waits for a line of standard input */
	bool hold;   /* keeps the socket until standard input ends */
	bool daemon; /* from a grandchild that has left its parents */
};

/* Prints one JSON object; the exit status: 0 done, 1 EADDRINUSE, 2 anything else. */
int bind__attempt(const struct bind_attempt *attempt);

#endif
