// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "permission.h"
#include "pidns.h"

#ifndef CAP_PERFMON /* 5.8 */
#define CAP_PERFMON 38
#define CAP_BPF	    39
#endif

#define PROC_USER_INIT_INO 0xEFFFFFFDu /* include/linux/proc_ns.h: on every kernel */

/* A line of /proc/self/status, without its name. */
static bool read_status(const char *name, char *buf, size_t size)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t len = strlen(name);
	char line[256];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, name, len);
	fclose(file);
	if (found)
		snprintf(buf, size, "%s", line + len);
	return found;
}

/* As the container has left them: capget() leaves out those that AppArmor denies as well. */
static uint64_t effective_capabilities(void)
{
	char text[64];

	return read_status("CapEff:", text, sizeof(text)) ? strtoull(text, NULL, 16) : 0;
}

static bool has(uint64_t set, int capability)
{
	return set >> capability & 1;
}

/* In a namespace other than the first one; false where /proc does not tell. */
static bool is_in_other(const char *path, unsigned int first)
{
	struct stat st;

	return !stat(path, &st) && st.st_ino != first;
}

bool permission__in_container(void)
{
	return is_in_other("/proc/self/ns/pid", PIDNS_INITIAL_INODE);
}

bool permission__in_other_netns(void)
{
	/* register_net_sysctl(&init_net, ...) of net/core: shown in the first namespace only. */
	return !access("/proc/sys/net/core", F_OK) &&
	       access("/proc/sys/net/core/netdev_budget", F_OK);
}

static bool read_line(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");
	bool done = file && fgets(buf, (int)size, file);

	if (file)
		fclose(file);
	if (done)
		buf[strcspn(buf, "\n")] = '\0';
	return done;
}

bool permission__has_seccomp(void)
{
	char text[64];

	return read_status("Seccomp:", text, sizeof(text)) && strtol(text, NULL, 10) == 2;
}

/* 0, or -errno of a map of that size. */
static int try_map(rlim_t pages)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 4096, pages, NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/*
 * To 5.10 the kernel counts BPF's memory against the limit: a small map passes, one just larger
 * than the limit does not.
 */
bool permission__is_memlock_short(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur > 256u << 20)
		return false;
	return try_map(limit.rlim_cur / 4096 + 1) == -EPERM && !try_map(1);
}

/* With a helper that reads kernel memory: lockdown_reasons[LOCKDOWN_BPF_READ_KERNEL]. */
bool permission__is_locked_down(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 10},
		/* NOLINTNEXTLINE(misc-redundant-expression): parts of an opcode, two of them 0 */
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 1, .imm = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	if (fd >= 0)
		close(fd);
	return fd == -EINVAL; /* a helper that the verifier is not given */
}

/* The label of a security module that confines this process, or "". */
static void read_label(char *buf, size_t size)
{
	if (!read_line("/proc/self/attr/current", buf, size) || !strcmp(buf, "unconfined"))
		buf[0] = '\0';
}

/* The capabilities are there, and it was refused all the same: by whom? */
static const char *name_policy(char *buf, size_t size)
{
	char label[128] = "";

	if (permission__is_memlock_short())
		return "not permitted to use BPF: RLIMIT_MEMLOCK is too small for this kernel; "
		       "raise it with `ulimit -l unlimited` (in a unit: LimitMEMLOCK=infinity)";
	if (permission__has_seccomp())
		return "not permitted to use BPF: a seccomp filter refuses bpf(); run on the host, "
		       "or start the container with --security-opt seccomp=unconfined";
	read_label(label, sizeof(label));
	if (*label && !access("/sys/fs/selinux/enforce", F_OK))
		snprintf(buf, size,
			 "not permitted to use BPF: SELinux refuses it to %s; `ausearch -m avc` "
			 "shows the rule that is missing",
			 label);
	else if (*label)
		snprintf(buf, size,
			 "not permitted to use BPF: the AppArmor profile %s refuses it; `dmesg` "
			 "shows the rule that is missing",
			 label);
	else
		snprintf(buf, size,
			 "not permitted to use BPF although CAP_BPF and CAP_PERFMON are there: a "
			 "policy of this host refuses it; `dmesg` may name it");
	return buf;
}

const char *permission__why(void)
{
	static char text[512];
	uint64_t caps = effective_capabilities();
	bool bpf = has(caps, CAP_BPF) || has(caps, CAP_SYS_ADMIN);
	bool perfmon = has(caps, CAP_PERFMON) || has(caps, CAP_SYS_ADMIN);

	if (is_in_other("/proc/self/ns/user", PROC_USER_INIT_INO))
		return "not permitted to use BPF in a user namespace (a rootless container); run "
		       "as root on the host";
	if (bpf && perfmon)
		return name_policy(text, sizeof(text));
	if (!geteuid())
		return "not permitted to use BPF: this is root without CAP_BPF and CAP_PERFMON, as "
		       "in a container; run on the host, or start the container with --cap-add BPF "
		       "--cap-add PERFMON";
	if (bpf || perfmon)
		return bpf ? "not permitted to use BPF: CAP_BPF is there, CAP_PERFMON is missing; "
			     "run as root, or add it"
			   : "not permitted to use BPF: CAP_PERFMON is there, CAP_BPF is missing; "
			     "run as root, or add it";
	return "not permitted to use BPF; run as root (or with CAP_BPF and CAP_PERFMON)";
}
