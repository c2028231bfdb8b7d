// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "sysctl.h"

#define IFA_F_DADFAILED 0x08 /* linux/if_addr.h, which clashes with net/if.h */
#define IFA_F_TENTATIVE 0x40

int sysctl__number(const char *path)
{
	FILE *file = fopen(path, "re");
	int value;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

void sysctl__port_range(uint16_t *ret_low, uint16_t *ret_high)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int low, high;

	*ret_low = 0;
	*ret_high = 0;
	if (!file)
		return;
	if (fscanf(file, "%u %u", &low, &high) == 2 && low <= 65535 && high <= 65535) {
		*ret_low = low;
		*ret_high = high;
	}
	fclose(file);
}

bool sysctl__reserved_ports(uint8_t ret_bits[65536 / 8])
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
	unsigned int first, last;
	int separator;

	memset(ret_bits, 0, 65536 / 8);
	if (!file)
		return false;
	/* "8080,9000-9010" */
	while (fscanf(file, "%u", &first) == 1) {
		last = first;
		separator = fgetc(file);
		if (separator == '-') {
			if (fscanf(file, "%u", &last) != 1)
				break;
			separator = fgetc(file);
		}
		for (unsigned int port = first; port <= last && port <= 65535; port++)
			ret_bits[port / 8] |= 1u << (port % 8);
		if (separator != ',')
			break;
	}
	fclose(file);
	return true;
}

int sysctl__tcp_l3mdev_accept(void)
{
	int value = sysctl__number("/proc/sys/net/ipv4/tcp_l3mdev_accept");

	return value < 0 ? 0 : value;
}

/* Is addr on an interface, but not usable yet (or never, when another host has it)? */
static enum tri is_tentative(const struct ip_addr *addr)
{
	FILE *file = fopen("/proc/self/net/if_inet6", "re");
	char wanted[33], text[33];
	unsigned int flags;
	enum tri answer = TRI_NO;

	if (!file)
		return TRI_UNKNOWN;
	for (int i = 0; i < 16; i++)
		snprintf(wanted + 2 * i, 3, "%02x", addr->bytes[i]);
	while (fscanf(file, "%32s %*x %*x %*x %x %*s", text, &flags) == 2) {
		if (!strcmp(text, wanted) && flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
			answer = TRI_YES;
	}
	fclose(file);
	return answer;
}

void sysctl__refusal_facts(const struct bind_request *req, struct refusal_facts *facts)
{
	bool ipv6 = req->family == AF_INET6 && !ip_addr__is_mapped(&req->addr);

	facts->unprivileged_port_start =
		sysctl__number("/proc/sys/net/ipv4/ip_unprivileged_port_start");
	facts->nonlocal_bind = sysctl__number(ipv6 ? "/proc/sys/net/ipv6/ip_nonlocal_bind"
						   : "/proc/sys/net/ipv4/ip_nonlocal_bind");
	facts->tw_reuse = sysctl__number("/proc/sys/net/ipv4/tcp_tw_reuse");
	facts->address_tentative = ipv6 ? is_tentative(&req->addr) : TRI_NO;
}
