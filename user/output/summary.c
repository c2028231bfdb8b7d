// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "advice.h"
#include "holder.h"
#include "memory.h"
#include "ranking.h"
#include "summary.h"

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* "1 TIME_WAIT socket", "312 sockets" */
static void write_count(FILE *f, const struct advice *a)
{
	const struct verdict *v = a->verdict;
	const char *state = NULL;

	for (size_t i = 0; i < v->n_blockers; i++) {
		const char *name = sock_state__name(&a->snap->socks[v->blockers[i].sock]);

		if (state && strcmp(state, name) != 0) {
			fprintf(f, "%zu sockets", v->n_blockers);
			return;
		}
		state = name;
	}
	fprintf(f, "%zu %s socket%s", v->n_blockers, state ?: "", plural(v->n_blockers));
}

/* "; both sides need it", after what the blockers lack. What could not be read is not claimed. */
static void write_lacking(FILE *f, const struct advice *a, const char *whose)
{
	bool lacking = false, unread = false, asked = false;

	for (size_t i = 0; i < a->verdict->n_blockers; i++) {
		const struct blocker *blocker = &a->verdict->blockers[i];
		enum tri reuseaddr = a->snap->socks[blocker->sock].reuseaddr;

		lacking |= (blocker->rules & RULE_BLOCKER_LACKS_REUSEADDR) && reuseaddr == TRI_NO;
		unread |= reuseaddr == TRI_UNKNOWN;
		asked |= !!(blocker->rules & RULE_BINDER_LACKS_REUSEADDR);
	}
	if (lacking)
		fprintf(f, " %s had not set SO_REUSEADDR; both sides need it", whose);
	else if (unread)
		fprintf(f,
			" %s had set SO_REUSEADDR or not (it could not be read); both sides need "
			"it",
			whose);
	else if (asked)
		fprintf(f, " %s had set SO_REUSEADDR; this bind must set it, too", whose);
	else
		fprintf(f, " %s is done with it", whose);
}

static void write_held(FILE *f, const struct advice *a, const char *what)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);

	fprintf(f, "%s %s %s%s", holder__who(a->snap, index).text, what,
		advice__local(a, sock).text, advice__is_own(a, index) ? ", the same process" : "");
}

static void write_self(FILE *f, const struct advice *a)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);

	write_held(f, a,
		   advice__is_left_over(sock) ? "was connected to itself on"
					      : "is connected to itself on");
}

static void write_client(FILE *f, const struct advice *a)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);

	fprintf(f, "%s has the port for its connection to %s", holder__who(a->snap, index).text,
		format__endpoint(sock->family, &sock->peer, NULL, sock->peer_port).text);
}

static void write_ownerless(FILE *f, const struct advice *a)
{
	uint32_t index = 0;
	const struct snap_sock *sock = advice__main_sock(a, &index);

	fprintf(f, "%s has %s; no process does", holder__who(a->snap, index).text,
		advice__local(a, sock).text);
}

void summary__reason(FILE *f, const struct advice *a)
{
	if (refusal__reason(f, a))
		return;
	if (a->verdict->n_blockers == 0) {
		fputs("no socket seen explains it", f);
		return;
	}
	switch (a->verdict->cause) {
	case CAUSE_TIME_WAIT:
		write_count(f, a);
		write_lacking(f, a, "left by a program that");
		break;
	case CAUSE_CLOSING:
		write_count(f, a);
		write_lacking(f, a, "still closing, of a program that");
		break;
	case CAUSE_CONNECTION:
		write_count(f, a);
		write_lacking(f, a, "still open, of a server that");
		break;
	case CAUSE_LISTENER:
		write_held(f, a, "listens on");
		break;
	case CAUSE_DUAL_STACK:
		write_held(f, a, "has");
		fputs(", and one side is IPv6 without IPV6_V6ONLY", f);
		break;
	case CAUSE_CLIENT_PORT:
		write_client(f, a);
		break;
	case CAUSE_SELF_CONNECT:
		write_self(f, a);
		break;
	case CAUSE_BOUND_ONLY:
		write_held(f, a, "has bound, without listening,");
		break;
	case CAUSE_INHERITED:
		write_held(f, a, "still holds the inherited or passed listener");
		break;
	case CAUSE_OWNERLESS:
		write_ownerless(f, a);
		break;
	case CAUSE_REUSEPORT_UID:
		write_held(f, a, "shares with SO_REUSEPORT, but as another user,");
		break;
	case CAUSE_REUSE_ONE_SIDED:
		write_held(f, a, "does not set the same reuse option on");
		break;
	case CAUSE_DEVICE:
		write_held(f, a, "has, on an overlapping device,");
		break;
	case CAUSE_LISTEN_RACE:
		write_held(f, a, "was first to listen on");
		break;
	default:
		write_count(f, a);
		fputs(" in the way", f);
		break;
	}
}

char *summary__conflict(const struct output *out, const struct conflict_report *report)
{
	struct advice a = advice__of_conflict(out, report);
	struct memory memory = {NULL};
	FILE *f = memory__open(&memory);

	if (!f)
		return NULL;
	fprintf(f, "%s refused: ", advice__call(&a).text);
	summary__reason(f, &a);
	return memory__take(&memory);
}

/*
 * Most servers listen on [::]. Who asks about both wildcards has to hear of the server that is
 * there, not of how 0.0.0.0 could be had beside it.
 */
