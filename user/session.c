// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/bpf_api.h"
#include "clock.h"
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
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

#define LOST_PERIOD_NS 1000000000 /* between two "lost" lines */
#define STUCK_AFTER_MS 10000	  /* told to stop, and the output takes nothing */

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
	struct fold *fold;
	int signal_fd, timer_fd;
	int tick_fd;	       /* what is held or lost is told then */
	int64_t tick_ns;       /* CLOCK_MONOTONIC; -1: not armed */
	uint64_t reported;     /* calls, not reports */
	uint64_t lost_told;    /* losses already in a "lost" line */
	int64_t lost_told_ns;  /* CLOCK_MONOTONIC of that line */
	uint64_t malformed;    /* records that were not ours: a bug, counted as lost */
	uint64_t own_filtered; /* dropped here: the address filter */
	int failure;	       /* an exit status, once what went wrong has been told */
	bool stop;
	bool enough;	       /* --count: what else there is was not asked for */
	unsigned told_to_stop; /* by so many signals */
};

static bool address_wanted(const struct options *opts, uint16_t family,
			   const struct ip_addr *address)
{
	if ((family == AF_INET && !opts->want_ipv4) || (family == AF_INET6 && !opts->want_ipv6))
		return false;
	return !opts->have_address ||
	       (opts->address_family == family && ip_addr__equal(&opts->address, address));
}

