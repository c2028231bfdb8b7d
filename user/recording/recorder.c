// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include "../clock.h"
#include "../options.h"
#include "layout.h"
#include "pack.h"

struct recorder {
	int fd;
	char *path;
	int err;       /* the first */
	uint64_t size; /* of the file, in whole records */
	uint64_t n_records;
};

/* ---- the header --------------------------------------------------------------------------- */

/* Stays empty where /proc is not mounted. */
static void read_boot_id(char *text, size_t size)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

void recording_header__here(struct recording_header *ret)
{
	struct utsname name;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->tool, sizeof(ret->tool), "%s", BINDTRACE_VERSION);
	if (!uname(&name)) {
		snprintf(ret->kernel, sizeof(ret->kernel), "%s", name.release);
		snprintf(ret->machine, sizeof(ret->machine), "%s", name.machine);
	}
	read_boot_id(ret->boot_id, sizeof(ret->boot_id));
	ret->realtime_ns = clock__now_ns();
	ret->monotonic_ns = clock__monotonic_ns();
}

/* ---- bytes into the file ------------------------------------------------------------------ */

static void put_le(uint8_t *to, uint32_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

/* One write; the rest of a short one tells why it was short. */
static int append(struct recorder *recorder, const uint8_t *bytes, size_t n)
{
	size_t done = 0;
	ssize_t written;

	while (done < n) {
		written = write(recorder->fd, bytes + done, n - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			int err = written ? -errno : -EIO;

			/* The file shall end with a whole record. */
			if (done && ftruncate(recorder->fd, (off_t)recorder->size))
				return err;
			return err;
		}
		done += (size_t)written;
	}
	recorder->size += n;
	return 0;
}

/* Room for the head (and, of the first record, the prefix) is left in front of the payload. */
static void begin(struct coder *c, size_t before)
{
	uint8_t zero[LAYOUT_PREFIX_SIZE + LAYOUT_HEAD_SIZE] = {0};

	*c = (struct coder){.reading = false};
	code__bytes(c, zero, before);
}

static void fill_head(uint8_t *head, uint16_t kind, size_t size)
{
	uint32_t crc;

	put_le(head, (uint32_t)size, 4);
	put_le(head + 4, kind, 2);
	crc = (uint32_t)crc32_z(0, head, 8);
	crc = (uint32_t)crc32_z(crc, head + LAYOUT_HEAD_SIZE, size);
	put_le(head + 8, crc, 4);
}

static void fill_prefix(uint8_t *prefix)
{
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): eight bytes, no string */
	memcpy(prefix, LAYOUT_MAGIC, LAYOUT_MAGIC_SIZE);
	put_le(prefix + 8, LAYOUT_MAJOR, 2);
	put_le(prefix + 10, LAYOUT_MINOR, 2);
	put_le(prefix + 12, (uint32_t)crc32_z(0, prefix, 12), 4);
}

/* Writes what was begun with `before` bytes in front of the payload, and frees it. */
static int finish(struct recorder *recorder, struct coder *c, uint16_t kind, size_t before)
{
	int err = recorder->err ?: c->err;

	if (!err) {
		fill_head(c->out + before - LAYOUT_HEAD_SIZE, kind, c->pos - before);
		if (before > LAYOUT_HEAD_SIZE)
			fill_prefix(c->out);
		err = append(recorder, c->out, c->pos);
	}
	coder__free(c);
	recorder->n_records += !err;
	recorder->err = err;
	return err;
}

/* ---- records ------------------------------------------------------------------------------ */

int recorder__conflict(struct recorder *recorder, const struct conflict_report *report)
{
	struct coder c;

	begin(&c, LAYOUT_HEAD_SIZE);
	pack__conflict(&c, report);
	return finish(recorder, &c, KIND_CONFLICT, LAYOUT_HEAD_SIZE);
}

