// SPDX-License-Identifier: GPL-2.0-only
#include <time.h>

#include "truth.h"

int64_t truth__now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

struct identity *slot__newest(struct slot *slot)
{
	uint32_t n = slot->n;

	return n ? &slot->ring[(n - 1) % IDENTITIES] : NULL;
}

void slot__begin(struct slot *slot, uint64_t inode, uint16_t peer_port)
{
	struct identity *identity = &slot->ring[slot->n % IDENTITIES];

	identity->inode = 0;
	identity->peer_port = peer_port;
	identity->closed_ms = 0;
	identity->made_ms = truth__now_ms();
	identity->inode = inode;
	slot->n++;
}

void slot__set(struct slot *slot, uint64_t inode, uint16_t peer_port)
{
	struct identity *identity = slot__newest(slot);

	identity->peer_port = peer_port;
	identity->inode = inode;
}

void slot__there(struct slot *slot)
{
	slot->generation++;
}

void slot__leave(struct slot *slot)
{
	slot->generation++;
}

void slot__closed(struct slot *slot)
{
	slot__newest(slot)->closed_ms = truth__now_ms();
}
