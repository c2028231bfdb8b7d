/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What types__cut() has made of the running kernel's type information, kept for the next run in
 * /run/bindtrace/types, by root for root only. Without it a run takes longer, and says the same.
 */
#ifndef BINDTRACE_KERNEL_TYPES_CACHE_H
#define BINDTRACE_KERNEL_TYPES_CACHE_H

#include "types.h"

/*
 * 0 and a new *ret, for btf__free(), with the functions' id and args; -ENOENT where there is none
 * that is of this kernel and of these names, root's own, and whole.
 */
int types_cache__load(struct types_function *functions, size_t n_functions, struct btf **ret);
/* Best effort. */
void types_cache__store(const struct types_function *functions, size_t n_functions,
			const struct btf *btf);

#endif
