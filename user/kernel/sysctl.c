// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "sysctl.h"

#define IFA_F_DADFAILED 0x08 /* linux/if_addr.h, which clashes with net/if.h */
#define IFA_F_TENTATIVE 0x40

/* fscanf() of a number that does not fit is undefined, unless the type is the widest. */
static bool read_number(FILE *file, long long min, long long max, long long *ret)
{
	long long value;

	if (fscanf(file, "%lld", &value) != 1 || value < min || value > max)
		return false;
	*ret = value;
	return true;
}

int sysctl__read_number(FILE *file)
{
	long long value;

	return read_number(file, 0, INT_MAX, &value) ? (int)value : -1;
}

int sysctl__number(const char *path)
{
	FILE *file = fopen(path, "re");
	int value;

	if (!file)
		return -1;
	value = sysctl__read_number(file);
	fclose(file);
	return value;
}

bool sysctl__read_range(FILE *file, uint16_t *ret_low, uint16_t *ret_high)
{
	long long low, high;

	if (!read_number(file, 1, 65535, &low) || !read_number(file, low, 65535, &high))
		return false;
	*ret_low = (uint16_t)low;
	*ret_high = (uint16_t)high;
	return true;
}

void sysctl__port_range(uint16_t *ret_low, uint16_t *ret_high)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	*ret_low = 0;
	*ret_high = 0;
	if (!file)
		return;
	sysctl__read_range(file, ret_low, ret_high);
	fclose(file);
}

bool sysctl__read_ports(FILE *file, uint8_t ret_bits[65536 / 8])
{
	long long first, last;
	int separator = ',';

	memset(ret_bits, 0, 65536 / 8);
	while (separator == ',' && read_number(file, 0, 65535, &first)) {
		last = first;
		separator = fgetc(file);
		if (separator == '-') {
			if (!read_number(file, first, 65535, &last))
				return false;
			separator = fgetc(file);
		}
		for (long long port = first; port <= last; port++)
			ret_bits[port / 8] |= 1u << (port % 8);
	}
	return !ferror(file) && (separator == EOF || separator == '\n' || separator == ',');
}

bool sysctl__reserved_ports(uint8_t ret_bits[65536 / 8])
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
	bool known;

	memset(ret_bits, 0, 65536 / 8);
	if (!file)
		return false;
	known = sysctl__read_ports(file, ret_bits);
	fclose(file);
	return known;
}

int sysctl__tcp_l3mdev_accept(void)
{
	int value = sysctl__number("/proc/sys/net/ipv4/tcp_l3mdev_accept");

	return value < 0 ? 0 : value;
}

enum tri sysctl__read_tentative(FILE *file, const struct ip_addr *addr)
{
	char wanted[33], text[33];
	enum tri answer = TRI_NO;
	unsigned int flags;

	for (int i = 0; i < 16; i++)
		snprintf(wanted + 2 * i, 3, "%02x", addr->bytes[i]);
	while (fscanf(file, "%32s %*x %*x %*x %x %*s", text, &flags) == 2) {
		if (!strcmp(text, wanted) && flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE))
			answer = TRI_YES;
	}
	return answer;
}

static enum tri is_tentative(const struct ip_addr *addr)
{
	FILE *file = fopen("/proc/self/net/if_inet6", "re");
	enum tri answer;

	if (!file)
		return TRI_UNKNOWN;
	answer = sysctl__read_tentative(file, addr);
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
