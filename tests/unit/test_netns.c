// SPDX-License-Identifier: GPL-2.0-only
/* Against real namespaces, where this process may make them. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel/netns.h"

static uint64_t own_inode(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	return st.st_ino;
}

/* A child in a network namespace of its own that waits; skips the test where that is not allowed.
 */
static int start_child(void)
{
	int ready[2], child;
	char byte = 0;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		byte = unshare(CLONE_NEWNET) ? 'n' : 'y';
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	if (byte != 'y') {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		skip();
	}
	return child;
}

static void stop_child(int pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int open_child(int pid, uint64_t *ret_inode)
{
	int fd = -1;

	assert_int_equal(netns__open(NETNS_PID, NULL, pid, &fd), 0);
	assert_int_equal(netns__inode(fd, ret_inode), 0);
	return fd;
}

static void test_open(void **state)
{
	uint64_t inode;
	char path[64];
	int fd = -1;

	assert_int_equal(netns__open(NETNS_SELF, NULL, 0, &fd), 0);
	assert_int_equal(netns__inode(fd, &inode), 0);
	assert_int_equal(inode, own_inode());
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(netns__open(NETNS_DEFAULT, NULL, 0, &fd), 0);
	close(fd);
	assert_int_equal(netns__open(NETNS_PID, NULL, getpid(), &fd), 0);
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", getpid());
	assert_int_equal(netns__open(NETNS_PATH, path, 0, &fd), 0);
	close(fd);
}

static void test_open_wrong(void **state)
{
	char fifo[] = "/tmp/bindtrace-netns-XXXXXX";
	int fd = -7;

	assert_int_equal(netns__open(NETNS_ALL, NULL, 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_PID, NULL, 0, &fd), -ENOENT);
	assert_int_equal(netns__open(NETNS_PATH, NULL, 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_PATH, "/proc/self/ns/pid", 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_PATH, "/dev/null", 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_PATH, "/", 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_PATH, "/proc/none", 0, &fd), -ENOENT);
	assert_int_equal(netns__open(NETNS_NAME, NULL, 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_NAME, "", 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_NAME, "..", 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_NAME, "../../proc/self/ns/net", 0, &fd), -EINVAL);
	assert_int_equal(netns__open(NETNS_NAME, "bindtrace-none", 0, &fd), -ENOENT);
	/* A FIFO that nobody writes to. */
	assert_int_equal(mkstemp(fifo) < 0, 0);
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	alarm(10);
	assert_int_equal(netns__open(NETNS_PATH, fifo, 0, &fd), -EINVAL);
	alarm(0);
	unlink(fifo);
	assert_int_equal(fd, -7);
	assert_int_equal(netns__inode(-1, &(uint64_t){0}), -EBADF);
}

struct visit {
	uint64_t inode;
	int calls;
	int ret;
};

static int visit(void *ctx)
{
	struct visit *visit = ctx;

	visit->inode = own_inode();
	visit->calls++;
	return visit->ret;
}

static void test_run_in(void **state)
{
	const uint64_t own = own_inode();
	struct visit there = {.ret = 42};
	uint64_t inode;
	int child, fd;

	assert_int_equal(netns__open(NETNS_SELF, NULL, 0, &fd), 0);
	assert_int_equal(netns__run_in(fd, visit, &there), 42);
	assert_int_equal(there.inode, own);
	close(fd);

	child = start_child();
	fd = open_child(child, &inode);
	assert_int_not_equal(inode, own);
	there.ret = -EBADMSG;
	assert_int_equal(netns__run_in(fd, visit, &there), -EBADMSG);
	assert_int_equal(there.inode, inode);
	assert_int_equal(own_inode(), own);
	assert_int_equal(there.calls, 2);
	close(fd);
	stop_child(child);
	assert_int_equal(netns__run_in(-1, visit, &there), -EBADF);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(netns__run_in(fd, visit, &there), -EINVAL);
	close(fd);
	assert_int_equal(there.calls, 2);
}

/* Root of a user namespace owns the network namespaces made there, and not the one it comes from.
 */
static int run_as_namespace_root(void)
{
	struct visit there = {0};
	uint64_t own, now;
	int fd, self, child, ret;

	if (unshare(CLONE_NEWUSER))
		return 255;
	netns__open(NETNS_SELF, NULL, 0, &self);
	netns__inode(self, &own);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET))
			_exit(1);
		pause();
	}
	do {
		if (netns__open(NETNS_PID, NULL, child, &fd) || netns__inode(fd, &now))
			return 255;
		if (now == own)
			close(fd);
	} while (now == own && waitpid(child, NULL, WNOHANG) == 0);
	if (now == own)
		return 255;
	ret = netns__run_in(fd, visit, &there);
	netns__open(NETNS_SELF, NULL, 0, &self);
	netns__inode(self, &now);
	kill(child, SIGKILL);
	/* Going there would have worked; coming back would not. */
	if (setns(fd, CLONE_NEWNET))
		return 254;
	return ret != -EPERM || there.calls || now != own;
}

static void test_run_in_one_way(void **state)
{
	int child = fork(), status;

	assert_true(child >= 0);
	if (!child)
		_exit(run_as_namespace_root());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 255)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A function that gives up the right to return is found out. */
static int drop_privileges(void *ctx)
{
	return setresuid(65534, 65534, 65534);
}

