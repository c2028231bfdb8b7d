// SPDX-License-Identifier: GPL-2.0-only
/* Owner lookup against a /proc of our own making, and the iterator where the kernel lets us. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../bpf/owner_wire.h"
#include "kernel/features.h"
#include "kernel/owner_iter.h"
#include "owner/owner.h"

/* ---- a /proc of our own -----------------------------------------------------------------------
 */

static char root[PATH_MAX];
static struct owner_source source = {.proc_root = root, .cgroup_root = "/proc/none"};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int make_root(void **state)
{
	strcpy(root, "/tmp/bindtrace-proc-XXXXXX");
	return mkdtemp(root) && chmod(root, 0755) == 0 ? 0 : -1;
}

static int remove_root(void **state)
{
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

__attribute__((format(printf, 1, 2))) static const char *in_root(const char *format, ...)
{
	static char path[PATH_MAX * 2];
	va_list args;
	int len = snprintf(path, sizeof(path), "%s/", root);

	va_start(args, format);
	vsnprintf(path + len, sizeof(path) - len, format, args);
	va_end(args);
	return path;
}

static void make_dirs(const char *path)
{
	char *copy = strdup(path), *slash = copy;

	while ((slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		mkdir(copy, 0755);
		*slash = '/';
	}
	mkdir(copy, 0755);
	free(copy);
}

static void make_fd(int pid, int fd, const char *link)
{
	make_dirs(in_root("%d/fd", pid));
	assert_int_equal(symlink(link, in_root("%d/fd/%d", pid, fd)), 0);
}

static void make_file(int pid, const char *name, const void *data, size_t len)
{
	FILE *file;

	make_dirs(in_root("%d", pid));
	file = fopen(in_root("%d/%s", pid, name), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void make_text(int pid, const char *name, const char *text)
{
	make_file(pid, name, text, strlen(text));
}

/* ---- the scan ---------------------------------------------------------------------------------
 */

static struct owner_hits scan(const uint64_t *inodes, size_t n)
{
	struct owner_hits hits = {0};

	assert_int_equal(owner__scan_proc(&source, inodes, n, &hits), 0);
	return hits;
}

static bool has_hit(const struct owner_hits *hits, uint64_t inode, int pid, int fd)
{
	size_t i;

	for (i = 0; i < hits->n; i++) {
		const struct owner_hit *hit = &hits->hits[i];

		if (hit->inode == inode && hit->pid == pid && hit->fd == fd)
			return hit->opener == TRI_UNKNOWN && !hit->comm[0];
	}
	return false;
}

static void test_scan(void **state)
{
	const uint64_t inodes[] = {7, 100, 18446744073709551615ull};
	struct owner_hits hits;

	make_fd(10, 0, "/dev/null");
	make_fd(10, 3, "socket:[100]");
	make_fd(10, 4, "socket:[101]");
	make_fd(11, 3, "socket:[100]");
	make_fd(11, 1000, "socket:[7]");
	make_fd(12, 5, "socket:[18446744073709551615]");
	make_fd(13, 5, "anon_inode:[eventpoll]");

	hits = scan(inodes, 3);
	assert_true(hits.complete);
	assert_int_equal(hits.n, 4);
	assert_true(has_hit(&hits, 100, 10, 3));
	assert_true(has_hit(&hits, 100, 11, 3));
	assert_true(has_hit(&hits, 7, 11, 1000));
	assert_true(has_hit(&hits, inodes[2], 12, 5));
	owner_hits__free(&hits);
}

/* Files named like sockets, and names that are no pid or fd. */
static void test_scan_hostile(void **state)
{
	static const char *const links[] = {
		"socket:[100",
		"socket:[]",
		"socket:[100]]",
		"socket:[ 100]",
		"socket:[+100]",
		"socket:[0x64]",
		"socket:[184467440737095516160]",
		"/tmp/socket:[100]",
		"socket:100",
		"socket:[100] (deleted)",
		"socket:[",
		"socket:[99999999999999999999999999999999999999999"
		"99999999999999999999999999999]",
	};
	const uint64_t inodes[] = {10, 100};
	struct owner_hits hits;
	size_t i;

	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		make_fd(20, i, links[i]);
	make_dirs(in_root("020x/fd"));
	assert_int_equal(symlink("socket:[100]", in_root("020x/fd/3")), 0);
	make_dirs(in_root("99999999999/fd"));
	assert_int_equal(symlink("socket:[100]", in_root("99999999999/fd/3")), 0);
	make_dirs(in_root("0/fd"));
	assert_int_equal(symlink("socket:[100]", in_root("0/fd/3")), 0);
	assert_int_equal(symlink("socket:[100]", in_root("20/fd/x")), 0);
	assert_int_equal(symlink("socket:[100]", in_root("20/fd/99999999999")), 0);

	hits = scan(inodes, 2);
	assert_int_equal(hits.n, 0);
	assert_true(hits.complete);
	owner_hits__free(&hits);
}

/* A process that exits while we look is no gap. */
static void test_scan_vanished(void **state)
{
	const uint64_t inodes[] = {100};
	struct owner_hits hits;

	make_dirs(in_root("30"));
	make_fd(31, 3, "socket:[100]");
	hits = scan(inodes, 1);
	assert_true(hits.complete);
	assert_int_equal(hits.n, 1);
	owner_hits__free(&hits);
}

static void test_scan_denied(void **state)
{
	const uint64_t inodes[] = {100};
	const bool as_root = geteuid() == 0;
	struct owner_hits hits;

	make_fd(40, 3, "socket:[100]");
	make_fd(41, 3, "socket:[100]");
	assert_int_equal(chmod(in_root("41/fd"), 0), 0);
	if (as_root)
		assert_int_equal(seteuid(65534), 0);
	hits = scan(inodes, 1);
	if (as_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(in_root("41/fd"), 0755), 0);
	assert_false(hits.complete);
	assert_int_equal(hits.n, 1);
	assert_true(has_hit(&hits, 100, 40, 3));
	owner_hits__free(&hits);
}

/* The main thread has ended: its table is empty, that of another thread is not. */
static void test_scan_threads(void **state)
{
	const uint64_t inodes[] = {100};
	struct owner_hits hits;

	make_dirs(in_root("50/fd"));
	make_dirs(in_root("50/task/50/fd"));
	make_dirs(in_root("50/task/51/fd"));
	assert_int_equal(symlink("socket:[100]", in_root("50/task/51/fd/3")), 0);
	hits = scan(inodes, 1);
	assert_int_equal(hits.n, 1);
	assert_true(has_hit(&hits, 100, 50, 3));
	owner_hits__free(&hits);
}

/* /proc of an inner pid namespace, or with hidepid, does not show every process. */
static void test_scan_hidden(void **state)
{
	const uint64_t inodes[] = {100};
	struct owner_hits hits;
	struct stat st;

	make_dirs(in_root("1/fd"));
	make_dirs(in_root("self/ns/pid")); /* not the initial pid namespace */
	hits = scan(inodes, 1);
	assert_false(hits.complete);
	owner_hits__free(&hits);

	assert_int_equal(rmdir(in_root("self/ns/pid")), 0);
	assert_int_equal(symlink("/proc/self/ns/pid", in_root("self/ns/pid")), 0);
	assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
	hits = scan(inodes, 1);
	assert_int_equal(hits.complete, st.st_ino == 4026531836u);
	owner_hits__free(&hits);

	assert_int_equal(rmdir(in_root("1/fd")), 0);
	assert_int_equal(rmdir(in_root("1")), 0); /* hidepid */
	hits = scan(inodes, 1);
	assert_false(hits.complete);
	owner_hits__free(&hits);
}

static void test_scan_no_proc(void **state)
{
	struct owner_source none = {.proc_root = "/proc/none"};
	struct owner_hits hits = {0};
	uint64_t inode = 1;

	assert_int_equal(owner__scan_proc(&none, &inode, 1, &hits), -ENOENT);
	assert_false(hits.complete);
}

/* ---- a process --------------------------------------------------------------------------------
 */

static void test_info(void **state)
{
	struct proc_info proc = {.pid = 60, .session_leader = TRI_UNKNOWN};

	make_text(60, "comm", "echo\n");
	assert_int_equal(symlink("/srv/echo (deleted)", in_root("60/exe")), 0);
	make_text(60, "status",
		  "Name:\techo\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\n");
	make_text(60, "stat", "60 (echo) S 1 60 60 0 -1 4194560\n");
	make_text(60, "cgroup", "0::/system.slice/docker-0123456789ab.scope\n");
	assert_int_equal(proc_info__read(&source, &proc), 0);
	assert_string_equal(proc.comm, "echo");
	assert_string_equal(proc.exe, "/srv/echo (deleted)");
	assert_true(proc.uid_known);
	assert_int_equal(proc.uid, 1000);
	assert_int_equal(proc.session_leader, TRI_YES);
	assert_string_equal(proc.cgroup, "/system.slice/docker-0123456789ab.scope");
	assert_string_equal(proc.unit, "docker-0123456789ab.scope");
	assert_string_equal(proc.container, "0123456789ab");
	proc_info__free(&proc);
}

/* Every byte that a process can put there comes back as it is. */
static void test_info_hostile(void **state)
{
	static const char comm[] = ") R 1 \n\xff\x1b[";
	struct proc_info proc = {.pid = 61, .session_leader = TRI_UNKNOWN};
	char stat[128], exe[4000];
	int len;

	memset(exe, '\xfe', sizeof(exe) - 1);
	exe[0] = '/';
	exe[3] = '\n';
	exe[sizeof(exe) - 1] = '\0';
	make_file(61, "comm", ") R 1 \n\xff\x1b[\n", sizeof(comm));
	len = snprintf(stat, sizeof(stat), "61 (%s) S 1 7 7 0 -1\n", comm);
	make_file(61, "stat", stat, len);
	assert_int_equal(symlink(exe, in_root("61/exe")), 0);
	make_text(61, "status", "Name:\tUid:\\n 5\nUid: \t4294967295\t0\n");
	make_text(61, "cgroup", "0::/\xff\x1b[2J.service\n");
	assert_int_equal(proc_info__read(&source, &proc), 0);
	assert_string_equal(proc.comm, comm);
	assert_string_equal(proc.exe, exe);
	assert_int_equal(proc.uid, 4294967295u);
	assert_int_equal(proc.session_leader, TRI_NO);
	assert_string_equal(proc.unit, "\xff\x1b[2J.service");
	assert_null(proc.container);
	proc_info__free(&proc);
}

static void test_info_gone(void **state)
{
	struct proc_info proc = {.pid = 62, .session_leader = TRI_UNKNOWN, .comm = strdup("old")};

	assert_int_equal(proc_info__read(&source, &proc), 0);
	assert_string_equal(proc.comm, "old");
	assert_null(proc.exe);
	assert_false(proc.uid_known);
	assert_int_equal(proc.session_leader, TRI_UNKNOWN);

	/* What is known already is kept, what can be read is added. */
	proc.uid_known = true;
	proc.uid = 5;
	make_text(62, "comm", "new\n");
	make_text(62, "status", "Uid:\t6\n");
	make_text(62, "stat", "garbage");
	make_text(62, "cgroup", "garbage");
	assert_int_equal(proc_info__read(&source, &proc), 0);
	assert_string_equal(proc.comm, "old");
	assert_int_equal(proc.uid, 5);
	assert_int_equal(proc.session_leader, TRI_UNKNOWN);
	assert_null(proc.cgroup);
	proc_info__free(&proc);
}

static void test_stat(void **state)
{
	static const struct {
		const char *text;
		int err;
		enum tri leader;
	} rows[] = {
		{"5 (a) S 1 5 5 0", 0, TRI_YES},
		{"5 (a) S 1 5 4 0", 0, TRI_NO},
		{"5 (a) S 1 5 5", 0, TRI_YES},
		{"5 (a) S 1 5 0 0", 0, TRI_NO}, /* the session is outside the pid namespace */
		{"5 (a) S 1 5 5) S 1 5 6 0", 0, TRI_NO},
		{"5 (a) S 1 5 5) S 1 5", -EBADMSG, TRI_UNKNOWN},
		{"5 (a) S 1 5 5x", -EBADMSG, TRI_UNKNOWN},
		{"5 (a) S 1 5 -5", -EBADMSG, TRI_UNKNOWN},
		{"5 (a) S 1 5 99999999999999999999", -EBADMSG, TRI_UNKNOWN},
		{"5 (a)", -EBADMSG, TRI_UNKNOWN},
		{"5 a S 1 5 5", -EBADMSG, TRI_UNKNOWN},
		{"", -EBADMSG, TRI_UNKNOWN},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text);
		char *copy = memcpy(malloc(len + !len), rows[i].text, len);
		enum tri leader = TRI_UNKNOWN;

		if (proc_parse__stat_session(copy, len, 5, &leader) != rows[i].err ||
		    leader != rows[i].leader)
			fail_msg("%s: %d", rows[i].text, leader);
		free(copy);
	}
}

static void test_stat_start(void **state)
{
#define TO_PRIORITY " 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 "
	static const struct {
		const char *text;
		int err;
		uint64_t ticks;
	} rows[] = {
		{"5 (a) S 1 5 5" TO_PRIORITY "4711 1 2\n", 0, 4711},
		{"5 (a) 9 ) S 1 5 5" TO_PRIORITY "0", 0, 0},
		{"5 (a) S 1 5 5" TO_PRIORITY, -EBADMSG, 99},
		{"5 (a) S 1 5 5" TO_PRIORITY "x", -EBADMSG, 99},
		{"5 (a S 1 5 5" TO_PRIORITY "1", -EBADMSG, 99},
		{"", -EBADMSG, 99},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text);
		char *copy = memcpy(malloc(len + !len), rows[i].text, len);
		uint64_t ticks = 99;

		assert_int_equal(proc_parse__stat_start(copy, len, &ticks), rows[i].err);
		assert_int_equal(ticks, rows[i].ticks);
		free(copy);
	}
}

static void test_status(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint32_t uid;
	} rows[] = {
		{"Uid:\t1\t2\t3\t4\n", 0, 1},
		{"Name:\tx\nUid:\t0", 0, 0},
		{"Name:\tUid:\t7\nUid:\t8\n", 0, 8},
		{"Uid:\t4294967296\n", -EBADMSG, 99},
		{"Uid:\t-1\n", -EBADMSG, 99},
		{"Uid:\t\n5", -EBADMSG, 99},
		{"Uid:", -EBADMSG, 99},
		{"Gid:\t1\n", -EBADMSG, 99},
		{"", -EBADMSG, 99},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text);
		char *copy = memcpy(malloc(len + !len), rows[i].text, len);
		uint32_t uid = 99;

		if (proc_parse__status_uid(copy, len, &uid) != rows[i].err || uid != rows[i].uid)
			fail_msg("%s: %u", rows[i].text, uid);
		free(copy);
	}
}

