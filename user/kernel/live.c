// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "../../bpf/wire.h"
#include "../clock.h"
#include "conflict.skel.h"
#include "descend.h"
#include "detach.h"
#include "iter.h"
#include "live.h"

/* A storm of refusals keeps the reader from its signals and timers for no longer than that. */
#define DRAIN_MAX_NS	100000000
#define CGROUP_ROOT	"/sys/fs/cgroup"
#define CLOSE_MIN_MS	2 /* a hook takes less than one */
#define CLOSE_MAX_MS	100
#define KERNEL_ENOTSUPP 524 /* include/linux/errno.h: not meant for user space, and comes there */

/* What it costs when the kernel skips a run, as from 5.12 on while another task is in it. */
enum skip {
	SKIP_LOSES,   /* a report */
	SKIP_MAY,     /* a report, if the call that was on its way out had been refused */
	SKIP_NOTHING, /* a check or a memory: the report says that it does not know */
};

struct live {
	const struct features *features;
	struct conflict_bpf *skel;
	struct ring_buffer *ring;
	live_record_fn fn; /* set during live__drain(), as are the next two */
	void *ctx;
	int64_t drain_until_ns;
	struct bpf_program *hooks[RUN_MAX_HOOKS];
	struct bpf_link *links[RUN_MAX_HOOKS];
	int keeper;		      /* of detach__prepare() */
	bool optional[RUN_MAX_HOOKS]; /* a kernel that refuses it loses one kind of report, not all
				       */
	enum skip skip[RUN_MAX_HOOKS];
	int n_hooks;
	int fallback_error;
	char names[RUN_MAX_HOOKS * 64]; /* sections "?fexit/function": none is longer */
};

static void want(struct live *live, struct bpf_program *prog)
{
	bpf_program__set_autoload(prog, true);
	live->hooks[live->n_hooks++] = prog;
}

static void want_optional(struct live *live, bool there, struct bpf_program *prog)
{
	if (!there)
		return;
	live->optional[live->n_hooks] = true;
	want(live, prog);
}

static void want_as(struct live *live, enum skip skip, bool there, struct bpf_program *prog)
{
	if (!there)
		return;
	live->skip[live->n_hooks] = skip;
	want_optional(live, there, prog);
}

/* On the way out of calls that mostly succeed. */
static void want_exit(struct live *live, bool there, struct bpf_program *prog)
{
	want_as(live, SKIP_MAY, there, prog);
}

static void want_note(struct live *live, bool there, struct bpf_program *prog)
{
	want_as(live, SKIP_NOTHING, there, prog);
}

/* Refusals that the conflict test of an explicit port doesn't see. */
static void choose_others(struct live *live, const struct live_filter *filter)
{
	const struct features *features = live->features;
	struct conflict_bpf *skel = live->skel;
	bool states = filter->states && features->has_timewait;

	want_exit(live, features->has_inet_bind, skel->progs.fexit_inet_bind);
	want_exit(live, features->has_inet_bind, skel->progs.fexit_inet6_bind);
	want_exit(live, features->has_sctp, skel->progs.fexit_sctp_bind);
	want_exit(live, features->has_sctp, skel->progs.fexit_sctp_bind6);
	want_exit(live, features->has_ping, skel->progs.fexit_ping_bind);
	want_exit(live, features->listen_start_args == 2, skel->progs.fexit_listen_start_2);
	want_exit(live, features->listen_start_args == 1, skel->progs.fexit_listen_start_1);
	want_exit(live, features->hash_connect_args == 4, skel->progs.fexit_hash_connect_4);
	want_exit(live, features->hash_connect_args == 5, skel->progs.fexit_hash_connect_5);
	want_exit(live, features->has_autobind, skel->progs.fexit_autobind);
	want_exit(live, features->has_security, skel->progs.fexit_security_bind);
	want_exit(live, features->has_security, skel->progs.fexit_security_connect);
	want_note(live, features->has_send_fin, skel->progs.fentry_send_fin);
	want_note(live, features->has_send_fin, skel->progs.tp_exec);
	want_note(live, features->has_send_fin, skel->progs.tp_fork_exe);
	bpf_program__set_autoload(skel->progs.iter_exes, features->has_send_fin);
	want_exit(live, states, skel->progs.tp_set_state);
	want_exit(live, states, skel->progs.fexit_timewait_process);
	want_exit(live, states, skel->progs.fexit_twsk_alloc);
	want_exit(live, states, skel->progs.fentry_twsk_kill);
	want_exit(live, features->cgroup_addr_args == 4, skel->progs.fexit_cgroup_4);
	want_exit(live, features->cgroup_addr_args == 5, skel->progs.fexit_cgroup_5);
	want_exit(live, features->cgroup_addr_args == 6, skel->progs.fexit_cgroup_6);
}

