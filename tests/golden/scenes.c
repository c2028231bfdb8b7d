// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "scenes.h"

/* ---- bricks --------------------------------------------------------------------------------- */

static struct snapshot *snap_of(struct scene *s)
{
	return s->one_shot ? &s->port.snap : &s->conflict.snap;
}

static uint16_t parse(const char *text, struct ip_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, ret->bytes) == 1)
		return AF_INET;
	if (inet_pton(AF_INET6, text, ret->bytes) == 1)
		return AF_INET6;
	abort();
}

static uint32_t v4_word(uint16_t family, const struct ip_addr *addr)
{
	uint32_t word;

	memcpy(&word, addr->bytes, 4);
	if (family == AF_INET)
		return word;
	return ip_addr__is_any(family, addr) ? 0 : htonl(0x7f000006);
}

static void init_snap(struct snapshot *snap, uint16_t port)
{
	snapshot__init(snap);
	snap->protocol = PROTO_TCP;
	snap->port = port;
	snap->netns = 4026531840;
	snap->kernel.hash2 = true;
	snap->kernel.closed_group_usable = true;
	snap->evidence = EVIDENCE_EXACT;
	snap->owners_known = true;
	snap->ephemeral_low = 32768;
	snap->ephemeral_high = 60999;
}

static void init_req(struct bind_request *req, const char *addr, uint16_t port)
{
	req->family = parse(addr, &req->addr);
	req->port = port;
	req->v4_word_be = v4_word(req->family, &req->addr);
	req->uid = req->inode_uid = 1000;
}

static void set_process(struct proc_info *proc, int pid, const char *comm, const char *unit)
{
	char path[256];

	memset(proc, 0, sizeof(*proc));
	proc->pid = proc->tid = pid;
	proc->uid_known = true;
	proc->uid = 1000;
	proc->session_leader = TRI_NO;
	proc->comm = strdup(comm);
	snprintf(path, sizeof(path), "/srv/%s", comm);
	proc->exe = strdup(path);
	if (!unit)
		return;
	proc->unit = strdup(unit);
	snprintf(path, sizeof(path), "/system.slice/%s", unit);
	proc->cgroup = strdup(path);
}

static void refused(struct scene *s, const char *addr, uint16_t port, const char *comm)
{
	struct conflict_report *c = &s->conflict;

	c->time_ns = c->first_time_ns = SCENE_TIME_NS;
	c->count = 1;
	c->syscall = "bind";
	c->error = c->facts.error = EADDRINUSE;
	c->kernel_agrees = TRI_UNKNOWN;
	init_snap(&c->snap, port);
	init_req(&c->req, addr, port);
	set_process(&c->process, 4242, comm, "echo.service");
}

static void asked(struct scene *s, uint16_t port)
{
	static const char *const any[] = {"0.0.0.0", "::"};
	struct port_report *p = &s->port;

	s->one_shot = true;
	p->time_ns = SCENE_TIME_NS;
	init_snap(&p->snap, port);
	p->snap.evidence = EVIDENCE_WALKED;
	p->what_ifs = calloc(8, sizeof(*p->what_ifs));
	p->n_what_ifs = 8;
	for (int i = 0; i < 8; i++) {
		init_req(&p->what_ifs[i].req, any[i / 4], port);
		p->what_ifs[i].req.reuseaddr = i & 1;
		p->what_ifs[i].req.reuseport = i & 2;
		p->what_ifs[i].asked = i % 4 == 0;
	}
}

/* The pointer is good until the next socket. */
static struct snap_sock *add_sock(struct scene *s, uint8_t state, const char *local)
{
	struct snapshot *snap = snap_of(s);
	struct snap_sock *sock;

	if (snap->n_buckets == 0)
		snapshot__add_bucket(snap);
	sock = snapshot__add_sock(snap);
	sock->id = snap->n_socks;
	sock->family = parse(local, &sock->local);
	sock->v4_word_be = v4_word(sock->family, &sock->local);
	sock->local_port = snap->port;
	sock->state = state;
	sock->has_socket = sock->has_file = TRI_YES;
	sock->dead = sock->kernel_made = sock->force_reuse = TRI_NO;
	sock->port_locked = TRI_YES;
	sock->connect_bound = TRI_UNKNOWN;
	sock->uid_known = sock->inode_uid_known = true;
	sock->uid = sock->inode_uid = 1000;
	sock->inode = 90000 + snap->n_socks;
	sock->role = state == STATE_BOUND ? ROLE_BOUND : ROLE_SERVER;
	snap->total = snap->n_socks;
	return sock;
}

