// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports whose every text is hostile: names of programs, paths, units, cgroups, containers,
 * devices and network namespaces. The rest of the bytes make the port (tests/unit/model_cases.h),
 * so that each kind of sentence is written. The first byte chooses the report, the second its form.
 */
#include <errno.h>
#include <limits.h>

#include "../unit/model_cases.h"
#include "checks.h"

#define N_TEXTS	  6
#define N_PROCS	  3
#define TEXT_SIZE 4096 /* PATH_MAX, with its NUL */

struct world {
	struct model_case cs;
	char *texts[N_TEXTS];
	struct proc_info procs[N_PROCS]; /* share the texts */
	struct refusal_facts facts;
	struct verdict verdicts[4];
	struct what_if what_ifs[4];
};

/* Up to 254 bytes, as often one after the other as there is room and the second byte says. */
static char *take_text(struct case_bytes *bytes)
{
	size_t len = case_byte(bytes), times = case_byte(bytes), used = 0;
	char *text = len == 255 ? NULL : calloc(1, TEXT_SIZE);

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)case_byte(bytes);
	used = len = strlen(text);
	for (; times && used + len < TEXT_SIZE; times--, used += len)
		memcpy(text + used, text, len);
	return text;
}

static int64_t take_time(struct case_bytes *bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | case_byte(bytes);
	return (int64_t)value;
}

static void take_proc(struct case_bytes *bytes, struct world *world, struct proc_info *ret)
{
	uint8_t pick = case_byte(bytes);

	*ret = (struct proc_info){
		.pid = pick & 1 ? INT_MAX : pick,
		.tid = pick,
		.uid_known = pick & 2,
		.uid = pick & 4 ? UINT32_MAX : pick,
		.session_leader = pick % 3 - 1,
		.comm = world->texts[pick % N_TEXTS],
		.exe = world->texts[(pick + 1) % N_TEXTS],
		.cgroup = world->texts[(pick + 2) % N_TEXTS],
		.unit = world->texts[(pick + 3) % N_TEXTS],
		.container = world->texts[(pick + 4) % N_TEXTS],
	};
}

static void take_holders(struct case_bytes *bytes, struct world *world)
{
	struct snapshot *snap = &world->cs.snap;

	for (size_t i = 0; i < N_PROCS; i++) {
		struct proc_info *proc = snapshot__add_proc(snap);

		must(proc);
		*proc = world->procs[i];
	}
	for (uint32_t i = 0; i < snap->n_socks; i++) {
		uint8_t pick = case_byte(bytes);

		for (uint32_t j = 0; j < N_PROCS; j++)
			if (pick & 1u << j)
				must(!snapshot__add_hold(snap, i, j, pick, pick % 3 - 1));
		if (!(pick & 7) && pick & 8)
			snap->socks[i].former_owner = &world->procs[pick % N_PROCS];
	}
	snapshot__sort_holds(snap);
	must(!snapshot__add_device(snap, 3, world->texts[0] ? world->texts[0] : ""));
	snap->netns = case_byte(bytes) * 1000000000000000000u;
	snap->netns_name = world->texts[1];
	snap->owners_known = case_chance(bytes, 128);
	snap->evidence = case_byte(bytes) % (EVIDENCE_NONE + 1);
	snap->truncated = case_chance(bytes, 64);
}

static void take_facts(struct case_bytes *bytes, struct refusal_facts *ret)
{
	static const int errors[] = {EADDRINUSE, EADDRNOTAVAIL, EACCES, EPERM,
				     EINVAL,	 ENODEV,	EAGAIN, 4095};

	*ret = (struct refusal_facts){
		.stage = case_byte(bytes) % (STAGE_CONNECT + 1),
		.error = errors[case_byte(bytes) % 8],
		.had_port = case_byte(bytes),
		.unprivileged_port_start = case_byte(bytes) * 1000 - 1,
		.nonlocal_bind = case_byte(bytes) % 3 - 1,
		.tw_reuse = case_byte(bytes) % 4 - 1,
		.address_tentative = case_byte(bytes) % 3 - 1,
	};
}

