// SPDX-License-Identifier: GPL-2.0-only
/* What each option of the command line says. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "option_parse.h"
#include "option_table.h"
#include "option_values.h"
#include "output/sanitize.h"

/* "--port: '80x': WHAT"; words of the command line may hold anything, so they are quoted. */
static int value_error(struct parse *p, const char *option, const char *value, const char *what)
{
	char shown[128];

	if (!strcmp(what, NO_MEMORY_TEXT)) {
		parse__error(p, "%s", what);
		p->status = EXIT_RUNTIME;
		return ENOMEM;
	}
	sanitize__text(shown, sizeof(shown), value);
	return parse__error(p, "%s: '%s': %s", option, shown, what);
}

static int take_ports(struct parse *p, const char *arg)
{
	const char *wrong = value__ports(arg, &p->opts->ports);

	return wrong ? value_error(p, "--port", arg, wrong) : 0;
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
		return value_error(p, "--address", arg, wrong);
	opts->have_address = true;
	if (device && opts->device && strcmp(device, opts->device) != 0) {
		free(device);
		return value_error(p, "--address", arg, "--device names another interface");
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
		return value_error(p, "--device", arg, wrong);
	if (opts->device && strcmp(device, opts->device) != 0) {
		free(device);
		return value_error(p, "--device", arg, "another interface is named already");
	}
	free(opts->device);
	opts->device = device;
	p->have_device = true;
	return 0;
}

static int take_netns(struct parse *p, const char *arg)
{
	const char *wrong;

	free(p->opts->netns_arg);
	p->opts->netns_arg = NULL;
	wrong = value__netns(arg, p->opts);
	return wrong ? value_error(p, "--netns", arg, wrong) : 0;
}

static int take_proto(struct parse *p, const char *arg)
{
	static const uint32_t numbers[] = {PROTO_TCP, PROTO_UDP, PROTO_UDPLITE};
	int choice = value__choice(arg, (const char *const[]){"tcp", "udp", "udplite", NULL});

	if (choice < 0)
		return value_error(p, "--proto", arg, "write tcp, udp or udplite");
	p->opts->protocol = numbers[choice];
	p->opts->have_protocol = true;
	return 0;
}

static int take_btf(struct parse *p, const char *arg)
{
	const char *wrong =
		*arg ? value__file(arg, &p->opts->btf_path) : "write the path of a BTF file";

	return wrong ? value_error(p, "--btf", arg, wrong) : 0;
}

static int take_color(struct parse *p, const char *arg)
{
	int choice = value__choice(arg, (const char *const[]){"auto", "always", "never", NULL});

	if (choice < 0)
		return value_error(p, "--color", arg, "write auto, always or never");
	p->opts->color = (enum color_when)choice;
	return 0;
}

static int take_hooks(struct parse *p, const char *arg)
{
	int choice = value__choice(arg, (const char *const[]){"auto", "fentry", "kprobe", NULL});

	if (choice < 0)
		return value_error(p, "--hooks", arg, "write auto, fentry or kprobe");
	p->opts->hooks = (enum hook_kind)choice;
	return 0;
}

static int take_uid(struct parse *p, const char *arg)
{
	const char *wrong = value__uid(arg, &p->opts->uid);

	p->opts->have_uid = true;
	return wrong ? value_error(p, "--uid", arg, wrong) : 0;
}

static int take_count(struct parse *p, const char *arg)
{
	const char *wrong = value__count(arg, &p->opts->count);

	return wrong ? value_error(p, "--count", arg, wrong) : 0;
}

static int take_duration(struct parse *p, const char *arg)
{
	const char *wrong = value__seconds(arg, &p->opts->duration_s);

	return wrong ? value_error(p, "--duration", arg, wrong) : 0;
}

/* getopt takes a value that may be left out only behind a "=". */
static int take_wait(struct parse *p, const char *arg)
{
	const char *wrong = arg ? value__seconds(arg, &p->opts->wait_s) : NULL;

	p->opts->wait = true;
	return wrong ? value_error(p, "--wait", arg, wrong) : 0;
}

static int take_pids(struct parse *p, const char *arg)
{
	const char *wrong = value__pids(arg, p->opts);

	return wrong ? value_error(p, "--pid", arg, wrong) : 0;
}

static int take_comm(struct parse *p, const char *arg)
{
	const char *wrong = value__comm(arg, &p->opts->comm);

	return wrong ? value_error(p, "--comm", arg, wrong) : 0;
}

static int take_uid_filter(struct parse *p, const char *arg)
{
	const char *wrong = value__uid(arg, &p->opts->uid_filter);

	p->opts->have_uid_filter = true;
	return wrong ? value_error(p, "--uid-filter", arg, wrong) : 0;
}

static int take_cgroup(struct parse *p, const char *arg)
{
	const char *wrong = value__cgroup(arg, &p->opts->cgroup);

	return wrong ? value_error(p, "--cgroup", arg, wrong) : 0;
}

static int take_file(struct parse *p, const char *option, const char *arg, char **path)
{
	const char *wrong = *path ? "one file is given already" : value__file(arg, path);

	return wrong ? value_error(p, option, arg, wrong) : 0;
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
	switch (key) {
	case 'p':
		return take_pids(p, arg);
	case KEY_COMM:
		return take_comm(p, arg);
	case 'u':
		return take_uid_filter(p, arg);
	case 'c':
		return take_cgroup(p, arg);
	default:
		return take_flag(p, key);
	}
}

int parse__take(struct parse *p, int key, const char *arg)
{
	switch (key) {
	case 'P':
		return take_ports(p, arg);
	case 'a':
		return take_address(p, arg);
	case KEY_DEVICE:
		return take_device(p, arg);
	case KEY_UID:
		return take_uid(p, arg);
	case KEY_PROTO:
		return take_proto(p, arg);
	case KEY_NETNS:
		return take_netns(p, arg);
	case KEY_COUNT:
		return take_count(p, arg);
	case KEY_DURATION:
		return take_duration(p, arg);
	case KEY_BTF:
		return take_btf(p, arg);
	case KEY_HOOKS:
		return take_hooks(p, arg);
	case KEY_COLOR:
		return take_color(p, arg);
	case KEY_WAIT:
		return take_wait(p, arg);
	case KEY_RECORD:
		return take_file(p, "--record", arg, &p->opts->record_path);
	case KEY_REPLAY:
		return take_file(p, "--replay", arg, &p->opts->replay_path);
	default:
		return take_filter(p, key, arg);
	}
}
