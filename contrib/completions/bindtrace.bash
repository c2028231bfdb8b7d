# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of bindtrace for bash 4 and newer. bash-completion is used where it is there, not needed.

# What the option before the cursor takes; 1 where it takes nothing.
_bindtrace_value() {
	local cur=$1

	case $2 in
	--proto) mapfile -t COMPREPLY < <(compgen -W 'tcp udp udplite' -- "$cur") ;;
	--color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur") ;;
	--hooks) mapfile -t COMPREPLY < <(compgen -W 'auto fentry kprobe' -- "$cur") ;;
	--netns)
		if [[ $cur == /* ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		else
			mapfile -t COMPREPLY < <(
				compgen -W "self all $(cd /run/netns 2>/dev/null && echo *)" -X '[*]' -- "$cur"
			)
		fi
		;;
	--device)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /sys/class/net 2>/dev/null && echo *)" -- "$cur")
		;;
	--uid | --uid-filter | -u) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
	--pid | -p)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [1-9]*)" -- "$cur")
		;;
	--comm)
		# A name may hold blanks: a line each.
		mapfile -t COMPREPLY < <(
			cat /proc/[1-9]*/comm 2>/dev/null | sort -u | while IFS= read -r name; do
				[[ $name == "$cur"* ]] && printf '%q\n' "$name"
			done
		)
		;;
	--cgroup | -c)
		compopt -o filenames -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "${cur:-/sys/fs/cgroup/}")
		;;
	--btf | --record | --replay | --metrics)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	--port | -P | --address | -a | --count | --duration | --fold) ;;
	*) return 1 ;;
	esac
}

_bindtrace() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i
	local options='-4 -6 -P --port -a --address --proto --netns --reuseaddr --reuseport --v6only
		--device --uid --wait --follow -p --pid --comm -u --uid-filter -c --cgroup --all --states
		--count --duration --fold --cross-check --record --replay --metrics -j --json --json-schema --journal --color
		-q --quiet -v --verbose --features --hooks --btf -h --help -V --version'

	COMPREPLY=()
	# Behind "--" there is another command.
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -- ]] || continue
		if declare -F _command_offset >/dev/null; then
			_command_offset $((i + 1))
		elif ((i + 1 == COMP_CWORD)); then
			mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		else
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		return
	done
	# "--proto=t" comes as three words, because "=" is one of COMP_WORDBREAKS.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	_bindtrace_value "$cur" "$prev" && return
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}

complete -F _bindtrace bindtrace
