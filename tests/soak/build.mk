# SPDX-License-Identifier: GPL-2.0-only
# A day's soak, compressed.

soak: bindtrace $B/tests/mkstate $B/.test-deps ## SOAK_SECONDS=3600 of conflicts, forks, namespaces and one-shot runs at once, in a guest
	@tests/vm/deps
	@tests/soak/run $(KERNELS)

.PHONY: soak
