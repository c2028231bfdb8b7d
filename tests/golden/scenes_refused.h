/* SPDX-License-Identifier: GPL-2.0-only */
/* Scenes beyond a bind() that TCP sockets refuse. Part of scenes.c, made of its bricks. */

/* A call that no socket on one port refuses. */
static void refused_by(struct scene *s, enum refusal_stage stage, int error)
{
	struct conflict_report *c = &s->conflict;

	c->error = error;
	c->facts.stage = stage;
	c->facts.error = error;
	c->facts.address_tentative = TRI_UNKNOWN;
	c->facts.unprivileged_port_start = stage == STAGE_TEST ? -1 : 1024;
	c->facts.nonlocal_bind = stage == STAGE_TEST ? -1 : 0;
	c->facts.tw_reuse = stage == STAGE_TEST ? -1 : 2;
	if (stage != STAGE_TEST && stage != STAGE_CONNECT)
		c->snap.evidence = EVIDENCE_NONE;
}

static void connecting(struct scene *s, const char *local, uint16_t port, const char *peer,
		       uint16_t peer_port)
{
	struct conflict_report *c = &s->conflict;

	refused(s, local, port, "crawler");
	c->syscall = "connect";
	c->req.call = CALL_CONNECT;
	parse(peer, &c->req.peer);
	c->req.peer_port = peer_port;
	refused_by(s, STAGE_CONNECT, EADDRNOTAVAIL);
}

static struct snap_sock *add_client(struct scene *s, uint8_t state, const char *local,
				    uint16_t port, const char *peer, uint16_t peer_port)
{
	struct snap_sock *sock = add_connection(s, state, local, peer, peer_port);

	sock->local_port = port;
	sock->port_locked = TRI_NO;
	sock->role = ROLE_CLIENT;
	if (state == STATE_TIME_WAIT) {
		sock->substate = STATE_TIME_WAIT;
		sock->holder = HOLDER_TIME_WAIT;
		sock->expires_known = true;
		sock->expires_ms = 41230;
	}
	return sock;
}

static uint32_t add_proc(struct scene *s, int pid, const char *comm, const char *unit)
{
	struct snapshot *snap = snap_of(s);

	set_process(snapshot__add_proc(snap), pid, comm, unit);
	return (uint32_t)snap->n_procs - 1;
}

static void hold_last(struct scene *s, uint32_t proc, int fd)
{
	struct snapshot *snap = snap_of(s);

	snap->socks[snap->n_socks - 1].holder = HOLDER_PROCESS;
	snapshot__add_hold(snap, (uint32_t)snap->n_socks - 1, proc, fd, TRI_YES);
}

/* As explain.c does: summed up, the sockets themselves are not kept. */
static void sum_up(struct scene *s)
{
	struct conflict_report *c = &s->conflict;

	snapshot__sort_holds(&c->snap);
	c->reserved[40000 / 8] = 0x07; /* 40000, 40001, 40002 */
	if (usage__sum(&c->snap, &c->req, c->reserved, &c->usage))
		abort();
	c->have_usage = true;
	c->snap.evidence = EVIDENCE_WALKED;
	c->snap.n_socks = c->snap.n_holds = c->snap.total = 0;
}

/* ---- connect() ------------------------------------------------------------------------------ */

static void same_tuple(struct scene *s)
{
	connecting(s, "127.0.0.1", 8888, "127.0.0.1", 9000);
	add_client(s, STATE_ESTABLISHED, "127.0.0.1", 8888, "127.0.0.1", 9000);
	held_by(s, 4100, "crawler", NULL, 3, TRI_YES);
	s->expected = CAUSE_SAME_TUPLE;
}

static void same_tuple_time_wait(struct scene *s)
{
	connecting(s, "0.0.0.0", 8888, "10.0.0.9", 9000);
	parse("10.0.0.5", &s->conflict.req.addr); /* by the route, before the test */
	add_client(s, STATE_TIME_WAIT, "10.0.0.5", 8888, "10.0.0.9", 9000);
	s->expected = CAUSE_SAME_TUPLE;
}

