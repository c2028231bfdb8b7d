// SPDX-License-Identifier: GPL-2.0-only
/* The network that the trials need, and ports that nothing has touched lately. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "../states/state.h"
#include "oracle.h"

#define FIRST_PORT 10000
#define LAST_PORT  31999 /* below the ephemeral range */
#define REST_MS	   65000 /* a time-wait socket, and the timer wheel's delay */

#define RANGE_FILE  "/proc/sys/net/ipv4/ip_local_port_range"
#define STAMPS_FILE "/proc/sys/net/ipv4/tcp_timestamps"
#define L3MDEV_FILE "/proc/sys/net/ipv4/tcp_l3mdev_accept"
#define WIDE_RANGE  "32768 60999"

static const struct {
	const char *device, *ipv4, *ipv6;
} networks[] = {
	{DEVICE_A, "10.77.0.1", "fd77::1"},
	{DEVICE_B, "10.77.1.1", "fd77:1::1"},
	{DEVICE_IN, "10.77.2.1", "fd77:2::1"},
	{DEVICE_VRF, "10.77.2.1", "fd77:2::1"},
};

#define IP "/bin/ip " /* not the one that a shell may have built in */

static const char setup[] = IP
	"link set lo up;" IP "link add " DEVICE_A " type dummy;" IP "link add " DEVICE_B
	" type dummy;" IP "link add " DEVICE_IN " type dummy;" IP "link add " DEVICE_VRF
	" type vrf table 77;" IP "link set " DEVICE_IN " master " DEVICE_VRF ";"
	"for d in " DEVICE_A " " DEVICE_B " " DEVICE_IN " " DEVICE_VRF ";"
	"do " IP "link set $d up; done;" IP "addr add 10.77.0.1/24 dev " DEVICE_A ";" IP
	"addr add 10.77.1.1/24 dev " DEVICE_B ";" IP "addr add 10.77.2.1/24 dev " DEVICE_IN ";" IP
	"-6 addr add fd77::1/64 dev " DEVICE_A " nodad;" IP "-6 addr add fd77:1::1/64 dev " DEVICE_B
	" nodad;" IP "-6 addr add fd77:2::1/64 dev " DEVICE_IN " nodad;"
	/* thousands of connections end in TIME_WAIT */
	"sysctl -qw net.ipv4.tcp_max_tw_buckets=500000;"
	"sysctl -qw net.ipv4.ip_local_port_range='" WIDE_RANGE "';" IP "-6 addr show dev " DEVICE_IN
	" | grep -q fd77:2::1";

static int64_t used_at[LAST_PORT - FIRST_PORT + 1];

int net__setup(void)
{
	return run_command(setup) ? -ENODEV : 0;
}

int net__set_l3mdev_accept(bool on)
{
	static int now = -1;

	if (now == on)
		return 0;
	now = on;
	return write_file(L3MDEV_FILE, on ? "1" : "0");
}

int net__set_timestamps(bool on)
{
	static int now = -1;

	if (now == on)
		return 0;
	now = on;
	return write_file(STAMPS_FILE, on ? "1" : "0");
}

int net__narrow_range(uint16_t port)
{
	char text[32];

	if (!port)
		return write_file(RANGE_FILE, WIDE_RANGE);
	snprintf(text, sizeof(text), "%u %u", port, port);
	return write_file(RANGE_FILE, text);
}

uint32_t net__ifindex(const char *device)
{
	return device && *device ? if_nametoindex(device) : 0;
}

int32_t net__l3mdev(const struct trial *trial, const char *device)
{
	if (trial->l3mdev_accept || !device)
		return 0;
	if (strcmp(device, DEVICE_VRF) && strcmp(device, DEVICE_IN))
		return 0;
	return net__ifindex(DEVICE_VRF);
}

const char *net__address(const char *device, int family)
{
	size_t i;

	for (i = 0; device && i < sizeof(networks) / sizeof(networks[0]); i++)
		if (!strcmp(networks[i].device, device))
			return family == AF_INET6 ? networks[i].ipv6 : networks[i].ipv4;
	return NULL;
}

int net__parse(const char *text, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (strchr(text, ':'))
		return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EINVAL;
	ret[10] = ret[11] = 0xff;
	return inet_pton(AF_INET, text, ret + 12) == 1 ? 0 : -EINVAL;
}

/* What the last trial left on a port is gone when its turn comes again. */
uint16_t net__fresh_port(void)
{
	static unsigned int next;
	unsigned int i = next++ % (LAST_PORT - FIRST_PORT + 1);

	while (used_at[i] && clock__ms() < used_at[i] + REST_MS)
		deadline__tick(used_at[i] + REST_MS);
	used_at[i] = clock__ms();
	return FIRST_PORT + i;
}
