// SPDX-License-Identifier: GPL-2.0-only
/* Which options go together. */
#include <netinet/in.h>
#include <string.h>
#include "option_parse.h"

static int check_family(struct parse *p)
{
	const struct options *opts = p->opts;
	bool is_v6 = opts->have_address && opts->address_family == AF_INET6;
	bool is_v4 = opts->have_address && !is_v6;

	if (p->only_ipv4 && p->only_ipv6)
		return parse__error(p, "-4 and -6 exclude each other; leave both out for both");
	if (p->only_ipv4 && is_v6)
		return parse__error(p, "-4 with an IPv6 address; leave one of them out");
	if (p->only_ipv6 && is_v4)
		return parse__error(p, "-6 with an IPv4 address; leave one of them out");
	if (opts->v6only && (is_v4 || p->only_ipv4))
		return parse__error(p, "--v6only is an option of IPv6 sockets; ask about an IPv6 "
				       "address");
	if (opts->v6only && is_v6 && ip_addr__is_mapped(&opts->address))
		return parse__error(p, "--v6only with an IPv4-mapped address: bind() gives EINVAL "
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
	       : opts->have_fold      ? "--fold"
	       : opts->cross_check    ? "--cross-check"
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
		return parse__error(p, "--features and --json-schema exclude each other");
	if (opts->record_path && opts->replay_path)
		return parse__error(p, "--record and --replay exclude each other; copy the file");
	if ((p->features || p->schema) && (opts->ports.count || opts->follow || opts->command ||
					   opts->wait || opts->record_path || opts->replay_path ||
					   opts->metrics_path || first_live_option(opts)))
		return parse__error(p, "%s stands alone, without a port or a command",
				    p->features ? "--features" : "--json-schema");
	if (p->features && opts->json)
		return parse__error(p, "--features is a table for people; leave --json out");
	if (opts->metrics_path && opts->record_path &&
	    !strcmp(opts->metrics_path, opts->record_path))
		return parse__error(p, "--metrics and --record name the same file");
	if (opts->replay_path && option)
		return parse__error(p, "--replay shows what was recorded; leave %s out", option);
	return 0;
}

static int check_live(struct parse *p, bool one_shot)
{
	const struct options *opts = p->opts;
	const char *live = first_live_option(opts), *filter = first_filter(opts);

	if (!live && opts->metrics_path)
		live = "--metrics";
	if (live && one_shot)
		return parse__error(p, "%s is for watching; add --follow, or leave it out", live);
	if (opts->command && (opts->count || opts->duration_s > 0))
		return parse__error(p, "%s is for watching; the command decides when it ends",
				    opts->count ? "--count" : "--duration");
	if (opts->command && filter)
		return parse__error(p,
				    "%s with a command; the command and its descendants are all "
				    "that is watched",
				    filter);
	/* Most changes are made by a packet or a timer: nobody calls. */
	if (opts->states && filter)
		return parse__error(p,
				    "--states with %s; a change of state has no caller, so name "
				    "ports or an address instead",
				    filter);
	if (opts->states && opts->command && !opts->ports.count && !opts->have_address)
		return parse__error(p,
				    "--states with a command: a change of state has no caller, so "
				    "name ports or an address as well");
	if (opts->states && opts->have_protocol && opts->protocol != PROTO_TCP)
		return parse__error(p, "--states is about TCP; leave --proto out");
	return 0;
}

static int check_mode(struct parse *p, bool empty_command)
{
	const struct options *opts = p->opts;
	const char *bind_option = first_bind_option(p);
	bool one_shot = opts->ports.count && !opts->follow && !opts->command;
	int err;

	if (opts->journal && !opts->json)
		return parse__error(p, "--journal is about the lines of --json; add that");
	if (empty_command)
		return parse__error(p,
				    "-- without a command; write: bindtrace -- COMMAND [ARG...]");
	err = check_alone(p);
	if (err)
		return err;
	if (opts->follow && opts->command)
		return parse__error(p, "--follow with a command; a command is followed anyway");
	if (!bind_option && opts->wait)
		bind_option = "--wait";
	if (bind_option && !one_shot)
		return parse__error(p,
				    "%s describes the bind asked about with --port PORT (no "
				    "--follow, no command)",
				    bind_option);
	/* Another network namespace may have another device of that name. */
	if (!one_shot && opts->device)
		return parse__error(
			p,
			"--address with %%%s describes the bind asked about with --port "
			"PORT; leave %%%s out to watch",
			opts->device, opts->device);
	return check_live(p, one_shot);
}

int parse__check(struct parse *p, bool empty_command)
{
	int err = check_family(p);

	return err ? err : check_mode(p, empty_command);
}