static void world__take(struct world *world, struct case_bytes *bytes)
{
	memset(world, 0, sizeof(*world));
	for (size_t i = 0; i < N_TEXTS; i++)
		world->texts[i] = take_text(bytes);
	for (size_t i = 0; i < N_PROCS; i++)
		take_proc(bytes, world, &world->procs[i]);
	take_facts(bytes, &world->facts);
	model_case__build(&world->cs, bytes->data + bytes->pos, bytes->len - bytes->pos);
	bytes->pos += bytes->len > bytes->pos + 8 ? 8 : 0;
	take_holders(bytes, world);
}

static void world__free(struct world *world)
{
	struct snapshot *snap = &world->cs.snap;

	for (size_t i = 0; i < 4; i++)
		verdict__free(&world->verdicts[i]);
	snap->n_procs = 0; /* not theirs: the texts are freed once */
	snap->netns_name = NULL;
	for (size_t i = 0; i < snap->n_socks; i++)
		snap->socks[i].former_owner = NULL;
	snapshot__free(snap);
	for (size_t i = 0; i < N_TEXTS; i++)
		free(world->texts[i]);
}

static int write_conflict(struct world *world, struct case_bytes *bytes, struct output *out)
{
	static const char *const calls[] = {"bind", "listen", "connect", "autobind"};
	struct conflict_report *report = calloc(1, sizeof(*report));
	uint8_t how = case_byte(bytes);
	int err;

	must(report);
	report->time_ns = take_time(bytes);
	report->count = 1 + (how & 16 ? case_byte(bytes) : 0);
	report->again = how & 8;
	report->req = world->cs.req;
	report->req.call = how % 4;
	report->syscall = calls[how % 4];
	report->facts = world->facts;
	report->error = how & 64 ? world->facts.error : EADDRINUSE;
	report->process = world->procs[0];
	report->snap = world->cs.snap;
	report->kernel_agrees = how % 3 - 1;
	report->have_usage =
		how & 32 && !usage__sum(&report->snap, &report->req, NULL, &report->usage);
	err = rules__judge(&report->snap, &report->req, true, &world->verdicts[0]);
	must(!err);
	if (how & 64 || report->have_usage)
		err = verdict__explain_refusal(&world->verdicts[0], &report->snap, &report->req,
					       &report->facts,
					       report->have_usage ? &report->usage : NULL);
	else
		err = verdict__explain(&world->verdicts[0], &report->snap, &report->req);
	must(!err);
	report->verdict = world->verdicts[0];
	err = output__conflict(out, report);
	free(report);
	return err;
}

static int write_port(struct world *world, struct case_bytes *bytes, struct output *out)
{
	struct port_report report = {
		.snap = world->cs.snap,
		.what_ifs = world->what_ifs,
		.n_what_ifs = 4,
		.note = world->texts[2],
	};
	uint8_t how = case_byte(bytes);

	for (int i = 0; i < 4; i++) {
		struct what_if *what_if = &world->what_ifs[i];

		what_if->req = world->cs.req;
		what_if->req.self = 0;
		what_if->req.listening = false;
		what_if->req.reuseaddr = i & 1;
		what_if->req.reuseport = i & 2;
		what_if->asked = i == how % 4;
		what_if->facts = world->facts;
		what_if->facts.error = how & 128 ? world->facts.error : 0;
		what_if->otherwise = how % 3 - 1;
		must(!rules__judge(&report.snap, &what_if->req, false, &world->verdicts[i]));
		must(!verdict__explain_asked(&world->verdicts[i], &report.snap, &what_if->req,
					     &what_if->facts, what_if->otherwise));
		what_if->verdict = world->verdicts[i];
	}
	return output__port(out, &report);
}

