// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "features_report.h"
#include "kernel/features.h"
#include "kernel/hooks_off.h"
#include "kernel/live.h"
#include "kernel/owner_iter.h"
#include "kernel/walk.h"
#include "output/paragraph.h"
#include "start.h"

#define HOW_COLUMN 30

static void row(const char *what, const char *answer, const char *how)
{
	printf("  %-22s %-4s ", what, answer);
	paragraph__wrap(stdout, how, HOW_COLUMN, HOW_COLUMN);
	putchar('\n');
}

/*
 * Really attaches, for a moment: whether a hook works cannot be read anywhere. ret_sees: an enum
 * live_sight of what could be attached.
 */
static bool try_hooks(const struct features *features, enum hook_kind kind, const char *what,
		      unsigned *ret_sees)
{
	const struct live_filter filter = {.states = true};
	const char *off = hooks_off__why(kind == HOOKS_KPROBE);
	struct live *live;
	int err;

	if (off) {
		row(what, "no", off);
		return false;
	}
	err = live__open(features, &filter, kind, kind == HOOKS_FENTRY, &live);
	if (err) {
		row(what, "no",
		    kind == HOOKS_KPROBE && !hooks_off__has_kprobes()
			    ? "this kernel was built without kprobes"
			    : live__error_text(err));
		return false;
	}
	row(what, "yes", live__hooks(live));
	*ret_sees = live__sees(live);
	live__free(live);
	return true;
}

static void try_walk(const struct features *features)
{
	struct walk *walk;
	int err = walk__open(features, 0, &walk);

	if (err) {
		row("walk of bind tables", "no", strerror(-err));
		return;
	}
	row("walk of bind tables", "yes",
	    features->nested_buckets ? "sockets listed by address bucket (6.8 and later)"
				     : "sockets listed by port bucket (before 6.8)");
	walk__free(walk);
}

static void try_owners(const struct features *features)
{
	struct owner_iter *iter;
	int err = owner_iter__open(features, 1, &iter);

	if (err) {
		row("owner lookup", "yes", "/proc (no task_file iterator)");
		return;
	}
	row("owner lookup", "yes", "task_file iterator");
	owner_iter__free(iter);
}

/* What only fexit shows: how, where it is attached, and why not where it is not. */
static void fexit_row(const char *what, bool fexit, bool sees, const char *how)
{
	row(what, sees ? "yes" : "no", fexit ? how : "needs fexit");
}

/* What live tracing sees beside TCP's conflict test. */
static void show_reach(bool fexit, bool live, unsigned sees)
{
	fexit_row("refused connect()", fexit, sees & SEES_CONNECT, "__inet_hash_connect");
	fexit_row("UDP, UDP-Lite", fexit, sees & SEES_UDP, "__inet_bind, __inet6_bind");
	fexit_row("other errors", fexit, sees & SEES_BINDS,
		  "__inet_bind, __inet6_bind, security_socket_*, cgroup programs");
	fexit_row("former owners, states", fexit, sees & SEES_STATES,
		  "tcp_send_fin; inet_sock_set_state, inet_twsk_alloc, inet_twsk_kill");
	row("MPTCP", live ? "yes" : "no",
	    live ? "its first subflow's bind, shown as the program's own" : "needs a hook");
	if (sees & SEES_SCTP)
		row("SCTP", "part", "that a bind() was refused, not by whom");
	else
		fexit_row("SCTP", fexit, false, "its module is not loaded; load it, then start");
	if (sees & SEES_PING)
		row("ping sockets", "part", "that a bind() was refused, not by whom");
	else
		fexit_row("ping sockets", fexit, false, "this kernel has no ping_bind()");
}

static void show_rules(const struct kernel_rules *rules)
{
	puts("\nConflict rules of this kernel");
	row("SO_REUSEPORT user", "",
	    rules->uid_from_sock ? "the socket's (6.17 and later)"
				 : "its inode's, root when orphaned");
	row("address buckets", rules->hash2 ? "yes" : "no",
	    rules->hash2 ? "a bind to one address looks at that address and the wildcards"
			 : "every bind looks at the whole port");
}

static int check_printed(int status)
{
	if (fflush(stdout) || ferror(stdout))
		return start__report_error(errno ? -errno : -EIO);
	return status;
}

static int show(const struct features *features)
{
	bool fexit, live;
	unsigned sees = 0, fewer;

	printf("bindtrace %s on Linux %s\n\n", BINDTRACE_VERSION, features->release);
	if (features->lack) {
		row("BPF tracing", "no", features__lack_text(features->lack));
		row("--port", "yes", "from inet_diag and /proc (evidence: diag)");
		row("live, -- COMMAND", "no", "needs BPF");
		return check_printed(features__is_refused(features) ? EXIT_NOT_PERMITTED
								    : EXIT_KERNEL);
	}
	row("BPF tracing", "yes", features->btf_path ?: "/sys/kernel/btf/vmlinux");
	try_walk(features);
	fexit = try_hooks(features, HOOKS_FENTRY, "live, fexit", &sees);
	live = try_hooks(features, HOOKS_KPROBE, "live, kprobes", &fewer) || fexit;
	fexit_row("kernel names the pair", fexit || !features->has_pair, sees & SEES_PAIR,
		  features->has_pair ? "inet_bind_conflict (--cross-check)" : "before 6.1");
	try_owners(features);
	show_reach(fexit, live, sees);
	show_rules(&features->rules);
	return check_printed(live ? EXIT_OK : EXIT_KERNEL);
}

int features_report__run(const struct options *opts)
{
	struct features features;
	int status = start__features(opts, &features);

	if (status)
		return status;
	status = show(&features);
	features__release(&features);
	return status;
}
