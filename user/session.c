// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/bpf_api.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "command.h"
#include "confine.h"
#include "explain.h"
#include "filters.h"
#include "kernel/decode.h"
#include "kernel/hooks_off.h"
#include "kernel/live.h"
#include "kernel/netns.h"
#include "kernel/owner_iter.h"
#include "kernel/permission.h"
#include "kernel/pidns.h"
#include "log.h"
#include "notify.h"
#include "session.h"
#include "sight.h"
#include "sink.h"
#include "start.h"

struct session {
	const struct options *opts;
	struct features features;
	struct explainer explainer;
	struct owner_iter *iter;
	struct live *live;
	struct sink sink;
	struct command command;
	struct notify notify;
	sigset_t old_mask;
	int signal_fd, timer_fd;
	uint64_t reported;
	uint64_t lost_told;    /* losses already in a "lost" line */
	uint64_t malformed;    /* records that were not ours: a bug, counted as lost */
	uint64_t own_filtered; /* dropped here: the address filter */
	int failure;	       /* an exit status, once what went wrong has been told */
	bool stop;
};

static bool address_wanted(const struct options *opts, uint16_t family,
			   const struct ip_addr *address)
{
	if ((family == AF_INET && !opts->want_ipv4) || (family == AF_INET6 && !opts->want_ipv6))
		return false;
	return !opts->have_address ||
	       (opts->address_family == family && ip_addr__equal(&opts->address, address));
}

static int on_refusal(struct session *session, const void *data, size_t size)
{
	struct conflict_report report;
	int err = explain__record(&session->explainer, data, size, &report);

	if (!err && !address_wanted(session->opts, report.req.family, &report.req.addr)) {
		session->own_filtered++;
	} else if (!err) {
		err = sink__conflict(&session->sink, &report);
		session->reported += !err;
	}
	conflict__free(&report);
	return err;
}

static int on_bind(struct session *session, const void *data, size_t size)
{
	struct bind_report report;
	int err = explain__bind(&session->explainer, data, size, &report);

	if (!err && !address_wanted(session->opts, report.req.family, &report.req.addr)) {
		session->own_filtered++;
	} else if (!err) {
		err = sink__bind(&session->sink, &report);
		session->reported += !err;
	}
	proc_info__free(&report.process);
	free((char *)report.netns_name);
	return err;
}

static int on_state(struct session *session, const void *data, size_t size)
{
	struct state_report report;
	int err = explain__state(&session->explainer, data, size, &report);

	/* Not counted as filtered: the counters are about calls. */
	if (!err && address_wanted(session->opts, report.family, &report.local))
		err = sink__state(&session->sink, &report);
	proc_info__free(&report.process);
	free((char *)report.netns_name);
	return err;
}

static int on_record(void *ctx, const void *data, size_t size)
{
	struct session *session = ctx;
	const struct wire_conflict *wire = data;
	int err;

	if (session->stop)
		return 0; /* --count reached: what is left in the ring was not asked for */
	switch (decode__kind(data, size)) {
	case WIRE_STATE:
		err = on_state(session, data, size);
		break;
	case WIRE_CONFLICT:
		err = size >= offsetof(struct wire_conflict, socks) && !wire->error
			      ? on_bind(session, data, size)
			      : on_refusal(session, data, size);
		break;
	default:
		err = -EBADMSG;
	}
	if (err == -EBADMSG) {
		session->malformed++;
		err = 0;
	}
	if (session->opts->count && session->reported >= session->opts->count)
		session->stop = true;
	return err;
}

static int count(struct session *session, struct run_stop *stop)
{
	int err = live__count(session->live, stop);

	stop->time_ns = clock__now_ns();
	stop->delivered = session->reported;
	stop->filtered += session->own_filtered;
	stop->lost += session->malformed;
	return err;
}

static int tell_losses(struct session *session)
{
	struct run_stop stop = {};
	uint64_t lost;
	int err = count(session, &stop);

	if (err || stop.lost == session->lost_told)
		return err;
	lost = stop.lost - session->lost_told;
	session->lost_told = stop.lost;
	return sink__lost(&session->sink, stop.time_ns, lost);
}

