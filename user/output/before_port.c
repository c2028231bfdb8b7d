// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/socket.h>
#include "before_port.h"

bool before_port__is(const struct advice *a)
{
	return a->what_if && a->what_if->facts.error;
}

/* With UDP a multicast address is refused only without its device. */
static bool is_multicast_tcp(const struct advice *a)
{
	return a->req->family == AF_INET6 && a->req->addr.bytes[0] == 0xff && !advice__is_udp(a);
}

static bool is_mapped(const struct advice *a)
{
	return a->req->family == AF_INET6 && ip_addr__is_mapped(&a->req->addr);
}

void before_port__why_invalid(struct paragraph *p, const struct advice *a)
{
	if (is_multicast_tcp(a))
		paragraph__text(p, "%s is a multicast address: TCP cannot bind it.",
				advice__asked_host(a).text);
	else if (is_mapped(a))
		paragraph__text(p, "%s is an IPv4 address, and IPV6_V6ONLY keeps IPv4 out.",
				advice__asked_host(a).text);
	else
		paragraph__text(p,
				"%s is an address of one link: every link may have it, so bind() "
				"wants to be told which device is meant.",
				advice__asked_host(a).text);
}

void before_port__reason_invalid(FILE *stream, const struct advice *a)
{
	fprintf(stream, "%s %s", advice__asked_host(a).text,
		is_multicast_tcp(a) ? "is a multicast address"
		: is_mapped(a)	    ? "is an IPv4 address, and IPV6_V6ONLY is set"
				    : "needs its device");
}

void before_port__remedy_invalid(struct paragraph *p, const struct advice *a)
{
	struct endpoint addr = format__address(a->req->family, &a->req->addr);

	if (is_multicast_tcp(a)) {
		paragraph__text(p, "bind to [::], or to an address of this host (`ip -br address` "
				   "lists them)");
	} else if (is_mapped(a)) {
		paragraph__text(p, "leave IPV6_V6ONLY off, or use an IPv4 socket");
	} else {
		paragraph__text(p, "name the device, in the program as sin6_scope_id; to ask about "
				   "that, with eth0 for example:");
		paragraph__code(p, "bindtrace%s%s --port %u --address %s --device eth0",
				advice__is_udp(a) ? " --proto " : "",
				advice__is_udp(a) ? format__protocol(a->snap->protocol).text : "",
				a->req->port, addr.text);
	}
}

void before_port__then(struct paragraph *p, const struct advice *a)
{
	if (!before_port__is(a) || !a->what_if->otherwise ||
	    a->what_if->otherwise == a->what_if->facts.error)
		return;
	if (a->what_if->otherwise < 0)
		paragraph__text(p, "Whether the port itself is free is not known.");
	else if (a->what_if->otherwise == EADDRINUSE)
		paragraph__text(p, "Without that it would get EADDRINUSE: the port is taken, see "
				   "above.");
	else
		paragraph__text(p, "Without that it would get %s.",
				format__errno(a->what_if->otherwise).text);
}
