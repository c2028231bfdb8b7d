// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "format.h"
#include "json.h"
#include "memory.h"
#include "metrics.h"
#include "text.h"

struct output *output__new(const struct output_config *config)
{
	struct output *out = calloc(1, sizeof(*out));

	if (out)
		out->config = *config;
	return out;
}

void output__free(struct output *out)
{
	free(out);
}

void output__wait_with(struct output *out, int (*fn)(void *ctx, FILE *stream), void *ctx)
{
	out->wait_writable = fn;
	out->wait_ctx = ctx;
}

/* Of a regular file; -1: not one. */
static off_t size_of(FILE *stream)
{
	struct stat st;

	return fstat(fileno(stream), &st) || !S_ISREG(st.st_mode) ? -1 : st.st_size;
}

/* A full disk takes the beginning of a line: taken back, unless somebody else wrote behind it. */
static void take_back(FILE *stream, off_t before)
{
	int fd = fileno(stream);
	off_t now = size_of(stream);

	__fpurge(stream); /* nor is the rest written at the end, when there may be room */
	if (before >= 0 && now > before && lseek(fd, 0, SEEK_CUR) == now && !ftruncate(fd, before))
		lseek(fd, before, SEEK_SET);
}

/* Until it takes more: O_NONBLOCK may be set, by whoever else has the same terminal open. */
static int wait_for_room(const struct output *out, FILE *stream)
{
	struct pollfd fd = {.fd = fileno(stream), .events = POLLOUT};

	if (out->wait_writable)
		return out->wait_writable(out->wait_ctx, stream);
	return poll(&fd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/* Not by fwrite(), which would not tell how much of it was written before there was no room. */
static int write_bytes(const struct output *out, FILE *stream, const char *text, size_t len)
{
	int err = 0;

	while (len && !err) {
		ssize_t n = write(fileno(stream), text, len);

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			err = wait_for_room(out, stream);
		} else if (errno != EINTR) {
			err = -errno;
		}
	}
	return err;
}

static int write_piece(const struct output *out, FILE *stream, const char *text, size_t len)
{
	off_t before = size_of(stream);
	bool is_file = fileno(stream) >= 0;
	int err;

	errno = 0;
	if (is_file) /* nothing is ever left in its buffer */
		err = write_bytes(out, stream, text, len);
	else /* memory */
		err = fwrite(text, 1, len, stream) == len && !fflush(stream) ? 0 : -(errno ?: EIO);
	if (err)
		take_back(stream, before);
	return err;
}

/*
 * Whole or not at all as far as the file lets us: one write(). Where somebody waits for us not to
 * hang, in pieces that a writable pipe takes at once: JSON lines are one.
 */
static int write_all(const struct output *out, FILE *stream, const char *text, size_t len)
{
	int err = 0;

	if (!out->wait_writable)
		return write_piece(out, stream, text, len);
	for (size_t n; len && !err; text += n, len -= n) {
		n = len < PIPE_BUF ? len : PIPE_BUF;
		err = out->wait_writable(out->wait_ctx, stream)
			      ?: write_piece(out, stream, text, n);
	}
	return err;
}

/* The levels of syslog(3), which the journal knows as priorities. */
enum level { LEVEL_ERR = 3, LEVEL_WARNING = 4, LEVEL_INFO = 6 };

static int write_json(struct output *out, enum level level, int err, struct json_result *result)
{
	char *line = result->line;
	int len = (int)result->len;

	if (!err && out->config.priorities) {
		len = asprintf(&line, "<%d>%s", level, result->line);
		if (len < 0)
			err = -ENOMEM;
	}
	if (!err)
		err = write_all(out, out->config.results, line, (size_t)len);
	if (line != result->line && len >= 0)
		free(line);
	free(result->line);
	return err;
}

/* A report is built in memory first. */
static int page__open(struct memory *page)
{
	*page = (struct memory){NULL};
	return memory__open(page) ? 0 : -ENOMEM;
}

static int page__write(const struct output *out, struct memory *page, int err, FILE *to)
{
	char *text = memory__take(page);

	if (!text)
		return -ENOMEM;
	if (!err)
		err = write_all(out, to, text, page->len);
	free(text);
	return err;
}

/* An empty line between reports of more than a line, and what is around them. */
static void separate(struct output *out, bool block, FILE *stream)
{
	if (out->wrote_report && (block || out->wrote_block))
		fputc('\n', stream);
	out->wrote_report = true;
	out->wrote_block = block;
}

int output__conflict(struct output *out, const struct conflict_report *report)
{
	struct json_result result = {NULL};
	struct memory page;
	int err;

	out->seq++;
	metrics__conflict(out->config.metrics, report);
	if (out->config.json)
		return write_json(out, LEVEL_WARNING, json__conflict(out, report, &result),
				  &result);
	err = page__open(&page);
	if (err)
		return err;
	separate(out, !report->again, page.stream);
	err = report->again ? text__again(out, report, page.stream)
			    : text__conflict(out, report, page.stream);
	return page__write(out, &page, err, out->config.results);
}

int output__port(struct output *out, const struct port_report *report)
{
	struct json_result result = {NULL};
	struct memory page;
	int err;

	out->seq++;
	if (out->config.json)
		return write_json(out, LEVEL_INFO, json__port(out, report, &result), &result);
	err = page__open(&page);
	if (err)
		return err;
	separate(out, !text__is_all_clear(out, report), page.stream);
	err = text__port(out, report, page.stream);
	return page__write(out, &page, err, out->config.results);
}

int output__bind(struct output *out, const struct bind_report *report)
{
	struct json_result result = {NULL};
	struct memory page;
	int err;

	out->seq++;
	metrics__bind(out->config.metrics, report);
	if (out->config.json)
		return write_json(out, LEVEL_INFO, json__bind(out, report, &result), &result);
	err = page__open(&page);
	if (err)
		return err;
	separate(out, false, page.stream);
	text__bind(out, report, page.stream);
	return page__write(out, &page, 0, out->config.results);
}

int output__state(struct output *out, const struct state_report *report)
{
	struct json_result result = {NULL};
	struct memory page;
	int err;

	out->seq++;
	metrics__state(out->config.metrics, report);
	if (out->config.json)
		return write_json(out, LEVEL_INFO, json__state(out, report, &result), &result);
	err = page__open(&page);
	if (err)
		return err;
	separate(out, false, page.stream);
	text__state(out, report, page.stream);
	return page__write(out, &page, 0, out->config.results);
}

int output__start(struct output *out, const struct run_start *start)
{
	struct json_result result = {NULL};
	struct memory page;
	int err;

	out->seq++;
	metrics__start(out->config.metrics, start);
	if (out->config.json)
		return write_json(out, LEVEL_INFO, json__start(out, start, &result), &result);
	if (out->config.quiet)
		return 0;
	err = page__open(&page);
	if (err)
		return err;
	text__start(out, start, page.stream);
	return page__write(out, &page, 0, out->config.diagnostics);
}

int output__stop(struct output *out, const struct run_stop *stop)
{
	struct json_result result = {NULL};
	struct memory page;
	int err;

	out->seq++;
	metrics__stop(out->config.metrics, stop);
	if (out->config.json)
		return write_json(out, stop->lost ? LEVEL_ERR : LEVEL_INFO,
				  json__stop(out, stop, &result), &result);
	if (out->config.quiet)
		return 0;
	err = page__open(&page);
	if (err)
		return err;
	text__stop(stop, page.stream);
	return page__write(out, &page, 0, out->config.diagnostics);
}

int output__lost(struct output *out, int64_t time_ns, uint64_t count)
{
	struct json_result result = {NULL};
	struct memory page;
	int err;

	out->seq++;
	metrics__lost(out->config.metrics, count);
	if (out->config.json)
		return write_json(out, LEVEL_ERR, json__lost(out, time_ns, count, &result),
				  &result);
	err = page__open(&page);
	if (err)
		return err;
	text__lost(count, page.stream);
	return page__write(out, &page, 0, out->config.diagnostics);
}

void output__skip(struct output *out)
{
	out->seq++;
}
