// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "option_table.h"
#include "option_values.h"
#include "options.h"
#include "output/sanitize.h"

struct parse {
	struct options *opts;
	bool only_ipv4, only_ipv6;
	bool have_device; /* --device was given, not only the scope of an address */
	bool features, schema, done;
	int next;   /* index of the first word that is not understood yet */
	int status; /* 0, or the exit status once a line has been printed */
};

__attribute__((format(printf, 2, 3))) static int usage_error(struct parse *p, const char *fmt, ...)
{
	va_list args;

	if (p->status)
		return EINVAL;
	p->status = EXIT_USAGE;
	fputs("bindtrace: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return EINVAL;
}

/* "bindtrace: --port: '80x': WHAT"; words of the command line may hold anything, so they are
 * quoted.
 */
static int value_error(struct parse *p, const char *option, const char *value, const char *what)
{
	char shown[128];

	if (!strcmp(what, NO_MEMORY_TEXT)) {
		usage_error(p, "%s", what);
		p->status = EXIT_RUNTIME;
		return ENOMEM;
	}
	sanitize__text(shown, sizeof(shown), value);
	return usage_error(p, "%s: '%s': %s", option, shown, what);
}

/*
 * getopt has refused a word and argp is told to be quiet about it (its message has two lines and
 * its own exit status). The word is the first one that no option has taken.
 */
static int explain_bad_word(struct parse *p, const struct argp_state *state)
{
	char message[512];

	option_table__explain(p->next < state->argc ? state->argv[p->next] : "", message,
			      sizeof(message));
	return usage_error(p, "%s", message);
}

/* With the state, so that help_filter() is asked; ARGP_NO_ERRS would silence this, too. */
static int print_help(struct parse *p, struct argp_state *state)
{
	state->flags &= ~ARGP_NO_ERRS;
	state->name = "bindtrace";
	argp_state_help(state, stdout,
			ARGP_HELP_SHORT_USAGE | ARGP_HELP_PRE_DOC | ARGP_HELP_LONG |
				ARGP_HELP_POST_DOC);
	state->flags |= ARGP_NO_ERRS;
	p->done = true;
	return 0;
}

static int print_version(struct parse *p)
{
	puts("bindtrace " BINDTRACE_VERSION);
	p->done = true;
	return 0;
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
		return usage_error(p, "--address is given twice; ask about one at a time");
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

/* A word before any `--`: what did they mean? */
static int stray_word(struct parse *p, const char *arg)
{
	struct port_set ports = {0};
	char shown[128];

	sanitize__text(shown, sizeof(shown), arg);
	if (p->opts->wait && p->opts->wait_s == 0 && *arg && !arg[strspn(arg, "0123456789.")])
		return usage_error(p, "stray argument '%s'; did you mean: --wait=%s", shown, shown);
	if (*arg && !value__ports(arg, &ports))
		return usage_error(p, "stray argument '%s'; did you mean: bindtrace --port %s",
				   shown, shown);
	return usage_error(p, "stray argument '%s'; did you mean: bindtrace -- %s", shown, shown);
}

static int take_word(struct parse *p, struct argp_state *state, const char *arg)
{
	if (!state->quoted || state->next <= state->quoted)
		return stray_word(p, arg);
	p->opts->command = &state->argv[state->next - 1];
	state->next = state->argc;
	return 0;
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

static int take_value(struct parse *p, int key, const char *arg)
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

static int check_family(struct parse *p)
{
	const struct options *opts = p->opts;
	bool is_v6 = opts->have_address && opts->address_family == AF_INET6;
	bool is_v4 = opts->have_address && !is_v6;

	if (p->only_ipv4 && p->only_ipv6)
		return usage_error(p, "-4 and -6 exclude each other; leave both out for both");
	if (p->only_ipv4 && is_v6)
		return usage_error(p, "-4 with an IPv6 address; leave one of them out");
	if (p->only_ipv6 && is_v4)
		return usage_error(p, "-6 with an IPv4 address; leave one of them out");
	if (opts->v6only && (is_v4 || p->only_ipv4))
		return usage_error(p, "--v6only is an option of IPv6 sockets; ask about an IPv6 "
				      "address");
	if (opts->v6only && is_v6 && ip_addr__is_mapped(&opts->address))
		return usage_error(p, "--v6only with an IPv4-mapped address: bind() gives EINVAL "
				      "for that; leave one of them out");
	return 0;
}

static const char *first_bind_option(const struct parse *p)
{
	const struct options *opts = p->opts;

	return opts->reuseaddr	 ? "--reuseaddr"
	       : opts->reuseport ? "--reuseport"
	       : opts->v6only	 ? "--v6only"
	       : p->have_device	 ? "--device"
	       : opts->have_uid	 ? "--uid"
				 : NULL;
}

static const char *first_filter(const struct options *opts)
{
	return opts->n_pids	       ? "--pid"
	       : opts->comm	       ? "--comm"
	       : opts->have_uid_filter ? "--uid-filter"
	       : opts->cgroup	       ? "--cgroup"
				       : NULL;
}

/* What only makes sense while watching: NULL, or the first that is given. */
static const char *first_live_option(const struct options *opts)
{
	return opts->all	      ? "--all"
	       : opts->states	      ? "--states"
	       : first_filter(opts)   ? first_filter(opts)
	       : opts->count	      ? "--count"
	       : opts->duration_s > 0 ? "--duration"
				      : NULL;
}

/* What asks a kernel: a recording has been taken already. */
static const char *first_kernel_option(const struct parse *p)
{
	const struct options *opts = p->opts;
	const char *live = first_live_option(opts), *bind_option = first_bind_option(p);

	return opts->ports.count     ? "--port"
	       : opts->command	     ? "a command"
	       : opts->follow	     ? "--follow"
	       : opts->have_address  ? "--address"
	       : p->only_ipv4	     ? "-4"
	       : p->only_ipv6	     ? "-6"
	       : opts->have_protocol ? "--proto"
	       : opts->netns	     ? "--netns"
	       : bind_option	     ? bind_option
	       : opts->wait	     ? "--wait"
	       : live		     ? live
	       : opts->cross_check   ? "--cross-check"
	       : opts->hooks	     ? "--hooks"
	       : opts->btf_path	     ? "--btf"
				     : NULL;
}

/* The modes that look at nothing else. */
static int check_alone(struct parse *p)
{
	const struct options *opts = p->opts;
	const char *option = first_kernel_option(p);

	if (p->features && p->schema)
		return usage_error(p, "--features and --json-schema exclude each other");
	if (opts->record_path && opts->replay_path)
		return usage_error(p, "--record and --replay exclude each other; copy the file");
	if ((p->features || p->schema) &&
	    (opts->ports.count || opts->follow || opts->command || opts->wait ||
	     opts->record_path || opts->replay_path || first_live_option(opts)))
		return usage_error(p, "%s stands alone, without a port or a command",
				   p->features ? "--features" : "--json-schema");
	if (opts->replay_path && option)
		return usage_error(p, "--replay shows what was recorded; leave %s out", option);
	return 0;
}

static int check_live(struct parse *p, bool one_shot)
{
	const struct options *opts = p->opts;
	const char *live = first_live_option(opts), *filter = first_filter(opts);

	if (live && one_shot)
		return usage_error(p, "%s is for watching; add --follow, or leave it out", live);
	if (opts->command && (opts->count || opts->duration_s > 0))
		return usage_error(p, "%s is for watching; the command decides when it ends",
				   opts->count ? "--count" : "--duration");
	if (opts->command && filter)
		return usage_error(p,
				   "%s with a command; the command and its descendants are all "
				   "that is watched",
				   filter);
	if (opts->states && opts->have_protocol && opts->protocol != PROTO_TCP)
		return usage_error(p, "--states is about TCP; leave --proto out");
	return 0;
}

static int check_mode(struct parse *p, bool empty_command)
{
	const struct options *opts = p->opts;
	const char *bind_option = first_bind_option(p);
	bool one_shot = opts->ports.count && !opts->follow && !opts->command;
	int err;

	if (empty_command)
		return usage_error(p, "-- without a command; write: bindtrace -- COMMAND [ARG...]");
	err = check_alone(p);
	if (err)
		return err;
	if (opts->follow && opts->command)
		return usage_error(p, "--follow with a command; a command is followed anyway");
	if (!bind_option && opts->wait)
		bind_option = "--wait";
	if (bind_option && !one_shot)
		return usage_error(p,
				   "%s describes the bind asked about with --port PORT (no "
				   "--follow, no command)",
				   bind_option);
	return check_live(p, one_shot);
}

static int finish(struct parse *p, const struct argp_state *state)
{
	struct options *opts = p->opts;
	int err = check_family(p);

	if (!err)
		err = check_mode(p, state->quoted && !opts->command);
	if (err)
		return err;
	opts->want_ipv4 =
		!p->only_ipv6 && !(opts->have_address && opts->address_family == AF_INET6);
	opts->want_ipv6 = !p->only_ipv4 && !(opts->have_address && opts->address_family == AF_INET);
	if (p->features)
		opts->mode = MODE_FEATURES;
	else if (p->schema)
		opts->mode = MODE_SCHEMA;
	else if (opts->replay_path)
		opts->mode = MODE_REPLAY;
	else if (opts->command)
		opts->mode = MODE_COMMAND;
	else if (opts->ports.count && !opts->follow)
		opts->mode = MODE_PORT;
	else
		opts->mode = MODE_LIVE;
	return 0;
}

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	int err;

	if (p->done) /* -hx: what follows is not looked at */
		return 0;
	switch (key) {
	case 'h':
		return print_help(p, state);
	case 'V':
		return print_version(p);
	case ARGP_KEY_ARG:
		return take_word(p, state, arg);
	case ARGP_KEY_END:
		return finish(p, state);
	case ARGP_KEY_ERROR:
		return p->status ? 0 : explain_bad_word(p, state);
	default:
		err = take_value(p, key, arg);
		if (!err)
			p->next = state->next;
		return err;
	}
}

/* argp's remark that long and short options take the same values says nothing new here. */
static char *help_filter(int key, const char *text, void *input)
{
	return key == ARGP_KEY_HELP_DUP_ARGS_NOTE ? NULL : (char *)text;
}

static int check_printed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "bindtrace: standard output: %s\n", strerror(errno));
	return EXIT_RUNTIME;
}

