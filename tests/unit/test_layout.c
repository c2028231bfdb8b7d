// SPDX-License-Identifier: GPL-2.0-only
/* Where members are, out of BTF; and the plans that are made of it. */
#include "kernel/bpf_api.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/bind_table.h"
#include "kernel/layout.h"
#include "kernel/sock_copy.h"
#include "kernel/types.h"
#include "kernel/udp_walk.h"

/* struct outer { u64 first; union { u32 a; struct { u8 pad; u8 low:3; u8 high:5; }; }; inner_t in;
 * } */
static struct btf *make_btf(void)
{
	struct btf *btf = btf__new_empty();
	int u8 = btf__add_int(btf, "u8", 1, 0), u32 = btf__add_int(btf, "u32", 4, 0);
	int u64 = btf__add_int(btf, "u64", 8, 0);
	int bits = btf__add_struct(btf, NULL, 4), both, inner;

	btf__add_field(btf, "pad", u8, 0, 0);
	btf__add_field(btf, "low", u8, 8, 3);
	btf__add_field(btf, "high", u8, 11, 5);
	both = btf__add_union(btf, NULL, 4);
	btf__add_field(btf, "a", u32, 0, 0);
	btf__add_field(btf, NULL, bits, 0, 0);
	btf__add_struct(btf, "inner", 8);
	btf__add_field(btf, "x", u32, 0, 0);
	btf__add_field(btf, "y", u32, 32, 0);
	inner = btf__add_const(btf, btf__add_typedef(btf, "inner_t", btf__type_cnt(btf) - 1));
	btf__add_struct(btf, "outer", 24);
	btf__add_field(btf, "first", u64, 0, 0);
	btf__add_field(btf, NULL, both, 64, 0);
	btf__add_field(btf, "in", inner, 128, 0);
	return btf;
}

static void test_find(void **state)
{
	const uint8_t bytes[24] = {[8] = 1, [9] = 0xad, [16] = 2, [20] = 3, [21] = 4};
	struct btf *btf = make_btf();
	struct layout_field field;

	assert_true(layout__find(btf, "outer.first", &field));
	assert_int_equal(field.offset, 0);
	assert_int_equal(field.size, 8);
	assert_true(layout__find(btf, "outer.in.y", &field));
	assert_int_equal(field.offset, 20);
	assert_int_equal(layout__value(&field, bytes), 0x403);
	assert_true(layout__find(btf, "outer.in", &field));
	assert_int_equal(field.size, 8);
	assert_true(layout__find(btf, "outer.a", &field));
	assert_int_equal(field.offset, 8);
	assert_true(layout__find(btf, "outer.low", &field));
	assert_int_equal(layout__value(&field, bytes), 0xad & 7);
	assert_true(layout__find(btf, "outer.high", &field));
	assert_int_equal(layout__value(&field, bytes), 0xad >> 3);
	assert_int_equal(layout__size(btf, "outer"), 24);
	btf__free(btf);
}

static void test_missing(void **state)
{
	static const char *const paths[] = {
		"outer.none",	  "none.first", "outer.in.none", "outer.first.x",
		"outer.in.x.low", "outer.",	".first",	 "outer.first_and_more",
	};
	const uint8_t bytes[8] = {1};
	struct btf *btf = make_btf();
	struct layout_field field;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_false(layout__find(btf, paths[i], &field));
		assert_int_equal(field.offset, -1);
		assert_int_equal(layout__value(&field, bytes), 0);
	}
	assert_int_equal(layout__size(btf, "none"), 0);
	btf__free(btf);
}

/* What a kernel may lack is looked for, and does not count. */
static void test_find_all(void **state)
{
	static const char *const paths[] = {"?outer.none", "outer.in.x", "?outer.first",
					    "outer.gone"};
	struct btf *btf = make_btf();
	struct layout_field fields[4];

	assert_true(layout__find_all(btf, paths, 3, fields));
	assert_int_equal(fields[0].offset, -1);
	assert_int_equal(fields[1].offset, 16);
	assert_int_equal(fields[2].offset, 0);
	assert_int_equal(layout__extent(fields, 3), 20);
	assert_int_equal(layout__extent(fields, 1), 0);
	assert_false(layout__find_all(btf, paths, 4, fields));
	assert_int_equal(fields[1].offset, 16);
	assert_int_equal(fields[3].offset, -1);
	btf__free(btf);
}

/* Everything that the walks ask for is among the names that the types are cut down to. */
static void test_own_kernel(void **state)
{
	struct btf *all = btf__load_vmlinux_btf(), *cut;
	struct bind_copy bind;
	struct sock_copy sock;
	struct udp_copy udp = {};
	uint32_t size;
	const void *data;

	if (libbpf_get_error(all)) {
		print_message("no type information of this kernel\n");
		skip();
	}
	data = btf__raw_data(all, &size);
	assert_int_equal(types__cut(data, size, NULL, 0, &cut), 0);
	for (int i = 0; i < 2; i++) {
		const struct btf *types = i ? all : cut;

		assert_int_equal(bind_copy__plan(types, &bind), 0);
		assert_int_equal(sock_copy__plan(types, SOCK_LIST_BIND, &sock), 0);
		assert_int_equal(udp_copy__plan(types, &udp), 0);
		assert_true(sock.at_cgroup_id && sock.at_closed && sock.at_inode_uid);
	}
	btf__free(cut);
	btf__free(all);
}

static void test_other_types(void **state)
{
	struct btf *btf = make_btf();
	struct bind_copy bind;
	struct sock_copy sock;
	struct udp_copy udp = {};

	assert_int_equal(bind_copy__plan(btf, &bind), -ENOENT);
	assert_int_equal(sock_copy__plan(btf, SOCK_LIST_BIND, &sock), -ENOENT);
	assert_int_equal(udp_copy__plan(btf, &udp), -ENOENT);
	btf__free(btf);
}

static void test_plan(void **state)
{
	struct gather_plan plan;
	uint32_t at;

	gather_plan__begin(&plan, 24);
	at = gather_plan__copy(&plan, WIRE_WORD_OBJECT, 8, 100, WIRE_WHEN_ANY);
	assert_int_equal(at, WIRE_WORD_FREE);
	assert_int_equal(plan.n_copies, 2);
	assert_int_equal(plan.copies[1].offset, 8 + WIRE_GATHER_CHUNK);
	assert_int_equal(plan.copies[1].size, 100 - WIRE_GATHER_CHUNK);
	assert_int_equal(gather_plan__copy(&plan, at, 0, 4, WIRE_WHEN_FULL), at + 13);
	assert_int_equal(plan.err, 0);
	for (int i = 0; i < WIRE_GATHER_STEPS; i++)
		gather_plan__copy(&plan, WIRE_WORD_OBJECT, 0, 8, WIRE_WHEN_ANY);
	assert_int_equal(plan.err, -E2BIG);
	assert_int_equal(plan.n_copies, WIRE_GATHER_STEPS);
	gather_plan__begin(&plan, 0);
	gather_plan__copy(&plan, WIRE_WORD_OBJECT, 0, 8 * WIRE_GATHER_WORDS, WIRE_WHEN_ANY);
	assert_int_equal(plan.err, -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),	    cmocka_unit_test(test_missing),
		cmocka_unit_test(test_find_all),    cmocka_unit_test(test_own_kernel),
		cmocka_unit_test(test_other_types), cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
