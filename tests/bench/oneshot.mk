# SPDX-License-Identifier: GPL-2.0-only
# How long the answer takes, against the tools of others. Included by the Makefile.
$B/tests/bench-crowd: tests/bench/crowd.c | $B/.build-deps
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE $(ALL_CFLAGS) -static -o $@ $<

BENCH_DEPS := bindtrace $B/tests/bench-crowd

bench: $(BENCH_DEPS) ## bindtrace --port against ss, lsof, fuser, netstat and a script; KERNEL=5.10, or ARGS="--time"
	@tests/bench/oneshot $(ARGS) $(KERNEL)

bench-update: $(BENCH_DEPS) ## the same, and the tables of docs/PERFORMANCE.md
	@tests/bench/oneshot --update $(ARGS) $(KERNEL)

bench-small: $(BENCH_DEPS) ## a minute of it, to see that it works
	@tests/bench/oneshot --small $(ARGS) $(KERNEL)

.PHONY: bench bench-update bench-small
