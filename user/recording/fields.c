// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fields.h"

static void addr(struct coder *c, struct ip_addr *value)
{
	code__bytes(c, value->bytes, sizeof(value->bytes));
}

/* A big-endian word has the same bytes on every machine. */
static void word_be(struct coder *c, uint32_t *value)
{
	code__bytes(c, value, sizeof(*value));
}

/* A string that the struct has room for itself. */
static void inline_text(struct coder *c, char *text, size_t size)
{
	const char *read = code__string(c, text);

	if (!c->reading || !read)
		return;
	if (strlen(read) >= size)
		coder__fail(c, -EBADMSG);
	else
		strcpy(text, read);
}

void fields__header(struct coder *c, struct recording_header *header)
{
	inline_text(c, header->tool, sizeof(header->tool));
	inline_text(c, header->kernel, sizeof(header->kernel));
	inline_text(c, header->machine, sizeof(header->machine));
	inline_text(c, header->boot_id, sizeof(header->boot_id));
	code__i64(c, &header->realtime_ns);
	code__i64(c, &header->monotonic_ns);
	code__bool(c, &header->show_netns);
	code__u64(c, &header->own_netns);
	if (c->reading && c->pos == c->end)
		return; /* of minor version 0 or 1 */
	inline_text(c, header->run, sizeof(header->run));
}

void fields__time(struct coder *c, struct record_time *time)
{
	code__i64(c, &time->ns);
	code__i32(c, &time->utc_offset_s);
}

/* The word is shown as it is. */
static bool is_word(const char *text)
{
	return text && *text && strlen(text) < 32 &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789")] == '\0';
}

static const char *word(struct coder *c, const char *text)
{
	text = code__string(c, text);
	if (!c->err && !is_word(text))
		coder__fail(c, c->reading ? -EBADMSG : -EINVAL);
	return text;
}

void fields__call(struct coder *c, struct conflict_report *report)
{
	int32_t error = report->error;

	report->syscall = word(c, report->syscall);
	code__i32(c, &error);
	report->error = error;
	report->kernel_agrees = code__tri_enum(c, report->kernel_agrees);
	code__bool(c, &report->have_usage);
	if (c->reading && c->pos == c->end)
		return; /* of minor version 2 or older */
	code__u64(c, &report->count);
	code__i64(c, &report->first_time_ns);
	code__bool(c, &report->again);
	if (!report->count)
		coder__fail(c, c->reading ? -EBADMSG : -EINVAL);
}

void fields__request(struct coder *c, struct bind_request *req)
{
	CODE_ENUM(c, req->call, CALL_AUTOBIND);
	code__u16(c, &req->family);
	code__u16(c, &req->port);
	code__u16(c, &req->peer_port);
	addr(c, &req->addr);
	addr(c, &req->peer);
	word_be(c, &req->v4_word_be);
	code__bool(c, &req->reuseaddr);
	code__bool(c, &req->reuseport);
	code__bool(c, &req->v6only);
	code__bool(c, &req->force_reuse);
	code__bool(c, &req->listening);
	code__bool(c, &req->has_group);
	code__bool(c, &req->group_closed);
	code__u32(c, &req->ifindex);
	code__i32(c, &req->l3mdev);
	code__u32(c, &req->uid);
	code__u32(c, &req->inode_uid);
	code__u64(c, &req->self);
}

void fields__facts(struct coder *c, struct refusal_facts *facts)
{
	int32_t error = facts->error;

	CODE_ENUM(c, facts->stage, STAGE_CONNECT);
	code__i32(c, &error);
	facts->error = error;
	code__u16(c, &facts->had_port);
	code__i32(c, &facts->unprivileged_port_start);
	code__i32(c, &facts->nonlocal_bind);
	code__i32(c, &facts->tw_reuse);
	code__tri(c, &facts->address_tentative);
}

#define N_STATES (sizeof(((struct port_usage *)0)->states) / sizeof(uint64_t))