/* ---- the lookup -------------------------------------------------------------------------------
 */

/* A scan that answers from a table. */
struct fake_scan {
	const struct owner_hit *hits;
	size_t n;
	bool complete;
	int err;
	int calls;
};

static int fake_scan(void *ctx, const uint64_t *inodes, size_t n, struct owner_hits *hits)
{
	struct fake_scan *fake = ctx;
	size_t i;

	fake->calls++;
	for (i = 1; i < n; i++)
		assert_true(inodes[i - 1] < inodes[i]);
	for (i = 0; i < fake->n; i++) {
		const struct owner_hit *hit = &fake->hits[i];

		assert_int_equal(owner__add_hit(hits, hit->inode, hit->pid, hit->fd, hit->opener),
				 0);
		memcpy(hits->hits[hits->n - 1].comm, hit->comm, sizeof(hit->comm));
		hits->hits[hits->n - 1].start_ns = hit->start_ns;
	}
	hits->complete = fake->complete;
	return fake->err;
}

static struct owner_source source_of(struct fake_scan *fake)
{
	return (struct owner_source){fake_scan, fake, root, "/proc/none"};
}

/* How the evidence of a socket and the scan make its class. */
static const struct {
	const char *name;
	uint64_t inode;
	uint8_t state;
	int8_t has_socket, has_file, dead, kernel_made;
	enum holder_class if_complete, if_not;
} classes[] = {
	{"held", 100, STATE_LISTEN, 1, 1, 0, 0, HOLDER_PROCESS, HOLDER_PROCESS},
	{"held, seen by diag", 100, STATE_LISTEN, -1, -1, -1, -1, HOLDER_PROCESS, HOLDER_PROCESS},
	{"held MPTCP subflow", 100, STATE_LISTEN, 1, 1, 0, 1, HOLDER_PROCESS, HOLDER_PROCESS},
	{"time-wait", 0, STATE_TIME_WAIT, -1, -1, -1, -1, HOLDER_TIME_WAIT, HOLDER_TIME_WAIT},
	{"time-wait, with the inode of another", 100, STATE_TIME_WAIT, 0, 0, 0, 0, HOLDER_TIME_WAIT,
	 HOLDER_TIME_WAIT},
	{"orphan", 0, STATE_FIN_WAIT1, 0, 0, 1, 0, HOLDER_ORPHAN, HOLDER_ORPHAN},
	{"accept queue", 0, STATE_ESTABLISHED, 0, 0, 0, 0, HOLDER_ACCEPT_QUEUE,
	 HOLDER_ACCEPT_QUEUE},
	{"no socket, dead unknown", 0, STATE_ESTABLISHED, 0, 0, -1, 0, HOLDER_UNKNOWN,
	 HOLDER_UNKNOWN},
	{"kernel", 200, STATE_LISTEN, 1, 0, 0, 1, HOLDER_KERNEL, HOLDER_KERNEL},
	{"kernel, or an MPTCP subflow", 200, STATE_LISTEN, 1, -1, 0, 1, HOLDER_UNKNOWN,
	 HOLDER_UNKNOWN},
	{"no file yet", 200, STATE_BOUND, 1, 0, 0, 0, HOLDER_UNKNOWN, HOLDER_UNKNOWN},
	{"detached", 200, STATE_LISTEN, 1, 1, 0, 0, HOLDER_DETACHED, HOLDER_UNKNOWN},
	{"connection of the kernel's RPC", 200, STATE_ESTABLISHED, 1, 1, 0, 1, HOLDER_KERNEL,
	 HOLDER_UNKNOWN},
	{"detached MPTCP subflow", 200, STATE_LISTEN, 1, 1, 0, 1, HOLDER_DETACHED, HOLDER_UNKNOWN},
	{"diag: detached or kernel", 200, STATE_LISTEN, -1, -1, -1, -1, HOLDER_UNKNOWN,
	 HOLDER_UNKNOWN},
	{"diag: FIN_WAIT1", 0, STATE_FIN_WAIT1, -1, -1, -1, -1, HOLDER_ORPHAN, HOLDER_ORPHAN},
	{"diag: FIN_WAIT2", 0, STATE_FIN_WAIT2, -1, -1, -1, -1, HOLDER_ORPHAN, HOLDER_ORPHAN},
	{"diag: LAST_ACK", 0, STATE_LAST_ACK, -1, -1, -1, -1, HOLDER_ORPHAN, HOLDER_ORPHAN},
	{"diag: CLOSING", 0, STATE_CLOSING, -1, -1, -1, -1, HOLDER_ORPHAN, HOLDER_ORPHAN},
	{"diag: ESTABLISHED", 0, STATE_ESTABLISHED, -1, -1, -1, -1, HOLDER_UNKNOWN, HOLDER_UNKNOWN},
	{"diag: CLOSE_WAIT", 0, STATE_CLOSE_WAIT, -1, -1, -1, -1, HOLDER_UNKNOWN, HOLDER_UNKNOWN},
	{"diag: FIN_WAIT1 of somebody", 200, STATE_FIN_WAIT1, -1, -1, -1, -1, HOLDER_UNKNOWN,
	 HOLDER_UNKNOWN},
};
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

