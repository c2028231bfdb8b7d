// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "../options.h"
#include "advice.h"
#include "holder.h"
#include "ranking.h"
#include "sanitize.h"
#include "sockets.h"
#include "summary.h"
#include "table.h"
#include "text.h"
#include "usage_table.h"

#define CLOCK_WIDTH	9 /* with the space behind it */
#define HEADLINE_INDENT 2

/* What the evidence is worth, where that is less than everything. */
static void write_evidence(struct paragraph *p, const struct snapshot *snap, bool of_range)
{
	if (snap->truncated && of_range)
		paragraph__text(p, "Of a port with very many sockets not all were counted.");
	else if (snap->truncated && snap->total > snap->n_socks)
		paragraph__text(p, "Only %zu of %llu sockets on the port could be read.",
				snap->n_socks, (unsigned long long)snap->total);
	else if (snap->truncated)
		paragraph__text(p, "Not all sockets on the port could be read.");
	if (snap->evidence == EVIDENCE_RACED)
		paragraph__text(p, "The sockets changed while they were read: the list may be "
				   "incomplete.");
	else if (snap->evidence == EVIDENCE_DIAG)
		paragraph__text(p, "Read without BPF, from netlink and /proc: a ? is a flag that "
				   "could not be read.");
	else if (snap->evidence == EVIDENCE_NONE)
		paragraph__text(p, "No evidence could be taken.");
}

static bool has_port_notes(const struct output *out, const struct port_report *report)
{
	return !out->config.quiet &&
	       (report->note || report->snap.truncated || report->snap.evidence >= EVIDENCE_RACED);
}

static void write_port_notes(const struct output *out, const struct port_report *report,
			     FILE *stream)
{
	struct paragraph p = {stream, "Note", out->config.color};
	char note[512];

	if (out->config.quiet)
		return;
	write_evidence(&p, &report->snap, false);
	if (report->note) {
		sanitize__text(note, sizeof(note), report->note);
		p.label = "Note";
		paragraph__text(&p, "%s", note);
	}
}

static void write_why(const struct advice *a, FILE *stream)
{
	struct paragraph p = {stream, "Why", a->out->config.color};

	advice__why(&p, a);
	p.label = "Do";
	remedy__write(&p, a);
}

static void write_bold(const struct output *out, FILE *stream, const char *text)
{
	fputs(hue__on(HUE_BOLD, out->config.color), stream);
	paragraph__wrap(stream, text, 0, HEADLINE_INDENT);
	fprintf(stream, "%s\n", hue__off(HUE_BOLD, out->config.color));
}

/* "nginx[812] (nginx.service, uid 33)"; the socket keeps the user that it was made by. */
static struct sentence caller(const struct proc_info *proc, const struct bind_request *req)
{
	struct sentence who = {"an unknown process"};
	struct holder_text name, place = holder__place(proc);
	uint32_t uid = proc->uid_known ? proc->uid : req->uid;
	char of_sock[40] = "";

	if (proc->pid <= 0)
		return who;
	name = holder__process(proc);
	if (uid != req->uid)
		snprintf(of_sock, sizeof(of_sock), ", socket of uid %u", req->uid);
	/* Nothing is cut: sanitize__text() has seen to the lengths. */
	snprintf(who.text, sizeof(who.text), "%.108s (%.188s%suid %u%s)", name.text, place.text,
		 *place.text ? ", " : "", uid, of_sock);
	return who;
}

static void write_conflict_headline(const struct advice *a, const struct conflict_report *report,
				    FILE *stream)
{
	const struct snapshot *snap = &report->snap;
	struct sentence who = caller(&report->process, &report->req);
	struct endpoint netns = format__netns(a->out, snap->netns, snap->netns_name);
	bool color = a->out->config.color;
	char protocol[40] = "", what[sizeof(struct sentence) + 256];
	size_t column = CLOCK_WIDTH + utf8__columns(who.text) + 2;

	/* Without a word it is TCP. */
	if (snap->protocol != PROTO_TCP)
		snprintf(protocol, sizeof(protocol), "/%s", format__protocol(snap->protocol).text);
	snprintf(what, sizeof(what), "%s%s refused, %s%s%s", advice__call(a).text, protocol,
		 format__errno(report->error).text, *netns.text ? "," : "", netns.text);
	fprintf(stream, "%s%s %s:", hue__on(HUE_BOLD, color), format__clock(report->time_ns).text,
		who.text);
	if (column + utf8__columns(what) > TEXT_WIDTH)
		column = CLOCK_WIDTH;
	fprintf(stream, "%s%*s", column > CLOCK_WIDTH ? " " : "\n",
		column > CLOCK_WIDTH ? 0 : CLOCK_WIDTH, "");
	paragraph__wrap(stream, what, column, CLOCK_WIDTH);
	fprintf(stream, "%s\n\n", hue__off(HUE_BOLD, color));
}

