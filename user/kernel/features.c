// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "features.h"
#include "permission.h"
#include "types.h"
#include "types_cache.h"

#define OWN_BTF "/sys/kernel/btf/vmlinux"

#ifndef MFD_NOEXEC_SEAL /* 6.3 */
#define MFD_NOEXEC_SEAL 8u
#endif

/* Functions of the kernel that tell what can be hooked, or what the kernel does. */
enum function {
	BIND_CONFLICT,
	ADDR_ANY_CONFLICT,
	PAIR_CONFLICT,
	LISTEN_START,
	HASH_CONNECT,
	CGROUP_ADDR,
	INET_BIND_CORE,
	INET6_BIND_CORE,
	INET_BIND,
	INET6_BIND,
	SECURITY_BIND,
	SECURITY_CONNECT,
	AUTOBIND,
	SEND_FIN,
	TWSK_ALLOC,
	TWSK_KILL,
	TIMEWAIT_PROCESS,
	PING_BIND,
	SOCK_I_UID,
	ITER_TASK_FILE,
	N_FUNCTIONS,
};

static const char *const function_names[N_FUNCTIONS] = {
	[BIND_CONFLICT] = "inet_csk_bind_conflict",
	[ADDR_ANY_CONFLICT] = "inet_bhash2_addr_any_conflict",
	[PAIR_CONFLICT] = "inet_bind_conflict",
	[LISTEN_START] = "inet_csk_listen_start",
	[HASH_CONNECT] = "__inet_hash_connect",
	[CGROUP_ADDR] = "__cgroup_bpf_run_filter_sock_addr",
	[INET_BIND_CORE] = "__inet_bind",
	[INET6_BIND_CORE] = "__inet6_bind",
	[INET_BIND] = "inet_bind",
	[INET6_BIND] = "inet6_bind",
	[SECURITY_BIND] = "security_socket_bind",
	[SECURITY_CONNECT] = "security_socket_connect",
	[AUTOBIND] = "inet_autobind",
	[SEND_FIN] = "tcp_send_fin",
	[TWSK_ALLOC] = "inet_twsk_alloc",
	[TWSK_KILL] = "inet_twsk_kill",
	[TIMEWAIT_PROCESS] = "tcp_timewait_state_process",
	[PING_BIND] = "ping_bind",
	[SOCK_I_UID] = "sock_i_uid",
	[ITER_TASK_FILE] = "bpf_iter_task_file",
};

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

static void read_hooks(const struct types_function *functions, struct features *ret)
{
	ret->bind_conflict_args = functions[BIND_CONFLICT].args;
	ret->has_addr_any = functions[ADDR_ANY_CONFLICT].args;
	ret->has_pair = functions[PAIR_CONFLICT].args;
	ret->listen_start_args = functions[LISTEN_START].args;
	ret->hash_connect_args = functions[HASH_CONNECT].args;
	ret->cgroup_addr_args = functions[CGROUP_ADDR].args;
	ret->has_inet_bind = functions[INET_BIND_CORE].args && functions[INET6_BIND_CORE].args;
	ret->has_sctp = functions[INET_BIND].args && functions[INET6_BIND].args &&
			!access("/sys/module/sctp", F_OK);
	ret->has_ping = functions[PING_BIND].args;
	ret->has_security = functions[SECURITY_BIND].args && functions[SECURITY_CONNECT].args;
	ret->has_autobind = functions[AUTOBIND].args;
	ret->has_send_fin = functions[SEND_FIN].args;
	ret->has_timewait = functions[TWSK_ALLOC].args && functions[TWSK_KILL].args &&
			    functions[TIMEWAIT_PROCESS].args;
}

