/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of sockets in a report. */
#ifndef BINDTRACE_OUTPUT_SOCKETS_H
#define BINDTRACE_OUTPUT_SOCKETS_H

#include "format.h"

struct binder {
	const struct bind_request *req;
	const char *syscall;
};

struct socket_list {
	const struct snapshot *snap;
	const struct binder *binder; /* its row leads; NULL: none */
	const uint32_t *socks;
	size_t n;
	size_t n_in_the_way; /* the first of them; the others are on the port only */
	enum cause cause;    /* some need a closer look at one column */
};

/* The table and, where it needs one, a line about what it leaves out. 0 or -ENOMEM. */
int sockets__write(const struct output *out, const struct socket_list *list, FILE *stream);

#endif