static void add_class_sock(struct snapshot *snap, size_t i)
{
	struct snap_sock *sock = snapshot__add_sock(snap);

	assert_non_null(sock);
	sock->id = i + 1;
	sock->inode = classes[i].inode;
	sock->state = classes[i].state;
	sock->has_socket = classes[i].has_socket;
	sock->has_file = classes[i].has_file;
	sock->dead = classes[i].dead;
	sock->kernel_made = classes[i].kernel_made;
	sock->peer_port = sock->state == STATE_LISTEN ? 0 : 2049;
}

static void check_classes(bool complete)
{
	const struct owner_hit hit = {100, 70, 3, TRI_YES, "server", 0};
	struct fake_scan fake = {.hits = &hit, .n = 1, .complete = complete};
	struct owner_source faked = source_of(&fake);
	struct snapshot snap;
	size_t i;

	snapshot__init(&snap);
	for (i = 0; i < N_CLASSES; i++)
		add_class_sock(&snap, i);
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	assert_int_equal(fake.calls, 1);
	assert_int_equal(snap.owners_known, complete);
	for (i = 0; i < N_CLASSES; i++) {
		enum holder_class want = complete ? classes[i].if_complete : classes[i].if_not;

		if (snap.socks[i].holder != want)
			fail_msg("%s: got %d, want %d", classes[i].name, snap.socks[i].holder,
				 want);
	}
	snapshot__free(&snap);
}

