// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's types cut down: against all of them as libbpf reads them, and what is no BTF. */
#include "kernel/bpf_api.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/types.h"
#include "type_names.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static bool is_wanted(const char *name)
{
	for (size_t i = 0; i < N(member_names); i++) {
		if (!strcmp(name, member_names[i]))
			return true;
	}
	return !*name;
}

/* Where a named member is, in the type or in what has no name in it; in bits. */
struct place {
	uint32_t offset, bits;
};

static bool find(const struct btf *btf, const struct btf_type *type, const char *name,
		 struct place *place)
{
	const struct btf_member *member = btf_members(type);

	for (uint32_t i = 0; i < btf_vlen(type); i++, member++) {
		const char *own = btf__name_by_offset(btf, member->name_off);
		const struct btf_type *inner =
			btf__type_by_id(btf, btf__resolve_type(btf, member->type));

		place->offset = btf_member_bit_offset(type, i);
		place->bits = btf_member_bitfield_size(type, i) ?: inner->size * 8;
		if (btf_is_ptr(inner))
			place->bits = 64;
		if (!strcmp(own, name))
			return true;
		if (!*own && btf_is_composite(inner)) {
			struct place within;

			if (find(btf, inner, name, &within)) {
				within.offset += place->offset;
				*place = within;
				return true;
			}
		}
	}
	return false;
}

static const struct btf_type *type_named(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id > 0 ? btf__type_by_id(btf, id) : NULL;
}

static void compare(const struct btf *all, const struct btf *cut, const char *name)
{
	const struct btf_type *whole = type_named(all, name), *part = type_named(cut, name);
	struct place there, here;

	assert_int_equal(!whole, !part);
	if (!whole)
		return;
	assert_int_equal(whole->size, part->size);
	for (size_t i = 0; i < N(member_names); i++) {
		bool has = find(all, whole, member_names[i], &there);

		assert_int_equal(has, find(cut, part, member_names[i], &here));
		if (has) {
			assert_int_equal(there.offset, here.offset);
			assert_int_equal(there.bits, here.bits);
		}
	}
	for (uint32_t i = 0; i < btf_vlen(part); i++)
		assert_true(is_wanted(btf__name_by_offset(cut, btf_members(part)[i].name_off)));
}

static struct btf *load_all(void)
{
	struct btf *all = btf__load_vmlinux_btf();

	if (libbpf_get_error(all)) {
		print_message("no type information of this kernel\n");
		skip();
	}
	return all;
}

static void test_kernel(void **state)
{
	struct types_function functions[] = {
		{.name = "inet_csk_get_port"}, {.name = "inet_csk_listen_stop"},
		{.name = "tcp_close"},	       {.name = "no_such_function"},
		{.name = "sock_common"},
	};
	struct btf *all = load_all(), *cut;
	uint32_t size, cut_size;
	const void *data = btf__raw_data(all, &size);

	assert_int_equal(types__cut(data, size, functions, N(functions), &cut), 0);
	for (size_t i = 0; i < N(type_names); i++)
		compare(all, cut, type_names[i]);
	assert_non_null(type_named(cut, "sock_common"));
	for (size_t i = 0; i < 3; i++) {
		int id = btf__find_by_name_kind(all, functions[i].name, BTF_KIND_FUNC);

		assert_int_equal(functions[i].id, id);
		assert_int_equal(functions[i].args,
				 btf_vlen(btf__type_by_id(all, btf__type_by_id(all, id)->type)));
	}
	assert_int_equal(functions[3].id, 0);
	assert_int_equal(functions[3].args, 0);
	assert_int_equal(functions[4].id, 0); /* a struct is no function */
	assert_non_null(btf__raw_data(cut, &cut_size));
	assert_true(cut_size < size / 100);
	btf__free(cut);
	btf__free(all);
}

/* A structure in which each of the kinds occurs, cut short at every byte. */
static struct btf *make_btf(void)
{
	struct btf *btf = btf__new_empty();
	int u32, ptr, array, inner, typedef_, constant, enum_;

