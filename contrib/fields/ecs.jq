# SPDX-License-Identifier: GPL-2.0-only
# bindtrace's JSON lines as Elastic Common Schema: jq -c -f ecs.jq. The table is in docs/FIELDS.md.
def known: with_entries(select(.value != null and .value != {}));
def ip_port: if . then {ip: .address, port} else {} end;

. as $line |
{
  "@timestamp": .time,
  message: .summary,
  event: ({
    kind: "event",
    category: ["network"],
    type: (if .type == "conflict" then ["connection", "denied"] else ["info"] end),
    module: "bindtrace",
    dataset: "bindtrace.\(.type)",
    action: .syscall,
    outcome: ({conflict: "failure", bind: "success"}[.type]),
    reason: .cause
  } | known),
  error: ({code: .error} | known),
  network: ({transport: .protocol, type: .family} | known),
  source: (.local | ip_port | known),
  destination: (.peer | ip_port | known),
  process: ((.process // {}) | {
    pid,
    name: .comm,
    executable: .exe,
    thread: ({id: .tid} | known)
  } | known),
  user: ({id: (.process.uid | if . == null then null else tostring end)} | known),
  service: ({name: .process.unit} | known),
  container: ({id: .process.container} | known),
  orchestrator: (if .process.pod then
      {type: "kubernetes", resource: {type: "pod", id: .process.pod}} else {} end),
  bindtrace: ($line | del(.time, .summary))
} | known
