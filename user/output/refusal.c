// SPDX-License-Identifier: GPL-2.0-only
/* Why, for all that is no bind() refused by TCP sockets on its port. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "advice.h"
#include "before_port.h"
#include "holder.h"
#include "usage_table.h"

static const struct refusal_facts unknown_facts = {
	.unprivileged_port_start = -1,
	.nonlocal_bind = -1,
	.tw_reuse = -1,
	.address_tentative = TRI_UNKNOWN,
};

const struct refusal_facts *advice__facts(const struct advice *a)
{
	if (a->report)
		return &a->report->facts;
	return before_port__is(a) ? &a->what_if->facts : &unknown_facts;
}

const struct port_usage *advice__usage(const struct advice *a)
{
	return a->report && a->report->have_usage ? &a->report->usage : NULL;
}

static const char *plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

static const struct snap_sock *main_sock(const struct advice *a, bool subject,
					 struct holder_text *ret_who)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);

	if (sock)
		*ret_who = subject ? holder__subject(a->snap, index) : holder__who(a->snap, index);
	return sock;
}

/* ---- sockets in the way ------------------------------------------------------------------- */

/* __inet_check_established(): tcp_twsk_unique() with twp NULL, the port being bound. */
static void why_tuple_lingers(struct paragraph *p, const struct advice *a)
{
	paragraph__text(p,
			"A connection from %s to %s has ended on this side first, so the kernel "
			"keeps its addresses for a minute (TIME_WAIT): a late packet of it must "
			"not get into a new one.",
			advice__asked(a).text, advice__peer(a).text);
	if (advice__facts(a)->tw_reuse >= 0)
		paragraph__text(p,
				"net.ipv4.tcp_tw_reuse (%d) would not help: the port is bound, and "
				"then it is not consulted. With TCP timestamps at both ends the "
				"kernel lets such a connection go at once; this one had none.",
				advice__facts(a)->tw_reuse);
	else
		paragraph__text(p, "net.ipv4.tcp_tw_reuse would not help: the port is bound, and "
				   "then it is not consulted.");
}

static void why_same_tuple(struct paragraph *p, const struct advice *a)
{
	struct holder_text who = {""};
	const struct snap_sock *sock = main_sock(a, true, &who);

	if (!sock)
		return;
	if (sock->state == STATE_TIME_WAIT) {
		why_tuple_lingers(p, a);
		return;
	}
	paragraph__text(p,
			"%s has a connection from %s to %s already (%s). TCP tells connections "
			"apart by these two addresses and ports alone, so there can't be a second "
			"one, whatever the options.",
			who.text, advice__local(a, sock).text, advice__peer(a).text,
			sock_state__name(sock));
}

static void why_udp_holder(struct paragraph *p, const struct advice *a)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);

	if (!sock)
		return;
	paragraph__text(p,
			"%s has %s. Two UDP sockets share a port only where both set SO_REUSEADDR, "
			"or both SO_REUSEPORT as the same user.",
			holder__subject(a->snap, index).text, advice__local(a, sock).text);
	if (sock->reuseaddr < 0 || sock->reuseport < 0)
		paragraph__text(p, "Which of them that one has set could not be read.");
	else if (!sock->reuseaddr && !sock->reuseport && !a->req->reuseaddr && !a->req->reuseport)
		paragraph__text(p, "Neither side has set either.");
	else
		paragraph__text(p, "This bind has set %s, that one %s.",
				advice__options(a->req->reuseaddr, a->req->reuseport),
				advice__options(sock->reuseaddr, sock->reuseport));
	if (sock->reuseport > 0 && a->req->reuseport && sock->uid_known && sock->uid != a->req->uid)
		paragraph__text(p, "The users differ: uid %u and uid %u.", a->req->uid, sock->uid);
	if (advice__is_own(a, index))
		paragraph__text(p, "It is the same process: it binds the address twice.");
}

/* ---- no port left ------------------------------------------------------------------------- */

/* "the one port", "all 28229 ports", "28200 of the 28229 ports" */
static struct word share_of(uint32_t n, uint32_t all)
{
	struct word w;

	if (all == 1 && n == 1)
		snprintf(w.text, sizeof(w.text), "the one port");
	else if (n == all)
		snprintf(w.text, sizeof(w.text), "all %u ports", all);
	else
		snprintf(w.text, sizeof(w.text), "%u of the %u ports", n, all);
	return w;
}

