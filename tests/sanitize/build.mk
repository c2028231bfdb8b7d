# SPDX-License-Identifier: GPL-2.0-only
# Unit tests, golden reports and live tests under AddressSanitizer (with its leak detection) and
# UndefinedBehaviorSanitizer, and under valgrind. Included by the Makefile.
# The objects are those of the fuzzers: clang's, whose runtime is linked in, so that a guest needs nothing more.
ifndef SANITIZED_LINK
SANITIZED_LINK  = $(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link
# Those whose allocations fail bring an allocator of their own, and look for leaks themselves.
CHECKED_UNITS   := $(filter-out tests/unit/test_faults_%,$(UNIT_SRCS))
SANITIZED_UNITS := $(CHECKED_UNITS:%.c=$B/sanitize/%)

$B/sanitize/bindtrace: user/main.c $(FUZZ_OBJS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(SANITIZED_LINK) -o $@ $^ $(LIBS)

# An archive, so that a test may bring its own in place of one of them.
$B/sanitize/libbindtrace.a: $(FUZZ_OBJS)
	@mkdir -p $(@D)
	@rm -f $@ && $(AR) rcs $@ $^

$B/sanitize/tests/unit/%: tests/unit/%.c $B/sanitize/libbindtrace.a
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$Q$(SANITIZED_LINK) -MMD -MP -Itests/unit -o $@ $< $B/sanitize/libbindtrace.a -lcmocka $(LIBS)

sanitize: $B/sanitize/bindtrace $(SANITIZED_UNITS) ## unit and golden under ASAN, UBSAN and leak detection
	@B=$B CC="$(CLANG)" SANITIZE="$(FUZZ_FLAGS) -Wno-missing-field-initializers" tests/sanitize/run sanitize $B/sanitize/bindtrace $(SANITIZED_UNITS)

valgrind: bindtrace $(CHECKED_UNITS:%.c=$B/%) ## unit and golden under valgrind
	@contrib/install-deps valgrind
	@B=$B tests/sanitize/run valgrind ./bindtrace $(CHECKED_UNITS:%.c=$B/%)

live-sanitize: $B/sanitize/bindtrace $B/tests/mkstate $B/.test-deps ## the live tests with a program under ASAN and UBSAN; KERNEL=6.12
	@tests/live/run --sanitized $B/sanitize/bindtrace $(or $(KERNEL),6.12)

live-valgrind: bindtrace $B/tests/mkstate $B/.test-deps ## the live tests' states, or TESTS="server.* user.*", under valgrind; KERNEL=6.12
	@tests/live/run --valgrind $(foreach t,$(or $(TESTS),state.*),--only '$(t)') --only valgrind.reports $(or $(KERNEL),6.12)

.PHONY: sanitize valgrind live-sanitize live-valgrind
endif
