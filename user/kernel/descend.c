// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "descend.h"

/* Deeper than that nobody goes; and a cycle, by pids used again while we look, ends. */
#define MAX_DEPTH 64

/*
 * What is gone, or hidden, or not in this kernel has no children that can be told. Who has not been
 * looked at for want of memory or descriptors may have.
 */
static int not_looked_at(void)
{
	return errno == ENOMEM || errno == EMFILE || errno == ENFILE ? -errno : 0;
}

struct visit {
	descend_fn fn;
	void *ctx;
};

/* NOLINTNEXTLINE(misc-no-recursion): MAX_DEPTH ends it */
static int visit_process(const struct visit *visit, pid_t pid, int depth);

/* NOLINTNEXTLINE(misc-no-recursion): likewise */
static int visit_children(const struct visit *visit, const char *pid, const char *tid, int depth)
{
	char path[64];
	FILE *file;
	int child, err = 0;

	snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/children", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return not_looked_at();
	while (!err && fscanf(file, "%d", &child) == 1) {
		err = visit->fn(visit->ctx, child);
		if (!err && depth < MAX_DEPTH)
			err = visit_process(visit, child, depth + 1);
	}
	fclose(file);
	return err;
}

/* NOLINTNEXTLINE(misc-no-recursion): likewise */
static int visit_process(const struct visit *visit, pid_t pid, int depth)
{
	char path[64], name[16];
	struct dirent *entry;
	int err = 0;
	DIR *tasks;

	snprintf(name, sizeof(name), "%d", pid);
	snprintf(path, sizeof(path), "/proc/%s/task", name);
	tasks = opendir(path);
	if (!tasks)
		return not_looked_at();
	while (!err && (entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			err = visit_children(visit, name, entry->d_name, depth);
	closedir(tasks);
	return err;
}

int descend__each(pid_t pid, descend_fn fn, void *ctx)
{
	const struct visit visit = {fn, ctx};

	return visit_process(&visit, pid, 0);
}
