// SPDX-License-Identifier: GPL-2.0-only
/* What each option of the command line says. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "option_meant.h"
#include "option_parse.h"
#include "option_table.h"
#include "option_values.h"
#include "output/sanitize.h"

#define ONE_FILE "one file is given already"

/*
 * 0 where nothing is wrong with the value, else a line: "--port: '80x': WRONG". Words of the
 * command line may hold anything, so they are quoted.
 */
static int value_result(struct parse *p, const char *option, const char *value, const char *wrong)
{
	char shown[128];

	if (!wrong)
		return 0;
	if (!strcmp(wrong, NO_MEMORY_TEXT)) {
		parse__error(p, "%s", wrong);
		p->status = EXIT_RUNTIME;
		return ENOMEM;
	}
	sanitize__text(shown, sizeof(shown), value);
	return parse__error(p, "%s: '%s': %s", option, shown, wrong);
}

static int take_port(struct parse *p, const char *arg)
{
	const char *wrong = value__ports(arg, &p->opts->ports);
	char meant[256], hint[300];

	if (wrong && meant__port(arg, meant, sizeof(meant))) {
		snprintf(hint, sizeof(hint), "write it as %s", meant);
		wrong = hint;
	}
	return value_result(p, "--port", arg, wrong);
}

static int take_address(struct parse *p, const char *arg)
{
	struct options *opts = p->opts;
	char *device = NULL;
	const char *wrong;

	if (opts->have_address)
		return parse__error(p, "--address is given twice; ask about one at a time");
	wrong = value__address(arg, &opts->address_family, &opts->address, &device);
	if (wrong)
		return value_result(p, "--address", arg, wrong);
	opts->have_address = true;
	if (device && opts->device && strcmp(device, opts->device) != 0) {
		free(device);
		return value_result(p, "--address", arg, "--device names another interface");
	}
	if (device) {
		free(opts->device);
		opts->device = device;
	}
	return 0;
}

static int take_device(struct parse *p, const char *arg)
{
	struct options *opts = p->opts;
	char *device = NULL;
	const char *wrong = value__device(arg, &device);

	if (wrong)
		return value_result(p, "--device", arg, wrong);
	if (opts->device && strcmp(device, opts->device) != 0) {
		free(device);
		return value_result(p, "--device", arg, "another interface is named already");
	}
	free(opts->device);
	opts->device = device;
	p->have_device = true;
	return 0;
}

static int take_netns(struct parse *p, const char *arg)
{
	free(p->opts->netns_arg);
	p->opts->netns_arg = NULL;
	return value_result(p, "--netns", arg, value__netns(arg, p->opts));
}

static int take_proto(struct parse *p, const char *arg)
{
	static const uint32_t numbers[] = {PROTO_TCP, PROTO_UDP, PROTO_UDPLITE};
	int choice = value__choice(arg, (const char *const[]){"tcp", "udp", "udplite", NULL});

	if (choice < 0)
		return value_result(p, "--proto", arg, "write tcp, udp or udplite");
	p->opts->protocol = numbers[choice];
	p->opts->have_protocol = true;
	return 0;
}

static int take_color(struct parse *p, const char *arg)
{
	int choice = value__choice(arg, (const char *const[]){"auto", "always", "never", NULL});

	if (choice < 0)
		return value_result(p, "--color", arg, "write auto, always or never");
	p->opts->color = (enum color_when)choice;
	return 0;
}

static int take_hooks(struct parse *p, const char *arg)
{
	int choice = value__choice(arg, (const char *const[]){"auto", "fentry", "kprobe", NULL});

	if (choice < 0)
		return value_result(p, "--hooks", arg, "write auto, fentry or kprobe");
	p->opts->hooks = (enum hook_kind)choice;
	return 0;
}

/* getopt takes a value that may be left out only behind a "=". */
static int take_wait(struct parse *p, const char *arg)
{
	const char *wrong = arg ? value__seconds(arg, &p->opts->wait_s) : NULL;

	p->opts->wait = true;
	return value_result(p, "--wait", arg, wrong);
}

