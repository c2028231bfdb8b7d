# SPDX-License-Identifier: GPL-2.0-only
# Allocations and calls that fail: more of them, and with hooks, than `make unit` has time for.
faults: $(filter $B/tests/unit/test_faults_%,$(UNIT_BINS)) $B/.test-deps ## every allocation and call failing in turn, with hooks in a guest; STEP=1 for each of libbpf's
	@tests/faults/run $(or $(STEP),401) $(KERNELS)

.PHONY: faults
