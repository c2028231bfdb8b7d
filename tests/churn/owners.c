// SPDX-License-Identifier: GPL-2.0-only
/*
 * Families of processes: each has a user, a program and a name of its own, and nobody else ever has
 * its sockets. Members come and go as fast as they can, with few pids, which are used again and
 * again. Whoever is said to have a socket must be of its family, in all that is said of him.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../states/sock.h"
#include "../states/state.h"
#include "churn.h"
#include "gone.h"
#include "kernel/owner_iter.h"
#include "kernel/walk.h"
#include "owner/owner.h"

#define N_FAMILIES   3
#define FIRST_UID    4000
#define PID_MAX_FILE "/proc/sys/kernel/pid_max"
#define FEW_PIDS     "500"
#define MANY_PIDS    "32768"
#define BY_PROC	     8 /* every how manieth search goes through /proc instead */

static pid_t roots[N_FAMILIES];

enum baton {
	BATON_STAYS,  /* the first of the family has it; the others inherit and close it */
	BATON_RELAY,  /* the newest of a chain of processes has it, each the child of the last */
	BATON_PASSED, /* in messages from one process to another and back */
	N_BATONS,
};

static const char *const addresses[N_BATONS] = {"127.0.4.1", "127.0.4.2", "127.0.4.3"};

static int open_baton(unsigned int family, enum baton baton)
{
	struct sock_spec spec = {.address = addresses[baton], .reuseaddr = true, .uid = -1};

	return sock__bound(&spec, OWNER_PORT + family);
}

/* Each has a child, which has the socket from its first moment on, and dies. */
static void relay_forever(int fd)
{
	for (;;) {
		pid_t pid = fork();

		if (pid > 0)
			_exit(0);
		sched_yield();
	}
}

static void pass_forever(int pipe, int fd)
{
	for (;;) {
		if (fd >= 0) {
			if (send_fd(pipe, fd))
				_exit(1);
			close(fd);
		}
		fd = recv_fd(pipe);
		if (fd < 0)
			_exit(1);
	}
}

static void start_member(void (*fn)(int a, int b), int a, int b)
{
	pid_t pid = fork();

	if (pid < 0)
		_exit(1);
	if (!pid) {
		fn(a, b);
		_exit(0);
	}
}

static void member_relay(int fd, int unused)
{
	relay_forever(fd);
}

static void start_passers(int fd)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		_exit(1);
	start_member(pass_forever, pair[0], fd);
	start_member(pass_forever, pair[1], -1);
	close(pair[0]);
	close(pair[1]);
	close(fd);
}

/* Children of the first: they have what it has, under two numbers, and go. */
static void fork_forever(int fd)
{
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			close(dup(fd));
			close(fd);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

int owners__family(int argc, char **argv)
{
	unsigned int family = argc > 2 ? atoi(argv[2]) : 0;
	uid_t uid = FIRST_UID + family;
	int fds[N_BATONS];
	unsigned int i;

	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (setresuid(uid, uid, uid))
		return 1;
	prctl(PR_SET_DUMPABLE, 1);
	for (i = 0; i < N_BATONS; i++) {
		fds[i] = open_baton(family, i);
		if (fds[i] < 0)
			return 1;
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	}
	start_passers(fds[BATON_PASSED]);
	start_member(member_relay, fds[BATON_RELAY], 0);
	close(fds[BATON_RELAY]);
	if (write(STDOUT_FILENO, "", 1) != 1)
		return 1;
	close(STDOUT_FILENO);
	fork_forever(fds[BATON_STAYS]);
	return 0;
}

static const char *family_exe(unsigned int family)
{
	static char path[32];

	snprintf(path, sizeof(path), "/tmp/bt-fam%u", family);
	return path;
}

static int start_family(const char *program, unsigned int family)
{
	char number[8], command[128];
	int ready[2];
	pid_t pid;

	snprintf(command, sizeof(command), "cp %s %s", program, family_exe(family));
	snprintf(number, sizeof(number), "%u", family);
	if (system(command) || pipe2(ready, O_CLOEXEC))
		return -EIO;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		dup2(ready[1], STDOUT_FILENO);
		execl(family_exe(family), family_exe(family), "--family", number, NULL);
		_exit(1);
	}
	roots[family] = pid;
	close(ready[1]);
	if (pid < 0 || wait_byte(ready[0]))
		return -ECHILD;
	close(ready[0]);
	return 0;
}

int owners__start(const char *program)
{
	int err = write_file(PID_MAX_FILE, FEW_PIDS);
	unsigned int i;

	for (i = 0; !err && i < N_FAMILIES; i++)
		err = start_family(program, i);
	return err;
}

