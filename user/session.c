// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "confine.h"
#include "kernel/fold.h"
#include "kernel/former.h"
#include "kernel/netns.h"
#include "kernel/owner_iter.h"
#include "kernel/walk.h"
#include "log.h"
#include "session.h"
#include "session_parts.h"
#include "signals.h"

#define STUCK_AFTER_MS 10000 /* told to stop, and the output takes nothing */

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

/* --duration is over. */
static void on_timer(struct session *session)
{
	session->stop = true;
	if (!session->told_to_stop)
		session->told_to_stop = 1;
}

/*
 * Who does not read what we write must not keep us from our signals, nor beyond our time. Told to
 * stop, we wait for them a little while, told once more, not at all; what they have not taken then
 * counts as lost.
 */
static int wait_writable(void *ctx, FILE *stream)
{
	struct session *session = ctx;
	struct pollfd fds[] = {
		{.fd = fileno(stream), .events = POLLOUT},
		{.fd = session->signal_fd, .events = POLLIN},
		{.fd = session->timer_fd, .events = POLLIN},
	};

	for (;;) {
		int n = poll(fds, session->told_to_stop ? 2 : 3,
			     !session->told_to_stop	  ? -1
			     : session->told_to_stop == 1 ? STUCK_AFTER_MS
							  : 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[0].revents)
			return 0;
		if (!n)
			return -ECANCELED;
		if (n > 0 && fds[1].revents)
			on_signal(session);
		if (n > 0 && !session->told_to_stop && fds[2].revents)
			on_timer(session);
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
			on_timer(session);
		if (fds[FD_METRICS].revents)
			session__write_metrics(session);
		if (n == N_FDS && fds[FD_TICK].revents) {
			clear_timer(session->tick_fd);
			session->tick_ns = -1;
			err = session__tick(session);
		}
		if (!err && n == N_FDS && fds[FD_RING].revents && !session->stop)
			err = session__drain(session);
		if (err < 0)
			fail(session, err);
		if (fds[FD_WATCHDOG].revents)
			tell_alive(session);
	}
}

static int block_signals(struct session *session)
{
	sigset_t mask;

	signals__that_stop(&mask);
	sigaddset(&mask, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &mask, &session->old_mask))
		return -errno;
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
	int more = 1;

	while (more > 0 && session->told_to_stop == told) {
		more = session__drain(session);
		on_signal(session);
	}
	return more < 0 ? more : session__tell_held(session);
}

static int finish(struct session *session)
{
	struct run_stop stop = {};
	int status, err;

	live__close(session->live);
	if (session->failure) {
		session__count_metrics(session);
		session__tell_missed(session);
		return session->failure;
	}
	err = drain_rest(session);
	if (!err)
		err = session__count_all(session, &stop);
	if (!err)
		err = sink__stop(&session->sink, &stop);
	status = err ? (int)start__report_error(err) : stop.lost ? EXIT_RUNTIME : EXIT_OK;
	if (err)
		session__tell_missed(session);
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

		return session__refuse_lack(session->features.lack,
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
	err = session__open_live(session);
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
