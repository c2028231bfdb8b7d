/* SPDX-License-Identifier: GPL-2.0-only */
/* "Why  ..." paragraphs: a label, text wrapped behind it, lines to copy left whole. */
#ifndef BINDTRACE_OUTPUT_PARAGRAPH_H
#define BINDTRACE_OUTPUT_PARAGRAPH_H

#include <stdbool.h>
#include <stdio.h>

struct paragraph {
	FILE *stream;
	const char *label; /* written before the first line, then NULL */
	bool color;
};

/* The words of text from that column on; further lines begin with indent spaces. No newline behind.
 */
void paragraph__wrap(FILE *stream, const char *text, size_t column, size_t indent);

__attribute__((format(printf, 2, 3))) void paragraph__text(struct paragraph *p, const char *fmt,
							   ...);
__attribute__((format(printf, 2, 3))) void paragraph__code(struct paragraph *p, const char *fmt,
							   ...);

#endif
