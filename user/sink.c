// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include "log.h"
#include "run_id.h"
#include "sink.h"
#include "start.h"

/* What is wrong with the name of a recording, and what to do. */
static const char *record_error(int err)
{
	switch (err) {
	case -EEXIST:
		return "the file exists; name a new one";
	case -ENOENT:
		return "there is no such directory; make it first, or name another";
	case -EROFS:
		return "the file system is read-only; name a file on another";
	case -ENOSPC:
	case -EDQUOT:
		return "the disk is full; free space, or name a file on another";
	default:
		return strerror(-err);
	}
}

static int open_recorder(const struct options *opts, uint64_t own_netns,
			 const char run[OUTPUT_RUN_ID_SIZE], struct recorder **ret)
{
	struct recording_header header;
	int err;

	recording_header__here(&header);
	header.show_netns = opts->netns == NETNS_ALL;
	header.own_netns = own_netns;
	memcpy(header.run, run, sizeof(header.run));
	err = recorder__open(opts->record_path, &header, ret);
	if (!err)
		return 0;
	if (err == -EACCES || err == -EPERM) {
		log__line("--record %s: %s; name a file in a directory that you may write to, or "
			  "run as root",
			  opts->record_path, strerror(-err));
		return EXIT_NOT_PERMITTED;
	}
	log__line("--record %s: %s", opts->record_path, record_error(err));
	return err == -ENOSPC || err == -EDQUOT || err == -EIO ? EXIT_RUNTIME : EXIT_USAGE;
}

int sink__open(const struct options *opts, FILE *results, uint64_t own_netns, struct sink *ret)
{
	char run[OUTPUT_RUN_ID_SIZE];
	int err;

	memset(ret, 0, sizeof(*ret));
	run_id__new(run);
	err = metering__open(opts, true, &ret->metering);
	if (!err && opts->record_path)
		err = open_recorder(opts, own_netns, run, &ret->recorder);
	if (!err) {
		ret->out = start__output(opts, results, own_netns, run, ret->metering.metrics);
		err = ret->out ? 0 : (int)start__report_error(-ENOMEM);
	}
	return err ? sink__close(ret, err) : 0;
}

int sink__close(struct sink *sink, int status)
{
	int err = 0;

	if (status && recorder__is_empty(sink->recorder))
		recorder__discard(sink->recorder);
	else
		err = recorder__close(sink->recorder);
	output__free(sink->out);
	status = metering__close(&sink->metering, status);
	memset(sink, 0, sizeof(*sink));
	if (!err)
		return status;
	log__line("the recording is not complete: %s", strerror(-err));
	return EXIT_RUNTIME;
}

int sink__conflict(struct sink *sink, const struct conflict_report *report)
{
	int err = output__conflict(sink->out, report);

	return err || !sink->recorder ? err : recorder__conflict(sink->recorder, report);
}

int sink__port(struct sink *sink, const struct port_report *report)
{
	int err = output__port(sink->out, report);

	return err || !sink->recorder ? err : recorder__port(sink->recorder, report);
}

int sink__bind(struct sink *sink, const struct bind_report *report)
{
	int err = output__bind(sink->out, report);

	return err || !sink->recorder ? err : recorder__bind(sink->recorder, report);
}

int sink__state(struct sink *sink, const struct state_report *report)
{
	int err = output__state(sink->out, report);

	return err || !sink->recorder ? err : recorder__state(sink->recorder, report);
}

int sink__start(struct sink *sink, const struct run_start *start)
{
	int err = output__start(sink->out, start);

	return err || !sink->recorder ? err : recorder__start(sink->recorder, start);
}

int sink__stop(struct sink *sink, const struct run_stop *stop)
{
	int err = output__stop(sink->out, stop);

	return err || !sink->recorder ? err : recorder__stop(sink->recorder, stop);
}

int sink__lost(struct sink *sink, int64_t time_ns, uint64_t count)
{
	int err = output__lost(sink->out, time_ns, count);

	return err || !sink->recorder ? err : recorder__lost(sink->recorder, time_ns, count);
}
