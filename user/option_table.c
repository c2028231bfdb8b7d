// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include "option_table.h"
#include "output/sanitize.h"

const struct argp_option option_table[] = {
	{0, 0, 0, 0, "What to look at:", 1},
	{"port", 'P', "PORT[,PORT...]", 0,
	 "who holds these ports, what a bind to them would get, and what to do; ranges as "
	 "8000-8010",
	 1},
	{"address", 'a', "ADDR", 0,
	 "the local address (default with --port: 0.0.0.0 and ::; live: any)", 1},
	{0, '4', 0, 0, "IPv4 only", 1},
	{0, '6', 0, 0, "IPv6 only", 1},
	{"proto", KEY_PROTO, "PROTO", 0,
	 "protocol: tcp (default with --port), udp or udplite; live: all of them", 1},
	{"netns", KEY_NETNS, "NS", 0,
	 "network namespace: self (default with --port), all (default live), a PID, a /path or a "
	 "name",
	 1},
	{0, 0, 0, 0, "The bind asked about (with --port):", 2},
	{"reuseaddr", KEY_REUSEADDR, 0, 0, "with SO_REUSEADDR", 2},
	{"reuseport", KEY_REUSEPORT, 0, 0, "with SO_REUSEPORT", 2},
	{"v6only", KEY_V6ONLY, 0, 0, "with IPV6_V6ONLY", 2},
	{"device", KEY_DEVICE, "IFACE", 0, "with SO_BINDTODEVICE", 2},
	{"uid", KEY_UID, "UID", 0, "by this user, a number or a name", 2},
	{"wait", KEY_WAIT, "SECONDS", OPTION_ARG_OPTIONAL,
	 "return as soon as it would succeed, at the latest after SECONDS", 2},
	{0, 0, 0, 0, "Watching (without --port, or with --follow):", 3},
	{"follow", KEY_FOLLOW, 0, 0, "watch the ports of --port instead of looking once", 3},
	{"pid", 'p', "PID[,PID...]", 0, "calls of these processes and their descendants only", 3},
	{"comm", KEY_COMM, "NAME", 0, "calls of programs of this name only", 3},
	{"uid-filter", 'u', "UID", 0, "calls of this user only, a number or a name", 3},
	{"cgroup", 'c', "PATH", 0, "calls from this cgroup and those below it only", 3},
	{"all", KEY_ALL, 0, 0, "successful binds, too", 3},
	{"states", KEY_STATES, 0, 0,
	 "changes of TCP states on these ports and this address, too, whoever calls", 3},
	{"count", KEY_COUNT, "N", 0, "stop after N conflicts", 3},
	{"duration", KEY_DURATION, "SECONDS", 0, "stop after that time", 3},
	{"fold", KEY_FOLD, "SECONDS", 0,
	 "identical refusals within SECONDS are one report with a count (default 1; 0: each is "
	 "reported)",
	 3},
	{"cross-check", KEY_CROSS_CHECK, 0, 0,
	 "compare each report with the socket that the kernel itself names", 3},
	{0, 0, 0, 0, "Output:", 4},
	{"record", KEY_RECORD, "FILE", 0, "write the evidence of every report to a new FILE", 4},
	{"replay", KEY_REPLAY, "FILE", 0,
	 "show the reports of a recording again; needs no privilege", 4},
	{"metrics", KEY_METRICS, "FILE", 0,
	 "while watching: keep counters in FILE (*.prom), for Prometheus' node_exporter", 4},
	{"json", 'j', 0, 0, "one JSON object a line", 4},
	{"journal", KEY_JOURNAL, 0, 0,
	 "with --json as a service: each line's priority before it, if it goes to the journal", 4},
	{"json-schema", KEY_JSON_SCHEMA, 0, 0, "print the JSON Schema of these lines", 4},
	{"color", KEY_COLOR, "WHEN", 0, "auto (default), always or never", 4},
	{"quiet", 'q', 0, 0, "no start and stop lines, no notes", 4},
	{"verbose", 'v', 0, 0, "every socket in a row of its own; twice: how long it took, too", 4},
	{0, 0, 0, 0, "The kernel:", 5},
	{"features", KEY_FEATURES, 0, 0, "what this kernel and this privilege allow", 5},
	{"hooks", KEY_HOOKS, "KIND", 0, "auto (default), fentry or kprobe", 5},
	{"btf", KEY_BTF, "FILE", 0, "kernel type information from FILE", 5},
	{"help", 'h', 0, 0, "print this help", -1},
	{"version", 'V', 0, 0, "print the version", -1},
	{0},
};

const char option_args_doc[] = "\n--port PORT\n-- COMMAND [ARG...]\n--replay FILE";

