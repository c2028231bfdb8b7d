// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include "memory.h"

#define FIRST_ROOM 512

/* For n bytes more and a NUL. */
static bool make_room(struct memory *memory, size_t n)
{
	size_t room = memory->room ?: FIRST_ROOM;
	char *bigger;

	while (room - memory->len <= n)
		room *= 2;
	if (room == memory->room)
		return true;
	bigger = realloc(memory->text, room);
	if (!bigger)
		return false;
	memory->text = bigger;
	memory->room = room;
	return true;
}

int memory__append(struct memory *memory, const char *bytes, size_t n)
{
	if (memory->failed || !make_room(memory, n)) {
		memory->failed = true;
		return -ENOMEM;
	}
	memcpy(memory->text + memory->len, bytes, n);
	memory->len += n;
	memory->text[memory->len] = '\0';
	return 0;
}

static ssize_t write_bytes(void *cookie, const char *bytes, size_t n)
{
	return memory__append(cookie, bytes, n) ? 0 : (ssize_t)n;
}

FILE *memory__open(struct memory *memory)
{
	static const cookie_io_functions_t functions = {.write = write_bytes};

	memory->stream = fopencookie(memory, "w", functions);
	return memory->stream;
}

void memory__lose(FILE *stream)
{
	fgetc(stream); /* by POSIX this sets the indicator, which only a failed write does else */
}

char *memory__take(struct memory *memory)
{
	char *text;

	if (memory->stream) {
		memory->failed |= ferror(memory->stream) != 0;
		memory->failed |= fclose(memory->stream) != 0;
	}
	memory->stream = NULL;
	memory__append(memory, "", 0);
	text = memory->failed ? NULL : memory->text;
	if (!text)
		free(memory->text);
	memory->text = NULL;
	return text;
}
