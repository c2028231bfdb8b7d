// SPDX-License-Identifier: GPL-2.0-only
/* Text reports: a width that fits, colours that are ours, and nothing hostile gets through. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "output/format.h"
#include "output/holder.h"
#include "output/paragraph.h"
#include "output/sanitize.h"
#include "output/table.h"
#include "page.h"
#include "../golden/scenes.c" /* the Makefile links one file a test */

static struct page render(const char *name, struct output_config config)
{
	struct page page;
	struct scene scene;

	assert_true(scene__named(name, &scene));
	page__open(&page, config);
	assert_int_equal(scene__write(&scene, page.out), 0);
	page__close(&page);
	scene__free(&scene);
	return page;
}

/* All of it fits a terminal. */
static void test_width(void **state)
{
	for (size_t i = 0; i < n_scene_rows; i++) {
		struct page page = render(scene_rows[i].name, (struct output_config){0});
		char *rest = page.text, *line;

		while ((line = strsep(&rest, "\n"))) {
			size_t len = strlen(line);

			if (utf8__columns(line) > TEXT_WIDTH)
				fail_msg("%s: %s", scene_rows[i].name, line);
			assert_true(len == 0 || line[len - 1] != ' ');
		}
		free(page.text);
	}
}

static void check_bytes(const char *text, bool color)
{
	static const char *const codes[] = {"\033[0m", "\033[1m", "\033[31m", "\033[33m"};
	uint32_t code;

	while (*text) {
		size_t len = utf8__decode(text, &code);
		bool known = *text == '\n';

		assert_true(len > 0);
		for (int i = 0; color && i < 4; i++) {
			if (strncmp(text, codes[i], strlen(codes[i])))
				continue;
			len = strlen(codes[i]);
			known = true;
			break;
		}
		assert_true(known || !sanitize__is_unsafe(code));
		text += len;
	}
}

static void test_nothing_hostile(void **state)
{
	for (size_t i = 0; i < n_scene_rows; i++) {
		struct output_config plain = {0}, all = {.color = true, .verbose = true};
		struct page page = render(scene_rows[i].name, plain);

		check_bytes(page.text, false);
		free(page.text);
		if (!strstr(scene_rows[i].name, "50k")) {
			page = render(scene_rows[i].name, all);
			check_bytes(page.text, true);
			free(page.text);
		}
	}
}

