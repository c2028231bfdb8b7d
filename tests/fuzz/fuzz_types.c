// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's type information, as --btf may name it: any bytes in; refused, or cut down to
 * something that libbpf takes.
 */
#include "kernel/bpf_api.h"
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct types_function functions[] = {{.name = "tcp_close"}, {.name = "sock_i_uid"}};
	void *aligned = malloc(size + 1);
	struct btf *cut, *again;
	const void *raw;
	uint32_t raw_size;
	int err;

	assert(aligned);
	memcpy(aligned, data, size);
	err = types__cut(aligned, size, functions, 2, &cut);
	assert(err == 0 || err == -EINVAL);
	free(aligned);
	if (err)
		return 0;
	raw = btf__raw_data(cut, &raw_size);
	assert(raw);
	again = btf__new(raw, raw_size);
	assert(!libbpf_get_error(again));
	btf__free(again);
	btf__free(cut);
	return 0;
}
