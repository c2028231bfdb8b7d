// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>
#include "pasted.h"

static void stopped__add(struct stopped *s, const struct proc_info *proc,
			 const struct proc_info *binder)
{
	if (binder && proc->pid == binder->pid) {
		s->self = true;
		return;
	}
	if (proc->pid == 1) {
		bool systemd = proc->comm && !strcmp(proc->comm, "systemd");

		s->systemd |= systemd;
		s->init |= !systemd;
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->procs[i]->pid == proc->pid)
			return;
	if (s->n == MAX_STOPPED)
		s->too_many = true;
	else
		s->procs[s->n++] = proc;
}

void stopped__add_holders(struct stopped *s, const struct advice *a, uint32_t sock)
{
	const struct proc_info *procs[MAX_STOPPED + 1];
	size_t n = holder__procs(a->snap, sock, procs, MAX_STOPPED + 1);

	for (size_t i = 0; i < n && i < MAX_STOPPED + 1; i++)
		stopped__add(s, procs[i], a->binder);
}

struct stopped stopped__of_blockers(const struct advice *a)
{
	struct stopped s = {.n = 0};

	for (size_t i = 0; i < a->verdict->n_blockers && !s.too_many; i++)
		stopped__add_holders(&s, a, a->verdict->blockers[i].sock);
	return s;
}

bool pasted__is_system_service(const struct proc_info *proc)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789:_.@-";
	size_t len = proc->unit ? strlen(proc->unit) : 0;

	if (len <= strlen(".service") || strcmp(proc->unit + len - strlen(".service"), ".service"))
		return false;
	if (proc->unit[strspn(proc->unit, safe)] || proc->unit[0] == '-' || proc->container)
		return false;
	return !proc->cgroup || strncmp(proc->cgroup, "/user.slice/", 12) != 0;
}

bool pasted__is_plain_word(const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789/:_.@+-";

	return text && *text && *text != '-' && !text[strspn(text, safe)];
}

/* ---- another network namespace than ours -------------------------------------------------- */

/* A process that is in it: one that holds a socket there, or the one that was refused. 0: none. */
static int pid_inside(const struct advice *a)
{
	const struct proc_info *first;
	uint32_t index = 0;

	if (advice__main_sock(a, &index) && holder__procs(a->snap, index, &first, 1) > 0 &&
	    first->pid > 1)
		return first->pid;
	return a->binder && a->binder->pid > 0 ? a->binder->pid : 0;
}

struct word pasted__enter(const struct advice *a)
{
	const char *name = a->snap->netns_name;
	struct word enter = {""};
	int pid = pid_inside(a);

	if (!format__is_foreign(a->out, a->snap->netns, name))
		return enter;
	if (pasted__is_plain_word(name) && strlen(name) < sizeof(enter) / 2)
		snprintf(enter.text, sizeof(enter.text), "ip netns exec %.15s ", name);
	else if (pid)
		snprintf(enter.text, sizeof(enter.text), "nsenter -t %d -n ", pid);
	return enter;
}

static struct word netns_option(const struct advice *a)
{
	const char *name = a->snap->netns_name;
	struct word option = {""};
	int pid = pid_inside(a);

	if (!format__is_foreign(a->out, a->snap->netns, name))
		return option;
	if (pasted__is_plain_word(name) && strlen(name) < sizeof(option) / 2)
		snprintf(option.text, sizeof(option.text), " --netns %.15s", name);
	else if (pid)
		snprintf(option.text, sizeof(option.text), " --netns %d", pid);
	else
		strcpy(option.text, " --netns NS"); /* the reader knows it */
	return option;
}

struct endpoint pasted__address_option(const struct advice *a)
{
	const struct bind_request *req = a->req;
	struct endpoint option = {""};

	if (!ip_addr__is_any(req->family, &req->addr))
		snprintf(option.text, sizeof(option.text), " --address %.64s",
			 format__address(req->family, &req->addr).text);
	else if (a->report)
		strcpy(option.text, req->family == AF_INET6 ? " -6" : " -4");
	return option;
}

struct holder_text pasted__bind_options(const struct advice *a)
{
	const struct bind_request *req = a->req;
	const char *device = snapshot__device_name(a->snap, req->ifindex);
	bool wildcard6 = req->family == AF_INET6 && ip_addr__is_any(req->family, &req->addr);
	struct holder_text h;
	char uid[24] = "";

