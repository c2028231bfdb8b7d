// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any command line, its words separated by NUL bytes: an answer or one line, never a crash.
 * clang -std=gnu11 -D_GNU_SOURCE -Iuser -g -fsanitize=fuzzer,address,undefined \
 *	tests/fuzz/fuzz_options.c user/option*.c \
 *	user/output/sanitize.c user/model/snapshot.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "options.h"

#define MAX_WORDS 32

static void must(bool holds)
{
	if (!holds)
		abort();
}

static size_t split(char *text, size_t size, char **words)
{
	size_t n = 0;

	for (size_t at = 0; at < size && n < MAX_WORDS; at += strlen(text + at) + 1)
		words[n++] = text + at;
	return n;
}

/* What a parse wrote to standard error: nothing, or one printable line. */
static void check_message(const char *text, int status)
{
	const char *newline = strchr(text, '\n');

	if (status == 0) {
		must(*text == '\0');
		return;
	}
	must(status == EXIT_USAGE && !strncmp(text, "bindtrace: ", 11));
	must(newline && newline[1] == '\0');
	for (; *text && *text != '\n'; text++)
		must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[MAX_WORDS + 2] = {"bindtrace"}, *text = malloc(size + 1), *message = NULL;
	FILE *real_stderr = stderr, *real_stdout = stdout;
	struct options opts;
	size_t n, len;
	int status;

	memcpy(text, data, size);
	text[size] = '\0';
	n = split(text, size, words + 1);
	stderr = open_memstream(&message, &len);
	stdout = fopen("/dev/null", "w");
	status = options__parse((int)n + 1, words, &opts);
	fclose(stdout);
	fclose(stderr);
	stderr = real_stderr;
	stdout = real_stdout;
	check_message(message, status);
	if (status == 0)
		options__free(&opts);
	free(message);
	free(text);
	return 0;
}
