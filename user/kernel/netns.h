/* SPDX-License-Identifier: GPL-2.0-only */
/* Network namespaces: finding, naming and entering them. */
#ifndef BINDTRACE_KERNEL_NETNS_H
#define BINDTRACE_KERNEL_NETNS_H

#include "../options.h"

struct netns_entry {
	uint64_t inode;
	int pid;	/* a process in it, or with an fd of it; 0: only mounted */
	char *name;	/* of `ip netns`, or NULL */
	char *path;	/* where it can be opened: /proc/PID/ns/net, a mount, /proc/PID/fd/N */
	bool of_socket; /* path is that of a socket which is in it */
};

struct netns_list {
	struct netns_entry *entries;
	size_t n, cap;
	size_t hidden;	/* processes whose namespaces could not be read */
	int hidden_err; /* why, of the last one; -errno */
};

/*
 * Opens a network namespace for reading its identity or entering it: the caller's own (DEFAULT,
 * SELF), that of a process, a path, or a name below /run/netns or /var/run/netns. -EINVAL: not a
 * network namespace, or not a name; else 0 or -errno of open().
 */
int netns__open(enum netns_kind kind, const char *arg, int pid, int *ret_fd);
int netns__inode(int fd, uint64_t *ret);
/* That of the calling thread; 0: can't be told. */
uint64_t netns__own_inode(void);

/*
 * Calls fn(ctx) inside the namespace and returns what it returned. Nothing is entered that could
 * not be left again: -EPERM then, and fn is not called. -ENOTRECOVERABLE: the way back failed all
 * the same (fn dropped its privileges): the process is in the wrong namespace and must end.
 */
int netns__run_in(int ns_fd, int (*fn)(void *ctx), void *ctx);

/* Every network namespace once: mounted ones, those of processes, those kept alive by an fd. */
int netns__list_all(struct netns_list *ret);
/* Adds one that a socket of a process is in, if it is not there yet. 0 or -ENOMEM. */
int netns_list__add_socket(struct netns_list *list, uint64_t inode, int pid, int fd);
/* Opens one of the list. -ESTALE: another namespace is at its place by now. */
int netns__open_entry(const struct netns_entry *entry, int *ret_fd);
/* A fresh search for the one with this inode: what the list names may have gone. -ENOENT, -errno.
 */
int netns__open_inode(uint64_t inode, int *ret_fd);
void netns_list__free(struct netns_list *list); /* what it holds, not list itself; accepts NULL */

/* The name that `ip netns` shows for the inode, malloc'ed, or NULL. */
char *netns__name_of(uint64_t inode);

#endif