static struct snap_sock *add_connection(struct scene *s, uint8_t state, const char *local,
					const char *peer, uint16_t peer_port)
{
	struct snap_sock *sock = add_sock(s, state, local);

	parse(peer, &sock->peer);
	sock->peer_port = peer_port;
	return sock;
}

static struct snap_sock *add_time_wait(struct scene *s, const char *peer, uint16_t peer_port,
				       int64_t expires_ms)
{
	struct snap_sock *sock = add_connection(s, STATE_TIME_WAIT, "127.0.0.1", peer, peer_port);

	sock->substate = STATE_TIME_WAIT;
	sock->has_socket = sock->has_file = TRI_NO;
	sock->port_locked = TRI_UNKNOWN;
	sock->uid_known = sock->inode_uid_known = false;
	sock->inode = 0;
	sock->holder = HOLDER_TIME_WAIT;
	sock->expires_known = true;
	sock->expires_ms = expires_ms;
	return sock;
}

/* The last socket is held by a process. */
static void held_by(struct scene *s, int pid, const char *comm, const char *unit, int fd,
		    enum tri opener)
{
	struct snapshot *snap = snap_of(s);
	struct proc_info *proc = snapshot__add_proc(snap);

	set_process(proc, pid, comm, unit);
	proc->tid = 0;
	snap->socks[snap->n_socks - 1].holder = HOLDER_PROCESS;
	snapshot__add_hold(snap, (uint32_t)snap->n_socks - 1, (uint32_t)snap->n_procs - 1, fd,
			   opener);
	snapshot__sort_holds(snap);
}

static void nobody_holds(struct snap_sock *sock, enum holder_class holder)
{
	sock->holder = holder;
	sock->uid_known = false;
	if (holder == HOLDER_ORPHAN) {
		sock->dead = TRI_YES;
		sock->has_socket = sock->has_file = TRI_NO;
		sock->inode = 0;
		sock->inode_uid = 0;
	}
}

/* ---- one scene per cause ----------------------------------------------------------------------
 */

static void time_wait(struct scene *s)
{
	refused(s, "0.0.0.0", 9527, "echo");
	add_time_wait(s, "127.0.0.1", 46954, 41230);
	s->expected = CAUSE_TIME_WAIT;
}

static void time_wait_one_sided(struct scene *s)
{
	struct proc_info *former = calloc(1, sizeof(*former));

	refused(s, "0.0.0.0", 8080, "echo");
	s->conflict.req.reuseaddr = true;
	set_process(former, 4101, "echo", "echo.service");
	add_time_wait(s, "127.0.0.1", 46954, 41230)->former_owner = former;
	s->expected = CAUSE_TIME_WAIT;
}

static void time_wait_port(struct scene *s)
{
	asked(s, 8080);
	for (uint16_t i = 0; i < 312; i++)
		add_time_wait(s, "127.0.0.1", 40000 + i, 10000 + 100 * i)->reuseaddr = TRI_YES;
	s->expected = CAUSE_TIME_WAIT;
}

static void closing(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	nobody_holds(add_connection(s, STATE_FIN_WAIT1, "192.168.1.10", "192.168.1.77", 51515),
		     HOLDER_ORPHAN);
	s->expected = CAUSE_CLOSING;
}

static void closing_fin_wait2(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	add_time_wait(s, "192.168.1.77", 51515, 58000)->substate = STATE_FIN_WAIT2;
	s->expected = CAUSE_CLOSING;
}

/* Shut down by a program that still has it: no timer runs. */
static void closing_shut_down(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	add_connection(s, STATE_FIN_WAIT2, "192.168.1.10", "192.168.1.77", 51515);
	held_by(s, 4101, "echo", NULL, 5, TRI_YES);
	s->expected = CAUSE_CLOSING;
}

/* tcp_fin_timeout of more than a minute: the kernel keeps the orphan as it is. */
static void closing_orphan(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	nobody_holds(add_connection(s, STATE_FIN_WAIT2, "192.168.1.10", "192.168.1.77", 51515),
		     HOLDER_ORPHAN);
	s->expected = CAUSE_CLOSING;
}

static void closing_last_ack(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	nobody_holds(add_connection(s, STATE_LAST_ACK, "192.168.1.10", "192.168.1.77", 51515),
		     HOLDER_ORPHAN);
	nobody_holds(add_connection(s, STATE_CLOSING, "192.168.1.10", "192.168.1.77", 51516),
		     HOLDER_ORPHAN);
	s->expected = CAUSE_CLOSING;
}

