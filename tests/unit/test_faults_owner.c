// SPDX-License-Identifier: GPL-2.0-only
/* Owners without memory, on a /proc of our own making: told, and never half a process as a whole.
 */
#include "faults.h"
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "owner/owner.h"

#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CGROUP	  "/system.slice/docker-" CONTAINER ".scope"

static char root[] = "/tmp/test_faults_owner.XXXXXX";
static const struct owner_source source = {.proc_root = root, .cgroup_root = "/sys/fs/cgroup"};

static void make_file(int pid, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%d/%s", root, pid, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void make_process(int pid, const char *link)
{
	char path[PATH_MAX], stat[64];

	snprintf(path, sizeof(path), "%s/%d", root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/fd", root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/fd/3", root, pid);
	assert_int_equal(symlink(link, path), 0);
	snprintf(path, sizeof(path), "%s/%d/exe", root, pid);
	assert_int_equal(symlink("/srv/echo", path), 0);
	snprintf(stat, sizeof(stat), "%d (echo) S 1 %d %d 0", pid, pid, pid);
	make_file(pid, "stat", stat);
	make_file(pid, "comm", "echo\n");
	make_file(pid, "status", "Name:\techo\nUid:\t7\t7\t7\t7\n");
	make_file(pid, "cgroup", "0::" CGROUP "\n");
}

static int make_root(void **state)
{
	if (!mkdtemp(root))
		return -1;
	make_process(10, "socket:[100]");
	make_process(11, "socket:[100]");
	make_process(12, "socket:[101]");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int remove_root(void **state)
{
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is(const char *text, const char *wanted)
{
	return text && !strcmp(text, wanted);
}

/* What is there is right; without a fault all of it is there. */
static void check_proc(const struct proc_info *proc)
{
	assert_true(!proc->comm || is(proc->comm, "echo"));
	assert_true(!proc->exe || is(proc->exe, "/srv/echo"));
	assert_true(!proc->cgroup || is(proc->cgroup, CGROUP));
	assert_true(!proc->unit || is(proc->unit, "docker-" CONTAINER ".scope"));
	assert_true(!proc->container || is(proc->container, CONTAINER));
	assert_true(faults.failed || (proc->comm && proc->exe && proc->cgroup && proc->unit &&
				      proc->container && proc->uid_known && proc->uid == 7));
}

static int lookup(void *arg)
{
	struct snapshot snap;
	struct snap_sock *sock;
	int err = -ENOMEM;

	snapshot__init(&snap);
	for (uint64_t inode = 100; inode < 102; inode++) {
		sock = snapshot__add_sock(&snap);
		if (!sock)
			goto out;
		sock->inode = inode;
		sock->state = STATE_LISTEN;
		sock->has_socket = sock->has_file = TRI_YES;
	}
	err = owner__lookup(&source, &snap, NULL, 0);
	for (size_t i = 0; !err && i < snap.n_procs; i++)
		check_proc(&snap.procs[i]);
	if (!err && snap.owners_known) {
		assert_int_equal(snap.n_procs, 3);
		assert_int_equal(snap.n_holds, 3);
		assert_int_equal(snap.socks[0].holder, HOLDER_PROCESS);
	} else if (!err) {
		assert_true(faults.failed);
		assert_int_not_equal(snap.socks[0].holder, HOLDER_DETACHED);
	}
out:
	snapshot__free(&snap);
	return err;
}

static void test_lookup(void **state)
{
	assert_true(fault__each("lookup", lookup, NULL, FAULTS_BORNE) > 20);
}

static int read_proc(void *arg)
{
	struct proc_info proc = {.pid = 10, .session_leader = TRI_UNKNOWN};
	int err = proc_info__read(&source, &proc);

	check_proc(&proc);
	proc_info__free(&proc);
	return err;
}

static void test_read(void **state)
{
	assert_true(fault__each("process", read_proc, NULL, FAULTS_BORNE) >= 7);
}

/* This process as it is, in the cgroup that it is in. */
static int read_self(void *arg)
{
	const struct owner_source here = {.proc_root = "/proc", .cgroup_root = "/sys/fs/cgroup"};
	struct proc_info proc = {.pid = getpid(), .session_leader = TRI_UNKNOWN};
	int err = proc_info__read(&here, &proc);

	free(cgroup__path_of_id(&here, 1));
	proc_info__free(&proc);
	return err;
}

static void test_read_self(void **state)
{
	assert_true(fault__each("this process", read_self, NULL, FAULTS_BORNE) > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_self),
	};

	return cmocka_run_group_tests_name("faults: owners", tests, make_root, remove_root);
}
