// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/bpf_api.h"
#include <errno.h>
#include <linux/bpf.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include "capabilities.h"

#ifndef CAP_BPF
#define CAP_BPF 39 /* 5.8, linux/capability.h; libcap of Debian 12 knows it by its number too */
#endif

static int set_effective(cap_t caps, bool on, const cap_value_t *values, int n)
{
	if (cap_clear_flag(caps, CAP_EFFECTIVE))
		return -errno;
	if (on && n && cap_set_flag(caps, CAP_EFFECTIVE, n, values, CAP_SET))
		return -errno;
	return cap_set_proc(caps) ? -errno : 0;
}

/*
 * Before c8644cd0efe7 ("bpf: refine kernel.unprivileged_bpf_disabled behaviour", 5.19) every
 * command of bpf() wanted CAP_BPF where unprivileged use is disabled. Tried, not guessed: with
 * nothing in effect for a moment.
 */
static bool maps_want_capability(int map_fd)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	cap_t before = cap_get_proc(), none = cap_get_proc();
	bool wanted = true;

	if (before && none && !set_effective(none, false, NULL, 0)) {
		wanted = bpf_obj_get_info_by_fd(map_fd, &info, &size) && errno == EPERM;
		if (cap_set_proc(before))
			wanted = true;
	}
	cap_free(none);
	cap_free(before);
	return wanted;
}

static bool is_permitted(cap_t now, cap_value_t cap)
{
	cap_flag_value_t value;

	return !cap_get_flag(now, cap, CAP_PERMITTED, &value) && value;
}

static int choose(cap_t now, const struct kept_for *kept_for, int map_fd, cap_value_t *keep)
{
	const bool admin = kept_for->entering_netns && is_permitted(now, CAP_SYS_ADMIN);
	const struct {
		bool wanted;
		cap_value_t cap;
	} reasons[] = {
		{true, CAP_SYS_PTRACE},
		{kept_for->entering_netns, CAP_SYS_ADMIN},
		{true, CAP_DAC_READ_SEARCH},
		{kept_for->signals, CAP_KILL},
		{kept_for->foreign_directory, CAP_DAC_OVERRIDE},
		/* bpf_capable(): CAP_SYS_ADMIN does for it */
		{!admin && maps_want_capability(map_fd), CAP_BPF},
	};
	int n = 0;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].wanted && is_permitted(now, reasons[i].cap))
			keep[n++] = reasons[i].cap;
	return n;
}

/* Without CAP_SETPCAP they stay, and give nothing: no program is executed any more. */
static void drop_bounding(void)
{
	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap))
			return;
}

int capabilities__drop(const struct kept_for *kept_for, int map_fd)
{
	cap_t now = cap_get_proc(), caps = cap_init();
	int n = 0, err = -EINVAL;
	cap_value_t keep[8];

	if (!now || !caps) {
		err = -ENOMEM;
		goto out;
	}
	n = choose(now, kept_for, map_fd, keep);
	if (n && cap_set_flag(caps, CAP_PERMITTED, n, keep, CAP_SET))
		goto out;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	drop_bounding();
	err = set_effective(caps, true, keep, n);
out:
	cap_free(caps);
	cap_free(now);
	return err;
}
