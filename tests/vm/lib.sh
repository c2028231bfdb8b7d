# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the scripts of this directory: the cache, the list of kernels, a private apt.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${BINDTRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bindtrace}
machine_apt_config=${APT_CONFIG-}

die() {
	echo "${0##*/}: $*" >&2
	exit 125
}

# list_lines FILE…: without comments and empty lines
list_lines() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@"
}

kernel_names() {
	list_lines "$vm_dir/kernels.list" | awk '{ print $1 }'
}

# kernel_fields NAME: sets arch, suite, package, more; those of kernels-arm64.list have to be named
# shellcheck disable=SC2034 # used by those who source this file
kernel_fields() {
	local line

	line=$(list_lines "$vm_dir"/kernels.list "$vm_dir"/kernels-arm64.list | awk -v n="$1" '$1 == n')
	[[ -n $line ]] || die "no kernel '$1' in kernels.list or kernels-arm64.list; there are:" \
		"$(list_lines "$vm_dir"/kernels.list "$vm_dir"/kernels-arm64.list | awk '{ print $1 }' | xargs)"
	read -r _ arch suite package more <<<"$line"
}

need() {
	local tool

	for tool; do
		command -v "$tool" >/dev/null || die "$tool is missing: run tests/vm/deps"
	done
}

# lock NAME: one builder at a time per thing; released by the next call or when the process ends
lock() {
	mkdir -p "$cache"
	[[ -z ${lock_fd-} ]] || exec {lock_fd}>&-
	exec {lock_fd}>"$cache/.lock-$1"
	flock "$lock_fd"
}

# repo_uri SUITE: the archive that holds it, on the mirror that this machine's own apt uses, unless
# BINDTRACE_MIRROR names another (http://HOST/debian, with http://HOST/debian-security next to it).
# Release information isn't asked for, so that it works before the first `apt-get update` too.
repo_uri() {
	local targets main='' security='' uri release
	local debian='^(bullseye|bookworm|trixie|forky|sid|(old)*stable|testing|unstable)'

	if [[ -n ${BINDTRACE_MIRROR-} ]]; then
		case $1 in
		*-security) echo "${BINDTRACE_MIRROR%/}-security" ;;
		*) echo "$BINDTRACE_MIRROR" ;;
		esac
		return
	fi
	# shellcheck disable=SC2016 # apt's own format
	targets=$(apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE)' 2>/dev/null |
		sort -u) || true
	while read -r uri release; do
		[[ $release =~ $debian ]] || continue
		if [[ $release == "$1" ]]; then
			echo "$uri"
			return
		fi
		case $release in
		*-security) security=${security:-$uri} ;;
		*) main=${main:-$uri} ;;
		esac
	done <<<"$targets"
	[[ -n $main ]] || die "apt's sources name no Debian mirror: set BINDTRACE_MIRROR=http://HOST/debian"
	case $1 in
	*-security) echo "${security:-${main%/}-security}" ;;
	*) echo "$main" ;;
	esac
}

# private_apt ARCH SUITE…: makes an apt of its own in the cache, with nothing installed, and points
# APT_CONFIG to it. So apt checks the signatures and checksums, and the machine's own state stays as it is.
private_apt() {
	local arch=$1 dir suite uri
	shift
	# The machine's own configuration, not that of an earlier call.
	export APT_CONFIG=$machine_apt_config
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	[[ -r $keyring ]] || die "debian-archive-keyring is missing: run tests/vm/deps"
	dir=$cache/apt/$arch-$(IFS=+; echo "$*")
	mkdir -p "$dir"/{lists/partial,archives/partial,none,etc/preferences.d}
	: >"$dir/status"
	for suite; do
		uri=$(repo_uri "$suite")
		echo "deb [arch=$arch signed-by=$keyring] $uri $suite main"
	done >"$dir/sources.list"
	{
		# the machine's proxies and the like, but none of its hooks
		apt-config dump | grep '^Acquire::' || true
		cat <<-CONF
			Acquire::Languages "none";
			Acquire::GzipIndexes "true";
			Acquire::Retries "3";
			APT::Architecture "$arch";
			APT::Architectures { "$arch"; };
			APT::Install-Recommends "false";
			APT::Sandbox::User "";
			pkgCacheGen::ForceEssential "none";
			Dir::Etc "$dir/etc";
			Dir::Etc::sourcelist "$dir/sources.list";
			Dir::Etc::parts "$dir/none";
			Dir::State "$dir";
			Dir::State::lists "$dir/lists";
			Dir::State::status "$dir/status";
			Dir::Cache "$dir";
			Dir::Cache::archives "$dir/archives";
			Dir::Cache::pkgcache "";
			Dir::Cache::srcpkgcache "";
		CONF
	} >"$dir/apt.conf"
	export APT_CONFIG=$dir/apt.conf
	apt_dir=$dir
}

# apt_update: fails, having said why, when the mirror can't be reached or its signature is bad
apt_update() {
	apt-get -qq --error-on=any update >"$apt_dir/update.log" 2>&1 || {
		grep '^[EW]:' "$apt_dir/update.log" | head -3 >&2
		return 1
	}
}

# unpack_packages ROOT ARCH SUITE PACKAGE…: with what they depend on, into ROOT. "!PACKAGE" leaves one
# out, with what only that one depends on.
unpack_packages() {
	local root=$1 arch=$2 suite=$3 deb p
	local -a wanted=()
	shift 3

	private_apt "$arch" "$suite"
	apt_update || die "the mirror of apt's sources gives no $suite;" \
		"check the network, or set BINDTRACE_MIRROR=http://HOST/debian"
	# What apt takes for installed it doesn't fetch.
	for p; do
		if [[ $p == !* ]]; then
			printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\n' "${p#!}" "$arch"
			printf 'Version: 999\nMaintainer: none\nDescription: left out\n\n'
		else
			wanted+=("$p")
		fi
	done >"$apt_dir/status"
	apt-get -qq clean
	apt-get -qq -y --download-only install "${wanted[@]}" >"$apt_dir/download.log" 2>&1 || {
		tail -n5 "$apt_dir/download.log" >&2
		die "could not download ${wanted[*]}; try again"
	}
	# /bin and the like are links, which an archive's own ./bin/ must not replace.
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root/"
	for deb in "$apt_dir"/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$root" --keep-directory-symlink --no-same-owner
	done
	apt-get -qq clean
}
