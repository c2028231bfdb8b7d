/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's type information (BTF), cut down to what the programs refer to. libbpf, given all of
 * it, takes several times as long to parse it as everything else of a one-shot run takes together,
 * and would do so for each object.
 */
#ifndef BINDTRACE_KERNEL_TYPES_H
#define BINDTRACE_KERNEL_TYPES_H

#include <stddef.h>
#include <stdint.h>

struct btf;

/* A function of the kernel: looked for by name. */
struct types_function {
	const char *name; /* three letters or more */
	uint32_t id;	  /* of its type in the BTF as it was; 0: there is none */
	int args;	  /* 0 where there is no such function, or it takes none */
};

/*
 * Out of BTF as it is in a file (raw, of this machine's byte order): the types of the programs with
 * those members that they have, and what is within them; a pointer points at void. Fills id and
 * args of the functions. 0 and a new *ret, for btf__free(); -ENOMEM; -EINVAL: not understood.
 */
int types__cut(const void *data, size_t size, struct types_function *functions, size_t n_functions,
	       struct btf **ret);

/* Stands for the names that are looked for: other ones, another number. */
uint64_t types__names(const struct types_function *functions, size_t n_functions);

#endif
