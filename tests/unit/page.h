/* SPDX-License-Identifier: GPL-2.0-only */
/* An output that writes into memory, for tests of what is written. */
#ifndef BINDTRACE_TESTS_PAGE_H
#define BINDTRACE_TESTS_PAGE_H

#include <stdio.h>
#include "output/output.h"

struct page {
	char *text; /* what is complete after page__close(); the caller frees it */
	size_t len;
	FILE *stream;
	struct output *out;
};

/* Results and diagnostics alike. */
static inline void page__open(struct page *page, struct output_config config)
{
	page->stream = open_memstream(&page->text, &page->len);
	assert_non_null(page->stream);
	config.results = config.diagnostics = page->stream;
	page->out = output__new(&config);
	assert_non_null(page->out);
}

static inline void page__close(struct page *page)
{
	output__free(page->out);
	fclose(page->stream);
}

#endif
