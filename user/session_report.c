// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include "clock.h"
#include "kernel/decode.h"
#include "log.h"
#include "session_parts.h"

#define LOST_PERIOD_NS 1000000000 /* between two "lost" lines */

static bool address_wanted(const struct options *opts, uint16_t family,
			   const struct ip_addr *address)
{
	if ((family == AF_INET && !opts->want_ipv4) || (family == AF_INET6 && !opts->want_ipv6))
		return false;
	return !opts->have_address ||
	       (opts->address_family == family && ip_addr__equal(&opts->address, address));
}

static void look_for_enough(struct session *session)
{
	session->enough = session->opts->count && session->reports >= session->opts->count;
	session->stop |= session->enough;
}

static int on_refusals(void *ctx, const struct folded *folded)
{
	struct session *session = ctx;
	struct conflict_report report;
	int err;

	if (session->enough)
		return 0;
	err = explain__record(&session->explainer, folded, &report);
	if (err == -EBADMSG) {
		session->malformed += folded->count;
		err = 0;
	} else if (!err && !address_wanted(session->opts, report.req.family, &report.req.addr)) {
		session->own_filtered += folded->count;
	} else if (!err) {
		err = sink__conflict(&session->sink, &report);
		session->reported += err ? 0 : folded->count;
		session->reports += !err;
		look_for_enough(session);
	}
	conflict__free(&report);
	return err;
}

static int on_bind(struct session *session, const void *data, size_t size)
{
	struct bind_report report;
	int err = explain__bind(&session->explainer, data, size, &report);

	if (!err && !address_wanted(session->opts, report.req.family, &report.req.addr)) {
		session->own_filtered++;
	} else if (!err) {
		err = sink__bind(&session->sink, &report);
		session->reported += !err;
		session->reports += !err;
		look_for_enough(session);
	}
	proc_info__free(&report.process);
	free((char *)report.netns_name);
	return err;
}

static int on_state(struct session *session, const void *data, size_t size)
{
	struct state_report report;
	int err = explain__state(&session->explainer, data, size, &report);

	/* Not counted as filtered: the counters are about calls. */
	if (!err && address_wanted(session->opts, report.family, &report.local))
		err = sink__state(&session->sink, &report);
	proc_info__free(&report.process);
	free((char *)report.netns_name);
	return err;
}

static int on_record(void *ctx, const void *data, size_t size)
{
	struct session *session = ctx;
	const struct wire_conflict *wire = data;
	int err;

	if (session->enough)
		return 0;
	switch (decode__kind(data, size)) {
	case WIRE_STATE:
		err = on_state(session, data, size);
		break;
	case WIRE_CONFLICT:
		err = size < offsetof(struct wire_conflict, socks) ? -EBADMSG
		      : wire->error ? fold__offer(session->fold, data, size, on_refusals, session)
				    : on_bind(session, data, size);
		break;
	default:
		err = -EBADMSG;
	}
	if (err == -EBADMSG) {
		session->malformed++;
		err = 0;
	}
	return err;
}

static int count(struct session *session, struct run_stop *stop)
{
	int err = live__count(session->live, stop);

	stop->time_ns = clock__now_ns();
	stop->delivered = session->reported;
	stop->filtered += session->own_filtered;
	stop->lost += session->malformed;
	return err;
}

/* A line a second, however much is lost. *ret_next_ns: when there is another one to tell, or -1. */
static int tell_losses(struct session *session, int64_t now_ns, int64_t *ret_next_ns)
{
	struct run_stop stop = {};
	uint64_t lost;
	int err = count(session, &stop);

	*ret_next_ns = -1;
	if (err || stop.lost == session->lost_told)
		return err;
	if (session->lost_told && now_ns - session->lost_told_ns < LOST_PERIOD_NS) {
		*ret_next_ns = session->lost_told_ns + LOST_PERIOD_NS;
		return 0;
	}
	lost = stop.lost - session->lost_told;
	session->lost_told = stop.lost;
	session->lost_told_ns = now_ns;
	return sink__lost(&session->sink, stop.time_ns, lost);
}

/* Only while something is held: nothing wakes an idle run. */
static int arm_tick(struct session *session, int64_t now_ns, int64_t next_ns)
{
	/* Not an absolute time: a timer takes that of our time namespace. */
	int64_t left_ns = next_ns > now_ns ? next_ns - now_ns : 1;
	struct itimerspec when = {};

	if (next_ns == session->tick_ns)
		return 0;
	session->tick_ns = next_ns;
	if (next_ns >= 0) {
		when.it_value.tv_sec = left_ns / 1000000000;
		when.it_value.tv_nsec = left_ns % 1000000000;
	}
	return timerfd_settime(session->tick_fd, 0, &when, NULL) ? -errno : 0;
}

int session__tick(struct session *session)
{
	int64_t now_ns = clock__monotonic_ns(), lost_ns, next_ns;
	int err = fold__tell(session->fold, now_ns, on_refusals, session);

	if (!err)
		err = tell_losses(session, now_ns, &lost_ns);
	if (err)
		return err;
	next_ns = fold__next_ns(session->fold);
	return arm_tick(session, now_ns,
			lost_ns >= 0 && (next_ns < 0 || lost_ns < next_ns) ? lost_ns : next_ns);
}

int session__drain(struct session *session)
{
	int more = live__drain(session->live, on_record, session);
	int err = more < 0 ? more : session__tick(session);

	metering__arm(&session->sink.metering);
	return err ?: more;
}

int session__tell_held(struct session *session)
{
	int64_t never;
	int err = fold__tell(session->fold, INT64_MAX, on_refusals, session);

	return err ?: tell_losses(session, INT64_MAX, &never);
}

/* What only the kernel counts (filtered, skipped) wakes nobody: it is as of now. */
void session__count_metrics(struct session *session)
{
	struct run_stop totals = {};

	if (!count(session, &totals)) {
		totals.skipped = live__skipped(session->live);
		metrics__totals(session->sink.metering.metrics, &totals);
	}
}

void session__write_metrics(struct session *session)
{
	session__count_metrics(session);
	metering__write(&session->sink.metering);
}

int session__count_all(struct session *session, struct run_stop *stop)
{
	int err = count(session, stop);

	stop->skipped = live__skipped(session->live);
	if (!err && !session->enough && stop->seen >= stop->filtered + stop->delivered)
		stop->lost = stop->seen - stop->filtered - stop->delivered;
	return err;
}

void session__tell_missed(struct session *session)
{
	struct run_stop stop = {};

	if (!session__count_all(session, &stop) && stop.lost)
		log__line("%llu of %llu calls seen were not reported",
			  (unsigned long long)stop.lost, (unsigned long long)stop.seen);
}
