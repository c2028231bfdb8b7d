/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's bind conflict test, in pure form, and what follows from it.
 *
 * Mirrors inet_csk_get_port() and inet_csk_bind_conflict() of net/ipv4/inet_connection_sock.c and
 * inet_rcv_saddr_equal(), with the differences between versions taken from struct kernel_rules.
 */
#ifndef BINDTRACE_MODEL_RULES_H
#define BINDTRACE_MODEL_RULES_H

#include "snapshot.h"

/* The conditions that made one pair conflict; names in rule__name(). */
enum rule {
	RULE_LISTENING = 1u << 0,
	RULE_BINDER_LACKS_REUSEADDR = 1u << 1,
	RULE_BLOCKER_LACKS_REUSEADDR = 1u << 2,
	RULE_BINDER_LACKS_REUSEPORT = 1u << 3,
	RULE_BLOCKER_LACKS_REUSEPORT = 1u << 4,
	RULE_REUSEPORT_UID_DIFFERS = 1u << 5,
	RULE_REUSEPORT_GROUP = 1u << 6,
	RULE_AUTOBIND = 1u << 7,
	RULE_SAME_TUPLE = 1u << 8,
};
#define N_RULES 9

enum cause {
	CAUSE_NONE = 0, /* not refused */
	CAUSE_TIME_WAIT,
	CAUSE_CLOSING,
	CAUSE_LISTENER,
	CAUSE_DUAL_STACK,
	CAUSE_CONNECTION,
	CAUSE_CLIENT_PORT,
	CAUSE_SELF_CONNECT,
	CAUSE_BOUND_ONLY,
	CAUSE_INHERITED,
	CAUSE_OWNERLESS,
	CAUSE_REUSEPORT_UID,
	CAUSE_REUSE_ONE_SIDED,
	CAUSE_DEVICE,
	CAUSE_BUCKET,
	CAUSE_LISTEN_RACE,
	CAUSE_UNEXPLAINED,
	CAUSE_SAME_TUPLE,
	CAUSE_EPHEMERAL_EXHAUSTED,
	CAUSE_AUTOBIND_EXHAUSTED,
	CAUSE_UDP_HOLDER,
	CAUSE_NOT_LOCAL,
	CAUSE_PRIVILEGED_PORT,
	CAUSE_DENIED,
	CAUSE_ALREADY_BOUND,
	CAUSE_NO_DEVICE,
	CAUSE_OTHER_ERROR, /* refused for a reason outside the catalogue: the errno says it */
	N_CAUSES,
};

struct blocker {
	uint32_t sock;	/* index into snapshot.socks */
	uint32_t rules; /* bits of enum rule */
};

enum fix_kind {
	FIX_SET = 1, /* options set on one side or on both */
	FIX_CLOSE,   /* close (stop the holder of) every blocker */
	FIX_WAIT,    /* every blocker expires by itself */
	FIX_SYSCTL,  /* net.ipv4.ip_local_reserved_ports would have kept a connect() off the port */
	FIX_UID,     /* bind as the user that the blockers belong to */
	FIX_ADDRESS, /* bind to another address: one of this host's; for connect, from another one
		      */
	FIX_ANY_PORT,	  /* let the kernel choose the port: no bind() to one before connect() */
	FIX_RANGE,	  /* a wider net.ipv4.ip_local_port_range */
	FIX_NO_PORT,	  /* IP_BIND_ADDRESS_NO_PORT before bind() to an address without a port */
	FIX_PRIVILEGE,	  /* CAP_NET_BIND_SERVICE, or a lower ip_unprivileged_port_start */
	FIX_NONLOCAL,	  /* IP_FREEBIND, or net.ipv4.ip_nonlocal_bind */
	FIX_TW_REUSE,	  /* net.ipv4.tcp_tw_reuse = 1 */
	FIX_DETACH_GROUP, /* bind first, attach the SO_ATTACH_REUSEPORT_*BPF program afterwards */
	FIX_NEW_SOCKET,	  /* a bound socket stays bound: close it and bind a new one */
};

enum fix_side {
	SIDE_NONE = 0,
	SIDE_BINDER = 1,
	SIDE_BLOCKER = 2,
	SIDE_BOTH = 3,
};

/* Options in fix.set; names are the socket options'. */
enum fix_option {
	FIX_OPT_REUSEADDR = 1u << 0,
	FIX_OPT_REUSEPORT = 1u << 1,
	FIX_OPT_V6ONLY = 1u << 2,
};

/* Each is sufficient by itself, and none contains another that is. Best first. */
struct fix {
	enum fix_kind kind;
	enum fix_side side;
	uint32_t set;	 /* FIX_SET: bits of enum fix_option, set on every socket of that side */
	uint32_t uid;	 /* FIX_UID */
	int64_t wait_ms; /* FIX_WAIT: allows for the timer wheel, see TIME_WAIT_SLACK_MS */
};

/*
 * A 60 s timer sits in a timer wheel level of 512 jiffies: at 250 Hz it fires up to 2.05 s late
 * (kernel/time/timer.c). A remedy that says "wait" adds this.
 */
#define TIME_WAIT_SLACK_MS 2100

#define MAX_FIXES 16

