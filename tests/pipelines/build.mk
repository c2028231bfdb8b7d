# SPDX-License-Identifier: GPL-2.0-only
pipelines-test: bindtrace $B/tests/mkstate $B/.test-deps ## log pipelines and a fleet of three hosts, with the real programs in a guest
	@tests/pipelines/run $(KERNELS)

.PHONY: pipelines-test
