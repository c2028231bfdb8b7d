# SPDX-License-Identifier: GPL-2.0-only
# bindtrace: why is this address already in use? `make help` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-builtin-rules
.DELETE_ON_ERROR:

B       ?= build
CC      ?= gcc
CLANG   ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PORT    ?= 8080

CFLAGS    ?= -O2 -g
MAP       := -ffile-prefix-map=$(CURDIR)=. # what is built tells nothing of where
WARN      := -Wall -Wextra -Werror -Wno-unused-parameter
CPPFLAGS  += -Iuser -Ibpf -I$B/bpf -D_GNU_SOURCE
ALL_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) $(SANITIZE) $(MAP)
LIBS      := -lbpf -lelf -lz -ljansson -lseccomp -lcap
BPF_ARCH  := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
MULTIARCH := $(shell $(CC) -print-multiarch)
BPF_FLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Ivmlinux -Ibpf \
	-idirafter /usr/include/$(MULTIARCH) -idirafter /usr/$(MULTIARCH)/include -Wall -Werror $(MAP)

BPF_OBJS   := $(patsubst bpf/%.bpf.c,$B/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
SKELS      := $(BPF_OBJS:.bpf.o=.skel.h)
TYPE_NAMES := $B/bpf/type_names.h
TYPE_PATHS := $(shell grep -l layout__find user/kernel/*.c)
USER_SRCS  := $(filter-out user/main.c,$(sort $(wildcard user/*.c user/*/*.c)))
USER_OBJS  := $(USER_SRCS:%.c=$B/%.o)
# Targets of their own, next to what they build.
EXTRA_MK   := $(sort $(wildcard tests/*/*.mk contrib/*.mk))
UNIT_SRCS  := $(wildcard tests/unit/test_*.c)
UNIT_BINS  := $(UNIT_SRCS:%.c=$B/%)

all: bindtrace ## build ./bindtrace (installs what is missing first)

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { \
		line = sprintf("  make %-15s", $$1); \
		n = split($$2, words, " "); \
		for (i = 1; i <= n; i++) { \
			if (length(line) + length(words[i]) > 79) { print line; line = sprintf("%22s", "") } \
			line = line " " words[i] \
		} \
		print line }' Makefile $(EXTRA_MK)

# ---- build --------------------------------------------------------------------------------------

ifneq ($(V),1)
Q := @
say = @printf '  %-6s %s\n' $(1) $(2)
endif

$B/.build-deps: contrib/install-deps
	@contrib/install-deps build
	@mkdir -p $B && touch $@

bindtrace: $B/bindtrace
	@cp -f $< $@

$B/bindtrace: $B/user/main.o $B/libbindtrace.a
	$(call say,LD,$@)
	$Q$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$B/libbindtrace.a: $(USER_OBJS)
	@rm -f $@ && $(AR) rcs $@ $^

$B/%.o: %.c Makefile | $B/.build-deps $(SKELS) $(TYPE_NAMES)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$Q$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$B/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h vmlinux/*.h vmlinux/asm/*.h) Makefile | $B/.build-deps
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$Q$(CLANG) $(BPF_FLAGS) -c -o $@ $<
	$Q$(LLVM_STRIP) -g $@

$B/bpf/%.skel.h: $B/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$Q$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(TYPE_NAMES): $(BPF_OBJS) $(TYPE_PATHS) bpf/type-names
	$(call say,NAMES,$@)
	$Qbpf/type-names $(BPFTOOL) $(BPF_OBJS) $(TYPE_PATHS) > $@

-include $(shell find $B -name '*.d' -type f 2>/dev/null)

run: bindtrace ## asks about PORT=8080 here, and shows the rest in a virtual machine
	@contrib/demo $(PORT)

# ---- tests --------------------------------------------------------------------------------------

test: ## everything, on real kernels in QEMU
	@tests/run

$B/.test-deps: contrib/install-deps $B/.build-deps
	@contrib/install-deps test
	@touch $@

test-deps: $B/.test-deps

lint: $B/.test-deps bindtrace ## format, static checks, and the house rules
	@tests/lint

$B/tests/unit/%: tests/unit/%.c $B/libbindtrace.a | $B/.test-deps
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$Q$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -Itests/unit -o $@ $< $B/libbindtrace.a -lcmocka $(LIBS)

unit: $(UNIT_BINS) ## unit tests (cmocka)
	@tests/unit/run $(UNIT_BINS)

golden: bindtrace $B/.test-deps ## reports against tests/golden/expected; golden-update renews them
	@tests/golden/check

golden-update: bindtrace $B/.test-deps
	@tests/golden/check --update

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

FUZZ_FLAGS := -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_OBJS  := $(USER_SRCS:%.c=$B/fuzz/%.o)

$B/fuzz/%.o: %.c | $B/.test-deps $(SKELS) $(TYPE_NAMES)
	@mkdir -p $(@D)
	$Q$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$B/tests/fuzz/%: tests/fuzz/fuzz_%.c $(FUZZ_OBJS)
	$(call say,FUZZ,$<)
	@mkdir -p $(@D)
	$Q$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_OBJS) $(LIBS)

fuzz: $(FUZZERS:%=$B/tests/fuzz/%) ## fuzz corpora as regression tests; FUZZ_SECONDS=60 searches on
	@tests/fuzz/run $B/tests/fuzz

-include $(EXTRA_MK)

live: bindtrace $B/tests/mkstate $B/.test-deps ## every cause on five kernels; KERNELS="6.1 7.2" for some of them
	@tests/live/run $(KERNELS)

ORACLE_KINDS := bind,listen,connect,udp

oracle: bindtrace $B/tests/bt-oracle $B/.test-deps ## random states and calls against the kernel itself, 2,000 per kernel and kind; TRIALS=60, KINDS=bind for less
	@tests/oracle/run $(if $(KERNELS),--kernels "$(KERNELS)") --kinds $(or $(KINDS),$(ORACLE_KINDS)) --each $(or $(TRIALS),2000)

gallery: bindtrace $B/tests/mkstate $B/.test-deps ## docs/CASES.md and FOLKLORE.md against real runs; gallery-update renews them
	@tests/gallery/run

gallery-update: bindtrace $B/tests/mkstate $B/.test-deps
	@tests/gallery/run --update

clean: ## remove what was built
	rm -rf $B bindtrace

.PHONY: all help run test test-deps lint unit golden golden-update fuzz live oracle gallery \
	gallery-update clean
.SECONDARY:
