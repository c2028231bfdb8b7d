// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "filters.h"
#include "output/format.h"

#define MAX_LISTED 8   /* ports or ranges, pids */
#define MAX_WORD   200 /* bytes of a value as the user wrote it */

struct text {
	char *buf;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->buf + text->used, text->size - text->used, format, args);
	va_end(args);
	if (n < 0)
		return;
	text->used += n;
	if (text->used >= text->size)
		text->used = text->size - 1;
}

static const char *separator(const struct text *text)
{
	return text->used ? ", " : "";
}

/* One value after its name; the beginning of a long one. The output makes it fit to be shown. */
static void put_word(struct text *text, const char *name, const char *word)
{
	if (word)
		put(text, "%s%s %.*s%s", separator(text), name, MAX_WORD, word,
		    strlen(word) > MAX_WORD ? "..." : "");
}

/* The range of ports of the set that begins at or behind `from`: false when there is none. */
static bool next_range(const struct port_set *ports, unsigned from, unsigned *ret_first,
		       unsigned *ret_last)
{
	while (from <= 65535 && !port_set__has(ports, (uint16_t)from))
		from++;
	if (from > 65535)
		return false;
	*ret_first = from;
	while (from < 65535 && port_set__has(ports, (uint16_t)(from + 1)))
		from++;
	*ret_last = from;
	return true;
}

static void put_ports(struct text *text, const struct port_set *ports)
{
	unsigned first, last = 0, more = 0;
	int listed = 0;

	if (!ports->count)
		return;
	put(text, "%s", ports->count == 1 ? "port" : "ports");
	for (unsigned from = 1; next_range(ports, from, &first, &last); from = last + 1) {
		if (++listed > MAX_LISTED)
			more += last - first + 1;
		else if (first == last)
			put(text, "%s %u", listed > 1 ? "," : "", first);
		else
			put(text, "%s %u-%u", listed > 1 ? "," : "", first, last);
	}
	if (more)
		put(text, " and %u more", more);
}

static void put_pids(struct text *text, const int *pids, size_t n)
{
	size_t listed = n < MAX_LISTED ? n : MAX_LISTED;

	if (!n)
		return;
	put(text, "%s%s", separator(text), n == 1 ? "pid" : "pids");
	for (size_t i = 0; i < listed; i++)
		put(text, "%s %d", i ? "," : "", pids[i]);
	if (n > listed)
		put(text, " and %zu more", n - listed);
	put(text, " with descendants");
}

static void put_address(struct text *text, const struct options *opts)
{
	char address[INET6_ADDRSTRLEN];

	if (opts->have_address &&
	    inet_ntop(opts->address_family, &opts->address, address, sizeof(address)))
		put(text, "%saddress %s", separator(text), address);
	else if (opts->want_ipv4 != opts->want_ipv6)
		put(text, "%s%s only", separator(text), opts->want_ipv4 ? "IPv4" : "IPv6");
}

void filters__describe(const struct options *opts, uint32_t netns, char *buf, size_t size)
{
	struct text text = {buf, size, 0};

	buf[0] = '\0';
	put_ports(&text, &opts->ports);
	put_address(&text, opts);
	if (opts->have_protocol)
		put_word(&text, "protocol", format__protocol(opts->protocol).text);
	if (netns)
		put(&text, "%snetns %u", separator(&text), netns);
	if (opts->command)
		put(&text, "%sof the command", separator(&text));
	put_pids(&text, opts->pids, opts->n_pids);
	put_word(&text, "comm", opts->comm);
	if (opts->have_uid_filter)
		put(&text, "%suid %u", separator(&text), opts->uid_filter);
	put_word(&text, "cgroup", opts->cgroup);
}
