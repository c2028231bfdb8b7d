// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include "gone.h"

static bool is_there(const struct snapshot *snap, const struct snap_sock *sock)
{
	for (size_t i = 0; i < snap->n_socks; i++)
		if (snap->socks[i].id == sock->id && snap->socks[i].inode == sock->inode)
			return true;
	return false;
}

int gone__forget(struct snapshot *snap, const uint32_t *socks, size_t n, look_again_fn look,
		 void *ctx)
{
	struct snapshot again;
	bool looked = false;
	int err = 0;

	snapshot__init(&again);
	n = socks ? n : snap->n_socks;
	for (size_t i = 0; i < n && err != -ENOMEM; i++) {
		struct snap_sock *sock = &snap->socks[socks ? socks[i] : i];

		if (sock->holder != HOLDER_DETACHED)
			continue;
		if (!looked)
			err = look(ctx, &again);
		looked = true;
		if (!err && is_there(&again, sock))
			continue;
		sock->holder = HOLDER_UNKNOWN;
		snap->owners_known = false;
	}
	snapshot__free(&again);
	return err == -ENOMEM ? err : 0;
}
