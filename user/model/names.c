/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of the reports. Names may be added, never renamed. */
#include "rules.h"
#include "snapshot.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *pick(const char *const *names, size_t n, size_t index)
{
	return index < n ? names[index] : "unknown";
}

const char *cause__name(enum cause cause)
{
	static const char *const names[N_CAUSES] = {
		[CAUSE_NONE] = "none",
		[CAUSE_TIME_WAIT] = "time_wait",
		[CAUSE_CLOSING] = "closing",
		[CAUSE_LISTENER] = "listener",
		[CAUSE_DUAL_STACK] = "dual_stack",
		[CAUSE_CONNECTION] = "connection",
		[CAUSE_CLIENT_PORT] = "client_port",
		[CAUSE_SELF_CONNECT] = "self_connect",
		[CAUSE_BOUND_ONLY] = "bound_only",
		[CAUSE_INHERITED] = "inherited",
		[CAUSE_OWNERLESS] = "ownerless",
		[CAUSE_REUSEPORT_UID] = "reuseport_uid",
		[CAUSE_REUSE_ONE_SIDED] = "reuse_one_sided",
		[CAUSE_DEVICE] = "device",
		[CAUSE_BUCKET] = "bucket",
		[CAUSE_LISTEN_RACE] = "listen_race",
		[CAUSE_UNEXPLAINED] = "unexplained",
		[CAUSE_SAME_TUPLE] = "same_tuple",
		[CAUSE_EPHEMERAL_EXHAUSTED] = "ephemeral_exhausted",
		[CAUSE_AUTOBIND_EXHAUSTED] = "autobind_exhausted",
		[CAUSE_UDP_HOLDER] = "udp_holder",
		[CAUSE_NOT_LOCAL] = "not_local",
		[CAUSE_PRIVILEGED_PORT] = "privileged_port",
		[CAUSE_DENIED] = "denied",
		[CAUSE_ALREADY_BOUND] = "already_bound",
		[CAUSE_NO_DEVICE] = "no_device",
		[CAUSE_OTHER_ERROR] = "other_error",
	};

	return pick(names, ARRAY_SIZE(names), cause);
}

const char *rule__name(enum rule rule)
{
	static const char *const names[N_RULES] = {
		"listening",
		"binder_lacks_reuseaddr",
		"blocker_lacks_reuseaddr",
		"binder_lacks_reuseport",
		"blocker_lacks_reuseport",
		"reuseport_uid_differs",
		"reuseport_group",
		"autobind",
		"same_tuple",
	};

	return pick(names, ARRAY_SIZE(names), rule ? (size_t)__builtin_ctz(rule) : N_RULES);
}

const char *sock_state__name(const struct snap_sock *sock)
{
	static const char *const names[] = {
		[STATE_UNKNOWN] = "UNKNOWN",	   [STATE_ESTABLISHED] = "ESTABLISHED",
		[STATE_SYN_SENT] = "SYN_SENT",	   [STATE_SYN_RECV] = "SYN_RECV",
		[STATE_FIN_WAIT1] = "FIN_WAIT1",   [STATE_FIN_WAIT2] = "FIN_WAIT2",
		[STATE_TIME_WAIT] = "TIME_WAIT",   [STATE_BOUND] = "BOUND",
		[STATE_CLOSE_WAIT] = "CLOSE_WAIT", [STATE_LAST_ACK] = "LAST_ACK",
		[STATE_LISTEN] = "LISTEN",	   [STATE_CLOSING] = "CLOSING",
		[STATE_NEW_SYN_RECV] = "SYN_RECV",
	};

	/* tcp_time_wait(): an orphan in FIN_WAIT2 is kept as a time-wait socket. */
	if (sock->state == STATE_TIME_WAIT && sock->substate == STATE_FIN_WAIT2)
		return names[STATE_FIN_WAIT2];
	return sock->state < ARRAY_SIZE(names) ? names[sock->state] : names[STATE_UNKNOWN];
}

const char *sock_role__name(uint8_t role)
{
	static const char *const names[] = {
		[ROLE_UNKNOWN] = "unknown", [ROLE_SERVER] = "server", [ROLE_CLIENT] = "client",
		[ROLE_SELF] = "self",	    [ROLE_BOUND] = "bound",   [ROLE_KERNEL] = "kernel",
		[ROLE_ORPHAN] = "orphan",
	};

	return pick(names, ARRAY_SIZE(names), role);
}

const char *evidence__name(enum evidence evidence)
{
	static const char *const names[] = {
		[EVIDENCE_EXACT] = "exact", [EVIDENCE_WALKED] = "walked",
		[EVIDENCE_RACED] = "raced", [EVIDENCE_DIAG] = "diag",
		[EVIDENCE_NONE] = "none",
	};

	return pick(names, ARRAY_SIZE(names), evidence);
}
