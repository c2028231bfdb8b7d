/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rule engine on ports made from bytes, against the properties of tests/unit/model_cases.h.
 */
#include <stdio.h>

#include "../unit/model_cases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model_case cs;
	const char *broken;

	model_case__build(&cs, data, size);
	broken = model_case__check(&cs, CHECK_ALL);
	if (broken) {
		fprintf(stderr, "fuzz_rules: %s\n", broken);
		abort();
	}
	snapshot__drop_duplicates(&cs.snap);
	snapshot__free(&cs.snap);
	return 0;
}
