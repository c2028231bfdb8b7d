# SPDX-License-Identifier: GPL-2.0-only
# Walks while sockets come and go, static for the guests. Included by the Makefile.
CHURN_OBJS := $(patsubst %.c,$B/%.o,$(wildcard tests/churn/*.c)) $(addprefix $B/tests/states/,sock.o conn.o state.o)

$B/tests/churn/%.o: tests/churn/%.c | $B/.build-deps
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$B/tests/bt-churn: $(CHURN_OBJS) $B/libbindtrace.a
	$(CC) $(ALL_CFLAGS) -static -o $@ $^ -lbpf -lelf -lz -ljansson

churn: $B/tests/bt-churn $B/.test-deps ## 100,000 walks and 5,000 searches for owners per kernel, while sockets, processes and fds come and go; WALKS, SEARCHES, KERNELS
	@tests/churn/run $(if $(KERNELS),--kernels "$(KERNELS)") --walks $(or $(WALKS),100000) --searches $(or $(SEARCHES),5000)

.PHONY: churn
