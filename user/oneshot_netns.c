// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kernel/netns.h"
#include "kernel/netns_iter.h"
#include "log.h"
#include "oneshot_parts.h"

/* Namespaces that --netns all could not look into. */
struct unread {
	size_t n;
	int err; /* why, of the last one */
};

/* By a socket, as no process is in it. */
static int open_of_sockets(const struct oneshot *shot, uint64_t inode, int *ret_fd)
{
	struct netns_list list = {};
	int err = -ENOENT;

	netns_list__add_of_sockets(&list, &shot->features);
	for (size_t i = 0; i < list.n && err; i++)
		if (list.entries[i].inode == inode)
			err = netns__open_entry(&list.entries[i], ret_fd);
	netns_list__free(&list);
	return err == -ESRCH || err == -ESTALE ? -ENOENT : err;
}

/* The process by which it was found may have gone, or left it; then others may still be in it. */
static int open_listed(const struct oneshot *shot, const struct netns_entry *entry, int *ret_fd)
{
	int err = netns__open_entry(entry, ret_fd);

	if (err == -ENOENT || err == -ESRCH || err == -ESTALE)
		err = netns__open_inode(entry->inode, ret_fd);
	if (err == -ESRCH || err == -ESTALE)
		err = -ENOENT;
	if (err == -ENOENT && shot->walk)
		err = open_of_sockets(shot, entry->inode, ret_fd);
	return err;
}

/* fn(shot) inside of it, which is named and known by whom the list has found there. */
static int run_in_listed(struct oneshot *shot, const struct netns_entry *entry, int fd,
			 int (*fn)(void *ctx))
{
	int err;

	shot->netns_name = entry->name;
	shot->netns_pid = entry->pid;
	err = netns__run_in(fd, fn, shot);
	shot->netns_name = NULL;
	shot->netns_pid = 0;
	close(fd);
	return err;
}

static int report_listed(struct oneshot *shot, const struct netns_entry *entry,
			 struct unread *unread)
{
	int fd, err = open_listed(shot, entry, &fd);
	bool opened = !err;

	if (err == -ENOENT || err == -ENOMEM)
		return err == -ENOENT ? 0 : err; /* gone, with its last process */
	if (opened)
		err = run_in_listed(shot, entry, fd, oneshot__report_ports);
	if (err == -ENODEV && shot->opts->device)
		return 0; /* no socket in there is bound to it, and none can be */
	if (opened && err != -EACCES && err != -EPERM)
		return err;
	unread->n++;
	unread->err = err;
	return 0;
}

/* Something refused is an answer all the same. */
static void tell_unread(struct oneshot *shot, const struct netns_list *list,
			const struct unread *unread)
{
	int err = unread->n ? unread->err : list->hidden_err;
	bool denied = err == -EACCES || err == -EPERM;
	char what[64] = "", whose[64] = "";

	if (unread->n)
		snprintf(what, sizeof(what), "%zu network namespace%s%s", unread->n,
			 unread->n == 1 ? "" : "s", list->hidden ? " and " : "");
	if (list->hidden)
		snprintf(whose, sizeof(whose), "those of %zu process%s", list->hidden,
			 list->hidden == 1 ? "" : "es");
	if (!*what && !*whose)
		return;
	log__line("--netns all: %s%s could not be read: %s%s", what, whose, strerror(-err),
		  !denied     ? ""
		  : geteuid() ? "; run as root"
			      : "; it takes CAP_SYS_PTRACE and CAP_SYS_ADMIN");
	if (shot->status != EXIT_REFUSED)
		shot->status = denied ? EXIT_NOT_PERMITTED : EXIT_RUNTIME;
}

/* Ports that nobody has anywhere: the namespace we are in answers for them. */
static int report_rest(void *ctx)
{
	struct oneshot *shot = ctx;
	struct ask ask;
	int err = ask__open(shot->opts, &ask);

	shot->sparse = false;
	port_set__for_each(port, &shot->opts->ports)
	{
		if (err)
			break;
		if (!port_set__has(&shot->shown, port))
			err = oneshot__report_port(shot, port, &ask);
	}
	return err;
}

/* Our own namespace has not got the device: the first one that has it. */
static int report_rest_elsewhere(struct oneshot *shot, const struct netns_list *list)
{
	int err = -ENODEV;

	for (size_t i = 0; err && i < list->n; i++) {
		int fd;

		if (!open_listed(shot, &list->entries[i], &fd))
			err = run_in_listed(shot, &list->entries[i], fd, report_rest);
	}
	return err;
}

int oneshot__report_all_netns(struct oneshot *shot)
{
	struct netns_list list = {};
	struct unread unread = {.n = 0};
	int err = netns__list_all(&list);

	/* Best effort, where BPF is: without it such a namespace can't be told from any other. */
	if (!err && shot->walk)
		netns_list__add_of_sockets(&list, &shot->features);
	shot->sparse = true;
	for (size_t i = 0; !err && i < list.n && !shot->interrupted; i++)
		err = report_listed(shot, &list.entries[i], &unread);
	if (!err && !shot->interrupted)
		err = report_rest(shot);
	if (err == -ENODEV && shot->have_device)
		err = report_rest_elsewhere(shot, &list);
	if (!err)
		tell_unread(shot, &list, &unread);
	/* Those that it has not come to may have the port. */
	if (shot->interrupted && shot->status == EXIT_OK)
		shot->status = EXIT_RUNTIME;
	netns_list__free(&list);
	return err;
}

int oneshot__report_one_netns(struct oneshot *shot)
{
	const struct options *opts = shot->opts;
	int fd, err;

	if (opts->netns == NETNS_DEFAULT || opts->netns == NETNS_SELF)
		return oneshot__report_ports(shot);
	err = netns__open(opts->netns, opts->netns_arg, opts->netns_pid, &fd);
	if (err) {
		shot->status = start__netns_error(opts, err);
		return 0;
	}
	shot->netns_name = opts->netns == NETNS_NAME ? opts->netns_arg : NULL;
	shot->netns_pid = opts->netns == NETNS_PID ? opts->netns_pid : 0;
	err = netns__run_in(fd, oneshot__report_ports, shot);
	close(fd);
	return err;
}
