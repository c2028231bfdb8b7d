/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the running kernel keeps a member of its structures: for what is copied out of the kernel
 * as bytes and understood here (gather.h). The hooks have CO-RE for that.
 */
#ifndef BINDTRACE_KERNEL_LAYOUT_H
#define BINDTRACE_KERNEL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;

struct layout_field {
	int32_t offset; /* bytes from the beginning of the structure; -1: this kernel has no such
			   member */
	uint8_t size;	/* bytes that hold it */
	uint8_t shift;	/* a bit field: bits from the lowest one on */
	uint8_t bits;	/* of a bit field; 0: it is none */
};

/*
 * "sock_common.skc_net.net" into its place, through members without a name, typedefs and structures
 * within structures. False: there is no such member (offset is -1 then).
 */
bool layout__find(const struct btf *btf, const char *path, struct layout_field *ret);

/*
 * The same for n paths; one that begins with '?' is of a member that some kernel from 5.10 on does
 * not have. False: one of the others is not there.
 */
bool layout__find_all(const struct btf *btf, const char *const *paths, size_t n,
		      struct layout_field *ret);

/* Bytes from the beginning of the structure to behind the last of n members. */
uint32_t layout__extent(const struct layout_field *fields, size_t n);

/* sizeof(struct NAME), 0: there is none. */
uint32_t layout__size(const struct btf *btf, const char *name);

/* The member, out of a copy of the structure that begins at bytes. Little endian or big, as here.
 */
uint64_t layout__value(const struct layout_field *field, const uint8_t *bytes);

#endif
