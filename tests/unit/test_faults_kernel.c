// SPDX-License-Identifier: GPL-2.0-only
/*
 * What asks the kernel, with each allocation, each call of libbpf and each system call failing in
 * turn: an error or an answer that is right, nothing left open, mapped or allocated. What this
 * kernel cannot do is skipped; `make faults` does it in a guest.
 *
 * test_faults_kernel [STEP [TEST]]: every STEPth of the allocations where programs are loaded (1:
 * each), and that together with all after it as well.
 */
#include "fault_calls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "kernel/descend.h"
#include "kernel/device.h"
#include "kernel/diag.h"
#include "kernel/features.h"
#include "kernel/former.h"
#include "kernel/live.h"
#include "kernel/local_address.h"
#include "kernel/netns.h"
#include "kernel/netns_iter.h"
#include "kernel/owner_iter.h"
#include "kernel/permission.h"
#include "kernel/pidns.h"
#include "kernel/privilege.h"
#include "kernel/sysctl.h"
#include "kernel/wait.h"
#include "kernel/walk.h"

static struct features features;
static int listener = -1;
static uint16_t port;
static long step = 101;

static int make_listener(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	socklen_t len = sizeof(addr);

	libbpf_set_print(NULL);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len))
		return -1;
	port = ntohs(addr.sin_port);
	return features__probe(NULL, &features);
}

static int close_listener(void **state)
{
	return close(listener);
}

/* Both kinds of fault, each that many from the one before. */
static void run_by(const char *name, fault_scenario scenario, void *arg, long calls_step,
		   long allocations_step)
{
	long n_calls, n_allocations;
	clock_t begin = clock();

	faults.calls_instead = true;
	faults.step = calls_step;
	n_calls = fault__each(name, scenario, arg, FAULTS_OTHERS_SAY);
	faults.calls_instead = false;
	faults.step = allocations_step;
	n_allocations = fault__each(name, scenario, arg, FAULTS_OTHERS_SAY);
	printf("# %s: %ld calls and %ld allocations failed, %.1f s of the processor\n", name,
	       n_calls, n_allocations, (double)(clock() - begin) / CLOCKS_PER_SEC);
	fflush(stdout);
}

static void run_through(const char *name, fault_scenario scenario, void *arg)
{
	run_by(name, scenario, arg, 1, 1);
}

/* With libbpf's way from the object file to the kernel in it, which takes its time. */
static void run_long(const char *name, fault_scenario scenario, void *arg)
{
	run_by(name, scenario, arg, 1, step);
}

/* ---- what is there ----------------------------------------------------------------------------
 */

/* Whatever is not known, the rules are those of this kernel or nothing is judged. */
static int probe(void *arg)
{
	struct features probed;
	int err = features__probe(NULL, &probed);

	if (!err && !probed.lack)
		assert_memory_equal(&probed.rules, &features.rules, sizeof(probed.rules));
	if (probed.lack)
		assert_non_null(features__lack_text(probed.lack));
	features__release(&probed);
	return err;
}

static void test_probe(void **state)
{
	run_long("features", probe, NULL);
}

static int ask_around(void *arg)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	static const struct ip_addr loopback6 = {{[15] = 1}};
	uint8_t bits[65536 / 8];
	uint16_t low, high;
	uint32_t ifindex;
	int32_t l3mdev;

	assert_int_not_equal(local_address__usable4(loopback, 0), TRI_NO);
	local_address__usable6(&loopback6, 0, 0);
	privilege__binds_service();
	assert_non_null(permission__why());
	permission__has_seccomp();
	permission__is_memlock_short();
	pidns__of_proc();
	pidns__is_initial();
	sysctl__port_range(&low, &high);
	assert_true(low <= high && (low || faults.failed));
	sysctl__reserved_ports(bits);
	return device__find("lo", &ifindex, &l3mdev);
}

static void test_around(void **state)
{
	run_through("settings", ask_around, NULL);
}

static int find_netns(void *arg)
{
	struct netns_list list = {NULL};
	uint64_t inode;
	int fd, err = netns__list_all(&list);

	if (err)
		return err;
	/* One that is read only in part is said to be: there is no list without one's own. */
	assert_true(list.n > 0 || faults.failed);
	for (size_t i = 0; i < list.n; i++)
		free(netns__name_of(list.entries[i].inode));
	netns_list__free(&list);
	err = netns__open(NETNS_SELF, NULL, 0, &fd);
	if (err)
		return err;
	err = netns__inode(fd, &inode);
	close(fd);
	return err;
}

static void test_netns(void **state)
{
	run_by("network namespaces", find_netns, NULL, 16 * step,
	       step); /* the same for each process */
}

/* ---- the sockets of a port --------------------------------------------------------------------
 */

static bool has_listener(const struct snapshot *snap)
{
	for (size_t i = 0; i < snap->n_socks; i++)
		if (snap->socks[i].local_port == port && snap->socks[i].state == STATE_LISTEN)
			return true;
	return false;
}

static int count_one(void *ctx, pid_t pid)
{
	return 0;
}

static int find_children(void *arg)
{
	return descend__each(getpid(), count_one, NULL);
}

static void test_children(void **state)
{
	run_through("children", find_children, NULL);
}

static int list_diag(void *arg)
{
	struct snapshot snap;
	bool sees_bound;
	int err;

	snapshot__init(&snap);
	err = diag__sockets(&snap, port, &sees_bound);
	if (!err)
		assert_true(has_listener(&snap));
	if (!err)
		err = device__name_all(&snap, 1);
	if (!err)
		diag__read_options(&snap);
	snapshot__free(&snap);
	return err;
}