/* What is not reserved; those, but for a random one of an odd range, the kernel tries. */
static uint32_t eligible(const struct port_usage *usage)
{
	return usage_table__ports(usage) - usage->reserved;
}

/* The two sides of tcp_tw_reuse: what it would give, or why it does not. */
static void why_not_reused(struct paragraph *p, const struct advice *a)
{
	const struct port_usage *usage = advice__usage(a);
	uint32_t n = usage ? usage->reusable : 0;
	char these[48] = "It is";

	if (!n)
		return;
	if (usage->same_peer > 1)
		snprintf(these, sizeof(these), "%u of these %s", n, plural(n, "is", "are"));
	switch (advice__facts(a)->tw_reuse) {
	case 0:
		paragraph__text(p, "%s only in TIME_WAIT, and net.ipv4.tcp_tw_reuse is 0.", these);
		break;
	case 1:
		paragraph__text(p,
				"%s only in TIME_WAIT. net.ipv4.tcp_tw_reuse is on, but it takes "
				"only what ended more than a second ago, with TCP timestamps.",
				these);
		break;
	case 2:
		paragraph__text(p,
				"%s only in TIME_WAIT, and net.ipv4.tcp_tw_reuse is 2: for "
				"loopback only.",
				these);
		break;
	default:
		break;
	}
}

/* Connections come and go: what the error says holds for its own moment. */
static void why_no_longer(struct paragraph *p, const struct port_usage *usage)
{
	if (usage)
		paragraph__text(p, "When the ports were counted, a moment later, %u of %u %s free.",
				usage_table__free(usage), usage_table__ports(usage),
				plural(usage_table__free(usage), "was", "were"));
	else
		paragraph__text(p, "The ports could not be counted.");
}

static void why_ephemeral(struct paragraph *p, const struct advice *a)
{
	const struct port_usage *usage = advice__usage(a);

	if (!usage || !usage__covers(usage)) {
		paragraph__text(p, "No local port was left for a connection to %s.",
				advice__peer(a).text);
		why_no_longer(p, usage);
		return;
	}
	paragraph__text(p, "No local port is left for a connection to %s.", advice__peer(a).text);
	if (!eligible(usage)) {
		paragraph__text(p, "Every port of the range is reserved: "
				   "net.ipv4.ip_local_reserved_ports.");
		return;
	}
	if (usage->same_peer < eligible(usage))
		paragraph__text(p,
				"Of the %u ports that connect() may choose from, %u %s connected "
				"to it already.",
				eligible(usage), usage->same_peer,
				plural(usage->same_peer, "is", "are"));
	else if (usage->same_peer == 1)
		paragraph__text(p, "The one port that connect() may choose has a connection to it "
				   "already.");
	else
		paragraph__text(p,
				"All %u ports that connect() may choose from have a connection to "
				"it already.",
				usage->same_peer);
	why_not_reused(p, a);
	if (usage->bound)
		paragraph__text(p,
				"%u %s marked by a bind(), and such a port connect() never takes.",
				usage->bound, plural(usage->bound, "is", "are"));
}

/* __inet_hash_connect(): fastreuse or fastreuseport >= 0. */
static void why_marked(struct paragraph *p, const struct advice *a)
{
	const struct port_usage *usage = advice__usage(a);

	if (usage && usage->same_peer)
		paragraph__text(p,
				"No connection that exists now is in the way of most ports: of the "
				"%u that connect() may choose from, %u %s connected to %s. But a "
				"bind() has marked %u.",
				eligible(usage), usage->same_peer,
				plural(usage->same_peer, "is", "are"), advice__peer(a).text,
				usage->bound);
	else if (usage)
		paragraph__text(p,
				"No connection that exists now is in the way. But a bind() has "
				"marked %s that connect() may choose from.",
				share_of(usage->bound, eligible(usage)).text);
	else
		paragraph__text(p, "No connection that exists now is in the way, but a bind() has "
				   "marked the ports.");
	paragraph__text(p, "Such a port connect() never takes, wherever the connection goes; a "
			   "bind() to port 0 marks its port, too.");
	paragraph__text(p,
			"The mark is in the port's bucket, which the kernel keeps as long as any "
			"socket is on the port. Before Linux 6.18 the mark stays as long, even "
			"when the socket that called bind() went long ago.");
}

static const char *how_bound(const struct advice *a)
{
	switch (a->req->call) {
	case CALL_LISTEN:
		return "listen() on a socket that was never bound";
	case CALL_AUTOBIND:
		return "The first use of a socket that was never bound";
	default:
		return "A bind() to port 0";
	}
}