static void test_color(void **state)
{
	struct page page = render("listener", (struct output_config){.color = true});

	assert_non_null(strstr(page.text, "\033[31mLISTEN\033[0m"));
	assert_int_equal(strncmp(page.text, "\033[1m", 4), 0);
	free(page.text);
	page = render("listener", (struct output_config){.color = false});
	assert_null(strchr(page.text, '\033'));
	free(page.text);
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

static void test_grouping(void **state)
{
	struct page page = render("time_wait_port", (struct output_config){0});

	assert_int_equal(count(page.text, "127.0.0.1:8080 "), 1);
	assert_non_null(strstr(page.text, "\xc3\x97"
					  "312"));
	free(page.text);
	page = render("time_wait_port", (struct output_config){.verbose = true});
	assert_int_equal(count(page.text, "127.0.0.1:8080 "), 312);
	assert_non_null(strstr(page.text, " 127.0.0.1:40311 "));
	assert_null(strstr(page.text, "\xc3\x97"));
	free(page.text);
}

/* Kinds that alternate are still one row each, in the order of their first sockets. */
static void test_alternating(void **state)
{
	struct scene scene = {.one_shot = false};
	struct page page;

	refused(&scene, "0.0.0.0", 8080, "echo");
	for (uint16_t i = 0; i < 10; i++)
		add_time_wait(&scene, "10.0.0.9", 1000 + i, 1000)->reuseaddr = !(i & 1);
	judge(&scene.conflict.snap, &scene.conflict.req, true, &scene.conflict.verdict);
	page__open(&page, (struct output_config){0});
	assert_int_equal(output__conflict(page.out, &scene.conflict), 0);
	page__close(&page);
	assert_int_equal(count(page.text, "  \xc3\x97"
					  "5     TIME_WAIT  127.0.0.1:8080  10.0.0.9:*"),
			 2);
	assert_true(strstr(page.text, "10.0.0.9:*  yes ") < strstr(page.text, "10.0.0.9:*  no "));
	free(page.text);
	scene__free(&scene);
}

/* More kinds of sockets than rows. */
static void test_many_rows(void **state)
{
	struct scene scene = {.one_shot = false};
	struct page page;

	refused(&scene, "0.0.0.0", 8080, "echo");
	for (int i = 0; i < 30; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.0.%d", i + 1);
		add_sock(&scene, STATE_LISTEN, addr);
		held_by(&scene, 100 + i, "srv", NULL, 3, TRI_YES);
	}
	judge(&scene.conflict.snap, &scene.conflict.req, true, &scene.conflict.verdict);
	page__open(&page, (struct output_config){0});
	assert_int_equal(output__conflict(page.out, &scene.conflict), 0);
	fflush(page.stream);
	assert_int_equal(count(page.text, "LISTEN  10.0.0."), 20);
	assert_non_null(strstr(page.text, " and 10 more rows (10 sockets); -v lists them all\n"));
	assert_non_null(strstr(page.text, "Do   stop every process that holds one"));
	assert_non_null(strstr(page.text, "\n     fuser -v 8080/tcp\n"));
	/* The next one is set apart. */
	assert_int_equal(output__conflict(page.out, &scene.conflict), 0);
	page__close(&page);
	assert_int_equal(count(page.text, "10:05:03 echo[4242]"), 2);
	assert_int_equal(count(page.text, "\n\n10:05:03 echo[4242]"), 1);
	free(page.text);
	scene__free(&scene);
}

static const struct {
	const char *scene, *words;
} phrases[] = {
	{"empty_port", "8080/tcp is free: a plain bind to 0.0.0.0 or [::] would succeed.\n"},
	{"listener_port", "8080/tcp is taken: a plain bind to 0.0.0.0 or [::] gets EADDRINUSE.\n"},
	{"half_taken", " in network namespace web is taken: a plain bind to [::] gets\n"
		       "  EADDRINUSE; one to 0.0.0.0 would succeed.\n"},
	{"time_wait", "Neither side set SO_REUSEADDR; Linux wants it on both.\n"},
	{"time_wait", "\nDo   bindtrace --port 9527 -4 --wait && systemctl start echo.service\n"},
	{"time_wait", "     setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));\n"},
	{"time_wait", "nobody; former owner unknown, 41 s left\n"},
	{"time_wait_one_sided", "nobody; was echo[4101] (echo.service), 41 s left\n"},
	{"listener", "nginx[12] (nginx.service) +3 more\n"},
	{"listener", "SO_REUSEADDR never helps against LISTEN."},
	{"listener", "\nDo   systemctl stop nginx.service\n"},
	{"hostile", "\nDo   kill 66\n"},       /* its unit's name is no word for a shell */
	{"listen_race", "\nDo   kill 4100\n"}, /* not the unit of the refused program itself */
	{"dual_stack", "     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));\n"},
	{"client_port", "\nDo   sysctl -w net.ipv4.ip_local_reserved_ports=36000,$(\n"
			"       sysctl -n net.ipv4.ip_local_reserved_ports)\n"
			"     systemctl restart telegraf.service\n"},
	{"inherited", "\nDo   kill 7001 7002\n"},
	{"inherited", "SOCK_CLOEXEC"},
	{"reuseport_uid", "this bind is uid 1000,\n     envoy[12] is uid 0."},
	{"device", "this bind is on every device, dnsmasq[930] is on eth0."},
	{"unexplained", "Why  Unknown."},
	{"unexplained", "Note The sockets changed while they were read"},
	{"diag", "Note Read without BPF"},
	{"unknown", " may or may not\n  succeed.\n"},
	{"mixed_50k", "Note Only 50000 of 50417 sockets"},
	{"one_address", "Only the first row is in the way"},
	{"bucket_passes", "ok*"},
	{"same_tuple", " connect 127.0.0.1:8888 to 127.0.0.1:9000 refused, EADDRNOTAVAIL\n"},
	{"same_tuple", "  connect()    127.0.0.1:8888  127.0.0.1:9000  no "},
	{"same_tuple",
	 "Why  crawler[4100] has a connection from 127.0.0.1:8888 to 127.0.0.1:9000\n"},
	{"same_tuple", "\nDo   leave the choice of the port to connect()"},
	{"same_tuple_time_wait", "net.ipv4.tcp_tw_reuse (2) would not help: the port is bound"},
	{"ephemeral_exhausted", " connect 10.0.0.5 to 93.184.216.34:443 refused"},
	{"ephemeral_exhausted", "\n  28229  connected to 93.184.216.34:443 already\n"},
	{"ephemeral_exhausted", "\n  3      reserved: net.ipv4.ip_local_reserved_ports\n"},
	{"ephemeral_exhausted", "\n  26821    TIME_WAIT\n"},
	{"ephemeral_exhausted", "\n  1270   crawler[4242] (crawler.service)\n"},
	{"ephemeral_exhausted", "net.ipv4.tcp_tw_reuse is 2: for\n     loopback only."},
	{"ephemeral_exhausted", "\nDo   sysctl -w net.ipv4.tcp_tw_reuse=1\n"},
	{"bucket_connect",
	 "Why  No connection that exists now is in the way. But a bind() has marked all\n"
	 "     28229 ports that connect() may choose from.\n"},
	{"bucket_connect",
	 "\nDo   in the programs that bind() to port 0 before they connect(), the first "
	 "of\n     them proxy[900],"},
	{"autobind_exhausted", "\nDo   if worker[4242] is a client: before its bind()"},
	{"whole_range_exhausted",
	 "\nDo   close sockets on these ports; hoarder[700] has 64509 of them\n     kill 700\n"},
	{"ephemeral_exhausted",
	 "     27 are marked by a bind(), and such a port connect() never takes.\n"},
	{"not_local_tentative", "is on an interface, but not usable yet"},
	{"udp_unknown", "\n     sudo bindtrace --proto udp --port 53\n"},
	{"autobind_exhausted", "Why  A bind() to port 0 takes a port out of"},
	{"autobind_exhausted", "     setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, "},
	{"listen_exhausted", "Why  listen() on a socket that was never bound takes a port"},
	{"listen_exhausted", "\nDo   sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"\n"},
	{"udp_exhausted", "autobind 0.0.0.0:0/udp refused, EAGAIN\n"},
	{"udp_exhausted", "EAGAIN, but trying again does not help."},
	{"range_free_again", " a moment later, 28228 of 28232 were free.\n"},
	{"range_free_again", "\nDo   try again; "},
	{"range_free_again", "\n  28228  free by the time they were counted\n"},
	{"udp_holder", "\n         bind 0.0.0.0:5353/udp refused, EADDRINUSE\n"},
	{"same_tuple_time_wait", "or wait about 44 s, and connect again\n"},
	{"connection_queued", "held by nobody yet: not accepted by nginx[12]\n"},
	{"connection_queued", "has come in on this port, and nobody"},
	{"dual_stack_self", "it binds the port for IPv4 and for IPv6."},
	{"same_tuple_ipv6", "EADDRNOTAVAIL,\n         in network namespace web\n"},
	{"udp_holder", "This bind has set SO_REUSEPORT only, that one SO_REUSEADDR only."},
	{"udp_port", "53/udp is taken: a plain bind to 0.0.0.0 or [::] gets EADDRINUSE.\n"},
	{"udp_port", "\nDo   systemctl stop systemd-resolved.service\n     or keep it"},
	{"udp_port", "\n     DNSStubListener=no\n"},
	{"udplite_port", "5004/udplite is taken: "},
	{"udplite_port", "\nDo   kill 99 98\n     and, so that it never happens again, run only"},
	{"not_local", "Why  10.9.9.9 is not an address of this host"},
	{"not_local", "\nDo   bind to an address of this host"},
	{"not_local", "     setsockopt(fd, SOL_IP, IP_FREEBIND, &(int){1}, sizeof(int));\n"},
	{"not_local_tentative", "\nDo   start it again in two seconds"},
	{"not_local_tentative", "     setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, "},
	{"privileged_port", "Port 80 is below net.ipv4.ip_unprivileged_port_start (1024)"},
	{"privileged_port", "\nDo   systemctl edit echo.service\n"},
	{"privileged_port", "\n     setcap cap_net_bind_service=+ep /srv/echo\n"},
	{"privileged_port_hostile", "\nDo   setcap cap_net_bind_service=+ep PROGRAM\n"},
	{"denied_lsm", "Why  A security module (SELinux"},
	{"denied_cgroup", "Why  A BPF program attached to the cgroup"},
	{"denied_cgroup", " connect to 10.0.0.9:5432 refused, EPERM\n"},
	{"already_bound", "Why  This very socket is bound to port 8080 already."},
	{"already_bound", "\nDo   close the socket and bind a new one"},
	{"no_device", "Why  The socket is tied to device number 7 (by the scope"},
	{"no_device", "\n     ip link\n     Then give the address with one of these"},
	{"no_device_bound", "device number 9 (by SO_BINDTODEVICE), and there is"},
	{"no_device_bound", "\n     ip netns exec web ip link\n     Then make a new socket"},
	{"no_device_back", "A moment later there was: wlan0.\n"},
	{"no_device_unknown", "tied to a device that does not exist in its\n"},
	{"self_connect", "same port for its own side by chance.\n"},
	{"self_connect_bound", "It had bound this port itself"},
	{"self_connect_bound", "do not connect() to the port that the\n     same socket"},
	{"self_connect_time_wait", "bound before or given by chance.\n"},
	{"closing", "and the peer has not acknowledged that."},
	{"closing", "    held by no process: closed by its program, the kernel is still finishing "
		    "it\n"},
	{"closing_fin_wait2", "keeps the port for 58 s more (tcp_fin_timeout)"},
	{"closing_orphan", "until net.ipv4.tcp_fin_timeout is over; if"},
	{"closing_orphan", "Or wait until net.ipv4.tcp_fin_timeout is\n     over.\n"},
	{"closing_shut_down", "The program has shut down its own direction"},
	{"closing_last_ack", "\nDo   ss -K state last-ack state closing sport = :8080\n"},
	{"client_port", "Port 36000 is in net.ipv4.ip_local_port_range (32768 to 60999)"},
	{"client_port_bound", "had asked for this port itself, with bind()."},
	{"client_port_bound", "let the client use another local port\n"},
	{"client_port_time_wait", "\nDo   ip netns exec web sysctl -w net.ipv4.ip_local_reserved"},
	{"time_wait_netns", "\nDo   bindtrace --netns web --port 8080 -4 --reuseaddr --wait &&\n"
			    "       systemctl start echo.service\n"},
	{"bound_only", "The socket is its file descriptor 7."},
	{"bound_only", "`ss -l` and /proc/net/tcp do not show such a socket"},
	{"listener_self", "\nDo   close the other socket in the same process first, or bind only"},
	{"listen_race_self", "another socket of echo[4242] was first"},
	{"listen_race_self", "It is the program's own other socket"},
	{"listen_race_self", "process first, or listen only once\n"},
	{"ephemeral_one_port", "     The one port that connect() may choose has a connection"},
	{"ephemeral_one_port", "\n  1      all: 50000\n"},
	{"autobind_one_port", "     The one port of the range is taken.\n"},
	{"autobind_one_port", "close the socket on this port; hoarder[700] has it\n"},
	{"ephemeral_exhausted", "\n     sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"\n"},
	{"ephemeral_exhausted", "net.ipv4.ip_local_reserved_ports\n     first, or programs"},
	{"ephemeral_exhausted", "or to another\n     address of the destination"},
	{"bucket_connect_some",
	 "of the 28229\n     that connect() may choose from, 1 is connected"},
	{"diag_closing", "whether\n     the other side has could not be read.\n"},
	{"other_error", "Why  EINVAL is no address conflict"},
};

static void test_phrases(void **state)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		struct page page = render(phrases[i].scene, (struct output_config){0});

		if (!strstr(page.text, phrases[i].words))
			fail_msg("%s: no \"%s\" in:\n%s", phrases[i].scene, phrases[i].words,
				 page.text);
		free(page.text);
	}
}

/* What must not be said. */
static const struct {
	const char *scene, *words;
} untrue[] = {
	{"self_connect_bound", "by chance"},
	{"self_connect_bound", "reserved_ports"},
	{"client_port_bound", "reserved_ports"},
	{"client_port_bound", "ip_local_port_range"},
	{"closing_fin_wait2", "answers"},
	{"closing_orphan", "acknowledges"},
	{"closing_shut_down", "left"},
	{"no_device", "bring"},
	{"listener_self", "one of the two"},
	{"listen_race_self", "one of the two"},
	{"whole_range_exhausted", "sysctl"},
	{"ephemeral_one_port", "1 are"},
	{"ephemeral_one_port", "1 ports"},
	{"autobind_one_port", "1 ports"},
	{"autobind_one_port", "1 are"},
	{"diag", "had set"},
	{"diag", "had not set"},
	{"diag_closing", "had set"},
	{"diag_closing", "had not set"},
};

static void test_nothing_untrue(void **state)
{
	for (size_t i = 0; i < sizeof(untrue) / sizeof(untrue[0]); i++) {
		struct page page = render(untrue[i].scene, (struct output_config){0});

		if (strstr(page.text, untrue[i].words))
			fail_msg("%s: \"%s\" in:\n%s", untrue[i].scene, untrue[i].words, page.text);
		free(page.text);
	}
}

/* The summary says what the text says: a flag that could not be read is not claimed. */
static void test_unread_summary(void **state)
{
	static const char *const scenes[] = {"diag", "diag_closing"};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct page page = render(scenes[i], (struct output_config){.json = true});

		assert_non_null(strstr(page.text, " or not (it could not be read)"));
		assert_null(strstr(page.text, "had not set SO_REUSEADDR"));
		assert_null(strstr(page.text, "this bind must set it, too"));
		free(page.text);
	}
}

