# SPDX-License-Identifier: GPL-2.0-only
# bindtrace's JSON lines as OpenTelemetry log records in OTLP's JSON form, one request a line:
# jq -c -f otel.jq. The table is in docs/FIELDS.md.
def nanoseconds: (.[0:19] + "Z" | fromdate | tostring) + .[20:29];
def any_value:
  def pairs: to_entries | map(select(.value != null) | {key, value: (.value | any_value)});
  if type == "string" then {stringValue: .}
  elif type == "boolean" then {boolValue: .}
  elif type == "number" and . == floor then {intValue: tostring}
  elif type == "number" then {doubleValue: .}
  elif type == "array" then {arrayValue: {values: map(any_value)}}
  else {kvlistValue: {values: pairs}} end;
def connection_state:
  if . == null then null
  else {FIN_WAIT1: "fin_wait_1", FIN_WAIT2: "fin_wait_2", SYN_RECV: "syn_received",
        CLOSE: "closed"}[.] // ascii_downcase end;
def attributes: to_entries | map(select(.value != null) | {key, value: (.value | any_value)});

{conflict: [13, "WARN"], lost: [17, "ERROR"]}[.type] as $severity |
{
  timeUnixNano: (.time | nanoseconds),
  severityNumber: ($severity[0] // 9),
  severityText: ($severity[1] // "INFO"),
  eventName: "bindtrace.\(.type)",
  body: ((.summary // .type) | any_value),
  attributes: (({
    "error.type": .error,
    "network.transport": .protocol,
    "network.type": .family,
    "network.local.address": .local.address,
    "network.local.port": .local.port,
    "network.peer.address": .peer.address,
    "network.peer.port": .peer.port,
    "network.connection.state": (.new_state | connection_state),
    "process.pid": .process.pid,
    "thread.id": .process.tid,
    "process.executable.path": .process.exe,
    "process.executable.name": (.process.exe | if . then split("/")[-1] else null end),
    "process.real_user.id": .process.uid,
    "process.linux.cgroup": (.process.cgroup | if . then "0::" + . else null end),
    "container.id": .process.container,
    "k8s.pod.uid": .process.pod
  } + (del(.time, .summary, .error, .protocol, .family, .local, .peer, .new_state)
       | with_entries(.key |= "bindtrace." + .))) | attributes)
} as $record |
{resourceLogs: [{
  resource: {attributes: ({"os.type": "linux"} | attributes)},
  scopeLogs: [{scope: {name: "bindtrace"}, logRecords: [$record]}]
}]}
