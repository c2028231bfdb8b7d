// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>

#include "../array.h"
#include "netns.h"

static const char *const name_dirs[] = {"/run/netns", "/var/run/netns"};
#define N_NAME_DIRS (sizeof(name_dirs) / sizeof(name_dirs[0]))

/* ---- opening ----------------------------------------------------------------------------------
 */

/* O_NONBLOCK: a path may be anything, a FIFO too. */
static int open_netns(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		close(fd);
		return -EINVAL;
	}
	*ret_fd = fd;
	return 0;
}

static bool is_name(const char *name)
{
	return name && *name && strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/');
}

static int open_named(const char *name, int *ret_fd)
{
	char path[PATH_MAX];
	int err = -ENOENT;
	size_t i;

	if (!is_name(name))
		return -EINVAL;
	for (i = 0; i < N_NAME_DIRS && err == -ENOENT; i++) {
		if (snprintf(path, sizeof(path), "%s/%s", name_dirs[i], name) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		err = open_netns(path, ret_fd);
	}
	return err;
}

int netns__open(enum netns_kind kind, const char *arg, int pid, int *ret_fd)
{
	char path[64];

	switch (kind) {
	case NETNS_DEFAULT:
	case NETNS_SELF:
		return open_netns("/proc/self/ns/net", ret_fd);
	case NETNS_PID:
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
		return open_netns(path, ret_fd);
	case NETNS_PATH:
		return arg ? open_netns(arg, ret_fd) : -EINVAL;
	case NETNS_NAME:
		return open_named(arg, ret_fd);
	case NETNS_ALL:
		break;
	}
	return -EINVAL;
}

int netns__inode(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*ret = st.st_ino;
	return 0;
}

uint64_t netns__own_inode(void)
{
	uint64_t inode = 0;
	int fd = -1;

	if (netns__open(NETNS_SELF, NULL, 0, &fd))
		return 0;
	if (netns__inode(fd, &inode))
		inode = 0;
	close(fd);
	return inode;
}

/* ---- entering ---------------------------------------------------------------------------------
 */

static int run_and_return(int ns_fd, int own_fd, int (*fn)(void *ctx), void *ctx)
{
	int ret;

	/*
	 * A user namespace may own the other network namespace and not ours: then one could go
	 * there and not come back (netns_install() asks for CAP_SYS_ADMIN over the one entered).
	 * Entering our own asks the same question while it is still harmless.
	 */
	if (setns(own_fd, CLONE_NEWNET) || setns(ns_fd, CLONE_NEWNET))
		return -errno;
	ret = fn(ctx);
	if (setns(own_fd, CLONE_NEWNET))
		return -ENOTRECOVERABLE;
	return ret;
}

int netns__run_in(int ns_fd, int (*fn)(void *ctx), void *ctx)
{
	uint64_t inode = 0, own = 0;
	int own_fd = -1, ret;

	ret = netns__inode(ns_fd, &inode);
	if (ret)
		return ret;
	ret = open_netns("/proc/self/ns/net", &own_fd);
	if (ret)
		return ret;
	ret = netns__inode(own_fd, &own);
	if (!ret)
		/* In our own there is nothing to enter, and no privilege to ask for. */
		ret = inode == own ? fn(ctx) : run_and_return(ns_fd, own_fd, fn, ctx);
	close(own_fd);
	return ret;
}

/* ---- listing ----------------------------------------------------------------------------------
 */

static struct netns_entry *find_entry(struct netns_list *list, uint64_t inode)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (list->entries[i].inode == inode)
			return &list->entries[i];
	}
	return NULL;
}

static int add_entry(struct netns_list *list, uint64_t inode, const char *path, int pid)
{
	struct netns_entry *entry = find_entry(list, inode);

	if (entry) {
		if (!entry->pid)
			entry->pid = pid;
		return 0;
	}
	entry = array__room(list->entries, list->n, &list->cap, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	list->entries = entry;
	entry += list->n;
	*entry = (struct netns_entry){.inode = inode, .pid = pid, .path = strdup(path)};
	if (!entry->path)
		return -ENOMEM;
	list->n++;
	return 0;
}

int netns_list__add_socket(struct netns_list *list, uint64_t inode, int pid, int fd)
{
	size_t n = list->n;
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	err = add_entry(list, inode, path, pid);
	if (!err && list->n > n)
		list->entries[n].of_socket = true;
	return err;
}

/* "net:[4026531840]" */
static bool parse_link(const char *link, uint64_t *ret)
{
	static const char prefix[] = "net:[";
	char *end;

	if (strncmp(link, prefix, sizeof(prefix) - 1))
		return false;
	errno = 0;
	*ret = strtoull(link + sizeof(prefix) - 1, &end, 10);
	return !errno && !strcmp(end, "]");
}

/* What is gone hides nothing. */
static void note_hidden(struct netns_list *list, int err)
{
	if (err != ENOENT && err != ESRCH)
		list->hidden_err = -err;
}

/* A link that is no namespace, or is gone, adds nothing. */
static int add_link(struct netns_list *list, const char *path, int pid)
{
	char link[64];
	uint64_t inode;
	ssize_t len = readlink(path, link, sizeof(link) - 1);

	if (len < 0) {
		note_hidden(list, errno);
		return 0;
	}
	link[len] = '\0';
	return parse_link(link, &inode) ? add_entry(list, inode, path, pid) : 0;
}

static int add_fds(struct netns_list *list, int pid)
{
	struct dirent *entry;
	char path[PATH_MAX];
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		note_hidden(list, errno);
		return 0;
	}
	while (!err && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, entry->d_name);
		if (entry->d_name[0] != '.')
			err = add_link(list, path, pid);
	}
	closedir(dir);
	return err;
}

