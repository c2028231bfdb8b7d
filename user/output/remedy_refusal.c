// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>
#include "before_port.h"
#include "holder.h"
#include "pasted.h"
#include "remedy.h"
#include "usage_table.h"

static const char *binder_exe(const struct advice *a)
{
	const char *exe = a->binder ? a->binder->exe : NULL;

	return exe && pasted__is_plain_word(exe) && *exe == '/' ? exe : "PROGRAM";
}

static struct holder_text binder_name(const struct advice *a)
{
	struct holder_text name = {"your program"};

	return a->binder && a->binder->pid > 0 ? holder__process(a->binder) : name;
}

static void write_option(struct paragraph *p, uint16_t family, const char *option)
{
	paragraph__code(p, "setsockopt(fd, %s, %s, &(int){1}, sizeof(int));",
			family == AF_INET6 ? "IPPROTO_IPV6" : "SOL_IP", option);
}

static void write_address(struct paragraph *p, const struct advice *a, const char *lead)
{
	struct word enter = pasted__enter(a);
	bool connects = a->req->call == CALL_CONNECT;

	if (advice__facts(a)->address_tentative == TRI_YES)
		paragraph__text(p,
				"start it again in two seconds, when duplicate address detection "
				"is through (`%sip -6 address show tentative` lists what is not; "
				"dadfailed: another host has the address)",
				enter.text);
	else if (connects && a->verdict->cause == CAUSE_NOT_LOCAL)
		paragraph__text(p,
				"give the host an address of that kind (`%sip -br address` lists "
				"what it has), or connect to another one",
				enter.text);
	else if (connects && a->verdict->cause == CAUSE_SAME_TUPLE)
		paragraph__text(p, "%sconnect from another address of this host", lead);
	else if (connects)
		paragraph__text(
			p,
			"%sconnect from another address of this host (`%sip -br address` "
			"lists them): bind() to it before connect(), with %s; or to another "
			"address of the destination (each pair has all the ports)",
			lead, enter.text, NO_PORT_NAME);
	else
		paragraph__text(p,
				"bind to an address of this host (`%sip -br address` lists them), "
				"or to %s for all of them",
				enter.text, a->req->family == AF_INET6 ? "[::]" : "0.0.0.0");
}

static void write_range(struct paragraph *p, const struct advice *a, const char *lead)
{
	const struct port_usage *usage = advice__usage(a);

	if (!usage)
		return;
	if (*lead)
		paragraph__text(p, "%swiden the range of ports:", lead);
	paragraph__code(p, "%ssysctl -w net.ipv4.ip_local_port_range=\"%s\"", pasted__enter(a).text,
			format__wider_range(usage, advice__facts(a)).text);
	paragraph__text(p, "Put the ports of this host's services into "
			   "net.ipv4.ip_local_reserved_ports first, or programs that ask for any "
			   "port may get them.");
}

static void write_no_port(struct paragraph *p, const struct advice *a, const struct fix *fix,
			  const char *lead)
{
	const struct port_usage *usage = advice__usage(a);
	const struct proc_info *top = usage ? usage_table__top_holder(a->snap, usage) : NULL;

	if (fix->side == SIDE_BINDER)
		paragraph__text(p,
				"%sif %s is a client: before its bind() to an address with port 0 "
				"(connect() then chooses the port, and only for that destination):",
				lead, binder_name(a).text);
	else
		paragraph__text(
			p,
			"%sin the programs that bind() to port 0 before they connect()%s%s, "
			"before that bind():",
			lead, top ? ", the first of them " : "",
			top ? holder__process(top).text : "");
	paragraph__code(p, "setsockopt(fd, SOL_IP, %s, &(int){1}, sizeof(int));", NO_PORT_NAME);
}

/* Whoever has most of them; nobody is stopped without being named. */
static void write_stop_top(struct paragraph *p, const struct advice *a, const char *lead)
{
	const struct port_usage *usage = advice__usage(a);
	const struct proc_info *top = usage ? usage_table__top_holder(a->snap, usage) : NULL;
	bool marks = a->verdict->cause == CAUSE_BUCKET;
	struct holder_text command = {""};

	if (!top) {
		paragraph__text(p, "%sclose sockets on these ports", lead);
		return;
	}
	if (usage->low == usage->high)
		paragraph__text(p, "%sclose the socket on this port; %s has it", lead,
				holder__process(top).text);
	else
		paragraph__text(p, "%sclose sockets on these ports; %s has %u of them%s", lead,
				holder__process(top).text, usage->top[0].ports,
				marks ? " (a mark goes with the last socket on its port)" : "");
	if (!a->binder || top->pid != a->binder->pid)
		command = pasted__stop_one(top);
	if (*command.text)
		paragraph__code(p, "%s", command.text);
}