static void test_classes(void **state)
{
	check_classes(true);
	check_classes(false);
}

static void add_inode(struct snapshot *snap, uint64_t inode)
{
	struct snap_sock *sock = snapshot__add_sock(snap);

	assert_non_null(sock);
	sock->id = snap->n_socks;
	sock->inode = inode;
	sock->state = STATE_LISTEN;
	sock->has_socket = sock->has_file = TRI_YES;
}

static const struct sock_hold *only_hold(const struct snapshot *snap, uint32_t sock)
{
	const struct sock_hold *holds;
	size_t n;

	holds = snapshot__holds(snap, sock, &n);
	assert_int_equal(n, 1);
	return holds;
}

/* Processes once, holds of every (socket, process, fd), the same inode under two sockets. */
static void test_lookup(void **state)
{
	static const struct owner_hit hits[] = {
		{100, 81, 4, TRI_NO, "child", 0},   {100, 80, 3, TRI_YES, "parent", 0},
		{101, 80, 5, TRI_YES, "parent", 0}, {100, 80, 6, TRI_YES, "parent", 0},
		{100, 80, 3, TRI_YES, "parent", 0}, {999, 82, 3, TRI_YES, "stranger", 0},
	};
	struct fake_scan fake = {.hits = hits, .n = 6, .complete = true};
	struct owner_source faked = source_of(&fake);
	const struct sock_hold *holds;
	struct snapshot snap;
	size_t n;

	make_text(80, "comm", "renamed\n");
	make_text(80, "status", "Uid:\t33\n");
	snapshot__init(&snap);
	add_inode(&snap, 101);
	add_inode(&snap, 100);
	add_inode(&snap, 100);
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);

	holds = snapshot__holds(&snap, 1, &n);
	assert_int_equal(n, 3);
	assert_int_equal(snap.procs[holds[0].proc].pid, 80);
	assert_int_equal(holds[0].fd, 3);
	assert_int_equal(holds[0].opener, TRI_YES);
	assert_int_equal(holds[1].fd, 6);
	assert_int_equal(snap.procs[holds[2].proc].pid, 81);
	assert_int_equal(holds[2].opener, TRI_NO);
	snapshot__holds(&snap, 2, &n);
	assert_int_equal(n, 3);
	assert_int_equal(snap.procs[only_hold(&snap, 0)->proc].pid, 80);
	assert_string_equal(snap.procs[only_hold(&snap, 0)->proc].comm, "parent");
	assert_int_equal(snap.procs[only_hold(&snap, 0)->proc].uid, 33);
	snapshot__free(&snap);
}

