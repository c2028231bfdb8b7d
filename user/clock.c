// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "clock.h"

/* What this process's time namespace adds to the kernel's clocks: time_namespaces(7). */
static struct {
	int64_t monotonic_ns, boottime_ns;
} offsets;

static int64_t to_ns(int64_t seconds, int64_t nanoseconds)
{
	return seconds * 1000000000ll + nanoseconds;
}

/* The file tells of the one that our children would be in, which unshare(2) has changed, maybe. */
static bool is_of_children_only(void)
{
	struct stat own, children;

	return stat("/proc/self/ns/time", &own) ||
	       stat("/proc/self/ns/time_for_children", &children) || own.st_ino != children.st_ino;
}

void clock__read_offsets(void)
{
	FILE *file = is_of_children_only() ? NULL : fopen("/proc/self/timens_offsets", "re");
	char line[64], name[16];
	long long s, ns;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%15s %lld %lld", name, &s, &ns) != 3)
			continue;
		if (!strcmp(name, "monotonic"))
			offsets.monotonic_ns = to_ns(s, ns);
		else if (!strcmp(name, "boottime"))
			offsets.boottime_ns = to_ns(s, ns);
	}
	if (file)
		fclose(file);
}

static int64_t read_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return to_ns(ts.tv_sec, ts.tv_nsec);
}

int64_t clock__now_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

int64_t clock__monotonic_ns(void)
{
	return read_ns(CLOCK_MONOTONIC) - offsets.monotonic_ns;
}

int64_t clock__boot_offset_ns(void)
{
	return offsets.boottime_ns;
}

int64_t clock__since_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME) - clock__boot_offset_ns();
}
