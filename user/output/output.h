/* SPDX-License-Identifier: GPL-2.0-only */
/* What a user sees. Every report is rendered from the same structs, whatever took the evidence. */
#ifndef BINDTRACE_OUTPUT_OUTPUT_H
#define BINDTRACE_OUTPUT_OUTPUT_H

#include <stdio.h>
#include "../model/rules.h"
#include "../model/snapshot.h"

#define OUTPUT_SCHEMA_VERSION 1
#define OUTPUT_LINE_LIMIT     4096 /* bytes of one JSON line, its newline included */
#define OUTPUT_RUN_ID_SIZE    37   /* a UUID as text */

/* A call that the kernel refused. */
struct conflict_report {
	int64_t time_ns;       /* CLOCK_REALTIME of the refusal; of the last one, with count */
	uint64_t count;	       /* identical refusals that it stands for, at least 1 */
	int64_t first_time_ns; /* of the first of them */
	bool again;	       /* one like these has been reported just before */
	const char *syscall;   /* "bind", "listen", "connect", "autobind" */
	int error;	       /* errno, positive */
	struct refusal_facts facts;
	bool have_usage; /* the port range was looked at: usage is filled */
	struct port_usage usage;
	uint8_t reserved[65536 /
			 8]; /* a bit per port of ip_local_reserved_ports, with have_usage */
	struct bind_request req;
	struct proc_info process; /* the caller */
	enum tri kernel_agrees;	  /* the pair that the kernel named is among our blockers; unknown:
				     not asked */
	struct snapshot snap;
	struct verdict verdict;
};

/* One bind asked about in one-shot mode and what the kernel would say to it. */
struct what_if {
	struct bind_request req;
	struct verdict verdict;
	bool asked; /* the very bind the user asked about; decides the exit status */
	struct refusal_facts facts; /* error: what bind() says before it looks at the port, or 0 */
	int otherwise; /* with facts.error: the errno without that; 0: none, -1: not known */
};

/* One network namespace, protocol and port. */
struct port_report {
	int64_t time_ns; /* CLOCK_REALTIME */
	struct snapshot snap;
	struct what_if *what_ifs; /* by address, then plain, +REUSEADDR, +REUSEPORT, +both */
	size_t n_what_ifs;
	const char *note; /* what another kernel or privilege would add or do otherwise, or NULL */
};

/* --all: a bind() that the kernel let pass, or a port that listen() or sendto() was given. */
struct bind_report {
	int64_t time_ns;     /* CLOCK_REALTIME */
	const char *syscall; /* "bind", "listen", "connect", "autobind" */
	uint32_t protocol;
	struct bind_request req; /* addr and port as the socket got them */
	char device[16];	 /* name of req.ifindex, "" when not known */
	struct proc_info process;
	uint64_t netns;		/* 0: unknown */
	const char *netns_name; /* or NULL */
};

/* --states: a TCP socket went from one state to the next. STATE_BOUND is CLOSE here. */
struct state_report {
	int64_t time_ns;
	uint32_t protocol;
	uint16_t family;
	uint16_t local_port, peer_port; /* peer_port 0: not connected */
	struct ip_addr local, peer;
	uint8_t old_state, new_state; /* enum sock_state; unknown: the socket is new */
	int64_t duration_ns;	      /* in old_state, -1: not seen since it began */
	struct proc_info process;     /* pid 0: not known */
	bool former; /* it has closed the socket: in TIME_WAIT, or finishing as an orphan */
	uint64_t netns;
	const char *netns_name;
};

#define RUN_MAX_HOOKS 32

/* Beginning of a live run, once every hook is in place. */
struct run_start {
	int64_t time_ns;
	const char *version; /* of bindtrace */
	const char *kernel;  /* uname -r */
	const char *hooks;   /* at most RUN_MAX_HOOKS: "fexit inet_csk_bind_conflict, fexit ..." */
	const char *filters; /* "port 8080, netns 4026531840", or "" for everything */
	const char *netns;   /* "all", "self" ... */
};

struct run_stop {
	int64_t time_ns;
	uint64_t seen;	    /* conflicts that the hooks saw */
	uint64_t delivered; /* reported */
	uint64_t filtered;  /* dropped by a filter */
	uint64_t lost;	    /* could not be delivered */
	uint64_t skipped;   /* calls that the kernel let pass without running the hook: 5.12 on */
};

struct output;
struct metrics;

struct output_config {
	FILE *results;	   /* standard output */
	FILE *diagnostics; /* standard error */
	bool json;
	bool color;
	bool quiet;
	bool priorities;    /* JSON: "<4>" and the like before each line, for the journal */
	bool verbose;	    /* every socket a row of its own */
	bool recorded;	    /* a replay: nothing is being watched */
	size_t line_limit;  /* JSON; 0: OUTPUT_LINE_LIMIT */
	bool show_netns;    /* text: name the network namespace always, by number if need be */
	uint64_t own_netns; /* text: this one needs no name, every other one does; 0: unknown */
	struct metrics *metrics; /* counts what is shown; NULL: nobody does. Not owned */
	/* JSON: in every line, which makes it unique with the line's number; "": unknown */
	char run[OUTPUT_RUN_ID_SIZE];
};

/* Owned by the caller, output__free() accepts NULL. NULL when memory is short. */
struct output *output__new(const struct output_config *config);
void output__free(struct output *out);

/*
 * From now on fn is called before each piece of at most PIPE_BUF bytes: it returns when a pipe
 * would take it at once. 0, or -errno, which ends the report.
 */
void output__wait_with(struct output *out, int (*fn)(void *ctx, FILE *stream), void *ctx);

/* Each writes and flushes; 0 or -errno of the write (-EPIPE, -ENOSPC) or -ENOMEM. */
int output__conflict(struct output *out, const struct conflict_report *report);
int output__port(struct output *out, const struct port_report *report);
int output__bind(struct output *out, const struct bind_report *report);
int output__state(struct output *out, const struct state_report *report);
int output__start(struct output *out, const struct run_start *start);
int output__stop(struct output *out, const struct run_stop *stop);
int output__lost(struct output *out, int64_t time_ns, uint64_t count);

/* A line that cannot be written again (a recording of a newer version has it): its number is left
 * out. */
void output__skip(struct output *out);

/* The JSON Schema of every line, to stream. 0 or -errno. */
int output__print_schema(FILE *stream);

#endif
