/* SPDX-License-Identifier: GPL-2.0-only */
/* One fd on a socket that was asked for, as owner.bpf.c writes it. */
#ifndef BINDTRACE_OWNER_WIRE_H
#define BINDTRACE_OWNER_WIRE_H

#include "wire.h"

#define WIRE_OWNER	  16	/* a wire_kind, clear of those of wire.h */
#define WIRE_OWNER_WANTED 32768 /* inodes asked for in one run of the iterator */

struct wire_owner {
	struct wire_header header;
	__u64 inode;
	__u64 start_ns; /* CLOCK_BOOTTIME of the process's start: its pid may soon be another's */
	__u32 pid;	/* thread group id, in the pid namespace of the reader */
	__u32 fd;
	__s32 opener; /* -1 unknown, 0 no, 1 yes; see owner.bpf.c */
	__u32 pad;
	__u8 comm[WIRE_COMM_LEN]; /* of the thread group leader */
};

_Static_assert(sizeof(struct wire_owner) == 56, "wire_owner");
_Static_assert(__builtin_offsetof(struct wire_owner, comm) == 40, "wire_owner.comm");

#endif