static int drain(struct session *session)
{
	int err = live__drain(session->live, on_record, session);

	metering__arm(&session->sink.metering);
	return err ?: tell_losses(session);
}

/* What only the kernel counts (filtered, skipped) wakes nobody: it is as of now. */
static void count_metrics(struct session *session)
{
	struct run_stop totals = {};

	if (!count(session, &totals)) {
		totals.skipped = live__skipped(session->live);
		metrics__totals(session->sink.metering.metrics, &totals);
	}
}

static void write_metrics(struct session *session)
{
	count_metrics(session);
	metering__write(&session->sink.metering);
}

static void on_signal(struct session *session)
{
	struct signalfd_siginfo info;

	if (read(session->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		command__reap(&session->command);
		session->stop |= session->command.exited;
	} else if (!session->command.pid) {
		session->stop = true;
	} else if (info.ssi_signo == SIGTERM) {
		/* A terminal sends SIGINT to the command itself; SIGTERM came to us alone. */
		kill(session->command.pid, SIGTERM);
	}
}

/* Told at once, and once. A command goes on all the same: it is waited for, and gets its signals.
 */
static void fail(struct session *session, int err)
{
	session->failure = (int)start__report_error(err);
	session->stop |= !session->command.pid;
}

/* From the loop and nowhere else: who hangs in a report does not come here. */
static void tell_alive(struct session *session)
{
	notify__rest(&session->notify);
	notify__send(&session->notify, "WATCHDOG=1\nSTATUS=Watching, %llu reported, %llu lost",
		     (unsigned long long)session->reported, (unsigned long long)session->lost_told);
}

/* What the loop waits for; the ring last, since it can be left out. */
enum { FD_SIGNAL, FD_TIMER, FD_METRICS, FD_WATCHDOG, FD_RING, N_FDS };

static void loop(struct session *session)
{
	struct pollfd fds[N_FDS] = {
		[FD_SIGNAL] = {.fd = session->signal_fd, .events = POLLIN},
		[FD_TIMER] = {.fd = session->timer_fd, .events = POLLIN},
		[FD_METRICS] = {.fd = session->sink.metering.timer_fd, .events = POLLIN},
		[FD_WATCHDOG] = {.fd = session->notify.watchdog_fd, .events = POLLIN},
		[FD_RING] = {.fd = live__fd(session->live), .events = POLLIN},
	};

	while (!session->stop) {
		/* Nobody takes the reports any more: no look at the ring. */
		int err = 0, n = session->failure ? FD_RING : N_FDS;

		if (poll(fds, n, -1) < 0) {
			if (errno == EINTR)
				continue;
			fail(session, -errno);
			return;
		}
		if (fds[FD_SIGNAL].revents)
			on_signal(session);
		if (fds[FD_TIMER].revents)
			session->stop = true;
		if (fds[FD_METRICS].revents)
			write_metrics(session);
		if (n == N_FDS && fds[FD_RING].revents && !session->stop)
			err = drain(session);
		if (err)
			fail(session, err);
		if (fds[FD_WATCHDOG].revents)
			tell_alive(session);
	}
}

static int block_signals(struct session *session)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &mask, &session->old_mask))
		return -errno;
	signal(SIGPIPE, SIG_IGN); /* a closed standard output is an error of the write */
	session->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return session->signal_fd < 0 ? -errno : 0;
}

static int start_timer(struct session *session)
{
	double seconds = session->opts->duration_s;
	struct itimerspec when = {};

	session->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (session->timer_fd < 0)
		return -errno;
	if (!(seconds > 0))
		return 0;
	when.it_value.tv_sec = (time_t)seconds;
	when.it_value.tv_nsec = (long)((seconds - (double)when.it_value.tv_sec) * 1e9);
	if (!when.it_value.tv_sec && !when.it_value.tv_nsec)
		when.it_value.tv_nsec = 1;
	return timerfd_settime(session->timer_fd, 0, &when, NULL) ? -errno : 0;
}

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