static void why_taken(struct paragraph *p, const struct port_usage *usage)
{
	uint32_t ports = usage_table__ports(usage);

	if (ports == 1)
		paragraph__text(p, "The one port of the range is %s.",
				usage->taken ? "taken" : "reserved");
	else if (usage->reserved)
		paragraph__text(p, "Of %u ports %u %s taken and %u reserved.", ports, usage->taken,
				plural(usage->taken, "is", "are"), usage->reserved);
	else
		paragraph__text(p, "Of %u ports %u %s taken.", ports, usage->taken,
				plural(usage->taken, "is", "are"));
}

static void why_autobind(struct paragraph *p, const struct advice *a)
{
	const struct port_usage *usage = advice__usage(a);

	paragraph__text(p,
			"%s takes a port out of net.ipv4.ip_local_port_range that no other socket "
			"overlaps with%s, and there was none left.",
			how_bound(a), advice__is_udp(a) ? "" : ", whatever the reuse options");
	if (!usage || !usage__covers(usage))
		why_no_longer(p, usage);
	else
		why_taken(p, usage);
	if (a->report && a->report->error == EAGAIN)
		paragraph__text(p, "The program sees EAGAIN, but trying again does not help.");
}

/* ---- other errors ------------------------------------------------------------------------- */

static void why_not_local(struct paragraph *p, const struct advice *a)
{
	const struct refusal_facts *facts = advice__facts(a);
	struct word device = format__device(a->snap, a->req->ifindex);

	if (a->req->call == CALL_CONNECT && ip_addr__is_any(a->req->family, &a->req->addr))
		paragraph__text(p,
				"This host has no usable address of its own for a connection to "
				"%s.",
				advice__peer(a).text);
	else if (facts->address_tentative == TRI_YES)
		paragraph__text(p,
				"%s is on an interface, but not usable yet: duplicate address "
				"detection is still running, or has found another host that has "
				"it.",
				advice__asked_host(a).text);
	else if (ip_addr__is_link_local(a->req->family, &a->req->addr) && *device.text)
		paragraph__text(p,
				"%s is not an address of device %s (or the device is down: then it "
				"has none).",
				advice__asked_host(a).text, device.text);
	else
		paragraph__text(p,
				"%s is not an address of this host, or not in this network "
				"namespace.",
				advice__asked_host(a).text);
	if (facts->nonlocal_bind == 0 && a->req->call == CALL_BIND)
		paragraph__text(p, "%s is 0, so only addresses that are there can be bound.",
				nonlocal_sysctl__name(a->req->family, &a->req->addr));
}

static void why_privileged(struct paragraph *p, const struct advice *a)
{
	int32_t start = advice__facts(a)->unprivileged_port_start;
	char value[16] = "unreadable";

	if (start >= 0)
		snprintf(value, sizeof(value), "%d", start);
	if (before_port__is(a)) {
		paragraph__text(p,
				"Port %u is below net.ipv4.ip_unprivileged_port_start (%s), and "
				"the question is about uid %u without CAP_NET_BIND_SERVICE in the "
				"user namespace that owns the network namespace.",
				a->req->port, value, a->req->uid);
		return;
	}
	paragraph__text(p,
			"Port %u is below net.ipv4.ip_unprivileged_port_start (%s), and the "
			"process has no CAP_NET_BIND_SERVICE in the user namespace that owns the "
			"network namespace.",
			a->req->port, value);
}

static void why_denied(struct paragraph *p, const struct advice *a)
{
	const char *name = a->syscall;

	if (advice__facts(a)->stage == STAGE_CGROUP)
		paragraph__text(p,
				"A BPF program attached to the cgroup of the process refused the "
				"%s(). No socket is in the way.",
				name);
	else
		paragraph__text(p,
				"A security module (SELinux, AppArmor, Landlock, BPF LSM, ...) "
				"refused the %s(). No socket is in the way.",
				name);
}

static void why_already_bound(struct paragraph *p, const struct advice *a)
{
	uint16_t had = advice__facts(a)->had_port;

	paragraph__text(
		p,
		"This very socket is bound to port %u already%s. A socket is bound once, by "
		"bind() or by connect(), and stays so until it is closed.",
		had, had == a->req->port ? ", the one that is asked for" : "");
}