	/* Sockets are shared with SO_REUSEPORT by one user's programs only. */
	if (req->reuseport && req->uid)
		snprintf(uid, sizeof(uid), " --uid %u", req->uid);
	snprintf(h.text, sizeof(h.text), "%s%s%s%s%s%s", req->reuseaddr ? " --reuseaddr" : "",
		 req->reuseport ? " --reuseport" : "", uid,
		 wildcard6 && req->v6only ? " --v6only" : "",
		 pasted__is_plain_word(device) ? " --device " : "",
		 pasted__is_plain_word(device) ? device : "");
	return h;
}

static struct word proto_option(const struct advice *a)
{
	struct word option = {""};

	if (advice__is_udp(a))
		snprintf(option.text, sizeof(option.text), " --proto %.16s",
			 format__protocol(a->snap->protocol).text);
	return option;
}

struct holder_text pasted__ask_again(const struct advice *a)
{
	struct holder_text h;

	snprintf(h.text, sizeof(h.text), "bindtrace%s%s --port %u", netns_option(a).text,
		 proto_option(a).text, a->req->port);
	return h;
}

/* ---- who has to stop ---------------------------------------------------------------------- */

static bool named_before(const struct stopped *s, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(s->procs[j]->unit, s->procs[i]->unit))
			return true;
	return false;
}

/* By units where all have one that is not the refused program's own. */
static bool stops_units(const struct stopped *s, const struct proc_info *binder)
{
	const char *own = binder ? binder->unit : NULL;

	for (size_t i = 0; i < s->n; i++)
		if (!pasted__is_system_service(s->procs[i]) ||
		    (own && !strcmp(own, s->procs[i]->unit)))
			return false;
	return true;
}

bool stopped__command(const struct stopped *s, const struct proc_info *binder, const char *verb,
		      struct holder_text *ret)
{
	bool units = stops_units(s, binder);

	if (s->n == 0 || s->too_many || s->systemd || s->init || s->self)
		return false;
	snprintf(ret->text, sizeof(ret->text), units ? "systemctl %s" : "kill", verb);
	for (size_t i = 0; i < s->n; i++) {
		size_t len = strlen(ret->text);

		if (!units)
			snprintf(ret->text + len, sizeof(ret->text) - len, " %d", s->procs[i]->pid);
		else if (!named_before(s, i))
			snprintf(ret->text + len, sizeof(ret->text) - len, " %s",
				 s->procs[i]->unit);
	}
	/* A command that was cut would stop something else. */
	return strlen(ret->text) + 1 < sizeof(ret->text);
}

/* The state as ss(8) spells it. */
static const char *ss_state(uint8_t state)
{
	switch (state) {
	case STATE_ESTABLISHED:
		return "established";
	case STATE_FIN_WAIT1:
		return "fin-wait-1";
	case STATE_FIN_WAIT2:
		return "fin-wait-2";
	case STATE_CLOSE_WAIT:
		return "close-wait";
	case STATE_LAST_ACK:
		return "last-ack";
	case STATE_CLOSING:
		return "closing";
	default:
		return "connected";
	}
}

struct word pasted__ss_states(const struct advice *a)
{
	struct word w = {""};
	uint32_t seen = 0;

	for (size_t i = 0; i < a->verdict->n_blockers; i++) {
		const struct snap_sock *sock = &a->snap->socks[a->verdict->blockers[i].sock];

		/* A recording may have any number. */
		if (sock->holder == HOLDER_ORPHAN && sock->state < STATE_NEW_SYN_RECV)
			seen |= 1u << sock->state;
	}
	for (int state = 1; state < STATE_NEW_SYN_RECV; state++) {
		size_t len = strlen(w.text);

		if (seen & 1u << state)
			snprintf(w.text + len, sizeof(w.text) - len, " state %s",
				 ss_state((uint8_t)state));
	}
	/* Cut, or without a state, it would not be understood; this takes in some more. */
	if (!seen || strlen(w.text) + 1 == sizeof(w.text))
		strcpy(w.text, " state connected");
	return w;
}

struct holder_text pasted__stop_one(const struct proc_info *proc)
{
	struct stopped s = {.procs = {proc}, .n = 1};
	struct holder_text command = {""};

	if (proc->pid == 1 || !stopped__command(&s, NULL, "restart", &command))
		*command.text = '\0';
	return command;
}