	assert_non_null(btf);
	u32 = btf__add_int(btf, "unsigned int", 4, 0);
	ptr = btf__add_ptr(btf, u32);
	array = btf__add_array(btf, u32, u32, 3);
	enum_ = btf__add_enum(btf, "cgroup_bpf_attach_type", 4);
	btf__add_enum_value(btf, "CGROUP_INET4_BIND", 7);
	inner = btf__add_union(btf, NULL, 8);
	btf__add_field(btf, "skc_num", u32, 0, 0);
	btf__add_field(btf, "unwanted", ptr, 0, 0);
	typedef_ = btf__add_typedef(btf, "possible_net_t", inner);
	constant = btf__add_const(btf, typedef_);
	btf__add_struct(btf, "sock_common", 64);
	btf__add_field(btf, "skc_prot", ptr, 0, 0);
	btf__add_field(btf, NULL, inner, 64, 0);
	btf__add_field(btf, "skc_net", constant, 128, 0);
	btf__add_field(btf, "skc_u16hashes", array, 192, 0);
	btf__add_field(btf, "skc_state", enum_, 288, 0);
	btf__add_field(btf, "skc_reuse", u32, 320, 4);
	btf__add_func_proto(btf, u32);
	btf__add_func_param(btf, "sk", ptr);
	btf__add_func_param(btf, "timeout", u32);
	assert_true(btf__add_func(btf, "tcp_close", BTF_FUNC_STATIC, btf__type_cnt(btf) - 1) > 0);
	return btf;
}

static void test_kinds(void **state)
{
	struct types_function function = {.name = "tcp_close"};
	struct btf *btf = make_btf(), *cut;
	const struct btf_type *type;
	uint32_t size;
	const void *data = btf__raw_data(btf, &size);
	struct place place;

	assert_int_equal(types__cut(data, size, &function, 1, &cut), 0);
	assert_int_equal(function.args, 2);
	type = type_named(cut, "sock_common");
	assert_int_equal(btf_vlen(type), 6);
	assert_true(find(cut, type, "skc_num", &place));
	assert_int_equal(place.offset, 64);
	assert_false(find(cut, type, "unwanted", &place));
	assert_true(find(cut, type, "skc_reuse", &place));
	assert_int_equal(place.bits, 4);
	assert_true(btf__find_by_name_kind(cut, "cgroup_bpf_attach_type", BTF_KIND_ENUM) > 0);
	btf__free(cut);
	btf__free(btf);
}

/* Whatever the bytes are: refused, or something that libbpf takes. */
static void test_damaged(void **state)
{
	struct types_function function = {.name = "tcp_close"};
	struct btf *btf = make_btf(), *cut;
	uint32_t size;
	const void *data = btf__raw_data(btf, &size);

	for (uint32_t length = 0; length < size; length++) {
		char *copy = malloc(length + 1); /* so that a byte too much is noticed */

		memcpy(copy, data, length);
		assert_int_equal(types__cut(copy, length, &function, 1, &cut), -EINVAL);
		free(copy);
	}
	for (uint32_t at = 0; at < size * 8; at++) {
		char *copy = malloc(size);
		int err;

		memcpy(copy, data, size);
		copy[at / 8] ^= (char)(1 << at % 8);
		err = types__cut(copy, size, &function, 1, &cut);
		assert_true(err == 0 || err == -EINVAL);
		if (!err)
			btf__free(cut);
		free(copy);
	}
	btf__free(btf);
}

/* Types that are within each other have no end. */
static void test_endless(void **state)
{
	struct btf *btf = btf__new_empty(), *cut;
	uint32_t size;
	const void *data;

	btf__add_struct(btf, "sock_common", 8);
	btf__add_field(btf, "skc_net", 2, 0, 0);
	btf__add_typedef(btf, "possible_net_t", 1);
	data = btf__raw_data(btf, &size);
	assert_int_equal(types__cut(data, size, NULL, 0, &cut), -EINVAL);
	btf__free(btf);
}

static void test_names(void **state)
{
	struct types_function one = {.name = "tcp_close"}, other = {.name = "tcp_closed"};

	assert_true(types__names(&one, 1) == types__names(&one, 1));
	assert_true(types__names(&one, 1) != types__names(&other, 1));
	assert_true(types__names(&one, 1) != types__names(NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel),	cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_endless),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