/* An error that needs no look at sockets was not looked at for them. */
static bool is_about_sockets(const struct conflict_report *report)
{
	enum cause cause = report->verdict.cause;

	return report->verdict.n_blockers || report->have_usage || cause == CAUSE_UNEXPLAINED ||
	       cause == CAUSE_BUCKET;
}

static void write_conflict_notes(const struct output *out, const struct conflict_report *report,
				 FILE *stream)
{
	struct paragraph p = {stream, "Note", out->config.color};

	if (out->config.quiet)
		return;
	if (is_about_sockets(report))
		write_evidence(&p, &report->snap, report->have_usage);
	if (report->kernel_agrees == TRI_NO)
		paragraph__text(&p, "The kernel itself named a socket that is not among these: "
				    "please report this.");
	else if (report->kernel_agrees == TRI_YES && out->config.verbose)
		paragraph__text(&p, "The socket that the kernel itself named is among these.");
}

static uint32_t *blocker_socks(const struct conflict_report *report)
{
	const struct verdict *v = &report->verdict;
	size_t *order = ranking__blockers(&report->snap, v);
	uint32_t *socks = order ? calloc(v->n_blockers + 1, sizeof(*socks)) : NULL;

	for (size_t i = 0; socks && i < v->n_blockers; i++)
		socks[i] = v->blockers[order[i]].sock;
	free(order);
	return socks;
}

/* The sockets in the way, or how full the range is. */
static int write_tables(const struct advice *a, const struct socket_list *list, FILE *stream)
{
	int err;

	if (!is_about_sockets(a->report))
		return 0;
	if (a->verdict->n_blockers == 0 && a->report->have_usage)
		err = usage_table__write(a->out, a->report, stream);
	else
		err = sockets__write(a->out, list, stream);
	if (!err)
		fputc('\n', stream);
	return err;
}

/* What was just reported happens again and again: a line or two, not the whole report. */
int text__again(const struct output *out, const struct conflict_report *report, FILE *stream)
{
	char *summary = summary__conflict(out, report);
	char times[96] = "again";

	if (!summary)
		return -ENOMEM;
	if (report->count > 1)
		snprintf(times, sizeof(times), "again, %llu times since %s",
			 (unsigned long long)report->count,
			 format__clock(report->first_time_ns).text);
	fprintf(stream, "%s %s: %s:\n%*s", format__clock(report->time_ns).text,
		caller(&report->process, &report->req).text, times, CLOCK_WIDTH, "");
	paragraph__wrap(stream, summary, CLOCK_WIDTH, CLOCK_WIDTH);
	fputc('\n', stream);
	free(summary);
	return 0;
}

int text__conflict(const struct output *out, const struct conflict_report *report, FILE *stream)
{
	const struct verdict *v = &report->verdict;
	struct advice a = advice__of_conflict(out, report);
	struct binder binder = {&report->req, report->syscall};
	uint32_t *socks = blocker_socks(report);
	struct socket_list list = {.snap = &report->snap,
				   .binder = &binder,
				   .socks = socks,
				   .n = v->n_blockers,
				   .n_in_the_way = v->n_blockers,
				   .cause = v->cause};
	int err = socks ? 0 : -ENOMEM;

	if (!err) {
		write_conflict_headline(&a, report, stream);
		err = write_tables(&a, &list, stream);
	}
	if (!err) {
		write_why(&a, stream);
		write_conflict_notes(out, report, stream);
	}
	free(socks);
	return err;
}

/* ---- one-shot ----------------------------------------------------------------------------- */

static struct endpoint what_if_label(const struct output *out, const struct port_report *report,
				     const struct bind_request *req)
{
	struct word device = format__device(&report->snap, req->ifindex);
	struct endpoint host = format__host(req->family, &req->addr, device.text), label;
	bool v6only =
		req->family == AF_INET6 && req->v6only && ip_addr__is_any(req->family, &req->addr);

	snprintf(label.text, sizeof(label.text), "%.100s%s", host.text, v6only ? " v6only" : "");
	return label;
}