/* Only a link-local address brings a device of its own (__inet6_bind(): sin6_scope_id). */
static void why_no_device(struct paragraph *p, const struct advice *a)
{
	const char *by = ip_addr__is_link_local(a->req->family, &a->req->addr)
				 ? "the scope of its link-local address, or SO_BINDTODEVICE"
				 : "SO_BINDTODEVICE";
	const char *name = snapshot__device_name(a->snap, a->req->ifindex);

	if (!a->req->ifindex)
		paragraph__text(p, "The socket or its address is tied to a device that does not "
				   "exist in its network namespace.");
	else if (name)
		paragraph__text(p,
				"The socket is tied to device number %u (by %s), and there was "
				"none with that number in its network namespace. A moment later "
				"there was: %s.",
				a->req->ifindex, by, format__device(a->snap, a->req->ifindex).text);
	else
		paragraph__text(p,
				"The socket is tied to device number %u (by %s), and there is none "
				"with that number in its network namespace: it has been removed or "
				"moved, or the number is wrong.",
				a->req->ifindex, by);
}

/* What each errno of these calls means where it is no conflict: net/ipv4/af_inet.c. */
static const struct {
	enum call call;
	int error;
	const char *text;
} meanings[] = {
	{CALL_BIND, EINVAL,
	 "The socket has been used already, or the address is one that cannot be bound as it is: "
	 "a link-local address without its device, an IPv4-mapped one on a socket with "
	 "IPV6_V6ONLY, or one that is too short."},
	{CALL_BIND, EAFNOSUPPORT, "The address is of another family than the socket."},
	{CALL_BIND, EPERM, "A BPF program attached to the cgroup refused it after the bind."},
	{CALL_LISTEN, EINVAL, "The socket is connected, or of a kind that cannot listen."},
	{CALL_LISTEN, EOPNOTSUPP, "Only a stream socket can listen."},
	{CALL_CONNECT, EINVAL, "The address that the socket is bound to has gone from this host."},
	{CALL_CONNECT, ENETUNREACH, "There is no route to that address."},
	{CALL_CONNECT, EHOSTUNREACH, "The host cannot be reached."},
	{CALL_CONNECT, EACCES, "A route forbids it, or it is a broadcast without SO_BROADCAST."},
	{CALL_CONNECT, EISCONN, "The socket is connected already."},
	{CALL_CONNECT, EAFNOSUPPORT, "The address is of another family than the socket."},
};

static void why_other_error(struct paragraph *p, const struct advice *a)
{
	int error = a->report ? a->report->error : 0;

	if (before_port__is(a)) {
		before_port__why_invalid(p, a);
		return;
	}
	paragraph__text(p, "%s is no address conflict: no socket is in the way.",
			format__errno(error).text);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].call == a->req->call && meanings[i].error == error)
			paragraph__text(p, "%s", meanings[i].text);
}

bool refusal__why(struct paragraph *p, const struct advice *a)
{
	static void (*const table[N_CAUSES])(struct paragraph *, const struct advice *) = {
		[CAUSE_SAME_TUPLE] = why_same_tuple,
		[CAUSE_EPHEMERAL_EXHAUSTED] = why_ephemeral,
		[CAUSE_AUTOBIND_EXHAUSTED] = why_autobind,
		[CAUSE_UDP_HOLDER] = why_udp_holder,
		[CAUSE_NOT_LOCAL] = why_not_local,
		[CAUSE_PRIVILEGED_PORT] = why_privileged,
		[CAUSE_DENIED] = why_denied,
		[CAUSE_ALREADY_BOUND] = why_already_bound,
		[CAUSE_NO_DEVICE] = why_no_device,
		[CAUSE_OTHER_ERROR] = why_other_error,
	};
	enum cause cause = a->verdict->cause;

	if (cause == CAUSE_BUCKET && a->req->call == CALL_CONNECT)
		why_marked(p, a);
	else if (table[cause])
		table[cause](p, a);
	else
		return false;
	before_port__then(p, a);
	return true;
}

/* ---- the same in half a sentence ---------------------------------------------------------- */

static void reason_same_tuple(FILE *f, const struct advice *a)
{
	struct holder_text who = {""};
	const struct snap_sock *sock = main_sock(a, false, &who);

	if (!sock)
		fputs("the connection exists already", f);
	else if (sock->state == STATE_TIME_WAIT)
		fputs("the same connection has just ended and is in TIME_WAIT", f);
	else
		fprintf(f, "%s has the same connection already (%s)", who.text,
			sock_state__name(sock));
}

