// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/bpf_api.h"
#include "clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "log.h"
#include "output/sanitize.h"

static int verbosity;
static const char *priority = "";

void log__line(const char *format, ...)
{
	char line[1024], shown[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* Words of the command line and names from the system are in it. */
	sanitize__text(shown, sizeof(shown), line);
	fprintf(stderr, "%sbindtrace: %s\n", priority, shown);
}

void log__set_journal(bool journal)
{
	priority = journal ? "<3>" : "";
}

static int on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	/* Warnings have the kernel's own words in them; the rest is a thousand lines. */
	bool wanted = level == LIBBPF_DEBUG ? verbosity >= 3 : verbosity >= 2;

	return wanted ? vfprintf(stderr, format, args) : 0;
}

void log__took(const char *what, int64_t *since)
{
	if (verbosity < 2)
		return;
	if (*since)
		log__line("%s took %.3f ms", what, (double)(clock__monotonic_ns() - *since) / 1e6);
	*since = clock__monotonic_ns();
}

void log__set_libbpf(int verbose)
{
	verbosity = verbose;
	libbpf_set_print(on_libbpf);
}
