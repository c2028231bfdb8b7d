// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "option_values.h"

#define MAX_SECONDS	 1e9
#define MAX_FOLD_SECONDS 3600
#define PID_LIMIT	 (1u << 22) /* PID_MAX_LIMIT, include/linux/threads.h */

bool port_set__has(const struct port_set *set, uint16_t port)
{
	return set->bits[port / 8] & (1u << (port % 8));
}

uint32_t port_set__from(const struct port_set *set, uint32_t port)
{
	while (port <= 65535 && !port_set__has(set, (uint16_t)port)) {
		/* eight at once where there is none of them */
		port = set->bits[port / 8] ? port + 1 : (port | 7) + 1;
	}
	return port;
}

void port_set__add(struct port_set *set, uint16_t port)
{
	if (port_set__has(set, port))
		return;
	set->bits[port / 8] |= 1u << (port % 8);
	set->count++;
}

/* Digits only: no sign, no space, no 0x, as strtoul() would take. */
static bool parse_number(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned char)text[i] - '0';

		if (digit > 9 || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

static bool all_digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static const char *port_range(const char *text, size_t len, struct port_set *set)
{
	const char *dash = memchr(text, '-', len);
	size_t low_len = dash ? (size_t)(dash - text) : len;
	uint64_t low, high;

	if (memchr(text, '/', len))
		return "the protocol is an option of its own: --proto udp";
	if (!parse_number(text, low_len, UINT32_MAX, &low))
		return "write a number from 1 to 65535, a range as 8000-8010, or several as 80,443";
	high = low;
	if (dash && !parse_number(dash + 1, len - low_len - 1, UINT32_MAX, &high))
		return "a range has a port on both sides of the dash, as 8000-8010";
	if (low < 1 || low > 65535 || high < 1 || high > 65535)
		return "ports go from 1 to 65535";
	if (low > high)
		return "the range is reversed; write the lower port first";
	for (uint64_t port = low; port <= high; port++)
		port_set__add(set, port);
	return NULL;
}

const char *value__ports(const char *text, struct port_set *set)
{
	const char *wrong = NULL;

	for (;;) {
		size_t len = strcspn(text, ",");

		wrong = port_range(text, len, set);
		if (wrong || text[len] == '\0')
			return wrong;
		text += len + 1;
	}
}

const char *value__device(const char *text, char **ret_device)
{
	size_t len = strlen(text);

	if (len == 0 || len >= IFNAMSIZ || strpbrk(text, "/ \t\n") || !strcmp(text, ".") ||
	    !strcmp(text, ".."))
		return "not the name of an interface; `ip link` lists them";
	*ret_device = strdup(text);
	return *ret_device ? NULL : NO_MEMORY_TEXT;
}

const char *value__address(const char *text, uint16_t *ret_family, struct ip_addr *ret_addr,
			   char **ret_device)
{
	const char *percent = strchr(text, '%');
	struct ip_addr addr = {0};
	char plain[INET6_ADDRSTRLEN];
	size_t len = percent ? (size_t)(percent - text) : strlen(text);
	uint16_t family = AF_INET6;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(plain))
		return "not an IPv4 or IPv6 address; write it as 127.0.0.1 or ::1";
	memcpy(plain, text, len);
	plain[len] = '\0';
	if (inet_pton(AF_INET, plain, &addr) == 1)
		family = AF_INET;
	else if (inet_pton(AF_INET6, plain, &addr) != 1)
		return "not an IPv4 or IPv6 address; write it as 127.0.0.1 or ::1";
	if (percent && !ip_addr__needs_scope_id(family, &addr))
		return "only a link-local address has a %interface; use --device";
	if (percent) {
		const char *wrong = value__device(percent + 1, ret_device);

		if (wrong)
			return wrong;
	}
	*ret_family = family;
	*ret_addr = addr;
	return NULL;
}

/*
 * The file and not getpwnam(): NSS would need shared libraries at run time, which the static binary
 * doesn't have.
 */
const char *value__uid(const char *text, uint32_t *ret_uid)
{
	const char *wrong = "no such user in /etc/passwd; give the number (`id -u NAME` prints it)";
	const struct passwd *entry;
	uint64_t number;
	FILE *file;

	if (all_digits(text)) {
		if (!parse_number(text, strlen(text), UINT32_MAX - 1, &number))
			return "user numbers go from 0 to 4294967294";
		*ret_uid = number;
		return NULL;
	}
	file = fopen("/etc/passwd", "re");
	if (!file)
		return "/etc/passwd can't be read; give the number of the user";
	while ((entry = fgetpwent(file))) {
		if (strcmp(entry->pw_name, text) != 0)
			continue;
		*ret_uid = entry->pw_uid;
		wrong = NULL;
		break;
	}
	fclose(file);
	return wrong;
}

