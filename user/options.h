/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line, parsed and checked once; travels as a const pointer from there on. */
#ifndef BINDTRACE_OPTIONS_H
#define BINDTRACE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/snapshot.h"

#define BINDTRACE_VERSION "0.1.0"

#define OPTIONS_MAX_PIDS 64
#define OPTIONS_MAX_COMM 15 /* TASK_COMM_LEN without its NUL, include/linux/sched.h */

/* Exit status, part of the contract. */
enum exit_status {
	EXIT_OK = 0,	  /* done; one-shot: the bind asked about would succeed */
	EXIT_REFUSED = 1, /* one-shot: it would fail */
	EXIT_USAGE = 2,
	EXIT_KERNEL = 3, /* this kernel can't */
	EXIT_NOT_PERMITTED = 4,
	EXIT_RUNTIME = 5, /* evidence lost, or a runtime failure */
};

enum mode {
	MODE_LIVE = 0,
	MODE_PORT, /* one-shot */
	MODE_COMMAND,
	MODE_REPLAY, /* --replay FILE: no kernel is asked */
	MODE_FEATURES,
	MODE_SCHEMA,
	MODE_DONE, /* --help, --version: printed already, exit 0 */
};

enum color_when { COLOR_AUTO = 0, COLOR_ALWAYS, COLOR_NEVER };

/* Which kind of hook; AUTO takes fentry/fexit where the kernel has them. */
enum hook_kind { HOOKS_AUTO = 0, HOOKS_FENTRY, HOOKS_KPROBE };

enum netns_kind { NETNS_DEFAULT = 0, NETNS_SELF, NETNS_ALL, NETNS_PID, NETNS_PATH, NETNS_NAME };

struct port_set {
	size_t count;		 /* 0: no filter */
	uint8_t bits[65536 / 8]; /* bit (port % 8) of byte (port / 8) */
};

struct options {
	enum mode mode;
	struct port_set ports;
	bool follow; /* --follow: live although --port is given */

	bool have_address;
	uint16_t address_family;
	struct ip_addr address;
	bool want_ipv4, want_ipv6; /* both true unless -4 or -6 */
	uint32_t protocol;	   /* PROTO_TCP, PROTO_UDP, PROTO_UDPLITE */
	bool have_protocol;	   /* live: report this one only, else every one */

	/* the bind asked about */
	bool reuseaddr, reuseport, v6only;
	char *device; /* --device IFACE; existence is checked in the namespace asked about */
	bool have_uid;
	uint32_t uid;

	enum netns_kind netns;
	char *netns_arg; /* pid, path or name as written */
	int netns_pid;

	bool wait;     /* --wait: one-shot, until the bind asked about would succeed */
	double wait_s; /* and no longer than that; 0: no limit */

	/* live filters, and what else to report than refusals */
	int pids[OPTIONS_MAX_PIDS];
	size_t n_pids; /* 0: no filter */
	char *comm;    /* at most OPTIONS_MAX_COMM bytes */
	bool have_uid_filter;
	uint32_t uid_filter;
	char *cgroup; /* absolute: below the mount point, or from the root of the hierarchy */
	bool all;     /* --all: successful binds */
	bool states;  /* --states: changes of TCP states */

	char *record_path;  /* --record FILE */
	char *replay_path;  /* --replay FILE; MODE_REPLAY */
	char *metrics_path; /* --metrics FILE */

	char **command; /* NULL-terminated, points into argv; MODE_COMMAND */

	uint64_t count;	   /* --count, 0: no limit */
	double duration_s; /* --duration, 0: no limit */
	bool have_fold;
	double fold_s; /* --fold: identical refusals within it are one report; 0: each its own */
	bool json;
	bool journal; /* --journal: priorities before the lines, where they go to the journal */
	enum color_when color;
	bool quiet;  /* -q: no start/stop line, no notes */
	int verbose; /* -v: all sockets; -vv: times and warnings; -vvv: libbpf's debug messages */
	char *btf_path;	      /* --btf FILE */
	enum hook_kind hooks; /* --hooks auto|fentry|kprobe */
	bool cross_check; /* --cross-check: compare with the pair that the kernel itself names */
};

/*
 * Parses argv into *ret_opts. 0, or an exit status > 0 after one clear line on standard error.
 * --help and --version print to standard output and give mode MODE_DONE.
 */
int options__parse(int argc, char **argv, struct options *ret_opts);
void options__free(struct options *opts); /* accepts NULL */

/* Whether to colour: --color, and for auto the terminal, NO_COLOR and TERM=dumb. Never with --json.
 */
bool options__use_color(const struct options *opts, bool is_tty);

bool port_set__has(const struct port_set *set, uint16_t port);
void port_set__add(struct port_set *set, uint16_t port);
/* The first port of the set that is not below that one; 65536: none. */
uint32_t port_set__from(const struct port_set *set, uint32_t port);

/* Each port of the set. */
/* NOLINTBEGIN(bugprone-macro-parentheses): port is the name of the loop's variable */
#define port_set__for_each(port, set)                                                              \
	for (uint32_t port = port_set__from(set, 1); port <= 65535;                                \
	     port = port_set__from(set, port + 1))
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
