// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "../array.h"
#include "descend.h"

/*
 * What is gone, or hidden, or not in this kernel has no children that can be told. Who has not been
 * looked at for want of memory or descriptors may have.
 */
static int not_looked_at(void)
{
	return errno == ENOMEM || errno == EMFILE || errno == ENFILE ? -errno : 0;
}

/* The process asked about, and those found so far; the first n_visited have been looked at. */
struct family {
	pid_t *pids;
	size_t n, room, n_visited;
};

/* A pid that is used again while we look could lead back: each is visited once. */
static bool is_known(const struct family *family, pid_t pid)
{
	for (size_t i = 0; i < family->n; i++) {
		if (family->pids[i] == pid)
			return true;
	}
	return false;
}

static int add(struct family *family, pid_t pid)
{
	pid_t *pids = array__room(family->pids, family->n, &family->room, sizeof(*pids));

	if (!pids)
		return -ENOMEM;
	family->pids = pids;
	pids[family->n++] = pid;
	return 0;
}

static int add_children(struct family *family, pid_t pid, const char *tid)
{
	char path[64];
	FILE *file;
	int child, err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return not_looked_at();
	while (!err && fscanf(file, "%d", &child) == 1) {
		if (!is_known(family, child))
			err = add(family, child);
	}
	fclose(file);
	return err;
}

static int visit(struct family *family, pid_t pid)
{
	char path[64];
	struct dirent *entry;
	int err = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return not_looked_at();
	while (!err && (entry = readdir(tasks))) {
		if (entry->d_name[0] != '.')
			err = add_children(family, pid, entry->d_name);
	}
	closedir(tasks);
	return err;
}

int descend__each(pid_t pid, descend_fn fn, void *ctx)
{
	struct family family = {};
	int err = add(&family, pid);

	while (!err && family.n_visited < family.n) {
		pid_t next = family.pids[family.n_visited++];

		err = next == pid ? 0 : fn(ctx, next);
		if (!err)
			err = visit(&family, next);
	}
	free(family.pids);
	return err;
}
