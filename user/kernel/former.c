// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../bpf/wire.h"
#include "decode.h"
#include "former.h"

#define LOCK_TRIES 20 /* a millisecond apart */

#define PIN_DIR	   "/sys/fs/bpf/bindtrace"
#define PIN_FORMER PIN_DIR "/closed"
#define PIN_EXES   PIN_DIR "/exes"
/* Held as long as the pins are served: pins without it are left over from a crash. */
#define LOCK_DIR  "/run/bindtrace" /* RuntimeDirectory= of the service */
#define LOCK_NAME "lock"

struct former {
	int former_fd, exes_fd;
	int lock_fd; /* -1: nothing published */
	bool own_fds;
};

/* Through a directory of one's own: nobody else puts a link there, or holds the lock. */
static int open_lock(int flags)
{
	int dir = open(LOCK_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	struct stat st;

	if (dir < 0)
		return -1;
	if (!fstat(dir, &st) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		fd = openat(dir, LOCK_NAME, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	close(dir);
	return fd;
}

static void unpin(void)
{
	unlink(PIN_FORMER);
	unlink(PIN_EXES);
	rmdir(PIN_DIR);
}

/* Best effort: without a BPF file system, or next to another live run, this one serves itself only.
 */
static void publish(struct former *former)
{
	int fd, tries = 0;

	mkdir(LOCK_DIR, 0700);
	fd = open_lock(O_RDWR | O_CREAT);
	if (fd < 0)
		return;
	/* A one-shot run that asks whether somebody has it has it itself, for an instant. */
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK || ++tries > LOCK_TRIES)
			goto close;
		poll(NULL, 0, 1);
	}
	unpin();
	if (mkdir(PIN_DIR, 0700))
		goto close;
	if (bpf_obj_pin(former->former_fd, PIN_FORMER) || bpf_obj_pin(former->exes_fd, PIN_EXES)) {
		unpin();
		goto close;
	}
	former->lock_fd = fd;
	return;
close:
	close(fd);
}

struct former *former__of_maps(int former_fd, int exes_fd, bool published)
{
	struct former *former = calloc(1, sizeof(*former));

	if (!former)
		return NULL;
	former->former_fd = former_fd;
	former->exes_fd = exes_fd;
	former->lock_fd = -1;
	if (published)
		publish(former);
	return former;
}

/* Does a live run hold the lock? Then the pins are its own and its hooks fill them. */
static bool is_served(void)
{
	int fd = open_lock(O_RDWR);
	bool served;

	if (fd < 0)
		return false;
	served = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return served;
}

struct former *former__open_published(void)
{
	struct former *former;

	if (!is_served())
		return NULL;
	former = calloc(1, sizeof(*former));
	if (!former)
		return NULL;
	former->lock_fd = -1;
	former->own_fds = true;
	former->former_fd = bpf_obj_get(PIN_FORMER);
	former->exes_fd = bpf_obj_get(PIN_EXES);
	if (former->former_fd < 0 || former->exes_fd < 0) {
		former__free(former);
		return NULL;
	}
	return former;
}

void former__free(struct former *former)
{
	if (!former)
		return;
	if (former->lock_fd >= 0) {
		unpin();
		close(former->lock_fd);
	}
	if (former->own_fds) {
		if (former->former_fd >= 0)
			close(former->former_fd);
		if (former->exes_fd >= 0)
			close(former->exes_fd);
	}
	free(former);
}

static char *find_exe(const struct former *former, const struct wire_former *note)
{
	struct wire_exe exe;

	if (bpf_map_lookup_elem(former->exes_fd, &note->exe, &exe))
		return NULL;
	return decode__exe(exe.names, exe.len);
}

static int describe(const struct former *former, const struct owner_source *owners,
		    const struct wire_former *note, struct snap_sock *sock)
{
	struct proc_info *proc = calloc(1, sizeof(*proc));

	if (!proc)
		return -ENOMEM;
	sock->former_owner = proc;
	proc->pid = (int)(note->seen_pid ?: note->pid);
	proc->uid_known = true;
	proc->uid = note->uid;
	proc->session_leader = TRI_UNKNOWN;
	proc->comm = strndup((const char *)note->comm, sizeof(note->comm));
	if (!proc->comm)
		return -ENOMEM;
	proc->exe = find_exe(former, note);
	proc->cgroup = cgroup__path_of_id(owners, note->cgroup_id);
	if (proc->cgroup) {
		proc->unit = cgroup__unit(proc->cgroup);
		proc->container = cgroup__container(proc->cgroup);
	}
	return 0;
}

/* What an earlier connection between the same addresses has left is not about any other. */
static bool has_sent_fin(const struct snap_sock *sock)
{
	switch (sock->state) {
	case STATE_FIN_WAIT1:
	case STATE_FIN_WAIT2:
	case STATE_CLOSING:
	case STATE_LAST_ACK:
	case STATE_TIME_WAIT:
		return true;
	default:
		return false;
	}
}

static struct wire_connection connection_of(const struct snapshot *snap,
					    const struct snap_sock *sock)
{
	struct wire_connection key = {
		.netns = (uint32_t)snap->netns,
		.local_port = sock->local_port,
		.peer_port = sock->peer_port,
		.family = sock->family,
	};

	memcpy(key.local, sock->local.bytes, sizeof(key.local));
	memcpy(key.peer, sock->peer.bytes, sizeof(key.peer));
	return key;
}

int former__fill(const struct former *former, const struct owner_source *owners,
		 struct snapshot *snap)
{
	int err = 0;

	for (size_t i = 0; !err && i < snap->n_socks; i++) {
		struct snap_sock *sock = &snap->socks[i];
		struct wire_connection key = connection_of(snap, sock);
		struct wire_former note;

		if (sock->has_file == TRI_YES || sock->former_owner || !has_sent_fin(sock))
			continue;
		if (!bpf_map_lookup_elem(former->former_fd, &key, &note))
			err = describe(former, owners, &note, sock);
	}
	return err;
}
