// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../array.h"
#include "types.h"
#include "type_names.h"

#define N_TYPE_NAMES (sizeof(type_names) / sizeof(type_names[0]))
#define N_MEMBERS    (sizeof(member_names) / sizeof(member_names[0]))
#define MAX_NAMES    512
#define MAX_DEPTH    32 /* of types within types: the kernel has about ten */
#define SLOT_BITS    12

/* Names to look for, by their first four bytes: most types are none of them. */
struct names {
	const char *names[MAX_NAMES];
	uint16_t next[MAX_NAMES];
	uint16_t slots[1 << SLOT_BITS]; /* 1 + index of the first one, 0: none */
	size_t n;
};

struct mapped {
	uint32_t from, to;
};

struct cut {
	const char *types, *strings; /* sections of the source; the strings end in NUL */
	uint32_t types_len, strings_len;
	uint32_t *offsets; /* of the types, by id */
	uint32_t n_types;  /* id 0, void, included */
	struct names names;
	struct types_function *functions;
	size_t n_functions;
	uint32_t *found; /* ids of structs and enums that are wanted */
	size_t n_found, max_found;
	struct btf *btf;
	struct mapped *mapped; /* types that are in btf already */
	size_t n_mapped, max_mapped;
	int void_ptr;
};

static uint32_t slot_of(const char *name)
{
	uint32_t head;

	memcpy(&head, name, sizeof(head));
	return head * 2654435761u >> (32 - SLOT_BITS);
}

static int names__add(struct names *names, const char *name)
{
	uint32_t slot;

	if (names->n == MAX_NAMES || strlen(name) < 3)
		return -EINVAL;
	slot = slot_of(name);
	names->names[names->n] = name;
	names->next[names->n] = names->slots[slot];
	names->slots[slot] = (uint16_t)++names->n;
	return 0;
}

/* Index of the name, -1: not one of them. At least four bytes of it can be read. */
static int names__find(const struct names *names, const char *name)
{
	for (unsigned int i = names->slots[slot_of(name)]; i; i = names->next[i - 1]) {
		if (!strcmp(names->names[i - 1], name))
			return (int)i - 1;
	}
	return -1;
}

/* The last four bytes of the strings begin no name that is looked for. */
static const char *name_at(const struct cut *cut, uint32_t offset)
{
	return offset < cut->strings_len - 4 ? cut->strings + offset : "\0\0\0";
}

static const struct btf_type *type_by_id(const struct cut *cut, uint32_t id)
{
	return id && id < cut->n_types ? (const struct btf_type *)(cut->types + cut->offsets[id])
				       : NULL;
}

/* What follows the type itself; -1: a kind that came after this was written. */
static long extra_size(const struct btf_type *type)
{
	uint32_t n = btf_vlen(type);

	switch (btf_kind(type)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return n * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	default:
		return -1;
	}
}

static int note_type(struct cut *cut, uint32_t id)
{
	uint32_t *found = array__room(cut->found, cut->n_found, &cut->max_found, sizeof(*found));

	if (!found)
		return -ENOMEM;
	cut->found = found;
	found[cut->n_found++] = id;
	return 0;
}

/* Functions come first among the names. */
static int look_at(struct cut *cut, const struct btf_type *type, uint32_t id)
{
	uint32_t kind = btf_kind(type);
	int i;

	if (kind != BTF_KIND_FUNC && kind != BTF_KIND_STRUCT && kind != BTF_KIND_ENUM)
		return 0;
	i = names__find(&cut->names, name_at(cut, type->name_off));
	if (i < 0 || ((size_t)i < cut->n_functions) != (kind == BTF_KIND_FUNC))
		return 0;
	if (kind != BTF_KIND_FUNC)
		return note_type(cut, id);
	cut->functions[i].id = id;
	return 0;
}

/* The one pass over all types. */
static int scan(struct cut *cut)
{
	uint32_t offset = 0, id = 0;
	int err = 0;

	while (!err && offset + sizeof(struct btf_type) <= cut->types_len) {
		const struct btf_type *type = (const struct btf_type *)(cut->types + offset);
		long extra = extra_size(type);

		if (extra < 0)
			return -EINVAL;
		cut->offsets[++id] = offset;
		err = look_at(cut, type, id);
		offset += sizeof(*type) + extra;
	}
	cut->n_types = id + 1;
	return err ?: offset == cut->types_len ? 0 : -EINVAL;
}

