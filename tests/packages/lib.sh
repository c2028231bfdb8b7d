# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the scripts of this directory: results as TAP, a scratch directory.

scratch=$(mktemp -d -p "${TMPDIR:-/var/tmp}" bindtrace-packages.XXXXXX)
# shellcheck disable=SC2064 # the name is known now
trap "rm -rf '$scratch'" EXIT
version=$(sed -n 's/^#define BINDTRACE_VERSION "\(.*\)"/\1/p' user/options.h)

# ok NAME COMMAND…: shows the output of a command that fails. In a function each command counts, which it
# would not in a condition.
ok() {
	local name=$1 output status
	shift
	set +e
	output=$(
		set -e
		"$@" 2>&1
	)
	status=$?
	set -e
	if ((status == 0)); then
		echo "ok - $name"
	else
		echo "not ok - $name (exit $status)"
		tail -n 40 <<<"$output" | sed 's/^/#   /'
	fi
}

skip() {
	echo "ok - $1 # SKIP $2"
}

# same EXPECTED ACTUAL: two texts
same() {
	diff -u --label expected <(echo "$1") --label actual <(echo "$2")
}

# The files that are installed below a prefix, as `make install` has them; the unit and the documents
# are those that the sources have.
installed_files() {
	local prefix=$1 zsh=$2 unit=$3 file

	cat <<-LIST
		$prefix/sbin/bindtrace
		$prefix/share/bash-completion/completions/bindtrace
		$prefix/share/fish/vendor_completions.d/bindtrace.fish
		$prefix/share/man/man5/bindtrace-json.5
		$prefix/share/man/man8/bindtrace.8
		$prefix/share/zsh/$zsh/_bindtrace
		$prefix/share/doc/bindtrace/README.md
	LIST
	for file in docs/*.md; do
		echo "$prefix/share/doc/bindtrace/${file##*/}"
	done
	[[ ! -e contrib/systemd/bindtrace.service ]] || echo "$unit/bindtrace.service"
}
