/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets to processes: who holds each socket of a snapshot.
 *
 * Looked up once for all sockets asked about. The scan finds (inode, pid, fd); describing a process
 * (comm, exe, cgroup, unit, container) reads /proc once per process.
 */
#ifndef BINDTRACE_OWNER_OWNER_H
#define BINDTRACE_OWNER_OWNER_H

#include "../model/snapshot.h"

/* One fd on one of the inodes asked for. */
struct owner_hit {
	uint64_t inode;
	int pid; /* thread group id */
	int fd;
	enum tri opener;   /* task->real_cred == file->f_cred; TRI_UNKNOWN from /proc */
	char comm[16];	   /* at the time of the scan; "" when the scan does not see it */
	uint64_t start_ns; /* of the process, CLOCK_BOOTTIME; 0: not known */
};

struct owner_hits {
	struct owner_hit *hits;
	size_t n, cap;
	bool complete; /* every process's fd table could be read */
};

/*
 * Finds every (pid, fd) on the sorted inodes. Implementations: owner__scan_proc() here, the
 * task_file iterator in user/kernel/. 0 or -errno; hits is appended to.
 */
typedef int (*owner_scan_fn)(void *ctx, const uint64_t *inodes, size_t n, struct owner_hits *hits);

struct owner_source {
	owner_scan_fn scan; /* NULL: owner__scan_proc */
	void *ctx;
	const char *proc_root;	 /* "/proc"; tests give a directory of their own */
	const char *cgroup_root; /* "/sys/fs/cgroup" */
};

/* Appends a hit with an empty comm. 0 or -ENOMEM. */
int owner__add_hit(struct owner_hits *hits, uint64_t inode, int pid, int fd, enum tri opener);
void owner_hits__free(struct owner_hits *hits); /* what it holds, not hits itself; accepts NULL */
/* Scans proc_root/PID/fd for socket:[inode]; sets hits->complete. ctx is a struct owner_source. */
int owner__scan_proc(void *ctx, const uint64_t *inodes, size_t n, struct owner_hits *hits);

/*
 * Looks up the holders of the sockets of snap whose index is in socks (NULL: all), fills
 * snap->procs, snap->holds, snap->owners_known and each socket's holder class. 0 or -ENOMEM; what
 * cannot be read stays unknown.
 */
int owner__lookup(const struct owner_source *source, struct snapshot *snap, const uint32_t *socks,
		  size_t n);

/* Fills exe, uid, cgroup, unit, container, session_leader (and comm if NULL) of proc->pid, as far
 * as it is still there. What is filled already is kept. 0 or -ENOMEM.
 */
int proc_info__read(const struct owner_source *source, struct proc_info *proc);
/*
 * Likewise, but only of the process that was started then (CLOCK_BOOTTIME; 0: whichever): the pid
 * may be another's by now.
 */
int proc_info__read_started(const struct owner_source *source, struct proc_info *proc,
			    uint64_t start_ns);

/*
 * When the process was started (CLOCK_BOOTTIME, in whole ticks of the clock), out of its stat file.
 * 0: not readable.
 */
uint64_t proc_info__start_ns(int dir_fd, const char *stat);

/* The cgroup v2 path of a cgroup id ("/system.slice/x.service"), malloc'ed; NULL when unknown. */
char *cgroup__path_of_id(const struct owner_source *source, uint64_t id);
/* systemd unit and container id out of a cgroup path; malloc'ed or NULL (none, or no memory). */
char *cgroup__unit(const char *path);
char *cgroup__container(const char *path);

/*
 * The text formats of /proc behind proc_info__read(), apart for the tests and the fuzzer. `text`
 * has len bytes of anything and need not end in NUL. Nothing is touched where the text does not
 * say.
 */
int proc_parse__stat_session(const char *text, size_t len, int pid, enum tri *ret_leader);
int proc_parse__stat_start(const char *text, size_t len, uint64_t *ret_ticks);
int proc_parse__status_uid(const char *text, size_t len, uint32_t *ret_uid);
/* The path of the unified hierarchy ("0::"), else of systemd's own ("name=systemd"). */
char *proc_parse__cgroup(const char *text, size_t len);

#endif
