// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts random states of a port, and a random call, before the kernel and before bindtrace.
 *
 *   oracle [--seed S] [--trials N] [--only SEED] [--seeds FILE] [--sample N] [--keep-going]
 *          [--kinds bind,listen,connect,udp] [--each N]
 *          [--bindtrace FILE | --no-bindtrace] [--yes-really]
 *
 * --kinds leaves out the seeds of other kinds, --each makes N trials of every kind.
 * Needs root and a network namespace that nobody else uses. The last line is the sum of it; the
 * exit status is 1 when anything disagreed.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "check.h"
#include "kernel/features.h"

#define DEFAULT_TRIALS 300
#define DEFAULT_SAMPLE 25
#define MAX_FAILURES   50
#define SLOW_MS	       10000 /* something waits in vain */
#define MEANINGFUL     20    /* trials of a kind, of which the kernel always refuses some */

struct config {
	uint64_t seed;
	unsigned long trials;
	unsigned long each; /* of every kind; 0: as they come */
	unsigned int kinds; /* bits of enum trial_kind */
	bool only;
	const char *seeds_file;
	bool keep_going;
	bool yes_really;
};

static uint64_t seed_of(uint64_t seed, unsigned long n)
{
	/* trial__make() scrambles it; any distance will do */
	return seed + n * 0xd1342543de82ef95;
}

static void dump(const struct oracle *oracle)
{
	printf("DISAGREEMENT: %s\n", oracle->why);
	trial__print(stdout, oracle->trial);
	printf("  not made:%s\n  rules: %s\n", *oracle->absent ? oracle->absent : " none",
	       oracle->verdict);
	if (oracle->report) {
		printf("  report: ");
		json_dumpf(oracle->report, stdout, JSON_PRESERVE_ORDER);
		putchar('\n');
	}
	printf("  reproduce: oracle --only %" PRIu64 "\n", oracle->trial->seed);
	fflush(stdout);
}

/* False when it is time to stop. */
static bool run_one(struct oracle *oracle, const struct config *config, uint64_t seed)
{
	struct trial trial;
	int64_t started;
	bool ok;

	trial__make(seed, &trial);
	if (config->only)
		trial__print(stdout, &trial);
	started = clock__ms();
	ok = check__trial(oracle, &trial);
	if (clock__ms() > started + SLOW_MS) {
		printf("slow: %" PRId64 " ms, not made:%s\n", clock__ms() - started,
		       oracle->absent);
		trial__print(stdout, &trial);
	}
	if (!ok) {
		oracle->counts.disagreements++;
		dump(oracle);
	}
	if (config->only && ok)
		printf("  not made:%s\n  rules: %s\n", *oracle->absent ? oracle->absent : " none",
		       oracle->verdict);
	check__done(oracle);
	return ok || (config->keep_going && oracle->counts.disagreements < MAX_FAILURES);
}

/* One seed a line; what follows it says why it is there. */
static bool run_file(struct oracle *oracle, const struct config *config)
{
	FILE *file = fopen(config->seeds_file, "re");
	char line[256];
	uint64_t seed;
	bool go_on = true;

	if (!file) {
		fprintf(stderr, "oracle: %s: %s\n", config->seeds_file, strerror(errno));
		exit(2);
	}
	while (go_on && fgets(line, sizeof(line), file))
		if (line[0] != '#' && sscanf(line, "%" SCNu64, &seed) == 1)
			go_on = run_one(oracle, config, seed);
	fclose(file);
	return go_on;
}

static bool is_wanted(const struct config *config, const unsigned long *done, enum trial_kind kind)
{
	return config->kinds & (1u << kind) && (!config->each || done[kind] < config->each);
}

static bool is_done(const struct config *config, const unsigned long *done, unsigned long n_done)
{
	unsigned int kind;

	if (!config->each)
		return n_done >= config->trials;
	for (kind = 0; kind < N_KINDS; kind++)
		if (is_wanted(config, done, kind))
			return false;
	return true;
}

static bool read_kinds(const char *list, unsigned int *ret)
{
	const char *name;
	unsigned int kind;
	char text[64];

	*ret = 0;
	snprintf(text, sizeof(text), "%s", list);
	for (name = strtok(text, ","); name; name = strtok(NULL, ",")) {
		for (kind = 0; kind < N_KINDS; kind++)
			if (!strcmp(name, trial_kind__name(kind)))
				break;
		if (kind == N_KINDS)
			return false;
		*ret |= 1u << kind;
	}
	return *ret;
}

static void run_all(struct oracle *oracle, const struct config *config)
{
	unsigned long done[N_KINDS] = {}, n_done = 0, n;
	uint64_t seed;

	if (config->only) {
		run_one(oracle, config, config->seed);
		return;
	}
	if (config->seeds_file && !run_file(oracle, config))
		return;
	for (n = 0; !is_done(config, done, n_done); n++) {
		seed = seed_of(config->seed, n);
		if (!is_wanted(config, done, trial__kind(seed)))
			continue;
		if (!run_one(oracle, config, seed))
			return;
		done[trial__kind(seed)]++;
		if (++n_done % 100 == 0) {
			printf("... %lu trials\n", n_done);
			fflush(stdout);
		}
	}
}

static int open_walk(struct oracle *oracle, struct features *features)
{
	int err = features__probe(NULL, features);

	if (!err && features->lack)
		err = -ENOTSUP;
	oracle->mapped_any_quirk = !err && features->rules.mapped_any_quirk;
	return err ? err : walk__open(features, 0, &oracle->walk);
}

