// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "format.h"
#include "sanitize.h"

#define NS_PER_S	   1000000000ll
#define FIRST_UNPRIVILEGED 1024 /* PROT_SOCK, include/net/ip.h */

struct endpoint format__address(uint16_t family, const struct ip_addr *addr)
{
	struct endpoint e = {""};

	if (!inet_ntop(family, addr->bytes, e.text, sizeof(e.text)))
		strcpy(e.text, "?");
	return e;
}

struct endpoint format__host(uint16_t family, const struct ip_addr *addr, const char *device)
{
	struct endpoint plain = format__address(family, addr), e;
	bool brackets = family == AF_INET6;

	snprintf(e.text, sizeof(e.text), "%s%.64s%s%s%.31s", brackets ? "[" : "", plain.text,
		 brackets ? "]" : "", device && *device ? "%" : "", device ?: "");
	return e;
}

struct endpoint format__endpoint(uint16_t family, const struct ip_addr *addr, const char *device,
				 uint16_t port)
{
	struct endpoint e = format__host(family, addr, device);
	size_t len = strlen(e.text);

	snprintf(e.text + len, sizeof(e.text) - len, ":%u", port);
	return e;
}

struct word format__device(const struct snapshot *snap, uint32_t ifindex)
{
	const char *name = snapshot__device_name(snap, ifindex);
	struct word w = {""};

	if (ifindex == 0)
		return w;
	if (name)
		sanitize__text(w.text, sizeof(w.text), name);
	else
		snprintf(w.text, sizeof(w.text), "if%u", ifindex);
	return w;
}

struct word format__errno(int error)
{
	const char *name = strerrorname_np(error);
	struct word w;

	if (name)
		snprintf(w.text, sizeof(w.text), "%s", name);
	else
		snprintf(w.text, sizeof(w.text), "errno_%d", error);
	return w;
}

struct word format__protocol(uint32_t protocol)
{
	struct word w;

	switch (protocol) {
	case PROTO_TCP:
		strcpy(w.text, "tcp");
		break;
	case PROTO_UDP:
		strcpy(w.text, "udp");
		break;
	case PROTO_UDPLITE:
		strcpy(w.text, "udplite");
		break;
	case IPPROTO_SCTP:
		strcpy(w.text, "sctp");
		break;
	default:
		snprintf(w.text, sizeof(w.text), "ip_%u", protocol);
		break;
	}
	return w;
}

/* Rounds down also before 1970. */
static time_t whole_seconds(int64_t ns, int64_t *ret_rest)
{
	int64_t seconds = ns / NS_PER_S, rest = ns % NS_PER_S;

	*ret_rest = rest < 0 ? rest + NS_PER_S : rest;
	return rest < 0 ? seconds - 1 : seconds;
}