/* In another network namespace, where the commands have to run, too. */
static void time_wait_netns(struct scene *s)
{
	time_wait_one_sided(s);
	s->conflict.snap.netns_name = strdup("web");
}

static void listener(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	s->conflict.req.reuseaddr = true;
	add_sock(s, STATE_LISTEN, "0.0.0.0")->reuseaddr = TRI_YES;
	for (int i = 0; i < 4; i++)
		held_by(s, 12 + i, "nginx", "nginx.service", 6, i ? TRI_NO : TRI_YES);
	s->expected = CAUSE_LISTENER;
}

/* A program that does not stop trying. */
static void listener_again(struct scene *s)
{
	listener(s);
	s->conflict.count = 153;
	s->conflict.first_time_ns = SCENE_TIME_NS - 990000000;
	s->conflict.again = true;
}

static void listener_self(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	add_sock(s, STATE_LISTEN, "0.0.0.0");
	held_by(s, 4242, "echo", "echo.service", 3, TRI_YES);
	s->expected = CAUSE_LISTENER;
}

static void listener_port(struct scene *s)
{
	asked(s, 8080);
	add_sock(s, STATE_LISTEN, "0.0.0.0");
	held_by(s, 3121, "python3", "session-4.scope", 3, TRI_YES);
	add_connection(s, STATE_ESTABLISHED, "10.0.0.5", "10.0.0.9", 40404)->reuseaddr = TRI_YES;
	held_by(s, 3121, "python3", "session-4.scope", 4, TRI_YES);
	s->expected = CAUSE_LISTENER;
}

static void dual_stack(struct scene *s)
{
	refused(s, "::", 8080, "echo");
	add_sock(s, STATE_LISTEN, "0.0.0.0");
	held_by(s, 77, "java", "tomcat.service", 41, TRI_YES);
	s->expected = CAUSE_DUAL_STACK;
}

static void dual_stack_self(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	add_sock(s, STATE_LISTEN, "::")->v6only = TRI_NO;
	held_by(s, 4242, "echo", "echo.service", 3, TRI_YES);
	s->expected = CAUSE_DUAL_STACK;
}

static void connection(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	s->conflict.req.reuseaddr = true;
	add_connection(s, STATE_ESTABLISHED, "10.0.0.5", "10.0.0.9", 40404);
	held_by(s, 4103, "echo-worker", "echo.service", 5, TRI_NO);
	add_connection(s, STATE_CLOSE_WAIT, "10.0.0.5", "10.0.0.9", 40406);
	held_by(s, 4104, "echo-worker", "echo.service", 5, TRI_NO);
	s->expected = CAUSE_CONNECTION;
}

/* Come in by a listener that is no obstacle itself. */
static void connection_queued(struct scene *s)
{
	struct snap_sock *sock;

	refused(s, "10.0.0.5", 8080, "echo");
	s->conflict.req.reuseport = true;
	sock = add_connection(s, STATE_ESTABLISHED, "10.0.0.5", "10.0.0.9", 40404);
	nobody_holds(sock, HOLDER_ACCEPT_QUEUE);
	sock->inode = 0;
	add_sock(s, STATE_LISTEN, "10.0.0.5")->reuseport = TRI_YES;
	held_by(s, 12, "nginx", "nginx.service", 6, TRI_YES);
	s->expected = CAUSE_CONNECTION;
}

static void client_port(struct scene *s)
{
	struct snap_sock *sock;

	refused(s, "0.0.0.0", 36000, "echo");
	sock = add_connection(s, STATE_ESTABLISHED, "10.0.0.5", "93.184.216.34", 443);
	sock->port_locked = TRI_NO;
	sock->role = ROLE_CLIENT;
	held_by(s, 55, "telegraf", "telegraf.service", 9, TRI_YES);
	s->expected = CAUSE_CLIENT_PORT;
}

/* The program had bound the port before it connected: no sysctl keeps it from that. */
static void client_port_bound(struct scene *s)
{
	client_port(s);
	snap_of(s)->socks[0].port_locked = TRI_YES;
}

/* A connection that has ended, in another network namespace. */
static void client_port_time_wait(struct scene *s)
{
	refused(s, "0.0.0.0", 36000, "echo");
	s->conflict.snap.netns_name = strdup("web");
	add_time_wait(s, "93.184.216.34", 443, 41230)->role = ROLE_CLIENT;
	s->expected = CAUSE_CLIENT_PORT;
}