static unsigned int weight(const struct what_if *what_if)
{
	const struct verdict *v = &what_if->verdict;

	if (v->refused != TRI_YES)
		return v->refused == TRI_UNKNOWN ? 2 : 1;
	return v->cause == CAUSE_DUAL_STACK ? 3 : 4;
}

const struct what_if *summary__main_what_if(const struct port_report *report)
{
	const struct what_if *best = NULL;

	for (size_t i = 0; i < report->n_what_ifs; i++) {
		const struct what_if *w = &report->what_ifs[i];

		if (ranking__is_asked(report, w) && (!best || weight(w) > weight(best)))
			best = w;
	}
	return best;
}

/* "0.0.0.0 or [::]", those asked about with that answer; returns how many. */
static size_t write_hosts(FILE *f, const struct output *out, const struct port_report *report,
			  enum tri refused)
{
	size_t total = 0, n = 0;

	for (size_t i = 0; i < report->n_what_ifs; i++)
		total += ranking__is_asked(report, &report->what_ifs[i]) &&
			 report->what_ifs[i].verdict.refused == refused;
	for (size_t i = 0; f && i < report->n_what_ifs; i++) {
		const struct what_if *w = &report->what_ifs[i];
		struct word device = format__device(&report->snap, w->req.ifindex);

		if (!ranking__is_asked(report, w) || w->verdict.refused != refused)
			continue;
		if (n > 0)
			fputs(n + 1 == total ? " or " : ", ", f);
		fputs(format__host(w->req.family, &w->req.addr, device.text).text, f);
		n++;
	}
	return total;
}

static const char *kind_of_bind(const struct bind_request *req)
{
	bool v6only =
		req->family == AF_INET6 && req->v6only && ip_addr__is_any(req->family, &req->addr);

	if (req->reuseaddr && req->reuseport)
		return v6only ? "a bind with SO_REUSEADDR, SO_REUSEPORT and IPV6_V6ONLY"
			      : "a bind with SO_REUSEADDR and SO_REUSEPORT";
	if (req->reuseaddr)
		return v6only ? "a bind with SO_REUSEADDR and IPV6_V6ONLY"
			      : "a bind with SO_REUSEADDR";
	if (req->reuseport)
		return v6only ? "a bind with SO_REUSEPORT and IPV6_V6ONLY"
			      : "a bind with SO_REUSEPORT";
	return v6only ? "a bind with IPV6_V6ONLY" : "a plain bind";
}

/* A namespace without a name is known by who is in it. */
static void write_member(FILE *f, const struct proc_info *member)
{
	struct holder_text place = holder__place(member);

	fprintf(f, " (that of %s%s%s)", holder__process(member).text, *place.text ? ", " : "",
		place.text);
}

static void write_port(FILE *f, const struct output *out, const struct snapshot *snap)
{
	struct endpoint netns = format__netns(out, snap->netns, snap->netns_name);

	fprintf(f, "%u/%s%s", snap->port, format__protocol(snap->protocol).text, netns.text);
	if (*netns.text && snap->netns_member)
		write_member(f, snap->netns_member);
}

static void write_answers(FILE *f, const struct output *out, const struct port_report *report)
{
	static const enum tri order[] = {TRI_YES, TRI_NO, TRI_UNKNOWN};
	const struct what_if *main = summary__main_what_if(report);
	const char *answers[] = {NULL, " would succeed", " may or may not succeed"};
	char gets[48];
	bool first = true;

	/* One address is asked about or both wildcards, and for these the error is the same. */
	snprintf(gets, sizeof(gets), " gets %s",
		 format__errno(main->facts.error ?: EADDRINUSE).text);
	answers[0] = gets;

	for (int i = 0; i < 3; i++) {
		if (write_hosts(NULL, out, report, order[i]) == 0)
			continue;
		fputs(first ? kind_of_bind(&main->req) : "; one", f);
		fputs(" to ", f);
		write_hosts(f, out, report, order[i]);
		fputs(answers[i], f);
		first = false;
	}
}

static const char *condition(const struct output *out, const struct port_report *report)
{
	size_t refused = write_hosts(NULL, out, report, TRI_YES);
	size_t unknown = write_hosts(NULL, out, report, TRI_UNKNOWN);

	if (refused && summary__main_what_if(report)->facts.error)
		return report->snap.n_socks ? " is in use, and " : " is free, but ";
	if (refused)
		return " is taken: ";
	if (unknown)
		return report->snap.n_socks ? " is in use: " : " looks free, but ";
	return report->snap.n_socks ? " is in use, but " : " is free: ";
}

static void write_headline(FILE *f, const struct output *out, const struct port_report *report)
{
	write_port(f, out, &report->snap);
	if (!summary__main_what_if(report)) {
		fprintf(f, ": %zu sockets", report->snap.n_socks);
		return;
	}
	fputs(condition(out, report), f);
	write_answers(f, out, report);
}

char *summary__port_headline(const struct output *out, const struct port_report *report)
{
	struct memory memory = {NULL};
	FILE *f = memory__open(&memory);

	if (!f)
		return NULL;
	write_headline(f, out, report);
	return memory__take(&memory);
}

char *summary__port(const struct output *out, const struct port_report *report)
{
	const struct what_if *main = summary__main_what_if(report);
	struct memory memory = {NULL};
	FILE *f = memory__open(&memory);

	if (!f)
		return NULL;
	write_headline(f, out, report);
	if (main && main->verdict.refused == TRI_YES) {
		struct advice a = advice__of_question(out, report, main);

		fputs("; ", f);
		summary__reason(f, &a);
	}
	return memory__take(&memory);
}