/* Without a name it is entered through a process: one that holds the port, or the refused one. */
static void test_enter(void **state)
{
	struct output_config elsewhere = {.own_netns = 1};
	struct page page = render("client_port", elsewhere);

	assert_non_null(strstr(page.text, "Do   nsenter -t 55 -n sysctl -w net.ipv4.ip_local_res"));
	assert_null(strstr(page.text, "/etc/sysctl.d"));
	free(page.text);
	page = render("time_wait", elsewhere);
	assert_non_null(strstr(page.text, "Do   bindtrace --netns 4242 --port 9527 -4 --wait "));
	free(page.text);
	page = render("time_wait_port", (struct output_config){.own_netns = 4026531840});
	assert_null(strstr(page.text, "netns"));
	free(page.text);
	page = render("diag", elsewhere);
	assert_non_null(strstr(page.text, "Do   bindtrace --netns NS --port 8080 --wait\n"));
	free(page.text);
}

static void as_another_user(struct scene *scene)
{
	scene->conflict.process.uid_known = true;
	scene->conflict.process.uid = 1000;
	scene->conflict.req.uid = 33;
	scene->conflict.req.reuseport = true;
}

static void of_two_users(struct scene *scene)
{
	struct snap_sock *sock = &scene->conflict.snap.socks[0];

	sock->reuseport = sock->uid_known = true;
	sock->uid = 33;
}

