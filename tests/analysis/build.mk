# SPDX-License-Identifier: GPL-2.0-only
analyze: bindtrace $B/.test-deps ## static analysis: clang-tidy, gcc -fanalyzer, cppcheck
	@tests/analysis/run

.PHONY: analyze
