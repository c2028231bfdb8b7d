// SPDX-License-Identifier: GPL-2.0-only
#include <fnmatch.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include "holder.h"
#include "sanitize.h"

#define CONTAINER_ID_SHOWN 12 /* as container runtimes print it */
#define POD_UID_SHOWN	   8  /* up to its first dash */
#define ALL_HOLDERS	   32 /* with -v */

__attribute__((format(printf, 2, 3))) static void add(struct holder_text *h, const char *fmt, ...)
{
	size_t len = strlen(h->text);
	va_list args;

	va_start(args, fmt);
	if (vsnprintf(h->text + len, sizeof(h->text) - len, fmt, args) >=
	    (int)(sizeof(h->text) - len))
		utf8__trim(h->text);
	va_end(args);
}

size_t holder__procs(const struct snapshot *snap, uint32_t sock, const struct proc_info **ret_procs,
		     size_t max)
{
	size_t n_holds, n = 0;
	const struct sock_hold *holds = snapshot__holds(snap, sock, &n_holds);

	for (size_t i = 0; i < n_holds; i++) {
		if (i > 0 && holds[i].proc == holds[i - 1].proc)
			continue;
		if (n < max)
			ret_procs[n] = &snap->procs[holds[i].proc];
		n++;
	}
	return n;
}

struct holder_text holder__process(const struct proc_info *proc)
{
	struct holder_text h = {""};
	char comm[96];

	if (proc->comm) {
		sanitize__text(comm, sizeof(comm), proc->comm);
		add(&h, "%s[%d]", comm, proc->pid);
	} else {
		add(&h, "pid %d", proc->pid);
	}
	return h;
}

static bool is_login_unit(const char *unit)
{
	return !fnmatch("session-*.scope", unit, 0) || !fnmatch("user@*.service", unit, 0) ||
	       !strcmp(unit, "init.scope");
}

struct holder_text holder__place(const struct proc_info *proc)
{
	struct holder_text h = {""};
	char name[160], pod[POD_UID_MAX];

	if (proc->container) {
		sanitize__text(name, sizeof(name), proc->container);
		if (strlen(name) > CONTAINER_ID_SHOWN && !strchr(name, '\\'))
			name[CONTAINER_ID_SHOWN] = '\0';
		utf8__trim(name);
		add(&h, "container %s", name);
		if (proc_info__pod(proc, pod))
			add(&h, " of pod %.*s", POD_UID_SHOWN, pod);
	} else if (proc->unit && !is_login_unit(proc->unit)) {
		sanitize__text(name, sizeof(name), proc->unit);
		add(&h, "%s", name);
	}
	return h;
}

static void add_process(struct holder_text *h, const struct proc_info *proc)
{
	struct holder_text place = holder__place(proc);

	add(h, "%s", holder__process(proc).text);
	if (*place.text)
		add(h, " (%s)", place.text);
}

/* One of several, or all of them with their fds. */
static void add_processes(struct holder_text *h, const struct snapshot *snap, uint32_t sock,
			  bool all)
{
	size_t n_holds, n = 0, shown = 0;
	const struct sock_hold *holds = snapshot__holds(snap, sock, &n_holds);

	for (size_t i = 0; i < n_holds; i++) {
		if (i > 0 && holds[i].proc == holds[i - 1].proc)
			continue;
		n++;
		if (shown >= (all ? ALL_HOLDERS : 1) || strlen(h->text) > sizeof(h->text) / 2)
			continue;
		add(h, shown ? ", " : "");
		add_process(h, &snap->procs[holds[i].proc]);
		if (all)
			add(h, " fd %d", holds[i].fd);
		shown++;
	}
	if (n > shown)
		add(h, " +%zu more", n - shown);
}

/* A connection has the family of its listener, and its address unless that listens on all. */
bool holder__listener(const struct snapshot *snap, const struct snap_sock *sock,
		      uint32_t *ret_listener)
{
	bool found = false;

	for (uint32_t i = 0; i < snap->n_socks; i++) {
		const struct snap_sock *other = &snap->socks[i];
		bool same;

		if (other->state != STATE_LISTEN || other->local_port != sock->local_port ||
		    other->family != sock->family)
			continue;
		same = ip_addr__equal(&other->local, &sock->local);
		if (!same && !ip_addr__is_any(other->family, &other->local))
			continue;
		/* The kernel prefers the one on the very address: inet_lookup_listener(). */
		if (same || !found)
			*ret_listener = i;
		if (same)
			return true;
		found = true;
	}
	return found;
}

static void add_ownerless(struct holder_text *h, const struct snapshot *snap, uint32_t sock)
{
	uint32_t listener;

	switch ((enum holder_class)snap->socks[sock].holder) {
	case HOLDER_TIME_WAIT:
		add(h, "nobody");
		break;
	case HOLDER_ORPHAN:
		add(h, "no process: closed by its program, the kernel is still finishing it");
		break;
	case HOLDER_ACCEPT_QUEUE:
		add(h, "nobody yet: not accepted");
		if (holder__listener(snap, &snap->socks[sock], &listener) && listener != sock)
			add(h, " by %s", holder__who(snap, listener).text);
		break;
	case HOLDER_KERNEL:
		add(h, "kernel");
		break;
	case HOLDER_DETACHED:
		add(h, "no process: in flight over a UNIX socket, or in io_uring");
		break;
	case HOLDER_PROCESS:
	case HOLDER_UNKNOWN:
		add(h, snap->owners_known ? "unknown"
					  : "unknown: gone, or not every process could be read");
		break;
	}
}

struct holder_text holder__line(const struct snapshot *snap, uint32_t sock, int64_t expires_ms,
				bool all)
{
	const struct snap_sock *s = &snap->socks[sock];
	struct holder_text h = {""};
	bool held;
	size_t n;

	snapshot__holds(snap, sock, &n);
	held = n > 0;
	if (held)
		add_processes(&h, snap, sock, all);
	else
		add_ownerless(&h, snap, sock);
	if (!held && s->former_owner) {
		add(&h, "; was ");
		add_process(&h, s->former_owner);
	} else if (!held && s->holder == HOLDER_TIME_WAIT) {
		add(&h, "; former owner unknown");
	}
	if (expires_ms >= 0)
		add(&h, ", %s left", format__left(expires_ms).text);
	return h;
}

struct holder_text holder__who(const struct snapshot *snap, uint32_t sock)
{
	const struct proc_info *first;
	struct holder_text h = {""};

	if (holder__procs(snap, sock, &first, 1) > 0)
		return holder__process(first);
	switch ((enum holder_class)snap->socks[sock].holder) {
	case HOLDER_TIME_WAIT:
	case HOLDER_ORPHAN:
		add(&h, "a closed socket");
		break;
	case HOLDER_ACCEPT_QUEUE:
		add(&h, "a connection nobody has accepted yet");
		break;
	case HOLDER_KERNEL:
		add(&h, "the kernel itself");
		break;
	case HOLDER_DETACHED:
		add(&h, "a socket in no process's fd table");
		break;
	case HOLDER_PROCESS:
	case HOLDER_UNKNOWN:
		add(&h, "a process that could not be read");
		break;
	}
	return h;
}

struct holder_text holder__subject(const struct snapshot *snap, uint32_t sock)
{
	struct holder_text h = holder__who(snap, sock);
	const struct proc_info *first;

	/* A program's name stays as it is. */
	if (holder__procs(snap, sock, &first, 1) == 0 && *h.text >= 'a' && *h.text <= 'z')
		*h.text += 'A' - 'a';
	return h;
}
