// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "explain.h"
#include "log.h"
#include "metering.h"

#define PERIOD_NS 1000000000LL
#define OURS	  "# HELP bindtrace_build_info "

static int refuse(const char *path, int err)
{
	switch (err) {
	case -EEXIST:
		log__line("--metrics %s: there is something that bindtrace did not write; name "
			  "another file",
			  path);
		return EXIT_USAGE;
	case -EACCES:
	case -EPERM:
		log__line("--metrics %s: %s; name a file in a directory that you may write to, or "
			  "run as root",
			  path, strerror(-err));
		return EXIT_NOT_PERMITTED;
	case -ENOSPC:
	case -EDQUOT:
	case -EIO:
	case -ENOMEM:
	case -EMFILE:
		log__line("--metrics %s: %s; free some and run again", path, strerror(-err));
		return EXIT_RUNTIME;
	default:
		log__line("--metrics %s: %s; name a file in a directory that can be written", path,
			  strerror(-err));
		return EXIT_USAGE;
	}
}

static int replace(struct metering *metering)
{
	size_t len = 0;
	char *text = metrics__text(metering->metrics, &len);
	int err = text ? metrics_file__write(metering->file, text, len) : -ENOMEM;

	free(text);
	metering->armed = false;
	metering->written_ns = clock__monotonic_ns();
	return err;
}

static int open_all(const struct options *opts, bool is_live, struct metering *metering)
{
	const struct metrics_config config = {
		.version = BINDTRACE_VERSION,
		.start_ns = is_live ? clock__now_ns() : 0,
		.binds = opts->all,
		.states = opts->states,
	};
	int err = metrics_file__open(opts->metrics_path, OURS, &metering->file);

	if (err)
		return err;
	metering->metrics = metrics__new(&config);
	if (!metering->metrics)
		return -ENOMEM;
	if (is_live) {
		metering->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (metering->timer_fd < 0)
			return -errno;
	}
	return replace(metering);
}

static void free_all(struct metering *metering)
{
	metrics__free(metering->metrics);
	metrics_file__close(metering->file);
	if (metering->timer_fd >= 0)
		close(metering->timer_fd);
	*metering = (struct metering){.timer_fd = -1};
}

int metering__open(const struct options *opts, bool is_live, struct metering *ret)
{
	int err;

	*ret = (struct metering){.path = opts->metrics_path, .timer_fd = -1};
	if (!ret->path)
		return 0;
	err = open_all(opts, is_live, ret);
	if (!err)
		return 0;
	free_all(ret);
	return refuse(opts->metrics_path, err);
}

void metering__arm(struct metering *metering)
{
	struct itimerspec when = {};
	int64_t left;

	if (!metering->path || metering->armed)
		return;
	left = metering->written_ns + PERIOD_NS - clock__monotonic_ns();
	left = left < 1 ? 1 : left;
	when.it_value.tv_sec = left / 1000000000;
	when.it_value.tv_nsec = left % 1000000000;
	metering->armed = !timerfd_settime(metering->timer_fd, 0, &when, NULL);
}

int metering__write(struct metering *metering)
{
	uint64_t expirations;
	int err;

	if (!metering->path)
		return 0;
	if (metering->timer_fd >= 0 &&
	    read(metering->timer_fd, &expirations, sizeof(expirations)) < 0)
		expirations = 0; /* not the timer's doing */
	err = replace(metering);
	if (!err)
		return 0;
	metrics__write_failed(metering->metrics);
	if (!metering->told)
		log__line("--metrics %s: %s; the file keeps its old figures until that changes",
			  metering->path,
			  err == -EEXIST ? "something else is in its place" : strerror(-err));
	metering->told = true;
	return err;
}

int metering__close(struct metering *metering, int status)
{
	int err = 0;

	if (metering->path) {
		metrics__ended(metering->metrics);
		err = metering__write(metering);
		free_all(metering);
	}
	return err && status == EXIT_OK ? EXIT_RUNTIME : status;
}
