// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "signals.h"
#include "waiting.h"

#define MS_NS 1000000LL

/*
 * After something has happened the port is looked at immediately, and then N_SETTLE times more,
 * this far apart, without listening to the hooks: some of them run an instant before the change
 * (bpf/wait.bpf.c), and on a busy port thousands of sockets go in a second. A look that takes long
 * is followed by a pause as long, to take half a CPU at most. Without more events the loop blocks.
 */
#define N_SETTLE      2
#define SETTLE_NS     (20 * MS_NS)
#define SETTLE_MAX_NS (50 * MS_NS)

/*
 * Changes that no hook sees, such as fchown() of a blocker or a sysctl, and events that the kernel
 * skips because the same program was interrupted on that CPU.
 */
#define HEARTBEAT_NS (1000 * MS_NS)

/* Without hooks. */
#define POLL_NS (50 * MS_NS)

struct waiting {
	waiting_check_fn check;
	void *ctx;
	struct wait *wait;
	int signal_fd;
	int64_t deadline_ns; /* CLOCK_MONOTONIC, or WAITING_FOREVER */
	int settle;	     /* looks still to come without an event */
	int64_t look_ns;     /* what the last look took */
};

int64_t waiting__deadline(double seconds)
{
	if (!(seconds > 0) || seconds > 1e9)
		return WAITING_FOREVER;
	return clock__monotonic_ns() + (int64_t)(seconds * 1e9);
}

static int64_t settle_gap(const struct waiting *waiting)
{
	if (waiting->look_ns < SETTLE_NS)
		return SETTLE_NS;
	return waiting->look_ns < SETTLE_MAX_NS ? waiting->look_ns : SETTLE_MAX_NS;
}

/* Until the next look: a time, and if `listen` an event of the hooks. -EINTR on a signal. */
static int sleep_for(const struct waiting *waiting, int64_t ns, bool listen)
{
	struct pollfd fds[] = {
		{.fd = waiting->signal_fd, .events = POLLIN},
		{.fd = listen ? wait__fd(waiting->wait) : -1, .events = POLLIN},
	};
	int64_t left = waiting->deadline_ns - clock__monotonic_ns();
	struct signalfd_siginfo info;
	struct timespec ts;

	ns = left < ns ? left : ns;
	ns = ns > 0 ? ns : 0;
	ts = (struct timespec){.tv_sec = ns / (1000 * MS_NS), .tv_nsec = ns % (1000 * MS_NS)};
	if (ppoll(fds, 2, &ts, NULL) < 0)
		return errno == EINTR ? 0 : -errno; /* another signal: a look too many */
	if (fds[0].revents && read(waiting->signal_fd, &info, sizeof(info)) == sizeof(info))
		return -EINTR;
	return 0;
}

static int pause_before_look(struct waiting *waiting)
{
	if (!waiting->wait)
		return sleep_for(waiting, POLL_NS, false);
	if (!waiting->settle)
		return sleep_for(waiting, HEARTBEAT_NS, true);
	waiting->settle--;
	return sleep_for(waiting, settle_gap(waiting), false);
}

/* Armed first, then looked: what goes during the look, or after, is an event for the next one. */
static int look(struct waiting *waiting, enum tri *ret_free)
{
	int64_t start = clock__monotonic_ns();
	int err = 0;

	if (waiting->wait)
		err = wait__rearm(waiting->wait);
	if (err < 0)
		return err;
	if (err)
		waiting->settle = N_SETTLE;
	err = waiting->check(waiting->ctx, ret_free);
	waiting->look_ns = clock__monotonic_ns() - start;
	return err;
}

static int loop(struct waiting *waiting)
{
	for (;;) {
		bool last = clock__monotonic_ns() >= waiting->deadline_ns;
		enum tri free = TRI_UNKNOWN;
		int err = look(waiting, &free);

		if (err || free == TRI_YES)
			return err;
		if (last)
			return -ETIMEDOUT;
		err = pause_before_look(waiting);
		if (err)
			return err;
	}
}

int waiting__run(waiting_check_fn check, void *ctx, struct wait *wait, int64_t deadline_ns)
{
	struct waiting waiting = {
		.check = check,
		.ctx = ctx,
		.wait = wait,
		.deadline_ns = deadline_ns,
		.settle = N_SETTLE, /* a socket may have been on its way when the hooks came */
	};
	sigset_t mask, old_mask;
	int err;

	signals__that_stop(&mask);
	if (sigprocmask(SIG_BLOCK, &mask, &old_mask))
		return -errno;
	waiting.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	err = waiting.signal_fd < 0 ? -errno : loop(&waiting);
	if (waiting.signal_fd >= 0)
		close(waiting.signal_fd);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	return err;
}
