# SPDX-License-Identifier: GPL-2.0-only
# Searching on from the corpora. Included by the Makefile.
fuzz-long: $(FUZZERS:%=$B/tests/fuzz/%) ## searches with each fuzzer for an hour; FUZZ_SECONDS=600 FUZZ_JOBS=2
	@tests/fuzz/long $B/tests/fuzz

fuzz-merge: $(FUZZERS:%=$B/tests/fuzz/%) ## takes into the corpora what such searches found and reaches new code
	@tests/fuzz/merge $B/tests/fuzz

fuzz-reach: $(FUZZERS:%=$B/tests/fuzz/%) ## how much of the code that a fuzzer is for its corpus reaches
	@tests/fuzz/reach $B/tests/fuzz

.PHONY: fuzz-long fuzz-merge fuzz-reach