static void write_privilege(struct paragraph *p, const struct advice *a)
{
	if (a->binder && pasted__is_system_service(a->binder)) {
		paragraph__code(p, "systemctl edit %s", a->binder->unit);
		paragraph__text(p, "and there, below [Service]:");
		paragraph__code(p, "AmbientCapabilities=CAP_NET_BIND_SERVICE");
		paragraph__text(p, "or, for whoever starts it:");
	}
	paragraph__code(p, "setcap cap_net_bind_service=+ep %s", binder_exe(a));
	paragraph__text(p, "(an interpreter would give it to every script), or for all programs in "
			   "this network namespace:");
	paragraph__code(p, "%ssysctl -w net.ipv4.ip_unprivileged_port_start=%u",
			pasted__enter(a).text, a->req->port);
}

static void write_nonlocal(struct paragraph *p, const struct advice *a)
{
	if (advice__facts(a)->address_tentative == TRI_YES) {
		write_address(p, a, "");
		return;
	}
	paragraph__text(p, "before bind():");
	write_option(p, a->req->family, freebind__name(a->req->family));
}

static void write_tw_reuse(struct paragraph *p, const struct advice *a, const char *lead)
{
	if (*lead)
		paragraph__text(p, "%slet connect() take ports in TIME_WAIT:", lead);
	paragraph__code(p, "%ssysctl -w net.ipv4.tcp_tw_reuse=1", pasted__enter(a).text);
	paragraph__text(p, "It lets connect() take a port in TIME_WAIT again after a second, where "
			   "both ends use TCP timestamps.");
}

static void write_any_port(struct paragraph *p, const struct advice *a)
{
	paragraph__text(p,
			"leave the choice of the port to connect(), which takes one that is free "
			"for this destination: no bind() before it, or one to the address with "
			"port 0 and %s",
			NO_PORT_NAME);
}

static void write_one(struct paragraph *p, const struct advice *a, const struct fix *fix,
		      const char *lead)
{
	switch (fix->kind) {
	case FIX_ADDRESS:
		write_address(p, a, lead);
		break;
	case FIX_ANY_PORT:
		write_any_port(p, a);
		break;
	case FIX_RANGE:
		write_range(p, a, lead);
		break;
	case FIX_NO_PORT:
		write_no_port(p, a, fix, lead);
		break;
	case FIX_PRIVILEGE:
		write_privilege(p, a);
		break;
	case FIX_NONLOCAL:
		write_nonlocal(p, a);
		break;
	case FIX_TW_REUSE:
		write_tw_reuse(p, a, lead);
		break;
	case FIX_NEW_SOCKET:
		paragraph__text(p, "close the socket and bind a new one, or call bind() only once");
		break;
	case FIX_CLOSE:
		write_stop_top(p, a, lead);
		break;
	default:
		break;
	}
}

void remedy__write_refusal_fix(struct paragraph *p, const struct advice *a, const struct fix *fix)
{
	write_one(p, a, fix, "");
}

/* ---- what there is to say besides -------------------------------------------------------- */

/* Its listeners on 127.0.0.53 and .54; nobody stops it who wants names resolved. */
static bool is_stub_resolver(const struct advice *a)
{
	const struct verdict *v = a->verdict;
	const struct proc_info *first;

	for (size_t i = 0; i < v->n_blockers; i++)
		if (holder__procs(a->snap, v->blockers[i].sock, &first, 1) != 1 || !first->unit ||
		    strcmp(first->unit, "systemd-resolved.service"))
			return false;
	return v->n_blockers && a->req->port == 53;
}

static void lasting_for_udp(struct paragraph *p, const struct advice *a, const struct fix *now)
{
	if (is_stub_resolver(a)) {
		paragraph__text(p, "or keep it, without its listener on port 53: in "
				   "/etc/systemd/resolved.conf, below [Resolve]:");
		paragraph__code(p, "DNSStubListener=no");
		paragraph__text(p, "and then systemctl restart systemd-resolved.service");
	} else if (now->kind == FIX_SET) {
		paragraph__text(p,
				"Each datagram to a shared port goes to one of the sockets; only "
				"multicast and broadcast go to all.");
	} else {
		paragraph__text(p, NEVER_AGAIN "run only one of the two, or give one another port "
					       "or address (to share multicast on purpose, both "
					       "set SO_REUSEADDR before bind())");
	}
}

static void lasting_for_nonlocal(struct paragraph *p, const struct advice *a, const struct fix *now)
{
	bool waits = advice__facts(a)->address_tentative == TRI_YES;

	if (!remedy__find(a->verdict, FIX_NONLOCAL) || (now->kind == FIX_NONLOCAL && !waits))
		return;
	paragraph__text(p, "or, to bind it before it is there, before bind():");
	write_option(p, a->req->family, freebind__name(a->req->family));
}

/* Which of the ways out is open, only the reader knows. */
static void write_others(struct paragraph *p, const struct advice *a, const struct fix *now)
{
	const struct verdict *v = a->verdict;

	for (size_t i = 0; i < v->n_fixes; i++)
		if (&v->fixes[i] != now)
			write_one(p, a, &v->fixes[i], "or ");
}

