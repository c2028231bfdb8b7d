/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every call of libbpf and of the kernel that user/kernel makes fails in turn, with EIO: by
 * functions of the same names, which the dynamic linker finds first. What libbpf does through those
 * names fails along with it. Memory that is mapped is counted as allocations are.
 */
#ifndef BINDTRACE_TESTS_FAULT_CALLS_H
#define BINDTRACE_TESTS_FAULT_CALLS_H

#include "faults.h"
#include "kernel/bpf_api.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define FAULTY(type, name, failed, params, ...)                                                    \
	type name params                                                                           \
	{                                                                                          \
		static type(*real) params;                                                         \
                                                                                                   \
		if (!real)                                                                         \
			real = (type(*) params)fault__real(#name);                                 \
		return fault__due(true) ? (type)(failed) : real(__VA_ARGS__);                      \
	}

static void *fault__real(const char *name)
{
	bool armed = faults.armed;
	void *real;

	faults.armed = false; /* it may need memory */
	real = dlsym(RTLD_NEXT, name);
	faults.armed = armed;
	return real;
}

/* ---- libbpf: -errno, or NULL and errno ------------------------------------------------------ */

FAULTY(int, bpf_object__open_skeleton, -EIO,
       (struct bpf_object_skeleton * s, const struct bpf_object_open_opts *opts), s, opts)
FAULTY(int, bpf_object__load_skeleton, -EIO, (struct bpf_object_skeleton * s), s)
FAULTY(int, bpf_object__attach_skeleton, -EIO, (struct bpf_object_skeleton * s), s)
FAULTY(struct bpf_link *, bpf_program__attach, NULL, (const struct bpf_program *prog), prog)
FAULTY(struct bpf_link *, bpf_program__attach_iter, NULL,
       (const struct bpf_program *prog, const struct bpf_iter_attach_opts *opts), prog, opts)
FAULTY(int, bpf_program__set_autoload, -EIO, (struct bpf_program * prog, bool on), prog, on)
FAULTY(int, bpf_map__set_max_entries, -EIO, (struct bpf_map * map, __u32 n), map, n)
FAULTY(int, bpf_map_update_elem, -EIO, (int fd, const void *k, const void *v, __u64 f), fd, k, v, f)
FAULTY(int, bpf_map_lookup_elem, -EIO, (int fd, const void *key, void *value), fd, key, value)
FAULTY(int, bpf_map_delete_elem, -EIO, (int fd, const void *key), fd, key)
FAULTY(int, bpf_prog_test_run_opts, -EIO, (int fd, struct bpf_test_run_opts *opts), fd, opts)
FAULTY(int, bpf_prog_load, -EIO,
       (enum bpf_prog_type type, const char *name, const char *license,
	const struct bpf_insn *insns, size_t n, const struct bpf_prog_load_opts *opts),
       type, name, license, insns, n, opts)
FAULTY(int, bpf_map_create, -EIO,
       (enum bpf_map_type type, const char *name, __u32 key, __u32 value, __u32 n,
	const struct bpf_map_create_opts *opts),
       type, name, key, value, n, opts)
FAULTY(int, bpf_iter_create, -EIO, (int link_fd), link_fd)
FAULTY(int, bpf_obj_get_info_by_fd, -EIO, (int fd, void *info, __u32 *len), fd, info, len)
FAULTY(int, bpf_obj_pin, -EIO, (int fd, const char *path), fd, path)
FAULTY(int, bpf_obj_get, -EIO, (const char *path), path)
FAULTY(struct btf *, btf__load_vmlinux_btf, NULL, (void), )
FAULTY(struct btf *, btf__parse, NULL, (const char *path, struct btf_ext **ext), path, ext)
FAULTY(struct ring_buffer *, ring_buffer__new, NULL,
       (int fd, ring_buffer_sample_fn fn, void *ctx, const struct ring_buffer_opts *opts), fd, fn,
       ctx, opts)
FAULTY(int, ring_buffer__consume, -EIO, (struct ring_buffer * ring), ring)
FAULTY(int, libbpf_num_possible_cpus, -EIO, (void), )

/* ---- the kernel: -1 and errno -----------------------------------------------------------------
 */

FAULTY(int, socket, -1, (int family, int type, int protocol), family, type, protocol)
FAULTY(ssize_t, send, -1, (int fd, const void *buf, size_t n, int flags), fd, buf, n, flags)
FAULTY(ssize_t, sendto, -1,
       (int fd, const void *buf, size_t n, int flags, const struct sockaddr *to, socklen_t len), fd,
       buf, n, flags, to, len)
FAULTY(ssize_t, recv, -1, (int fd, void *buf, size_t n, int flags), fd, buf, n, flags)
FAULTY(ssize_t, recvmsg, -1, (int fd, struct msghdr *msg, int flags), fd, msg, flags)
FAULTY(int, getsockopt, -1, (int fd, int level, int name, void *value, socklen_t *len), fd, level,
       name, value, len)
FAULTY(int, setsockopt, -1, (int fd, int level, int name, const void *value, socklen_t len), fd,
       level, name, value, len)
FAULTY(ssize_t, read, -1, (int fd, void *buf, size_t n), fd, buf, n)
FAULTY(ssize_t, write, -1, (int fd, const void *buf, size_t n), fd, buf, n)
FAULTY(int, renameat, -1, (int a, const char *from, int b, const char *to), a, from, b, to)
FAULTY(int, fsync, -1, (int fd), fd)
FAULTY(ssize_t, readlink, -1, (const char *path, char *buf, size_t n), path, buf, n)
FAULTY(int, access, -1, (const char *path, int mode), path, mode)
FAULTY(int, stat, -1, (const char *path, struct stat *st), path, st)
FAULTY(int, fstat, -1, (int fd, struct stat *st), fd, st)
FAULTY(int, fstatat, -1, (int fd, const char *path, struct stat *st, int flags), fd, path, st,
       flags)
FAULTY(int, mkdir, -1, (const char *path, mode_t mode), path, mode)
FAULTY(int, flock, -1, (int fd, int how), fd, how)
FAULTY(int, dup, -1, (int fd), fd)
FAULTY(int, setns, -1, (int fd, int type), fd, type)
FAULTY(int, uname, -1, (struct utsname * uts), uts)
FAULTY(FILE *, fopen, NULL, (const char *path, const char *mode), path, mode)
FAULTY(DIR *, opendir, NULL, (const char *path), path)

int open(const char *path, int flags, ...)
{
	static int (*real)(const char *path, int flags, mode_t mode);
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!real)
		real = (int (*)(const char *, int, mode_t))fault__real("open");
	return fault__due(true) ? -1 : real(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	static int (*real)(int dir, const char *path, int flags, mode_t mode);
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!real)
		real = (int (*)(int, const char *, int, mode_t))fault__real("openat");
	return fault__due(true) ? -1 : real(dir, path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*real)(int fd, unsigned long request, void *arg);
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (!real)
		real = (int (*)(int, unsigned long, void *))fault__real("ioctl");
	return fault__due(true) ? -1 : real(fd, request, arg);
}

/* pidfd_getfd(), capget() and what else has no function of its own; bpf() by libbpf. */
long syscall(long number, ...)
{
	static long (*real)(long number, ...);
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (!real)
		real = (long (*)(long, ...))fault__real("syscall");
	return fault__due(true) ? -1 : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	static void *(*real)(void *at, size_t len, int prot, int flags, int fd, off_t offset);
	void *got;

	if (!real)
		real = (void *(*)(void *, size_t, int, int, int, off_t))fault__real("mmap");
	got = fault__due(true) ? MAP_FAILED : real(at, len, prot, flags, fd, offset);
	faults.n_alive += got != MAP_FAILED && !(flags & MAP_FIXED); /* in place of another */
	return got;
}

void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t offset)
{
	return mmap(at, len, prot, flags, fd, offset);
}

int munmap(void *at, size_t len)
{
	static int (*real)(void *at, size_t len);

	if (!real)
		real = (int (*)(void *, size_t))fault__real("munmap");
	faults.n_alive--;
	return real(at, len);
}

#endif