static void what_if_cell(struct table *table, const struct what_if *what_if)
{
	const struct verdict *v = &what_if->verdict;
	size_t column = 1 + what_if->req.reuseaddr + 2 * what_if->req.reuseport;

	if (v->refused == TRI_YES)
		table__cell(table, column, HUE_RED, "refused");
	else if (v->refused == TRI_UNKNOWN)
		table__cell(table, column, HUE_YELLOW, "unknown");
	else
		table__cell(table, column, HUE_NONE, v->by_bucket ? "ok*" : "ok");
}

static bool same_row(const struct bind_request *a, const struct bind_request *b)
{
	return a->family == b->family && ip_addr__equal(&a->addr, &b->addr) &&
	       a->ifindex == b->ifindex && a->v6only == b->v6only && a->uid == b->uid;
}

static bool passes_by_bucket(const struct port_report *report)
{
	for (size_t i = 0; i < report->n_what_ifs; i++)
		if (report->what_ifs[i].verdict.by_bucket)
			return true;
	return false;
}

static int write_what_ifs(const struct output *out, const struct port_report *report, FILE *stream)
{
	struct table table = {.failed = false};
	const struct bind_request *last = NULL;
	int err;

	table__column(&table, "A BIND TO", false, false);
	table__column(&table, "PLAIN", false, false);
	table__column(&table, "+REUSEADDR", false, false);
	table__column(&table, "+REUSEPORT", false, false);
	table__column(&table, "+BOTH", false, false);
	for (size_t i = 0; i < report->n_what_ifs; i++) {
		const struct what_if *w = &report->what_ifs[i];

		if (!last || !same_row(last, &w->req)) {
			table__row(&table);
			table__cell(&table, 0, HUE_NONE, what_if_label(out, report, &w->req).text);
		}
		last = &w->req;
		what_if_cell(&table, w);
	}
	err = table__write(&table, stream, out->config.color, true);
	table__free(&table);
	if (!err && passes_by_bucket(report))
		fputs("  * only as long as the kernel remembers the port as reusable\n", stream);
	return err;
}

static int write_holders(const struct output *out, const struct port_report *report,
			 const struct what_if *main, FILE *stream)
{
	size_t n_blockers;
	uint32_t *socks = ranking__make(report, &n_blockers);
	struct socket_list list = {
		.snap = &report->snap,
		.socks = socks,
		.n = report->snap.n_socks,
		.n_in_the_way = n_blockers,
		.cause = main ? main->verdict.cause : CAUSE_NONE,
	};
	int err = socks ? sockets__write(out, &list, stream) : -ENOMEM;

	free(socks);
	return err;
}

/* An all-clear needs no table. */
static bool has_doubt(const struct port_report *report)
{
	for (size_t i = 0; i < report->n_what_ifs; i++)
		if (report->what_ifs[i].verdict.refused != TRI_NO)
			return true;
	return false;
}

bool text__is_all_clear(const struct output *out, const struct port_report *report)
{
	return !report->snap.n_socks && !has_doubt(report) && !has_port_notes(out, report);
}

static int write_details(const struct output *out, const struct port_report *report, FILE *stream)
{
	const struct what_if *main = summary__main_what_if(report);
	int err = 0;

	if (report->snap.n_socks) {
		fputc('\n', stream);
		err = write_holders(out, report, main, stream);
	}
	if (!err && main && main->verdict.refused != TRI_NO &&
	    (main->verdict.n_blockers || main->facts.error)) {
		struct advice a = advice__of_question(out, report, main);

		fputc('\n', stream);
		write_why(&a, stream);
	} else if (!err && has_port_notes(out, report)) {
		fputc('\n', stream);
	}
	write_port_notes(out, report, stream);
	if (!err && has_doubt(report) && report->n_what_ifs > 1) {
		fputc('\n', stream);
		err = write_what_ifs(out, report, stream);
	}
	return err;
}

int text__port(const struct output *out, const struct port_report *report, FILE *stream)
{
	char *headline = summary__port_headline(out, report);
	char *sentence = NULL;

	if (!headline || asprintf(&sentence, "%s.", headline) < 0) {
		free(headline);
		return -ENOMEM;
	}
	write_bold(out, stream, sentence);
	free(sentence);
	free(headline);
	return write_details(out, report, stream);
}

/* ---- a live run --------------------------------------------------------------------------- */

