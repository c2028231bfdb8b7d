// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include "../explain.h"
#include "layout.h"
#include "unpack.h"

#define READ_STEP (1u << 20)

struct recording {
	int fd;
	bool newer;	 /* a newer minor version wrote it */
	uint64_t offset; /* of the next byte to be read */
	uint64_t begin;	 /* of the record being read */
	uint64_t n_records;
	uint64_t n_unknown; /* of a kind that only a newer version shows */
	uint8_t *bytes;	    /* head and payload of that record */
	size_t cap;
	struct recording_header header;
	struct record record; /* the one being shown */
};

/* ---- faults ------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void tell(struct recording_fault *fault,
						       uint64_t offset, const char *format, ...)
{
	va_list args;

	fault->offset = offset;
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
}

static int truncated(const struct recording *rec, struct recording_fault *fault)
{
	tell(fault, rec->offset,
	     "truncated: the file ends at byte %" PRIu64 ", in the middle of a record; what came "
	     "after is missing",
	     rec->offset);
	return -EBADMSG;
}

static int damaged(const struct recording *rec, struct recording_fault *fault, const char *how)
{
	tell(fault, rec->begin,
	     "damaged: %s in the record at byte %" PRIu64 "; it and what comes after cannot be "
	     "shown",
	     how, rec->begin);
	return -EBADMSG;
}

/* ---- bytes -------------------------------------------------------------------------------- */

static uint32_t get_le(const uint8_t *from, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint32_t)from[i] << 8 * i;
	return value;
}

static int make_room(struct recording *rec, size_t size)
{
	uint8_t *bigger;

	if (size <= rec->cap)
		return 0;
	bigger = realloc(rec->bytes, size);
	if (!bigger)
		return -ENOMEM;
	rec->bytes = bigger;
	rec->cap = size;
	return 0;
}

static int read_once(struct recording *rec, size_t at, size_t n, size_t *ret)
{
	ssize_t got;

	do
		got = read(rec->fd, rec->bytes + at, n);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	rec->offset += (uint64_t)got;
	*ret = (size_t)got;
	return 0;
}

/*
 * n bytes to rec->bytes[at]; *ret is less only at the end of the file. Memory is taken as bytes
 * come, not as the file promises.
 */
static int fetch(struct recording *rec, size_t at, size_t n, size_t *ret)
{
	size_t done = 0;

	while (done < n) {
		size_t step = n - done < READ_STEP ? n - done : READ_STEP, got = 0, want;
		int err;

		want = at + done + step;
		err = make_room(rec, want > rec->cap && n > step ? want + done : want);
		if (!err)
			err = read_once(rec, at + done, step, &got);
		if (err)
			return err;
		if (!got)
			break;
		done += got;
	}
	*ret = done;
	return 0;
}

/* ---- records ------------------------------------------------------------------------------ */

/* 0, 1 at the end of the file between two records, or an error. */
static int read_record(struct recording *rec, struct recording_fault *fault)
{
	size_t got, size;
	uint32_t crc;
	int err;

	rec->begin = rec->offset;
	err = fetch(rec, 0, LAYOUT_HEAD_SIZE, &got);
	if (err)
		return err;
	if (!got)
		return 1;
	if (got < LAYOUT_HEAD_SIZE)
		return truncated(rec, fault);
	size = get_le(rec->bytes, 4);
	if (size > LAYOUT_MAX_RECORD || get_le(rec->bytes + 6, 2))
		return damaged(rec, fault, "impossible size or flags");
	err = fetch(rec, LAYOUT_HEAD_SIZE, size, &got);
	if (err)
		return err;
	if (got < size)
		return truncated(rec, fault);
	crc = (uint32_t)crc32_z(0, rec->bytes, 8);
	crc = (uint32_t)crc32_z(crc, rec->bytes + LAYOUT_HEAD_SIZE, size);
	if (crc != get_le(rec->bytes + 8, 4))
		return damaged(rec, fault, "wrong checksum");
	return 0;
}

/* Reads one record and takes it apart into rec->record. */
static int next_record(struct recording *rec, struct recording_fault *fault)
{
	int err = read_record(rec, fault);

	if (err)
		return err;
	record__free(&rec->record);
	err = record__unpack(&rec->record, (uint16_t)get_le(rec->bytes + 4, 2),
			     rec->bytes + LAYOUT_HEAD_SIZE, get_le(rec->bytes, 4), rec->newer);
	return err == -EBADMSG ? damaged(rec, fault, "malformed content") : err;
}

