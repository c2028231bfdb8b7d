// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>
#include "notify.h"

/* "/path", or "@name" of the abstract namespace. */
static int connect_to(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd;

	if ((*name != '/' && *name != '@') || len < 2 || len >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address,
			       offsetof(struct sockaddr_un, sun_path) + len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* As sd_watchdog_enabled(3): the interval counts for the process that WATCHDOG_PID names, or all.
 */
static uint64_t watchdog_us(void)
{
	const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long us;
	char *end;

	if (!interval || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	errno = 0;
	us = strtoull(interval, &end, 10);
	return errno || *end ? 0 : us / 2;
}

static int start_watchdog(uint64_t us)
{
	const struct timespec every = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
	const struct itimerspec when = {.it_interval = every, .it_value = every};
	int fd = us ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK) : -1;

	if (fd >= 0 && timerfd_settime(fd, 0, &when, NULL)) {
		close(fd);
		return -1;
	}
	return fd;
}

void notify__open(struct notify *ret)
{
	const char *name = getenv("NOTIFY_SOCKET");

	ret->fd = name ? connect_to(name) : -1;
	ret->watchdog_fd = ret->fd >= 0 ? start_watchdog(watchdog_us()) : -1;
}

void notify__rest(const struct notify *notify)
{
	uint64_t times;

	(void)!read(notify->watchdog_fd, &times, sizeof(times));
}

void notify__close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	if (notify->watchdog_fd >= 0)
		close(notify->watchdog_fd);
	notify->fd = notify->watchdog_fd = -1;
}

void notify__send(const struct notify *notify, const char *format, ...)
{
	char text[512];
	va_list args;
	int n;

	if (notify->fd < 0)
		return;
	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(text))
		(void)!send(notify->fd, text, (size_t)n, MSG_NOSIGNAL);
}
