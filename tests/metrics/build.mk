# SPDX-License-Identifier: GPL-2.0-only
# The counters, and what reads them. Included by the Makefile.
metrics-test: bindtrace $B/.test-deps ## the counters, in a real node_exporter and Prometheus
	@tests/metrics/run

kubernetes-test: bindtrace $B/.test-deps ## the DaemonSet against Kubernetes' own types
	@tests/kubernetes/run

.PHONY: metrics-test kubernetes-test
