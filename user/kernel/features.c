// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "features.h"
#include "permission.h"

#define OWN_BTF "/sys/kernel/btf/vmlinux"

static const struct btf_type *find_func_proto(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	const struct btf_type *func;

	if (id < 0)
		return NULL;
	func = btf__type_by_id(btf, id);
	return func ? btf__type_by_id(btf, func->type) : NULL;
}

static bool has_member(const struct btf *btf, const char *name, const char *member)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
	const struct btf_type *type = id < 0 ? NULL : btf__type_by_id(btf, id);
	const struct btf_member *members = type ? btf_members(type) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++) {
		if (!strcmp(btf__name_by_offset(btf, members[i].name_off), member))
			return true;
	}
	return false;
}

/* Number of arguments, 0: there is no such function (or it takes none, which none of ours does). */
static int count_args(const struct btf *btf, const char *name)
{
	const struct btf_type *proto = find_func_proto(btf, name);

	return proto ? btf_vlen(proto) : 0;
}

static void read_hooks(const struct btf *btf, struct features *ret)
{
	ret->bind_conflict_args = count_args(btf, "inet_csk_bind_conflict");
	ret->has_addr_any = count_args(btf, "inet_bhash2_addr_any_conflict");
	ret->has_pair = count_args(btf, "inet_bind_conflict");
	ret->listen_start_args = count_args(btf, "inet_csk_listen_start");
	ret->hash_connect_args = count_args(btf, "__inet_hash_connect");
	ret->cgroup_addr_args = count_args(btf, "__cgroup_bpf_run_filter_sock_addr");
	ret->has_inet_bind = count_args(btf, "__inet_bind") && count_args(btf, "__inet6_bind");
	ret->has_sctp = count_args(btf, "inet_bind") && count_args(btf, "inet6_bind") &&
			!access("/sys/module/sctp", F_OK);
	ret->has_ping = count_args(btf, "ping_bind");
	ret->has_security = count_args(btf, "security_socket_bind") &&
			    count_args(btf, "security_socket_connect");
	ret->has_autobind = count_args(btf, "inet_autobind");
	ret->has_close = count_args(btf, "tcp_close") && count_args(btf, "inet_twsk_alloc") &&
			 count_args(btf, "inet_twsk_kill") &&
			 count_args(btf, "tcp_v4_destroy_sock");
	ret->has_udp_get_port = count_args(btf, "udp_lib_get_port");
}

static void read_btf(const struct btf *btf, struct features *ret)
{
	read_hooks(btf, ret);
	ret->nested_buckets = has_member(btf, "inet_bind_bucket", "bhash2");
	/* 6.17 (e84a4927a404 "net: annotate races around sk->sk_uid") dropped sock_i_uid(). */
	ret->rules.uid_from_sock = !find_func_proto(btf, "sock_i_uid");
	/* 6.1 (28044fc1d495 "net: Add a bhash2 table hashed by port and address"). */
	ret->rules.hash2 = btf__find_by_name_kind(btf, "inet_bind2_bucket", BTF_KIND_STRUCT) > 0;
	/*
	 * The BTF of 5.10 on arm64 has no static functions. The fifth argument, the address bucket,
	 * came with those.
	 */
	ret->kprobe_args = ret->bind_conflict_args ?: ret->rules.hash2 ? 5 : 4;
	ret->rules.mapped_any_quirk = ret->rules.hash2 && !ret->nested_buckets;
	ret->rules.closed_group_usable = has_member(btf, "sock_reuseport", "num_closed_socks");
}

/* A program of two instructions: tells "not permitted" from "not built in". */
static enum features_lack try_load(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns, 2, NULL);

	if (fd >= 0) {
		close(fd);
		return permission__is_locked_down() ? LACK_LOCKDOWN : LACK_NOTHING;
	}
	if (fd == -EPERM || fd == -EACCES || (fd == -ENOSYS && permission__has_seccomp()))
		return LACK_PERMISSION;
	return LACK_TRACING;
}

static int64_t tick_length_ns(void)
{
	struct timespec ts;

	/* The coarse clocks advance once a tick: their resolution is the tick (KTIME_LOW_RES). */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &ts) || ts.tv_sec || !ts.tv_nsec)
		return 4000000;
	return ts.tv_nsec;
}

int features__probe(const char *btf_path, struct features *ret)
{
	struct utsname uts;
	struct btf *btf;
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->btf_path = btf_path;
	ret->tick_ns = tick_length_ns();
	if (!uname(&uts))
		snprintf(ret->release, sizeof(ret->release), "%s", uts.release);

	errno = 0;
	btf = btf_path ? btf__parse(btf_path, NULL) : btf__load_vmlinux_btf();
	err = libbpf_get_error(btf);
	if (err && btf_path)
		return err;
	if (!err) {
		read_btf(btf, ret);
		btf__free(btf);
	}
	ret->lack = try_load();
	if (!ret->lack && err)
		ret->lack = LACK_BTF;
	return 0;
}

static const char *btf_lack_text(void)
{
	int fd = open(OWN_BTF, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	else if (errno != ENOENT)
		return "no type information of this kernel: " OWN_BTF
		       " may not be read; permit it, or give a copy with --btf FILE";
	return "no type information of this kernel: there is no " OWN_BTF
	       "; mount /sys if that is missing, or give the file with --btf FILE";
}

const char *features__lack_text(enum features_lack lack)
{
	switch (lack) {
	case LACK_PERMISSION:
		return permission__why();
	case LACK_LOCKDOWN:
		return "not permitted: kernel lockdown is at \"confidentiality\", where BPF reads "
		       "no "
		       "kernel memory; boot with lockdown=integrity, which is no obstacle";
	case LACK_TRACING:
		return "this kernel has no BPF tracing programs (CONFIG_BPF_EVENTS); boot a kernel "
		       "that has them, every Debian kernel does";
	case LACK_BTF:
		return btf_lack_text();
	case LACK_NOTHING:
		break;
	}
	return NULL;
}
