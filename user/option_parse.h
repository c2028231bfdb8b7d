/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line while it is read: what options.c shares with its parts, and nobody else. */
#ifndef BINDTRACE_OPTION_PARSE_H
#define BINDTRACE_OPTION_PARSE_H

#include "options.h"

struct parse {
	struct options *opts;
	bool only_ipv4, only_ipv6;
	bool have_device; /* --device was given, not only the scope of an address */
	bool features, schema, done;
	int next;   /* index of the first word that is not understood yet */
	int status; /* 0, or the exit status once a line has been printed */
};

/* Prints the line, unless one has been printed. Returns EINVAL. */
__attribute__((format(printf, 2, 3))) int parse__error(struct parse *p, const char *fmt, ...);

/* option_take.c: one option, arg is NULL where it has no value. ARGP_ERR_UNKNOWN: not an option. */
int parse__take(struct parse *p, int key, const char *arg);

/* option_checks.c: whether all that was taken goes together. empty_command: "--" ended the line. */
int parse__check(struct parse *p, bool empty_command);

#endif
