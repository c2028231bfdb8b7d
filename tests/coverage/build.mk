# SPDX-License-Identifier: GPL-2.0-only
# How much of user/ the tests run. clang counts each operand of a condition, and before any optimiser
# has been at it; gcc's branches are those of the machine's code. Included by the Makefile.
COVERAGE := $B/coverage
COUNTERS := -fprofile-instr-generate -fcoverage-mapping
# Mapped into their file from the start: a run that confines itself cannot write one at its end.
MAPPED   := -mllvm -runtime-counter-relocation -Wno-unused-command-line-argument

MODEL_TESTS := before_port cgroup connect faults_model refusal rules snapshot udp usage verdict
MODEL_OBJS  := $(patsubst user/model/%.c,$(COVERAGE)/model/%.o,$(wildcard user/model/*.c))

$(COVERAGE)/model/%.o: user/model/%.c | $B/.test-deps
	@mkdir -p $(@D)
	$Q$(CLANG) $(CPPFLAGS) -std=gnu11 -g -O1 $(COUNTERS) -MMD -MP -c -o $@ $<

# The rest of the program is what `make` builds.
$(COVERAGE)/model/test_%: tests/unit/test_%.c $(MODEL_OBJS) $B/libbindtrace.a | $B/.test-deps
	@mkdir -p $(@D)
	$Q$(CLANG) $(CPPFLAGS) -std=gnu11 -g -O1 -MMD -MP -Itests/unit $(COUNTERS) -o $@ $< \
		$(MODEL_OBJS) $B/libbindtrace.a -lcmocka $(LIBS)

model-coverage: $(MODEL_TESTS:%=$(COVERAGE)/model/test_%) ## every branch of user/model is taken by unit tests, both ways
	@tests/coverage/model $(COVERAGE)/model $(MODEL_TESTS:%=test_%)

COVERAGE_MAKE = $(MAKE) B=$(COVERAGE) CC=$(CLANG) WARN=-w CFLAGS="-O0 -g" SANITIZE="$(COUNTERS) $(MAPPED)"

coverage: bindtrace $B/tests/mkstate $B/.test-deps ## lines of user/ and branches of user/model that all tests together run, a live guest included
	@+$(COVERAGE_MAKE) $(COVERAGE)/bindtrace $(UNIT_SRCS:%.c=$(COVERAGE)/%) $(FUZZERS:%=$(COVERAGE)/plain/%)
	@tests/coverage/run $(COVERAGE) $(or $(KERNELS),7.2)

# The fuzzers' harnesses as plain programs over their corpora.
$B/plain/%: tests/fuzz/fuzz_%.c $B/libbindtrace.a
	@mkdir -p $(@D)
	$Q$(CLANG) $(CPPFLAGS) $(ALL_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

.PHONY: model-coverage coverage