/* Whoever runs out of ports opens too many connections, however many ports there are. */
static void lasting_for_ports(struct paragraph *p, const struct advice *a, const struct fix *now)
{
	write_others(p, a, now);
	if (a->req->call == CALL_BIND && !ip_addr__is_any(a->req->family, &a->req->addr))
		paragraph__text(p, "or bind to another address of this host, where the ports are "
				   "taken on this address only");
	if (a->req->call == CALL_CONNECT && a->verdict->cause == CAUSE_EPHEMERAL_EXHAUSTED)
		paragraph__text(p, NEVER_AGAIN "keep connections open and use them again (a pool, "
					       "keep-alive) instead of one for each request");
}

bool remedy__write_refusal_lasting(struct paragraph *p, const struct advice *a,
				   const struct fix *now)
{
	const struct fix *wait;

	switch (a->verdict->cause) {
	case CAUSE_UDP_HOLDER:
		lasting_for_udp(p, a, now);
		return true;
	case CAUSE_NOT_LOCAL:
		lasting_for_nonlocal(p, a, now);
		return true;
	case CAUSE_EPHEMERAL_EXHAUSTED:
	case CAUSE_AUTOBIND_EXHAUSTED:
		lasting_for_ports(p, a, now);
		return true;
	case CAUSE_BUCKET:
		lasting_for_ports(p, a, now);
		return a->req->call == CALL_CONNECT;
	case CAUSE_SAME_TUPLE:
		wait = remedy__find(a->verdict, FIX_WAIT);
		if (wait)
			paragraph__text(p, "or wait about %s, and connect again",
					format__wait(wait->wait_ms).text);
		return true;
	case CAUSE_PRIVILEGED_PORT:
	case CAUSE_ALREADY_BOUND:
		return true;
	default:
		return false;
	}
}

static void write_denied(struct paragraph *p, const struct advice *a)
{
	if (advice__facts(a)->stage != STAGE_CGROUP) {
		paragraph__text(p, "look which rule it was, then change that or use another port:");
		paragraph__code(p, "journalctl -k --since -5min --grep 'avc:|apparmor='");
		paragraph__text(p, "(SELinux: `semanage port -l` lists the ports that a domain may "
				   "use; Landlock is set by the program itself)");
		return;
	}
	if (a->req->call == CALL_BIND && a->binder && pasted__is_system_service(a->binder)) {
		paragraph__code(p, "systemctl show -p SocketBindAllow -p SocketBindDeny %s",
				a->binder->unit);
		paragraph__text(p, "shows what systemd forbids; other programs are listed by:");
	} else {
		paragraph__text(p, "look which program it was, and ask who attached it:");
	}
	paragraph__code(p, "bpftool cgroup tree");
}

static void write_device(struct paragraph *p, const struct advice *a)
{
	paragraph__text(p, "see which devices that network namespace has, with their numbers:");
	paragraph__code(p, "%sip link", pasted__enter(a).text);
	if (ip_addr__is_link_local(a->req->family, &a->req->addr))
		paragraph__text(p,
				"Then give the address with one of these (sin6_scope_id, as in "
				"%s%%eth0), or create the one that is missing.",
				format__address(a->req->family, &a->req->addr).text);
	else
		paragraph__text(p, "Then make a new socket and tie it to one of these "
				   "(SO_BINDTODEVICE), or to none; or create the one that is "
				   "missing.");
}

static void write_wait_for_ports(struct paragraph *p, const struct advice *a)
{
	struct word enter = pasted__enter(a);

	if (usage__covers(advice__usage(a))) {
		paragraph__text(p, "wait until some of the sockets are gone: no port can be added");
		return;
	}
	paragraph__text(p, "try again; where it happens often, see what the range is full of:");
	paragraph__code(p, "%sss -Han%c | awk '{print $1, $5}' |%ssort | uniq -c | sort -n | tail",
			enter.text, advice__is_udp(a) ? 'u' : 't', *enter.text ? "\n       " : " ");
}

bool remedy__write_without_fix(struct paragraph *p, const struct advice *a)
{
	switch (a->verdict->cause) {
	case CAUSE_DENIED:
		write_denied(p, a);
		return true;
	case CAUSE_NO_DEVICE:
		write_device(p, a);
		return true;
	case CAUSE_NOT_LOCAL:
		write_address(p, a, "");
		return true;
	case CAUSE_PRIVILEGED_PORT:
		write_privilege(p, a);
		return true;
	case CAUSE_OTHER_ERROR:
		if (before_port__is(a)) {
			before_port__remedy_invalid(p, a);
			return true;
		}
		paragraph__text(p, "correct the call in %s", binder_name(a).text);
		return true;
	case CAUSE_EPHEMERAL_EXHAUSTED:
	case CAUSE_AUTOBIND_EXHAUSTED:
		write_wait_for_ports(p, a);
		return true;
	default:
		return false;
	}
}
