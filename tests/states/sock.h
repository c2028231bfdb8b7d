/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets with given options, and connections driven into a given TCP state, on real kernels. */
#ifndef BINDTRACE_TESTS_SOCK_H
#define BINDTRACE_TESTS_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* How long a kernel under emulation may take for what takes it microseconds. */
#define SOCK_DEADLINE_MS 20000

struct sock_spec {
	const char *address; /* "127.0.0.1", "::", "::ffff:0.0.0.0": the family follows from it */
	const char *reach;   /* the address to connect to; NULL: follows from address */
	const char *device;  /* SO_BINDTODEVICE; NULL: none */
	bool reuseaddr;
	bool reuseport;
	bool v6only;
	bool attach;  /* SO_ATTACH_REUSEPORT_CBPF before bind() */
	bool force;   /* TCP_REPAIR while binding: sk_reuse is SK_FORCE_REUSE */
	bool no_port; /* bind() the address alone (IP_BIND_ADDRESS_NO_PORT): connect() takes a port
		       */
	int uid;      /* owner of the socket, set with fchown(); -1: as created */
};

/* One end on the port that matters, the other one somewhere else. -1 when closed. */
struct conn {
	int ours;
	int peer;
};

/* Where a connection is left. HELD: a file is still open; ORPHAN: closed, the kernel goes on. */
enum conn_end {
	CONN_ESTABLISHED = 0,
	CONN_FIN_WAIT1_HELD,
	CONN_FIN_WAIT1_ORPHAN,
	CONN_FIN_WAIT2_HELD,
	CONN_FIN_WAIT2_ORPHAN, /* a full socket: the timeout is longer than a time-wait's 60 s */
	CONN_FIN_WAIT2_TW,     /* kept as a time-wait socket */
	CONN_TIME_WAIT,
	CONN_CLOSE_WAIT,
	CONN_LAST_ACK_HELD,
	CONN_LAST_ACK_ORPHAN,
	CONN_CLOSING_HELD,
	CONN_CLOSING_ORPHAN,
	N_CONN_ENDS,
};

const char *conn_end__name(enum conn_end end);
bool conn_end__has_file(enum conn_end end);

/* "0.0.0.0" for NULL. -EINVAL when text is no address. */
int sock__addr(const char *text, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len);
int sock__family(const char *text);

/* All return an fd, or -errno. A listener is bound, a bound socket is new. */
int sock__new(const struct sock_spec *spec);
int sock__new_udp(const struct sock_spec *spec);
int sock__bound(const struct sock_spec *spec, uint16_t port);
int sock__listener(const struct sock_spec *spec, uint16_t port);

/* Binds an unbound socket of spec. 0 or -errno. */
int sock__bind(int fd, const struct sock_spec *spec, uint16_t port);
int sock__set_flag(int fd, int level, int option, int value);
int sock__set_device(int fd, const char *device); /* NULL or "": none */
uint16_t sock__local_port(int fd);
uint16_t sock__peer_port(int fd);
uint64_t sock__inode(int fd);

/* A muted socket gets no packet any more: its peer waits for an answer in vain. */
int sock__mute(int fd);
int sock__unmute(int fd);
/* Closes with a reset, so that nothing is left on either side. Accepts -1. */
void sock__abort(int fd);

/* Waits for the kernel's number of the state (TCP_INFO). 0, or -ETIMEDOUT. */
int sock__wait_state(int fd, int state);

/*
 * Connects to a listener made from spec and accepts: ours is the accepted end. With no_accept the
 * connection stays in the listener's queue and ours is -1. 0 or -errno.
 */
int conn__accepted(int listener, const struct sock_spec *spec, bool no_accept, struct conn *ret);

/*
 * Connects fd, made from spec, to a listener of its own on an ephemeral port: conn__server(), an fd
 * or -errno, which is closed then. With no_answer that listener is muted: fd stays in SYN_SENT, and
 * the listener is its peer. 0 or -errno.
 */
int conn__server(const struct sock_spec *spec);
int conn__connect(int fd, const struct sock_spec *spec, int server, bool no_answer,
		  struct conn *ret);

/* connect() with a deadline. 0 or -errno. */
int sock__connect(int fd, const char *address, uint16_t port);

/* The address that reaches a socket of spec: its own, or that of the loopback device. */
const char *sock__reach(const struct sock_spec *spec);

/* From ESTABLISHED to end; what is not needed to stay there is closed. 0 or -errno. */
int conn__drive(struct conn *conn, enum conn_end end);
void conn__abort(struct conn *conn);

int64_t clock__ms(void);
/* Sleeps briefly between two looks at a condition; false once the deadline has passed. */
bool deadline__tick(int64_t deadline_ms);

#endif
