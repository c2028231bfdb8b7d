# SPDX-License-Identifier: GPL-2.0-only
# Installing, and the packages made of it. Included by the Makefile.

VERSION := $(shell sed -n 's/^\#define BINDTRACE_VERSION "\(.*\)"/\1/p' user/options.h)

PREFIX      ?= /usr/local
prefix      ?= $(PREFIX)
exec_prefix ?= $(prefix)
sbindir     ?= $(exec_prefix)/sbin
datarootdir ?= $(prefix)/share
mandir      ?= $(datarootdir)/man
docdir      ?= $(datarootdir)/doc/bindtrace
bashcompdir ?= $(datarootdir)/bash-completion/completions
zshcompdir  ?= $(datarootdir)/zsh/site-functions
fishcompdir ?= $(datarootdir)/fish/vendor_completions.d
unitdir     ?= $(prefix)/lib/systemd/system
INSTALL     ?= install

MAN_PAGES := $B/docs/bindtrace.8 $B/docs/bindtrace-json.5
UNIT      := $(wildcard contrib/systemd/bindtrace.service)
DOCS      := README.md LICENSE $(wildcard docs/*.md)

# The date of a page is that of the release.
$B/docs/%: docs/%.scd contrib/man-page user/options.h debian/changelog
	@contrib/install-deps man
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$QSOURCE_DATE_EPOCH=$$(date -d "$$(sed -n 's/^ -- .*>  //p' debian/changelog | head -n1)" +%s) \
		contrib/man-page $< $(VERSION) >$@

man: $(MAN_PAGES) ## the manual pages, in build/docs

# What goes where: FILE:PLACE:MODE. uninstall removes the same. Without a unitdir there is no unit.
INSTALLED := \
	$B/bindtrace:$(sbindir)/bindtrace:755 \
	$B/docs/bindtrace.8:$(mandir)/man8/bindtrace.8:644 \
	$B/docs/bindtrace-json.5:$(mandir)/man5/bindtrace-json.5:644 \
	contrib/completions/bindtrace.bash:$(bashcompdir)/bindtrace:644 \
	contrib/completions/_bindtrace:$(zshcompdir)/_bindtrace:644 \
	contrib/completions/bindtrace.fish:$(fishcompdir)/bindtrace.fish:644 \
	$(foreach doc,$(DOCS),$(doc):$(docdir)/$(notdir $(doc)):644)
UNIT_PLACE := $(if $(UNIT),$(if $(unitdir),$(unitdir)/bindtrace.service))

install: $B/bindtrace man ## into PREFIX=/usr/local (DESTDIR, sbindir, mandir, ... as usual); uninstall removes it
	$Qset -- $(INSTALLED); for each; do IFS=: read -r file place mode <<<"$$each"; \
		$(INSTALL) -D -m "$$mode" "$$file" "$(DESTDIR)$$place"; done
	$Qif [[ -n "$(UNIT_PLACE)" ]]; then mkdir -p "$(DESTDIR)$(unitdir)"; \
		sed 's|/usr/sbin/bindtrace|$(sbindir)/bindtrace|g' $(UNIT) >"$(DESTDIR)$(UNIT_PLACE)"; \
		chmod 644 "$(DESTDIR)$(UNIT_PLACE)"; fi

uninstall:
	$Qset -- $(INSTALLED); for each; do IFS=: read -r file place mode <<<"$$each"; \
		rm -f "$(DESTDIR)$$place"; done
	$Qrm -f $(if $(UNIT_PLACE),"$(DESTDIR)$(UNIT_PLACE)")
	$Qrmdir "$(DESTDIR)$(docdir)" 2>/dev/null || true

# ---- packages: made in build/, out of a copy of the sources ----------------------------------------

$B/.packages-deps: contrib/install-deps $B/.build-deps
	@contrib/install-deps packages
	@mkdir -p $B && touch $@

deb: $B/.packages-deps ## Debian packages, in build/deb
	@contrib/package deb

rpm: $B/.packages-deps ## RPM packages, in build/rpm
	@contrib/package rpm

packages-test: bindtrace $B/.test-deps $B/.packages-deps ## manuals, completions, install, deb (in a clean chroot) and rpm
	@tests/packages/run

.PHONY: man install uninstall deb rpm packages-test