static void read_types(const struct btf *btf, const struct types_function *functions,
		       struct features *ret)
{
	read_hooks(functions, ret);
	ret->nested_buckets = has_member(btf, "inet_bind_bucket", "bhash2");
	/* 6.17 (e84a4927a404 "net: annotate races around sk->sk_uid") dropped sock_i_uid(). */
	ret->rules.uid_from_sock = !functions[SOCK_I_UID].id;
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
	/* Not the kernel's lack: what is opened next says so. */
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return LACK_NOTHING;
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

struct bytes {
	char *data;
	size_t size;
};

static int read_all(int fd, struct bytes *bytes)
{
	size_t have = 0;

	while (have < bytes->size) {
		ssize_t n = read(fd, bytes->data + have, bytes->size - have);

		if (n <= 0)
			return n ? -errno : -EIO;
		have += n;
	}
	return 0;
}

/* All of a file; its size is known, as that of the kernel's own is. free() what it has. */
static int read_file(const char *path, struct bytes *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct stat st;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : !S_ISREG(st.st_mode) || !st.st_size ? -EINVAL : 0;
	if (!err) {
		ret->size = st.st_size;
		ret->data = malloc(ret->size);
		err = ret->data ? read_all(fd, ret) : -ENOMEM;
	}
	close(fd);
	return err;
}

/* libbpf knows of other places, and of BTF within an object file. */
static int cut_parsed(const char *path, struct types_function *functions, struct btf **ret)
{
	struct btf *btf;
	const void *data;
	uint32_t size;
	int err;

	errno = 0;
	btf = path ? btf__parse(path, NULL) : btf__load_vmlinux_btf();
	err = libbpf_get_error(btf);
	if (err)
		return err;
	data = btf__raw_data(btf, &size);
	err = data ? types__cut(data, size, functions, N_FUNCTIONS, ret) : -ENOMEM;
	btf__free(btf);
	return err;
}

static int cut_types(const char *path, struct types_function *functions, struct btf **ret)
{
	struct bytes bytes = {};
	int err = read_file(path ?: OWN_BTF, &bytes);

	if (!err)
		err = types__cut(bytes.data, bytes.size, functions, N_FUNCTIONS, ret);
	free(bytes.data);
	return err && err != -ENOMEM ? cut_parsed(path, functions, ret) : err;
}

/*
 * libbpf takes types from a file only. Where there cannot be one in memory, or no /proc by which to
 * name it, it reads the whole of them: slower, and as good.
 */
static void publish_types(const struct btf *btf, struct features *ret)
{
	uint32_t size;
	const void *data = btf__raw_data(btf, &size);
	/* Where memory that could be executed is forbidden (vm.memfd_noexec), say that it can't. */
	int fd = memfd_create("types", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0)
		fd = memfd_create("types", MFD_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(ret->types_path, sizeof(ret->types_path), "/proc/self/fd/%d", fd);
	if (!data || write(fd, data, size) != (ssize_t)size || access(ret->types_path, R_OK)) {
		close(fd);
		return;
	}
	ret->types_fd = fd;
}

static int probe_types(const char *btf_path, struct features *ret)
{
	struct types_function functions[N_FUNCTIONS] = {};
	struct btf *btf;
	int err;

	for (int i = 0; i < N_FUNCTIONS; i++)
		functions[i].name = function_names[i];
	err = btf_path ? -ENOENT : types_cache__load(functions, N_FUNCTIONS, &btf);
	if (err) {
		err = cut_types(btf_path, functions, &btf);
		if (err)
			return err;
		if (!btf_path)
			types_cache__store(functions, N_FUNCTIONS, btf);
	}
	read_types(btf, functions, ret);
	publish_types(btf, ret);
	/* Of another file the numbers need not be the kernel's. */
	if (!btf_path)
		ret->iter_task_file_id = functions[ITER_TASK_FILE].id;
	ret->types = btf;
	return 0;
}

int features__probe(const char *btf_path, struct features *ret)
{
	struct utsname uts;
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->btf_path = btf_path;
	ret->types_fd = -1;
	ret->tick_ns = tick_length_ns();
	if (!uname(&uts))
		snprintf(ret->release, sizeof(ret->release), "%s", uts.release);
	err = probe_types(btf_path, ret);
	if (err && btf_path)
		return err;
	ret->lack = try_load();
	if (!ret->lack && err)
		ret->lack = LACK_BTF;
	return 0;
}

void features__release(struct features *features)
{
	if (!features)
		return;
	btf__free(features->types);
	features->types = NULL;
	if (features->types_fd >= 0)
		close(features->types_fd);
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