struct verdict {
	enum tri refused; /* TRI_UNKNOWN: depends on a flag that could not be read */
	enum cause cause;
	bool by_bucket; /* passes only through the bucket's cached verdict (fastreuse...) */
	struct blocker
		*blockers; /* definite ones first, then (refused unknown) the possible ones */
	size_t n_blockers;
	size_t n_definite; /* how many of them, from the first, are certain */
	struct fix fixes[MAX_FIXES];
	size_t n_fixes;
};

/*
 * Does one socket refuse the bind by itself? ret_rules (may be NULL) gets the conditions that fired
 * when the answer is not TRI_NO. Addresses, devices and VRF are part of the test.
 */
enum tri rules__pair(const struct kernel_rules *kernel, const struct bind_request *req,
		     const struct snap_sock *sock, uint32_t *ret_rules);

/* inet_rcv_saddr_equal(binder, existing, match_wildcard = true), with the 6.1 quirk. */
enum tri rules__addr_overlap(const struct kernel_rules *kernel, const struct bind_request *req,
			     const struct snap_sock *sock);

/* Would the bucket's cached verdict alone let the bind pass, without a look at any socket? */
bool rules__bucket_passes(const struct bind_request *req, const struct snap_bucket *bucket);

/*
 * Judges req against all of snap: refused, by_bucket and blockers. No cause and no fixes yet:
 * owners are looked up for the blockers first. 0 or -ENOMEM; ret_verdict is untouched on failure,
 * and is released with verdict__free().
 *
 * With as_refused the kernel has already said EADDRINUSE (a live event): the bucket's cached
 * verdict is not consulted, and a refusal without any blocker stays refused (cause unexplained).
 */
int rules__judge(const struct snapshot *snap, const struct bind_request *req, bool as_refused,
		 struct verdict *ret_verdict);

/*
 * connect() from a port that the socket is bound to: the sockets that have its four-tuple already
 * (__inet_check_established(); a time-wait socket lets go by itself when timestamps were in use, so
 * one that is here refused). Blockers with RULE_SAME_TUPLE. 0 or -ENOMEM, as rules__judge().
 */
int rules__judge_connect(const struct snapshot *snap, const struct bind_request *req,
			 struct verdict *ret_verdict);

/*
 * Sums up a walk of the whole port range: snap->socks are all sockets on its ports, each with the
 * index of its port's bucket mark in snap_sock.bucket (1: marked by a bind(), 0: by connect()
 * only). req tells what a port would have had to be free for: a bind to port 0 (any overlap counts,
 * twice scanned: inet_csk_find_open_port()) or a connect() (no mark, no same four-tuple:
 * __inet_hash_connect()). reserved is a bit per port, or NULL. Holders come from snap->holds.
 */
int usage__sum(const struct snapshot *snap, const struct bind_request *req,
	       const uint8_t reserved[65536 / 8], struct port_usage *ret);

/*
 * Was the kernel to choose a port, and found none? Then the range's sockets are to be summed up;
 * else the call did not get so far (an address of another host, a security module), and they say
 * nothing.
 */
bool usage__is_wanted(const struct snapshot *snap, const struct bind_request *req,
		      const struct refusal_facts *facts);

/*
 * Does the usage account for "no port left"? Where it doesn't, sockets have gone since the refusal
 * (the evidence is raced), or the range is not known. NULL: false.
 */
bool usage__covers(const struct port_usage *usage);

/*
 * Cause and fixes of a refusal that no single port's sockets explain: exhaustion (usage not NULL)
 * or an error other than a conflict. verdict may hold no blockers; 0 or -ENOMEM.
 */
int verdict__explain_refusal(struct verdict *verdict, const struct snapshot *snap,
			     const struct bind_request *req, const struct refusal_facts *facts,
			     const struct port_usage *usage);

/* What bind() says before it looks at the port. */
struct objection {
	int error;  /* errno, 0: none */
	int next;   /* what it would say without that, 0: nothing */
	bool doubt; /* there may be one more: it depends on what could not be read */
};
struct objection before_port__judge(uint32_t protocol, const struct bind_request *req,
				    const struct bind_conditions *conditions);

/*
 * verdict__explain() for a bind asked about: facts->error is what bind() says before it looks at
 * the port (0: nothing), `otherwise` the errno that it would give without that (0: none, -1: not
 * known). There is a fix only where it suffices.
 */
int verdict__explain_asked(struct verdict *verdict, const struct snapshot *snap,
			   const struct bind_request *req, const struct refusal_facts *facts,
			   int otherwise);

/* Fills cause and fixes of a judged verdict, from the blockers and who holds them. 0 or -ENOMEM. */
int verdict__explain(struct verdict *verdict, const struct snapshot *snap,
		     const struct bind_request *req);

void verdict__free(struct verdict *verdict); /* accepts NULL; does not free verdict itself */

const char *cause__name(enum cause cause);		    /* "time_wait" */
const char *rule__name(enum rule rule);			    /* "listening" */
const char *sock_state__name(const struct snap_sock *sock); /* "TIME_WAIT", "FIN_WAIT2", "BOUND" */
const char *sock_role__name(uint8_t role);		    /* "server" */
const char *evidence__name(enum evidence evidence);	    /* "exact" */

/*
 * UDP: may a bind that the rules call refused succeed all the same? udp_lib_get_port() of kernels
 * before a fix of 2026 looks for a wildcard among the sockets on wildcards only, once more than ten
 * sockets are in the port's hash slot. Nothing in a kernel's types tells whether it has the fix.
 */
bool rules__may_miss(const struct snapshot *snap, const struct bind_request *req);

#endif
