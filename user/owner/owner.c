// SPDX-License-Identifier: GPL-2.0-only
/* From the sockets of a snapshot to their holders: one scan, one description per process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "owner.h"

/* A socket asked about, sorted by inode: several may share one (MPTCP subflows). */
struct wanted {
	uint64_t inode;
	uint32_t sock;
};

struct lookup {
	const struct owner_source *source;
	struct snapshot *snap;
	bool *asked; /* for each socket */
	bool *held;
	struct wanted *wanted;
	size_t n_wanted;
	uint64_t *inodes; /* of wanted, each once */
	size_t n_inodes;
	struct owner_hits hits;
};

static int by_inode(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->sock < y->sock ? -1 : x->sock > y->sock;
}

static int by_pid(const void *a, const void *b)
{
	const struct owner_hit *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->fd != y->fd)
		return x->fd < y->fd ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void mark_asked(struct lookup *lookup, const uint32_t *socks, size_t n)
{
	size_t i;

	if (!socks) {
		memset(lookup->asked, true, lookup->snap->n_socks * sizeof(*lookup->asked));
		return;
	}
	for (i = 0; i < n; i++) {
		if (socks[i] < lookup->snap->n_socks)
			lookup->asked[socks[i]] = true;
	}
}

static int collect(struct lookup *lookup, const uint32_t *socks, size_t n)
{
	size_t i, n_socks = lookup->snap->n_socks;

	lookup->asked = calloc(n_socks + 1, sizeof(*lookup->asked));
	lookup->held = calloc(n_socks + 1, sizeof(*lookup->held));
	lookup->wanted = calloc(n_socks + 1, sizeof(*lookup->wanted));
	lookup->inodes = calloc(n_socks + 1, sizeof(*lookup->inodes));
	if (!lookup->asked || !lookup->held || !lookup->wanted || !lookup->inodes)
		return -ENOMEM;
	mark_asked(lookup, socks, n);
	for (i = 0; i < n_socks; i++) {
		uint64_t inode = lookup->snap->socks[i].inode;

		if (lookup->asked[i] && inode)
			lookup->wanted[lookup->n_wanted++] = (struct wanted){inode, i};
	}
	qsort(lookup->wanted, lookup->n_wanted, sizeof(*lookup->wanted), by_inode);
	for (i = 0; i < lookup->n_wanted; i++) {
		if (!i || lookup->wanted[i].inode != lookup->wanted[i - 1].inode)
			lookup->inodes[lookup->n_inodes++] = lookup->wanted[i].inode;
	}
	return 0;
}

/* Nothing to look for is complete: no file of theirs, hence no holder. A failed scan is not. */
static int scan(struct lookup *lookup)
{
	const struct owner_source *source = lookup->source;
	struct owner_hits *hits = &lookup->hits;
	int err = -ENOSYS;

	hits->complete = true;
	if (!lookup->n_inodes)
		return 0;
	if (source->scan)
		err = source->scan(source->ctx, lookup->inodes, lookup->n_inodes, hits);
	if (err && err != -ENOMEM) {
		hits->n = 0;
		err = owner__scan_proc((void *)source, lookup->inodes, lookup->n_inodes, hits);
	}
	if (err == -ENOMEM)
		return err;
	if (err)
		hits->complete = false;
	return 0;
}

static int find_proc(const struct snapshot *snap, int pid)
{
	size_t i;

	for (i = 0; i < snap->n_procs; i++) {
		if (snap->procs[i].pid == pid)
			return i;
	}
	return -1;
}

static int add_proc(struct lookup *lookup, const struct owner_hit *hit, uint32_t *ret)
{
	struct proc_info *proc = snapshot__add_proc(lookup->snap);

	if (!proc)
		return -ENOMEM;
	proc->pid = hit->pid;
	proc->session_leader = TRI_UNKNOWN;
	/* From the scan, so that a process that has exited since still has a name. */
	if (hit->comm[0]) {
		proc->comm = strndup(hit->comm, sizeof(hit->comm));
		if (!proc->comm)
			return -ENOMEM;
	}
	*ret = lookup->snap->n_procs - 1;
	return proc_info__read_started(lookup->source, proc, hit->start_ns);
}