static void held_by_process_1(struct scene *scene, const char *comm)
{
	struct proc_info *proc = &scene->conflict.snap.procs[0];

	scene->conflict.snap.n_holds = 1;
	proc->pid = 1;
	free(proc->comm);
	proc->comm = strdup(comm);
}

static void held_by_systemd(struct scene *scene)
{
	held_by_process_1(scene, "systemd");
}

static void held_by_container(struct scene *scene)
{
	held_by_process_1(scene, "gunicorn");
}

static void cut(struct scene *scene)
{
	scene->conflict.snap.truncated = true;
}

static void cut_of_more(struct scene *scene)
{
	scene->conflict.snap.truncated = true;
	scene->conflict.snap.total = 4711;
}

/* Scenes with one thing changed. */
static void test_changed(void **state)
{
	static const struct {
		const char *scene;
		void (*change)(struct scene *scene);
		const char *words;
	} rows[] = {
		{"time_wait", as_another_user, "(echo.service, uid 1000, socket of uid 33):\n"},
		{"time_wait", as_another_user, "--port 9527 -4 --reuseport --uid 33 --wait "},
		{"reuse_one_sided", of_two_users, "is uid 33."},
		{"listener", held_by_systemd, "Do   systemd itself has it, for a .socket unit"},
		{"listener", held_by_container, "Do   process 1 has it. In a container that is"},
		{"time_wait", cut, "Note Not all sockets on the port could be read.\n"},
		{"time_wait", cut_of_more,
		 "Note Only 1 of 4711 sockets on the port could be read."},
		{"ephemeral_exhausted", cut, "Note Of a port with very many sockets not all were"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct page page;
		struct scene scene;

		assert_true(scene__named(rows[i].scene, &scene));
		rows[i].change(&scene);
		page__open(&page, (struct output_config){0});
		assert_int_equal(scene__write(&scene, page.out), 0);
		page__close(&page);
		if (!strstr(page.text, rows[i].words))
			fail_msg("%s: no \"%s\" in:\n%s", rows[i].scene, rows[i].words, page.text);
		scene__free(&scene);
		free(page.text);
	}
}

/* Who has not accepted it yet. */
static void test_listener_of(void **state)
{
	struct scene scene = {.one_shot = true};
	struct snapshot *snap = &scene.port.snap;
	struct snap_sock queued;
	uint32_t listener = 7;

	snapshot__init(snap);
	snap->port = 8080;
	add_sock(&scene, STATE_LISTEN, "127.0.0.1");
	queued = *add_sock(&scene, STATE_ESTABLISHED, "::1");
	assert_false(holder__listener(snap, &queued, &listener));
	add_sock(&scene, STATE_LISTEN, "::2");
	assert_false(holder__listener(snap, &queued, &listener));
	add_sock(&scene, STATE_LISTEN, "::");
	add_sock(&scene, STATE_LISTEN, "::");
	assert_true(holder__listener(snap, &queued, &listener));
	assert_int_equal(listener, 3);
	add_sock(&scene, STATE_LISTEN, "::1");
	assert_true(holder__listener(snap, &queued, &listener));
	assert_int_equal(listener, 5);
	snapshot__free(snap);
}

/* Sockets were not looked at, so that nothing is said of them; and nothing is left open. */
static void test_other_errors(void **state)
{
	static const char *const scenes[] = {"not_local",     "privileged_port", "denied_lsm",
					     "already_bound", "no_device",	 "other_error"};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct page page = render(scenes[i], (struct output_config){0});

		assert_null(strstr(page.text, "STATE"));
		assert_null(strstr(page.text, "Note"));
		assert_null(strstr(page.text, "please report"));
		assert_non_null(strstr(page.text, "\n\nWhy  "));
		assert_non_null(strstr(page.text, "\nDo   "));
		free(page.text);
	}
}

