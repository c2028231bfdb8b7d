// SPDX-License-Identifier: GPL-2.0-only
/* What somebody has meant who wrote a port in a way that bindtrace does not take. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "option_meant.h"
#include "option_values.h"

/* "0.0.0.0" and "[::1]", without what IPv6 wants around it when a port follows. */
static bool take_address(const char *text, size_t len, char *buf, size_t size)
{
	struct ip_addr address;
	uint16_t family;
	char *device = NULL;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= size)
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (value__address(buf, &family, &address, &device))
		return false;
	free(device);
	return true;
}

/* Of a host, or "*": not what docker's 8080:80 begins with, nor a program's path. */
static bool is_host(const char *text, size_t len)
{
	bool named = len == 1 && *text == '*';

	for (size_t i = 0; i < len; i++) {
		if (text[i] == ':' || text[i] == '/')
			return false;
		named |= isalpha((unsigned char)text[i]) != 0;
	}
	return named;
}

bool meant__port(const char *word, char *buf, size_t size)
{
	const char *colon = strrchr(word, ':'), *port = colon ? colon + 1 : word;
	struct port_set ports = {0};
	char address[64];

	if (take_address(word, strlen(word), address, sizeof(address))) {
		snprintf(buf, size, "--address %s --port PORT", address);
		return true;
	}
	if (!*port || value__ports(port, &ports))
		return false;
	if (!colon || colon == word) {
		snprintf(buf, size, "--port %s", port);
		return true;
	}
	if (take_address(word, colon - word, address, sizeof(address)))
		snprintf(buf, size, "--address %s --port %s", address, port);
	else if (is_host(word, colon - word))
		snprintf(buf, size, "--port %s", port);
	else
		return false;
	return true;
}
