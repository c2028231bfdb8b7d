// SPDX-License-Identifier: GPL-2.0-only
#include "bpf_api.h"
#include <errno.h>
#include <stdlib.h>
#include "detach.h"
#include "wait.h"
#include "wait.skel.h"

#define MAX_HOOKS 8

struct wait {
	struct wait_bpf *skel;
	struct ring_buffer *ring;
	struct bpf_program *hooks[MAX_HOOKS];
	struct bpf_link *links[MAX_HOOKS];
	bool optional[MAX_HOOKS]; /* without it a rare change is seen a second late */
	int n_hooks;
};

static void want(struct wait *wait, struct bpf_program *prog, bool optional)
{
	bpf_program__set_autoload(prog, true);
	wait->optional[wait->n_hooks] = optional;
	wait->hooks[wait->n_hooks++] = prog;
}

/* A program for a function that the kernel has not would keep all others from being loaded. */
static void want_fexit(struct wait *wait, const struct btf *btf, const char *function,
		       struct bpf_program *prog, bool optional)
{
	if (!optional || btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) > 0)
		want(wait, prog, optional);
}

static int choose_fexit(struct wait *wait)
{
	struct wait_bpf *skel = wait->skel;
	struct btf *btf = btf__load_vmlinux_btf();
	int err = libbpf_get_error(btf);

	if (err)
		return err;
	want_fexit(wait, btf, "inet_put_port", skel->progs.fexit_put_port, false);
	want_fexit(wait, btf, "inet_twsk_bind_unhash", skel->progs.fexit_twsk_unhash, false);
	want_fexit(wait, btf, "udp_lib_unhash", skel->progs.fexit_udp_unhash, true);
	want_fexit(wait, btf, "udp_lib_rehash", skel->progs.fexit_udp_rehash, true);
	want_fexit(wait, btf, "security_socket_setsockopt", skel->progs.fexit_setsockopt, true);
	btf__free(btf);
	return 0;
}

static int choose_kprobes(struct wait *wait)
{
	struct wait_bpf *skel = wait->skel;

	want(wait, skel->progs.kprobe_put_port, false);
	want(wait, skel->progs.kprobe_twsk_unhash, false);
	want(wait, skel->progs.kprobe_udp_unhash, true);
	want(wait, skel->progs.kprobe_udp_rehash, true);
	want(wait, skel->progs.kprobe_setsockopt, true);
	return 0;
}

static void set_filter(struct wait *wait, const struct port_set *ports, uint32_t netns)
{
	uint64_t *words = (uint64_t *)wait->skel->rodata->wanted_ports;

	for (uint32_t port = 1; port <= 65535; port++) {
		if (port_set__has(ports, port))
			words[port / 64] |= 1ULL << (port % 64);
	}
	wait->skel->rodata->wanted_netns = netns;
}

static int attach(struct wait *wait)
{
	for (int i = 0; i < wait->n_hooks; i++) {
		wait->links[i] = bpf_program__attach(wait->hooks[i]);
		if (!wait->links[i] && !wait->optional[i])
			return -errno;
	}
	return 0;
}

static int load(struct wait *wait, const struct features *features, const struct port_set *ports,
		uint32_t netns, bool kprobes)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = features__types(features));
	int err;

	wait->skel = wait_bpf__open_opts(&opts);
	if (!wait->skel)
		return -errno;
	set_filter(wait, ports, netns);
	want(wait, wait->skel->progs.raw_set_state, true);
	err = kprobes ? choose_kprobes(wait) : choose_fexit(wait);
	if (!err)
		err = wait_bpf__load(wait->skel);
	return err ?: attach(wait);
}

static void unload(struct wait *wait)
{
	detach__links(-1, wait->links, wait->n_hooks);
	wait->n_hooks = 0;
	wait_bpf__destroy(wait->skel);
	wait->skel = NULL;
}

static int on_record(void *ctx, void *data, size_t size)
{
	return 0; /* that there was one is all it says */
}

int wait__open(const struct features *features, const struct port_set *ports, uint32_t netns,
	       enum hook_kind kind, struct wait **ret)
{
	struct wait *wait = calloc(1, sizeof(*wait));
	int err;

	if (!wait)
		return -ENOMEM;
	err = load(wait, features, ports, netns, kind == HOOKS_KPROBE);
	if (err && kind == HOOKS_AUTO) {
		unload(wait);
		err = load(wait, features, ports, netns, true);
	}
	if (err)
		goto fail;
	wait->ring = ring_buffer__new(bpf_map__fd(wait->skel->maps.wakes), on_record, NULL, NULL);
	if (!wait->ring) {
		err = -errno;
		goto fail;
	}
	*ret = wait;
	return 0;
fail:
	wait__free(wait);
	return err;
}

void wait__free(struct wait *wait)
{
	if (!wait)
		return;
	ring_buffer__free(wait->ring);
	unload(wait);
	free(wait);
}

int wait__fd(const struct wait *wait)
{
	return ring_buffer__epoll_fd(wait->ring);
}

/* First the ring, then the key, then the caller's walk: bpf/wait.bpf.c says why. */
int wait__rearm(struct wait *wait)
{
	uint32_t zero = 0;
	int n = ring_buffer__consume(wait->ring), err;

	if (n < 0)
		return n;
	err = bpf_map_delete_elem(bpf_map__fd(wait->skel->maps.pending), &zero);
	if (err && err != -ENOENT)
		return err;
	/* A key without a record yet: the hook is between its two steps. */
	return n > 0 || !err;
}