static void stop_live(struct oracle *oracle)
{
	int status = live__stop(&oracle->live);

	if (status || !oracle->live.stop || json__number(oracle->live.stop, "lost") > 0) {
		printf("DISAGREEMENT: the live run ended with status %d\n", status);
		oracle->counts.disagreements++;
	}
	if (oracle->live.problem[0]) {
		printf("DISAGREEMENT: %s\n", oracle->live.problem);
		oracle->counts.disagreements++;
	}
	json_decref(oracle->live.stop);
}

/* That all agree means little of a kind of which the kernel has refused nothing. */
static bool has_shown(const struct oracle *oracle, const struct config *config)
{
	const struct counts *counts = &oracle->counts;
	bool shown = true;
	unsigned int kind;

	if (config->only)
		return true;
	for (kind = 0; kind < N_KINDS; kind++) {
		if (counts->of_kind[kind] < MEANINGFUL || counts->refused_of_kind[kind])
			continue;
		printf("DISAGREEMENT: no %s was refused: nothing was shown\n",
		       trial_kind__name(kind));
		shown = false;
	}
	if (oracle->program && counts->refused >= MEANINGFUL && !counts->reports) {
		printf("DISAGREEMENT: no refusal was reported: nothing was shown\n");
		shown = false;
	}
	return shown;
}

static int run(struct oracle *oracle, const struct config *config)
{
	const struct counts *counts = &oracle->counts;
	struct features features;
	unsigned int kind;
	int err = net__setup();

	if (err) {
		fprintf(stderr, "oracle: can't make the devices: dummy and vrf are needed\n");
		return 2;
	}
	err = open_walk(oracle, &features);
	if (!err && oracle->program)
		err = live__start(&oracle->live, oracle->program);
	if (err) {
		fprintf(stderr, "oracle: can't start: %s\n", strerror(-err));
		return 2;
	}
	run_all(oracle, config);
	if (oracle->program)
		stop_live(oracle);
	walk__free(oracle->walk);
	oracle->counts.disagreements += !has_shown(oracle, config);
	printf("oracle: %lu of %lu sockets made, %lu reports, %lu fixes tried, %lu what-ifs, %lu "
	       "passed by the bucket, %lu scenes not made again, %lu closed in place (%lu let go "
	       "late)\n",
	       counts->units_there, counts->units, counts->reports, counts->fixes, counts->what_ifs,
	       counts->by_bucket, counts->unbuildable, counts->in_place, counts->late);
	for (kind = 0; kind < N_KINDS; kind++)
		printf("oracle: %s: %lu trials, %lu refused\n", trial_kind__name(kind),
		       counts->of_kind[kind], counts->refused_of_kind[kind]);
	printf("oracle: %lu trials, %lu refused, %lu rebuilds, %lu disagreements, seed %" PRIu64
	       "\n",
	       counts->trials, counts->refused, counts->rebuilds, counts->disagreements,
	       config->seed);
	return counts->disagreements ? 1 : 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: oracle [--seed S] [--trials N] [--only SEED] [--seeds FILE]\n"
			"              [--sample N] [--keep-going] [--bindtrace FILE]\n"
			"              [--kinds bind,listen,connect,udp] [--each N]\n"
			"              [--no-bindtrace] [--yes-really]\n");
	return 2;
}

static const struct option long_options[] = {
	{"seed", required_argument, NULL, 's'},	     {"trials", required_argument, NULL, 'n'},
	{"only", required_argument, NULL, 'o'},	     {"seeds", required_argument, NULL, 'f'},
	{"sample", required_argument, NULL, 'e'},    {"keep-going", no_argument, NULL, 'k'},
	{"bindtrace", required_argument, NULL, 'b'}, {"no-bindtrace", no_argument, NULL, 'B'},
	{"each", required_argument, NULL, 'a'},	     {"kinds", required_argument, NULL, 'K'},
	{"yes-really", no_argument, NULL, 'y'},	     {},
};

static bool set_option(struct oracle *oracle, struct config *config, int opt)
{
	switch (opt) {
	case 's':
	case 'o':
		config->seed = strtoull(optarg, NULL, 0);
		config->only |= opt == 'o';
		return true;
	case 'n':
		config->trials = strtoul(optarg, NULL, 0);
		return true;
	case 'a':
		config->each = strtoul(optarg, NULL, 0);
		return config->each > 0;
	case 'K':
		return read_kinds(optarg, &config->kinds);
	case 'f':
		config->seeds_file = optarg;
		return true;
	case 'e':
		oracle->sample = strtoul(optarg, NULL, 0);
		return oracle->sample > 0;
	case 'k':
		config->keep_going = true;
		return true;
	case 'b':
		oracle->program = optarg;
		return true;
	case 'B':
		oracle->program = NULL;
		return true;
	case 'y':
		config->yes_really = true;
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct config config = {.trials = DEFAULT_TRIALS, .kinds = (1u << N_KINDS) - 1};
	struct oracle oracle = {.program = "/bt/bindtrace", .sample = DEFAULT_SAMPLE};
	int opt;

	signal(SIGPIPE, SIG_IGN);
	if (getrandom(&config.seed, sizeof(config.seed), GRND_NONBLOCK) != sizeof(config.seed))
		config.seed = clock__ms();
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!set_option(&oracle, &config, opt))
			return usage();
	if (optind < argc)
		return usage();
	if (!config.yes_really && !getenv("BINDTRACE_VM_KERNEL")) {
		fprintf(stderr, "oracle: changes network devices and sysctls: run it in a guest "
				"(tests/oracle/run), or say --yes-really\n");
		return 2;
	}
	return run(&oracle, &config);
}
