// SPDX-License-Identifier: GPL-2.0-only
/* The fd tables as /proc shows them: for kernels, or privileges, without the iterator. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../array.h"
#include "owner.h"

#define INIT_PID_NS_INODE 4026531836u /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

struct scan {
	const uint64_t *inodes; /* sorted */
	size_t n;
	struct owner_hits *hits;
	bool complete;
};

int owner__add_hit(struct owner_hits *hits, uint64_t inode, int pid, int fd, enum tri opener)
{
	struct owner_hit *all = array__room(hits->hits, hits->n, &hits->cap, sizeof(*all));

	if (!all)
		return -ENOMEM;
	hits->hits = all;
	all[hits->n++] = (struct owner_hit){
		.inode = inode,
		.pid = pid,
		.fd = fd,
		.opener = opener,
	};
	return 0;
}

void owner_hits__free(struct owner_hits *hits)
{
	if (!hits)
		return;
	free(hits->hits);
	*hits = (struct owner_hits){0};
}

static bool is_wanted(const struct scan *scan, uint64_t inode)
{
	size_t low = 0, high = scan->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (scan->inodes[mid] < inode)
			low = mid + 1;
		else
			high = mid;
	}
	return low < scan->n && scan->inodes[low] == inode;
}

/* Decimal digits only, all of the string, into *ret. */
static bool parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned int digit = (unsigned char)*text - '0';

		if (digit > 9 || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

static bool parse_pid(const char *name, int *ret)
{
	uint64_t value;

	if (!parse_number(name, INT32_MAX, &value) || value == 0)
		return false;
	*ret = value;
	return true;
}

/* "socket:[123]" */
static bool parse_socket_link(char *link, uint64_t *ret)
{
	static const char prefix[] = "socket:[";
	size_t len = strlen(link);

	if (strncmp(link, prefix, sizeof(prefix) - 1) || link[len - 1] != ']')
		return false;
	link[len - 1] = '\0';
	return parse_number(link + sizeof(prefix) - 1, UINT64_MAX, ret);
}

/* Gone is not a gap: a process that has exited, an fd that was closed. */
static bool is_gone(int err)
{
	return err == ENOENT || err == ESRCH;
}

static DIR *open_dir(struct scan *scan, int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd < 0) {
		if (!is_gone(errno))
			scan->complete = false;
		return NULL;
	}
	dir = fdopendir(fd);
	if (!dir) {
		scan->complete = false;
		close(fd);
	}
	return dir;
}

/* stat: from that directory, whose process cannot become another one. */
static int scan_fd(struct scan *scan, int dir_fd, const char *name, int pid, const char *stat)
{
	int err;
	char link[64];
	uint64_t inode, fd;
	ssize_t len;

	if (!parse_number(name, INT32_MAX, &fd))
		return 0;
	len = readlinkat(dir_fd, name, link, sizeof(link) - 1);
	if (len < 0) {
		if (!is_gone(errno))
			scan->complete = false;
		return 0;
	}
	link[len] = '\0';
	if (!parse_socket_link(link, &inode) || !is_wanted(scan, inode))
		return 0;
	err = owner__add_hit(scan->hits, inode, pid, fd, TRI_UNKNOWN);
	if (!err)
		scan->hits->hits[scan->hits->n - 1].start_ns = proc_info__start_ns(dir_fd, stat);
	return err;
}

static struct dirent *next_entry(struct scan *scan, DIR *dir)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	if (!entry && errno && !is_gone(errno))
		scan->complete = false;
	return entry;
}

/* ret_any: the table had an fd in it. */
static int scan_table(struct scan *scan, int proc_fd, const char *path, int pid, const char *stat,
		      bool *ret_any)
{
	DIR *dir = open_dir(scan, proc_fd, path);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return 0;
	while (!err && (entry = next_entry(scan, dir))) {
		if (entry->d_name[0] == '.')
			continue;
		*ret_any = true;
		err = scan_fd(scan, dirfd(dir), entry->d_name, pid, stat);
	}
	closedir(dir);
	return err;
}

/*
 * A main thread that has called pthread_exit() is a zombie with no fd table, while the other
 * threads go on with theirs: ask the first one that has any.
 */
static int scan_threads(struct scan *scan, int proc_fd, int pid)
{
	char path[64];
	struct dirent *entry;
	bool any = false;
	int tid, err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%d/task", pid);
	dir = open_dir(scan, proc_fd, path);
	if (!dir)
		return 0;
	while (!err && !any && (entry = next_entry(scan, dir))) {
		if (!parse_pid(entry->d_name, &tid) || tid == pid)
			continue;
		snprintf(path, sizeof(path), "%d/task/%d/fd", pid, tid);
		err = scan_table(scan, proc_fd, path, pid, "../../../stat", &any);
	}
	closedir(dir);
	return err;
}

static int scan_process(struct scan *scan, int proc_fd, int pid)
{
	bool any = false;
	char path[32];
	int err;

	snprintf(path, sizeof(path), "%d/fd", pid);
	err = scan_table(scan, proc_fd, path, pid, "../stat", &any);
	if (err || any)
		return err;
	return scan_threads(scan, proc_fd, pid);
}

/*
 * Can this /proc show every process? Not from inside a pid namespace, nor where it is mounted with
 * hidepid, which hides other users' processes, pid 1 among them.
 */
static bool sees_everything(int proc_fd)
{
	struct stat st;

	if (fstatat(proc_fd, "self/ns/pid", &st, 0))
		return true; /* no ns links (a /proc of the tests): nothing speaks against it */
	return st.st_ino == INIT_PID_NS_INODE && fstatat(proc_fd, "1", &st, 0) == 0;
}

int owner__scan_proc(void *ctx, const uint64_t *inodes, size_t n, struct owner_hits *hits)
{
	const struct owner_source *source = ctx;
	struct scan scan = {.inodes = inodes, .n = n, .hits = hits, .complete = true};
	struct dirent *entry;
	int pid, err = 0;
	DIR *dir;

	dir = opendir(source->proc_root);
	if (!dir)
		return -errno;
	scan.complete = sees_everything(dirfd(dir));
	while (!err && (entry = next_entry(&scan, dir))) {
		if (parse_pid(entry->d_name, &pid))
			err = scan_process(&scan, dirfd(dir), pid);
	}
	closedir(dir);
	if (!err)
		hits->complete = scan.complete;
	return err;
}
