/* SPDX-License-Identifier: GPL-2.0-only */
/* Values as words, the same in every format. */
#ifndef BINDTRACE_OUTPUT_FORMAT_H
#define BINDTRACE_OUTPUT_FORMAT_H

#include "output.h"

struct output {
	struct output_config config;
	uint64_t seq;	   /* lines so far */
	bool wrote_report; /* text: something was written... */
	bool wrote_block;  /* ...and it was more than a line: what follows is set apart */
	int (*wait_writable)(void *ctx, FILE *stream); /* output__wait_with(), or NULL */
	void *wait_ctx;
};

struct word {
	char text[32];
};

struct endpoint {
	char text[128];
};

/* "0.0.0.0", "::1": without brackets. */
struct endpoint format__address(uint16_t family, const struct ip_addr *addr);
/* "0.0.0.0%eth0:80", "[fe80::1]%eth0:80"; device may be NULL. */
struct endpoint format__endpoint(uint16_t family, const struct ip_addr *addr, const char *device,
				 uint16_t port);
/* "0.0.0.0%eth0", "[::]": as format__endpoint(), without the port. */
struct endpoint format__host(uint16_t family, const struct ip_addr *addr, const char *device);

/* The device's name, made safe for a terminal; "" for index 0. */
struct word format__device(const struct snapshot *snap, uint32_t ifindex);

struct word format__errno(int error);		 /* "EADDRINUSE" */
struct word format__protocol(uint32_t protocol); /* "tcp", "udp", "udplite" */
struct word format__rfc3339(int64_t ns);	 /* "2026-11-20T10:05:03.123456789Z" */
struct word format__clock(int64_t ns);		 /* "10:05:03", local time */
struct word format__left(int64_t ms);		 /* "41 s", "3 min"; to the nearest */
struct word format__wait(int64_t ms);		 /* the same, rounded up */

struct word format__duration(int64_t ns); /* "42 us", "12 ms", "3.5 s", "4 min" */

/* " in network namespace web", or "" where it goes without saying. Safe for a terminal. */
struct endpoint format__netns(const struct output *out, uint64_t netns, const char *name);

/* Not the namespace that bindtrace itself, and so most likely the reader's shell, is in. */
bool format__is_foreign(const struct output *out, uint64_t netns, const char *name);

/* "1024 65535": more ports for connect() and bind() to port 0 than the range has now. */
struct word format__wider_range(const struct port_usage *usage, const struct refusal_facts *facts);

/* A state between two others, where 7 is CLOSE and not a socket that is BOUND; NULL: unknown. */
const char *format__tcp_state(uint8_t state);

/* "protocol"; NULL for STAGE_TEST, where no other part of the kernel was asked. */
const char *refusal_stage__name(enum refusal_stage stage);

const char *holder_class__name(uint8_t holder); /* "time_wait"; NULL: unknown */
const char *fix_option__names(uint32_t set);	/* "SO_REUSEADDR+SO_REUSEPORT" */
const char *fix_side__name(enum fix_side side); /* "binder"; NULL: none */
const char *close__name(bool on_range);		/* "blockers", or of no one port */
const char *freebind__name(uint16_t family);	/* "IP_FREEBIND" */
/* "net.ipv4.ip_nonlocal_bind" */
const char *nonlocal_sysctl__name(uint16_t family, const struct ip_addr *addr);
#define NO_PORT_NAME	  "IP_BIND_ADDRESS_NO_PORT"
#define DETACH_GROUP_NAME "attach_reuseport_program_after_bind"

#endif