static void self_connect(struct scene *s)
{
	struct snap_sock *sock;

	refused(s, "127.0.0.1", 36000, "echo");
	sock = add_connection(s, STATE_ESTABLISHED, "127.0.0.1", "127.0.0.1", 36000);
	sock->port_locked = TRI_NO;
	sock->role = ROLE_SELF;
	held_by(s, 91, "poller", NULL, 4, TRI_YES);
	snap_of(s)->buckets[0].fastreuse = snap_of(s)->buckets[0].fastreuseport = -1;
	s->expected = CAUSE_SELF_CONNECT;
}

/* The client had bound the port that it then connected to. */
static void self_connect_bound(struct scene *s)
{
	self_connect(s);
	snap_of(s)->socks[0].port_locked = TRI_YES;
	snap_of(s)->buckets[0].fastreuse = snap_of(s)->buckets[0].fastreuseport = 0;
}

/* What is left of it, and nobody knows how it got its port. */
static void self_connect_time_wait(struct scene *s)
{
	struct snap_sock *sock;

	refused(s, "127.0.0.1", 36000, "echo");
	sock = add_time_wait(s, "127.0.0.1", 36000, 41230);
	sock->role = ROLE_SELF;
	s->expected = CAUSE_SELF_CONNECT;
}

static void bound_only(struct scene *s)
{
	refused(s, "127.0.0.1", 8080, "echo");
	add_sock(s, STATE_BOUND, "127.0.0.1");
	held_by(s, 601, "agent", NULL, 7, TRI_YES);
	s->expected = CAUSE_BOUND_ONLY;
}

static void inherited(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	add_sock(s, STATE_LISTEN, "0.0.0.0");
	held_by(s, 7001, "sh", NULL, 3, TRI_NO);
	held_by(s, 7002, "tail", NULL, 3, TRI_NO);
	s->expected = CAUSE_INHERITED;
}

static void ownerless_kernel(struct scene *s)
{
	struct snap_sock *sock;

	refused(s, "0.0.0.0", 800, "echo");
	sock = add_sock(s, STATE_LISTEN, "0.0.0.0");
	nobody_holds(sock, HOLDER_KERNEL);
	sock->role = ROLE_KERNEL;
	sock->kernel_made = TRI_YES;
	sock->has_file = TRI_NO;
	s->expected = CAUSE_OWNERLESS;
}

static void ownerless_detached(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	nobody_holds(add_sock(s, STATE_LISTEN, "0.0.0.0"), HOLDER_DETACHED);
	s->expected = CAUSE_OWNERLESS;
}

static void reuseport_uid(struct scene *s)
{
	struct snap_sock *sock;

	refused(s, "0.0.0.0", 8080, "echo");
	s->conflict.req.reuseport = true;
	sock = add_sock(s, STATE_LISTEN, "0.0.0.0");
	sock->reuseport = TRI_YES;
	sock->uid = sock->inode_uid = 0;
	held_by(s, 12, "envoy", "envoy.service", 6, TRI_YES);
	s->expected = CAUSE_REUSEPORT_UID;
}

static void reuse_one_sided(struct scene *s)
{
	refused(s, "0.0.0.0", 5353, "mdns");
	s->conflict.req.reuseaddr = true;
	add_sock(s, STATE_BOUND, "0.0.0.0")->reuseport = TRI_YES;
	held_by(s, 812, "avahi-daemon", "avahi-daemon.service", 12, TRI_YES);
	s->expected = CAUSE_REUSE_ONE_SIDED;
}

static void device(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	add_sock(s, STATE_LISTEN, "0.0.0.0")->ifindex = 3;
	if (snapshot__add_device(snap_of(s), 3, "eth0"))
		abort();
	held_by(s, 930, "dnsmasq", "dnsmasq.service", 5, TRI_YES);
	s->expected = CAUSE_DEVICE;
}

static void listen_race(struct scene *s)
{
	refused(s, "127.0.0.1", 7777, "echo");
	s->conflict.syscall = "listen";
	s->conflict.req.call = CALL_LISTEN;
	s->conflict.req.listening = true;
	s->conflict.req.reuseaddr = true;
	add_sock(s, STATE_LISTEN, "127.0.0.1")->reuseaddr = TRI_YES;
	held_by(s, 4100, "echo", "echo.service", 3, TRI_YES);
	s->expected = CAUSE_LISTEN_RACE;
}

