// SPDX-License-Identifier: GPL-2.0-only
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "sanitized.h"
#include "syscalls.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* By name: an architecture that lacks one (arm64 has no stat) goes without. */
static const char *const plain[] = {
	/* what is open, and memory */
	"read",
	"pread64",
	"readv",
	"write",
	"writev",
	"close",
	"lseek",
	"fstat",
	"fsync",
	"fdatasync",
	"ftruncate",
	"dup",
	"flock",
	"fcntl",
	"brk",
	"munmap",
	"mremap",
	"madvise",
	/* names: looked at, and what is one's own removed at the end */
	"stat",
	"lstat",
	"newfstatat",
	"fstatat64",
	"statx",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getdents64",
	"unlink",
	"unlinkat",
	"rmdir",
	"statfs",
	"fstatfs",
	/* events and time */
	"poll",
	"ppoll",
	"epoll_wait",
	"epoll_pwait",
	"epoll_ctl",
	"timerfd_settime",
	"clock_gettime",
	"clock_getres",
	"clock_nanosleep",
	"nanosleep",
	"gettimeofday",
	"restart_syscall",
	/* oneself */
	"getpid",
	"gettid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"capget",
	"uname",
	"getrandom",
	"sched_getaffinity",
	"sched_yield",
	"futex",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigaltstack",
	"wait4",
	"waitid",
	"exit",
	"exit_group",
	"prlimit64",
	"getrlimit",
	"rseq",
	"sysinfo",
	/* netlink, and sockets that stay unbound */
	"getsockopt",
	"getsockname",
	"recvfrom",
	"recvmsg",
	"shutdown",
	/* the socket of a process that alone keeps a network namespace */
	"pidfd_open",
	"pidfd_getfd",
};

/* With --metrics: a new file beside the old one, then its name. */
static const char *const writing[] = {
	"open", "openat", "rename", "renameat", "renameat2", "fchmod", "mkstemp",
};

/* Nothing of ours: whoever calls these has taken the process over. */
static const char *const deadly[] = {
	"execve",     "execveat",     "fork",
	"vfork",      "clone3",	      "init_module",
	"kexec_load", "finit_module", "process_vm_writev",
	"mount",      "umount2",      "pivot_root",
	"chroot",
};

/*
 * Likewise deadly, unless SANITIZED: then leaks are looked for at the end, by a clone that stops
 * the process.
 */
static const char *const stopping[] = {"clone", "ptrace"};

/* More that is used where SANITIZED. */
static const char *const checking[] = {"prctl", "tgkill", "pipe2", "getppid", "getdents"};

static const unsigned commands[] = {
	BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM,	  BPF_MAP_GET_NEXT_KEY,
	BPF_PROG_TEST_RUN,   BPF_ITER_CREATE,	  BPF_OBJ_GET_INFO_BY_FD,
};

static const unsigned long requests[] = {
	NS_GET_USERNS, NS_GET_PARENT, NS_GET_NSTYPE,	      NS_GET_OWNER_UID, SIOCGSKNS,
	SIOCGIFNAME,   SIOCGIFINDEX,  PERF_EVENT_IOC_DISABLE, TCGETS,
};

static const int families[] = {AF_INET, AF_INET6, AF_NETLINK, AF_UNIX};

static int rule(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned n,
		const struct scmp_arg_cmp *args)
{
	int number = seccomp_syscall_resolve_name(name), err;

	if (number == __NR_SCMP_ERROR)
		return 0; /* newer than the library */
	err = seccomp_rule_add_array(filter, action, number, n, args);
	return err == -EDOM ? 0 : err; /* not on this architecture */
}

static int rules(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = rule(filter, action, names[i], 0, NULL);
	return err;
}

static int allow_if(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp condition)
{
	return rule(filter, SCMP_ACT_ALLOW, name, 1, &condition);
}

static int allow_opening(scmp_filter_ctx filter)
{
	const uint64_t flags = O_ACCMODE | O_CREAT | O_TRUNC;
	const struct scmp_arg_cmp second = SCMP_A1(SCMP_CMP_MASKED_EQ, flags, O_RDONLY);
	const struct scmp_arg_cmp third = SCMP_A2(SCMP_CMP_MASKED_EQ, flags, O_RDONLY);
	int err = allow_if(filter, "openat", third);

	return err ?: allow_if(filter, "open", second);
}

/* Nothing becomes code. */
static int allow_mapping(scmp_filter_ctx filter)
{
	int err = allow_if(filter, "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return err ?: allow_if(filter, "mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/* A wait for the kernel's grace period, and nothing else that membarrier() can do. */
static int allow_barrier(scmp_filter_ctx filter)
{
	return allow_if(filter, "membarrier", SCMP_A0(SCMP_CMP_EQ, MEMBARRIER_CMD_GLOBAL));
}

static int allow_partly(scmp_filter_ctx filter)
{
	int err = allow_mapping(filter);

	if (!err)
		err = allow_barrier(filter);
	for (size_t i = 0; i < N(commands) && !err; i++)
		err = allow_if(filter, "bpf", SCMP_A0(SCMP_CMP_EQ, commands[i]));
	for (size_t i = 0; i < N(requests) && !err; i++)
		err = allow_if(filter, "ioctl",
			       SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
	for (size_t i = 0; i < N(families) && !err; i++)
		err = allow_if(filter, "socket", SCMP_A0(SCMP_CMP_EQ, families[i]));
	/* To the kernel, or to where the socket is connected: no other address. */
	if (!err)
		err = allow_if(filter, "sendto", SCMP_A4(SCMP_CMP_EQ, 0));
	/* a cgroup by its number */
	if (!err)
		err = allow_if(filter, "open_by_handle_at",
			       SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDONLY));
	if (!err)
		err = allow_if(filter, "setns", SCMP_A1(SCMP_CMP_EQ, CLONE_NEWNET));
	return err;
}

static int allow_signal(scmp_filter_ctx filter, pid_t command)
{
	const struct scmp_arg_cmp args[] = {
		SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)command),
		SCMP_A1(SCMP_CMP_EQ, SIGTERM),
	};

	return rule(filter, SCMP_ACT_ALLOW, "kill", 2, args);
}

static int fill(scmp_filter_ctx filter, bool writes_files, pid_t command)
{
	int err = rules(filter, SCMP_ACT_ALLOW, plain, N(plain));

	if (!err)
		err = rules(filter, SCMP_ACT_KILL_PROCESS, deadly, N(deadly));
	if (!err)
		err = rules(filter, SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS, stopping,
			    N(stopping));
	if (!err && SANITIZED)
		err = rules(filter, SCMP_ACT_ALLOW, checking, N(checking));
	if (!err)
		err = allow_partly(filter);
	if (!err)
		err = writes_files ? rules(filter, SCMP_ACT_ALLOW, writing, N(writing))
				   : allow_opening(filter);
	if (!err && command)
		err = allow_signal(filter, command);
	return err;
}

int syscalls__confine(bool writes_files, pid_t command)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = fill(filter, writes_files, command);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