static void reason_udp_holder(FILE *f, const struct advice *a)
{
	struct holder_text who = {""};
	const struct snap_sock *sock = main_sock(a, false, &who);

	if (sock)
		fprintf(f, "%s has %s; to share it both sides need SO_REUSEADDR", who.text,
			advice__local(a, sock).text);
}

static void reason_count(FILE *f, uint32_t n, const char *what)
{
	if (n)
		fprintf(f, ", %u %s", n, what);
}

static void reason_ports(FILE *f, const struct advice *a)
{
	const struct port_usage *usage = advice__usage(a);
	bool connects = a->req->call == CALL_CONNECT, covered = usage__covers(usage);

	if (a->verdict->cause == CAUSE_BUCKET)
		fputs("no connection that exists now is in the way, but connect() takes no port "
		      "that a bind() has marked",
		      f);
	else
		fprintf(f, "no local port %s left%s", covered ? "is" : "was",
			connects ? " for that destination" : "");
	if (!usage)
		return;
	if (!covered) {
		fprintf(f, "; %u of %u ports %s free a moment later", usage_table__free(usage),
			usage_table__ports(usage), plural(usage_table__free(usage), "was", "were"));
		return;
	}
	fprintf(f, "; %u port%s", usage_table__ports(usage),
		plural(usage_table__ports(usage), "", "s"));
	if (connects) {
		reason_count(f, usage->same_peer, "connected to it");
		reason_count(f, usage->bound, "marked by a bind()");
	} else {
		reason_count(f, usage->taken, "taken");
	}
	reason_count(f, usage->reserved, "reserved");
}

static void reason_not_local(FILE *f, const struct advice *a)
{
	if (a->req->call == CALL_CONNECT && ip_addr__is_any(a->req->family, &a->req->addr))
		fputs("no usable local address for that destination", f);
	else if (advice__facts(a)->address_tentative == TRI_YES)
		fprintf(f, "%s is still in duplicate address detection",
			advice__asked_host(a).text);
	else
		fprintf(f, "%s is not an address of this host", advice__asked_host(a).text);
}

static void reason_privileged(FILE *f, const struct advice *a)
{
	int32_t start = advice__facts(a)->unprivileged_port_start;

	if (start < 0)
		fputs("a privileged port, without CAP_NET_BIND_SERVICE", f);
	else
		fprintf(f, "ports below %d need CAP_NET_BIND_SERVICE", start);
}

static void reason_other(FILE *f, const struct advice *a)
{
	switch (a->verdict->cause) {
	case CAUSE_DENIED:
		fputs(advice__facts(a)->stage == STAGE_CGROUP
			      ? "denied by a BPF program of the cgroup"
			      : "denied by a security module",
		      f);
		break;
	case CAUSE_ALREADY_BOUND:
		fprintf(f, "the socket is bound to port %u already", advice__facts(a)->had_port);
		break;
	case CAUSE_NO_DEVICE:
		if (a->req->ifindex)
			fprintf(f, "there is no device number %u in its network namespace",
				a->req->ifindex);
		else
			fputs("the device that it is tied to does not exist", f);
		break;
	default:
		if (before_port__is(a)) {
			before_port__reason_invalid(f, a);
			break;
		}
		fprintf(f, "%s, no address conflict",
			format__errno(a->report ? a->report->error : 0).text);
		break;
	}
}

bool refusal__reason(FILE *f, const struct advice *a)
{
	static void (*const table[N_CAUSES])(FILE *, const struct advice *) = {
		[CAUSE_SAME_TUPLE] = reason_same_tuple,
		[CAUSE_EPHEMERAL_EXHAUSTED] = reason_ports,
		[CAUSE_AUTOBIND_EXHAUSTED] = reason_ports,
		[CAUSE_UDP_HOLDER] = reason_udp_holder,
		[CAUSE_NOT_LOCAL] = reason_not_local,
		[CAUSE_PRIVILEGED_PORT] = reason_privileged,
		[CAUSE_DENIED] = reason_other,
		[CAUSE_ALREADY_BOUND] = reason_other,
		[CAUSE_NO_DEVICE] = reason_other,
		[CAUSE_OTHER_ERROR] = reason_other,
	};
	enum cause cause = a->verdict->cause;

	if (cause == CAUSE_BUCKET && a->req->call == CALL_CONNECT)
		reason_ports(f, a);
	else if (table[cause])
		table[cause](f, a);
	else
		return false;
	return true;
}
