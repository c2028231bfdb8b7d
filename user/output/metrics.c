// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format.h"
#include "memory.h"
#include "metrics.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Labels are places in these lists, so that no input makes more series than their product; the
 * last word stands for all others. No label names a port, an address or a process: the reports do.
 */
static const char *const calls[] = {"bind", "listen", "connect", "autobind", "other"};
static const char *const protocols[] = {"tcp", "udp", "udplite", "other"};
static const int errors[] = {
	EADDRINUSE, EADDRNOTAVAIL, EACCES,   EPERM, EINVAL,	 ENODEV,  EAGAIN,     EAFNOSUPPORT,
	ENOBUFS,    ENOMEM,	   EALREADY, ENXIO, ENETUNREACH, EISCONN, EOPNOTSUPP, ENOSR,
};
#define N_CALLS	    ARRAY_SIZE(calls)
#define N_PROTOCOLS ARRAY_SIZE(protocols)
#define N_ERRORS    (ARRAY_SIZE(errors) + 1)
#define N_EVIDENCE  (EVIDENCE_NONE + 1)
#define N_STATES    STATE_NEW_SYN_RECV /* which counts as SYN_RECV, as it is shown */

struct metrics {
	struct metrics_config config;
	bool running;
	struct run_stop totals;
	uint64_t write_errors;
	uint64_t refusals[N_CAUSES][N_CALLS][N_PROTOCOLS][N_ERRORS];
	uint64_t evidence[N_EVIDENCE];
	uint64_t binds[N_CALLS][N_PROTOCOLS];
	uint64_t states[N_STATES];
	bool shown[N_CAUSES][N_CALLS][N_PROTOCOLS][N_ERRORS]; /* even with 0 */
};

/* What each cause is seen with: there from the start, so that increase() sees the first one. */
static const struct usual {
	enum cause cause;
	enum call call;
	uint32_t protocol;
	int error;
} usual[] = {
	{CAUSE_TIME_WAIT, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_CLOSING, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_LISTENER, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_DUAL_STACK, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_CONNECTION, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_CLIENT_PORT, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_SELF_CONNECT, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_BOUND_ONLY, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_INHERITED, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_OWNERLESS, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_REUSEPORT_UID, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_REUSE_ONE_SIDED, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_DEVICE, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_UNEXPLAINED, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_LISTEN_RACE, CALL_LISTEN, PROTO_TCP, EADDRINUSE},
	{CAUSE_SAME_TUPLE, CALL_CONNECT, PROTO_TCP, EADDRNOTAVAIL},
	{CAUSE_BUCKET, CALL_CONNECT, PROTO_TCP, EADDRNOTAVAIL},
	{CAUSE_EPHEMERAL_EXHAUSTED, CALL_CONNECT, PROTO_TCP, EADDRNOTAVAIL},
	{CAUSE_AUTOBIND_EXHAUSTED, CALL_BIND, PROTO_TCP, EADDRINUSE},
	{CAUSE_AUTOBIND_EXHAUSTED, CALL_LISTEN, PROTO_TCP, EADDRINUSE},
	{CAUSE_AUTOBIND_EXHAUSTED, CALL_AUTOBIND, PROTO_UDP, EAGAIN},
	{CAUSE_UDP_HOLDER, CALL_BIND, PROTO_UDP, EADDRINUSE},
	{CAUSE_UNEXPLAINED, CALL_BIND, PROTO_UDP, EADDRINUSE},
	{CAUSE_NOT_LOCAL, CALL_BIND, PROTO_TCP, EADDRNOTAVAIL},
	{CAUSE_NOT_LOCAL, CALL_BIND, PROTO_UDP, EADDRNOTAVAIL},
	{CAUSE_PRIVILEGED_PORT, CALL_BIND, PROTO_TCP, EACCES},
	{CAUSE_PRIVILEGED_PORT, CALL_BIND, PROTO_UDP, EACCES},
	{CAUSE_DENIED, CALL_BIND, PROTO_TCP, EACCES},
	{CAUSE_DENIED, CALL_BIND, PROTO_TCP, EPERM},
	{CAUSE_DENIED, CALL_CONNECT, PROTO_TCP, EACCES},
	{CAUSE_DENIED, CALL_CONNECT, PROTO_TCP, EPERM},
	{CAUSE_ALREADY_BOUND, CALL_BIND, PROTO_TCP, EINVAL},
	{CAUSE_ALREADY_BOUND, CALL_BIND, PROTO_UDP, EINVAL},
	{CAUSE_NO_DEVICE, CALL_BIND, PROTO_TCP, ENODEV},
	{CAUSE_NO_DEVICE, CALL_BIND, PROTO_UDP, ENODEV},
};