const char option_doc[] =
	"Explains \"Address already in use\": which sockets block a bind, whose they are, why, and "
	"the smallest change that would let it succeed.\n"
	"\n"
	"Without --port it watches the host and reports every address conflict. With --port it "
	"looks once. With a COMMAND it runs that and explains its conflicts. It only reads: it "
	"never binds, closes or kills anything."
	"\v"
	"Examples:\n"
	"  sudo bindtrace --port 8080\n"
	"  sudo bindtrace --port 8080 --wait=90 && ./server\n"
	"  sudo bindtrace -- ./server\n"
	"\n"
	"Exit status: 0 done (--port: the bind would succeed), 1 --port: the bind would fail (with "
	"--wait: it still would when the time was up), 2 usage, 3 this kernel can't, 4 not "
	"permitted, 5 evidence lost, a damaged recording, or a failure at run time. With a "
	"COMMAND, its own.";

static bool is_header(const struct argp_option *option)
{
	return !option->name && !option->key;
}

static bool is_last(const struct argp_option *option)
{
	return is_header(option) && !option->doc;
}

static const struct argp_option *find_short(char letter)
{
	for (const struct argp_option *o = option_table; !is_last(o); o++)
		if (!is_header(o) && o->key == letter)
			return o;
	return NULL;
}

static bool begins_with(const struct argp_option *o, const char *name, size_t len)
{
	return o->name && strncmp(o->name, name, len) == 0;
}

/* As getopt_long(): the exact name, or the only one that begins so. ret_other: a second one. */
static const struct argp_option *find_long(const char *name, size_t len,
					   const struct argp_option **ret_other)
{
	const struct argp_option *found = NULL;

	*ret_other = NULL;
	for (const struct argp_option *o = option_table; !is_last(o); o++) {
		if (!begins_with(o, name, len))
			continue;
		if (o->name[len] == '\0') {
			*ret_other = NULL;
			return o;
		}
		if (found)
			*ret_other = o;
		else
			found = o;
	}
	return found;
}

static void unknown_option(const char *word, char *buf, size_t size)
{
	char shown[128];

	sanitize__text(shown, sizeof(shown), word);
	snprintf(buf, size, "unknown option '%s'; `bindtrace --help` lists them all", shown);
}

/* "--ports": somebody has written more than there is. */
static void unknown_long(const char *word, size_t len, char *buf, size_t size)
{
	const struct argp_option *other, *option = NULL;
	char shown[128];

	for (size_t n = len; !option && n > 2; n--) {
		option = find_long(word + 2, n, &other);
		if (option && strlen(option->name) != n)
			option = NULL;
	}
	if (!option) {
		unknown_option(word, buf, size);
		return;
	}
	sanitize__text(shown, sizeof(shown), word);
	snprintf(buf, size,
		 "unknown option '%s'; did you mean --%s? `bindtrace --help` lists them all", shown,
		 option->name);
}

/* "'--re' could be --reuseaddr, --reuseport or --record; write it out" */
static void several_options(const char *name, size_t len, char *buf, size_t size)
{
	size_t at = (size_t)snprintf(buf, size, "'--%.*s' could be", (int)len, name);
	size_t n = 0, nth = 0;

	for (const struct argp_option *o = option_table; !is_last(o); o++)
		n += begins_with(o, name, len);
	for (const struct argp_option *o = option_table; !is_last(o) && at < size; o++) {
		if (!begins_with(o, name, len))
			continue;
		nth++;
		at += (size_t)snprintf(buf + at, size - at, "%s --%s",
				       nth == 1	  ? ""
				       : nth == n ? " or"
						  : ",",
				       o->name);
	}
	if (at < size)
		snprintf(buf + at, size - at, "; write it out");
}

static void explain_long(const char *word, char *buf, size_t size)
{
	const struct argp_option *option, *other;
	size_t len = strcspn(word + 2, "=");

	option = find_long(word + 2, len, &other);
	if (!option)
		unknown_long(word, len, buf, size);
	else if (other)
		several_options(word + 2, len, buf, size);
	else if (option->arg && !(option->flags & OPTION_ARG_OPTIONAL))
		snprintf(buf, size, "--%s needs a value: --%s %s", option->name, option->name,
			 option->arg);
	else
		snprintf(buf, size, "--%s takes no value", option->name);
}

static void explain_short(const char *word, char *buf, size_t size)
{
	for (const char *letter = word + 1; *word && *letter; letter++) {
		const struct argp_option *option = find_short(*letter);

		if (option && option->arg) {
			snprintf(buf, size, "-%c needs a value: -%c %s", *letter, *letter,
				 option->arg);
			return;
		}
		if (!option) {
			unknown_option((char[]){'-', *letter, '\0'}, buf, size);
			return;
		}
	}
	unknown_option(word, buf, size);
}

void option_table__explain(const char *word, char *buf, size_t size)
{
	if (!strncmp(word, "--", 2))
		explain_long(word, buf, size);
	else
		explain_short(word, buf, size);
}
