/* SPDX-License-Identifier: GPL-2.0-only */
/* What to say about a refused bind: why, what to do, and the same in one sentence. */
#ifndef BINDTRACE_OUTPUT_ADVICE_H
#define BINDTRACE_OUTPUT_ADVICE_H

#include "format.h"
#include "paragraph.h"

struct advice {
	const struct output *out;
	const struct snapshot *snap;
	const struct bind_request *req;
	const struct verdict *verdict;
	const struct proc_info *binder; /* NULL: nobody, the question was hypothetical */
	const char *syscall;
	const struct conflict_report *report; /* NULL: a question in one-shot mode */
	const struct what_if *what_if;	      /* that question, or NULL */
};

struct advice advice__of_conflict(const struct output *out, const struct conflict_report *report);
struct advice advice__of_question(const struct output *out, const struct port_report *report,
				  const struct what_if *what_if);

/* A socket of the kind that the cause is named after. */
bool advice__stands_for(enum cause cause, const struct snap_sock *sock);

/* The socket that stands for the cause; NULL when no socket is to blame. */
const struct snap_sock *advice__main_sock(const struct advice *a, uint32_t *ret_index);

/* "bind 0.0.0.0:8080", "connect to 10.0.0.9:443". */
struct sentence {
	char text[384];
};
struct sentence advice__call(const struct advice *a);

/* "0.0.0.0:8080", the address asked for; and that of a socket. */
struct endpoint advice__asked(const struct advice *a);
struct endpoint advice__asked_host(const struct advice *a); /* without the port */
struct endpoint advice__local(const struct advice *a, const struct snap_sock *sock);

/* "10.0.0.9:443", of a connect(). */
struct endpoint advice__peer(const struct advice *a);

/* What explains a refusal; all unknown where only sockets can refuse. */
const struct refusal_facts *advice__facts(const struct advice *a);
const struct port_usage *advice__usage(const struct advice *a); /* or NULL */

bool advice__is_udp(const struct advice *a);

/* "SO_REUSEADDR only", "neither". */
const char *advice__options(int reuseaddr, int reuseport);

/* connect() may be given the port asked about. */
bool advice__port_is_ephemeral(const struct advice *a);

/* The program asked for the port itself: bind() to it, not to port 0, and not connect(). */
bool advice__chose_port(const struct snap_sock *sock);

/* The socket is the refused process's own, and nobody else's. */
bool advice__is_own(const struct advice *a, uint32_t sock);

/* A time-wait socket or an orphan: no program has it any more. */
bool advice__is_left_over(const struct snap_sock *sock);

/* Whole sentences. */
void advice__why(struct paragraph *p, const struct advice *a);

/* Causes that are not of a bind() refused by TCP sockets. False, and nothing written: another one.
 */
bool refusal__why(struct paragraph *p, const struct advice *a);
bool refusal__reason(FILE *stream, const struct advice *a);

/* The one best remedy, then how to never have it again. */
void remedy__write(struct paragraph *p, const struct advice *a);

/* "1 TIME_WAIT socket left by a server that had not set SO_REUSEADDR; both sides need it" */
void summary__reason(FILE *stream, const struct advice *a);

#endif