static void choose_fentry(struct live *live, const struct live_filter *filter, bool cross_check)
{
	const struct features *features = live->features;

	if (features->bind_conflict_args == 4)
		want(live, live->skel->progs.fexit_bind_conflict_4);
	else if (features->bind_conflict_args == 5)
		want(live, live->skel->progs.fexit_bind_conflict_5);
	if (features->has_addr_any)
		want(live, live->skel->progs.fexit_addr_any_conflict);
	if (live->n_hooks)
		choose_others(live, filter);
	if (!cross_check || !features->has_pair)
		return;
	want_note(live, true, live->skel->progs.fexit_pair_conflict);
	want_note(live, true, live->skel->progs.fentry_bind_conflict);
	want_note(live, features->has_addr_any, live->skel->progs.fentry_addr_any_conflict);
}

static void choose_kprobes(struct live *live)
{
	const struct features *features = live->features;

	if (features->kprobe_args == 4)
		want(live, live->skel->progs.kprobe_bind_conflict_4);
	else if (features->kprobe_args == 5)
		want(live, live->skel->progs.kprobe_bind_conflict_5);
	if (live->n_hooks)
		want(live, live->skel->progs.kretprobe_bind_conflict);
	if (features->has_addr_any) {
		want(live, live->skel->progs.kprobe_addr_any_conflict);
		want(live, live->skel->progs.kretprobe_addr_any_conflict);
	}
}

/* "fexit inet_csk_bind_conflict, fexit ..." out of the section names "?fexit/function". */
static void name_hooks(struct live *live)
{
	const char *section, *before = "";
	size_t used = 0;

	for (int i = 0; i < live->n_hooks; i++) {
		int n;

		if (!live->links[i])
			continue;
		section = bpf_program__section_name(live->hooks[i]);
		section += *section == '?';
		n = snprintf(live->names + used, sizeof(live->names) - used, "%s%s", before,
			     section);
		if (n < 0 || (size_t)n >= sizeof(live->names) - used) {
			/* Rather say that there are more than half a name. */
			snprintf(live->names + used, sizeof(live->names) - used, "...");
			break;
		}
		for (char *c = live->names + used; *c; c++) {
			if (*c == '/')
				*c = ' ';
		}
		used += n;
		before = ", ";
	}
}

static int set_ports(const struct live *live, const struct port_set *ports)
{
	int fd = bpf_map__fd(live->skel->maps.ports);

	for (uint32_t word = 0; word < 65536 / 64; word++) {
		uint64_t bits = 0;
		int err;

		for (int i = 0; i < 8; i++)
			bits |= (uint64_t)ports->bits[word * 8 + i] << (8 * i);
		if (!bits)
			continue;
		err = bpf_map_update_elem(fd, &word, &bits, BPF_ANY);
		if (err)
			return err;
	}
	return 0;
}

static int set_pid(void *ctx, pid_t pid)
{
	const struct live *live = ctx;
	const struct conflict_bpf *skel = live->skel;
	uint32_t key = pid;
	uint64_t now = (uint64_t)clock__since_boot_ns();
	uint8_t one = 1;
	int err = skel->rodata->reader_pidns
			  ? bpf_map_update_elem(bpf_map__fd(skel->maps.asked), &key, &now, BPF_ANY)
			  : bpf_map_update_elem(bpf_map__fd(skel->maps.pids), &key, &one, BPF_ANY);

	return err == -E2BIG ? 0 : err; /* the hooks look at ancestors, too */
}

/* The hooks are in place: who is forked from here on notes itself. */
static int set_pids(struct live *live, const struct live_filter *filter)
{
	int err = 0;

	for (size_t i = 0; !err && i < filter->n_pids; i++) {
		err = set_pid(live, filter->pids[i]);
		if (!err)
			err = descend__each(filter->pids[i], set_pid, live);
	}
	return err;
}