struct word format__rfc3339(int64_t ns)
{
	int64_t rest;
	time_t seconds = whole_seconds(ns, &rest);
	struct word w = {""};
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(w.text, sizeof(w.text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(w.text + len, sizeof(w.text) - len, ".%09dZ", (int)rest);
	return w;
}

struct word format__clock(int64_t ns)
{
	int64_t rest;
	time_t seconds = whole_seconds(ns, &rest);
	struct word w = {""};
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(w.text, sizeof(w.text), "%H:%M:%S", &tm);
	return w;
}

static struct word in_words(int64_t seconds)
{
	struct word w;

	if (seconds < 180)
		snprintf(w.text, sizeof(w.text), "%d s", (int)seconds);
	else
		snprintf(w.text, sizeof(w.text), "%lld min", (long long)(seconds + 59) / 60);
	return w;
}

struct word format__left(int64_t ms)
{
	return in_words(ms <= 0 ? 0 : ms / 1000 + (ms % 1000 >= 500));
}

struct word format__wait(int64_t ms)
{
	return in_words(ms <= 0 ? 0 : ms / 1000 + (ms % 1000 > 0));
}

struct word format__duration(int64_t ns)
{
	struct word w;

	if (ns < 1000000)
		snprintf(w.text, sizeof(w.text), "%d us", ns < 0 ? 0 : (int)(ns / 1000));
	else if (ns < NS_PER_S)
		snprintf(w.text, sizeof(w.text), "%d ms", (int)(ns / 1000000));
	else if (ns < 180 * NS_PER_S)
		snprintf(w.text, sizeof(w.text), "%.1f s", (double)(ns / 100000000) / 10);
	else
		snprintf(w.text, sizeof(w.text), "%lld min", (long long)(ns / (60 * NS_PER_S)));
	return w;
}

bool format__is_foreign(const struct output *out, uint64_t netns, const char *name)
{
	if (out->config.own_netns && netns)
		return netns != out->config.own_netns;
	return name;
}

static bool is_worth_naming(const struct output *out, uint64_t netns, const char *name)
{
	if (out->config.show_netns)
		return name || netns;
	return format__is_foreign(out, netns, name);
}

struct endpoint format__netns(const struct output *out, uint64_t netns, const char *name)
{
	struct endpoint e = {""};
	char shown[96];

	if (!is_worth_naming(out, netns, name))
		return e;
	if (!name && netns == out->config.own_netns) {
		strcpy(e.text, " in this network namespace");
		return e;
	}
	sanitize__text(shown, sizeof(shown), name);
	if (!name)
		snprintf(shown, sizeof(shown), "%llu", (unsigned long long)netns);
	snprintf(e.text, sizeof(e.text), " in network namespace %s", shown);
	return e;
}

/* Not below ip_unprivileged_port_start, which the kernel refuses: ipv4_local_port_range(). */
struct word format__wider_range(const struct port_usage *usage, const struct refusal_facts *facts)
{
	int32_t start = facts->unprivileged_port_start, low = FIRST_UNPRIVILEGED;
	struct word w;

	if (start > low || (start >= 0 && usage->low <= low))
		low = start > 1 ? start : 1;
	if (low > usage->low)
		low = usage->low;
	snprintf(w.text, sizeof(w.text), "%d 65535", low);
	return w;
}

const char *format__tcp_state(uint8_t state)
{
	struct snap_sock sock = {.state = state};

	if (state == STATE_UNKNOWN || state > STATE_NEW_SYN_RECV)
		return NULL;
	return state == STATE_BOUND ? "CLOSE" : sock_state__name(&sock);
}

const char *refusal_stage__name(enum refusal_stage stage)
{
	switch (stage) {
	case STAGE_PROTOCOL:
		return "protocol";
	case STAGE_LSM:
		return "lsm";
	case STAGE_CGROUP:
		return "cgroup";
	case STAGE_CONNECT:
		return "connect";
	case STAGE_TEST:
		break;
	}
	return NULL;
}

const char *close__name(bool on_range)
{
	return on_range ? "sockets_on_range" : "blockers";
}

const char *freebind__name(uint16_t family)
{
	return family == AF_INET6 ? "IPV6_FREEBIND" : "IP_FREEBIND";
}

const char *nonlocal_sysctl__name(uint16_t family, const struct ip_addr *addr)
{
	return family == AF_INET6 && !ip_addr__is_mapped(addr) ? "net.ipv6.ip_nonlocal_bind"
							       : "net.ipv4.ip_nonlocal_bind";
}

const char *holder_class__name(uint8_t holder)
{
	switch ((enum holder_class)holder) {
	case HOLDER_PROCESS:
		return "process";
	case HOLDER_TIME_WAIT:
		return "time_wait";
	case HOLDER_ORPHAN:
		return "orphan";
	case HOLDER_ACCEPT_QUEUE:
		return "accept_queue";
	case HOLDER_KERNEL:
		return "kernel";
	case HOLDER_DETACHED:
		return "detached";
	case HOLDER_UNKNOWN:
		break;
	}
	return NULL;
}

const char *fix_option__names(uint32_t set)
{
	static const char *const names[] = {
		"",
		"SO_REUSEADDR",
		"SO_REUSEPORT",
		"SO_REUSEADDR+SO_REUSEPORT",
		"IPV6_V6ONLY",
		"SO_REUSEADDR+IPV6_V6ONLY",
		"SO_REUSEPORT+IPV6_V6ONLY",
		"SO_REUSEADDR+SO_REUSEPORT+IPV6_V6ONLY",
	};

	return names[set & 7];
}

const char *fix_side__name(enum fix_side side)
{
	switch (side) {
	case SIDE_BINDER:
		return "binder";
	case SIDE_BLOCKER:
		return "blocker";
	case SIDE_BOTH:
		return "both";
	case SIDE_NONE:
		break;
	}
	return NULL;
}
