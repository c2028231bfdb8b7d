// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "features_report.h"
#include "kernel/features.h"
#include "kernel/live.h"
#include "kernel/owner_iter.h"
#include "kernel/walk.h"
#include "start.h"

static void row(const char *what, const char *answer, const char *how)
{
	printf("  %-22s %-4s %s\n", what, answer, how);
}

/* Really attaches, for a moment: whether a hook works cannot be read anywhere. */
static bool try_hooks(const struct features *features, enum hook_kind kind, const char *what)
{
	const struct live_filter filter = {};
	struct live *live;
	int err = live__open(features, &filter, kind, kind == HOOKS_FENTRY, &live);

	if (err) {
		row(what, "no", strerror(-err));
		return false;
	}
	row(what, "yes", live__hooks(live));
	live__free(live);
	return true;
}

static void try_walk(const struct features *features)
{
	struct walk *walk;
	int err = walk__open(features, &walk);

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
	int err = owner_iter__open(features->btf_path, &iter);

	if (err) {
		row("owner lookup", "yes", "/proc (no task_file iterator)");
		return;
	}
	row("owner lookup", "yes", "task_file iterator");
	owner_iter__free(iter);
}

/* What live tracing sees beside TCP's conflict test; all of it with fexit only. */
static void show_reach(const struct features *features)
{
	row("refused connect()", features->hash_connect_args ? "yes" : "no", "__inet_hash_connect");
	row("UDP, UDP-Lite", features->has_udp_get_port ? "yes" : "no", "udp_lib_get_port");
	row("other errors", features->has_inet_bind ? "yes" : "no",
	    "__inet_bind, __inet6_bind, security_socket_*, cgroup programs");
	row("former owners, states", features->has_close ? "yes" : "no",
	    "tcp_close, inet_twsk_alloc, inet_twsk_kill");
	row("MPTCP", "yes", "its first subflow's bind, shown as the program's own");
	row("SCTP", "no", "its test is in a module that is not hooked");
	row("ping sockets", "part", "that a bind was refused, not by whom");
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

int features_report__run(const struct options *opts)
{
	struct features features;
	int status = start__features(opts, &features);
	bool live;

	if (status)
		return status;
	printf("bindtrace %s on Linux %s\n\n", BINDTRACE_VERSION, features.release);
	if (features.lack) {
		row("BPF tracing", "no", features__lack_text(features.lack));
		row("--port", "yes", "from inet_diag and /proc (evidence: diag)");
		row("live, -- COMMAND", "no", "");
		return check_printed(features.lack == LACK_PERMISSION ? EXIT_NOT_PERMITTED
								      : EXIT_KERNEL);
	}
	row("BPF tracing", "yes", features.btf_path ?: "/sys/kernel/btf/vmlinux");
	try_walk(&features);
	live = try_hooks(&features, HOOKS_FENTRY, "live, fexit");
	live |= try_hooks(&features, HOOKS_KPROBE, "live, kprobes");
	row("kernel names the pair", features.has_pair ? "yes" : "no",
	    features.has_pair ? "inet_bind_conflict (--cross-check)" : "before 6.1");
	try_owners(&features);
	show_reach(&features);
	show_rules(&features.rules);
	return check_printed(live ? EXIT_OK : EXIT_KERNEL);
}
