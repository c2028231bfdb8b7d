// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "clock.h"
#include "features_report.h"
#include "journal.h"
#include "log.h"
#include "oneshot.h"
#include "options.h"
#include "output/output.h"
#include "replay.h"
#include "session.h"
#include "signals.h"
#include "start.h"

static int run(const struct options *opts)
{
	int err;

	switch (opts->mode) {
	case MODE_PORT:
		return oneshot__run(opts);
	case MODE_LIVE:
	case MODE_COMMAND:
		return session__run(opts);
	case MODE_REPLAY:
		return replay__run(opts);
	case MODE_FEATURES:
		return features_report__run(opts);
	case MODE_SCHEMA:
		err = output__print_schema(stdout);
		return err ? (int)start__report_error(err) : EXIT_OK;
	case MODE_DONE:
		break;
	}
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct options opts;
	int status;

	start__occupy_std_fds();
	signals__take_over();
	clock__read_offsets();
	status = options__parse(argc, argv, &opts);
	if (status)
		return status;
	log__set_libbpf(opts.verbose);
	log__set_journal(opts.journal && journal__is_stream(STDERR_FILENO));
	status = run(&opts);
	options__free(&opts);
	return status;
}