void fields__usage(struct coder *c, struct port_usage *usage)
{
	uint8_t n_states = N_STATES;

	code__u16(c, &usage->low);
	code__u16(c, &usage->high);
	code__u32(c, &usage->reserved);
	code__u32(c, &usage->taken);
	code__u32(c, &usage->bound);
	code__u32(c, &usage->same_peer);
	code__u32(c, &usage->reusable);
	code__u32(c, &usage->shareable);
	code__u64(c, &usage->sockets);
	n_states = (uint8_t)code__upto(c, n_states, N_STATES);
	for (size_t i = 0; i < n_states; i++)
		code__u64(c, &usage->states[i]);
	CODE_ENUM(c, usage->n_top, USAGE_MAX_HOLDERS);
	for (size_t i = 0; i < usage->n_top; i++) {
		code__u32(c, &usage->top[i].proc);
		code__u32(c, &usage->top[i].ports);
	}
}

#define RESERVED_SIZE (65536 / 8)

/* Mostly zero: only the bytes from the first to the last that is not. */
void fields__reserved(struct coder *c, uint8_t reserved[RESERVED_SIZE])
{
	uint16_t first = 0, n = RESERVED_SIZE;

	while (!c->reading && n && !reserved[n - 1])
		n--;
	while (!c->reading && first < n && !reserved[first])
		first++;
	n -= c->reading ? 0 : first;
	code__u16(c, &first);
	code__u16(c, &n);
	if (first > RESERVED_SIZE || n > RESERVED_SIZE - first)
		coder__fail(c, -EBADMSG);
	else
		code__bytes(c, reserved + first, n);
}

void fields__proc(struct coder *c, struct proc_info *proc)
{
	int32_t pid = proc->pid, tid = proc->tid;

	code__i32(c, &pid);
	code__i32(c, &tid);
	proc->pid = pid;
	proc->tid = tid;
	code__bool(c, &proc->uid_known);
	code__u32(c, &proc->uid);
	proc->session_leader = code__tri_enum(c, proc->session_leader);
	code__text(c, &proc->comm);
	code__text(c, &proc->exe);
	code__text(c, &proc->cgroup);
	code__text(c, &proc->unit);
	code__text(c, &proc->container);
}

static void optional_proc(struct coder *c, struct proc_info **proc)
{
	bool known = *proc != NULL;
	size_t mark;

	code__bool(c, &known);
	if (c->err || !known)
		return;
	if (!*proc)
		*proc = calloc(1, sizeof(**proc));
	if (!*proc) {
		coder__fail(c, -ENOMEM);
		return;
	}
	mark = code__begin(c);
	fields__proc(c, *proc);
	code__end(c, mark);
}

static void kernel_rules(struct coder *c, struct kernel_rules *rules)
{
	size_t mark = code__begin(c);

	code__bool(c, &rules->uid_from_sock);
	code__bool(c, &rules->hash2);
	code__bool(c, &rules->mapped_any_quirk);
	code__bool(c, &rules->closed_group_usable);
	code__end(c, mark);
}

void fields__snapshot(struct coder *c, struct snapshot *snap)
{
	code__u32(c, &snap->protocol);
	code__u16(c, &snap->port);
	code__u64(c, &snap->netns);
	code__text(c, &snap->netns_name);
	kernel_rules(c, &snap->kernel);
	CODE_ENUM(c, snap->evidence, EVIDENCE_NONE);
	code__bool(c, &snap->truncated);
	code__u64(c, &snap->total);
	code__bool(c, &snap->owners_known);
	code__u16(c, &snap->ephemeral_low);
	code__u16(c, &snap->ephemeral_high);
	if (c->reading && c->pos == c->end)
		return; /* of minor version 1 or older */
	optional_proc(c, &snap->netns_member);
}

void fields__bucket(struct coder *c, struct snap_bucket *bucket)
{
	code__i32(c, &bucket->l3mdev);
	code__i8(c, &bucket->fastreuse);
	code__i8(c, &bucket->fastreuseport);
	code__u32(c, &bucket->fastuid);
	code__u16(c, &bucket->fast_family);
	code__bool(c, &bucket->fast_ipv6only);
	addr(c, &bucket->fast_v6);
	word_be(c, &bucket->fast_v4_be);
}