void owners__stop(void)
{
	unsigned int i;

	for (i = 0; i < N_FAMILIES; i++) {
		if (roots[i] > 0) {
			/* who is forked meanwhile is missed by the first */
			while (!kill(-roots[i], SIGKILL))
				waitpid(roots[i], NULL, WNOHANG);
			waitpid(roots[i], NULL, WNOHANG);
		}
	}
	write_file(PID_MAX_FILE, MANY_PIDS);
}

static int baton_of(const struct snap_sock *sock)
{
	return sock->local.bytes[3] - 1;
}

static void check_hold(unsigned int family, const struct proc_info *proc, struct owner_tally *tally)
{
	char comm[16];

	snprintf(comm, sizeof(comm), "bt-fam%u", family);
	tally->holds++;
	/* Gone before anything could be read of it: then nothing is said. */
	if (proc->comm && strcmp(proc->comm, comm))
		tally__wrong(&tally->tally, "search %lu: a socket of %s is said to be of %s[%d]",
			     tally->searches, comm, proc->comm, proc->pid);
	if (proc->uid_known && proc->uid != FIRST_UID + family)
		tally__wrong(&tally->tally, "search %lu: %s[%d] is said to be of user %u",
			     tally->searches, comm, proc->pid, proc->uid);
	if (proc->exe && strcmp(proc->exe, family_exe(family)))
		tally__wrong(&tally->tally, "search %lu: %s[%d] is said to run %s", tally->searches,
			     comm, proc->pid, proc->exe);
	tally->described += proc->exe && proc->uid_known;
}

static void check_holder(unsigned int family, const struct snapshot *snap, uint32_t sock,
			 struct owner_tally *tally)
{
	bool root = false;
	size_t n, i;
	const struct sock_hold *holds = snapshot__holds(snap, sock, &n);
	int baton = baton_of(&snap->socks[sock]);

	for (i = 0; i < n; i++) {
		const struct proc_info *proc = &snap->procs[holds[i].proc];

		check_hold(family, proc, tally);
		root |= proc->pid == roots[family];
	}
	if (baton == BATON_STAYS && !root)
		tally__wrong(&tally->tally,
			     "search %lu: its owner of all the time is missing, %zu others",
			     tally->searches, n);
	if (snap->socks[sock].holder == HOLDER_PROCESS)
		return;
	tally->nobody++;
	/* In a message it really is nobody's. */
	if (baton == BATON_RELAY && snap->socks[sock].holder == HOLDER_DETACHED)
		tally__wrong(&tally->tally, "search %lu: is said to be nobody's", tally->searches);
}

struct look {
	struct walk *walk;
	uint16_t port;
};

static int look_again(void *ctx, struct snapshot *ret)
{
	struct look *look = ctx;

	return walk__port(look->walk, PROTO_TCP, look->port, ret);
}

static int search(struct look *look, const struct owner_source *source, struct owner_tally *tally)
{
	unsigned int family = look->port - OWNER_PORT;
	struct snapshot snap;
	uint32_t i;
	int err;

	snapshot__init(&snap);
	err = walk__port(look->walk, PROTO_TCP, look->port, &snap);
	if (!err)
		err = owner__lookup(source, &snap, NULL, 0);
	if (!err)
		err = gone__forget(&snap, NULL, 0, look_again, look);
	if (!err && snap.n_socks != N_BATONS)
		tally__wrong(&tally->tally, "search %lu: %zu sockets on the port", tally->searches,
			     snap.n_socks);
	for (i = 0; !err && i < snap.n_socks; i++)
		check_holder(family, &snap, i, tally);
	tally->searches++;
	snapshot__free(&snap);
	return err;
}

int owners__search(struct walk *walk, const struct features *features, unsigned long n,
		   struct owner_tally *tally)
{
	struct owner_source source = {.proc_root = "/proc", .cgroup_root = "/sys/fs/cgroup"};
	struct look look = {.walk = walk};
	struct owner_iter *iter;
	int err = owner_iter__open(features, N_BATONS, &iter);

	if (err)
		return err;
	source.ctx = iter;
	while (!err && tally->searches < n) {
		int64_t began_ms = truth__now_ms(), took_ms;

		source.scan = tally->searches % BY_PROC ? owner_iter__scan : NULL;
		look.port = OWNER_PORT + tally->searches % N_FAMILIES;
		err = search(&look, &source, tally);
		took_ms = truth__now_ms() - began_ms;
		if (took_ms > tally->tally.slowest_ms)
			tally->tally.slowest_ms = took_ms;
		if (took_ms > SLOWEST_MS)
			tally__wrong(&tally->tally, "it took %" PRId64 " ms", took_ms);
	}
	owner_iter__free(iter);
	return err;
}