/* ---- opening ------------------------------------------------------------------------------ */

static int check_version(struct recording *rec, struct recording_fault *fault)
{
	unsigned int major = get_le(rec->bytes + 8, 2), minor = get_le(rec->bytes + 10, 2);

	if ((uint32_t)crc32_z(0, rec->bytes, 12) != get_le(rec->bytes + 12, 4))
		return damaged(rec, fault, "wrong checksum");
	if (major != LAYOUT_MAJOR) {
		tell(fault, 8,
		     "written by a newer bindtrace: it has format %u.%u, this bindtrace reads "
		     "format %u; replay it with a newer one",
		     major, minor, LAYOUT_MAJOR);
		return -EPROTONOSUPPORT;
	}
	rec->newer = minor > LAYOUT_MINOR;
	return 0;
}

static int read_prefix(struct recording *rec, struct recording_fault *fault)
{
	size_t got;
	int err = fetch(rec, 0, LAYOUT_PREFIX_SIZE, &got);

	if (err)
		return err;
	if (memcmp(rec->bytes, LAYOUT_MAGIC, got < LAYOUT_MAGIC_SIZE ? got : LAYOUT_MAGIC_SIZE)) {
		tell(fault, 0, "not a recording of bindtrace: give a file that --record has made");
		return -EBADMSG;
	}
	return got < LAYOUT_PREFIX_SIZE ? truncated(rec, fault) : check_version(rec, fault);
}

static int read_header(struct recording *rec, struct recording_fault *fault)
{
	int err = read_prefix(rec, fault);

	if (!err)
		err = next_record(rec, fault);
	if (err == 1)
		return truncated(rec, fault);
	if (err == -EPROTONOSUPPORT && !*fault->text)
		return damaged(rec, fault, "no header");
	if (!err && rec->record.kind != KIND_HEADER)
		return damaged(rec, fault, "no header");
	if (!err)
		rec->header = rec->record.header;
	return err;
}

int recording__open_fd(int fd, struct recording **ret, struct recording_fault *ret_fault)
{
	struct recording *rec = calloc(1, sizeof(*rec));
	int err = rec ? make_room(rec, LAYOUT_PREFIX_SIZE) : -ENOMEM;

	*ret_fault = (struct recording_fault){.text = ""};
	if (rec)
		rec->fd = fd;
	else
		close(fd);
	if (!err)
		err = read_header(rec, ret_fault);
	if (err)
		recording__free(rec);
	else
		*ret = rec;
	return err;
}

int recording__open(const char *path, struct recording **ret, struct recording_fault *ret_fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	*ret_fault = (struct recording_fault){.text = ""};
	return fd < 0 ? -errno : recording__open_fd(fd, ret, ret_fault);
}

void recording__free(struct recording *rec)
{
	if (!rec)
		return;
	record__free(&rec->record);
	free(rec->bytes);
	close(rec->fd);
	free(rec);
}

const struct recording_header *recording__header(const struct recording *rec)
{
	return &rec->header;
}

/* ---- showing ------------------------------------------------------------------------------ */

static int show_conflict(struct conflict_report *report, struct output *out)
{
	int err = report__judge(report);

	if (!err)
		err = report__explain(report);
	return err ?: output__conflict(out, report);
}

/* As ask__what_ifs() and what follows it. */
static int show_port(struct record *record, struct output *out)
{
	struct port_report *report = &record->port;
	int err = 0;

	for (size_t i = 0; !err && i < report->n_what_ifs; i++) {
		struct what_if *what_if = &report->what_ifs[i];

		err = rules__judge(&report->snap, &what_if->req, false, &what_if->verdict);
		if (err)
			break;
		if (what_if->facts.error) {
			verdict__free(&what_if->verdict);
			what_if->verdict = (struct verdict){.refused = TRI_YES};
		}
		/* Sockets may have been hidden from it: then "would succeed" was not known. */
		if (what_if->verdict.refused == TRI_NO && record->shown[i] == TRI_UNKNOWN)
			what_if->verdict.refused = TRI_UNKNOWN;
		err = verdict__explain_asked(&what_if->verdict, &report->snap, &what_if->req,
					     &what_if->facts, what_if->otherwise);
	}
	return err ?: output__port(out, report);
}

