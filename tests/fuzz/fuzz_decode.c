// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a wire record: decoded or refused, judged and explained without a fault. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conflict_report report = {};
	struct decode_extra extra;
	struct wire_conflict wire;

	if (size < 8 || size > sizeof(wire))
		return 0;
	memset(&wire, 0, sizeof(wire));
	memcpy(&wire, data, size);
	/* Most inputs shall get past the checks of the header. */
	if (!(data[0] & 0x80)) {
		wire.header.version = WIRE_VERSION;
		wire.header.kind = WIRE_CONFLICT;
		wire.n_socks %= WIRE_MAX_SOCKS + 1;
		wire.header.size = offsetof(struct wire_conflict, socks) +
				   wire.n_socks * sizeof(struct wire_sock);
		size = wire.header.size;
	}
	if (!decode__conflict(&wire, size, 4000000, &report, &extra)) {
		snapshot__set_roles(&report.snap);
		if (!rules__judge(&report.snap, &report.req, true, &report.verdict) &&
		    verdict__explain(&report.verdict, &report.snap, &report.req))
			abort();
	}
	conflict__free(&report);
	return 0;
}