/* A second lookup replaces what the first one said, and only for the sockets asked about. */
static void test_lookup_again(void **state)
{
	static const struct owner_hit first[] = {{100, 90, 3, TRI_YES, "", 0},
						 {101, 90, 4, TRI_YES, "", 0}};
	static const struct owner_hit second[] = {{100, 91, 3, TRI_YES, "", 0},
						  {100, 90, 7, TRI_NO, "", 0}};
	struct fake_scan fake = {.hits = first, .n = 2, .complete = true};
	struct owner_source faked = source_of(&fake);
	const uint32_t asked[] = {0, 7, 0};
	struct snapshot snap;
	size_t n, i, seen = 0;

	snapshot__init(&snap);
	add_inode(&snap, 100);
	add_inode(&snap, 101);
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	fake.hits = second;
	assert_int_equal(owner__lookup(&faked, &snap, asked, 3), 0);
	snapshot__holds(&snap, 0, &n);
	assert_int_equal(n, 2);
	assert_int_equal(only_hold(&snap, 1)->fd, 4);
	for (i = 0; i < snap.n_procs; i++)
		seen += snap.procs[i].pid == 90;
	assert_int_equal(seen, 1);

	fake.n = 0;
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	assert_int_equal(snap.n_holds, 0);
	assert_int_equal(snap.socks[0].holder, HOLDER_DETACHED);
	snapshot__free(&snap);
}

