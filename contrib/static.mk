# SPDX-License-Identifier: GPL-2.0-only
# One file that runs anywhere: `make static [ARCH=arm64]` leaves build/static/ARCH/bindtrace, with what
# a debugger wants next to it in bindtrace.debug. Included by the Makefile, which is run once more with
# the settings of the other architecture and a build directory of its own.
#
# The same source gives the same bytes, wherever and whenever it is built: no path of the build is in
# it (-ffile-prefix-map), no time (-Wdate-time makes __DATE__ an error), no order of a directory.

host_arch   := $(subst aarch64,arm64,$(shell uname -m))
ARCH        ?= $(host_arch)
STATIC_ARCH := $(patsubst x86,x86_64,$(patsubst amd64,x86_64,$(patsubst aarch64,arm64,$(ARCH))))
STATIC_OUT  := build/static/$(STATIC_ARCH)
CROSS       := $(if $(filter-out $(host_arch),$(STATIC_ARCH)),aarch64-linux-gnu-)

STATIC_CFLAGS := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wdate-time
STATIC_MAKE   := $(MAKE) --no-print-directory B=$(STATIC_OUT)/obj CROSS=$(CROSS) CC=$(CROSS)gcc \
	AR=$(CROSS)ar BPF_ARCH=$(subst x86_64,x86,$(STATIC_ARCH)) CFLAGS="$(STATIC_CFLAGS)" \
	LDFLAGS=-static-pie STATIC_SYSROOT=$(if $(CROSS),"$$(contrib/cross-libs)")

$(USER_OBJS) $B/user/main.o: contrib/static.mk

# Where another architecture's libraries and their headers are; its C library comes with the compiler.
ifneq ($(STATIC_SYSROOT),)
CPPFLAGS   += -isystem $(STATIC_SYSROOT)/usr/include
ALL_CFLAGS += -ffile-prefix-map=$(STATIC_SYSROOT)=sysroot
LIBS       := -L$(STATIC_SYSROOT)/usr/lib/$(MULTIARCH) $(LIBS)
endif

static: ## build/static/ARCH/bindtrace: one file that runs on every kernel; ARCH=arm64 is cross-built
	@case $(host_arch)-$(STATIC_ARCH) in x86_64-x86_64 | arm64-arm64 | x86_64-arm64) ;; *) \
		echo "make static: cannot build for ARCH=$(ARCH) here; say ARCH=$(host_arch)$(if \
		$(filter x86_64,$(host_arch)), or ARCH=arm64)" >&2; exit 2 ;; esac
	@$(if $(CROSS),contrib/install-deps arm64)
	@$(if $(CROSS),contrib/cross-libs >/dev/null)
	+@$(STATIC_MAKE) $(STATIC_OUT)/bindtrace

static-mkstate: static # for the tests on that architecture
	+@$(STATIC_MAKE) $(STATIC_OUT)/obj/tests/mkstate

$(STATIC_OUT)/bindtrace: $B/bindtrace
	$(call say,STRIP,$@)
	$Q$(CROSS)objcopy --only-keep-debug $< $@.debug
	$Q$(CROSS)strip -o $@ $<
	$Q$(CROSS)objcopy --add-gnu-debuglink=$@.debug $@

static-test: bindtrace $B/.test-deps ## static binaries: the same bytes twice; on kernels of x86-64 and arm64
	@tests/static/run

.PHONY: static static-mkstate static-test
