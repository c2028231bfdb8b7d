// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "paragraph.h"
#include "sanitize.h"
#include "table.h"

#define INDENT 2
#define GAP    2

const char *hue__on(enum hue hue, bool color)
{
	static const char *const codes[] = {"", "\033[1m", "\033[31m", "\033[33m"};

	return color ? codes[hue] : "";
}

const char *hue__off(enum hue hue, bool color)
{
	return color && hue != HUE_NONE ? "\033[0m" : "";
}

void table__column(struct table *table, const char *header, bool hidden, bool shrinks)
{
	if (table->n_columns == TABLE_COLS)
		return;
	table->columns[table->n_columns++] = (struct table_column){header, hidden, shrinks};
}

void table__row(struct table *table)
{
	size_t cap = table->cap_rows ? table->cap_rows * 2 : 8;
	struct table_cell *cells;

	if (table->failed)
		return;
	if (table->n_rows == table->cap_rows) {
		cells = reallocarray(table->cells, cap * table->n_columns, sizeof(*cells));
		if (!cells) {
			table->failed = true;
			return;
		}
		table->cells = cells;
		table->cap_rows = cap;
	}
	memset(table->cells + table->n_rows * table->n_columns, 0,
	       table->n_columns * sizeof(*table->cells));
	table->n_rows++;
}

static struct table_cell *cell_at(const struct table *table, size_t row, size_t column)
{
	return &table->cells[row * table->n_columns + column];
}

void table__cell(struct table *table, size_t column, enum hue hue, const char *text)
{
	struct table_cell *cell;

	if (table->failed)
		return;
	cell = cell_at(table, table->n_rows - 1, column);
	free(cell->text);
	*cell = (struct table_cell){strdup(text), hue};
	if (!cell->text)
		table->failed = true;
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t width = utf8__columns(table->columns[column].header);

	for (size_t row = 0; row < table->n_rows; row++) {
		const char *text = cell_at(table, row, column)->text;
		size_t cell_width = text ? utf8__columns(text) : 0;

		if (cell_width > width)
			width = cell_width;
	}
	return width;
}

/* Columns of the widest row with the first n columns. */
static size_t total_width(const struct table *table, size_t n)
{
	size_t total = INDENT;

	for (size_t column = 0; column < n; column++)
		if (!table->columns[column].hidden)
			total += column_width(table, column) + GAP;
	return total - GAP;
}

static void shrink(struct table *table)
{
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
		struct table_cell *cell = &table->cells[i];
		char *shorter;

		if (!table->columns[i % table->n_columns].shrinks || !cell->text)
			continue;
		shorter = utf8__shortened(cell->text, TABLE_NARROW);
		if (!shorter) {
			table->failed = true;
			return;
		}
		free(cell->text);
		cell->text = shorter;
	}
}

static void write_text(FILE *stream, const char *text, enum hue hue, bool color, size_t pad_to)
{
	size_t width = utf8__columns(text);

	fprintf(stream, "%s%s%s", hue__on(hue, color), text, hue__off(hue, color));
	if (width < pad_to)
		fprintf(stream, "%*s", (int)(pad_to - width), "");
}

/* Row -1 is the header. */
static const char *text_at(const struct table *table, long row, size_t column)
{
	const char *text =
		row < 0 ? table->columns[column].header : cell_at(table, (size_t)row, column)->text;

	return text && !table->columns[column].hidden ? text : "";
}

/* Nothing is padded behind the last text: no line ends in spaces. */
static void write_row(const struct table *table, FILE *stream, long row, const size_t *widths,
		      size_t n, bool color)
{
	while (n > 1 && !*text_at(table, row, n - 1))
		n--;
	fprintf(stream, "%*s", INDENT, "");
	for (size_t column = 0; column < n; column++) {
		enum hue hue = row < 0 ? HUE_NONE : cell_at(table, (size_t)row, column)->hue;

		if (table->columns[column].hidden)
			continue;
		write_text(stream, text_at(table, row, column), hue, color,
			   column + 1 == n ? 0 : widths[column] + GAP);
	}
	fputc('\n', stream);
}

static void write_below(FILE *stream, const char *word, const char *text)
{
	size_t column = 2 * INDENT + strlen(word) + 1;

	fprintf(stream, "%*s%s ", 2 * INDENT, "", word);
	paragraph__wrap(stream, text, column, 3 * INDENT);
	fputc('\n', stream);
}

int table__write(struct table *table, FILE *stream, bool color, bool wide)
{
	size_t n = table->n_columns, widths[TABLE_COLS];
	bool below;

	if (!table->failed && !wide && total_width(table, n - 1) > TEXT_WIDTH)
		shrink(table);
	if (table->failed)
		return -ENOMEM;
	below = table->below && !wide && total_width(table, n) > TEXT_WIDTH;
	for (size_t column = 0; column < n; column++)
		widths[column] = column_width(table, column);
	if (below)
		n--;
	write_row(table, stream, -1, widths, n, color);
	for (size_t row = 0; row < table->n_rows; row++) {
		const char *last = cell_at(table, row, table->n_columns - 1)->text;

		write_row(table, stream, (long)row, widths, n, color);
		if (below && last && *last)
			write_below(stream, table->below, last);
	}
	return 0;
}

void table__free(struct table *table)
{
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++)
		free(table->cells[i].text);
	free(table->cells);
	*table = (struct table){0};
}
