// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes: text is printable, JSON is valid, both keep their bounds.
 * clang -std=gnu11 -D_GNU_SOURCE -Iuser -g -fsanitize=fuzzer,address,undefined \
 *	tests/fuzz/fuzz_sanitize.c user/output/{sanitize,json_line}.c -ljansson
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "output/json_line.h"
#include "output/sanitize.h"

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_text(const char *in, size_t size)
{
	char *buf = malloc(size);
	size_t len = sanitize__text(buf, size, in);
	uint32_t code;

	must(len == strlen(buf) && len < size);
	for (const char *s = buf; *s;) {
		size_t n = utf8__decode(s, &code);

		must(n > 0 && !sanitize__is_unsafe(code));
		s += n;
	}
	free(buf);
}

static void check_json(const char *in, size_t bound)
{
	json_t *value = json_text(in, bound), *again;
	size_t len;
	char *line;

	must(value);
	line = json_line(value, &len);
	must(line && len == strlen(line) && strchr(line, '\n') == line + len - 1);
	must(len <= bound + 3); /* two quotes, one newline */
	again = json_loads(line, JSON_DECODE_ANY, NULL);
	must(again && json_equal(again, value));
	json_decref(again);
	json_decref(value);
	free(line);
}

static void check_shortened(const char *in, size_t columns)
{
	char buf[512];
	char *out;

	sanitize__text(buf, sizeof(buf), in);
	out = utf8__shortened(buf, columns);
	must(out && (columns == 0 || utf8__columns(out) <= columns));
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t bound = size ? data[0] : 0;
	char *in = malloc(size + 1);

	memcpy(in, data, size);
	in[size] = '\0';
	check_text(in, bound + 1);
	check_json(in, bound);
	check_shortened(in, bound);
	free(in);
	return 0;
}
