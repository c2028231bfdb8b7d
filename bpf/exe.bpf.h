/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The path of a process's executable, component by component: bpf_d_path() may not be
 * called from these hooks. The way up is that of prepend_path() in fs/d_path.c, without its locks:
 * a rename meanwhile can mix old and new names, as in any reader of /proc.
 */
#ifndef BINDTRACE_EXE_BPF_H
#define BINDTRACE_EXE_BPF_H

#include "compat.bpf.h"
#include "wire.h"

#define EXE_MAX_STEPS 32 /* components and mount points */

struct exe_path {
	__u8 names[WIRE_EXE_LEN];
	__u8 overrun[WIRE_NAME_LEN]; /* a name may begin at the last byte of names[] */
	__u64 dentry;
	__u64 mount;
	__u32 len;
	__u32 complete;
};

static __always_inline void exe__begin(struct exe_path *exe, struct task_struct *task)
{
	struct file *file = BPF_CORE_READ(task, mm, exe_file);

	exe->len = 0;
	exe->complete = 0;
	exe->dentry = (__u64)BPF_CORE_READ(file, f_path.dentry);
	exe->mount = (__u64)core_container_of(BPF_CORE_READ(file, f_path.mnt), struct mount, mnt);
}

/* From the root of a mount to where it is mounted. False at the top. */
static __always_inline bool exe__cross_mount(struct exe_path *exe, struct mount *mount)
{
	struct mount *up = BPF_CORE_READ(mount, mnt_parent);

	if (up == mount) {
		exe->complete = 1;
		return false;
	}
	exe->dentry = (__u64)BPF_CORE_READ(mount, mnt_mountpoint);
	exe->mount = (__u64)up;
	return true;
}

/* One component, or one mount point. False when it is over. */
static __always_inline bool exe__step(struct exe_path *exe)
{
	struct dentry *dentry = (struct dentry *)exe->dentry;
	struct mount *mount = (struct mount *)exe->mount;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	__u64 at = exe->len;
	long n;

	if (!dentry || !parent)
		return false;
	if (dentry == parent || dentry == BPF_CORE_READ(mount, mnt.mnt_root))
		return exe__cross_mount(exe, mount);
	if (at >= WIRE_EXE_LEN)
		return false;
	/* The compiler knows that it fits; the verifier of 5.10 wants to see it. */
	asm volatile("%0 &= %1" : "+r"(at) : "i"(WIRE_EXE_LEN - 1));
	n = bpf_probe_read_kernel_str(exe->names + at, WIRE_NAME_LEN,
				      BPF_CORE_READ(dentry, d_name.name));
	if (n <= 0 || n >= WIRE_NAME_LEN)
		return false;
	exe->len += n;
	exe->dentry = (__u64)parent;
	return exe->len <= WIRE_EXE_LEN;
}

#endif
