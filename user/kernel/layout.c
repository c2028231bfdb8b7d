// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <string.h>
#include "layout.h"

#define BIG_ENDIAN_HERE (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
#define MAX_DEPTH	16 /* of members without a name: the kernel has about five */

/* A structure, through typedefs and qualifiers; NULL: it is none. *id is its own number then. */
static const struct btf_type *structure(const struct btf *btf, uint32_t *id)
{
	const struct btf_type *type = btf__type_by_id(btf, *id);

	while (type && (btf_is_mod(type) || btf_is_typedef(type))) {
		*id = type->type;
		type = btf__type_by_id(btf, *id);
	}
	return type && btf_is_composite(type) ? type : NULL;
}

/* Bytes of a value, 0: not one that is read here. */
static uint8_t size_of(const struct btf *btf, uint32_t id)
{
	int64_t size = btf__resolve_size(btf, id);

	return size > 0 && size <= UINT8_MAX ? (uint8_t)size : 0;
}

/* Of a bit field the bytes that hold it, counted from the first one, whatever its type is. */
static void place(const struct btf *btf, const struct btf_type *type, uint32_t i,
		  struct layout_field *ret)
{
	uint32_t bit = btf_member_bit_offset(type, i), bits = btf_member_bitfield_size(type, i);

	ret->offset += (int32_t)(bit / 8);
	ret->bits = (uint8_t)bits;
	ret->shift = 0;
	ret->size = size_of(btf, btf_members(type)[i].type);
	if (bits) {
		ret->size = (uint8_t)((bit % 8 + bits + 7) / 8);
		ret->shift = (uint8_t)(BIG_ENDIAN_HERE ? ret->size * 8 - bit % 8 - bits : bit % 8);
	}
}

static bool is_named(const struct btf *btf, const struct btf_member *member, const char *name,
		     size_t len)
{
	const char *own = btf__name_by_offset(btf, member->name_off);

	return own && len && !strncmp(own, name, len) && !own[len];
}

/* The member of that name in the structure `id`, which becomes the member's type. */
/* NOLINTNEXTLINE(misc-no-recursion): structures are in structures; to MAX_DEPTH */
static bool member(const struct btf *btf, uint32_t *id, const char *name, size_t len, int depth,
		   struct layout_field *ret)
{
	const struct btf_type *type = structure(btf, id);
	int32_t from = ret->offset;

	for (uint32_t i = 0; type && depth < MAX_DEPTH && i < btf_vlen(type); i++) {
		const struct btf_member *one = &btf_members(type)[i];
		uint32_t inner = one->type;

		ret->offset = from;
		if (is_named(btf, one, name, len)) {
			place(btf, type, i, ret);
			*id = inner;
			return true;
		}
		if (one->name_off && *btf__name_by_offset(btf, one->name_off))
			continue;
		ret->offset += (int32_t)(btf_member_bit_offset(type, i) / 8);
		if (member(btf, &inner, name, len, depth + 1, ret)) {
			*id = inner;
			return true;
		}
	}
	ret->offset = from;
	return false;
}

bool layout__find(const struct btf *btf, const char *path, struct layout_field *ret)
{
	const char *dot = strchrnul(path, '.');
	char name[64];
	int id;

	*ret = (struct layout_field){};
	if ((size_t)(dot - path) >= sizeof(name))
		goto none;
	*(char *)mempcpy(name, path, dot - path) = 0;
	id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
	if (id < 0)
		goto none;
	for (uint32_t type = id; *dot;) {
		const char *from = dot + 1;

		dot = strchrnul(from, '.');
		if (!member(btf, &type, from, dot - from, 0, ret))
			goto none;
	}
	return true;
none:
	*ret = (struct layout_field){.offset = -1};
	return false;
}

bool layout__find_all(const struct btf *btf, const char *const *paths, size_t n,
		      struct layout_field *ret)
{
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		bool may_lack = paths[i][0] == '?';

		if (!layout__find(btf, paths[i] + may_lack, &ret[i]) && !may_lack)
			all = false;
	}
	return all;
}

uint32_t layout__extent(const struct layout_field *fields, size_t n)
{
	uint32_t end = 0;

	for (size_t i = 0; i < n; i++) {
		if (fields[i].offset >= 0 && (uint32_t)fields[i].offset + fields[i].size > end)
			end = (uint32_t)fields[i].offset + fields[i].size;
	}
	return end;
}

uint32_t layout__size(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id < 0 ? 0 : btf__type_by_id(btf, id)->size;
}

uint64_t layout__value(const struct layout_field *field, const uint8_t *bytes)
{
	uint64_t value = 0;

	if (field->offset < 0 || field->size > sizeof(value))
		return 0;
	for (uint32_t i = 0; i < field->size; i++) {
		uint32_t at = BIG_ENDIAN_HERE ? i : field->size - 1 - i;

		value = value << 8 | bytes[field->offset + at];
	}
	if (!field->bits)
		return value;
	return value >> field->shift & ((1ull << field->bits) - 1);
}