static size_t first_wanted(const struct lookup *lookup, uint64_t inode)
{
	size_t low = 0, high = lookup->n_wanted;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (lookup->wanted[mid].inode < inode)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int add_holds(struct lookup *lookup, const struct owner_hit *hit, uint32_t proc)
{
	size_t i = first_wanted(lookup, hit->inode);
	int err;

	for (; i < lookup->n_wanted && lookup->wanted[i].inode == hit->inode; i++) {
		uint32_t sock = lookup->wanted[i].sock;

		err = snapshot__add_hold(lookup->snap, sock, proc, hit->fd, hit->opener);
		if (err)
			return err;
		lookup->held[sock] = true;
	}
	return 0;
}

/* Processes known from an earlier lookup are few, or the same; new ones are never searched for. */
static int attribute(struct lookup *lookup)
{
	const struct owner_hit *hits = lookup->hits.hits;
	const bool had_procs = lookup->snap->n_procs > 0;
	uint32_t proc = 0;
	int known, err;
	size_t i;

	if (lookup->hits.n)
		qsort(lookup->hits.hits, lookup->hits.n, sizeof(*hits), by_pid);
	for (i = 0; i < lookup->hits.n; i++) {
		/* Threads may have fd tables of their own with the same entry in them. */
		if (i && by_pid(&hits[i - 1], &hits[i]) == 0)
			continue;
		if (!i || hits[i].pid != hits[i - 1].pid) {
			known = had_procs ? find_proc(lookup->snap, hits[i].pid) : -1;
			if (known >= 0)
				proc = known;
			err = known >= 0 ? 0 : add_proc(lookup, &hits[i], &proc);
			if (err)
				return err;
		}
		err = add_holds(lookup, &hits[i], proc);
		if (err)
			return err;
	}
	return 0;
}

/* inet_diag tells only whether there is an inode. */
static enum holder_class class_from_diag(const struct snap_sock *sock)
{
	if (sock->inode)
		return HOLDER_UNKNOWN; /* the kernel's, or detached */
	switch (sock->state) {
	case STATE_FIN_WAIT1:
	case STATE_FIN_WAIT2:
	case STATE_LAST_ACK:
	case STATE_CLOSING:
		/* Only close() by the process takes a connection here and leaves no inode. */
		return HOLDER_ORPHAN;
	default:
		return HOLDER_UNKNOWN;
	}
}

/* The file goes before kernel_made, which MPTCP subflows have set as well. */
static enum holder_class class_of(const struct snap_sock *sock, bool held, bool complete)
{
	if (sock->state == STATE_TIME_WAIT)
		return HOLDER_TIME_WAIT;
	if (held)
		return HOLDER_PROCESS;
	if (sock->has_socket == TRI_UNKNOWN)
		return class_from_diag(sock);
	if (sock->has_socket == TRI_NO) {
		if (sock->dead == TRI_UNKNOWN)
			return HOLDER_UNKNOWN;
		return sock->dead == TRI_YES ? HOLDER_ORPHAN : HOLDER_ACCEPT_QUEUE;
	}
	if (sock->has_file == TRI_YES) {
		if (!complete)
			return HOLDER_UNKNOWN;
		/* RPC gives its connections a file that no process has: xs_create_sock(). */
		return sock->kernel_made == TRI_YES && sock->peer_port ? HOLDER_KERNEL
								       : HOLDER_DETACHED;
	}
	if (sock->has_file == TRI_NO && sock->kernel_made == TRI_YES)
		return HOLDER_KERNEL;
	return HOLDER_UNKNOWN;
}

static void classify(struct lookup *lookup)
{
	struct snapshot *snap = lookup->snap;
	size_t i;

	for (i = 0; i < snap->n_socks; i++) {
		if (lookup->asked[i])
			snap->socks[i].holder =
				class_of(&snap->socks[i], lookup->held[i], lookup->hits.complete);
		if (snap->socks[i].holder == HOLDER_KERNEL && snap->socks[i].peer_port)
			snap->socks[i].role = ROLE_KERNEL;
	}
	snap->owners_known = lookup->hits.complete;
}

/* What an earlier lookup found for the same sockets is replaced. */
static void drop_old_holds(struct lookup *lookup)
{
	struct snapshot *snap = lookup->snap;
	size_t i, kept = 0;

	for (i = 0; i < snap->n_holds; i++) {
		if (!lookup->asked[snap->holds[i].sock])
			snap->holds[kept++] = snap->holds[i];
	}
	snap->n_holds = kept;
}

int owner__lookup(const struct owner_source *source, struct snapshot *snap, const uint32_t *socks,
		  size_t n)
{
	struct lookup lookup = {.source = source, .snap = snap};
	int err;

	err = collect(&lookup, socks, n);
	if (err)
		goto out;
	err = scan(&lookup);
	if (err)
		goto out;
	drop_old_holds(&lookup);
	err = attribute(&lookup);
	if (err)
		goto out;
	snapshot__sort_holds(snap);
	classify(&lookup);
out:
	free(lookup.asked);
	free(lookup.held);
	free(lookup.wanted);
	free(lookup.inodes);
	owner_hits__free(&lookup.hits);
	return err;
}
