/* SPDX-License-Identifier: GPL-2.0-only */
/* sd_notify(3): what a service tells its manager. Nothing of it happens where none listens. */
#ifndef BINDTRACE_NOTIFY_H
#define BINDTRACE_NOTIFY_H

struct notify {
	int fd;		 /* connected to NOTIFY_SOCKET; -1: nobody listens */
	int watchdog_fd; /* readable when it is time for "WATCHDOG=1"; -1: none is wanted */
};

void notify__open(struct notify *ret);
void notify__close(struct notify *notify);

/* Takes the watchdog's timer for done: the next time is the manager's interval from the last. */
void notify__rest(const struct notify *notify);

/* One or more lines such as "READY=1"; what cannot be sent is no reason to stop watching. */
__attribute__((format(printf, 2, 3))) void notify__send(const struct notify *notify,
							const char *format, ...);

#endif