static int add_process(struct netns_list *list, int pid)
{
	int before = list->hidden_err, err;
	char path[64];

	list->hidden_err = 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	err = add_link(list, path, pid);
	if (!err)
		err = add_fds(list, pid);
	if (list->hidden_err)
		list->hidden++;
	else
		list->hidden_err = before;
	return err;
}

static int add_processes(struct netns_list *list)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (!*end && pid > 0 && pid <= INT_MAX)
			err = add_process(list, pid);
	}
	closedir(dir);
	return err;
}

/* mountinfo writes blank, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ = (text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0');
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* "ID PARENT MAJOR:MINOR ROOT MOUNTPOINT ...": a mounted namespace has "net:[INODE]" for its root.
 */
static int add_mount(struct netns_list *list, char *line)
{
	char *field[5];
	uint64_t inode;
	struct stat st;
	size_t i;

	for (i = 0; i < 5; i++) {
		field[i] = strsep(&line, " ");
		if (!field[i])
			return 0;
	}
	if (!parse_link(field[3], &inode))
		return 0;
	unescape(field[4]);
	/* Another mount may cover it: then it cannot be opened there. */
	if (stat(field[4], &st) || st.st_ino != inode)
		return 0;
	return add_entry(list, inode, field[4], 0);
}

/* /run/netns, and wherever else container runtimes mount theirs. */
static int add_mounts(struct netns_list *list)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	if (!file)
		return -errno;
	for (errno = 0; !err && getline(&line, &size, file) > 0; errno = 0)
		err = add_mount(list, line);
	if (!err && errno == ENOMEM) /* no end of the file: a longer line than there is room for */
		err = -errno;
	free(line);
	fclose(file);
	return err;
}

static int set_names(struct netns_list *list)
{
	size_t i, j, len;

	for (i = 0; i < list->n; i++) {
		struct netns_entry *entry = &list->entries[i];

		for (j = 0; j < N_NAME_DIRS && !entry->name; j++) {
			len = strlen(name_dirs[j]);
			if (strncmp(entry->path, name_dirs[j], len) || entry->path[len] != '/' ||
			    !is_name(entry->path + len + 1))
				continue;
			entry->name = strdup(entry->path + len + 1);
			if (!entry->name)
				return -ENOMEM;
		}
	}
	return 0;
}

/* Names first: a mount stays when processes go. */
int netns__list_all(struct netns_list *ret)
{
	struct netns_list list = {.n = 0};
	int err;

	err = add_mounts(&list);
	if (!err)
		err = add_processes(&list);
	if (!err)
		err = set_names(&list);
	if (err) {
		netns_list__free(&list);
		return err;
	}
	*ret = list;
	return 0;
}

/*
 * By a duplicate of the socket, which lasts no longer than the question. -ESTALE: the fd has been
 * closed since, or is another file.
 */
static int open_of_socket(const struct netns_entry *entry, int *ret_fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0);
	int number = atoi(strrchr(entry->path, '/') + 1);
	int sock, err = 0;

	if (pidfd < 0)
		return -errno;
	sock = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (sock < 0)
		err = errno == EBADF ? -ESTALE : -errno;
	close(pidfd);
	if (err)
		return err;
	*ret_fd = ioctl(sock, SIOCGSKNS);
	if (*ret_fd < 0)
		err = errno == ENOTTY || errno == EINVAL ? -ESTALE : -errno;
	close(sock);
	return err;
}

int netns__open_entry(const struct netns_entry *entry, int *ret_fd)
{
	uint64_t inode = 0;
	int fd = -1, err;

	err = entry->of_socket ? open_of_socket(entry, &fd) : open_netns(entry->path, &fd);
	if (err)
		return err;
	err = netns__inode(fd, &inode);
	if (!err && inode != entry->inode)
		err = -ESTALE;
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int netns__open_inode(uint64_t inode, int *ret_fd)
{
	struct netns_list list;
	int err = netns__list_all(&list), opened = -ENOENT;

	if (err)
		return err;
	for (size_t i = 0; i < list.n && opened; i++) {
		if (list.entries[i].inode == inode)
			opened = netns__open_entry(&list.entries[i], ret_fd);
	}
	netns_list__free(&list);
	return opened;
}

void netns_list__free(struct netns_list *list)
{
	size_t i;

	if (!list)
		return;
	for (i = 0; i < list->n; i++) {
		free(list->entries[i].name);
		free(list->entries[i].path);
	}
	free(list->entries);
	*list = (struct netns_list){0};
}

static char *name_in(const char *dir_path, uint64_t inode, dev_t nsfs)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;
	char *name = NULL;
	struct stat st;

	if (!dir)
		return NULL;
	while (!name && (entry = readdir(dir))) {
		if (is_name(entry->d_name) && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
		    st.st_dev == nsfs && st.st_ino == inode)
			name = strdup(entry->d_name);
	}
	closedir(dir);
	return name;
}

char *netns__name_of(uint64_t inode)
{
	char *name = NULL;
	struct stat own;
	size_t i;

	if (stat("/proc/self/ns/net", &own)) /* for the device of nsfs: inodes are its own */
		return NULL;
	for (i = 0; i < N_NAME_DIRS && !name; i++)
		name = name_in(name_dirs[i], inode, own.st_dev);
	return name;
}
