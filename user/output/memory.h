/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A text that grows in memory, whole or not at all: open_memstream() forgets that there was no
 * room, and so does jansson when it writes a key.
 */
#ifndef BINDTRACE_OUTPUT_MEMORY_H
#define BINDTRACE_OUTPUT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Begins zeroed, and stays where it is while its stream is open. */
struct memory {
	char *text;
	size_t len, room;
	bool failed;
	FILE *stream;
};

/* A stream to write the text with; NULL without memory. */
FILE *memory__open(struct memory *memory);

/* Appends without a stream. 0 or -ENOMEM, and from then on always -ENOMEM. */
int memory__append(struct memory *memory, const char *bytes, size_t n);

/*
 * Whoever has such a stream and could not write something, for want of memory of his own: the text
 * is not whole. Any other stream that is not open for reading gets its error indicator set.
 */
void memory__lose(FILE *stream);

/* Ends it. The text with a NUL behind it, for the caller to free; NULL when any of it found no
 * room. */
char *memory__take(struct memory *memory);

#endif
