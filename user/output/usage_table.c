// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include "holder.h"
#include "table.h"
#include "usage_table.h"

uint32_t usage_table__ports(const struct port_usage *usage)
{
	return usage->low && usage->low <= usage->high ? usage->high - usage->low + 1u : 0;
}

uint32_t usage_table__free(const struct port_usage *usage)
{
	uint32_t ports = usage_table__ports(usage), used = usage->taken + usage->reserved;

	return used < ports ? ports - used : 0;
}

const struct proc_info *usage_table__top_holder(const struct snapshot *snap,
						const struct port_usage *usage)
{
	return usage->n_top && usage->top[0].proc < snap->n_procs ? &snap->procs[usage->top[0].proc]
								  : NULL;
}

__attribute__((format(printf, 3, 4))) static void add_row(struct table *table, uint64_t n,
							  const char *fmt, ...)
{
	char number[24], text[640];
	va_list args;

	if (n == 0)
		return;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)n);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	table__row(table);
	table__cell(table, 0, HUE_NONE, number);
	table__cell(table, 1, HUE_NONE, text);
}

static int finish(struct table *table, const struct output *out, FILE *stream)
{
	int err = 0;

	if (table->n_rows || table->failed)
		err = table__write(table, stream, out->config.color, true);
	table__free(table);
	return err;
}

static void add_taken(struct table *table, const struct conflict_report *report)
{
	const struct port_usage *usage = &report->usage;
	const struct bind_request *req = &report->req;
	bool udp = report->snap.protocol != PROTO_TCP;

	if (req->call != CALL_CONNECT || udp) {
		add_row(table, usage->taken, "taken, by sockets that overlap with %s",
			format__host(req->family, &req->addr, NULL).text);
		return;
	}
	add_row(table, usage->same_peer, "connected to %s already",
		format__endpoint(req->family, &req->peer, NULL, req->peer_port).text);
	add_row(table, usage->bound, "marked by a bind(): connect() never shares these");
}

static int write_ports(const struct output *out, const struct conflict_report *report, FILE *stream)
{
	const struct port_usage *usage = &report->usage;
	struct table table = {.failed = false};
	table__column(&table, "PORTS", false, false);
	table__column(&table, "OF net.ipv4.ip_local_port_range", false, false);
	if (usage->low == usage->high)
		add_row(&table, 1, "all: %u", usage->low);
	else
		add_row(&table, usage_table__ports(usage), "all, %u to %u", usage->low,
			usage->high);
	add_taken(&table, report);
	add_row(&table, usage->reserved, "reserved: net.ipv4.ip_local_reserved_ports");
	add_row(&table, usage_table__free(usage), "free by the time they were counted");
	return finish(&table, out, stream);
}

static int write_states(const struct output *out, const struct port_usage *usage, FILE *stream)
{
	struct table table = {.failed = false};

	table__column(&table, "SOCKETS", false, false);
	table__column(&table, "STATE", false, false);
	for (int state = 1; state < STATE_NEW_SYN_RECV; state++) {
		struct snap_sock sock = {.state = (uint8_t)state};
		uint64_t n = usage->states[state];

		if (state == STATE_SYN_RECV)
			n += usage->states[STATE_NEW_SYN_RECV];
		add_row(&table, n, "%s", sock_state__name(&sock));
	}
	if (table.n_rows)
		fputc('\n', stream);
	return finish(&table, out, stream);
}

static int write_holders(const struct output *out, const struct conflict_report *report,
			 FILE *stream)
{
	const struct port_usage *usage = &report->usage;
	struct table table = {.failed = false};

	table__column(&table, "PORTS", false, false);
	table__column(&table, "MOST ARE HELD BY", false, false);
	for (size_t i = 0; i < usage->n_top && i < USAGE_MAX_HOLDERS; i++) {
		const struct proc_info *proc;
		struct holder_text place;

		if (usage->top[i].proc >= report->snap.n_procs)
			continue;
		proc = &report->snap.procs[usage->top[i].proc];
		place = holder__place(proc);
		add_row(&table, usage->top[i].ports, "%s%s%s%s", holder__process(proc).text,
			*place.text ? " (" : "", place.text, *place.text ? ")" : "");
	}
	if (table.n_rows)
		fputc('\n', stream);
	return finish(&table, out, stream);
}

int usage_table__write(const struct output *out, const struct conflict_report *report, FILE *stream)
{
	int err = write_ports(out, report, stream);

	if (!err)
		err = write_states(out, &report->usage, stream);
	return err ?: write_holders(out, report, stream);
}
