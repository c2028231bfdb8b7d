// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capabilities.h"
#include "confine.h"
#include "syscalls.h"

/* Where node_exporter's user owns the directory, root needs a privilege to replace a file in it. */
static bool is_in_foreign_directory(const char *path)
{
	char *copy = path ? strdup(path) : NULL;
	struct stat st;
	bool foreign = copy && !stat(dirname(copy), &st) && st.st_uid != geteuid();

	free(copy);
	return foreign;
}

int confine__live(const struct options *opts, pid_t command, int map_fd)
{
	const struct kept_for kept_for = {
		.entering_netns = opts->netns != NETNS_SELF,
		.signals = command,
		.foreign_directory = is_in_foreign_directory(opts->metrics_path),
	};
	int err = capabilities__drop(&kept_for, map_fd);

	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err ?: syscalls__confine(opts->metrics_path != NULL, command);
}

void confine__oneshot(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
