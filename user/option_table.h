/* SPDX-License-Identifier: GPL-2.0-only */
/* Every option with its help, and what is wrong with a word that getopt refuses. */
#ifndef BINDTRACE_OPTION_TABLE_H
#define BINDTRACE_OPTION_TABLE_H

#include <argp.h>
#include <stddef.h>

enum key {
	KEY_REUSEADDR = 0x100,
	KEY_REUSEPORT,
	KEY_V6ONLY,
	KEY_DEVICE,
	KEY_UID,
	KEY_PROTO,
	KEY_NETNS,
	KEY_FOLLOW,
	KEY_FEATURES,
	KEY_JSON_SCHEMA,
	KEY_COUNT,
	KEY_DURATION,
	KEY_FOLD,
	KEY_BTF,
	KEY_HOOKS,
	KEY_CROSS_CHECK,
	KEY_COLOR,
	KEY_WAIT,
	KEY_COMM,
	KEY_ALL,
	KEY_STATES,
	KEY_RECORD,
	KEY_REPLAY,
	KEY_METRICS,
	KEY_JOURNAL,
};

extern const struct argp_option option_table[];
extern const char option_args_doc[];
extern const char option_doc[];

/* The word is unknown, ambiguous, or has a value too many or too few: says which, in one line. */
void option_table__explain(const char *word, char *buf, size_t size);

#endif
