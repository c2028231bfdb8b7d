// SPDX-License-Identifier: GPL-2.0-only
#include "pidns.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

uint32_t pidns__of_proc(void)
{
	struct stat st;

	/* Process 1 of a /proc is the init of its namespace, and always lives in it. */
	if (stat("/proc/1/ns/pid", &st) && stat("/proc/self/ns/pid", &st))
		return 0;
	return st.st_ino == PIDNS_INITIAL_INODE ? 0 : (uint32_t)st.st_ino;
}

bool pidns__is_initial(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == PIDNS_INITIAL_INODE;
}

int pidns__own_pid(void)
{
	char link[16];
	ssize_t len = readlink("/proc/self", link, sizeof(link) - 1);

	if (len <= 0)
		return getpid();
	link[len] = '\0';
	return atoi(link);
}
