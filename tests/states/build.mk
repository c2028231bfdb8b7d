# SPDX-License-Identifier: GPL-2.0-only
# The state factory: static, so that it runs in every guest and container. Included by the Makefile.
ifndef MKSTATE_SRCS
MKSTATE_SRCS := $(wildcard tests/states/*.c)

$B/tests/states/%.o: tests/states/%.c | $B/.build-deps
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$B/tests/mkstate: $(MKSTATE_SRCS:%.c=$B/%.o)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -static -pthread -o $@ $^
endif