static int on_refusals(void *ctx, const struct folded *folded)
{
	struct session *session = ctx;
	struct conflict_report report;
	int err = explain__record(&session->explainer, folded, &report);

	if (err == -EBADMSG) {
		session->malformed += folded->count;
		err = 0;
	} else if (!err && !address_wanted(session->opts, report.req.family, &report.req.addr)) {
		session->own_filtered += folded->count;
	} else if (!err) {
		err = sink__conflict(&session->sink, &report);
		session->reported += err ? 0 : folded->count;
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

static void look_for_enough(struct session *session)
{
	session->enough = session->opts->count && session->reported >= session->opts->count;
	session->stop |= session->enough;
}

static int on_record(void *ctx, const void *data, size_t size)
{
	struct session *session = ctx;
	const struct wire_conflict *wire = data;
	int err;

	if (session->enough)
		return 0;
	switch (decode__kind(data, size)) {
	case WIRE_STATE:
		err = on_state(session, data, size);
		break;
	case WIRE_CONFLICT:
		err = size < offsetof(struct wire_conflict, socks) ? -EBADMSG
		      : wire->error ? fold__offer(session->fold, data, size, on_refusals, session)
				    : on_bind(session, data, size);
		break;
	default:
		err = -EBADMSG;
	}
	if (err == -EBADMSG) {
		session->malformed++;
		err = 0;
	}
	look_for_enough(session);
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

/* A line a second, however much is lost. *ret_next_ns: when there is another one to tell, or -1. */
static int tell_losses(struct session *session, int64_t now_ns, int64_t *ret_next_ns)
{
	struct run_stop stop = {};
	uint64_t lost;
	int err = count(session, &stop);

	*ret_next_ns = -1;
	if (err || stop.lost == session->lost_told)
		return err;
	if (session->lost_told && now_ns - session->lost_told_ns < LOST_PERIOD_NS) {
		*ret_next_ns = session->lost_told_ns + LOST_PERIOD_NS;
		return 0;
	}
	lost = stop.lost - session->lost_told;
	session->lost_told = stop.lost;
	session->lost_told_ns = now_ns;
	return sink__lost(&session->sink, stop.time_ns, lost);
}

/* Only while something is held: nothing wakes an idle run. */
static int arm_tick(struct session *session, int64_t next_ns)
{
	struct itimerspec when = {};

	if (next_ns == session->tick_ns)
		return 0;
	session->tick_ns = next_ns;
	if (next_ns >= 0) {
		when.it_value.tv_sec = next_ns / 1000000000;
		when.it_value.tv_nsec = next_ns % 1000000000;
	}
	return timerfd_settime(session->tick_fd, TFD_TIMER_ABSTIME, &when, NULL) ? -errno : 0;
}

/* What is due by now, and when the next is. */
static int tick(struct session *session)
{
	int64_t now_ns = clock__monotonic_ns(), lost_ns, next_ns;
	int err = session->enough ? 0 : fold__tell(session->fold, now_ns, on_refusals, session);

	look_for_enough(session);
	if (!err)
		err = tell_losses(session, now_ns, &lost_ns);
	if (err)
		return err;
	next_ns = fold__next_ns(session->fold);
	return arm_tick(session,
			lost_ns >= 0 && (next_ns < 0 || lost_ns < next_ns) ? lost_ns : next_ns);
}

/* 0, 1 when there may be more, or -errno. */
static int drain(struct session *session)
{
	int more = live__drain(session->live, on_record, session);
	int err = more < 0 ? more : tick(session);

	metering__arm(&session->sink.metering);
	return err ?: more;
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
	struct signalfd_siginfo info = {};

	if (read(session->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		command__reap(&session->command);
		session->stop |= session->command.exited;
	} else if (!session->command.pid || session->command.exited) {
		session->told_to_stop++;
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

/*
 * Who does not read what we write must not keep us from our signals. Told to stop, we wait for them
 * a little while, told once more, not at all; what they have not taken then counts as lost.
 */
static int wait_writable(void *ctx, FILE *stream)
{
	struct session *session = ctx;
	struct pollfd fds[] = {
		{.fd = fileno(stream), .events = POLLOUT},
		{.fd = session->signal_fd, .events = POLLIN},
	};

	for (;;) {
		int n = poll(fds, 2,
			     !session->told_to_stop	  ? -1
			     : session->told_to_stop == 1 ? STUCK_AFTER_MS
							  : 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[0].revents)
			return 0;
		if (!n)
			return -ECANCELED;
		if (n > 0)
			on_signal(session);
	}
}

/* What the loop waits for; the last two are left out when reports can't be written any more. */
enum { FD_SIGNAL, FD_TIMER, FD_METRICS, FD_WATCHDOG, FD_TICK, FD_RING, N_FDS };

static void clear_timer(int fd)
{
	uint64_t expirations;

	if (read(fd, &expirations, sizeof(expirations)) < 0)
		expirations = 0; /* it was set anew meanwhile */
}

static void loop(struct session *session)
{
	struct pollfd fds[N_FDS] = {
		[FD_SIGNAL] = {.fd = session->signal_fd, .events = POLLIN},
		[FD_TIMER] = {.fd = session->timer_fd, .events = POLLIN},
		[FD_METRICS] = {.fd = session->sink.metering.timer_fd, .events = POLLIN},
		[FD_WATCHDOG] = {.fd = session->notify.watchdog_fd, .events = POLLIN},
		[FD_TICK] = {.fd = session->tick_fd, .events = POLLIN},
		[FD_RING] = {.fd = live__fd(session->live), .events = POLLIN},
	};

	while (!session->stop) {
		/* Nobody takes the reports any more: no look at the ring. */
		int err = 0, n = session->failure ? FD_TICK : N_FDS;

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
		if (n == N_FDS && fds[FD_TICK].revents) {
			clear_timer(session->tick_fd);
			session->tick_ns = -1;
			err = tick(session);
		}
		if (!err && n == N_FDS && fds[FD_RING].revents && !session->stop)
			err = drain(session);
		if (err < 0)
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
	session->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (session->timer_fd < 0 || session->tick_fd < 0)
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

	/* Reading the kernel's type information took ten times what is needed from here on. */
	malloc_trim(0);
	live__memory_fds(session->live, &map_fd, &unused);
	err = confine__live(session->opts, session->command.pid, map_fd);
	if (err && !session->opts->quiet)
		log__line("could not give up all privileges: %s, as if a filter of system calls or "
			  "a kernel without seccomp were in the way",
			  strerror(-err));
	notify__send(&session->notify, "READY=1\nSTATUS=Watching");
}

/* All that was seen until now, unless one is told to stop once more, or has --count of them. */
static int drain_rest(struct session *session)
{
	unsigned told = session->told_to_stop;
	int64_t never;
	int more = 1;

	while (more > 0 && session->told_to_stop == told) {
		more = drain(session);
		on_signal(session);
	}
	if (more < 0)
		return more;
	if (!session->enough)
		more = fold__tell(session->fold, INT64_MAX, on_refusals, session);
	return more < 0 ? more : tell_losses(session, INT64_MAX, &never);
}

/* What was seen was reported or filtered out, or else it is lost. */
static int count_all(struct session *session, struct run_stop *stop)
{
	int err = count(session, stop);

	stop->skipped = live__skipped(session->live);
	if (!err && !session->enough && stop->seen >= stop->filtered + stop->delivered)
		stop->lost = stop->seen - stop->filtered - stop->delivered;
	return err;
}

/* Nobody takes the reports: how much they have missed is said here. */
static void tell_missed(struct session *session)
{
	struct run_stop stop = {};

	if (!count_all(session, &stop) && stop.lost)
		log__line("%llu of %llu calls seen were not reported",
			  (unsigned long long)stop.lost, (unsigned long long)stop.seen);
}

static int finish(struct session *session)
{
	struct run_stop stop = {};
	int status, err;

	live__close(session->live);
	if (session->failure) {
		count_metrics(session);
		tell_missed(session);
		return session->failure;
	}
	err = drain_rest(session);
	if (!err)
		err = count_all(session, &stop);
	if (!err)
		err = sink__stop(&session->sink, &stop);
	status = err ? (int)start__report_error(err) : stop.lost ? EXIT_RUNTIME : EXIT_OK;
	if (err)
		tell_missed(session);
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
	if (session->tick_fd >= 0)
		close(session->tick_fd);
	fold__free(session->fold);
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
	output__wait_with(session->sink.out, wait_writable, session);
	session->fold = fold__new((int64_t)(opts->fold_s * 1e9));
	err = session->fold ? block_signals(session) : -ENOMEM;
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
	struct session session = {.opts = opts,
				  .features = {.types_fd = -1},
				  .signal_fd = -1,
				  .timer_fd = -1,
				  .tick_fd = -1,
				  .tick_ns = -1,
				  .notify = {-1, -1}};
	int status = run(&session);

	session__free(&session);
	return sink__close(&session.sink, status);
}
