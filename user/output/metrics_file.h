/* SPDX-License-Identifier: GPL-2.0-only */
/* A file that others read at any time: replaced whole, by rename, and never through a link. */
#ifndef BINDTRACE_OUTPUT_METRICS_FILE_H
#define BINDTRACE_OUTPUT_METRICS_FILE_H

#include <stddef.h>

struct metrics_file;

/*
 * Opens the directory; what is done later is done there, whatever becomes of its name. Nothing is
 * written yet. -EISDIR (no file's name), -EEXIST (there is something that is not a file of ours:
 * a link, a device, a file that does not begin with ours), or another -errno.
 */
int metrics_file__open(const char *path, const char *ours, struct metrics_file **ret);
void metrics_file__close(struct metrics_file *file); /* accepts NULL */

/*
 * Replaces the file, mode 0644, by a new one. 0, -EEXIST (a link or a device has come into its
 * place) or another -errno; then the old one is as it was, and nothing is left behind.
 */
int metrics_file__write(struct metrics_file *file, const char *text, size_t len);

#endif