int recorder__port(struct recorder *recorder, const struct port_report *report)
{
	struct coder c;

	begin(&c, LAYOUT_HEAD_SIZE);
	pack__port(&c, report);
	return finish(recorder, &c, KIND_PORT, LAYOUT_HEAD_SIZE);
}

int recorder__bind(struct recorder *recorder, const struct bind_report *report)
{
	struct coder c;

	begin(&c, LAYOUT_HEAD_SIZE);
	pack__bind(&c, report);
	return finish(recorder, &c, KIND_BIND, LAYOUT_HEAD_SIZE);
}

int recorder__state(struct recorder *recorder, const struct state_report *report)
{
	struct coder c;

	begin(&c, LAYOUT_HEAD_SIZE);
	pack__state(&c, report);
	return finish(recorder, &c, KIND_STATE, LAYOUT_HEAD_SIZE);
}

int recorder__start(struct recorder *recorder, const struct run_start *start)
{
	struct coder c;

	begin(&c, LAYOUT_HEAD_SIZE);
	pack__start(&c, start);
	return finish(recorder, &c, KIND_START, LAYOUT_HEAD_SIZE);
}

int recorder__stop(struct recorder *recorder, const struct run_stop *stop)
{
	struct coder c;

	begin(&c, LAYOUT_HEAD_SIZE);
	pack__stop(&c, stop);
	return finish(recorder, &c, KIND_STOP, LAYOUT_HEAD_SIZE);
}

int recorder__lost(struct recorder *recorder, int64_t time_ns, uint64_t count)
{
	struct coder c;

	begin(&c, LAYOUT_HEAD_SIZE);
	pack__lost(&c, time_ns, count);
	return finish(recorder, &c, KIND_LOST, LAYOUT_HEAD_SIZE);
}

static int write_header(struct recorder *recorder, const struct recording_header *header)
{
	const size_t before = LAYOUT_PREFIX_SIZE + LAYOUT_HEAD_SIZE;
	struct coder c;
	int err;

	begin(&c, before);
	pack__header(&c, header);
	err = finish(recorder, &c, KIND_HEADER, before);
	recorder->n_records = 0;
	return err;
}

static int write_end(struct recorder *recorder)
{
	struct coder c;

	begin(&c, LAYOUT_HEAD_SIZE);
	pack__end(&c, recorder->n_records);
	return finish(recorder, &c, KIND_END, LAYOUT_HEAD_SIZE);
}

/* ---- the file ----------------------------------------------------------------------------- */

static int create(const char *path)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
	int fd = open(path, flags, 0600);

	return fd < 0 ? -errno : fd;
}

static void recorder__free(struct recorder *recorder)
{
	free(recorder->path);
	free(recorder);
}

/* The file was made by create(), and by nobody before: only what is ours is removed. */
void recorder__discard(struct recorder *recorder)
{
	struct stat ours, there;

	if (!recorder)
		return;
	if (!fstat(recorder->fd, &ours) && !lstat(recorder->path, &there) &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlink(recorder->path);
	close(recorder->fd);
	recorder__free(recorder);
}

int recorder__open(const char *path, const struct recording_header *header, struct recorder **ret)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	int err;

	if (!recorder)
		return -ENOMEM;
	recorder->path = strdup(path);
	recorder->fd = recorder->path ? create(path) : -ENOMEM;
	if (recorder->fd < 0) {
		err = recorder->fd;
		recorder__free(recorder);
		return err;
	}
	err = write_header(recorder, header);
	if (err) {
		recorder__discard(recorder);
		return err;
	}
	*ret = recorder;
	return 0;
}

bool recorder__is_empty(const struct recorder *recorder)
{
	return recorder && !recorder->n_records;
}

/* What a network file system or a quota refuses late, it refuses at fsync() or close(). */
int recorder__close(struct recorder *recorder)
{
	int err;

	if (!recorder)
		return 0;
	err = write_end(recorder);
	if (fsync(recorder->fd) && !err)
		err = -errno;
	if (close(recorder->fd) && !err)
		err = -errno;
	recorder__free(recorder);
	return err;
}
