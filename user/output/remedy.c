// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>
#include "pasted.h"
#include "remedy.h"
#include "table.h"

#define TCP_TIMEWAIT_MS 60000 /* include/net/tcp.h: TCP_TIMEWAIT_LEN */
#define CODE_WIDTH	75    /* of a terminal, behind the labels */

static const struct fix *find_fix(const struct verdict *v, enum fix_kind kind, unsigned int sides)
{
	for (size_t i = 0; i < v->n_fixes; i++)
		if (v->fixes[i].kind == kind && (!sides || (sides & (1u << v->fixes[i].side))))
			return &v->fixes[i];
	return NULL;
}

#define ANY_SIDE 0

const struct fix *remedy__find(const struct verdict *v, enum fix_kind kind)
{
	return find_fix(v, kind, ANY_SIDE);
}
#define ON(side)   (1u << (side))
#define NOT_BINDER (ON(SIDE_BLOCKER) | ON(SIDE_BOTH))

/* What helps at once, by cause; else the model's first. */
static const struct fix *best_fix(const struct verdict *v)
{
	const struct fix *fix = NULL;

	switch (v->cause) {
	case CAUSE_TIME_WAIT:
	case CAUSE_CLOSING:
	case CAUSE_CONNECTION:
	case CAUSE_BOUND_ONLY:
		fix = find_fix(v, FIX_SET, ON(SIDE_BINDER));
		fix = fix ?: find_fix(v, FIX_WAIT, ANY_SIDE);
		fix = fix ?: find_fix(v, FIX_CLOSE, ANY_SIDE);
		break;
	case CAUSE_LISTENER:
	case CAUSE_INHERITED:
	case CAUSE_SELF_CONNECT:
	case CAUSE_OWNERLESS:
	case CAUSE_LISTEN_RACE:
	case CAUSE_DEVICE:
		fix = find_fix(v, FIX_CLOSE, ANY_SIDE);
		break;
	case CAUSE_CLIENT_PORT:
		fix = find_fix(v, FIX_SYSCTL, ANY_SIDE);
		fix = fix ?: find_fix(v, FIX_CLOSE, ANY_SIDE);
		break;
	case CAUSE_REUSEPORT_UID:
		fix = find_fix(v, FIX_UID, ANY_SIDE);
		break;
	default:
		break;
	}
	return fix ?: v->n_fixes ? &v->fixes[0] : NULL;
}

/* The whole bind again: another socket on the port may be no obstacle to this one. */
static void write_wait(struct paragraph *p, const struct advice *a, int64_t wait_ms)
{
	bool service = a->binder && pasted__is_system_service(a->binder);
	char command[sizeof(struct holder_text) * 2 + 160];
	int len = snprintf(command, sizeof(command), "%s%s%s --wait", pasted__ask_again(a).text,
			   pasted__address_option(a).text, pasted__bind_options(a).text);

	if (!service)
		paragraph__code(p, "%s", command);
	else if (len + strlen(a->binder->unit) + strlen(" && systemctl start ") <= CODE_WIDTH)
		paragraph__code(p, "%s && systemctl start %s", command, a->binder->unit);
	else
		paragraph__code(p, "%s &&\n       systemctl start %s", command, a->binder->unit);
	if (wait_ms >= 0)
		paragraph__text(p, "It returns when the kernel has freed the port, in about %s%s.",
				format__wait(wait_ms).text,
				service ? "" : "; then start the program again");
	else
		paragraph__text(p, "It returns when the kernel has freed the port%s.",
				service ? "" : "; then start the program again");
}

static void close_orphans(struct paragraph *p, const struct advice *a, const struct snap_sock *sock)
{
	const char *until = "until the peer acknowledges, or until the kernel gives up "
			    "(net.ipv4.tcp_orphan_retries)";

	if (sock->state == STATE_FIN_WAIT2)
		until = "until net.ipv4.tcp_fin_timeout is over";
	paragraph__code(p, "%sss -K%s sport = :%u", pasted__enter(a).text,
			pasted__ss_states(a).text, a->req->port);
	paragraph__text(p,
			"It ends all connections in this state on this port, where the kernel was "
			"built with INET_DIAG_DESTROY. Or wait %s.",
			until);
}