int options__parse(int argc, char **argv, struct options *ret_opts)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_key,
		.args_doc = option_args_doc,
		.doc = option_doc,
		.help_filter = help_filter,
	};
	struct options opts = {.protocol = PROTO_TCP};
	struct parse p = {.opts = &opts, .next = 1};
	int err;

	/* In order: the first stray word is named, not an option of the command behind it. */
	err = argp_parse(&argp, argc, argv,
			 ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_NO_EXIT, NULL, &p);
	if (p.done)
		opts.mode = MODE_DONE;
	else if (err && !p.status) {
		fprintf(stderr, "bindtrace: %s\n", strerror(err));
		p.status = err == ENOMEM ? EXIT_RUNTIME : EXIT_USAGE;
	}
	if (p.done)
		p.status = check_printed();
	if (p.status) {
		options__free(&opts);
		return p.status;
	}
	*ret_opts = opts;
	return 0;
}

void options__free(struct options *opts)
{
	if (!opts)
		return;
	free(opts->device);
	free(opts->netns_arg);
	free(opts->btf_path);
	free(opts->comm);
	free(opts->cgroup);
	free(opts->record_path);
	free(opts->replay_path);
	*opts = (struct options){0};
}

bool options__use_color(const struct options *opts, bool is_tty)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (opts->json || opts->color == COLOR_NEVER)
		return false;
	if (opts->color == COLOR_ALWAYS)
		return true;
	return is_tty && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}
