// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "journal.h"
#include "kernel/netns.h"
#include "kernel/walk.h"
#include "log.h"
#include "start.h"

void start__occupy_std_fds(void)
{
	/* The lowest free number is given, so each open() takes the one looked at. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) != fd)
			return;
}

/* Read with the types of another kernel, not even bindtrace's own namespace is where it should be.
 */
static bool is_of_this_kernel(const struct features *features)
{
	uint64_t inode = netns__own_inode();
	struct snapshot snap;
	struct walk *walk;
	int err;

	if (!inode)
		return true;
	err = walk__open(features, PROTO_TCP, &walk);
	if (err)
		return false;
	snapshot__init(&snap);
	err = walk__port(walk, PROTO_TCP, 1, &snap);
	if (!err && snap.netns != inode)
		err = -EFAULT;
	snapshot__free(&snap);
	walk__free(walk);
	return err != -EFAULT;
}

int start__features(const struct options *opts, struct features *ret)
{
	int err = features__probe(opts->btf_path, ret);

	if (!err && opts->btf_path && !ret->lack && !is_of_this_kernel(ret)) {
		log__line("--btf %s: not the type information of this kernel (%s); leave it out "
			  "if /sys/kernel/btf/vmlinux is there",
			  opts->btf_path, ret->release);
		features__release(ret);
		return EXIT_USAGE;
	}
	if (!err)
		return 0;
	log__line("--btf %s: %s; give a file of kernel type information such as "
		  "/sys/kernel/btf/vmlinux",
		  opts->btf_path,
		  -err < 4000 && err != -EIO ? strerror(-err) : "no kernel type information in it");
	return EXIT_USAGE;
}

enum exit_status start__check_pids(const struct options *opts)
{
	for (size_t i = 0; i < opts->n_pids; i++) {
		int pid = opts->pids[i];
		char path[32];

		/* By /proc, whose numbers these are: it may be another pid namespace's. */
		snprintf(path, sizeof(path), "/proc/%d", pid);
		if (!access(path, F_OK) || access("/proc/self", F_OK))
			continue;
		log__line("--pid %d: no such process%s", pid,
			  pid <= 65535 ? "; a port is given with -P or --port" : "");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

struct output *start__output(const struct options *opts, FILE *results, uint64_t own_netns,
			     const char run[OUTPUT_RUN_ID_SIZE], struct metrics *metrics)
{
	struct output_config config = {
		.results = results,
		.diagnostics = stderr,
		.json = opts->json,
		.color = options__use_color(opts, isatty(fileno(results))),
		.quiet = opts->quiet,
		.priorities = opts->journal && journal__is_stream(fileno(results)),
		.verbose = opts->verbose > 0,
		.show_netns = opts->netns == NETNS_ALL,
		.own_netns = own_netns,
		.metrics = metrics,
	};

	memcpy(config.run, run, sizeof(config.run));
	return output__new(&config);
}

enum exit_status start__netns_error(const struct options *opts, int err)
{
	if (err == -EACCES || err == -EPERM) {
		log__line("--netns %s: not permitted to open that network namespace; run as root",
			  opts->netns_arg);
		return EXIT_NOT_PERMITTED;
	}
	log__line("--netns %s: %s; give a pid, a path, a name of `ip netns`, self or all",
		  opts->netns_arg, strerror(-err));
	return EXIT_USAGE;
}

enum exit_status start__report_error(int err)
{
	switch (err) {
	case -EBADF:
		log__line(
			"standard output is closed; redirect it, to /dev/null if nobody reads it");
		return EXIT_RUNTIME;
	case -ECANCELED:
		log__line("standard output was not read any more; the rest is lost");
		return EXIT_RUNTIME;
	case -EPIPE:
		log__line("standard output was closed by its reader; the rest is lost");
		return EXIT_RUNTIME;
	case -ENOSPC:
		log__line("cannot write standard output: the disk is full; free space and rerun");
		return EXIT_RUNTIME;
	case -EPERM:
	case -EACCES:
		log__line("%s", features__lack_text(LACK_PERMISSION));
		return EXIT_NOT_PERMITTED;
	case -EMFILE:
	case -ENFILE:
		log__line("too many open files; raise the limit (ulimit -n) and run again");
		return EXIT_RUNTIME;
	case -ENOMEM:
		log__line("out of memory");
		return EXIT_RUNTIME;
	default:
		log__line("%s; run again with -vv to see the kernel's messages", strerror(-err));
		return EXIT_RUNTIME;
	}
}
