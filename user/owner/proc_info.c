// SPDX-License-Identifier: GPL-2.0-only
/* What /proc says about one process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../clock.h"
#include "owner.h"

#define MAX_FILE (256 * 1024) /* of one file of /proc; nothing read here comes near it */

struct content {
	char *data; /* NUL behind the last byte */
	size_t len;
};

/* 0, -ENOMEM, or another -errno: not readable. */
static int read_file(int dir_fd, const char *name, struct content *ret)
{
	struct content file = {NULL, 0};
	size_t cap = 0;
	ssize_t got;
	int err = 0;
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	do {
		if (cap - file.len < 2) {
			char *grown = realloc(file.data, cap = cap ? cap * 2 : 4096);

			if (!grown) {
				err = -ENOMEM;
				break;
			}
			file.data = grown;
		}
		got = read(fd, file.data + file.len, cap - file.len - 1);
		if (got < 0)
			err = -errno;
		else
			file.len += got;
	} while (got > 0 && file.len < MAX_FILE);
	close(fd);
	if (err) {
		free(file.data);
		return err;
	}
	file.data[file.len] = '\0';
	*ret = file;
	return 0;
}

/* Only the newline that the kernel puts behind it: comm itself may hold any byte but NUL. */
static int read_comm(int dir_fd, struct proc_info *proc)
{
	struct content file = {NULL, 0};
	int err = read_file(dir_fd, "comm", &file);

	if (err)
		return err;
	if (file.len && file.data[file.len - 1] == '\n')
		file.data[file.len - 1] = '\0';
	proc->comm = file.data;
	return 0;
}

/* " (deleted)" stays: it says that the program was replaced while it runs. */
static int read_exe(int dir_fd, struct proc_info *proc)
{
	size_t cap = 256;
	char *exe = NULL, *grown;
	ssize_t len;
	int err;

	do {
		grown = realloc(exe, cap *= 2);
		if (!grown) {
			err = -ENOMEM;
			goto out;
		}
		exe = grown;
		len = readlinkat(dir_fd, "exe", exe, cap);
		if (len < 0) {
			err = -errno;
			goto out;
		}
	} while ((size_t)len == cap);
	exe[len] = '\0';
	proc->exe = exe;
	return 0;
out:
	free(exe);
	return err;
}

static int read_uid(int dir_fd, struct proc_info *proc)
{
	struct content file = {NULL, 0};
	int err = read_file(dir_fd, "status", &file);

	if (err)
		return err;
	proc->uid_known = proc_parse__status_uid(file.data, file.len, &proc->uid) == 0;
	free(file.data);
	return 0;
}

static int read_session(int dir_fd, struct proc_info *proc)
{
	struct content file = {NULL, 0};
	int err = read_file(dir_fd, "stat", &file);

	if (err)
		return err;
	if (proc_parse__stat_session(file.data, file.len, proc->pid, &proc->session_leader))
		proc->session_leader = TRI_UNKNOWN;
	free(file.data);
	return 0;
}

static int read_cgroup(int dir_fd, struct proc_info *proc)
{
	struct content file = {NULL, 0};
	int err = read_file(dir_fd, "cgroup", &file);

	if (err)
		return err;
	proc->cgroup = proc_parse__cgroup(file.data, file.len);
	free(file.data);
	return 0;
}

/* Reads what is missing, stops only for want of memory. */
static int read_missing(int dir_fd, struct proc_info *proc)
{
	const struct {
		bool have;
		int (*read)(int dir_fd, struct proc_info *proc);
	} parts[] = {
		{proc->comm, read_comm},     {proc->exe, read_exe},
		{proc->uid_known, read_uid}, {proc->session_leader != TRI_UNKNOWN, read_session},
		{proc->cgroup, read_cgroup},
	};
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!parts[i].have && parts[i].read(dir_fd, proc) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

static uint64_t proc_tick_ns(void)
{
	return 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t proc_info__start_ns(int dir_fd, const char *stat)
{
	struct content file = {NULL, 0};
	uint64_t ticks;
	int err = read_file(dir_fd, stat, &file);

	if (err)
		return 0;
	err = proc_parse__stat_start(file.data, file.len, &ticks);
	free(file.data);
	return err ? 0 : ticks * proc_tick_ns() - (uint64_t)clock__boot_offset_ns();
}

/*
 * /proc counts in ticks of the clock, rounded down (nsec_to_clock_t()). 5.10 does not add what a
 * time namespace has.
 */
static bool started_at(int dir_fd, uint64_t start_ns)
{
	uint64_t told_ns = proc_info__start_ns(dir_fd, "stat");
	uint64_t as_told_ns = told_ns + (uint64_t)clock__boot_offset_ns();

	return start_ns - told_ns < proc_tick_ns() || start_ns - as_told_ns < proc_tick_ns();
}

int proc_info__read(const struct owner_source *source, struct proc_info *proc)
{
	return proc_info__read_started(source, proc, 0);
}

int proc_info__read_started(const struct owner_source *source, struct proc_info *proc,
			    uint64_t start_ns)
{
	char path[32];
	int root_fd, dir_fd, err = 0;

	root_fd = open(source->proc_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%d", proc->pid);
	/* One handle for all files: a pid that is given to another process does not mix the two. */
	dir_fd = root_fd < 0 ? -1 : openat(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd >= 0) {
		if (!start_ns || started_at(dir_fd, start_ns))
			err = read_missing(dir_fd, proc);
		close(dir_fd);
	}
	if (root_fd >= 0)
		close(root_fd);
	if (!err && proc->cgroup) {
		if (!proc->unit)
			proc->unit = cgroup__unit(proc->cgroup);
		if (!proc->container)
			proc->container = cgroup__container(proc->cgroup);
	}
	return err;
}