/* A connection that is not accepted goes with the listener that it came in by. */
static void stop_listener(struct paragraph *p, const struct advice *a, const struct snap_sock *sock)
{
	struct stopped s = {.n = 0};
	struct holder_text command;
	uint32_t listener;

	if (holder__listener(a->snap, sock, &listener))
		stopped__add_holders(&s, a, listener);
	if (stopped__command(&s, a->binder, "stop", &command))
		paragraph__code(p, "%s", command.text);
	else
		paragraph__text(p, "stop the process that has the listening socket");
}

static void close_ownerless(struct paragraph *p, const struct advice *a)
{
	const struct fix *wait;
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);

	switch (sock ? (enum holder_class)sock->holder : HOLDER_UNKNOWN) {
	case HOLDER_KERNEL:
		paragraph__text(p, "use another port, or end what made the kernel open it: %s",
				advice__is_udp(a) ? "remove the tunnel (`wg show`, `ip -d link`)"
						  : "unmount the NFS share or stop the NFS server "
						    "(`findmnt -t nfs,nfs4`)");
		break;
	case HOLDER_TIME_WAIT:
		wait = remedy__find(a->verdict, FIX_WAIT);
		write_wait(p, a, wait ? wait->wait_ms : -1);
		break;
	case HOLDER_ORPHAN:
		close_orphans(p, a, sock);
		break;
	case HOLDER_ACCEPT_QUEUE:
		stop_listener(p, a, sock);
		break;
	case HOLDER_DETACHED:
		paragraph__text(p, "stop the program that passes or registers sockets: `ss -xp` "
				   "lists UNIX sockets with their processes; or use another port");
		break;
	default:
		paragraph__text(p, "find the owner, and stop it. This shows it, as root and "
				   "outside of containers (in the first pid namespace):");
		paragraph__code(p, "sudo %s", pasted__ask_again(a).text);
		break;
	}
}

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What stopping the holders leaves in the kernel. */
static void write_leftovers(struct paragraph *p, const struct advice *a)
{
	size_t lingering = 0, connected = 0;
	int64_t longest_ms = 0;

	if (advice__is_udp(a))
		return;
	for (size_t i = 0; i < a->verdict->n_blockers; i++) {
		const struct snap_sock *sock = &a->snap->socks[a->verdict->blockers[i].sock];

		if (sock->holder != HOLDER_TIME_WAIT) {
			connected += sock->peer_port != 0;
			continue;
		}
		lingering++;
		longest_ms = longer(longest_ms,
				    sock->expires_known ? sock->expires_ms : TCP_TIMEWAIT_MS);
	}
	if (lingering)
		paragraph__text(p, "Then wait %s: %zu socket%s in TIME_WAIT must expire.",
				format__wait(longest_ms + TIME_WAIT_SLACK_MS).text, lingering,
				lingering == 1 ? "" : "s");
	else if (connected)
		paragraph__text(p, "If it is still refused then, wait a minute: a connection that "
				   "is closed on this side first leaves a TIME_WAIT.");
}

/* More than a command line or a table has room for. */
static void stop_very_many(struct paragraph *p, const struct advice *a)
{
	paragraph__text(p,
			"stop every process that holds one of these sockets, as the service that "
			"they belong to. This lists them all:");
	paragraph__code(p, "%sfuser -v %u/%s", pasted__enter(a).text, a->req->port,
			advice__is_udp(a) ? "udp" : "tcp");
}

static void write_close(struct paragraph *p, const struct advice *a)
{
	struct stopped s = stopped__of_blockers(a);
	struct holder_text command;

	if (stopped__command(&s, a->binder, "stop", &command)) {
		paragraph__code(p, "%s", command.text);
		write_leftovers(p, a);
		return;
	}
	if (s.systemd)
		paragraph__text(p,
				"systemd itself has it, for a .socket unit: `systemctl "
				"list-sockets` shows which, `systemctl stop` of that unit closes "
				"it");
	else if (s.init)
		paragraph__text(p, "process 1 has it. In a container that is the container's own "
				   "program: stop or restart the container");
	else if (s.too_many)
		stop_very_many(p, a);
	else if (s.self && s.n == 0)
		paragraph__text(p,
				"close the other socket in the same process first, or %s only "
				"once",
				a->req->call == CALL_LISTEN ? "listen" : "bind");
	else if (s.self)
		paragraph__text(p, "stop the other processes, and close the other socket in this "
				   "one first");
	else
		close_ownerless(p, a);
}

