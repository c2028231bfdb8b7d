// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "metering.h"
#include "recording/recording.h"
#include "replay.h"
#include "start.h"

static int complain(const struct options *opts, int err, const struct recording_fault *fault)
{
	if (fault->text[0]) {
		log__line("--replay %s: %s", opts->replay_path, fault->text);
		return EXIT_RUNTIME;
	}
	if (err == -ENOENT || err == -EACCES || err == -EISDIR) {
		log__line("--replay %s: %s; give a file that --record has made", opts->replay_path,
			  strerror(-err));
		return EXIT_USAGE;
	}
	return start__report_error(err);
}

static struct output *open_output(const struct options *opts, const struct recording_header *header,
				  struct metrics *metrics)
{
	struct output_config config = {
		.results = stdout,
		.diagnostics = stderr,
		.json = opts->json,
		.color = options__use_color(opts, isatty(STDOUT_FILENO)),
		.quiet = opts->quiet,
		.verbose = opts->verbose > 0,
		.show_netns = header->show_netns,
		.own_netns = header->own_netns,
		.recorded = true,
		.metrics = metrics,
	};

	memcpy(config.run, header->run, sizeof(config.run));
	return output__new(&config);
}

int replay__run(const struct options *opts)
{
	struct recording_fault fault = {};
	struct recording *recording;
	struct metering metering;
	struct output *out;
	int status, err = recording__open(opts->replay_path, &recording, &fault);

	if (err)
		return complain(opts, err, &fault);
	status = metering__open(opts, false, &metering);
	if (status) {
		recording__free(recording);
		return status;
	}
	out = open_output(opts, recording__header(recording), metering.metrics);
	err = out ? recording__replay(recording, out, &fault) : -ENOMEM;
	output__free(out);
	recording__free(recording);
	return metering__close(&metering, err ? complain(opts, err, &fault) : EXIT_OK);
}
