# SPDX-License-Identifier: GPL-2.0-only
# What live tracing costs. Included by the Makefile.
$B/tests/live_cost: tests/bench/live_cost.c | $B/.build-deps
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE $(ALL_CFLAGS) -static -o $@ $<

$B/tests/live_hook: tests/bench/live_hook.c $B/bpf/conflict.skel.h | $B/.build-deps
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -o $@ $< -lbpf -lelf -lz

bench-live: bindtrace $B/tests/live_cost $B/tests/live_hook ## what live tracing costs others, instruction by instruction; SIZE=--small for a minute
	@tests/bench/live $(SIZE) $(KERNELS)

.PHONY: bench-live