/* ---- places of the labels ------------------------------------------------------------------ */

static size_t place_of(const char *const *words, size_t n, const char *word)
{
	size_t i = 0;

	while (i < n - 1 && strcmp(words[i], word) != 0)
		i++;
	return i;
}

static size_t call_place(const char *syscall)
{
	return place_of(calls, N_CALLS, syscall);
}

static size_t protocol_place(uint32_t protocol)
{
	return place_of(protocols, N_PROTOCOLS, format__protocol(protocol).text);
}

static size_t error_place(int error)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(errors) && errors[i] != error)
		i++;
	return i;
}

static struct word error_word(size_t place)
{
	return place < ARRAY_SIZE(errors) ? format__errno(errors[place]) : (struct word){"other"};
}

static size_t state_place(uint8_t state)
{
	if (state == STATE_NEW_SYN_RECV)
		return STATE_SYN_RECV;
	return state < N_STATES ? state : STATE_UNKNOWN;
}

/* ---- counting ------------------------------------------------------------------------------ */

struct metrics *metrics__new(const struct metrics_config *config)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return NULL;
	metrics->config = *config;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		metrics->shown[usual[i].cause][usual[i].call][protocol_place(usual[i].protocol)]
			      [error_place(usual[i].error)] = true;
	return metrics;
}

void metrics__free(struct metrics *metrics)
{
	free(metrics);
}

void metrics__conflict(struct metrics *metrics, const struct conflict_report *report)
{
	enum cause cause = report->verdict.cause;
	enum evidence evidence = report->snap.evidence;

	if (!metrics)
		return;
	cause = cause < N_CAUSES ? cause : CAUSE_NONE;
	metrics->refusals[cause][call_place(report->syscall)][protocol_place(report->snap.protocol)]
			 [error_place(report->error)] += report->count;
	metrics->evidence[evidence < N_EVIDENCE ? evidence : EVIDENCE_NONE] += report->count;
	metrics->totals.delivered += report->count;
}

void metrics__bind(struct metrics *metrics, const struct bind_report *report)
{
	if (!metrics)
		return;
	metrics->config.binds = true;
	metrics->binds[call_place(report->syscall)][protocol_place(report->protocol)]++;
	metrics->totals.delivered++;
}

void metrics__state(struct metrics *metrics, const struct state_report *report)
{
	if (!metrics)
		return;
	metrics->config.states = true;
	metrics->states[state_place(report->new_state)]++;
}

void metrics__lost(struct metrics *metrics, uint64_t count)
{
	if (metrics)
		metrics->totals.lost += count;
}

void metrics__start(struct metrics *metrics, const struct run_start *start)
{
	if (!metrics)
		return;
	metrics->config.start_ns = start->time_ns;
	metrics->running = true;
}

void metrics__totals(struct metrics *metrics, const struct run_stop *totals)
{
	if (metrics)
		metrics->totals = *totals;
}

void metrics__stop(struct metrics *metrics, const struct run_stop *stop)
{
	metrics__totals(metrics, stop);
	metrics__ended(metrics);
}

void metrics__ended(struct metrics *metrics)
{
	if (metrics)
		metrics->running = false;
}

void metrics__write_failed(struct metrics *metrics)
{
	if (metrics)
		metrics->write_errors++;
}

/* ---- text ---------------------------------------------------------------------------------- */

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP bindtrace_%s %s\n# TYPE bindtrace_%s %s\n", name, help, name, type);
}

static void put_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "counter", help);
	fprintf(out, "bindtrace_%s %llu\n", name, (unsigned long long)value);
}