/* The longest words that there are. */
static void same_tuple_ipv6(struct scene *s)
{
	static const char local[] = "2001:db8:1111:2222:3333:4444:5555:6666";
	static const char peer[] = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff";

	connecting(s, local, 48888, peer, 49000);
	s->conflict.snap.netns_name = strdup("web");
	add_client(s, STATE_ESTABLISHED, local, 48888, peer, 49000);
	held_by(s, 4100, "crawler", "crawler.service", 3, TRI_YES);
	s->expected = CAUSE_SAME_TUPLE;
}

static void ephemeral_exhausted(struct scene *s)
{
	uint32_t crawler, other;

	connecting(s, "0.0.0.0", 0, "93.184.216.34", 443);
	parse("10.0.0.5", &s->conflict.req.addr);
	snapshot__add_bucket(snap_of(s));
	snapshot__add_bucket(snap_of(s));
	crawler = add_proc(s, 4242, "crawler", "crawler.service");
	other = add_proc(s, 55, "telegraf", "telegraf.service");
	for (uint16_t port = 32768; port < 61000; port++) {
		bool lives = port % 20 == 0;

		add_client(s, lives ? STATE_ESTABLISHED : STATE_TIME_WAIT, "10.0.0.5", port,
			   "93.184.216.34", 443);
		snap_of(s)->socks[snap_of(s)->n_socks - 1].bucket = port % 1000 == 0;
		if (lives)
			hold_last(s, port % 200 ? crawler : other, 3);
	}
	sum_up(s);
	s->expected = CAUSE_EPHEMERAL_EXHAUSTED;
}

static void ephemeral_one_port(struct scene *s)
{
	connecting(s, "0.0.0.0", 0, "93.184.216.34", 443);
	parse("10.0.0.5", &s->conflict.req.addr);
	s->conflict.snap.ephemeral_low = s->conflict.snap.ephemeral_high = 50000;
	add_client(s, STATE_TIME_WAIT, "10.0.0.5", 50000, "93.184.216.34", 443);
	s->conflict.facts.tw_reuse = 1;
	sum_up(s);
	s->expected = CAUSE_EPHEMERAL_EXHAUSTED;
}

/* Ports that other programs bound before they connected elsewhere. */
static void bucket_connect(struct scene *s)
{
	uint32_t proxy;

	connecting(s, "0.0.0.0", 0, "93.184.216.34", 443);
	parse("10.0.0.5", &s->conflict.req.addr);
	proxy = add_proc(s, 900, "proxy", "proxy.service");
	snapshot__add_bucket(snap_of(s));
	snapshot__add_bucket(snap_of(s));
	for (uint16_t port = 32768; port < 61000; port++) {
		add_client(s, STATE_ESTABLISHED, "10.0.0.5", port, "10.9.9.9", 80)->bucket = 1;
		hold_last(s, proxy, 3);
	}
	sum_up(s);
	s->expected = CAUSE_BUCKET;
}

/* A few of the ports are connected to the destination, too; and it is another namespace. */
static void bucket_connect_some(struct scene *s)
{
	uint32_t proxy;

	connecting(s, "0.0.0.0", 0, "93.184.216.34", 443);
	parse("10.0.0.5", &s->conflict.req.addr);
	s->conflict.snap.netns_name = strdup("web");
	proxy = add_proc(s, 900, "proxy", NULL);
	snapshot__add_bucket(snap_of(s));
	snapshot__add_bucket(snap_of(s));
	for (uint16_t port = 32768; port < 61000; port++) {
		bool same = port == 50000;

		add_client(s, STATE_ESTABLISHED, "10.0.0.5", port,
			   same ? "93.184.216.34" : "10.9.9.9", same ? 443 : 80)
			->bucket = !same;
		hold_last(s, proxy, 3);
	}
	sum_up(s);
	s->expected = CAUSE_BUCKET;
}

/* ---- a port of the kernel's choice ---------------------------------------------------------- */