static void count_args(struct cut *cut)
{
	for (size_t i = 0; i < cut->n_functions; i++) {
		struct types_function *function = &cut->functions[i];
		const struct btf_type *type = type_by_id(cut, function->id);

		type = type ? type_by_id(cut, type->type) : NULL;
		function->args = type && btf_is_func_proto(type) ? btf_vlen(type) : 0;
	}
}

static int by_name(const void *name, const void *member)
{
	return strcmp(name, *(const char *const *)member);
}

/* A member without a name has members that may be wanted. */
static bool is_wanted_member(const struct cut *cut, const struct btf_member *member)
{
	const char *name;

	if (member->name_off >= cut->strings_len)
		return false;
	name = cut->strings + member->name_off;
	return !*name || bsearch(name, member_names, N_MEMBERS, sizeof(member_names[0]), by_name);
}

/* NOLINTBEGIN(misc-no-recursion): types are in types; to MAX_DEPTH */
static int copy(struct cut *cut, uint32_t id, int depth);

/* The id of the void pointer that stands for all: nothing looks behind a pointer. */
static int void_pointer(struct cut *cut)
{
	if (!cut->void_ptr)
		cut->void_ptr = btf__add_ptr(cut->btf, 0);
	return cut->void_ptr;
}

static int copy_array(struct cut *cut, const struct btf_type *type, int depth)
{
	const struct btf_array *array = btf_array(type);
	int index = copy(cut, array->index_type, depth);
	int element = index < 0 ? index : copy(cut, array->type, depth);

	return element < 0 ? element : btf__add_array(cut->btf, index, element, array->nelems);
}

static int copy_enum(struct cut *cut, const struct btf_type *type)
{
	const struct btf_enum *value = btf_enum(type);
	int id = btf__add_enum(cut->btf, name_at(cut, type->name_off), type->size), err = 0;

	for (int i = 0; id > 0 && !err && i < btf_vlen(type); i++, value++)
		err = btf__add_enum_value(cut->btf, name_at(cut, value->name_off), value->val);
	return err ?: id;
}

/* First what is in it, since a type that is begun takes fields until the next one. */
static int copy_members(struct cut *cut, const struct btf_type *type, int *ids, int depth)
{
	const struct btf_member *member = btf_members(type);

	for (int i = 0; i < btf_vlen(type); i++, member++) {
		if (!is_wanted_member(cut, member))
			continue;
		ids[i] = copy(cut, member->type, depth);
		if (ids[i] < 0)
			return ids[i];
	}
	return 0;
}

static int copy_fields(struct cut *cut, const struct btf_type *type, const int *ids)
{
	const struct btf_member *member = btf_members(type);
	int err = 0;

	for (int i = 0; !err && i < btf_vlen(type); i++, member++) {
		if (ids[i])
			err = btf__add_field(cut->btf, cut->strings + member->name_off, ids[i],
					     btf_member_bit_offset(type, i),
					     btf_member_bitfield_size(type, i));
	}
	return err;
}

static int copy_composite(struct cut *cut, const struct btf_type *type, int depth)
{
	int *ids = calloc(btf_vlen(type) + 1, sizeof(*ids)), id = 0, err;
	const char *name = name_at(cut, type->name_off);

	if (!ids)
		return -ENOMEM;
	err = copy_members(cut, type, ids, depth);
	if (!err) {
		id = btf_is_union(type) ? btf__add_union(cut->btf, name, type->size)
					: btf__add_struct(cut->btf, name, type->size);
		err = id < 0 ? id : copy_fields(cut, type, ids);
	}
	free(ids);
	return err ?: id;
}

/* Other names and qualifiers are left out: libbpf looks through them as well. */
static int copy_new(struct cut *cut, const struct btf_type *type, int depth)
{
	switch (btf_kind(type)) {
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		return copy(cut, type->type, depth);
	case BTF_KIND_PTR:
		return void_pointer(cut);
	case BTF_KIND_INT:
		return btf__add_int(cut->btf, name_at(cut, type->name_off), type->size,
				    btf_int_encoding(type));
	case BTF_KIND_FLOAT:
		return btf__add_float(cut->btf, name_at(cut, type->name_off), type->size);
	case BTF_KIND_ARRAY:
		return copy_array(cut, type, depth);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return copy_composite(cut, type, depth);
	case BTF_KIND_ENUM:
		return copy_enum(cut, type);
	case BTF_KIND_ENUM64: /* of a member; none of the programs' own */
		return btf__add_enum(cut->btf, NULL, type->size);
	default:
		return -EINVAL;
	}
}