static int write_bind(struct world *world, struct case_bytes *bytes, struct output *out)
{
	struct bind_report report = {
		.time_ns = take_time(bytes),
		.syscall = "bind",
		.protocol = world->cs.snap.protocol,
		.req = world->cs.req,
		.process = world->procs[0],
		.netns = world->cs.snap.netns,
		.netns_name = world->texts[1],
	};

	if (world->texts[0])
		strncpy(report.device, world->texts[0], sizeof(report.device) - 1);
	return output__bind(out, &report);
}

static int write_state(struct world *world, struct case_bytes *bytes, struct output *out)
{
	struct state_report report = {
		.time_ns = take_time(bytes),
		.protocol = PROTO_TCP,
		.family = world->cs.req.family,
		.local = world->cs.req.addr,
		.local_port = world->cs.req.port,
		.peer_port = case_byte(bytes),
		.old_state = case_byte(bytes) % 14,
		.new_state = case_byte(bytes) % 14,
		.duration_ns = take_time(bytes),
		.process = world->procs[0],
		.former = case_chance(bytes, 128),
		.netns = world->cs.snap.netns,
		.netns_name = world->texts[1],
	};

	return output__state(out, &report);
}

static int write_start(struct world *world, struct case_bytes *bytes, struct output *out)
{
	struct run_start start = {
		.time_ns = take_time(bytes),
		.version = world->texts[0] ? world->texts[0] : "",
		.kernel = world->texts[1] ? world->texts[1] : "",
		.hooks = world->texts[2] ? world->texts[2] : "",
		.filters = world->texts[3] ? world->texts[3] : "",
		.netns = world->texts[4] ? world->texts[4] : "",
	};

	return output__start(out, &start);
}

static int write_end(struct world *world, struct case_bytes *bytes, struct output *out)
{
	const struct run_stop stop = {
		.time_ns = take_time(bytes),
		.seen = (uint64_t)take_time(bytes),
		.delivered = case_byte(bytes),
		.filtered = case_byte(bytes),
		.lost = case_byte(bytes),
		.skipped = case_byte(bytes) % 3,
	};

	if (case_chance(bytes, 128))
		return output__lost(out, stop.time_ns, stop.seen);
	return output__stop(out, &stop);
}

typedef int (*write_fn)(struct world *world, struct case_bytes *bytes, struct output *out);

/* The caller of a report, whichever report it is. */
static void check_caller(json_t *line, const struct proc_info *proc)
{
	json_t *process = json_object_get(line, "process");

	if (!json_is_object(process))
		return;
	check_string(json_object_get(process, "comm"), proc->comm);
	check_string(json_object_get(process, "exe"), proc->exe);
	check_string(json_object_get(process, "cgroup"), proc->cgroup);
	check_string(json_object_get(process, "unit"), proc->unit);
	check_string(json_object_get(process, "container"), proc->container);
}

static void show(struct world *world, struct case_bytes *bytes, write_fn write, uint8_t form)
{
	char *text = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);
	const struct output_config config = {
		.results = stream,
		.diagnostics = stream,
		.json = form & 1,
		.color = form & 2,
		.verbose = form & 4,
		.show_netns = form & 8,
		.quiet = form & 16,
		.own_netns = form & 32 ? 1 : 0,
	};
	struct output *out = output__new(&config);
	json_t *line;

	must(stream && out);
	must(!write(world, bytes, out));
	output__free(out);
	must(!fclose(stream));
	if (config.json) {
		line = check_json_line(text, len);
		if (write != write_start && write != write_end)
			check_caller(line, &world->procs[0]);
		json_decref(line);
	} else {
		check_text(text, len, config.color);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const write_fn writers[] = {write_conflict, write_port,	write_bind,
					   write_state,	   write_start, write_end};
	struct case_bytes bytes = {data, size, 0};
	uint8_t kind = case_byte(&bytes), form = case_byte(&bytes);
	struct world world;

	world__take(&world, &bytes);
	show(&world, &bytes, writers[kind % (sizeof(writers) / sizeof(writers[0]))], form);
	world__free(&world);
	return 0;
}
