// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "run_id.h"

static void is_a_uuid(void **state)
{
	static const char shape[] = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx";
	char run[OUTPUT_RUN_ID_SIZE];

	for (int i = 0; i < 1000; i++) {
		run_id__new(run);
		assert_int_equal(strlen(run), strlen(shape));
		for (size_t k = 0; shape[k]; k++) {
			const char *of = shape[k] == 'x'   ? "0123456789abcdef"
					 : shape[k] == 'v' ? "89ab"
							   : (char[]){shape[k], '\0'};

			assert_non_null(strchr(of, run[k]));
		}
	}
}

static void is_another_each_time(void **state)
{
	char first[OUTPUT_RUN_ID_SIZE], second[OUTPUT_RUN_ID_SIZE];

	run_id__new(first);
	run_id__new(second);
	assert_string_not_equal(first, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_a_uuid),
		cmocka_unit_test(is_another_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