/* A pid that is another process's by now: of that one nothing is read. */
static void test_lookup_reused(void **state)
{
	struct owner_hit hit = {100, 96, 3, TRI_YES, "first", 7990000000};
	struct fake_scan fake = {.hits = &hit, .n = 1, .complete = true};
	struct owner_source faked = source_of(&fake);
	struct owner_hits hits;
	struct snapshot snap;

	make_fd(96, 3, "socket:[100]");
	make_text(96, "status", "Name:\tsecond\nUid:\t33\t33\t33\t33\n");
	make_text(96, "stat", "96 (second) S 1 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 800 0\n");
	snapshot__init(&snap);
	add_inode(&snap, 100);
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	assert_string_equal(snap.procs[0].comm, "first");
	assert_false(snap.procs[0].uid_known);
	snapshot__free(&snap);

	hit.start_ns = 8004000000; /* in the middle of that tick */
	snapshot__init(&snap);
	add_inode(&snap, 100);
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	assert_true(snap.procs[0].uid_known);
	snapshot__free(&snap);

	hits = scan(&hit.inode, 1);
	assert_int_equal(hits.n, 1);
	assert_int_equal(hits.hits[0].start_ns, 8000000000);
	owner_hits__free(&hits);
}

/* An iterator that breaks half-way leaves nothing behind; /proc answers instead. */
static void test_lookup_fallback(void **state)
{
	static const struct owner_hit wrong = {100, 5, 3, TRI_YES, "wrong", 0};
	struct fake_scan fake = {.hits = &wrong, .n = 1, .complete = true, .err = -EBADMSG};
	struct owner_source faked = source_of(&fake);
	struct snapshot snap;

	make_fd(95, 8, "socket:[100]");
	make_text(95, "comm", "right\n");
	snapshot__init(&snap);
	add_inode(&snap, 100);
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	assert_true(snap.owners_known);
	assert_int_equal(only_hold(&snap, 0)->fd, 8);
	assert_string_equal(snap.procs[0].comm, "right");
	assert_int_equal(snap.n_procs, 1);

	faked.proc_root = "/proc/none";
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	assert_false(snap.owners_known);
	assert_int_equal(snap.n_holds, 0);
	assert_int_equal(snap.socks[0].holder, HOLDER_UNKNOWN);

	fake.err = -ENOMEM;
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), -ENOMEM);
	snapshot__free(&snap);
}

/* Nothing to look for: no scan at all. */
static void test_lookup_nothing(void **state)
{
	struct fake_scan fake = {.err = -EBADMSG};
	struct owner_source faked = source_of(&fake);
	struct snapshot snap;

	snapshot__init(&snap);
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	add_inode(&snap, 0);
	snap.socks[0].state = STATE_TIME_WAIT;
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	assert_int_equal(fake.calls, 0);
	assert_true(snap.owners_known);
	assert_int_equal(snap.socks[0].holder, HOLDER_TIME_WAIT);
	snapshot__free(&snap);
}

