# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The TAP of cmocka programs, for those who run them.

# tap_count <TAP: sets ok, not_ok and skip, and whole to 1 if that is as many as was planned, and not none
# shellcheck disable=SC2034 # set for the caller
tap_count() {
	local tap planned

	tap=$(tr -d '\r')
	ok=$(grep '^ok ' <<<"$tap" | grep -vc '# SKIP' || true)
	not_ok=$(grep '^not ok ' <<<"$tap" | grep -vc '# SKIP' || true)
	skip=$(grep -c '^\(not \)\?ok .*# SKIP' <<<"$tap" || true)
	planned=$(sed -nE 's/^1\.\.([0-9]+)$/\1/p' <<<"$tap" | paste -sd+)
	whole=$((ok + not_ok + skip && ok + not_ok + skip == ${planned:-0}))
}