static void listen_race_self(struct scene *s)
{
	listen_race(s);
	snap_of(s)->procs[0].pid = 4242;
}

static void unexplained(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	s->conflict.snap.evidence = EVIDENCE_RACED;
	s->expected = CAUSE_UNEXPLAINED;
}

/* Two sockets that the bucket lets pass with SO_REUSEADDR. */
static void bucket_passes(struct scene *s)
{
	struct snap_bucket *bucket;

	asked(s, 8080);
	add_sock(s, STATE_BOUND, "0.0.0.0")->reuseaddr = TRI_NO;
	held_by(s, 601, "agent", NULL, 7, TRI_YES);
	bucket = &s->port.snap.buckets[0];
	bucket->fastreuse = 1;
	s->expected = CAUSE_BOUND_ONLY;
}

/* ---- other shapes -----------------------------------------------------------------------------
 */

static void empty_port(struct scene *s)
{
	asked(s, 8080);
	s->expected = CAUSE_NONE;
}

/* A container's namespace has no name: a process that is in it stands for it. */
static void unnamed_netns(struct scene *s)
{
	struct proc_info *member = calloc(1, sizeof(*member));

	asked(s, 8080);
	member->pid = 4242;
	member->comm = strdup("pause");
	member->container = strdup("3fa2c41d9be07765");
	s->port.snap.netns_member = member;
	add_sock(s, STATE_TIME_WAIT, "127.0.0.1")->expires_ms = 41230;
	s->expected = CAUSE_TIME_WAIT;
}

/* Only one of the two wildcards is taken. */
static void half_taken(struct scene *s)
{
	asked(s, 8080);
	s->port.snap.netns_name = strdup("web");
	add_sock(s, STATE_LISTEN, "::")->v6only = TRI_YES;
	held_by(s, 31, "haproxy", "haproxy.service", 6, TRI_YES);
	s->expected = CAUSE_LISTENER;
}

/* A server on [::], as most of them do it: each wildcard is refused for a reason of its own. */
static void both_taken(struct scene *s)
{
	asked(s, 8080);
	add_sock(s, STATE_LISTEN, "::")->v6only = TRI_NO;
	held_by(s, 31, "node", "shop.service", 18, TRI_YES);
	s->expected = CAUSE_DUAL_STACK;
}

/* One address asked about, and another one on the port. */
static void one_address(struct scene *s)
{
	asked(s, 8080);
	s->port.n_what_ifs = 4;
	for (int i = 0; i < 4; i++)
		init_req(&s->port.what_ifs[i].req, "127.0.0.1", 8080);
	for (int i = 0; i < 4; i++) {
		s->port.what_ifs[i].req.reuseaddr = i & 1;
		s->port.what_ifs[i].req.reuseport = i & 2;
	}
	add_sock(s, STATE_LISTEN, "10.0.0.5");
	held_by(s, 31, "haproxy", "haproxy.service", 6, TRI_YES);
	add_sock(s, STATE_LISTEN, "127.0.0.1");
	held_by(s, 32, "varnishd", "varnish.service", 6, TRI_YES);
	s->expected = CAUSE_LISTENER;
}

/* Asked with SO_REUSEADDR, and the other side's could not be read. */
static void unknown(struct scene *s)
{
	asked(s, 8080);
	s->port.snap.evidence = EVIDENCE_DIAG;
	for (size_t i = 0; i < s->port.n_what_ifs; i++)
		s->port.what_ifs[i].asked = i % 4 == 1;
	add_time_wait(s, "127.0.0.1", 46954, 41230)->reuseaddr = TRI_UNKNOWN;
	s->expected = CAUSE_TIME_WAIT;
}

/* The sockets on the port are no obstacle to the bind asked about. */
static void no_obstacle(struct scene *s)
{
	asked(s, 8080);
	s->port.n_what_ifs = 4;
	for (size_t i = 0; i < 4; i++)
		s->port.what_ifs[i].asked = i == 1;
	add_time_wait(s, "127.0.0.1", 46954, 41230)->reuseaddr = TRI_YES;
	s->expected = CAUSE_NONE;
}

/* Only one of the two lacks what the bind asked about has. */
static void mixed_flags(struct scene *s)
{
	asked(s, 8080);
	for (size_t i = 0; i < s->port.n_what_ifs; i++)
		s->port.what_ifs[i].asked = i % 4 == 1;
	add_time_wait(s, "127.0.0.1", 46954, 41230)->reuseaddr = TRI_YES;
	add_time_wait(s, "127.0.0.1", 46955, 31230);
	s->expected = CAUSE_TIME_WAIT;
}

