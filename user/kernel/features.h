/* SPDX-License-Identifier: GPL-2.0-only */
/* What this kernel and this privilege allow. Found by asking, never by version number. */
#ifndef BINDTRACE_KERNEL_FEATURES_H
#define BINDTRACE_KERNEL_FEATURES_H

#include "../model/snapshot.h"

struct btf;

/* Why there is no BPF evidence, worst first; the message says what to do. */
enum features_lack {
	LACK_NOTHING = 0,
	LACK_PERMISSION, /* EPERM: not root, in a container, by a policy: see permission.h */
	LACK_LOCKDOWN,	 /* lockdown=confidentiality: whoever asks */
	LACK_TRACING,	 /* the kernel was built without BPF tracing programs */
	LACK_BTF,	 /* no /sys/kernel/btf/vmlinux and no --btf */
};

struct features {
	char release[65]; /* uname -r */
	enum features_lack lack;
	const char *btf_path; /* --btf, or NULL for the kernel's own; not owned */
	struct btf *types;    /* what the programs need of it, NULL: there is none */
	int types_fd;	      /* the same for libbpf; -1: all of it is to be read */
	char types_path[32];
	uint32_t iter_task_file_id; /* of bpf_iter_task_file() in the kernel's BTF, 0: not known */
	int64_t tick_ns;	    /* one jiffy */
	struct kernel_rules rules;
	bool nested_buckets;	/* 6.8: sockets hang off address buckets only */
	int bind_conflict_args; /* of inet_csk_bind_conflict(): 4 or 5; 0: not in the BTF */
	int kprobe_args;	/* the same where the BTF does not tell: kprobes go by its name */
	bool has_addr_any;	/* inet_bhash2_addr_any_conflict() */
	bool has_pair;		/* inet_bind_conflict(): the kernel names the pair */
	int listen_start_args;	/* of inet_csk_listen_start(): 2 (5.10) or 1 */
	int hash_connect_args;	/* of __inet_hash_connect(): 4, from 6.18 on 5 */
	int cgroup_addr_args;	/* of __cgroup_bpf_run_filter_sock_addr(): 4, 5 or 6 */
	bool has_inet_bind;	/* __inet_bind() and __inet6_bind() */
	bool has_sctp;		/* inet_bind(), inet6_bind(), and the module */
	bool has_ping;		/* ping_bind() */
	bool has_security;	/* security_socket_bind(), security_socket_connect() */
	bool has_autobind;	/* inet_autobind() */
	bool has_send_fin;	/* tcp_send_fin() */
	bool has_timewait; /* inet_twsk_alloc(), inet_twsk_kill(), tcp_timewait_state_process() */
};

/*
 * Fills *ret. 0 whatever is lacking (see lack); -errno only when --btf names a file that is no BTF.
 * btf_path is kept, not copied.
 */
int features__probe(const char *btf_path, struct features *ret);

void features__release(struct features *features); /* accepts NULL */

/* What libbpf is given as the kernel's types: open_opts' btf_custom_path. */
static inline const char *features__types(const struct features *features)
{
	return features->types_fd >= 0 ? features->types_path : features->btf_path;
}

/* Is it for want of permission, which another start may have? */
static inline bool features__is_refused(const struct features *features)
{
	return features->lack == LACK_PERMISSION || features->lack == LACK_LOCKDOWN;
}

/* One line for a user: what lacks and what to do about it. NULL for LACK_NOTHING. */
const char *features__lack_text(enum features_lack lack);

#endif