static void test_run_in_no_return(void **state)
{
	int other = start_child(), child, status;

	child = fork();
	assert_true(child >= 0);
	if (!child) {
		int fd = -1;

		if (geteuid() || netns__open(NETNS_PID, NULL, other, &fd))
			_exit(255);
		_exit(netns__run_in(fd, drop_privileges, NULL) != -ENOTRECOVERABLE);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	stop_child(other);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 255)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static const struct netns_entry *find(const struct netns_list *list, uint64_t inode)
{
	const struct netns_entry *found = NULL;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (list->entries[i].inode != inode)
			continue;
		assert_null(found); /* each once */
		found = &list->entries[i];
	}
	return found;
}

static void test_list(void **state)
{
	const struct netns_entry *entry;
	struct netns_list list;
	uint64_t inode, opened;
	int child, fd;

	assert_int_equal(netns__list_all(&list), 0);
	entry = find(&list, own_inode());
	assert_non_null(entry);
	assert_true(entry->pid > 0);
	netns_list__free(&list);
	netns_list__free(&list);
	netns_list__free(NULL);

	child = start_child();
	fd = open_child(child, &inode);
	assert_int_equal(netns__list_all(&list), 0);
	entry = find(&list, inode);
	assert_non_null(entry);
	assert_null(entry->name);
	netns_list__free(&list);

	/* Only our fd keeps it now. */
	stop_child(child);
	assert_int_equal(netns__list_all(&list), 0);
	entry = find(&list, inode);
	assert_non_null(entry);
	assert_int_equal(entry->pid, getpid());
	assert_int_equal(netns__open_entry(entry, &child), 0);
	assert_int_equal(netns__inode(child, &opened), 0);
	assert_int_equal(opened, inode);
	close(child);
	assert_int_equal(netns__open_inode(inode, &child), 0);
	assert_int_equal(netns__inode(child, &opened), 0);
	assert_int_equal(opened, inode);
	close(child);

	/* The fd is another namespace's now. */
	assert_int_equal(netns__open(NETNS_SELF, NULL, 0, &child), 0);
	assert_int_equal(dup2(child, fd), fd);
	close(child);
	child = -7;
	assert_int_equal(netns__open_entry(entry, &child), -ESTALE);
	assert_int_equal(netns__open_inode(inode, &child), -ENOENT);
	close(fd);
	assert_int_equal(netns__open_entry(entry, &child), -ENOENT);
	assert_int_equal(child, -7);
	netns_list__free(&list);
	assert_int_equal(netns__list_all(&list), 0);
	assert_null(find(&list, inode));
	netns_list__free(&list);
}

/* Whoever may not read other users' processes is told how many those are. */
static void test_hidden(void **state)
{
	int child = fork(), status;
	struct netns_list list;

	assert_true(child >= 0);
	if (!child) {
		if (geteuid() || setresuid(65534, 65534, 65534))
			_exit(255);
		if (netns__list_all(&list))
			_exit(1);
		_exit(list.hidden && list.hidden_err == -EACCES ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WEXITSTATUS(status) == 255)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A private /run, with a named namespace as `ip netns add` makes it and one mounted elsewhere. */
static bool mount_names(int named, int elsewhere)
{
	char from[64];

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/run", "tmpfs", 0, NULL) || mkdir("/run/netns", 0755) ||
	    mkdir("/run/other", 0755))
		return false;
	close(open("/run/netns/we b", O_CREAT, 0));
	close(open("/run/other/\\012x", O_CREAT, 0));
	close(open("/run/netns/plain-file", O_CREAT, 0));
	snprintf(from, sizeof(from), "/proc/%d/ns/net", named);
	if (mount(from, "/run/netns/we b", NULL, MS_BIND, NULL))
		return false;
	snprintf(from, sizeof(from), "/proc/%d/ns/net", elsewhere);
	return mount(from, "/run/other/\\012x", NULL, MS_BIND, NULL) == 0;
}

static int check_names(int named, int elsewhere)
{
	uint64_t name_inode, other_inode, inode;
	const struct netns_entry *entry;
	struct netns_list list;
	char *name;
	int fd;

	if (!mount_names(named, elsewhere))
		return 255;
	close(open_child(named, &name_inode));
	close(open_child(elsewhere, &other_inode));
	stop_child(named); /* a sibling: killed here, reaped by our parent */
	stop_child(elsewhere);

	assert_int_equal(netns__open(NETNS_NAME, "we b", 0, &fd), 0);
	assert_int_equal(netns__inode(fd, &inode), 0);
	assert_int_equal(inode, name_inode);
	close(fd);
	assert_int_equal(netns__open(NETNS_NAME, "plain-file", 0, &fd), -EINVAL);
	name = netns__name_of(name_inode);
	assert_string_equal(name, "we b");
	free(name);
	assert_null(netns__name_of(other_inode));
	assert_null(netns__name_of(own_inode()));

	assert_int_equal(netns__list_all(&list), 0);
	entry = find(&list, name_inode);
	assert_non_null(entry);
	assert_string_equal(entry->name, "we b");
	assert_string_equal(entry->path, "/run/netns/we b");
	entry = find(&list, other_inode);
	assert_non_null(entry);
	assert_null(entry->name);
	assert_string_equal(entry->path, "/run/other/\\012x");
	assert_int_equal(netns__open_entry(entry, &fd), 0);
	close(fd);
	netns_list__free(&list);
	return 0;
}

static void test_names(void **state)
{
	int named = start_child(), elsewhere = start_child(), child, status;

	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(check_names(named, elsewhere));
	assert_int_equal(waitpid(child, &status, 0), child);
	stop_child(named);
	stop_child(elsewhere);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 255)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_open_wrong),
		cmocka_unit_test(test_run_in),
		cmocka_unit_test(test_run_in_one_way),
		cmocka_unit_test(test_run_in_no_return),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("netns", tests, NULL, NULL);
}
