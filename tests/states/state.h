/* SPDX-License-Identifier: GPL-2.0-only */
/* A named state of the kernel: how a row of the table is made, and what its processes share. */
#ifndef BINDTRACE_TESTS_STATE_H
#define BINDTRACE_TESTS_STATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "sock.h"

#define STATE_SKIP	77 /* this kernel cannot be put into that state; exit status too */
#define STATE_MAX_PROCS 16

struct state_proc {
	const char *role;
	pid_t pid;
	int fd; /* of the socket in question; 0: none */
};

struct state_row;

struct state {
	const struct state_row *row;
	uint16_t port;
	struct sock_spec spec; /* the side that is there first */
	struct sock_spec bind; /* the bind that will meet it */
	unsigned int count;    /* how many, where a state can have many */

	struct state_proc procs[STATE_MAX_PROCS]; /* alive */
	size_t n_procs;
	pid_t gone; /* the process that made the socket and has died; 0: none */
	uint16_t peer_port;
	const char *peer_address;
	int fd;		  /* what the last state__spawn() reported */
	const char *skip; /* why the state can't be made here */

	/* private to state.c */
	int ready_pipe[2];
	int control_pipe[2];
};

struct state_row {
	const char *name;
	const char *description;
	int (*make)(struct state *st); /* 0, STATE_SKIP, or -errno */
	struct sock_spec spec;	       /* uid 0 means: nothing to change */
	struct sock_spec bind;
	uint16_t port; /* where it can't be chosen; 0: it can */
};

#define ROW(row_name, row_description, row_make, ...)                                              \
	{                                                                                          \
		.name = row_name, .description = row_description, .make = row_make, ##__VA_ARGS__  \
	}

/* The tables, each ended by a row without a name. */
extern const struct state_row closing_rows[];
extern const struct state_row holder_rows[];
extern const struct state_row option_rows[];
extern const struct state_row crowd_rows[];

int state__init(struct state *st);
void state__end(struct state *st); /* ends the processes */

/*
 * Forks a process that runs fn(st, arg), which returns the fd of its socket, 0 for none, or -errno.
 * After success the process stays, with whatever fn left open, until the state ends, unless fn
 * calls _exit(). It becomes user spec.uid first. role is its comm, too.
 * The pid, or -errno. st->fd gets the fd.
 */
typedef int (*state_fn)(struct state *st, void *arg);
pid_t state__spawn(struct state *st, const char *role, state_fn fn, void *arg);

/* Within a spawned process: reports success early and goes on; state__spawn() returns. */
void state__report(struct state *st, int fd);
/* Waits until the state ends, then leaves. */
void state__hold(struct state *st) __attribute__((noreturn));

/* A process that is part of the state and holds the socket as fd. */
void state__note(struct state *st, const char *role, pid_t pid, int fd);
/* Spawns and notes. 0 or -errno. */
int state__spawn_holder(struct state *st, const char *role, state_fn fn, void *arg);
void state__print_ready(const struct state *st);

/* Waits until /proc/net/tcp or tcp6 has a socket on st->port in the kernel's state number. */
int state__wait_proc_net(const struct state *st, int kernel_state);

/* For the rows: another process that listens, or has bound only, with st->spec. 0 or -errno. */
int state__make_listener(struct state *st);
int state__make_bound(struct state *st);

/* A pipe whose ends close on exec; -errno on failure. */
int make_pipe(int fds[2]);
/* Waits for one byte. 0, or -EPIPE when the other end has gone. */
int wait_byte(int fd);
/* Reads size bytes that come in one piece. 0, or -ETIMEDOUT, -EPIPE. */
int read_message(int fd, void *buf, size_t size);

/* Sends fd over a UNIX socket; receives one. */
int send_fd(int sock, int fd);
int recv_fd(int sock);

/* Runs a shell command line quietly; its exit status. */
int run_command(const char *line);
int write_file(const char *path, const char *text);
int read_file(const char *path, char *buf, size_t size);

#endif
