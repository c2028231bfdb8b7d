// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include "signals.h"

static struct sigaction old_pipe, old_child;

void signals__take_over(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN}, usual = {.sa_handler = SIG_DFL};

	sigaction(SIGPIPE, &ignore, &old_pipe);
	sigaction(SIGCHLD, &usual, &old_child);
}

void signals__give_back(void)
{
	sigaction(SIGPIPE, &old_pipe, NULL);
	sigaction(SIGCHLD, &old_child, NULL);
}

void signals__that_stop(sigset_t *ret)
{
	static const int all[] = {SIGINT, SIGTERM, SIGHUP};

	sigemptyset(ret);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct sigaction now;

		if (!sigaction(all[i], NULL, &now) && now.sa_handler != SIG_IGN)
			sigaddset(ret, all[i]);
	}
}