static void write_setsockopt(struct paragraph *p, uint32_t set)
{
	if (set & FIX_OPT_REUSEADDR)
		paragraph__code(p, "setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, "
				   "sizeof(int));");
	if (set & FIX_OPT_REUSEPORT)
		paragraph__code(p, "setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, "
				   "sizeof(int));");
	if (set & FIX_OPT_V6ONLY)
		paragraph__code(p, "setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, "
				   "sizeof(int));");
}

/* Where the code goes. */
static void write_place(struct paragraph *p, const struct advice *a, const struct fix *fix,
			const char *prefix)
{
	const char *when = fix->set & FIX_OPT_V6ONLY ? "before the bind() of the IPv6 socket"
						     : "before bind()";
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);
	bool old_run = sock && (sock->holder == HOLDER_TIME_WAIT || sock->holder == HOLDER_ORPHAN ||
				a->verdict->cause == CAUSE_CONNECTION);

	if (fix->side == SIDE_BINDER && a->binder && a->binder->pid > 0)
		paragraph__text(p, "%sin %s, %s:", prefix, holder__process(a->binder).text, when);
	else if (fix->side == SIDE_BINDER)
		paragraph__text(p, "%sin your program, %s:", prefix, when);
	else if (old_run)
		paragraph__text(p, "%sin every run of the server, %s:", prefix, when);
	else if (fix->side == SIDE_BLOCKER && sock)
		paragraph__text(p, "%sin %s, %s%s:", prefix, holder__who(a->snap, index).text, when,
				stopped__of_blockers(a).self ? "" : ", and restart it");
	else
		paragraph__text(p, "%sin both programs, %s:", prefix, when);
}

static void write_set(struct paragraph *p, const struct advice *a, const struct fix *fix,
		      const char *prefix)
{
	write_place(p, a, fix, prefix);
	write_setsockopt(p, fix->set);
}

/* What is written is the whole list: without what is there already, that is lost. */
static void write_reserve(struct paragraph *p, const struct advice *a)
{
	struct word enter = pasted__enter(a);

	paragraph__code(p,
			"%ssysctl -w net.ipv4.ip_local_reserved_ports=%u,$(\n"
			"       %ssysctl -n net.ipv4.ip_local_reserved_ports)",
			enter.text, a->req->port, enter.text);
}

static void write_sysctl(struct paragraph *p, const struct advice *a)
{
	struct stopped s = stopped__of_blockers(a);
	struct holder_text restart;

	write_reserve(p, a);
	if (!stopped__command(&s, a->binder, "restart", &restart)) {
		write_close(p, a);
		return;
	}
	paragraph__code(p, "%s", restart.text);
	paragraph__text(p,
			"The first keeps connect() off port %u from now on, the second ends the "
			"connection that is there.",
			a->req->port);
	write_leftovers(p, a);
}

static void write_fix(struct paragraph *p, const struct advice *a, const struct fix *fix)
{
	switch (fix->kind) {
	case FIX_SET:
		write_set(p, a, fix, "");
		break;
	case FIX_CLOSE:
		if (a->verdict->n_blockers)
			write_close(p, a);
		else
			remedy__write_refusal_fix(p, a, fix);
		break;
	case FIX_WAIT:
		write_wait(p, a, fix->wait_ms);
		break;
	case FIX_SYSCTL:
		write_sysctl(p, a);
		break;
	case FIX_UID:
		paragraph__text(p, "start it as uid %u, the user of the other side", fix->uid);
		break;
	case FIX_DETACH_GROUP:
		paragraph__text(p, "call bind() first and attach the SO_ATTACH_REUSEPORT_EBPF (or "
				   "_CBPF) program afterwards");
		break;
	default:
		remedy__write_refusal_fix(p, a, fix);
		break;
	}
}

static bool offers_reuseport(const struct verdict *v)
{
	const struct fix *fix = find_fix(v, FIX_SET, ANY_SIDE);

	for (; fix && fix < v->fixes + v->n_fixes; fix++)
		if (fix->kind == FIX_SET && (fix->set & FIX_OPT_REUSEPORT))
			return true;
	return false;
}

static void lasting_for_listener(struct paragraph *p, const struct advice *a)
{
	const char *share = offers_reuseport(a->verdict)
				    ? " (to share it on purpose, both must set SO_REUSEPORT before "
				      "bind(), as the same user)"
				    : "";
	struct stopped s = stopped__of_blockers(a);

	if (s.self && s.n == 0 && !s.systemd && !s.init)
		return; /* one program: all is said */
	paragraph__text(p, NEVER_AGAIN "run only one of the two, or give one another port%s",
			share);
}

