/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Command lines that are printed to be pasted into a root shell, and their parts: each stands there
 * unquoted, so that nothing gets into one that a shell would take for more than a word.
 */
#ifndef BINDTRACE_OUTPUT_PASTED_H
#define BINDTRACE_OUTPUT_PASTED_H

#include "advice.h"
#include "holder.h"

#define MAX_STOPPED 8 /* processes that one command line still names */

/* Whom it takes to stop. Not owned: they are the snapshot's. */
struct stopped {
	const struct proc_info *procs[MAX_STOPPED];
	size_t n;
	bool too_many, systemd, self;
	bool init; /* the first process, and no systemd: that of a container */
};

/* Those who hold that socket; those who hold any that is in the way. */
void stopped__add_holders(struct stopped *s, const struct advice *a, uint32_t sock);
struct stopped stopped__of_blockers(const struct advice *a);

/*
 * "systemctl VERB nginx.service", "kill 12 13"; false when no command can be given. binder, which
 * is not to be stopped with its own unit, may be NULL.
 */
bool stopped__command(const struct stopped *s, const struct proc_info *binder, const char *verb,
		      struct holder_text *ret);

/* "systemctl restart x.service" or "kill 12", of one process; "" when no command can be given. */
struct holder_text pasted__stop_one(const struct proc_info *proc);

/* A service of the system manager whose name can stand in a shell as it is. */
bool pasted__is_system_service(const struct proc_info *proc);

/* What may stand in a command line without quotes. NULL may not. */
bool pasted__is_plain_word(const char *text);

/* "ip netns exec web ": before a command that has to run in the network namespace of the report. */
struct word pasted__enter(const struct advice *a);

/* "bindtrace --netns web --port 8080", with what else tells which port is meant. */
struct holder_text pasted__ask_again(const struct advice *a);

/* " -4": which of the two wildcards, or which address. A question has had its own; 0.0.0.0 or [::]
 * both. */
struct endpoint pasted__address_option(const struct advice *a);

/* " --reuseaddr --device eth0": what else tells which bind is meant. */
struct holder_text pasted__bind_options(const struct advice *a);

/* " state last-ack state closing", as ss(8) spells them: of all the orphans in the way. */
struct word pasted__ss_states(const struct advice *a);

#endif
