// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts the kernel it runs on into a named state, for tests; and makes the bind() that meets it.
 *
 *   mkstate list
 *   mkstate STATE [OPTION…]       prints "ready {…}" and stays until standard input ends
 *   mkstate bind [OPTION…] PORT   tries, and prints {"result":…}
 *   mkstate storm [OPTION…] PORT  tries again and again, and prints {"issued":…}
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bind.h"
#include "state.h"
#include "storm.h"

#define DEFAULT_PORT 8080

static const struct state_row *const tables[] = {closing_rows, holder_rows, option_rows,
						 crowd_rows};
#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

static const struct state_row *find_row(const char *name)
{
	const struct state_row *row;
	size_t i;

	for (i = 0; i < N_TABLES; i++)
		for (row = tables[i]; row->name; row++)
			if (!strcmp(row->name, name))
				return row;
	return NULL;
}

static int list_rows(void)
{
	const struct state_row *row;
	size_t i;

	for (i = 0; i < N_TABLES; i++)
		for (row = tables[i]; row->name; row++)
			printf("%-20s %s\n", row->name, row->description);
	return 0;
}

enum {
	OPT_PORT = 'p',
	OPT_ADDRESS = 'a',
	OPT_DEVICE = 'd',
	OPT_UID = 'u',
	OPT_REUSEADDR = 256,
	OPT_REUSEPORT,
	OPT_V6ONLY,
	OPT_ATTACH,
	OPT_FORCE,
	OPT_COUNT,
	OPT_FIRST,
	OPT_COMM,
	OPT_CLEARED,
	OPT_LISTEN,
	OPT_RACE,
	OPT_GATE,
	OPT_HOLD,
	OPT_DAEMON,
	OPT_THREADS,
	OPT_MS,
	OPT_RATE,
	OPT_KINDS,
};

static const struct option long_options[] = {
	{"port", required_argument, NULL, OPT_PORT},
	{"address", required_argument, NULL, OPT_ADDRESS},
	{"device", required_argument, NULL, OPT_DEVICE},
	{"uid", required_argument, NULL, OPT_UID},
	{"reuseaddr", no_argument, NULL, OPT_REUSEADDR},
	{"reuseport", no_argument, NULL, OPT_REUSEPORT},
	{"v6only", no_argument, NULL, OPT_V6ONLY},
	{"attach-program", no_argument, NULL, OPT_ATTACH},
	{"force", no_argument, NULL, OPT_FORCE},
	{"count", required_argument, NULL, OPT_COUNT},
	{"first", required_argument, NULL, OPT_FIRST},
	{"comm", required_argument, NULL, OPT_COMM},
	{"cleared-reuse", no_argument, NULL, OPT_CLEARED},
	{"listen", no_argument, NULL, OPT_LISTEN},
	{"race", no_argument, NULL, OPT_RACE},
	{"gate", no_argument, NULL, OPT_GATE},
	{"hold", no_argument, NULL, OPT_HOLD},
	{"daemon", no_argument, NULL, OPT_DAEMON},
	{"threads", required_argument, NULL, OPT_THREADS},
	{"ms", required_argument, NULL, OPT_MS},
	{"rate", required_argument, NULL, OPT_RATE},
	{"kinds", required_argument, NULL, OPT_KINDS},
	{},
};

/* Those that describe a socket: of the state, or of the bind. */
static bool set_spec(struct sock_spec *spec, int opt, const char *arg)
{
	switch (opt) {
	case OPT_ADDRESS:
		spec->address = arg;
		return true;
	case OPT_DEVICE:
		spec->device = arg;
		return true;
	case OPT_UID:
		spec->uid = atoi(arg);
		return true;
	case OPT_REUSEADDR:
		spec->reuseaddr = true;
		return true;
	case OPT_REUSEPORT:
		spec->reuseport = true;
		return true;
	case OPT_V6ONLY:
		spec->v6only = true;
		return true;
	case OPT_ATTACH:
		spec->attach = true;
		return true;
	case OPT_FORCE:
		spec->force = true;
		return true;
	}
	return false;
}

static bool set_attempt(struct bind_attempt *attempt, int opt, const char *arg)
{
	switch (opt) {
	case OPT_FIRST:
		attempt->first = arg;
		return true;
	case OPT_COMM:
		attempt->comm = arg;
		return true;
	case OPT_CLEARED:
		attempt->cleared = true;
		return true;
	case OPT_LISTEN:
		attempt->listen = true;
		return true;
	case OPT_RACE:
		attempt->race = attempt->listen = true;
		return true;
	case OPT_GATE:
		attempt->gate = true;
		return true;
	case OPT_HOLD:
		attempt->hold = true;
		return true;
	case OPT_DAEMON:
		attempt->daemon = true;
		return true;
	}
	return false;
}