/* 50,000 connections of 1,000 processes: seconds, if anything were quadratic. */
static void test_lookup_many(void **state)
{
	const size_t n = 50000;
	struct owner_hit *hits = calloc(n, sizeof(*hits));
	struct fake_scan fake = {.hits = hits, .n = n, .complete = true};
	struct owner_source faked = source_of(&fake);
	struct timespec start, end;
	struct snapshot snap;
	size_t i;

	assert_non_null(hits);
	snapshot__init(&snap);
	for (i = 0; i < n; i++) {
		hits[i] = (struct owner_hit){1 + i, 1000 + i % 1000, i / 1000, TRI_YES, "many", 0};
		add_inode(&snap, n - i);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	assert_int_equal(owner__lookup(&faked, &snap, NULL, 0), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	assert_true(end.tv_sec - start.tv_sec < 2);
	assert_int_equal(snap.n_procs, 1000);
	assert_int_equal(snap.n_holds, n);
	for (i = 0; i < n; i += 999)
		assert_int_equal(snap.procs[only_hold(&snap, i)->proc].pid,
				 1000 + (snap.socks[i].inode - 1) % 1000);
	snapshot__free(&snap);
	free(hits);
}

/* ---- the iterator -----------------------------------------------------------------------------
 */

static struct wire_owner record(void)
{
	return (struct wire_owner){
		.header = {WIRE_VERSION, WIRE_OWNER, sizeof(struct wire_owner)},
		.inode = 100,
		.pid = 5,
		.fd = 3,
		.opener = TRI_YES,
		.comm = "0123456789abcdef", /* no NUL: not from this kernel */
	};
}

static void test_decode(void **state)
{
	struct wire_owner records[3] = {record(), record(), record()};
	struct owner_hits hits = {0};

	records[1].pid = 0;
	records[2].opener = TRI_UNKNOWN;
	assert_int_equal(owner_iter__decode(records, sizeof(records), &hits), 0);
	assert_int_equal(hits.n, 2);
	assert_int_equal(hits.hits[0].inode, 100);
	assert_int_equal(hits.hits[0].pid, 5);
	assert_int_equal(hits.hits[0].fd, 3);
	assert_int_equal(hits.hits[0].opener, TRI_YES);
	assert_string_equal(hits.hits[0].comm, "0123456789abcde");
	assert_int_equal(hits.hits[1].opener, TRI_UNKNOWN);

	assert_int_equal(owner_iter__decode(records, 0, &hits), 0);
	assert_int_equal(owner_iter__decode(records, sizeof(records[0]) - 1, &hits), -EBADMSG);
	records[0].opener = 2;
	assert_int_equal(owner_iter__decode(records, sizeof(records[0]), &hits), -EBADMSG);
	records[0] = record();
	records[0].header.version++;
	assert_int_equal(owner_iter__decode(records, sizeof(records[0]), &hits), -EBADMSG);
	records[0] = record();
	records[0].header.kind++;
	assert_int_equal(owner_iter__decode(records, sizeof(records[0]), &hits), -EBADMSG);
	records[0] = record();
	records[0].header.size++;
	assert_int_equal(owner_iter__decode(records, sizeof(records[0]), &hits), -EBADMSG);
	assert_int_equal(hits.n, 2);
	owner_hits__free(&hits);
}

static int open_with_types(struct owner_iter **ret)
{
	struct features features;
	int err = features__probe(NULL, &features);

	if (!err)
		err = owner_iter__open(&features, SIZE_MAX, ret);
	features__release(&features);
	return err;
}

static struct owner_iter *open_iter(void)
{
	struct owner_iter *iter = NULL;
	int err = open_with_types(&iter);

	if (err) {
		print_message("no iterator here: %s\n", strerror(-err));
		skip();
	}
	return iter;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static const struct owner_hit *find_hit(const struct owner_hits *hits, uint64_t inode, int pid)
{
	size_t i;

	for (i = 0; i < hits->n; i++) {
		if (hits->hits[i].inode == inode && hits->hits[i].pid == pid)
			return &hits->hits[i];
	}
	return NULL;
}

/* Forks a child that runs `prepare` and then waits; returns when it has. */
static int start_child(void (*prepare)(void))
{
	int ready[2], child;
	char byte;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prepare();
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of credentials clears it */
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void stop_child(int pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void set_name(void)
{
	prctl(PR_SET_NAME, "heir");
}

static void drop_root(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(1);
}

static void check_opener(struct owner_iter *iter, int sock, int child, enum tri of_child)
{
	uint64_t inode = inode_of(sock);
	struct owner_hits hits = {0};
	const struct owner_hit *hit;
	struct stat st;

	assert_int_equal(owner_iter__scan(iter, &inode, 1, &hits), 0);
	assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
	assert_int_equal(hits.complete, st.st_ino == 4026531836u);
	hit = find_hit(&hits, inode, getpid());
	assert_non_null(hit);
	assert_int_equal(hit->fd, sock);
	assert_int_equal(hit->opener, TRI_YES);
	hit = find_hit(&hits, inode, child);
	assert_non_null(hit);
	assert_int_equal(hit->fd, sock);
	assert_int_equal(hit->opener, of_child);
	assert_int_equal(hits.n, 2);
	owner_hits__free(&hits);
}

/* The one who opened it, and the one who inherited it. */
static void test_iter_opener(void **state)
{
	struct owner_iter *iter = open_iter();
	int sock = socket(AF_INET, SOCK_STREAM, 0), child;
	struct owner_hits hits = {0};
	uint64_t inode;

	assert_true(sock >= 0);
	child = start_child(set_name);
	check_opener(iter, sock, child, TRI_NO);
	inode = inode_of(sock);
	assert_int_equal(owner_iter__scan(iter, &inode, 1, &hits), 0);
	assert_string_equal(find_hit(&hits, inode, child)->comm, "heir");
	owner_hits__free(&hits);
	stop_child(child);

	if (geteuid() ==
	    0) { /* an heir with other credentials might be an opener who dropped them */
		child = start_child(drop_root);
		check_opener(iter, sock, child, TRI_UNKNOWN);
		stop_child(child);
	}
	close(sock);
	owner_iter__free(iter);
}

/*
 * setuid() gives every thread a credentials object of its own: what a thread opened after that is
 * the process's all the same.
 */
static void *open_in_thread(void *arg)
{
	if (prctl(PR_SET_KEEPCAPS, 0) == 0) /* commits a copy of the thread's credentials */
		*(int *)arg = socket(AF_INET, SOCK_STREAM, 0);
	pause();
	return NULL;
}

static void test_iter_thread(void **state)
{
	struct owner_iter *iter = open_iter();
	struct owner_hits hits = {0};
	volatile int sock = -1;
	pthread_t thread;
	uint64_t inode;

	assert_int_equal(pthread_create(&thread, NULL, open_in_thread, (void *)&sock), 0);
	while (sock < 0)
		sched_yield();
	inode = inode_of(sock);
	assert_int_equal(owner_iter__scan(iter, &inode, 1, &hits), 0);
	assert_int_equal(hits.n, 1);
	assert_int_equal(hits.hits[0].pid, getpid());
	assert_int_equal(hits.hits[0].opener, TRI_YES);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	owner_hits__free(&hits);
	close(sock);
	owner_iter__free(iter);
}

/* 0, or the line that went wrong. */
static int scan_as_pid_one(void)
{
	struct owner_iter *iter = NULL;
	struct owner_hits hits = {0};
	int sock = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t inode;

	if (getpid() != 1 || sock < 0)
		return __LINE__;
	inode = inode_of(sock);
	if (open_with_types(&iter) || owner_iter__scan(iter, &inode, 1, &hits))
		return __LINE__;
	if (hits.n != 1 || hits.hits[0].pid != 1 || hits.hits[0].opener != TRI_YES)
		return __LINE__;
	owner_hits__free(&hits);
	owner_iter__free(iter);
	return 0;
}

/* Inside a pid namespace: its own numbers. */
static void test_iter_pid_ns(void **state)
{
	int outer, status;

	owner_iter__free(open_iter());
	outer = fork();
	assert_true(outer >= 0);
	if (!outer) {
		int inner = unshare(CLONE_NEWPID) ? -1 : fork();

		if (inner < 0)
			_exit(255);
		if (!inner)
			_exit(scan_as_pid_one() % 255);
		waitpid(inner, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 254);
	}
	assert_int_equal(waitpid(outer, &status, 0), outer);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 255)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The map is cleared between scans, and what was not asked for is not told. */
static void test_iter_again(void **state)
{
	struct owner_iter *iter = open_iter();
	int one = socket(AF_INET, SOCK_STREAM, 0), two = socket(AF_INET6, SOCK_STREAM, 0);
	struct owner_hits hits = {0};
	uint64_t inode;

	assert_true(one >= 0 && two >= 0);
	inode = inode_of(one);
	assert_int_equal(owner_iter__scan(iter, &inode, 1, &hits), 0);
	assert_int_equal(hits.n, 1);
	inode = inode_of(two);
	assert_int_equal(owner_iter__scan(iter, &inode, 1, &hits), 0);
	assert_int_equal(hits.n, 2);
	assert_int_equal(hits.hits[1].fd, two);
	close(two);
	assert_int_equal(owner_iter__scan(iter, &inode, 1, &hits), 0);
	assert_int_equal(hits.n, 2);
	/* Numbers of other file systems mean other things. */
	two = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	inode = inode_of(two);
	assert_int_equal(owner_iter__scan(iter, &inode, 1, &hits), 0);
	assert_int_equal(hits.n, 2);
	close(two);
	owner_hits__free(&hits);
	close(one);
	owner_iter__free(iter);
}

/* More inodes than the map holds, and more records than one read() gives. */
static void test_iter_many(void **state)
{
	const size_t n = WIRE_OWNER_WANTED + 1000, n_socks = 900;
	struct owner_iter *iter = open_iter();
	uint64_t *inodes = calloc(n, sizeof(*inodes));
	struct owner_hits hits = {0};
	int socks[900];
	size_t i;

	assert_non_null(inodes);
	for (i = 0; i < n_socks; i++) {
		socks[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_true(socks[i] >= 0);
	}
	/* The real ones last, so that they fall into both batches. */
	for (i = 0; i < n; i++)
		inodes[i] = i % 37 == 0 && i / 37 < n_socks ? inode_of(socks[i / 37])
							    : (1ull << 40) + i;
	for (i = 0; i < 3; i++) {
		assert_int_equal(owner_iter__scan(iter, inodes, n, &hits), 0);
		assert_int_equal(hits.n, n_socks);
		hits.n = 0;
	}
	for (i = 0; i < n_socks; i++)
		close(socks[i]);
	owner_hits__free(&hits);
	free(inodes);
	owner_iter__free(iter);
}

#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_root(test_scan),
		with_root(test_scan_hostile),
		with_root(test_scan_vanished),
		with_root(test_scan_denied),
		with_root(test_scan_threads),
		with_root(test_scan_hidden),
		cmocka_unit_test(test_scan_no_proc),
		with_root(test_info),
		with_root(test_info_hostile),
		with_root(test_info_gone),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_stat_start),
		with_root(test_classes),
		with_root(test_lookup),
		with_root(test_lookup_again),
		with_root(test_lookup_reused),
		with_root(test_lookup_fallback),
		with_root(test_lookup_nothing),
		with_root(test_lookup_many),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_iter_opener),
		cmocka_unit_test(test_iter_thread),
		cmocka_unit_test(test_iter_pid_ns),
		cmocka_unit_test(test_iter_again),
		cmocka_unit_test(test_iter_many),
	};

	return cmocka_run_group_tests_name("owner", tests, NULL, NULL);
}
