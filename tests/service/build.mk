# SPDX-License-Identifier: GPL-2.0-only
service-test: bindtrace $B/.test-deps ## bindtrace as a service of a real systemd, and its privileges, in a guest
	@tests/service/run $(KERNELS)

.PHONY: service-test