static int take_flag(struct parse *p, int key)
{
	struct options *opts = p->opts;

	switch (key) {
	case '4':
		p->only_ipv4 = true;
		return 0;
	case '6':
		p->only_ipv6 = true;
		return 0;
	case 'j':
		opts->json = true;
		return 0;
	case 'q':
		opts->quiet = true;
		return 0;
	case 'v':
		opts->verbose++;
		return 0;
	case KEY_JOURNAL:
		opts->journal = true;
		return 0;
	case KEY_REUSEADDR:
		opts->reuseaddr = true;
		return 0;
	case KEY_REUSEPORT:
		opts->reuseport = true;
		return 0;
	case KEY_V6ONLY:
		opts->v6only = true;
		return 0;
	case KEY_FOLLOW:
		opts->follow = true;
		return 0;
	case KEY_CROSS_CHECK:
		opts->cross_check = true;
		return 0;
	case KEY_ALL:
		opts->all = true;
		return 0;
	case KEY_STATES:
		opts->states = true;
		return 0;
	case KEY_FEATURES:
		p->features = true;
		return 0;
	case KEY_JSON_SCHEMA:
		p->schema = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int take_filter(struct parse *p, int key, const char *arg)
{
	struct options *opts = p->opts;

	switch (key) {
	case 'p':
		return value_result(p, "--pid", arg, value__pids(arg, opts));
	case KEY_COMM:
		return value_result(p, "--comm", arg, value__comm(arg, &opts->comm));
	case 'u':
		opts->have_uid_filter = true;
		return value_result(p, "--uid-filter", arg, value__uid(arg, &opts->uid_filter));
	case 'c':
		return value_result(p, "--cgroup", arg, value__cgroup(arg, &opts->cgroup));
	default:
		return take_flag(p, key);
	}
}

/* The last BTF file counts; a recording is one file. */
static int take_file(struct parse *p, int key, const char *arg)
{
	struct options *opts = p->opts;

	switch (key) {
	case KEY_BTF:
		return value_result(p, "--btf", arg,
				    *arg ? value__file(arg, &opts->btf_path)
					 : "write the path of a BTF file");
	case KEY_RECORD:
		return value_result(p, "--record", arg,
				    opts->record_path ? ONE_FILE
						      : value__file(arg, &opts->record_path));
	case KEY_REPLAY:
		return value_result(p, "--replay", arg,
				    opts->replay_path ? ONE_FILE
						      : value__file(arg, &opts->replay_path));
	case KEY_METRICS:
		return value_result(p, "--metrics", arg,
				    opts->metrics_path ? ONE_FILE
						       : value__file(arg, &opts->metrics_path));
	default:
		return take_filter(p, key, arg);
	}
}

int parse__take(struct parse *p, int key, const char *arg)
{
	struct options *opts = p->opts;

	switch (key) {
	case 'P':
		return take_port(p, arg);
	case 'a':
		return take_address(p, arg);
	case KEY_DEVICE:
		return take_device(p, arg);
	case KEY_UID:
		opts->have_uid = true;
		return value_result(p, "--uid", arg, value__uid(arg, &opts->uid));
	case KEY_PROTO:
		return take_proto(p, arg);
	case KEY_NETNS:
		return take_netns(p, arg);
	case KEY_COUNT:
		return value_result(p, "--count", arg, value__count(arg, &opts->count));
	case KEY_DURATION:
		return value_result(p, "--duration", arg, value__seconds(arg, &opts->duration_s));
	case KEY_FOLD:
		opts->have_fold = true;
		return value_result(p, "--fold", arg, value__fold(arg, &opts->fold_s));
	case KEY_HOOKS:
		return take_hooks(p, arg);
	case KEY_COLOR:
		return take_color(p, arg);
	case KEY_WAIT:
		return take_wait(p, arg);
	default:
		return take_file(p, key, arg);
	}
}