static void lasting_for_client(struct paragraph *p, const struct advice *a, const struct fix *now)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);
	bool chosen = sock && advice__chose_port(sock);

	if (chosen && a->verdict->cause == CAUSE_SELF_CONNECT) {
		paragraph__text(p, NEVER_AGAIN "do not connect() to the port that the same socket "
					       "is bound to");
	} else if (chosen || !advice__port_is_ephemeral(a)) {
		paragraph__text(p, NEVER_AGAIN "let the client use another local port");
	} else if (*pasted__enter(a).text) {
		if (now->kind != FIX_SYSCTL)
			write_reserve(p, a);
		paragraph__text(p, "and set net.ipv4.ip_local_reserved_ports, too, wherever this "
				   "network namespace is set up");
	} else if (now->kind == FIX_SYSCTL) {
		paragraph__text(p, "and, to keep that after a reboot, in "
				   "/etc/sysctl.d/90-reserved-ports.conf, with what else is "
				   "reserved:");
		paragraph__code(p, "net.ipv4.ip_local_reserved_ports = %u", a->req->port);
	} else {
		paragraph__text(p, NEVER_AGAIN "keep connect() off this port:");
		write_reserve(p, a);
	}
}

/* Options set on the side that lacks them last longer than a wait or a kill. */
static void lasting_options(struct paragraph *p, const struct advice *a, const struct fix *now)
{
	const struct fix *fix = find_fix(a->verdict, FIX_SET, NOT_BINDER);
	const struct fix *wait = remedy__find(a->verdict, FIX_WAIT);

	fix = fix ?: find_fix(a->verdict, FIX_SET, ANY_SIDE);
	if (fix && now->kind != FIX_SET) {
		write_set(p, a, fix, NEVER_AGAIN);
	} else if (now->kind == FIX_SET && stopped__of_blockers(a).n > 0) {
		paragraph__text(p, "or, for now:");
		write_close(p, a);
	} else if (now->kind == FIX_SET && wait) {
		paragraph__text(p, "or, for now:");
		write_wait(p, a, wait->wait_ms);
	}
}

/* A program that nobody can name can't be changed either. */
static bool is_unchangeable(const struct advice *a)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);

	return sock && (sock->holder == HOLDER_KERNEL || sock->holder == HOLDER_DETACHED);
}

static void write_lasting(struct paragraph *p, const struct advice *a, const struct fix *now)
{
	if (remedy__write_refusal_lasting(p, a, now))
		return;
	switch (a->verdict->cause) {
	case CAUSE_LISTENER:
	case CAUSE_LISTEN_RACE:
	case CAUSE_BOUND_ONLY: /* with SO_REUSEADDR both bind, and the second to listen() fails */
		lasting_for_listener(p, a);
		break;
	case CAUSE_CLIENT_PORT:
	case CAUSE_SELF_CONNECT:
		lasting_for_client(p, a, now);
		break;
	case CAUSE_INHERITED:
		paragraph__text(p, NEVER_AGAIN "open sockets so that a child does not inherit them "
					       "(accept4() takes the flag, too):");
		paragraph__code(p, "socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);");
		break;
	case CAUSE_DEVICE:
		paragraph__text(p, NEVER_AGAIN "tie both sides to different devices "
					       "(SO_BINDTODEVICE), or use another port");
		break;
	default:
		if (!is_unchangeable(a))
			lasting_options(p, a, now);
		break;
	}
}

void remedy__write(struct paragraph *p, const struct advice *a)
{
	const struct fix *now = best_fix(a->verdict);

	if (now) {
		write_fix(p, a, now);
		write_lasting(p, a, now);
	} else if (a->verdict->refused == TRI_UNKNOWN) {
		paragraph__text(p, "ask again as root, with BPF every flag can be read:");
		paragraph__code(p, "sudo %s%s%s", pasted__ask_again(a).text,
				pasted__address_option(a).text, pasted__bind_options(a).text);
	} else if (a->verdict->n_blockers) {
		write_close(p, a);
	} else if (!remedy__write_without_fix(p, a) && a->req->port) {
		paragraph__text(p,
				"try again; if it is refused again, look with `%s -v`, and please "
				"report what it says",
				pasted__ask_again(a).text);
	} else if (a->verdict->cause == CAUSE_UNEXPLAINED) {
		paragraph__text(p, "try again; if it is refused again, please report this");
	}
}