static void put_run(const struct metrics *metrics, FILE *out)
{
	int64_t ms = metrics->config.start_ns / 1000000;

	head(out, "build_info", "gauge", "The bindtrace that wrote this, always 1.");
	fprintf(out, "bindtrace_build_info{version=\"%s\"} 1\n", metrics->config.version);
	if (ms > 0) {
		head(out, "start_time_seconds", "gauge",
		     "When the run began, in seconds since 1970.");
		fprintf(out, "bindtrace_start_time_seconds %lld.%03d\n", (long long)(ms / 1000),
			(int)(ms % 1000));
	}
	head(out, "running", "gauge", "1 while every hook is in place, 0 before and after.");
	fprintf(out, "bindtrace_running %d\n", metrics->running);
}

static void put_totals(const struct metrics *metrics, FILE *out)
{
	const struct run_stop *totals = &metrics->totals;

	put_counter(out, "captured_total", "Calls that the hooks saw.", totals->seen);
	put_counter(out, "delivered_total", "Calls that were reported.", totals->delivered);
	put_counter(out, "filtered_total", "Calls that a filter left out.", totals->filtered);
	put_counter(out, "lost_total", "Calls that could not be reported.", totals->lost);
	put_counter(out, "skipped_total",
		    "Calls that the kernel did not run a hook for, seldom a refusal; not in "
		    "captured.",
		    totals->skipped);
	put_counter(out, "metrics_write_errors_total",
		    "Times that this file could not be replaced.", metrics->write_errors);
}

static void put_refusals_of(const struct metrics *metrics, enum cause cause, FILE *out)
{
	for (size_t c = 0; c < N_CALLS; c++)
		for (size_t p = 0; p < N_PROTOCOLS; p++)
			for (size_t e = 0; e < N_ERRORS; e++) {
				uint64_t n = metrics->refusals[cause][c][p][e];

				if (!n && !metrics->shown[cause][c][p][e])
					continue;
				fprintf(out,
					"bindtrace_refusals_total{cause=\"%s\",syscall=\"%s\","
					"protocol=\"%s\",error=\"%s\"} %llu\n",
					cause__name(cause), calls[c], protocols[p],
					error_word(e).text, (unsigned long long)n);
			}
}

static void put_refusals(const struct metrics *metrics, FILE *out)
{
	head(out, "refusals_total", "counter", "Refused calls that were reported.");
	for (int cause = 0; cause < N_CAUSES; cause++)
		put_refusals_of(metrics, (enum cause)cause, out);
	head(out, "evidence_total", "counter",
	     "Refused calls that were reported, by how the evidence was taken.");
	for (size_t i = 0; i < N_EVIDENCE; i++)
		fprintf(out, "bindtrace_evidence_total{evidence=\"%s\"} %llu\n",
			evidence__name((enum evidence)i), (unsigned long long)metrics->evidence[i]);
}

static void put_binds(const struct metrics *metrics, FILE *out)
{
	head(out, "binds_total", "counter", "Ports given out, with --all.");
	for (size_t c = 0; c < N_CALLS; c++)
		for (size_t p = 0; p < N_PROTOCOLS; p++) {
			uint64_t n = metrics->binds[c][p];

			if (n || (c == CALL_BIND && p < N_PROTOCOLS - 1))
				fprintf(out,
					"bindtrace_binds_total{syscall=\"%s\",protocol=\"%s\"} "
					"%llu\n",
					calls[c], protocols[p], (unsigned long long)n);
		}
}

static void put_states(const struct metrics *metrics, FILE *out)
{
	head(out, "state_changes_total", "counter",
	     "TCP sockets that came into a state, with --states.");
	for (size_t i = 0; i < N_STATES; i++) {
		const char *name = i ? format__tcp_state((uint8_t)i) : "other";

		if (name && (i || metrics->states[i]))
			fprintf(out, "bindtrace_state_changes_total{state=\"%s\"} %llu\n", name,
				(unsigned long long)metrics->states[i]);
	}
}

char *metrics__text(const struct metrics *metrics, size_t *ret_len)
{
	struct memory memory = {NULL};
	FILE *out = memory__open(&memory);
	char *text;

	if (!out)
		return NULL;
	put_run(metrics, out);
	put_totals(metrics, out);
	put_refusals(metrics, out);
	if (metrics->config.binds)
		put_binds(metrics, out);
	if (metrics->config.states)
		put_states(metrics, out);
	text = memory__take(&memory);
	if (text)
		*ret_len = memory.len;
	return text;
}
