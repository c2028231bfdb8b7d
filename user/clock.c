// SPDX-License-Identifier: GPL-2.0-only
#include <time.h>
#include "clock.h"

static int64_t read_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

int64_t clock__now_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

int64_t clock__monotonic_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t clock__since_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}