const char *value__netns(const char *text, struct options *opts)
{
	uint64_t pid = 0;

	if (!strcmp(text, "self")) {
		opts->netns = NETNS_SELF;
	} else if (!strcmp(text, "all")) {
		opts->netns = NETNS_ALL;
	} else if (all_digits(text)) {
		if (!parse_number(text, strlen(text), PID_LIMIT, &pid) || pid == 0)
			return "not a process number";
		opts->netns = NETNS_PID;
	} else if (text[0] == '/') {
		opts->netns = NETNS_PATH;
	} else if (*text == '\0' || *text == '.' || strchr(text, '/')) {
		return "write self, all, a process number, an absolute path, or a name of "
		       "`ip netns`";
	} else {
		opts->netns = NETNS_NAME;
	}
	opts->netns_pid = pid;
	opts->netns_arg = strdup(text);
	return opts->netns_arg ? NULL : NO_MEMORY_TEXT;
}

static const char *copy(const char *text, char **ret)
{
	char *made = strdup(text);

	if (!made)
		return NO_MEMORY_TEXT;
	free(*ret);
	*ret = made;
	return NULL;
}

static const char *add_pid(struct options *opts, const char *text, size_t len)
{
	uint64_t pid;

	if (!parse_number(text, len, PID_LIMIT, &pid) || pid == 0)
		return "write a process number, or several as 12,13 (a port is given with -P)";
	for (size_t i = 0; i < opts->n_pids; i++)
		if (opts->pids[i] == (int)pid)
			return NULL;
	if (opts->n_pids == OPTIONS_MAX_PIDS)
		return "more than 64 processes; --cgroup or --uid-filter takes any number";
	opts->pids[opts->n_pids++] = (int)pid;
	return NULL;
}

const char *value__pids(const char *text, struct options *opts)
{
	for (;;) {
		size_t len = strcspn(text, ",");
		const char *wrong = add_pid(opts, text, len);

		if (wrong || text[len] == '\0')
			return wrong;
		text += len + 1;
	}
}

const char *value__comm(const char *text, char **ret_comm)
{
	if (*text == '\0')
		return "write the name of a program, as `ps -o comm` shows it";
	if (strlen(text) > OPTIONS_MAX_COMM)
		return "the kernel keeps the first 15 bytes of a name; write those";
	return copy(text, ret_comm);
}

const char *value__cgroup(const char *text, char **ret_path)
{
	if (*text != '/')
		return "write the path of a cgroup, as /sys/fs/cgroup/system.slice or "
		       "/system.slice";
	return copy(text, ret_path);
}

const char *value__file(const char *text, char **ret_path)
{
	return *text ? copy(text, ret_path) : "write the path of a file";
}

const char *value__count(const char *text, uint64_t *ret_count)
{
	uint64_t count;

	if (!parse_number(text, strlen(text), UINT32_MAX, &count) || count == 0)
		return "write a whole number, 1 or more";
	*ret_count = count;
	return NULL;
}

const char *value__seconds(const char *text, double *ret_seconds)
{
	double seconds;

	/* No sign, exponent, hex, "inf" or "nan" gets past this. */
	if (text[strspn(text, "0123456789.")] != '\0' || !strpbrk(text, "0123456789") ||
	    strchr(text, '.') != strrchr(text, '.'))
		return "write a number of seconds, as 30 or 0.5";
	seconds = strtod(text, NULL);
	if (!(seconds > 0) || seconds > MAX_SECONDS)
		return "write more than 0 and at most 1000000000 seconds";
	*ret_seconds = seconds;
	return NULL;
}

const char *value__fold(const char *text, double *ret_seconds)
{
	double seconds;

	/* No window at all has no unit, and no point. */
	if (text[strspn(text, "0.")] == '\0' && strchr(text, '0') &&
	    strchr(text, '.') == strrchr(text, '.')) {
		*ret_seconds = 0;
		return NULL;
	}
	if (!value__seconds(text, &seconds) && seconds <= MAX_FOLD_SECONDS) {
		*ret_seconds = seconds;
		return NULL;
	}
	return "write a number of seconds up to 3600, as 1 or 0.5; 0 reports each refusal";
}

int value__choice(const char *text, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(text, names[i]))
			return i;
	return -1;
}