static void fill_range(struct scene *s, uint8_t state, const char *local)
{
	const struct snapshot *snap = snap_of(s);
	uint32_t proc = add_proc(s, 700, "hoarder", NULL);

	for (uint32_t port = snap->ephemeral_low; port <= snap->ephemeral_high; port++) {
		add_sock(s, state, local)->local_port = (uint16_t)port;
		hold_last(s, proc, (int)port);
	}
	sum_up(s);
	s->expected = CAUSE_AUTOBIND_EXHAUSTED;
}

static void autobind_exhausted(struct scene *s)
{
	refused(s, "127.0.0.1", 0, "worker");
	refused_by(s, STAGE_TEST, EADDRINUSE);
	fill_range(s, STATE_BOUND, "127.0.0.1");
}

static void autobind_one_port(struct scene *s)
{
	refused(s, "127.0.0.1", 0, "worker");
	refused_by(s, STAGE_TEST, EADDRINUSE);
	s->conflict.snap.ephemeral_low = s->conflict.snap.ephemeral_high = 50000;
	fill_range(s, STATE_BOUND, "127.0.0.1");
}

static void listen_exhausted(struct scene *s)
{
	refused(s, "0.0.0.0", 0, "worker");
	refused_by(s, STAGE_TEST, EADDRINUSE);
	s->conflict.syscall = "listen";
	s->conflict.req.call = CALL_LISTEN;
	fill_range(s, STATE_LISTEN, "0.0.0.0");
}

/* Nothing but an end to some of them makes room. */
static void whole_range_exhausted(struct scene *s)
{
	refused(s, "0.0.0.0", 0, "worker");
	refused_by(s, STAGE_TEST, EADDRINUSE);
	s->conflict.syscall = "listen";
	s->conflict.req.call = CALL_LISTEN;
	s->conflict.snap.ephemeral_low = 1024;
	s->conflict.snap.ephemeral_high = 65535;
	fill_range(s, STATE_LISTEN, "0.0.0.0");
}

static void udp_exhausted(struct scene *s)
{
	refused(s, "0.0.0.0", 0, "resolver");
	refused_by(s, STAGE_TEST, EAGAIN);
	s->conflict.syscall = "autobind";
	s->conflict.req.call = CALL_AUTOBIND;
	s->conflict.snap.protocol = PROTO_UDP;
	fill_range(s, STATE_BOUND, "0.0.0.0");
}

/* The range was not full by the time it was looked at. */
static void range_free_again(struct scene *s)
{
	refused(s, "127.0.0.1", 0, "worker");
	refused_by(s, STAGE_TEST, EADDRINUSE);
	add_sock(s, STATE_BOUND, "127.0.0.1")->local_port = 33333;
	hold_last(s, add_proc(s, 700, "hoarder", NULL), 3);
	sum_up(s);
	s->expected = CAUSE_AUTOBIND_EXHAUSTED;
}

/* ---- UDP ------------------------------------------------------------------------------------ */

static void udp_holder(struct scene *s)
{
	refused(s, "0.0.0.0", 5353, "mdns");
	s->conflict.snap.protocol = PROTO_UDP;
	s->conflict.req.reuseport = true;
	add_sock(s, STATE_BOUND, "0.0.0.0")->reuseaddr = TRI_YES;
	held_by(s, 812, "avahi-daemon", "avahi-daemon.service", 12, TRI_YES);
	s->expected = CAUSE_UDP_HOLDER;
}

static void udp_port(struct scene *s)
{
	asked(s, 53);
	s->port.snap.protocol = PROTO_UDP;
	add_sock(s, STATE_BOUND, "127.0.0.53");
	held_by(s, 431, "systemd-resolve", "systemd-resolved.service", 13, TRI_YES);
	add_sock(s, STATE_BOUND, "127.0.0.54");
	held_by(s, 431, "systemd-resolve", "systemd-resolved.service", 15, TRI_YES);
	s->expected = CAUSE_UDP_HOLDER;
}