/* "/system.slice" of the hierarchy, or the directory itself. */
static int open_cgroup(const char *path)
{
	char full[PATH_MAX];

	if (!strncmp(path, CGROUP_ROOT "/", sizeof(CGROUP_ROOT)))
		return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if ((size_t)snprintf(full, sizeof(full), "%s%s", CGROUP_ROOT, path) >= sizeof(full)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int set_cgroup(const struct live *live, const char *path)
{
	int fd = open_cgroup(path);
	uint32_t zero = 0;
	int err;

	if (fd < 0)
		return -ENOTDIR;
	err = bpf_map_update_elem(bpf_map__fd(live->skel->maps.cgroups), &zero, &fd, BPF_ANY);
	close(fd);
	return err;
}

static void set_filter(struct conflict_bpf__rodata *rodata, const struct live_filter *filter)
{
	rodata->want_all = filter->all;
	rodata->filter_pids = filter->n_pids > 0;
	rodata->reader_pidns = filter->reader_pidns;
	rodata->filter_family = filter->family;
	rodata->filter_protocol = filter->protocol;
	rodata->filter_cgroup = filter->cgroup != NULL;
	if (filter->uid) {
		rodata->filter_uid = true;
		rodata->wanted_uid = *filter->uid;
	}
	if (filter->comm) {
		rodata->filter_comm = true;
		strncpy((char *)rodata->wanted_comm, filter->comm, WIRE_COMM_LEN - 1);
	}
}

static int attach(struct live *live)
{
	for (int i = 0; i < live->n_hooks; i++) {
		struct bpf_link *link = bpf_program__attach(live->hooks[i]);

		if (link)
			live->links[i] = link;
		else if (!live->optional[i])
			return -errno;
	}
	return 0;
}

/* Fills `exes` with who is there already; the hooks do so for who comes. */
static void note_present(const struct live *live)
{
	struct bpf_link *link;

	if (!bpf_program__autoload(live->skel->progs.iter_exes))
		return;
	link = bpf_program__attach_iter(live->skel->progs.iter_exes, NULL);
	if (!link)
		return;
	/* Best effort: who is not noted has no executable in a later report. */
	iter__run(link, 1, NULL, NULL);
	bpf_link__destroy(link);
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct live *live = ctx;
	int err = live->fn(live->ctx, data, size);

	if (err)
		return err;
	return clock__monotonic_ns() < live->drain_until_ns ? 0 : -EAGAIN;
}

static int load(struct live *live, const struct live_filter *filter, enum hook_kind kind,
		bool cross_check)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = features__types(live->features));
	bool ports = filter->ports && filter->ports->count;
	int err;

	live->n_hooks = 0;
	live->skel = conflict_bpf__open_opts(&opts);
	if (!live->skel)
		return -errno;
	live->skel->rodata->filter_ports = ports;
	live->skel->rodata->filter_netns = filter->netns;
	set_filter(live->skel->rodata, filter);
	if (kind == HOOKS_KPROBE)
		choose_kprobes(live);
	else
		choose_fentry(live, filter, cross_check);
	if (!live->n_hooks)
		return -ENOENT;
	want_note(live, filter->n_pids, live->skel->progs.tp_fork);
	want_note(live, filter->n_pids, live->skel->progs.tp_free);
	if (!filter->n_pids)
		bpf_map__set_max_entries(live->skel->maps.pids, 1);
	if (!filter->n_pids || !filter->reader_pidns)
		bpf_map__set_max_entries(live->skel->maps.asked, 1);
	if (!filter->states)
		bpf_map__set_max_entries(live->skel->maps.since, 1);
	err = conflict_bpf__load(live->skel);
	if (!err && ports)
		err = set_ports(live, filter->ports);
	if (!err && filter->cgroup)
		err = set_cgroup(live, filter->cgroup);
	if (!err)
		err = attach(live);
	/* No trampolines, as on arm64 before 6.4. */
	if (err)
		return err == -KERNEL_ENOTSUPP ? -ENOTSUP : err;
	live->keeper = detach__prepare(live->links, live->n_hooks);
	note_present(live);
	return set_pids(live, filter);
}

static void unload(struct live *live)
{
	detach__links(live->keeper, live->links, live->n_hooks);
	live->keeper = -1;
	for (int i = 0; i < live->n_hooks; i++) {
		live->optional[i] = false;
		live->skip[i] = SKIP_LOSES;
	}
	live->n_hooks = 0;
	conflict_bpf__destroy(live->skel);
	live->skel = NULL;
}

int live__open(const struct features *features, const struct live_filter *filter,
	       enum hook_kind kind, bool cross_check, struct live **ret)
{
	struct live *live = calloc(1, sizeof(*live));
	int err;

	if (!live)
		return -ENOMEM;
	live->features = features;
	live->keeper = -1;
	err = load(live, filter, kind, cross_check);
	if (err && kind == HOOKS_AUTO) {
		live->fallback_error = err;
		unload(live);
		/* That there are no kprobes either is not what is wrong here. */
		err = load(live, filter, HOOKS_KPROBE, cross_check) ? live->fallback_error : 0;
	}
	if (err)
		goto fail;
	live->ring = ring_buffer__new(bpf_map__fd(live->skel->maps.events), on_record, live, NULL);
	if (!live->ring) {
		err = -errno;
		goto fail;
	}
	name_hooks(live);
	*ret = live;
	return 0;
fail:
	live__free(live);
	return err;
}

