// SPDX-License-Identifier: GPL-2.0-only
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include "run_id.h"

void run_id__new(char ret[OUTPUT_RUN_ID_SIZE])
{
	static const int dash_after[] = {3, 5, 7, 9};
	uint8_t bytes[16];
	size_t n = 0, next = 0;

	ret[0] = '\0';
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return;
	bytes[6] = (bytes[6] & 0x0f) | 0x40;
	bytes[8] = (bytes[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++) {
		n += (size_t)snprintf(ret + n, OUTPUT_RUN_ID_SIZE - n, "%02x", bytes[i]);
		if (next < 4 && dash_after[next] == i) {
			ret[n++] = '-';
			ret[n] = '\0';
			next++;
		}
	}
}