/* Its owner is hidden: in another pid namespace, say. */
static void udp_unknown(struct scene *s)
{
	asked(s, 53);
	s->port.snap.protocol = PROTO_UDP;
	s->port.snap.owners_known = false;
	add_sock(s, STATE_BOUND, "127.0.0.53");
	s->expected = CAUSE_UDP_HOLDER;
}

static void udplite_port(struct scene *s)
{
	asked(s, 5004);
	s->port.snap.protocol = PROTO_UDPLITE;
	add_sock(s, STATE_BOUND, "0.0.0.0");
	held_by(s, 99, "rtp", NULL, 4, TRI_YES);
	add_connection(s, STATE_ESTABLISHED, "10.0.0.5", "9.9.9.9", 5004)->reuseaddr = TRI_YES;
	held_by(s, 98, "player", NULL, 4, TRI_YES);
	s->expected = CAUSE_UDP_HOLDER;
}

/* ---- other errors --------------------------------------------------------------------------- */

static void not_local(struct scene *s)
{
	refused(s, "10.9.9.9", 8080, "echo");
	refused_by(s, STAGE_PROTOCOL, EADDRNOTAVAIL);
	s->conflict.facts.address_tentative = TRI_NO;
	s->expected = CAUSE_NOT_LOCAL;
}

static void not_local_tentative(struct scene *s)
{
	refused(s, "2001:db8::5", 8080, "echo");
	refused_by(s, STAGE_PROTOCOL, EADDRNOTAVAIL);
	s->conflict.facts.address_tentative = TRI_YES;
	s->expected = CAUSE_NOT_LOCAL;
}

static void privileged_port(struct scene *s)
{
	refused(s, "0.0.0.0", 80, "echo");
	refused_by(s, STAGE_PROTOCOL, EACCES);
	s->expected = CAUSE_PRIVILEGED_PORT;
}

/* A program without a unit, whose path is no word for a shell. */
static void privileged_port_hostile(struct scene *s)
{
	privileged_port(s);
	proc_info__free(&s->conflict.process);
	set_process(&s->conflict.process, 4242, "a;reboot", NULL);
}

static void denied_lsm(struct scene *s)
{
	refused(s, "0.0.0.0", 8080, "echo");
	refused_by(s, STAGE_LSM, EACCES);
	s->expected = CAUSE_DENIED;
}

static void denied_cgroup(struct scene *s)
{
	connecting(s, "0.0.0.0", 0, "10.0.0.9", 5432);
	refused_by(s, STAGE_CGROUP, EPERM);
	s->expected = CAUSE_DENIED;
}

static void already_bound(struct scene *s)
{
	refused(s, "0.0.0.0", 8081, "echo");
	refused_by(s, STAGE_PROTOCOL, EINVAL);
	s->conflict.facts.had_port = 8080;
	s->expected = CAUSE_ALREADY_BOUND;
}

static void no_device(struct scene *s)
{
	refused(s, "fe80::1", 8080, "echo");
	refused_by(s, STAGE_PROTOCOL, ENODEV);
	s->conflict.req.ifindex = 7;
	s->expected = CAUSE_NO_DEVICE;
}

/* Not link-local, so that the device is that of SO_BINDTODEVICE. */
static void no_device_bound(struct scene *s)
{
	refused(s, "2001:db8::5", 8080, "echo");
	refused_by(s, STAGE_PROTOCOL, ENODEV);
	s->conflict.req.ifindex = 9;
	s->conflict.snap.netns_name = strdup("web");
	s->expected = CAUSE_NO_DEVICE;
}

/* It has come by the time its name was asked for. */
static void no_device_back(struct scene *s)
{
	no_device(s);
	if (snapshot__add_device(snap_of(s), 7, "wlan0"))
		abort();
}

static void no_device_unknown(struct scene *s)
{
	no_device(s);
	s->conflict.req.ifindex = 0;
}

static void other_error(struct scene *s)
{
	refused(s, "fe80::1", 8080, "echo");
	refused_by(s, STAGE_PROTOCOL, EINVAL);
	s->expected = CAUSE_OTHER_ERROR;
}