/* SO_REUSEADDR and its kind, as far as they are set. */
static void write_options(const struct bind_request *req, FILE *stream)
{
	if (req->reuseaddr)
		fputs(", SO_REUSEADDR", stream);
	if (req->reuseport)
		fputs(", SO_REUSEPORT", stream);
	if (req->family == AF_INET6 && req->v6only && ip_addr__is_any(req->family, &req->addr))
		fputs(", IPV6_V6ONLY", stream);
}

static struct word device_of(const struct bind_report *report)
{
	struct word device = {""};

	if (report->req.ifindex && *report->device)
		sanitize__text(device.text, sizeof(device.text), report->device);
	else if (report->req.ifindex)
		snprintf(device.text, sizeof(device.text), "if%u", report->req.ifindex);
	return device;
}

/* And the end of the line. */
static void write_place(const struct output *out, uint64_t netns, const char *name, FILE *stream)
{
	struct endpoint place = format__netns(out, netns, name);

	fprintf(stream, "%s%s\n", *place.text ? "," : "", place.text);
}

void text__bind(const struct output *out, const struct bind_report *report, FILE *stream)
{
	const struct bind_request *req = &report->req;
	struct word device = device_of(report);

	fprintf(stream, "%s %s: %s %s/%s succeeded", format__clock(report->time_ns).text,
		caller(&report->process, req).text, report->syscall,
		format__endpoint(req->family, &req->addr, device.text, req->port).text,
		format__protocol(report->protocol).text);
	write_options(req, stream);
	write_place(out, report->netns, report->netns_name, stream);
}

static void write_state_owner(const struct state_report *report, FILE *stream)
{
	struct holder_text place = holder__place(&report->process);

	if (report->process.pid <= 0)
		return;
	fprintf(stream, ", %s%s", report->former ? "was " : "",
		holder__process(&report->process).text);
	if (*place.text)
		fprintf(stream, " (%s)", place.text);
}

void text__state(const struct output *out, const struct state_report *report, FILE *stream)
{
	uint16_t family = report->family;

	fprintf(stream, "%s %s", format__clock(report->time_ns).text,
		format__endpoint(family, &report->local, NULL, report->local_port).text);
	if (report->peer_port)
		fprintf(stream, " - %s",
			format__endpoint(family, &report->peer, NULL, report->peer_port).text);
	fprintf(stream, ": %s -> %s", format__tcp_state(report->old_state) ?: "new",
		format__tcp_state(report->new_state) ?: "unknown");
	if (report->duration_ns >= 0)
		fprintf(stream, " after %s", format__duration(report->duration_ns).text);
	write_state_owner(report, stream);
	write_place(out, report->netns, report->netns_name, stream);
}

static void write_safe(FILE *stream, const char *fmt_before, const char *hostile)
{
	char text[256];

	sanitize__text(text, sizeof(text), hostile);
	fprintf(stream, "%s%s", fmt_before, text);
}

void text__start(const struct output *out, const struct run_start *start, FILE *stream)
{
	fputs(out->config.recorded ? "bindtrace: recorded while watching for address conflicts"
				   : "bindtrace: watching for address conflicts",
	      stream);
	if (start->filters && *start->filters) {
		write_safe(stream, " (", start->filters);
		fputc(')', stream);
	}
	if (out->config.verbose) {
		write_safe(stream, ", kernel ", start->kernel ?: "unknown");
		write_safe(stream, ", ", start->hooks ?: "no hooks");
	}
	fputs(out->config.recorded ? "\n" : "; Ctrl-C ends it\n", stream);
}

void text__stop(const struct run_stop *stop, FILE *stream)
{
	fprintf(stream,
		"bindtrace: stopped: %llu seen, %llu reported, %llu filtered out, %llu lost",
		(unsigned long long)stop->seen, (unsigned long long)stop->delivered,
		(unsigned long long)stop->filtered, (unsigned long long)stop->lost);
	if (stop->skipped)
		fprintf(stream, "; the kernel skipped %llu call%s, which may have been refused",
			(unsigned long long)stop->skipped, stop->skipped == 1 ? "" : "s");
	fputc('\n', stream);
}

void text__lost(uint64_t count, FILE *stream)
{
	fprintf(stream,
		"bindtrace: %llu event%s lost, faster than they could be written; watch fewer "
		"ports with --port\n",
		(unsigned long long)count, count == 1 ? "" : "s");
}
