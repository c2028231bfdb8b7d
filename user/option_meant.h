/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BINDTRACE_OPTION_MEANT_H
#define BINDTRACE_OPTION_MEANT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * "8080", ":8080", "0.0.0.0:8080", "[::1]:8080", "localhost:8080", "10.0.0.1", as servers print
 * where they listen: the options that mean the same, as "--address 0.0.0.0 --port 8080". false
 * where the word is nothing like it.
 */
bool meant__port(const char *word, char *buf, size_t size);

#endif
