// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include "log.h"
#include "sight.h"

const char *sight__refused(const struct options *opts, unsigned sees)
{
	if (opts->all && !(sees & SEES_BINDS))
		return "--all";
	if (opts->states && !(sees & SEES_STATES))
		return "--states";
	if (opts->have_protocol && opts->protocol != PROTO_TCP && !(sees & SEES_UDP))
		return opts->protocol == PROTO_UDP ? "--proto udp" : "--proto udplite";
	return NULL;
}

void sight__missing(const struct options *opts, unsigned sees, char *buf, size_t size)
{
	const bool only_tcp = opts->have_protocol && opts->protocol == PROTO_TCP;
	const struct {
		unsigned sight;
		const char *name;
	} parts[] = {
		{SEES_CONNECT, "refused connect()"},
		{only_tcp ? 0 : SEES_UDP, "UDP"},
		{SEES_BINDS, "errors of bind() that are no conflict"},
		{SEES_FORMER, "former owners"},
	};
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && used < size; i++)
		if (parts[i].sight & ~sees)
			used += snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
					 parts[i].name);
}

/* "kprobes only", and why. */
static const char *reason(const struct options *opts, const struct live *live, char *buf,
			  size_t size)
{
	int err = live__fallback_error(live);

	if (opts->hooks == HOOKS_KPROBE)
		snprintf(buf, size, "--hooks kprobe");
	else if (err)
		snprintf(buf, size, "no fexit here: %s", live__error_text(err));
	else
		snprintf(buf, size, "no such hook in this kernel");
	return buf;
}

int sight__check(const struct options *opts, const struct live *live)
{
	unsigned sees = live__sees(live);
	const char *refused = sight__refused(opts, sees);
	char missing[128], why[128];

	reason(opts, live, why, sizeof(why));
	if (refused) {
		log__line("%s needs a hook that is not attached (%s); `bindtrace --features` tells "
			  "more",
			  refused, why);
		return EXIT_KERNEL;
	}
	sight__missing(opts, sees, missing, sizeof(missing));
	if (*missing && !opts->quiet)
		log__line("not watched: %s (%s)", missing, why);
	return 0;
}