const char *live__error_text(int err)
{
	return err == -ENOENT ? "the kernel lists no function inet_csk_bind_conflict"
			      : strerror(-err);
}

void live__free(struct live *live)
{
	if (!live)
		return;
	ring_buffer__free(live->ring);
	unload(live);
	free(live);
}

const char *live__hooks(const struct live *live)
{
	return live->names;
}

static bool is_attached(const struct live *live, const struct bpf_program *prog)
{
	for (int i = 0; i < live->n_hooks; i++)
		if (live->hooks[i] == prog)
			return live->links[i];
	return false;
}

unsigned live__sees(const struct live *live)
{
	const struct conflict_bpf *skel = live->skel;
	unsigned sees = 0;

	if (is_attached(live, skel->progs.fexit_hash_connect_4) ||
	    is_attached(live, skel->progs.fexit_hash_connect_5))
		sees |= SEES_CONNECT;
	if (is_attached(live, skel->progs.fexit_inet_bind) &&
	    is_attached(live, skel->progs.fexit_inet6_bind))
		sees |= SEES_BINDS | SEES_UDP;
	if (is_attached(live, skel->progs.fexit_sctp_bind) &&
	    is_attached(live, skel->progs.fexit_sctp_bind6))
		sees |= SEES_SCTP;
	if (is_attached(live, skel->progs.fexit_ping_bind))
		sees |= SEES_PING;
	if (is_attached(live, skel->progs.fentry_send_fin))
		sees |= SEES_FORMER;
	if (is_attached(live, skel->progs.tp_set_state) &&
	    is_attached(live, skel->progs.fexit_twsk_alloc) &&
	    is_attached(live, skel->progs.fentry_twsk_kill))
		sees |= SEES_STATES;
	if (is_attached(live, skel->progs.fexit_pair_conflict))
		sees |= SEES_PAIR;
	return sees;
}

int live__fallback_error(const struct live *live)
{
	return live->fallback_error;
}

void live__memory_fds(const struct live *live, int *ret_former, int *ret_exes)
{
	*ret_former = bpf_map__fd(live->skel->maps.former);
	*ret_exes = bpf_map__fd(live->skel->maps.exes);
}

int live__fd(const struct live *live)
{
	return ring_buffer__epoll_fd(live->ring);
}

int live__drain(struct live *live, live_record_fn fn, void *ctx)
{
	int n;

	live->fn = fn;
	live->ctx = ctx;
	live->drain_until_ns = clock__monotonic_ns() + DRAIN_MAX_NS;
	n = ring_buffer__consume(live->ring);
	if (n == -EAGAIN)
		return 1;
	return n < 0 ? n : 0;
}

static int sum_counter(const struct live *live, uint32_t counter, uint64_t *ret)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values;
	int err;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	err = bpf_map_lookup_elem(bpf_map__fd(live->skel->maps.counters), &counter, values);
	*ret = 0;
	for (int i = 0; !err && i < cpus; i++)
		*ret += values[i];
	free(values);
	return err;
}

static uint64_t skipped_runs(const struct live *live, enum skip skip)
{
	uint64_t skipped = 0;

	for (int i = 0; i < live->n_hooks; i++) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (live->skip[i] == skip &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(live->hooks[i]), &info, &size))
			skipped += info.recursion_misses;
	}
	return skipped;
}

int live__count(const struct live *live, struct run_stop *ret)
{
	uint64_t skipped;
	int err;

	err = sum_counter(live, WIRE_COUNT_SEEN, &ret->seen);
	if (!err)
		err = sum_counter(live, WIRE_COUNT_FILTERED, &ret->filtered);
	if (!err)
		err = sum_counter(live, WIRE_COUNT_DELIVERED, &ret->delivered);
	if (!err)
		err = sum_counter(live, WIRE_COUNT_LOST, &ret->lost);
	skipped = skipped_runs(live, SKIP_LOSES);
	ret->seen += skipped;
	ret->lost += skipped;
	return err;
}

/* No hook is between what it has seen and what became of that. */
static bool is_settled(const struct live *live)
{
	struct run_stop now = {};

	return !live__count(live, &now) && now.seen == now.filtered + now.delivered + now.lost;
}

/*
 * The barrier is synchronize_rcu() (kernel/sched/membarrier.c): hooks under way have ended then. A
 * kernel with processors that do not tick (nohz_full=) has none: until the counters add up.
 */
void live__close(struct live *live)
{
	live->skel->bss->closed = 1;
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return;
	for (int i = 0; i < CLOSE_MAX_MS && (i < CLOSE_MIN_MS || !is_settled(live)); i++)
		poll(NULL, 0, 1);
}

uint64_t live__skipped(const struct live *live)
{
	return skipped_runs(live, SKIP_MAY);
}