static enum exit_status refuse_lack(enum features_lack lack, enum exit_status status)
{
	log__line("%s; `bindtrace --port PORT` works without", features__lack_text(lack));
	return status;
}

static enum exit_status refuse_start(const struct session *session, int err)
{
	if (err == -EPERM && permission__is_memlock_short())
		return refuse_lack(LACK_PERMISSION, EXIT_NOT_PERMITTED);
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

static int open_live(struct session *session)
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
		write_metrics(session);
	return err ? (int)start__report_error(err) : 0;
}

static int start_command(struct session *session)
{
	char **argv = session->opts->command;
	int err;

	if (!argv)
		return 0;
	err = command__start(&session->command, argv, &session->old_mask, session->opts->json);
	if (!err)
		return 0;
	log__line("cannot run %s: %s", argv[0], strerror(-err));
	command__reap(&session->command);
	return err == -ENOENT ? 127 : 126;
}

/*
 * The hooks are in place, the command runs unconfined: from here on only reports are made. Where a
 * sandbox forbids to make it tighter, the reports matter more.
 */
static void settle(struct session *session)
{
	int map_fd, unused, err;

	live__memory_fds(session->live, &map_fd, &unused);
	err = confine__live(session->opts, session->command.pid, map_fd);
	if (err && !session->opts->quiet)
		log__line("could not give up all privileges: %s, as if a filter of system calls or "
			  "a kernel without seccomp were in the way",
			  strerror(-err));
	notify__send(&session->notify, "READY=1\nSTATUS=Watching");
}

static int finish(struct session *session)
{
	struct run_stop stop = {};
	int status, err;

	if (session->failure) {
		count_metrics(session);
		return session->failure;
	}
	session->stop = session->opts->count && session->reported >= session->opts->count;
	err = drain(session);
	if (!err)
		err = count(session, &stop);
	stop.skipped = live__skipped(session->live);
	if (!err)
		err = sink__stop(&session->sink, &stop);
	status = err ? (int)start__report_error(err) : stop.lost ? EXIT_RUNTIME : EXIT_OK;
	/* The command's own status is the contract, but a write error must not look like success.
	 */
	if (session->command.pid && session->command.exited && !err)
		status = session->command.status;
	return status;
}

static void session__free(struct session *session)
{
	notify__close(&session->notify);
	former__free(session->explainer.former);
	live__free(session->live);
	owner_iter__free(session->iter);
	walk__free(session->explainer.walk);
	features__release(&session->features);
	if (session->signal_fd >= 0)
		close(session->signal_fd);
	if (session->timer_fd >= 0)
		close(session->timer_fd);
}

static int run(struct session *session)
{
	const struct options *opts = session->opts;
	int err = start__features(opts, &session->features);

	if (err)
		return err;
	if (session->features.lack) {
		bool refused = features__is_refused(&session->features);

		return refuse_lack(session->features.lack,
				   refused ? EXIT_NOT_PERMITTED : EXIT_KERNEL);
	}
	/* Around a command, standard output is the command's: reports go to standard error as text.
	 */
	session->explainer.own_netns = netns__own_inode();
	err = sink__open(opts, opts->command && !opts->json ? stderr : stdout,
			 session->explainer.own_netns, &session->sink);
	if (err)
		return err;
	err = block_signals(session);
	if (!err)
		err = start_timer(session);
	if (err)
		return start__report_error(err);
	/* Around a command it is the command that has something to tell. */
	if (!opts->command)
		notify__open(&session->notify);
	err = open_live(session);
	if (err)
		return err;
	err = start_command(session);
	if (err) {
		finish(session);
		return err;
	}
	settle(session);
	loop(session);
	notify__send(&session->notify, "STOPPING=1");
	return finish(session);
}

int session__run(const struct options *opts)
{
	struct session session = {
		.opts = opts, .signal_fd = -1, .timer_fd = -1, .notify = {-1, -1}};
	int status = run(&session);

	session__free(&session);
	return sink__close(&session.sink, status);
}