static void diag(struct scene *s)
{
	struct snap_sock *sock;

	asked(s, 8080);
	s->port.snap.evidence = EVIDENCE_DIAG;
	s->port.snap.owners_known = false;
	s->port.note = "sockets that are bound and do not listen are invisible on this kernel; "
		       "sudo bindtrace --port 8080 sees them";
	sock = add_time_wait(s, "127.0.0.1", 46954, 41230);
	sock->reuseaddr = sock->reuseport = TRI_UNKNOWN;
	s->expected = CAUSE_TIME_WAIT;
}

/* The same of a connection that is still closing. */
static void diag_closing(struct scene *s)
{
	diag(s);
	s->port.snap.socks[0].substate = STATE_FIN_WAIT2;
	s->expected = CAUSE_CLOSING;
}

static void mixed_50k(struct scene *s)
{
	asked(s, 8080);
	s->port.snap.truncated = true;
	add_sock(s, STATE_LISTEN, "0.0.0.0");
	held_by(s, 3121, "java", "tomcat.service", 41, TRI_YES);
	for (uint32_t i = 0; i < 30000; i++)
		add_time_wait(s, "10.0.0.9", 10000 + i, 1 + i);
	for (uint32_t i = 0; i < 19999; i++) {
		char peer[32];

		snprintf(peer, sizeof(peer), "10.1.%u.%u", i / 250, i % 250 + 1);
		add_connection(s, STATE_ESTABLISHED, "10.0.0.5", peer, 10000 + i % 50000);
		snap_of(s)->socks[snap_of(s)->n_socks - 1].holder = HOLDER_PROCESS;
		snapshot__add_hold(snap_of(s), (uint32_t)snap_of(s)->n_socks - 1, 0, 100 + (int)i,
				   TRI_YES);
	}
	snapshot__sort_holds(snap_of(s));
	s->port.snap.total = 50417;
	s->expected = CAUSE_LISTENER;
}

static void conflict_50k(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	for (uint32_t i = 0; i < 50000; i++)
		add_time_wait(s, "10.0.0.9", 10000 + i, 1 + i);
	s->expected = CAUSE_TIME_WAIT;
}