static int usage(const char *problem)
{
	fprintf(stderr,
		"mkstate: %s\n"
		"usage: mkstate list | STATE [OPTION…] | bind [OPTION…] PORT | storm [OPTION…] "
		"PORT\n",
		problem);
	return 2;
}

static int run_bind(int argc, char **argv)
{
	struct bind_attempt attempt = {.spec = {.uid = -1}};
	int opt, uid;

	while ((opt = getopt_long(argc, argv, "p:a:d:u:", long_options, NULL)) != -1) {
		if (opt == OPT_PORT)
			attempt.port = atoi(optarg);
		else if (!set_spec(&attempt.spec, opt, optarg) &&
			 !set_attempt(&attempt, opt, optarg))
			return usage("no such option of bind");
	}
	if (optind < argc)
		attempt.port = atoi(argv[optind]);
	uid = attempt.spec.uid;
	attempt.spec.uid = -1;
	if (uid > 0 && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		return usage("could not become that user");
	return bind__attempt(&attempt);
}

static bool set_storm(struct storm *storm, int opt, const char *arg)
{
	unsigned value = (unsigned)strtoul(arg ? arg : "0", NULL, 10);

	switch (opt) {
	case OPT_PORT:
		storm->port = (uint16_t)value;
		return true;
	case OPT_COUNT:
		storm->calls = value;
		return true;
	case OPT_THREADS:
		storm->threads = value;
		return true;
	case OPT_MS:
		storm->ms = value;
		return true;
	case OPT_RATE:
		storm->per_s = value;
		return true;
	case OPT_KINDS:
		storm->kinds = (uint16_t)value;
		return true;
	}
	return false;
}

static int run_storm(int argc, char **argv)
{
	struct storm storm = {.threads = 1, .ms = 1000};
	int opt;

	while ((opt = getopt_long(argc, argv, "p:", long_options, NULL)) != -1) {
		if (!set_storm(&storm, opt, optarg))
			return usage("no such option of storm");
	}
	if (optind < argc)
		storm.port = (uint16_t)atoi(argv[optind]);
	if (!storm.threads || storm.threads > STORM_MAX_THREADS || storm.kinds > 250)
		return usage("1 to 64 threads, 250 kinds at most");
	return storm__run(&storm);
}

static void merge_row(struct state *st, const struct state_row *row)
{
	st->row = row;
	st->spec = row->spec;
	st->bind = row->bind;
	st->port = row->port ? row->port : DEFAULT_PORT;
}

/* The processes spawned change their user as a whole; sockets are not chown()ed. */
static void settle_uids(struct state *st)
{
	if (st->spec.uid <= 0)
		st->spec.uid = -1;
	if (st->bind.uid <= 0)
		st->bind.uid = -1;
}

static int run_state(const struct state_row *row, int argc, char **argv)
{
	struct state st = {};
	int opt, err;

	merge_row(&st, row);
	while ((opt = getopt_long(argc, argv, "p:a:d:u:", long_options, NULL)) != -1) {
		if (opt == OPT_PORT)
			st.port = atoi(optarg);
		else if (opt == OPT_COUNT)
			st.count = atoi(optarg);
		else if (!set_spec(&st.spec, opt, optarg))
			return usage("no such option of a state");
	}
	settle_uids(&st);
	err = state__init(&st);
	if (!err)
		err = row->make(&st);
	if (err == STATE_SKIP) {
		printf("skip %s\n", st.skip ? st.skip : "not here");
		return STATE_SKIP;
	}
	if (err) {
		fprintf(stderr, "mkstate: %s: %s\n", row->name, strerror(-err));
		return 1;
	}
	state__print_ready(&st);
	while (!wait_byte(STDIN_FILENO))
		;
	state__end(&st);
	return 0;
}

int main(int argc, char **argv)
{
	const struct state_row *row;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return usage("what is to be done?");
	if (!strcmp(argv[1], "list"))
		return list_rows();
	if (!strcmp(argv[1], "bind"))
		return run_bind(argc - 1, argv + 1);
	if (!strcmp(argv[1], "storm"))
		return run_storm(argc - 1, argv + 1);
	row = find_row(argv[1]);
	if (!row)
		return usage("no such state; see `mkstate list`");
	return run_state(row, argc - 1, argv + 1);
}
