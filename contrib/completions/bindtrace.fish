# SPDX-License-Identifier: GPL-2.0-only
# Completion of bindtrace for fish 3.

# Behind "--" there is another command.
function __bindtrace_command
    set -l tokens (commandline -opc)
    set -l at (contains -i -- -- $tokens)
    set -e tokens[1..$at]
    complete -C (string join ' ' -- (string escape -- $tokens) (commandline -ct))
end

function __bindtrace_netns
    printf '%s\n' self all
    test -d /run/netns; and command ls /run/netns
end

function __bindtrace_cgroups
    command find /sys/fs/cgroup -mindepth 1 -type d -printf '/%P\n' 2>/dev/null
end

complete -c bindtrace -f
complete -c bindtrace -n 'contains -- -- (commandline -opc)' -a '(__bindtrace_command)'

complete -c bindtrace -s 4 -d 'IPv4 only'
complete -c bindtrace -s 6 -d 'IPv6 only'
complete -c bindtrace -s P -l port -x -d 'The ports; ranges as 8000-8010'
complete -c bindtrace -s a -l address -x -d 'The local address'
complete -c bindtrace -l proto -x -a 'tcp udp udplite' -d Protocol
complete -c bindtrace -l netns -x -a '(__bindtrace_netns)' -d 'Network namespace'

complete -c bindtrace -l reuseaddr -d 'The bind asked about has SO_REUSEADDR'
complete -c bindtrace -l reuseport -d 'The bind asked about has SO_REUSEPORT'
complete -c bindtrace -l v6only -d 'The bind asked about has IPV6_V6ONLY'
complete -c bindtrace -l device -x -a '(command ls /sys/class/net)' -d 'It has SO_BINDTODEVICE'
complete -c bindtrace -l uid -x -a '(__fish_complete_users)' -d 'It is by this user'
complete -c bindtrace -l wait -d 'Return as soon as the bind would succeed'

complete -c bindtrace -l follow -d 'Watch the ports instead of looking once'
complete -c bindtrace -s p -l pid -x -a '(__fish_complete_pids)' -d 'Calls of these processes only'
complete -c bindtrace -l comm -x -a '(cat /proc/*/comm 2>/dev/null | sort -u)' -d 'Calls of programs of this name only'
complete -c bindtrace -s u -l uid-filter -x -a '(__fish_complete_users)' -d 'Calls of this user only'
complete -c bindtrace -s c -l cgroup -x -a '(__bindtrace_cgroups)' -d 'Calls from this cgroup only'
complete -c bindtrace -l all -d 'Successful binds, too'
complete -c bindtrace -l states -d 'Changes of TCP states, too'
complete -c bindtrace -l count -x -d 'Stop after so many conflicts'
complete -c bindtrace -l duration -x -d 'Stop after that time, in seconds'
complete -c bindtrace -l fold -x -d 'Identical refusals within that time, in seconds, are one report'
complete -c bindtrace -l cross-check -d 'Compare with the socket that the kernel names'

complete -c bindtrace -l record -r -F -d 'Write the evidence to a new file'
complete -c bindtrace -l metrics -r -F -d 'Keep counters in a file for Prometheus'
complete -c bindtrace -l replay -r -F -d 'Show the reports of a recording'
complete -c bindtrace -s j -l json -d 'One JSON object a line'
complete -c bindtrace -l journal -d 'With --json: priorities for the journal'
complete -c bindtrace -l json-schema -d 'Print the JSON Schema of these lines'
complete -c bindtrace -l color -x -a 'auto always never' -d Colours
complete -c bindtrace -s q -l quiet -d 'No start and stop lines, no notes'
complete -c bindtrace -s v -l verbose -d 'Every socket in a row of its own'

complete -c bindtrace -l features -d 'What this kernel and this privilege allow'
complete -c bindtrace -l hooks -x -a 'auto fentry kprobe' -d 'How to attach'
complete -c bindtrace -l btf -r -F -d 'Kernel type information'
complete -c bindtrace -s h -l help -d 'Print a summary of the options'
complete -c bindtrace -s V -l version -d 'Print the version'
