// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/bpf_api.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"
#include "filters.h"
#include "kernel/hooks_off.h"
#include "kernel/netns.h"
#include "kernel/owner_iter.h"
#include "kernel/permission.h"
#include "kernel/pidns.h"
#include "log.h"
#include "session_parts.h"
#include "sight.h"

/* The namespace to watch: all by default, whatever is asked otherwise. */
static int find_netns(struct session *session, uint32_t *ret)
{
	const struct options *opts = session->opts;
	enum netns_kind kind = opts->netns;
	uint64_t inode;
	int fd, err;

	*ret = 0;
	if (kind == NETNS_DEFAULT || kind == NETNS_ALL)
		return 0;
	err = netns__open(kind, opts->netns_arg, opts->netns_pid, &fd);
	if (err)
		return err;
	err = netns__inode(fd, &inode);
	close(fd);
	*ret = (uint32_t)inode;
	return err;
}

static int announce(struct session *session, uint32_t netns)
{
	char filters[FILTERS_MAX];
	const struct run_start start = {
		.time_ns = clock__now_ns(),
		.version = BINDTRACE_VERSION,
		.kernel = session->features.release,
		.hooks = live__hooks(session->live),
		.filters = filters,
		.netns = netns ? "one" : "all",
	};

	filters__describe(session->opts, netns, filters, sizeof(filters));
	return sink__start(&session->sink, &start);
}

static void open_explainer(struct session *session)
{
	struct explainer *explainer = &session->explainer;

	explainer->features = &session->features;
	explainer->owners =
		(struct owner_source){.proc_root = "/proc", .cgroup_root = "/sys/fs/cgroup"};
	/* Both only add to what the hook saw: without them reports say "truncated", or use /proc.
	 */
	if (walk__open(&session->features, 0, &explainer->walk))
		explainer->walk = NULL;
	if (!owner_iter__open(&session->features, SIZE_MAX, &session->iter)) {
		explainer->owners.scan = owner_iter__scan;
		explainer->owners.ctx = session->iter;
	}
}

enum exit_status session__refuse_lack(enum features_lack lack, enum exit_status status)
{
	log__line("%s; `bindtrace --port PORT` works without", features__lack_text(lack));
	return status;
}

static enum exit_status refuse_start(const struct session *session, int err)
{
	if (err == -EPERM && permission__is_memlock_short())
		return session__refuse_lack(LACK_PERMISSION, EXIT_NOT_PERMITTED);
	/* BPF itself is permitted, that has been tried: what EPERM (a policy) and EACCES (the
	 * verifier) refuse is refused to root as well. */
	if (err == -ENOENT || err == -ENOTSUP || err == -EINVAL || err == -ESRCH || err == -EPERM ||
	    err == -EACCES) {
		log__line(
			"this kernel (%s) lets no hook be attached (%s): no live tracing here; "
			"`bindtrace --features` tells more, `bindtrace --port PORT` needs no hook",
			session->features.release, live__error_text(err));
		return EXIT_KERNEL;
	}
	return start__report_error(err);
}

/* Rather no run than one that never sees anything. */
static int check_armed(bool kprobes)
{
	const char *off = hooks_off__why(kprobes);

	if (!off)
		return 0;
	log__line("%s; `bindtrace --port PORT` needs none of it", off);
	return EXIT_KERNEL;
}

static void set_filter(const struct options *opts, const int *own_pid, struct live_filter *ret)
{
	ret->ports = &opts->ports;
	ret->reader_pidns = pidns__of_proc();
	ret->pids = opts->command ? own_pid : opts->pids;
	ret->n_pids = opts->command ? 1 : opts->n_pids;
	ret->comm = opts->comm;
	ret->uid = opts->have_uid_filter ? &opts->uid_filter : NULL;
	ret->cgroup = opts->cgroup;
	ret->all = opts->all;
	ret->states = opts->states;
	ret->protocol = opts->have_protocol ? opts->protocol : 0;
	if (opts->want_ipv4 != opts->want_ipv6)
		ret->family = opts->want_ipv4 ? AF_INET : AF_INET6;
}

int session__open_live(struct session *session)
{
	const struct options *opts = session->opts;
	struct live_filter filter = {};
	const int own_pid = pidns__own_pid();
	int err = find_netns(session, &filter.netns);
	int former_fd, exes_fd;

	if (err)
		return start__netns_error(opts, err);
	err = start__check_pids(opts);
	/* Before: the kernel warns about hooks that come and go while ftrace is off. */
	if (!err)
		err = check_armed(opts->hooks == HOOKS_KPROBE);
	if (err)
		return err;
	set_filter(opts, &own_pid, &filter);
	open_explainer(session);
	err = live__open(&session->features, &filter, opts->hooks, opts->cross_check,
			 &session->live);
	if (err == -ENOTDIR && opts->cgroup) {
		log__line("--cgroup %s: no such cgroup; `systemd-cgls` lists them", opts->cgroup);
		return EXIT_USAGE;
	}
	if (err)
		return refuse_start(session, err);
	err = check_armed(opts->hooks == HOOKS_KPROBE || live__fallback_error(session->live));
	if (!err)
		err = sight__check(opts, session->live);
	if (err)
		return err;
	live__memory_fds(session->live, &former_fd, &exes_fd);
	session->explainer.former = former__of_maps(former_fd, exes_fd, true);
	err = announce(session, filter.netns);
	if (!err)
		session__write_metrics(session);
	return err ? (int)start__report_error(err) : 0;
}
