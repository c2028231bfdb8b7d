// SPDX-License-Identifier: GPL-2.0-only
/* Any bytes as a recording, and again with its checksums set right, so that they get further. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include "recording/layout.h"
#include "recording/recording.h"

static void show(const uint8_t *data, size_t size, bool json, FILE *sink)
{
	const struct output_config config = {
		.results = sink, .diagnostics = sink, .json = json, .verbose = true};
	struct output *out = output__new(&config);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct recording_fault fault;
	struct recording *recording;
	int err;

	if (!out || fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
		abort();
	err = recording__open_fd(fd, &recording, &fault);
	if (!err) {
		err = recording__replay(recording, out, &fault);
		recording__free(recording);
	}
	/* Nothing but the recording can be at fault here, and then it is said. */
	if (err && !*fault.text)
		abort();
	output__free(out);
}

static void put_crc(uint8_t *to, uint32_t crc)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(crc >> 8 * i);
}

static void set_right(uint8_t *data, size_t size)
{
	size_t at = LAYOUT_PREFIX_SIZE;

	if (size < at)
		return;
	memcpy(data, LAYOUT_MAGIC, LAYOUT_MAGIC_SIZE);
	data[8] = LAYOUT_MAJOR;
	data[9] = 0;
	put_crc(data + 12, (uint32_t)crc32(0, data, 12));
	while (size - at >= LAYOUT_HEAD_SIZE) {
		uint8_t *head = data + at;
		size_t n = head[0] | head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;

		at += LAYOUT_HEAD_SIZE;
		if (n > size - at)
			break;
		put_crc(head + 8, (uint32_t)crc32(crc32(0, head, 8), data + at, (uInt)n));
		at += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *sink;
	uint8_t *copy;

	if (!sink)
		sink = fopen("/dev/null", "w");
	if (!sink || size > 1 << 16)
		return 0;
	show(data, size, true, sink);
	copy = malloc(size + 1);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	set_right(copy, size);
	show(copy, size, false, sink);
	show(copy, size, true, sink);
	free(copy);
	return 0;
}