/* The type's id in the new BTF, or -errno. */
static int copy(struct cut *cut, uint32_t id, int depth)
{
	const struct btf_type *type = type_by_id(cut, id);
	struct mapped *mapped;
	int to;

	for (size_t i = 0; i < cut->n_mapped; i++) {
		if (cut->mapped[i].from == id)
			return (int)cut->mapped[i].to;
	}
	if (!type || depth > MAX_DEPTH)
		return -EINVAL;
	to = copy_new(cut, type, depth + 1);
	if (to < 0)
		return to;
	mapped = array__room(cut->mapped, cut->n_mapped, &cut->max_mapped, sizeof(*mapped));
	if (!mapped)
		return -ENOMEM;
	cut->mapped = mapped;
	mapped[cut->n_mapped++] = (struct mapped){.from = id, .to = (uint32_t)to};
	return to;
}
/* NOLINTEND(misc-no-recursion) */

static int copy_found(struct cut *cut)
{
	int err = 0;

	cut->btf = btf__new_empty();
	if (!cut->btf)
		return -errno;
	for (size_t i = 0; err >= 0 && i < cut->n_found; i++)
		err = copy(cut, cut->found[i], 0);
	return err < 0 ? err : 0;
}

static int find_sections(struct cut *cut, const void *data, size_t size)
{
	const struct btf_header *header = data;
	size_t rest;

	if (size < sizeof(*header) || header->magic != BTF_MAGIC || header->hdr_len > size ||
	    header->hdr_len < sizeof(*header) || header->hdr_len % 4)
		return -EINVAL;
	rest = size - header->hdr_len;
	if (header->type_off > rest || header->type_len > rest - header->type_off ||
	    header->str_off > rest || header->str_len > rest - header->str_off ||
	    header->type_off % 4 || header->type_len > INT32_MAX || header->str_len < 4)
		return -EINVAL;
	cut->types = (const char *)data + header->hdr_len + header->type_off;
	cut->types_len = header->type_len;
	cut->strings = (const char *)data + header->hdr_len + header->str_off;
	cut->strings_len = header->str_len;
	return cut->strings[cut->strings_len - 1] ? -EINVAL : 0;
}

static int want_all(struct cut *cut)
{
	int err = 0;

	for (size_t i = 0; !err && i < cut->n_functions; i++) {
		cut->functions[i].id = 0;
		err = names__add(&cut->names, cut->functions[i].name);
	}
	for (size_t i = 0; !err && i < N_TYPE_NAMES; i++)
		err = names__add(&cut->names, type_names[i]);
	return err;
}

static void free_cut(struct cut *cut)
{
	if (!cut)
		return;
	btf__free(cut->btf);
	free(cut->offsets);
	free(cut->found);
	free(cut->mapped);
	free(cut);
}

int types__cut(const void *data, size_t size, struct types_function *functions, size_t n_functions,
	       struct btf **ret)
{
	struct cut *cut = calloc(1, sizeof(*cut));
	int err;

	if (!cut)
		return -ENOMEM;
	cut->functions = functions;
	cut->n_functions = n_functions;
	err = find_sections(cut, data, size);
	if (err)
		goto out;
	/* Only what is written to becomes memory. */
	cut->offsets = malloc((cut->types_len / sizeof(struct btf_type) + 2) * sizeof(uint32_t));
	err = cut->offsets ? want_all(cut) : -ENOMEM;
	if (!err)
		err = scan(cut);
	if (err)
		goto out;
	count_args(cut);
	err = copy_found(cut);
	if (!err) {
		*ret = cut->btf;
		cut->btf = NULL;
	}
out:
	free_cut(cut);
	return err;
}

/* FNV-1a, the NUL included. */
static uint64_t add_name(uint64_t sum, const char *name)
{
	do
		sum = (sum ^ (uint8_t)*name) * 0x100000001b3;
	while (*name++);
	return sum;
}

uint64_t types__names(const struct types_function *functions, size_t n_functions)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < n_functions; i++)
		sum = add_name(sum, functions[i].name);
	for (size_t i = 0; i < N_TYPE_NAMES; i++)
		sum = add_name(sum, type_names[i]);
	sum = add_name(sum, "");
	for (size_t i = 0; i < N_MEMBERS; i++)
		sum = add_name(sum, member_names[i]);
	return sum;
}