/* No TIME_WAIT comes after a UDP socket. */
static void test_udp(void **state)
{
	struct page page = render("udplite_port", (struct output_config){0});

	assert_null(strstr(page.text, "wait a minute"));
	free(page.text);
}

/* The namespace is named where the reader could take it for another one. */
static void test_netns(void **state)
{
	static const struct {
		const char *scene;
		struct output_config config;
		const char *words; /* NULL: not named */
	} rows[] = {
		{"listener", {0}, NULL},
		{"listener", {.own_netns = 4026531840}, NULL},
		{"listener", {.own_netns = 1}, "EADDRINUSE, in network namespace 4026531840\n"},
		{"listener",
		 {.own_netns = 4026531840, .show_netns = true},
		 "EADDRINUSE, in this network namespace\n"},
		{"half_taken", {0}, "8080/tcp in network namespace web is taken"},
		{"half_taken", {.own_netns = 1}, "8080/tcp in network namespace web is taken"},
		{"half_taken", {.own_netns = 4026531840}, NULL},
		{"unnamed_netns", {.own_netns = 4026531840}, NULL},
		{"unnamed_netns", {.own_netns = 1}, "4026531840 (that of"},
		{"listener_port", {.own_netns = 1}, "8080/tcp in network namespace 4026531840 is"},
		{"listener_port", {.show_netns = true}, "8080/tcp in network namespace 4026531840"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct page page = render(rows[i].scene, rows[i].config);

		if (rows[i].words)
			assert_non_null(strstr(page.text, rows[i].words));
		else
			assert_null(strstr(page.text, "network namespace"));
		free(page.text);
	}
}

static void write_conflict(struct output *out)
{
	struct scene scene;

	assert_true(scene__make(&scene_rows[0], &scene));
	assert_int_equal(output__conflict(out, &scene.conflict), 0);
	scene__free(&scene);
}

/* A line each, and apart from reports of more than one. */
static void test_events(void **state)
{
	struct page page;

	page__open(&page, (struct output_config){0});
	assert_int_equal(scene__write_events(page.out), 0);
	fflush(page.stream);
	assert_int_equal(count(page.text, "\n"), 8);
	assert_null(strstr(page.text, "\n\n"));
	check_bytes(page.text, false);
	assert_non_null(strstr(page.text, ": bind 0.0.0.0:8080/tcp succeeded, SO_REUSEADDR\n"));
	assert_non_null(strstr(page.text, ": CLOSE -> LISTEN after 42 us, ec\\x0aho[4242] "));
	assert_non_null(strstr(page.text, "TIME_WAIT -> CLOSE after 60.1 s, was ec"));
	assert_non_null(strstr(page.text, "TIME_WAIT -> CLOSE after 120 min\n"));
	assert_non_null(strstr(page.text, ": new -> SYN_RECV, "));
	write_conflict(page.out);
	assert_int_equal(scene__write_events(page.out), 0);
	fflush(page.stream);
	assert_non_null(strstr(page.text, " after 120 min\n\n10:05:03 echo[4242]"));
	assert_non_null(strstr(page.text, "sizeof(int));\n\n10:05:03 echo[4242] (echo.service, uid "
					  "1000): bind 0.0.0.0:8080/tcp succeeded"));
	page__close(&page);
	free(page.text);
}

/* Of a range of ports, the few that are taken are to be seen: a free one is a line, without one
 * around it. */
static void test_free_ports(void **state)
{
	static const char *const names[] = {"empty_port", "empty_port", "listener_port",
					    "empty_port"};
	struct page page;

	page__open(&page, (struct output_config){0});
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct scene scene;

		assert_true(scene__named(names[i], &scene));
		assert_int_equal(scene__write(&scene, page.out), 0);
		scene__free(&scene);
	}
	page__close(&page);
	assert_non_null(strstr(page.text, " succeed.\n8080/tcp is free"));
	assert_non_null(strstr(page.text, " succeed.\n\n8080/tcp is taken"));
	assert_non_null(strstr(page.text, "\n\n8080/tcp is free"));
	assert_int_equal(count(page.text, "8080/tcp is free"), 3);
	free(page.text);
}

