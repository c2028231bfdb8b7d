// SPDX-License-Identifier: GPL-2.0-only
#include <unistd.h>
#include "hooks_off.h"
#include "sysctl.h"

const char *hooks_off__why(bool kprobes)
{
	/* ftrace_startup_enable() returns early: fexit, and kprobes at the entry, stay unarmed. */
	if (!sysctl__number("/proc/sys/kernel/ftrace_enabled"))
		return "live tracing is switched off on this host (kernel.ftrace_enabled is 0); "
		       "switch it on: sysctl kernel.ftrace_enabled=1";
	/* kprobes_all_disarmed; where debugfs is not mounted, nobody has switched them off. */
	if (kprobes && !sysctl__number("/sys/kernel/debug/kprobes/enabled"))
		return "kprobes are switched off on this host; switch them on: echo 1 "
		       ">/sys/kernel/debug/kprobes/enabled";
	return NULL;
}

bool hooks_off__has_kprobes(void)
{
	return access("/sys/bus/event_source", F_OK) ||
	       !access("/sys/bus/event_source/devices/kprobe", F_OK);
}
