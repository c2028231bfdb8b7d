// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "memory.h"
#include "paragraph.h"
#include "sanitize.h"
#include "table.h"

#define LABEL_WIDTH 5

static void begin_line(struct paragraph *p)
{
	const char *label = p->label ?: "";

	fprintf(p->stream, "%s%s%s%*s", hue__on(*label ? HUE_BOLD : HUE_NONE, p->color), label,
		hue__off(*label ? HUE_BOLD : HUE_NONE, p->color), LABEL_WIDTH - (int)strlen(label),
		"");
	p->label = NULL;
}

void paragraph__wrap(FILE *stream, const char *text, size_t column, size_t indent)
{
	bool first = true;

	while (*text) {
		size_t len = strcspn(text, " ");
		char *word = strndup(text, len);
		size_t width = word ? utf8__columns(word) : len;

		if (!first && column + 1 + width > TEXT_WIDTH) {
			fprintf(stream, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', stream);
			column++;
		}
		fwrite(text, 1, len, stream);
		column += width;
		first = false;
		if (!word)
			memory__lose(stream);
		free(word);
		text += len;
		text += strspn(text, " ");
	}
}

static void write_wrapped(struct paragraph *p, const char *text)
{
	begin_line(p);
	paragraph__wrap(p->stream, text, LABEL_WIDTH, LABEL_WIDTH);
	fputc('\n', p->stream);
}

void paragraph__text(struct paragraph *p, const char *fmt, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0) {
		memory__lose(p->stream);
		return;
	}
	write_wrapped(p, text);
	free(text);
}

void paragraph__code(struct paragraph *p, const char *fmt, ...)
{
	va_list args;

	begin_line(p);
	va_start(args, fmt);
	vfprintf(p->stream, fmt, args);
	va_end(args);
	fputc('\n', p->stream);
}