static void test_durations(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{0, "0 us"},
		{999999, "999 us"},
		{1000000, "1 ms"},
		{999999999, "999 ms"},
		{1000000000, "1.0 s"},
		{179999999999, "179.9 s"},
		{180000000000, "3 min"},
		{INT64_MAX, "153722867 min"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(format__duration(rows[i].ns).text, rows[i].text);
}

/* Never narrower than it is, nor below what the kernel takes. */
static void test_wider_range(void **state)
{
	static const struct {
		uint16_t low;
		int32_t start;
		const char *text;
	} rows[] = {
		{32768, 1024, "1024 65535"}, {32768, -1, "1024 65535"},	 {32768, 0, "1024 65535"},
		{32768, 2048, "2048 65535"}, {1024, 0, "1 65535"},	 {1024, 80, "80 65535"},
		{500, -1, "500 65535"},	     {1024, 1024, "1024 65535"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct port_usage usage = {.low = rows[i].low, .high = 60999};
		struct refusal_facts facts = {.unprivileged_port_start = rows[i].start};

		assert_string_equal(format__wider_range(&usage, &facts).text, rows[i].text);
	}
}

static void test_quiet(void **state)
{
	struct page page = render("diag", (struct output_config){.quiet = true});

	assert_null(strstr(page.text, "Note"));
	assert_non_null(strstr(page.text, "Why"));
	free(page.text);
}

static char *run_lines(struct output_config config)
{
	static const struct run_start start = {
		.kernel = "6.1\033", .hooks = "a, b", .filters = "f"};
	static const struct run_stop stop = {0, 1, 2, 3, 4, 5};
	struct page page;

	page__open(&page, config);
	assert_int_equal(output__start(page.out, &start), 0);
	assert_int_equal(output__lost(page.out, 0, 7), 0);
	assert_int_equal(output__stop(page.out, &stop), 0);
	page__close(&page);
	return page.text;
}

static void test_run(void **state)
{
	static const char lost[] = "bindtrace: 7 events lost, faster than they could be "
				   "written; watch fewer ports with --port\n";
	char *text = run_lines((struct output_config){.quiet = true});

	assert_string_equal(text, lost); /* never suppressed */
	free(text);
	text = run_lines((struct output_config){.verbose = true});
	assert_int_equal(count(text, "\n"), 3);
	assert_non_null(strstr(text, "(f), kernel 6.1\\x1b, a, b; Ctrl-C ends it\n"));
	assert_non_null(strstr(text, "1 seen, 2 reported, 3 filtered out, 4 lost; the "
				     "kernel skipped 5 calls, which may have been refused\n"));
	free(text);
}

static void test_table(void **state)
{
	struct table table = {.below = "by"};
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	table__column(&table, "A", false, false);
	table__column(&table, "HIDDEN", true, false);
	table__column(&table, "LAST", false, false);
	table__row(&table);
	table__cell(&table, 0, HUE_RED,
		    "\xc3\x97"
		    "1");
	table__cell(&table, 1, HUE_NONE, "never");
	table__cell(&table, 2, HUE_NONE, "x");
	table__row(&table);
	table__cell(&table, 0, HUE_NONE, "abc");
	assert_int_equal(table__write(&table, f, false, false), 0);
	fflush(f);
	assert_string_equal(text, "  A    LAST\n  \xc3\x97"
				  "1   x\n  abc\n");
	table__free(&table);
	fclose(f);
	free(text);
}

static void test_paragraph(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct paragraph p = {f, "Why", false};

	paragraph__text(&p, "%s",
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
			"bbbbbbbbbbb cc");
	paragraph__code(&p, "code;");
	fflush(f);
	assert_string_equal(text, "Why  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				  "aaaaa bbbbbbbbbbb\n     cc\n     code;\n");
	fclose(f);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_width),	       cmocka_unit_test(test_nothing_hostile),
		cmocka_unit_test(test_color),	       cmocka_unit_test(test_grouping),
		cmocka_unit_test(test_many_rows),      cmocka_unit_test(test_alternating),
		cmocka_unit_test(test_phrases),	       cmocka_unit_test(test_nothing_untrue),
		cmocka_unit_test(test_unread_summary), cmocka_unit_test(test_enter),
		cmocka_unit_test(test_quiet),	       cmocka_unit_test(test_run),
		cmocka_unit_test(test_table),	       cmocka_unit_test(test_paragraph),
		cmocka_unit_test(test_other_errors),   cmocka_unit_test(test_udp),
		cmocka_unit_test(test_netns),	       cmocka_unit_test(test_events),
		cmocka_unit_test(test_durations),      cmocka_unit_test(test_wider_range),
		cmocka_unit_test(test_free_ports),     cmocka_unit_test(test_changed),
		cmocka_unit_test(test_listener_of),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
