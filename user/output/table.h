/* SPDX-License-Identifier: GPL-2.0-only */
/* Aligned columns. */
#ifndef BINDTRACE_OUTPUT_TABLE_H
#define BINDTRACE_OUTPUT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TEXT_WIDTH   80 /* columns of a terminal */
#define TABLE_COLS   10
#define TABLE_NARROW 20 /* what a shortened cell keeps */

enum hue { HUE_NONE = 0, HUE_BOLD, HUE_RED, HUE_YELLOW };

struct table_cell {
	char *text;
	enum hue hue;
};

struct table_column {
	const char *header;
	bool hidden;
	bool shrinks; /* may be shortened when the table is too wide */
};

struct table {
	struct table_column columns[TABLE_COLS];
	size_t n_columns;
	struct table_cell *cells; /* n_rows * n_columns */
	size_t n_rows, cap_rows;
	/* Where the rows are too wide, the last column goes below its row, behind this word. */
	const char *below;
	bool failed; /* memory was short */
};

void table__column(struct table *table, const char *header, bool hidden, bool shrinks);
void table__row(struct table *table);
/* Sets a cell of the last row. text is safe for a terminal already; it is copied. */
void table__cell(struct table *table, size_t column, enum hue hue, const char *text);
/* Two spaces before each row; nothing shortened and nothing moved with `wide`. 0 or -ENOMEM. */
int table__write(struct table *table, FILE *stream, bool color, bool wide);
void table__free(struct table *table);

const char *hue__on(enum hue hue, bool color);
const char *hue__off(enum hue hue, bool color);

#endif