static void sock_flags(struct coder *c, struct snap_sock *sock)
{
	code__tri(c, &sock->reuseaddr);
	code__tri(c, &sock->reuseport);
	code__tri(c, &sock->v6only);
	code__tri(c, &sock->force_reuse);
	code__tri(c, &sock->port_locked);
	code__tri(c, &sock->connect_bound);
	code__tri(c, &sock->has_socket);
	code__tri(c, &sock->has_file);
	code__tri(c, &sock->dead);
	code__tri(c, &sock->kernel_made);
}

void fields__sock(struct coder *c, struct snap_sock *sock)
{
	code__u64(c, &sock->id);
	code__u32(c, &sock->bucket);
	code__u16(c, &sock->family);
	code__u16(c, &sock->local_port);
	code__u16(c, &sock->peer_port);
	code__u8(c, &sock->state);
	code__u8(c, &sock->substate);
	addr(c, &sock->local);
	addr(c, &sock->peer);
	word_be(c, &sock->v4_word_be);
	sock_flags(c, sock);
	code__u32(c, &sock->ifindex);
	code__u8(c, &sock->addr_bucket_family);
	code__bool(c, &sock->uid_known);
	code__u32(c, &sock->uid);
	code__bool(c, &sock->inode_uid_known);
	code__u32(c, &sock->inode_uid);
	code__u64(c, &sock->inode);
	code__u64(c, &sock->cgroup_id);
	code__bool(c, &sock->expires_known);
	code__i64(c, &sock->expires_ms);
	CODE_ENUM(c, sock->role, ROLE_ORPHAN);
	CODE_ENUM(c, sock->holder, HOLDER_DETACHED);
	optional_proc(c, &sock->former_owner);
}

void fields__hold(struct coder *c, struct sock_hold *hold)
{
	int32_t fd = hold->fd;

	code__u32(c, &hold->sock);
	code__u32(c, &hold->proc);
	code__i32(c, &fd);
	hold->fd = fd;
	hold->opener = code__tri_enum(c, hold->opener);
}

/* What bind() said before it looked at the port. */
static void before_port(struct coder *c, struct what_if *what_if)
{
	int32_t otherwise = what_if->otherwise;
	size_t mark = code__begin(c);

	fields__facts(c, &what_if->facts);
	code__end(c, mark);
	code__i32(c, &otherwise);
	what_if->otherwise = otherwise;
}

void fields__asked(struct coder *c, struct asked *asked)
{
	size_t mark = code__begin(c);

	fields__request(c, &asked->what_if.req);
	code__end(c, mark);
	code__bool(c, &asked->what_if.asked);
	asked->shown = code__tri_enum(c, asked->shown);
	if (c->reading && c->pos == c->end)
		return; /* of minor version 0 */
	before_port(c, &asked->what_if);
}

void fields__device(struct coder *c, struct snap_device *device)
{
	code__u32(c, &device->ifindex);
	inline_text(c, device->name, sizeof(device->name));
}

void fields__bind(struct coder *c, struct bind_report *report)
{
	report->syscall = word(c, report->syscall);
	code__u32(c, &report->protocol);
	inline_text(c, report->device, sizeof(report->device));
	code__u64(c, &report->netns);
	report->netns_name = code__string(c, report->netns_name);
}

void fields__state(struct coder *c, struct state_report *report)
{
	code__u32(c, &report->protocol);
	code__u16(c, &report->family);
	code__u16(c, &report->local_port);
	code__u16(c, &report->peer_port);
	addr(c, &report->local);
	addr(c, &report->peer);
	code__u8(c, &report->old_state);
	code__u8(c, &report->new_state);
	code__i64(c, &report->duration_ns);
	code__bool(c, &report->former);
	code__u64(c, &report->netns);
	report->netns_name = code__string(c, report->netns_name);
}

void fields__start(struct coder *c, struct run_start *start)
{
	start->version = code__string(c, start->version);
	start->kernel = code__string(c, start->kernel);
	start->hooks = code__string(c, start->hooks);
	start->filters = code__string(c, start->filters);
	start->netns = code__string(c, start->netns);
}

void fields__stop(struct coder *c, struct run_stop *stop)
{
	code__u64(c, &stop->seen);
	code__u64(c, &stop->delivered);
	code__u64(c, &stop->filtered);
	code__u64(c, &stop->lost);
	code__u64(c, &stop->skipped);
}
