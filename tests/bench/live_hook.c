// SPDX-License-Identifier: GPL-2.0-only
/*
 * Some of bindtrace's hooks alone: live_hook PROGRAM… attaches those programs of the live object,
 * prints "ready", and stays until its standard input ends.
 */
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "conflict.skel.h"

static bool is_wanted(const char *name, char **names)
{
	for (; *names; names++) {
		if (!strcmp(*names, name))
			return true;
	}
	return false;
}

static int attach(struct conflict_bpf *skel, int n, char **names)
{
	struct bpf_program *prog;
	int found = 0;

	bpf_object__for_each_program(prog, skel->obj)
	{
		bool wanted = is_wanted(bpf_program__name(prog), names);

		bpf_program__set_autoload(prog, wanted);
		found += wanted;
	}
	if (found != n || conflict_bpf__load(skel))
		return -1;
	bpf_object__for_each_program(prog, skel->obj)
	{
		if (bpf_program__autoload(prog) && !bpf_program__attach(prog))
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct conflict_bpf *skel = conflict_bpf__open();

	if (!skel || attach(skel, argc - 1, argv + 1)) {
		fprintf(stderr, "live_hook: not all of these programs can be attached\n");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