static int show(struct record *record, struct output *out)
{
	switch ((enum record_kind)record->kind) {
	case KIND_CONFLICT:
		return show_conflict(&record->conflict, out);
	case KIND_PORT:
		return show_port(record, out);
	case KIND_BIND:
		return output__bind(out, &record->bind);
	case KIND_STATE:
		return output__state(out, &record->state);
	case KIND_START:
		return output__start(out, &record->start);
	case KIND_STOP:
		return output__stop(out, &record->stop);
	case KIND_LOST:
		return output__lost(out, record->time.ns, record->count);
	case KIND_HEADER:
	case KIND_END:
		break;
	}
	return -EBADMSG;
}

/* Local times as they were local there: "<+0130>-01:30:00" is one and a half hours east. */
static int set_zone(int32_t offset)
{
	unsigned int s = (unsigned int)(offset < 0 ? -offset : offset);
	char zone[64];

	snprintf(zone, sizeof(zone), "<%c%02u%02u>%c%02u:%02u:%02u", offset < 0 ? '-' : '+',
		 s / 3600, s / 60 % 60, offset < 0 ? '+' : '-', s / 3600, s / 60 % 60, s % 60);
	if (setenv("TZ", zone, 1))
		return -errno;
	tzset();
	return 0;
}

#define MAX_OFFSET (24 * 3600)

static int show_record(struct recording *rec, struct output *out, struct recording_fault *fault)
{
	struct record *record = &rec->record;
	int32_t offset = record->time.utc_offset_s;
	int err;

	if (record->kind == KIND_HEADER || offset > MAX_OFFSET || offset < -MAX_OFFSET)
		return damaged(rec, fault, "malformed content");
	err = set_zone(offset);
	if (!err)
		err = show(record, out);
	fault->shown += !err;
	return err;
}

static int check_end(struct recording *rec, struct recording_fault *fault)
{
	uint64_t count = rec->record.count;
	size_t got;
	int err;

	if (count != rec->n_records) {
		tell(fault, rec->begin,
		     "damaged: %" PRIu64 " records were written and %" PRIu64
		     " are in the file, up "
		     "to byte %" PRIu64,
		     count, rec->n_records, rec->begin);
		return -EBADMSG;
	}
	rec->begin = rec->offset;
	err = fetch(rec, 0, 1, &got);
	if (!err && got)
		return damaged(rec, fault, "something follows the end mark,");
	if (!err && rec->n_unknown) {
		tell(fault, rec->begin,
		     "written by a newer bindtrace: %" PRIu64 " of its %" PRIu64 " records are of "
		     "a kind that this one cannot show",
		     rec->n_unknown, rec->n_records);
		return -EPROTONOSUPPORT;
	}
	return err;
}

static int no_end(const struct recording *rec, struct recording_fault *fault)
{
	tell(fault, rec->offset,
	     "truncated: no end mark at byte %" PRIu64 ": the recording bindtrace was killed, or "
	     "the file was cut; what came after is missing",
	     rec->offset);
	return -EBADMSG;
}

static int replay_all(struct recording *rec, struct output *out, struct recording_fault *fault)
{
	int err = 0;

	while (!err) {
		err = next_record(rec, fault);
		if (err == 1)
			return no_end(rec, fault);
		if (!err && rec->record.kind == KIND_END)
			return check_end(rec, fault);
		if (err == -EPROTONOSUPPORT) {
			output__skip(out);
			rec->n_unknown++;
			err = 0;
		} else if (!err) {
			err = show_record(rec, out, fault);
		}
		rec->n_records++;
	}
	return err;
}

int recording__replay(struct recording *rec, struct output *out, struct recording_fault *ret_fault)
{
	const char *zone = getenv("TZ");
	char *saved = zone ? strdup(zone) : NULL;
	int err;

	*ret_fault = (struct recording_fault){.text = ""};
	if (zone && !saved)
		return -ENOMEM;
	err = replay_all(rec, out, ret_fault);
	if (saved)
		setenv("TZ", saved, 1);
	else
		unsetenv("TZ");
	tzset();
	free(saved);
	return err;
}