static void ipv6_long(struct scene *s)
{
	refused(s, "2001:db8:1111:2222:3333:4444:5555:6666", 8080, "echo");
	add_connection(s, STATE_ESTABLISHED, "2001:db8:1111:2222:3333:4444:5555:6666",
		       "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 40404)
		->v6only = TRI_YES;
	held_by(s, 4103, "echo-worker", "echo.service", 5, TRI_NO);
	s->expected = CAUSE_CONNECTION;
}

/* Names that would break a line, a terminal or a shell. */
static void hostile(struct scene *s)
{
	struct proc_info *proc;

	refused(s, "0.0.0.0", 8080, "\033[31mevil\n\"\\");
	s->conflict.snap.netns_name = strdup("web\342\200\256\302\233\363\240\201\201x");
	add_sock(s, STATE_LISTEN, "0.0.0.0");
	held_by(s, 66, "a\nb\xff\x7f", "x;reboot$(id).service", 3, TRI_YES);
	proc = &s->conflict.snap.procs[0];
	free(proc->cgroup);
	proc->cgroup = malloc(4001);
	memset(proc->cgroup, '\001', 4000);
	proc->cgroup[4000] = '\0';
	free(proc->exe);
	proc->exe = malloc(4001);
	memset(proc->exe, '"', 4000);
	proc->exe[4000] = '\0';
	s->expected = CAUSE_LISTENER;
}

#include "scenes_refused.h"
#include "scenes_before_port.h"

const struct scene_row scene_rows[] = {
	{"time_wait", time_wait},
	{"time_wait_one_sided", time_wait_one_sided},
	{"time_wait_netns", time_wait_netns},
	{"time_wait_port", time_wait_port},
	{"closing", closing},
	{"closing_fin_wait2", closing_fin_wait2},
	{"closing_shut_down", closing_shut_down},
	{"closing_orphan", closing_orphan},
	{"closing_last_ack", closing_last_ack},
	{"listener", listener},
	{"listener_again", listener_again},
	{"listener_self", listener_self},
	{"listener_port", listener_port},
	{"dual_stack", dual_stack},
	{"dual_stack_self", dual_stack_self},
	{"connection", connection},
	{"connection_queued", connection_queued},
	{"client_port", client_port},
	{"client_port_bound", client_port_bound},
	{"client_port_time_wait", client_port_time_wait},
	{"self_connect", self_connect},
	{"self_connect_bound", self_connect_bound},
	{"self_connect_time_wait", self_connect_time_wait},
	{"bound_only", bound_only},
	{"inherited", inherited},
	{"ownerless_kernel", ownerless_kernel},
	{"ownerless_detached", ownerless_detached},
	{"reuseport_uid", reuseport_uid},
	{"reuse_one_sided", reuse_one_sided},
	{"device", device},
	{"bucket_passes", bucket_passes},
	{"listen_race", listen_race},
	{"listen_race_self", listen_race_self},
	{"unexplained", unexplained},
	{"empty_port", empty_port},
	{"half_taken", half_taken},
	{"both_taken", both_taken},
	{"unnamed_netns", unnamed_netns},
	{"one_address", one_address},
	{"unknown", unknown},
	{"no_obstacle", no_obstacle},
	{"mixed_flags", mixed_flags},
	{"diag", diag},
	{"diag_closing", diag_closing},
	{"mixed_50k", mixed_50k},
	{"conflict_50k", conflict_50k},
	{"ipv6_long", ipv6_long},
	{"hostile", hostile},
	{"same_tuple", same_tuple},
	{"same_tuple_time_wait", same_tuple_time_wait},
	{"same_tuple_ipv6", same_tuple_ipv6},
	{"ephemeral_exhausted", ephemeral_exhausted},
	{"ephemeral_one_port", ephemeral_one_port},
	{"bucket_connect", bucket_connect},
	{"bucket_connect_some", bucket_connect_some},
	{"autobind_exhausted", autobind_exhausted},
	{"autobind_one_port", autobind_one_port},
	{"listen_exhausted", listen_exhausted},
	{"whole_range_exhausted", whole_range_exhausted},
	{"udp_exhausted", udp_exhausted},
	{"udp_unknown", udp_unknown},
	{"range_free_again", range_free_again},
	{"udp_holder", udp_holder},
	{"udp_port", udp_port},
	{"udplite_port", udplite_port},
	{"not_local", not_local},
	{"not_local_tentative", not_local_tentative},
	{"privileged_port", privileged_port},
	{"privileged_port_hostile", privileged_port_hostile},
	{"denied_lsm", denied_lsm},
	{"denied_cgroup", denied_cgroup},
	{"already_bound", already_bound},
	{"no_device", no_device},
	{"no_device_bound", no_device_bound},
	{"no_device_back", no_device_back},
	{"no_device_unknown", no_device_unknown},
	{"other_error", other_error},
	{"port_privileged", port_privileged},
	{"port_privileged_taken", port_privileged_taken},
	{"port_not_local", port_not_local},
	{"port_link_local", port_link_local},
	{"port_multicast", port_multicast},
};

const size_t n_scene_rows = sizeof(scene_rows) / sizeof(scene_rows[0]);

/* ---- judge, write, free -----------------------------------------------------------------------
 */

static void judge(const struct snapshot *snap, const struct bind_request *req, bool as_refused,
		  struct verdict *verdict)
{
	if (rules__judge(snap, req, as_refused, verdict) || verdict__explain(verdict, snap, req))
		abort();
}

/* The same choice as in explain.c: a socket on one port is to blame, or none can be. */
static void judge_conflict(struct conflict_report *c)
{
	bool one_port =
		c->req.port && (c->facts.stage == STAGE_TEST ||
				(c->facts.stage == STAGE_CONNECT && c->req.call == CALL_CONNECT));
	int err = 0;

	if (one_port && c->req.call != CALL_CONNECT) {
		judge(&c->snap, &c->req, true, &c->verdict);
		return;
	}
	if (one_port)
		err = rules__judge_connect(&c->snap, &c->req, &c->verdict);
	if (!err && one_port)
		err = verdict__explain(&c->verdict, &c->snap, &c->req);
	else if (!err)
		err = verdict__explain_refusal(&c->verdict, &c->snap, &c->req, &c->facts,
					       c->have_usage ? &c->usage : NULL);
	if (err)
		abort();
}

static void judge_asked(const struct snapshot *snap, struct what_if *what_if)
{
	struct verdict *verdict = &what_if->verdict;

	if (!what_if->facts.error) {
		judge(snap, &what_if->req, false, verdict);
		return;
	}
	*verdict = (struct verdict){.refused = TRI_YES};
	if (verdict__explain_asked(verdict, snap, &what_if->req, &what_if->facts,
				   what_if->otherwise))
		abort();
}

/* Of the first bind that is asked about and refused. */
enum cause scene__cause(const struct scene *scene)
{
	const struct port_report *p = &scene->port;

	if (!scene->one_shot)
		return scene->conflict.verdict.cause;
	for (size_t i = 0; i < p->n_what_ifs; i++)
		if (p->what_ifs[i].asked && p->what_ifs[i].verdict.refused != TRI_NO)
			return p->what_ifs[i].verdict.cause;
	return CAUSE_NONE;
}

bool scene__make(const struct scene_row *row, struct scene *ret)
{
	memset(ret, 0, sizeof(*ret));
	row->build(ret);
	if (!ret->one_shot)
		judge_conflict(&ret->conflict);
	for (size_t i = 0; i < ret->port.n_what_ifs; i++)
		judge_asked(&ret->port.snap, &ret->port.what_ifs[i]);
	return scene__cause(ret) == ret->expected;
}

bool scene__named(const char *name, struct scene *ret)
{
	for (size_t i = 0; i < n_scene_rows; i++)
		if (!strcmp(scene_rows[i].name, name))
			return scene__make(&scene_rows[i], ret);
	return false;
}

static int write_binds(struct output *out)
{
	struct bind_report report = {
		.time_ns = SCENE_TIME_NS,
		.syscall = "bind",
		.protocol = PROTO_TCP,
		.netns = 4026531840,
	};
	int err;

	init_req(&report.req, "0.0.0.0", 8080);
	report.req.reuseaddr = true;
	set_process(&report.process, 4242, "echo", "echo.service");
	err = output__bind(out, &report);
	init_req(&report.req, "fe80::1", 53);
	report.req.reuseport = report.req.v6only = true;
	report.req.ifindex = 3;
	strcpy(report.device, "e\033h0");
	report.protocol = PROTO_UDP;
	report.syscall = "autobind";
	report.netns_name = "web\n";
	proc_info__free(&report.process);
	report.process = (struct proc_info){.pid = 0};
	return err ?: output__bind(out, &report);
}

static int write_state(struct output *out, uint8_t from, uint8_t to, int64_t ns, bool former)
{
	struct state_report report = {
		.time_ns = SCENE_TIME_NS,
		.protocol = PROTO_TCP,
		.local_port = 8080,
		.peer_port = to == STATE_LISTEN ? 0 : 46954,
		.old_state = from,
		.new_state = to,
		.duration_ns = ns,
		.former = former,
		.netns = 4026531840,
	};
	int err;

	report.family = parse("127.0.0.1", &report.local);
	parse("127.0.0.1", &report.peer);
	if (from != STATE_TIME_WAIT || former)
		set_process(&report.process, 4242, "ec\nho", "echo.service");
	err = output__state(out, &report);
	proc_info__free(&report.process);
	return err;
}

int scene__write_events(struct output *out)
{
	int err = write_binds(out);

	err = err ?: write_state(out, STATE_BOUND, STATE_LISTEN, 42999, false);
	err = err ?: write_state(out, STATE_UNKNOWN, STATE_SYN_RECV, -1, false);
	err = err ?: write_state(out, STATE_ESTABLISHED, STATE_FIN_WAIT1, 12345678, false);
	err = err ?: write_state(out, STATE_FIN_WAIT2, STATE_TIME_WAIT, 3512345678, true);
	err = err ?: write_state(out, STATE_TIME_WAIT, STATE_BOUND, 60123000000, true);
	err = err ?: write_state(out, STATE_TIME_WAIT, STATE_BOUND, 7200000000000, false);
	return err;
}

int scene__write(const struct scene *scene, struct output *out)
{
	return scene->one_shot ? output__port(out, &scene->port)
			       : output__conflict(out, &scene->conflict);
}

void scene__free(struct scene *scene)
{
	verdict__free(&scene->conflict.verdict);
	proc_info__free(&scene->conflict.process);
	for (size_t i = 0; i < scene->port.n_what_ifs; i++)
		verdict__free(&scene->port.what_ifs[i].verdict);
	free(scene->port.what_ifs);
	if (scene->one_shot)
		snapshot__free(&scene->port.snap);
	else
		snapshot__free(&scene->conflict.snap);
}