static void test_diag(void **state)
{
	run_through("inet_diag", list_diag, NULL);
}

/* A port of the protocol; 0: a range of TCP's. */
static int try_walk(struct walk *walk, uint32_t protocol)
{
	struct snapshot snap;
	int err;

	snapshot__init(&snap);
	err = protocol ? walk__port(walk, protocol, port, &snap)
		       : walk__range(walk, port, port, &snap);
	if (!err && protocol != PROTO_UDP)
		assert_true(has_listener(&snap));
	snapshot__free(&snap);
	return err;
}

static int walk_all(struct walk *walk)
{
	return try_walk(walk, PROTO_TCP) ?: try_walk(walk, 0) ?: try_walk(walk, PROTO_UDP);
}

static int open_walk(void *arg)
{
	struct walk *walk;
	int err = walk__open(&features, PROTO_TCP, &walk);

	if (err)
		return err;
	walk__free(walk);
	return 0;
}

static void test_walk(void **state)
{
	if (features.lack)
		skip();
	run_long("walk, to open", open_walk, NULL);
}

/* Open already: what fails is the walk itself. */
static int walk_opened(void *arg)
{
	return walk_all(arg);
}

static void test_walk_opened(void **state)
{
	struct walk *walk;

	if (features.lack)
		skip();
	assert_int_equal(walk__open(&features, 0, &walk), 0);
	run_through("walk, opened", walk_opened, walk);
	walk__free(walk);
}

/* ---- iterators and hooks ----------------------------------------------------------------------
 */

static uint64_t listener_inode(void)
{
	struct stat st;

	assert_int_equal(fstat(listener, &st), 0);
	return st.st_ino;
}

static int find_owner(void *arg)
{
	const uint64_t *inode = arg;
	struct owner_hits hits = {0};
	struct owner_iter *iter;
	int err = owner_iter__open(&features, 1, &iter);

	if (err)
		return err;
	err = owner_iter__scan(iter, inode, 1, &hits);
	if (!err)
		assert_true(hits.n == 1 && hits.hits[0].pid == getpid());
	owner_hits__free(&hits);
	owner_iter__free(iter);
	return err;
}

static int find_of_sockets(void *arg)
{
	struct netns_list list = {NULL};
	int err = netns_list__add_of_sockets(&list, &features);

	netns_list__free(&list);
	return err;
}

static void test_iterators(void **state)
{
	uint64_t inode = listener_inode();

	if (features.lack || find_of_sockets(NULL))
		skip();
	run_long("owners by the iterator", find_owner, &inode);
	run_long("namespaces of sockets", find_of_sockets, NULL);
}

static int drop_record(void *ctx, const void *data, size_t size)
{
	return 0;
}

static int watch(void *arg)
{
	const int pid = getpid();
	const struct live_filter filter = {.pids = &pid, .n_pids = 1, .comm = "a", .states = true};
	const enum hook_kind *kind = arg;
	struct former *former;
	struct run_stop stop;
	struct live *live;
	int former_fd, exes_fd, err = live__open(&features, &filter, *kind, true, &live);

	if (err) {
		assert_non_null(live__error_text(err));
		return err;
	}
	live__memory_fds(live, &former_fd, &exes_fd);
	former = former__of_maps(former_fd, exes_fd, true);
	err = live__drain(live, drop_record, NULL);
	if (!err)
		err = live__count(live, &stop);
	live__skipped(live);
	former__free(former);
	live__free(live);
	return err;
}

static int wait_for(void *arg)
{
	const enum hook_kind *kind = arg;
	static struct port_set ports;
	struct wait *wait;
	int err;

	port_set__add(&ports, port);
	err = wait__open(&features, &ports, 0, *kind, &wait);
	if (err)
		return err;
	err = wait__rearm(wait);
	wait__free(wait);
	return err < 0 ? err : 0;
}

static bool can_watch(enum hook_kind kind)
{
	return !features.lack && !watch(&kind);
}

static void test_fentry(void **state)
{
	enum hook_kind kind = HOOKS_FENTRY;

	if (!can_watch(kind))
		skip();
	run_long("live, fexit", watch, &kind);
	run_long("wait, fexit", wait_for, &kind);
}

static void test_auto(void **state)
{
	enum hook_kind kind = HOOKS_AUTO;

	if (!can_watch(kind))
		skip();
	run_long("live, auto", watch, &kind);
	run_long("wait, auto", wait_for, &kind);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe), cmocka_unit_test(test_around),
		cmocka_unit_test(test_netns), cmocka_unit_test(test_children),
		cmocka_unit_test(test_diag),  cmocka_unit_test(test_walk_opened),
		cmocka_unit_test(test_walk),  cmocka_unit_test(test_iterators),
	};
	/* With a STEP: the time that they take, and where there are such hooks. */
	const struct CMUnitTest hooks[] = {
		cmocka_unit_test(test_fentry),
		cmocka_unit_test(test_auto),
	};
	int failed;

	if (argc > 1)
		step = atol(argv[1]);
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	faults.alone = argc == 1;
	failed =
		cmocka_run_group_tests_name("faults: kernel", tests, make_listener, close_listener);
	if (argc > 1)
		failed += cmocka_run_group_tests_name("faults: hooks", hooks, make_listener,
						      close_listener);
	return failed;
}
