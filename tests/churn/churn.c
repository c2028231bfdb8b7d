// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks, and searches for owners, while other processors open and close what they look at.
 *
 *   churn [--walks N] [--searches N] [--yes-really]
 *
 * Needs root, two processors, and a network namespace that nobody else uses. The exit status is 1
 * when anything that it was told is not so.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "churn.h"
#include "kernel/features.h"
#include "kernel/walk.h"

enum walk_kind {
	WALK_PORT_A,
	WALK_PORT_B,
	WALK_UDP,
	WALK_RANGE,
	WALK_UDP_ALL,
	N_WALK_KINDS,
};

static const char *const kind_names[N_WALK_KINDS] = {"tcp", "tcp, moving", "udp", "range",
						     "udp, all ports"};

/* The whole table of UDP takes hundreds of times as long as a port. */
static enum walk_kind kind_of(unsigned long n)
{
	static const enum walk_kind kinds[] = {WALK_PORT_A, WALK_UDP, WALK_PORT_A, WALK_PORT_B,
					       WALK_PORT_A, WALK_UDP, WALK_PORT_B, WALK_RANGE};

	return n % 500 == 7 ? WALK_UDP_ALL : kinds[n % (sizeof(kinds) / sizeof(kinds[0]))];
}

static int walk_once(struct walk *walk, enum walk_kind kind, struct tally *tally)
{
	struct moment before;
	struct snapshot snap;
	int err = 0;

	snapshot__init(&snap);
	check__before(&before);
	switch (kind) {
	case WALK_PORT_A:
	case WALK_PORT_B:
		err = walk__port(walk, PROTO_TCP, kind == WALK_PORT_A ? PORT_A : PORT_B, &snap);
		break;
	case WALK_UDP:
		err = walk__port(walk, PROTO_UDP, PORT_UDP, &snap);
		break;
	case WALK_UDP_ALL:
		err = walk__port(walk, PROTO_UDP, 0, &snap);
		break;
	case WALK_RANGE:
		err = walk__range(walk, RANGE_LOW, RANGE_HIGH, &snap);
		break;
	default:
		break;
	}
	if (!err && kind == WALK_RANGE)
		check__walk(&before, &snap, PROTO_TCP, RANGE_LOW, RANGE_HIGH, tally);
	else if (!err && kind == WALK_UDP_ALL)
		check__walk(&before, &snap, PROTO_UDP, 1, UINT16_MAX, tally);
	else if (!err && kind == WALK_UDP)
		check__walk(&before, &snap, PROTO_UDP, PORT_UDP, PORT_UDP, tally);
	else if (!err)
		check__walk(&before, &snap, PROTO_TCP, kind == WALK_PORT_A ? PORT_A : PORT_B,
			    kind == WALK_PORT_A ? PORT_A : PORT_B, tally);
	snapshot__free(&snap);
	return err;
}

static int print_tally(const char *name, const struct tally *tally)
{
	printf("churn: %s: %lu walks, %lu sockets, %lu raced, %lu truncated, %lu had to be in it, "
	       "%lu not verified, slowest %" PRId64 " ms, %lu wrong\n",
	       name, tally->walks, tally->socks, tally->raced, tally->truncated, tally->demanded,
	       tally->unverified, tally->slowest_ms, tally->wrong);
	if (tally->walks && (tally->raced == tally->walks || !tally->demanded)) {
		printf("churn: %s: %s: nothing was shown\n", name,
		       tally->raced == tally->walks ? "every walk is raced"
						    : "no socket had to be in a walk");
		return 1;
	}
	return tally->wrong != 0;
}

static int run_walks(struct walk *walk, unsigned long n)
{
	struct tally tallies[N_WALK_KINDS] = {};
	unsigned long i;
	int err = 0, bad = 0;

	for (i = 0; !err && i < n; i++) {
		err = walk_once(walk, kind_of(i), &tallies[kind_of(i)]);
		if (err)
			printf("churn: walk %lu: %s\n", i, strerror(-err));
		if ((i + 1) % 10000 == 0) {
			printf("... %lu walks\n", i + 1);
			fflush(stdout);
		}
	}
	for (i = 0; i < N_WALK_KINDS; i++)
		bad |= print_tally(kind_names[i], &tallies[i]);
	return err ? 1 : bad;
}

static int run_searches(struct walk *walk, const struct features *features, const char *program,
			unsigned long n)
{
	struct owner_tally tally = {};
	int err = owners__start(program);

	if (!err)
		err = owners__search(walk, features, n, &tally);
	owners__stop();
	if (err)
		printf("churn: search for owners: %s\n", strerror(-err));
	printf("churn: owners: %lu searches, %lu holds, %lu of them described in full, %lu sockets "
	       "of "
	       "nobody, slowest %" PRId64 " ms, %lu wrong\n",
	       tally.searches, tally.holds, tally.described, tally.nobody, tally.tally.slowest_ms,
	       tally.tally.wrong);
	if (!tally.holds)
		printf("churn: owners: nobody held anything: nothing was shown\n");
	return err || tally.tally.wrong || !tally.holds;
}

static void stay_on_one_cpu(void)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(WALKER_CPU, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
}

static int run(unsigned long walks, unsigned long searches, const char *program)
{
	struct features features;
	struct walk *walk = NULL;
	int err = features__probe(NULL, &features), bad = 0;

	if (!err && features.lack)
		err = -ENOTSUP;
	if (!err)
		err = walk__open(&features, 0, &walk);
	if (!err && walks)
		err = churn__start();
	if (err) {
		fprintf(stderr, "churn: can't start: %s\n", strerror(-err));
		churn__stop();
		return 2;
	}
	if (walks) {
		stay_on_one_cpu();
		bad = run_walks(walk, walks);
		churn__stop();
	}
	if (searches)
		bad |= run_searches(walk, &features, program, searches);
	walk__free(walk);
	printf("churn: %lu walks, %lu searches, %s\n", walks, searches, bad ? "wrong" : "right");
	return bad;
}

static const struct option long_options[] = {
	{"walks", required_argument, NULL, 'w'},
	{"searches", required_argument, NULL, 's'},
	{"yes-really", no_argument, NULL, 'y'},
	{},
};

int main(int argc, char **argv)
{
	unsigned long walks = 100000, searches = 5000;
	bool yes_really = getenv("BINDTRACE_VM_KERNEL");
	int opt;

	if (argc > 1 && !strcmp(argv[1], "--family"))
		return owners__family(argc, argv);
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (opt == 'w')
			walks = strtoul(optarg, NULL, 0);
		else if (opt == 's')
			searches = strtoul(optarg, NULL, 0);
		else if (opt == 'y')
			yes_really = true;
		else
			return 2;
	}
	if (!yes_really) {
		fprintf(stderr,
			"churn: uses fixed ports and changes kernel.pid_max: run it in a guest "
			"(tests/churn/run), or say --yes-really\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	return run(walks, searches, argv[0]);
}
