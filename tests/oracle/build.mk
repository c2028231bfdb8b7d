# SPDX-License-Identifier: GPL-2.0-only
# The oracle: the rule engine and the walk are linked in, static for the guests.
# Included by the Makefile.
ifndef ORACLE_SRCS
ORACLE_SRCS := $(wildcard tests/oracle/*.c)
ORACLE_OBJS := $(ORACLE_SRCS:%.c=$B/%.o) $(addprefix $B/tests/states/,sock.o conn.o state.o)

$B/tests/oracle/%.o: tests/oracle/%.c | $B/.build-deps
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$B/tests/bt-oracle: $(ORACLE_OBJS) $B/libbindtrace.a
	$(CC) $(ALL_CFLAGS) -static -o $@ $^ -lbpf -lelf -lz -ljansson
endif
